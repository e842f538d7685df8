import type { SurvivalMetric } from '@millrace/configuration';
import { kaplanMeier, type SurvivalCurve, survivalAt } from './kaplan-meier.ts';

export interface SurvivalMetrics {
  type: 'survival';
  rows: number;
  /** Rows of which the end was seen. */
  observed: number;
  /** Of all pairs of which it is known who lived longer, the share that the medians order rightly, ties as half (Harrell 1982); null without such pairs. */
  concordance: number | null;
  /** Mean over time of the Brier score with weights against censoring (Graf et al. 1999); 0.25 is what a coin gets. Null where too little is known. */
  integratedBrier: number | null;
  /** The time up to which it is taken. */
  brierUntil: number | null;
  /** Mean over the rows: of the density of an end, of the survival of a row still running. Null of a curve, which has no density. */
  censoredLogLikelihood: number | null;
  /** Mean distance of the median from the end, over the rows of which the end was seen: long times are rare among them. Null without such rows. */
  maeObserved: number | null;
  /** Of the ends that were seen, the share within the interval. */
  coverageObserved: number | null;
}

/** What is known of rows, and what was said of them. */
export interface SurvivalAnswers {
  times: Float64Array;
  observed: Uint8Array;
  median: Float64Array;
  lower: Float64Array;
  upper: Float64Array;
  /** P(T > time) of a row. */
  survival(row: number, time: number): number;
  /** By row, with the density in the unit of the time; null where there is none. */
  logLikelihood: Float64Array | null;
}

/** Steps of the integral over time. */
const gridSteps = 60;
/** Where fewer of the learned rows are still in sight, a single row would outweigh all others. */
const smallestInSight = 0.05;

/** @param censoring the curve of going out of sight, of the rows learned from */
export function scoreSurvival(answers: SurvivalAnswers, censoring: SurvivalCurve): SurvivalMetrics {
  const { times, observed, median, lower, upper, logLikelihood } = answers;
  const ended = [...times.keys()].filter((row) => observed[row] === 1);
  const meanOf = (of: (row: number) => number) => (ended.length === 0 ? null : ended.reduce((sum, row) => sum + of(row), 0) / ended.length);
  const brier = integratedBrier(answers, censoring);
  return {
    type: 'survival',
    rows: times.length,
    observed: ended.length,
    concordance: concordance(times, observed, median),
    integratedBrier: brier?.score ?? null,
    brierUntil: brier?.until ?? null,
    censoredLogLikelihood: logLikelihood && logLikelihood.reduce((sum, value) => sum + value, 0) / times.length,
    maeObserved: meanOf((row) => Math.abs(median[row]! - times[row]!)),
    coverageObserved: meanOf((row) => Number(lower[row]! <= times[row]! && times[row]! <= upper[row]!)),
  };
}

/**
 * Harrell's index in n log n: from the latest time on, rows are entered into counts by the rank of their prediction. Two
 * ends at one time say nothing; an end and a row still running at that time say that the latter lives longer.
 */
export function concordance(times: Float64Array, observed: Uint8Array, predicted: Float64Array): number | null {
  const levels = Float64Array.from(new Set(predicted)).sort();
  const rankOf = new Map(Array.from(levels, (value, rank) => [value, rank + 1]));
  const counts = new Int32Array(levels.length + 1);
  const enter = (row: number) => {
    for (let at = rankOf.get(predicted[row]!)!; at < counts.length; at += at & -at) counts[at]! += 1;
  };
  const upTo = (rank: number) => {
    let sum = 0;
    for (let at = rank; at > 0; at -= at & -at) sum += counts[at]!;
    return sum;
  };
  const order = [...times.keys()].sort((a, b) => times[b]! - times[a]!);
  let [pairs, concordant, entered] = [0, 0, 0];
  for (let at = 0; at < order.length; ) {
    let end = at;
    while (end < order.length && times[order[end]!] === times[order[at]!]) end += 1;
    const group = order.slice(at, end);
    const running = group.filter((row) => observed[row] !== 1);
    const ended = group.filter((row) => observed[row] === 1);
    running.forEach(enter);
    entered += running.length;
    for (const row of ended) {
      const rank = rankOf.get(predicted[row]!)!;
      const [below, upToOwn] = [upTo(rank - 1), upTo(rank)];
      pairs += entered;
      concordant += entered - upToOwn + (upToOwn - below) / 2;
    }
    ended.forEach(enter);
    entered += ended.length;
    at = end;
  }
  return pairs === 0 ? null : concordant / pairs;
}

