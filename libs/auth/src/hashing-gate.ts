import { DomainError } from '@millrace/kernel';
import { networkOf } from './network.ts';

export interface GateLimits {
  /** so many at once */
  places: number;
  /** so many may wait for a place */
  waiting: number;
  /** and so many of them from one network */
  waitingOfOne: number;
  /** while others wait, a place stays empty for so many times as long as it was taken: what hashing leaves to everything else */
  rest: number;
}

interface Waiting {
  network: string | null;
  enter: () => void;
}

/**
 * Hashing is dear on purpose: few at once, a short queue, and then a refusal instead of a machine that stands still.
 * The queue is shared: whoever floods it fills no more than a part, so that the others still find a place.
 */
export class HashingGate {
  readonly #limits: GateLimits;
  readonly #queue: Waiting[] = [];
  #inside = 0;

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  /**
   * @param address where the work comes from; undefined for the product's own
   * @throws DomainError TOO_MANY_REQUESTS when the queue has no room for it
   */
  async run<T>(address: string | undefined, work: () => Promise<T>): Promise<T> {
    if (this.#inside < this.#limits.places) this.#inside++;
    else await this.#turn(address === undefined ? null : networkOf(address));
    const begun = performance.now();
    try {
      return await work();
    } finally {
      if (this.#queue.length > 0) setTimeout(() => this.#leave(), (performance.now() - begun) * this.#limits.rest);
      else this.#leave();
    }
  }

  #leave(): void {
    const next = this.#queue.shift();
    if (next) next.enter();
    else this.#inside--;
  }

  /** Whether work from there would not be refused now: asked by those who can spare themselves the way here. */
  hasRoomFor(address: string | undefined): boolean {
    return this.#inside < this.#limits.places || this.#canWait(address === undefined ? null : networkOf(address));
  }

  #canWait(network: string | null): boolean {
    if (this.#queue.length >= this.#limits.waiting) return false;
    return network === null || this.#queue.filter((waiting) => waiting.network === network).length < this.#limits.waitingOfOne;
  }

  #turn(network: string | null): Promise<void> {
    if (!this.#canWait(network)) throw tooManySignIns();
    return new Promise((resolve) => this.#queue.push({ network, enter: resolve }));
  }
}

export const tooManySignIns = (): DomainError =>
  new DomainError('TOO_MANY_REQUESTS', 'Too many people sign in at this moment.', { remedy: 'Try again in a few seconds.' });
