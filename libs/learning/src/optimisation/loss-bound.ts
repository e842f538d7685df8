import type { SelectionMetric } from '@millrace/configuration';
import type { Scores } from '../predict.ts';
import type { PreparedData } from '../prepared-data.ts';
import type { LossBound, LossInterval } from './outcome.ts';
import { figureOf, lossInPoints } from './points.ts';

/** Of each of the two sides: 95 % lie between them. */
const confidence = 0.975;
/** Metrics of the predicted classes alone: each row is a step, and draws from few rows show no step that was not taken there. */
const bySteps: ReadonlySet<SelectionMetric> = new Set(['accuracy', 'balancedAccuracy', 'precision', 'recall', 'f1', 'cost']);
/** Fewer rows drawn anew say little of the spread of a metric. */
export const fewestDrawn = 30;
/** Probabilities, and numbers by their deviation, that lie nearer to each other are the same answer. */
const sameWithin = 1e-3;

/** What both models answer to the same rows. */
export interface Answers {
  base: Scores;
  own: Scores;
}

/** To rows with a truth. */
export interface Answered extends Answers {
  rows: Int32Array;
}

/**
 * The most that a model may have lost against its base, in points, with 97.5 % confidence: the smaller of two bounds.
 *
 * *By score*, on rows with a truth that nobody learned from: the upper end of the interval of the paired difference. Of a metric of predicted
 * classes it is at least what the metric would be if as many more rows of a class were answered wrong as a binomial share
 * allows (Clopper & Pearson 1934): where none of 15 rows went wrong, 3 may well have.
 *
 * *By answers*, on as many rows as may be asked for, with a truth or without: the same bound, with the answers of the base in place
 * of the truth, and never less than what was lost by score. A model that answers every one of them as the base does counts as having
 * lost nothing. `alike` are sets of such rows, the widest first, each of which is taken together with the scored ones.
 */
export function boundLoss(data: PreparedData, scored: Answered, alike: readonly Answers[], metric: SelectionMetric, interval: LossInterval | null): LossBound {
  const deviation = deviationOf(data, scored.rows);
  const sets = alike.map((answers) => joinAnswers(answers, scored));
  const differing = countDiffering(sets[0] ?? scored, metric, deviation);
  const byScore = interval && scoreBound(data, scored, metric, interval.upper);
  const bounds: LossBound[] = byScore === null ? [] : [{ atMost: byScore, by: 'score', rows: scored.rows.length, differing }];
  for (const [index, set] of sets.entries()) {
    const most = index === 0 && differing === 0 ? 0 : answersBound(data, set, metric);
    if (most !== null && interval) bounds.push({ atMost: Math.max(most, interval.loss), by: 'answers', rows: set.own.predicted.length, differing });
  }
  return bounds.reduce((least, bound) => (bound.atMost! < (least.atMost ?? Infinity) ? bound : least), bounds[0] ?? { atMost: null, by: 'score', rows: scored.rows.length, differing });
}

/** The largest share of which so few of all rows would be seen in one case of forty (Clopper & Pearson 1934). */
export function largestShare(count: number, rows: number): number {
  if (count >= rows) return 1;
  let [low, high] = [count / rows, 1];
  for (let round = 0; round < 50; round++) {
    const share = (low + high) / 2;
    if (chanceOfAtMost(count, rows, share) > 1 - confidence) low = share;
    else high = share;
  }
  return high;
}

/** So many rows, all answered as well as by the base, show that no more points of an accuracy were lost. */
export const rowsForLoss = (points: number): number | null => (points > 0 && points < 100 ? Math.ceil(Math.log(1 - confidence) / Math.log1p(-points / 100)) : null);

function chanceOfAtMost(count: number, rows: number, share: number): number {
  let term = rows * Math.log1p(-share);
  let sum = Math.exp(term);
  for (let at = 1; at <= count; at++) {
    term += Math.log((rows - at + 1) / at) + Math.log(share) - Math.log1p(-share);
    sum += Math.exp(term);
  }
  return sum;
}

