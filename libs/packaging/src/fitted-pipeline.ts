import { DomainError } from '@millrace/kernel';

/**
 * A trained model as the training engine hands it over: preprocessing learned on the training split, and the estimator
 * on encoded rows. Only plain data, so that it can cross a process boundary and be written down without interpretation.
 *
 * An encoded row is the features in order: a number gives one cell, `((value ?? fill) - mean) / scale` in float64; a
 * category gives one cell per known category, 1 at the row's own and 0 elsewhere, all 0 when it is missing or unseen.
 */
export interface FittedPipeline {
  features: FittedFeature[];
  target: FittedTarget;
  estimator: FittedEstimator;
}

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
    }
  | { name: string; type: 'category' | 'binary'; categories: string[]; missingAllowed: boolean };

export type FittedTarget =
  | { name: string; type: 'category' | 'binary'; classes: string[] }
  /** a network learns `(y - mean) / scale`; the package turns its output back into the unit of the target */
  | { name: string; type: 'number'; mean: number; scale: number };

export type FittedEstimator = BaselineEstimator | LinearEstimator | DenseEstimator | NearestNeighboursEstimator;

/** The same answer for every row: the share of each class, or one value in the unit of the target. */
export interface BaselineEstimator {
  family: 'baseline';
  answer: Float64Array;
}

/** `x · kernel + bias` in float64: logits of the classes before a softmax, or the value in the unit of the target. */
export interface LinearEstimator {
  family: 'linear';
  width: number;
  /** [width, outputs], row-major; one output for a number, one per class for classes */
  kernel: Float64Array;
  /** [outputs] */
  bias: Float64Array;
}

export type Activation = 'relu' | 'tanh' | 'sigmoid' | 'elu' | 'linear' | 'softmax';

/** A feed-forward network in float32. The last layer is `softmax` over the classes, or `linear` with one unit. */
export interface DenseEstimator {
  family: 'dense';
  layers: Array<{
    activation: Activation;
    /** its input is added to its output; then both are of one width */
    residual?: boolean;
    inputs: number;
    units: number;
    /** [inputs, units], row-major */
    kernel: Float32Array;
    /** [units] */
    bias: Float32Array;
  }>;
}

/** Votes of the k nearest training rows by Euclidean distance in float64, ties to the row that came first. */
export interface NearestNeighboursEstimator {
  family: 'knn';
  k: number;
  /** `distance` weighs by 1/d; where neighbours are at distance 0, only they count, equally */
  weights: 'uniform' | 'distance';
  /** [n, width], row-major: the encoded training rows */
  rows: Float64Array;
  width: number;
  /** [n]: index into the target's classes, or the target's value */
  targets: Int32Array | Float64Array;
}

/** Cells of an encoded row. */
export function encodedWidth(features: readonly FittedFeature[]): number {
  return features.reduce((width, feature) => width + (feature.type === 'number' ? 1 : feature.categories.length), 0);
}

/**
 * Refuses a pipeline whose parts do not fit together or hold numbers that cannot be computed with.
 * Such a pipeline is a bug of the trainer, so this throws (`INVALID`) and names the part.
 */
export function assertFitted(pipeline: FittedPipeline): void {
  const { features, target, estimator } = pipeline;
  assertNames(features, target);
  for (const feature of features) assertFeature(feature);
  if (target.type === 'number') {
    ensure(isScale(target.scale) && Number.isFinite(target.mean), 'target', 'needs a finite mean and a scale above 0');
  } else {
    ensure(target.classes.length > 0, 'target.classes', 'must not be empty');
    assertTexts(target.classes, 'target.classes');
  }
  const width = encodedWidth(features);
  ensure(width > 0, 'features', 'encode to an empty row: no number and no known category');
  switch (estimator.family) {
    case 'baseline':
      return assertBaseline(estimator, target);
    case 'linear':
      return assertLinear(estimator, width, target);
    case 'dense':
      return assertDense(estimator, width, target);
    case 'knn':
      return assertNearestNeighbours(estimator, width, target);
  }
}

function assertNames(features: readonly FittedFeature[], target: FittedTarget): void {
  ensure(features.length > 0, 'features', 'must not be empty');
  const names = features.map((feature) => feature.name);
  assertTexts(names, 'features');
  ensure(names.every((name) => name.length > 0) && target.name.length > 0, 'features', 'must have names');
  ensure(!names.includes(target.name), 'target.name', 'is also an input feature');
}

