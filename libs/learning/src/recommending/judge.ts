import { createRandom } from '../random.ts';
import type { Pacer } from '../pacer.ts';
import { bestItems, type FittedRecommender, scoreItems } from './fitted-recommender.ts';
import type { HoldOut } from './hold-out.ts';
import type { InteractionSet } from './interactions.ts';
import { meanOf } from './popularity.ts';
import { type JudgedList, type RecommendationMetrics, scoreLists } from './ranking-metrics.ts';

/** What a person looks at: users, what they had, what they had afterwards, and what was recommended for that. */
export interface RecommendationSample {
  user: string;
  /** the last ones that were learned from */
  had: string[];
  /** what was held out */
  heldOut: string[];
  recommended: { item: string; score: number; isHit: boolean }[];
}

/** Users whose lists are made for the test; more are drawn by the seed. */
const mostJudged = 5000;
const mostSampled = 8;
const mostShown = 12;

/** What recommendations are judged by. */
export interface Judging {
  set: InteractionSet;
  parts: HoldOut;
  isExplicit: boolean;
  seed: number;
  pacer: Pacer;
}

export interface Judgement {
  /** null where no user has enough items to hold some back for it */
  validation: RecommendationMetrics | null;
  test: RecommendationMetrics;
  sample: RecommendationSample[];
}

/**
 * Judges a recommender that has seen the training part only. The lists for the test leave out what was held out for the
 * validation as well, which the user had by then. Of ratings, what counts as relevant are those not below the mean of the
 * training part. Null when the pacer said stop.
 */
export async function judge(recommender: FittedRecommender, judging: Judging): Promise<Judgement | null> {
  const { parts } = judging;
  const validation = parts.validation.itemOf.length > 0 ? await judgePart(recommender, judging, 'validation') : undefined;
  if (validation === null) return null;
  const test = await judgePart(recommender, judging, 'test');
  return test && { validation: validation?.metrics ?? null, test: test.metrics, sample: test.sample };
}

/** A part of what users had, judged user by user. */
export interface JudgedPart {
  metrics: RecommendationMetrics;
  sample: RecommendationSample[];
  /** by user */
  lists: JudgedList[];
  /** by user: of the ratings that were held out, how many and how far off */
  errors: { squares: number; absolutes: number; ratings: number }[];
}

/** One part of `judge`. Null when the pacer said stop. */
export async function judgePart(recommender: FittedRecommender, { set, parts, isExplicit, seed, pacer }: Judging, part: 'validation' | 'test'): Promise<JudgedPart | null> {
  const held = parts[part];
  const before = part === 'test' ? [parts.train, parts.validation] : [parts.train];
  const mean = meanOf(parts.train);
  const tested = testedUsers(held.starts, seed);
  const scores = new Float32Array(set.itemNames.length);
  const lists: JudgedList[] = [];
  const sample: RecommendationSample[] = [];
  const errors: JudgedPart['errors'] = [];
  let [squares, absolutes, ratings] = [0, 0, 0];
  for (const user of tested) {
    if (!(await pacer.mayContinue())) return null;
    scoreItems(recommender, user, scores);
    const isOut = new Uint8Array(scores.length);
    if (recommender.excludesSeen) {
      for (const { starts, itemOf } of before) for (const item of itemOf.subarray(starts[user], starts[user + 1])) isOut[item] = 1;
    }
    const recommended = bestItems(scores, isOut, recommender.topN);
    const relevant = new Set<number>();
    const own = { squares: 0, absolutes: 0, ratings: 0 };
    for (let at = held.starts[user]!; at < held.starts[user + 1]!; at++) {
      const [item, strength] = [held.itemOf[at]!, held.strengths[at]!];
      if (!isExplicit || strength >= mean) relevant.add(item);
      const error = scores[item]! - strength;
      [squares, absolutes, ratings] = [squares + error * error, absolutes + Math.abs(error), ratings + 1];
      Object.assign(own, { squares: own.squares + error * error, absolutes: own.absolutes + Math.abs(error), ratings: own.ratings + 1 });
    }
    lists.push({ recommended, relevant });
    errors.push(own);
    if (sample.length < mostSampled) {
      const names = (items: Int32Array) => Array.from(items, (item) => set.itemNames[item]!);
      sample.push({
        user: set.userNames[user]!,
        had: names(parts.train.itemOf.subarray(parts.train.starts[user], parts.train.starts[user + 1])).slice(-mostShown),
        heldOut: names(held.itemOf.subarray(held.starts[user], held.starts[user + 1])).slice(0, mostShown),
        recommended: Array.from(recommended, (item) => ({ item: set.itemNames[item]!, score: scores[item]!, isHit: relevant.has(item) })),
      });
    }
  }
  const means = isExplicit ? { rmse: Math.sqrt(squares / ratings), mae: absolutes / ratings } : { rmse: null, mae: null };
  return { metrics: { ...scoreLists(lists, recommender.topN, scores.length), ...means }, sample, lists, errors };
}

/** Those of whom something is held out, all or some. The order is drawn, so that the first ones are a fair sample. */
function testedUsers(starts: Int32Array, seed: number): number[] {
  const users = Array.from({ length: starts.length - 1 }, (_, user) => user).filter((user) => starts[user + 1]! > starts[user]!);
  const order = createRandom(seed, 0).permutation(users.length);
  return Array.from(order.subarray(0, mostJudged), (at) => users[at]!);
}
