import { type EnsureFit, ensureFitOf } from './ensure-fit.ts';
import { isUnfit } from './unfit-text.ts';
import { complaintOfTable, keptRows, type KeptRows } from './embedding-tables.ts';

const ensure: EnsureFit = ensureFitOf('recommender');

/** How a feature of users becomes numbers: standardised, or one 0/1 input for each value. */
export type FeatureCode =
  | { name: string; type: 'number'; min: number; max: number; mean: number; scale: number }
  | { name: string; type: 'category' | 'binary'; categories: string[] };

/** How a user's score of every item comes about. */
export type ScoreRule =
  /** as for somebody unknown */
  | { type: 'popularity' }
  /** users · items + bias: [users, rank], [items, rank], [items] */
  | { type: 'factors'; rank: number; users: Float32Array; items: Float32Array; bias: Float32Array; storage?: EmbeddingStorage }
  /** the sum of similarities to what the user had: both [items, count], `items` where there is no neighbour */
  | { type: 'neighbours'; count: number; neighbours: Int32Array; similarities: Float32Array }
  /**
   * (identity + relu(features · hidden + hiddenBias) · output), brought to length 1, · items + bias: identities [users, rank], features
   * [users, width], hidden [width, units], output [units, rank]
   */
  | {
      type: 'towers'; rank: number; identities: Float32Array; items: Float32Array; bias: Float32Array; codes: FeatureCode[]; width: number; features: Float32Array;
      units: number; hidden: Float32Array; hiddenBias: Float32Array; output: Float32Array; storage?: EmbeddingStorage;
    };

/**
 * How the rows of users and items (of towers also their identities and features) are kept where that is not float32: in float16, or
 * as whole numbers from -127 to 127 times the scale of each row, by table. The tables themselves always hold the values that they stand for.
 */
export type EmbeddingStorage = 'float16' | { users: Float32Array; items: Float32Array; /** none of factors */ features: Float32Array };

/** A recommender that was learned, as the training engine hands it over: only plain data. */
export interface FittedRecommender {
  family: string;
  /** names of the columns */
  user: string;
  item: string;
  users: string[];
  items: string[];
  topN: number;
  /** whether what a user had is left out of the answer */
  excludesSeen: boolean;
  /** what users had: items of user u lie at `starts[u]` to `starts[u + 1] - 1` */
  seen: { starts: Int32Array; items: Int32Array };
  /** [items]: scores for who is not known */
  popularity: Float32Array;
  rule: ScoreRule;
}

/** The input by which a request says what not to recommend. */
export const excludeInput = 'exclude';

/** Refuses a recommender whose parts do not fit: a bug of the trainer, so this throws (`INVALID`) and names the part. */
export function assertRecommender(recommender: FittedRecommender): void {
  const { user, item, users, items, topN, seen, popularity, rule } = recommender;
  for (const [field, names] of Object.entries({ users, items })) {
    ensure(names.length > 0 && new Set(names).size === names.length, field, 'needs names that differ');
    ensure(!names.some((name) => name === '' || isUnfit(name)), field, 'hold an empty name, or one that is not valid Unicode or contains U+0000');
  }
  const columns = [user, item, excludeInput, ...(rule.type === 'towers' ? rule.codes.map(({ name }) => name) : [])];
  ensure(columns.every((name) => name !== '') && new Set(columns).size === columns.length, 'columns', 'need names that differ');
  ensure(Number.isInteger(topN) && topN > 0, 'topN', 'must be a whole number above 0');
  ensure(seen.starts.length === users.length + 1 && seen.starts[0] === 0 && seen.starts.every((start, at) => at === 0 || start >= seen.starts[at - 1]!), 'seen.starts', 'must rise from 0, one for each user');
  ensure(seen.items.length === seen.starts.at(-1) && seen.items.every((one) => one >= 0 && one < items.length), 'seen.items', 'must be places of items');
  const table = (field: string, values: Float32Array, length: number) => ensure(values.length === length && values.every(Number.isFinite), field, `needs ${length} finite numbers`);
  table('popularity', popularity, items.length);
  switch (rule.type) {
    case 'popularity':
      return;
    case 'factors':
      table('users', rule.users, users.length * rule.rank);
      table('items', rule.items, items.length * rule.rank);
      assertKept('users', rule.users, rule.rank, keptRows(rule.storage, 'users'));
      assertKept('items', rule.items, rule.rank, keptRows(rule.storage, 'items'));
      return table('bias', rule.bias, items.length);
    case 'neighbours':
      ensure(rule.neighbours.length === items.length * rule.count && rule.neighbours.every((one) => one >= 0 && one <= items.length), 'neighbours', 'must be places of items');
      return table('similarities', rule.similarities, items.length * rule.count);
    case 'towers':
      ensure(rule.width === rule.codes.reduce((sum, code) => sum + (code.type === 'number' ? 1 : code.categories.length), 0), 'codes', `must make ${rule.width} numbers`);
      for (const code of rule.codes) ensure(code.type === 'number' || new Set(code.categories).size === code.categories.length, code.name, 'needs categories that differ');
      table('identities', rule.identities, users.length * rule.rank);
      table('items', rule.items, items.length * rule.rank);
      table('bias', rule.bias, items.length);
      table('features', rule.features, users.length * rule.width);
      table('hidden', rule.hidden, rule.width * rule.units);
      table('hiddenBias', rule.hiddenBias, rule.units);
      table('output', rule.output, rule.units * rule.rank);
      assertKept('identities', rule.identities, rule.rank, keptRows(rule.storage, 'users'));
      assertKept('items', rule.items, rule.rank, keptRows(rule.storage, 'items'));
      assertKept('features', rule.features, rule.width, keptRows(rule.storage, 'features'));
  }
}

function assertKept(field: string, values: Float32Array, width: number, kept: KeptRows): void {
  const complaint = complaintOfTable(values, width, kept);
  ensure(complaint === null, field, complaint ?? '');
}
