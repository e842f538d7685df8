import type { FittedFeature, FittedTarget } from './fitted-columns.ts';
import type { Activation, BaselineEstimator, DenseEstimator, EnsembleEstimator, NearestNeighboursEstimator } from './fitted-estimator.ts';
import type { FittedPipeline } from './fitted-pipeline.ts';
import type { TreeEnsemble } from './fitted-trees.ts';
import { float16Bits } from './float16.ts';
import { createOnnxGraph, type OnnxGraph } from './onnx-graph.ts';
import type { Signature } from './signature.ts';
import { writeAnswer } from './write-answer.ts';
import { writeConvolutions } from './write-convolutions.ts';
import { writeHeads } from './write-heads.ts';
import { writeLinearSums } from './write-linear.ts';
import { declarePicture } from './write-picture.ts';
import { writeTreeScores } from './write-trees.ts';
import { writeSums } from './write-weights.ts';

/** The number of rows, known when the graph runs. */
const N = 'N';

/** ONNX TensorProto.DataType, for `Cast` */
const FLOAT = 1;
const DOUBLE = 11;

/**
 * A pipeline as one ONNX graph, preprocessing and un-scaling inside.
 *
 * Inputs: `numbers` double [N, numeric features], NaN where missing; `categories` string [N, other features], the
 * signature's `missingCategory` where missing. An input without columns is left out. Of a picture instead `image` uint8
 * [N, height, width, channels].
 * Outputs: `label` string [N] and `probabilities` float [N, C], or `prediction` double [N, 1]; with heads, also `personalised`
 * double [N, 1], 1 where one was used.
 */
export function writeModel(pipeline: FittedPipeline, signature: Signature): Uint8Array {
  const { features, estimator } = pipeline;
  const graph = createOnnxGraph(estimator.family);
  writePipeline(graph, pipeline);
  const names = (kept: FittedFeature[]) => JSON.stringify(kept.map((feature) => feature.name));
  return graph.write({
    numbers: names(features.filter((feature) => feature.type === 'number')),
    categories: names(features.filter((feature) => feature.type !== 'number')),
    missing_category: signature.graph.missingCategory,
  });
}

/** Adds a pipeline to a graph, its inputs and outputs declared. */
export function writePipeline(graph: OnnxGraph, { features, image, target, estimator, heads }: FittedPipeline): void {
  if (heads) {
    // What is written first are the answers of all rows alike; the label follows from the corrected ones.
    const captured = new Map<string, string>();
    const inner = graph.within({ input: (tensor) => graph.input(tensor), output: (value, { name }) => void captured.set(name, value) });
    writePipeline(inner, { features, target: undecided(target), estimator });
    return writeHeads(graph, captured.get(target.type === 'number' ? 'prediction' : 'probabilities')!, heads, features, target);
  }
  if (target.type !== 'number' && (target.calibration || target.decision)) {
    // The estimator is written as if it answered by itself; nobody reads the label that it would give.
    const captured = new Map<string, string>();
    const inner = graph.within({ input: (tensor) => graph.input(tensor), output: (value, { name }) => void captured.set(name, value) });
    const { calibration: _calibration, decision: _decision, ...plain } = target;
    writePipeline(inner, { features, ...(image ? { image } : {}), target: plain, estimator });
    writeAnswer(graph, captured.get('probabilities')!, target);
    return;
  }
  switch (estimator.family) {
    case 'baseline':
      return writeBaseline(graph, image ? declarePicture(graph, image) : declareInputs(graph, features)[0]!, estimator, target);
    case 'convolutional': {
      const scores = writeConvolutions(graph, image!, estimator);
      return target.type === 'number' ? writeScaled(graph, scores, target) : writeLabel(graph, scores, scores, target.classes);
    }
    case 'linear':
      return writeLinear(graph, writeLinearSums(graph, features, estimator), target);
    case 'dense':
      return writeDense(graph, encodeRows(graph, features, 'float'), estimator, target);
    case 'knn':
      return writeNearestNeighbours(graph, encodeRows(graph, features, 'double'), estimator, target);
    case 'boosted_trees':
    case 'random_forest':
      return writeTrees(graph, features, estimator, target);
    case 'ensemble':
      return writeEnsemble(graph, estimator, target);
  }
}

function undecided(target: FittedTarget): FittedTarget {
  if (target.type === 'number') return target;
  const { decision: _decision, ...rest } = target;
  return rest;
}

