/** Keeps a long computation polite: it asks often, and now and then the event loop gets its turn. */
export interface Pacer {
  /** Lets waiting messages in if the last time is a few milliseconds ago. Says whether to go on. */
  mayContinue(): Promise<boolean>;
}

const turnMilliseconds = 8;

/** @param isOver asked as well: a pacer that also ends a computation for another reason, such as a time limit */
export function createPacer(signal?: AbortSignal, isOver: () => boolean = () => false): Pacer {
  let last = performance.now();
  return {
    async mayContinue() {
      if (performance.now() - last >= turnMilliseconds) {
        // A resolved promise would not do: only a macrotask lets input and messages arrive.
        await new Promise((resolve) => setImmediate(resolve));
        last = performance.now();
      }
      return !signal?.aborted && !isOver();
    },
  };
}
