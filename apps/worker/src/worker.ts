import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Database } from '@millrace/database';
import { createLookout, isProcessAlive, type Logger } from '@millrace/kernel';
import { type RunAttempt, type RunAttemptOptions, startRunAttempt } from './run-attempt.ts';

export interface WorkerOptions extends RunAttemptOptions {
  database: Database;
  name: string;
  /** runs trained at once */
  concurrency: number;
  /** looks for a GPU; none if left out */
  findGpu?: () => Promise<boolean>;
}

export interface Worker {
  /** ids of the runs in hand */
  runningRuns(): string[];
  /** stops claiming, gives back what is in hand, and resolves when all is done */
  close(): Promise<void>;
}

const pollEveryMs = 2_000;
const reapEveryMs = 5_000;
const announceEveryMs = 5_000;

/** Claims runs as long as it has a free place: at once when told of one, and by polling in case the notice gets lost. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { database, queue, logger } = options;
  const attempts = new Map<string, RunAttempt>();
  let closed = false;
  const id = randomUUID();
  let gpu = false;

  await removeLeftovers(options.workDirectory, logger);

  const lookout = createLookout({ look: claim, failed: (error) => logger.warn({ error: String(error) }, 'claiming failed; tried again soon') });

  async function claim(): Promise<boolean> {
    if (attempts.size >= options.concurrency) return false; // whichever ends asks anew
    const claimed = await queue.claim(options.name, { gpu });
    if (!claimed) return false;
    const runId = claimed.run.id;
    logger.info({ runId, attempt: claimed.run.attempt }, 'run claimed');
    const attempt = startRunAttempt(claimed, options);
    attempts.set(runId, attempt);
    void attempt.done.then(() => {
      attempts.delete(runId);
      lookout.ask();
    });
    return true;
  }

  let announcing: Promise<void> = Promise.resolve();
  function announce(): void {
    announcing = announcing
      .then(async () => {
        if (!closed) await queue.announce({ id, name: options.name, places: options.concurrency, gpu, memoryMb: options.memoryMb });
      })
      .catch((error: unknown) => logger.warn({ error: String(error) }, 'this worker could not say that it is there'));
  }

  const endings = await Promise.all([
    database.listen('millrace_queue', lookout.ask),
    database.listen('millrace_run', (payload) => {
      if (payload === null) for (const attempt of attempts.values()) attempt.beat();
      else attempts.get(payload.split(':')[1] ?? '')?.beat();
    }),
  ]);
  const poll = setInterval(lookout.ask, pollEveryMs);
  const reap = setInterval(() => {
    queue.reapExpired().then(
      (count) => void (count && lookout.ask()),
      (error: unknown) => logger.warn({ error: String(error) }, 'looking for silent workers failed'),
    );
  }, reapEveryMs);
  const announcement = setInterval(announce, announceEveryMs);
  announce();
  lookout.ask();
  // Nobody waits for the look: until it is done this is a worker without a GPU.
  void options.findGpu?.().then((found) => {
    if (!found) return;
    gpu = true;
    announce();
    lookout.ask();
  });

  return {
    runningRuns: () => [...attempts.keys()],
    async close() {
      closed = true;
      clearInterval(poll);
      clearInterval(reap);
      clearInterval(announcement);
      for (const end of endings) end();
      await lookout.close();
      await Promise.all([...attempts.values()].map((attempt) => attempt.giveBack()));
      await announcing;
      await queue.withdraw(id).catch(() => undefined); // it is forgotten by its silence as well
    },
  };
}

/** Folders of attempts that a killed worker left behind. Nobody resumes from them: checkpoints are in the artefact store. */
async function removeLeftovers(workDirectory: string, logger: Logger): Promise<void> {
  await fs.mkdir(workDirectory, { recursive: true });
  for (const name of await fs.readdir(workDirectory)) {
    const owner = /^(?:run|imp)_[0-9a-z]{26}-(\d+)$/.exec(name)?.[1];
    if (!owner || isProcessAlive(Number(owner))) continue;
    // The killed worker's training process may be writing its last lines there; if it outlasts the retries, the next start clears up.
    await fs.rm(path.join(workDirectory, name), { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }).catch((error: unknown) => {
      logger.warn({ error: String(error), folder: name }, 'a folder of an ended worker could not be removed');
    });
  }
}
