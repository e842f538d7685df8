import { z } from './live-metrics.ts';

/** Answers keep probabilities in millionths: none counts as nearer to 0 or 1 than one of them. */
const smallest = 1e-6;
const held = (probability: number): number => Math.min(1 - smallest, Math.max(smallest, probability));
const binsInOne = 10;

/** How often the second class had a probability in this bin, where `truth` was the place of the true class. */
export interface BinCount {
  truth: number;
  bin: number;
  rows: number;
}

/** The bin of a probability: its log-odds in tenths, rounded down; fine where probabilities of rare classes lie. */
export const probabilityBin = (probability: number): number => Math.floor(Math.log(held(probability) / (1 - held(probability))) * binsInOne);

/** -ln of the probability that the answer gave to what was true. @param answer as it is recorded: place, and probabilities */
export function logLossOf(answer: readonly number[], truth: number): number {
  const isOfTwo = answer.length === 2;
  return -Math.log(held(isOfTwo ? (truth === 1 ? answer[1]! : 1 - answer[1]!) : answer[truth + 1]!));
}

/**
 * The area under the ROC curve of two classes from counts by bin: rows of one bin count as equal, half each way, so that the area over the
 * rows themselves lies within `slack`, half the share of pairs in one bin. The interval is that of DeLong, DeLong and Clarke-Pearson (Comparing the
 * areas under two or more correlated ROC curves, 1988), wider by the slack. Null without rows of both classes.
 */
export function areaOfBins(counts: readonly BinCount[]): { value: number; lower: number | null; upper: number | null; slack: number } | null {
  const bins = new Map<number, { positives: number; negatives: number }>();
  for (const { truth, bin, rows } of counts) {
    const at = bins.get(bin) ?? { positives: 0, negatives: 0 };
    bins.set(bin, at);
    if (truth === 1) at.positives += rows;
    else at.negatives += rows;
  }
  const inOrder = [...bins].sort(([a], [b]) => a - b).map(([, at]) => at);
  const positives = inOrder.reduce((sum, at) => sum + at.positives, 0);
  const negatives = inOrder.reduce((sum, at) => sum + at.negatives, 0);
  if (!positives || !negatives) return null;
  let [below, above, pairs, tied] = [0, positives, 0, 0];
  const parts = inOrder.map((at) => {
    above -= at.positives;
    const part = { ...at, ofPositive: (below + at.negatives / 2) / negatives, ofNegative: (above + at.positives / 2) / positives };
    pairs += at.positives * (below + at.negatives / 2);
    tied += at.positives * at.negatives;
    below += at.negatives;
    return part;
  });
  const [value, slack] = [pairs / positives / negatives, tied / 2 / positives / negatives];
  if (positives < 2 || negatives < 2) return { value, lower: null, upper: null, slack };
  const variance = (of: 'ofPositive' | 'ofNegative', weight: 'positives' | 'negatives', total: number): number =>
    parts.reduce((sum, part) => sum + part[weight] * (part[of] - value) ** 2, 0) / (total - 1) / total;
  const reach = z * Math.sqrt(variance('ofPositive', 'positives', positives) + variance('ofNegative', 'negatives', negatives)) + slack;
  return { value, lower: Math.max(0, value - reach), upper: Math.min(1, value + reach), slack };
}
