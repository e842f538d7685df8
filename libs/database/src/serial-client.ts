import pg from 'pg';

/**
 * A connection that gets one statement at a time, in the order asked for. Resolvers of one query share a transaction, and Prisma loads the relations of a row
 * all at once: the driver kept such a queue by itself, and gives it up in its version 9.
 */
export class SerialClient extends pg.Client {
  #last: Promise<void> = Promise.resolve();

  /** Takes what `pg.Client` takes, and answers alike; errors that it would throw are rejections. */
  override query(...call: never[]): never {
    const callback = typeof call.at(-1) === 'function' ? (call.pop() as unknown as (error: unknown, result?: unknown) => void) : null;
    const result = this.#last.then(() => Reflect.apply(super.query, this, call) as Promise<unknown>);
    this.#last = result.then(settled, settled); // keeps no rows
    if (callback) void result.then((rows) => callback(null, rows), callback);
    return (callback ? undefined : result) as never;
  }
}

const settled = (): void => undefined;
