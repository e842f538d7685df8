import * as tf from '@tensorflow/tfjs';
import type { SequenceEncoder } from './sequence-encoder.ts';

/**
 * A layer of gated recurrent units (Cho et al. 2014), in the form that resets the recurrent product, not its input, as cuDNN
 * and ONNX with linear_before_reset do:
 *
 *     z = σ(x Wz + bz + h Rz + cz)    r = σ(x Wr + br + h Rr + cr)
 *     n = tanh(x Wn + bn + r ∘ (h Rn + cn))    h' = (1 - z) ∘ n + z ∘ h
 *
 * Weights, gates in the order z, r, n: W [channels, 3 units], R [units, 3 units], b [3 units], c [3 units]. The state begins
 * at 0; the last one is what it makes of a window.
 */
export function gatedRecurrence(channels: number, units: number, length: number): SequenceEncoder {
  return {
    weights: [
      { shape: [channels, 3 * units], fanIn: channels, fanOut: units },
      { shape: [units, 3 * units], fanIn: units, fanOut: units },
      { shape: [3 * units], fanIn: 0, fanOut: 0 },
      { shape: [3 * units], fanIn: 0, fanOut: 0 },
    ],
    states: units,
    encode: (windows, batch, weights) => fusedRecurrence(timeMajor(windows, batch, length, channels), { length, batch, channels, units }, weights as [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D, tf.Tensor1D]),
    stateOf(window, [kernel, recurrent, bias, recurrentBias]) {
      let state = new Float32Array(units);
      const given = new Float64Array(3 * units);
      const carried = new Float64Array(3 * units);
      for (let time = 0; time < length; time++) {
        given.set(bias!);
        carried.set(recurrentBias!);
        for (let at = 0; at < channels; at++) addRow(given, window[time * channels + at]!, kernel!, at);
        for (let at = 0; at < units; at++) addRow(carried, state[at]!, recurrent!, at);
        state = state.map((old, unit) => {
          const z = sigmoid(given[unit]! + carried[unit]!);
          const r = sigmoid(given[units + unit]! + carried[units + unit]!);
          const n = Math.tanh(given[2 * units + unit]! + r * carried[2 * units + unit]!);
          return (1 - z) * n + z * old;
        });
      }
      return state;
    },
  };
}

interface Sizes {
  length: number;
  batch: number;
  channels: number;
  units: number;
}

/**
 * All steps as one operation with a gradient of its own, by going through them backwards (Werbos 1990). Of a step only the
 * recurrent product is a tensor operation; the gates are one loop over plain arrays, and the weights' gradients one product over
 * all steps. A tape of single operations does the same in some fifteen tensors a step. `x` is [length, batch, channels].
 */
export function fusedRecurrence(x: Float32Array, { length, batch, channels, units }: Sizes, weights: [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D, tf.Tensor1D]): tf.Tensor2D {
  const width = 3 * units;
  const cells = batch * units;
  const operation = tf.customGrad((...inputs) => {
    const [kernel, recurrent, bias, recurrentBias] = inputs.slice(0, 4) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D, tf.Tensor1D];
    const given = tf.tidy(() => tf.add(tf.matMul(tf.tensor2d(x, [length * batch, channels]), kernel), bias).dataSync()) as Float32Array;
    const carriedBias = recurrentBias.dataSync();
    // What the way back needs: the states before each step, and the gates and the reset product within it.
    const states = new Float32Array((length + 1) * cells);
    const gates = new Float32Array(length * batch * width);
    const reset = new Float32Array(length * cells);
    for (let time = 0; time < length; time++) {
      const before = states.subarray(time * cells, (time + 1) * cells);
      const carried = product(before, [batch, units], recurrent, false);
      for (let row = 0; row < batch; row++) {
        const from = (time * batch + row) * width;
        for (let unit = 0; unit < units; unit++) {
          const at = row * width + unit;
          const z = sigmoid(given[from + unit]! + carried[at]! + carriedBias[unit]!);
          const r = sigmoid(given[from + units + unit]! + carried[at + units]! + carriedBias[units + unit]!);
          const c = carried[at + 2 * units]! + carriedBias[2 * units + unit]!;
          const n = Math.tanh(given[from + 2 * units + unit]! + r * c);
          gates[from + unit] = z;
          gates[from + units + unit] = r;
          gates[from + 2 * units + unit] = n;
          reset[time * cells + row * units + unit] = c;
          states[(time + 1) * cells + row * units + unit] = (1 - z) * n + z * before[row * units + unit]!;
        }
      }
    }

    const gradFunc = (dy: tf.Tensor): tf.Tensor[] => {
      const slope = Float32Array.from(dy.dataSync());
      const ofGiven = new Float32Array(length * batch * width);
      const ofCarried = new Float32Array(length * batch * width);
      for (let time = length - 1; time >= 0; time--) {
        for (let row = 0; row < batch; row++) {
          const from = (time * batch + row) * width;
          for (let unit = 0; unit < units; unit++) {
            const cell = row * units + unit;
            const [z, r, n] = [gates[from + unit]!, gates[from + units + unit]!, gates[from + 2 * units + unit]!];
            const c = reset[time * cells + cell]!;
            const dn = slope[cell]! * (1 - z) * (1 - n * n);
            const dz = slope[cell]! * (states[time * cells + cell]! - n) * z * (1 - z);
            const dr = dn * c * r * (1 - r);
            ofGiven[from + unit] = ofCarried[from + unit] = dz;
            ofGiven[from + units + unit] = ofCarried[from + units + unit] = dr;
            ofGiven[from + 2 * units + unit] = dn;
            ofCarried[from + 2 * units + unit] = dn * r;
            slope[cell]! *= z;
          }
        }
        const back = product(ofCarried.subarray(time * batch * width, (time + 1) * batch * width), [batch, width], recurrent, true);
        for (let cell = 0; cell < cells; cell++) slope[cell]! += back[cell]!;
      }
      const all = length * batch;
      const [given2d, carried2d] = [tf.tensor2d(ofGiven, [all, width]), tf.tensor2d(ofCarried, [all, width])];
      return [
        tf.matMul(tf.tensor2d(x, [all, channels]), given2d, true),
        tf.matMul(tf.tensor2d(states.subarray(0, all * units), [all, units]), carried2d, true),
        tf.sum(given2d, 0),
        tf.sum(carried2d, 0),
      ];
    };
    return { value: tf.tensor2d(states.slice(length * cells), [batch, units]), gradFunc };
  });
  return operation(...weights) as tf.Tensor2D;
}

/** [rows, inner] times a weight, or times it transposed. */
function product(rows: Float32Array, shape: [number, number], weight: tf.Tensor2D, isTransposed: boolean): Float32Array {
  return tf.tidy(() => tf.matMul(tf.tensor2d(rows, shape), weight, false, isTransposed).dataSync()) as Float32Array;
}

/** [batch, length, channels] to [length, batch, channels] */
function timeMajor(windows: Float32Array, batch: number, length: number, channels: number): Float32Array {
  const turned = new Float32Array(windows.length);
  for (let row = 0; row < batch; row++) {
    for (let time = 0; time < length; time++) {
      const from = (row * length + time) * channels;
      turned.set(windows.subarray(from, from + channels), (time * batch + row) * channels);
    }
  }
  return turned;
}

function addRow(sums: Float64Array, value: number, matrix: Float32Array, row: number): void {
  if (value === 0) return;
  for (let at = 0; at < sums.length; at++) sums[at]! += value * matrix[row * sums.length + at]!;
}

const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));
