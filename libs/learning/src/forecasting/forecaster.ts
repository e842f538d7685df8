import type { ForecastModelSettings } from '@millrace/configuration';
import { type CovariateEffect, estimateEffect, withoutEffect } from './covariate-effect.ts';
import { fitSmoothing, forecastSmoothing } from './exponential-smoothing.ts';
import { fitLagRegression, forecastLagRegression } from './lag-regression.ts';
import { findPattern } from './seasonal-pattern.ts';

export type ForecastFamily = ForecastModelSettings['family'] | 'naive' | 'seasonal_naive';

/** What was learned from the beginning of a series. */
export interface Forecaster {
  /** What was chosen, for the leaderboard. */
  parameters: Record<string, unknown>;
  /**
   * The next `horizon` values of a history that begins where the learned one began and may be longer: it is gone through
   * with what was learned, without learning anew. With an effect of covariates these are what it is added to, on its scale.
   */
  forecast(history: Float64Array, horizon: number): Float64Array;
  effect?: CovariateEffect;
}

/** A model to try: its family, and what is asked of it. */
export type ForecastCandidate = ForecastModelSettings | { family: 'naive' } | { family: 'seasonal_naive' };
/** One that learns from all series together. */
export type GlobalCandidate = Extract<ForecastCandidate, { family: 'lag_trees' | 'gru' | 'tcn' }>;
/** One that learns from each series by itself; a combination is made of others' forecasts. */
export type SeriesCandidate = Exclude<ForecastCandidate, { family: GlobalCandidate['family'] | 'combination' }>;

/** Columns known in advance beside a series: [values and more, width], row by row. */
export interface SeriesCovariates {
  cells: Float64Array;
  width: number;
}

/** Exponential smoothing looks back so far at most: what is older moves no state. */
const longestMemory = 3000;

/**
 * Learns from a whole series. Null where it is too short for the family. `seasonLength` is 1 without a season; `covariates`
 * are for the families that look at them.
 */
export function learnForecaster(candidate: SeriesCandidate, values: Float64Array, seasonLength: number, covariates: SeriesCovariates | null = null): Forecaster | null {
  if (candidate.family !== 'lag_linear' || !covariates) return learnFromPast(candidate, values, seasonLength);
  const { cells, width } = covariates;
  const effect = estimateEffect(values, cells, width, seasonLength, candidate.lags);
  const inner = effect && learnFromPast(candidate, withoutEffect(effect, values, cells), seasonLength, false);
  if (!inner) return null;
  return {
    parameters: { ...inner.parameters, logarithmic: effect.isLogarithmic, covariates: width },
    effect,
    forecast: (history, horizon) => inner.forecast(withoutEffect(effect, history, cells), horizon),
  };
}

function learnFromPast(candidate: SeriesCandidate, values: Float64Array, seasonLength: number, mayTakeLogarithms = true): Forecaster | null {
  switch (candidate.family) {
    case 'naive':
      return { parameters: {}, forecast: (history, horizon) => new Float64Array(horizon).fill(history.at(-1)!) };
    case 'seasonal_naive':
      return {
        parameters: { seasonLength },
        forecast: (history, horizon) => new Float64Array(horizon).map((_, step) => history[history.length - seasonLength + (step % seasonLength)]!),
      };
    case 'drift':
      return {
        parameters: {},
        forecast(history, horizon) {
          const slope = history.length > 1 ? (history.at(-1)! - history[0]!) / (history.length - 1) : 0;
          return new Float64Array(horizon).map((_, step) => history.at(-1)! + (step + 1) * slope);
        },
      };
    case 'exponential_smoothing': {
      const from = Math.max(0, values.length - longestMemory);
      const { error, trend, season } = candidate;
      const smoothing = fitSmoothing(values.subarray(from), seasonLength, { error, trend, season });
      if (!smoothing) return null;
      // Few repetitions of a long season cannot pay for a state at each of its positions.
      if (season === undefined && smoothing.form.season === 'none') {
        const adjusted = withoutPattern(values, seasonLength, (rest) => learnFromPast({ ...candidate, season: 'none' }, rest, 1));
        if (adjusted) return adjusted;
      }
      const { alpha, beta, gamma, phi } = smoothing.parameters;
      const { form } = smoothing;
      return {
        parameters: {
          ...form, alpha,
          ...(form.trend === 'none' ? {} : { beta }), ...(form.trend === 'damped' ? { phi } : {}), ...(form.season === 'none' ? {} : { gamma }),
        },
        forecast: (history, horizon) => forecastSmoothing(smoothing, history.subarray(from), horizon),
      };
    }
    case 'lag_linear': {
      const model = fitLagRegression(values, seasonLength, candidate.lags, mayTakeLogarithms);
      if (!model) return null;
      if (seasonLength > 1 && model.lags.at(-1)! < seasonLength) {
        const adjusted = withoutPattern(values, seasonLength, (rest) => learnFromPast(candidate, rest, 1, mayTakeLogarithms));
        if (adjusted) return adjusted;
      }
      return { parameters: { lags: model.lags, logarithmic: model.isLogarithmic }, forecast: (history, horizon) => forecastLagRegression(model, history, horizon) };
    }
  }
}

/** Learns from what is left without the pattern of a season, and adds it to the forecasts; null where no pattern is clear. */
function withoutPattern(values: Float64Array, seasonLength: number, learn: (rest: Float64Array) => Forecaster | null): Forecaster | null {
  const pattern = findPattern(values, seasonLength);
  if (!pattern) return null;
  const adjust = (of: Float64Array) => of.map((value, time) => value - pattern[time % seasonLength]!);
  const inner = learn(adjust(values));
  if (!inner) return null;
  return {
    parameters: { ...inner.parameters, season: 'fixed pattern' },
    forecast: (history, horizon) => inner.forecast(adjust(history), horizon).map((value, step) => value + pattern[(history.length + step) % seasonLength]!),
  };
}
