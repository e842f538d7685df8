import * as tf from '@tensorflow/tfjs';
import { type ConvolutionNetwork, type ConvolutionPlan, side, weightsOfConvolutions } from './convolution-plan.ts';
import type { Slopes } from './gradient-descent.ts';
import { weightedSums } from './network-pass.ts';
import { type Statistics, varianceFloor } from './network-plan.ts';
import type { ConvolutionLayer } from './pipeline.ts';
import type { Random } from './random.ts';
import { tidily } from './tidily.ts';
import { wholeConvolutions } from './whole-numbers.ts';

/** Standardised pictures [rows, height, width, channels] row by row, with their classes. */
export interface ImageBatch {
  rows: number;
  height: number;
  width: number;
  channels: number;
  pixels: Float32Array;
  targets: Int32Array;
}

export interface ImageLossOptions {
  /** How much a row of each class counts; null: all alike. */
  classWeights: Float64Array | null;
  labelSmoothing: number;
  /** Of what the last block found. */
  dropout: number;
  random: Random;
}

/** Cross-entropy of a batch in nats, and its gradient with respect to each weight array. */
export function imageSlopes(plan: ConvolutionPlan, weights: Float32Array[], batch: ImageBatch, options: ImageLossOptions): Slopes {
  const shapes = weightsOfConvolutions(plan);
  return tidily(() => {
    const truth = wantedOf(batch, plan.classes, options);
    let statistics: Statistics = [];
    const lossOf = (...tensors: tf.Tensor[]): tf.Scalar => {
      const pass = forwardInTraining(plan, tensors, batch, options);
      ({ statistics } = pass);
      return tf.div(tf.neg(tf.sum(tf.mul(truth, tf.logSoftmax(pass.logits)))), batch.rows);
    };
    const { value, grads } = tf.valueAndGrads(lossOf)(weights.map((weight, index) => tf.tensor(weight, shapes[index]!.shape)));
    return {
      loss: value.dataSync()[0]!,
      // Copies: the plain JavaScript backend hands out its own storage.
      gradients: grads.map((gradient) => Float32Array.from(gradient.dataSync())),
      statistics,
    };
  });
}

function forwardInTraining(plan: ConvolutionPlan, tensors: tf.Tensor[], { rows, height, width, channels, pixels }: ImageBatch, { dropout, random }: ImageLossOptions) {
  const statistics: Statistics = [];
  let next = 0;
  let values = tf.tensor4d(pixels, [rows, height, width, channels]);
  for (const { pooled, normalised } of plan.layers) {
    const [kernel, bias] = [tensors[next++] as tf.Tensor4D, tensors[next++] as tf.Tensor1D];
    const sums = tf.conv2d(values, kernel, 1, 'same');
    let results: tf.Tensor4D;
    if (normalised) {
      const normal = normalise(sums, tensors[next++] as tf.Tensor1D, bias);
      statistics.push(normal.mean, normal.variance);
      results = normal.values;
    } else {
      results = addToChannels(sums, bias);
    }
    values = tf.relu(pooled ? tf.maxPool(results, 2, 2, 'valid') : results);
  }
  let found = tf.mean(values, [1, 2]) as tf.Tensor2D;
  if (dropout > 0) {
    const kept = 1 / (1 - dropout);
    found = tf.mul(found, tf.tensor2d(Float32Array.from({ length: found.size }, () => (random.uniform() < dropout ? 0 : kept)), found.shape));
  }
  const [kernel, bias] = [tensors[next++] as tf.Tensor2D, tensors[next]!];
  return { logits: tf.add(tf.matMul(found, kernel), bias), statistics };
}

/** Sums over rows as a product: the quickest way over a long matrix on every backend. */
function sumRows(matrix: tf.Tensor2D): tf.Tensor1D {
  return tf.reshape(tf.matMul(tf.ones([1, matrix.shape[0]]), matrix), [matrix.shape[1]]);
}

/** Each filter's bias added to all of its sums. The gradient is the one that broadcasting has, by a quicker way. */
function addToChannels(x: tf.Tensor4D, bias: tf.Tensor1D): tf.Tensor4D {
  const op = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [values, shift] = inputs as [tf.Tensor4D, tf.Tensor1D, tf.GradSaveFunc];
    return {
      value: tf.add(values, shift),
      gradFunc: (dy) => [dy, sumRows(tf.reshape(dy, [-1, shift.shape[0]]))],
    };
  });
  return op(x, bias) as tf.Tensor4D;
}