/** The Brier score at a time: errors of rows whose fate by then is known, each weighted by one over its chance to be in sight. */
export function brierAt(answers: SurvivalAnswers, censoring: SurvivalCurve, time: number): number {
  const inSight = survivalAt(censoring, time);
  let sum = 0;
  for (let row = 0; row < answers.times.length; row++) sum += errorOf(answers, censoring, row, time, inSight);
  return sum / answers.times.length;
}

function errorOf({ times, observed, survival }: SurvivalAnswers, censoring: SurvivalCurve, row: number, time: number, inSight: number): number {
  if (times[row]! > time) return (1 - survival(row, time)) ** 2 / inSight;
  return observed[row] === 1 ? survival(row, time) ** 2 / survivalAt(censoring, times[row]!, true) : 0;
}

/** Up to when there are rows enough to tell; null where there are none. */
function brierUntil({ times }: SurvivalAnswers, censoring: SurvivalCurve): number | null {
  const sorted = times.slice().sort();
  let until = sorted[Math.floor(0.95 * (sorted.length - 1))]!;
  const tooFew = censoring.survival.findIndex((share) => share < smallestInSight);
  // Up to just before the drop: often all rows go out of sight at once, when the data were collected.
  if (tooFew >= 0) until = Math.min(until, censoring.times[tooFew]! * (1 - 1e-9));
  return until > 0 ? until : null;
}

function integratedBrier(answers: SurvivalAnswers, censoring: SurvivalCurve): { score: number; until: number } | null {
  const until = brierUntil(answers, censoring);
  if (until === null) return null;
  // At time 0 nobody has ended, and every model knows it.
  let [sum, before] = [0, 0];
  for (let step = 1; step <= gridSteps; step++) {
    const score = brierAt(answers, censoring, (until * step) / gridSteps);
    sum += (before + score) / 2;
    before = score;
  }
  return { score: sum / gridSteps, until };
}

/**
 * A metric of some of the rows, any of them more than once, as often as it is asked for: what each row adds is worked out once. The
 * Brier score is taken up to the same time whichever rows are asked for. Null where it is undefined.
 */
export function survivalFigure(answers: SurvivalAnswers, censoring: SurvivalCurve, metric: SurvivalMetric): (places: Int32Array) => number | null {
  const { times, observed, median, logLikelihood } = answers;
  if (metric === 'concordance') {
    const some = <Values extends Float64Array | Uint8Array>(values: Values, places: Int32Array) => Float64Array.from(places, (place) => values[place]!);
    return (places) => concordance(some(times, places), Uint8Array.from(some(observed, places)), some(median, places));
  }
  const parts = metric === 'integratedBrier' ? brierParts(answers, censoring) : metric === 'censoredLogLikelihood' ? logLikelihood : times.map((time, row) => Math.abs(median[row]! - time));
  if (!parts) return () => null;
  const counts = (row: number) => metric !== 'maeObserved' || observed[row] === 1;
  return (places) => {
    let [sum, rows] = [0, 0];
    for (const place of places) {
      if (!counts(place)) continue;
      sum += parts[place]!;
      rows += 1;
    }
    return rows === 0 ? null : sum / rows;
  };
}

/** By row, what it adds to the integrated Brier score, of which that is the mean. */
function brierParts(answers: SurvivalAnswers, censoring: SurvivalCurve): Float64Array | null {
  const until = brierUntil(answers, censoring);
  if (until === null) return null;
  const parts = new Float64Array(answers.times.length);
  for (let step = 1; step <= gridSteps; step++) {
    const time = (until * step) / gridSteps;
    const inSight = survivalAt(censoring, time);
    const weight = (step === gridSteps ? 0.5 : 1) / gridSteps;
    for (let row = 0; row < parts.length; row++) parts[row]! += weight * errorOf(answers, censoring, row, time, inSight);
  }
  return parts;
}

/** The curve of going out of sight. */
export const censoringCurve = (times: ArrayLike<number>, observed: ArrayLike<number>): SurvivalCurve => kaplanMeier(times, observed, 'censoring');
