import { combineShares, wilson } from './share-intervals.ts';

const minus = (a: readonly [number, number], b: readonly [number, number]) => combineShares([{ weight: 1, hits: a[0], total: a[1] }, { weight: -1, hits: b[0], total: b[1] }]);

it('a share’s interval is Wilson’s, and none of nothing', () => {
  expect(wilson({ hits: 2, total: 3 })).toEqual([expect.closeTo(0.20766, 5), expect.closeTo(0.93851, 5)]);
  expect(wilson({ hits: 0, total: 0 })).toEqual([null, null]);
});

/** The examples of Newcombe's table, to its four digits. */
it.each([
  [[56, 70], [48, 80], 0.0524, 0.3339],
  [[9, 10], [3, 10], 0.1705, 0.809],
  [[5, 56], [0, 29], -0.0381, 0.1926],
  [[10, 10], [0, 10], 0.6075, 1],
] as const)('the difference of %j and %j', (a, b, lower, upper) => {
  const found = minus(a, b);
  expect([found.value, found.lower, Math.min(1, found.upper)]).toEqual([expect.closeTo(a[0] / a[1] - b[0] / b[1], 12), expect.closeTo(lower, 4), expect.closeTo(upper, 4)]);
});

it('a mean of shares that are all 1 is not certain', () => {
  const mean = (total: number) => combineShares([1, 2].map(() => ({ weight: 0.5, hits: total, total })));
  expect(mean(3)).toMatchObject({ value: 1, upper: 1, lower: expect.closeTo(1 - 0.5615 / Math.SQRT2, 3) });
  expect(mean(3000).lower).toBeGreaterThan(0.999);
});
