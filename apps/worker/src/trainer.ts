import fs from 'node:fs/promises';
import path from 'node:path';
import { type CheckpointStore, selectBackend } from '@millrace/learning';
import type { Failure } from '@millrace/training';
import { runAnomaly } from './anomaly-run.ts';
import { runForecast } from './forecast-run.ts';
import { runOptimisation } from './optimisation-run.ts';
import { runPlain } from './plain-run.ts';
import { runRecommendation } from './recommendation-run.ts';
import type { Surroundings } from './surroundings.ts';
import { runSurvival } from './survival-run.ts';
import { checkpointFile, type TrainerJob, type TrainerMessage, type WorkerMessage } from './trainer-protocol.ts';

/**
 * The training process: one run, no database, no secret. It tells its worker what happens and leaves files in its work
 * folder. It ends with its worker, whatever it is doing.
 */

const abort = new AbortController();
process.on('disconnect', () => process.exit(1));
let pausing = false;
/** whether it saves where it is when it is broken off, or is quickly made anew: a pause then has no checkpoint to wait for */
let stopsWhenPaused = false;
process.on('message', (message: WorkerMessage) => {
  if (message.type === 'cancel') return abort.abort();
  if (message.type === 'pause') {
    pausing = true;
    if (stopsWhenPaused) abort.abort();
    return undefined;
  }
  const work = message.type === 'probe' ? probe() : run(message.job);
  work.then(() => process.exit(0), (error: unknown) => send({ type: 'failed', failure: failureOf(error) }).then(() => process.exit(1)));
});

/** Says what it would compute on. */
async function probe(): Promise<void> {
  const { name, detail } = await selectBackend({ prefer: 'cuda' });
  await send({ type: 'started', backend: name, backendDetail: detail });
}

/** Resolves when the message has left, which slows the training to what the worker can take. */
function send(message: TrainerMessage): Promise<void> {
  return new Promise((resolve) => process.send!(message, undefined, {}, () => resolve()));
}

async function run(job: TrainerJob): Promise<void> {
  const backend = await selectBackend({ prefer: job.backend });
  await send({ type: 'started', backend: backend.name, backendDetail: backend.detail });
  const { spec } = job;
  const how: Surroundings = {
    backend,
    checkpoint: checkpointsOf(job),
    signal: abort.signal,
    // A run ends when it is told to: told to pause, it has not ended.
    send: (message) => send(message.type === 'cancelled' && pausing ? { type: 'paused' } : message),
    stopWhenPaused() {
      stopsWhenPaused = true;
      if (pausing) abort.abort();
    },
  };
  if (job.optimisation) return runOptimisation(job, job.optimisation, how);
  if (spec.survival) return runSurvival(job, how);
  if (spec.forecast) return runForecast(job, how);
  if (spec.anomaly) return runAnomaly(job, how);
  if (spec.recommendation) return runRecommendation(job, how);
  return runPlain(job, how);
}

/** Where the progress of a job is kept; a run that is to pause is over with its next checkpoint. */
function checkpointsOf(job: TrainerJob): CheckpointStore {
  const file = path.join(job.workDirectory, checkpointFile);
  let savedAt = performance.now();
  return {
    // Most epochs are so short that saving each would cost more than it could win back.
    isDue: () => pausing || performance.now() - savedAt >= job.checkpointEverySeconds * 1000,
    load: async () => (job.checkpointPath ? fs.readFile(job.checkpointPath) : null),
    async save(bytes) {
      savedAt = performance.now();
      await fs.writeFile(`${file}.partial`, bytes);
      await fs.rename(`${file}.partial`, file);
      await send({ type: 'checkpoint', file: checkpointFile });
      if (pausing) abort.abort();
    },
  };
}

function failureOf(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (/allocation failed|out of memory|memory\.grow|cannot enlarge memory|could not allocate/i.test(message)) {
    return {
      code: 'OUT_OF_MEMORY',
      message: 'The training needs more memory than it may have.',
      remedy: 'Use fewer rows, a smaller network or a smaller batch.',
      fault: 'USER',
    };
  }
  process.stderr.write(`${error instanceof Error ? error.stack : message}\n`);
  return { code: 'TRAINER_ERROR', message: 'The training stopped because of an error of ours.', remedy: 'Tell your operator the id of this run.', fault: 'SYSTEM' };
}
