import { conformalInterval } from './conformal-interval.ts';
import { createRandom } from './random.ts';

test('fresh rows lie within the interval as often as is stated, whatever the errors look like', () => {
  const random = createRandom(1);
  // Skewed and heavy in the tail.
  const errors = (count: number) => Float64Array.from({ length: count }, () => random.uniform() ** -0.4 - 1);
  for (const coverage of [0.5, 0.8, 0.95]) {
    let [hits, rows] = [0, 0];
    for (let round = 0; round < 200; round++) {
      const { halfWidth } = conformalInterval(new Float64Array(99), errors(99), coverage);
      for (const error of errors(50)) hits += Number(error <= halfWidth);
      rows += 50;
    }
    expect(Math.abs(hits / rows - coverage)).toBeLessThan(0.015);
  }
});

test('takes the error of the right rank, and says so when there are too few rows', () => {
  const predicted = Float64Array.of(1, -2, 3, -4, 5, -6, 7, -8, 9);
  expect(conformalInterval(new Float64Array(9), predicted, 0.9)).toEqual({ coverage: 0.9, halfWidth: 9 });
  expect(conformalInterval(new Float64Array(9), predicted, 0.5)).toEqual({ coverage: 0.5, halfWidth: 5 });
  expect(conformalInterval(new Float64Array(9), predicted, 0.95)).toEqual({ coverage: 0.9, halfWidth: 9 });
});
