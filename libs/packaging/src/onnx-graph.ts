import protobuf from 'protobufjs/light.js';

/**
 * Writes ONNX: nodes and constants are added one by one, the result is a ModelProto as bytes.
 * Names are numbered in the order of addition, so the same calls give the same bytes.
 * Format: onnx.proto of ONNX 1.12 (IR 8), operator sets ai.onnx 17 and ai.onnx.ml 3.
 */
export interface OnnxGraph {
  /** Adds a node and gives the name of its output. */
  add(operator: string, inputs: string[], attributes?: Attributes): string;
  /** As `add`, for a node with several outputs. */
  addMany(operator: string, inputs: string[], outputs: number, attributes?: Attributes): string[];
  floats(values: ArrayLike<number>, shape: number[]): string;
  doubles(values: ArrayLike<number>, shape: number[]): string;
  integers(values: ArrayLike<number>, shape: number[]): string;
  texts(values: readonly string[], shape: number[]): string;
  /** Numbers of one, two or four bytes as they are kept: of a Uint16Array the bits of float16. */
  packed(values: PackedNumbers, shape: number[]): string;
  /** An empty graph for the body of a `Scan`, with names of its own. */
  body(inputs: TensorType[]): OnnxGraph;
  input(tensor: TensorType): void;
  /** The same graph, with inputs and outputs declared by other means: for a part that believes to be the whole. */
  within(ends: Pick<OnnxGraph, 'input' | 'output'>): OnnxGraph;
  /** Makes `value` an output of the graph under the name of `tensor`. */
  output(value: string, tensor: TensorType): void;
}

export type PackedNumbers = Uint16Array | Int8Array | Uint8Array | Int32Array;

/** A named dimension stands for a size that is known when the graph runs. */
export interface TensorType {
  name: string;
  type: keyof typeof elementTypes;
  shape: Array<number | string>;
}

export type Attributes = Record<string, number | number[] | string | string[] | Float64Array | OnnxGraph>;

export const irVersion = 8;
export const operatorSets = [
  { domain: '', version: 17 },
  { domain: 'ai.onnx.ml', version: 3 },
];

/** TensorProto.DataType */
const elementTypes = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7, string: 8, bool: 9, float16: 10, double: 11 } as const;

/** AttributeProto.AttributeType */
const attributeTypes = { int: 2, string: 3, tensor: 4, graph: 5, ints: 7, strings: 8 } as const;

/** The operators that are not in the default domain. */
const domains: Record<string, string> = { OneHotEncoder: 'ai.onnx.ml', LabelEncoder: 'ai.onnx.ml', TreeEnsembleRegressor: 'ai.onnx.ml' };

const many = (type: string, id: number) => ({ rule: 'repeated', type, id }) as const;
const one = (type: string, id: number) => ({ type, id });

/** The messages and fields of onnx.proto that are written here, with their numbers in the wire format. */
const messages = protobuf.Root.fromJSON({
  nested: {
    ModelProto: {
      fields: {
        irVersion: one('int64', 1),
        producerName: one('string', 2),
        graph: one('GraphProto', 7),
        opsetImport: many('OperatorSetIdProto', 8),
        metadataProps: many('StringStringEntryProto', 14),
      },
    },
    OperatorSetIdProto: { fields: { domain: one('string', 1), version: one('int64', 2) } },
    StringStringEntryProto: { fields: { key: one('string', 1), value: one('string', 2) } },
    GraphProto: {
      fields: {
        node: many('NodeProto', 1),
        name: one('string', 2),
        initializer: many('TensorProto', 5),
        input: many('ValueInfoProto', 11),
        output: many('ValueInfoProto', 12),
      },
    },
    NodeProto: {
      fields: {
        input: many('string', 1),
        output: many('string', 2),
        name: one('string', 3),
        opType: one('string', 4),
        attribute: many('AttributeProto', 5),
        domain: one('string', 7),
      },
    },
    AttributeProto: {
      fields: {
        name: one('string', 1),
        i: one('int64', 3),
        s: one('bytes', 4),
        t: one('TensorProto', 5),
        g: one('GraphProto', 6),
        // repeated int64, packed: written by hand, since the library makes an object of every number
        ints: one('bytes', 8),
        strings: many('bytes', 9),
        type: one('int32', 20),
      },
    },
    TensorProto: {
      fields: {
        dims: many('int64', 1),
        dataType: one('int32', 2),
        stringData: many('bytes', 6),
        name: one('string', 8),
        rawData: one('bytes', 9),
      },
    },
    ValueInfoProto: { fields: { name: one('string', 1), type: one('TypeProto', 2) } },
    TypeProto: { fields: { tensorType: one('TensorTypeProto', 1) } },
    TensorTypeProto: { fields: { elemType: one('int32', 1), shape: one('TensorShapeProto', 2) } },
    TensorShapeProto: { fields: { dim: many('DimensionProto', 1) } },
    DimensionProto: { fields: { dimValue: one('int64', 1), dimParam: one('string', 2) } },
  },
});

class GraphWriter implements OnnxGraph {
  readonly message = {
    node: [] as object[],
    name: '',
    initializer: [] as object[],
    input: [] as object[],
    output: [] as object[],
  };
  #names = 0;
  readonly #prefix: string;

  constructor(name: string, prefix: string) {
    this.message.name = name;
    this.#prefix = prefix;
  }

  add(operator: string, inputs: string[], attributes: Attributes = {}): string {
    const output = this.#name(operator);
    this.#node(operator, inputs, [output], attributes);
    return output;
  }

