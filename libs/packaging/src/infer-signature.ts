import type { GivenPicture, GivenSignature } from './given-signature.ts';
import { type GraphPicture, inferPicture, takesOneRow } from './infer-picture.ts';
import { type ReadGraph, type ReadNode, type ReadValue, UnfitModel } from './read-graph.ts';
import type { Signature, SignatureInput } from './signature.ts';
import { signatureSizeProblem } from './signature-size.ts';

/** A foreign graph's signature, and how its inputs and outputs go with it. */
export interface InferredSignature {
  signature: Signature;
  /** columns, or one picture */
  inputs: GraphInput[] | GraphPicture;
  answer: GraphAnswer;
  /** it takes one row at a time: several are several calls */
  isForOneRow: boolean;
}

export interface GraphInput {
  /** as the graph calls it */
  name: string;
  /** TensorProto.DataType */
  type: number;
  /** which of the columns of `source` it gets */
  columns: number[];
  source: 'numbers' | 'categories';
  /** it wants a list and no table */
  isFlat: boolean;
}

export type GraphAnswer =
  | { type: 'number'; output: string }
  | {
      type: 'classes';
      scores: string;
      areLogits: boolean;
      /** one column, of the second of two classes */
      isOneColumn: boolean;
      /** the graph's own, where it says what it means: as text, or as whole numbers that are `values`, in the order of the classes */
      label: { output: string; isText: boolean; values: number[] } | null;
    };

/** TensorProto.DataType */
const FLOAT = 1;
const INT32 = 6;
const INT64 = 7;
const STRING = 8;
const FLOAT16 = 10;
const DOUBLE = 11;
const wholeNumbers: Record<number, number> = { [INT32]: 2 ** 31 - 1, [INT64]: Number.MAX_SAFE_INTEGER };

const sayWhat = 'Give a signature with the model: {inputs: [{name, type}], output: {type, classes}}.';
const unclear = (field: string, message: string): UnfitModel => new UnfitModel('signature_needed', field, message, sayWhat);

/**
 * What a graph takes and gives, as far as it says so itself, with what is given added and held against it.
 * @throws UnfitModel for what cannot be served, and for what only a given signature could say
 */
export function inferSignature(graph: ReadGraph, given: GivenSignature | undefined): InferredSignature {
  const picture = inferPicture(graph, given);
  const { inputs, columns } = picture ? ofPicture(picture) : inferInputs(graph, given?.inputs?.filter((input) => input.type !== 'image'));
  const isForOneRow = graph.inputs.some(takesOneRow);
  const { answer, output } = inferAnswer(graph, given?.output);
  const names = columns.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new UnfitModel('input_twice', twice.slice(0, 100), `Two inputs are called "${twice.slice(0, 100)}".`, 'Give each input a name of its own.');
  const taken = new Set(columns.flatMap((input) => input.categories ?? []));
  let missingCategory = '';
  while (taken.has(missingCategory)) missingCategory += '?';
  const signature: Signature = {
    formatVersion: 1, task: output.type === 'number' ? 'regression' : 'classification', family: 'onnx', inputs: columns, output, graph: { missingCategory, rowsPerCall: 1 },
  };
  return { signature, inputs, answer, isForOneRow };
}

const ofPicture = (picture: GraphPicture): { inputs: GraphPicture; columns: SignatureInput[] } => ({ inputs: picture, columns: [picture.image] });

type GivenColumns = Exclude<NonNullable<GivenSignature['inputs']>[number], GivenPicture>[];

function inferInputs(graph: ReadGraph, given: GivenColumns | undefined): { inputs: GraphInput[]; columns: SignatureInput[] } {
  const counts = { numbers: 0, categories: 0 };
  let bytes = 0;
  const columns: SignatureInput[] = [];
  const inputs = graph.inputs.map((input): GraphInput => {
    const { name, type } = input;
    const field = name.slice(0, 100);
    if (type === null || ![FLOAT, DOUBLE, INT32, INT64, STRING].includes(type)) {
      throw new UnfitModel('input_type', field, `The input ${field} is of a type that rows of a table do not have.`, 'Use float, double, int64 or text.');
    }
    const rank = input.shape?.length ?? 2;
    if (rank < 1 || rank > 2) throw new UnfitModel('input_shape', field, `The input ${field} has ${rank} dimensions.`, 'Use models of tables: rows, or rows and columns; or of pictures, with four dimensions.');
    const fixed = rank === 1 ? 1 : input.shape?.[1];
    const width = typeof fixed === 'number' && fixed > 0 ? fixed : graph.inputs.length === 1 ? given?.length : undefined;
    if (width === undefined) throw unclear(field, `The input ${field} does not say how many columns it has.`);
    if (columns.length + width > 1_000) throw new UnfitModel('input_shape', field, 'The model has more than 1000 columns.', 'Use fewer columns.');
    const source = type === STRING ? 'categories' : 'numbers';
    const own = Array.from({ length: width }, (_, column) => counts[source] + column);
    counts[source] += width;
    for (let column = 0; column < width; column++) {
      const fallback = width === 1 ? name : graph.inputs.length === 1 ? `f${column}` : `${name}_${column}`;
      const one = columnOf(graph, input, type, given?.[columns.length], fallback, given !== undefined);
      // Before there are a thousand columns of the same hundred thousand texts.
      bytes += (one.categories ?? []).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
      const tooLarge = signatureSizeProblem(bytes);
      if (tooLarge) throw new UnfitModel(tooLarge.code, tooLarge.field, tooLarge.message, tooLarge.remedy);
      columns.push(one);
    }
    return { name, type, columns: own, source, isFlat: rank === 1 };
  });
  if (given && given.length !== columns.length) {
    throw new UnfitModel('signature', 'signature.inputs', `The signature has ${given.length} inputs, the model ${columns.length} columns.`, 'Name every column, in the order of the model’s inputs.');
  }
  return { inputs, columns };
}

