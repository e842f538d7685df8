import type { TrainerSettings } from '@millrace/configuration';
import { rateOfEpoch } from './learning-rate.ts';
import type { Statistics, WeightPlan } from './network-plan.ts';
import { createOptimiser, type OptimiserState } from './optimiser.ts';
import type { Pacer } from './pacer.ts';
import { createRandom, type Random } from './random.ts';

/** Where training stands after a whole epoch; enough to go on from there bit for bit. */
export interface DescentState<Network> {
  epoch: number;
  /** In the order of the plan. */
  weights: Float32Array[];
  optimiser: OptimiserState;
  /** Running averages of batch statistics; empty without batch normalisation, and before the first step. */
  statistics: Statistics;
  /** Running average of the weights; empty where none is kept. */
  averages: Float32Array[];
  best: { epoch: number; loss: number; network: Network } | null;
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

/** Loss of a batch and its gradient with respect to each weight array. */
export interface Slopes {
  loss: number;
  gradients: Float32Array[];
  /** Of this batch. */
  statistics: Statistics;
}

export type DescentOutcome<Network> =
  | { type: 'trained'; network: Network; epochs: number; bestEpoch: number; history: EpochResult[] }
  | { type: 'cancelled' }
  | { type: 'diverged'; epoch: number };

/** A network to train: what it is made of, how its slopes are found, and what it is once trained. */
export interface Descent<Network> {
  trainer: TrainerSettings;
  /** To learn from. */
  rows: number;
  parts: WeightPlan[];
  initialWeights(): Float32Array[];
  /** Whether batches are normalised, which a batch of one row cannot be. */
  batchNorm: boolean;
  /** Of the rows at these places among those to learn from. `random` depends on the epoch alone. */
  slopesOf(weights: Float32Array[], places: Int32Array, random: Random): Slopes;
  /** The network that predicts. May share arrays with the weights. */
  fold(weights: Float32Array[], statistics: Statistics): Network;
  copyOf(network: Network): Network;
  /** Outputs for the rows held back, and their mean loss; null where none are held back. */
  validate: ((network: Network) => { outputs: Float32Array; loss: number }) | null;
  /** Weights that this epoch leaves as they are, in the order of the plan. Default: none. */
  frozen?: ((epoch: number) => readonly boolean[]) | undefined;
  /** Changes weights after each step, such as holding some at 0; `progress` is the share of all steps that is done, 1 after the last. */
  constrain?: ((weights: Float32Array[], progress: number) => void) | undefined;
  /** Names the streams of random numbers. */
  seed: number;
  trial: number;
  /** Ends after so many epochs, while the learning rate falls as if all were to come; null or left out: all of them. */
  stopAfter?: number | null | undefined;
  resume: DescentState<Network> | null;
  pacer: Pacer;
  /** Called after each epoch; `outputs` are those for the rows held back, if any. */
  onEpoch(state: DescentState<Network>, result: EpochResult, outputs: Float32Array | null): Promise<void>;
}

/** The default of L2 beside the loss summed over all rows: the more rows, the less it weighs. */
const totalL2 = 0.6;

/** Of batch statistics: how much of the old a step keeps. */
const statisticsKept = 0.9;

/**
 * Mini-batch gradient descent: L1 and L2 on the kernels, early stopping with the best weights restored.
 *
 * Weights live in plain arrays and become tensors for one step only: nothing can leak, a checkpoint is a copy, and
 * every backend runs the same update.
 */
export async function descend<Network>(descent: Descent<Network>): Promise<DescentOutcome<Network>> {
  const { trainer, parts, rows, seed, trial } = descent;
  const isKernel = parts.map(({ role }) => role === 'kernel');
  const state: DescentState<Network> = descent.resume
    ? structuredClone(descent.resume)
    : { epoch: 0, weights: descent.initialWeights(), optimiser: { steps: 0, slots: [] }, statistics: [], averages: [], best: null, waited: 0, history: [] };
  const optimiser = createOptimiser(trainer, state.weights.map((weight) => weight.length), isKernel, descent.resume ? state.optimiser : null);
  state.optimiser = optimiser.state;
  const { earlyStop } = trainer;
  const { l1, l2 = totalL2 / rows } = trainer.regularization;
  const penalties = { l1, l2 };
  const batchSize = trainer.batchSize ?? batchSizeFor(rows);
  const steps = stepsOf(rows, batchSize, descent.batchNorm);

  while (state.epoch < (descent.stopAfter ?? trainer.epochs) && !(earlyStop && descent.validate && state.waited >= earlyStop.patience)) {
    const epoch = state.epoch + 1;
    const frozen = descent.frozen?.(epoch) ?? [];
    // What is drawn depends on the epoch alone, so that a resumed run draws as an uninterrupted one.
    const order = createRandom(seed, trial, epoch).permutation(rows);
    const random = createRandom(seed, trial, epoch, 1);
    const rateAt = rateOfEpoch(trainer, state.history.map(({ loss, valLoss }) => valLoss ?? loss));
    let lossSum = 0;
    for (let step = 0; step < steps; step++) {
      if (!(await descent.pacer.mayContinue())) return { type: 'cancelled' };
      const start = step * batchSize;
      const end = step === steps - 1 ? rows : start + batchSize;
      const { loss, gradients, statistics } = descent.slopesOf(state.weights, order.subarray(start, end), random);
      if (!Number.isFinite(loss)) return { type: 'diverged', epoch };
      addPenaltyGradients(state.weights, gradients, parts, penalties);
      frozen.forEach((isFrozen, index) => isFrozen && gradients[index]!.fill(0));
      clipGradients(gradients, trainer.clipNorm);
      const kept = state.weights.map((weight, index) => (frozen[index] ? weight.slice() : null));
      // The middle of the step: neither 0 at the first one nor in the next epoch at the last.
      optimiser.step(state.weights, gradients, trainer.learningRate * rateAt(epoch - 1 + (step + 0.5) / steps));
      kept.forEach((weight, index) => weight && state.weights[index]!.set(weight));
      descent.constrain?.(state.weights, (epoch - 1 + (step + 1) / steps) / trainer.epochs);
      state.statistics = mixed(state.statistics, statistics, statisticsKept);
      // A young average must not remember the start: it keeps less of the old at first.
      const share = Math.min(trainer.averaging, optimiser.state.steps / (optimiser.state.steps + 10));
      if (trainer.averaging > 0) state.averages = mixed(state.averages, state.weights, share);
      lossSum += loss * (end - start);
    }
    if (!state.weights.every((weight) => weight.every(Number.isFinite))) return { type: 'diverged', epoch };

    let outputs: Float32Array | null = null;
    let valLoss: number | null = null;
    const network = descent.fold(trainer.averaging > 0 ? state.averages : state.weights, state.statistics);
    if (descent.validate) {
      ({ outputs, loss: valLoss } = descent.validate(network));
      if (!Number.isFinite(valLoss)) return { type: 'diverged', epoch };
    }
    state.epoch = epoch;
    const result = { epoch, loss: lossSum / rows, penalty: penaltyOf(state.weights, parts, penalties), valLoss };
    state.history.push(result);
    if (valLoss !== null && earlyStop) {
      if (state.best === null || valLoss < state.best.loss - earlyStop.minDelta) {
        state.best = { epoch, loss: valLoss, network: descent.copyOf(network) };
        state.waited = 0;
      } else {
        state.waited += 1;
      }
    }
    await descent.onEpoch(state, result, outputs);
  }

  const last = descent.fold(trainer.averaging > 0 ? state.averages : state.weights, state.statistics);
  return {
    type: 'trained',
    network: state.best?.network ?? descent.copyOf(last),
    epochs: state.epoch,
    bestEpoch: state.best?.epoch ?? state.epoch,
    history: state.history,
  };
}

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
