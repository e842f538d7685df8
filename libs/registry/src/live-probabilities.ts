import { z } from './share-intervals.ts';

/** Answers keep probabilities in millionths: none counts as nearer to 0 or 1 than one of them. */
const smallest = 1e-6;
const held = (probability: number): number => Math.min(1 - smallest, Math.max(smallest, probability));
const binsInOne = 10;

/** Of a model with more classes no curves are reckoned: a row with a known truth is counted once for each class. */
export const mostCurves = 10;

/** How often a class had a probability in this bin, where `truth` was 1 if it was the true class and 0 if it was another. */
export interface BinCount {
  /** place among the classes; 1 where two classes, or normal rows and anomalies, are told apart */
  ofClass: number;
  truth: number;
  bin: number;
  rows: number;
}

/** The bin of a probability: its log-odds in tenths, rounded down; fine where probabilities of rare classes lie. */
const probabilityBin = (probability: number): number => Math.floor(Math.log(held(probability) / (1 - held(probability))) * binsInOne);

/** Within these the bins of scores end: nobody tells apart what lies beyond. */
const [smallestScore, largestScore] = [1e-12, 1e12];
const binsInE = 500;

/** The bin of an anomaly's score, whatever its unit: a fifth of a percent wide. */
const scoreBin = (score: number): number => Math.floor(Math.log(Math.min(largestScore, Math.max(smallestScore, score))) * binsInE);

/**
 * Where an answer counts for the area under the curve: once where two are told apart, else for each class against the rest.
 * @param answer as it is recorded: place, and probabilities or the score
 */
export function binsOf(answer: readonly number[], truth: number, { classes, isScored }: { classes: readonly unknown[]; isScored: boolean }): Omit<BinCount, 'rows'>[] {
  if (classes.length === 2) return [{ ofClass: 1, truth, bin: isScored ? scoreBin(answer[1]!) : probabilityBin(answer[1]!) }];
  if (classes.length > mostCurves) return [];
  return classes.map((_, ofClass) => ({ ofClass, truth: Number(truth === ofClass), bin: probabilityBin(answer[ofClass + 1]!) }));
}

/** -ln of the probability that the answer gave to what was true. @param answer as it is recorded: place, and probabilities */
export function logLossOf(answer: readonly number[], truth: number): number {
  const isOfTwo = answer.length === 2;
  return -Math.log(held(isOfTwo ? (truth === 1 ? answer[1]! : 1 - answer[1]!) : answer[truth + 1]!));
}

interface Area {
  value: number;
  /** from the value to either end of its interval; null with one row of a class */
  reach: number | null;
  /** how far the area over the rows themselves may be off */
  slack: number;
}

/**
 * The area under the ROC curve, of more than two classes the plain mean over each against the rest, as at training. The interval is that of each area; of a mean it
 * reaches as far as its areas do on average, which is too far rather than not far enough, since none of them is known to move against another.
 * Null where no class has both been true and not.
 */
export function areaOfBins(counts: readonly BinCount[]): { value: number; lower: number | null; upper: number | null; slack: number } | null {
  const areas = [...new Set(counts.map(({ ofClass }) => ofClass))].flatMap((of) => areaOfClass(counts.filter(({ ofClass }) => ofClass === of)) ?? []);
  if (!areas.length) return null;
  const mean = (of: (area: Area) => number): number => areas.reduce((sum, area) => sum + of(area), 0) / areas.length;
  const [value, slack] = [mean((area) => area.value), mean((area) => area.slack)];
  if (areas.some(({ reach }) => reach === null)) return { value, lower: null, upper: null, slack };
  const reach = mean((area) => area.reach!);
  return { value, lower: Math.max(0, value - reach), upper: Math.min(1, value + reach), slack };
}

/**
 * Of one class against the rest, from counts by bin: rows of one bin count as equal, half each way, so that the area over the
 * rows themselves lies within `slack`, half the share of pairs in one bin. The interval is that of DeLong, DeLong and Clarke-Pearson (Comparing the
 * areas under two or more correlated ROC curves, 1988), wider by the slack; where the two are wholly apart, which leaves it no width, another. Null without
 * rows of both kinds.
 */
function areaOfClass(counts: readonly BinCount[]): Area | null {
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
  if (positives < 2 || negatives < 2) return { value, reach: null, slack };
  const variance = (of: 'ofPositive' | 'ofNegative', weight: 'positives' | 'negatives', total: number): number =>
    parts.reduce((sum, part) => sum + part[weight] * (part[of] - value) ** 2, 0) / (total - 1) / total;
  if (value === 0 || value === 1) return { value, reach: reachWhenApart(positives, negatives), slack };
  const reach = z * Math.sqrt(variance('ofPositive', 'positives', positives) + variance('ofNegative', 'negatives', negatives)) + slack;
  return { value, reach, slack };
}

/**
 * How far below 1 the area may be though no pair was the wrong way round: where 1 is just within the error that it would have then (R. G. Newcombe, Confidence
 * intervals for an effect size measure based on the Mann-Whitney statistic, part 2, 2006, method 5).
 */
function reachWhenApart(positives: number, negatives: number): number {
  const others = (positives + negatives) / 2 - 1;
  const isWithin = (area: number): boolean =>
    1 - area <= ((z ** 2 * area) / positives / negatives) * (1 + (others * (1 - area)) / (2 - area) + (others * area) / (1 + area));
  let [low, high] = [0, 1];
  for (let round = 0; round < 50; round++) {
    const middle = (low + high) / 2;
    if (isWithin(middle)) high = middle;
    else low = middle;
  }
  return 1 - high;
}
