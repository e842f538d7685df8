import { madeUpTable, specFor } from '../../test/sample-tables.ts';
import { activateBackend, type Backend, selectBackend } from '../backend.ts';
import { metricValue } from '../metrics.ts';
import { predict } from '../predict.ts';
import { encodeState } from '../state-codec.ts';
import { train, type TrainEvent, type TrainOptions, type TrainOutcome } from '../train.ts';
import { reproduceTrial } from './reproduce-trial.ts';
import type { SearchRecord } from './search.ts';

type Found = Extract<TrainOutcome, { type: 'trained' }> & { search: SearchRecord[] };

const table = madeUpTable(120, 4);
const grade = { name: 'grade', type: 'category' };
const others = ['passed', 'amount'];
const quick = { epochs: 3, batchSize: 64, learningRate: 0.02 };
let cpu: Backend;

beforeAll(async () => {
  cpu = await selectBackend({ prefer: 'cpu' });
});

function gradeSpec(rest: object) {
  return specFor(table, grade, { trainer: quick, ...rest }, others);
}

async function found(options: TrainOptions): Promise<Found> {
  const outcome = await train({ backend: cpu, ...options });
  if (outcome.type !== 'trained' || !outcome.search) throw new Error(JSON.stringify(outcome));
  return outcome as Found;
}

/** What must not depend on how long things took. */
const decisions = (records: SearchRecord[]) =>
  records.map(({ fitSeconds: _fit, predictMsPerRow: _predict, at: _at, appraisal: _appraisal, ...rest }) => rest);

const mixed = gradeSpec({
  models: [{ family: 'knn', k: 3 }, { family: 'dense', hiddenLayers: [6] }], selection: { maxTrials: 3, metric: 'logLoss' },
});

test('every trial can be done again from its record, bit for bit, and so can the whole search', async () => {
  const first = await found({ table, spec: mixed });
  expect(first.search.map(({ family, origin, status }) => [family, origin, status])).toEqual([
    ['knn', 'given', 'complete'], ['dense', 'given', 'complete'], ['baseline', 'portfolio', 'complete'],
  ]);
  const again = await found({ table, spec: mixed });
  expect(decisions(again.search)).toEqual(decisions(first.search));
  expect(encodeState(again.trials.map(({ pipeline }) => pipeline))).toEqual(encodeState(first.trials.map(({ pipeline }) => pipeline)));

  for (const record of first.search) {
    // As it comes back from a database.
    const stored = JSON.parse(JSON.stringify(record)) as SearchRecord;
    const { pipeline, foldScores } = await reproduceTrial({ table, spec: mixed, backend: cpu, record: stored });
    expect(foldScores).toEqual(record.foldScores);
    const trial = first.trials.find(({ model }) => model === record.number);
    if (trial) expect(encodeState(pipeline)).toEqual(encodeState(trial.pipeline));
    else expect(record.family).toBe('baseline');
  }
});

test('the ensemble is no worse than the best trial on out-of-fold predictions, and answers as its members do', async () => {
  const models = [{ family: 'knn', k: 3 }, { family: 'dense', hiddenLayers: [8] }];
  const trainer = { epochs: 15, batchSize: 32, learningRate: 0.02 };
  const spec = specFor(table, { name: 'amount', type: 'number' }, { models, trainer, selection: { maxTrials: 2 } }, ['grade', 'passed']);
  const { trials, best } = await found({ table, spec });
  const ensemble = trials.at(-1)!;
  expect(ensemble).toMatchObject({ family: 'ensemble', model: 2 });
  expect(best).toBe(trials.length - 1);
  const losses = trials.map(({ metrics }) => metricValue(metrics.validation!, 'rmse')!);
  expect(losses.at(-1)!).toBe(Math.min(...losses));
  const members = (ensemble.parameters as { members: { trial: number; weight: number }[] }).members;
  expect(members.length).toBeGreaterThan(1);
  expect(members.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 3);
});

