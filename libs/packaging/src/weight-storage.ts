import { float16Bits, fromFloat16Bits } from './float16.ts';

/**
 * How the weights of a layer are kept where that is not float32. The kernel beside it always holds the values that they
 * stand for.
 */
export type WeightStorage =
  | { type: 'float16' }
  /** each weight is one of these, at most 256 */
  | { type: 'shared'; values: Float32Array }
  | {
      type: 'int8';
      /** [units]: weights of a unit are whole numbers in [-127, 127] times its scale */
      scales: Float32Array;
      /** how what enters the layer becomes whole numbers; null: by row, symmetrical around 0, as large as the row's largest */
      input: Quantisation | null;
      /** of a convolution: how its answer, below 0 cut off, becomes whole numbers, which are the input of the next one */
      output?: Quantisation;
    };

/** A number x is kept as round(x / scale) + zeroPoint, ties to even, cut off at 0 and 255. */
export interface Quantisation {
  /** float32, above 0 */
  scale: number;
  zeroPoint: number;
}

/** The whole numbers of an int8 kernel, whose last axis is the units. */
export const levelsOf = (kernel: Float32Array, scales: Float32Array): Int8Array => Int8Array.from(kernel, (value, at) => Math.round(value / scales[at % scales.length]!));

/** What is wrong with a storage; null where it fits its kernel, whose last axis is the units. */
export function complaintOfStorage(kernel: Float32Array, units: number, storage: WeightStorage | undefined): string | null {
  switch (storage?.type) {
    case undefined:
      return null;
    case 'float16':
      return kernel.every((value) => fromFloat16Bits(float16Bits(value)) === value) ? null : 'has weights that float16 does not hold';
    case 'shared': {
      const known = new Set(storage.values);
      return storage.values.length <= 256 && kernel.every((value) => known.has(value)) ? null : 'has weights beside its shared values';
    }
    case 'int8': {
      const { scales, input, output } = storage;
      if (scales.length !== units || !scales.every((scale) => scale > 0 && Number.isFinite(scale))) return 'needs a scale above 0 for each unit';
      const isWhole = (value: number, at: number): boolean => {
        const scale = scales[at % units]!;
        const level = Math.round(value / scale);
        return Math.abs(level) <= 127 && Math.fround(level * scale) === value;
      };
      if (!kernel.every(isWhole)) return 'has weights beside its levels';
      return [input, output].every((range) => !range || isQuantisation(range)) ? null : 'needs an input scale above 0 and a zero point from 0 to 255';
    }
  }
}

function isQuantisation({ scale, zeroPoint }: Quantisation): boolean {
  return scale > 0 && Number.isFinite(scale) && Math.fround(scale) === scale && Number.isInteger(zeroPoint) && zeroPoint >= 0 && zeroPoint <= 255;
}

/** Cells as whole numbers from 0 to 255, times the scale of their column, and its lowest value. Both are [width]. */
export interface WholeColumns {
  scales: Float64Array;
  lows: Float64Array;
}

/** The whole numbers that rows [n, width] are kept as. */
const levelsOfRows = (rows: Float64Array, { scales, lows }: WholeColumns): Uint8Array =>
  Uint8Array.from(rows, (value, at) => Math.round((value - lows[at % lows.length]!) / scales[at % scales.length]!));

/** What is wrong with how the rows of nearest neighbours are kept; null where they fit. */
export function complaintOfRows({ rows, width, storage }: { rows: Float64Array; width: number; storage?: 'float16' | WholeColumns }): string | null {
  if (!storage) return null;
  if (storage === 'float16') return rows.every((value) => fromFloat16Bits(float16Bits(value)) === value) ? null : 'hold numbers that float16 does not';
  const { scales, lows } = storage;
  const fits = scales.length === width && lows.length === width && scales.every((scale) => scale > 0 && Number.isFinite(scale)) && lows.every(Number.isFinite);
  if (!fits) return 'need a scale above 0 and a lowest value for each column';
  const levels = levelsOfRows(rows, storage);
  return rows.every((value, at) => levels[at]! * scales[at % width]! + lows[at % width]! === value) ? null : 'hold numbers beside their levels';
}

/**
 * By output, the power of two that weights [cells, outputs] are multiples of once they are kept in float16: the largest then lies
 * between 2^14 and 2^15, whatever unit an answer has.
 */
export function weightScales(kernel: Float64Array, outputs: number): Float64Array {
  const largest = new Float64Array(outputs);
  kernel.forEach((weight, at) => (largest[at % outputs] = Math.max(largest[at % outputs]!, Math.abs(weight))));
  return largest.map((size) => (size > 0 ? 2 ** (Math.ceil(Math.log2(size)) - 15) : 1));
}

/** What is wrong with how the weights of a linear model are kept; null where they fit. */
export function complaintOfWeights({ kernel, bias, sparse, storage }: { kernel: Float64Array; bias: Float64Array; sparse?: true; storage?: 'float16' }): string | null {
  if (sparse && kernel.every((weight) => weight === 0)) return 'has no weight that is left';
  if (storage !== 'float16') return null;
  const scales = weightScales(kernel, bias.length);
  const isKept = (weight: number, at: number) => fromFloat16Bits(float16Bits(weight / scales[at % scales.length]!)) * scales[at % scales.length]! === weight;
  return kernel.every(isKept) ? null : 'has weights that float16 does not hold';
}
