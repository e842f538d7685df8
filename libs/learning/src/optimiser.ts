import type { TrainerSettings } from '@millrace/configuration';

export type OptimiserName = TrainerSettings['optimizer'];

/** All that an optimiser remembers between steps; restoring it continues bit for bit. */
export interface OptimiserState {
  steps: number;
  /** Moving averages: none for sgd, one array per weight array for momentum and rmsprop, two for adam. */
  slots: Float32Array[];
}

export interface Optimiser {
  readonly state: OptimiserState;
  /** Changes the weights in place, given the gradients of the loss with respect to them. */
  step(weights: Float32Array[], gradients: Float32Array[]): void;
}

const decay = 0.9;
const adamBeta1 = 0.9;
const adamBeta2 = 0.999;
const epsilon = 1e-7;

/**
 * Gradient descent over plain arrays, one pass per array. Doing it here, not with tensor operations, is faster on the
 * backends without a GPU, identical on all of them, and keeps the state in reach of a checkpoint.
 *
 * sgd; momentum (Polyak 1964, 0.9); rmsprop (Tieleman & Hinton 2012, 0.9); adam (Kingma & Ba 2015, 0.9 and 0.999, bias
 * correction computed from the step count).
 */
export function createOptimiser(
  name: OptimiserName,
  learningRate: number,
  sizes: number[],
  restored: OptimiserState | null = null,
): Optimiser {
  const perWeight = { sgd: 0, momentum: 1, rmsprop: 1, adam: 2 }[name];
  const zeros = () => sizes.flatMap((size) => Array.from({ length: perWeight }, () => new Float32Array(size)));
  const state: OptimiserState = restored
    ? { steps: restored.steps, slots: restored.slots.map((slot) => slot.slice()) }
    : { steps: 0, slots: zeros() };

  const updates: Record<OptimiserName, (weight: Float32Array, gradient: Float32Array, first: number) => void> = {
    sgd(weight, gradient) {
      for (let i = 0; i < weight.length; i++) weight[i]! -= learningRate * gradient[i]!;
    },
    momentum(weight, gradient, first) {
      const velocity = state.slots[first]!;
      for (let i = 0; i < weight.length; i++) {
        velocity[i] = decay * velocity[i]! + gradient[i]!;
        weight[i]! -= learningRate * velocity[i]!;
      }
    },
    rmsprop(weight, gradient, first) {
      const meanSquare = state.slots[first]!;
      for (let i = 0; i < weight.length; i++) {
        const g = gradient[i]!;
        meanSquare[i] = decay * meanSquare[i]! + (1 - decay) * g * g;
        weight[i]! -= (learningRate * g) / (Math.sqrt(meanSquare[i]!) + epsilon);
      }
    },
    adam(weight, gradient, first) {
      const mean = state.slots[first]!;
      const meanSquare = state.slots[first + 1]!;
      const meanCorrection = 1 / (1 - adamBeta1 ** state.steps);
      const squareCorrection = 1 / (1 - adamBeta2 ** state.steps);
      for (let i = 0; i < weight.length; i++) {
        const g = gradient[i]!;
        const m = (mean[i] = adamBeta1 * mean[i]! + (1 - adamBeta1) * g);
        const v = (meanSquare[i] = adamBeta2 * meanSquare[i]! + (1 - adamBeta2) * g * g);
        weight[i]! -= (learningRate * m * meanCorrection) / (Math.sqrt(v * squareCorrection) + epsilon);
      }
    },
  };

  return {
    state,
    step(weights, gradients) {
      state.steps += 1;
      weights.forEach((weight, index) => updates[name](weight, gradients[index]!, index * perWeight));
    },
  };
}
