export interface LookoutOptions {
  /** Takes what there is to do. @returns whether there may be more */
  look(): Promise<boolean>;
  /** A look failed: it is made again when somebody asks. */
  failed(error: unknown): void;
}

export interface Lookout {
  /** Something may be there to do: looks now, or again after the look that goes on. */
  ask(): void;
  /** Looks no more; resolves when the look that goes on is over. */
  close(): Promise<void>;
}

/** Looks for work whenever somebody asks, one look after the other: whoever asks while it looks is not forgotten, and nothing is looked for twice at once. */
export function createLookout({ look, failed }: LookoutOptions): Lookout {
  let isAsked = false;
  let isLooking = false;
  let isClosed = false;
  let looking: Promise<void> = Promise.resolve();

  async function lookWhileAsked(): Promise<void> {
    while (isAsked && !isClosed) {
      isAsked = false;
      try {
        if (await look()) isAsked = true;
      } catch (error) {
        failed(error);
      }
    }
    isLooking = false; // at once: whoever asks from here on begins anew
  }

  return {
    ask() {
      isAsked = true;
      if (isLooking || isClosed) return;
      isLooking = true;
      looking = lookWhileAsked();
    },

    async close() {
      isClosed = true;
      await looking;
    },
  };
}
