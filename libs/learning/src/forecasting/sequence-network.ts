import * as tf from '@tensorflow/tfjs';
import type { DenseLayer } from '../pipeline.ts';
import { createRandom } from '../random.ts';
import type { SequenceEncoder } from './sequence-encoder.ts';

/**
 * A network over a window of the past and what is known of each step to come: the encoder makes a state of the window, and a
 * head of one hidden layer answers each step from the state and the step's own cells. Its weights: those of the encoder, then
 * [states, hidden], [cells of a step, hidden], [hidden], [hidden, 1], [1].
 */
export interface SequencePlan {
  encoder: SequenceEncoder;
  horizon: number;
  /** numbers of a step, covariates among them */
  cells: number;
  hidden: number;
}

/** Windows with what came after them. */
export interface SequenceExamples {
  count: number;
  /** [count, length, channels] */
  windows: Float32Array;
  /** [count, horizon, cells] */
  steps: Float32Array;
  /** [count, horizon]: the truth, in units of its window; 0 where it is not known */
  targets: Float32Array;
  /** [count, horizon]: 1 where the truth is known */
  known: Float32Array;
}

export function weightShapes({ encoder, cells, hidden }: SequencePlan): number[][] {
  return [...encoder.weights.map(({ shape }) => shape), [encoder.states, hidden], [cells, hidden], [hidden], [hidden, 1], [1]];
}

/** Uniform as Glorot & Bengio (2010) for the encoder and He et al. (2015) for the head; the last layer begins at a tenth, near the reference. */
export function initialSequenceWeights(plan: SequencePlan, seed: number, stream: number): Float32Array[] {
  const random = createRandom(seed, stream, 0);
  const uniform = (shape: number[], limit: number) => Float32Array.from({ length: shape.reduce((size, length) => size * length, 1) }, () => (2 * random.uniform() - 1) * limit);
  const { encoder, cells, hidden } = plan;
  const inputs = encoder.states + cells;
  return [
    ...encoder.weights.map(({ shape, fanIn, fanOut }) => uniform(shape, fanIn === 0 ? 0 : Math.sqrt(6 / (fanIn + fanOut)))),
    uniform([encoder.states, hidden], Math.sqrt(6 / inputs)),
    uniform([cells, hidden], Math.sqrt(6 / inputs)),
    new Float32Array(hidden),
    uniform([hidden, 1], 0.1 * Math.sqrt(6 / hidden)),
    new Float32Array(1),
  ];
}

/**
 * Mean loss of the known steps, √(1 + e²) - 1, which is half the squared error where it is small and the absolute error where
 * it is large (Charbonnier et al. 1997); and its gradient with respect to each weight.
 */
export function sequenceGradients(plan: SequencePlan, weights: readonly Float32Array[], batch: SequenceExamples): { loss: number; gradients: Float32Array[] } {
  const shapes = weightShapes(plan);
  return tf.tidy(() => {
    const count = Math.max(1, batch.known.reduce((sum, known) => sum + known, 0));
    const lossOf = (...tensors: tf.Tensor[]): tf.Scalar => {
      const error = tf.sub(answers(plan, tensors, batch), tf.tensor2d(batch.targets, [batch.count, plan.horizon]));
      const losses = tf.sub(tf.sqrt(tf.add(tf.square(error), 1)), 1);
      return tf.div(tf.sum(tf.mul(losses, tf.tensor2d(batch.known, [batch.count, plan.horizon]))), count);
    };
    const { value, grads } = tf.valueAndGrads(lossOf)(weights.map((weight, at) => tf.tensor(weight, shapes[at]!)));
    return { loss: value.dataSync()[0]!, gradients: grads.map((gradient) => Float32Array.from(gradient.dataSync())) };
  });
}

/** The mean loss of the known steps. */
export function sequenceLoss(plan: SequencePlan, weights: readonly Float32Array[], examples: SequenceExamples): number {
  const shapes = weightShapes(plan);
  const said = tf.tidy(() => answers(plan, weights.map((weight, at) => tf.tensor(weight, shapes[at]!)), examples).dataSync());
  let [sum, count] = [0, 0];
  examples.targets.forEach((target, at) => {
    if (examples.known[at] === 0) return;
    sum += Math.sqrt(1 + (said[at]! - target) ** 2) - 1;
    count += 1;
  });
  return sum / count;
}

/** [count, horizon] */
function answers({ encoder, horizon, cells, hidden }: SequencePlan, tensors: readonly tf.Tensor[], { count, windows, steps }: SequenceExamples): tf.Tensor2D {
  const own = tensors.slice(0, encoder.weights.length);
  const [ofState, ofStep, bias, out, outBias] = tensors.slice(encoder.weights.length);
  const state = encoder.encode(windows, count, own);
  const fromState = tf.reshape(tf.matMul(state, ofState as tf.Tensor2D), [count, 1, hidden]);
  const fromStep = tf.reshape(tf.matMul(tf.tensor2d(steps, [count * horizon, cells]), ofStep as tf.Tensor2D), [count, horizon, hidden]);
  const values = tf.relu(tf.add(tf.add(fromStep, fromState), bias!));
  return tf.reshape(tf.add(tf.matMul(tf.reshape(values, [count * horizon, hidden]) as tf.Tensor2D, out as tf.Tensor2D), outBias!), [count, horizon]) as tf.Tensor2D;
}

/** The head as layers over a state and then a step's cells. */
export function headLayers({ encoder, cells, hidden }: SequencePlan, weights: readonly Float32Array[]): DenseLayer[] {
  const [ofState, ofStep, bias, out, outBias] = weights.slice(encoder.weights.length) as [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];
  const kernel = new Float32Array(ofState.length + ofStep.length);
  kernel.set(ofState);
  kernel.set(ofStep, ofState.length);
  return [
    { activation: 'relu', inputs: encoder.states + cells, units: hidden, kernel, bias },
    { activation: 'linear', inputs: hidden, units: 1, kernel: out, bias: outBias },
  ];
}
