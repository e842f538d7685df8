import type { Database } from '@millrace/database';
import { createLookout } from '@millrace/kernel';
import { type ImportAttempt, type ImportAttemptOptions, startImportAttempt } from './import-attempt.ts';

export interface ImportLoop {
  /** stops claiming and gives back what is in hand */
  close(): Promise<void>;
}

const pollEveryMs = 2_000;

/** Takes files to be imported, one at a time, beside the runs: at once when told of one, and by polling in case the notice gets lost. */
export async function startImportLoop(options: ImportAttemptOptions & { database: Database }): Promise<ImportLoop> {
  const { database, imports, logger } = options;
  let current: ImportAttempt | null = null;
  let closed = false;

  async function takeOne(): Promise<boolean> {
    try {
      const held = await imports.claim();
      if (!held) return false;
      logger.info({ importId: held.importId }, 'import claimed');
      current = startImportAttempt(held, options);
      if (closed) await current.giveBack();
      else await current.done;
      return true;
    } finally {
      current = null;
    }
  }

  const lookout = createLookout({ look: takeOne, failed: (error) => logger.warn({ error: String(error) }, 'claiming an import failed; tried again soon') });
  const end = await database.listen('millrace_queue', lookout.ask);
  const poll = setInterval(lookout.ask, pollEveryMs);
  lookout.ask();

  return {
    async close() {
      closed = true;
      const ended = lookout.close(); // at once: what is given back is not claimed again
      end();
      clearInterval(poll);
      await current?.giveBack();
      await ended;
    },
  };
}
