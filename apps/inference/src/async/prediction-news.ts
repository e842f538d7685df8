import type { Database } from '@millrace/database';

export type PredictionNews = ReturnType<typeof createPredictionNews>;

/** A notice may get lost: whoever waits looks for itself as often as this. */
const lookEveryMs = 1_000;

/** Tells, within this process, when something about an async prediction is new, whichever process has changed it. */
export function createPredictionNews({ database }: { database: Pick<Database, 'listen'> }) {
  const listeners = new Set<(predictionId: string | null) => void>();
  let stopListening: () => void = () => undefined;
  let isClosed = false;

  const tell = (predictionId: string | null): void => {
    for (const listener of [...listeners]) listener(predictionId);
  };

  return {
    async start(): Promise<void> {
      stopListening = await database.listen('millrace_prediction', (payload) => tell(payload?.split(':')[1] ?? null));
    },

    /** @param listener gets the id, or null: perhaps of any. @returns a function that ends it */
    on(listener: (predictionId: string | null) => void): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },

    /** Waits until `isOver` says so, asking it whenever there is news of this prediction; for so many milliseconds at most, and not beyond the close. */
    async until(predictionId: string, isOver: () => Promise<boolean>, milliseconds: number): Promise<void> {
      const end = performance.now() + milliseconds;
      for (;;) {
        let wake: () => void = () => undefined;
        const woken = new Promise<void>((resolve) => (wake = resolve));
        const stop = this.on((id) => (id === null || id === predictionId) && wake());
        let timer: NodeJS.Timeout | undefined;
        try {
          if (await isOver()) return;
          const left = end - performance.now();
          if (left <= 0 || isClosed) return;
          timer = setTimeout(wake, Math.min(left, lookEveryMs));
          await woken;
        } finally {
          clearTimeout(timer);
          stop();
        }
      }
    },

    /** Whoever waits is let go. */
    close(): void {
      isClosed = true;
      stopListening();
      tell(null);
    },
  };
}
