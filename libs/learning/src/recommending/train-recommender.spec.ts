import { parseTrainingSpec } from '@millrace/configuration';
import * as tf from '@tensorflow/tfjs';
import { selectBackend } from '../backend.ts';
import { optimiseRecommender } from '../optimisation/optimise-recommender.ts';
import { createRandom } from '../random.ts';
import { type FittedRecommender, recommend } from './fitted-recommender.ts';
import type { RecommendationTable } from './interactions.ts';
import { type RecommenderEvent, trainRecommender, type TrainRecommenderOptions } from './train-recommender.ts';

beforeAll(() => selectBackend({ prefer: 'cpu' }));

/** Users of two kinds, told by their place; each had 6 of the 10 items of its kind, the first ones more often. */
const random = createRandom(11);
const orders = Array.from({ length: 60 }, (_, user) =>
  [...new Set(Array.from({ length: 9 }, () => Math.floor(10 * random.uniform() ** 1.5)))].slice(0, 6).map((part) => ({ user, item: 10 * (user % 2) + part })),
).flat();
const table: RecommendationTable = {
  users: orders.map(({ user }) => `u${user}`), items: orders.map(({ item }) => `i${String(item).padStart(2, '0')}`),
  ratings: null, times: orders.map((_, at) => String(at)), userFeatures: [], itemFeatures: [],
};
/** The same with what users and items are, an item that nobody had, and users who say what they are only. */
const described: RecommendationTable = {
  ...table,
  users: [...table.users, null],
  items: [...table.items, 'i99'],
  times: [...table.times!, '0'],
  userFeatures: [{ name: 'kind', type: 'category', values: [...orders.map(({ user }) => (user % 2 === 0 ? 'press' : 'saw')), null] }],
  itemFeatures: [{ name: 'side', type: 'number', values: Float64Array.of(...orders.map(({ item }) => (item < 10 ? -3 : 5)), 5) }],
};
const towers = [{ family: 'two_tower', factors: 8, hidden: 4, epochs: 8, batchSize: 128 }];

function specOf(block: object, more: object = {}) {
  const parsed = parseTrainingSpec({ inputFeatures: [], outputFeatures: [{ name: 'item', type: 'category' }], recommendation: { userColumn: 'user', itemColumn: 'item', topN: 3, ...block }, ...more });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
}

async function train(block: object, { table: rows = table, ...options }: Partial<TrainRecommenderOptions> = {}, more: object = {}) {
  const outcome = await trainRecommender({ table: rows, spec: specOf({ timeColumn: 'at', ...block }, more), ...options });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  return outcome;
}

const withFeatures = { userFeatures: [{ name: 'kind', type: 'category' }], itemFeatures: [{ name: 'side', type: 'number' }], models: towers };

test('every family finds the kinds and beats popularity; no tensor is left', async () => {
  const before = tf.memory().numTensors;
  const outcome = await train({ models: [{ family: 'item_neighbours' }, { family: 'matrix_factorisation', factors: 4, iterations: 8 }, ...towers] });
  expect(tf.memory().numTensors).toBe(before);
  expect(outcome.trials.map(({ family }) => family)).toEqual(['item_neighbours', 'matrix_factorisation', 'two_tower', 'popularity']);
  const popularity = outcome.trials[3]!.metrics.test;
  for (const { metrics, recommender } of outcome.trials.slice(0, 3)) {
    expect(metrics.baseline).toEqual(popularity);
    expect(metrics.test.ndcg!).toBeGreaterThan(1.5 * popularity.ndcg!);
    const { items } = recommend(recommender, { user: 'u1' });
    const had = orders.filter(({ user }) => user === 1).map(({ item }) => `i${item}`);
    for (const item of items) expect([Number(item.slice(1)) >= 10, had.includes(item)]).toEqual([true, false]);
  }
  expect(outcome.best).not.toBe(3);
  expect(outcome.rows).toMatchObject({ users: 60, items: 20 });
  const [first] = outcome.trials[0]!.sample;
  expect(first!.recommended).toHaveLength(3);
  expect(first!.had.some((item) => first!.heldOut.includes(item) || first!.recommended.some((one) => one.item === item))).toBe(false);
});

test('popularity that was not asked for is on the leaderboard, and never the best', async () => {
  const same = { ...table, items: table.users.map((_, at) => `i${at % 20}`) };
  const models = [{ family: 'matrix_factorisation', factors: 1, iterations: 1, regularisation: 1000 }];
  const outcome = await train({ models }, { table: same });
  expect([outcome.best, outcome.trials.map(({ family }) => family)]).toEqual([0, ['matrix_factorisation', 'popularity']]);
  expect((await train({ models: [...models, { family: 'popularity' }] }, { table: same })).trials).toHaveLength(2);
});

