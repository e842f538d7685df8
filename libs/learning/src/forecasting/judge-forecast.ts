import type { TrainingSpec } from '@millrace/configuration';
import { type BackTestPlan, originsOf } from './back-test.ts';
import { durationText } from './calendar.ts';
import type { FittedForecast } from './fitted-forecast.ts';
import { type ForecastMetrics, naiveScale, type ScoredForecast, scoreForecasts } from './forecast-metrics.ts';
import type { ForecastPart } from './forecast-part.ts';
import type { Panel } from './global-model.ts';
import { conformalWidths, type ErrorsFrom, intervalAround } from './intervals.ts';

/** What all candidates of a run have in common. */
export interface ForecastWork {
  spec: TrainingSpec;
  settings: NonNullable<TrainingSpec['forecast']>;
  panel: Panel;
  plans: BackTestPlan[];
  /** by series: what MASE divides by */
  scales: number[];
}

/** Scores the back-tests. The interval around each test forecast is as wide as errors known at its origin say. */
export function judgeForecast({ settings, panel, plans, scales }: ForecastWork, past: Float64Array[][]): { validation: ForecastMetrics | null; test: ForecastMetrics } {
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

/** The forecast as plain data, its interval as wide as all back-tests say. */
export function fittedForecast({ spec, settings, panel: { set, covariates }, plans }: ForecastWork, family: string, past: Float64Array[][], parts: ForecastPart[]): FittedForecast {
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
function widthsAt(values: Float64Array, plan: BackTestPlan, past: readonly Float64Array[], origin: number, { horizon, intervalCoverage }: ForecastWork['settings']): Float64Array | null {
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
export const floorOf = (values: Float64Array) => (values.every((value) => value >= 0) ? 0 : -Number.MAX_VALUE);
