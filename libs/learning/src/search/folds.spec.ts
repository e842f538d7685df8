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
