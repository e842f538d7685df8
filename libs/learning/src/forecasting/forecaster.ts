import type { ForecastModelSettings } from '@millrace/configuration';
import { fitSmoothing, forecastSmoothing } from './exponential-smoothing.ts';
import { fitLagRegression, forecastLagRegression } from './lag-regression.ts';
import { findPattern } from './seasonal-pattern.ts';

/** The families that learn from a series; a combination is made of others' forecasts. */
export type LearnedForecastFamily = Exclude<ForecastModelSettings['family'], 'combination'> | 'naive' | 'seasonal_naive';
export type ForecastFamily = LearnedForecastFamily | 'combination';

/** What was learned from the beginning of a series. */
export interface Forecaster {
  /** What was chosen, for the leaderboard. */
  parameters: Record<string, unknown>;
  /**
   * The next `horizon` values of a history that begins where the learned one began and may be longer: it is gone through
   * with what was learned, without learning anew.
   */
  forecast(history: Float64Array, horizon: number): Float64Array;
}

/** A model to try: its family, and what is asked of it. */
export type ForecastCandidate = ForecastModelSettings | { family: 'naive' } | { family: 'seasonal_naive' };

/** Exponential smoothing looks back so far at most: what is older moves no state. */
const longestMemory = 3000;

/** Learns from a whole series. Null where it is too short for the family. `seasonLength` is 1 without a season. */
export function learnForecaster(candidate: Exclude<ForecastCandidate, { family: 'combination' }>, values: Float64Array, seasonLength: number): Forecaster | null {
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
        const adjusted = withoutPattern(values, seasonLength, (rest) => learnForecaster({ ...candidate, season: 'none' }, rest, 1));
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
      const model = fitLagRegression(values, seasonLength, candidate.lags);
      if (!model) return null;
      if (seasonLength > 1 && model.lags.at(-1)! < seasonLength) {
        const adjusted = withoutPattern(values, seasonLength, (rest) => learnForecaster(candidate, rest, 1));
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
