import type { Game, Question } from './coalition-game.ts';
import { permutation, type Random } from './seeded-random.ts';

export interface SampledShapley {
  /** one a player */
  values: Float64Array;
  /** of each value, the standard error of the sampling, the references being given */
  standardErrors: Float64Array;
}

/**
 * Estimates Shapley values by walks along permutations: players join in the order of a permutation, and each is credited with
 * the change of the answer (Castro, Gómez & Tejada, Polynomial calculation of the Shapley value based on sampling, 2009). Each
 * permutation is walked in reverse too, which cancels much of the error (antithetic sampling: Mitchell, Cooper, Frank & Holmes,
 * Sampling Permutations for Shapley Value Estimation, JMLR 2022). Every reference gets as many walks as any other, so that the
 * values add up to the difference between the answer and the mean of the references whatever the chance.
 * @param ends the answers to each bare reference, and to the row itself
 * @param rounds pairs of walks for each reference, at least two: their spread gives the errors
 * @returns asks `rounds · references · 2 · (players - 1)` questions
 */
export async function shapleyBySampling(game: Game, ends: { nobody: Float64Array; everybody: number }, rounds: number, random: Random): Promise<SampledShapley> {
  const { players, references } = game;
  const sums = new Float64Array(references * players);
  const squares = new Float64Array(references * players);
  for (let round = 0; round < rounds; round++) {
    const orders = Array.from({ length: references }, () => permutation(players, random));
    const walks = orders.flatMap((order, reference) => [
      { order, reference },
      { order: order.slice().reverse(), reference },
    ]);
    const answers = await game.answers(walks.flatMap(({ order, reference }) => stepsOf(order, reference)));
    const steps = players - 1;
    for (let reference = 0; reference < references; reference++) {
      const pair = new Float64Array(players);
      for (const walk of [2 * reference, 2 * reference + 1]) {
        let before = ends.nobody[reference]!;
        walks[walk]!.order.forEach((player, step) => {
          const after = step === steps ? ends.everybody : answers[walk * steps + step]!;
          pair[player]! += (after - before) / 2;
          before = after;
        });
      }
      pair.forEach((value, player) => {
        sums[reference * players + player]! += value;
        squares[reference * players + player]! += value * value;
      });
    }
  }
  const values = new Float64Array(players);
  const variances = new Float64Array(players);
  for (let reference = 0; reference < references; reference++) {
    for (let player = 0; player < players; player++) {
      const sum = sums[reference * players + player]!;
      values[player]! += sum / rounds / references;
      const spread = Math.max(0, squares[reference * players + player]! - (sum * sum) / rounds) / (rounds - 1);
      variances[player]! += spread / rounds / references ** 2;
    }
  }
  return { values, standardErrors: variances.map(Math.sqrt) };
}

/** The coalitions on the way: not those of nobody and of everybody. */
function stepsOf(order: Int32Array, reference: number): Question[] {
  const coalition = new Uint8Array(order.length);
  return Array.from(order.subarray(0, -1), (player) => {
    coalition[player] = 1;
    return { coalition: coalition.slice(), reference };
  });
}
