import * as tf from '@tensorflow/tfjs';
import { activateBackend, selectBackend } from './backend.ts';
import { createRandom } from './random.ts';
import type { Backend } from './backend.ts';

let wasm: Backend;
let cpu: Backend;

beforeAll(async () => {
  cpu = await selectBackend({ prefer: 'cpu' });
  wasm = await selectBackend({ prefer: 'wasm' });
  expect([wasm.name, cpu.name]).toEqual(['wasm', 'cpu']);
});

interface Sample {
  shapes: number[][];
  /** Any function to a scalar; squares make the gradient depend on the values. */
  loss: (...inputs: tf.Tensor[]) => tf.Scalar;
}

const squares = (x: tf.Tensor) => tf.sum(tf.square(x)) as tf.Scalar;
const ids = () => tf.tensor1d([2, 0, 2, 1, 2], 'int32');
type T2 = tf.Tensor2D;
type T4 = tf.Tensor4D;

const samples: Record<string, Sample> = {
  'gather (UnsortedSegmentSum)': { shapes: [[4, 3]], loss: (x) => squares(tf.gather(x, ids())) },
  'matMul': { shapes: [[4, 3], [3, 5]], loss: (a, b) => squares(tf.matMul(a as T2, b as T2)) },
  'matMul, first transposed': { shapes: [[3, 4], [3, 5]], loss: (a, b) => squares(tf.matMul(a as T2, b as T2, true)) },
  'matMul, second transposed': { shapes: [[4, 3], [5, 3]], loss: (a, b) => squares(tf.matMul(a as T2, b as T2, false, true)) },
  'matMul, both transposed, in batches': {
    shapes: [[2, 3, 4], [2, 5, 3]], loss: (a, b) => squares(tf.matMul(a, b, true, true)),
  },
  'conv2d 3x3 same': { shapes: [[2, 6, 5, 2], [3, 3, 2, 4]], loss: (x, f) => squares(tf.conv2d(x as T4, f as T4, 1, 'same')) },
  'conv2d 3x3 stride 2 same': { shapes: [[2, 7, 7, 3], [3, 3, 3, 2]], loss: (x, f) => squares(tf.conv2d(x as T4, f as T4, 2, 'same')) },
  'conv2d 2x3 valid': { shapes: [[2, 5, 5, 2], [2, 3, 2, 3]], loss: (x, f) => squares(tf.conv2d(x as T4, f as T4, [2, 1], 'valid')) },
  'conv2d 3x2 valid': { shapes: [[2, 6, 5, 3], [3, 2, 3, 2]], loss: (x, f) => squares(tf.conv2d(x as T4, f as T4, 1, 'valid')) },
  'conv2d 4x4 same': { shapes: [[1, 6, 7, 2], [4, 4, 2, 3]], loss: (x, f) => squares(tf.conv2d(x as T4, f as T4, 1, 'same')) },
  'conv2d 5x5 same, wider than the picture': { shapes: [[2, 3, 3, 2], [5, 5, 2, 2]], loss: (x, f) => squares(tf.conv2d(x as T4, f as T4, 1, 'same')) },
  'conv2d 3x3 stride 2 valid': { shapes: [[2, 8, 6, 2], [3, 3, 2, 3]], loss: (x, f) => squares(tf.conv2d(x as T4, f as T4, 2, 'valid')) },
  'conv2d 1x1': { shapes: [[1, 4, 4, 3], [1, 1, 3, 5]], loss: (x, f) => squares(tf.conv2d(x as T4, f as T4, 1, 'same')) },
  'depthwiseConv2d same': {
    shapes: [[2, 5, 5, 3], [3, 3, 3, 2]], loss: (x, f) => squares(tf.depthwiseConv2d(x as T4, f as T4, 1, 'same')),
  },
  'depthwiseConv2d stride 2 valid': {
    shapes: [[1, 7, 6, 2], [3, 2, 2, 1]], loss: (x, f) => squares(tf.depthwiseConv2d(x as T4, f as T4, 2, 'valid')),
  },
  'maxPool 2x2': { shapes: [[2, 6, 6, 3]], loss: (x) => squares(tf.maxPool(x as T4, 2, 2, 'valid')) },
  'maxPool 2x2, odd sides': { shapes: [[2, 7, 5, 3]], loss: (x) => squares(tf.maxPool(x as T4, 2, 2, 'valid')) },
  'maxPool 3x3 stride 2 same': { shapes: [[2, 7, 7, 2]], loss: (x) => squares(tf.maxPool(x as T4, 3, 2, 'same')) },
  'maxPool overlapping': { shapes: [[2, 5, 5, 2]], loss: (x) => squares(tf.maxPool(x as T4, 2, 1, 'valid')) },
  'relu': { shapes: [[6, 5]], loss: (x) => squares(tf.relu(x)) },
  'elu': { shapes: [[6, 5]], loss: (x) => squares(tf.elu(x)) },
  'tanh': { shapes: [[6, 5]], loss: (x) => squares(tf.tanh(x)) },
  'sigmoid': { shapes: [[6, 5]], loss: (x) => squares(tf.sigmoid(x)) },
  'logSoftmax': { shapes: [[6, 5]], loss: (x) => squares(tf.logSoftmax(x)) },
  'softmax': { shapes: [[6, 5]], loss: (x) => squares(tf.softmax(x)) },
  'bias added to rows': { shapes: [[6, 5], [5]], loss: (x, b) => squares(tf.add(x, b)) },
};

