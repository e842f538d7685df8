import type { Logger } from '@millrace/kernel';
import type { Rollouts } from '@millrace/registry';

export interface RolloutSweepOptions {
  rollouts: Rollouts;
  logger: Logger;
  everyMs: number;
}

/** Moves rollouts on: several processes may do so at once, and one is enough. */
export function startRolloutSweep({ rollouts, logger, everyMs }: RolloutSweepOptions): { close(): Promise<void> } {
  let sweeping: Promise<void> | null = null;
  const timer = setInterval(() => {
    sweeping ??= rollouts
      .advance()
      .catch((error: unknown) => logger.warn({ error: String(error) }, 'rollouts were not looked after; tried again later'))
      .finally(() => (sweeping = null));
  }, everyMs);
  timer.unref();

  return {
    async close() {
      clearInterval(timer);
      await sweeping;
    },
  };
}
