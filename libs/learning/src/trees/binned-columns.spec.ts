import type { FittedFeature } from '../pipeline.ts';
import type { ColumnData } from '../table.ts';
import { binColumn, codesByCategory, learnBinning } from './binned-columns.ts';

const number: FittedFeature = { name: 'x', type: 'number', min: 0, max: 1, mean: 0, scale: 1, fill: 0, missingAllowed: true };
const rowsOf = (values: ArrayLike<unknown>) => Int32Array.from({ length: values.length }, (_, row) => row);

function bin(values: number[], maxBin = 255) {
  const table = { rows: values.length, columns: [{ name: 'x', type: 'number', values: Float64Array.from(values) }] as ColumnData[] };
  const rows = rowsOf(values);
  const binning = learnBinning(table, number, rows, maxBin, new Float64Array(values.length));
  return { binning, column: binColumn(table, number, binning, rows) };
}

describe('numbers', () => {
  test('few different values have a bin each, with boundaries midway; missing ones have the bin after the last', () => {
    const { binning, column } = bin([3, 1, NaN, 2, 1]);
    expect(binning).toEqual({ type: 'number', boundaries: Float64Array.of(1.5, 2.5) });
    expect(column).toMatchObject({ count: 3, bins: Uint8Array.of(2, 0, 3, 1, 0) });
  });

  test('many values are put into bins of about as many rows, and a frequent value has its own', () => {
    const values = Array.from({ length: 10_000 }, (_, row) => (row < 4000 ? 0 : row));
    const { column } = bin(values, 10);
    const sizes = Array.from({ length: 10 }, (_, index) => column.bins.filter((own) => own === index).length);
    expect(column.count).toBe(10);
    expect(sizes[0]).toBe(4000);
    for (const size of sizes.slice(1)) expect(Math.abs(size - 6000 / 9)).toBeLessThanOrEqual(1);
  });

  test('bins and boundaries agree on every value, neighbours in floating point included', () => {
    const values = [1, 1 + Number.EPSILON, 1 + 2 * Number.EPSILON, -0, 0, 5e-324, 1.7e308, -1.7e308];
    const { column } = bin(values);
    expect(new Set(column.bins).size).toBe(7);
    values.forEach((value, row) => {
      const own = column.bins[row]!;
      if (own > 0) expect(value).toBeGreaterThan(column.boundaries[own - 1]!);
      if (own < column.count - 1) expect(value).toBeLessThanOrEqual(column.boundaries[own]!);
    });
  });

  test('255 bins and a missing value fit a byte', () => {
    const { column } = bin([NaN, ...Array.from({ length: 2000 }, (_, row) => row)], 1000);
    expect(column.count).toBe(255);
    expect([column.bins[0], column.bins[1], column.bins[2000]]).toEqual([255, 0, 254]);
  });
});

describe('categories', () => {
  function binCategories(values: (string | null)[], signal: number[]) {
    const categories = [...new Set(values.filter((value) => value !== null))].sort();
    const feature: FittedFeature = { name: 'c', type: 'category', categories, missingAllowed: true };
    const table = { rows: values.length + 1, columns: [{ name: 'c', type: 'category', values: [...values, 'new'] }] as ColumnData[] };
    const binning = learnBinning(table, feature, rowsOf(values), 255, Float64Array.from(signal));
    if (binning.type !== 'category') throw new Error('no category');
    return { codes: codesByCategory(feature, binning.codes), column: binColumn(table, feature, binning, rowsOf([...values, 'new'])) };
  }

  test('are coded in the order of the mean target, missing and unknown ones with the code after the last', () => {
    const { codes, column } = binCategories(['a', 'b', null, 'c', 'b'], [5, 1, 9, 3, 2]);
    expect([...codes]).toEqual([['a', 2], ['b', 0], ['c', 1]]);
    expect(column).toMatchObject({ count: 3, bins: Uint8Array.of(2, 0, 3, 1, 0, 3) });
  });

  test('beyond 255, the rarest share a code with unknown ones', () => {
    const values = Array.from({ length: 520 }, (_, row) => (row < 512 ? `c${row % 256}` : 'rare'));
    values.push('rarest');
    const { codes, column } = binCategories(values, values.map((_, row) => row));
    expect(column.count).toBe(255);
    expect(codes.get('rarest')).toBe(255);
    expect(codes.get('rare')).toBeLessThan(255);
    expect(column.bins[521]).toBe(255);
  });
});
