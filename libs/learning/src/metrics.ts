import type { SelectionMetric } from '@millrace/configuration';
import { type CalibrationCurve, calibrationCurve } from './calibration-curve.ts';
import type { Costs } from './decision.ts';
import { areaUnderRoc, averagePrecision } from './ranking-areas.ts';

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
  /** Mean cost of a row by the predicted classes, where costs were given. */
  cost: number | null;
  /** Average precision of the positive class; one-versus-rest mean for three classes or more; null without such rows. */
  prAuc: number | null;
  /** Mean squared distance of the probabilities from the truth: of one class with two, summed over all with more. */
  brier: number;
  /** Of the positive class's probability; with three classes or more, of the predicted one's. */
  calibration: CalibrationCurve;
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
  /** Mean absolute error as a share of the true value; null where a true value is 0. */
  mape: number | null;
  /** Mean of |error| over the mean of both sizes, from 0 to 2 (Makridakis 1993); rows where both are 0 count as 0. */
  smape: number;
  /** Where the model states an interval: the share of rows whose truth lies within it. */
  coverage: number | null;
}

export type Metrics = ClassificationMetrics | RegressionMetrics;

const smallestProbability = 1e-15;

/** Answers to rows with their truth. */
export interface ClassAnswers {
  classes: string[];
  positiveClass: string | null;
  /** of two classes: what errors cost */
  costs?: Costs | null;
  actual: Int32Array;
  predicted: Int32Array;
  probabilities: ArrayLike<number>;
}

/** One figure alone, for a search that needs no other: what `metricValue` of the whole result would give. */
export function scoreOneMetric(answers: ClassAnswers, metric: SelectionMetric): number | null {
  switch (metric) {
    case 'rocAuc':
      return rocAuc(answers);
    case 'prAuc':
      return prAuc(answers);
    case 'logLoss':
      return logLoss(answers);
    case 'brier':
      return brier(answers);
    default: {
      const value = (scoreLabels(answers) as unknown as Record<string, unknown>)[metric];
      return typeof value === 'number' ? value : null;
    }
  }
}

/**
 * Scores class probabilities. `probabilities` is [rows, classes] row by row, `actual` and `predicted` hold class
 * indices. Definitions follow Sokolova & Lapalme (2009).
 */
export function scoreClassification(input: ClassAnswers): ClassificationMetrics {
  return { ...scoreLabels(input), rocAuc: rocAuc(input), prAuc: prAuc(input), logLoss: logLoss(input), brier: brier(input), calibration: calibration(input) };
}

/** The figures that follow from the predicted classes alone. */
function scoreLabels(input: ClassAnswers): Omit<ClassificationMetrics, 'rocAuc' | 'prAuc' | 'logLoss' | 'brier' | 'calibration'> {
  const { classes, actual, predicted } = input;
  const rows = actual.length;
  if (rows === 0) throw new Error('There are no rows to score');
  const counts = classes.map(() => new Array<number>(classes.length).fill(0));
  for (let row = 0; row < rows; row++) counts[actual[row]!]![predicted[row]!]! += 1;

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
    cost: costOf(input, counts),
    balancedAccuracy: mean(perClass.filter((score) => score.support > 0).map((score) => score.recall)),
    precision: headline.precision,
    recall: headline.recall,
    f1: headline.f1,
    positiveClass: positive?.label ?? null,
    macro,
    perClass,
    confusionMatrix: { labels: [...classes], counts },
  };
}

