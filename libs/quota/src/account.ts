import type { LeasedRate } from './leased-rate.ts';
import { type LimitTerms, mostAt } from './usage-limit.ts';

/** How matters stand under a limit, as far as this process knows. */
export interface LimitStanding {
  terms: LimitTerms;
  most: number;
  used: number;
  remaining: number;
  /** until all of it is there again; null when it never is */
  resetSeconds: number | null;
  /** until it is worth trying again */
  retrySeconds: number | null;
  windowSeconds: number | null;
}

/** This process's part of what all processes count together. */
export interface Account {
  terms: LimitTerms;
  has(units: number): boolean;
  /** Whether so many are known not to be there, here or anywhere. */
  lacks(units: number): boolean;
  /** Only what it `has`. @returns what `giveBack` must be told */
  spend(units: number): bigint;
  /** For what was not served after all. */
  giveBack(units: number, window: bigint): void;
  /** Asks for units, together with all others who wait for some. Resolves when it is known whether there are any. */
  obtain(units: number): Promise<void>;
  /** Gives back what lies here unspent. */
  returnAll(): Promise<void>;
  /** To be called every second or so, with `performance.now()`. */
  tick(now: number): Promise<void>;
  /** Whether it can be forgotten. */
  isIdle(now: number): boolean;
  standing(): LimitStanding;
}

/** A rate as an account of requests. What was let in has used the rate, whatever became of it. */
export class RateAccount implements Account {
  readonly #rate: LeasedRate;
  #terms: LimitTerms;

  constructor(rate: LeasedRate, terms: LimitTerms) {
    this.#rate = rate;
    this.#terms = terms;
  }

  get terms(): LimitTerms {
    return this.#terms;
  }

  set terms(terms: LimitTerms) {
    this.#terms = terms;
  }

  has(): boolean {
    this.#rate.limit = mostAt(this.#terms, Date.now());
    return this.#rate.has();
  }

  lacks(): boolean {
    return this.#rate.lacks();
  }

  spend(): bigint {
    this.#rate.spend();
    return 0n;
  }

  giveBack(): void {}

  obtain(): Promise<void> {
    return this.#rate.obtain();
  }

  returnAll(): Promise<void> {
    return this.#rate.returnAll();
  }

  tick(now: number): Promise<void> {
    return this.#rate.tick(now);
  }

  isIdle(now: number): boolean {
    return this.#rate.isIdle(now);
  }

  standing(): LimitStanding {
    const { limit, remaining, resetSeconds, retryAfterSeconds } = this.#rate.standing();
    return { terms: this.#terms, most: limit, used: limit - remaining, remaining, resetSeconds, retrySeconds: retryAfterSeconds, windowSeconds: 60 };
  }
}
