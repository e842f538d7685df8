import type { Optimisation, OptimisationStep, TrainingSpec } from '@millrace/configuration';
import * as tf from '@tensorflow/tfjs';
import { irisTable, madeUpTable, specFor, wineTable } from '../../test/sample-tables.ts';
import { type Backend, selectBackend } from '../backend.ts';
import type { ClassificationMetrics } from '../metrics.ts';
import type { FittedPipeline } from '../pipeline.ts';
import { predict } from '../predict.ts';
import { createRandom } from '../random.ts';
import { encodeState } from '../state-codec.ts';
import type { Table } from '../table.ts';
import { train } from '../train.ts';
import { isInSet, leafOfRow, leavesOf, type Tree } from '../trees/tree.ts';
import { wholeSums } from '../whole-numbers.ts';
import { branchOf, treeOf } from './branch.ts';
import { clustersOf } from './cluster.ts';
import { compress } from './compress.ts';
import { largestShare, rowsForLoss } from './loss-bound.ts';
import { optimise } from './optimise.ts';
import type { OptimiseEvent, OptimiseOutcome } from './outcome.ts';
import { lossInPoints, lossInterval } from './points.ts';
import { smallest, sparsityAt } from './prune.ts';
import { quantisationOf, roundToFloat16, wholeKernel } from './quantise.ts';
import { mergeTrees, type Trees } from './trees.ts';

let cpu: Backend;
let wasm: Backend;
beforeAll(async () => {
  cpu = await selectBackend({ prefer: 'cpu' });
  wasm = await selectBackend({ prefer: 'wasm' });
});

/** Stands for packaging, which this lib does not know: the bytes that weights are kept in. */
const appraise = async ({ estimator }: FittedPipeline) => {
  const bytes = { int8: 1, shared: 1, float16: 2 };
  const sizeBytes = estimator.family !== 'dense' ? encodeState(estimator).length : estimator.layers.reduce((sum, { kernel, storage }) => sum + kernel.length * (storage ? bytes[storage.type] : 4), 0);
  return { predTimeMsP50: sizeBytes / 1e6, sizeBytes, sizeGzBytes: sizeBytes };
};

const wine = wineTable();
const wineSpec = (model: object, rest: object = {}) =>
  specFor(wine, { name: 'cultivar', type: 'category' }, { models: [model], selection: { metric: 'accuracy' }, trainer: { epochs: 30, batchSize: 32 }, split: { trainFraction: 0.6 }, ...rest });

async function baseOf(table: Table, spec: TrainingSpec, backend = wasm): Promise<FittedPipeline> {
  const outcome = await train({ table, spec, backend });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  return outcome.trials[outcome.best]!.pipeline;
}

async function optimised(base: FittedPipeline, table: Table, spec: TrainingSpec, optimisation: Partial<Optimisation>, backend = wasm, onEvent?: (event: OptimiseEvent) => void) {
  const outcome = await optimise({ base, table, spec, optimisation, backend, appraise, onEvent });
  if (outcome.type !== 'optimised') throw new Error(JSON.stringify(outcome));
  return outcome;
}

const accuracy = ({ candidates: [candidate] }: Extract<OptimiseOutcome, { type: 'optimised' }>) => (candidate!.metrics.test as ClassificationMetrics).accuracy;

