/** A survival curve: it falls to `survival[k]` at `times[k]`, and is 1 before the first of them. */
export interface SurvivalCurve {
  /** ascending */
  times: Float64Array;
  survival: Float64Array;
  /** The largest time of any row: beyond it nothing is known. */
  end: number;
}

/**
 * The product-limit estimate (Kaplan & Meier 1958). Rows that were still running at a time count as at risk at that very
 * time. With `of: 'censoring'` it is the curve of going out of sight instead: then an end counts as such a row.
 */
export function kaplanMeier(times: ArrayLike<number>, observed: ArrayLike<number>, of: 'ends' | 'censoring' = 'ends'): SurvivalCurve {
  const order = Array.from({ length: times.length }, (_, row) => row).sort((a, b) => times[a]! - times[b]!);
  const curve: { time: number; survival: number }[] = [];
  let survival = 1;
  let atRisk = order.length;
  for (let at = 0; at < order.length; ) {
    const time = times[order[at]!]!;
    let [events, leaving] = [0, 0];
    for (; at < order.length && times[order[at]!] === time; at++) {
      leaving += 1;
      if ((observed[order[at]!] === 1) === (of === 'ends')) events += 1;
    }
    // Ends come before goings out of sight at the same time, so that they are not at risk of these any more.
    const risk = of === 'ends' ? atRisk : atRisk - (leaving - events);
    if (events > 0) curve.push({ time, survival: (survival *= 1 - events / risk) });
    atRisk -= leaving;
  }
  return {
    times: Float64Array.from(curve, ({ time }) => time),
    survival: Float64Array.from(curve, (step) => step.survival),
    end: order.length > 0 ? times[order.at(-1)!]! : 0,
  };
}

/** The share that lives beyond a time; with `before`, that lived until just before it. */
export function survivalAt({ times, survival }: SurvivalCurve, time: number, before = false): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (before ? times[middle]! < time : times[middle]! <= time) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 1 : survival[low - 1]!;
}

/** The time by which the share `p` has ended; where the curve does not go so far, the last time that is known. */
export function quantileOf({ times, survival, end }: SurvivalCurve, p: number): number {
  const step = survival.findIndex((value) => value <= 1 - p + 1e-12);
  return step < 0 ? end : times[step]!;
}
