import type { Model } from '@millrace/database';
import type { Signature } from '@millrace/packaging';
import { mostCurves } from './live-probabilities.ts';
import { combineShares, wilson, z } from './share-intervals.ts';

/** What can be told of a version from answers whose truth came later. Named and reckoned as the scores of training are. */
export const liveMetrics = ['accuracy', 'balancedAccuracy', 'precision', 'recall', 'f1', 'rocAuc', 'logLoss', 'rmse', 'mae', 'r2', 'ndcg', 'hitRate', 'brier', 'maeObserved'] as const;
export type LiveMetric = (typeof liveMetrics)[number];

const ofClasses = ['accuracy', 'balancedAccuracy', 'precision', 'recall', 'f1'] as const satisfies readonly LiveMetric[];
const ofProbabilities = ['rocAuc', 'logLoss'] as const satisfies readonly LiveMetric[];
const ofLists = ['ndcg', 'hitRate'] as const satisfies readonly LiveMetric[];
const ofTimes = ['brier', 'maeObserved'] as const satisfies readonly LiveMetric[];
const ofNumbers = ['rmse', 'mae', 'r2'] as const satisfies readonly LiveMetric[];

/** Of which less is better. */
export const isLiveError = (metric: LiveMetric): boolean => ['rmse', 'mae', 'logLoss', 'brier', 'maeObserved'].includes(metric);

/** Of a model with more classes no probabilities are kept. */
export const mostProbabilities = 32;

/**
 * The metrics that models of this kind have, the foremost first.
 * @param signature of a version of it, whose classes decide about those of probabilities; as the database has it
 */
export function liveMetricsOf(task: Model['task'], signature?: unknown): readonly LiveMetric[] {
  switch (task) {
    case 'CLASSIFICATION': {
      const classes = (signature as Partial<Signature> | undefined)?.output?.classes?.length ?? 2;
      return [...ofClasses, ...(classes <= mostCurves ? ofProbabilities : classes <= mostProbabilities ? (['logLoss'] as const) : [])];
    }
    case 'ANOMALY_DETECTION':
      return [...ofClasses, 'rocAuc'];
    case 'REGRESSION':
    case 'FORECASTING':
      return ofNumbers;
    case 'RECOMMENDATION':
      return ofLists;
    case 'SURVIVAL':
      return ofTimes;
  }
}

/** Null where it is undefined. The interval holds the metric of all such rows in 95 of 100 cases; null where none is known for the metric. */
export interface MetricEstimate {
  metric: LiveMetric;
  value: number | null;
  lower: number | null;
  upper: number | null;
}

/** How often `answer` was given where `truth` was true; both are places among the classes. */
export interface ClassCount {
  truth: number;
  answer: number;
  rows: number;
}

/** Over rows with a known truth. `truthSpread` is the sum of squared distances of the truths from their mean. */
export interface NumberSums {
  rows: number;
  absolute: number;
  squared: number;
  fourth: number;
  truthSpread: number;
}

/** Of a metric that is a mean over rows: sums of what each row has, and of its square. */
export interface MeanSums {
  metric: LiveMetric | /** of a remaining life: 1 for a truth that says nothing of its horizon */ 'undecided';
  rows: number;
  total: number;
  squared: number;
}

const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
export const estimate = (metric: LiveMetric, value: number | null, [lower, upper]: readonly [number | null, number | null] = [null, null]): MetricEstimate => ({ metric, value, lower, upper });

/**
 * Scores classes from counts, as training does: precision, recall and F1 are of the positive class, or without one the plain
 * mean over the classes that occur. Intervals: Wilson's for the accuracy and for the positive class's recall and precision,
 * for the balanced accuracy those of the recalls together.
 * @param positive the place of the class that precision and recall are about; null for the mean over all
 */
export function scoreClasses(counts: readonly ClassCount[], positive: number | null): MetricEstimate[] {
  const [right, truths, answers] = [new Map<number, number>(), new Map<number, number>(), new Map<number, number>()];
  const add = (to: Map<number, number>, place: number, rows: number): void => void to.set(place, (to.get(place) ?? 0) + rows);
  let total = 0;
  for (const { truth, answer, rows } of counts) {
    if (rows === 0) continue;
    total += rows;
    add(truths, truth, rows);
    add(answers, answer, rows);
    if (truth === answer) add(right, truth, rows);
  }
  if (total === 0) return ofClasses.map((metric) => estimate(metric, null));
  const of = (place: number) => {
    const [hits, support, answered] = [right.get(place) ?? 0, truths.get(place) ?? 0, answers.get(place) ?? 0];
    return { hits, support, answered, precision: ratio(hits, answered), recall: ratio(hits, support), f1: ratio(2 * hits, support + answered) };
  };
  const occurring = [...new Set([...truths.keys(), ...answers.keys()])].map(of);
  const present = occurring.filter(({ support }) => support > 0);
  const hits = occurring.reduce((sum, score) => sum + score.hits, 0);
  const balanced = combineShares(present.map(({ hits, support }) => ({ weight: 1 / present.length, hits, total: support })));
  const headline = positive === null ? null : of(positive);
  return [
    estimate('accuracy', hits / total, wilson({ hits, total })),
    estimate('balancedAccuracy', balanced.value, [Math.max(0, balanced.lower), Math.min(1, balanced.upper)]),
    headline ? estimate('precision', headline.precision, wilson({ hits: headline.hits, total: headline.answered })) : estimate('precision', mean(occurring.map(({ precision }) => precision))),
    headline ? estimate('recall', headline.recall, wilson({ hits: headline.hits, total: headline.support })) : estimate('recall', mean(occurring.map(({ recall }) => recall))),
    estimate('f1', headline ? headline.f1 : mean(occurring.map(({ f1 }) => f1))),
  ];
}

/** Scores numbers from sums. Intervals are normal ones of the mean absolute and the mean squared error; the RMSE's are the roots of the latter's. */
export function scoreNumbers({ rows, absolute, squared, fourth, truthSpread }: NumberSums): MetricEstimate[] {
  if (rows === 0) return ofNumbers.map((metric) => estimate(metric, null));
  const [mae, mse] = [absolute / rows, squared / rows];
  const [low, high] = around(mse, fourth / rows, rows);
  return [
    estimate('rmse', Math.sqrt(mse), [low === null ? null : Math.sqrt(low), high === null ? null : Math.sqrt(high)]),
    estimate('mae', mae, around(mae, mse, rows)),
    estimate('r2', truthSpread > 0 ? 1 - squared / truthSpread : null),
  ];
}

/** Scores a mean over rows. Intervals: Wilson's of a share, else a normal one. */
export function scoreMean({ metric, rows, total, squared }: MeanSums & { metric: LiveMetric }): MetricEstimate {
  if (rows === 0) return estimate(metric, null);
  if (metric === 'hitRate') return estimate(metric, total / rows, wilson({ hits: Math.round(total), total: rows }));
  const [lower, upper] = around(total / rows, squared / rows, rows);
  return estimate(metric, total / rows, [lower, upper === null || isLiveError(metric) ? upper : Math.min(1, upper)]);
}

/** A normal interval of a mean that is never below 0. */
function around(middle: number, meanOfSquares: number, rows: number): readonly [number | null, number | null] {
  if (rows < 2) return [null, null];
  const reach = z * Math.sqrt((Math.max(0, meanOfSquares - middle ** 2) * rows) / (rows - 1) / rows);
  return [Math.max(0, middle - reach), middle + reach];
}
