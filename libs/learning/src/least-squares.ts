import type { Pacer } from './pacer.ts';

/** Columns that keep less than this of their length beside the others are taken as combinations of them. */
const rankTolerance = 1e-10;

export interface LeastSquares {
  /** [rows, width] row by row */
  inputs: Float64Array;
  rows: number;
  width: number;
  /** [rows] */
  targets: Float64Array;
  /** Weight of ½Σw² beside ½Σ(residual)²; 0 or above. */
  l2: number;
}

/**
 * The weights [width] and the unpenalised intercept that minimise ½Σ(y - x·w - b)² + ½·l2·Σw²: ridge regression (Hoerl &
 * Kennard 1970). Null when the pacer said stop.
 *
 * A Householder QR with column pivoting (Businger & Golub 1965) of the centred columns over √l2 times the identity: the
 * normal equations would square the condition of the problem. A constant column, or one that the others make up, gets 0.
 * Takes 2 · (rows + width) · width² multiplications and a copy of the inputs.
 */
export async function solveLeastSquares(
  { inputs, rows, width, targets, l2 }: LeastSquares,
  pacer: Pacer,
): Promise<{ weights: Float64Array; intercept: number } | null> {
  const means = columnMeans(inputs, rows, width);
  const centre = targets.reduce((sum, value) => sum + value, 0) / rows;
  const height = l2 > 0 ? rows + width : rows;
  const matrix = new Float64Array(height * width);
  const right = new Float64Array(height);
  for (let row = 0; row < rows; row++) {
    right[row] = targets[row]! - centre;
    for (let at = 0; at < width; at++) matrix[row * width + at] = inputs[row * width + at]! - means[at]!;
  }
  for (let at = 0; height > rows && at < width; at++) matrix[(rows + at) * width + at] = Math.sqrt(l2);

  const lengths = scaleColumns(matrix, height, width, means);
  const scaled = await solveByPivotedQr(matrix, right, height, width, pacer);
  if (!scaled) return null;
  const weights = scaled.map((value, at) => (lengths[at]! > 0 ? value / lengths[at]! : 0));
  const intercept = weights.reduce((rest, weight, at) => rest - weight * means[at]!, centre);
  return { weights, intercept };
}

function columnMeans(inputs: Float64Array, rows: number, width: number): Float64Array {
  const means = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    for (let at = 0; at < width; at++) means[at]! += inputs[row * width + at]!;
  }
  return means.map((sum) => sum / rows);
}

/** Brings each column to length 1; one that is only the rounding of its mean becomes 0. Gives the lengths. */
function scaleColumns(matrix: Float64Array, height: number, width: number, means: Float64Array): Float64Array {
  const lengths = new Float64Array(width);
  for (let row = 0; row < height; row++) {
    for (let at = 0; at < width; at++) lengths[at]! += matrix[row * width + at]! ** 2;
  }
  for (let at = 0; at < width; at++) {
    const length = Math.sqrt(lengths[at]!);
    lengths[at] = length > 1e-14 * Math.abs(means[at]!) * Math.sqrt(height) ? length : 0;
  }
  for (let row = 0; row < height; row++) {
    for (let at = 0; at < width; at++) matrix[row * width + at] = lengths[at] === 0 ? 0 : matrix[row * width + at]! / lengths[at]!;
  }
  return lengths;
}

/** Overwrites matrix and right-hand side. Columns beyond the rank get 0. */
async function solveByPivotedQr(
  matrix: Float64Array, right: Float64Array, height: number, width: number, pacer: Pacer,
): Promise<Float64Array | null> {
  const order = Int32Array.from({ length: width }, (_, at) => at);
  const squares = new Float64Array(width);
  const products = new Float64Array(width);
  for (let row = 0; row < height; row++) {
    for (let at = 0; at < width; at++) squares[at]! += matrix[row * width + at]! ** 2;
  }
  let rank = 0;
  for (; rank < Math.min(width, height); rank++) {
    if (!(await pacer.mayContinue())) return null;
    let pivot = rank;
    for (let at = rank + 1; at < width; at++) if (squares[at]! > squares[pivot]!) pivot = at;
    const length = Math.sqrt(squares[pivot]!);
    if (!(length > rankTolerance)) break;
    if (pivot !== rank) swapColumns(matrix, height, width, rank, pivot, order);
    const head = matrix[rank * width + rank]!;
    const diagonal = head > 0 ? -length : length;
    // v = column - diagonal · e; the reflection is I - v vᵀ / reach.
    const reach = length * (length + Math.abs(head));
    matrix[rank * width + rank] = head - diagonal;
    products.fill(0);
    let ownProduct = 0;
    for (let row = rank; row < height; row++) {
      const v = matrix[row * width + rank]!;
      if (v === 0) continue;
      for (let at = rank + 1; at < width; at++) products[at]! += v * matrix[row * width + at]!;
      ownProduct += v * right[row]!;
    }
    squares.fill(0, rank + 1);
    for (let row = rank; row < height; row++) {
      const v = matrix[row * width + rank]! / reach;
      for (let at = rank + 1; at < width; at++) {
        const value = (matrix[row * width + at]! -= v * products[at]!);
        if (row > rank) squares[at]! += value * value;
      }
      right[row]! -= v * ownProduct;
    }
    matrix[rank * width + rank] = diagonal;
  }
  const solution = new Float64Array(width);
  for (let row = rank - 1; row >= 0; row--) {
    let rest = right[row]!;
    for (let at = row + 1; at < rank; at++) rest -= matrix[row * width + at]! * solution[order[at]!]!;
    solution[order[row]!] = rest / matrix[row * width + row]!;
  }
  return solution;
}

function swapColumns(matrix: Float64Array, height: number, width: number, a: number, b: number, order: Int32Array): void {
  for (let row = 0; row < height; row++) {
    const kept = matrix[row * width + a]!;
    matrix[row * width + a] = matrix[row * width + b]!;
    matrix[row * width + b] = kept;
  }
  const kept = order[a]!;
  order[a] = order[b]!;
  order[b] = kept;
}
