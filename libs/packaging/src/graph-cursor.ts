import { fromFloat16Bits } from './float16.ts';
import type { ReadGraph, ReadNode, ReadTensor } from './read-graph.ts';
import { fieldsOf } from './wire-format.ts';

/** Thrown where a graph goes on otherwise than what we write. */
export class UnknownGraph extends Error {}

/** The nodes of a graph in the order in which they were written, and its constants by name. */
export class GraphCursor {
  readonly #nodes: ReadNode[];
  readonly #constants: Map<string, ReadTensor>;
  /** Nodes that only unpack constants, by what they give. */
  readonly #unpacking = new Map<string, ReadNode>();
  #at = 0;

  constructor(graph: ReadGraph) {
    this.#constants = new Map(graph.initializers.map((tensor) => [tensor.name, tensor]));
    this.#nodes = graph.nodes.filter((node) => {
      const isConstant = node.inputs.length > 0 && node.inputs.every((name) => this.#constants.has(name) || this.#unpacking.has(name));
      if (isConstant) this.#unpacking.set(node.outputs[0]!, node);
      return !isConstant;
    });
  }

  /** The operator of the next node, or of one after it; empty at the end. */
  peek(ahead = 0): string {
    return this.#nodes[this.#at + ahead]?.operator ?? '';
  }

  /** The next node, not taken yet. */
  get next(): ReadNode {
    const node = this.#nodes[this.#at];
    if (!node) throw new UnknownGraph('The graph ends early.');
    return node;
  }

  /** Takes the next node, which must be this operator. */
  take(operator: string): ReadNode {
    const node = this.next;
    if (node.operator !== operator) throw new UnknownGraph(`${node.operator} stands where ${operator} was expected.`);
    this.#at += 1;
    return node;
  }

  /** Takes nodes that say nothing beyond that they are there. */
  skip(...operators: string[]): void {
    for (const operator of operators) this.take(operator);
  }

  /** Takes the next node if it is this operator. */
  takeIf(operator: string): ReadNode | null {
    return this.peek() === operator ? this.take(operator) : null;
  }

  constant(name: string | undefined): ReadTensor {
    const tensor = this.#constants.get(name ?? '');
    if (!tensor) throw new UnknownGraph(`${name} is no constant.`);
    return tensor;
  }

  /** The node that unpacks a constant into this one; null for a constant. */
  unpacking(name: string): ReadNode | null {
    return this.#unpacking.get(name) ?? null;
  }

  numbers(name: string | undefined): Float64Array {
    return numbersOf(this.constant(name));
  }

  /** A constant of one number. */
  number(name: string | undefined): number {
    const values = this.numbers(name);
    if (values.length !== 1) throw new UnknownGraph(`${name} is more than one number.`);
    return values[0]!;
  }
}

const wholeReaders: Record<number, (view: DataView, at: number) => number> = {
  1: (view, at) => view.getFloat32(at * 4, true),
  2: (view, at) => view.getUint8(at),
  3: (view, at) => view.getInt8(at),
  6: (view, at) => view.getInt32(at * 4, true),
  7: (view, at) => Number(view.getBigInt64(at * 8, true)),
  10: (view, at) => fromFloat16Bits(view.getUint16(at * 2, true)),
  11: (view, at) => view.getFloat64(at * 8, true),
};

/** The numbers of a tensor whose data are raw bytes. */
export function numbersOf({ bytes, type, dims, name }: ReadTensor): Float64Array {
  const read = wholeReaders[type];
  const raw = fieldsOf(bytes).find(({ number }) => number === 9)?.bytes;
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (!read || (!raw && count > 0)) throw new UnknownGraph(`${name} holds no numbers.`);
  if (!raw) return new Float64Array();
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const numbers = new Float64Array(count);
  for (let at = 0; at < count; at++) numbers[at] = read(view, at);
  return numbers;
}
