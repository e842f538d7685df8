/** Candidates for the ridge penalty, as shares of the mean variance of a column. */
const penalties = [1e-4, 1e-2, 1e-1, 1];

/**
 * A linear regression of `target` on `width` columns with a ridge penalty on the weights, the one of a few that has the
 * smallest generalised cross-validation (Golub, Heath & Wahba 1979). The penalty leaves the intercept alone.
 */
export function fitRidge(
  rows: number, width: number, cell: (row: number, column: number) => number, target: (row: number) => number,
): { intercept: number; weights: Float64Array } {
  const means = Float64Array.from({ length: width }, (_, column) => sumOver(rows, (row) => cell(row, column)) / rows);
  const mean = sumOver(rows, target) / rows;
  const gram = new Float64Array(width * width);
  const moment = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < width; i++) {
      const x = cell(row, i) - means[i]!;
      moment[i]! += x * (target(row) - mean);
      for (let j = 0; j <= i; j++) gram[i * width + j]! += x * (cell(row, j) - means[j]!);
    }
  }
  const variance = sumOver(width, (i) => gram[i * width + i]!) / width;
  let best: { weights: Float64Array; score: number } | null = null;
  for (const share of penalties) {
    const factor = cholesky(gram, width, share * variance + Number.EPSILON);
    const weights = solve(factor, width, moment);
    const freedom = width - share * variance * traceOfInverse(factor, width);
    const squares = sumOver(rows, (row) => (target(row) - mean - sumOver(width, (i) => weights[i]! * (cell(row, i) - means[i]!))) ** 2);
    const score = squares / Math.max(1, rows - freedom - 1) ** 2;
    if (!best || score < best.score) best = { weights, score };
  }
  const { weights } = best!;
  return { intercept: mean - sumOver(width, (i) => weights[i]! * means[i]!), weights };
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
