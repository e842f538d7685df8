import type { SelectionMetric } from '@millrace/configuration';

/** Precision, recall and F1 of one class; 0 where nothing was predicted (or nothing was there), as is customary. */
export interface ClassScore {
  label: string;
  precision: number;
  recall: number;
  f1: number;
  /** Rows that truly are of this class. */
  support: number;
}

export interface ClassificationMetrics {
  type: 'classification';
  rows: number;
  accuracy: number;
  /** Mean recall over the classes present. */
  balancedAccuracy: number;
  /** Of the positive class when there are two classes, else the macro average. */
  precision: number;
  recall: number;
  f1: number;
  /** With two classes: the one that `precision`, `recall`, `f1` are about. */
  positiveClass: string | null;
  /** Plain means over the classes that occur in truth or prediction. */
  macro: { precision: number; recall: number; f1: number };
  perClass: ClassScore[];
  /** Area under the ROC curve; one-versus-rest mean for three classes or more; null when only one class is present. */
  rocAuc: number | null;
  /** Mean negative logarithm of the true class's probability, in nats; probabilities clipped to 1e-15. */
  logLoss: number;
  /** `counts[actual][predicted]`, both in the order of `labels`. */
  confusionMatrix: { labels: string[]; counts: number[][] };
}

export interface RegressionMetrics {
  type: 'regression';
  rows: number;
  /** In the target's unit. */
  rmse: number;
  mae: number;
  /** 1 - residual / total sum of squares; null when the truth is constant. */
  r2: number | null;
}

export type Metrics = ClassificationMetrics | RegressionMetrics;

const smallestProbability = 1e-15;

/**
 * Scores class probabilities. `probabilities` is [rows, classes] row by row, `actual` and `predicted` hold class
 * indices. Definitions follow Sokolova & Lapalme (2009); the ROC area is the Mann–Whitney statistic with ties counted
 * half (Hanley & McNeil 1982).
 */
export function scoreClassification(input: {
  classes: string[];
  positiveClass: string | null;
  actual: Int32Array;
  predicted: Int32Array;
  probabilities: ArrayLike<number>;
}): ClassificationMetrics {
  const { classes, actual, predicted, probabilities } = input;
  const rows = actual.length;
  if (rows === 0) throw new Error('There are no rows to score');
  const counts = classes.map(() => new Array<number>(classes.length).fill(0));
  let logSum = 0;
  for (let row = 0; row < rows; row++) {
    counts[actual[row]!]![predicted[row]!]! += 1;
    const probability = probabilities[row * classes.length + actual[row]!]!;
    logSum -= Math.log(Math.min(1, Math.max(smallestProbability, probability)));
  }

  const predictedCounts = classes.map((_, index) => counts.reduce((sum, row) => sum + row[index]!, 0));
  const perClass = classes.map((label, index): ClassScore => {
    const support = counts[index]!.reduce((sum, count) => sum + count, 0);
    const hits = counts[index]![index]!;
    return {
      label,
      precision: ratio(hits, predictedCounts[index]!),
      recall: ratio(hits, support),
      f1: ratio(2 * hits, support + predictedCounts[index]!),
      support,
    };
  });
  const occurring = perClass.filter((score, index) => score.support > 0 || predictedCounts[index]! > 0);
  const macro = {
    precision: mean(occurring.map((score) => score.precision)),
    recall: mean(occurring.map((score) => score.recall)),
    f1: mean(occurring.map((score) => score.f1)),
  };
  const positive = classes.length === 2 ? perClass.find((score) => score.label === input.positiveClass) : undefined;
  const headline = positive ?? macro;
  return {
    type: 'classification',
    rows,
    accuracy: classes.reduce((sum, _, index) => sum + counts[index]![index]!, 0) / rows,
    balancedAccuracy: mean(perClass.filter((score) => score.support > 0).map((score) => score.recall)),
    precision: headline.precision,
    recall: headline.recall,
    f1: headline.f1,
    positiveClass: positive?.label ?? null,
    macro,
    perClass,
    rocAuc: rocAuc(classes.length, actual, probabilities),
    logLoss: logSum / rows,
    confusionMatrix: { labels: [...classes], counts },
  };
}

/** Scores predicted values against true ones. */
export function scoreRegression(actual: Float64Array, predicted: Float64Array): RegressionMetrics {
  const rows = actual.length;
  if (rows === 0) throw new Error('There are no rows to score');
  const centre = mean(actual);
  let squares = 0;
  let absolutes = 0;
  let total = 0;
  for (let row = 0; row < rows; row++) {
    const error = predicted[row]! - actual[row]!;
    squares += error ** 2;
    absolutes += Math.abs(error);
    total += (actual[row]! - centre) ** 2;
  }
  return {
    type: 'regression',
    rows,
    rmse: Math.sqrt(squares / rows),
    mae: absolutes / rows,
    r2: total > 0 ? 1 - squares / total : null,
  };
}

/** The named figure of a result; null where it is undefined or belongs to the other task. */
export function metricValue(metrics: Metrics, metric: SelectionMetric): number | null {
  const value = (metrics as unknown as Record<string, unknown>)[metric];
  return typeof value === 'number' ? value : null;
}

function rocAuc(classCount: number, actual: Int32Array, probabilities: ArrayLike<number>): number | null {
  const areas: number[] = [];
  // With two classes both sides give the same area.
  for (let positive = classCount === 2 ? 1 : 0; positive < classCount; positive++) {
    const scores = Float64Array.from(actual, (_, row) => probabilities[row * classCount + positive]!);
    const area = areaUnderRoc(scores, (row) => actual[row] === positive);
    if (area !== null) areas.push(area);
  }
  return areas.length > 0 ? mean(areas) : null;
}

function areaUnderRoc(scores: Float64Array, isPositive: (row: number) => boolean): number | null {
  const order = Array.from(scores, (_, row) => row).sort((a, b) => scores[a]! - scores[b]!);
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

const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let at = 0; at < values.length; at++) sum += values[at]!;
  return values.length === 0 ? 0 : sum / values.length;
}
