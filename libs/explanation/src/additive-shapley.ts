import { type Game, meanAnswers } from './coalition-game.ts';

/**
 * Shapley values of an answer that is a sum of functions of one player each, such as that of a linear regression: what the
 * answer loses on average when the player alone is replaced, `φᵢ = f(x) - mean f(x with i of a reference)`. For a weight w on a
 * number this is `w · (xᵢ - mean of the references)` (Štrumbelj & Kononenko, Explaining prediction models and individual
 * predictions with feature contributions, 2014). Exact for such answers only.
 * @returns one value a player; asks `players · references` questions
 */
export async function shapleyOfAdditiveAnswer(game: Game, everybody: number): Promise<Float64Array> {
  const withoutOne = Array.from({ length: game.players }, (_, player) => new Uint8Array(game.players).fill(1).fill(0, player, player + 1));
  const values = await meanAnswers(game, withoutOne);
  return values.map((value) => everybody - value);
}