describe('known values', () => {
  it('takes weights away by a cubic schedule', () => {
    // s (1 - (1 - t)³) with all of them gone after 70 % of the steps.
    expect([0, 0.175, 0.35, 0.7, 1].map((progress) => sparsityAt(progress, 0.8))).toEqual([0, 0.8 * (1 - 0.75 ** 3), 0.8 * 0.875, 0.8, 0.8].map((value) => expect.closeTo(value, 12)));
    expect([...smallest(Float32Array.of(0.5, -0.1, 0.1, 2, -0.1), 2)]).toEqual([1, 2]);
    expect([...smallest(Float32Array.of(1, 2), 0)]).toEqual([]);
  });

  it('rounds to float16 as IEEE 754 does', () => {
    expect([0.1, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 65_520, -1e-8, 3 * 2 ** -25, 0].map(roundToFloat16)).toEqual([0.0999755859375, 1, 1 + 2 ** -9, 65_504, -0, 2 ** -23, 0]);
  });

  it('finds the values that stand for many weights, and keeps what was pruned at 0', () => {
    expect([...clustersOf(Float32Array.of(0, 0, 1, 1.5, 9, 0), 3)]).toEqual([0, 1.25, 9]);
    expect([...clustersOf(Float32Array.of(2, 2, 2), 16)]).toEqual([2]);
  });

  it('computes in whole numbers as worked out by hand', async () => {
    // Between -0.5 and 2.05: steps of 0.01, of which 50 lie below 0.
    const input = quantisationOf([-0.5, 2.05]);
    expect(input).toEqual({ scale: Math.fround(0.01), zeroPoint: 50 });
    const { kernel, storage } = wholeKernel(Float32Array.of(0.64, 0.1, -0.32, -0.64), 2, input);
    expect([...storage.scales]).toEqual([Math.fround(0.64) / 64, Math.fround(0.64) / 64].map(Math.fround));
    expect([...kernel].map((value) => Math.round(value * 100))).toEqual([64, 10, -32, -64]);
    // 1.006 is 101 steps, -9 is cut off at -50: 101 · 64 + 50 · 32 = 8064 and 101 · 10 + 50 · 64 = 4210, each times 0.01 · 0.01.
    const sums = tf.tidy(() => [...wholeSums(tf.tensor2d([1.006, -9], [1, 2]), { units: 2, kernel, bias: Float32Array.of(0, 1), storage }).dataSync()]);
    expect(sums).toEqual([expect.closeTo(0.8064, 6), expect.closeTo(1.421, 6)]);
    // The unit of one with hardly any weight is such that a bias stays within 30 bits.
    const faint = wholeKernel(Float32Array.of(0.64, 1e-9), 2, input, Float32Array.of(0, 0.5 / (input.scale * 2 ** 30)));
    expect(0.5 / (input.scale * faint.storage.scales[1]!)).toBeLessThanOrEqual(2 ** 30 * (1 + 1e-6));
    expect(faint.storage.scales[0]).toBe(storage.scales[0]);
    // By its own largest, 9, which is 127 steps: 1.006 is 14 of them, so 14 · 64 + 127 · 32 = 4960 and 14 · 10 + 127 · 64 = 8268.
    const own = tf.tidy(() => [...wholeSums(tf.tensor2d([1.006, -9], [1, 2]), { units: 2, kernel, bias: Float32Array.of(0, 1), storage: { ...storage, input: null } }).dataSync()]);
    expect(own).toEqual([expect.closeTo((4960 * 9) / 12_700, 5), expect.closeTo(1 + (8268 * 9) / 12_700, 5)]);
  });

  it('counts losses in percentage points of shares, and in percent of errors', () => {
    expect([lossInPoints('accuracy', 0.95, 0.94), lossInPoints('rmse', 20, 21), lossInPoints('rmse', 0, 0), lossInPoints('rocAuc', null, 1)]).toEqual([expect.closeTo(1, 10), expect.closeTo(5, 10), 0, null]);
  });

  it('draws the same rows for both models: equal ones differ by nothing, and an interval has the width of the difference', () => {
    const rows = Int32Array.from({ length: 400 }, (_, row) => row);
    const random = createRandom(3);
    const truth = Float64Array.from(rows, () => random.below(2));
    const data = { target: { task: 'classification', name: 'a', type: 'binary', classes: ['0', '1'], positiveClass: '1', costs: null }, truth } as Parameters<typeof lossInterval>[0];
    const scoresOf = (wrong: (row: number) => boolean) => {
      const predicted = Int32Array.from(rows, (row) => (wrong(row) ? 1 - truth[row]! : truth[row]!));
      return { type: 'classes' as const, predicted, probabilities: Float64Array.from({ length: 800 }, (_, at) => Number(predicted[at >> 1] === at % 2)) };
    };
    const base = scoresOf((row) => row % 10 === 0);
    expect(lossInterval(data, rows, base, base, 'accuracy', 1)).toMatchObject({ loss: 0, lower: 0, upper: 0, rows: 400, coverage: 0.95 });
    // Twenty more errors: five points, with a standard error of √(0.05 · 0.95 / 400) = 1.1 points.
    const { loss, lower, upper } = lossInterval(data, rows, base, scoresOf((row) => row % 10 === 0 || row % 20 === 1), 'accuracy', 1)!;
    expect(loss).toBeCloseTo(5, 10);
    expect((upper - lower) / 2 / 1.96).toBeCloseTo(1.09, 0);
    expect(lower).toBeGreaterThan(2);
  });
});

