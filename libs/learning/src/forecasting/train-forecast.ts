import type { ForecastMetric, TrainingSpec } from '@millrace/configuration';
import { activateBackend, type Backend, currentBackend } from '../backend.ts';
import type { EpochResult } from '../dense-network.ts';
import { createPacer, type Pacer } from '../pacer.ts';
import type { Problem } from '../table.ts';
import type { CheckpointStore } from '../train.ts';
import { type BackTestPlan, planBackTest } from './back-test.ts';
import { placeCovariates } from './covariates.ts';
import { type ForecastChart, chartOf } from './forecast-chart.ts';
import { type ForecastMetrics, naiveScale } from './forecast-metrics.ts';
import type { FittedForecast } from './fitted-forecast.ts';
import type { ForecastPart } from './forecast-part.ts';
import type { ForecastCandidate, ForecastFamily } from './forecaster.ts';
import type { Panel } from './global-model.ts';
import { fingerprintOfForecast, type ForecastProgress, restoreForecasts, saveForecasts } from './forecast-progress.ts';
import { fittedForecast, floorOf, type ForecastWork, judgeForecast } from './judge-forecast.ts';
import { lagTreesLearner } from './lag-trees.ts';
import { type Learned, learnSeriesBySeries } from './learn-series.ts';
import { learnTogether } from './learn-together.ts';
import { epochsOf, sequenceLearner, type SequenceProgress } from './sequence-learner.ts';
import { collectSeries, type ForecastTable, type SeriesSet } from './series.ts';

export interface TrainForecastOptions {
  table: ForecastTable;
  /** must have `forecast` */
  spec: TrainingSpec;
  signal?: AbortSignal | undefined;
  /** What networks compute on. Default: the current backend, or the best of this machine. */
  backend?: Backend | undefined;
  /** Finished candidates and the epochs of a network need not be made again. Also saved when it is stopped, if that is due. */
  checkpoint?: CheckpointStore | undefined;
  /** Told of each candidate before it is tried; awaited. */
  onTrial?: ((trial: { trial: number; trials: number; family: ForecastFamily }) => void | Promise<void>) | undefined;
  /** Told where it goes on from a checkpoint: the candidate, and the epochs that its network has had. */
  onResumed?: ((at: { trial: number; epoch: number }) => void | Promise<void>) | undefined;
  /** Told of each epoch of a network, which count through all of its fits; awaited. */
  onEpoch?: ((epoch: { trial: number; epochs: number } & EpochResult) => void | Promise<void>) | undefined;
}

/** One candidate: what it forecasts, and how good it was in the past. */
export interface ForecastTrial {
  family: ForecastFamily;
  parameters: Record<string, unknown>;
  forecast: FittedForecast;
  metrics: {
    /** null where the series are too short to choose by other values than to judge by */
    validation: ForecastMetrics | null;
    test: ForecastMetrics;
    /** of the seasonal naive forecast, on the same test values */
    baseline: ForecastMetrics;
  };
  chart: ForecastChart;
  fitTimeSeconds: number;
}

export type TrainForecastOutcome =
  | {
      type: 'trained';
      trials: ForecastTrial[];
      /** Index in `trials` of the best by the selection metric, on validation values (on test values where there are none). */
      best: number;
      selectionMetric: ForecastMetric;
      rows: { series: number; values: number };
      warnings: string[];
      failures: { family: ForecastFamily; problem: Problem }[];
    }
  | { type: 'cancelled' }
  | { type: 'invalid'; problems: Problem[] };

/** Forecasts for back-tests that are kept at a time: bounds memory for many long series. */
const mostForecasts = 2_000_000;

/**
 * Tries every candidate, the naive and the seasonal naive forecast beside them, by rolling-origin back-tests, and makes the
 * forecast of each from all values, with an interval whose width comes from the errors of its back-tests. A series that was
 * never below zero is not forecast below it. The same data give the same forecast.
 */
