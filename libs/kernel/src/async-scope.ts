import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * A value that follows whatever `run` starts, however deep. While nobody is inside, Node keeps no track: tracking makes every
 * promise of the process about three times as expensive, and would stay on for good after the first use.
 */
export class AsyncScope<T> {
  readonly #storage = new AsyncLocalStorage<T>();
  #inside = 0;

  async run<R>(value: T, work: () => Promise<R>): Promise<R> {
    this.#inside++;
    try {
      return await this.#storage.run(value, work);
    } finally {
      if (--this.#inside === 0) this.#storage.disable();
    }
  }

  get(): T | undefined {
    return this.#storage.getStore();
  }
}
