import { lengthDelimited, varintField } from '../src/wire-format.ts';

/** ONNX as other programs write it, byte by byte, well-formed or not: nothing here knows what the checks allow. */

export type Value = { name: string; type?: number; shape?: (number | string)[]; raw?: Uint8Array };
export type Attribute = { i?: bigint | number; f?: number; s?: string; t?: Uint8Array; g?: Uint8Array; floats?: number[]; ints?: (bigint | number)[]; strings?: string[]; raw?: Uint8Array };
export interface Node {
  op: string;
  in: string[];
  out: string[];
  domain?: string;
  attributes?: Record<string, Attribute>;
  /** fields that are put after the others as they are */
  extra?: Uint8Array[];
}

const text = (number: number, value: string): Uint8Array => lengthDelimited(number, Buffer.from(value));
const int = (number: number, value: bigint | number): Uint8Array => varintField(number, BigInt(value));
export const message = (...parts: Uint8Array[]): Uint8Array => Buffer.concat(parts);

export function attribute(name: string, value: Attribute): Uint8Array {
  const parts = [text(1, name)];
  if (value.i !== undefined) parts.push(int(3, value.i), int(20, 2));
  if (value.f !== undefined) parts.push(Buffer.from([0x15]), new Uint8Array(Float32Array.of(value.f).buffer), int(20, 1));
  if (value.s !== undefined) parts.push(text(4, value.s), int(20, 3));
  if (value.t) parts.push(lengthDelimited(5, value.t), int(20, 4));
  if (value.g) parts.push(lengthDelimited(6, value.g), int(20, 5));
  if (value.floats) parts.push(lengthDelimited(7, new Uint8Array(Float32Array.from(value.floats).buffer)), int(20, 6));
  if (value.ints) parts.push(...value.ints.map((one) => int(8, one)), int(20, 7));
  if (value.strings) parts.push(...value.strings.map((one) => text(9, one)), int(20, 8));
  if (value.raw) parts.push(value.raw);
  return message(...parts);
}

export function node({ op, in: inputs, out, domain, attributes = {}, extra = [] }: Node): Uint8Array {
  return message(
    ...inputs.map((name) => text(1, name)), ...out.map((name) => text(2, name)), text(4, op),
    ...Object.entries(attributes).map(([name, value]) => lengthDelimited(5, attribute(name, value))),
    ...(domain === undefined ? [] : [text(7, domain)]), ...extra,
  );
}

/** type: 1 float, 2 uint8, 7 int64, 8 text, 10 float16, 11 double */
export function tensor(name: string, type: number, dims: (bigint | number)[], data: ArrayBufferView | string[] | null, extra: Uint8Array[] = []): Uint8Array {
  const content = data === null ? [] : Array.isArray(data) ? data.map((one) => text(6, one)) : [lengthDelimited(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))];
  return message(...dims.map((dim) => int(1, dim)), int(2, type), text(8, name), ...content, ...extra);
}

export function value({ name, type = 1, shape, raw }: Value): Uint8Array {
  if (raw) return message(text(1, name), lengthDelimited(2, raw));
  const dims = (shape ?? []).map((dim) => lengthDelimited(1, typeof dim === 'number' ? int(1, dim) : text(2, dim)));
  return message(text(1, name), lengthDelimited(2, lengthDelimited(1, message(int(1, type), ...(shape ? [lengthDelimited(2, message(...dims))] : [])))));
}

export interface Graph {
  nodes: Node[];
  inputs: Value[];
  outputs: Value[];
  initializers?: Uint8Array[];
  extra?: Uint8Array[];
}

export function graph({ nodes, inputs, outputs, initializers = [], extra = [] }: Graph): Uint8Array {
  return message(
    ...nodes.map((one) => lengthDelimited(1, node(one))), text(2, 'g'), ...initializers.map((one) => lengthDelimited(5, one)),
    ...inputs.map((one) => lengthDelimited(11, value(one))), ...outputs.map((one) => lengthDelimited(12, value(one))), ...extra,
  );
}

export function model(of: Graph, options: { opsets?: [string, number][]; producer?: string; extra?: Uint8Array[] } = {}): Uint8Array {
  const { opsets = [['', 17], ['ai.onnx.ml', 1]], producer = 'skl2onnx', extra = [] } = options;
  return message(
    int(1, 8), text(2, producer), ...opsets.map(([domain, version]) => lengthDelimited(8, message(...(domain ? [text(1, domain)] : []), int(2, version)))), lengthDelimited(7, graph(of)), ...extra,
  );
}

