import { type DatePart, DomainError } from '@millrace/kernel';
import { float16Bits, fromFloat16Bits } from './float16.ts';
import { complaintOfRows, complaintOfStorage, complaintOfWeights, type WeightStorage, type WholeColumns } from './weight-storage.ts';

/**
 * A trained model as the training engine hands it over: preprocessing learned on the training split, and the estimator
 * on encoded rows. Only plain data, so that it can cross a process boundary and be written down without interpretation.
 *
 * An encoded row is the features in order: a number gives one cell, `((value ?? fill) - mean) / scale` in float64; a
 * category gives one cell per known category, 1 at the row's own and 0 elsewhere, all 0 when it is missing or unseen.
 */
export interface FittedPipeline {
  /** empty where it reads a picture */
  features: FittedFeature[];
  image?: FittedImage;
  target: FittedTarget;
  estimator: FittedEstimator;
  /** corrects the answers to rows of single groups */
  heads?: Heads;
}

/**
 * A correction of the answers to rows of a group: with z the answer, standardised by the target (of classes: the logarithms
 * of their probabilities, held above 1e-6), it is `z · (1 + slope) + Σ weight · input`, the first input being 1; then a softmax for classes.
 */
export interface Heads {
  /** names the group of a row: the last feature, which has no categories there and is read by no estimator */
  column: string;
  groups: string[];
  /** by group: 1 where its head is used; other rows are answered as without */
  kept: Uint8Array;
  /** numeric features that heads read, standardised; a gap counts as the mean */
  inputs: { name: string; mean: number; scale: number }[];
  /** [groups] */
  slopes: Float64Array;
  /** [groups, 1 + inputs, outputs], row-major */
  weights: Float64Array;
  /** how slopes (as what answers are multiplied by, 1 + slope) and weights are kept; left out: as float64 */
  storage?: 'float16';
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

/**
 * Trees on rows of one number per feature: a quantity as it is, NaN where missing; a category as its code, with one code
 * more for missing and unknown values (`otherCode`). The sum of all trees, rounded to float32, is: of boosted trees the
 * standardised target, the log-odds of the second of two classes, or one logit per class; of a forest the standardised
 * target, the second class's share, or one share per class.
 */
export interface TreeEnsemble<Family extends 'boosted_trees' | 'random_forest'> {
  family: Family;
  /** numbers per row: 1, or the number of classes from three on */
  outputs: number;
  /** a tree with one value per leaf adds to output `place % outputs`, one with `outputs` values to all */
  trees: DecisionTree[];
  /** by feature: the code of each of its categories, in their order; null for a number */
  codes: Array<Int32Array | null>;
}

/** One entry a node; node 0 is the root, and children come after their parent. */
export interface DecisionTree {
  /** the feature that the node asks about; -1 in a leaf */
  feature: Int32Array;
  /** of a quantity: left if value <= threshold; of a category: the number of its set in `sets` */
  threshold: Float64Array;
  /** of a quantity: 1 where a missing one goes left */
  missingLeft: Int32Array;
  /** child for yes; in a leaf: the number of the leaf */
  left: Int32Array;
  right: Int32Array;
  /** sets of category codes, eight words of 32 bits each */
  sets: Int32Array;
  /** [leaves, values of a leaf], row by row */
  values: Float64Array;
}

const MAX_CODES = 255;

/** The code of missing and unknown values. */
export const otherCode = (codes: Int32Array): number => Math.min(codes.length, MAX_CODES);

export const leavesOf = (tree: DecisionTree): number => (tree.feature.length + 1) / 2;

/** Cells of an encoded row. */
export function encodedWidth(features: readonly FittedFeature[]): number {
  return features.reduce((width, feature) => width + (feature.type === 'number' ? 1 : feature.categories.length), 0);
}

/**
 * Refuses a pipeline whose parts do not fit together or hold numbers that cannot be computed with.
 * Such a pipeline is a bug of the trainer, so this throws (`INVALID`) and names the part.
 */
export function assertFitted(pipeline: FittedPipeline): void {
  const { features, image, target, estimator } = pipeline;
  assertNames(image ? [image] : features, target);
  ensure(!image || features.length === 0, 'features', 'are read beside a picture');
  for (const feature of features) assertFeature(feature);
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
  if (pipeline.heads) assertHeads(pipeline.heads, features, target);
  if (estimator.family === 'ensemble') {
    assertEnsemble(estimator, features, target);
    return;
  }
  if (estimator.family === 'convolutional') return assertConvolutions(estimator, image, target);
  const width = encodedWidth(features);
  if (image) {
    ensure(estimator.family === 'baseline', 'image', 'is read by a family that has no eyes for it');
    return assertBaseline(estimator, target);
  }
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

function assertHeads({ column, groups, kept, inputs, slopes, weights, storage }: Heads, features: readonly FittedFeature[], target: FittedTarget): void {
  const last = features.at(-1);
  ensure(last?.name === column && last.type === 'category' && last.categories.length === 0 && last.missingAllowed, 'heads.column', 'must be the last feature, without categories');
  ensure(groups.length > 0, 'heads.groups', 'must not be empty');
  assertTexts(groups, 'heads.groups');
  ensure(inputs.every(({ name, mean, scale }) => Number.isFinite(mean) && isScale(scale) && features.some((own) => own.name === name && own.type === 'number')), 'heads.inputs', 'must be numbers among the features');
  ensure(kept.length === groups.length && slopes.length === groups.length, 'heads.kept', 'must have an entry for each group');
  ensure(weights.length === groups.length * (inputs.length + 1) * outputsOf(target), 'heads.weights', 'are of the wrong size');
  ensure(slopes.every(Number.isFinite) && weights.every(Number.isFinite), 'heads.weights', 'hold a number that is not finite');
  const isHalf = (value: number) => fromFloat16Bits(float16Bits(value)) === value;
  ensure(!storage || (slopes.every((slope) => isHalf(1 + slope)) && weights.every(isHalf)), 'heads.weights', 'hold a number that float16 does not');
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

function assertEnsemble({ members }: EnsembleEstimator, features: readonly FittedFeature[], target: FittedTarget): void {
  const columns = (of: readonly FittedFeature[]) => JSON.stringify(of.map(({ name, type }) => [name, type]));
  const classes = (of: FittedTarget) => JSON.stringify(of.type === 'number' ? null : of.classes);
  ensure(members.length > 0, 'estimator.members', 'must not be empty');
  for (const [index, member] of members.entries()) {
    const field = `estimator.members[${index}]`;
    ensure(Number.isFinite(member.weight) && member.weight > 0, field, 'needs a weight above 0');
    ensure(columns(member.features) === columns(features), field, 'reads other columns than the ensemble');
    ensure(classes(member.target) === classes(target), field, 'answers another target than the ensemble');
    assertFitted(member);
  }
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  ensure(Math.abs(total - 1) < 1e-9, 'estimator.members', 'have weights that do not add up to 1');
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

function assertNames(features: readonly { name: string }[], target: FittedTarget): void {
  ensure(features.length > 0, 'features', 'must not be empty');
  const names = features.map((feature) => feature.name);
  assertTexts(names, 'features');
  ensure(names.every((name) => name.length > 0) && target.name.length > 0, 'features', 'must have names');
  ensure(!names.includes(target.name), 'target.name', 'is also an input feature');
}

/** The part of `assertFitted` that is about features alone. */
export function assertFeatures(features: readonly FittedFeature[]): void {
  ensure(features.length > 0 && features.every(({ name }) => name.length > 0), 'features', 'must have names');
  assertTexts(features.map(({ name }) => name), 'features');
  for (const feature of features) assertFeature(feature);
}

/** The part of `assertFitted` that is about trees of one output. */
export function assertForest({ trees, codes }: Pick<TreeEnsemble<'boosted_trees'>, 'trees' | 'codes'>, features: readonly FittedFeature[]): void {
  assertTrees({ outputs: 1, trees, codes }, features, { name: 'score', type: 'number', mean: 0, scale: 1 });
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

function assertTrees(
  { outputs, trees, codes }: Pick<TreeEnsemble<'boosted_trees'>, 'outputs' | 'trees' | 'codes'>, features: readonly FittedFeature[], target: FittedTarget,
): void {
  const classes = target.type === 'number' ? 0 : target.classes.length;
  ensure(outputs === (classes > 2 ? classes : 1), 'estimator.outputs', `is ${outputs}, which does not fit the target`);
  ensure(codes.length === features.length, 'estimator.codes', 'has another length than the features');
  features.forEach((feature, place) => {
    const own = codes[place]!;
    const field = `estimator.codes[${place}]`;
    if (feature.type === 'number') return ensure(own === null, field, 'encodes a number');
    ensure(own !== null && own.length === feature.categories.length, field, 'needs one code for each category');
    ensure(own.every((code) => code >= 0 && code <= otherCode(own)), field, 'holds a code out of range');
  });
  ensure(trees.length > 0, 'estimator.trees', 'must not be empty');
  trees.forEach((tree, number) => assertTree(tree, `estimator.trees[${number}]`, outputs, codes));
}

function assertTree(tree: DecisionTree, field: string, outputs: number, codes: Array<Int32Array | null>): void {
  const { feature, threshold, missingLeft, left, right, sets, values } = tree;
  const nodes = feature.length;
  const leaves = leavesOf(tree);
  ensure([threshold, missingLeft, left, right].every((array) => array.length === nodes), field, 'has arrays of unequal length');
  ensure(Number.isInteger(leaves) && (values.length === leaves || values.length === leaves * outputs), field, 'has the wrong number of leaves');
  ensure(values.every(Number.isFinite) && threshold.every(Number.isFinite), field, 'has a number that is not finite');
  const parents = new Int32Array(nodes);
  for (let node = 0; node < nodes; node++) {
    const asked = feature[node]!;
    if (asked === -1) {
      ensure(left[node]! >= 0 && left[node]! < leaves, field, 'has a leaf out of range');
      continue;
    }
    ensure(asked >= 0 && asked < codes.length, field, 'asks about a feature that is not there');
    if (codes[asked] !== null) ensure(threshold[node]! >= 0 && (threshold[node]! + 1) * 8 <= sets.length, field, 'has a set out of range');
    for (const child of [left[node]!, right[node]!]) {
      // Children after their parents, each of one parent: no walk is endless.
      ensure(child > node && child < nodes, field, 'has a child out of place');
      parents[child]! += 1;
    }
  }
  ensure(parents.every((count, node) => count === Number(node > 0)), field, 'has a node that is no child, or of two parents');
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
