import type { DatePart } from '@millrace/kernel';
import { ensurePipeline as ensure } from './ensure-fit.ts';
import { isUnfit } from './unfit-text.ts';

export type FittedFeature =
  | {
      name: string;
      type: 'number';
      /** smallest and largest value of the training rows */
      min: number;
      max: number;
      mean: number;
      /** standard deviation of the training rows, 1 for a constant column */
      scale: number;
      /** what replaces a missing value, in the unit of the column */
      fill: number;
      /** true when the training rows had gaps; otherwise a served row must have the value */
      missingAllowed: boolean;
      /** what dates it is a part of: a row has the date, under this name, instead. All parts of one stand together. */
      of?: { column: string; part: DatePart };
    }
  | { name: string; type: 'category' | 'binary'; categories: string[]; missingAllowed: boolean };

/** The picture that a model looks at: brought to this size and these channels (1: grey) before the graph sees it. */
export interface FittedImage {
  name: string;
  width: number;
  height: number;
  channels: 1 | 3;
}

export type FittedTarget =
  | {
      name: string;
      type: 'category' | 'binary';
      classes: string[];
      /** corrects the estimator's probabilities */
      calibration?: Calibration;
      /** of two classes: a row is of class `positive` from this probability on; without it the more probable class is the label */
      decision?: { positive: number; threshold: number };
    }
  /** a network learns `(y - mean) / scale`; the package turns its output back into the unit of the target */
  | {
      name: string;
      type: 'number';
      mean: number;
      scale: number;
      /** in the share `coverage` of cases the truth lies within `halfWidth` of the prediction */
      interval?: { coverage: number; halfWidth: number };
    };

/**
 * One map per class, and the results divided by their sum; with two classes one map, of the second. `platt` is
 * `sigmoid(slope · logit(p) + shift)` with p held within 1e-6 of 0 and 1; `isotonic` goes in straight lines between points
 * and is constant outside.
 */
export type Calibration =
  | { type: 'platt'; slopes: Float64Array; shifts: Float64Array }
  | {
      type: 'isotonic';
      /** `slopes`: of the lines between the points, of a model that was read back; they follow from the points but for their last bit */
      maps: Array<{ x: Float64Array; y: Float64Array; slopes?: Float64Array }>;
    };

/** Cells of an encoded row. */
export function encodedWidth(features: readonly FittedFeature[]): number {
  return features.reduce((width, feature) => width + (feature.type === 'number' ? 1 : feature.categories.length), 0);
}

/** Numbers of an answer. */
export const outputsOf = (target: FittedTarget): number => (target.type === 'number' ? 1 : target.classes.length);

/** That inputs and target can be told apart by their names. */
export function assertNames(features: readonly { name: string }[], target: FittedTarget): void {
  ensure(features.length > 0, 'features', 'must not be empty');
  const names = features.map((feature) => feature.name);
  assertTexts(names, 'features');
  ensure(names.every((name) => name.length > 0) && target.name.length > 0, 'features', 'must have names');
  ensure(!names.includes(target.name), 'target.name', 'is also an input feature');
}

/** As `assertNames` and `assertFeature`, of features without a target. */
export function assertFeatures(features: readonly FittedFeature[]): void {
  ensure(features.length > 0 && features.every(({ name }) => name.length > 0), 'features', 'must have names');
  assertTexts(features.map(({ name }) => name), 'features');
  for (const feature of features) assertFeature(feature);
}

export function assertFeature(feature: FittedFeature): void {
  const field = `features.${feature.name}`;
  if (feature.type !== 'number') {
    assertTexts(feature.categories, field);
    return;
  }
  const { min, max, mean, fill, scale } = feature;
  ensure([min, max, mean, fill].every(Number.isFinite), field, 'needs finite min, max, mean and fill');
  ensure(min <= max, field, 'has its min above its max');
  ensure(isScale(scale), field, 'needs a scale above 0');
}

/** That it has classes, or a scale, and that what corrects its answers fits them. */
export function assertTarget(target: FittedTarget): void {
  if (target.type === 'number') {
    ensure(isScale(target.scale) && Number.isFinite(target.mean), 'target', 'needs a finite mean and a scale above 0');
    const { interval } = target;
    const isInterval = !interval || (interval.coverage > 0 && interval.coverage < 1 && Number.isFinite(interval.halfWidth) && interval.halfWidth >= 0);
    ensure(isInterval, 'target.interval', 'needs a coverage between 0 and 1 and a width that is finite');
  } else {
    ensure(target.classes.length > 0, 'target.classes', 'must not be empty');
    assertTexts(target.classes, 'target.classes');
    assertAnswer(target);
  }
}

function assertAnswer({ classes, calibration, decision }: Extract<FittedTarget, { classes: string[] }>): void {
  if (decision) {
    const fits = classes.length === 2 && (decision.positive === 0 || decision.positive === 1) && Number.isFinite(decision.threshold);
    ensure(fits, 'target.decision', 'needs two classes, one of them, and a finite threshold');
  }
  if (!calibration) return;
  const maps = classes.length === 2 ? 1 : classes.length;
  const isAscending = (x: Float64Array) => x.every((value, at) => at === 0 || value > x[at - 1]!);
  const fits = calibration.type === 'platt'
    ? [calibration.slopes, calibration.shifts].every((values) => values.length === maps && values.every(Number.isFinite))
    : calibration.maps.length === maps &&
      calibration.maps.every(({ x, y }) => x.length > 0 && x.length === y.length && isAscending(x) && [...x, ...y].every(Number.isFinite));
  ensure(fits, 'target.calibration', 'needs a map of finite numbers for each class');
}

/** Texts must be distinct and survive UTF-8: the runtime cuts text at U+0000 and replaces lone surrogates. */
export function assertTexts(texts: readonly string[], field: string): void {
  ensure(new Set(texts).size === texts.length, field, 'hold the same text twice');
  ensure(!texts.some(isUnfit), field, 'hold text that is not valid Unicode or contains U+0000');
}

export function isScale(scale: number): boolean {
  return Number.isFinite(scale) && scale > 0;
}
