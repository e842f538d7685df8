import { maxCategories } from '@millrace/configuration';
import type { Calibration } from './calibration.ts';
import type { ConformalInterval } from './conformal-interval.ts';
import type { Decision } from './decision.ts';
import { categoryAt, findColumn, inCodeUnitOrder } from './table.ts';
import type { ColumnData, DateSource, FeatureType, Problem, Table } from './table.ts';
import type { Tree } from './trees/tree.ts';

/** What was learned about an input column from the training rows: enough to encode any later row the same way. */
export type FittedFeature =
  | {
      name: string;
      type: 'number';
      /** Smallest and largest value seen in training. */
      min: number;
      max: number;
      /**
       * What encoding subtracts and then divides by: mean and population standard deviation of the training rows, gaps
       * filled (1 for a constant). 0 and 1 where the model asked for unscaled numbers.
       */
      mean: number;
      scale: number;
      /** Median of the training rows; takes the place of a missing value. */
      fill: number;
      /** Whether training rows had gaps here; if not, serving should refuse a missing value. */
      missingAllowed: boolean;
      /** Of what dates it is a part, which is what callers send instead. */
      of?: DateSource;
    }
  | {
      name: string;
      type: 'category' | 'binary';
      /** Values seen in training, in code-unit order; one 0/1 input each. Any other value encodes as all zeros. */
      categories: string[];
      missingAllowed: boolean;
    };

export type FittedTarget =
  | {
      name: string;
      type: 'category' | 'binary';
      classes: string[];
      /** Corrects the estimator's probabilities. */
      calibration?: Calibration;
      /** Of two classes: when a row counts as positive. Without it the more probable class is the answer. */
      decision?: Decision;
    }
  | {
      name: string;
      type: 'number';
      mean: number;
      scale: number;
      /** How far from the truth answers are, as often as it states. */
      interval?: ConformalInterval;
    };

export type Activation = 'relu' | 'tanh' | 'sigmoid' | 'elu' | 'linear' | 'softmax';

/** One layer: `activation(x · kernel + bias)`, kernel [inputs, units] row by row; a residual one adds that to x. */
export interface DenseLayer {
  activation: Activation;
  residual?: boolean;
  inputs: number;
  units: number;
  kernel: Float32Array;
  bias: Float32Array;
  storage?: WeightStorage;
}

/** How the weights of a layer are kept where that is not float32. The kernel always holds the values that they stand for. */
export type WeightStorage =
  | { type: 'float16' }
  /** Each weight is one of these, at most 256. */
  | { type: 'shared'; values: Float32Array }
  | WholeStorage;

/** Cells as whole numbers from 0 to 255, times the scale of their column, and its lowest value. Both are [width]. */
export interface WholeColumns {
  scales: Float64Array;
  lows: Float64Array;
}

/** Weights as whole numbers times a scale for each unit; sums are computed in whole numbers. */
export interface WholeStorage {
  type: 'int8';
  /** [units] */
  scales: Float32Array;
  /** How what enters becomes whole numbers; null: by row, symmetrically around 0, as large as the row's largest. */
  input: Quantisation | null;
  /** Of a convolution: how its answer, cut off below 0, becomes the whole numbers that the next one takes. */
  output?: Quantisation;
}

/** x is kept as round(x / scale) + zeroPoint, ties to even, cut off at 0 and 255. */
export interface Quantisation {
  /** float32, above 0 */
  scale: number;
  zeroPoint: number;
}

/** A pipeline within an ensemble: its own preprocessing of the shared columns, and its share of the answer. */
export interface EnsembleMember {
  /** Above 0; those of all members add up to 1. */
  weight: number;
  features: FittedFeature[];
  target: FittedTarget;
  estimator: Exclude<FittedEstimator, { family: 'ensemble' }>;
}

/** The picture that a model looks at, as it is brought into its shape before the model sees it. */
export interface FittedImage {
  name: string;
  width: number;
  height: number;
  /** 1: grey */
  channels: 1 | 3;
}

/** A convolution of 3 × 3 with padding, `relu(x * kernel + bias)`; a pooled one takes the largest of each 2 × 2 before the relu. */
export interface ConvolutionLayer {
  inputs: number;
  filters: number;
  /** [3, 3, inputs, filters] row by row */
  kernel: Float32Array;
  bias: Float32Array;
  pooled: boolean;
  /** int8: of all layers, each with an output that is the input of the next. */
  storage?: WeightStorage;
}

