import { madeUpTable, specFor } from '../../test/sample-tables.ts';
import { selectBackend } from '../backend.ts';
import type { ClassificationMetrics } from '../metrics.ts';
import type { FittedPipeline } from '../pipeline.ts';
import { predict } from '../predict.ts';
import { train } from '../train.ts';

beforeAll(() => selectBackend({ prefer: 'wasm' }));

const table = madeUpTable(120, 1);
const amount = { name: 'amount', type: 'number' };
const grade = { name: 'grade', type: 'category' };

async function trained(target: { name: string; type: string }, models: object[], rest: object = {}) {
  const leaveOut = ['grade', 'passed', 'amount'].filter((name) => name !== target.name);
  const outcome = await train({ table, spec: specFor(table, target, { models, ...rest }, leaveOut) });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  return outcome;
}

const answerOf = ({ estimator }: FittedPipeline) => {
  if (estimator.family !== 'baseline') throw new Error(estimator.family);
  return Array.from(estimator.answer);
};
const valuesOf = (name: string) => table.columns.find((column) => column.name === name)!.values;

test('numbers are answered with the mean or the median of the rows learned from', async () => {
  const outcome = await trained(amount, [{ family: 'baseline' }, { family: 'baseline', average: 'median' }]);
  const rows = [...outcome.split.train, ...outcome.split.validation];
  const values = rows.map((row) => valuesOf('amount')[row] as number).sort((a, b) => a - b);
  const [mean, median] = outcome.trials.map(({ pipeline }) => answerOf(pipeline)[0]!);
  expect(mean).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 9);
  expect(median).toBeCloseTo((values[47]! + values[48]!) / 2, 9);
  expect(values).toHaveLength(96);
  expect(await predict(outcome.trials[1]!.pipeline, [{ x: 1, z: 2, colour: 'red' }, {}])).toEqual([{ value: median }, { value: median }]);
});

test('classes are answered with their shares, and so with the majority', async () => {
  const { trials, split } = await trained(grade, [{ family: 'baseline' }]);
  const labels = Array.from(split.train, (row) => valuesOf('grade')[row]);
  const shares = ['high', 'low', 'middle'].map((label) => labels.filter((own) => own === label).length / labels.length);
  answerOf(trials[0]!.pipeline).forEach((share, at) => expect(share).toBeCloseTo(shares[at]!, 12));
  const label = ['high', 'low', 'middle'][shares.indexOf(Math.max(...shares))];
  expect(await predict(trials[0]!.pipeline, [{}])).toEqual([{ label, probabilities: answerOf(trials[0]!.pipeline) }]);
  const { calibration, ...test } = trials[0]!.metrics.test as ClassificationMetrics;
  const { calibration: _, ...baseline } = trials[0]!.metrics.baseline as ClassificationMetrics;
  expect(test).toEqual(baseline);
  expect(calibration.error).toBeCloseTo(1 / 48);
});

test('a run adds a baseline to its leaderboard, last, without holding rows back for it', async () => {
  const { trials, best, split } = await trained(grade, [{ family: 'knn' }]);
  expect(trials.map(({ family, model }) => [family, model])).toEqual([['knn', 0], ['baseline', 1]]);
  expect(best).toBe(0);
  expect(split.validation).toHaveLength(0);
});

test('a baseline that was asked for is not added again', async () => {
  const { trials } = await trained(grade, [{ family: 'baseline' }, { family: 'knn' }]);
  expect(trials.map(({ family }) => family)).toEqual(['baseline', 'knn']);
});

test('one that was asked for may be the best, one that was added never is', async () => {
  // A colour says nothing of x: the nearest row is another one at random, which is worse than the mean of all.
  const guess = { family: 'knn', k: 1 };
  const trainOn = async (models: object[]) => {
    const spec = specFor(table, { name: 'x', type: 'number' }, { models, selection: { metric: 'rmse' } }, ['z', 'grade', 'passed', 'amount']);
    const outcome = await train({ table, spec });
    if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
    return outcome;
  };
  const added = await trainOn([guess]);
  const [neighbours, baseline] = added.trials.map(({ metrics }) => (metrics.test as { rmse: number }).rmse);
  expect(baseline!).toBeLessThan(neighbours!);
  expect(added.best).toBe(0);
  expect((await trainOn([guess, { family: 'baseline' }])).best).toBe(1);
});

test('a run whose own models all fail has no version, though a baseline could be learned', async () => {
  const spec = specFor(table, amount, { trainer: { optimizer: 'sgd', learningRate: 900, earlyStop: null } }, ['grade', 'passed']);
  expect(await train({ table, spec })).toMatchObject({ type: 'invalid', problems: [{ field: 'trainer.learningRate' }] });
});
