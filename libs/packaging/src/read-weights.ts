import { type GraphCursor, UnknownGraph } from './graph-cursor.ts';
import type { Quantisation, WeightStorage } from './weight-storage.ts';
import type { WeightedSums } from './write-weights.ts';

/** ONNX TensorProto.DataType */
const FLOAT16 = 10;

/** A kernel as `writeKernel` wrote it. */
export function readKernel(cursor: GraphCursor, name: string): { kernel: Float32Array; dims: number[]; storage?: WeightStorage } {
  const node = cursor.unpacking(name);
  if (!node) {
    const { dims } = cursor.constant(name);
    return { kernel: Float32Array.from(cursor.numbers(name)), dims };
  }
  if (node.operator === 'Cast') {
    const { type, dims } = cursor.constant(node.inputs[0]);
    if (type !== FLOAT16) throw new UnknownGraph('Weights are kept in a way that is not known.');
    return { kernel: Float32Array.from(cursor.numbers(node.inputs[0])), dims, storage: { type: 'float16' } };
  }
  const cast = cursor.unpacking(node.inputs[1]!);
  if (node.operator !== 'Gather' || cast?.operator !== 'Cast') throw new UnknownGraph('Weights are kept in a way that is not known.');
  const values = Float32Array.from(cursor.numbers(node.inputs[0]));
  const { dims } = cursor.constant(cast.inputs[0]);
  return { kernel: Float32Array.from(cursor.numbers(cast.inputs[0]), (code) => values[code]!), dims, storage: { type: 'shared', values } };
}

/** A layer's sums as `writeSums` wrote them. */
export function readSums(cursor: GraphCursor): WeightedSums {
  if (cursor.peek() === 'Gemm') {
    const { inputs: [, weights, bias] } = cursor.take('Gemm');
    const { kernel, dims, storage } = readKernel(cursor, weights!);
    return { inputs: dims[0]!, units: dims[1]!, kernel, bias: Float32Array.from(cursor.numbers(bias)), ...(storage ? { storage } : {}) };
  }
  const input = cursor.peek() === 'QuantizeLinear' ? readQuantisation(cursor, 'QuantizeLinear') : null;
  if (!input) cursor.skip('Abs', 'ReduceMax', 'Mul', 'Max', 'Div', 'Round', 'Add', 'Cast');
  const product = cursor.take('MatMulInteger');
  const { dims } = cursor.constant(product.inputs[1]);
  const [inputs, units] = dims as [number, number];
  cursor.skip('Cast');
  const factors = cursor.numbers(cursor.take('Mul').inputs[1]);
  if (!input) cursor.skip('Mul');
  const bias = Float32Array.from(cursor.numbers(cursor.take('Add').inputs[1]));
  const scales = Float32Array.from(factors, (factor) => (input ? quotientOf(factor, input.scale) : factor));
  const kernel = Float32Array.from(cursor.numbers(product.inputs[1]), (level, at) => level * scales[at % units]!);
  return { inputs, units, kernel, bias, storage: { type: 'int8', scales, input } };
}

export function readQuantisation(cursor: GraphCursor, operator: 'QuantizeLinear' | 'DequantizeLinear'): Quantisation {
  const { inputs: [, scale, zero] } = cursor.take(operator);
  return { scale: cursor.number(scale), zeroPoint: cursor.number(zero) };
}

/** The float32 that times `by`, in float32, gives `product`. */
function quotientOf(product: number, by: number): number {
  const near = Math.fround(product / by);
  const unit = 2 ** (Math.floor(Math.log2(near)) - 23);
  const found = [0, 1, -1, 2, -2].map((steps) => Math.fround(near + steps * unit)).find((value) => Math.fround(value * by) === product);
  if (found === undefined) throw new UnknownGraph('The scales of a layer do not fit its input.');
  return found;
}
