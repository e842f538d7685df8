import { type AutoencoderScorer, type FittedDetector, hasContributions, type IsolationForestScorer, type RobustScorer } from './fitted-detector.ts';
import type { FittedFeature } from './fitted-columns.ts';
import { createOnnxGraph, type OnnxGraph } from './onnx-graph.ts';
import { inputsOf, missingCategoryOf, numbersOf, rowsPerCallFor, type Signature } from './signature.ts';
import { activate, declareInputs, encodeRows } from './write-model.ts';
import { writeTreeScores } from './write-trees.ts';
import { writeSums } from './write-weights.ts';

const N = 'N';
/** ONNX TensorProto.DataType, for `Cast` */
const DOUBLE = 11;
/** As in training: a probability that underflowed to 0 must not make an error infinite. */
const leastProbability = 1.17549435e-38;
/** Euler's constant. */
const eulerGamma = 0.5772156649015329;

/**
 * A detector as one ONNX graph. Inputs as of any model. Outputs: `score` double [N, 1], `isAnomaly` bool [N, 1] and, where the
 * family has them, `contributions` double [N, inputs] in the order of the signature's inputs.
 */
export function writeDetector(detector: FittedDetector, signature: Signature): Uint8Array {
  const { features, scorer, threshold } = detector;
  const graph = createOnnxGraph(scorer.family);
  const { score, contributions } = writeScorer(graph, detector);
  graph.output(score, { name: 'score', type: 'double', shape: [N, 1] });
  graph.output(graph.add('Greater', [score, graph.doubles([threshold], [1, 1])]), { name: 'isAnomaly', type: 'bool', shape: [N, 1] });
  if (contributions !== null) graph.output(contributions, { name: 'contributions', type: 'double', shape: [N, signature.inputs.length] });
  const names = (kept: FittedFeature[]) => JSON.stringify(kept.map(({ name }) => name));
  return graph.write({
    numbers: names(features.filter(({ type }) => type === 'number')),
    categories: names(features.filter(({ type }) => type !== 'number')),
    missing_category: signature.graph.missingCategory,
  });
}

function writeScorer(graph: OnnxGraph, { features, scorer }: FittedDetector): { score: string; contributions: string | null } {
  switch (scorer.family) {
    case 'baseline':
      return { score: writeZeros(graph, features), contributions: null };
    case 'isolation_forest':
      return { score: writeForest(graph, features, scorer), contributions: null };
    case 'robust_z_score':
      return writeRobust(graph, features, scorer);
    case 'autoencoder':
      return writeAutoencoder(graph, features, scorer);
  }
}

/** Of the inputs only their number of rows is read. */
function writeZeros(graph: OnnxGraph, features: FittedFeature[]): string {
  const [input] = declareInputs(graph, features);
  const count = graph.add('Shape', [input!], { start: 0, end: 1 });
  return graph.add('Expand', [graph.doubles([0], [1, 1]), graph.add('Concat', [count, graph.integers([1], [1])], { axis: 0 })]);
}

/** The mean length of an unsuccessful search among so many rows. */
export const expectedLength = (rows: number): number => (rows === 2 ? 1 : 2 * (Math.log(rows - 1) + eulerGamma) - (2 * (rows - 1)) / rows);

function writeForest(graph: OnnxGraph, features: FittedFeature[], { trees, codes, sampleSize }: IsolationForestScorer): string {
  const lengths = graph.add('Cast', [writeTreeScores(graph, features, { outputs: 1, trees, codes })], { to: DOUBLE });
  const exponent = graph.add('Div', [graph.add('Neg', [lengths]), graph.doubles([trees.length * expectedLength(sampleSize)], [1, 1])]);
  return graph.add('Pow', [graph.doubles([2], [1, 1]), exponent]);
}

function writeRobust(graph: OnnxGraph, features: FittedFeature[], { combine, columns }: RobustScorer): { score: string; contributions: string } {
  const inputs = declareInputs(graph, features);
  const numbers = columns.flatMap((column) => (column.type === 'number' ? [column] : []));
  const categories = columns.flatMap((column) => (column.type === 'number' ? [] : [column]));
  const named = features.flatMap((feature) => (feature.type === 'number' ? [] : [feature]));
  const blocks: string[] = [];
  if (inputs.includes('numbers')) {
    const row = (values: number[]) => graph.doubles(values, [1, values.length]);
    const distance = graph.add('Abs', [graph.add('Sub', ['numbers', row(numbers.map(({ centre }) => centre))])]);
    const scaled = graph.add('Div', [distance, row(numbers.map(({ scale }) => scale))]);
    blocks.push(graph.add('Where', [graph.add('IsNaN', ['numbers']), graph.doubles([0], [1, 1]), scaled]));
  }
  categories.forEach(({ scores }, place) => blocks.push(graph.add('Gather', [graph.doubles(scores, [scores.length]), writeCode(graph, named[place]!, place)])));
  const contributions = inOrder(graph, features, blocks);
  if (combine === 'largest') return { score: largestOfRow(graph, contributions), contributions: byInput(graph, features, contributions, largestOfRow) };
  const squares = graph.add('Mul', [contributions, contributions]);
  const width = graph.doubles([features.length], [1, 1]);
  const score = graph.add('Sqrt', [graph.add('Div', [sumOfRow(graph, squares), width])]);
  const parts = graph.add('Div', [squares, graph.add('Mul', [width, score])]);
  // Where the score is 0, so is every part.
  const known = graph.add('Where', [graph.add('Greater', [score, graph.doubles([0], [1, 1])]), parts, graph.doubles([0], [1, 1])]);
  return { score, contributions: byInput(graph, features, known, sumOfRow) };
}

