import { fitLagRegression } from './lag-regression.ts';
import { fitRidge } from './ridge.ts';

/** How much columns known in advance move a series. */
export interface CovariateEffect {
  /** Whether they move its logarithm. */
  isLogarithmic: boolean;
  /** By encoded column: what one more of it adds. */
  weights: Float64Array;
}

/** Turns between the weights of the columns and those of the lags; they settle after a few. */
const turns = 4;

/**
 * A regression whose errors follow a lag regression, by turns (Cochrane & Orcutt 1949): the weights of the columns from what
 * the lags leave unexplained of the changes, then the lags from what the columns leave. Of a series above zero it also tries
 * logarithms and keeps them if the next value is predicted better. `covariates`: [values, width], row by row. Null where
 * the series is too short.
 */
export function estimateEffect(values: Float64Array, covariates: Float64Array, width: number, seasonLength: number, lags?: number): CovariateEffect | null {
  const plain = onScale(values, covariates, width, seasonLength, lags, false);
  if (!plain || !values.every((value) => value > 0)) return plain && plain.effect;
  const logarithmic = onScale(values, covariates, width, seasonLength, lags, true);
  return logarithmic && logarithmic.error < plain.error ? logarithmic.effect : plain.effect;
}

/** What is left of a series, on the scale of the effect, without it; covariates beyond the values are not read. */
export function withoutEffect({ isLogarithmic, weights }: CovariateEffect, values: Float64Array, covariates: Float64Array): Float64Array {
  return values.map((value, time) => (isLogarithmic ? Math.log(Math.max(value, Number.MIN_VALUE)) : value) - effectAt(weights, covariates, time));
}

export function effectAt(weights: Float64Array, covariates: Float64Array, time: number): number {
  let sum = 0;
  for (let at = 0; at < weights.length; at++) sum += weights[at]! * covariates[time * weights.length + at]!;
  return sum;
}

function onScale(
  values: Float64Array, covariates: Float64Array, width: number, seasonLength: number, lags: number | undefined, isLogarithmic: boolean,
): { effect: CovariateEffect; error: number } | null {
  const scaled = isLogarithmic ? values.map(Math.log) : values;
  const changeOf = (of: (time: number) => number, time: number) => of(time + 1) - of(time);
  let effect: CovariateEffect = { isLogarithmic, weights: new Float64Array(width) };
  let model = fitLagRegression(scaled, seasonLength, lags, false);
  if (!model) return null;
  for (let turn = 0; turn < turns; turn++) {
    const { lags: own, weights: lagWeights } = model;
    const reach = own.at(-1)!;
    const rows = values.length - 1 - reach;
    const unexplained = (of: (time: number) => number) => Float64Array.from({ length: rows }, (_, row) => {
      let rest = changeOf(of, row + reach);
      for (let at = 0; at < own.length; at++) rest -= lagWeights[at]! * changeOf(of, row + reach - own[at]!);
      return rest;
    });
    const target = unexplained((time) => scaled[time]!);
    const columns = Array.from({ length: width }, (_, column) => unexplained((time) => covariates[time * width + column]!));
    effect = { isLogarithmic, weights: fitRidge(rows, width, (row, column) => columns[column]![row]!, (row) => target[row]!).weights };
    const rest = scaled.map((value, time) => value - effectAt(effect.weights, covariates, time));
    const next = fitLagRegression(rest, seasonLength, lags, false);
    if (!next) return null;
    model = next;
  }
  return { effect, error: squaredError(values, scaled, covariates, effect, model) };
}

/** Of the forecasts one step ahead within the series, in its unit. */
function squaredError(values: Float64Array, scaled: Float64Array, covariates: Float64Array, { isLogarithmic, weights }: CovariateEffect, { lags, intercept, weights: lagWeights }: { lags: number[]; intercept: number; weights: Float64Array }): number {
  const rest = scaled.map((value, time) => value - effectAt(weights, covariates, time));
  let error = 0;
  for (let time = lags.at(-1)! + 1; time < values.length; time++) {
    let predicted = rest[time - 1]! + intercept + effectAt(weights, covariates, time);
    for (let at = 0; at < lags.length; at++) predicted += lagWeights[at]! * (rest[time - lags[at]!]! - rest[time - 1 - lags[at]!]!);
    error += (values[time]! - (isLogarithmic ? Math.exp(predicted) : predicted)) ** 2;
  }
  return error;
}
