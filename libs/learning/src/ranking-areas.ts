/** Areas under curves that depend on the order of the scores alone. `isPositive` says which rows are of the class in question. */

/** Area under the ROC curve: the Mann–Whitney statistic, ties counted half (Hanley & McNeil 1982). Null with one class only. */
export function areaUnderRoc(scores: Float64Array, isPositive: (row: number) => boolean): number | null {
  const order = ascending(scores);
  let positives = 0;
  let rankSum = 0;
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && scores[order[end]!] === scores[order[start]!]) end += 1;
    // Equal scores share the mean of their ranks, which run from 1.
    const rank = (start + 1 + end) / 2;
    for (let at = start; at < end; at++) {
      if (!isPositive(order[at]!)) continue;
      positives += 1;
      rankSum += rank;
    }
    start = end;
  }
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) return null;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/**
 * Average precision: precision at each threshold, weighted by the recall gained there, without interpolation (Davis &
 * Goadrich 2006). Rows of equal score enter together. Null without a positive row.
 */
export function averagePrecision(scores: Float64Array, isPositive: (row: number) => boolean): number | null {
  const order = ascending(scores).reverse();
  let hits = 0;
  let sum = 0;
  for (let start = 0; start < order.length; ) {
    let end = start;
    let gained = 0;
    while (end < order.length && scores[order[end]!] === scores[order[start]!]) {
      gained += Number(isPositive(order[end]!));
      end += 1;
    }
    hits += gained;
    sum += gained * (hits / end);
    start = end;
  }
  return hits === 0 ? null : sum / hits;
}

function ascending(scores: Float64Array): number[] {
  return Array.from(scores, (_, row) => row).sort((a, b) => scores[a]! - scores[b]!);
}
