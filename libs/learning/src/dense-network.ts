import * as tf from '@tensorflow/tfjs';
import { createOptimiser } from './optimiser.ts';
import { createRandom } from './random.ts';
import type { DenseSettings, TrainerSettings } from '@millrace/configuration';
import type { OptimiserState } from './optimiser.ts';
import type { Pacer } from './pacer.ts';
import type { Activation, DenseLayer } from './pipeline.ts';

/** Encoded rows with their targets: [rows, width] row by row. */
export interface Examples {
  rows: number;
  width: number;
  inputs: Float32Array;
  /** Class index per row, or the standardised target of a regression. */
  targets: Float32Array;
}

/** Where training stands after a whole epoch; enough to go on from there bit for bit. */
export interface DenseState {
  epoch: number;
  /** Kernel and bias of each layer in turn. */
  weights: Float32Array[];
  optimiser: OptimiserState;
  best: { epoch: number; loss: number; weights: Float32Array[] } | null;
  /** Epochs since the validation loss was last better. */
  waited: number;
  history: EpochResult[];
}

/**
 * Losses are the data term alone (cross-entropy in nats, or squared error of the standardised target), so that
 * training and validation compare; the penalty of L1 and L2 stands apart.
 */
export interface EpochResult {
  epoch: number;
  loss: number;
  penalty: number;
  valLoss: number | null;
}

export type DenseOutcome =
  | { type: 'trained'; layers: DenseLayer[]; epochs: number; bestEpoch: number; history: EpochResult[] }
  | { type: 'cancelled' }
  | { type: 'diverged'; epoch: number };

export interface DenseTraining {
  settings: DenseSettings;
  trainer: TrainerSettings;
  /** Number of classes, or 0 for a regression. */
  classes: number;
  train: Examples;
  validation: Examples | null;
  /** Names the stream of initial weights and of the order of rows. */
  seed: number;
  trial: number;
  resume: DenseState | null;
  pacer: Pacer;
  /** Called after each epoch; `outputs` are the network's outputs for the validation rows, if any. */
  onEpoch(state: DenseState, result: EpochResult, outputs: Float32Array | null): Promise<void>;
}

interface Shape {
  inputs: number;
  units: number;
  activation: Activation;
}

/**
 * Trains a dense network by mini-batch gradient descent: cross-entropy over a softmax for classes, mean squared error
 * for numbers, L1 and L2 on the kernels, early stopping with the best weights restored.
 *
 * Weights live in plain arrays and become tensors for one step only: nothing can leak, a checkpoint is a copy, and
 * every backend runs the same update.
 */
