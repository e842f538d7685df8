import * as tf from '@tensorflow/tfjs';
import { selectBackend } from './backend.ts';
import { createOptimiser } from './optimiser.ts';
import type { OptimiserName } from './optimiser.ts';

const references: Record<OptimiserName, () => tf.Optimizer> = {
  sgd: () => tf.train.sgd(0.05),
  momentum: () => tf.train.momentum(0.05, 0.9),
  rmsprop: () => tf.train.rmsprop(0.05, 0.9, 0, 1e-14),
  adam: () => tf.train.adam(0.05, 0.9, 0.999, 1e-7),
};
const names = Object.keys(references) as OptimiserName[];
const start = () => Float32Array.of(1, -2, 0.5);

/** Slope of a bowl with differently steep sides. */
const slope = (weight: Float32Array) => weight.map((value, at) => (at + 1) * 2 * (value - 0.3));

beforeAll(() => selectBackend({ prefer: 'cpu' }));

test.each(names)('%s walks the same way as the optimiser of TensorFlow.js', (name) => {
  const weight = start();
  const own = createOptimiser(name, 0.05, [3]);
  const variable = tf.variable(tf.tensor1d(start()));
  const reference = references[name]();
  for (let step = 0; step < 25; step++) {
    own.step([weight], [slope(weight)]);
    const gradient = tf.tensor1d(slope(variable.dataSync() as Float32Array));
    reference.applyGradients([{ name: variable.name, tensor: gradient }]);
    gradient.dispose();
  }
  variable.dataSync().forEach((value, at) => expect(weight[at]).toBeCloseTo(value, 4));
  variable.dispose();
  reference.dispose();
});

test('the first step of adam is the learning rate, whatever the size of the gradient', () => {
  const weight = Float32Array.of(0, 0);
  createOptimiser('adam', 0.1, [2]).step([weight], [Float32Array.of(1000, -0.001)]);
  expect(weight[0]).toBeCloseTo(-0.1, 5);
  expect(weight[1]).toBeCloseTo(0.1, 4);
});

test('two steps of momentum are what a hand calculation gives', () => {
  const weight = Float32Array.of(0);
  const optimiser = createOptimiser('momentum', 0.5, [1]);
  optimiser.step([weight], [Float32Array.of(1)]); // velocity 1, weight -0.5
  optimiser.step([weight], [Float32Array.of(2)]); // velocity 2.9, weight -1.95
  expect(weight[0]).toBeCloseTo(-1.95, 6);
});

test.each(names)('%s goes on from its saved state bit for bit', (name) => {
  const through = start();
  const whole = createOptimiser(name, 0.05, [3]);
  for (let step = 0; step < 10; step++) whole.step([through], [slope(through)]);

  const halted = start();
  const before = createOptimiser(name, 0.05, [3]);
  for (let step = 0; step < 4; step++) before.step([halted], [slope(halted)]);
  const after = createOptimiser(name, 0.05, [3], before.state);
  for (let step = 4; step < 10; step++) after.step([halted], [slope(halted)]);
  expect(halted).toEqual(through);
});