test('after the portfolio, of six that are drawn the best third goes through all folds', async () => {
  const spec = gradeSpec({ models: [{ family: 'knn', k: 1 }], selection: { maxTrials: 10, metric: 'logLoss' } });
  const { search } = await found({ table, spec });
  const portfolio = search.filter(({ origin }) => origin === 'given' || origin === 'portfolio');
  expect(portfolio.every(({ status }) => status === 'complete')).toBe(true);
  expect(portfolio.map(({ family }) => family)).toEqual(['knn', 'baseline', 'knn', 'knn']);
  const drawn = search.slice(4);
  expect(drawn.map(({ status }) => status).sort()).toEqual(['complete', 'complete', 'eliminated', 'eliminated', 'eliminated', 'eliminated']);
  const worstPromoted = Math.max(...drawn.filter(({ status }) => status === 'complete').map(({ firstScore }) => firstScore!));
  for (const { status, firstScore } of drawn) if (status === 'eliminated') expect(firstScore!).toBeGreaterThanOrEqual(worstPromoted);
  expect(new Set(search.map(({ settings }) => JSON.stringify(settings))).size).toBe(10);
});

test('the time limit is obeyed: what does not fit is not begun, what runs over is stopped', async () => {
  let now = 0;
  // Every look at the clock takes 12 ms: a fold of a network asks after each batch.
  const clock = () => (now += 12);
  const spec = gradeSpec({ models: [{ family: 'knn', k: 3 }, { family: 'dense', hiddenLayers: [6] }], selection: { timeLimitSeconds: 8, maxTrials: 3 } });
  const slow = { ...spec, trainer: { ...spec.trainer, epochs: 100_000, earlyStop: { patience: 10_000, minDelta: 0 } } };
  const { search } = await found({ table, spec: slow, clock });
  expect(search.find(({ family }) => family === 'dense')).toMatchObject({ status: 'out-of-time', foldScores: [] });
  expect(search.find(({ family }) => family === 'knn')).toMatchObject({ status: 'complete' });
  expect(Math.max(...search.map(({ at }) => at))).toBeLessThan(8);
});

test('what did best on the first fold is taken, though there was no time for the others', async () => {
  let now = 0;
  const clock = () => (now += 12);
  const models = [{ family: 'knn', k: 40 }, { family: 'dense', hiddenLayers: [16] }];
  const larger = madeUpTable(320, 5);
  const spec = specFor(larger, { name: 'amount', type: 'number' }, { models, trainer: { ...quick, epochs: 30 }, selection: { timeLimitSeconds: 16, maxTrials: 2 } }, ['grade', 'passed']);
  const { search, trials, best } = await found({ table: larger, spec, clock });
  expect(search.map(({ family, status }) => [family, status])).toEqual([['knn', 'complete'], ['dense', 'tried']]);
  expect(search[1]!.firstScore!).toBeLessThan(search[0]!.firstScore!);
  const { model, family, parameters, metrics } = trials[best]!;
  const members = family === 'ensemble' ? (parameters['members'] as { trial: number; weight: number }[]) : [{ trial: model, weight: 1 }];
  expect(members.find(({ trial }) => trial === 1)!.weight).toBeGreaterThan(0.5);
  // On the rows that all have answers to: those of the first fold.
  expect(metrics.validation!.rows).toBe(52);
});

test('a limit that nothing fits into is a problem with a remedy', async () => {
  let now = 0;
  const outcome = await train({ table, backend: cpu, clock: () => (now += 600), spec: gradeSpec({ selection: { timeLimitSeconds: 1 } }) });
  expect(outcome).toMatchObject({ type: 'invalid', problems: [{ field: 'selection.timeLimitSeconds' }] });
});

test('a model that answers too slowly is neither chosen nor blended in', async () => {
  const spec = gradeSpec({ models: [{ family: 'knn', k: 3 }, { family: 'dense', hiddenLayers: [6] }], selection: { maxTrials: 2, inferLimitMs: 5 } });
  const appraise = async ({ estimator }: { estimator: { family: string } }) =>
    ({ predTimeMsP50: estimator.family === 'knn' ? 9 : 1, sizeBytes: 10, sizeGzBytes: 5 });
  const { trials, search } = await found({ table, spec, appraise });
  expect(trials.map(({ search: record }) => record?.family)).toEqual(['dense']);
  expect(search.map(({ appraisal }) => appraisal?.predTimeMsP50)).toEqual([9, 1]);
});

test('a cancel ends the search inside a fit', async () => {
  const abort = new AbortController();
  const spec = gradeSpec({ models: [{ family: 'dense', hiddenLayers: [64] }], trainer: { ...quick, epochs: 100_000, earlyStop: { patience: 10_000 } }, selection: { maxTrials: 1 } });
  const onEvent = (event: TrainEvent) => void (event.type === 'search-progress' && setTimeout(() => abort.abort(), 20));
  expect(await train({ table, spec, backend: cpu, signal: abort.signal, onEvent })).toEqual({ type: 'cancelled' });
});

