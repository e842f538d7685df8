import { findCallSize } from './call-size.ts';

/** What is found where calls take this long, and the longest call that was made to find it. */
async function found(costOf: (rows: number) => number, most = 256, longest = 100) {
  let longestCall = 0;
  const size = await findCallSize(async (rows) => {
    longestCall = Math.max(longestCall, costOf(rows));
    return costOf(rows);
  }, { most, longest });
  return { size, longestCall };
}

it.each<[string, (rows: number) => number, number, number]>([
  ['quick ones take all', (rows) => rows / 10, 256, 256],
  ['as slow as may be, one', () => 100, 256, 256],
  ['one a call', (rows) => rows * 60, 1, 1],
  ['by the row', (rows) => rows * 5, 15, 20],
  ['with a beginning', (rows) => 50 + rows, 38, 50],
  ['by the square of the rows', (rows) => rows * rows, 7, 10],
  ['from some number on', (rows) => (rows > 100 ? 1e6 : 1), 76, 100],
])('%s', async (_name, costOf, least, most) => {
  const { size } = await found(costOf);
  if (size.type !== 'fits') throw new Error('too slow');
  expect(size.rows).toBeGreaterThanOrEqual(least);
  expect(size.rows).toBeLessThanOrEqual(most);
  expect(size.milliseconds).toBe(costOf(size.rows));
  expect(size.milliseconds).toBeLessThanOrEqual(100);
});

it('a model that is too slow for one row is not called with more', async () => {
  expect(await found((rows) => 101 * rows)).toEqual({ size: { type: 'too-slow', milliseconds: 101 }, longestCall: 101 });
});

it('no call takes much longer than the bound, where time grows with the rows', async () => {
  expect((await found((rows) => 7 * rows)).longestCall).toBeLessThanOrEqual(400);
});

it('a first call that sets things up, or one that was held up, is not held against the model', async () => {
  const times = [5_000, 300, 2];
  expect(await findCallSize(async (rows) => times.shift() ?? rows, { most: 10, longest: 100 })).toEqual({ type: 'fits', rows: 10, milliseconds: 10 });
});
