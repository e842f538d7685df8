import * as tf from '@tensorflow/tfjs';
import { activateBackend, type Backend, selectBackend } from '../backend.ts';
import type { Pacer } from '../pacer.ts';
import { createRandom } from '../random.ts';
import { dilatedConvolutions } from './dilated-convolutions.ts';
import { fusedRecurrence, gatedRecurrence, recurrenceByTape } from './gated-recurrence.ts';
import { headLayers, initialSequenceWeights, type SequenceExamples, sequenceGradients, sequenceLoss, type SequencePlan } from './sequence-network.ts';
import { type SequenceFit, type SequenceState, trainSequence } from './train-sequence.ts';

const draws = createRandom(17);
const drawn = (length: number) => Float32Array.from({ length }, () => 2 * draws.uniform() - 1);
const sines = (length: number, from: number) => Float32Array.from({ length }, (_, at) => Math.sin(from + at));
const openEnded: Pacer = { mayContinue: async () => true };

let backends: Backend[];
beforeAll(async () => {
  backends = [await selectBackend({ prefer: 'cpu' }), await selectBackend({ prefer: 'wasm' })];
});

describe('gated recurrent units', () => {
  it('give what the GRU operator of ONNX Runtime gives', () => {
    const weights = [sines(12, 1), sines(12, 20), sines(6, 40), sines(6, 60)];
    const state = gatedRecurrence(2, 2, 3).stateOf(sines(6, 80), weights);
    // With linear_before_reset, of the same weights.
    [0.42051902, 0.73860389].forEach((value, unit) => expect(state[unit]).toBeCloseTo(value, 6));
  });

  it('as one operation have the values and gradients of single ones, on every backend', async () => {
    const [length, batch, channels, units] = [5, 3, 2, 4];
    const x = drawn(length * batch * channels);
    const shapes = [[channels, 3 * units], [units, 3 * units], [3 * units], [3 * units]];
    const weights = shapes.map((shape) => drawn(shape.reduce((size, own) => size * own, 1)));
    for (const backend of backends) {
      await activateBackend(backend);
      const before = tf.memory().numTensors;
      const pass = (of: (tensors: tf.Tensor[]) => tf.Tensor2D) => tf.tidy(() => {
        const { value, grads } = tf.valueAndGrads((...tensors) => tf.sum(tf.square(of(tensors))))(weights.map((weight, at) => tf.tensor(weight, shapes[at]!)));
        return [value, ...grads].map((tensor) => [...tensor.dataSync()]);
      });
      const [fused, single] = [fusedRecurrence, recurrenceByTape].map((recurrence) =>
        pass((tensors) => recurrence(x, { length, batch, channels, units }, tensors as [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D, tf.Tensor1D]))) as [number[][], number[][]];
      fused.forEach((values, part) => values.forEach((value, at) => expect(Math.abs(value - single[part]![at]!)).toBeLessThan(1e-5)));
      expect(Math.max(...fused[2]!.map(Math.abs))).toBeGreaterThan(0.01);
      expect(tf.memory().numTensors).toBe(before);
    }
  });
});

describe('dilated causal convolutions', () => {
  it('give the last step of convolutions over all steps, padded to the left', async () => {
    await activateBackend(backends[0]!);
    const [channels, units, length] = [3, 4, 8];
    const encoder = dilatedConvolutions(channels, units, length);
    const weights = encoder.weights.map(({ shape }) => drawn(shape.reduce((size, own) => size * own, 1)));
    const windows = drawn(2 * length * channels);
    const said = tf.tidy(() => {
      let values = tf.add(tf.conv1d(tf.tensor3d(windows, [2, length, channels]), tf.tensor3d(weights[0]!, [1, channels, units]), 1, 'valid'), tf.tensor1d(weights[1]!)) as tf.Tensor3D;
      for (let layer = 0; layer < 3; layer++) {
        const padded = tf.pad(values, [[0, 0], [2 ** layer, 0], [0, 0]]);
        const sums = tf.conv1d(padded, tf.tensor3d(weights[2 + 2 * layer]!, [2, units, units]), 1, 'valid', 'NWC', 2 ** layer);
        values = tf.add(values, tf.relu(tf.add(sums, tf.tensor1d(weights[3 + 2 * layer]!)))) as tf.Tensor3D;
      }
      return tf.slice(values, [0, length - 1, 0], [2, 1, units]).dataSync();
    });
    const encoded = tf.tidy(() => encoder.encode(windows, 2, weights.map((weight, at) => tf.tensor(weight, encoder.weights[at]!.shape))).dataSync());
    const plain = [0, 1].flatMap((row) => [...encoder.stateOf(windows.subarray(row * length * channels, (row + 1) * length * channels), weights)]);
    said.forEach((value, at) => {
      expect(encoded[at]).toBeCloseTo(value, 5);
      expect(plain[at]).toBeCloseTo(value, 5);
    });
  });
});