function scoreBound(data: PreparedData, { rows, base, own }: Answered, metric: SelectionMetric, upper: number): number | null {
  if (own.type === 'values' || base.type === 'values' || !bySteps.has(metric)) return rows.length < fewestDrawn ? null : upper;
  const truth = Int32Array.from(rows, (row) => data.truth[row]!);
  const places = Int32Array.from(rows.keys());
  const before = figureOf(data, rows, base, metric, places);
  const groups = metric === 'accuracy' ? [places] : groupsOf(truth);
  const losses = groups.map((group) => {
    const lost = group.filter((place) => base.predicted[place] === truth[place] && own.predicted[place] !== truth[place]).length;
    const more = Math.ceil(group.length * largestShare(lost, group.length) - 1e-9) - lost;
    return lossInPoints(metric, before, figureOf(data, rows, withErrors(data, own, truth, group, more), metric, places));
  });
  return losses.reduce<number | null>((most, loss) => (most === null || loss === null ? null : Math.max(most, loss)), upper);
}

function answersBound(data: PreparedData, { base, own }: Answers, metric: SelectionMetric): number | null {
  // Of costs the base has none by its own answers, so that there is no percentage of them.
  if (base.type === 'values' || own.type === 'values' || !bySteps.has(metric) || metric === 'cost') return null;
  const rows = Int32Array.from(base.predicted.keys());
  const asked = { ...data, truth: Float64Array.from(base.predicted) };
  const loss = lossInPoints(metric, figureOf(asked, rows, base, metric, rows), figureOf(asked, rows, own, metric, rows));
  return loss === null ? null : scoreBound(asked, { rows, base, own }, metric, loss);
}

function countDiffering({ base, own }: Answers, metric: SelectionMetric, deviation: number): number {
  let differing = 0;
  if (base.type === 'values' || own.type === 'values') {
    base.predicted.forEach((value, at) => (differing += Number(!(Math.abs(value - own.predicted[at]!) <= sameWithin * deviation))));
    return differing;
  }
  const width = bySteps.has(metric) ? 0 : base.probabilities.length / Math.max(1, base.predicted.length);
  base.predicted.forEach((index, at) => {
    let isSame = index === own.predicted[at];
    for (let cell = at * width; isSame && cell < (at + 1) * width; cell++) isSame = Math.abs(base.probabilities[cell]! - own.probabilities[cell]!) <= sameWithin;
    differing += Number(!isSame);
  });
  return differing;
}

function deviationOf({ truth }: PreparedData, rows: Int32Array): number {
  const mean = rows.reduce((sum, row) => sum + truth[row]!, 0) / rows.length;
  return Math.sqrt(rows.reduce((sum, row) => sum + (truth[row]! - mean) ** 2, 0) / rows.length);
}

/** The places of each class. */
function groupsOf(truth: Int32Array): Int32Array[] {
  const groups = new Map<number, number[]>();
  truth.forEach((index, place) => {
    const group = groups.get(index);
    if (group) group.push(place);
    else groups.set(index, [place]);
  });
  return [...groups.values()].map((group) => Int32Array.from(group));
}

/** So many rows of a group that were right, answered with another class. */
function withErrors({ target }: PreparedData, scores: Extract<Scores, { type: 'classes' }>, truth: Int32Array, group: Int32Array, count: number): Scores {
  if (target.task !== 'classification') throw new Error('Classes of a regression');
  const predicted = scores.predicted.slice();
  let left = count;
  for (const place of group) {
    if (left <= 0) break;
    if (predicted[place] !== truth[place]) continue;
    predicted[place] = (truth[place]! + 1) % target.classes.length;
    left -= 1;
  }
  return { ...scores, predicted };
}

export const joinAnswers = (first: Answers, second: Answers): Answers => ({ base: joinScores(first.base, second.base), own: joinScores(first.own, second.own) });

function joinScores(first: Scores, second: Scores): Scores {
  if (first.type === 'values' || second.type === 'values') return { type: 'values', predicted: concatenated(first.predicted, second.predicted) };
  return { type: 'classes', predicted: Int32Array.from(concatenated(first.predicted, second.predicted)), probabilities: concatenated(first.probabilities, second.probabilities) };
}

function concatenated(first: ArrayLike<number>, second: ArrayLike<number>): Float64Array {
  const all = new Float64Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
