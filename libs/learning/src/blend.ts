import { classScores } from './families/family.ts';
import type { Scores } from './predict.ts';

/**
 * The weighted mean of several models' answers to the same rows; weights add up to 1. In order, in float64: the package
 * adds in the same order.
 */
export function blendScores(parts: readonly { weight: number; scores: Scores }[], rows: number): Scores {
  const [first] = parts;
  if (!first) throw new Error('There is nothing to blend');
  const sum = new Float64Array(numbersOf(first.scores).length);
  for (const { weight, scores } of parts) {
    const numbers = numbersOf(scores);
    for (let at = 0; at < sum.length; at++) sum[at]! += weight * numbers[at]!;
  }
  if (first.scores.type === 'values') return { type: 'values', predicted: sum };
  return classScores(sum, rows, sum.length / rows);
}

/** Probabilities [rows, classes], or values [rows]. */
export const numbersOf = (scores: Scores): Float64Array => (scores.type === 'classes' ? scores.probabilities : scores.predicted);
