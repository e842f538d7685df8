import { fitRidge } from './ridge.ts';

/** What a lag regression has learned. */
export interface LagRegression {
  /** Lags of the differences, in steps, ascending. */
  lags: number[];
  /** Whether it works on logarithms. */
  isLogarithmic: boolean;
  intercept: number;
  /** One weight for each lag. */
  weights: Float64Array;
}

/**
 * A linear regression of each change on the changes before it: lags 1 to `lags`, and those around one season back. Ridge,
 * with the penalty of the smallest generalised cross-validation (Golub, Heath & Wahba 1979). Of a series above zero it
 * also tries logarithms, unless told not to, and keeps them if they predict the next value better. Null where the series is
 * too short.
 */
export function fitLagRegression(values: Float64Array, seasonLength: number, lags?: number, mayTakeLogarithms = true): LagRegression | null {
  const longest = Math.floor((values.length - 1) / 3);
  const near = lags ?? (seasonLength > 1 ? Math.min(4 * seasonLength, Math.max(2 * seasonLength, 28), 60) : 10);
  const chosen = new Set(Array.from({ length: near }, (_, at) => at + 1));
  if (seasonLength > 1) for (const at of [seasonLength - 1, seasonLength, seasonLength + 1]) if (at > 0) chosen.add(at);
  const usable = [...chosen].filter((lag) => lag <= longest).sort((a, b) => a - b);
  if (usable.length === 0) return null;
  const plain = fitScale(values, usable, false);
  if (!mayTakeLogarithms || !values.every((value) => value > 0)) return plain.model;
  const logarithmic = fitScale(values, usable, true);
  return logarithmic.error < plain.error ? logarithmic.model : plain.model;
}

/** The next `horizon` values: each forecast is taken as the change that the next one looks back on. */
export function forecastLagRegression(model: LagRegression, history: Float64Array, horizon: number): Float64Array {
  const reach = model.lags.at(-1)!;
  const recent = Array.from(history.subarray(-(reach + 1)), (value) => (model.isLogarithmic ? Math.log(Math.max(value, Number.MIN_VALUE)) : value));
  const changes = recent.slice(1).map((value, at) => value - recent[at]!);
  let last = recent.at(-1)!;
  return new Float64Array(horizon).map(() => {
    let change = model.intercept;
    model.lags.forEach((lag, at) => (change += model.weights[at]! * (changes[changes.length - lag] ?? 0)));
    changes.push(change);
    last += change;
    return model.isLogarithmic ? Math.exp(last) : last;
  });
}

function fitScale(values: Float64Array, lags: number[], isLogarithmic: boolean): { model: LagRegression; error: number } {
  const scaled = isLogarithmic ? values.map(Math.log) : values;
  const changes = Float64Array.from({ length: scaled.length - 1 }, (_, at) => scaled[at + 1]! - scaled[at]!);
  const reach = lags.at(-1)!;
  const rows = changes.length - reach;
  const cell = (row: number, column: number) => changes[row + reach - lags[column]!]!;
  const { intercept, weights } = fitRidge(rows, lags.length, cell, (row) => changes[row + reach]!);
  const model = { lags, isLogarithmic, intercept, weights };
  // In the unit of the series, so that both scales can be compared.
  let error = 0;
  for (let row = 0; row < rows; row++) {
    let change = intercept;
    for (let at = 0; at < lags.length; at++) change += weights[at]! * cell(row, at);
    const before = scaled[row + reach]!;
    const predicted = isLogarithmic ? Math.exp(before + change) : before + change;
    error += (values[row + reach + 1]! - predicted) ** 2;
  }
  return { model, error };
}
