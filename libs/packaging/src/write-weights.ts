import type { OnnxGraph } from './onnx-graph.ts';
import { float16Bits } from './float16.ts';
import { levelsOf, type Quantisation, type WeightStorage } from './weight-storage.ts';

/** ONNX TensorProto.DataType, for `Cast` */
const FLOAT = 1;
const UINT8 = 2;
const INT32 = 6;

/** What stands for 0 where a row is made whole numbers symmetrically, and how far from it they reach. */
const MIDDLE = 128;
const REACH = 127;
/** The smallest scale of a row: one of zeros alone must not be divided by 0. */
const SMALLEST_SCALE = 1e-30;

export interface WeightedSums {
  inputs: number;
  units: number;
  kernel: Float32Array;
  bias: Float32Array;
  storage?: WeightStorage;
}

/** A kernel for operators that want float32. What has to be unpacked for it, the runtime unpacks once, when it loads. */
export function writeKernel(graph: OnnxGraph, kernel: Float32Array, shape: number[], storage: Exclude<WeightStorage, { type: 'int8' }> | undefined): string {
  if (!storage) return graph.floats(kernel, shape);
  if (storage.type === 'float16') return graph.add('Cast', [graph.packed(Uint16Array.from(kernel, float16Bits), shape)], { to: FLOAT });
  const places = new Map(Array.from(storage.values, (value, place) => [value, place]));
  const codes = graph.packed(Uint8Array.from(kernel, (value) => places.get(value)!), shape);
  return graph.add('Gather', [graph.floats(storage.values, [storage.values.length]), graph.add('Cast', [codes], { to: INT32 })]);
}

/** `x · kernel + bias` for float rows [N, inputs]: float [N, units]. */
export function writeSums(graph: OnnxGraph, rows: string, { inputs, units, kernel, bias, storage }: WeightedSums): string {
  if (storage?.type === 'int8') return writeWholeSums(graph, rows, { inputs, units, kernel, bias }, storage);
  return graph.add('Gemm', [rows, writeKernel(graph, kernel, [inputs, units], storage), graph.floats(bias, [units])]);
}

/**
 * The same in whole numbers: the integer product, and its scales after it. Written out, and not as a float product between
 * operators that quantise, since the runtime makes whole numbers of those in some places only.
 */
function writeWholeSums(graph: OnnxGraph, rows: string, { inputs, units, kernel, bias }: Omit<WeightedSums, 'storage'>, { scales, input }: Extract<WeightStorage, { type: 'int8' }>): string {
  const row = input ? null : scaleOfRows(graph, rows);
  const zero = graph.packed(Uint8Array.of(input ? input.zeroPoint : MIDDLE), []);
  const whole = input
    ? graph.add('QuantizeLinear', [rows, graph.floats([input.scale], []), zero])
    : graph.add('Cast', [graph.add('Add', [graph.add('Round', [graph.add('Div', [rows, row!])]), graph.floats([MIDDLE], [])])], { to: UINT8 });
  const product = graph.add('MatMulInteger', [whole, graph.packed(levelsOf(kernel, scales), [inputs, units]), zero]);
  const sums = graph.add('Mul', [graph.add('Cast', [product], { to: FLOAT }), graph.floats(input ? scales.map((scale) => scale * input.scale) : scales, [units])]);
  return graph.add('Add', [row === null ? sums : graph.add('Mul', [sums, row]), graph.floats(bias, [units])]);
}

/** [N, 1]. Of each row by itself: answers must not depend on what other rows come along. */
function scaleOfRows(graph: OnnxGraph, rows: string): string {
  const largest = graph.add('ReduceMax', [graph.add('Abs', [rows])], { axes: [1], keepdims: 1 });
  return graph.add('Max', [graph.add('Mul', [largest, graph.floats([1 / REACH], [])]), graph.floats([SMALLEST_SCALE], [])]);
}

/** Float values of any shape as uint8. */
export function writeWhole(graph: OnnxGraph, values: string, { scale, zeroPoint }: Quantisation): string {
  return graph.add('QuantizeLinear', [values, graph.floats([scale], []), graph.packed(Uint8Array.of(zeroPoint), [])]);
}

/** And back. */
export function writeFloats(graph: OnnxGraph, values: string, { scale, zeroPoint }: Quantisation): string {
  return graph.add('DequantizeLinear', [values, graph.floats([scale], []), graph.packed(Uint8Array.of(zeroPoint), [])]);
}
