import type { Scores } from './predict.ts';

/** What errors cost, in any unit. */
export interface Costs {
  /** a row of the positive class that is not recognised */
  missed: number;
  falseAlarm: number;
}

/** From which probability on a row of two classes counts as positive. */
export interface Decision {
  /** index of the positive class */
  positive: number;
  threshold: number;
}

/**
 * The threshold at which the given rows cost least, midway between two neighbouring probabilities. Of equally cheap ones
 * it is the nearest to where calibrated probabilities would have it, falseAlarm / (falseAlarm + missed) (Elkan 2001).
 * @param probabilities [rows, 2] row by row; `actual` holds class indices
 * @returns also the mean cost of a row there
 */
export function cheapestDecision(actual: ArrayLike<number>, probabilities: ArrayLike<number>, positive: number, costs: Costs): Decision & { cost: number } {
  const rows = actual.length;
  const probabilityOf = (row: number) => probabilities[row * 2 + positive]!;
  const order = Array.from({ length: rows }, (_, row) => row).sort((a, b) => probabilityOf(b) - probabilityOf(a));
  const ideal = costs.falseAlarm / (costs.falseAlarm + costs.missed);
  let misses = order.filter((row) => actual[row] === positive).length;
  let falseAlarms = 0;
  // Above all: nothing counts as positive.
  let best = { threshold: rows === 0 ? ideal : Math.max(ideal, between(1, probabilityOf(order[0]!))), cost: misses * costs.missed };
  for (let start = 0; start < rows; ) {
    const probability = probabilityOf(order[start]!);
    while (start < rows && probabilityOf(order[start]!) === probability) {
      if (actual[order[start]!] === positive) misses -= 1;
      else falseAlarms += 1;
      start += 1;
    }
    const cost = misses * costs.missed + falseAlarms * costs.falseAlarm;
    const next = start < rows ? probabilityOf(order[start]!) : 0;
    // Anywhere between the two is as cheap.
    const threshold = ideal > next && ideal <= probability ? ideal : between(probability, next);
    if (cost < best.cost || (cost === best.cost && Math.abs(threshold - ideal) < Math.abs(best.threshold - ideal))) best = { threshold, cost };
  }
  return { positive, threshold: best.threshold, cost: rows === 0 ? 0 : best.cost / rows };
}

const between = (high: number, low: number) => (high + low) / 2;

/** The classes by a threshold instead of the larger probability. */
export function decide(scores: Scores, { positive, threshold }: Decision): Scores {
  if (scores.type === 'values') return scores;
  const predicted = scores.predicted.map((_, row) => (scores.probabilities[row * 2 + positive]! >= threshold ? positive : 1 - positive));
  return { ...scores, predicted };
}
