import { createHash } from 'node:crypto';
import { activateBackend, currentBackend } from './backend.ts';
import { checkSpecAgainstColumns, needsValidation, selectionMetrics, splitTypeOf, taskOf } from '@millrace/configuration';
import { trainDense } from './dense-network.ts';
import { metricValue, scoreClassification, scoreRegression } from './metrics.ts';
import { createPacer } from './pacer.ts';
import { encodeRows, encodedWidth, fitFeatures } from './pipeline.ts';
import { scoreRows } from './predict.ts';
import { splitRows } from './split.ts';
import { decodeState, encodeState } from './state-codec.ts';
import { summariseTable } from './summarise-table.ts';
import { categoryAt, findColumn, inCodeUnitOrder } from './table.ts';
import type { Backend } from './backend.ts';
import type { DenseState, EpochResult, Examples } from './dense-network.ts';
import type { Metrics } from './metrics.ts';
import type { Pacer } from './pacer.ts';
import type { FittedEstimator, FittedFeature, FittedPipeline, FittedTarget } from './pipeline.ts';
import type { Scores } from './predict.ts';
import type { Split } from './split.ts';
import type { ColumnData, Problem, Table } from './table.ts';
import type {
  DenseSettings, ModelFamily, ModelSettings, NearestNeighboursSettings, SelectionMetric, TrainingSpec,
} from '@millrace/configuration';

/** Where a run's progress survives the process. `save` must be atomic: `load` gets a whole state or the one before. */
export interface CheckpointStore {
  load(): Promise<Uint8Array | null>;
  save(bytes: Uint8Array): Promise<void>;
  /** Epochs between two saves; a finished trial is always saved. */
  everyEpochs: number;
}

export interface TrainOptions {
  table: Table;
  spec: TrainingSpec;
  /** Default: the current backend, or the best of this machine. */
  backend?: Backend | undefined;
  /** Seed of initial weights and of the order of rows. Default: the split's seed. */
  seed?: number | undefined;
  checkpoint?: CheckpointStore | undefined;
  signal?: AbortSignal | undefined;
  /** Told of progress; awaited, so that a slow listener slows the training instead of piling up. */
  onEvent?: ((event: TrainEvent) => void | Promise<void>) | undefined;
}

/** Trials count from 0, epochs from 1. Losses are data losses (see EpochResult). */
export type TrainEvent =
  | { type: 'started'; backend: Backend; trials: number; rows: RowCounts }
  | { type: 'resumed'; trial: number; epoch: number }
  | { type: 'checkpoint-ignored'; reason: string }
  | { type: 'trial-started'; trial: number; trials: number; family: ModelFamily; parameters: Record<string, unknown> }
  | {
      type: 'epoch';
      trial: number;
      epoch: number;
      epochs: number;
      loss: number;
      penalty: number;
      valLoss: number | null;
      /** Quick figures on the validation rows: `accuracy`, or `rmse` in the target's unit. Empty without such rows. */
      metrics: Record<string, number>;
    }
  | { type: 'checkpoint'; trial: number; epoch: number }
  | { type: 'trial-finished'; trial: number; metrics: Trial['metrics']; fitTimeSeconds: number; epochs: number }
  | { type: 'trial-failed'; trial: number; problem: Problem };

export interface RowCounts {
  train: number;
  validation: number;
  test: number;
  /** Rows left aside because their target is missing. */
  dropped: number;
}

/** One model tried: what it was, what came out, how good it is. */
export interface Trial {
  /** Its place in the configuration's `models`. */
  model: number;
  family: ModelFamily;
  /** Its hyper-parameters, and for a network the trainer's settings. */
  parameters: Record<string, unknown>;
  pipeline: FittedPipeline;
  metrics: {
    /** On rows held back from training; null when none were. */
    validation: Metrics | null;
    /** On the test rows. */
    test: Metrics;
    /** The same test rows answered with the training rows' class shares, or their mean. */
    baseline: Metrics;
  };
  fitTimeSeconds: number;
  /** Epochs trained (0 for a family that has none) and the one whose weights were kept. */
  epochs: number;
  bestEpoch: number;
  history: EpochResult[];
}

