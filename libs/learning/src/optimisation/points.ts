import { isErrorMetric, type SelectionMetric } from '@millrace/configuration';
import { type ClassAnswers, metricValue, scoreOneMetric, scoreRegression } from '../metrics.ts';
import type { Scores } from '../predict.ts';
import type { PreparedData } from '../prepared-data.ts';
import { createRandom } from '../random.ts';
import type { LossInterval } from './outcome.ts';

/** 1 where more of the metric is better, else -1. */
export const selectionSign = (metric: SelectionMetric): 1 | -1 => (isErrorMetric(metric) ? -1 : 1);

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

/**
 * The loss on these rows with its interval by the paired bootstrap (Efron & Tibshirani 1993, chapter 13: percentiles): rows are
 * drawn with replacement, and both models are scored on the same ones. Null where the metric is undefined.
 */
export function lossInterval(data: PreparedData, rows: Int32Array, base: Scores, own: Scores, metric: SelectionMetric, seed: number): LossInterval | null {
  const all = Int32Array.from(rows.keys());
  const lossOf = (places: Int32Array) => lossInPoints(metric, figureOf(data, rows, base, metric, places), figureOf(data, rows, own, metric, places));
  const loss = lossOf(all);
  if (loss === null || !Number.isFinite(loss)) return null;
  const resamples = Math.min(mostResamples, Math.max(fewestResamples, Math.floor(scoredRows / rows.length)));
  const random = createRandom(seed, 0xb007);
  const losses = Array.from({ length: resamples }, () => lossOf(all.map(() => random.below(rows.length)))).filter((value) => value !== null && Number.isFinite(value)) as number[];
  losses.sort((a, b) => a - b);
  const at = (share: number) => losses[Math.min(losses.length - 1, Math.floor(share * losses.length))] ?? loss;
  return { loss, lower: at((1 - coverage) / 2), upper: at((1 + coverage) / 2), coverage, rows: rows.length, resamples };
}

/** A metric of some of the answered rows, any of them more than once. */
export function figureOf({ target, truth }: PreparedData, rows: Int32Array, scores: Scores, metric: SelectionMetric, places: Int32Array): number | null {
  const actual = Float64Array.from(places, (place) => truth[rows[place]!]!);
  if (scores.type === 'values') return metricValue(scoreRegression(actual, Float64Array.from(places, (place) => scores.predicted[place]!)), metric);
  if (target.task !== 'classification') throw new Error('Class scores for a regression');
  const width = target.classes.length;
  const probabilities = new Float64Array(places.length * width);
  places.forEach((place, at) => probabilities.set(scores.probabilities.subarray(place * width, (place + 1) * width), at * width));
  const { classes, positiveClass, costs } = target;
  const answers: ClassAnswers = { classes, positiveClass, costs, actual: Int32Array.from(actual), predicted: Int32Array.from(places, (place) => scores.predicted[place]!), probabilities };
  return scoreOneMetric(answers, metric);
}
