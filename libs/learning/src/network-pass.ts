import * as tf from '@tensorflow/tfjs';
import { type NetworkPlan, type Statistics, varianceFloor, weightsOfPlan } from './network-plan.ts';
import type { Activation, DenseLayer } from './pipeline.ts';
import type { Random } from './random.ts';
import { tidily } from './tidily.ts';
import { wholeSums } from './whole-numbers.ts';

/** Encoded rows with their targets: [rows, width] row by row. */
export interface Examples {
  rows: number;
  /** Cells that go in as they are. */
  width: number;
  inputs: Float32Array;
  /** [rows, embeddings]: the place of each embedded category's value; the number of its values for any other. */
  codes: Int32Array;
  /** Class index per row, or the standardised target of a regression. */
  targets: Float32Array;
}

export interface LossOptions {
  /** Number of classes, or 0 for a regression. */
  classes: number;
  /** How much a row of each class counts; null: all alike. */
  classWeights: Float64Array | null;
  labelSmoothing: number;
  dropout: number;
  /** Chooses the units to leave out. */
  random: Random;
  /** What is to be learned, where it is neither a class nor one number: the loss of a batch, summed over its rows. */
  objective?: ((outputs: tf.Tensor2D, batch: Examples) => tf.Scalar) | undefined;
}

export interface Slopes {
  loss: number;
  gradients: Float32Array[];
  /** Of this batch. */
  statistics: Statistics;
}

/**
 * Loss of a batch (data term: cross-entropy in nats, or squared error) and its gradient with respect to each weight
 * array: batch normalisation (Ioffe & Szegedy 2015), dropout (Srivastava et al. 2014), label smoothing (Szegedy et al.
 * 2016).
 */
export function lossAndGradients(plan: NetworkPlan, weights: Float32Array[], batch: Examples, options: LossOptions): Slopes {
  const shapes = weightsOfPlan(plan);
  return tidily(() => {
    const { objective } = options;
    const truth = objective ? null : targetTensor(batch, options);
    let statistics: Statistics = [];
    const lossOf = (...tensors: tf.Tensor[]): tf.Scalar => {
      const pass = forwardInTraining(plan, tensors, batch, options);
      ({ statistics } = pass);
      const total = !truth
        ? objective!(pass.outputs as tf.Tensor2D, batch)
        : options.classes > 0
          ? tf.neg(tf.sum(tf.mul(truth, tf.logSoftmax(pass.outputs))))
          : tf.sum(tf.square(tf.sub(pass.outputs, truth)));
      return tf.div(total, batch.rows);
    };
    const tensors = weights.map((weight, index) => tf.tensor(weight, shapes[index]!.shape));
    const { value, grads } = tf.valueAndGrads(lossOf)(tensors);
    return {
      loss: value.dataSync()[0]!,
      // Copies: the plain JavaScript backend hands out its own storage.
      gradients: grads.map((gradient) => Float32Array.from(gradient.dataSync())),
      statistics,
    };
  });
}

function forwardInTraining(
  plan: NetworkPlan, tensors: tf.Tensor[], batch: Examples, { dropout, random }: LossOptions,
): { outputs: tf.Tensor; statistics: Statistics } {
  const statistics: Statistics = [];
  let next = 0;
  const embedded = plan.blocks
    .filter(({ type }) => type === 'embedding')
    .map((_, index, { length }) => {
      const table = tensors[next++] as tf.Tensor2D;
      const codes = Int32Array.from({ length: batch.rows }, (_row, row) => batch.codes[row * length + index]!);
      // Values never seen get zeros, from a row beyond the table.
      return tf.gather(tf.concat([table, tf.zeros([1, table.shape[1]])]), tf.tensor1d(codes, 'int32'));
    });
  const plain = batch.width > 0 ? [tf.tensor2d(batch.inputs, [batch.rows, batch.width])] : [];
  const parts = [...plain, ...embedded];
  let values: tf.Tensor = parts.length === 1 ? parts[0]! : tf.concat(parts as tf.Tensor2D[], 1);
  plan.layers.forEach(({ units, activation, normalised, residual }, index) => {
    const [kernel, bias] = [tensors[next++] as tf.Tensor2D, tensors[next++]!];
    const product = tf.matMul(values as tf.Tensor2D, kernel);
    let sum: tf.Tensor;
    if (normalised) {
      const mean = tf.mean(product, 0);
      const centred = tf.sub(product, mean);
      const variance = tf.mean(tf.square(centred), 0);
      statistics.push(Float32Array.from(mean.dataSync()), Float32Array.from(variance.dataSync()));
      const gain = tensors[next++]!;
      sum = tf.add(tf.mul(tf.div(centred, tf.sqrt(tf.add(variance, varianceFloor))), gain), bias);
    } else {
      sum = tf.add(product, bias);
    }
    let result = activate(sum, activation);
    if (dropout > 0 && index < plan.layers.length - 1) result = tf.mul(result, dropoutMask(batch.rows, units, dropout, random));
    values = residual ? tf.add(values, result) : result;
  });
  return { outputs: values, statistics };
}

