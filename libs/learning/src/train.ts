import {
  isSearch, learnsByTrainer, maxSearchTrials, type ModelFamily, type ModelSettings, type SelectionMetric, selectionMetricOf, selectionMetrics,
  type TrainingSpec,
} from '@millrace/configuration';
import { activateBackend, type Backend, currentBackend } from './backend.ts';
import type { EpochResult } from './dense-network.ts';
import { familyOf, scoreRows } from './families/families.ts';
import type { Fit, FitOutcome } from './families/family.ts';
import { applyAnswer, fitAnswer, withAnswer } from './fit-answer.ts';
import { learnableTable } from './learnable-table.ts';
import { type Metrics, metricValue } from './metrics.ts';
import { createPacer, type Pacer } from './pacer.ts';
import type { PersonalisationReport } from './personalisation/train-personalised.ts';
import type { ConvolutionLayer, FittedPipeline } from './pipeline.ts';
import { prepareData, type PreparedData, scoreBaseline, scoresToMetrics } from './prepared-data.ts';
import { fingerprintOf, type Progress, restoreProgress } from './progress.ts';
import { type Appraisal, type SearchEvent, searchModels, type SearchRecord } from './search/search.ts';
import { scoreSlices, type Slice } from './slices.ts';
import type { Split } from './split.ts';
import { encodeState } from './state-codec.ts';
import type { Problem, Table } from './table.ts';

/** Where a run's progress survives the process. `save` must be atomic: `load` gets a whole state or the one before. */
export interface CheckpointStore {
  load(): Promise<Uint8Array | null>;
  save(bytes: Uint8Array): Promise<void>;
  /** Asked after each epoch (by its number) and each finished trial (null), before the state is put into bytes. */
  isDue(epoch: number | null): boolean;
}

export interface TrainOptions {
  table: Table;
  spec: TrainingSpec;
  /** Default: the current backend, or the best of this machine. */
  backend?: Backend | undefined;
  /** Rows to test on, such as a fold of a cross-validation, in place of those that the split's share and seed would choose. */
  testRows?: Int32Array | undefined;
  /** Seed of initial weights and of the order of rows. Default: the split's seed. */
  seed?: number | undefined;
  checkpoint?: CheckpointStore | undefined;
  /** By the place of a model whose settings name a base: the convolutions to begin with. */
  bases?: readonly (ConvolutionLayer[] | null)[] | undefined;
  signal?: AbortSignal | undefined;
  /** Told of progress; awaited, so that a slow listener slows the training instead of piling up. */
  onEvent?: ((event: TrainEvent) => void | Promise<void>) | undefined;
  /** For a search only: what serving a model would cost. Without it no latency limit holds. */
  appraise?: ((pipeline: FittedPipeline) => Promise<Appraisal>) | undefined;
  /** For a search only: milliseconds that never go back. Default: `performance.now`. */
  clock?: (() => number) | undefined;
}

/** Trials count from 0, epochs from 1. Losses are data losses (see EpochResult). */
export type TrainEvent =
  | SearchEvent
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
  /** Its place in the configuration's `models`, the place after the last for the baseline that a run adds; in a search, its number. */
  model: number;
  family: ModelFamily | 'ensemble';
  /** Its hyper-parameters, and for a network the trainer's settings. */
  parameters: Record<string, unknown>;
  pipeline: FittedPipeline;
  metrics: {
    /** On rows held back from training; in a search, on out-of-fold predictions; null when there were none. */
    validation: Metrics | null;
    /** On the test rows. */
    test: Metrics;
    /** The same test rows answered with the training rows' class shares, or their mean. */
    baseline: Metrics;
    /** The test rows by the values of the categories among the inputs. */
    slices: Slice[];
  };
  fitTimeSeconds: number;
  /** Epochs trained (0 for a family that has none) and the one whose weights were kept. */
  epochs: number;
  bestEpoch: number;
  history: EpochResult[];
  /** Where the configuration asks for heads: what they made of it. The test metrics are then those with heads. */
  personalisation?: PersonalisationReport;
  /** Of a search, except for its ensemble: how it came about. */
  search?: SearchRecord;
  appraisal?: Appraisal | null;
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
      /** Of a search: everything tried, of which `trials` holds the best and their ensemble. */
      search?: SearchRecord[];
    }
  | { type: 'cancelled' }
  | { type: 'invalid'; problems: Problem[] };

