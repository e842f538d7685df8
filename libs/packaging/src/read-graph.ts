import type { Problem } from '@millrace/kernel';
import { isUnfit } from './unfit-text.ts';
import { addVarints, BrokenMessage, fieldsOf, signed, visitFields, WireField } from './wire-format.ts';

/** An ONNX model taken apart, with every part as the bytes that it came in. */
export interface ReadGraph {
  irVersion: number;
  producer: string;
  /** versions of the operator sets by domain; '' is ai.onnx */
  operatorSets: Map<string, number>;
  nodes: ReadNode[];
  initializers: ReadTensor[];
  /** what must be fed: without those that an initializer fills */
  inputs: ReadValue[];
  outputs: ReadValue[];
}

export interface ReadNode {
  bytes: Uint8Array;
  operator: string;
  /** '' is ai.onnx */
  domain: string;
  inputs: string[];
  outputs: string[];
  attributes: Map<string, ReadAttribute>;
}

export interface ReadAttribute {
  integer: bigint | null;
  text: string | null;
  tensor: ReadTensor | null;
  /** from 2⁵³ on the nearest that a number holds */
  integers: number[];
  texts: string[];
  /** how many numbers with a point it lists */
  floats: number;
  subgraph: ReadGraph | null;
}

export interface ReadTensor {
  bytes: Uint8Array;
  name: string;
  /** TensorProto.DataType */
  type: number;
  dims: number[];
  /** in bytes; 0 where it holds no text */
  longestText: number;
}

export interface ReadValue {
  name: string;
  /** TensorProto.DataType; null for what is no tensor, such as a list of maps */
  type: number | null;
  /** a text names a size that is not fixed; null when nothing is said of the shape */
  shape: (number | string)[] | null;
}

/** Thrown where a model holds what no model may hold here. */
export class UnfitModel extends Error {
  readonly problem: Problem;

  constructor(code: string, field: string, message: string, remedy: string) {
    super(message);
    this.problem = { code, field: field.slice(0, 200), message, remedy };
  }
}

export const graphLimits = { bytes: 256 * 1024 ** 2, nodes: 10_000, initializers: 10_000, inputs: 1_000, outputs: 16, rank: 8, nameLength: 512 } as const;

/** Bytes of one element by TensorProto.DataType; 0: text. Other types are not taken. */
const elementBytes = new Map([[1, 4], [2, 1], [3, 1], [4, 2], [5, 2], [6, 4], [7, 8], [8, 0], [9, 1], [10, 2], [11, 8], [12, 4], [13, 8]]);

const exportAnew = 'Export the model again with the exporter of its library.';

/**
 * Takes a model apart, strictly: a field that onnx.proto does not have, one given twice that may be given once, and data that
 * lie elsewhere are refused, so that no other reader can see another model in the same bytes.
 * @throws UnfitModel
 */
export function readGraph(model: Uint8Array): ReadGraph {
  if (model.length > graphLimits.bytes) {
    throw new UnfitModel('model_too_large', 'model', `The model has ${model.length} bytes; at most ${graphLimits.bytes} are taken.`, 'Import a smaller model: fewer trees or units, or float32 weights.');
  }
  try {
    return readModel(model);
  } catch (error) {
    if (!(error instanceof BrokenMessage)) throw error;
    throw new UnfitModel('not_onnx', 'model', 'The file is no ONNX model, or it is damaged.', exportAnew);
  }
}

function readModel(model: Uint8Array): ReadGraph {
  // Bytes of any kind may happen to be fields of some message: those of a model hold a graph.
  if (!fieldsOf(model).some(({ number, type }) => number === 7 && type === 2)) throw new BrokenMessage();
  const fields = collect(model, 'ModelProto', { 1: 'one', 2: 'one', 3: 'one', 4: 'one', 5: 'one', 6: 'one', 7: 'one', 8: 'many', 14: 'many' }, { 20: 'training', 25: 'functions', 26: 'device configurations' });
  const [graph] = fields.of(7);
  if (!graph || fields.of(8).length === 0) throw new BrokenMessage();
  const operatorSets = new Map<string, number>();
  for (const entry of fields.of(8)) {
    const set = collect(bytesOf(entry), 'OperatorSetIdProto', { 1: 'one', 2: 'one' });
    const domain = textOf(set.of(1)[0]);
    const known = domain === 'ai.onnx' ? '' : domain;
    if (operatorSets.has(known)) throw ambiguous('OperatorSetIdProto');
    operatorSets.set(known, numberOf(set.of(2)[0]));
  }
  const read = readGraphProto(bytesOf(graph), 0);
  const producer = [textOf(fields.of(2)[0]), textOf(fields.of(3)[0])].join(' ').trim().slice(0, 200);
  return { ...read, irVersion: numberOf(fields.of(1)[0]), producer, operatorSets };
}