export const float32 = (...values: number[]): Float32Array => Float32Array.from(values);
export const int64 = (...values: (bigint | number)[]): BigInt64Array => BigInt64Array.from(values.map(BigInt));

/** y = 2·f0 - f1 + 0.5, as PyTorch writes it. */
export const linear = (change: Partial<Graph> = {}): Graph => ({
  inputs: [{ name: 'x', shape: ['batch', 2] }],
  outputs: [{ name: 'y', shape: ['batch', 1] }],
  nodes: [{ op: 'Gemm', in: ['x', 'w', 'b'], out: ['y'] }],
  initializers: [tensor('w', 1, [2, 1], float32(2, -1)), tensor('b', 1, [1], float32(0.5))],
  ...change,
});

/** TypeProto: a sequence of maps from int64 to float. */
const listOfMaps = lengthDelimited(4, lengthDelimited(1, lengthDelimited(5, message(int(1, 7), lengthDelimited(2, lengthDelimited(1, int(1, 1)))))));

/** One split on column `column`: log odds of the second class -2 up to 0.5, 2 above, as onnxmltools writes LightGBM: with ZipMap, and names that Millrace uses itself. */
export const trees = (change: { column?: number; width?: number; attributes?: Record<string, Attribute>; classes?: Attribute; label?: number } = {}): Graph => {
  const { column = 1, width = 2, label = 7, classes = { ints: [-1, 1] } } = change;
  const classAttribute = classes.ints ? 'classlabels_int64s' : 'classlabels_strings';
  return {
    inputs: [{ name: 'input', shape: ['?', width] }],
    outputs: [{ name: 'label', type: label, shape: ['?'] }, { name: 'probabilities', raw: listOfMaps }],
    nodes: [
      {
        op: 'TreeEnsembleClassifier', domain: 'ai.onnx.ml', in: ['input'], out: ['label', 'raw'],
        attributes: {
          [classAttribute]: classes,
          post_transform: { s: 'LOGISTIC' },
          nodes_treeids: { ints: [0, 0, 0] }, nodes_nodeids: { ints: [0, 1, 2] }, nodes_featureids: { ints: [column, 0, 0] },
          nodes_modes: { strings: ['BRANCH_LEQ', 'LEAF', 'LEAF'] }, nodes_values: { floats: [0.5, 0, 0] }, nodes_truenodeids: { ints: [1, 0, 0] }, nodes_falsenodeids: { ints: [2, 0, 0] },
          class_treeids: { ints: [0, 0] }, class_nodeids: { ints: [1, 2] }, class_ids: { ints: [0, 0] }, class_weights: { floats: [-2, 2] },
          ...change.attributes,
        },
      },
      { op: 'ZipMap', domain: 'ai.onnx.ml', in: ['raw'], out: ['probabilities'], attributes: { [classAttribute]: classes } },
    ],
  };
};

/** Trees that ask one question after another: whoever always answers no comes to the last of `levels`. */
export function chains(count: number, levels: number): Graph {
  const each = Array.from({ length: count * levels }, (_, at) => ({ tree: Math.floor(at / levels), id: at % levels }));
  const leaves = Array.from({ length: count }, (_, tree) => ({ tree, id: levels }));
  const isLeaf = (id: number): boolean => id >= levels - 1;
  const nodes = [...each, ...leaves];
  const ints = (of: (node: { tree: number; id: number }) => number): { ints: number[] } => ({ ints: nodes.map(of) });
  const ends = nodes.filter(({ id }) => isLeaf(id));
  // All questions but the last share the leaf for yes, which the engine allows.
  return trees({
    attributes: {
      nodes_treeids: ints(({ tree }) => tree), nodes_nodeids: ints(({ id }) => id), nodes_featureids: ints(() => 0),
      nodes_modes: { strings: nodes.map(({ id }) => (isLeaf(id) ? 'LEAF' : 'BRANCH_LEQ')) }, nodes_values: { floats: nodes.map(({ id }) => id) },
      nodes_truenodeids: ints(({ id }) => (isLeaf(id) ? 0 : levels)), nodes_falsenodeids: ints(({ id }) => (isLeaf(id) ? 0 : id + 1)),
      class_treeids: { ints: ends.map(({ tree }) => tree) }, class_nodeids: { ints: ends.map(({ id }) => id) }, class_ids: { ints: ends.map(() => 0) },
      class_weights: { floats: ends.map(({ id }) => (id === levels ? -1 : 1)) },
    },
  });
}