/** Scores predicted values against true ones. */
export function scoreRegression(actual: Float64Array, predicted: Float64Array, halfWidth: number | null = null): RegressionMetrics {
  const rows = actual.length;
  if (rows === 0) throw new Error('There are no rows to score');
  const centre = mean(actual);
  let squares = 0;
  let absolutes = 0;
  let total = 0;
  let shares = 0;
  let symmetric = 0;
  for (let row = 0; row < rows; row++) {
    const error = predicted[row]! - actual[row]!;
    squares += error ** 2;
    absolutes += Math.abs(error);
    total += (actual[row]! - centre) ** 2;
    shares += Math.abs(error / actual[row]!);
    const size = (Math.abs(actual[row]!) + Math.abs(predicted[row]!)) / 2;
    if (size > 0) symmetric += Math.abs(error) / size;
  }
  return {
    type: 'regression',
    rows,
    rmse: Math.sqrt(squares / rows),
    mae: absolutes / rows,
    r2: total > 0 ? 1 - squares / total : null,
    mape: Number.isFinite(shares) ? shares / rows : null,
    smape: symmetric / rows,
    coverage: halfWidth === null ? null : actual.filter((value, row) => Math.abs(value - predicted[row]!) <= halfWidth).length / rows,
  };
}

/** The named figure of a result; null where it is undefined or belongs to the other task. */
export function metricValue(metrics: Metrics, metric: SelectionMetric): number | null {
  const value = (metrics as unknown as Record<string, unknown>)[metric];
  return typeof value === 'number' ? value : null;
}

/** Of the one class of two, or the mean over each class against the rest. */
function meanArea(
  area: (scores: Float64Array, isPositive: (row: number) => boolean) => number | null,
  positives: number[],
  { classes, actual, probabilities }: ClassAnswers,
): number | null {
  const areas = positives.flatMap((positive) => {
    const scores = Float64Array.from(actual, (_, row) => probabilities[row * classes.length + positive]!);
    return area(scores, (row) => actual[row] === positive) ?? [];
  });
  return areas.length > 0 ? mean(areas) : null;
}

function rocAuc(answers: ClassAnswers): number | null {
  // With two classes both sides give the same area.
  return meanArea(areaUnderRoc, answers.classes.length === 2 ? [1] : [...answers.classes.keys()], answers);
}

function prAuc(answers: ClassAnswers): number | null {
  const { classes, positiveClass } = answers;
  return meanArea(averagePrecision, classes.length === 2 && positiveClass !== null ? [classes.indexOf(positiveClass)] : [...classes.keys()], answers);
}

/** Brier (1950): squared distance from the truth; with two classes of the one probability, else summed over all. */
function brier({ classes, actual, probabilities }: ClassAnswers): number {
  let sum = 0;
  for (let row = 0; row < actual.length; row++) {
    for (let index = classes.length === 2 ? 1 : 0; index < classes.length; index++) {
      sum += (probabilities[row * classes.length + index]! - Number(actual[row] === index)) ** 2;
    }
  }
  return sum / actual.length;
}

function costOf({ classes, positiveClass, costs, actual }: ClassAnswers, counts: number[][]): number | null {
  if (!costs || positiveClass === null) return null;
  const positive = classes.indexOf(positiveClass);
  return (counts[positive]![1 - positive]! * costs.missed + counts[1 - positive]![positive]! * costs.falseAlarm) / actual.length;
}

function logLoss({ classes, actual, probabilities }: ClassAnswers): number {
  let sum = 0;
  for (let row = 0; row < actual.length; row++) {
    const probability = probabilities[row * classes.length + actual[row]!]!;
    sum -= Math.log(Math.min(1, Math.max(smallestProbability, probability)));
  }
  return sum / actual.length;
}

/** Of the positive class; of more than two classes, of the most probable one. */
function calibration({ classes, positiveClass, actual, predicted, probabilities }: ClassAnswers): CalibrationCurve {
  const positive = classes.length === 2 && positiveClass !== null ? classes.indexOf(positiveClass) : null;
  const eventOf = (row: number) => positive ?? predicted[row]!;
  return calibrationCurve(Float64Array.from(actual, (_, row) => probabilities[row * classes.length + eventOf(row)]!), (row) => actual[row] === eventOf(row));
}

const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let at = 0; at < values.length; at++) sum += values[at]!;
  return values.length === 0 ? 0 : sum / values.length;
}
