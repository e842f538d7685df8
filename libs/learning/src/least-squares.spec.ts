import { solveLeastSquares } from './least-squares.ts';
import { createPacer } from './pacer.ts';
import { createRandom } from './random.ts';

const solve = async (columns: number[][], targets: number[], l2 = 0) => {
  const [rows, width] = [targets.length, columns.length];
  const inputs = Float64Array.from({ length: rows * width }, (_, at) => columns[at % width]![Math.floor(at / width)]!);
  const solved = (await solveLeastSquares({ inputs, rows, width, targets: Float64Array.from(targets), l2 }, createPacer()))!;
  return { ...solved, weights: Array.from(solved.weights) };
};

/** Longley (1967), with the certified values of the NIST Statistical Reference Datasets: a condition of 10^9 unscaled. */
const longley = {
  targets: [60323, 61122, 60171, 61187, 63221, 63639, 64989, 63761, 66019, 67857, 68169, 66513, 68655, 69564, 69331, 70551],
  columns: [
    [83, 88.5, 88.2, 89.5, 96.2, 98.1, 99, 100, 101.2, 104.6, 108.4, 110.8, 112.6, 114.2, 115.7, 116.9],
    [234289, 259426, 258054, 284599, 328975, 346999, 365385, 363112, 397469, 419180, 442769, 444546, 482704, 502601, 518173, 554894],
    [2356, 2325, 3682, 3351, 2099, 1932, 1870, 3578, 2904, 2822, 2936, 4681, 3813, 3931, 4806, 4007],
    [1590, 1456, 1616, 1650, 3099, 3594, 3547, 3350, 3048, 2857, 2798, 2637, 2552, 2514, 2572, 2827],
    [107608, 108632, 109773, 110929, 112075, 113270, 115094, 116219, 117388, 118734, 120445, 121950, 123366, 125368, 127852, 130081],
    Array.from({ length: 16 }, (_, year) => 1947 + year),
  ],
  weights: [15.0618722713733, -0.035819179292591, -2.02022980381683, -1.03322686717359, -0.0511041056535807, 1829.15146461355],
  intercept: -3482258.63459582,
};

test('the certified coefficients of a notoriously ill-conditioned problem come out to eight digits', async () => {
  const { weights, intercept } = await solve(longley.columns, longley.targets);
  weights.forEach((weight, at) => expect(weight / longley.weights[at]!).toBeCloseTo(1, 8));
  expect(intercept / longley.intercept).toBeCloseTo(1, 8);
});

test('one input: the slope is the one worked out by hand, and l2 adds to the sum of squares', async () => {
  // Centred x: -1 0 1, so Σxy = 4 and Σx² = 2.
  expect(await solve([[1, 2, 3]], [2, 3, 6])).toMatchObject({ weights: [expect.closeTo(2, 12)], intercept: expect.closeTo(11 / 3 - 4, 12) });
  expect(await solve([[1, 2, 3]], [2, 3, 6], 6)).toMatchObject({ weights: [expect.closeTo(0.5, 12)], intercept: expect.closeTo(11 / 3 - 1, 12) });
});

test('a constant column and one that others make up get no weight, and do not spoil the rest', async () => {
  const random = createRandom(3);
  const [a, b] = [0, 1].map(() => Array.from({ length: 30 }, () => random.uniform() * 100));
  const targets = a!.map((value, row) => 3 * value - 2 * b![row]! + 7);
  const sum = a!.map((value, row) => value + b![row]!);
  const { weights, intercept } = await solve([a!, new Array<number>(30).fill(0.1), b!, sum], targets);
  expect(weights[1]).toBe(0);
  expect([weights[0], weights[2], weights[3]].filter((weight) => weight === 0)).toHaveLength(1);
  a!.forEach((value, row) => {
    const answer = weights[0]! * value + weights[2]! * b![row]! + weights[3]! * sum[row]! + intercept;
    expect(answer).toBeCloseTo(targets[row]!, 9);
  });
});

test('a penalty shares the weight of two equal columns between them', async () => {
  const x = [1, 2, 3, 4, 7];
  const { weights } = await solve([x, x], [1, 2, 3, 4, 7], 1e-6);
  expect(weights[0]).toBeCloseTo(0.5, 5);
  expect(weights[1]).toBeCloseTo(0.5, 5);
});

test('more columns than rows: the rows are met exactly', async () => {
  const { weights, intercept } = await solve([[1, 0], [0, 1], [2, 5], [1, 1]], [3, 4]);
  expect(weights[0]! + 2 * weights[2]! + weights[3]! + intercept).toBeCloseTo(3, 12);
  expect(weights[1]! + 5 * weights[2]! + weights[3]! + intercept).toBeCloseTo(4, 12);
});
