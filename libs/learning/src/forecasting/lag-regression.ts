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

/** Candidates for the ridge penalty, as shares of the mean variance of a lag. */
const penalties = [1e-4, 1e-2, 1e-1, 1];

/**
 * A linear regression of each change on the changes before it: lags 1 to `lags`, and those around one season back. Ridge,
 * with the penalty of the smallest generalised cross-validation (Golub, Heath & Wahba 1979). Of a series above zero it
 * also tries logarithms and keeps them if they predict the next value better. Null where the series is too short.
 */
export function fitLagRegression(values: Float64Array, seasonLength: number, lags?: number): LagRegression | null {
  const longest = Math.floor((values.length - 1) / 3);
  const near = lags ?? (seasonLength > 1 ? Math.min(4 * seasonLength, Math.max(2 * seasonLength, 28), 60) : 10);
  const chosen = new Set(Array.from({ length: near }, (_, at) => at + 1));
  if (seasonLength > 1) for (const at of [seasonLength - 1, seasonLength, seasonLength + 1]) if (at > 0) chosen.add(at);
  const usable = [...chosen].filter((lag) => lag <= longest).sort((a, b) => a - b);
  if (usable.length === 0) return null;
  const plain = fitScale(values, usable, false);
  if (!values.every((value) => value > 0)) return plain.model;
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
  const width = lags.length;
  const cell = (row: number, column: number) => changes[row + reach - lags[column]!]!;
  const means = Float64Array.from(lags, (_, column) => sumOver(rows, (row) => cell(row, column)) / rows);
  const mean = sumOver(rows, (row) => changes[row + reach]!) / rows;
  // Centred normal equations; the penalty leaves the intercept alone.
  const gram = new Float64Array(width * width);
  const moment = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < width; i++) {
      const x = cell(row, i) - means[i]!;
      moment[i]! += x * (changes[row + reach]! - mean);
      for (let j = 0; j <= i; j++) gram[i * width + j]! += x * (cell(row, j) - means[j]!);
    }
  }
  const variance = sumOver(width, (i) => gram[i * width + i]!) / width;
  let best: { weights: Float64Array; score: number } | null = null;
  for (const share of penalties) {
    const factor = cholesky(gram, width, share * variance + Number.EPSILON);
    const weights = solve(factor, width, moment);
    const freedom = width - share * variance * traceOfInverse(factor, width);
    const squares = sumOver(rows, (row) => (changes[row + reach]! - mean - sumOver(width, (i) => weights[i]! * (cell(row, i) - means[i]!))) ** 2);
    const score = squares / Math.max(1, rows - freedom - 1) ** 2;
    if (!best || score < best.score) best = { weights, score };
  }
  const { weights } = best!;
  const intercept = mean - sumOver(width, (i) => weights[i]! * means[i]!);
  const model = { lags, isLogarithmic, intercept, weights };
  // In the unit of the series, so that both scales can be compared.
  const error = sumOver(rows, (row) => {
    const change = intercept + sumOver(width, (i) => weights[i]! * cell(row, i));
    const before = scaled[row + reach]!;
    const predicted = isLogarithmic ? Math.exp(before + change) : before + change;
    return (values[row + reach + 1]! - predicted) ** 2;
  });
  return { model, error };
}

/** The lower factor of `matrix` (its lower half is read) with `ridge` added to the diagonal. */
function cholesky(matrix: Float64Array, width: number, ridge: number): Float64Array {
  const factor = new Float64Array(width * width);
  for (let i = 0; i < width; i++) {
    for (let j = 0; j <= i; j++) {
      const rest = matrix[i * width + j]! - sumOver(j, (k) => factor[i * width + k]! * factor[j * width + k]!);
      factor[i * width + j] = i === j ? Math.sqrt(Math.max(rest + ridge, Number.EPSILON)) : rest / factor[j * width + j]!;
    }
  }
  return factor;
}

function solve(factor: Float64Array, width: number, right: Float64Array): Float64Array {
  const solution = Float64Array.from(right);
  for (let i = 0; i < width; i++) {
    solution[i] = (solution[i]! - sumOver(i, (k) => factor[i * width + k]! * solution[k]!)) / factor[i * width + i]!;
  }
  for (let i = width - 1; i >= 0; i--) {
    let rest = solution[i]!;
    for (let k = i + 1; k < width; k++) rest -= factor[k * width + i]! * solution[k]!;
    solution[i] = rest / factor[i * width + i]!;
  }
  return solution;
}

function traceOfInverse(factor: Float64Array, width: number): number {
  return sumOver(width, (at) => {
    const unit = new Float64Array(width);
    unit[at] = 1;
    return solve(factor, width, unit)[at]!;
  });
}

function sumOver(count: number, term: (at: number) => number): number {
  let sum = 0;
  for (let at = 0; at < count; at++) sum += term(at);
  return sum;
}
