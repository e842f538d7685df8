import * as tf from '@tensorflow/tfjs';
import { parseTrainingSpec } from '@millrace/configuration';
import { selectBackend } from '../backend.ts';
import { optimiseDetector } from '../optimisation/optimise-detector.ts';
import { createRandom } from '../random.ts';
import type { Table } from '../table.ts';
import type { CheckpointStore } from '../train.ts';
import type { FittedDetector } from './detector.ts';
import { detectAnomalies } from './score-anomalies.ts';
import { trainAnomaly, type TrainAnomalyOptions, type TrainAnomalyOutcome } from './train-anomaly.ts';

type Trained = Extract<TrainAnomalyOutcome, { type: 'trained' }>;

beforeAll(() => selectBackend({ prefer: 'cpu' }));

/** Pressure follows speed, but in every 25th row, which the label calls bad: each value alone is usual there. Some gaps. */
function machines(rows: number, { isLabelled = (_row: number): boolean => true, flip = (bad: boolean) => bad } = {}): Table {
  const random = createRandom(11);
  const isBad = (row: number) => row % 25 === 3;
  const speed = Float64Array.from({ length: rows }, () => random.uniform() * 2 - 1);
  const noise = () => (random.uniform() - 0.5) / 5;
  return {
    rows,
    columns: [
      { name: 'speed', type: 'number', values: speed.map((value, row) => (row % 30 === 9 ? NaN : value)) },
      { name: 'pressure', type: 'number', values: Float64Array.from(speed, (value, row) => (isBad(row) ? (value > 0 ? value - 1 : value + 1) : value) + noise()) },
      { name: 'mode', type: 'category', values: Array.from(speed, (value, row) => (row % 40 === 0 ? null : value > 0 ? 'fast' : 'slow')) },
      { name: 'state', type: 'binary', values: Array.from(speed, (_, row) => (!isLabelled(row) ? null : flip(isBad(row)) ? 'bad' : 'good')) },
    ],
  };
}

const network = { family: 'autoencoder', hiddenLayers: [12], codeSize: 2 };
const inputFeatures = [{ name: 'speed', type: 'number' }, { name: 'pressure', type: 'number' }, { name: 'mode', type: 'category' }];
const label = { outputFeatures: [{ name: 'state', type: 'binary', positiveClass: 'bad' }] };

function specOf(anomaly: object, rest: object = label) {
  const parsed = parseTrainingSpec({ inputFeatures, outputFeatures: [], trainer: { epochs: 25, learningRate: 0.02 }, anomaly, ...rest });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
}

async function trained(options: TrainAnomalyOptions): Promise<Trained> {
  const outcome = await trainAnomaly(options);
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  return outcome;
}

const table = machines(500);
const quick = [{ family: 'robust_z_score' }, { family: 'isolation_forest', numTrees: 20 }];

test('an autoencoder finds what is usual in each column and unusual together, and tells where', async () => {
  const tensors = tf.memory().numTensors;
  const outcome = await trained({ table, spec: specOf({ falseAlarmRate: 0.02, learnFrom: 'normal', models: [...quick, network] }) });
  expect(tf.memory().numTensors).toBe(tensors);
  const byFamily = Object.fromEntries(outcome.trials.map((trial) => [trial.family, trial]));
  expect(outcome.trials[outcome.best]!.family).toBe('autoencoder');
  expect(outcome.selectionMetric).toBe('prAuc');
  expect(byFamily['autoencoder']!.metrics.test.rocAuc!).toBeGreaterThan(0.95);
  expect(byFamily['robust_z_score']!.metrics.test.rocAuc!).toBeLessThan(0.85);
  expect(byFamily['baseline']!.metrics.test).toMatchObject({ rocAuc: 0.5, massVolume: 1, reported: 0, precision: null });
  // Without a label, what is told apart by smaller volumes would have been chosen as well.
  expect(byFamily['autoencoder']!.metrics.test.massVolume).toBeLessThan(byFamily['robust_z_score']!.metrics.test.massVolume);

  const { detector, report, metrics } = byFamily['autoencoder']!;
  const [odd, usual, gap] = await detectAnomalies(detector, [{ speed: 0.8, pressure: -0.6, mode: 'fast' }, { speed: 0.5, pressure: 0.5, mode: 'fast' }, { speed: null, pressure: 0.5, mode: 'fast' }]);
  expect([odd!.anomaly.isAnomaly, usual!.anomaly.isAnomaly, gap!.anomaly.contributions![0]]).toEqual([true, false, 0]);
  expect(odd!.anomaly.contributions!.reduce((sum, part) => sum + part, 0)).toBeCloseTo(odd!.value, 9);
  expect(report.rows).toHaveLength(20);
  expect(report.rows[0]).toMatchObject({ isAnomaly: true, wasAnomaly: true });
  const { usual: normal, anomalous } = report.histogram;
  expect([...normal, ...anomalous].reduce((sum, count) => sum + count, 0)).toBe(metrics.test.rows);
  expect(anomalous.reduce((sum, count) => sum + count, 0)).toBe(metrics.test.anomalies);
});