/** Every member is written as it would be alone, on the shared inputs; what would be its outputs is added up by weight. */
function writeEnsemble(graph: OnnxGraph, { members }: EnsembleEstimator, target: FittedTarget): void {
  const answer = target.type === 'number' ? 'prediction' : 'probabilities';
  const declared = new Set<string>();
  let sum: string | null = null;
  for (const { weight, ...member } of members) {
    const captured = new Map<string, string>();
    const inner = graph.within({
      input(tensor) {
        if (!declared.has(tensor.name)) graph.input(tensor);
        declared.add(tensor.name);
      },
      output: (value, { name }) => void captured.set(name, value),
    });
    writePipeline(inner, member);
    const part = graph.add('Mul', [graph.add('Cast', [captured.get(answer)!], { to: DOUBLE }), graph.doubles([weight], [1, 1])]);
    sum = sum === null ? part : graph.add('Add', [sum, part]);
  }
  if (target.type === 'number') writePrediction(graph, sum!);
  else writeLabel(graph, sum!, graph.add('Cast', [sum!], { to: FLOAT }), target.classes);
}

/** Adds the inputs that the features need, and says which there are. */
export function declareInputs(graph: OnnxGraph, features: FittedFeature[]): string[] {
  const numbers = features.filter((feature) => feature.type === 'number').length;
  const others = features.length - numbers;
  if (numbers > 0) graph.input({ name: 'numbers', type: 'double', shape: [N, numbers] });
  if (others > 0) graph.input({ name: 'categories', type: 'string', shape: [N, others] });
  return [...(numbers > 0 ? ['numbers'] : []), ...(others > 0 ? ['categories'] : [])];
}

/** Raw columns to encoded rows [N, width], standardised in double whatever `precision` the estimator wants. */
export function encodeRows(graph: OnnxGraph, features: FittedFeature[], precision: 'float' | 'double'): string {
  declareInputs(graph, features);
  return encodeColumns(graph, features, precision, { numbers: 'numbers', categories: 'categories' });
}

/** As `encodeRows`, from tensors of the numeric and of the other features. */
export function encodeColumns(graph: OnnxGraph, features: FittedFeature[], precision: 'float' | 'double', from: { numbers: string; categories: string }): string {
  const numbers = features.filter((feature) => feature.type === 'number');
  const others = features.filter((feature) => feature.type !== 'number');
  const blocks: string[] = [];
  /** where the cells of each feature start once the blocks are joined, numbers first */
  const starts = new Map<FittedFeature, number>();
  let width = 0;

  if (numbers.length > 0) {
    const columns = numbers.length;
    const row = (pick: (feature: (typeof numbers)[number]) => number) => graph.doubles(numbers.map(pick), [1, columns]);
    const missing = graph.add('IsNaN', [from.numbers]);
    const filled = graph.add('Where', [missing, row((feature) => feature.fill), from.numbers]);
    const centred = graph.add('Sub', [filled, row((feature) => feature.mean)]);
    const scaled = graph.add('Div', [centred, row((feature) => feature.scale)]);
    blocks.push(precision === 'float' ? graph.add('Cast', [scaled], { to: FLOAT }) : scaled);
    for (const feature of numbers) starts.set(feature, width++);
  }

  for (const [index, feature] of others.entries()) {
    if (feature.categories.length === 0) continue;
    const column = graph.add('Gather', [from.categories, graph.integers([index], [])], { axis: 1 });
    const oneHot = graph.add('OneHotEncoder', [column], { cats_strings: feature.categories, zeros: 1 });
    blocks.push(precision === 'double' ? graph.add('Cast', [oneHot], { to: DOUBLE }) : oneHot);
    starts.set(feature, width);
    width += feature.categories.length;
  }

  const joined = blocks.length === 1 ? blocks[0]! : graph.add('Concat', blocks, { axis: 1 });
  const order = features.flatMap((feature) => {
    const start = starts.get(feature);
    if (start === undefined) return [];
    const cells = feature.type === 'number' ? 1 : feature.categories.length;
    return Array.from({ length: cells }, (_, cell) => start + cell);
  });
  if (order.every((from, to) => from === to)) return joined;
  return graph.add('Gather', [joined, graph.integers(order, [order.length])], { axis: 1 });
}

/** The answer once for each row; of the inputs only their number of rows is read. */
function writeBaseline(graph: OnnxGraph, input: string, { answer }: BaselineEstimator, target: FittedTarget): void {
  const count = graph.add('Shape', [input], { start: 0, end: 1 });
  const shape = graph.add('Concat', [count, graph.integers([answer.length], [1])], { axis: 0 });
  writeScores(graph, graph.add('Expand', [graph.doubles(answer, [1, answer.length]), shape]), target);
}

function writeLinear(graph: OnnxGraph, values: string, target: FittedTarget): void {
  writeScores(graph, target.type === 'number' ? values : graph.add('Softmax', [values], { axis: -1 }), target);
}