function readGraphProto(graph: Uint8Array, depth: number): ReadGraph {
  const fields = collect(graph, 'GraphProto', { 1: 'many', 2: 'one', 5: 'many', 10: 'one', 11: 'many', 12: 'many', 13: 'many', 14: 'many', 16: 'many' }, { 15: 'sparse tensors' });
  const limit = (field: number, most: number, what: string): WireField[] => {
    const found = fields.of(field);
    if (found.length <= most) return found;
    throw new UnfitModel('too_many_parts', what, `The graph has ${found.length} ${what}; at most ${most} are taken.`, 'Import a smaller model.');
  };
  const initializers = limit(5, graphLimits.initializers, 'initializers').map((field) => readTensor(bytesOf(field)));
  const filled = new Set(initializers.map(({ name }) => name));
  if (filled.size !== initializers.length) throw ambiguous('initializer');
  return {
    irVersion: 0, producer: '', operatorSets: new Map(),
    nodes: limit(1, graphLimits.nodes, 'nodes').map((field) => readNode(bytesOf(field), depth)),
    initializers,
    inputs: limit(11, graphLimits.inputs + graphLimits.initializers, 'inputs').map((field) => readValue(bytesOf(field))).filter(({ name }) => !filled.has(name)),
    outputs: limit(12, graphLimits.outputs, 'outputs').map((field) => readValue(bytesOf(field))),
  };
}

function readNode(bytes: Uint8Array, depth: number): ReadNode {
  const fields = collect(bytes, 'NodeProto', { 1: 'many', 2: 'many', 3: 'one', 4: 'one', 5: 'many', 6: 'one', 7: 'one', 9: 'many' }, { 8: 'overloads', 10: 'device configurations' });
  const operator = textOf(fields.of(4)[0]);
  const domain = textOf(fields.of(7)[0]);
  const attributes = new Map<string, ReadAttribute>();
  for (const field of fields.of(5)) {
    const [name, attribute] = readAttribute(bytesOf(field), operator, depth);
    if (attributes.has(name)) throw ambiguous(`${operator}.${name}`);
    attributes.set(name, attribute);
  }
  return { bytes, operator, domain: domain === 'ai.onnx' ? '' : domain, inputs: fields.of(1).map(textOf), outputs: fields.of(2).map(textOf), attributes };
}

function readAttribute(bytes: Uint8Array, operator: string, depth: number): [string, ReadAttribute] {
  const fields = collect(
    bytes, 'AttributeProto',
    { 1: 'one', 2: 'one', 3: 'one', 4: 'one', 5: 'one', 6: 'one', 7: 'many', 8: 'integers', 9: 'texts', 10: 'many', 13: 'one', 20: 'one' },
    { 11: 'lists of graphs', 14: 'types', 15: 'types', 21: 'references', 22: 'sparse tensors', 23: 'sparse tensors' },
  );
  const [graph] = fields.of(6);
  // One level is enough to look into a loop's body; which loops are taken, the checks of the graph say.
  if (graph && depth > 0) throw new UnfitModel('subgraph', operator, 'The graph holds graphs within graphs.', 'Export the model without loops and branches.');
  const [integer] = fields.of(3);
  const [text] = fields.of(4);
  const [tensor] = fields.of(5);
  return [
    textOf(fields.of(1)[0]),
    {
      integer: integer ? signed(integer.value) : null,
      text: text ? textOf(text) : null,
      tensor: tensor ? readTensor(bytesOf(tensor)) : null,
      integers: fields.integers(8),
      texts: fields.texts(9),
      floats: fields.of(7).reduce((sum, field) => sum + fixedCount(field, 4), 0),
      subgraph: graph ? readGraphProto(bytesOf(graph), depth + 1) : null,
    },
  ];
}

