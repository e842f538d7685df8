import { encodedWidth, type FittedFeature, type FittedTarget } from './fitted-columns.ts';
import type { Activation, ConvolutionalEstimator, DenseEstimator, EnsembleMember, FittedEstimator, NearestNeighboursEstimator } from './fitted-estimator.ts';
import { type GraphCursor, UnknownGraph } from './graph-cursor.ts';
import { readTreeScores } from './read-trees.ts';
import { readKernel, readQuantisation, readSums } from './read-weights.ts';

/** ONNX TensorProto.DataType */
const FLOAT = 1;
const FLOAT16 = 10;

export type ReadPart = Pick<EnsembleMember, 'features' | 'target'> & { estimator: Exclude<FittedEstimator, { family: 'ensemble' }> };

/** What one estimator was written from, its preprocessing read with it; `family` where the graph does not tell boosted trees from a forest. */
export function readEstimator(cursor: GraphCursor, features: FittedFeature[], target: FittedTarget, family: string): ReadPart {
  const first = cursor.peek();
  if (first === 'Shape') return readBaseline(cursor, features, target);
  if (first === 'TreeEnsembleRegressor' || (first === 'Gather' && cursor.peek(1) === 'LabelEncoder')) return readTrees(cursor, features, target, family);
  const { encoded, cells } = readEncoding(cursor, features);
  const next = cursor.peek();
  if (next === 'Gemm' && cursor.constant(cursor.next.inputs[2]).type !== FLOAT) return readLinear(cursor, encoded, target, cells);
  if (cells) throw new UnknownGraph('Some cells of a row are not read.');
  if (next === 'Transpose') return { features: encoded, target, estimator: readNeighbours(cursor, target) };
  const estimator = readDense(cursor);
  const scaled = target.type === 'number' ? readScaled(cursor, target) : target;
  if (target.type !== 'number') cursor.skip('ArgMax', 'Gather');
  return { features: encoded, target: scaled, estimator };
}

export interface ReadEncoding {
  encoded: FittedFeature[];
  /** of a row encoded as a whole: the cells that are made; null for all */
  cells: number[] | null;
}

/** Fill, mean and scale of the numbers that are read, and which cells are made; categories are known already. */
export function readEncoding(cursor: GraphCursor, features: FittedFeature[]): ReadEncoding {
  const pickedNumbers = readPick(cursor, 'numbers');
  const pickedCategories = readPick(cursor, 'categories');
  let [fills, means, scales]: Float64Array[] = [];
  let isFloat: boolean | null = null;
  if (cursor.takeIf('IsNaN')) {
    fills = cursor.numbers(cursor.take('Where').inputs[1]);
    means = cursor.numbers(cursor.take('Sub').inputs[1]);
    scales = cursor.numbers(cursor.take('Div').inputs[1]);
    isFloat = cursor.takeIf('Cast') !== null;
  }
  /** places among the numbers that are read; -1 of one that is not */
  const placeOf = (number: number): number => (fills === undefined ? -1 : pickedNumbers ? pickedNumbers.indexOf(number) : number);
  const cells: number[] = [];
  let [number, column, cell, blocks] = [0, 0, 0, isFloat === null ? 0 : 1];
  const encoded = features.map((feature): FittedFeature => {
    if (feature.type !== 'number') return feature;
    const at = placeOf(number++);
    return at < 0 ? feature : { ...feature, fill: fills![at]!, mean: means![at]!, scale: scales![at]! };
  });
  number = 0;
  for (const feature of features) {
    const first = cell;
    cell += feature.type === 'number' ? 1 : feature.categories.length;
    if (feature.type === 'number') {
      if (placeOf(number++) >= 0) cells.push(first);
      continue;
    }
    const isRead = pickedCategories ? pickedCategories.includes(column) : cursor.peek() === 'Gather' && cursor.peek(1) === 'OneHotEncoder';
    column += 1;
    if (feature.categories.length === 0 || !isRead) continue;
    cursor.skip('Gather');
    const known = cursor.take('OneHotEncoder').attributes.get('cats_strings')?.texts ?? [];
    cells.push(...known.map((category) => first + feature.categories.indexOf(category)));
    // In double they are cast, and numbers are not.
    if (isFloat === null ? cursor.peek() === 'Cast' : !isFloat) {
      cursor.skip('Cast');
      isFloat = false;
    } else isFloat = true;
    blocks += 1;
  }
  if (blocks > 1) cursor.skip('Concat');
  cursor.takeIf('Gather');
  return { encoded, cells: cells.length === cell ? null : cells };
}

/** The places of the columns that are read of an input; null where all are. */
function readPick(cursor: GraphCursor, input: string): number[] | null {
  if (cursor.peek() !== 'Gather' || cursor.next.inputs[0] !== input || cursor.constant(cursor.next.inputs[1]).dims.length === 0) return null;
  return [...cursor.numbers(cursor.take('Gather').inputs[1])];
}

