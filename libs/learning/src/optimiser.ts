import type { TrainerSettings } from '@millrace/configuration';

export type OptimiserName = TrainerSettings['optimizer'];

/** All that an optimiser remembers between steps; restoring it continues bit for bit. */
export interface OptimiserState {
  steps: number;
  /** Moving averages: none for sgd, one array per weight array for momentum, nesterov and rmsprop, two for adam and adamw. */
  slots: Float32Array[];
}

export interface Optimiser {
  readonly state: OptimiserState;
  /** Changes the weights in place, given the gradients of the loss with respect to them and the rate of this step. */
  step(weights: Float32Array[], gradients: Float32Array[], learningRate: number): void;
}

const decay = 0.9;
const adamBeta1 = 0.9;
const adamBeta2 = 0.999;
const epsilon = 1e-7;

/**
 * Gradient descent over plain arrays, one pass per array. Doing it here, not with tensor operations, is faster on the
 * backends without a GPU, identical on all of them, and keeps the state in reach of a checkpoint.
 *
 * sgd; momentum (Polyak 1964, 0.9); nesterov (Nesterov 1983, in the form of Sutskever et al. 2013, 0.9); rmsprop
 * (Tieleman & Hinton 2012, 0.9); adam (Kingma & Ba 2015, 0.9 and 0.999, bias correction computed from the step count);
 * adamw (Loshchilov & Hutter 2019: adam, and kernels shrink by learningRate · weightDecay a step).
 */
export function createOptimiser(
  { optimizer: name, weightDecay }: Pick<TrainerSettings, 'optimizer' | 'weightDecay'>,
  sizes: number[],
  isKernel: boolean[],
  restored: OptimiserState | null = null,
): Optimiser {
  const perWeight = { sgd: 0, momentum: 1, nesterov: 1, rmsprop: 1, adam: 2, adamw: 2 }[name];
  const zeros = () => sizes.flatMap((size) => Array.from({ length: perWeight }, () => new Float32Array(size)));
  const state: OptimiserState = restored
    ? { steps: restored.steps, slots: restored.slots.map((slot) => slot.slice()) }
    : { steps: 0, slots: zeros() };

  type Update = (weight: Float32Array, gradient: Float32Array, first: number, learningRate: number) => void;

  const adam: Update = (weight, gradient, first, learningRate) => {
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
  };

  const updates: Record<OptimiserName, Update> = {
    sgd(weight, gradient, _first, learningRate) {
      for (let i = 0; i < weight.length; i++) weight[i]! -= learningRate * gradient[i]!;
    },
    momentum(weight, gradient, first, learningRate) {
      const velocity = state.slots[first]!;
      for (let i = 0; i < weight.length; i++) {
        velocity[i] = decay * velocity[i]! + gradient[i]!;
        weight[i]! -= learningRate * velocity[i]!;
      }
    },
    nesterov(weight, gradient, first, learningRate) {
      const velocity = state.slots[first]!;
      for (let i = 0; i < weight.length; i++) {
        velocity[i] = decay * velocity[i]! + gradient[i]!;
        weight[i]! -= learningRate * (decay * velocity[i]! + gradient[i]!);
      }
    },
    rmsprop(weight, gradient, first, learningRate) {
      const meanSquare = state.slots[first]!;
      for (let i = 0; i < weight.length; i++) {
        const g = gradient[i]!;
        meanSquare[i] = decay * meanSquare[i]! + (1 - decay) * g * g;
        weight[i]! -= (learningRate * g) / (Math.sqrt(meanSquare[i]!) + epsilon);
      }
    },
    adam,
    adamw(weight, gradient, first, learningRate) {
      if (isKernel[first / 2]) {
        for (let i = 0; i < weight.length; i++) weight[i]! -= learningRate * weightDecay * weight[i]!;
      }
      adam(weight, gradient, first, learningRate);
    },
  };

  return {
    state,
    step(weights, gradients, learningRate) {
      state.steps += 1;
      weights.forEach((weight, index) => updates[name](weight, gradients[index]!, index * perWeight, learningRate));
    },
  };
}