  addMany(operator: string, inputs: string[], outputs: number, attributes: Attributes = {}): string[] {
    const names = Array.from({ length: outputs }, () => this.#name(operator));
    this.#node(operator, inputs, names, attributes);
    return names;
  }

  floats(values: ArrayLike<number>, shape: number[]): string {
    return this.#constant('float', shape, { rawData: bytes(Float32Array.from(values)) });
  }

  doubles(values: ArrayLike<number>, shape: number[]): string {
    return this.#constant('double', shape, { rawData: bytes(Float64Array.from(values)) });
  }

  integers(values: ArrayLike<number>, shape: number[]): string {
    return this.#constant('int64', shape, { rawData: bytes(BigInt64Array.from(Array.from(values, BigInt))) });
  }

  texts(values: readonly string[], shape: number[]): string {
    return this.#constant('string', shape, { stringData: values.map((value) => Buffer.from(value)) });
  }

  packed(values: PackedNumbers, shape: number[]): string {
    const type = values instanceof Uint16Array ? 'float16' : values instanceof Int8Array ? 'int8' : values instanceof Uint8Array ? 'uint8' : 'int32';
    return this.#constant(type, shape, { rawData: bytes(values.slice()) });
  }

  body(inputs: TensorType[]): GraphWriter {
    const body = new GraphWriter('body', `${this.#name('Body')}_`);
    for (const input of inputs) body.input(input);
    return body;
  }

  within(ends: Pick<OnnxGraph, 'input' | 'output'>): OnnxGraph {
    return {
      add: (operator, inputs, attributes) => this.add(operator, inputs, attributes),
      addMany: (operator, inputs, outputs, attributes) => this.addMany(operator, inputs, outputs, attributes),
      floats: (values, shape) => this.floats(values, shape),
      doubles: (values, shape) => this.doubles(values, shape),
      integers: (values, shape) => this.integers(values, shape),
      texts: (values, shape) => this.texts(values, shape),
      packed: (values, shape) => this.packed(values, shape),
      body: (inputs) => this.body(inputs),
      within: (others) => this.within(others),
      ...ends,
    };
  }

  input(tensor: TensorType): void {
    this.message.input.push(valueInfo(tensor));
  }

  output(value: string, tensor: TensorType): void {
    this.#node('Identity', [value], [tensor.name], {});
    this.message.output.push(valueInfo(tensor));
  }

  #name(stem: string): string {
    this.#names += 1;
    return `${this.#prefix}${stem}_${this.#names}`;
  }

  #node(operator: string, input: string[], output: string[], attributes: Attributes): void {
    const domain = domains[operator];
    this.message.node.push({
      input,
      output,
      name: output[0],
      opType: operator,
      attribute: Object.entries(attributes).map(([name, value]) => ({ name, ...attributeValue(value) })),
      ...(domain === undefined ? {} : { domain }),
    });
  }

  #constant(type: TensorType['type'], dims: number[], data: object): string {
    const name = this.#name(type);
    this.message.initializer.push({ dims, dataType: elementTypes[type], name, ...data });
    return name;
  }
}

/**
 * A graph that `write` turns into the bytes of an ONNX model, with `metadata` as its metadata_props.
 * @param prefix before every name that it makes
 */
export function createOnnxGraph(name: string, prefix = ''): OnnxGraph & { write(metadata: Record<string, string>): Uint8Array } {
  const graph = new GraphWriter(name, prefix);
  const write = (metadata: Record<string, string>): Uint8Array => {
    const model = {
      irVersion,
      producerName: 'millrace',
      graph: graph.message,
      opsetImport: operatorSets,
      metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    };
    return Uint8Array.from(messages.lookupType('ModelProto').encode(model).finish());
  };
  return Object.assign(graph, { write });
}

function attributeValue(value: Attributes[string]): object {
  if (typeof value === 'number') return { i: value, type: attributeTypes.int };
  if (typeof value === 'string') return { s: Buffer.from(value), type: attributeTypes.string };
  if (value instanceof GraphWriter) return { g: value.message, type: attributeTypes.graph };
  if (value instanceof Float64Array) {
    return { t: { dims: [value.length], dataType: elementTypes.double, rawData: bytes(value) }, type: attributeTypes.tensor };
  }
  if (isTexts(value)) return { strings: textBytes(value), type: attributeTypes.strings };
  return { ints: packedIntegers(value as number[]), type: attributeTypes.ints };
}

/** Equal texts share their bytes: there may be a million of them. */
function textBytes(texts: string[]): Buffer[] {
  const known = new Map<string, Buffer>();
  return texts.map((text) => {
    const bytes = known.get(text) ?? Buffer.from(text);
    known.set(text, bytes);
    return bytes;
  });
}

/** Whole numbers from 0 on, as varints one after another. */
function packedIntegers(values: number[]): Uint8Array {
  let length = 0;
  for (const value of values) {
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${value} cannot be an ONNX attribute`);
    for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) length += 1;
    length += 1;
  }
  const packed = new Uint8Array(length);
  let at = 0;
  for (const value of values) {
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) packed[at++] = (rest % 128) + 128;
    packed[at++] = rest;
  }
  return packed;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && typeof value[0] === 'string';
}

function valueInfo({ name, type, shape }: TensorType): object {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: elementTypes[type], shape: { dim } } } };
}

/** ONNX raw data is little-endian, as is every processor that the runtime is built for. */
function bytes(values: Float32Array | Float64Array | BigInt64Array | PackedNumbers): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