function readTensor(bytes: Uint8Array): ReadTensor {
  const fields = collect(bytes, 'TensorProto', { 1: 'integers', 2: 'one', 4: 'many', 5: 'integers', 6: 'many', 7: 'integers', 8: 'one', 9: 'one', 10: 'many', 11: 'integers', 12: 'one', 14: 'one', 16: 'many' }, { 3: 'segments' });
  const name = textOf(fields.of(8)[0]);
  const remedy = 'Export the model with its weights inside, as one file; from PyTorch with external_data=False.';
  if (fields.has(13) || (fields.of(14)[0]?.value ?? 0n) !== 0n) throw new UnfitModel('external_data', name || 'tensor', `The weights ${name} lie in another file.`, remedy);
  const type = numberOf(fields.of(2)[0]);
  const size = elementBytes.get(type);
  if (size === undefined) throw new UnfitModel('element_type', name || 'tensor', `The tensor ${name} is of type ${type}, which is not taken.`, 'Use float, double, whole numbers, booleans or text.');
  const dims = fields.integers(1);
  if (dims.length > graphLimits.rank || dims.some((dim) => dim < 0 || dim > 2 ** 31)) throw new UnfitModel('tensor_shape', name || 'tensor', `The tensor ${name} has an impossible shape.`, exportAnew);
  const elements = dims.reduce((product, dim) => product * dim, 1);
  if (elements !== elementsIn(fields, size)) throw new UnfitModel('tensor_data', name || 'tensor', `The tensor ${name} says that it has ${elements} elements, but holds others.`, exportAnew);
  return { bytes, name, type, dims, longestText: fields.of(6).reduce((most, text) => Math.max(most, text.bytes.length), 0) };
}

/** The elements of a tensor of int32 or int64; from 2⁵³ on the nearest that a number holds. */
export function wholeNumbersOf({ bytes, type }: ReadTensor): number[] {
  const numbers: number[] = [];
  visitFields(bytes, (number, wire, _start, from, end) => {
    if (number === 5 || number === 7) return addVarints(bytes, wire, from, end, numbers);
    if (number !== 9) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset + from, end - from);
    for (let at = 0; at < end - from; at += elementBytes.get(type)!) numbers.push(type === 6 ? view.getInt32(at, true) : Number(view.getBigInt64(at, true)));
  });
  return numbers;
}

/** How many elements the data of a tensor are, whatever its shape says; -1 for data in two places or of odd length. */
function elementsIn(fields: Fields, size: number): number {
  const places = [4, 5, 6, 7, 9, 10, 11].filter((field) => fields.has(field));
  if (places.length === 0) return 0;
  if (places.length > 1) return -1;
  const [place] = places as [number];
  if ((place === 6) !== (size === 0)) return -1;
  if (place === 6) return fields.of(6).length;
  if (place === 9) return bytesOf(fields.of(9)[0]!).length / size;
  if (place === 4 || place === 10) return fields.of(place).reduce((sum, field) => sum + fixedCount(field, place === 4 ? 4 : 8), 0);
  return fields.integers(place).length;
}

function readValue(bytes: Uint8Array): ReadValue {
  const fields = collect(bytes, 'ValueInfoProto', { 1: 'one', 2: 'one', 3: 'one', 4: 'many' });
  const name = textOf(fields.of(1)[0]);
  const [type] = fields.of(2);
  const kinds = type ? collect(bytesOf(type), 'TypeProto', { 1: 'one', 4: 'one', 5: 'one', 6: 'one', 8: 'one', 9: 'one' }) : null;
  const [tensor] = kinds?.of(1) ?? [];
  if (!tensor) return { name, type: null, shape: null };
  const parts = collect(bytesOf(tensor), 'TypeProto.Tensor', { 1: 'one', 2: 'one' });
  const [shape] = parts.of(2);
  if (!shape) return { name, type: numberOf(parts.of(1)[0]), shape: null };
  const dims = collect(bytesOf(shape), 'TensorShapeProto', { 1: 'many' }).of(1).map((field) => {
    const dim = collect(bytesOf(field), 'Dimension', { 1: 'one', 2: 'one', 3: 'one' });
    const [size] = dim.of(1);
    return size && signed(size.value) >= 0n ? Number(size.value) : textOf(dim.of(2)[0]) || '?';
  });
  return { name, type: numberOf(parts.of(1)[0]), shape: dims };
}