export type FittedEstimator =
  /** The weighted mean of the members' probabilities, or of their values in the target's unit. */
  | { family: 'ensemble'; members: EnsembleMember[] }
  /** The same answer for every row: each class's share of the training rows, or one value in the target's unit. */
  | { family: 'baseline'; answer: Float64Array }
  | {
      family: 'linear';
      width: number;
      /**
       * [width, outputs] row by row, and [outputs]: `x · kernel + bias` is the logit of each class before a softmax, or
       * the value in the target's unit (one output). With two classes the first has logit 0.
       */
      kernel: Float64Array;
      bias: Float64Array;
      /** Some cells have no weight for any output: a package does not read them. */
      sparse?: true;
      /** How weights are kept; left out: as float64. With float16, as such numbers times a power of two for each output (`weightScales`). */
      storage?: 'float16';
    }
  | { family: 'dense'; layers: DenseLayer[] }
  | {
      /** Pixels in [0, 255], less `mean` and by `scale`, through the layers; the mean of each filter over the picture; softmax. */
      family: 'convolutional';
      /** [channels] */
      mean: Float32Array;
      scale: Float32Array;
      layers: ConvolutionLayer[];
      /** [filters of the last layer, classes] row by row, and [classes] */
      head: { kernel: Float32Array; bias: Float32Array; storage?: WeightStorage };
    }
  | {
      family: 'knn';
      k: number;
      weights: 'uniform' | 'distance';
      /** Encoded training rows, [n, width] row by row. */
      rows: Float64Array;
      width: number;
      /** Class index per row (classification) or the target's value per row (regression). */
      targets: Int32Array | Float64Array;
      /** How the rows are kept; left out: as float64. */
      storage?: 'float16' | WholeColumns;
    }
  | TreeEnsemble<'boosted_trees'>
  | TreeEnsemble<'random_forest'>;

/**
 * Trees whose values, summed in their order, score a row. Of boosted trees the sum is the standardised target, the log-odds
 * of the second of two classes, or one logit per class; of a forest the standardised target, the second class's share, or
 * one share per class. Sums are rounded to float32 before anything is made of them, as the package has to.
 */
export interface TreeEnsemble<Family extends 'boosted_trees' | 'random_forest'> {
  family: Family;
  /** numbers per row: 1, or the number of classes from three on */
  outputs: number;
  /** A tree with one value per leaf adds to output `place % outputs`, one with `outputs` values to all. */
  trees: Tree[];
  /** By feature: the code of each of its categories, in their order; null for a number. */
  codes: (Int32Array | null)[];
}

/** A trained model with its preprocessing: everything that a prediction needs, as plain data. */
export interface FittedPipeline {
  /** empty where it reads a picture */
  features: FittedFeature[];
  image?: FittedImage;
  target: FittedTarget;
  estimator: FittedEstimator;
  /** Corrects the answers of single groups. */
  heads?: Heads;
}

/**
 * A correction of the answers to rows of a group. With z the answer, standardised by the target's mean and scale (of classes:
 * the logarithms of their probabilities), it is `z · (1 + slope) + Σ weight · input`, the first input being 1; then a
 * softmax for classes. Rows of other groups are answered as without.
 */
export interface Heads {
  /** Names the group of a row: the last feature, which the estimator does not read (it has no categories there). */
  column: string;
  /** All groups seen in training. */
  groups: string[];
  /** By group: 1 where its head is used. */
  kept: Uint8Array;
  /** Features that heads read beside the answer; a gap counts as their mean. */
  inputs: { name: string; mean: number; scale: number }[];
  /** [groups] */
  slopes: Float64Array;
  /** [groups, 1 + inputs, outputs] row by row; one output for a number, one for each class */
  weights: Float64Array;
  /** How slopes (as what answers are multiplied by, 1 + slope) and weights are kept; left out: as float64 */
  storage?: 'float16';
}

/**
 * Learns the preprocessing from the given rows: median, mean and standard deviation of numbers, the values of
 * categories. Pictures are passed over. Problems are those that only the training rows can show.
 */
export function fitFeatures(
  table: Table,
  inputs: { name: string; type: FeatureType | 'date' | 'image' }[],
  rows: Int32Array,
  scaling: 'standard' | 'none' = 'standard',
): { type: 'fitted'; features: FittedFeature[] } | { type: 'invalid'; problems: Problem[] } {
  const problems: Problem[] = [];
  const features: FittedFeature[] = [];
  inputs.forEach((input, index) => {
    const field = `inputFeatures[${index}].name`;
    // A picture has nothing to be learned but its size, which the model says: `FittedPipeline.image`.
    if (input.type === 'image') return;
    const column = findColumn(table, input.name);
    if (!column) throw new Error(`No column ${input.name}; check the specification against the columns first`);
    if (input.type === 'date') throw new Error(`Dates in ${input.name}; expand them first`);
    const fitted = input.type === 'number' ? fitNumber(column, rows, scaling) : fitCategory(column, input.type, rows);
    if (typeof fitted === 'string') {
      problems.push({ field, message: `Column "${input.name}" ${fitted}`, remedy: 'Mend the column or leave it out.' });
    } else {
      features.push(fitted);
    }
  });
  return problems.length > 0 ? { type: 'invalid', problems } : { type: 'fitted', features };
}