export async function trainForecast(options: TrainForecastOptions): Promise<TrainForecastOutcome> {
  const { table, spec, checkpoint } = options;
  const settings = spec.forecast!;
  const set = collectSeries(table, settings);
  if (set.type === 'invalid') return set;
  const placed = placeCovariates(table, spec.inputFeatures, set, settings.horizon);
  if (placed.type === 'invalid') return placed;
  const { series } = set;
  const mostOrigins = Math.max(4, Math.min(60, Math.floor(mostForecasts / (series.length * settings.horizon))));
  const plans = series.map(({ values }) => planBackTest(values.length, settings.horizon, set.seasonLength, mostOrigins));
  const warnings = [...set.warnings, ...planWarnings(set, plans)];
  const scales = series.map(({ values }, at) => naiveScale(values.subarray(0, [...plans[at]!.validation, ...plans[at]!.test][0]), plans[at]!.seasonLength));
  const panel: Panel = { set, covariates: placed.covariates, horizon: settings.horizon };
  const work: ForecastWork = { spec, settings, panel, plans, scales };

  const fingerprint = fingerprintOfForecast(table, spec);
  const restored = await restoreForecasts(checkpoint, fingerprint);
  const progress: ForecastProgress = restored ?? { finished: [], network: null };
  if (restored) await options.onResumed?.({ trial: restored.finished.length, epoch: restored.network ? epochsOf(restored.network) : 0 });

  const candidates = candidatesOf(settings.models, plans.some((plan) => plan.seasonLength > 1));
  const pacer = createPacer(options.signal);
  for (const [trial, candidate] of candidates.entries()) {
    if (trial < progress.finished.length) continue;
    await options.onTrial?.({ trial, trials: candidates.length, family: candidate.family });
    const begun = performance.now() - (progress.network?.seconds ?? 0) * 1000;
    const outcome = await learn(work, candidate, {
      pacer, trial,
      others: progress.finished.flatMap((done, index) => (done.type === 'learned' && !isNaive(candidates[index]!.family) ? [done] : [])),
      network: progress.network ?? { fits: [], current: null },
      async onEpoch(network, result, epochs) {
        progress.network = { ...network, seconds: (performance.now() - begun) / 1000 };
        await options.onEpoch?.({ trial, epochs, ...result });
        await saveForecasts(checkpoint, fingerprint, progress, result.epoch);
      },
      prepare: async () => activateBackend(options.backend ?? (await currentBackend())),
    });
    if (!outcome) {
      await saveForecasts(checkpoint, fingerprint, progress, null);
      return { type: 'cancelled' };
    }
    progress.finished.push(outcome.type === 'unfit' ? outcome : { ...outcome, seconds: (performance.now() - begun) / 1000 });
    progress.network = null;
    await saveForecasts(checkpoint, fingerprint, progress, null);
  }
  const found = new Map<ForecastCandidate, Learned & { seconds: number }>();
  const failures: { family: ForecastFamily; problem: Problem }[] = [];
  progress.finished.forEach((done, index) => {
    if (done.type === 'unfit') failures.push({ family: candidates[index]!.family, problem: done.problem });
    else found.set(candidates[index]!, done);
  });

  const baseline = [...found].find(([{ family }]) => family === 'seasonal_naive') ?? [...found].find(([{ family }]) => family === 'naive');
  const baselineScore = judgeForecast(work, baseline![1].past).test;
  const trials = [...found].map(([{ family }, { past, parts, parameters, seconds }]): ForecastTrial => {
    const { validation, test } = judgeForecast(work, past);
    const fitted = fittedForecast(work, family, past, parts);
    return {
      family, parameters, forecast: fitted, fitTimeSeconds: seconds,
      metrics: { validation, test, baseline: baselineScore },
      chart: chartOf(set, panel.covariates, fitted, past.map((own) => own.at(-1)!)),
    };
  });
  const selectionMetric = (spec.selection.metric ?? 'mase') as ForecastMetric;
  const merit = ({ metrics }: ForecastTrial) => (metrics.validation ?? metrics.test)[selectionMetric] ?? Infinity;
  const best = trials.reduce((chosen, trial, index) => (merit(trial) < merit(trials[chosen]!) ? index : chosen), 0);
  const values = series.reduce((sum, own) => sum + own.values.length, 0);
  return { type: 'trained', trials, best, selectionMetric, rows: { series: series.length, values }, warnings, failures };
}

const isNaive = (family: ForecastFamily) => family === 'naive' || family === 'seasonal_naive';

/** A combination comes last, since it is made of the others. */
function candidatesOf(models: NonNullable<TrainingSpec['forecast']>['models'], isSeasonal: boolean): ForecastCandidate[] {
  const combination = models.filter(({ family }) => family === 'combination');
  return [
    ...models.filter(({ family }) => family !== 'combination'),
    ...combination,
    ...(isSeasonal ? [{ family: 'seasonal_naive' } as const] : []),
    { family: 'naive' } as const,
  ];
}