const mostCategories = 100_000;
const longestCategory = 500;
const mostClasses = 10_000;

function columnOf(graph: ReadGraph, { name: input }: ReadValue, type: number, given: GivenColumns[number] | undefined, fallback: string, isGiven: boolean): SignatureInput {
  const name = given?.name ?? fallback;
  if (isGiven && !given) throw new UnfitModel('signature', 'signature.inputs', 'The signature has fewer inputs than the model.', 'Name every column, in the order of the model’s inputs.');
  if (given && (given.type === 'number') !== (type !== STRING)) {
    throw new UnfitModel('signature', name.slice(0, 100), `The signature says that ${name.slice(0, 100)} is ${given.type}; the model takes ${type === STRING ? 'text' : 'numbers'} there.`, 'Correct the type.');
  }
  if (type === STRING) {
    const categories = (given?.type !== 'number' && given?.categories) || categoriesOf(graph, input);
    if (categories && (categories.length > mostCategories || categories.some((text) => text.length > longestCategory))) {
      throw new UnfitModel('signature', name.slice(0, 100), `The model lists more than ${mostCategories} texts for ${name.slice(0, 100)}, or one of more than ${longestCategory} characters.`, 'Encode fewer or shorter texts.');
    }
    if (!categories) throw unclear(name.slice(0, 100), `The model does not say which texts ${name.slice(0, 100)} may have.`);
    return { name, type: given?.type === 'binary' ? 'binary' : 'category', required: given?.required ?? true, categories: [...new Set(categories)] };
  }
  const number = given?.type === 'number' ? given : undefined;
  const most = wholeNumbers[type];
  const [min, max] = [number?.min ?? -(most ?? Number.MAX_VALUE), number?.max ?? most ?? Number.MAX_VALUE];
  if (min > max) throw new UnfitModel('signature', name.slice(0, 100), `The range of ${name.slice(0, 100)} is upside down.`, 'Give min below max.');
  // A whole number is what the graph would make of any: others are refused rather than cut.
  return { name, type: 'number', required: most !== undefined || (number?.required ?? true), min, max, ...(most === undefined ? {} : { closed: true as const }) };
}

/** The texts that an encoder lists which looks at this input. */
function categoriesOf(graph: ReadGraph, input: string): string[] | null {
  const follows = new Set([input]);
  for (const { operator, inputs, outputs, attributes } of graph.nodes) {
    if (!inputs.some((name) => follows.has(name))) continue;
    const listed = attributes.get('cats_strings')?.texts ?? attributes.get('keys_strings')?.texts;
    if (listed?.length) return listed;
    if (['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Cast'].includes(operator)) for (const output of outputs) follows.add(output);
  }
  return null;
}