export async function trainDense(training: DenseTraining): Promise<DenseOutcome> {
  const { settings, trainer, train, validation, classes } = training;
  const shapes = shapesOf(settings, train.width, classes);
  const state: DenseState = training.resume
    ? structuredClone(training.resume)
    : {
        epoch: 0,
        weights: initialWeights(shapes, training.seed, training.trial),
        optimiser: { steps: 0, slots: [] },
        best: null,
        waited: 0,
        history: [],
      };
  const sizes = state.weights.map((weight) => weight.length);
  const optimiser = createOptimiser(
    trainer.optimizer, trainer.learningRate, sizes, training.resume ? state.optimiser : null,
  );
  state.optimiser = optimiser.state;
  const { earlyStop } = trainer;

  while (state.epoch < trainer.epochs && !(earlyStop && validation && state.waited >= earlyStop.patience)) {
    const epoch = state.epoch + 1;
    // The order depends on the epoch alone, so that a resumed run shuffles as an uninterrupted one.
    const order = createRandom(training.seed, training.trial, epoch).permutation(train.rows);
    let lossSum = 0;
    for (let start = 0; start < train.rows; start += trainer.batchSize) {
      if (!(await training.pacer.mayContinue())) return { type: 'cancelled' };
      const batch = gather(train, order.subarray(start, start + trainer.batchSize));
      const { loss, gradients } = lossAndGradients(shapes, state.weights, batch, classes);
      if (!Number.isFinite(loss)) return { type: 'diverged', epoch };
      addPenaltyGradients(state.weights, gradients, trainer.regularization);
      optimiser.step(state.weights, gradients);
      lossSum += loss * batch.rows;
    }
    if (!state.weights.every((weight) => weight.every(Number.isFinite))) return { type: 'diverged', epoch };

    let outputs: Float32Array | null = null;
    let valLoss: number | null = null;
    if (validation) {
      outputs = networkOutputs(layersOf(shapes, state.weights), validation.inputs, validation.rows);
      valLoss = dataLoss(outputs, validation.targets, classes);
      if (!Number.isFinite(valLoss)) return { type: 'diverged', epoch };
    }
    state.epoch = epoch;
    const result = { epoch, loss: lossSum / train.rows, penalty: penaltyOf(state.weights, trainer.regularization), valLoss };
    state.history.push(result);
    if (valLoss !== null && earlyStop) {
      if (state.best === null || valLoss < state.best.loss - earlyStop.minDelta) {
        state.best = { epoch, loss: valLoss, weights: state.weights.map((weight) => weight.slice()) };
        state.waited = 0;
      } else {
        state.waited += 1;
      }
    }
    await training.onEpoch(state, result, outputs);
  }

  return {
    type: 'trained',
    layers: layersOf(shapes, (state.best?.weights ?? state.weights).map((weight) => weight.slice())),
    epochs: state.epoch,
    bestEpoch: state.best?.epoch ?? state.epoch,
    history: state.history,
  };
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
    const part = tf.tidy(() => {
      const weights = layers.flatMap((layer) => [
        tf.tensor2d(layer.kernel, [layer.inputs, layer.units]), tf.tensor1d(layer.bias),
      ]);
      const x = tf.tensor2d(inputs.subarray(start * width, end * width), [end - start, width]);
      const last = forward(layers, weights, x);
      return (layers[layers.length - 1]!.activation === 'softmax' ? tf.softmax(last as tf.Tensor2D) : last).dataSync();
    });
    outputs.set(part as Float32Array, start * units);
  }
  return outputs;
}

/** Loss of a batch (data term) and its gradient with respect to each weight array. */
export function lossAndGradients(
  shapes: Shape[],
  weights: Float32Array[],
  batch: Examples,
  classes: number,
): { loss: number; gradients: Float32Array[] } {
  return tf.tidy(() => {
    const x = tf.tensor2d(batch.inputs, [batch.rows, batch.width]);
    const truth = targetTensor(batch, classes);
    const lossOf = (...tensors: tf.Tensor[]): tf.Scalar => {
      const outputs = forward(shapes, tensors, x);
      const total = classes > 0
        ? tf.neg(tf.sum(tf.mul(truth, tf.logSoftmax(outputs))))
        : tf.sum(tf.square(tf.sub(outputs, truth)));
      return tf.div(total, batch.rows);
    };
    const tensors = weights.map((weight, index) => tf.tensor(weight, weightShape(shapes, index)));
    const { value, grads } = tf.valueAndGrads(lossOf)(tensors);
    return {
      loss: value.dataSync()[0]!,
      // Copies: the plain JavaScript backend hands out its own storage.
      gradients: grads.map((gradient) => Float32Array.from(gradient.dataSync())),
    };
  });
}

/** Layer sizes of a network for `classes` classes (0: one linear output). */
export function shapesOf(settings: DenseSettings, width: number, classes: number): Shape[] {
  const sizes = [width, ...settings.hiddenLayers];
  const hidden = settings.hiddenLayers.map((units, index): Shape => ({
    inputs: sizes[index]!, units, activation: settings.activation,
  }));
  const inputs = sizes[sizes.length - 1]!;
  return [...hidden, { inputs, units: classes || 1, activation: classes > 0 ? 'softmax' : 'linear' }];
}

/**
 * Uniform initial kernels, biases zero: He et al. (2015) before relu and elu, Glorot & Bengio (2010) otherwise.
 */
