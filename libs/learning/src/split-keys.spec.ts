import { parseTrainingSpec } from '@millrace/configuration';
import { splitByOf } from './split-keys.ts';
import type { ColumnData } from './table.ts';

function specOf(split: object) {
  const parsed = parseTrainingSpec({ inputFeatures: [{ name: 'x', type: 'number' }], outputFeatures: [{ name: 'y', type: 'number' }], split });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
}
const all = (column: ColumnData) => Int32Array.from({ length: column.values.length }, (_, row) => row);
const words = (...values: string[]): ColumnData => ({ name: 's', type: 'category', values });

test('moments are in the order of numbers where all are numbers, else in that of ISO dates', () => {
  const spec = specOf({ type: 'time', column: 's' });
  for (const column of [words('10', '9', '-1.5', '9'), { name: 's', type: 'number', values: Float64Array.of(10, 9, -1.5, 9) } as const]) {
    expect(splitByOf(column, all(column), spec)).toEqual({ type: 'time', ranks: Int32Array.of(2, 1, 0, 1) });
  }
  const dates = words('2026-10-01', '2026-09-30', '2025-12-31');
  expect(splitByOf(dates, Int32Array.of(0, 2), spec)).toEqual({ type: 'time', ranks: Int32Array.of(1, 0) });
});

test('groups are told apart by their value, and the test fold is the one named or the first in order', () => {
  const column = words('10', '9', '10', '2');
  expect(splitByOf(column, all(column), specOf({ type: 'grouped', column: 's' }))).toEqual({ type: 'grouped', groups: Int32Array.of(2, 1, 2, 0) });
  expect(splitByOf(column, all(column), specOf({ type: 'fold', column: 's', fold: '10' }))).toEqual({ type: 'fold', isTest: Uint8Array.of(1, 0, 1, 0) });
  expect(splitByOf(column, all(column), specOf({ type: 'fold', column: 's' }))).toEqual({ type: 'fold', isTest: Uint8Array.of(0, 0, 0, 1) });
  expect(splitByOf(column, all(column), specOf({}))).toBeUndefined();
});