it('a model that was made from another is judged on rows that neither has learned from', async () => {
  const spec = wineSpec({ family: 'knn', k: 3 }, { models: [{ family: 'knn', k: 3 }, { family: 'dense', hiddenLayers: [8] }], trainer: { epochs: 4, batchSize: 32 }, split: { trainFraction: 0.6, validationFraction: 0.3 } });
  const dense = await baseOf(wine, { ...spec, models: [spec.models[1]!] });
  for (const [isDerived, chosenOn] of [[false, 'validation'], [true, 'half of the test rows']] as const) {
    const outcome = await optimise({ base: dense, isDerived, table: wine, spec, optimisation: { steps: [{ method: 'quantise', to: 'float16' }], maxLoss: 100 }, backend: wasm, appraise });
    expect(outcome).toMatchObject({ type: 'optimised', chosenOn });
  }
});

describe('networks', () => {
  const spec = wineSpec({ family: 'dense', hiddenLayers: [24, 12] }, { trainer: { epochs: 16, batchSize: 32, learningRate: 0.01 } });

  it('are pruned to just the wanted share, and packed the same way from the same seed', async () => {
    const base = await baseOf(wine, spec, cpu);
    const steps: OptimisationStep[] = [{ method: 'prune', sparsity: 0.6 }];
    const [first, second] = [await optimised(base, wine, spec, { steps }, cpu), await optimised(base, wine, spec, { steps }, cpu)];
    const [pipeline] = first.candidates.map((candidate) => candidate.model);
    if (pipeline?.estimator.family !== 'dense') throw new Error('It was a dense network');
    for (const { kernel } of pipeline.estimator.layers) expect(kernel.filter((weight) => weight === 0)).toHaveLength(Math.round(0.6 * kernel.length));
    expect(encodeState(second.candidates[0]!.model)).toEqual(encodeState(pipeline));
    expect(accuracy(first)).toBeGreaterThan(0.9);
    expect(first).toMatchObject({ best: 0, chosenOn: null, candidates: [{ metrics: { validation: null }, interval: { coverage: 0.95, rows: 71 } }] });
  });

  it('lose units, bits and values, in any sensible order, and leave the base and no tensor behind', async () => {
    const base = await baseOf(wine, spec);
    const before = encodeState(base);
    await optimised(base, wine, spec, { steps: [{ method: 'cluster', clusters: 4 }] });
    const tensors = tf.memory().numTensors;
    const ways: OptimisationStep[][] = [
      [{ method: 'quantise', to: 'float16' }], [{ method: 'quantise', to: 'int8' }], [{ method: 'quantise', to: 'int8', calibration: 'dynamic' }],
      [{ method: 'prune_units', keep: 0.5 }, { method: 'quantise', to: 'int8' }], [{ method: 'prune', sparsity: 0.5 }, { method: 'cluster', clusters: 8 }],
    ];
    for (const steps of ways) {
      const outcome = await optimised(base, wine, spec, { steps });
      expect(accuracy(outcome)).toBeGreaterThan(0.9);
      const { estimator } = outcome.candidates[0]!.model;
      if (estimator.family !== 'dense') throw new Error('It was a dense network');
      if (steps[0]!.method === 'prune_units') expect(estimator.layers.map(({ units }) => units)).toEqual([12, 6, 3]);
      if (steps[1]?.method === 'cluster') for (const { kernel } of estimator.layers) expect(new Set(kernel).size).toBeLessThanOrEqual(8);
    }
    expect(tf.memory().numTensors).toBe(tensors);
    expect(encodeState(base)).toEqual(before);
  });

  it('are found for a target within the greatest loss, chosen on rows that nobody learned from', async () => {
    const held = wineSpec({ family: 'dense', hiddenLayers: [24, 12] }, { trainer: { epochs: 16, batchSize: 32, learningRate: 0.01, earlyStop: { patience: 30 } }, split: { trainFraction: 0.6, validationFraction: 0.3 } });
    const base = await baseOf(wine, held);
    const events: string[] = [];
    const outcome = await optimised(base, wine, held, { target: 'SIZE', maxLoss: 15 }, wasm, ({ type }) => void events.push(type));
    expect(outcome.chosenOn).toBe('validation');
    const best = outcome.candidates[outcome.best!]!;
    expect(best.validationBound!.atMost).toBeLessThanOrEqual(15);
    expect(best.reason).toBeUndefined();
    expect(best.appraisal.sizeBytes).toBe(Math.min(...outcome.candidates.filter(({ validationBound }) => validationBound!.atMost! <= 15).map(({ appraisal }) => appraisal.sizeBytes)));
    expect(outcome.candidates.some(({ steps }) => steps.length === 2)).toBe(true);
    expect(outcome.candidates.filter((candidate) => candidate !== best).every(({ reason }) => reason)).toBe(true);
    expect(events.filter((type) => type === 'candidate-finished')).toHaveLength(outcome.candidates.length);
    // Nothing is good enough for those who would lose less than nothing.
    const none = await optimised(base, wine, held, { steps: [{ method: 'cluster', clusters: 2 }], maxLoss: 0 });
    expect(none).toMatchObject({ best: null, candidates: [{ reason: expect.stringMatching(/points worse.*at most 0 are allowed/) }] });
  });
});

