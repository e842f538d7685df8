import type { Clock, Logger } from '@millrace/kernel';

export interface CoalescingOptions<Item> {
  /** so many of a kind go through within a window; further ones are counted */
  most: number;
  windowMs: number;
  clock: Clock;
  logger: Logger;
  /** says once, when a window ends, how many were counted: with the last of them, and when the first came */
  summarise(last: Item, count: number, since: Date): Promise<void> | void;
}

interface Window<Item> {
  endsAt: number;
  through: number;
  counted: number;
  since: Date | null;
  last: Item;
}

/** A flood of kinds pushes the oldest window out early, with its count. */
const mostWindows = 10_000;
const sweepMs = 5_000;

/** Keeps many like things from becoming many lines: the first of each minute go through at once, the rest as a number. */
export class Coalescing<Item> {
  readonly #options: CoalescingOptions<Item>;
  readonly #windows = new Map<string, Window<Item>>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: CoalescingOptions<Item>) {
    this.#options = options;
  }

  /** Whether this one goes through. One that does not is counted. */
  async admit(kind: string, item: Item): Promise<boolean> {
    const { clock, most, windowMs } = this.#options;
    const now = clock.now();
    let window = this.#windows.get(kind);
    if (window && window.endsAt <= now.getTime()) {
      await this.#end(kind, window);
      window = this.#windows.get(kind); // somebody else may have begun the next one meanwhile
    }
    if (!window) {
      window = { endsAt: now.getTime() + windowMs, through: 0, counted: 0, since: null, last: item };
      this.#windows.set(kind, window);
      if (this.#windows.size > mostWindows) {
        const [oldest] = this.#windows;
        await this.#end(oldest![0], oldest![1]);
      }
    }
    window.last = item;
    if (window.through < most) {
      window.through++;
      return true;
    }
    window.counted++;
    window.since ??= now;
    this.#timer ??= setInterval(() => void this.#sweep(), sweepMs).unref();
    return false;
  }

  /** Ends all windows, with what they have counted. */
  async close(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
    for (const [kind, window] of [...this.#windows]) await this.#end(kind, window);
  }

  async #sweep(): Promise<void> {
    const now = this.#options.clock.now().getTime();
    for (const [kind, window] of [...this.#windows]) if (window.endsAt <= now) await this.#end(kind, window);
    if (this.#windows.size || !this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  async #end(kind: string, window: Window<Item>): Promise<void> {
    if (this.#windows.get(kind) !== window) return; // ended by another caller
    this.#windows.delete(kind);
    if (!window.counted) return;
    try {
      await this.#options.summarise(window.last, window.counted, window.since!);
    } catch (error) {
      this.#options.logger.error({ kind, count: window.counted, since: window.since, error: String(error) }, 'what was counted could not be written down');
    }
  }
}
