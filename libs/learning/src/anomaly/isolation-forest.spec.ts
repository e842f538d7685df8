import { irisTable, madeUpTable } from '../../test/sample-tables.ts';
import { createPacer } from '../pacer.ts';
import { fitFeatures } from '../pipeline.ts';
import type { Table } from '../table.ts';
import { averagePathLength, fitIsolationForest, scoreByForest } from './isolation-forest.ts';

const allRows = (table: Table) => Int32Array.from({ length: table.rows }, (_, row) => row);

async function scoresOf(table: Table, names: string[], settings: { numTrees: number; sampleSize: number }, learned = allRows(table), seed = 0) {
  const inputs = table.columns.filter(({ name }) => names.includes(name)).map(({ name, type }) => ({ name, type }));
  const fitted = fitFeatures(table, inputs, learned);
  if (fitted.type === 'invalid') throw new Error(JSON.stringify(fitted.problems));
  const forest = (await fitIsolationForest({ table, features: fitted.features, rows: learned, settings, seed, model: 0, pacer: createPacer() }))!;
  return { forest, scores: (await scoreByForest(forest, fitted.features, table, allRows(table), createPacer()))!.scores };
}

const numbers = (...values: number[]): Table => ({ rows: values.length, columns: [{ name: 'x', type: 'number', values: Float64Array.from(values) }] });
const words = (...values: (string | null)[]): Table => ({ rows: values.length, columns: [{ name: 'x', type: 'category', values }] });

// scikit-learn 1.9.1, sklearn.ensemble._iforest._average_path_length
test.each([[1, 0], [2, 1], [3, 1.207392357589623], [5, 2.327020052042847], [256, 10.244770920119917], [999, 12.967939884427995]])(
  'an unsuccessful search in %d values takes %d steps', (n, expected) => expect(averagePathLength(n)).toBeCloseTo(expected, 12),
);

test('of two rows each is isolated by one division; rows that agree in everything are not', async () => {
  const settings = { numTrees: 10, sampleSize: 2 };
  // E(h) = 1 = c(2)
  expect((await scoresOf(numbers(3, 8), ['x'], settings)).scores).toEqual(Float64Array.of(0.5, 0.5));
  // Leaves at depth 0: E(h) = c(5) of five, so ½ again.
  expect((await scoresOf(numbers(4, 4, 4, 4, 4), ['x'], { numTrees: 3, sampleSize: 5 })).scores.every((score) => Math.abs(score - 0.5) < 1e-7)).toBe(true);
});

test('a row alone on one side of a single gap takes one step, the others the rest', async () => {
  const { scores, forest } = await scoresOf(numbers(0, 0, 0, 100), ['x'], { numTrees: 5, sampleSize: 4 });
  for (const tree of forest.trees) expect(tree.values).toEqual(Float64Array.of(1 + averagePathLength(3), 1));
  expect(scores[3]).toBeCloseTo(2 ** (-1 / averagePathLength(4)), 6);
  expect(scores[0]).toBeCloseTo(2 ** (-(1 + averagePathLength(3)) / averagePathLength(4)), 6);
});

test('iris scores as in scikit-learn', async () => {
  const names = irisTable().columns.slice(0, 4).map(({ name }) => name);
  const { scores } = await scoresOf(irisTable(), names, { numTrees: 700, sampleSize: 128 });
  // IsolationForest(n_estimators=500, max_samples=128) of 1.9.1, mean over 20 seeds; a seed's deviation is 0.002 to 0.0065.
  const expected: Record<number, number> = { 0: 0.4215, 41: 0.5989, 60: 0.5865, 79: 0.4887, 106: 0.5423, 117: 0.6372, 131: 0.6448 };
  for (const [row, score] of Object.entries(expected)) expect(Math.abs(scores[Number(row)]! - score)).toBeLessThan(0.012);
});

test('a rare category is isolated, and gaps are answered', async () => {
  const table = words(...Array.from({ length: 60 }, (_, row) => (row === 7 ? 'rare' : 'common')), null);
  const { scores } = await scoresOf(table, ['x'], { numTrees: 100, sampleSize: 61 });
  expect(scores[7]).toBeGreaterThan(0.7);
  expect(scores[60]).toBeGreaterThan(0.7);
  expect(scores[0]).toBeLessThan(0.5);
  const made = madeUpTable(200, 3);
  const { scores: mixed } = await scoresOf(made, ['x', 'z', 'colour'], { numTrees: 20, sampleSize: 64 });
  expect(mixed.every((score) => score > 0 && score < 1)).toBe(true);
});

test('the same seed gives the same trees, another seed others', async () => {
  const table = madeUpTable(100, 3);
  const treesOf = async (seed: number) => (await scoresOf(table, ['x', 'z', 'colour'], { numTrees: 3, sampleSize: 64 }, allRows(table), seed)).forest.trees;
  expect(await treesOf(1)).toEqual(await treesOf(1));
  expect(await treesOf(1)).not.toEqual(await treesOf(2));
});