function assertFeature(feature: FittedFeature): void {
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

const outputsOf = (target: FittedTarget): number => (target.type === 'number' ? 1 : target.classes.length);

function assertBaseline({ answer }: BaselineEstimator, target: FittedTarget): void {
  ensure(answer.length === outputsOf(target), 'estimator.answer', 'must be one number, or one share per class');
  ensure(answer.every(Number.isFinite), 'estimator.answer', 'holds a number that is not finite');
}

function assertLinear(estimator: LinearEstimator, width: number, target: FittedTarget): void {
  const { kernel, bias } = estimator;
  ensure(estimator.width === width, 'estimator.width', `is ${estimator.width} but the features encode to ${width}`);
  ensure(bias.length === outputsOf(target), 'estimator.bias', 'must be one number, or one per class');
  ensure(kernel.length === width * bias.length, 'estimator.kernel', 'is of the wrong size');
  ensure(kernel.every(Number.isFinite), 'estimator.kernel', 'has a weight that is not finite');
  ensure(bias.every(Number.isFinite), 'estimator.bias', 'has a number that is not finite');
}

function assertDense(estimator: DenseEstimator, width: number, target: FittedTarget): void {
  let inputs = width;
  for (const [index, layer] of estimator.layers.entries()) {
    const field = `estimator.layers[${index}]`;
    ensure(layer.inputs === inputs, field, `takes ${layer.inputs} inputs but gets ${inputs}`);
    ensure(Number.isInteger(layer.units) && layer.units > 0, field, 'needs at least one unit');
    ensure(!layer.residual || layer.units === layer.inputs, field, 'adds its input to an output of another width');
    ensure(layer.kernel.length === layer.inputs * layer.units, field, 'has a kernel of the wrong size');
    ensure(layer.bias.length === layer.units, field, 'has a bias of the wrong size');
    ensure(layer.kernel.every(Number.isFinite), field, 'has a weight that is not finite');
    ensure(layer.bias.every(Number.isFinite), field, 'has a bias that is not finite');
    inputs = layer.units;
  }
  const activation = estimator.layers.at(-1)?.activation;
  if (target.type === 'number') {
    ensure(activation === 'linear' && inputs === 1, 'estimator.layers', 'must end in one linear unit');
  } else {
    const fits = activation === 'softmax' && inputs === target.classes.length;
    ensure(fits, 'estimator.layers', 'must end in softmax with one unit per class');
  }
}

function assertNearestNeighbours(estimator: NearestNeighboursEstimator, width: number, target: FittedTarget): void {
  const { k, rows, targets } = estimator;
  ensure(estimator.width === width, 'estimator.width', `is ${estimator.width} but the features encode to ${width}`);
  ensure(Number.isInteger(k) && k > 0, 'estimator.k', 'must be a whole number above 0');
  ensure(targets.length > 0 && k <= targets.length, 'estimator.k', 'is more than there are training rows');
  ensure(rows.length === targets.length * width, 'estimator.rows', 'and targets differ in length');
  ensure(rows.every(Number.isFinite), 'estimator.rows', 'hold a number that is not finite');
  if (target.type === 'number') {
    ensure(targets.every(Number.isFinite), 'estimator.targets', 'hold a number that is not finite');
  } else {
    const isClass = (value: number) => Number.isInteger(value) && value >= 0 && value < target.classes.length;
    ensure(targets.every(isClass), 'estimator.targets', 'hold an index outside the classes');
  }
}

/** Texts must be distinct and survive UTF-8: the runtime cuts text at U+0000 and replaces lone surrogates. */
function assertTexts(texts: readonly string[], field: string): void {
  ensure(new Set(texts).size === texts.length, field, 'hold the same text twice');
  const survives = (text: string) => !text.includes('\0') && Buffer.from(text).toString() === text;
  ensure(texts.every(survives), field, 'hold text that is not valid Unicode or contains U+0000');
}

function isScale(scale: number): boolean {
  return Number.isFinite(scale) && scale > 0;
}

function ensure(holds: boolean, field: string, complaint: string): asserts holds {
  if (holds) return;
  throw new DomainError('INVALID', `The fitted pipeline cannot be packaged: ${field} ${complaint}.`, {
    field,
    remedy: 'Train again; if it comes back, report the training configuration.',
  });
}