function inferAnswer(graph: ReadGraph, given: GivenSignature['output']): { answer: GraphAnswer; output: Signature['output'] } {
  const zipMap = graph.nodes.find(({ domain, operator }) => domain === 'ai.onnx.ml' && operator === 'ZipMap');
  const outputs = graph.outputs.map((output) => (zipMap?.outputs.includes(output.name) ? { name: zipMap.inputs[0]!, type: FLOAT, shape: null } : output));
  const isLabel = ({ type }: ReadValue): boolean => type === INT64 || type === STRING;
  const isScore = ({ type }: ReadValue): boolean => type === FLOAT || type === DOUBLE || type === FLOAT16;
  const labels = outputs.filter(isLabel);
  const scores = outputs.filter(isScore);
  const [score] = scores;
  if (outputs.some(({ type }) => type === null) || scores.length !== 1 || labels.length > 1 || labels.length + scores.length !== outputs.length || !score) {
    throw new UnfitModel('outputs', 'outputs', `The model gives ${outputs.length} answers that are not one number, nor a label with its probabilities.`, 'Export it with one output, or with label and probabilities.');
  }
  const name = given?.name ?? (labels[0] ? 'class' : 'value');
  const last = widthOf(score);
  const isNumber = given ? given.type === 'number' : labels.length === 0 && last === 1;
  if (isNumber) {
    if (labels.length) throw new UnfitModel('signature', 'signature.output', 'The signature says number, but the model gives a label.', 'Say category, and the classes.');
    return { answer: { type: 'number', output: score.name }, output: { name, type: 'number' } };
  }
  if (!labels.length && given?.type === undefined) throw unclear('outputs', 'The model does not say whether it answers with a number or with classes.');
  const [label] = labels;
  const known = classesOf(graph, zipMap, label?.name);
  const named = given?.type !== 'number' ? given?.classes : undefined;
  if (named && known && named.length !== known.length) {
    throw new UnfitModel('signature', 'signature.output.classes', `The signature has ${named.length} classes, the model ${known.length}.`, 'Name every class, in the model’s order.');
  }
  if (known && (known.length > mostClasses || known.some((one) => String(one).length > longestCategory))) {
    throw new UnfitModel('signature', 'signature.output.classes', `The model lists more than ${mostClasses} classes, or one of more than ${longestCategory} characters.`, 'Use fewer classes with shorter names.');
  }
  const classes = named ?? known?.map(String);
  if (!classes || classes.length < 2) throw unclear('outputs', 'The model does not say which classes it knows.');
  if ([classes, known ?? []].some((all) => new Set<string | number>(all).size !== all.length)) throw new UnfitModel('signature', 'signature.output.classes', 'Two classes have the same name.', 'Give each class a name of its own.');
  const isText = label?.type === STRING;
  if (isText && named && known && named.some((one, at) => one !== known[at])) {
    throw new UnfitModel('signature', 'signature.output.classes', 'The model has names for its classes, which differ from those of the signature.', 'Leave classes out, or name them as the model does.');
  }
  const isOneColumn = last === 1;
  if (isOneColumn && classes.length !== 2) throw new UnfitModel('signature', 'signature.output.classes', 'The model gives one probability, which is enough for two classes only.', 'Name the two classes.');
  if (typeof last === 'number' && !isOneColumn && last !== classes.length) {
    throw new UnfitModel('signature', 'signature.output.classes', `The model gives ${last} probabilities for ${classes.length} classes.`, 'Name every class, in the model’s order.');
  }
  return {
    answer: {
      type: 'classes', scores: score.name, isOneColumn, areLogits: given?.type !== 'number' && given?.scores === 'logits',
      // A whole number that nothing explains is left alone: the most probable class is the answer then.
      label: label && (isText || areNumbers(known)) ? { output: label.name, isText, values: isText ? [] : (known as number[]) } : null,
    },
    output: { name, type: 'category', classes: [...classes] },
  };
}

/** Numbers for each row, where they are fixed: what a network leaves of a picture may still have a height and a width of one. */
function widthOf({ shape }: ReadValue): number | string | undefined {
  const sizes = shape?.slice(1);
  return sizes?.every((size) => typeof size === 'number') ? sizes.reduce((product, size) => product * size, 1) : sizes?.at(-1);
}

const areNumbers = (classes: (string | number)[] | null): classes is number[] => classes !== null && classes.every((one) => typeof one === 'number');

/**
 * As `ZipMap` lists them, or the node that makes the label itself. What other nodes list says nothing: a model may be made of
 * several that count their classes from 0, and look up what the best one means at the end.
 */
function classesOf(graph: ReadGraph, zipMap: ReadNode | undefined, label: string | undefined): (string | number)[] | null {
  for (const node of [zipMap, label === undefined ? undefined : makerOf(graph, label)]) {
    const texts = node?.attributes.get('classlabels_strings')?.texts;
    if (texts?.length) return texts;
    const numbers = node?.attributes.get('classlabels_int64s')?.integers ?? node?.attributes.get('classlabels_ints')?.integers;
    if (numbers?.length) return numbers;
  }
  return null;
}

const sameValue: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Reshape']);

/** The node whose first answer a value is, seen through nodes that change its form only. */
function makerOf(graph: ReadGraph, value: string): ReadNode | undefined {
  let sought = value;
  for (const node of graph.nodes.toReversed()) {
    if (node.outputs[0] !== sought) continue;
    if (!sameValue.has(node.operator)) return node;
    sought = node.inputs[0] ?? '';
  }
  return undefined;
}
