import type { ForecastMetric, TrainingSpec } from '@millrace/configuration';
import { createPacer, type Pacer } from '../pacer.ts';
import type { Problem } from '../table.ts';
import { type BackTested, backTest, type BackTestPlan, planBackTest } from './back-test.ts';
import { durationText } from './calendar.ts';
import { type ForecastChart, chartOf } from './forecast-chart.ts';
import { type ForecastMetrics, naiveScale, type ScoredForecast, scoreForecasts } from './forecast-metrics.ts';
import type { ForecastCandidate, ForecastFamily } from './forecaster.ts';
import type { FittedForecast } from './fitted-forecast.ts';
import { conformalWidths, intervalAround } from './intervals.ts';
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
  set: SeriesSet;
  plans: BackTestPlan[];
  /** by series: what MASE divides by */
  scales: number[];
  pacer: Pacer;
}

/** By series: forecasts by origin, and after the last value. */
interface Forecasts {
  past: Float64Array[][];
  future: Float64Array[];
}

/**
 * Tries every candidate, the naive and the seasonal naive forecast beside them, by rolling-origin back-tests, and makes the
 * forecast of each from all values, with an interval whose width comes from the errors of its back-tests. A series that was
 * never below zero is not forecast below it. Nothing is drawn by chance: the same data give the same forecast.
 */
