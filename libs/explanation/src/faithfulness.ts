import { coalitionOf } from './exact-shapley.ts';
import { type Game, meanAnswers } from './coalition-game.ts';
import { permutation, type Random } from './seeded-random.ts';

export type Faithfulness = { score: number } | { score: null; reason: string };

/** Fewer players leave too few sets for a correlation. */
const fewestForFaithfulness = 3;
/** All sets of up to so many players are removed; of more, `mostSets` by chance. */
export const mostForAllSets = 5;
const mostSets = 32;

/** How many sets of players are removed: all that there are, where they are few. */
export const setsToRemove = (players: number): number => (players < fewestForFaithfulness ? 0 : players <= mostForAllSets ? 2 ** players - 2 : mostSets);

/**
 * Whether an explanation tells what the model does: the correlation, over sets of players, between what the explanation credits a
 * set with and what the answer loses when the set is replaced by the references: `corr(Σ_{i∈S} φᵢ, f(x) - v(N \ S))`, `v` being
 * the mean over the references (faithfulness correlation: Bhatt, Weller & Moura, Evaluating and Aggregating Feature-based Model
 * Explanations, IJCAI 2020; there with sets of one size, here with sizes from 1 to n - 1 alike). 1 is as good as can be; 0 says
 * nothing. The sets have no part in finding φ, unless φ is exact.
 * @param known `v` where it is known of all coalitions, so that nothing has to be asked
 */
export async function faithfulnessOf(game: Game, attributions: Float64Array, everybody: number, random: Random, known?: (coalition: Uint8Array) => number): Promise<Faithfulness> {
  const { players } = game;
  if (players < fewestForFaithfulness) return { score: null, reason: `There are only ${players} inputs; from three on their sets can be compared.` };
  const kept = players <= mostForAllSets ? Array.from({ length: 2 ** players - 2 }, (_, index) => coalitionOf(index + 1, players)) : Array.from({ length: mostSets }, () => coalitionByChance(players, random));
  const left = known ? Float64Array.from(kept, known) : await meanAnswers(game, kept);
  const lost = left.map((value) => everybody - value);
  const credited = Float64Array.from(kept, (coalition) => attributions.reduce((sum, value, player) => sum + (coalition[player] === 1 ? 0 : value), 0));
  const score = correlation(credited, lost);
  return score === null ? { score: null, reason: 'The answer, or the explanation, is the same whatever inputs are replaced.' } : { score };
}

function coalitionByChance(players: number, random: Random): Uint8Array {
  const size = 1 + Math.floor(random() * (players - 1));
  const coalition = new Uint8Array(players);
  for (const player of permutation(players, random).subarray(0, size)) coalition[player] = 1;
  return coalition;
}

/** Pearson's; null where one of the two does not vary. */
export function correlation(one: Float64Array, other: Float64Array): number | null {
  const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanOne, meanOther] = [mean(one), mean(other)];
  let [both, squareOne, squareOther] = [0, 0, 0];
  one.forEach((value, at) => {
    const [x, y] = [value - meanOne, other[at]! - meanOther];
    both += x * y;
    squareOne += x * x;
    squareOther += y * y;
  });
  // What is left of rounding is no variation.
  const tiny = (squares: number, scale: number) => squares <= (1e-9 * Math.abs(scale)) ** 2 * one.length + 1e-30;
  if (tiny(squareOne, meanOne) || tiny(squareOther, meanOther)) return null;
  return Math.max(-1, Math.min(1, both / Math.sqrt(squareOne * squareOther)));
}
