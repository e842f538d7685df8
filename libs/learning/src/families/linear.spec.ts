import { irisTable, madeUpTable, specFor, wineTable } from '../../test/sample-tables.ts';
import { selectBackend } from '../backend.ts';
import type { ClassificationMetrics, RegressionMetrics } from '../metrics.ts';
import type { FittedPipeline } from '../pipeline.ts';
import { predict } from '../predict.ts';
import { train } from '../train.ts';

beforeAll(() => selectBackend({ prefer: 'wasm' }));

const table = madeUpTable(200, 2);
const amount = { name: 'amount', type: 'number' };
const others = ['grade', 'passed'];

async function trainLinear(settings: object, target: { name: string; type: string } = amount, rest: object = {}, leaveOut = others) {
  const spec = specFor(table, target, { models: [{ family: 'linear', ...settings }], ...rest }, leaveOut);
  const outcome = await train({ table, spec });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  return { ...outcome, trial: outcome.trials[0]! };
}

const linearOf = ({ estimator }: FittedPipeline) => {
  if (estimator.family !== 'linear') throw new Error(estimator.family);
  return estimator;
};

test('a quantity that is a weighted sum is found, gaps and categories included', async () => {
  const { trial } = await trainLinear({ l2: 0 });
  // amount = 1000 + 50 · (x + z/25 + 2 if red), a gap in z counting as 50, which is not the median that fills it.
  const [first, second] = await predict(trial.pipeline, [{ x: 1, z: 25, colour: 'red' }, { x: 1, z: 25, colour: 'blue' }]);
  if (!('value' in first!) || !('value' in second!)) throw new Error('unexpected');
  expect(Math.abs(first.value - second.value - 100)).toBeLessThan(4);
  expect((trial.metrics.test as RegressionMetrics).r2!).toBeGreaterThan(0.98);
  expect(trial.parameters).toEqual({ solver: 'auto', l1: 0, l2: 0, scaling: 'standard', classWeight: 'none' });
});

test.each([
  ['numbers', amount, others, 'closed_form'],
  ['three classes', { name: 'grade', type: 'category' }, ['passed', 'amount'], 'lbfgs'],
  ['two classes', { name: 'passed', type: 'binary' }, ['grade', 'amount'], 'lbfgs'],
])('gradient descent with the same penalties ends where the exact solver of %s does', async (_, target, leaveOut, solver) => {
  const descent = {
    trainer: { epochs: 250, batchSize: 1000, optimizer: 'momentum', learningRate: target.type === 'number' ? 0.05 : 0.1, earlyStop: null },
  };
  const penalties = { l2: 40, scaling: 'standard' };
  const exact = await trainLinear({ ...penalties, solver }, target, {}, leaveOut);
  const descended = await trainLinear({ ...penalties, solver: 'gradient_descent' }, target, descent, leaveOut);
  expect(descended.trial.history).toHaveLength(250);
  const scale = target.type === 'number' ? 150 : 1;
  // Of more than two classes only differences count, which is why the biases may differ by a constant.
  const centred = (values: Float64Array) => {
    const mean = values.length > 2 ? values.reduce((sum, value) => sum + value, 0) / values.length : 0;
    return values.map((value) => value - mean);
  };
  const [left, right] = [linearOf(descended.trial.pipeline), linearOf(exact.trial.pipeline)];
  left.kernel.forEach((weight, at) => expect(Math.abs(weight - right.kernel[at]!)).toBeLessThan(1e-3 * scale));
  centred(left.bias).forEach((value, at) => expect(Math.abs(value - centred(right.bias)[at]!)).toBeLessThan(1e-3 * scale));
});

test('L1 through the whole training gives exact zeros', async () => {
  const { kernel } = linearOf((await trainLinear({ l1: 60, l2: 0 })).trial.pipeline);
  expect(Array.from(kernel).filter((weight) => weight === 0).length).toBeGreaterThan(0);
  expect(Array.from(kernel).filter((weight) => weight !== 0).length).toBeGreaterThan(0);
});

test('unscaled columns give the same answers without a penalty', async () => {
  const [scaled, raw] = [await trainLinear({ l2: 0 }), await trainLinear({ l2: 0, scaling: 'none' })];
  const [left, right] = [await predict(scaled.trial.pipeline, table), await predict(raw.trial.pipeline, table)];
  left.forEach((answer, row) => expect((answer as { value: number }).value).toBeCloseTo((right[row] as { value: number }).value, 6));
});

test('early stopping holds rows back only for gradient descent', async () => {
  expect((await trainLinear({})).split.validation).toHaveLength(0);
  const stopped = await trainLinear({ solver: 'gradient_descent' }, amount, { trainer: { epochs: 5, earlyStop: {} } });
  expect(stopped.split.validation.length).toBeGreaterThan(0);
  expect(stopped.trial.history).toHaveLength(5);
});

test.each([
  ['iris', irisTable(), { name: 'species', type: 'category' }, 0.93],
  ['wine', wineTable(), { name: 'cultivar', type: 'category' }, 0.9],
])('%s is classified as the reference does it', async (_, flowers, target, accuracy) => {
  const outcome = await train({ table: flowers, spec: specFor(flowers, target, { models: [{ family: 'linear' }] }) });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  expect((outcome.trials[0]!.metrics.test as ClassificationMetrics).accuracy).toBeGreaterThan(accuracy);
});

test.each([
  ['a closed form for classes', { solver: 'closed_form' }, { name: 'grade', type: 'category' }],
  ['L1 in a closed form', { solver: 'closed_form', l1: 1 }, amount],
  ['L1 by lbfgs', { solver: 'lbfgs', l1: 1 }, amount],
])('%s is refused with the way out', async (_, settings, target) => {
  const leaveOut = ['grade', 'passed', 'amount'].filter((name) => name !== target.name);
  const outcome = await train({ table, spec: specFor(table, target, { models: [{ family: 'linear', ...settings }] }, leaveOut) });
  expect(outcome).toMatchObject({ type: 'invalid', problems: [{ field: 'models[0].solver', remedy: expect.stringMatching(/auto/) }] });
});