test('the label judges and is never learned from', async () => {
  const modelsOf = async (of: Table, rest: object) => (await trained({ table: of, spec: specOf({ models: quick, falseAlarmRate: 0.05 }, { split: { type: 'random' }, ...rest }) })).trials.map(({ detector }) => detector);
  const expected = await modelsOf(table, label);
  expect(await modelsOf(machines(500, { flip: (bad) => !bad }), label)).toEqual(expected);
  expect(await modelsOf(table, {})).toEqual(expected);
});

test('rows that nobody has labelled take part in learning from all, and in no figure', async () => {
  const partly = machines(500, { isLabelled: (row) => row % 2 === 0 });
  const { trials: [trial], split } = await trained({ table: partly, spec: specOf({ models: quick, falseAlarmRate: 0.05 }) });
  expect(split.train.some((row) => row % 2 === 1)).toBe(true);
  expect(trial!.metrics.test.anomalies).toBe(split.test.filter((row) => row % 50 === 28).length);
  const normal = await trained({ table: partly, spec: specOf({ models: quick, falseAlarmRate: 0.05, learnFrom: 'normal' }) });
  expect(normal.split.train.every((row) => row % 2 === 0 && row % 25 !== 3)).toBe(true);
});

test('without a label the smallest volume wins, and the stated rate is about that of the test rows', async () => {
  const outcome = await trained({ table: machines(1500), spec: specOf({ models: quick, falseAlarmRate: 0.05 }, {}) });
  expect(outcome.selectionMetric).toBe('massVolume');
  const volumes = outcome.trials.map(({ metrics }) => metrics.validation.massVolume);
  expect(volumes[outcome.best]).toBe(Math.min(...volumes));
  for (const { detector, metrics, family } of outcome.trials) {
    expect(metrics.test).toMatchObject({ rocAuc: null, f1: null, anomalies: null });
    if (family !== 'baseline') expect(Math.abs(metrics.test.reported - detector.falseAlarmRate)).toBeLessThan(0.06);
  }
});

test('costs set the threshold where the labelled validation rows cost least', async () => {
  const cost = async (missed: number) => (await trained({ table, spec: specOf({ models: [quick[0]!] }, { ...label, selection: { costs: { missed, falseAlarm: 1 } } }) })).trials[0]!;
  const [dear, cheap] = [await cost(100), await cost(0.01)];
  expect(dear.metrics.test.recall!).toBeGreaterThan(cheap.metrics.test.recall!);
  expect(dear.detector.threshold).toBeLessThan(cheap.detector.threshold);
  const { recall, falseAlarmRate, anomalies, rows } = dear.metrics.test;
  expect(dear.metrics.test.cost!).toBeCloseTo((100 * (1 - recall!) * anomalies! + falseAlarmRate! * (rows - anomalies!)) / rows, 9);
});

test('a run stopped anywhere and resumed ends with the same models, bit for bit', async () => {
  const spec = specOf({ falseAlarmRate: 0.05, models: [network, quick[1]!] });
  spec.trainer.epochs = 3;
  const store = (initial: Uint8Array | null) => {
    const saved: Uint8Array[] = [];
    return { saved, isDue: () => true, load: async () => initial, save: async (bytes: Uint8Array) => void saved.push(Uint8Array.from(bytes)) } satisfies CheckpointStore & { saved: Uint8Array[] };
  };
  const small = machines(300);
  const whole = store(null);
  const detectorsOf = ({ trials }: Trained) => trials.map(({ detector, metrics }) => ({ detector, metrics }));
  const expected = detectorsOf(await trained({ table: small, spec, checkpoint: whole }));
  expect(whole.saved).toHaveLength(3 + 3);
  for (const [at, state] of whole.saved.entries()) {
    const epochs: number[] = [];
    const resumed = await trained({ table: small, spec, checkpoint: store(state), onEvent: (event) => void (event.type === 'epoch' && epochs.push(event.epoch)) });
    expect(detectorsOf(resumed)).toEqual(expected);
    expect(epochs).toEqual([1, 2, 3].slice(at + 1));
  }
});

