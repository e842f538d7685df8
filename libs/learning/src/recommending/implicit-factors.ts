import type { RecommendationModelSettings } from '@millrace/configuration';
import { createRandom } from '../random.ts';
import { type Interactions, transposed } from './interactions.ts';
import { solvePositiveDefinite } from './positive-definite.ts';
import type { RecommenderFit, RecommenderOutcome } from './recommender.ts';

type Settings = Extract<RecommendationModelSettings, { family: 'matrix_factorisation' }>;

/** times the confidence */
const usualRegularisation = 3;

/**
 * Factors of users and items from implicit feedback (Hu, Koren & Volinsky 2008): minimises
 * Σ_u Σ_i c_ui (p_ui - x_u·y_i)² + λ (Σ|x_u|² + Σ|y_i|²) over all pairs, where p is 1 for what a user had and 0 for all else, and
 * c = 1 + α·log2(1 + r) there and 1 elsewhere. Each half of an iteration solves all users, or all items, exactly:
 * x = (YᵀY + Yᵀ(C - I)Y + λI)⁻¹ YᵀC p, where YᵀY is the same for all (their section 4).
 */
export async function implicitFactors({ data, settings, seed, pacer, resume, onRound }: RecommenderFit<Settings>): Promise<RecommenderOutcome> {
  const { factors: rank, iterations, confidence, regularisation = usualRegularisation * confidence } = settings;
  const byItem = transposed(data);
  const [users, items] = (resume?.arrays.map((array) => array.slice()) as [Float64Array, Float64Array] | undefined) ?? [new Float64Array(data.users * rank), beginning(data.items * rank, rank, seed)];
  const weigh = (strength: number) => confidence * Math.log2(1 + strength);
  for (let round = (resume?.round ?? 0) + 1; round <= iterations; round++) {
    for (const [side, solved, others] of [[data, users, items], [byItem, items, users]] as const) {
      const gram = gramOf(others, rank);
      const matrix = new Float64Array(rank * rank);
      const right = new Float64Array(rank);
      for (let row = 0; row < side.users; row++) {
        if (!(await pacer.mayContinue())) return null;
        matrix.set(gram);
        right.fill(0);
        for (let axis = 0; axis < rank; axis++) matrix[axis * rank + axis]! += regularisation;
        for (let at = side.starts[row]!; at < side.starts[row + 1]!; at++) {
          const extra = weigh(side.strengths[at]!);
          const other = side.itemOf[at]! * rank;
          for (let a = 0; a < rank; a++) {
            const weighed = extra * others[other + a]!;
            right[a]! += weighed + others[other + a]!;
            for (let b = 0; b <= a; b++) matrix[a * rank + b]! += weighed * others[other + b]!;
          }
        }
        solvePositiveDefinite(matrix, right, rank);
        solved.set(right, row * rank);
      }
    }
    await onRound({ round, arrays: [users, items] }, lossOf(data, users, items, rank, weigh, regularisation) / data.itemOf.length);
  }
  return { type: 'fitted', rule: { type: 'factors', rank, users: Float32Array.from(users), items: Float32Array.from(items), bias: new Float32Array(data.items) } };
}

/** Small numbers around 0, whose products are small beside 1. */
export function beginning(length: number, rank: number, seed: number): Float64Array {
  const random = createRandom(seed);
  return Float64Array.from({ length }, () => (random.uniform() - 0.5) / Math.sqrt(rank));
}

/** YᵀY, its lower triangle. */
function gramOf(values: Float64Array, rank: number): Float64Array {
  const gram = new Float64Array(rank * rank);
  for (let at = 0; at < values.length; at += rank) {
    for (let a = 0; a < rank; a++) {
      for (let b = 0; b <= a; b++) gram[a * rank + b]! += values[at + a]! * values[at + b]!;
    }
  }
  return gram;
}

/** All pairs, by Σ(x·y)² = xᵀ(YᵀY)x, of which those that were had are then corrected. */
function lossOf(data: Interactions, users: Float64Array, items: Float64Array, rank: number, weigh: (strength: number) => number, regularisation: number): number {
  const gram = gramOf(items, rank);
  let loss = 0;
  for (let user = 0; user < data.users; user++) {
    const own = users.subarray(user * rank, (user + 1) * rank);
    for (let a = 0; a < rank; a++) {
      for (let b = 0; b < a; b++) loss += 2 * own[a]! * own[b]! * gram[a * rank + b]!;
      loss += own[a]! ** 2 * (gram[a * rank + a]! + regularisation);
    }
    for (let at = data.starts[user]!; at < data.starts[user + 1]!; at++) {
      let product = 0;
      for (let axis = 0; axis < rank; axis++) product += own[axis]! * items[data.itemOf[at]! * rank + axis]!;
      loss += (1 + weigh(data.strengths[at]!)) * (1 - product) ** 2 - product ** 2;
    }
  }
  return loss + regularisation * items.reduce((sum, value) => sum + value * value, 0);
}