function writeDense(graph: OnnxGraph, rows: string, estimator: DenseEstimator, target: FittedTarget): void {
  let values = rows;
  for (const layer of estimator.layers) {
    const { activation, residual } = layer;
    const results = activate(graph, writeSums(graph, values, layer), activation);
    values = residual ? graph.add('Add', [values, results]) : results;
  }
  if (target.type === 'number') {
    writeScaled(graph, values, target);
  } else {
    writeLabel(graph, values, values, target.classes);
  }
}

export function activate(graph: OnnxGraph, values: string, activation: Activation): string {
  switch (activation) {
    case 'linear':
      return values;
    case 'relu':
      return graph.add('Relu', [values]);
    case 'tanh':
      return graph.add('Tanh', [values]);
    case 'sigmoid':
      return graph.add('Sigmoid', [values]);
    case 'elu':
      return graph.add('Elu', [values]);
    case 'softmax':
      return graph.add('Softmax', [values], { axis: -1 });
  }
}

/**
 * Distances are summed cell by cell, by a `Scan`, and not as |x|² + |t|² - 2xt: the rounding is then that of a plain
 * loop, so that ties between neighbours fall exactly as in training. `TopK` gives ties to the lower index. For the same
 * reason shares are taken before they are summed, nearest first.
 */
function writeNearestNeighbours(
  graph: OnnxGraph,
  rows: string,
  estimator: NearestNeighboursEstimator,
  target: FittedTarget,
): void {
  const { k, width, targets } = estimator;
  const distances = squaredDistances(graph, rows, estimator, targets.length, width);
  const ranked = graph.addMany('TopK', [distances, graph.integers([k], [1])], 2, { axis: -1, largest: 0, sorted: 1 });
  const [nearest, neighbours] = ranked as [string, string];
  const perNeighbour = graph.integers([2], [1]);
  const weights = estimator.weights === 'distance' ? inverseDistances(graph, nearest) : equalWeights(graph, nearest);
  const total = sumInOrder(graph, graph.add('Unsqueeze', [weights, perNeighbour]), k);
  const shares = graph.add('Div', [weights, total]);

  if (target.type === 'number') {
    const values = graph.add('Gather', [graph.doubles(targets, [targets.length]), neighbours]);
    const parts = graph.add('Unsqueeze', [graph.add('Mul', [shares, values]), perNeighbour]);
    writePrediction(graph, sumInOrder(graph, parts, k));
    return;
  }
  const classes = target.classes.length;
  const identity = Array.from({ length: classes * classes }, (_, cell) => (cell % (classes + 1) === 0 ? 1 : 0));
  const classOf = graph.add('Gather', [graph.integers(targets, [targets.length]), neighbours]);
  const oneHot = graph.add('Gather', [graph.doubles(identity, [classes, classes]), classOf]);
  const votes = graph.add('Mul', [oneHot, graph.add('Unsqueeze', [shares, perNeighbour])]);
  const probabilities = sumInOrder(graph, votes, k);
  writeLabel(graph, probabilities, graph.add('Cast', [probabilities], { to: FLOAT }), target.classes);
}

/** [N, width] and n training rows to [N, n]. */
function squaredDistances(graph: OnnxGraph, rows: string, { rows: training, storage }: NearestNeighboursEstimator, n: number, width: number): string {
  const byFeature = new Float64Array(width * n);
  for (let row = 0; row < n; row++) {
    for (let cell = 0; cell < width; cell++) byFeature[cell * n + row] = training[row * width + cell]!;
  }
  const columns = graph.add('Unsqueeze', [graph.add('Transpose', [rows], { perm: [1, 0] }), graph.integers([-1], [1])]);
  const count = graph.add('Shape', [rows], { start: 0, end: 1 });
  const shape = graph.add('Concat', [count, graph.integers([n], [1])], { axis: 0 });
  const zeros = graph.add('Expand', [graph.doubles([0], []), shape]);

  const body = graph.body([
    { name: 'sum', type: 'double', shape: [N, n] },
    { name: 'cell', type: 'double', shape: [N, 1] },
    { name: 'training', type: 'double', shape: [1, n] },
  ]);
  const difference = body.add('Sub', ['cell', 'training']);
  const next = body.add('Add', ['sum', body.add('Mul', [difference, difference])]);
  body.output(next, { name: 'next', type: 'double', shape: [N, n] });
  const known = knownRows(graph, byFeature, n, { width, ...(storage ? { storage } : {}) });
  return graph.add('Scan', [zeros, columns, known], { body, num_scan_inputs: 2 });
}

