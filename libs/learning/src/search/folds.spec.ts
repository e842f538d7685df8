import { madeUpTable, specFor } from '../../test/sample-tables.ts';
import { prepareData, type PreparedData } from '../prepared-data.ts';
import { planFolds } from './folds.ts';

function dataOf(rows: number): PreparedData {
  const table = madeUpTable(rows, 2);
  const data = prepareData(table, specFor(table, { name: 'grade', type: 'category' }, { selection: { maxTrials: 1 } }, ['passed', 'amount']));
  if (data.type === 'invalid') throw new Error('unexpected');
  return data;
}

test('few rows are divided twice into five folds; in each division every row is held out once, each class evenly', () => {
  const data = dataOf(200);
  const { folds, scored, repeats } = planFolds(data, 7);
  expect([folds.length, repeats]).toEqual([10, 2]);
  expect(scored).toEqual(data.split.train);
  for (const division of [folds.slice(0, 5), folds.slice(5)]) {
    const rows = division.flatMap(({ heldOut }) => [...heldOut]).sort((a, b) => a - b);
    expect(rows).toEqual([...data.split.train]);
    const high = division.map(({ heldOut }) => heldOut.filter((row) => data.truth[row] === 0).length);
    expect(Math.max(...high) - Math.min(...high)).toBeLessThanOrEqual(1);
  }
  for (const { train, heldOut } of folds) {
    expect(train.length + heldOut.length).toBe(160);
    expect(train.some((row) => heldOut.includes(row))).toBe(false);
  }
  expect(folds[0]!.heldOut).not.toEqual(folds[5]!.heldOut);
});

test('more rows are divided once, thousands into three, and very many have one hold-out', () => {
  const shapeOf = (rows: number) => {
    const { folds, scored, repeats } = planFolds(dataOf(rows), 1);
    return [folds.length, repeats, scored.length];
  };
  expect(shapeOf(1000)).toEqual([5, 1, 800]);
  expect(shapeOf(10_000)).toEqual([3, 1, 8000]);
  expect(shapeOf(50_000)).toEqual([1, 1, 8000]);
});

test('the same seed gives the same folds, another one others', () => {
  const data = dataOf(100);
  expect(planFolds(data, 3)).toEqual(planFolds(data, 3));
  expect(planFolds(data, 4).folds[0]).not.toEqual(planFolds(data, 3).folds[0]);
});

/** Rows with a machine and a day each, in no order. */
function splitBy(split: object, days = 20): PreparedData & { apart: object } {
  const table = madeUpTable(120, 4);
  const keys = Array.from({ length: table.rows }, (_, row) => (row * 7) % days);
  const columns = [
    ...table.columns,
    { name: 'machine', type: 'category' as const, values: keys.map((key) => `machine ${key}`) },
    { name: 'day', type: 'category' as const, values: keys.map((key) => `2026-03-${String(key + 1).padStart(2, '0')}`) },
  ];
  const spec = specFor({ rows: table.rows, columns }, { name: 'grade', type: 'category' }, { selection: { maxTrials: 1 }, split }, ['passed', 'amount', 'machine', 'day']);
  const data = prepareData({ rows: table.rows, columns }, spec);
  if (data.type === 'invalid') throw new Error(JSON.stringify(data.problems));
  return data as PreparedData & { apart: object };
}

test('where the run keeps groups apart, no fold learns from a group that it holds out', () => {
  const data = splitBy({ type: 'grouped', column: 'machine' });
  const { folds, scored } = planFolds(data, 5);
  expect(folds).toHaveLength(10);
  expect(folds.slice(0, 5).flatMap(({ heldOut }) => [...heldOut]).sort((a, b) => a - b)).toEqual([...scored]);
  for (const { train, heldOut } of folds) {
    const groups = (rows: Int32Array) => new Set(Array.from(rows, (row) => data.apart.keys[row]));
    expect([...groups(heldOut)].filter((group) => groups(train).has(group))).toEqual([]);
    expect(heldOut.length).toBeGreaterThan(0);
  }
});

test('where the run goes by time, every fold is later than all that is learned for it', () => {
  const data = splitBy({ type: 'time', column: 'day' });
  const { folds, scored, inTime } = planFolds(data, 5);
  expect([folds.length, inTime]).toEqual([3, true]);
  const days = (rows: Int32Array) => Array.from(rows, (row) => data.apart.keys[row]!);
  for (const { train, heldOut } of folds) expect(Math.max(...days(train))).toBeLessThan(Math.min(...days(heldOut)));
  expect(folds.flatMap(({ heldOut }) => [...heldOut]).sort((a, b) => a - b)).toEqual([...scored]);
  expect(Math.max(...days(folds[2]!.heldOut))).toBe(Math.max(...days(data.split.train)));
});

test('two moments to learn from are divided into one and the other; one is refused', () => {
  const { folds } = planFolds(splitBy({ type: 'time', column: 'day' }, 3), 5);
  expect(folds).toHaveLength(1);
  expect(() => splitBy({ type: 'time', column: 'day' }, 2)).toThrow(/one moment/);
  expect(() => splitBy({ type: 'grouped', column: 'machine' }, 2)).toThrow(/one group/);
});
