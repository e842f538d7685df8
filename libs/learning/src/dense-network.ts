import type { DenseSettings, TrainerSettings } from '@millrace/configuration';
import { descend, type DescentState, type EpochResult } from './gradient-descent.ts';
import { dataLoss, type Examples, gather, type LossOptions, lossAndGradients, networkOutputs } from './network-pass.ts';
import { foldNetwork, initialWeights, type InputBlock, planNetwork, planOnLayers, weightsOfPlan } from './network-plan.ts';
import type { Pacer } from './pacer.ts';
import type { DenseLayer } from './pipeline.ts';

export { addPenaltyGradients, batchSizeFor, clipGradients, type EpochResult, penaltyOf } from './gradient-descent.ts';

export type DenseState = DescentState<DenseLayer[]>;

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
  /** Layers to go on from, in place of fresh ones of the settings' shape. */
  start?: DenseLayer[] | undefined;
  constrain?: ((weights: Float32Array[], progress: number) => void) | undefined;
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
  /** Ends after so many epochs of the schedule; null for all of them. */
  stopAfter?: number | null;
  /** Called after each epoch; `outputs` are the network's outputs for the validation rows, if any. */
  onEpoch(state: DenseState, result: EpochResult, outputs: Float32Array | null): Promise<void>;
}

/**
 * Trains a dense network by mini-batch gradient descent: cross-entropy over a softmax for classes, mean squared error
 * for numbers.
 */
export async function trainDense(training: DenseTraining): Promise<DenseOutcome> {
  const { settings, trainer, train, validation, classes, objective, classWeights, seed, trial, stopAfter, resume, pacer, onEpoch, start, constrain } = training;
  const plan = start ? planOnLayers(start) : planNetwork(settings, training.blocks, classes, objective?.outputs);
  const lossOptions = { classes, classWeights, labelSmoothing: settings.labelSmoothing, dropout: settings.dropout, objective: objective?.loss };
  const outcome = await descend<DenseLayer[]>({
    trainer, seed, trial, stopAfter, resume, pacer, onEpoch, constrain,
    rows: train.rows,
    parts: weightsOfPlan(plan),
    batchNorm: settings.batchNorm && !start,
    initialWeights: () => start?.flatMap(({ kernel, bias }) => [kernel.slice(), bias.slice()]) ?? initialWeights(plan, seed, trial),
    slopesOf: (weights, places, random) => lossAndGradients(plan, weights, gather(train, places), { ...lossOptions, random }),
    fold: (weights, statistics) => foldNetwork(plan, weights, statistics),
    copyOf: (layers) => layers.map((layer) => ({ ...layer, kernel: layer.kernel.slice(), bias: layer.bias.slice() })),
    validate: validation && ((layers) => {
      const outputs = networkOutputs(layers, validation.inputs, validation.rows);
      return { outputs, loss: dataLoss(outputs, validation.targets, classes, classWeights) };
    }),
  });
  if (outcome.type !== 'trained') return outcome;
  const { network: layers, ...rest } = outcome;
  return { ...rest, layers };
}
