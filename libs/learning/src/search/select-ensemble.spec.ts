import type { PreparedData } from '../prepared-data.ts';
import { selectEnsemble } from './select-ensemble.ts';

const truth = Float64Array.of(1, 2, 3, 4);
const data = { target: { task: 'regression', name: 'y' }, truth } as unknown as PreparedData;
const rows = Int32Array.of(0, 1, 2, 3);
const off = (by: number[]) => truth.map((value, row) => value + by[row]!);

test('errors that cancel out are blended in the right proportion', () => {
  // Three times the one and once the other leave no error.
  const { weights, score } = selectEnsemble(data, rows, 'rmse', [off([1, -1, 1, -1]), off([-3, 3, -3, 3])]);
  expect(score).toBeCloseTo(0, 12);
  expect(weights).toEqual([{ at: 0, weight: 0.75 }, { at: 1, weight: 0.25 }]);
});

test('a model that only harms takes no part, and one alone stays alone', () => {
  const [good, bad] = [off([0.1, -0.1, 0.1, 0.1]), off([5, 5, 5, 5])];
  expect(selectEnsemble(data, rows, 'rmse', [bad, good]).weights).toEqual([{ at: 1, weight: 1 }]);
  expect(selectEnsemble(data, rows, 'r2', [good]).weights).toEqual([{ at: 0, weight: 1 }]);
});

test('of blends with the same score the one with the lower loss is taken', () => {
  const classes = { target: { task: 'classification', name: 'y', type: 'binary', classes: ['a', 'b'], positiveClass: 'b' }, truth: Float64Array.of(0, 1) } as unknown as PreparedData;
  const [timid, bold] = [Float64Array.of(0.6, 0.4, 0.4, 0.6), Float64Array.of(0.9, 0.1, 0.1, 0.9)];
  expect(selectEnsemble(classes, Int32Array.of(0, 1), 'accuracy', [timid, bold])).toEqual({ weights: [{ at: 1, weight: 1 }], score: 1 });
});
