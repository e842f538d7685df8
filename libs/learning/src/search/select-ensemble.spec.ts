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
  const target = { task: 'classification', name: 'y', type: 'binary', classes: ['a', 'b'], positiveClass: 'b', costs: null };
  const classes = (truth: Float64Array) => ({ target, truth }) as unknown as PreparedData;
  const answers = (p: number, rows: number) => Float64Array.from({ length: rows * 2 }, (_, cell) => ((cell >> 1) % 2 === cell % 2 ? p : 1 - p));
  const rowsOf = (count: number) => Int32Array.from({ length: count }, (_, row) => row);
  const truthOf = (count: number) => Float64Array.from({ length: count }, (_, row) => row % 2);
  const chosen = selectEnsemble(classes(truthOf(1000)), rowsOf(1000), 'accuracy', [answers(0.6, 1000), answers(0.9, 1000)]);
  expect(chosen).toEqual({ weights: [{ at: 1, weight: 1 }], score: 1 });

  // Ten rows: one more of them right is luck, a sure and wrong answer is not.
  const sure = answers(0.999, 10);
  const careful = answers(0.8, 10);
  sure[0] = 0.001;
  sure[1] = 0.999;
  careful.set([0.45, 0.55, 0.55, 0.45], 0);
  const few = selectEnsemble(classes(truthOf(10)), rowsOf(10), 'accuracy', [sure, careful]);
  expect(few.weights.find(({ at }) => at === 1)!.weight).toBeGreaterThan(0.3);
});
