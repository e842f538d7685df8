import type { Auth } from '@millrace/auth';
import type { Database } from '@millrace/database';

/** Should a notification get lost, its news is this much late. */
const safetyNetMs = 2_000;

/** Tells the subscriptions of this process when there is news of a run: one LISTEN for all of them. */
export interface RunFeed {
  /**
   * One signal at once, then one whenever there may be news, of the run or of who may see it; several that come together
   * are one. Ends with the feed or the signal.
   */
  watch(tenantId: string, runId: string, signal: AbortSignal): AsyncGenerator<void, void, void>;
  /** Before it, news comes late. */
  start(): Promise<void>;
  /** Ends every watch. */
  close(): void;
}

export function createRunFeed(database: Database, auth: Pick<Auth, 'onRightsChange'>): RunFeed {
  const wakers = new Map<string, Set<() => void>>();
  const wakeAll = (): void => {
    for (const set of wakers.values()) for (const wake of set) wake();
  };
  let closed = false;
  let unlisten: () => void = () => undefined;
  const endRightsWatch = auth.onRightsChange((tenantId) => {
    for (const [run, set] of wakers) if (tenantId === null || run.startsWith(`${tenantId}:`)) for (const wake of set) wake();
  });
  const safetyNet = setInterval(wakeAll, safetyNetMs);
  safetyNet.unref();

  return {
    async *watch(tenantId, runId, signal) {
      const key = `${tenantId}:${runId}`;
      let pending = true;
      let resume: (() => void) | null = null;
      const wake = (): void => {
        pending = true;
        resume?.();
      };
      const set = wakers.get(key) ?? new Set();
      wakers.set(key, set.add(wake));
      signal.addEventListener('abort', wake);
      try {
        while (!closed && !signal.aborted) {
          if (pending) {
            pending = false;
            yield;
          } else {
            await new Promise<void>((resolve) => (resume = resolve));
            resume = null;
          }
        }
      } finally {
        signal.removeEventListener('abort', wake);
        set.delete(wake);
        if (!set.size) wakers.delete(key);
      }
    },
    async start() {
      unlisten = await database.listen('millrace_run', (run) => {
        if (run === null) wakeAll(); // news may have been missed
        else for (const wake of wakers.get(run) ?? []) wake();
      });
    },
    close() {
      closed = true;
      clearInterval(safetyNet);
      unlisten();
      endRightsWatch();
      wakeAll();
    },
  };
}