interface Fields {
  of(number: number): WireField[];
  integers(number: number): number[];
  texts(number: number): string[];
  has(number: number): boolean;
}

/** How often a field may stand in a message, and what it holds where there may be millions of it. */
type Known = 'one' | 'many' | 'integers' | 'texts';

/** The fields of a message by number: those that it may have once or often, and no other. */
function collect(message: Uint8Array, name: string, known: Record<number, Known>, refused: Record<number, string> = {}): Fields {
  const found = new Map<number, WireField[]>();
  const integers = new Map<number, number[]>();
  const texts = new Map<number, string[]>();
  /** texts of few kinds, such as what a node of a tree asks, are made once */
  const last: { text: string; from: number }[] = [];
  visitFields(message, (number, type, start, from, end) => {
    const what = refused[number];
    if (what !== undefined) throw new UnfitModel('not_taken', name, `The model holds ${what}, which are not taken.`, 'Export a model for inference only.');
    const allowed = known[number] ?? (name === 'TensorProto' && number === 13 ? 'many' : undefined);
    if (allowed === undefined) throw new UnfitModel('unknown_field', name, `The model holds a field ${number} of ${name} that ONNX does not have.`, exportAnew);
    if (allowed === 'integers') return addVarints(message, type, from, end, listIn(integers, number));
    if (allowed === 'texts') {
      const before = last[end - from];
      if (before && type === 2 && isSame(message, before.from, from, end - from)) return void listIn(texts, number).push(before.text);
      const text = textOf(new WireField(message, number, type, start, from, end));
      last[end - from] = { text, from };
      return void listIn(texts, number).push(text);
    }
    const before = listIn(found, number);
    if (before.length && allowed === 'one') throw ambiguous(name);
    before.push(new WireField(message, number, type, start, from, end));
  });
  return {
    of: (number) => found.get(number) ?? [],
    integers: (number) => integers.get(number) ?? [],
    texts: (number) => texts.get(number) ?? [],
    has: (number) => found.has(number) || integers.has(number) || texts.has(number),
  };
}

function listIn<Item>(lists: Map<number, Item[]>, number: number): Item[] {
  let list = lists.get(number);
  if (!list) lists.set(number, (list = []));
  return list;
}

function isSame(bytes: Uint8Array, one: number, other: number, length: number): boolean {
  for (let at = 0; at < length; at++) if (bytes[one + at] !== bytes[other + at]) return false;
  return true;
}

const ambiguous = (what: string): UnfitModel => new UnfitModel('ambiguous', what, `The model gives ${what} twice, so that it can be read in two ways.`, exportAnew);

function bytesOf(field: WireField): Uint8Array {
  if (field.type !== 2) throw new BrokenMessage();
  return field.bytes;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

function textOf(field: WireField | undefined): string {
  if (!field) return '';
  let text: string;
  try {
    text = decoder.decode(bytesOf(field));
  } catch {
    throw new BrokenMessage();
  }
  if (isUnfit(text)) throw new UnfitModel('unfit_text', 'name', `The model holds the name ${JSON.stringify(text.slice(0, 60))}, with a NUL in it.`, 'Name inputs, outputs and classes by printable text.');
  return text;
}

function numberOf(field: WireField | undefined): number {
  if (!field) return 0;
  if (field.type !== 0) throw new BrokenMessage();
  return Number(signed(field.value));
}

function fixedCount(field: WireField, width: number): number {
  if (field.bytes.length % width !== 0 || field.type === 0) throw new BrokenMessage();
  return field.bytes.length / width;
}
