/** From which score on a row is reported, and what that promises. */
export interface Threshold {
  /** a row is reported whose score is above it */
  threshold: number;
  /** the share of normal rows that are expected to be */
  falseAlarmRate: number;
}

/**
 * Just above the ⌈(n + 1)(1 − rate)⌉-th smallest of n scores of rows that took no part in learning. A new row that is exchangeable with
 * these is above it with a probability of at most `rate`, whatever the model and the distribution (Vovk, Gammerman & Shafer
 * 2005, as inductive conformal anomaly detection: Laxhammar & Falkman 2015); the probability that is stated is the exact one
 * without ties, 1 − k / (n + 1). That is a mean over held-out rows that might have been drawn.
 *
 * Of the scores, the share `contamination` is first left out from above, as those of anomalies: then the promise is as good as
 * this guess. With too few rows for the rate, the largest score is taken, and what it stands for is stated.
 */
export function conformalThreshold(scores: Float64Array, rate: number, contamination: number): Threshold {
  const sorted = scores.slice().sort();
  const kept = sorted.length - Math.floor(sorted.length * contamination);
  if (kept === 0) throw new Error('There are no rows to set a threshold on');
  const rank = Math.min(kept, Math.ceil((kept + 1) * (1 - rate) - 1e-9));
  return { threshold: justAbove(sorted, rank - 1), falseAlarmRate: 1 - rank / (kept + 1) };
}

/** A little above a score, and below the next: the serving engine may compute the same score to another last digit. */
function justAbove(sorted: Float64Array, at: number): number {
  const score = sorted[at]!;
  const next = sorted.subarray(at).find((other) => other > score);
  const little = 1e-6 * Math.max(1, Math.abs(score));
  return score + (next === undefined ? little : Math.min(little, (next - score) / 2));
}

/**
 * The threshold at which labelled rows cost least, midway between two neighbouring scores; of equally cheap ones the highest.
 * The rate stated is that of the normal rows among them, one more of them counted as above it.
 * @param isAnomaly by row
 */
export function cheapestThreshold(scores: Float64Array, isAnomaly: (row: number) => boolean, costs: { missed: number; falseAlarm: number }): Threshold {
  const order = Array.from(scores, (_, row) => row).sort((a, b) => scores[b]! - scores[a]!);
  if (order.length === 0) throw new Error('There are no rows to set a threshold on');
  const normal = order.filter((row) => !isAnomaly(row)).length;
  let [misses, falseAlarms] = [order.length - normal, 0];
  // At the highest score nothing is reported.
  let best = { threshold: scores[order[0]!]!, cost: misses * costs.missed, falseAlarms };
  for (let start = 0; start < order.length; ) {
    const score = scores[order[start]!]!;
    for (; start < order.length && scores[order[start]!] === score; start++) {
      if (isAnomaly(order[start]!)) misses -= 1;
      else falseAlarms += 1;
    }
    const cost = misses * costs.missed + falseAlarms * costs.falseAlarm;
    // Below the lowest of all there is no neighbour: half a unit in the last place would do, and this is simple.
    const next = start < order.length ? scores[order[start]!]! : score - 1;
    if (cost < best.cost) best = { threshold: next + (score - next) / 2, cost, falseAlarms };
  }
  return { threshold: best.threshold, falseAlarmRate: (best.falseAlarms + 1) / (normal + 1) };
}