describe('a choice among candidates', () => {
  it('knows how many errors few rows may hide', () => {
    // Clopper & Pearson, 95 %: 1 of 10 goes up to 0.4450, 5 of 20 to 0.4910; nothing of n to 1 - 0.025^(1/n).
    expect([largestShare(1, 10), largestShare(5, 20), largestShare(0, 15), largestShare(7, 7)]).toEqual([expect.closeTo(0.445, 4), expect.closeTo(0.491, 4), expect.closeTo(1 - 0.025 ** (1 / 15), 6), 1]);
    expect([rowsForLoss(2), rowsForLoss(0)]).toEqual([183, null]);
  });

  it('takes none on fifteen rows that is worse on the others, though it lost nothing where it was chosen', async () => {
    const iris = irisTable();
    const spec = specFor(iris, { name: iris.columns.at(-1)!.name, type: 'category' }, { models: [{ family: 'dense', hiddenLayers: [64] }], trainer: { epochs: 40, batchSize: 32, learningRate: 0.02 }, selection: { metric: 'accuracy' } });
    const { candidates, best } = await optimised(await baseOf(iris, spec), iris, spec, { target: 'SIZE', maxLoss: 2 });
    const chosen = candidates[best!]!;
    // Those that the point alone would have chosen, and what it would have cost.
    const before = candidates.filter(({ validationLoss }) => validationLoss! <= 2).sort((a, b) => a.appraisal.sizeBytes - b.appraisal.sizeBytes)[0]!;
    expect(before.interval!.loss).toBeCloseTo(100 / 15, 6);
    expect(before.reason).toMatch(/not certain enough.*183 rows/);
    expect(chosen.interval!.loss).toBeLessThanOrEqual(2);
    expect(chosen.validationBound).toMatchObject({ by: 'answers', atMost: expect.any(Number) });
    expect(chosen.validationBound!.atMost).toBeLessThanOrEqual(2);
    expect(chosen.steps[0]!.method).toBe('quantise');
  });
});