/**
 * The models to try. A baseline joins those that were asked for, unless it is one of them: every leaderboard has it, to
 * compare with. One that was not asked for is never the best, so that nobody publishes it unawares.
 */
function candidatesOf({ models }: TrainingSpec): ModelSettings[] {
  return models.some(({ family }) => family === 'baseline') ? models : [...models, { family: 'baseline', average: 'mean' }];
}

/**
 * Trains every model of a configuration, and a baseline, on a table and scores each on the same test rows.
 *
 * Rows without a target are left aside. The preprocessing is learned from the training rows only. Validation rows are
 * held back only if an early stop or a choice between models needs them; families that do not stop by them, or know after
 * the first time how long to learn, then learn from training and validation rows together before the test. The same
 * table, configuration, seed and backend give the same weights, bit for bit, also when the run was stopped after any
 * epoch and resumed from its checkpoint.
 */
export async function train(options: TrainOptions): Promise<TrainOutcome> {
  const { signal } = options;
  const learnable = learnableTable(options);
  if (learnable.type === 'invalid') return learnable;
  const { table, spec } = learnable;

  const backend = options.backend ?? (await currentBackend());
  await activateBackend(backend);
  const seed = options.seed ?? spec.split.seed;
  const data = prepareData(table, spec, options.testRows);
  if (data.type === 'invalid') return data;
  const selectionMetric = selectionMetricOf(spec);

  const emit = async (event: TrainEvent) => options.onEvent?.(event);
  const { split, dropped } = data;
  const models = candidatesOf(spec);
  await emit({
    type: 'started',
    backend,
    trials: isSearch(spec) ? (spec.selection.maxTrials ?? maxSearchTrials) : models.length,
    rows: { train: split.train.length, validation: split.validation.length, test: split.test.length, dropped },
  });

  const fingerprint = fingerprintOf(table, spec, seed, options.testRows);
  const progress = await restoreProgress(options.checkpoint, fingerprint, emit);
  if (isSearch(spec)) {
    const outcome = await searchModels({
      data, spec, seed, signal, emit,
      metric: selectionMetric,
      clock: options.clock ?? (() => performance.now()),
      appraise: options.appraise,
      progress: progress.search ?? { seconds: 0, evaluations: [], appraisals: [] },
      async save(search) {
        if (!options.checkpoint?.isDue(null)) return;
        await options.checkpoint.save(encodeState({ fingerprint, ...progress, search }));
        await emit({ type: 'checkpoint', trial: search.evaluations.length - 1, epoch: 0 });
      },
    });
    if (outcome.type !== 'found') return outcome;
    const { trials, best, records } = outcome;
    const failures = records.flatMap(({ number, problem }) => (problem ? [{ model: number, problem }] : []));
    return { type: 'trained', trials, best, search: records, selectionMetric, backend, split, dropped, failures };
  }
  const save = async (trial: number, current: Progress['current']) => {
    if (!options.checkpoint?.isDue(current?.fit.epoch ?? null)) return;
    await options.checkpoint.save(encodeState({ fingerprint, ...progress, current }));
    await emit({ type: 'checkpoint', trial, epoch: current?.fit.epoch ?? 0 });
  };

  for (let model = progress.results.length; model < models.length; model++) {
    if (signal?.aborted) return { type: 'cancelled' };
    const settings = models[model]!;
    const parameters = familyOf(settings.family).parameters(settings, spec);
    await emit({ type: 'trial-started', trial: model, trials: models.length, family: settings.family, parameters });
    const outcome = await runTrial({
      data, spec, settings, parameters, model, seed, emit, save,
      base: options.bases?.[model] ?? undefined,
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
  const contenders = trials.filter(({ model }) => model < spec.models.length);
  if (contenders.length === 0) return { type: 'invalid', problems: failures.map(({ problem }) => problem) };
  return {
    type: 'trained', trials, best: bestOf(contenders, selectionMetric), selectionMetric, backend, split, dropped, failures,
  };
}

interface TrialRun {
  data: PreparedData;
  spec: TrainingSpec;
  settings: ModelSettings;
  parameters: Record<string, unknown>;
  model: number;
  seed: number;
  emit(event: TrainEvent): Promise<void>;
  save(trial: number, current: Progress['current']): Promise<void>;
  current: Progress['current'];
  pacer: Pacer;
  base?: ConvolutionLayer[] | undefined;
}

type TrialOutcome = { type: 'finished'; trial: Trial } | Exclude<FitOutcome, { type: 'fitted' }>;

/** Fits one model, scores it on the rows held back and, learned anew from all training rows where that is right, on the test rows. */
async function runTrial(run: TrialRun): Promise<TrialOutcome> {
  const { data, spec, settings, model, seed, pacer } = run;
  const { train, validation, test } = data.split;
  const family = familyOf(settings.family);
  let compared = run.current?.compared ?? null;
  const fitOn = (rows: Int32Array, heldBack: Int32Array) => {
    const { current } = run;
    const isRepeat = compared !== null;
    return family.fit({
      data, spec, settings, model, seed, rows, validation: heldBack, pacer, base: run.base,
      epochs: compared?.bestEpoch ?? null,
      resume: current && (current.compared !== null) === isRepeat ? current.fit : null,
      async onEpoch(state, result, metrics) {
        // The curve of a model that learns again is the first one: that has validation losses.
        if (!isRepeat) await run.emit({ type: 'epoch', trial: model, epochs: family.epochs(settings, spec), ...result, metrics });
        await run.save(model, { model, fit: state, compared });
      },
    });
  };
  let fit: Fit | null = null;
  let answer = compared?.answer ?? {};
  let validationMetrics: Metrics | null = compared?.validation ?? null;
  if (!compared) {
    const first = await fitOn(train, validation);
    if (first.type !== 'fitted') return first;
    ({ fit } = first);
    if (validation.length > 0) {
      const heldOut = await scoreRows(fit.pipeline, data.table, validation, pacer);
      if (!heldOut) return { type: 'cancelled' };
      answer = fitAnswer(data, spec, validation, heldOut);
      validationMetrics = scoresToMetrics(data, validation, applyAnswer(heldOut, answer), answer.interval?.halfWidth);
      const { seconds, epochs, bestEpoch, history } = fit;
      const { learnsFromValidation: learnsMore } = family;
      const isTold = spec.trainer.earlyStop?.refit === true && learnsByTrainer(settings);
      if (isTold || (typeof learnsMore === 'boolean' ? learnsMore : learnsMore(settings))) compared = { seconds, epochs, bestEpoch, history, validation: validationMetrics, answer };
    }
  }
  if (compared) {
    const final = await fitOn(joined(train, validation), new Int32Array());
    if (final.type !== 'fitted') return final;
    const { seconds: before, epochs, bestEpoch, history } = compared;
    fit = { ...final.fit, epochs, bestEpoch, history, seconds: before + final.fit.seconds };
  }
  if (!fit) throw new Error('No fit, and none to repeat');
  const { seconds, epochs, bestEpoch, history } = fit;
  const pipeline = withAnswer(fit.pipeline, answer);
  const scores = await scoreRows(pipeline, data.table, test, pacer);
  if (!scores) return { type: 'cancelled' };
  return {
    type: 'finished',
    trial: {
      model: run.model,
      family: settings.family,
      parameters: run.parameters,
      pipeline,
      metrics: {
        validation: validationMetrics,
        test: scoresToMetrics(data, test, scores, answer.interval?.halfWidth),
        baseline: scoreBaseline(data),
        slices: scoreSlices(data, spec, test, scores, selectionMetricOf(spec)),
      },
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

function bestOf(trials: Trial[], metric: SelectionMetric): number {
  const sign = selectionMetrics[metric].direction === 'higher' ? 1 : -1;
  // An undefined figure loses to every other.
  const merit = ({ metrics }: Trial) => {
    const value = metricValue(metrics.validation ?? metrics.test, metric);
    return value === null ? -Infinity : sign * value;
  };
  return trials.reduce((best, trial, index) => (merit(trial) > merit(trials[best]!) ? index : best), 0);
}
