import { type Game, meanAnswers } from './coalition-game.ts';

/**
 * Shapley values by their definition, over all coalitions: `φᵢ = Σ |S|! (n - |S| - 1)! / n! · (v(S ∪ i) - v(S))`, `v` being the
 * mean answer over the references (Shapley, A value for n-person games, 1953).
 * @param ends `v` of nobody and of everybody, which are known already
 * @returns one value a player, and `v` of all coalitions; asks `(2ⁿ - 2) · references` questions
 */
export async function shapleyOfAllCoalitions(game: Game, ends: { nobody: number; everybody: number }): Promise<{ values: Float64Array; worthOf(coalition: Uint8Array): number }> {
  const { players } = game;
  const all = 2 ** players;
  const values = new Float64Array(all);
  values[0] = ends.nobody;
  const coalitions = Array.from({ length: Math.max(0, all - 2) }, (_, index) => coalitionOf(index + 1, players));
  values.set(await meanAnswers(game, coalitions), 1);
  values[all - 1] = ends.everybody;
  return {
    values: weighMarginals(players, (mask) => values[mask]!),
    worthOf: (coalition) => values[coalition.reduce((mask, isIn, player) => mask | (isIn << player), 0)]!,
  };
}

/** The definition itself, for a value that is known of each coalition; bit i of a mask is player i. */
export function weighMarginals(players: number, valueOf: (mask: number) => number): Float64Array {
  const weights = Array.from({ length: players }, (_, size) => 1 / (players * binomial(players - 1, size)));
  const shares = new Float64Array(players);
  for (let mask = 0; mask < 2 ** players; mask++) {
    const size = bitsIn(mask);
    for (let player = 0; player < players; player++) {
      if ((mask >> player) & 1) continue;
      shares[player]! += weights[size]! * (valueOf(mask | (1 << player)) - valueOf(mask));
    }
  }
  return shares;
}

/** The players of a mask as a coalition. */
export function coalitionOf(mask: number, players: number): Uint8Array {
  return Uint8Array.from({ length: players }, (_, player) => (mask >> player) & 1);
}

function bitsIn(mask: number): number {
  let bits = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) bits += 1;
  return bits;
}

function binomial(n: number, k: number): number {
  let result = 1;
  for (let at = 1; at <= k; at++) result = (result * (n - k + at)) / at;
  return result;
}
