import { executionAsyncResource } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { AsyncScope } from './async-scope.ts';

describe('an async scope', () => {
  it('tells each of several at once its own value, however deep, and nothing outside', async () => {
    const scope = new AsyncScope<number>();
    const deep = async (depth: number): Promise<number | undefined> => (await turn(), depth ? deep(depth - 1) : scope.get());
    const values = await Promise.all([1, 2, 3].map((value) => scope.run(value, () => deep(value))));
    expect(values).toEqual([1, 2, 3]);
    expect(scope.get()).toBeUndefined();
  });

  it('stays on while somebody is inside, whoever leaves first', async () => {
    const scope = new AsyncScope<string>();
    let release: () => void = () => undefined;
    const long = scope.run('long', async () => {
      await new Promise<void>((resolve) => (release = resolve));
      return scope.get();
    });
    expect(await scope.run('short', async () => scope.get())).toBe('short');
    await expect(scope.run('failing', () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    release();
    expect(await long).toBe('long');
  });

  it('keeps no track of promises while nobody is inside', async () => {
    const scope = new AsyncScope<string>();
    // Whoever tracks leaves a mark on whatever begins; the test runner is one of them.
    const marks = () => new Promise<number>((resolve) => setImmediate(() => resolve(Object.getOwnPropertySymbols(executionAsyncResource()).filter(({ description }) => description === 'kResourceStore').length)));
    const before = await marks();
    expect(await scope.run('value', marks)).toBe(before + 1);
    expect(await marks()).toBe(before);
  });
});
