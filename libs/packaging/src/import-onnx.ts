import type { Problem } from '@millrace/kernel';
import type { JsonValue } from './canonical-json.ts';
import { checkGraph } from './check-graph.ts';
import { columnsOfTrees, rowsWithVisits, treeOperators } from './check-trees.ts';
import { readGivenSignature } from './given-signature.ts';
import type { GraphPicture } from './infer-picture.ts';
import { type InferredSignature, inferSignature } from './infer-signature.ts';
import { assemble, type ModelPackage } from './model-package.ts';
import type { OnnxGraph } from './onnx-graph.ts';
import { readGraph, type ReadGraph, type ReadNode, UnfitModel } from './read-graph.ts';
import { signatureSizeProblem } from './signature-size.ts';
import { unfitText } from './unfit-text.ts';
import { fieldsOf, lengthDelimited, varintField } from './wire-format.ts';
import { partsOf } from './write-import.ts';
import { declarePicture, writeChannelsFirst, writeNumbers } from './write-picture.ts';

export interface ForeignModel {
  bytes: Uint8Array;
  filename: string;
  /** hexadecimal, of the bytes */
  sha256: string;
  /** what it takes and gives, where that is not to be inferred; as somebody wrote it */
  signature?: unknown;
  /** programs that import it, for the bill of materials */
  tools: Record<string, string>;
}

export type ImportedModel = { type: 'fit'; modelPackage: ModelPackage; producer: string } | { type: 'refused'; problems: Problem[] };

/** ONNX TensorProto.DataType, for `Cast` */
const DOUBLE = 11;
const FLOAT = 1;
const INT64 = 7;
/** Rows for one call: a foreign graph may need much for each. */
const mostRowsPerCall = 256;
/** Pixels times channels in one call: a network's first layers make a multiple of them. */
const mostPixelsPerCall = 2 ** 20;

/**
 * Makes a package of a plain ONNX model: checks it (see `check-graph.ts`), finds out what it takes and gives, and writes
 * around it what turns Millrace's inputs into its own and its answer into Millrace's. All routes serve it like any other.
 * Nothing is loaded here; try the package before it is published.
 */
export function importOnnx(model: ForeignModel): ImportedModel {
  try {
    const given = readGivenSignature(model.signature);
    const graph = readGraph(model.bytes);
    const { treeVisits } = checkGraph(graph, { own: false });
    const inferred = inferSignature(graph, given);
    const signature = { ...inferred.signature, graph: { ...inferred.signature.graph, rowsPerCall: Math.min(rowsPerCallOf(inferred), rowsWithVisits(treeVisits, false)) } };
    const unfit = unfitText(signature, 'signature'); // classes may also come from a tensor of text
    if (unfit) return { type: 'refused', problems: [unfit] };
    const modelPackage = assemble(signature, wrap(graph, inferred), {
      metrics: {},
      lineage: { importedFrom: { filename: model.filename, sha256: model.sha256, producer: graph.producer, irVersion: graph.irVersion } },
      materials: {
        tools: { ...model.tools, ...(graph.producer ? { exporter: graph.producer } : {}) },
        data: { filename: model.filename, sha256: model.sha256 },
        ...(given ? { configuration: JSON.parse(JSON.stringify(given)) as JsonValue } : {}),
        operatorSets: Object.fromEntries([...graph.operatorSets].map(([domain, version]) => [domain || 'ai.onnx', version])),
      },
    });
    const tooLarge = signatureSizeProblem(modelPackage.files.get('signature.json')!.byteLength);
    return tooLarge ? { type: 'refused', problems: [tooLarge] } : { type: 'fit', modelPackage, producer: graph.producer };
  } catch (error) {
    if (error instanceof UnfitModel) return { type: 'refused', problems: [error.problem] };
    throw error;
  }
}

function rowsPerCallOf({ inputs, isForOneRow }: InferredSignature): number {
  if (isForOneRow) return 1;
  if (Array.isArray(inputs)) return mostRowsPerCall;
  const { width, height, channels } = inputs.image;
  return Math.max(1, Math.min(mostRowsPerCall, Math.floor(mostPixelsPerCall / (width * height * channels))));
}

/** The checks of a graph that came in a package, where also Millrace's own loop passes, and how many rows its trees take at the most. */
export function checkPackedGraph(model: Uint8Array): { type: 'passes'; mostRows: number } | { type: 'refused'; problem: Problem } {
  try {
    const { treeVisits } = checkGraph(readGraph(model), { own: true });
    return { type: 'passes', mostRows: rowsWithVisits(treeVisits, true) };
  } catch (error) {
    if (error instanceof UnfitModel) return { type: 'refused', problem: error.problem };
    throw error;
  }
}