/** The training rows by feature: double [width, 1, n]. What has to be unpacked for it, the runtime unpacks once, when it loads. */
function knownRows(graph: OnnxGraph, byFeature: Float64Array, n: number, { width, storage }: Pick<NearestNeighboursEstimator, 'width' | 'storage'>): string {
  if (!storage) return graph.doubles(byFeature, [width, 1, n]);
  if (storage === 'float16') return graph.add('Cast', [graph.packed(Uint16Array.from(byFeature, float16Bits), [width, 1, n])], { to: DOUBLE });
  const { scales, lows } = storage;
  const levels = Uint8Array.from(byFeature, (value, at) => Math.round((value - lows[Math.floor(at / n)]!) / scales[Math.floor(at / n)]!));
  const column = (values: Float64Array) => graph.doubles(values, [width, 1, 1]);
  return graph.add('Add', [graph.add('Mul', [graph.add('Cast', [graph.packed(levels, [width, 1, n])], { to: DOUBLE }), column(scales)]), column(lows)]);
}

/** 1 for each of the squared distances [N, k]. */
function equalWeights(graph: OnnxGraph, squared: string): string {
  return graph.add('Expand', [graph.doubles([1], []), graph.add('Shape', [squared])]);
}

/** 1/d for squared distances [N, k]; in a row with a d of 0, 1 where d is 0 and 0 elsewhere. */
function inverseDistances(graph: OnnxGraph, squared: string): string {
  const isZero = graph.add('Cast', [graph.add('Equal', [squared, graph.doubles([0], [])])], { to: DOUBLE });
  const anyZero = graph.add('ReduceMax', [isZero], { axes: [1], keepdims: 1 });
  const inverse = graph.add('Div', [graph.doubles([1], []), graph.add('Sqrt', [squared])]);
  return graph.add('Where', [graph.add('Greater', [anyZero, graph.doubles([0], [])]), isZero, inverse]);
}

/** Sums [N, k, C] over k, nearest first, to [N, C]: a running sum has a defined order, a reduction none. */
function sumInOrder(graph: OnnxGraph, values: string, k: number): string {
  const running = graph.add('CumSum', [values, graph.integers([1], [])]);
  return graph.add('Gather', [running, graph.integers([k - 1], [])], { axis: 1 });
}

/** What the sums of trees mean is decided in float32, as in training. */
function writeTrees(
  graph: OnnxGraph, features: FittedFeature[], estimator: TreeEnsemble<'boosted_trees'> | TreeEnsemble<'random_forest'>, target: FittedTarget,
): void {
  const scores = writeTreeScores(graph, features, estimator);
  if (target.type === 'number') {
    writeScaled(graph, scores, target);
    return;
  }
  const isBoosted = estimator.family === 'boosted_trees';
  if (estimator.outputs > 1) {
    writeLabel(graph, scores, isBoosted ? graph.add('Softmax', [scores], { axis: -1 }) : scores, target.classes);
    return;
  }
  const other = isBoosted ? graph.add('Neg', [scores]) : graph.add('Sub', [graph.floats([1], [1, 1]), scores]);
  const both = graph.add('Concat', [other, scores], { axis: 1 });
  writeLabel(graph, both, isBoosted ? graph.add('Sigmoid', [both]) : both, target.classes);
}

/** A learned value, float [N, 1], in the unit of the target. */
function writeScaled(graph: OnnxGraph, learned: string, { mean, scale }: FittedTarget & { type: 'number' }): void {
  const scaled = graph.add('Mul', [graph.add('Cast', [learned], { to: DOUBLE }), graph.doubles([scale], [1, 1])]);
  writePrediction(graph, graph.add('Add', [scaled, graph.doubles([mean], [1, 1])]));
}

/** The label is the class of the highest score, ties to the lower index. */
function writeLabel(graph: OnnxGraph, scores: string, probabilities: string, classes: string[]): void {
  const best = graph.add('ArgMax', [scores], { axis: 1, keepdims: 0, select_last_index: 0 });
  const label = graph.add('Gather', [graph.texts(classes, [classes.length]), best]);
  graph.output(label, { name: 'label', type: 'string', shape: [N] });
  graph.output(probabilities, { name: 'probabilities', type: 'float', shape: [N, classes.length] });
}

/** Results in double: the value [N, 1] in the unit of the target, or the probabilities [N, C]. */
function writeScores(graph: OnnxGraph, scores: string, target: FittedTarget): void {
  if (target.type === 'number') writePrediction(graph, scores);
  else writeLabel(graph, scores, graph.add('Cast', [scores], { to: FLOAT }), target.classes);
}

function writePrediction(graph: OnnxGraph, values: string): void {
  graph.output(values, { name: 'prediction', type: 'double', shape: [N, 1] });
}