test('what was held out takes no part: other held-out items change no score but those of the test', async () => {
  const last = orders.findLastIndex(({ user }) => user === 0);
  const changed = { ...table, items: table.items.map((item, at) => (at === last ? 'i19' : item)) };
  const learned = async (rows: RecommendationTable) => {
    const losses: number[] = [];
    await train({ models: [{ family: 'matrix_factorisation', factors: 3, iterations: 3 }] }, { table: rows, onEvent: (event) => void (event.type === 'epoch' && losses.push(event.loss)) });
    return losses;
  };
  expect(await learned(changed)).toEqual(await learned(table));
});

test('features stand for users and items that nobody knows', async () => {
  const { trials } = await train(withFeatures, { table: described });
  const { recommender } = trials[0]!;
  const kinds = (request: Parameters<typeof recommend>[1]) => recommend(recommender, request).items.map((item) => Number(item.slice(1)) >= 10);
  expect(kinds({ user: 'stranger', features: { kind: 'saw' } })).toEqual([true, true, true]);
  expect(kinds({ user: null, features: { kind: 'press' } })).toEqual([false, false, false]);
  expect(recommend(recommender, { user: 'stranger' })).toEqual(recommend(trials[1]!.recommender, { user: null }));
  // The new item is of the side of the saws: it comes before all of the presses' items.
  const all = recommend({ ...recommender, topN: 21, excludesSeen: false }, { user: 'u1' }).items;
  expect(all.indexOf('i99')).toBeLessThan(11);
  // Without features nothing is known of it, and it comes last.
  const blind = await train({ models: [{ ...towers[0], epochs: 1 }] }, { table: { ...described, userFeatures: [], itemFeatures: [] } });
  expect(recommend({ ...blind.trials[0]!.recommender, topN: 21, excludesSeen: false }, { user: 'u1' }).items.at(-1)).toBe('i99');
});

test('ratings: predictions are closer than mean ratings, and what is rated low is not recommended', async () => {
  const ratings = Float64Array.from(orders, ({ user, item }) => 3 + (((user >> 1) + item) % 2 === 0 ? 1.8 : -1.8));
  const outcome = await train({ feedback: 'explicit', ratingColumn: 'stars', models: [{ family: 'matrix_factorisation', factors: 2, regularisation: 0.02 }] }, { table: { ...table, ratings } });
  expect(outcome.selectionMetric).toBe('rmse');
  expect(outcome.trials[0]!.metrics.test.rmse!).toBeLessThan(0.6 * outcome.trials[1]!.metrics.test.rmse!);
  expect(outcome.trials[1]!.metrics.test.mae!).toBeGreaterThan(1);
});

test('stopped after any round and resumed, it ends as if it had not been; other data begin anew', async () => {
  const block = { ...withFeatures, models: [{ family: 'matrix_factorisation', factors: 2, iterations: 3 }, { family: 'two_tower', factors: 4, hidden: 3, epochs: 3, batchSize: 256 }] };
  const whole = await train(block, { table: described });
  let [saved, stops] = [null as Uint8Array | null, 0];
  const resumed: number[] = [];
  for (;;) {
    const abort = new AbortController();
    const outcome = await trainRecommender({
      table: described, spec: specOf({ timeColumn: 'at', ...block }), signal: abort.signal,
      onEvent: (event: RecommenderEvent) => void (event.type === 'resumed' && resumed.push(event.epoch)),
      checkpoint: { load: () => Promise.resolve(saved), isDue: () => true, save: (bytes) => ((saved = bytes), abort.abort(), Promise.resolve()) },
    });
    if (outcome.type === 'trained') {
      const learned = ({ trials }: typeof outcome) => trials.map(({ recommender, metrics, sample }) => ({ recommender, metrics, sample }));
      expect(learned(outcome)).toEqual(learned(whole));
      break;
    }
    stops += 1;
    expect(outcome.type).toBe('cancelled');
  }
  // two models of two fits of three rounds, and the end of each
  expect(stops).toBe(14);
  expect(resumed).toContain(2);
  const events: string[] = [];
  await trainRecommender({ table, spec: specOf({ models: [{ family: 'popularity' }] }), onEvent: ({ type }) => void events.push(type), checkpoint: { load: () => Promise.resolve(saved), isDue: () => false, save: () => Promise.resolve() } });
  expect(events[0]).toBe('checkpoint-ignored');
});

