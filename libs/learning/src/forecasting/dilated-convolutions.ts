import * as tf from '@tensorflow/tfjs';
import type { SequenceEncoder } from './sequence-encoder.ts';

/**
 * Causal convolutions of two taps over a window, their dilation doubling from layer to layer, each with a rectifier and the
 * later tap's value added (van den Oord et al. 2016, "WaveNet"; Bai, Kolter & Koltun 2018). A first layer without a tap in the
 * past brings the channels to `units`.
 *
 * Only the last step's result is asked for. It needs every step of the first layer's input, every second of the next, and so
 * on: a layer is a product over pairs of neighbours, half as long as the layer before. That is exact, it has gradients where
 * TensorFlow.js has none for dilated or causal convolutions, and it takes two products' worth of what all steps would take
 * once per layer. `length` must be a power of two.
 *
 * Weights: [channels, units], [units]; then for each layer [2 units, units], the earlier tap first, and [units].
 */
export function dilatedConvolutions(channels: number, units: number, length: number): SequenceEncoder {
  const layers = Math.log2(length);
  return {
    weights: [
      { shape: [channels, units], fanIn: channels, fanOut: units },
      { shape: [units], fanIn: 0, fanOut: 0 },
      ...Array.from({ length: layers }, () => [
        { shape: [2 * units, units], fanIn: 2 * units, fanOut: units },
        { shape: [units], fanIn: 0, fanOut: 0 },
      ]).flat(),
    ],
    states: units,
    encode(windows, batch, [kernel, bias, ...others]) {
      let values = tf.add(tf.matMul(tf.tensor2d(windows, [batch * length, channels]), kernel as tf.Tensor2D), bias!) as tf.Tensor2D;
      for (let layer = 0; layer < layers; layer++) {
        const pairs = tf.reshape(values, [values.shape[0] / 2, 2 * units]) as tf.Tensor2D;
        const change = tf.relu(tf.add(tf.matMul(pairs, others[2 * layer] as tf.Tensor2D), others[2 * layer + 1]!));
        values = tf.add(tf.slice(pairs, [0, units], [-1, units]), change) as tf.Tensor2D;
      }
      return values;
    },
    stateOf(window, [kernel, bias, ...others]) {
      let values = layerOf(window, channels, units, kernel!, bias!);
      for (let layer = 0; layer < layers; layer++) {
        const change = layerOf(values, 2 * units, units, others[2 * layer]!, others[2 * layer + 1]!);
        const pairs = values;
        values = change.map((value, at) => pairs[(2 * Math.floor(at / units) + 1) * units + (at % units)]! + Math.max(0, value));
      }
      return values;
    },
  };
}

/** Rows of `inputs` numbers times a kernel [inputs, units], and a bias. */
function layerOf(rows: Float32Array, inputs: number, units: number, kernel: Float32Array, bias: Float32Array): Float32Array {
  const results = new Float32Array((rows.length / inputs) * units);
  for (let row = 0; row * inputs < rows.length; row++) {
    const sums = Float64Array.from(bias);
    for (let at = 0; at < inputs; at++) {
      const value = rows[row * inputs + at]!;
      for (let unit = 0; unit < units; unit++) sums[unit]! += value * kernel[at * units + unit]!;
    }
    results.set(sums, row * units);
  }
  return results;
}