export type TrainOutcome =
  | {
      type: 'trained';
      trials: Trial[];
      /** Index in `trials` of the best by the selection metric, on validation rows (test rows if there is only one). */
      best: number;
      selectionMetric: SelectionMetric;
      backend: Backend;
      /** Row numbers of the table. */
      split: Split;
      dropped: number;
      /** Models that could not be trained. */
      failures: { model: number; problem: Problem }[];
    }
  | { type: 'cancelled' }
  | { type: 'invalid'; problems: Problem[] };

/**
 * Trains every model of a configuration on a table and scores each on the same test rows.
 *
 * Rows without a target are left aside. The preprocessing is learned from the training rows only. Validation rows are
 * held back only if an early stop or a choice between models needs them; k-nearest neighbours then learns from training
 * and validation rows together before the test. The same table, configuration, seed and backend give the same weights,
 * bit for bit, also when the run was stopped after any epoch and resumed from its checkpoint.
 */
export async function train(options: TrainOptions): Promise<TrainOutcome> {
  const { table, spec, signal } = options;
  const problems = [...checkSpecAgainstColumns(spec, summariseTable(table)), ...findInfinities(table, spec)];
  if (problems.length > 0) return { type: 'invalid', problems };

  const backend = options.backend ?? (await currentBackend());
  await activateBackend(backend);
  const seed = options.seed ?? spec.split.seed;
  const data = prepareData(table, spec);
  if (data.type === 'invalid') return data;

  const emit = async (event: TrainEvent) => options.onEvent?.(event);
  const { split, dropped } = data;
  await emit({
    type: 'started',
    backend,
    trials: spec.models.length,
    rows: { train: split.train.length, validation: split.validation.length, test: split.test.length, dropped },
  });

  const fingerprint = fingerprintOf(table, spec, seed);
  const progress = await restoreProgress(options.checkpoint, fingerprint, emit);
  const save = async (trial: number, current: Progress['current']) => {
    if (!options.checkpoint) return;
    await options.checkpoint.save(encodeState({ fingerprint, ...progress, current }));
    await emit({ type: 'checkpoint', trial, epoch: current?.dense.epoch ?? 0 });
  };

  for (let model = progress.results.length; model < spec.models.length; model++) {
    if (signal?.aborted) return { type: 'cancelled' };
    const settings = spec.models[model]!;
    const parameters = parametersOf(settings, spec);
    await emit({ type: 'trial-started', trial: model, trials: spec.models.length, family: settings.family, parameters });
    const outcome = await runTrial({
      data, spec, settings, parameters, model, seed, emit, save,
      everyEpochs: Math.max(1, options.checkpoint?.everyEpochs ?? 1),
      current: progress.current?.model === model ? progress.current : null,
      pacer: createPacer(signal),
    });
    progress.current = null;
    if (outcome.type === 'cancelled') return outcome;
    if (outcome.type === 'finished') {
      const { metrics, fitTimeSeconds, epochs } = outcome.trial;
      progress.results.push({ type: 'finished', trial: outcome.trial });
      await emit({ type: 'trial-finished', trial: model, metrics, fitTimeSeconds, epochs });
    } else {
      progress.results.push({ type: 'failed', problem: outcome.problem });
      await emit({ type: 'trial-failed', trial: model, problem: outcome.problem });
    }
    await save(model, null);
  }

  const trials = progress.results.flatMap((result) => (result.type === 'finished' ? [result.trial] : []));
  const failures = progress.results.flatMap((result, model) =>
    result.type === 'failed' ? [{ model, problem: result.problem }] : [],
  );
  if (trials.length === 0) return { type: 'invalid', problems: failures.map(({ problem }) => problem) };
  const selectionMetric = spec.selection.metric ?? (taskOf(spec) === 'classification' ? 'f1' : 'rmse');
  return {
    type: 'trained', trials, best: bestOf(trials, selectionMetric), selectionMetric, backend, split, dropped, failures,
  };
}