export async function trainForecast({ table, spec, signal, onTrial }: TrainForecastOptions): Promise<TrainForecastOutcome> {
  const settings = spec.forecast!;
  const set = collectSeries(table, settings);
  if (set.type === 'invalid') return set;
  const { series } = set;
  const mostOrigins = Math.max(4, Math.min(60, Math.floor(mostForecasts / (series.length * settings.horizon))));
  const plans = series.map(({ values }) => planBackTest(values.length, settings.horizon, set.seasonLength, mostOrigins));
  const warnings = [...set.warnings, ...planWarnings(set, plans)];
  const scales = series.map(({ values }, at) => naiveScale(values.subarray(0, [...plans[at]!.validation, ...plans[at]!.test][0]), plans[at]!.seasonLength));
  const work: Work = { spec, settings, set, plans, scales, pacer: createPacer(signal) };

  const candidates = candidatesOf(settings.models, plans.some((plan) => plan.seasonLength > 1));
  const found = new Map<ForecastCandidate, { forecasts: Forecasts; parameters: Record<string, unknown>; seconds: number }>();
  const failures: { family: ForecastFamily; problem: Problem }[] = [];
  for (const [trial, candidate] of candidates.entries()) {
    const { family } = candidate;
    await onTrial?.({ trial, trials: candidates.length, family });
    const begun = performance.now();
    const outcome = family === 'combination' ? combine([...found].filter(([of]) => !isNaive(of.family)).map(([, { forecasts }]) => forecasts)) : await learnAll(work, candidate);
    if (!outcome) return { type: 'cancelled' };
    if (outcome.type === 'unfit') failures.push({ family, problem: outcome.problem });
    else found.set(candidate, { forecasts: outcome.forecasts, parameters: outcome.parameters, seconds: (performance.now() - begun) / 1000 });
  }

  const baseline = [...found].find(([{ family }]) => family === 'seasonal_naive') ?? [...found].find(([{ family }]) => family === 'naive');
  const baselineScore = judge(work, baseline![1].forecasts).test;
  const trials = [...found].map(([{ family }, { forecasts, parameters, seconds }]): ForecastTrial => {
    const { validation, test } = judge(work, forecasts);
    const fitted = fittedForecast(work, family, forecasts);
    return {
      family, parameters, forecast: fitted, fitTimeSeconds: seconds,
      metrics: { validation, test, baseline: baselineScore },
      chart: chartOf(set, fitted, forecasts.past.map((past) => past.at(-1)!)),
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

type Learned = { type: 'learned'; forecasts: Forecasts; parameters: Record<string, unknown> } | { type: 'unfit'; problem: Problem };

async function learnAll({ settings, set, plans, pacer }: Work, candidate: Exclude<ForecastCandidate, { family: 'combination' }>): Promise<Learned | null> {
  const forecasts: Forecasts = { past: [], future: [] };
  let single: BackTested | null = null;
  for (const [at, { name, values }] of set.series.entries()) {
    const tested = await backTest(candidate, values, plans[at]!, settings.horizon, pacer);
    if (tested === null) return null;
    const floor = floorOf(values);
    const bounded = (point: Float64Array) => point.map((value) => Math.max(floor, value));
    const future = tested === 'unfit' ? null : tested.forecaster.forecast(values, settings.horizon);
    if (tested === 'unfit' || !future!.every(Number.isFinite)) return { type: 'unfit', problem: unfit(candidate.family, name) };
    forecasts.past.push(tested.forecasts.map(bounded));
    forecasts.future.push(bounded(future!));
    single = tested;
  }
  const { family: _family, ...wishes } = candidate;
  return { type: 'learned', forecasts, parameters: set.series.length === 1 ? single!.forecaster.parameters : { ...wishes, series: set.series.length } };
}

function combine(parts: readonly Forecasts[]): Learned {
  if (parts.length < 2) {
    return { type: 'unfit', problem: { field: 'forecast.models', message: 'Fewer than two candidates are left to combine.', remedy: 'Add another candidate.' } };
  }
  const mean = (forecasts: Float64Array[]) => forecasts[0]!.map((_, step) => forecasts.reduce((sum, forecast) => sum + forecast[step]!, 0) / forecasts.length);
  const [first] = parts as [Forecasts];
  return {
    type: 'learned',
    parameters: { members: parts.length },
    forecasts: {
      past: first.past.map((origins, at) => origins.map((_, origin) => mean(parts.map(({ past }) => past[at]![origin]!)))),
      future: first.future.map((_, at) => mean(parts.map(({ future }) => future[at]!))),
    },
  };
}

/** Scores the back-tests; the intervals over the test values are calibrated by the validation values alone. */
function judge({ settings, set, plans, scales }: Work, { past }: Forecasts): { validation: ForecastMetrics | null; test: ForecastMetrics } {
  const { horizon, intervalCoverage } = settings;
  const validation: ScoredForecast[][] = [];
  const test: ScoredForecast[][] = [];
  set.series.forEach(({ values }, at) => {
    const plan = plans[at]!;
    const first = plan.validation.length;
    const actual = (origin: number) => values.subarray(origin, origin + horizon);
    const widths = first > 0 ? widthsFrom(values, plan, plan.validation, past[at]!, settings) : null;
    validation.push(plan.validation.map((origin, index) => ({ actual: actual(origin), point: past[at]![index]!, interval: null })));
    test.push(
      plan.test.map((origin, index) => {
        const point = past[at]![first + index]!;
        return { actual: actual(origin), point, interval: widths && intervalAround(point, widths, unitAt(values, origin, plan), floorOf(values)) };
      }),
    );
  });
  return {
    validation: validation.every((own) => own.length > 0) ? scoreForecasts(validation, scales, intervalCoverage) : null,
    test: scoreForecasts(test, scales, intervalCoverage),
  };
}

function fittedForecast({ spec, settings, set, plans }: Work, family: string, { past, future }: Forecasts): FittedForecast {
  const { horizon, intervalCoverage, seriesColumn } = settings;
  const table = { point: new Float64Array(set.series.length * horizon), lower: new Float64Array(set.series.length * horizon), upper: new Float64Array(set.series.length * horizon) };
  let [sum, squares, count] = [0, 0, 0];
  set.series.forEach(({ values }, at) => {
    const plan = plans[at]!;
    const point = future[at]!;
    const widths = widthsFrom(values, plan, [...plan.validation, ...plan.test], past[at]!, settings);
    const { lower, upper } = intervalAround(point, widths, unitAt(values, values.length, plan), floorOf(values));
    table.point.set(point, at * horizon);
    table.lower.set(lower, at * horizon);
    table.upper.set(upper, at * horizon);
    for (const value of values) [sum, squares, count] = [sum + value, squares + value * value, count + 1];
  });
  return {
    family,
    target: spec.outputFeatures[0]!.name,
    series: seriesColumn === undefined ? null : { column: seriesColumn, names: set.series.map(({ name }) => name) },
    horizon,
    ...table,
    lastObservation: new Date(set.calendar.timeOf(set.end)).toISOString(),
    frequency: durationText(set.calendar.frequency),
    intervalCoverage,
    scale: Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2)),
  };
}

/** `origins` are the first of those that `past` has forecasts of. */
function widthsFrom(values: Float64Array, plan: BackTestPlan, origins: readonly number[], past: readonly Float64Array[], { horizon, intervalCoverage }: Work['settings']): Float64Array {
  const errors = origins.map((origin, index) => {
    const unit = unitAt(values, origin, plan);
    return past[index]!.map((value, step) => (values[origin + step]! - value) / unit);
  });
  return conformalWidths(errors, horizon, intervalCoverage, origins.at(-1)! + horizon - origins[0]!);
}

/** What errors are measured by: the naive error up to an origin, which grows where the values and their swings do. */
const unitAt = (values: Float64Array, origin: number, { seasonLength }: BackTestPlan) => naiveScale(values.subarray(0, origin), seasonLength) || 1;

/** Demand is not negative; what never was below zero is not forecast to be. */
const floorOf = (values: Float64Array) => (values.every((value) => value >= 0) ? 0 : -Infinity);

function unfit(family: ForecastFamily, series: string): Problem {
  const of = series === '' ? 'the series' : `the series "${series}"`;
  return {
    field: 'forecast.models',
    message: `${family} cannot forecast ${of} as it was asked to.`,
    remedy: 'Leave its settings to the data; multiplicative parts need values above zero.',
  };
}
