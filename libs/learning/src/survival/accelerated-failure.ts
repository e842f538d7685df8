import { minimise } from '../minimise.ts';
import type { Pacer } from '../pacer.ts';
import type { TimeDistribution } from './time-distribution.ts';

export interface AcceleratedFailureProblem {
  rows: number;
  width: number;
  /** [rows, width] row by row */
  inputs: Float64Array;
  /** By row: the logarithm of the time, standardised. */
  logTimes: Float64Array;
  /** By row: 1 where the end was seen, 0 where the row was still running. */
  observed: Uint8Array;
  distribution: TimeDistribution;
  l2: number;
}

/** `location = x · kernel + bias`, in the unit of the log times; they spread around it by `scale`. */
export interface AcceleratedFailure {
  /** [width] */
  kernel: Float64Array;
  bias: number;
  scale: number;
  /** Mean over the rows, of the log times (not of the times). */
  logLikelihood: number;
}

const tolerance = 1e-9;
const workPerTurn = 500_000;

/**
 * An accelerated failure time model by maximum likelihood (Kalbfleisch & Prentice 2002, chapter 3), with l2 · ½Σw² beside
 * the summed loss. It is looked for by w = kernel / scale and ρ = 1 / scale, `z = ρ · y - w · x - b`, in which the loss is
 * convex (Burridge 1981). Null when the pacer said stop.
 */
export async function fitAcceleratedFailure(problem: AcceleratedFailureProblem, pacer: Pacer): Promise<AcceleratedFailure | null> {
  const { width } = problem;
  const start = new Float64Array(width + 2);
  start[width + 1] = 1;
  let stopped = false;
  const at = await minimise(async (point) => {
    const result = await acceleratedFailureLoss(problem, point, pacer);
    stopped ||= result === null;
    return result;
  }, { start, tolerance, maxIterations: 1000 });
  if (!at || stopped) return null;
  const scale = 1 / at[width + 1]!;
  const loss = await acceleratedFailureLoss({ ...problem, l2: 0 }, at, pacer);
  return loss && { kernel: at.slice(0, width).map((value) => value * scale), bias: at[width]! * scale, scale, logLikelihood: -loss.value };
}

/** The mean loss and its gradient at [w, b, ρ]; infinite where ρ is not above 0. */
export async function acceleratedFailureLoss(
  { rows, width, inputs, logTimes, observed, distribution, l2 }: AcceleratedFailureProblem, point: Float64Array, pacer: Pacer,
): Promise<{ value: number; gradient: Float64Array } | null> {
  const gradient = new Float64Array(point.length);
  const rate = point[width + 1]!;
  if (!(rate > 0)) return { value: Infinity, gradient };
  const rowsPerTurn = Math.max(1, Math.floor(workPerTurn / (width + 10)));
  let value = 0;
  for (let row = 0; row < rows; row++) {
    if (row % rowsPerTurn === 0 && !(await pacer.mayContinue())) return null;
    let z = rate * logTimes[row]! - point[width]!;
    for (let column = 0; column < width; column++) z -= point[column]! * inputs[row * width + column]!;
    const terms = distribution.loss(z, observed[row] === 1);
    value += terms.value - (observed[row] === 1 ? Math.log(rate) : 0);
    for (let column = 0; column < width; column++) gradient[column]! -= terms.slope * inputs[row * width + column]!;
    gradient[width]! -= terms.slope;
    gradient[width + 1]! += terms.slope * logTimes[row]! - (observed[row] === 1 ? 1 / rate : 0);
  }
  for (let column = 0; column < width; column++) {
    value += (l2 / 2) * point[column]! ** 2;
    gradient[column]! += l2 * point[column]!;
  }
  return { value: value / rows, gradient: gradient.map((part) => part / rows) };
}