// --- data ---

type TargetInfo =
  | { task: 'classification'; name: string; type: 'category' | 'binary'; classes: string[]; positiveClass: string | null }
  | { task: 'regression'; name: string };

interface PreparedData {
  type: 'prepared';
  table: Table;
  target: TargetInfo;
  /** Per row of the table: class index or value; meaningless where the target is missing. */
  truth: Float64Array;
  split: Split;
  dropped: number;
}

function findInfinities(table: Table, spec: TrainingSpec): Problem[] {
  const used = [
    ...spec.inputFeatures.map(({ name }, index) => ({ name, field: `inputFeatures[${index}].name` })),
    { name: spec.outputFeatures[0]!.name, field: 'outputFeatures[0].name' },
  ];
  return used.flatMap(({ name, field }) => {
    const column = findColumn(table, name);
    if (column?.type !== 'number') return [];
    const row = column.values.findIndex((value) => Math.abs(value) === Infinity);
    if (row < 0) return [];
    return [{ field, message: `"${name}" is infinite in row ${row + 1}.`, remedy: 'Correct the value or leave the cell empty.' }];
  });
}

function prepareData(table: Table, spec: TrainingSpec): PreparedData | { type: 'invalid'; problems: Problem[] } {
  const output = spec.outputFeatures[0]!;
  const column = findColumn(table, output.name)!;
  const allRows = Int32Array.from({ length: table.rows }, (_, row) => row);
  const rows = allRows.filter((row) => categoryAt(column, row) !== null);
  const { target, truth } = readTarget(column, output, rows, table.rows);
  const strata = splitTypeOf(spec) === 'stratified' ? Int32Array.from(rows, (row) => truth[row]!) : null;
  const split = splitRows({
    rows, strata, trainFraction: spec.split.trainFraction, seed: spec.split.seed,
    validationFraction: needsValidation(spec) ? spec.split.validationFraction : 0,
  });
  const problems: Problem[] = [];
  if (needsValidation(spec) && split.validation.length === 0) {
    problems.push({
      field: 'split.validationFraction',
      message: 'There are too few rows to hold any back for validation.',
      remedy: 'Add rows, or train one model without an early stop.',
    });
  }
  if (target.task === 'classification') {
    const learned = new Set(Array.from(split.train, (row) => truth[row]!));
    const absent = target.classes.filter((_, index) => !learned.has(index));
    if (absent.length > 0) {
      problems.push({
        field: 'split.type',
        message: `No training row is of class ${absent.slice(0, 3).map((label) => `"${label}"`).join(', ')}.`,
        remedy: 'Use a stratified split, another seed, or a larger training share.',
      });
    }
  }
  if (problems.length > 0) return { type: 'invalid', problems };
  return { type: 'prepared', table, target, truth, split, dropped: table.rows - rows.length };
}