/**
 * Batch normalisation of each filter over all rows and places (Ioffe & Szegedy 2015): `(x - mean) / √(variance + ε) · gain +
 * bias`, with the gradient of that paper's section 3 as one operation, since piece by piece it is several times slower.
 */
export function normalise(x: tf.Tensor4D, gain: tf.Tensor1D, bias: tf.Tensor1D): { values: tf.Tensor4D; mean: Float32Array; variance: Float32Array } {
  let mean = new Float32Array();
  let variance = new Float32Array();
  const op = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [values, scale, shift, save] = inputs as [tf.Tensor4D, tf.Tensor1D, tf.Tensor1D, tf.GradSaveFunc];
    const filters = scale.shape[0];
    const rows = tf.reshape(values, [-1, filters]) as tf.Tensor2D;
    const count = rows.shape[0];
    const centre = tf.div(sumRows(rows), count);
    const centred = tf.sub(rows, centre) as tf.Tensor2D;
    const spread = tf.div(sumRows(tf.square(centred)), count);
    const inverse = tf.rsqrt(tf.add(spread, varianceFloor));
    const normal = tf.mul(centred, inverse);
    mean = Float32Array.from(centre.dataSync());
    variance = Float32Array.from(spread.dataSync());
    save([normal, inverse, scale]);
    return {
      value: tf.reshape(tf.add(tf.mul(normal, scale), shift), values.shape),
      gradFunc: (dy, saved) => {
        const [normalised, perDeviation, factor] = saved as [tf.Tensor2D, tf.Tensor1D, tf.Tensor1D];
        const slope = tf.reshape(dy, [-1, filters]) as tf.Tensor2D;
        const shiftSlope = sumRows(slope);
        const scaleSlope = sumRows(tf.mul(slope, normalised));
        const own = tf.sub(tf.sub(slope, tf.div(shiftSlope, count)), tf.mul(normalised, tf.div(scaleSlope, count)));
        return [tf.reshape(tf.mul(own, tf.mul(factor, perDeviation)), dy.shape), scaleSlope, shiftSlope];
      },
    };
  });
  const values = op(x, gain, bias) as tf.Tensor4D;
  return { values, mean, variance };
}

/** Probabilities of the classes, [rows, classes], of standardised pictures. */
export function imageOutputs({ layers, head }: ConvolutionNetwork, { rows, height, width, channels, pixels }: Omit<ImageBatch, 'targets'>): Float32Array {
  const classes = head.bias.length;
  return tidily(() => {
    const picture = tf.tensor4d(pixels, [rows, height, width, channels]);
    const values = layers[0]!.storage?.type === 'int8' ? wholeConvolutions(picture, layers) : layers.reduce(convolve, picture);
    const found = tf.mean(values, [1, 2]) as tf.Tensor2D;
    return Float32Array.from(tf.softmax(weightedSums(found, { ...head, inputs: found.shape[1], units: classes })).dataSync());
  });
}

/** What a layer makes of standardised pictures, or of what the layer before found. */
export function convolve(values: tf.Tensor4D, { inputs, filters, kernel, bias, pooled }: ConvolutionLayer): tf.Tensor4D {
  const sums = tf.add(tf.conv2d(values, tf.tensor4d(kernel, [side, side, inputs, filters]), 1, 'same'), tf.tensor1d(bias)) as tf.Tensor4D;
  return tf.relu(pooled ? tf.maxPool(sums, 2, 2, 'valid') : sums);
}

function wantedOf({ rows, targets }: ImageBatch, classes: number, { classWeights, labelSmoothing }: ImageLossOptions): tf.Tensor2D {
  const wanted = new Float32Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    const own = targets[row]!;
    const weight = classWeights ? classWeights[own]! : 1;
    if (labelSmoothing > 0) wanted.fill((weight * labelSmoothing) / classes, row * classes, (row + 1) * classes);
    wanted[row * classes + own]! += weight * (1 - labelSmoothing);
  }
  return tf.tensor2d(wanted, [rows, classes]);
}
