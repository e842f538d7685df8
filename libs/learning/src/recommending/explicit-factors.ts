import type { RecommendationModelSettings } from '@millrace/configuration';
import { beginning } from './implicit-factors.ts';
import { type Interactions, transposed } from './interactions.ts';
import { meanOf } from './popularity.ts';
import { solvePositiveDefinite } from './positive-definite.ts';
import type { RecommenderFit, RecommenderOutcome } from './recommender.ts';

type Settings = Extract<RecommendationModelSettings, { family: 'matrix_factorisation' }>;

const usualRegularisation = 0.1;

/**
 * Factors and biases of users and items from ratings (Koren, Bell & Volinsky 2009, equation 5): minimises
 * Σ (r_ui - μ - b_u - b_i - p_u·q_i)² + λ (b_u² + b_i² + |p_u|² + |q_i|²) over the ratings, by alternating least squares: with one side
 * fixed, bias and factors of each of the other are one ridge regression, its penalty times its ratings (as in Zhou et al. 2008).
 */
export async function explicitFactors({ data, settings, seed, pacer, resume, onRound }: RecommenderFit<Settings>): Promise<RecommenderOutcome> {
  const { factors: rank, iterations, regularisation = usualRegularisation } = settings;
  const width = rank + 1;
  const mean = meanOf(data);
  const byItem = transposed(data);
  // Of each: its bias, then its factors, which begin at a length of about 1: from near 0 the biases alone may be where it ends.
  const [users, items] = (resume?.arrays.map((array) => array.slice()) as [Float64Array, Float64Array] | undefined) ?? [
    new Float64Array(data.users * width), beginning(data.items * width, rank, seed).map((value, at) => (at % width === 0 ? 0 : 4 * value)),
  ];
  for (let round = (resume?.round ?? 0) + 1; round <= iterations; round++) {
    for (const [side, solved, others] of [[data, users, items], [byItem, items, users]] as const) {
      const matrix = new Float64Array(width * width);
      const right = new Float64Array(width);
      for (let row = 0; row < side.users; row++) {
        if (!(await pacer.mayContinue())) return null;
        const [start, end] = [side.starts[row]!, side.starts[row + 1]!];
        matrix.fill(0);
        right.fill(0);
        // Who rated nothing is pulled to 0.
        for (let axis = 0; axis < width; axis++) matrix[axis * width + axis] = regularisation * Math.max(1, end - start);
        for (let at = start; at < end; at++) {
          const other = side.itemOf[at]! * width;
          const rest = side.strengths[at]! - mean - others[other]!;
          for (let a = 0; a < width; a++) {
            const value = a === 0 ? 1 : others[other + a]!;
            right[a]! += value * rest;
            for (let b = 0; b <= a; b++) matrix[a * width + b]! += value * (b === 0 ? 1 : others[other + b]!);
          }
        }
        solvePositiveDefinite(matrix, right, width);
        solved.set(right, row * width);
      }
    }
    await onRound({ round, arrays: [users, items] }, lossOf(data, users, items, width, mean, regularisation) / data.itemOf.length);
  }
  return { type: 'fitted', rule: asProducts(data, users, items, rank, mean) };
}

/** The bias of a user, with the mean, becomes one more factor, which is 1 for every item. */
function asProducts({ users: userCount, items: itemCount }: Interactions, users: Float64Array, items: Float64Array, rank: number, mean: number) {
  const width = rank + 1;
  return {
    type: 'factors' as const,
    rank: width,
    users: Float32Array.from({ length: userCount * width }, (_, at) => users[at]! + (at % width === 0 ? mean : 0)),
    items: Float32Array.from({ length: itemCount * width }, (_, at) => (at % width === 0 ? 1 : items[at]!)),
    bias: Float32Array.from({ length: itemCount }, (_, item) => items[item * width]!),
  };
}

function lossOf(data: Interactions, users: Float64Array, items: Float64Array, width: number, mean: number, regularisation: number): number {
  let loss = 0;
  for (let user = 0; user < data.users; user++) {
    for (let at = data.starts[user]!; at < data.starts[user + 1]!; at++) {
      const [own, other] = [user * width, data.itemOf[at]! * width];
      let rest = data.strengths[at]! - mean - users[own]! - items[other]!;
      let penalty = 0;
      for (let axis = 0; axis < width; axis++) {
        if (axis > 0) rest -= users[own + axis]! * items[other + axis]!;
        penalty += users[own + axis]! ** 2 + items[other + axis]! ** 2;
      }
      loss += rest * rest + regularisation * penalty;
    }
  }
  return loss;
}
