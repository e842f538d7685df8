import type { DenseSettings, TrainerSettings } from '@millrace/configuration';
import { rateOfEpoch } from './learning-rate.ts';
import { dataLoss, type Examples, gather, type LossOptions, lossAndGradients, networkOutputs } from './network-pass.ts';
import { foldNetwork, initialWeights, type InputBlock, planNetwork, type Statistics, type WeightPlan, weightsOfPlan } from './network-plan.ts';
import { createOptimiser, type OptimiserState } from './optimiser.ts';
import type { Pacer } from './pacer.ts';
import type { DenseLayer } from './pipeline.ts';
import { createRandom } from './random.ts';

/** Where training stands after a whole epoch; enough to go on from there bit for bit. */
export interface DenseState {
  epoch: number;
  /** In the order of the plan (see weightsOfPlan). */
  weights: Float32Array[];
  optimiser: OptimiserState;
  /** Running averages of batch statistics; empty without batch normalisation, and before the first step. */
  statistics: Statistics;
  /** Running average of the weights; empty where none is kept. */
  averages: Float32Array[];
  best: { epoch: number; loss: number; layers: DenseLayer[] } | null;
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
  settings: Pick<DenseSettings, 'hiddenLayers' | 'activation' | 'batchNorm' | 'dropout' | 'residual' | 'labelSmoothing'>;
  trainer: TrainerSettings;
  /** The parts of an encoded row, in order. */
  blocks: InputBlock[];
  /** Number of classes, or 0 for a regression. */
  classes: number;
  /** Instead of a class or one number: how many outputs, and what their loss is. There are no validation losses then. */
  objective?: { outputs: number; loss: NonNullable<LossOptions['objective']> } | undefined;
  /** How much a row of each class counts, also in the losses that are reported; null: all alike. */
  classWeights: Float64Array | null;
  train: Examples;
  /** Encoded rows with every cell, as the trained network takes them. */
  validation: { rows: number; inputs: Float32Array; targets: Float32Array } | null;
  /** Names the stream of initial weights, of the order of rows and of the units left out. */
  seed: number;
  trial: number;
  resume: DenseState | null;
  pacer: Pacer;
  /** Called after each epoch; `outputs` are the network's outputs for the validation rows, if any. */
  /** ends after so many epochs of the schedule; null for all of them */
  stopAfter?: number | null;
  onEpoch(state: DenseState, result: EpochResult, outputs: Float32Array | null): Promise<void>;
}

/** The default of L2 beside the loss summed over all rows: the more rows, the less it weighs. */
const totalL2 = 0.6;

/** Of batch statistics: how much of the old a step keeps. */
const statisticsKept = 0.9;

/**
 * Trains a dense network by mini-batch gradient descent: cross-entropy over a softmax for classes, mean squared error
 * for numbers, L1 and L2 on the kernels, early stopping with the best weights restored.
 *
 * Weights live in plain arrays and become tensors for one step only: nothing can leak, a checkpoint is a copy, and
 * every backend runs the same update.
 */
