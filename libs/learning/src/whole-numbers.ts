import * as tf from '@tensorflow/tfjs';
import { side } from './convolution-plan.ts';
import type { ConvolutionLayer, DenseLayer, Quantisation, WholeStorage } from './pipeline.ts';

/** How far from 0 the whole numbers of a row reach that is quantised by itself, and its smallest scale. */
const reach = Math.fround(1 / 127);
const smallestScale = Math.fround(1e-30);

/**
 * The sums of a layer as a runtime for int8 computes them (Jacob et al. 2018): whole numbers for what enters, whose products with
 * the whole numbers of the weights are added up exactly, and the scales after that. Float32 holds these sums exactly up to
 * 2^24; what rounds here, rounds as in the package.
 */
export function wholeSums(x: tf.Tensor2D, { units, kernel, bias, storage: { scales, input } }: Pick<DenseLayer, 'units' | 'kernel' | 'bias'> & { storage: WholeStorage }): tf.Tensor2D {
  const levels = tf.tensor2d(levelsOf(kernel, scales), [kernel.length / units, units]);
  const values = x.dataSync<'float32'>();
  if (input) {
    const product = tf.matMul(tf.tensor2d(quantised(values, input), x.shape), levels);
    return tf.add(tf.mul(product, tf.tensor1d(scales.map((scale) => scale * input.scale))), tf.tensor1d(bias));
  }
  const [rows, width] = x.shape;
  const scaleOfRow = new Float32Array(rows);
  const whole = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    let largest = 0;
    for (let at = row * width; at < (row + 1) * width; at++) largest = Math.max(largest, Math.abs(values[at]!));
    const scale = (scaleOfRow[row] = Math.max(Math.fround(largest * reach), smallestScale));
    for (let at = row * width; at < (row + 1) * width; at++) whole[at] = roundHalfToEven(Math.fround(values[at]! / scale));
  }
  const product = tf.matMul(tf.tensor2d(whole, x.shape), levels);
  return tf.add(tf.mul(tf.mul(product, tf.tensor1d(scales)), tf.tensor2d(scaleOfRow, [rows, 1])), tf.tensor1d(bias));
}

/** What layers of whole numbers make of standardised pictures, in float32 again. */
export function wholeConvolutions(pictures: tf.Tensor4D, layers: readonly ConvolutionLayer[]): tf.Tensor4D {
  const storageOf = (layer: ConvolutionLayer) => layer.storage as WholeStorage;
  const first = tf.tensor4d(quantised(pictures.dataSync<'float32'>(), storageOf(layers[0]!).input!), pictures.shape);
  const whole = layers.reduce((values, layer) => {
    const { inputs, filters, kernel, bias, pooled } = layer;
    const { scales, input, output } = storageOf(layer);
    const levels = tf.tensor4d(levelsOf(kernel, scales), [side, side, inputs, filters]);
    const shifts = bias.map((value, filter) => Math.round(value / (input!.scale * scales[filter]!)));
    const sums = tf.add(tf.conv2d(values, levels, 1, 'same'), tf.tensor1d(shifts)) as tf.Tensor4D;
    const factors = scales.map((scale) => Math.fround(input!.scale * scale) / output!.scale);
    const results = tf.tensor4d(tf.mul(sums, tf.tensor1d(factors)).dataSync<'float32'>().map((value) => Math.min(255, Math.max(0, roundHalfToEven(value)))), sums.shape);
    return pooled ? tf.maxPool(results, 2, 2, 'valid') : results;
  }, first);
  return tf.mul(whole, storageOf(layers.at(-1)!).output!.scale);
}

/** The whole numbers of weights whose last axis is the units. */
export const levelsOf = (kernel: Float32Array, scales: Float32Array): Float32Array => kernel.map((value, at) => Math.round(value / scales[at % scales.length]!));

/** The whole numbers of values, less the zero point. */
function quantised(values: Float32Array, { scale, zeroPoint }: Quantisation): Float32Array {
  return values.map((value) => Math.min(255 - zeroPoint, Math.max(-zeroPoint, roundHalfToEven(Math.fround(value / scale)))));
}

function roundHalfToEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
