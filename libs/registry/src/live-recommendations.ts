/**
 * How good a recommended list was for somebody of whom is known what they took, every item worth the same: NDCG (Järvelin & Kekäläinen,
 * Cumulated gain-based evaluation of IR techniques, 2002: gain 1, discount log2(1 + rank), over that of the best list) and whether anything was hit,
 * as at training.
 * @param recommended best first
 * @param taken at least one item, each once
 * @param count items that a list has at most
 */
export function scoreList(recommended: readonly string[], taken: readonly string[], count: number): { hitRate: number; ndcg: number } {
  const relevant = new Set(taken);
  const gainAt = (at: number): number => 1 / Math.log2(at + 2);
  let [gain, best] = [0, 0];
  for (let at = 0; at < Math.min(count, recommended.length); at++) if (relevant.has(recommended[at]!)) gain += gainAt(at);
  for (let at = 0; at < Math.min(count, relevant.size); at++) best += gainAt(at);
  return { hitRate: gain > 0 ? 1 : 0, ndcg: gain / best };
}