export async function trainDense(training: DenseTraining): Promise<DenseOutcome> {
  const { settings, trainer, train, validation, classes, objective, classWeights, seed, trial } = training;
  const plan = planNetwork(settings, training.blocks, classes, objective?.outputs);
  const parts = weightsOfPlan(plan);
  const isKernel = parts.map(({ role }) => role === 'kernel');
  const state: DenseState = training.resume
    ? structuredClone(training.resume)
    : {
        epoch: 0,
        weights: initialWeights(plan, seed, trial),
        optimiser: { steps: 0, slots: [] },
        statistics: [],
        averages: [],
        best: null,
        waited: 0,
        history: [],
      };
  const optimiser = createOptimiser(trainer, state.weights.map((weight) => weight.length), isKernel, training.resume ? state.optimiser : null);
  state.optimiser = optimiser.state;
  const { earlyStop } = trainer;
  const { l1, l2 = totalL2 / train.rows } = trainer.regularization;
  const penalties = { l1, l2 };
  const lossOptions = { classes, classWeights, labelSmoothing: settings.labelSmoothing, dropout: settings.dropout, objective: objective?.loss };
  const batchSize = trainer.batchSize ?? batchSizeFor(train.rows);
  const steps = stepsOf(train.rows, batchSize, settings.batchNorm);

  while (state.epoch < (training.stopAfter ?? trainer.epochs) && !(earlyStop && validation && state.waited >= earlyStop.patience)) {
    const epoch = state.epoch + 1;
    // What is drawn depends on the epoch alone, so that a resumed run draws as an uninterrupted one.
    const order = createRandom(seed, trial, epoch).permutation(train.rows);
    const random = createRandom(seed, trial, epoch, 1);
    const rateAt = rateOfEpoch(trainer, state.history.map(({ loss, valLoss }) => valLoss ?? loss));
    let lossSum = 0;
    for (let step = 0; step < steps; step++) {
      if (!(await training.pacer.mayContinue())) return { type: 'cancelled' };
      const start = step * batchSize;
      const end = step === steps - 1 ? train.rows : start + batchSize;
      const batch = gather(train, order.subarray(start, end));
      const { loss, gradients, statistics } = lossAndGradients(plan, state.weights, batch, { ...lossOptions, random });
      if (!Number.isFinite(loss)) return { type: 'diverged', epoch };
      addPenaltyGradients(state.weights, gradients, parts, penalties);
      clipGradients(gradients, trainer.clipNorm);
      // The middle of the step: neither 0 at the first one nor in the next epoch at the last.
      optimiser.step(state.weights, gradients, trainer.learningRate * rateAt(epoch - 1 + (step + 0.5) / steps));
      state.statistics = mixed(state.statistics, statistics, statisticsKept);
      // A young average must not remember the start: it keeps less of the old at first.
      const kept = Math.min(trainer.averaging, optimiser.state.steps / (optimiser.state.steps + 10));
      if (trainer.averaging > 0) state.averages = mixed(state.averages, state.weights, kept);
      lossSum += loss * batch.rows;
    }
    if (!state.weights.every((weight) => weight.every(Number.isFinite))) return { type: 'diverged', epoch };

    let outputs: Float32Array | null = null;
    let valLoss: number | null = null;
    const layers = foldNetwork(plan, trainer.averaging > 0 ? state.averages : state.weights, state.statistics);
    if (validation) {
      outputs = networkOutputs(layers, validation.inputs, validation.rows);
      valLoss = dataLoss(outputs, validation.targets, classes, classWeights);
      if (!Number.isFinite(valLoss)) return { type: 'diverged', epoch };
    }
    state.epoch = epoch;
    const result = { epoch, loss: lossSum / train.rows, penalty: penaltyOf(state.weights, parts, penalties), valLoss };
    state.history.push(result);
    if (valLoss !== null && earlyStop) {
      if (state.best === null || valLoss < state.best.loss - earlyStop.minDelta) {
        state.best = { epoch, loss: valLoss, layers: layers.map(copyOf) };
        state.waited = 0;
      } else {
        state.waited += 1;
      }
    }
    await training.onEpoch(state, result, outputs);
  }

  const last = foldNetwork(plan, trainer.averaging > 0 ? state.averages : state.weights, state.statistics);
  return {
    type: 'trained',
    layers: state.best?.layers ?? last.map(copyOf),
    epochs: state.epoch,
    bestEpoch: state.best?.epoch ?? state.epoch,
    history: state.history,
  };
}

const copyOf = (layer: DenseLayer): DenseLayer => ({ ...layer, kernel: layer.kernel.slice(), bias: layer.bias.slice() });

/** A power of two that makes about fifty steps an epoch: fewer learn too little, more only take time. */
export const batchSizeFor = (rows: number): number => Math.min(512, Math.max(32, 2 ** Math.floor(Math.log2(rows / 50) + 0.5)));

/** Batches of an epoch. A single row left over has no variance to normalise by: the batch before takes it along. */
function stepsOf(rows: number, batchSize: number, batchNorm: boolean): number {
  const steps = Math.ceil(rows / batchSize);
  return batchNorm && steps > 1 && batchSize > 1 && rows % batchSize === 1 ? steps - 1 : steps;
}

/** `kept` of the old and the rest of the new; the new where there is no old. */
function mixed(old: Float32Array[], fresh: Float32Array[], kept: number): Float32Array[] {
  if (old.length === 0) return fresh.map((values) => values.slice());
  return old.map((values, index) => values.map((value, at) => kept * value + (1 - kept) * fresh[index]![at]!));
}

/** Shortens all gradients alike if their common length is above `longest`; 0 leaves them. */
export function clipGradients(gradients: Float32Array[], longest: number): void {
  if (longest === 0) return;
  let squares = 0;
  for (const gradient of gradients) for (const value of gradient) squares += value * value;
  const length = Math.sqrt(squares);
  if (length <= longest) return;
  for (const gradient of gradients) gradient.forEach((value, at) => (gradient[at] = (value * longest) / length));
}

interface Regularisation {
  l1: number;
  l2: number;
}

/** Adds the gradient of l1·Σ|w| + l2·Σw² over the kernels; |w| has slope 0 at 0. */
export function addPenaltyGradients(weights: Float32Array[], gradients: Float32Array[], parts: WeightPlan[], { l1, l2 }: Regularisation): void {
  if (l1 === 0 && l2 === 0) return;
  parts.forEach(({ role }, index) => {
    if (role !== 'kernel') return;
    const weight = weights[index]!;
    const gradient = gradients[index]!;
    for (let i = 0; i < weight.length; i++) gradient[i]! += l1 * Math.sign(weight[i]!) + 2 * l2 * weight[i]!;
  });
}

/** l1·Σ|w| + l2·Σw² over the kernels. */
export function penaltyOf(weights: Float32Array[], parts: WeightPlan[], { l1, l2 }: Regularisation): number {
  if (l1 === 0 && l2 === 0) return 0;
  let absolutes = 0;
  let squares = 0;
  parts.forEach(({ role }, index) => {
    if (role !== 'kernel') return;
    for (const value of weights[index]!) {
      absolutes += Math.abs(value);
      squares += value * value;
    }
  });
  return l1 * absolutes + l2 * squares;
}
