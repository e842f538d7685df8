import type { Clock } from '@millrace/kernel';

interface Entry<Value> {
  value: Promise<Value>;
  settled: { value: Value } | null;
  expiresAt: number;
}

/** Remembers answers for a while, asks once for many callers, and forgets the oldest when it is full. */
export class ExpiringCache<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #lifeMs: number;
  readonly #capacity: number;
  readonly #clock: Clock;

  constructor(lifeMs: number, capacity: number, clock: Clock) {
    this.#lifeMs = lifeMs;
    this.#capacity = capacity;
    this.#clock = clock;
  }

  get(key: string, load: () => Promise<Value>): Promise<Value> {
    const now = this.#clock.now().getTime();
    const known = this.#entries.get(key);
    if (known && known.expiresAt > now) return known.value;
    const entry: Entry<Value> = { value: load(), settled: null, expiresAt: now + this.#lifeMs };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.value.then(
      (value) => (entry.settled = { value }),
      () => this.#entries.get(key) === entry && this.#entries.delete(key), // a failure is not an answer
    );
    if (this.#entries.size > this.#capacity) this.#entries.delete(this.#entries.keys().next().value!);
    return entry.value;
  }

  /** What is remembered, without asking for it; null as well while that is on its way. */
  known(key: string): { value: Value } | null {
    const known = this.#entries.get(key);
    return known && known.expiresAt > this.#clock.now().getTime() ? known.settled : null;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  /** An entry still loading counts as matching: it may hold what was true a moment ago. */
  deleteWhere(matches: (value: Value) => boolean): void {
    for (const [key, { settled }] of this.#entries) if (!settled || matches(settled.value)) this.#entries.delete(key);
  }

  deleteExpired(): void {
    const now = this.#clock.now().getTime();
    for (const [key, { expiresAt }] of this.#entries) if (expiresAt <= now) this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
