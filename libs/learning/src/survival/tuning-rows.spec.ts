import type { PreparedData } from '../prepared-data.ts';
import { tuningRows } from './tuning-rows.ts';

const split = { trainFraction: 0.8, validationFraction: 0.15, seed: 4 } as never;
const rows = 3000;
const observed = Uint8Array.from({ length: rows }, (_, row) => Number(row % 10 < 8));
const data = (apart: PreparedData['apart'] = null) =>
  ({ split: { train: Int32Array.from({ length: 2600 }, (_, at) => at), validation: new Int32Array(), test: new Int32Array() }, apart }) as unknown as PreparedData;

test('enough ends spare rows to tune on, with their share of the ends; too few do not', () => {
  const found = tuningRows({ data: data(), observed }, { split })!;
  expect([found.rows.length, found.heldBack.length]).toEqual([2210, 390]);
  expect([...found.rows, ...found.heldBack].sort((a, b) => a - b)).toEqual([...data().split.train]);
  expect(found.heldBack.reduce((sum, row) => sum + observed[row]!, 0)).toBe(312);
  expect(tuningRows({ data: data(), observed }, { split }, 2081)).toBeNull();
});

test('groups stay whole, and the latest rows tune where the split goes by time', () => {
  const keys = Int32Array.from({ length: rows }, (_, row) => row % 40);
  const grouped = tuningRows({ data: data({ by: 'group', keys }), observed }, { split })!;
  const learned = new Set(grouped.rows.map((row) => keys[row]!));
  expect([...grouped.heldBack].filter((row) => learned.has(keys[row]!))).toEqual([]);
  const timed = tuningRows({ data: data({ by: 'moment', keys }), observed }, { split })!;
  expect(Math.max(...timed.rows.map((row) => keys[row]!))).toBeLessThan(Math.min(...timed.heldBack.map((row) => keys[row]!)));
});