export function initialWeights(shapes: Shape[], seed: number, trial: number): Float32Array[] {
  const random = createRandom(seed, trial, 0);
  return shapes.flatMap(({ inputs, units, activation }) => {
    const rectified = activation === 'relu' || activation === 'elu';
    const limit = Math.sqrt(rectified ? 6 / inputs : 6 / (inputs + units));
    const kernel = Float32Array.from({ length: inputs * units }, () => (2 * random.uniform() - 1) * limit);
    return [kernel, new Float32Array(units)];
  });
}

function weightShape(shapes: Shape[], index: number): number[] {
  const { inputs, units } = shapes[index >> 1]!;
  return index % 2 === 0 ? [inputs, units] : [units];
}

function layersOf(shapes: Shape[], weights: Float32Array[]): DenseLayer[] {
  return shapes.map((shape, index) => ({ ...shape, kernel: weights[2 * index]!, bias: weights[2 * index + 1]! }));
}

/** All layers; a softmax is left to the caller, because training needs the logits. */
function forward(shapes: Shape[], weights: tf.Tensor[], x: tf.Tensor2D): tf.Tensor {
  return shapes.reduce((input: tf.Tensor, { activation }, index) => {
    const sum = tf.add(tf.matMul(input as tf.Tensor2D, weights[2 * index] as tf.Tensor2D), weights[2 * index + 1]!);
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
  }, x);
}

function targetTensor(batch: Examples, classes: number): tf.Tensor2D {
  if (classes === 0) return tf.tensor2d(batch.targets, [batch.rows, 1]);
  const oneHot = new Float32Array(batch.rows * classes);
  for (let row = 0; row < batch.rows; row++) oneHot[row * classes + batch.targets[row]!] = 1;
  return tf.tensor2d(oneHot, [batch.rows, classes]);
}

function gather(examples: Examples, rows: Int32Array): Examples {
  const { width } = examples;
  const inputs = new Float32Array(rows.length * width);
  const targets = new Float32Array(rows.length);
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at]!;
    for (let column = 0; column < width; column++) inputs[at * width + column] = examples.inputs[row * width + column]!;
    targets[at] = examples.targets[row]!;
  }
  return { rows: rows.length, width, inputs, targets };
}

/** Mean loss of outputs that are already probabilities (classes) or values (regression). */
function dataLoss(outputs: Float32Array, targets: Float32Array, classes: number): number {
  let sum = 0;
  for (let row = 0; row < targets.length; row++) {
    if (classes > 0) {
      // The smallest normal float32: a probability that underflowed to 0 must not make the loss infinite.
      sum -= Math.log(Math.max(1.17549435e-38, outputs[row * classes + targets[row]!]!));
    } else {
      sum += (outputs[row]! - targets[row]!) ** 2;
    }
  }
  return sum / targets.length;
}

type Regularisation = TrainerSettings['regularization'];

/** Adds the gradient of l1·Σ|w| + l2·Σw² over the kernels; |w| has slope 0 at 0. */
export function addPenaltyGradients(weights: Float32Array[], gradients: Float32Array[], { l1, l2 }: Regularisation): void {
  if (l1 === 0 && l2 === 0) return;
  for (let index = 0; index < weights.length; index += 2) {
    const weight = weights[index]!;
    const gradient = gradients[index]!;
    for (let i = 0; i < weight.length; i++) gradient[i]! += l1 * Math.sign(weight[i]!) + 2 * l2 * weight[i]!;
  }
}

/** l1·Σ|w| + l2·Σw² over the kernels. */
export function penaltyOf(weights: Float32Array[], { l1, l2 }: Regularisation): number {
  if (l1 === 0 && l2 === 0) return 0;
  let absolutes = 0;
  let squares = 0;
  for (let index = 0; index < weights.length; index += 2) {
    for (const value of weights[index]!) {
      absolutes += Math.abs(value);
      squares += value * value;
    }
  }
  return l1 * absolutes + l2 * squares;
}
