import { FreshValue } from './fresh-value.ts';

const lasting = () => ({ renewAfterMs: 60_000, staleAfterMs: 60_000 });
const atOnceStale = () => ({ renewAfterMs: 0, staleAfterMs: 0 });
const alwaysRenewing = () => ({ renewAfterMs: 0, staleAfterMs: 60_000 });

/** A source whose answers the spec gives, one by one. */
function createSource() {
  const asked: { answer(value: string): void; fail(): void }[] = [];
  return {
    asked,
    fetch: () => new Promise<string>((resolve, reject) => asked.push({ answer: resolve, fail: () => reject(new Error('away')) })),
  };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('a fresh value', () => {
  it('is fetched once for all who wait', async () => {
    const source = createSource();
    const value = new FreshValue(source.fetch, lasting);
    const waiting = [value.get(), value.get(), value.get()];
    expect(source.asked).toHaveLength(1);
    source.asked[0]!.answer('a');
    expect(await Promise.all(waiting)).toEqual(['a', 'a', 'a']);
    expect(value.get()).toBe('a');
  });

  it('serves the old value while the new one is fetched', async () => {
    const source = createSource();
    const value = new FreshValue(source.fetch, alwaysRenewing);
    const first = value.get();
    source.asked[0]!.answer('old');
    await first;
    await settle();
    expect(value.get()).toBe('old');
    expect(source.asked).toHaveLength(2);
    source.asked[1]!.answer('new');
    await settle();
    expect(value.get()).toBe('new');
  });

  it('is fetched again when a change is announced during a fetch', async () => {
    const source = createSource();
    const value = new FreshValue(source.fetch, lasting);
    const first = value.get();
    value.invalidate();
    source.asked[0]!.answer('read before the change');
    await settle();
    source.asked[1]!.answer('read after the change');
    expect(await first).toBe('read after the change');
  });

  it('serves on while its source is away, and passes the failure on only when there is nothing to serve', async () => {
    const source = createSource();
    const value = new FreshValue(source.fetch, atOnceStale);
    const first = Promise.resolve(value.get());
    source.asked[0]!.fail();
    await expect(first).rejects.toThrow('away');
    const second = value.get();
    source.asked[1]!.answer('known');
    await second;
    await settle();
    const third = Promise.resolve(value.get());
    source.asked[2]!.fail();
    expect(await third).toBe('known');
    expect(value.get()).toBe('known'); // and the source is left alone for a moment
    expect(source.asked).toHaveLength(3);
  });
});