test('a search that was interrupted after any step ends as an uninterrupted one', async () => {
  const saved: Uint8Array[] = [];
  const store = (initial: Uint8Array | null) => ({
    isDue: () => true, load: async () => initial, save: async (bytes: Uint8Array) => void saved.push(Uint8Array.from(bytes)),
  });
  const whole = await found({ table, spec: mixed, checkpoint: store(null) });
  const states = [...saved];
  expect(states.length).toBeGreaterThan(5);
  for (const state of [states[0]!, states[3]!]) {
    const events: TrainEvent[] = [];
    const resumed = await found({ table, spec: mixed, checkpoint: store(state), onEvent: (event) => void events.push(event) });
    expect(events).toContainEqual(expect.objectContaining({ type: 'resumed' }));
    expect(decisions(resumed.search)).toEqual(decisions(whole.search));
    expect(encodeState(resumed.trials.at(-1)!.pipeline)).toEqual(encodeState(whole.trials.at(-1)!.pipeline));
  }
});

test('numbers are searched too, and tested on the rows that are asked for', async () => {
  const selection = { maxTrials: 5, intervalCoverage: 0.8 };
  const spec = specFor(table, { name: 'amount', type: 'number' }, { models: [{ family: 'knn', k: 2 }], selection }, ['grade', 'passed']);
  await activateBackend(cpu);
  const testRows = Int32Array.from({ length: 30 }, (_, row) => row * 4);
  const { split, trials, best, selectionMetric } = await found({ table, spec, testRows });
  expect(split.test).toEqual(testRows);
  expect(selectionMetric).toBe('rmse');
  const { metrics, pipeline } = trials[best]!;
  expect(metrics.test).toMatchObject({ type: 'regression', rows: 30 });
  expect(pipeline.target).toMatchObject({ interval: { coverage: 0.8, halfWidth: expect.any(Number) } });
  if (metrics.validation?.type !== 'regression' || metrics.test.type !== 'regression') throw new Error('unexpected');
  // By construction on the rows it was taken from, by its guarantee on others.
  expect(metrics.validation.coverage).toBeCloseTo(0.8, 1);
  expect(metrics.test.coverage).toBeGreaterThan(0.6);
  const { halfWidth } = (pipeline.target as { interval: { halfWidth: number } }).interval;
  for (const answer of (await predict(pipeline, table)).slice(0, 3)) {
    if (!('value' in answer)) throw new Error('no number');
    expect(answer.interval).toEqual({ lower: answer.value - halfWidth, upper: answer.value + halfWidth });
  }
});

test('costs choose the threshold on out-of-fold predictions, and the answers obey it', async () => {
  const costs = { missed: 30, falseAlarm: 1 };
  const models = [{ family: 'knn', k: 9 }];
  const passed = { name: 'passed', type: 'binary', positiveClass: 'no' };
  const found1 = await found({ table, spec: specFor(table, passed, { models, selection: { maxTrials: 1, costs } }, ['grade', 'amount']) });
  expect(found1.selectionMetric).toBe('cost');
  const { pipeline, metrics } = found1.trials[0]!;
  if (pipeline.target.type === 'number' || metrics.validation?.type !== 'classification') throw new Error('unexpected');
  expect(pipeline.target.decision).toMatchObject({ positive: pipeline.target.classes.indexOf('no'), threshold: expect.any(Number) });
  expect(pipeline.target.decision!.threshold).toBeLessThan(0.5);
  expect(metrics.validation.cost).toBeCloseTo(found1.search[0]!.score!, 0);
  const plain = await found({ table, spec: specFor(table, passed, { models, selection: { maxTrials: 1, metric: 'f1' } }, ['grade', 'amount']) });
  const missedBy = (metric: typeof metrics) => (metric.test.type === 'classification' ? metric.test.perClass.find(({ label }) => label === 'no')!.recall : 0);
  expect(missedBy(metrics)).toBeGreaterThanOrEqual(missedBy(plain.trials[0]!.metrics));
  const single = await train({ table, backend: cpu, spec: specFor(table, passed, { models, selection: { costs } }, ['grade', 'amount']) });
  expect(single).toMatchObject({ type: 'trained', selectionMetric: 'cost', trials: [{ pipeline: { target: { decision: { positive: 0 } } } }, {}] });
});