function inputsOf(sample: Sample): Float32Array[] {
  const random = createRandom(21);
  return sample.shapes.map((shape) =>
    Float32Array.from({ length: shape.reduce((size, length) => size * length, 1) }, () => random.uniform() * 2 - 1),
  );
}

function valueOf(sample: Sample, inputs: Float32Array[]): number {
  return tf.tidy(() => sample.loss(...inputs.map((input, at) => tf.tensor(input, sample.shapes[at]))).dataSync()[0]!);
}

function gradientsOf(sample: Sample, inputs: Float32Array[]): number[][] {
  return tf.tidy(() => {
    const tensors = inputs.map((input, at) => tf.tensor(input, sample.shapes[at]));
    return tf.grads(sample.loss)(tensors).map((gradient) => Array.from(gradient.dataSync()));
  });
}

const relative = (a: number, b: number) => Math.abs(a - b) / Math.max(1, Math.abs(b));

test.each(Object.keys(samples))('%s: WebAssembly agrees with plain JavaScript, forward and backward', async (name) => {
  const sample = samples[name]!;
  const inputs = inputsOf(sample);
  await activateBackend(cpu);
  const expected = { value: valueOf(sample, inputs), gradients: gradientsOf(sample, inputs) };
  await activateBackend(wasm);
  expect(relative(valueOf(sample, inputs), expected.value)).toBeLessThan(1e-5);
  gradientsOf(sample, inputs).forEach((gradient, input) => {
    expect(gradient.length).toBe(expected.gradients[input]!.length);
    gradient.forEach((value, at) => expect(relative(value, expected.gradients[input]![at]!)).toBeLessThan(1e-5));
  });
});

test.each(Object.keys(samples))('%s: the gradient on WebAssembly is that of finite differences', async (name) => {
  await activateBackend(wasm);
  const sample = samples[name]!;
  const inputs = inputsOf(sample);
  const gradients = gradientsOf(sample, inputs);
  const step = 1 / 1024;
  let worst = 0;
  const random = createRandom(2);
  for (let probe = 0; probe < 25; probe++) {
    const input = random.below(inputs.length);
    const at = random.below(inputs[input]!.length);
    const nearby = (by: number) => valueOf(sample, inputs.map((values, index) =>
      index === input ? values.map((value, position) => (position === at ? value + by : value)) : values));
    const slope = (nearby(step) - nearby(-step)) / (2 * step);
    const [oneSided, otherSided] = [nearby(step) - nearby(0), nearby(0) - nearby(-step)];
    // At a kink (relu at 0, two equal maxima) the one-sided slopes differ and there is no gradient to compare.
    if (Math.abs(oneSided - otherSided) > step * 0.05 * Math.max(1, Math.abs(slope))) continue;
    worst = Math.max(worst, relative(gradients[input]![at]!, slope));
  }
  expect(worst).toBeLessThan(0.05);
});

test('a thousand windows: no max-pooling gradient is lost', async () => {
  await activateBackend(wasm);
  const random = createRandom(8);
  const values = Float32Array.from({ length: 30 * 12 * 12 * 3 }, () => random.uniform());
  const total = tf.tidy(() => {
    const x = tf.tensor4d(values, [30, 12, 12, 3]);
    return tf.sum(tf.grad((input) => tf.sum(tf.maxPool(input as T4, 2, 2, 'valid')))(x)).dataSync()[0]!;
  });
  expect(total).toBe(30 * 6 * 6 * 3);
});

test('the kernels leave neither tensors nor heap behind', async () => {
  await activateBackend(wasm);
  const engine = tf.backend() as unknown as { numDataIds(): number };
  const runAll = () => Object.values(samples).forEach((sample) => gradientsOf(sample, inputsOf(sample)));
  runAll();
  const before = { tensors: tf.memory().numTensors, ids: engine.numDataIds() };
  runAll();
  expect({ tensors: tf.memory().numTensors, ids: engine.numDataIds() }).toEqual(before);
});