const plans: [string, SequencePlan][] = [
  ['gru', { encoder: gatedRecurrence(2, 3, 4), horizon: 2, cells: 3, hidden: 5 }],
  ['tcn', { encoder: dilatedConvolutions(2, 3, 4), horizon: 2, cells: 3, hidden: 5 }],
];

/** What a step will be depends on the newest value of its window and the first of its cells. */
function examplesFor(count: number): SequenceExamples {
  const [windows, steps] = [drawn(count * 8), drawn(count * 6)];
  const targets = Float32Array.from({ length: count * 2 }, (_, at) => windows[Math.floor(at / 2) * 8 + 6]! - 0.5 * steps[at * 3]!);
  const known = Float32Array.from({ length: count * 2 }, (_, at) => Number(at !== 1));
  targets[1] = 0;
  return { count, windows, steps, targets, known };
}

describe.each(plans)('a network over %s', (_, plan) => {
  it('has the gradients that finite differences have, on every backend', async () => {
    const weights = initialSequenceWeights(plan, 1, 2).map((weight) => weight.map((value) => value + 0.05));
    const batch = examplesFor(3);
    for (const backend of backends) {
      await activateBackend(backend);
      const { loss, gradients } = sequenceGradients(plan, weights, batch);
      expect(loss).toBeCloseTo(sequenceLoss(plan, weights, batch), 6);
      weights.forEach((weight, part) => {
        const at = draws.below(weight.length);
        const lossAt = (change: number) => sequenceLoss(plan, weights.map((own, index) => (index === part ? own.map((value, cell) => (cell === at ? value + change : value)) : own)), batch);
        expect(Math.abs((lossAt(0.01) - lossAt(-0.01)) / 0.02 - gradients[part]![at]!)).toBeLessThan(1e-3);
      });
    }
  });

  it('answers from a head of plain layers as it was trained to', async () => {
    await activateBackend(backends[0]!);
    const weights = initialSequenceWeights(plan, 3, 2);
    const batch = examplesFor(1);
    const state = plan.encoder.stateOf(batch.windows, weights);
    const said = [0, 1].map((step) => {
      const row = [...state, ...batch.steps.subarray(step * 3, step * 3 + 3)];
      return headLayers(plan, weights).reduce((values, { inputs, units, kernel, bias, activation }) =>
        Array.from({ length: units }, (_own, unit) => {
          let sum = bias[unit]!;
          for (let at = 0; at < inputs; at++) sum += values[at]! * kernel[at * units + unit]!;
          return activation === 'relu' ? Math.max(0, sum) : sum;
        }), row)[0]!;
    });
    const told = { ...batch, targets: Float32Array.from(said), known: Float32Array.of(1, 1) };
    expect(sequenceLoss(plan, weights, told)).toBeLessThan(1e-9);
  });

  it('learns, goes on from any epoch to the same weights, stops at once, and leaves no tensor', async () => {
    await activateBackend(backends[0]!);
    const [training, heldBack] = [examplesFor(96), examplesFor(20)];
    const before = tf.memory().numTensors;
    const states: SequenceState[] = [];
    const train = (resume: SequenceState | null, pacer = openEnded) => trainSequence({
      plan, training, heldBack, epochs: 8, learningRate: 0.02, patience: 8, seed: 5, stream: 1, resume, pacer,
      onEpoch: async (state) => void states.push(structuredClone(state)),
    });
    const whole = (await train(null)) as SequenceFit;
    const losses = whole.history.map(({ valLoss }) => valLoss!);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
    for (const epoch of [1, 4, 7]) expect(await train(states[epoch - 1]!)).toEqual(whole);
    // Other weights than those of the same epochs with an optimiser that forgot.
    expect(await train({ ...states[3]!, optimiser: { steps: 0, slots: states[3]!.optimiser.slots.map((slot) => slot.map(() => 0)) } })).not.toEqual(whole);
    let steps = 0;
    expect(await train(null, { mayContinue: async () => ++steps < 5 })).toBeNull();
    expect(steps).toBe(5);
    expect(tf.memory().numTensors).toBe(before);
  });
});
