import { encodeFeature, type FeatureCode } from './entity-features.ts';

/** How a user's score of every item comes about. All numbers are float32. */
export type ScoreRule =
  /** as for somebody unknown */
  | { type: 'popularity' }
  /** users · items + bias */
  | { type: 'factors'; rank: number; /** [users, rank] */ users: Float32Array; /** [items, rank] */ items: Float32Array; /** [items] */ bias: Float32Array; storage?: EmbeddingStorage }
  /** the sum of similarities to what the user had */
  | { type: 'neighbours'; count: number; /** [items, count]; `items` where there is none */ neighbours: Int32Array; /** [items, count] */ similarities: Float32Array }
  /** (identity + relu(features · hidden + hiddenBias) · output), brought to length 1, · items + bias */
  | {
      type: 'towers'; rank: number; /** [users, rank] */ identities: Float32Array; /** [items, rank] */ items: Float32Array; /** [items] */ bias: Float32Array;
      codes: FeatureCode[]; width: number; /** [users, width] */ features: Float32Array;
      units: number; /** [width, units] */ hidden: Float32Array; /** [units] */ hiddenBias: Float32Array; /** [units, rank] */ output: Float32Array; storage?: EmbeddingStorage;
    };

/**
 * How the rows of users and items (of towers also their identities and features) are kept where that is not float32: in float16, or
 * as whole numbers from -127 to 127 times the scale of each row, by table. The tables themselves always hold the values that they stand for.
 */
export type EmbeddingStorage = 'float16' | { users: Float32Array; items: Float32Array; /** none of factors */ features: Float32Array };

/** A recommender that was learned: everything that answering needs, as plain data. */
export interface FittedRecommender {
  family: string;
  /** names of the columns */
  user: string;
  item: string;
  /** both in code-unit order */
  users: string[];
  items: string[];
  topN: number;
  /** whether what a user had is left out of the answer */
  excludesSeen: boolean;
  /** what users had: items of user u, in their order, lie at `starts[u]` to `starts[u + 1] - 1` */
  seen: { starts: Int32Array; items: Int32Array };
  /** [items]: scores for who is not known */
  popularity: Float32Array;
  rule: ScoreRule;
}

export interface RecommendationRequest {
  /** null, or a name that is not known: nobody in particular */
  user: string | null;
  /** of the user, by name; what is left out is as it was learned */
  features?: Record<string, number | string | null>;
  /** items not to recommend; unknown ones do not matter */
  exclude?: readonly string[];
}

/** Items, best first, and their scores: at most `topN`, fewer where so many are left out. Scores of two users do not compare. */
export interface Recommendations {
  items: string[];
  scores: number[];
}

/** Answers as the package's graph does: in float32 at the end, equal scores in the order of the items. */
export function recommend(recommender: FittedRecommender, { user, features = {}, exclude = [] }: RecommendationRequest): Recommendations {
  const { users, items, seen, excludesSeen, topN } = recommender;
  const known = user === null ? -1 : placeOf(users, user);
  const scores = new Float32Array(items.length);
  scoreItems(recommender, known, scores, features);
  const isOut = new Uint8Array(items.length);
  if (excludesSeen && known >= 0) for (const item of seen.items.subarray(seen.starts[known], seen.starts[known + 1])) isOut[item] = 1;
  for (const name of exclude) {
    const item = placeOf(items, name);
    if (item >= 0) isOut[item] = 1;
  }
  const best = bestItems(scores, isOut, topN);
  return { items: Array.from(best, (item) => items[item]!), scores: Array.from(best, (item) => scores[item]!) };
}

/** Writes the score of every item for the user at a place, -1 for one who is not known. */
export function scoreItems({ popularity, seen, rule }: FittedRecommender, user: number, scores: Float32Array, sent: Record<string, number | string | null> = {}): void {
  switch (rule.type) {
    case 'popularity':
      scores.set(popularity);
      return;
    case 'factors':
      if (user < 0) scores.set(popularity);
      else multiply(rule.items, rule.users.subarray(user * rule.rank, (user + 1) * rule.rank), scores, rule.bias);
      return;
    case 'neighbours':
      if (user < 0) scores.set(popularity);
      else {
        scores.fill(0);
        for (const item of seen.items.subarray(seen.starts[user], seen.starts[user + 1])) {
          for (let at = item * rule.count; at < (item + 1) * rule.count; at++) {
            const other = rule.neighbours[at]!;
            if (other < scores.length) scores[other]! += rule.similarities[at]!;
          }
        }
      }
      return;
    case 'towers': {
      const vector = userVector(rule, user, sent);
      if (vector) multiply(rule.items, vector, scores, rule.bias);
      else scores.set(popularity);
    }
  }
}

/** Null for somebody of whom nothing is known. */
function userVector(rule: Extract<ScoreRule, { type: 'towers' }>, user: number, sent: Record<string, number | string | null>): Float64Array | null {
  const { rank, width, units } = rule;
  const features = new Float32Array(width);
  if (user >= 0) features.set(rule.features.subarray(user * width, (user + 1) * width));
  let isKnown = user >= 0;
  let at = 0;
  for (const code of rule.codes) {
    if (encodeFeature(code, sent[code.name] ?? null, features, at)) isKnown = true;
    at += code.type === 'number' ? 1 : code.categories.length;
  }
  if (!isKnown) return null;
  const vector = new Float64Array(rank);
  if (user >= 0) for (let axis = 0; axis < rank; axis++) vector[axis] = rule.identities[user * rank + axis]!;
  for (let unit = 0; unit < units; unit++) {
    let sum = rule.hiddenBias[unit]!;
    for (let index = 0; index < width; index++) sum += features[index]! * rule.hidden[index * units + unit]!;
    if (sum > 0) for (let axis = 0; axis < rank; axis++) vector[axis]! += sum * rule.output[unit * rank + axis]!;
  }
  return toLengthOne(vector);
}

/** What is shorter than this has no direction. */
export const shortestVector = 1e-6;

function toLengthOne(vector: Float64Array): Float64Array {
  const length = Math.max(shortestVector, Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0)));
  return vector.map((value) => value / length);
}

function multiply(matrix: Float32Array, vector: ArrayLike<number>, products: Float32Array, bias: Float32Array): void {
  const rank = vector.length;
  for (let row = 0, at = 0; row < products.length; row++) {
    let sum = bias[row]!;
    for (let axis = 0; axis < rank; axis++) sum += matrix[at++]! * vector[axis]!;
    products[row] = sum;
  }
}

/** Places of the highest scores, best first, the lower place first among equals; what is out is left out. */
export function bestItems(scores: Float32Array, isOut: Uint8Array, count: number): Int32Array {
  const best: number[] = [];
  for (let item = 0; item < scores.length; item++) {
    if (isOut[item] || (best.length === count && scores[item]! <= scores[best[count - 1]!]!)) continue;
    let at = best.length === count ? count - 1 : best.length;
    for (; at > 0 && scores[best[at - 1]!]! < scores[item]!; at--) best[at] = best[at - 1]!;
    best[at] = item;
  }
  return Int32Array.from(best);
}

/** By halving: the names are in code-unit order. */
function placeOf(names: readonly string[], name: string): number {
  let [low, high] = [0, names.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (names[middle]! < name) low = middle + 1;
    else high = middle;
  }
  return names[low] === name ? low : -1;
}
