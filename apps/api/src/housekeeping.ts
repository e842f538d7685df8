import type { Auth } from '@millrace/auth';
import type { Database } from '@millrace/database';
import type { Logger } from '@millrace/kernel';
import type { Idempotency } from '@millrace/quota';
import type { Rollouts } from '@millrace/registry';
import type { ArtefactStore } from '@millrace/storage';

export interface HousekeepingOptions {
  database: Database;
  auth: Auth;
  idempotency: Idempotency;
  rollouts: Rollouts;
  storage: ArtefactStore;
  logger: Logger;
  /** how often it moves rollouts on, in milliseconds */
  rolloutEveryMs?: number | undefined;
  /** how often it looks for tenants to purge, in milliseconds */
  purgeEveryMs?: number | undefined;
}

const tenMinutes = 10 * 60_000;

/**
 * What the API looks after again and again without being asked. Any number of processes may do it at once: rollouts and counts bear that, and of those who purge
 * one is at it at a time.
 */
export function startHousekeeping({ database, auth, idempotency, rollouts, storage, logger, rolloutEveryMs = 1_000, purgeEveryMs = tenMinutes }: HousekeepingOptions): { close(): Promise<void> } {
  /** One round at a time; a failure is told in these words, and the next round tries again. */
  function every(ms: number, work: () => Promise<unknown>, failed: string): { now(): void; close(): Promise<void> } {
    let underWay: Promise<void> | null = null;
    const now = (): void => {
      underWay ??= work()
        .then(() => undefined, (error: unknown) => logger.warn({ error: String(error) }, failed))
        .finally(() => (underWay = null));
    };
    const timer = setInterval(now, ms).unref();
    const close = async (): Promise<void> => {
      clearInterval(timer);
      await underWay;
    };
    return { now, close };
  }

  const removeArtefacts = (tenantId: string): Promise<void> => storage.removeAll(`tenants/${tenantId}`);
  const counts = every(tenMinutes, () => Promise.all([auth.sweep(), idempotency.sweep()]), 'counts, links and addresses that have run out were not swept; tried again later');
  const moves = every(rolloutEveryMs, () => rollouts.advance(), 'rollouts were not looked after; tried again later');
  const purge = every(purgeEveryMs, () => database.exclusively('millrace purge', () => auth.tenants.purgeDue({ removeArtefacts })), 'looking for tenants to purge failed; tried again later');
  purge.now();

  return {
    /** Begins no further round, and waits for those under way. */
    async close() {
      await Promise.all([counts, moves, purge].map((each) => each.close()));
    },
  };
}
