import { madeUpTable, specFor } from '../test/sample-tables.ts';
import { selectBackend } from './backend.ts';
import { classWeightsOf } from './class-weights.ts';
import { addPenaltyGradients, batchSizeFor, clipGradients, penaltyOf } from './dense-network.ts';
import type { ClassificationMetrics } from './metrics.ts';
import { createRandom } from './random.ts';
import type { Table } from './table.ts';
import { train } from './train.ts';

beforeAll(() => selectBackend({ prefer: 'wasm' }));

test('the gradient of the penalty is l1 · sign(w) + 2 · l2 · w on kernels and nothing on biases', () => {
  const weights = [Float32Array.of(2, -3, 0), Float32Array.of(5)];
  const gradients = [new Float32Array(3), new Float32Array(1)];
  const parts = [{ shape: [3, 1], role: 'kernel' as const }, { shape: [1], role: 'bias' as const }];
  const settings = { l1: 0.5, l2: 0.25 };
  addPenaltyGradients(weights, gradients, parts, settings);
  expect(Array.from(gradients[0]!)).toEqual([0.5 + 1, -0.5 - 1.5, 0]);
  expect(Array.from(gradients[1]!)).toEqual([0]);
  expect(penaltyOf(weights, parts, settings)).toBeCloseTo(0.5 * 5 + 0.25 * 13, 12);
});

test('a gradient that is too long keeps its direction and gets the length allowed', () => {
  const gradients = [Float32Array.of(3, 0), Float32Array.of(-4)];
  clipGradients(gradients, 10);
  clipGradients(gradients, 0);
  expect(gradients).toEqual([Float32Array.of(3, 0), Float32Array.of(-4)]);
  clipGradients(gradients, 1);
  expect(gradients[0]![0]).toBeCloseTo(0.6, 6);
  expect(gradients[1]![0]).toBeCloseTo(-0.8, 6);
});

test('the batch size follows the rows, between its bounds', () => {
  expect([10, 1600, 8000, 20_000, 1e9].map(batchSizeFor)).toEqual([32, 32, 128, 512, 512]);
});

test('balanced class weights give every class the same weight in all', () => {
  expect(Array.from(classWeightsOf('balanced', ['a', 'b'], [0, 0, 0, 1])!)).toEqual([4 / 6, 2]);
  expect(Array.from(classWeightsOf({ b: 9 }, ['a', 'b'], [0, 1])!)).toEqual([1, 9]);
  expect(classWeightsOf('none', ['a', 'b'], [0, 1])).toBeNull();
});

/** 400 rows whose target follows from which of 60 values a category has, and from nothing else. */
function manyValues(): Table {
  const random = createRandom(12);
  const codes = Array.from({ length: 400 }, () => random.below(60));
  return {
    rows: 400,
    columns: [
      { name: 'noise', type: 'number', values: Float64Array.from({ length: 400 }, () => random.uniform()) },
      { name: 'part', type: 'category', values: codes.map((code) => `part ${code}`) },
      { name: 'scrap', type: 'binary', values: codes.map((code) => ((code * 7) % 10 < 5 ? 'yes' : 'no')) },
    ],
  };
}

async function trained(table: Table, target: { name: string; type: string }, model: object, trainer: object = {}, leaveOut: string[] = []) {
  const spec = specFor(table, target, { models: [{ family: 'dense', ...model }], trainer }, leaveOut);
  const outcome = await train({ table, spec });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  return outcome.trials[0]!;
}

test('a category of many values is learned by its embedding, and leaves as plain layers', async () => {
  const trial = await trained(manyValues(), { name: 'scrap', type: 'binary' }, { hiddenLayers: [16] }, { epochs: 30, learningRate: 0.03 });
  expect((trial.metrics.test as ClassificationMetrics).accuracy).toBeGreaterThan(0.9);
  const { estimator } = trial.pipeline;
  if (estimator.family !== 'dense') throw new Error('unexpected');
  // One number, and a cell for each of the parts seen.
  const [, part] = trial.pipeline.features;
  expect(estimator.layers[0]).toMatchObject({ inputs: 1 + (part as { categories: string[] }).categories.length, units: 16 });
});

test.each([
  ['batch normalisation', { batchNorm: true }, {}],
  ['dropout', { dropout: 0.2 }, {}],
  ['residual layers', { hiddenLayers: [16, 16, 16], residual: true, batchNorm: true }, {}],
  ['adamw, warm-up and a cosine', {}, { optimizer: 'adamw', weightDecay: 0.1, schedule: { kind: 'cosine', warmUpEpochs: 3 } }],
  ['nesterov, steps and clipping', {}, { optimizer: 'nesterov', learningRate: 0.02, clipNorm: 1, schedule: { kind: 'step', every: 20 } }],
  ['an average of the weights', {}, { averaging: 0.98 }],
])('%s: a quantity is learned well', async (_, model, trainer) => {
  const table = madeUpTable(160, 1);
  const trial = await trained(table, { name: 'amount', type: 'number' }, { hiddenLayers: [24], ...model }, { epochs: 40, learningRate: 0.01, ...trainer }, ['grade', 'passed']);
  expect((trial.metrics.test as { r2: number }).r2).toBeGreaterThan(0.9);
});

test('a rate that falls to nothing after the first epoch leaves the weights as that epoch made them', async () => {
  const kernelAfter = async (epochs: number, schedule: object) => {
    const trial = await trained(madeUpTable(60, 1), { name: 'amount', type: 'number' }, { hiddenLayers: [4] }, { epochs, schedule }, ['grade', 'passed']);
    const { estimator } = trial.pipeline;
    return estimator.family === 'dense' ? Array.from(estimator.layers[0]!.kernel) : [];
  };
  const once = await kernelAfter(1, { kind: 'constant' });
  (await kernelAfter(4, { kind: 'step', every: 1, factor: 1e-9 })).forEach((weight, at) => expect(weight).toBeCloseTo(once[at]!, 6));
  const more = await kernelAfter(4, { kind: 'constant' });
  expect(Math.max(...more.map((weight, at) => Math.abs(weight - once[at]!)))).toBeGreaterThan(1e-3);
});

test('class weights find more of a rare class', async () => {
  const table = madeUpTable(200, 4);
  const recallOf = async (classWeight: unknown) => {
    const target = { name: 'passed', type: 'binary', positiveClass: 'yes' };
    const trial = await trained(table, target, { classWeight, hiddenLayers: [] }, { epochs: 20, learningRate: 0.01 }, ['grade', 'amount']);
    return (trial.metrics.test as ClassificationMetrics).recall;
  };
  const even = await recallOf('none');
  expect(await recallOf({ yes: 30 })).toBeGreaterThan(even);
});

test('class weights of unknown classes, and of a number, are refused', async () => {
  const table = madeUpTable(60, 1);
  const problemOf = async (target: { name: string; type: string }, classWeight: unknown) => {
    const leaveOut = ['grade', 'passed', 'amount'].filter((name) => name !== target.name);
    const outcome = await train({ table, spec: specFor(table, target, { models: [{ family: 'dense', classWeight }] }, leaveOut) });
    return outcome.type === 'invalid' ? outcome.problems[0]! : null;
  };
  expect(await problemOf({ name: 'passed', type: 'binary' }, { maybe: 2 })).toMatchObject({ field: 'models[0].classWeight', message: /"maybe"/ });
  expect(await problemOf({ name: 'amount', type: 'number' }, 'balanced')).toMatchObject({ field: 'models[0].classWeight' });
  expect(await problemOf({ name: 'passed', type: 'binary' }, 'balanced')).toBeNull();
});
