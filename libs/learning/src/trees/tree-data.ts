import type { ModelSettings, TrainingSpec } from '@millrace/configuration';
import { classesOf, classScores } from '../families/family.ts';
import type { Pacer } from '../pacer.ts';
import { fitFeatures, type FittedFeature, type FittedPipeline, type FittedTarget, type TreeEnsemble } from '../pipeline.ts';
import type { Scores } from '../predict.ts';
import { fitTarget, type PreparedData } from '../prepared-data.ts';
import { categoryAt, findColumn, type Problem, type Table } from '../table.ts';
import { binColumn, type BinnedColumn, type Binning, codesByCategory, learnBinning, otherCode } from './binned-columns.ts';
import { sumTrees } from './tree.ts';

type TreeSettings = Extract<ModelSettings, { family: 'boosted_trees' | 'random_forest' }>;
type TreePipeline = FittedPipeline & { estimator: TreeEnsemble<'boosted_trees'> | TreeEnsemble<'random_forest'> };

/** Rows made ready for trees: training rows first, then those held back. */
export interface TreeData {
  features: FittedFeature[];
  target: FittedTarget;
  columns: BinnedColumn[];
  codes: (Int32Array | null)[];
  /** by row: class index, or standardised value */
  values: Float64Array;
  /** by row, from the training rows' classes; null where all rows count alike */
  weights: Float64Array | null;
  /** by feature: 1, -1 or 0 */
  monotone: Int8Array;
}

/** Learns bins and codes from the training rows and puts all rows into them. */
export async function prepareTreeData(
  data: PreparedData, spec: TrainingSpec, settings: TreeSettings, rows: Int32Array, heldBack: Int32Array, pacer: Pacer,
): Promise<{ type: 'ready'; data: TreeData } | { type: 'failed'; problem: Problem } | { type: 'cancelled' }> {
  const fitted = fitFeatures(data.table, spec.inputFeatures, rows, 'none');
  if (fitted.type === 'invalid') return { type: 'failed', problem: fitted.problems[0]! };
  const { features } = fitted;
  const target = fitTarget(data, rows);
  const all = new Int32Array(rows.length + heldBack.length);
  all.set(rows);
  all.set(heldBack, rows.length);
  const values = Float64Array.from(all, (row) =>
    target.type === 'number' ? (data.truth[row]! - target.mean) / target.scale : data.truth[row]!);
  const columns: BinnedColumn[] = [];
  const codes: (Int32Array | null)[] = [];
  for (const feature of features) {
    if (!(await pacer.mayContinue())) return { type: 'cancelled' };
    const binning: Binning = learnBinning(data.table, feature, rows, settings.maxBin, values);
    columns.push(binColumn(data.table, feature, binning, all));
    codes.push(binning.type === 'category' ? binning.codes : null);
  }
  const { increasing, decreasing } = settings.monotoneConstraints;
  const monotone = Int8Array.from(features, ({ name }) => Number(increasing.includes(name)) - Number(decreasing.includes(name)));
  const weights = settings.classWeight === 'balanced' && target.type !== 'number' ? balancedWeights(values, rows.length, target.classes.length) : null;
  return { type: 'ready', data: { features, target, columns, codes, values, weights, monotone } };
}

/** What a leaf must hold where rows are few: a setting that forbids every division would teach nothing. */
export const rowsInLeaf = (wanted: number, training: number): number => Math.max(1, Math.min(wanted, Math.floor(training / 4)));

/** By row, n / (classes · rows of its class), all counted among the training rows. */
function balancedWeights(values: Float64Array, training: number, classes: number): Float64Array {
  const counts = new Float64Array(classes);
  for (let row = 0; row < training; row++) counts[values[row]!]! += 1;
  return values.map((value) => training / (classes * Math.max(1, counts[value]!)));
}

const rowsPerChunk = 4096;

/** Answers rows; null when the pacer said stop. */
export async function scoreByTrees({ features, target, estimator }: TreePipeline, table: Table, rows: Int32Array, pacer: Pacer): Promise<Scores | null> {
  const { outputs, trees } = estimator;
  const isCategory = Uint8Array.from(features, ({ type }) => Number(type !== 'number'));
  const encode = createEncoder(features, estimator.codes, table);
  const sums = new Float64Array(rows.length * outputs);
  for (let start = 0; start < rows.length; start += rowsPerChunk) {
    if (!(await pacer.mayContinue())) return null;
    const chunk = rows.subarray(start, start + rowsPerChunk);
    sums.set(sumTrees(trees, outputs, isCategory, encode(chunk), chunk.length), start * outputs);
  }
  const scores = sums.map(Math.fround);
  if (target.type === 'number') return { type: 'values', predicted: scores.map((value) => value * target.scale + target.mean) };
  const classes = classesOf(target);
  if (outputs === 1) {
    const isLogit = estimator.family === 'boosted_trees';
    const probabilities = new Float64Array(rows.length * 2);
    const predicted = Int32Array.from(scores, (score) => Number(score > (isLogit ? 0 : 0.5)));
    scores.forEach((score, row) => {
      probabilities[row * 2] = isLogit ? 1 / (1 + Math.exp(score)) : 1 - score;
      probabilities[row * 2 + 1] = isLogit ? 1 / (1 + Math.exp(-score)) : score;
    });
    return { type: 'classes', predicted, probabilities };
  }
  const { predicted } = classScores(scores, rows.length, classes) as Extract<Scores, { type: 'classes' }>;
  return { type: 'classes', predicted, probabilities: estimator.family === 'boosted_trees' ? softmaxRows(scores, classes) : scores };
}

function softmaxRows(logits: Float64Array, width: number): Float64Array {
  const probabilities = new Float64Array(logits.length);
  for (let from = 0; from < logits.length; from += width) {
    const own = logits.subarray(from, from + width);
    const highest = own.reduce((most, value) => Math.max(most, value), -Infinity);
    const powers = own.map((value) => Math.exp(value - highest));
    const sum = powers.reduce((total, power) => total + power, 0);
    probabilities.set(powers.map((power) => power / sum), from);
  }
  return probabilities;
}

/** Rows as trees read them: [rows, features], numbers as they are, categories as codes. */
export function createEncoder(features: FittedFeature[], codes: (Int32Array | null)[], table: Table): (rows: Int32Array) => Float64Array {
  const width = features.length;
  const readers = features.map((feature, place) => {
    const column = findColumn(table, feature.name);
    if (!column) throw new Error(`The rows have no column "${feature.name}"`);
    if (feature.type === 'number') {
      if (column.type !== 'number') throw new Error(`Column "${feature.name}" must hold numbers`);
      return (row: number): number => column.values[row]!;
    }
    const known = codesByCategory(feature, codes[place]!);
    const unknown = otherCode(codes[place]!);
    return (row: number): number => {
      const value = categoryAt(column, row);
      return (value === null ? undefined : known.get(value)) ?? unknown;
    };
  });
  return (rows) => {
    const encoded = new Float64Array(rows.length * width);
    readers.forEach((read, place) => rows.forEach((row, at) => (encoded[at * width + place] = read(row))));
    return encoded;
  };
}
