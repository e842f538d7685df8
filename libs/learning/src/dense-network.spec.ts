import * as tf from '@tensorflow/tfjs';
import { selectBackend } from './backend.ts';
import { addPenaltyGradients, initialWeights, lossAndGradients, networkOutputs, penaltyOf, shapesOf } from './dense-network.ts';
import { createRandom } from './random.ts';
import type { Examples } from './dense-network.ts';
import type { DenseSettings } from '@millrace/configuration';

const activations = ['relu', 'tanh', 'sigmoid', 'elu'] as const;

function makeExamples(rows: number, width: number, classes: number): Examples {
  const random = createRandom(5);
  return {
    rows, width,
    inputs: Float32Array.from({ length: rows * width }, () => random.uniform() * 2 - 1),
    targets: Float32Array.from({ length: rows }, () => (classes > 0 ? random.below(classes) : random.uniform() * 2 - 1)),
  };
}

/** The same loss by nested loops in float64: an independent program. */
function lossByLoops(shapes: ReturnType<typeof shapesOf>, weights: Float64Array[], examples: Examples, classes: number): number {
  const functions = {
    relu: (v: number) => Math.max(0, v),
    tanh: Math.tanh,
    sigmoid: (v: number) => 1 / (1 + Math.exp(-v)),
    elu: (v: number) => (v > 0 ? v : Math.exp(v) - 1),
    linear: (v: number) => v,
    softmax: (v: number) => v,
  };
  let total = 0;
  for (let row = 0; row < examples.rows; row++) {
    let values = Array.from(examples.inputs.subarray(row * examples.width, (row + 1) * examples.width));
    shapes.forEach(({ units, activation }, layer) => {
      const [kernel, bias] = [weights[2 * layer]!, weights[2 * layer + 1]!];
      const below = values;
      values = Array.from({ length: units }, (_, unit) =>
        functions[activation](below.reduce((sum, value, at) => sum + value * kernel[at * units + unit]!, bias[unit]!)),
      );
    });
    const target = examples.targets[row]!;
    if (classes === 0) total += (values[0]! - target) ** 2;
    else total += Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0)) - values[target]!;
  }
  return total / examples.rows;
}

describe.each(['wasm', 'cpu'] as const)('on %s', (backend) => {
  beforeAll(async () => {
    expect((await selectBackend({ prefer: backend })).name).toBe(backend);
  });

  test.each(activations.flatMap((activation) => [[activation, 3], [activation, 2], [activation, 0]] as const))(
    '%s with %i classes: loss and gradients are those of an independent program and its finite differences',
    (activation, classes) => {
      const settings: DenseSettings = { family: 'dense', hiddenLayers: [5, 4], activation };
      const shapes = shapesOf(settings, 3, classes);
      const weights = initialWeights(shapes, 9, 0);
      weights.forEach((weight, index) => {
        if (index % 2 === 1) weight.fill(0.05);
      });
      const examples = makeExamples(17, 3, classes);
      const before = tf.memory().numTensors;
      const { loss, gradients } = lossAndGradients(shapes, weights, examples, classes);
      expect(tf.memory().numTensors).toBe(before);

      const exact = weights.map((weight) => Float64Array.from(weight));
      expect(loss).toBeCloseTo(lossByLoops(shapes, exact, examples, classes), 5);
      exact.forEach((weight, index) => {
        weight.forEach((value, at) => {
          const nearby = (step: number) => {
            weight[at] = value + step;
            const result = lossByLoops(shapes, exact, examples, classes);
            weight[at] = value;
            return result;
          };
          expect(gradients[index]![at]).toBeCloseTo((nearby(1e-5) - nearby(-1e-5)) / 2e-5, 4);
        });
      });
    },
  );

  test('outputs of many rows are probabilities that add up to 1, chunk borders included', () => {
    const shapes = shapesOf({ family: 'dense', hiddenLayers: [6], activation: 'tanh' }, 2, 3);
    const weights = initialWeights(shapes, 1, 0);
    const layers = shapes.map((shape, at) => ({ ...shape, kernel: weights[2 * at]!, bias: weights[2 * at + 1]! }));
    const { inputs } = makeExamples(4100, 2, 0);
    const outputs = networkOutputs(layers, inputs, 4100);
    for (let row = 0; row < 4100; row++) {
      expect(outputs[3 * row]! + outputs[3 * row + 1]! + outputs[3 * row + 2]!).toBeCloseTo(1, 5);
    }
    const last = networkOutputs(layers, inputs.slice(2 * 4099), 1);
    outputs.subarray(3 * 4099).forEach((value, at) => expect(value).toBeCloseTo(last[at]!, 6));
  });
});

test('the gradient of the penalty is l1 · sign(w) + 2 · l2 · w on kernels and nothing on biases', () => {
  const weights = [Float32Array.of(2, -3, 0), Float32Array.of(5)];
  const gradients = [new Float32Array(3), new Float32Array(1)];
  const settings = { l1: 0.5, l2: 0.25 };
  addPenaltyGradients(weights, gradients, settings);
  expect(Array.from(gradients[0]!)).toEqual([0.5 + 1, -0.5 - 1.5, 0]);
  expect(Array.from(gradients[1]!)).toEqual([0]);
  expect(penaltyOf(weights, settings)).toBeCloseTo(0.5 * 5 + 0.25 * 13, 12);
});

test('initial kernels keep to the bounds of their authors', () => {
  const before = (activation: 'relu' | 'tanh') => shapesOf({ family: 'dense', hiddenLayers: [50], activation }, 20, 0);
  const largest = (activation: 'relu' | 'tanh') => Math.max(...initialWeights(before(activation), 1, 0)[0]!.map(Math.abs));
  expect(largest('relu')).toBeLessThanOrEqual(Math.sqrt(6 / 20));
  expect(largest('relu')).toBeGreaterThan(0.95 * Math.sqrt(6 / 20));
  expect(largest('tanh')).toBeLessThanOrEqual(Math.sqrt(6 / 70));
  expect(largest('tanh')).toBeGreaterThan(0.95 * Math.sqrt(6 / 70));
});