function readBaseline(cursor: GraphCursor, features: FittedFeature[], target: FittedTarget): ReadPart {
  cursor.skip('Shape', 'Concat');
  const answer = cursor.numbers(cursor.take('Expand').inputs[0]);
  if (target.type !== 'number') cursor.skip('Cast', 'ArgMax', 'Gather');
  return { features, target, estimator: { family: 'baseline', answer } };
}

function readLinear(cursor: GraphCursor, features: FittedFeature[], target: FittedTarget, cells: number[] | null): ReadPart {
  const { inputs: [, weights, constant] } = cursor.take('Gemm');
  if (target.type !== 'number') cursor.skip('Softmax', 'Cast', 'ArgMax', 'Gather');
  const bias = cursor.numbers(constant);
  const { kept, storage } = readWeights(cursor, weights!);
  const [width, outputs] = [encodedWidth(features), bias.length];
  const kernel = cells ? new Float64Array(width * outputs) : kept;
  cells?.forEach((cell, at) => kernel.set(kept.subarray(at * outputs, (at + 1) * outputs), cell * outputs));
  return { features, target, estimator: { family: 'linear', width, kernel, bias, ...(cells ? { sparse: true as const } : {}), ...(storage ? { storage } : {}) } };
}

function readWeights(cursor: GraphCursor, name: string): { kept: Float64Array; storage?: 'float16' } {
  const unpacking = cursor.unpacking(name);
  if (!unpacking) return { kept: cursor.numbers(name) };
  const halves = cursor.unpacking(unpacking.inputs[0]!);
  if (unpacking.operator !== 'Mul' || halves?.operator !== 'Cast' || cursor.constant(halves.inputs[0]).type !== FLOAT16) throw new UnknownGraph('Weights are kept in a way that is not known.');
  const scales = cursor.numbers(unpacking.inputs[1]);
  return { kept: cursor.numbers(halves.inputs[0]).map((value, at) => value * scales[at % scales.length]!), storage: 'float16' };
}

const activations: Record<string, Activation> = { Relu: 'relu', Tanh: 'tanh', Sigmoid: 'sigmoid', Elu: 'elu', Softmax: 'softmax' };

export function readDense(cursor: GraphCursor): DenseEstimator {
  const layers: DenseEstimator['layers'] = [];
  while (['Gemm', 'QuantizeLinear', 'Abs'].includes(cursor.peek())) {
    const sums = readSums(cursor);
    const activation = activations[cursor.peek()] ?? 'linear';
    if (activation !== 'linear') cursor.skip(cursor.peek());
    // The sum of a residual layer is of two things that are computed.
    const isResidual = cursor.peek() === 'Add';
    if (isResidual) cursor.skip('Add');
    layers.push({ ...sums, activation, ...(isResidual ? { residual: true } : {}) });
  }
  if (layers.length === 0) throw new UnknownGraph('A network has no layers.');
  return { family: 'dense', layers };
}

function readNeighbours(cursor: GraphCursor, target: FittedTarget): NearestNeighboursEstimator {
  cursor.skip('Transpose', 'Unsqueeze', 'Shape', 'Concat', 'Expand');
  const known = cursor.take('Scan').inputs[2]!;
  const { rows, width, storage } = readRows(cursor, known);
  const k = cursor.number(cursor.take('TopK').inputs[1]);
  const isWeighted = cursor.peek() === 'Equal';
  if (isWeighted) cursor.skip('Equal', 'Cast', 'ReduceMax', 'Sqrt', 'Div', 'Greater', 'Where');
  else cursor.skip('Shape', 'Expand');
  cursor.skip('Unsqueeze', 'CumSum', 'Gather', 'Div');
  const targets = cursor.numbers(cursor.take('Gather').inputs[0]);
  if (target.type === 'number') cursor.skip('Mul', 'Unsqueeze', 'CumSum', 'Gather');
  else cursor.skip('Gather', 'Unsqueeze', 'Mul', 'CumSum', 'Gather', 'Cast', 'ArgMax', 'Gather');
  return {
    family: 'knn', k, weights: isWeighted ? 'distance' : 'uniform', rows, width,
    targets: target.type === 'number' ? targets : Int32Array.from(targets),
    ...(storage ? { storage } : {}),
  };
}

function readRows(cursor: GraphCursor, known: string): Required<Pick<NearestNeighboursEstimator, 'rows' | 'width'>> & Pick<NearestNeighboursEstimator, 'storage'> {
  const last = cursor.unpacking(known);
  const product = last?.operator === 'Add' ? cursor.unpacking(last.inputs[0]!) : null;
  const whole = product && { scales: cursor.numbers(product.inputs[1]), lows: cursor.numbers(last!.inputs[1]) };
  const cast = product ? cursor.unpacking(product.inputs[0]!) : last;
  const source = cast ? cast.inputs[0]! : known;
  const { dims, type } = cursor.constant(source);
  const [width, , n] = dims as [number, number, number];
  const byFeature = cursor.numbers(source);
  const rows = new Float64Array(n * width);
  for (let row = 0; row < n; row++) {
    for (let cell = 0; cell < width; cell++) {
      const value = byFeature[cell * n + row]!;
      rows[row * width + cell] = whole ? value * whole.scales[cell]! + whole.lows[cell]! : value;
    }
  }
  const storage = whole ?? (type === FLOAT16 ? ('float16' as const) : undefined);
  return { rows, width, ...(storage ? { storage } : {}) };
}

