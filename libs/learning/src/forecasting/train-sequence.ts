import { clipGradients, type EpochResult } from '../dense-network.ts';
import { createOptimiser, type OptimiserState } from '../optimiser.ts';
import type { Pacer } from '../pacer.ts';
import { createRandom } from '../random.ts';
import { initialSequenceWeights, type SequenceExamples, sequenceGradients, sequenceLoss, type SequencePlan, weightShapes } from './sequence-network.ts';

/** Where training stands after a whole epoch; enough to go on from there bit for bit. */
export interface SequenceState {
  epoch: number;
  weights: Float32Array[];
  /** running average of the weights, which is what is kept */
  averages: Float32Array[];
  optimiser: OptimiserState;
  best: { epoch: number; loss: number; weights: Float32Array[] } | null;
  history: EpochResult[];
}

export interface SequenceFit {
  weights: Float32Array[];
  /** the one whose weights were kept */
  epochs: number;
  history: EpochResult[];
}

export interface SequenceTraining {
  plan: SequencePlan;
  training: SequenceExamples;
  /** null where the number of epochs is known */
  heldBack: SequenceExamples | null;
  epochs: number;
  learningRate: number;
  /** epochs without a lower loss on the examples held back before it ends */
  patience: number;
  /** names the stream of initial weights and of the order of examples */
  seed: number;
  stream: number;
  resume: SequenceState | null;
  pacer: Pacer;
  onEpoch(state: SequenceState, result: EpochResult): Promise<void>;
}

const batchSize = 32;
/** Of the average: how much of the old a step keeps. */
const averaging = 0.95;
const longestGradient = 1;

/**
 * Adam on batches of windows, gradients shortened to length 1 (Pascanu, Mikolov & Bengio 2013), weights averaged over the
 * last steps (Polyak & Juditsky 1992). Weights live in plain arrays and become tensors for one step only. What is drawn
 * depends on seed, stream and epoch alone, so a resumed training ends with the weights of an uninterrupted one.
 */
export async function trainSequence(options: SequenceTraining): Promise<SequenceFit | 'diverged' | null> {
  const { plan, training, heldBack, seed, stream, pacer } = options;
  const state: SequenceState = options.resume
    ? structuredClone(options.resume)
    : { epoch: 0, weights: initialSequenceWeights(plan, seed, stream), averages: [], optimiser: { steps: 0, slots: [] }, best: null, history: [] };
  const sizes = weightShapes(plan).map((shape) => shape.reduce((size, length) => size * length, 1));
  const optimiser = createOptimiser({ optimizer: 'adam', weightDecay: 0 }, sizes, sizes.map(() => true), options.resume ? state.optimiser : null);
  state.optimiser = optimiser.state;

  while (state.epoch < options.epochs && !(heldBack && state.best && state.epoch - state.best.epoch >= options.patience)) {
    const epoch = state.epoch + 1;
    const order = createRandom(seed, stream, epoch).permutation(training.count);
    let sum = 0;
    for (let start = 0; start < training.count; start += batchSize) {
      if (!(await pacer.mayContinue())) return null;
      const batch = pick(training, order.subarray(start, start + batchSize), plan);
      const { loss, gradients } = sequenceGradients(plan, state.weights, batch);
      if (!Number.isFinite(loss)) return 'diverged';
      clipGradients(gradients, longestGradient);
      optimiser.step(state.weights, gradients, options.learningRate);
      // A young average must not remember the start.
      const kept = Math.min(averaging, optimiser.state.steps / (optimiser.state.steps + 10));
      state.averages = state.averages.length === 0
        ? state.weights.map((weight) => weight.slice())
        : state.averages.map((old, at) => old.map((value, cell) => kept * value + (1 - kept) * state.weights[at]![cell]!));
      sum += loss * batch.count;
    }
    const valLoss = heldBack ? sequenceLoss(plan, state.averages, heldBack) : null;
    if (valLoss !== null && !Number.isFinite(valLoss)) return 'diverged';
    state.epoch = epoch;
    const result = { epoch, loss: sum / training.count, penalty: 0, valLoss };
    state.history.push(result);
    if (valLoss !== null && (!state.best || valLoss < state.best.loss)) state.best = { epoch, loss: valLoss, weights: state.averages.map((weight) => weight.slice()) };
    await options.onEpoch(state, result);
  }
  return { weights: state.best?.weights ?? state.averages, epochs: state.best?.epoch ?? state.epoch, history: state.history };
}

function pick(from: SequenceExamples, chosen: Int32Array, { horizon, cells }: SequencePlan): SequenceExamples {
  const cut = (values: Float32Array, width: number) => {
    const picked = new Float32Array(chosen.length * width);
    chosen.forEach((row, at) => picked.set(values.subarray(row * width, (row + 1) * width), at * width));
    return picked;
  };
  return {
    count: chosen.length,
    windows: cut(from.windows, from.windows.length / from.count),
    steps: cut(from.steps, horizon * cells),
    targets: cut(from.targets, horizon),
    known: cut(from.known, horizon),
  };
}
