import { type Interactions, transposed } from './interactions.ts';

/** Ratings of an item that count as much as the mean of all. */
const damping = 5;

/** [items]: the share of the users who had it. */
export function popularityOf({ users, items, itemOf }: Interactions): Float32Array {
  const shares = new Float32Array(items);
  const counts = new Int32Array(items);
  for (const item of itemOf) counts[item]! += 1;
  for (let item = 0; item < items; item++) shares[item] = counts[item]! / users;
  return shares;
}

/** [items]: the mean rating, drawn towards the mean of all ratings: (Σr + 5·mean) / (n + 5). */
export function meanRatings(data: Interactions): Float32Array {
  const mean = meanOf(data);
  const { starts, strengths } = transposed(data);
  return Float32Array.from({ length: data.items }, (_, item) => {
    let sum = damping * mean;
    for (let at = starts[item]!; at < starts[item + 1]!; at++) sum += strengths[at]!;
    return sum / (damping + starts[item + 1]! - starts[item]!);
  });
}

export const meanOf = ({ strengths }: Interactions): number => strengths.reduce((sum, strength) => sum + strength, 0) / strengths.length;