function fitNumber(column: ColumnData, rows: Int32Array, scaling: 'standard' | 'none'): FittedFeature | string {
  if (column.type !== 'number') throw new Error(`Column ${column.name} does not hold numbers`);
  const known = Float64Array.from(rows, (row) => column.values[row]!).filter((value) => !Number.isNaN(value));
  if (known.length === 0) return 'has no value in the training rows.';
  known.sort();
  const min = known[0]!;
  const max = known[known.length - 1]!;
  const middle = known.length >> 1;
  const fill = known.length % 2 === 1 ? known[middle]! : known[middle - 1]! / 2 + known[middle]! / 2;
  const missing = rows.length - known.length;
  // A constant is told by its range: its computed deviation may be a rounding error instead of zero.
  const standard = min === max ? { mean: min, scale: 1 } : meanAndScale(known, missing, fill);
  const { mean, scale } = scaling === 'none' ? { mean: 0, scale: 1 } : standard;
  if (![min, max, fill, mean, scale].every(Number.isFinite)) return 'has values too large to compute with.';
  return { name: column.name, type: 'number', min, max, mean, scale, fill, missingAllowed: missing > 0, ...(column.of && { of: column.of }) };
}

/** Mean and population standard deviation of the values and `extra` copies of `filler`, in two passes. */
function meanAndScale(values: Float64Array, extra: number, filler: number): { mean: number; scale: number } {
  const count = values.length + extra;
  let sum = extra * filler;
  for (const value of values) sum += value;
  const mean = sum / count;
  let squares = extra * (filler - mean) ** 2;
  for (const value of values) squares += (value - mean) ** 2;
  return { mean, scale: Math.sqrt(squares / count) || 1 };
}

function fitCategory(column: ColumnData, type: 'category' | 'binary', rows: Int32Array): FittedFeature | string {
  const seen = new Set<string>();
  let missing = 0;
  for (const row of rows) {
    const value = categoryAt(column, row);
    if (value === null) missing += 1;
    else seen.add(value);
  }
  if (seen.size === 0) return 'has no value in the training rows.';
  if (seen.size > maxCategories) return `has ${seen.size} different values; at most ${maxCategories} make a category.`;
  return { name: column.name, type, categories: [...seen].sort(inCodeUnitOrder), missingAllowed: missing > 0 };
}

/** How many numbers a row encodes to. */
export function encodedWidth(features: FittedFeature[]): number {
  return features.reduce((width, feature) => width + (feature.type === 'number' ? 1 : feature.categories.length), 0);
}

/** The place of each row's value among a feature's categories; their number for any other value. */
export function categoryCodes({ name, categories }: Extract<FittedFeature, { categories: string[] }>, table: Table, rows: Int32Array): Int32Array {
  const column = findColumn(table, name);
  if (!column) throw new Error(`The rows have no column "${name}"`);
  const places = new Map(categories.map((category, index) => [category, index]));
  return rows.map((row) => {
    const value = categoryAt(column, row);
    return (value === null ? undefined : places.get(value)) ?? categories.length;
  });
}

/**
 * Encodes rows of a table: [rows, width] in float64, features in order; a number becomes (value - mean) / scale with
 * gaps filled first, a category its 0/1 block.
 */
export function encodeRows(features: FittedFeature[], table: Table, rows: Int32Array): Float64Array {
  const width = encodedWidth(features);
  const encoded = new Float64Array(rows.length * width);
  let offset = 0;
  for (const feature of features) {
    const column = findColumn(table, feature.name);
    if (!column) throw new Error(`The rows have no column "${feature.name}"`);
    if (feature.type === 'number') {
      if (column.type !== 'number') throw new Error(`Column "${feature.name}" must hold numbers`);
      for (let at = 0; at < rows.length; at++) {
        const value = column.values[rows[at]!]!;
        encoded[at * width + offset] = ((Number.isNaN(value) ? feature.fill : value) - feature.mean) / feature.scale;
      }
      offset += 1;
    } else {
      const places = new Map(feature.categories.map((category, index) => [category, index]));
      for (let at = 0; at < rows.length; at++) {
        const value = categoryAt(column, rows[at]!);
        const place = value === null ? undefined : places.get(value);
        if (place !== undefined) encoded[at * width + offset + place] = 1;
      }
      offset += feature.categories.length;
    }
  }
  return encoded;
}