test('a cancel stops it between two steps', async () => {
  const controller = new AbortController();
  const outcome = await trainAnomaly({
    table, spec: specOf({ falseAlarmRate: 0.05, models: [network] }), signal: controller.signal,
    onEvent: (event) => void (event.type === 'epoch' && event.epoch === 2 && controller.abort()),
  });
  expect(outcome).toEqual({ type: 'cancelled' });
});

test('backends agree up to rounding', async () => {
  const scoresOn = async (prefer: 'cpu' | 'wasm') => {
    const backend = await selectBackend({ prefer });
    const spec = specOf({ falseAlarmRate: 0.05, models: [network] });
    spec.trainer.epochs = 2;
    return (await trained({ table: machines(300), spec, backend })).trials[0]!.report.rows.map(({ score }) => score);
  };
  const [plain, wasm] = [await scoresOn('cpu'), await scoresOn('wasm')];
  await selectBackend({ prefer: 'cpu' });
  plain.forEach((score, at) => expect(Math.abs(score - wasm[at]!)).toBeLessThan(1e-3 * score));
});

test('a learning rate beyond reason is a problem that names it', async () => {
  const spec = specOf({ falseAlarmRate: 0.05, models: [{ ...network, activation: 'relu' }] }, { trainer: { epochs: 3, learningRate: 1000, optimizer: 'sgd' } });
  expect(await trainAnomaly({ table, spec })).toMatchObject({ type: 'invalid', problems: [{ field: 'trainer.learningRate', remedy: expect.stringMatching(/100/) }] });
});

test.each([[quick[1]!, label], [network, label], [quick[1]!, {}]])('%j becomes smaller with a threshold of its own for the same rate, on the rows that the base was judged by: %j', async (model, rest) => {
  const spec = specOf({ falseAlarmRate: 0.05, models: [model] }, rest);
  const { trials: [trial], selectionMetric } = await trained({ table, spec });
  const base = trial!.detector;
  // Stands for packaging, which this lib does not know.
  const bytes = ({ scorer }: FittedDetector) => (scorer.family === 'isolation_forest' ? scorer.trees.length : scorer.family === 'autoencoder' ? ({ int8: 1, shared: 1, float16: 2 }[scorer.layers[0]!.storage?.type ?? 'float16'] * (scorer.layers[0]!.storage ? 1 : 2)) : 0);
  const appraise = async (detector: FittedDetector) => ({ predTimeMsP50: 1, sizeBytes: bytes(detector), sizeGzBytes: 1 });
  const ask = (optimisation: object, more: object = {}) => optimiseDetector({ base, table, spec, optimisation, appraise, ...more });
  const step = base.scorer.family === 'isolation_forest' ? { method: 'prune_trees', keep: 0.25 } : { method: 'quantise', to: 'int8' };
  const found = await ask({ steps: [step], maxLoss: 60 });
  if (found.type !== 'optimised') throw new Error(JSON.stringify(found));
  expect(found.base.model).toEqual(base);
  expect(found.base.metrics).toEqual({ validation: trial!.metrics.validation, test: trial!.metrics.test });
  expect(found.chosenOn).toBe('validation');
  for (const { model: made, metrics, interval, bound } of found.candidates) {
    expect(made.falseAlarmRate).toBe(base.falseAlarmRate);
    expect(made.threshold).not.toBe(base.threshold);
    expect(Math.abs(metrics.validation!.reported - found.base.metrics.validation!.reported)).toBeLessThan(0.05);
    const [before, now] = [found.base.metrics.test[selectionMetric]!, metrics.test[selectionMetric]!];
    expect(interval!.loss).toBeCloseTo(selectionMetric === 'massVolume' ? (100 * (now - before)) / before : 100 * (before - now), 6);
    expect(bound!.atMost === null || bound!.atMost >= interval!.loss - 1e-9).toBe(true);
  }
  const sizes = found.candidates.map(({ appraisal }) => appraisal.sizeBytes);
  expect(sizes).toEqual(base.scorer.family === 'isolation_forest' ? [5] : [1]);
  const refused = base.scorer.family === 'isolation_forest' ? { method: 'quantise', to: 'float16' } : { method: 'prune_trees', keep: 0.5 };
  expect(await ask({ steps: [refused] })).toMatchObject({ type: 'invalid', problems: [{ field: 'steps[0].method' }] });
  expect(await ask({ target: 'SIZE' }, { signal: AbortSignal.abort() })).toEqual({ type: 'cancelled' });
});