function readTrees(cursor: GraphCursor, features: FittedFeature[], target: FittedTarget, family: string): ReadPart {
  const trees = readTreeScores(cursor, features);
  let isBoosted = family !== 'random_forest';
  let scaled = target;
  if (target.type === 'number') scaled = readScaled(cursor, target);
  else if (trees.outputs > 1) {
    isBoosted = cursor.takeIf('Softmax') !== null;
    cursor.skip('ArgMax', 'Gather');
  } else {
    isBoosted = cursor.peek() === 'Neg';
    cursor.skip(isBoosted ? 'Neg' : 'Sub', 'Concat');
    if (isBoosted) cursor.skip('Sigmoid');
    cursor.skip('ArgMax', 'Gather');
  }
  return { features, target: scaled, estimator: { family: isBoosted ? 'boosted_trees' : 'random_forest', ...trees } as ReadPart['estimator'] };
}

function readScaled(cursor: GraphCursor, target: FittedTarget & { type: 'number' }): FittedTarget {
  cursor.skip('Cast');
  const scale = cursor.number(cursor.take('Mul').inputs[1]);
  return { ...target, scale, mean: cursor.number(cursor.take('Add').inputs[1]) };
}

/** As `writeConvolutions` wrote it, up to the probabilities. */
export function readConvolutionalEstimator(cursor: GraphCursor): ConvolutionalEstimator {
  cursor.skip('Cast');
  const mean = Float32Array.from(cursor.numbers(cursor.take('Sub').inputs[1]));
  const scale = Float32Array.from(cursor.numbers(cursor.take('Div').inputs[1]));
  cursor.skip('Transpose');
  const layers: ConvolutionalEstimator['layers'] = [];
  if (cursor.peek() === 'QuantizeLinear') {
    readQuantisation(cursor, 'QuantizeLinear');
    while (cursor.peek() === 'QLinearConv') layers.push(readWholeLayer(cursor));
    cursor.skip('DequantizeLinear');
  } else {
    while (cursor.peek() === 'Conv') {
      const { inputs: [, weights, bias] } = cursor.take('Conv');
      const { kernel, dims: [filters, inputs], storage } = readKernel(cursor, weights!);
      const pooled = cursor.takeIf('MaxPool') !== null;
      cursor.skip('Relu');
      layers.push({ inputs: inputs!, filters: filters!, pooled, kernel: channelsLast(kernel, inputs!, filters!), bias: Float32Array.from(cursor.numbers(bias)), ...(storage ? { storage } : {}) });
    }
  }
  cursor.skip('ReduceMean');
  const { kernel, bias, storage } = readSums(cursor);
  cursor.skip('Softmax');
  return { family: 'convolutional', mean, scale, layers, head: { kernel, bias, ...(storage ? { storage } : {}) } };
}

function readWholeLayer(cursor: GraphCursor): ConvolutionalEstimator['layers'][number] {
  const { inputs: [, inputScale, inputZero, weights, scales, , outputScale, outputZero, bias] } = cursor.take('QLinearConv');
  const input = { scale: cursor.number(inputScale), zeroPoint: cursor.number(inputZero) };
  const output = { scale: cursor.number(outputScale), zeroPoint: cursor.number(outputZero) };
  const [filters, inputs] = cursor.constant(weights).dims as [number, number];
  const byFilter = Float32Array.from(cursor.numbers(scales));
  const levels = channelsLast(Float32Array.from(cursor.numbers(weights)), inputs, filters);
  return {
    inputs, filters,
    kernel: levels.map((level, at) => level * byFilter[at % filters]!),
    bias: Float32Array.from(cursor.numbers(bias), (value, filter) => value * (input.scale * byFilter[filter]!)),
    pooled: cursor.takeIf('MaxPool') !== null,
    storage: { type: 'int8', scales: byFilter, input, output },
  };
}

/** [filters, inputs, 3, 3] to [3, 3, inputs, filters]. */
function channelsLast(kernel: Float32Array, inputs: number, filters: number): Float32Array {
  const turned = new Float32Array(kernel.length);
  for (let place = 0; place < 9; place++) {
    for (let input = 0; input < inputs; input++) {
      for (let filter = 0; filter < filters; filter++) turned[(place * inputs + input) * filters + filter] = kernel[(filter * inputs + input) * 9 + place]!;
    }
  }
  return turned;
}
