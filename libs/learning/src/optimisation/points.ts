import { isErrorMetric, type SelectionMetric } from '@millrace/configuration';
import { metricValue, scoreOneMetric, scoreRegression } from '../metrics.ts';
import type { Scores } from '../predict.ts';
import type { PreparedData } from '../prepared-data.ts';
import { createRandom } from '../random.ts';
import type { LossInterval } from './outcome.ts';

/** How much worse a value is than that of the base, in points: percentage points of a share, percent of the base's error. Null where one is undefined. */
export function lossInPoints(metric: SelectionMetric, base: number | null, value: number | null): number | null {
  if (base === null || value === null) return null;
  if (!isErrorMetric(metric)) return (base - value) * 100;
  return base === value ? 0 : base === 0 ? Infinity : ((value - base) / Math.abs(base)) * 100;
}

const coverage = 0.95;
const [fewestResamples, mostResamples] = [200, 1000];
/** Scored rows in all: what a second or so allows. */
const scoredRows = 4_000_000;

/** A metric of some of the things that were answered, any of them more than once; null where it is undefined. */
export type Figure = (places: Int32Array) => number | null;

/**
 * The loss on so many things that both models answered, with its interval by the paired bootstrap (Efron & Tibshirani 1993,
 * chapter 13: percentiles): they are drawn with replacement, and both models are scored on the same ones. Null where the metric is undefined.
 */
export function drawLoss(metric: SelectionMetric, count: number, seed: number, base: Figure, own: Figure): LossInterval | null {
  const drawn = Int32Array.from({ length: count }, (_, place) => place);
  const lossOf = (places: Int32Array) => lossInPoints(metric, base(places), own(places));
  const loss = lossOf(drawn);
  if (loss === null || !Number.isFinite(loss)) return null;
  const resamples = Math.min(mostResamples, Math.max(fewestResamples, Math.floor(scoredRows / count)));
  const random = createRandom(seed, 0xb007);
  const losses: number[] = [];
  for (let resample = 0; resample < resamples; resample++) {
    for (let at = 0; at < drawn.length; at++) drawn[at] = random.below(count);
    const value = lossOf(drawn);
    if (value !== null && Number.isFinite(value)) losses.push(value);
  }
  losses.sort((a, b) => a - b);
  const at = (share: number) => losses[Math.min(losses.length - 1, Math.floor(share * losses.length))] ?? loss;
  return { loss, lower: at((1 - coverage) / 2), upper: at((1 + coverage) / 2), coverage, rows: count, resamples };
}

/** The same of rows of a table. */
export function lossInterval(data: PreparedData, rows: Int32Array, base: Scores, own: Scores, metric: SelectionMetric, seed: number): LossInterval | null {
  const figure = (scores: Scores): Figure => (places) => figureOf(data, rows, scores, metric, places);
  return drawLoss(metric, rows.length, seed, figure(base), figure(own));
}

const byProbabilities: ReadonlySet<SelectionMetric> = new Set(['rocAuc', 'prAuc', 'logLoss', 'brier']);

/** A metric of some of the answered rows, any of them more than once. */
export function figureOf({ target, truth }: PreparedData, rows: Int32Array, scores: Scores, metric: SelectionMetric, places: Int32Array): number | null {
  const count = places.length;
  if (scores.type === 'values') {
    const [actual, predicted] = [new Float64Array(count), new Float64Array(count)];
    for (let at = 0; at < count; at++) {
      actual[at] = truth[rows[places[at]!]!]!;
      predicted[at] = scores.predicted[places[at]!]!;
    }
    return metricValue(scoreRegression(actual, predicted), metric);
  }
  if (target.task !== 'classification') throw new Error('Class scores for a regression');
  const { classes, positiveClass, costs } = target;
  const width = byProbabilities.has(metric) ? classes.length : 0;
  const [actual, predicted, probabilities] = [new Int32Array(count), new Int32Array(count), new Float64Array(count * width)];
  for (let at = 0; at < count; at++) {
    const place = places[at]!;
    actual[at] = truth[rows[place]!]!;
    predicted[at] = scores.predicted[place]!;
    for (let index = 0; index < width; index++) probabilities[at * width + index] = scores.probabilities[place * classes.length + index]!;
  }
  return scoreOneMetric({ classes, positiveClass, costs, actual, predicted, probabilities }, metric);
}