describe('a compression after the training', () => {
  const ask = async (base: FittedPipeline, spec: TrainingSpec, maxLoss: number) => compress({ base, table: wine, spec, maxLoss, backend: wasm, appraise });
  const trainer = { epochs: 16, batchSize: 32, learningRate: 0.01 };

  it('prunes and quantises, and measures both on the same test rows', async () => {
    const spec = wineSpec({ family: 'dense', hiddenLayers: [24, 12] }, { trainer, compress: { targetSparsity: 0.5, quantize: 'int8_static' } });
    const base = await baseOf(wine, spec);
    const outcome = await ask(base, spec, 100);
    if (outcome.type !== 'compressed') throw new Error(JSON.stringify(outcome));
    expect(outcome).toMatchObject({ complaint: null, compressed: { steps: [{ method: 'prune', sparsity: 0.5 }, { method: 'quantise', to: 'int8' }], interval: { rows: 71 }, metrics: { test: { rows: 71 } } }, base: { metrics: { test: { rows: 71 } } } });
    expect(outcome.compressed.appraisal.sizeBytes).toBeLessThan(outcome.base.appraisal.sizeBytes);
    expect(await ask(base, spec, 0)).toMatchObject({ type: 'compressed', complaint: expect.stringMatching(/point/) });
  });

  it('compresses the members of an ensemble that it suits, and says where none can be', async () => {
    const spec = wineSpec({ family: 'dense', hiddenLayers: [24, 12] }, { trainer, compress: { quantize: 'int8_dynamic' } });
    const [dense, linear] = [await baseOf(wine, spec), await baseOf(wine, { ...spec, compress: undefined, models: wineSpec({ family: 'linear' }).models })];
    const blend = { ...dense, estimator: { family: 'ensemble', members: [dense, linear].map((one) => ({ ...one, weight: 0.5 })) } } as FittedPipeline;
    const outcome = await ask(blend, spec, 100);
    if (outcome.type !== 'compressed' || outcome.compressed.model.estimator.family !== 'ensemble') throw new Error(JSON.stringify(outcome));
    expect(outcome.compressed.model.estimator.members.map(({ weight, estimator }) => [weight, estimator.family, estimator.family === 'dense' && estimator.layers[0]!.storage?.type])).toEqual([[0.5, 'dense', 'int8'], [0.5, 'linear', false]]);
    expect(await ask(linear, spec, 100)).toMatchObject({ type: 'unfit', problem: { field: 'compress.quantize' } });
  });
});

