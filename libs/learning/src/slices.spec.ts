import { specFor } from '../test/sample-tables.ts';
import { prepareData } from './prepared-data.ts';
import { scoreSlices } from './slices.ts';
import type { Table } from './table.ts';

const rows = 60;
// 30 rows of line a, 20 without a line, 10 of line b.
const lineOf = (row: number) => (row < 30 ? 'a' : row < 50 ? null : 'b');
const table: Table = {
  rows,
  columns: [
    { name: 'line', type: 'category', values: Array.from({ length: rows }, (_, row) => lineOf(row)) },
    { name: 'load', type: 'number', values: Float64Array.from({ length: rows }, (_, row) => row) },
    { name: 'failed', type: 'binary', values: Array.from({ length: rows }, (_, row) => (row % 2 === 0 ? 'yes' : 'no')) },
  ],
};

test('each value of a category with enough rows has its own score, also the missing one', () => {
  const spec = specFor(table, { name: 'failed', type: 'binary' });
  const data = prepareData(table, spec);
  if (data.type === 'invalid') throw new Error('unexpected');
  const all = Int32Array.from({ length: rows }, (_, row) => row);
  // Right on line a, wrong wherever there is no line.
  const predicted = Int32Array.from(all, (row) => (lineOf(row) === null ? 1 - data.truth[row]! : data.truth[row]!));
  const probabilities = Float64Array.from([...predicted].flatMap((index) => [1 - index, index]));
  expect(scoreSlices(data, spec, all, { type: 'classes', predicted, probabilities }, 'accuracy')).toEqual([
    { column: 'line', value: 'a', rows: 30, score: 1 },
    { column: 'line', value: null, rows: 20, score: 0 },
  ]);
});