function readTarget(
  column: ColumnData,
  output: TrainingSpec['outputFeatures'][number],
  rows: Int32Array,
  tableRows: number,
): { target: TargetInfo; truth: Float64Array } {
  const truth = new Float64Array(tableRows);
  if (output.type === 'number') {
    for (const row of rows) truth[row] = column.values[row] as number;
    return { target: { task: 'regression', name: output.name }, truth };
  }
  const counts = new Map<string, number>();
  for (const row of rows) {
    const label = categoryAt(column, row)!;
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const classes = [...counts.keys()].sort(inCodeUnitOrder);
  const places = new Map(classes.map((label, index) => [label, index]));
  for (const row of rows) truth[row] = places.get(categoryAt(column, row)!)!;
  // Of two equally frequent classes the later one (1 after 0, yes after no) is taken as positive.
  const [first, second] = classes as [string, string];
  const rarer = counts.get(first)! < counts.get(second)! ? first : second;
  const positiveClass = classes.length === 2 ? (output.positiveClass ?? rarer) : null;
  return { target: { task: 'classification', name: output.name, type: output.type, classes, positiveClass }, truth };
}

function fitTarget(data: PreparedData, rows: Int32Array): FittedTarget {
  const { target, truth } = data;
  if (target.task === 'classification') return { name: target.name, type: target.type, classes: target.classes };
  const mean = rows.reduce((sum, row) => sum + truth[row]!, 0) / rows.length;
  const variance = rows.reduce((sum, row) => sum + (truth[row]! - mean) ** 2, 0) / rows.length;
  const constant = rows.every((row) => truth[row] === truth[rows[0]!]);
  return { name: target.name, type: 'number', mean, scale: constant ? 1 : Math.sqrt(variance) || 1 };
}

function scoresToMetrics(data: PreparedData, rows: Int32Array, scores: Scores): Metrics {
  const actual = Float64Array.from(rows, (row) => data.truth[row]!);
  if (scores.type === 'values') return scoreRegression(actual, scores.predicted);
  if (data.target.task !== 'classification') throw new Error('Class scores for a regression');
  const { classes, positiveClass } = data.target;
  return scoreClassification({ classes, positiveClass, actual: Int32Array.from(actual), ...scores });
}

/** Answers every test row alike, from the rows learned from: class shares, or the mean. */
function scoreBaseline(data: PreparedData): Metrics {
  const learned = data.split.train;
  const { test } = data.split;
  if (data.target.task === 'regression') {
    const mean = learned.reduce((sum, row) => sum + data.truth[row]!, 0) / learned.length;
    return scoresToMetrics(data, test, { type: 'values', predicted: new Float64Array(test.length).fill(mean) });
  }
  const shares = data.target.classes.map(() => 0);
  for (const row of learned) shares[data.truth[row]!]! += 1 / learned.length;
  const majority = shares.indexOf(Math.max(...shares));
  return scoresToMetrics(data, test, {
    type: 'classes',
    predicted: new Int32Array(test.length).fill(majority),
    probabilities: Float64Array.from({ length: test.length * shares.length }, (_, at) => shares[at % shares.length]!),
  });
}

// --- trials ---

interface TrialRun {
  data: PreparedData;
  spec: TrainingSpec;
  settings: ModelSettings;
  parameters: Record<string, unknown>;
  model: number;
  seed: number;
  emit(event: TrainEvent): Promise<void>;
  save(trial: number, current: Progress['current']): Promise<void>;
  everyEpochs: number;
  current: Progress['current'];
  pacer: Pacer;
}

type TrialOutcome =
  | { type: 'finished'; trial: Trial }
  | { type: 'failed'; problem: Problem }
  | { type: 'cancelled' };

interface Fit {
  pipeline: FittedPipeline;
  seconds: number;
  epochs: number;
  bestEpoch: number;
  history: EpochResult[];
}

type FitOutcome = { type: 'fitted'; fit: Fit } | Exclude<TrialOutcome, { type: 'finished' }>;

async function runTrial(run: TrialRun): Promise<TrialOutcome> {
  const { data, settings, pacer } = run;
  const { train, validation, test } = data.split;
  const first = settings.family === 'knn' ? fitNeighbours(data, run.spec, settings, train) : await fitNetwork(run, settings);
  if (first.type !== 'fitted') return first;
  let validationMetrics: Metrics | null = null;
  if (validation.length > 0) {
    validationMetrics = await scorePipeline(data, first.fit.pipeline, validation, pacer);
    if (!validationMetrics) return { type: 'cancelled' };
  }
  // Neighbours need no rows held back: once compared, they may know them all.
  const final = settings.family === 'knn' && validation.length > 0
    ? fitNeighbours(data, run.spec, settings, joined(train, validation))
    : first;
  if (final.type !== 'fitted') return final;
  const testMetrics = await scorePipeline(data, final.fit.pipeline, test, pacer);
  if (!testMetrics) return { type: 'cancelled' };
  const { pipeline, seconds, epochs, bestEpoch, history } = final.fit;
  return {
    type: 'finished',
    trial: {
      model: run.model,
      family: settings.family,
      parameters: run.parameters,
      pipeline,
      metrics: { validation: validationMetrics, test: testMetrics, baseline: scoreBaseline(data) },
      fitTimeSeconds: seconds,
      epochs,
      bestEpoch,
      history,
    },
  };
}

function joined(a: Int32Array, b: Int32Array): Int32Array {
  const rows = new Int32Array(a.length + b.length);
  rows.set(a);
  rows.set(b, a.length);
  return rows.sort();
}

async function scorePipeline(
  data: PreparedData, pipeline: FittedPipeline, rows: Int32Array, pacer: Pacer,
): Promise<Metrics | null> {
  const scores = await scoreRows(pipeline, encodeRows(pipeline.features, data.table, rows), rows.length, pacer);
  return scores && scoresToMetrics(data, rows, scores);
}

function fitNeighbours(
  data: PreparedData, spec: TrainingSpec, settings: NearestNeighboursSettings, rows: Int32Array,
): FitOutcome {
  const begun = performance.now();
  const fitted = fitFeatures(data.table, spec.inputFeatures, rows, settings.scaling);
  if (fitted.type === 'invalid') return { type: 'failed', problem: fitted.problems[0]! };
  const truths = Float64Array.from(rows, (row) => data.truth[row]!);
  const estimator: FittedEstimator = {
    family: 'knn',
    k: settings.k,
    weights: settings.weights,
    rows: encodeRows(fitted.features, data.table, rows),
    width: encodedWidth(fitted.features),
    targets: data.target.task === 'classification' ? Int32Array.from(truths) : truths,
  };
  const pipeline = { features: fitted.features, target: fitTarget(data, rows), estimator };
  const seconds = (performance.now() - begun) / 1000;
  return { type: 'fitted', fit: { pipeline, seconds, epochs: 0, bestEpoch: 0, history: [] } };
}

async function fitNetwork(run: TrialRun, settings: DenseSettings): Promise<FitOutcome> {
  const { data, spec, model } = run;
  const { trainer } = spec;
  const begun = performance.now() - (run.current?.seconds ?? 0) * 1000;
  const elapsed = () => (performance.now() - begun) / 1000;
  const { train, validation } = data.split;
  const fitted = fitFeatures(data.table, spec.inputFeatures, train);
  if (fitted.type === 'invalid') return { type: 'failed', problem: fitted.problems[0]! };
  const target = fitTarget(data, train);
  const validationTruth = Float64Array.from(validation, (row) => data.truth[row]!);
  const outcome = await trainDense({
    settings,
    trainer,
    classes: target.type === 'number' ? 0 : target.classes.length,
    train: examplesOf(data, fitted.features, target, train),
    validation: validation.length > 0 ? examplesOf(data, fitted.features, target, validation) : null,
    seed: run.seed,
    trial: model,
    resume: run.current?.dense ?? null,
    pacer: run.pacer,
    async onEpoch(state, result, outputs) {
      await run.emit({
        type: 'epoch', trial: model, epochs: trainer.epochs, ...result,
        metrics: outputs ? quickMetrics(outputs, validationTruth, target) : {},
      });
      if (state.epoch % run.everyEpochs === 0) await run.save(model, { model, seconds: elapsed(), dense: state });
    },
  });
  if (outcome.type === 'cancelled') return outcome;
  if (outcome.type === 'diverged') {
    return {
      type: 'failed',
      problem: {
        field: 'trainer.learningRate',
        message: `The loss of model ${model + 1} (dense network) grew beyond all numbers in epoch ${outcome.epoch}.`,
        remedy: `Lower the learning rate (now ${trainer.learningRate}), for example to ${trainer.learningRate / 10}.`,
      },
    };
  }
  const estimator: FittedEstimator = { family: 'dense', layers: outcome.layers };
  return {
    type: 'fitted',
    fit: {
      pipeline: { features: fitted.features, target, estimator },
      seconds: elapsed(),
      epochs: outcome.epochs,
      bestEpoch: outcome.bestEpoch,
      history: outcome.history,
    },
  };
}

function examplesOf(data: PreparedData, features: FittedFeature[], target: FittedTarget, rows: Int32Array): Examples {
  return {
    rows: rows.length,
    width: encodedWidth(features),
    inputs: new Float32Array(encodeRows(features, data.table, rows)),
    targets: Float32Array.from(rows, (row) =>
      target.type === 'number' ? (data.truth[row]! - target.mean) / target.scale : data.truth[row]!,
    ),
  };
}

function quickMetrics(outputs: Float32Array, truth: Float64Array, target: FittedTarget): Record<string, number> {
  if (target.type === 'number') {
    const squares = truth.reduce((sum, value, row) => sum + (outputs[row]! * target.scale + target.mean - value) ** 2, 0);
    return { rmse: Math.sqrt(squares / truth.length) };
  }
  const width = target.classes.length;
  const hits = truth.filter((index, row) => {
    const own = outputs.subarray(row * width, (row + 1) * width);
    return own.indexOf(Math.max(...own)) === index;
  });
  return { accuracy: hits.length / truth.length };
}

function parametersOf(settings: ModelSettings, spec: TrainingSpec): Record<string, unknown> {
  const { family, ...own } = settings;
  return family === 'dense' ? { ...own, ...spec.trainer } : own;
}

function bestOf(trials: Trial[], metric: SelectionMetric): number {
  const sign = selectionMetrics[metric].direction === 'higher' ? 1 : -1;
  // An undefined figure loses to every other.
  const merit = ({ metrics }: Trial) => {
    const value = metricValue(metrics.validation ?? metrics.test, metric);
    return value === null ? -Infinity : sign * value;
  };
  return trials.reduce((best, trial, index) => (merit(trial) > merit(trials[best]!) ? index : best), 0);
}

// --- progress that survives the process ---

interface Progress {
  /** Of models 0, 1, …: those that are done with. */
  results: ({ type: 'finished'; trial: Trial } | { type: 'failed'; problem: Problem })[];
  /** The network in training, after its last saved epoch. */
  current: { model: number; seconds: number; dense: DenseState } | null;
}

async function restoreProgress(
  checkpoint: CheckpointStore | undefined,
  fingerprint: string,
  emit: (event: TrainEvent) => Promise<void>,
): Promise<Progress> {
  const fresh: Progress = { results: [], current: null };
  const bytes = await checkpoint?.load();
  if (!bytes) return fresh;
  const stored = decodeState(bytes) as (Progress & { fingerprint: string }) | null;
  if (!stored || stored.fingerprint !== fingerprint) {
    const reason = stored ? 'it belongs to other data or another configuration' : 'it is damaged or of another format';
    await emit({ type: 'checkpoint-ignored', reason });
    return fresh;
  }
  await emit({
    type: 'resumed',
    trial: stored.current?.model ?? stored.results.length,
    epoch: stored.current?.dense.epoch ?? 0,
  });
  return { results: stored.results, current: stored.current };
}

/** Tells whether a checkpoint continues this very run: same data, configuration and seed. */
function fingerprintOf(table: Table, spec: TrainingSpec, seed: number): string {
  const hash = createHash('sha256').update(JSON.stringify({ spec, seed, rows: table.rows }));
  for (const { name } of [...spec.inputFeatures, ...spec.outputFeatures]) {
    const column = findColumn(table, name)!;
    hash.update(column.type);
    if (column.type === 'number') {
      hash.update(new Uint8Array(column.values.buffer, column.values.byteOffset, column.values.byteLength));
    } else {
      // In pieces, since the text of a whole column may be longer than a string can be.
      for (let at = 0; at < table.rows; at += 10_000) hash.update(JSON.stringify(column.values.slice(at, at + 10_000)));
    }
  }
  return hash.digest('hex');
}