/** The place of a category's value, int64 [N, 1]; their number for any other value. */
function writeCode(graph: OnnxGraph, { categories }: Extract<FittedFeature, { categories: string[] }>, place: number): string {
  const column = graph.add('Gather', ['categories', graph.integers([place], [1])], { axis: 1 });
  return graph.add('LabelEncoder', [column], { keys_strings: categories, values_int64s: categories.map((_, at) => at), default_int64: categories.length });
}

function writeAutoencoder(graph: OnnxGraph, features: FittedFeature[], { layers, columns }: AutoencoderScorer): { score: string; contributions: string } {
  const encoded = encodeRows(graph, features, 'float');
  const said = layers.reduce((values, layer) => activate(graph, writeSums(graph, values, layer), layer.activation), encoded);
  const [truth, outputs] = [graph.add('Cast', [encoded], { to: DOUBLE }), graph.add('Cast', [said], { to: DOUBLE })];
  const zero = graph.doubles([0], [1, 1]);

  const numberCells: number[] = [];
  const blocks: string[] = [];
  let cell = 0;
  const categoryErrors: string[] = [];
  features.forEach((feature, at) => {
    if (feature.type === 'number') {
      numberCells.push(cell++);
      return;
    }
    const cells = graph.integers(feature.categories.map((_, own) => cell + own), [feature.categories.length]);
    cell += feature.categories.length;
    const shares = graph.add('Softmax', [graph.add('Gather', [outputs, cells], { axis: 1 })], { axis: -1 });
    const own = graph.add('Gather', [truth, cells], { axis: 1 });
    const probability = sumOfRow(graph, graph.add('Mul', [shares, own]));
    const error = graph.add('Neg', [graph.add('Log', [graph.add('Max', [probability, graph.doubles([leastProbability], [1, 1])])])]);
    const isKnown = graph.add('Greater', [sumOfRow(graph, own), zero]);
    categoryErrors.push(graph.add('Where', [isKnown, error, graph.doubles([columns[at]!.otherError], [1, 1])]));
  });
  if (numberCells.length > 0) {
    const cells = graph.integers(numberCells, [numberCells.length]);
    const difference = graph.add('Sub', [graph.add('Gather', [truth, cells], { axis: 1 }), graph.add('Gather', [outputs, cells], { axis: 1 })]);
    blocks.push(graph.add('Where', [graph.add('IsNaN', ['numbers']), zero, graph.add('Mul', [difference, difference])]));
  }
  blocks.push(...categoryErrors);
  const usual = graph.doubles(columns.map((column) => column.usual * features.length), [1, features.length]);
  const contributions = graph.add('Div', [inOrder(graph, features, blocks), usual]);
  return { score: sumOfRow(graph, contributions), contributions: byInput(graph, features, contributions, sumOfRow) };
}

const sumOfRow = (graph: OnnxGraph, values: string): string => graph.add('ReduceSum', [values, graph.integers([1], [1])], { keepdims: 1 });

const largestOfRow = (graph: OnnxGraph, values: string): string => graph.add('ReduceMax', [values], { axes: [1], keepdims: 1 });

/** What each input adds, from what each feature does: a date is several features, which stand together. */
function byInput(graph: OnnxGraph, features: FittedFeature[], contributions: string, join: (graph: OnnxGraph, values: string) => string): string {
  let next = 0;
  const places = inputsOf(features).map((input) => Array.from({ length: Math.max(1, numbersOf(input)) }, () => next++));
  if (places.every(({ length }) => length === 1)) return contributions;
  const columns = places.map((own) => join(graph, graph.add('Gather', [contributions, graph.integers(own, [own.length])], { axis: 1 })));
  return columns.length === 1 ? columns[0]! : graph.add('Concat', columns, { axis: 1 });
}

/** Blocks of all numbers and of each category, joined and brought into the order of the features: double [N, features]. */
function inOrder(graph: OnnxGraph, features: FittedFeature[], blocks: string[]): string {
  const joined = blocks.length === 1 ? blocks[0]! : graph.add('Concat', blocks, { axis: 1 });
  const numbers = features.filter(({ type }) => type === 'number').length;
  let [number, category] = [0, numbers];
  const order = features.map(({ type }) => (type === 'number' ? number++ : category++));
  return order.every((from, to) => from === to) ? joined : graph.add('Gather', [joined, graph.integers(order, [order.length])], { axis: 1 });
}

export function detectorSignature({ features, scorer, threshold, falseAlarmRate }: FittedDetector): Signature {
  return {
    formatVersion: 1,
    task: 'anomaly_detection',
    family: scorer.family,
    inputs: inputsOf(features),
    output: { name: 'score', type: 'number' },
    anomaly: { threshold, falseAlarmRate, hasContributions: hasContributions(scorer) },
    graph: { missingCategory: missingCategoryOf(features), rowsPerCall: rowsPerCallFor(effortOf(features, scorer)) },
  };
}

/** Of one row: numbers in the widest tensor, and multiplications; see `rowsPerCall` of pipelines. */
function effortOf(features: FittedFeature[], scorer: FittedDetector['scorer']): { cells: number; work: number } {
  const width = features.length;
  switch (scorer.family) {
    case 'isolation_forest':
      return { cells: width, work: scorer.trees.length * 10 * (2 + 2 * Math.log2(scorer.sampleSize)) };
    case 'autoencoder':
      return {
        cells: Math.max(width, ...scorer.layers.map(({ inputs, units }) => Math.max(inputs, units))),
        work: scorer.layers.reduce((sum, { inputs, units }) => sum + inputs * units, 0),
      };
    default:
      return { cells: width, work: width };
  }
}