/** 0 for a unit that is left out, and for the others what keeps the expected sum. */
function dropoutMask(rows: number, units: number, dropout: number, random: Random): tf.Tensor2D {
  const kept = 1 / (1 - dropout);
  return tf.tensor2d(Float32Array.from({ length: rows * units }, () => (random.uniform() < dropout ? 0 : kept)), [rows, units]);
}

/** A softmax is left to the caller, because training needs the logits. */
function activate(sum: tf.Tensor, activation: Activation): tf.Tensor {
  switch (activation) {
    case 'relu':
      return tf.relu(sum);
    case 'tanh':
      return tf.tanh(sum);
    case 'sigmoid':
      return tf.sigmoid(sum);
    case 'elu':
      return tf.elu(sum);
    case 'linear':
    case 'softmax':
      return sum;
  }
}

/**
 * The network's outputs for encoded rows: [rows, units of the last layer], softmax or linear as the last layer says.
 */
export function networkOutputs(layers: DenseLayer[], inputs: Float32Array, rows: number): Float32Array {
  const width = layers[0]!.inputs;
  const units = layers[layers.length - 1]!.units;
  const outputs = new Float32Array(rows * units);
  const chunk = 2048;
  for (let start = 0; start < rows; start += chunk) {
    const end = Math.min(rows, start + chunk);
    const part = tidily(() => {
      const x = tf.tensor2d(inputs.subarray(start * width, end * width), [end - start, width]);
      const last = layers.reduce((values: tf.Tensor, layer) => {
        const result = activate(weightedSums(values as tf.Tensor2D, layer), layer.activation);
        return layer.residual ? tf.add(values, result) : result;
      }, x);
      return (layers[layers.length - 1]!.activation === 'softmax' ? tf.softmax(last as tf.Tensor2D) : last).dataSync();
    });
    outputs.set(part as Float32Array, start * units);
  }
  return outputs;
}

/** `x · kernel + bias`, in whole numbers where the layer is kept in them. */
export function weightedSums(x: tf.Tensor2D, { inputs, units, kernel, bias, storage }: Pick<DenseLayer, 'inputs' | 'units' | 'kernel' | 'bias' | 'storage'>): tf.Tensor2D {
  if (storage?.type === 'int8') return wholeSums(x, { units, kernel, bias, storage });
  return tf.add(tf.matMul(x, tf.tensor2d(kernel, [inputs, units])), tf.tensor1d(bias));
}

/** Probabilities to learn, each row times the weight of its class; or the numbers to learn. */
function targetTensor(batch: Examples, { classes, classWeights, labelSmoothing }: LossOptions): tf.Tensor2D {
  if (classes === 0) return tf.tensor2d(batch.targets, [batch.rows, 1]);
  const wanted = new Float32Array(batch.rows * classes);
  for (let row = 0; row < batch.rows; row++) {
    const own = batch.targets[row]!;
    const weight = classWeights ? classWeights[own]! : 1;
    if (labelSmoothing > 0) wanted.fill((weight * labelSmoothing) / classes, row * classes, (row + 1) * classes);
    wanted[row * classes + own]! += weight * (1 - labelSmoothing);
  }
  return tf.tensor2d(wanted, [batch.rows, classes]);
}

/** Mean loss of outputs that are already probabilities (classes) or values (regression), without label smoothing. */
export function dataLoss(outputs: Float32Array, targets: Float32Array, classes: number, classWeights: Float64Array | null): number {
  let sum = 0;
  for (let row = 0; row < targets.length; row++) {
    const own = targets[row]!;
    if (classes > 0) {
      // The smallest normal float32: a probability that underflowed to 0 must not make the loss infinite.
      const loss = -Math.log(Math.max(1.17549435e-38, outputs[row * classes + own]!));
      sum += classWeights ? classWeights[own]! * loss : loss;
    } else {
      sum += (outputs[row]! - own) ** 2;
    }
  }
  return sum / targets.length;
}

export function gather(examples: Examples, rows: Int32Array): Examples {
  const { width } = examples;
  const embeddings = examples.codes.length / Math.max(1, examples.rows);
  const inputs = new Float32Array(rows.length * width);
  const codes = new Int32Array(rows.length * embeddings);
  const targets = new Float32Array(rows.length);
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at]!;
    for (let column = 0; column < width; column++) inputs[at * width + column] = examples.inputs[row * width + column]!;
    for (let column = 0; column < embeddings; column++) codes[at * embeddings + column] = examples.codes[row * embeddings + column]!;
    targets[at] = examples.targets[row]!;
  }
  return { rows: rows.length, width, inputs, codes, targets };
}
