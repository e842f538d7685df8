import { minimise } from '../minimise.ts';
import type { Pacer } from '../pacer.ts';
import type { FittedTarget } from '../pipeline.ts';
import { correct } from './apply-heads.ts';

/** Rows of one group, with what the shared model says of them. */
export interface HeadRows {
  rows: number;
  /** [rows, outputs]: as `answersOf` gives them */
  answers: Float64Array;
  /** [rows, width]: as `headInputs` gives them */
  inputs: Float64Array;
  /** by row: the standardised value, or the class */
  truth: Float64Array;
}

export interface Head {
  slope: number;
  /** [width, outputs] */
  weights: Float64Array;
}

/** The head of a shared model as it is. */
export const noHead = (width: number, outputs: number): Head => ({ slope: 0, weights: new Float64Array(width * outputs) });

/**
 * The head with the least Σ loss + shrinkage · ½Σθ², θ being slope and weights: half the squared error of numbers, the cross-entropy
 * of classes. Shrinkage draws it towards the shared model, as a normal prior with that mean does. Convex, so L-BFGS finds
 * it. Null when the pacer said stop.
 */
export async function fitHead(data: HeadRows, target: FittedTarget, shrinkage: number, pacer: Pacer): Promise<Head | null> {
  const width = data.inputs.length / data.rows;
  const outputs = data.answers.length / data.rows;
  const point = await minimise(
    async (at) => ((await pacer.mayContinue()) ? headLoss(data, target, shrinkage, at) : null),
    { start: new Float64Array(1 + width * outputs), tolerance: 1e-8, maxIterations: 200 },
  );
  return point && { slope: point[0]!, weights: point.slice(1) };
}

/** The penalised loss and its gradient at [slope, weights], over the number of rows. */
export function headLoss({ rows, answers, inputs, truth }: HeadRows, target: FittedTarget, shrinkage: number, at: Float64Array): { value: number; gradient: Float64Array } {
  const width = inputs.length / rows;
  const outputs = answers.length / rows;
  const gradient = new Float64Array(at.length);
  const slopes = new Float64Array(outputs);
  const weights = at.subarray(1);
  let value = 0;
  for (let row = 0; row < rows; row++) {
    const z = answers.subarray(row * outputs, (row + 1) * outputs);
    const own = inputs.subarray(row * width, (row + 1) * width);
    correct(slopes, z, own, at[0]!, weights);
    value += lossAndSlopes(slopes, truth[row]!, target);
    for (let output = 0; output < outputs; output++) {
      gradient[0]! += slopes[output]! * z[output]!;
      for (let input = 0; input < width; input++) gradient[1 + input * outputs + output]! += slopes[output]! * own[input]!;
    }
  }
  at.forEach((part, index) => {
    value += (shrinkage / 2) * part ** 2;
    gradient[index] = (gradient[index]! + shrinkage * part) / rows;
  });
  return { value: value / rows, gradient };
}

/** The loss of one row by its corrected answer, which becomes the slopes of the loss. */
function lossAndSlopes(answer: Float64Array, truth: number, target: FittedTarget): number {
  if (target.type === 'number') {
    answer[0]! -= truth;
    return answer[0]! ** 2 / 2;
  }
  const highest = answer.reduce((most, value) => Math.max(most, value), -Infinity);
  const own = answer[truth]! - highest;
  let sum = 0;
  for (let index = 0; index < answer.length; index++) sum += answer[index] = Math.exp(answer[index]! - highest);
  for (let index = 0; index < answer.length; index++) answer[index]! /= sum;
  answer[truth]! -= 1;
  return Math.log(sum) - own;
}

/** By row, what an answer with this head costs: half the squared error of the standardised value, or the cross-entropy. */
export function lossesOf({ rows, answers, inputs, truth }: HeadRows, target: FittedTarget, { slope, weights }: Head): Float64Array {
  const width = inputs.length / rows;
  const outputs = answers.length / rows;
  const answer = new Float64Array(outputs);
  return Float64Array.from({ length: rows }, (_, row) => {
    correct(answer, answers.subarray(row * outputs, (row + 1) * outputs), inputs.subarray(row * width, (row + 1) * width), slope, weights);
    return lossAndSlopes(answer, truth[row]!, target);
  });
}