/** Foreign names all begin so, and none of ours does. */
const theirs = (name: string): string => (name === '' ? '' : `model_${name}`);

/** The whole model anew: our inputs, nodes that lead to its inputs, its own nodes, nodes that lead to our outputs. */
function wrap(graph: ReadGraph, inferred: InferredSignature): Uint8Array {
  const before = partsOf('in_', (ours) => writeInputs(ours, inferred));
  const own = ownNodes(graph);
  const after = partsOf('out_', (ours) => writeOutputs(ours, inferred));
  const nodes = [...before.nodes, ...own.nodes, ...after.nodes];
  const initializers = [...before.initializers, ...own.initializers, ...after.initializers];
  const graphBytes = Buffer.concat([
    ...nodes.map((bytes) => lengthDelimited(1, bytes)),
    lengthDelimited(2, Buffer.from('imported')),
    ...initializers.map((bytes) => lengthDelimited(5, bytes)),
    ...before.inputs.map((bytes) => lengthDelimited(11, bytes)),
    ...after.outputs.map((bytes) => lengthDelimited(12, bytes)),
  ]);
  const operatorSet = ([domain, version]: [string, number]): Uint8Array =>
    lengthDelimited(8, Buffer.concat([lengthDelimited(1, Buffer.from(domain)), varintField(2, BigInt(version))]));
  const used = [...graph.operatorSets].filter(([domain]) => domain === '' || graph.nodes.some((node) => node.domain === domain));
  return Buffer.concat([varintField(1, BigInt(graph.irVersion)), lengthDelimited(2, Buffer.from('millrace')), ...used.map(operatorSet), lengthDelimited(7, graphBytes)]);
}

function writeInputs(graph: OnnxGraph, { inputs, signature }: InferredSignature): void {
  if (!Array.isArray(inputs)) return writePicture(graph, inputs);
  const count = (isNumber: boolean): number => signature.inputs.filter((input) => (input.type === 'number') === isNumber).length;
  if (count(true) > 0) graph.input({ name: 'numbers', type: 'double', shape: ['N', count(true)] });
  if (count(false) > 0) graph.input({ name: 'categories', type: 'string', shape: ['N', count(false)] });
  for (const { name, type, columns, isFlat, source } of inputs) {
    let value = graph.add('Gather', [source, graph.integers(columns, [columns.length])], { axis: 1 });
    if (source === 'numbers' && type !== DOUBLE) value = graph.add('Cast', [value], { to: type });
    if (isFlat) value = graph.add('Reshape', [value, graph.integers([-1], [1])]);
    graph.output(value, { name: theirs(name), type: 'float', shape: [] });
  }
}

/** From a picture's bytes to what the model was trained on: nothing about it is left to whoever serves it. */
function writePicture(graph: OnnxGraph, { input, type, image, isChannelsFirst, numbers }: GraphPicture): void {
  let value = declarePicture(graph, image);
  if (numbers) value = writeNumbers(graph, value, numbers);
  if (isChannelsFirst) value = writeChannelsFirst(graph, value);
  if (numbers && type !== FLOAT) value = graph.add('Cast', [value], { to: type });
  graph.output(value, { name: theirs(input), type: 'float', shape: [] });
}

