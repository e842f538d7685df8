import type { Pacer } from '../pacer.ts';
import { effectAt } from './covariate-effect.ts';
import { type Forecaster, learnForecaster, type SeriesCandidate, type SeriesCovariates } from './forecaster.ts';

/** From where a series is forecast in its past: origins, each the number of values that are known. */
export interface BackTestPlan {
  /** 1 where the series is too short for its season */
  seasonLength: number;
  /** Before the others, for the width of intervals alone. Empty where the series is too short. */
  calibration: number[];
  /** To choose by. Empty where the series is too short to test on other values than to choose by. */
  validation: number[];
  /** To judge by: none of the values that were forecast for validation is forecast here. */
  test: number[];
}

/** By time: those of the calibration, the validation and the test. */
export const originsOf = ({ calibration, validation, test }: BackTestPlan): number[] => [...calibration, ...validation, ...test];

/**
 * Rolling origins over the last part of a series (Tashman 2000): five horizons where there is so much, the earlier half to
 * choose by and the later half to judge by. Every origin forecasts a whole horizon of values that are known. As much again
 * before them, where at least half of the series is left to learn from, tells how wide intervals have to be.
 */
export function planBackTest(length: number, horizon: number, season: number, mostOrigins: number): BackTestPlan {
  const needed = (m: number) => (m > 1 ? 2 * m + 3 : 8);
  const seasonLength = length - needed(season) >= horizon + 2 ? season : 1;
  const span = Math.min(
    length - needed(seasonLength), Math.max(5 * horizon, 2 * horizon + 20), Math.max(Math.floor((2 * length) / 3), horizon + 2),
  );
  const first = length - span;
  const last = length - horizon;
  const half = Math.ceil(mostOrigins / 2);
  const earliest = Math.max(first - 2 * span, needed(seasonLength) + seasonLength, Math.floor(length / 4));
  const calibration = first - earliest >= horizon ? thinned(earliest, first - 1, half) : [];
  if (span < 2 * horizon + 2) return { seasonLength, calibration: [], validation: [], test: thinned(first, last, mostOrigins) };
  const middle = length - Math.ceil(span / 2);
  return { seasonLength, calibration, validation: thinned(first, middle - horizon, half), test: thinned(middle, last, half) };
}

/** What a candidate learned from a series, and how it had forecast its past. */
export interface BackTested {
  /** learned from all values */
  forecaster: Forecaster;
  /** by origin, in the order of time; empty where calibration had too little before it */
  forecasts: Float64Array[];
}

/**
 * Forecasts from every origin with what was learned before it: anew at the beginning and the middle of each part of the
 * plan, in between the forecaster goes on with newer values. 'unfit' where the candidate cannot learn from the series; null
 * when the pacer said stop.
 */
export async function backTest(
  candidate: SeriesCandidate, values: Float64Array, covariates: SeriesCovariates | null, plan: BackTestPlan, horizon: number, pacer: Pacer,
): Promise<BackTested | 'unfit' | null> {
  const points = learningPoints(plan);
  const forecasts: Float64Array[] = [];
  let forecaster: Forecaster | null = null;
  for (const origin of originsOf(plan)) {
    if (points.has(origin)) {
      if (!(await pacer.mayContinue())) return null;
      forecaster = learnForecaster(candidate, values.subarray(0, origin), plan.seasonLength, covariates);
    }
    const forecast = forecaster && forecastWith(forecaster, values.subarray(0, origin), covariates, horizon);
    if (forecast?.every(Number.isFinite)) forecasts.push(forecast);
    else if (forecasts.length < plan.calibration.length) forecasts.push(new Float64Array());
    else return 'unfit';
  }
  if (!(await pacer.mayContinue())) return null;
  const last = learnForecaster(candidate, values, plan.seasonLength, covariates);
  return last ? { forecaster: last, forecasts } : 'unfit';
}

/** Origins at which a candidate learns anew. */
function learningPoints({ calibration, validation, test }: BackTestPlan): Set<number> {
  return new Set([calibration, validation, test].flatMap((origins) => [origins[0]!, origins[origins.length >> 1]!].slice(0, origins.length)));
}

/** The next values, where the covariates of their steps are known. */
function forecastWith(forecaster: Forecaster, history: Float64Array, covariates: SeriesCovariates | null, horizon: number): Float64Array {
  const base = forecaster.forecast(history, horizon);
  const { effect } = forecaster;
  if (!effect || !covariates) return base;
  return base.map((value, step) => {
    const sum = value + effectAt(effect.weights, covariates.cells, history.length + step);
    return effect.isLogarithmic ? Math.exp(sum) : sum;
  });
}

/** At most so many whole numbers from `first` to `last`, evenly spread, both ends among them. */
function thinned(first: number, last: number, most: number): number[] {
  const count = Math.min(last - first + 1, Math.max(2, most));
  return Array.from({ length: count }, (_, at) => (count === 1 ? last : first + Math.round((at * (last - first)) / (count - 1))));
}
