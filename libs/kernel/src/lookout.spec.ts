import { createLookout } from './index.ts';

/** Looks that end when they are told to, with whether there may be more or with a failure. */
function createWorld() {
  const looks: { end(more?: boolean): Promise<void>; fail(error: Error): Promise<void> }[] = [];
  const failures: unknown[] = [];
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  const lookout = createLookout({
    look: () =>
      new Promise((resolve, reject) =>
        looks.push({
          end: (more = false) => (resolve(more), settle()),
          fail: (error) => (reject(error), settle()),
        }),
      ),
    failed: (error) => failures.push(error),
  });
  return { lookout, looks, failures, settle };
}

describe('the lookout', () => {
  it('looks at once when it is asked, and once more for all who ask meanwhile', async () => {
    const { lookout, looks, settle } = createWorld();
    await settle();
    expect(looks).toHaveLength(0);
    lookout.ask();
    lookout.ask();
    lookout.ask();
    expect(looks).toHaveLength(1);
    await looks[0]!.end();
    expect(looks).toHaveLength(2);
    await looks[1]!.end();
    expect(looks).toHaveLength(2);
    lookout.ask();
    expect(looks).toHaveLength(3);
  });

  it('goes on looking for as long as there may be more', async () => {
    const { lookout, looks } = createWorld();
    lookout.ask();
    await looks[0]!.end(true);
    await looks[1]!.end(true);
    await looks[2]!.end(false);
    expect(looks).toHaveLength(3);
  });

  it('survives a look that fails, and looks again when it is asked, even meanwhile', async () => {
    const { lookout, looks, failures } = createWorld();
    const error = new Error('the database is away');
    lookout.ask();
    await looks[0]!.fail(error);
    expect(failures).toEqual([error]);
    expect(looks).toHaveLength(1);
    lookout.ask();
    lookout.ask();
    await looks[1]!.fail(error);
    expect(looks).toHaveLength(3);
  });

  it('looks no more once it is closed, which waits for the look that goes on', async () => {
    const { lookout, looks, settle } = createWorld();
    let isClosed = false;
    lookout.ask();
    const closing = lookout.close().then(() => (isClosed = true));
    lookout.ask();
    await settle();
    expect(isClosed).toBe(false);
    await looks[0]!.end(true);
    await closing;
    lookout.ask();
    await settle();
    expect(looks).toHaveLength(1);
  });

  it('does not get stuck on a look that throws before it has begun', async () => {
    const failures: string[] = [];
    const lookout = createLookout({
      look: () => {
        throw new Error('at once');
      },
      failed: (error) => failures.push(String(error)),
    });
    lookout.ask();
    lookout.ask();
    await lookout.close();
    expect(failures).toEqual(['Error: at once', 'Error: at once']);
  });
});
