import type { RecommendationModelSettings } from '@millrace/configuration';
import { transposed } from './interactions.ts';
import type { RecommenderFit, RecommenderOutcome } from './recommender.ts';

type Settings = Extract<RecommendationModelSettings, { family: 'item_neighbours' }>;

/**
 * The most similar items of each (Sarwar et al. 2001; scored as by Deshpande & Karypis 2004: the sum over what the user had of the
 * similarities to its neighbours): the cosine of the sets of users, n_ij / √(n_i·n_j), times n_ij / (n_ij + shrinkage), which trusts
 * a similarity by the users that it rests on (Bell & Koren 2007). Ties go to the item that comes first.
 */
export async function itemNeighbours({ data, settings, pacer }: RecommenderFit<Settings>): Promise<RecommenderOutcome> {
  const { items } = data;
  const byItem = transposed(data);
  const count = Math.min(settings.neighbours, Math.max(1, items - 1));
  const neighbours = new Int32Array(items * count).fill(items);
  const similarities = new Float32Array(items * count);
  const shared = new Int32Array(items);
  const usersOf = (item: number) => byItem.starts[item + 1]! - byItem.starts[item]!;
  for (let item = 0; item < items; item++) {
    if (!(await pacer.mayContinue())) return null;
    const others: number[] = [];
    for (const user of byItem.itemOf.subarray(byItem.starts[item], byItem.starts[item + 1])) {
      for (const other of data.itemOf.subarray(data.starts[user], data.starts[user + 1])) {
        if (other === item) continue;
        if (shared[other] === 0) others.push(other);
        shared[other]! += 1;
      }
    }
    const similar = others.map((other) => {
      const both = shared[other]!;
      shared[other] = 0;
      return { other, similarity: (both / Math.sqrt(usersOf(item) * usersOf(other))) * (both / (both + settings.shrinkage)) };
    });
    similar.sort((a, b) => b.similarity - a.similarity || a.other - b.other);
    similar.slice(0, count).forEach(({ other, similarity }, at) => {
      neighbours[item * count + at] = other;
      similarities[item * count + at] = similarity;
    });
  }
  return { type: 'fitted', rule: { type: 'neighbours', count, neighbours, similarities } };
}
