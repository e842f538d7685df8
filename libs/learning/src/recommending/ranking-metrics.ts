/** How good lists of recommendations were for users of whom is known what they had afterwards. */
export interface RecommendationMetrics {
  type: 'recommendation';
  /** users that were tested */
  users: number;
  topN: number;
  /** null where nobody had anything that counts as relevant */
  ndcg: number | null;
  hitRate: number | null;
  recallAtN: number | null;
  mrr: number | null;
  /** share of all items that were recommended to anybody */
  coverage: number;
  /** errors of ratings, in their unit; null for implicit feedback */
  rmse: number | null;
  mae: number | null;
}

export interface JudgedList {
  /** best first */
  recommended: ArrayLike<number>;
  /** what the user had afterwards; a user without any counts for the coverage only */
  relevant: ReadonlySet<number>;
}

/**
 * Means over the users, with every relevant item worth the same: NDCG@n (Järvelin & Kekäläinen 2002, gain 1, discount
 * log2(1 + rank), divided by that of the best list there is), hit rate@n, recall@n, reciprocal rank of the first hit (Voorhees
 * 1999; 0 beyond the list).
 */
export function scoreLists(lists: readonly JudgedList[], topN: number, items: number): Omit<RecommendationMetrics, 'rmse' | 'mae'> {
  const sums = { ndcg: 0, hitRate: 0, recallAtN: 0, mrr: 0 };
  const shown = new Set<number>();
  let users = 0;
  for (const list of lists) {
    for (let at = 0; at < Math.min(topN, list.recommended.length); at++) shown.add(list.recommended[at]!);
    const own = scoreList(list, topN);
    if (!own) continue;
    users += 1;
    sums.ndcg += own.ndcg;
    sums.hitRate += own.hitRate;
    sums.recallAtN += own.recallAtN;
    sums.mrr += own.mrr;
  }
  const mean = (sum: number) => (users > 0 ? sum / users : null);
  return {
    type: 'recommendation', users, topN, coverage: shown.size / items,
    ndcg: mean(sums.ndcg), hitRate: mean(sums.hitRate), recallAtN: mean(sums.recallAtN), mrr: mean(sums.mrr),
  };
}

/** Of one user; null where nothing counts as relevant. */
export function scoreList({ recommended, relevant }: JudgedList, topN: number): { ndcg: number; hitRate: number; recallAtN: number; mrr: number } | null {
  if (relevant.size === 0) return null;
  let [gain, hits, first] = [0, 0, 0];
  for (let at = 0; at < Math.min(topN, recommended.length); at++) {
    if (!relevant.has(recommended[at]!)) continue;
    gain += 1 / Math.log2(at + 2);
    hits += 1;
    first ||= at + 1;
  }
  let best = 0;
  for (let at = 0; at < Math.min(topN, relevant.size); at++) best += 1 / Math.log2(at + 2);
  return { ndcg: gain / best, hitRate: hits > 0 ? 1 : 0, recallAtN: hits / relevant.size, mrr: first > 0 ? 1 / first : 0 };
}
