import { madeUpTable } from '../../test/sample-tables.ts';
import { fitFeatures } from '../pipeline.ts';
import { drawReference, massVolume, referenceRows } from './mass-volume.ts';

const even = (length: number, to = 1) => Float64Array.from({ length }, (_, at) => ((at + 0.5) / length) * to);

test('a model that knows nothing needs all of the space, one that knows all of it none', () => {
  expect(massVolume(new Float64Array(50), new Float64Array(80))).toBe(1);
  expect(massVolume(even(50), even(80).map((score) => score + 1))).toBe(0);
});

test('rows spread as the space is need as much of it as they are of mass', () => {
  // Mean of shares from 0.9 to 0.999.
  expect(massVolume(even(1000), even(1000))).toBeCloseTo(0.9495, 2);
  // Rows in the innermost tenth of the space by score.
  expect(massVolume(even(1000, 0.1), even(1000))).toBeCloseTo(0.09495, 2);
});

test('reference rows fill the ranges of the columns, and keep all but five of a row', () => {
  const table = madeUpTable(100, 2);
  const rows = Int32Array.from({ length: 100 }, (_, row) => row);
  const inputs = table.columns.map(({ name, type }) => ({ name, type }));
  const fitted = fitFeatures(table, inputs, rows);
  if (fitted.type === 'invalid') throw new Error('unfit');
  const reference = drawReference(table, fitted.features, rows, 0);
  expect(reference.rows).toBe(referenceRows);
  const x = reference.columns.find(({ name }) => name === 'x')!.values as Float64Array;
  const { min, max } = fitted.features[0] as { min: number; max: number };
  expect(x.every((value) => value >= min && value <= max)).toBe(true);
  const own = new Set(table.columns[0]!.values as Float64Array);
  // Six columns, five drawn anew: one in six keeps its x.
  const kept = x.filter((value) => own.has(value)).length / referenceRows;
  expect(kept).toBeGreaterThan(0.12);
  expect(kept).toBeLessThan(0.22);
});
