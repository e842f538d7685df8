/** What boosting lowers: scores and gradients are one array per output, one entry a row. */
export interface BoostingLoss {
  /** scores per row: one, or one per class from three classes on */
  outputs: number;
  /** the constant scores that are best for the training rows */
  start: number[];
  /** Whether all second derivatives are 1, and so are not written. */
  unitHessians: boolean;
  /** First and second derivatives of each training row's loss by its scores, times the row's weight. */
  differentiate(scores: readonly Float64Array[], gradients: readonly Float64Array[], hessians: readonly Float64Array[]): void;
  /** Weighted mean loss of the rows from `begin` to `end`: cross-entropy in nats, squared or absolute error. */
  mean(scores: readonly Float64Array[], begin: number, end: number): number;
  /** Not null where a leaf takes the median of its rows' residuals instead of a Newton step: what the scores are taken from. */
  residualsOf: Float64Array | null;
}

export interface BoostingTargets {
  /** of training rows first, then of those held back: class index, or standardised value */
  values: Float64Array;
  /** by row, or null where all count alike, as numbers always do */
  weights: Float64Array | null;
  /** how many of the rows are for training */
  training: number;
}

const smallestProbability = 1e-15;

export function squaredLoss({ values, training }: BoostingTargets): BoostingLoss {
  return {
    outputs: 1,
    start: [weightedMean(values, null, training)],
    residualsOf: null,
    unitHessians: true,
    differentiate([score], [gradient]) {
      for (let row = 0; row < training; row++) gradient![row] = score![row]! - values[row]!;
    },
    mean: (scores, begin, end) => meanOf(null, begin, end, (row) => (scores[0]![row]! - values[row]!) ** 2),
  };
}

/** Friedman 2001, "Greedy function approximation", section 4.3: trees follow the signs, leaves take the median. */
export function absoluteLoss({ values, training }: BoostingTargets): BoostingLoss {
  return {
    outputs: 1,
    start: [median(values.slice(0, training))],
    residualsOf: values,
    unitHessians: true,
    differentiate([score], [gradient]) {
      for (let row = 0; row < training; row++) gradient![row] = Math.sign(score![row]! - values[row]!);
    },
    mean: (scores, begin, end) => meanOf(null, begin, end, (row) => Math.abs(scores[0]![row]! - values[row]!)),
  };
}

/** Two classes: the score is the log-odds of the second (Friedman, Hastie & Tibshirani 2000). */
export function logisticLoss({ values, weights, training }: BoostingTargets): BoostingLoss {
  const share = weightedMean(values, weights, training);
  return {
    outputs: 1,
    start: [Math.log(Math.max(smallestProbability, share) / Math.max(smallestProbability, 1 - share))],
    residualsOf: null,
    unitHessians: false,
    differentiate([score], [gradient], [hessian]) {
      for (let row = 0; row < training; row++) {
        const weight = weights ? weights[row]! : 1;
        const probability = 1 / (1 + Math.exp(-score![row]!));
        gradient![row] = (probability - values[row]!) * weight;
        hessian![row] = probability * (1 - probability) * weight;
      }
    },
    mean: (scores, begin, end) => meanOf(weights, begin, end, (row) => {
      const score = scores[0]![row]!;
      return Math.log1p(Math.exp(-Math.abs(score))) + (values[row] === 1 ? Math.max(0, -score) : Math.max(0, score));
    }),
  };
}

/** Three classes or more: softmax over one score per class; the second derivatives' off-diagonal part is made up for by K/(K-1). */
export function softmaxLoss({ values, weights, training }: BoostingTargets, classes: number): BoostingLoss {
  const shares = Array.from({ length: classes }, (_, index) =>
    weightedMean(values.map((value) => Number(value === index)), weights, training));
  const factor = classes / (classes - 1);
  const probabilities = new Float64Array(classes);
  return {
    outputs: classes,
    start: shares.map((share) => Math.log(Math.max(smallestProbability, share))),
    residualsOf: null,
    unitHessians: false,
    differentiate(scores, gradients, hessians) {
      for (let row = 0; row < training; row++) {
        const weight = weights ? weights[row]! : 1;
        softmax(scores, row, probabilities);
        for (let index = 0; index < classes; index++) {
          const probability = probabilities[index]!;
          gradients[index]![row] = (probability - Number(values[row] === index)) * weight;
          hessians[index]![row] = factor * probability * (1 - probability) * weight;
        }
      }
    },
    mean: (scores, begin, end) => meanOf(weights, begin, end, (row) => {
      softmax(scores, row, probabilities);
      return -Math.log(Math.max(smallestProbability, probabilities[values[row]!]!));
    }),
  };
}

function softmax(scores: readonly Float64Array[], row: number, into: Float64Array): void {
  let highest = -Infinity;
  for (const score of scores) highest = Math.max(highest, score[row]!);
  let sum = 0;
  for (let index = 0; index < into.length; index++) sum += into[index] = Math.exp(scores[index]![row]! - highest);
  for (let index = 0; index < into.length; index++) into[index]! /= sum;
}

export function median(values: Float64Array): number {
  const sorted = values.sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function weightedMean(values: Float64Array, weights: Float64Array | null, count: number): number {
  return meanOf(weights, 0, count, (row) => values[row]!);
}

function meanOf(weights: Float64Array | null, begin: number, end: number, of: (row: number) => number): number {
  let sum = 0;
  let total = 0;
  for (let row = begin; row < end; row++) {
    const weight = weights ? weights[row]! : 1;
    sum += weight * of(row);
    total += weight;
  }
  return sum / total;
}