describe('linear models', () => {
  /** A category of forty values, of which three matter. */
  const table = ((): Table => {
    const random = createRandom(11);
    const x = Float64Array.from({ length: 600 }, () => random.uniform() * 4 - 2);
    const place = Array.from(x, () => `p${random.below(40)}`);
    const price = Float64Array.from(x, (value, row) => 1e7 + 1e6 * (3 * value + (place[row] === 'p1' ? 9 : place[row] === 'p2' ? -8 : 0) + random.uniform() - 0.5));
    return { rows: 600, columns: [{ name: 'x', type: 'number', values: x }, { name: 'noise', type: 'number', values: x.map(() => random.uniform()) }, { name: 'place', type: 'category', values: place }, { name: 'price', type: 'number', values: price }] };
  })();
  const spec = specFor(table, { name: 'price', type: 'number' }, { models: [{ family: 'linear' }], selection: { metric: 'rmse' } });

  it('keep what moves their answers, refitted, and fit into float16 whatever the unit', async () => {
    const base = await baseOf(table, spec);
    const outcome = await optimised(base, table, spec, { steps: [{ method: 'prune', sparsity: 0.9 }, { method: 'quantise', to: 'float16' }] });
    const { estimator } = outcome.candidates[0]!.model;
    if (estimator.family !== 'linear') throw new Error('It was linear');
    // x, noise and forty places: of 42 cells four stay, x, the two places that count and one more.
    const kept = [...estimator.kernel].flatMap((weight, cell) => (weight === 0 ? [] : [cell]));
    const places = [...new Set(table.columns[2]!.values as string[])].sort().map((name, at) => [name, at + 2] as const);
    expect(kept).toHaveLength(4);
    for (const cell of [0, ...places.filter(([name]) => name === 'p1' || name === 'p2').map(([, at]) => at)]) expect(kept).toContain(cell);
    expect(estimator).toMatchObject({ sparse: true, storage: 'float16' });
    // Refitted without forty columns of noise, it loses nothing to speak of.
    expect(outcome.candidates[0]!.interval!.loss).toBeLessThan(3);
    const halves = await optimised(base, table, spec, { steps: [{ method: 'quantise', to: 'float16' }], maxLoss: 0.5 });
    expect(halves.best).toBe(0);
    expect(Math.abs(halves.candidates[0]!.interval!.loss)).toBeLessThan(0.1);
  });

  it('are pruned by class as well, and searched', async () => {
    const own = wineSpec({ family: 'linear' });
    const base = await baseOf(wine, own);
    const outcome = await optimised(base, wine, own, { target: 'SIZE', maxLoss: 30 });
    expect(outcome.candidates.map(({ steps }) => steps[0]!.method)).toEqual(expect.arrayContaining(['prune', 'quantise']));
    const half = outcome.candidates.find(({ steps }) => steps[0]!.method === 'prune')!;
    expect((half.model.estimator as { kernel: Float64Array }).kernel.filter((weight) => weight === 0)).toHaveLength(3 * Math.round(0.5 * 13));
    expect((half.metrics.test as ClassificationMetrics).accuracy).toBeGreaterThan(0.9);
  });
});

describe('nearest neighbours', () => {
  it('are kept in 256 steps of each column', async () => {
    const spec = wineSpec({ family: 'knn', k: 5 });
    const base = await baseOf(wine, spec);
    const { candidates: [candidate] } = await optimised(base, wine, spec, { steps: [{ method: 'quantise', to: 'int8' }] });
    const { estimator } = candidate!.model;
    if (estimator.family !== 'knn' || base.estimator.family !== 'knn' || typeof estimator.storage !== 'object') throw new Error('They were nearest neighbours');
    const { width, rows, storage: { scales, lows } } = estimator;
    for (const [at, value] of base.estimator.rows.entries()) expect(Math.abs(value - rows[at]!)).toBeLessThanOrEqual(scales[at % width]! / 2 + 1e-12);
    expect(new Set([...rows].map((value, at) => Math.round((value - lows[at % width]!) / scales[at % width]!))).size).toBeLessThanOrEqual(256);
    expect(candidate!.interval!.loss).toBeLessThan(2);
  });

  it('are as good from a tenth of the rows on wine, whose classes lie apart', async () => {
    const spec = wineSpec({ family: 'knn', k: 5 });
    const base = await baseOf(wine, spec);
    const outcome = await optimised(base, wine, spec, { steps: [{ method: 'condense', keep: 0.1 }, { method: 'quantise', to: 'float16' }] });
    const { estimator } = outcome.candidates[0]!.model;
    if (estimator.family !== 'knn' || base.estimator.family !== 'knn') throw new Error('They were nearest neighbours');
    expect(estimator.targets.length).toBeLessThanOrEqual(Math.ceil(base.estimator.targets.length / 10) + 1);
    expect(estimator.rows.every((value) => roundToFloat16(value) === value)).toBe(true);
    expect(outcome.candidates[0]!.interval!.loss).toBeLessThan(3);
  });

  it('condense numbers as well, and say anew how far they may be off', async () => {
    const table = madeUpTable(300, 2);
    const spec = specFor(table, { name: 'amount', type: 'number' }, { models: [{ family: 'knn', k: 5 }], selection: { intervalCoverage: 0.8 } }, ['grade', 'passed']);
    const base = await baseOf(table, spec);
    const outcome = await optimised(base, table, spec, { steps: [{ method: 'condense', keep: 0.3 }], maxLoss: 100 });
    expect(outcome).toMatchObject({ best: 0, chosenOn: 'half of the test rows', candidates: [{ metrics: { validation: { rows: 30 }, test: { rows: 30 } } }] });
    const widthOf = ({ target }: FittedPipeline) => (target.type === 'number' ? target.interval!.halfWidth : NaN);
    expect(widthOf(outcome.candidates[0]!.model)).toBeGreaterThan(widthOf(base));
    expect((outcome.candidates[0]!.metrics.test as { coverage: number }).coverage).toBeGreaterThan(0.6);
  });
});

