import { ensurePipeline as ensure } from './ensure-fit.ts';
import { encodedWidth, type FittedFeature, type FittedImage, type FittedTarget, isScale, outputsOf } from './fitted-columns.ts';
import { assertTrees, type TreeEnsemble } from './fitted-trees.ts';
import { complaintOfRows, complaintOfStorage, complaintOfWeights, type WeightStorage, type WholeColumns } from './weight-storage.ts';

export type FittedEstimator =
  | BaselineEstimator | LinearEstimator | DenseEstimator | NearestNeighboursEstimator | TreeEnsemble<'boosted_trees'> | TreeEnsemble<'random_forest'>
  | EnsembleEstimator | ConvolutionalEstimator;

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
  /** cells that have no weight for any output are left out of the graph */
  sparse?: true;
  /** how weights are kept; left out: as float64. With float16, as such numbers times a power of two for each output (`weightScales`) */
  storage?: 'float16';
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
    storage?: WeightStorage;
  }>;
}

/**
 * A network for pictures in float32: pixels in [0, 255], less `mean` and by `scale`; convolutions of 3 × 3 with one pixel of
 * zeros around, a pooled one followed by the largest of each 2 × 2, then relu; the mean of each filter over the picture;
 * the head and a softmax over the classes.
 */
export interface ConvolutionalEstimator {
  family: 'convolutional';
  /** [channels] */
  mean: Float32Array;
  scale: Float32Array;
  layers: Array<{
    inputs: number;
    filters: number;
    pooled: boolean;
    /** [3, 3, inputs, filters], row-major */
    kernel: Float32Array;
    /** [filters] */
    bias: Float32Array;
    /** int8: of all layers, each with an output that is the input of the next */
    storage?: WeightStorage;
  }>;
  /** [filters of the last layer, classes], row-major; [classes] */
  head: { kernel: Float32Array; bias: Float32Array; storage?: WeightStorage };
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
  /** how the rows are kept; left out: as float64 */
  storage?: 'float16' | WholeColumns;
}

/** The weighted mean of the members' probabilities, or of their values in the unit of the target, added up in order in float64. */
export interface EnsembleEstimator {
  family: 'ensemble';
  members: EnsembleMember[];
}

/** A pipeline of its own on the same columns. */
export interface EnsembleMember {
  /** above 0; those of all members add up to 1 */
  weight: number;
  features: FittedFeature[];
  target: FittedTarget;
  estimator: Exclude<FittedEstimator, EnsembleEstimator>;
}

/** What an estimator reads and answers. */
interface EstimatorColumns {
  features: readonly FittedFeature[];
  image?: FittedImage | undefined;
  target: FittedTarget;
}

/** That it takes rows as the features encode them, or the picture, and answers the target. */
export function assertEstimator(estimator: Exclude<FittedEstimator, EnsembleEstimator>, { features, image, target }: EstimatorColumns): void {
  if (estimator.family === 'convolutional') return assertConvolutions(estimator, image, target);
  if (image) {
    ensure(estimator.family === 'baseline', 'image', 'is read by a family that has no eyes for it');
    return assertBaseline(estimator, target);
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
    case 'boosted_trees':
    case 'random_forest':
      return assertTrees(estimator, features, target);
  }
}

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
  const complaint = complaintOfWeights(estimator);
  ensure(complaint === null, 'estimator.kernel', complaint ?? '');
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
    assertStorage(layer.kernel, layer.units, layer.storage, field);
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
  const complaint = complaintOfRows(estimator);
  ensure(complaint === null, 'estimator.rows', complaint ?? '');
  if (target.type === 'number') {
    ensure(targets.every(Number.isFinite), 'estimator.targets', 'hold a number that is not finite');
  } else {
    const isClass = (value: number) => Number.isInteger(value) && value >= 0 && value < target.classes.length;
    ensure(targets.every(isClass), 'estimator.targets', 'hold an index outside the classes');
  }
}

function assertConvolutions({ mean, scale, layers, head }: ConvolutionalEstimator, image: FittedImage | undefined, target: FittedTarget): void {
  ensure(image !== undefined && target.type !== 'number', 'image', 'is missing, or the target has no classes');
  let [inputs, side] = [image.channels as number, Math.min(image.width, image.height)];
  ensure([image.width, image.height].every((size) => Number.isInteger(size) && size > 0), 'image', 'needs a size');
  ensure(mean.length === inputs && scale.length === inputs && mean.every(Number.isFinite) && scale.every(isScale), 'estimator.scale', 'needs a finite mean and a scale above 0 for each channel');
  ensure(layers.length > 0, 'estimator.layers', 'must not be empty');
  for (const [index, layer] of layers.entries()) {
    const field = `estimator.layers[${index}]`;
    ensure(layer.inputs === inputs, field, `takes ${layer.inputs} inputs but gets ${inputs}`);
    ensure(layer.kernel.length === 9 * layer.inputs * layer.filters && layer.bias.length === layer.filters && layer.filters > 0, field, 'is of the wrong size');
    ensure(layer.kernel.every(Number.isFinite) && layer.bias.every(Number.isFinite), field, 'has a number that is not finite');
    assertStorage(layer.kernel, layer.filters, layer.storage, field);
    assertWholeChain(layers, index, field);
    inputs = layer.filters;
    if (layer.pooled) side = Math.floor(side / 2);
    ensure(side > 0, field, 'leaves nothing of the picture');
  }
  ensure(head.bias.length === target.classes.length && head.kernel.length === inputs * head.bias.length, 'estimator.head', 'is of the wrong size');
  ensure(head.kernel.every(Number.isFinite) && head.bias.every(Number.isFinite), 'estimator.head', 'has a number that is not finite');
  assertStorage(head.kernel, head.bias.length, head.storage, 'estimator.head');
}

/** Whole numbers from the first layer to the last: what one gives, the next takes. */
function assertWholeChain(layers: ConvolutionalEstimator['layers'], index: number, field: string): void {
  const wholeOf = (layer: ConvolutionalEstimator['layers'][number] | undefined) => (layer?.storage?.type === 'int8' ? layer.storage : null);
  const [own, before] = [wholeOf(layers[index]), wholeOf(layers[index - 1])];
  ensure((own === null) === (wholeOf(layers[0]) === null), field, 'is kept otherwise than the layers before');
  if (!own) return;
  ensure(own.input !== null && own.output?.zeroPoint === 0, field, 'needs a scale for what it takes and one, from 0 on, for what it gives');
  ensure(!before || (before.output!.scale === own.input.scale && own.input.zeroPoint === 0), field, 'takes other whole numbers than the layer before gives');
}

function assertStorage(kernel: Float32Array, units: number, storage: WeightStorage | undefined, field: string): void {
  const complaint = complaintOfStorage(kernel, units, storage);
  ensure(complaint === null, field, complaint ?? '');
}
