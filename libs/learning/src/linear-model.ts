import { solveLeastSquares } from './least-squares.ts';
import { minimise, minimiseUnderL1, type Objective } from './minimise.ts';
import type { Pacer } from './pacer.ts';

export interface LinearProblem {
  rows: number;
  width: number;
  /** [rows, width] row by row */
  inputs: Float64Array;
  /** Class index per row, or the standardised target of a regression. */
  targets: Float64Array;
  /** Number of classes, or 0 for a regression. */
  classes: number;
  /** How much a row of each class counts; null: all alike. */
  classWeights: Float64Array | null;
  l1: number;
  l2: number;
}

/** `x · kernel + bias`: kernel [width, outputs] row by row, bias [outputs]; the first of two classes has zeros. */
export interface LinearWeights {
  kernel: Float64Array;
  bias: Float64Array;
}

export type LinearSolver = 'closed_form' | 'lbfgs' | 'proximal_gradient';

/** Beyond so many multiplications a closed form takes minutes, and an iteration gets there sooner. */
const closedFormWork = 2e10;
const tolerance = 1e-9;

/** The solver that suits a problem best. */
export function solverFor({ rows, width, classes, l1 }: LinearProblem): LinearSolver {
  if (l1 > 0) return 'proximal_gradient';
  return classes === 0 && 2 * (rows + width) * width ** 2 <= closedFormWork ? 'closed_form' : 'lbfgs';
}

/**
 * The weights with the least Σ loss (each row's times the weight of its class) + l1·Σ|w| + l2·½Σw², the bias unpenalised: half the squared error for numbers,
 * cross-entropy of a sigmoid for two classes, of a softmax for more. All in float64. Null when the pacer said stop.
 */
export async function fitLinear(problem: LinearProblem, solver: LinearSolver, pacer: Pacer): Promise<LinearWeights | null> {
  const { rows, width, classes, l1 } = problem;
  if (solver === 'closed_form') {
    const solved = await solveLeastSquares(problem, pacer);
    return solved && { kernel: solved.weights, bias: Float64Array.of(solved.intercept) };
  }
  const outputs = classes > 2 ? classes : 1;
  const start = new Float64Array((width + 1) * outputs);
  const objective = meanLoss(problem, outputs, pacer);
  const weights = solver === 'lbfgs'
    ? await minimise(objective, { start, tolerance, maxIterations: 1000 })
    : await minimiseUnderL1(objective, { start, tolerance, maxIterations: 20_000 }, l1 / rows, width * outputs);
  if (!weights) return null;
  const kernel = weights.slice(0, width * outputs);
  const bias = weights.slice(width * outputs);
  if (classes !== 2) return { kernel, bias };
  return { kernel: Float64Array.from({ length: 2 * width }, (_, at) => (at % 2 === 0 ? 0 : kernel[at >> 1]!)), bias: Float64Array.of(0, bias[0]!) };
}

/** `x · kernel + bias` for each row: [rows, outputs]. */
export function linearOutputs({ kernel, bias }: LinearWeights, inputs: Float64Array, rows: number, width: number): Float64Array {
  const outputs = bias.length;
  const sums = new Float64Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    const own = sums.subarray(row * outputs, (row + 1) * outputs);
    own.set(bias);
    addRow(own, inputs, row * width, width, kernel);
  }
  return sums;
}

/** Turns logits [rows, classes] into probabilities, in place. */
export function softmaxRows(logits: Float64Array, rows: number, classes: number): Float64Array {
  for (let row = 0; row < rows; row++) softmax(logits.subarray(row * classes, (row + 1) * classes));
  return logits;
}

/** Rows between two looks at the pacer are as many as take about a millisecond. */
const workPerTurn = 1_000_000;

/** The objective without L1, over the number of rows; the point is the kernel and after it the bias. */
function meanLoss(problem: LinearProblem, outputs: number, pacer: Pacer): Objective {
  const { rows, width, inputs, targets, classes, classWeights, l2 } = problem;
  const rowsPerTurn = Math.max(1, Math.floor(workPerTurn / (width * outputs)));
  const penalised = width * outputs;
  return async (at) => {
    const gradient = new Float64Array(at.length);
    const sums = new Float64Array(outputs);
    let value = 0;
    for (let row = 0; row < rows; row++) {
      if (row % rowsPerTurn === 0 && !(await pacer.mayContinue())) return null;
      const from = row * width;
      for (let output = 0; output < outputs; output++) sums[output] = at[penalised + output]!;
      addRow(sums, inputs, from, width, at);
      const weight = classWeights ? classWeights[targets[row]!]! : 1;
      value += weight * lossAndSlope(sums, targets[row]!, classes);
      if (classWeights) sums.forEach((slope, output) => (sums[output] = weight * slope));
      for (let column = 0; column < width; column++) {
        const input = inputs[from + column]!;
        if (input === 0) continue;
        for (let output = 0; output < outputs; output++) gradient[column * outputs + output]! += input * sums[output]!;
      }
      for (let output = 0; output < outputs; output++) gradient[penalised + output]! += sums[output]!;
    }
    for (let index = 0; index < at.length; index++) {
      if (index < penalised) {
        value += (l2 / 2) * at[index]! ** 2;
        gradient[index]! += l2 * at[index]!;
      }
      gradient[index]! /= rows;
    }
    return { value: value / rows, gradient };
  };
}

function addRow(sums: Float64Array, inputs: Float64Array, from: number, width: number, kernel: Float64Array): void {
  const outputs = sums.length;
  for (let column = 0; column < width; column++) {
    const input = inputs[from + column]!;
    // One-hot rows are mostly zeros.
    if (input === 0) continue;
    for (let output = 0; output < outputs; output++) sums[output]! += input * kernel[column * outputs + output]!;
  }
}

/** The loss of one row; its sums become the loss's slopes with respect to them. */
function lossAndSlope(sums: Float64Array, target: number, classes: number): number {
  if (classes === 0) {
    sums[0]! -= target;
    return sums[0]! ** 2 / 2;
  }
  if (classes === 2) {
    const margin = target === 1 ? sums[0]! : -sums[0]!;
    // log(1 + e^-m), without overflow on either side
    const loss = Math.max(0, -margin) + Math.log1p(Math.exp(-Math.abs(margin)));
    const miss = margin >= 0 ? Math.exp(-margin) / (1 + Math.exp(-margin)) : 1 / (1 + Math.exp(margin));
    sums[0] = target === 1 ? -miss : miss;
    return loss;
  }
  const own = sums[target]!;
  const loss = softmax(sums) - own;
  sums[target]! -= 1;
  return loss;
}

/** Makes logits probabilities, in place; gives the logarithm of the sum of their powers. */
function softmax(logits: Float64Array): number {
  let highest = -Infinity;
  for (const logit of logits) highest = Math.max(highest, logit);
  let sum = 0;
  for (let at = 0; at < logits.length; at++) sum += logits[at] = Math.exp(logits[at]! - highest);
  for (let at = 0; at < logits.length; at++) logits[at]! /= sum;
  return highest + Math.log(sum);
}
