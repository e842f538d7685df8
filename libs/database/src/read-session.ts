import type { TenantTx } from './database.ts';
import { translateOutage } from './outage.ts';

/**
 * One transaction for all reads of a request. It opens with the first read, so a request that reads nothing costs
 * nothing, and ends with `close()`. Its client is the only one in reach of the resolvers of a query.
 */
export class ReadSession {
  readonly #begin: (work: (tx: TenantTx) => Promise<void>) => Promise<void>;
  #opening: Promise<TenantTx> | null = null;
  #transaction: Promise<void> | null = null;
  #release: () => void = () => undefined;
  #closed = false;

  /** Looks like the client of a transaction; every call waits until the transaction is open. */
  readonly client: TenantTx;

  constructor(begin: (work: (tx: TenantTx) => Promise<void>) => Promise<void>) {
    this.#begin = begin;
    const delegates = new Map<string, unknown>();
    this.client = new Proxy({} as TenantTx, {
      get: (_target, name) => {
        if (typeof name !== 'string' || name === 'then') return undefined;
        if (name.startsWith('$')) return (...values: unknown[]) => this.#call([name], values);
        if (!delegates.has(name)) {
          delegates.set(
            name,
            new Proxy({}, { get: (_delegate, method) => (...values: unknown[]) => this.#call([name, String(method)], values) }),
          );
        }
        return delegates.get(name);
      },
      has: (_target, name) => typeof name === 'string' && name !== 'then',
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#release();
    await this.#transaction;
  }

  async #call(path: string[], values: unknown[]): Promise<unknown> {
    let target: unknown = await this.#open();
    let owner: unknown;
    for (const name of path) [owner, target] = [target, (target as Record<string, unknown>)[name]];
    return translateOutage(Promise.resolve((target as (...values: unknown[]) => unknown).apply(owner, values)));
  }

  #open(): Promise<TenantTx> {
    if (this.#closed) return Promise.reject(new Error('this read session is closed'));
    this.#opening ??= new Promise<TenantTx>((resolve, reject) => {
      const held = new Promise<void>((release) => (this.#release = release));
      const transaction = this.#begin(async (tx) => {
        resolve(tx);
        await held;
      });
      // A failure to begin reaches the first read; one after that (a time-out) reaches the reads still to come.
      this.#transaction = transaction.catch(reject);
    });
    return this.#opening;
  }
}