function planWarnings({ series, seasonLength }: SeriesSet, plans: readonly BackTestPlan[]): string[] {
  const named = (flag: (plan: BackTestPlan) => boolean) => series.filter((_, at) => flag(plans[at]!)).map(({ name }) => (name === '' ? 'The series' : `Series "${name}"`));
  const few = (names: string[]) => names.slice(0, 3).join(', ') + (names.length > 3 ? ` and ${names.length - 3} more` : '');
  const seasonless = named((plan) => plan.seasonLength !== seasonLength);
  const unjudged = named((plan) => plan.validation.length === 0);
  return [
    ...(seasonless.length > 0 ? [`Too short for a season of ${seasonLength} steps, so forecast without one: ${few(seasonless)}.`] : []),
    ...(unjudged.length > 0 ? [`Too short to keep values for the test alone, so judged by those that chose the model: ${few(unjudged)}.`] : []),
  ];
}

interface Attempt {
  trial: number;
  pacer: Pacer;
  /** what a combination combines */
  others: readonly Learned[];
  /** what was learned before an interruption */
  network: SequenceProgress;
  onEpoch(network: SequenceProgress, result: EpochResult, epochs: number): Promise<void>;
  /** makes tensors possible */
  prepare(): Promise<void>;
}

/** What a candidate forecasts, held above the floor; null when the pacer said stop. */
async function learn({ spec, panel, plans }: ForecastWork, candidate: ForecastCandidate, { trial, pacer, others, network, onEpoch, prepare }: Attempt): Promise<Learned | { type: 'unfit'; problem: Problem } | null> {
  let learned: Awaited<ReturnType<typeof learnTogether>>;
  switch (candidate.family) {
    case 'combination':
      return combine(others, panel);
    case 'lag_trees':
      learned = await learnTogether(panel, plans, lagTreesLearner(panel, candidate, pacer), pacer);
      break;
    case 'gru':
    case 'tcn': {
      await prepare();
      const learner = sequenceLearner({ panel, settings: candidate, seed: spec.split.seed, candidate: trial, pacer, progress: network, onEpoch });
      learned = await learnTogether(panel, plans, learner, pacer);
      break;
    }
    default:
      learned = await learnSeriesBySeries(panel, plans, candidate, pacer);
  }
  if (!learned) return null;
  if (learned.type === 'unfit') return { type: 'unfit', problem: unfit(candidate.family, learned.series) };
  const past = learned.past.map((origins, at) => {
    const floor = floorOf(panel.set.series[at]!.values);
    return origins.map((forecast) => forecast.map((value) => Math.max(floor, value)));
  });
  return { ...learned, past };
}

function combine(members: readonly Learned[], { set, horizon }: Panel): Learned | { type: 'unfit'; problem: Problem } {
  if (members.length < 2) {
    return { type: 'unfit', problem: { field: 'forecast.models', message: 'Fewer than two candidates are left to combine.', remedy: 'Add another candidate.' } };
  }
  const mean = (forecasts: Float64Array[]) =>
    forecasts.some(({ length }) => length === 0) ? new Float64Array() : forecasts[0]!.map((_, step) => forecasts.reduce((sum, forecast) => sum + forecast[step]!, 0) / forecasts.length);
  const [first] = members as [Learned];
  const past = first.past.map((origins, at) => origins.map((_, origin) => mean(members.map((member) => member.past[at]![origin]!))));
  const parts = members.flatMap((member) => member.parts);
  if (parts.some(({ head }) => head)) return { type: 'learned', past, parts, parameters: { members: members.length } };
  const floors = set.series.map(({ values }) => floorOf(values));
  const table: ForecastPart = { ...parts[0]!, base: mean(parts.map(({ base }) => base.map((value, cell) => Math.max(floors[Math.floor(cell / horizon)]!, value)))) };
  return { type: 'learned', past, parts: [table], parameters: { members: members.length } };
}

function unfit(family: ForecastFamily, series: string): Problem {
  const of = series === '' ? 'the series' : `the series "${series}"`;
  return {
    field: 'forecast.models',
    message: `${family} cannot forecast ${of} as it was asked to.`,
    remedy: 'Leave its settings to the data; multiplicative parts need values above zero.',
  };
}
