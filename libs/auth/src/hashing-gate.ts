import { DomainError } from '@millrace/kernel';
import { networkOf } from './network.ts';

export interface GateLimits {
  /** so many at once */
  places: number;
  /** so many may wait for a place */
  waiting: number;
  /** and so many of them from one network */
  waitingOfOne: number;
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
    try {
      return await work();
    } finally {
      const next = this.#queue.shift();
      if (next) next.enter();
      else this.#inside--;
    }
  }

  #turn(network: string | null): Promise<void> {
    const ofOne = network === null ? 0 : this.#queue.filter((waiting) => waiting.network === network).length;
    if (this.#queue.length >= this.#limits.waiting || ofOne >= this.#limits.waitingOfOne) {
      throw new DomainError('TOO_MANY_REQUESTS', 'Too many people sign in at this moment.', { remedy: 'Try again in a few seconds.' });
    }
    return new Promise((resolve) => this.#queue.push({ network, enter: resolve }));
  }
}
