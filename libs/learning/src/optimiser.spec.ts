import * as tf from '@tensorflow/tfjs';
import { selectBackend } from './backend.ts';
import { createOptimiser } from './optimiser.ts';
import type { OptimiserName, OptimiserState } from './optimiser.ts';

/** adamw has no counterpart there. */
const references: Record<Exclude<OptimiserName, 'adamw'>, () => tf.Optimizer> = {
  sgd: () => tf.train.sgd(0.05),
  momentum: () => tf.train.momentum(0.05, 0.9),
  nesterov: () => tf.train.momentum(0.05, 0.9, true),
  rmsprop: () => tf.train.rmsprop(0.05, 0.9, 0, 1e-14),
  adam: () => tf.train.adam(0.05, 0.9, 0.999, 1e-7),
};
const names = Object.keys(references) as (keyof typeof references)[];
const optimiserOf = (optimizer: OptimiserName, sizes: number[], restored: OptimiserState | null = null, weightDecay = 0.01) =>
  createOptimiser({ optimizer, weightDecay }, sizes, sizes.map((_, at) => at === 0), restored);
const start = () => Float32Array.of(1, -2, 0.5);

/** Slope of a bowl with differently steep sides. */
const slope = (weight: Float32Array) => weight.map((value, at) => (at + 1) * 2 * (value - 0.3));

beforeAll(() => selectBackend({ prefer: 'cpu' }));

test.each(names)('%s walks the same way as the optimiser of TensorFlow.js', (name) => {
  const weight = start();
  const own = optimiserOf(name, [3]);
  const variable = tf.variable(tf.tensor1d(start()));
  const reference = references[name]();
  for (let step = 0; step < 25; step++) {
    own.step([weight], [slope(weight)], 0.05);
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
  optimiserOf('adam', [2]).step([weight], [Float32Array.of(1000, -0.001)], 0.1);
  expect(weight[0]).toBeCloseTo(-0.1, 5);
  expect(weight[1]).toBeCloseTo(0.1, 4);
});

test('adamw takes the steps of adam and shrinks kernels, and only these, by rate times decay first', () => {
  const [plain, decayed] = [[Float32Array.of(2, -4), Float32Array.of(5)], [Float32Array.of(2, -4), Float32Array.of(5)]];
  const gradients = () => [Float32Array.of(0.3, 0.1), Float32Array.of(-1)];
  optimiserOf('adam', [2, 1]).step(plain, gradients(), 0.1);
  optimiserOf('adamw', [2, 1], null, 0.5).step(decayed, gradients(), 0.1);
  expect(decayed[0]![0]).toBeCloseTo(plain[0]![0]! - 0.05 * 2, 6);
  expect(decayed[0]![1]).toBeCloseTo(plain[0]![1]! + 0.05 * 4, 6);
  expect(decayed[1]).toEqual(plain[1]);
});

test('two steps of momentum are what a hand calculation gives', () => {
  const weight = Float32Array.of(0);
  const optimiser = optimiserOf('momentum', [1]);
  optimiser.step([weight], [Float32Array.of(1)], 0.5); // velocity 1, weight -0.5
  optimiser.step([weight], [Float32Array.of(2)], 0.5); // velocity 2.9, weight -1.95
  expect(weight[0]).toBeCloseTo(-1.95, 6);
});

test.each([...names, 'adamw' as const])('%s goes on from its saved state bit for bit', (name) => {
  const through = start();
  const whole = optimiserOf(name, [3]);
  for (let step = 0; step < 10; step++) whole.step([through], [slope(through)], 0.05);

  const halted = start();
  const before = optimiserOf(name, [3]);
  for (let step = 0; step < 4; step++) before.step([halted], [slope(halted)], 0.05);
  const after = optimiserOf(name, [3], before.state);
  for (let step = 4; step < 10; step++) after.step([halted], [slope(halted)], 0.05);
  expect(halted).toEqual(through);
});
