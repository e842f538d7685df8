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
    encode(windows, batch, weights) {
      const sizes = { length, batch, channels, units };
      // Measured: plain arrays are two to three times as fast as the plain JavaScript backend's tensors, and slower than WebAssembly's.
      const recurrence = tf.getBackend() === 'cpu' ? fusedRecurrence : recurrenceByTape;
      return recurrence(timeMajor(windows, batch, length, channels), sizes, weights as RecurrenceWeights);
    },
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

type RecurrenceWeights = [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D, tf.Tensor1D];

interface Sizes {
  length: number;
  batch: number;
  channels: number;
  units: number;
}

/**
 * All steps as one operation with a gradient of its own, by going through them backwards (Werbos 1990): loops over plain
 * arrays, since a step's products are too small to be worth a tensor. What reaches over all steps, the input's product and the
 * weights' gradients, are tensor operations. A tape of single operations makes some fifteen tensors a step. `x` is
 * [length, batch, channels].
 */
export function fusedRecurrence(x: Float32Array, { length, batch, channels, units }: Sizes, weights: RecurrenceWeights): tf.Tensor2D {
  const all = length * batch;
  const width = 3 * units;
  const operation = tf.customGrad((...inputs) => {
    const [kernel, recurrent, bias, recurrentBias] = inputs.slice(0, 4) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D, tf.Tensor1D];
    const given = tf.tidy(() => tf.add(tf.matMul(tf.tensor2d(x, [all, channels]), kernel), bias).dataSync()) as Float32Array;
    const matrix = Float32Array.from(recurrent.dataSync());
    const passed = passForward(given, matrix, recurrentBias.dataSync() as Float32Array, length, batch, units);
    const gradFunc = (dy: tf.Tensor): tf.Tensor[] => {
      const { ofGiven, ofCarried } = passBack(Float32Array.from(dy.dataSync()), passed, matrix, length, batch, units);
      const [given2d, carried2d] = [tf.tensor2d(ofGiven, [all, width]), tf.tensor2d(ofCarried, [all, width])];
      return [
        tf.matMul(tf.tensor2d(x, [all, channels]), given2d, true),
        tf.matMul(tf.tensor2d(passed.states.subarray(0, all * units), [all, units]), carried2d, true),
        tf.sum(given2d, 0),
        tf.sum(carried2d, 0),
      ];
    };
    return { value: tf.tensor2d(passed.states.slice(all * units), [batch, units]), gradFunc };
  });
  return operation(...weights) as tf.Tensor2D;
}

/** All steps as single operations, whose gradients the tape knows. */
export function recurrenceByTape(x: Float32Array, { length, batch, channels, units }: Sizes, [kernel, recurrent, bias, recurrentBias]: RecurrenceWeights): tf.Tensor2D {
  const given = tf.split(tf.add(tf.matMul(tf.tensor2d(x, [length * batch, channels]), kernel), bias) as tf.Tensor2D, length, 0);
  let state = tf.zeros([batch, units]) as tf.Tensor2D;
  for (const now of given) {
    const [gz, gr, gn] = tf.split(now, 3, 1);
    const [cz, cr, cn] = tf.split(tf.add(tf.matMul(state, recurrent), recurrentBias), 3, 1);
    const z = tf.sigmoid(tf.add(gz!, cz!));
    const n = tf.tanh(tf.add(gn!, tf.mul(tf.sigmoid(tf.add(gr!, cr!)), cn!)));
    state = tf.add(n, tf.mul(z, tf.sub(state, n))) as tf.Tensor2D;
  }
  return state;
}

/** What the way back needs. */
interface Passed {
  /** [length + 1, batch, units]: before each step, and after the last */
  states: Float32Array;
  /** [length, batch, 3 units]: z, r and n */
  gates: Float32Array;
  /** [length, batch, units]: what r resets */
  reset: Float32Array;
}

function passForward(given: Float32Array, recurrent: Float32Array, bias: Float32Array, length: number, batch: number, units: number): Passed {
  const width = 3 * units;
  const cells = batch * units;
  const states = new Float32Array((length + 1) * cells);
  const gates = new Float32Array(length * batch * width);
  const reset = new Float32Array(length * cells);
  const carried = new Float32Array(width);
  for (let time = 0; time < length; time++) {
    for (let row = 0; row < batch; row++) {
      const before = time * cells + row * units;
      const from = (time * batch + row) * width;
      carried.set(bias);
      for (let at = 0; at < units; at++) {
        const value = states[before + at]!;
        const line = at * width;
        for (let to = 0; to < width; to++) carried[to]! += value * recurrent[line + to]!;
      }
      for (let unit = 0; unit < units; unit++) {
        const z = sigmoid(given[from + unit]! + carried[unit]!);
        const r = sigmoid(given[from + units + unit]! + carried[units + unit]!);
        const c = carried[2 * units + unit]!;
        const n = Math.tanh(given[from + 2 * units + unit]! + r * c);
        gates[from + unit] = z;
        gates[from + units + unit] = r;
        gates[from + 2 * units + unit] = n;
        reset[before + unit] = c;
        states[before + cells + unit] = (1 - z) * n + z * states[before + unit]!;
      }
    }
  }
  return { states, gates, reset };
}

/** Slopes of the gates' sums, [length, batch, 3 units]: by the input's part, and by the state's, which n's reset tells apart. Uses `slope` up. */
function passBack(slope: Float32Array, { states, gates, reset }: Passed, recurrent: Float32Array, length: number, batch: number, units: number): { ofGiven: Float32Array; ofCarried: Float32Array } {
  const width = 3 * units;
  const cells = batch * units;
  const ofGiven = new Float32Array(length * batch * width);
  const ofCarried = new Float32Array(length * batch * width);
  for (let time = length - 1; time >= 0; time--) {
    for (let row = 0; row < batch; row++) {
      const from = (time * batch + row) * width;
      const before = time * cells + row * units;
      for (let unit = 0; unit < units; unit++) {
        const z = gates[from + unit]!;
        const r = gates[from + units + unit]!;
        const n = gates[from + 2 * units + unit]!;
        const own = slope[row * units + unit]!;
        const dn = own * (1 - z) * (1 - n * n);
        const dz = own * (states[before + unit]! - n) * z * (1 - z);
        const dr = dn * reset[before + unit]! * r * (1 - r);
        ofGiven[from + unit] = dz;
        ofCarried[from + unit] = dz;
        ofGiven[from + units + unit] = dr;
        ofCarried[from + units + unit] = dr;
        ofGiven[from + 2 * units + unit] = dn;
        ofCarried[from + 2 * units + unit] = dn * r;
        slope[row * units + unit] = own * z;
      }
      for (let at = 0; at < units; at++) {
        const line = at * width;
        let sum = 0;
        for (let to = 0; to < width; to++) sum += ofCarried[from + to]! * recurrent[line + to]!;
        slope[row * units + at]! += sum;
      }
    }
  }
  return { ofGiven, ofCarried };
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
