import { fork } from 'node:child_process';
import os from 'node:os';
import { trainerEnvironment } from './environment.ts';
import type { TrainerMessage, WorkerMessage } from './trainer-protocol.ts';

/** Whether a training process computes on a GPU here: one is started and asked, as no other process loads TensorFlow. */
export function findGpu({ entry, execArgv }: { entry: string; execArgv: string[] }): Promise<boolean> {
  return new Promise((resolve) => {
    const child = fork(entry, [], { execArgv, env: trainerEnvironment(os.tmpdir()), serialization: 'advanced', stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    let gpu = false;
    child.on('message', (message: TrainerMessage) => (gpu = message.type === 'started' && message.backend === 'cuda'));
    child.on('error', () => undefined); // what failed shows in the exit
    child.once('close', () => resolve(gpu));
    child.send({ type: 'probe' } satisfies WorkerMessage, () => undefined);
  });
}