/** A tree of numbers and a category that asks some things twice. */
function someTree(random: ReturnType<typeof createRandom>, depth: number): Tree {
  const grow = (left: number): Parameters<typeof treeOf>[0] => {
    if (left === 0) return { type: 'leaf', rows: 0, values: Float64Array.of(random.below(3)) };
    const feature = random.below(3);
    const set = feature === 2 ? Int32Array.of(1 + random.below(6), 0, 0, 0, 0, 0, 0, 0) : null;
    return { type: 'question', feature, threshold: random.below(4), missingLeft: random.below(2) === 1, set, left: grow(left - 1), right: grow(left - 1) };
  };
  return treeOf(grow(depth));
}

describe('trees', () => {
  const isCategory = Uint8Array.of(0, 0, 1);
  const pipelineOf = (trees: Tree[], outputs = 1) => ({
    features: [0, 1, 2].map((at) => (at < 2 ? { name: `x${at}`, type: 'number' } : { name: 'c', type: 'category', categories: ['a', 'b'] })),
    target: { name: 'y', type: 'number', mean: 0, scale: 1 }, estimator: { family: 'boosted_trees', outputs, trees, codes: [null, null, Int32Array.of(0, 1)] },
  }) as unknown as Trees;
  const rows = [0, 1, 2, 3, NaN].flatMap((a) => [-1, 1.5, 2, NaN].flatMap((b) => [0, 1, 2].map((c) => Float64Array.of(a, b, c))));
  const sum = (trees: Tree[], row: Float64Array, every: number, from: number) => trees.reduce((total, tree, at) => (at % every === from ? total + tree.values[leafOfRow(tree, isCategory, row, 0)]! : total), 0);

  it('answer as before once merged, from fewer leaves', () => {
    const random = createRandom(8);
    const drawn = Array.from({ length: 6 }, () => someTree(random, 5));
    const trees = [...drawn, ...drawn.slice(0, 3), { ...drawn[0]!, feature: Int32Array.of(-1), threshold: new Float64Array(1), missingLeft: new Int32Array(1), left: new Int32Array(1), right: new Int32Array(1), sets: new Int32Array(), values: Float64Array.of(7) }];
    const merged = mergeTrees(pipelineOf(trees)).estimator.trees;
    expect(merged).toHaveLength(6);
    const leaves = (all: Tree[]) => all.reduce((total, tree) => total + leavesOf(tree), 0);
    expect(leaves(merged)).toBeLessThan(0.7 * leaves(drawn));
    for (const row of rows) expect(sum(merged, row, 1, 0)).toBe(sum(trees, row, 1, 0));
    // Of three classes, trees take turns; where a class has fewer, one that adds nothing keeps the order.
    const turns = [drawn[0]!, drawn[1]!, drawn[2]!, drawn[0]!, drawn[3]!, drawn[2]!];
    const byClass = mergeTrees(pipelineOf(turns, 3)).estimator.trees;
    expect(byClass).toHaveLength(6);
    for (const row of rows) for (const output of [0, 1, 2]) expect(sum(byClass, row, 3, output)).toBe(sum(turns, row, 3, output));
    expect(isInSet(treeOf(branchOf(drawn[0]!, isCategory)).sets, 0, 0)).toBe(isInSet(drawn[0]!.sets, 0, 0));
  });

  it('lose the leaves that matter least, and teach a small network', async () => {
    const spec = wineSpec({ family: 'random_forest', numTrees: 40 });
    const base = await baseOf(wine, spec);
    const leaves = ({ estimator }: FittedPipeline) => (estimator.family === 'random_forest' ? estimator.trees.reduce((total, tree) => total + leavesOf(tree), 0) : NaN);
    const fewer = await optimised(base, wine, spec, { steps: [{ method: 'prune_trees', keep: 0.6 }] });
    // The root of 0.6 of forty trees, and their leaves to 0.6 of all that there were.
    expect((fewer.candidates[0]!.model as Trees).estimator.trees).toHaveLength(31);
    expect(leaves(fewer.candidates[0]!.model)).toBe(Math.round(0.6 * leaves(base)));
    const pruned = await optimised(base, wine, spec, { steps: [{ method: 'prune_trees', keep: 0.3 }] });
    // Of forty trees twenty-two, with some of their leaves; those that were left with one leaf become part of another.
    expect(leaves(pruned.candidates[0]!.model)).toBeLessThanOrEqual(Math.round(0.3 * leaves(base)));
    expect(leaves(pruned.candidates[0]!.model)).toBeGreaterThan(0.2 * leaves(base));
    for (const outcome of [fewer, pruned]) expect(accuracy(outcome)).toBeGreaterThan(0.9);
    const distilled = await optimised(base, wine, spec, { steps: [{ method: 'distil', units: [16], temperature: 2, teacherShare: 0.7 }, { method: 'quantise', to: 'int8' }] });
    expect(distilled.candidates[0]!.model.estimator.family).toBe('dense');
    expect(accuracy(distilled)).toBeGreaterThan(0.9);
    // All answers sum to 1 still.
    const [answer] = await predict(pruned.candidates[0]!.model, { ...wine, rows: 1, columns: wine.columns.map((column) => ({ ...column, values: column.values.slice(0, 1) })) as Table['columns'] });
    expect((answer as { probabilities: number[] }).probabilities.reduce((total, p) => total + p, 0)).toBeCloseTo(1, 6);
  });
});

it('refuses what cannot be done before it begins, and stops when told', async () => {
  const spec = wineSpec({ family: 'knn', k: 3 });
  const base = await baseOf(wine, spec);
  const ask = (optimisation: Partial<Optimisation>, rest: object = {}) => optimise({ base, table: wine, spec, backend: wasm, appraise, optimisation, ...rest });
  expect(await ask({ steps: [{ method: 'prune', sparsity: 0.5 }] })).toMatchObject({ type: 'invalid', problems: [{ field: 'steps[0].method', remedy: expect.stringContaining('condense') }] });
  const other = { ...base, target: { ...base.target, classes: ['a', 'b'] } } as FittedPipeline;
  expect(await ask({ steps: [{ method: 'condense', keep: 0.5 }] }, { base: other })).toMatchObject({ type: 'invalid', problems: [{ field: 'base' }] });
  expect(await ask({ steps: [{ method: 'condense', keep: 0.5 }] }, { signal: AbortSignal.abort() })).toEqual({ type: 'cancelled' });
});
