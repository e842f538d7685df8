import type { Auth } from '@millrace/auth';
import type { Database } from '@millrace/database';
import type { Logger } from '@millrace/kernel';
import type { ArtefactStore } from '@millrace/storage';

export interface PurgeSweepOptions {
  database: Database;
  auth: Auth;
  storage: ArtefactStore;
  logger: Logger;
  everyMs: number;
}

/** Purges deleted tenants whose time is over: at once, then again and again; of many processes, one at a time. */
export function startPurgeSweep({ database, auth, storage, logger, everyMs }: PurgeSweepOptions): { close(): Promise<void> } {
  let sweeping: Promise<void> | null = null;

  function sweep(): void {
    sweeping ??= database
      .exclusively('millrace purge', () => auth.tenants.purgeDue({ removeArtefacts: (tenantId) => storage.removeAll(`tenants/${tenantId}`) }))
      .then(
        () => undefined,
        (error: unknown) => logger.warn({ error: String(error) }, 'looking for tenants to purge failed; tried again later'),
      )
      .finally(() => (sweeping = null));
  }
  sweep();
  const timer = setInterval(sweep, everyMs);
  timer.unref();

  return {
    async close() {
      clearInterval(timer);
      await sweeping;
    },
  };
}
