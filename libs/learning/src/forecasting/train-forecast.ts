import type { ForecastMetric, TrainingSpec } from '@millrace/configuration';
import { createPacer, type Pacer } from '../pacer.ts';
import type { Problem } from '../table.ts';
import { type BackTestPlan, originsOf, planBackTest } from './back-test.ts';
import { durationText } from './calendar.ts';
import { placeCovariates } from './covariates.ts';
import { type ForecastChart, chartOf } from './forecast-chart.ts';
import { type ForecastMetrics, naiveScale, type ScoredForecast, scoreForecasts } from './forecast-metrics.ts';
import type { FittedForecast } from './fitted-forecast.ts';
import type { ForecastPart } from './forecast-part.ts';
import type { ForecastCandidate, ForecastFamily } from './forecaster.ts';
import type { Panel } from './global-model.ts';
import { conformalWidths, type ErrorsFrom, intervalAround } from './intervals.ts';
import { lagTreesLearner } from './lag-trees.ts';
import { type Learned, learnSeriesBySeries } from './learn-series.ts';
import { learnTogether } from './learn-together.ts';
import { collectSeries, type ForecastTable, type SeriesSet } from './series.ts';

export interface TrainForecastOptions {
  table: ForecastTable;
  /** must have `forecast` */
  spec: TrainingSpec;
  signal?: AbortSignal | undefined;
  /** Told of each candidate before it is tried; awaited. */
  onTrial?: ((trial: { trial: number; trials: number; family: ForecastFamily }) => void | Promise<void>) | undefined;
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

interface Work {
  spec: TrainingSpec;
  settings: NonNullable<TrainingSpec['forecast']>;
  panel: Panel;
  plans: BackTestPlan[];
  /** by series: what MASE divides by */
  scales: number[];
  pacer: Pacer;
}

/**
 * Tries every candidate, the naive and the seasonal naive forecast beside them, by rolling-origin back-tests, and makes the
 * forecast of each from all values, with an interval whose width comes from the errors of its back-tests. A series that was
 * never below zero is not forecast below it. The same data give the same forecast.
 */
export async function trainForecast({ table, spec, signal, onTrial }: TrainForecastOptions): Promise<TrainForecastOutcome> {
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
  const work: Work = { spec, settings, panel, plans, scales, pacer: createPacer(signal) };

  const candidates = candidatesOf(settings.models, plans.some((plan) => plan.seasonLength > 1));
  const found = new Map<ForecastCandidate, Learned & { seconds: number }>();
  const failures: { family: ForecastFamily; problem: Problem }[] = [];
  for (const [trial, candidate] of candidates.entries()) {
    const { family } = candidate;
    await onTrial?.({ trial, trials: candidates.length, family });
    const begun = performance.now();
    const outcome = await learn(work, candidate, [...found].filter(([of]) => !isNaive(of.family)).map(([, learned]) => learned));
    if (!outcome) return { type: 'cancelled' };
    if (outcome.type === 'unfit') failures.push({ family, problem: outcome.problem });
    else found.set(candidate, { ...outcome, seconds: (performance.now() - begun) / 1000 });
  }

  const baseline = [...found].find(([{ family }]) => family === 'seasonal_naive') ?? [...found].find(([{ family }]) => family === 'naive');
  const baselineScore = judge(work, baseline![1].past).test;
  const trials = [...found].map(([{ family }, { past, parts, parameters, seconds }]): ForecastTrial => {
    const { validation, test } = judge(work, past);
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

/** What a candidate forecasts, held above the floor; null when the pacer said stop. */
async function learn({ panel, plans, pacer }: Work, candidate: ForecastCandidate, others: readonly Learned[]): Promise<Learned | { type: 'unfit'; problem: Problem } | null> {
  if (candidate.family === 'combination') return combine(others, panel);
  const learned = candidate.family === 'lag_trees'
    ? await learnTogether(panel, plans, lagTreesLearner(panel, candidate, pacer), pacer)
    : await learnSeriesBySeries(panel, plans, candidate, pacer);
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

/** Scores the back-tests. The interval around each test forecast is as wide as errors known at its origin say. */
function judge({ settings, panel, plans, scales }: Work, past: Float64Array[][]): { validation: ForecastMetrics | null; test: ForecastMetrics } {
  const { horizon, intervalCoverage } = settings;
  const validation: ScoredForecast[][] = [];
  const test: ScoredForecast[][] = [];
  panel.set.series.forEach(({ values }, at) => {
    const plan = plans[at]!;
    const origins = originsOf(plan);
    const actual = (origin: number) => values.subarray(origin, origin + horizon);
    const scored = (origin: number, index: number): ScoredForecast => {
      const point = past[at]![index]!;
      const widths = widthsAt(values, plan, past[at]!, origin, settings);
      return { actual: actual(origin), point, interval: widths && intervalAround(point, widths, floorOf(values)) };
    };
    const first = plan.calibration.length;
    validation.push(plan.validation.map((origin, index) => ({ actual: actual(origin), point: past[at]![first + index]!, interval: null })));
    test.push(origins.slice(origins.length - plan.test.length).map((origin, index) => scored(origin, origins.length - plan.test.length + index)));
  });
  return {
    validation: validation.every((own) => own.length > 0) ? scoreForecasts(validation, scales, intervalCoverage) : null,
    test: scoreForecasts(test, scales, intervalCoverage),
  };
}

function fittedForecast({ spec, settings, panel: { set, covariates }, plans }: Work, family: string, past: Float64Array[][], parts: ForecastPart[]): FittedForecast {
  const { horizon, intervalCoverage, seriesColumn } = settings;
  const reach = new Float64Array(set.series.length * horizon);
  let [sum, squares, count] = [0, 0, 0];
  set.series.forEach(({ values }, at) => {
    const widths = widthsAt(values, plans[at]!, past[at]!, values.length, settings);
    if (widths) reach.set(widths, at * horizon);
    for (const value of values) [sum, squares, count] = [sum + value, squares + value * value, count + 1];
  });
  return {
    family,
    target: spec.outputFeatures[0]!.name,
    series: seriesColumn === undefined ? null : { column: seriesColumn, names: set.series.map(({ name }) => name) },
    horizon,
    covariates: parts.some(({ head }) => head) ? covariates.features : [],
    parts,
    floor: Float64Array.from(set.series, ({ values }) => floorOf(values)),
    below: reach,
    above: reach,
    lastObservation: new Date(set.calendar.timeOf(set.end)).toISOString(),
    frequency: durationText(set.calendar.frequency),
    intervalCoverage,
    scale: Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2)),
  };
}

/**
 * Half the width of an interval at each step from an origin, in the target's unit, from the back-tests whose values are all
 * known by then; null where there are none.
 */
function widthsAt(values: Float64Array, plan: BackTestPlan, past: readonly Float64Array[], origin: number, { horizon, intervalCoverage }: Work['settings']): Float64Array | null {
  const errors: ErrorsFrom[] = [];
  for (const [index, from] of originsOf(plan).entries()) {
    if (from + horizon > origin || past[index]!.length === 0) continue;
    const unit = unitAt(values, from, plan);
    errors.push({ origin: from, errors: past[index]!.map((value, step) => (values[from + step]! - value) / unit) });
  }
  if (errors.length === 0) return null;
  const unit = unitAt(values, origin, plan);
  return conformalWidths(errors, horizon, intervalCoverage).map((width) => width * unit);
}

/** What errors are measured by: the naive error up to an origin, which grows where the values and their swings do. */
const unitAt = (values: Float64Array, origin: number, { seasonLength }: BackTestPlan) => naiveScale(values.subarray(0, origin), seasonLength) || 1;

/** Demand is not negative; what never was below zero is not forecast to be. */
const floorOf = (values: Float64Array) => (values.every((value) => value >= 0) ? 0 : -Number.MAX_VALUE);

function unfit(family: ForecastFamily, series: string): Problem {
  const of = series === '' ? 'the series' : `the series "${series}"`;
  return {
    field: 'forecast.models',
    message: `${family} cannot forecast ${of} as it was asked to.`,
    remedy: 'Leave its settings to the data; multiplicative parts need values above zero.',
  };
}