function writeOutputs(graph: OnnxGraph, { inputs, answer, signature }: InferredSignature): void {
  const first = !Array.isArray(inputs) ? 'image' : signature.inputs[0]!.type === 'number' ? 'numbers' : 'categories';
  const rows = graph.add('Gather', [graph.add('Shape', [first]), graph.integers([0], [1])]);
  const shaped = (value: string, columns?: number): string =>
    graph.add('Reshape', [value, columns === undefined ? rows : graph.add('Concat', [rows, graph.integers([columns], [1])], { axis: 0 })]);
  if (answer.type === 'number') {
    graph.output(graph.add('Cast', [shaped(theirs(answer.output), 1)], { to: DOUBLE }), { name: 'prediction', type: 'double', shape: ['N', 1] });
    return;
  }
  const classes = signature.output.classes!;
  let scores = graph.add('Cast', [shaped(theirs(answer.scores), answer.isOneColumn ? 1 : classes.length)], { to: FLOAT });
  if (answer.isOneColumn) {
    const positive = answer.areLogits ? graph.add('Sigmoid', [scores]) : scores;
    scores = graph.add('Concat', [graph.add('Sub', [graph.floats([1], [1, 1]), positive]), positive], { axis: 1 });
  } else if (answer.areLogits) scores = graph.add('Softmax', [scores], { axis: 1 });
  let label: string;
  if (answer.label?.isText) label = shaped(theirs(answer.label.output));
  else if (answer.label) {
    // Which of the classes the model's own label is, counted from 1; none is a label of no text, which trying it shows.
    const isClass = graph.add('Cast', [graph.add('Equal', [shaped(theirs(answer.label.output), 1), graph.integers(answer.label.values, [1, classes.length])])], { to: FLOAT });
    const place = graph.add('MatMul', [isClass, graph.floats(classes.map((_, at) => at + 1), [classes.length, 1])]);
    label = graph.add('Gather', [graph.texts(['', ...classes], [classes.length + 1]), graph.add('Cast', [shaped(place)], { to: INT64 })]);
  } else label = graph.add('Gather', [graph.texts(classes, [classes.length]), graph.add('ArgMax', [scores], { axis: 1, keepdims: 0 })]);
  graph.output(label, { name: 'label', type: 'string', shape: ['N'] });
  graph.output(scores, { name: 'probabilities', type: 'float', shape: ['N', classes.length] });
}

/**
 * The model's own nodes, where trees and linear models get just the columns that they look at: the engine doesn't compare the
 * width of rows with what such a node was made for, and would read beyond their end. Too few columns are an error of `Gather`.
 */
function ownNodes(graph: ReadGraph): { nodes: Uint8Array[]; initializers: Uint8Array[] } {
  const nodes: Uint8Array[] = [];
  const initializers = graph.initializers.map(({ bytes }) => renamed(bytes, { 8: theirs }));
  for (const [index, node] of graph.nodes.entries()) {
    if (node.domain === 'ai.onnx.ml' && node.operator === 'ZipMap') continue; // its answer is taken from before it
    const columns = columnsOf(node);
    if (columns === null) {
      nodes.push(renamed(node.bytes, { 1: theirs, 2: theirs }));
      continue;
    }
    const guarded = `guard_${index}`;
    const parts = partsOf(`${guarded}_`, (ours) => {
      const wanted = ours.integers(Array.from({ length: columns }, (_, column) => column), [columns]);
      ours.output(ours.add('Gather', [theirs(node.inputs[0]!), wanted], { axis: 1 }), { name: guarded, type: 'float', shape: [] });
    });
    nodes.push(...parts.nodes, renamed(node.bytes, { 1: (name, at) => (at === 0 ? guarded : theirs(name)), 2: theirs }));
    initializers.push(...parts.initializers);
  }
  return { nodes, initializers };
}

/** How many columns a node was made for; null for one that says nothing of it. */
function columnsOf({ domain, operator, attributes, ...node }: ReadNode): number | null {
  if (domain !== 'ai.onnx.ml') return null;
  if (treeOperators.has(operator)) return columnsOfTrees({ domain, operator, attributes, ...node });
  const lengths: Record<string, string[]> = { Scaler: ['scale', 'offset'], Imputer: ['imputed_value_floats', 'imputed_value_int64s'] };
  const listed = (name: string): number => (attributes.get(name)?.floats ?? 0) + (attributes.get(name)?.integers.length ?? 0);
  const longest = Math.max(0, ...(lengths[operator] ?? []).map(listed));
  if (longest > 1) return longest;
  if (operator !== 'LinearClassifier' && operator !== 'LinearRegressor') return null;
  const coefficients = listed('coefficients');
  const targets = operator === 'LinearRegressor' ? Number(attributes.get('targets')?.integer ?? 1n) : Math.max(1, listed('intercepts'));
  if (coefficients === 0 || targets < 1 || coefficients % targets !== 0) {
    throw new UnfitModel('broken_linear_model', operator, 'The coefficients of a linear model do not divide by its answers.', 'Export the model again with the exporter of its library.');
  }
  return coefficients / targets;
}

/** The message with the texts of these fields changed. */
function renamed(message: Uint8Array, changes: Record<number, (name: string, at: number) => string>): Uint8Array {
  const seen = new Map<number, number>();
  const parts = fieldsOf(message).map(({ number, bytes, raw }) => {
    const change = changes[number];
    if (!change) return raw;
    const at = seen.get(number) ?? 0;
    seen.set(number, at + 1);
    return lengthDelimited(number, Buffer.from(change(Buffer.from(bytes).toString('utf8'), at)));
  });
  return Buffer.concat(parts);
}