describe('rows', () => {
  test('that say nothing are left out, and the run says so', async () => {
    const rows: RecommendationTable = {
      ...table,
      users: [...table.users, null, 'u1', 'u1', 'u1'], items: [...table.items, 'new', null, 'i10', 'i11'],
      ratings: Float64Array.of(...orders.map(() => 2), 1, 1, 0, 1), times: [...table.times!, null, '1', '2', null],
    };
    const { warnings, trials } = await train({ ratingColumn: 'pieces', models: [{ family: 'popularity' }] }, { table: rows });
    expect(warnings).toEqual([
      '1 rows have no item and are left out.', '1 rows have no user: they make their items known, and nothing is learned from them.',
      '1 rows have no rating above 0 and are left out.', '1 rows have no time and are left out.',
    ]);
    expect(trials[0]!.recommender.items).toContain('new');
  });

  test.each<[string, Partial<RecommendationTable>, RegExp]>([
    ['of users with one item each', { users: orders.map((_, at) => `u${at}`) }, /No user had two items/],
    ['too few', { users: ['a', 'a'], items: ['x', 'y'], times: ['1', '2'] }, /2 pairs of user and item/],
    ['with an infinite rating', { ratings: Float64Array.from(orders, (_, at) => (at === 4 ? Infinity : 1)) }, /infinite in row 5/],
  ])('%s are a problem', async (_, change, message) => {
    const outcome = await trainRecommender({ table: { ...table, ...change }, spec: specOf({ timeColumn: 'at' }) });
    expect(outcome).toMatchObject({ type: 'invalid', problems: [{ message: expect.stringMatching(message), remedy: expect.stringMatching(/./) }] });
  });
});

test.each(['matrix_factorisation', 'two_tower'] as const)('a %s keeps its vectors in fewer bits, judged by what was held out when it was trained', async (family) => {
  const block = family === 'two_tower' ? withFeatures : { models: [{ family, factors: 4, iterations: 8 }] };
  const rows = family === 'two_tower' ? described : table;
  const spec = specOf({ timeColumn: 'at', ...block });
  const outcome = await train(block, { table: rows });
  const trial = outcome.trials[0]!;
  // Stands for packaging, which this lib does not know.
  const bytes = ({ rule }: FittedRecommender) => ('storage' in rule && rule.storage ? (rule.storage === 'float16' ? 2 : 1) : 4);
  const appraise = async (recommender: FittedRecommender) => ({ predTimeMsP50: 1, sizeBytes: bytes(recommender), sizeGzBytes: 1 });
  const ask = (optimisation: object, base = trial.recommender, more: object = {}) =>
    optimiseRecommender({ base, table: rows, spec, settings: spec.recommendation!.models[0]!, optimisation, appraise, ...more });
  const found = await ask({ target: 'SIZE', maxLoss: 5 });
  if (found.type !== 'optimised') throw new Error(JSON.stringify(found));
  // Learned again from the training part it is the one that the leaderboard shows.
  expect(found.base.metrics).toEqual({ validation: trial.metrics.validation, test: trial.metrics.test });
  expect(found.candidates.map(({ steps }) => steps)).toEqual([[{ method: 'quantise', to: 'int8' }], [{ method: 'quantise', to: 'float16' }]]);
  expect(found).toMatchObject({ best: 0, chosenOn: 'validation', candidates: [{ interval: { rows: 60, coverage: 0.95 } }, { reason: 'Another one within the greatest loss is smaller.' }] });
  for (const { metrics, interval, model, bound } of found.candidates) {
    expect(interval!.loss).toBeCloseTo(100 * (trial.metrics.test.ndcg! - metrics.test.ndcg!), 9);
    expect(bound!.atMost!).toBeGreaterThanOrEqual(interval!.loss);
    expect(model.seen).toEqual(trial.recommender.seen);
    // What is published has vectors of all pairs, rounded: nearly the same scores, in steps.
    const scores = (one: FittedRecommender) => recommend(one, { user: 'u1' }).scores;
    scores(model).forEach((score, at) => expect(Math.abs(score - scores(trial.recommender)[at]!)).toBeLessThan(0.03));
    if (model.rule.type === 'neighbours' || model.rule.type === 'popularity') throw new Error('It has vectors');
    const { items, rank, storage } = model.rule;
    if (typeof storage === 'object') items.forEach((value, at) => expect(Math.fround(Math.round(value / storage.items[Math.floor(at / rank)]!) * storage.items[Math.floor(at / rank)]!)).toBe(value));
    else expect(storage).toBe('float16');
  }
  // Coarse rounding costs: what one asks for is shown to cost no more than is allowed, or refused.
  expect(await ask({ steps: [{ method: 'quantise', to: 'int8' }], maxLoss: 0 })).toMatchObject({ type: 'optimised', candidates: [{}] });
  expect(await ask({ steps: [{ method: 'quantise', to: 'float16' }] }, found.candidates[0]!.model)).toMatchObject({ type: 'invalid', problems: [{ field: 'base', message: expect.stringMatching(/fewer bits already/) }] });
  expect(await ask({ steps: [{ method: 'prune', sparsity: 0.5 }] })).toMatchObject({ type: 'invalid', problems: [{ field: 'steps[0].method' }] });
  expect(await ask({ target: 'SIZE' }, { ...trial.recommender, items: ['other'] })).toMatchObject({ type: 'invalid', problems: [{ field: 'base' }] });
  expect(await ask({ target: 'SIZE' }, trial.recommender, { signal: AbortSignal.abort() })).toEqual({ type: 'cancelled' });
});
