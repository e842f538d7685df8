/** How long a value is believed, in milliseconds. */
export interface Freshness {
  /** after this it is fetched again, while the old one still serves */
  renewAfterMs: number;
  /** after this callers wait for the new one */
  staleAfterMs: number;
}

/** Callers that wait for a source that hangs get the old value after so long. */
const patienceMs = 1_500;
/** After a failure the source is left alone for so long. */
const pauseMs = 1_000;

/**
 * A value from a slow source, kept fresh. Callers wait only when there is none or it is stale; while the source is away
 * the old value serves on. `invalidate` fetches it again, once more if a fetch was under way that may have come too early.
 */
export class FreshValue<T> {
  readonly #fetch: (current: T | undefined) => Promise<T>;
  readonly #freshness: (value: T) => Freshness;
  #value: { current: T } | null = null;
  #renewAt = -Infinity;
  #staleAt = -Infinity;
  #fetching: Promise<void> | null = null;
  #outdated = false;
  /** for whoever bounds the number of values */
  usedAt = performance.now();

  constructor(fetch: (current: T | undefined) => Promise<T>, freshness: (value: T) => Freshness) {
    this.#fetch = fetch;
    this.#freshness = freshness;
  }

  get(): T | Promise<T> {
    const now = performance.now();
    this.usedAt = now;
    if (this.#value) {
      if (now < this.#renewAt) return this.#value.current;
      if (now < this.#staleAt) {
        this.#renew().catch(() => undefined);
        return this.#value.current;
      }
    }
    return this.#wait();
  }

  /** As it was last fetched, however long ago. */
  get latest(): T | undefined {
    return this.#value?.current;
  }

  /** Something changed at the source. The old value serves until the new one is here. */
  invalidate(): void {
    this.#outdated = true;
    this.#renew().catch(() => (this.#staleAt = -Infinity));
  }

  async #wait(): Promise<T> {
    const old = this.#value;
    if (!old) {
      await this.#renew();
      return this.#value!.current;
    }
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, patienceMs)));
    await Promise.race([this.#renew().catch(() => undefined), patience]);
    clearTimeout(timer);
    const now = performance.now();
    if (now >= this.#staleAt) this.#renewAt = this.#staleAt = now + pauseMs;
    return this.#value!.current;
  }

  #renew(): Promise<void> {
    this.#fetching ??= this.#fetchUntilCurrent().finally(() => (this.#fetching = null));
    return this.#fetching;
  }

  async #fetchUntilCurrent(): Promise<void> {
    do {
      this.#outdated = false;
      const current = await this.#fetch(this.#value?.current);
      const { renewAfterMs, staleAfterMs } = this.#freshness(current);
      const now = performance.now();
      this.#value = { current };
      this.#renewAt = now + renewAfterMs;
      this.#staleAt = now + staleAfterMs;
    } while (this.#outdated);
  }
}
