import type { Pacer } from '../pacer.ts';
import { type ForecastCandidate, type Forecaster, learnForecaster } from './forecaster.ts';

/** From where a series is forecast in its past: origins, each the number of values that are known. */
export interface BackTestPlan {
  /** 1 where the series is too short for its season */
  seasonLength: number;
  /** To choose by. Empty where the series is too short to test on other values than to choose by. */
  validation: number[];
  /** To judge by: none of the values that were forecast for validation is forecast here. */
  test: number[];
}

/**
 * Rolling origins over the last part of a series (Tashman 2000): five horizons where there is so much, the earlier half to
 * choose by and the later half to judge by. Every origin forecasts a whole horizon of values that are known.
 */
export function planBackTest(length: number, horizon: number, season: number, mostOrigins: number): BackTestPlan {
  const needed = (m: number) => (m > 1 ? 2 * m + 3 : 8);
  const seasonLength = length - needed(season) >= horizon + 2 ? season : 1;
  const span = Math.min(
    length - needed(seasonLength), Math.max(5 * horizon, 2 * horizon + 20), Math.max(Math.floor((2 * length) / 3), horizon + 2),
  );
  const first = length - span;
  const last = length - horizon;
  if (span < 2 * horizon + 2) return { seasonLength, validation: [], test: thinned(first, last, mostOrigins) };
  const middle = length - Math.ceil(span / 2);
  const half = Math.ceil(mostOrigins / 2);
  return { seasonLength, validation: thinned(first, middle - horizon, half), test: thinned(middle, last, half) };
}

/** What a candidate learned from a series, and how it had forecast its past. */
export interface BackTested {
  /** learned from all values */
  forecaster: Forecaster;
  /** by origin, validation first */
  forecasts: Float64Array[];
}

/**
 * Forecasts from every origin with what was learned before it: anew four times, in between the forecaster goes on with newer
 * values. 'unfit' where the candidate cannot learn from the series; null when the pacer said stop.
 */
export async function backTest(
  candidate: Exclude<ForecastCandidate, { family: 'combination' }>, values: Float64Array, plan: BackTestPlan, horizon: number, pacer: Pacer,
): Promise<BackTested | 'unfit' | null> {
  const learningPoints = new Set([plan.validation, plan.test].flatMap((origins) => [origins[0], origins[Math.floor(origins.length / 2)]]));
  const forecasts: Float64Array[] = [];
  let forecaster: Forecaster | null = null;
  for (const origin of [...plan.validation, ...plan.test]) {
    if (learningPoints.has(origin)) {
      if (!(await pacer.mayContinue())) return null;
      forecaster = learnForecaster(candidate, values.subarray(0, origin), plan.seasonLength);
    }
    if (!forecaster) return 'unfit';
    const forecast = forecaster.forecast(values.subarray(0, origin), horizon);
    if (!forecast.every(Number.isFinite)) return 'unfit';
    forecasts.push(forecast);
  }
  if (!(await pacer.mayContinue())) return null;
  const last = learnForecaster(candidate, values, plan.seasonLength);
  return last ? { forecaster: last, forecasts } : 'unfit';
}

/** At most so many whole numbers from `first` to `last`, evenly spread, both ends among them. */
function thinned(first: number, last: number, most: number): number[] {
  const count = Math.min(last - first + 1, Math.max(2, most));
  return Array.from({ length: count }, (_, at) => (count === 1 ? last : first + Math.round((at * (last - first)) / (count - 1))));
}
