import type { Database } from '@millrace/database';
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
  let working: Promise<void> | null = null;
  let wanted = false;
  let closed = false;

  function look(): void {
    wanted = true;
    working ??= takeAll().finally(() => (working = null));
  }

  async function takeAll(): Promise<void> {
    while (wanted && !closed) {
      wanted = false;
      try {
        const held = await imports.claim();
        if (!held) continue;
        wanted = true;
        logger.info({ importId: held.importId }, 'import claimed');
        current = startImportAttempt(held, options);
        if (closed) await current.giveBack();
        else await current.done;
      } catch (error) {
        logger.warn({ error: String(error) }, 'claiming an import failed; tried again soon');
      } finally {
        current = null;
      }
    }
  }

  const end = await database.listen('millrace_queue', look);
  const poll = setInterval(look, pollEveryMs);
  look();

  return {
    async close() {
      closed = true;
      end();
      clearInterval(poll);
      await current?.giveBack();
      await working;
    },
  };
}
