import { agree } from './agreement.ts';
import { checkRows, checkVectors } from './check-rows.ts';
import type { FittedRecommender } from './fitted-recommender.ts';
import { loadModel } from './loaded-model.ts';
import { buildRecommenderPackage } from './model-package.ts';
import { readRecommender } from './read-recommender.ts';
import { tensorMetadata } from './signature.ts';

/** Two machines: the first had `belt`, the second `belt` and `pump`. */
const popular: FittedRecommender = {
  family: 'popularity',
  user: 'machine',
  item: 'part',
  users: ['Öfen', 'press'],
  items: ['belt', 'filter', 'pump', 'valve'],
  topN: 2,
  excludesSeen: true,
  seen: { starts: Int32Array.of(0, 1, 3), items: Int32Array.of(0, 0, 2) },
  popularity: Float32Array.of(1, 0.25, 0.5, 0.25),
  rule: { type: 'popularity' },
};
const factors: FittedRecommender = {
  ...popular,
  family: 'matrix_factorisation',
  rule: {
    type: 'factors', rank: 2, users: Float32Array.of(1, 0, 0.5, -1),
    items: Float32Array.of(9, 9, 1, 2, 3, 4, -5, 6), bias: Float32Array.of(0, 0.5, 0, 0),
  },
};
const neighbours: FittedRecommender = {
  ...popular,
  family: 'item_neighbours',
  rule: { type: 'neighbours', count: 2, neighbours: Int32Array.of(2, 3, 0, 4, 3, 1, 0, 2), similarities: Float32Array.of(0.5, 0.25, 0.1, 0, 0.75, 0.5, 0.25, 0.125) },
};
/** One number and one category of users; a hidden unit for each of three inputs, whose output is one axis for the number, the other for the categories. */
const towers: FittedRecommender = {
  ...popular,
  family: 'two_tower',
  excludesSeen: false,
  rule: {
    type: 'towers', rank: 2, identities: Float32Array.of(3, 0, 0, 1), items: Float32Array.of(1, 0, 0, 1, -1, 0, 0, -1), bias: Float32Array.of(0, 0, 0, 0.5),
    codes: [{ name: 'age', type: 'number', min: 0, max: 20, mean: 10, scale: 5 }, { name: 'site', type: 'category', categories: ['north', 'south'] }],
    width: 3, features: Float32Array.of(0, 1, 0, 1, 0, 1),
    units: 3, hidden: Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1), hiddenBias: Float32Array.of(0, 0, 0), output: Float32Array.of(1, 0, 0, 4, 0, -4),
  },
};
const facts = { metrics: {}, lineage: {} };

async function ask(recommender: FittedRecommender, rows: unknown, read = checkRows) {
  const model = await loadModel(buildRecommenderPackage(recommender, facts).files);
  try {
    const checked = read(model.signature, rows);
    if (checked.type === 'invalid') return checked.problems.map(({ code, row, field }) => `${code} ${row} ${field}`);
    return await model.predict(checked.rows);
  } finally {
    await model.close();
  }
}

test('popularity: the same for everybody, without what they had or do not want', async () => {
  expect(await ask(popular, [{ machine: 'press' }, { machine: 'Öfen' }, { machine: null }, { machine: 'nobody' }, { exclude: ['belt', 'unknown', 'pump'] }])).toEqual([
    { items: ['filter', 'valve'], scores: [0.25, 0.25] },
    { items: ['pump', 'filter'], scores: [0.5, 0.25] },
    { items: ['belt', 'pump'], scores: [1, 0.5] },
    { items: ['belt', 'pump'], scores: [1, 0.5] },
    { items: ['filter', 'valve'], scores: [0.25, 0.25] },
  ]);
});

test('what is left out may leave fewer than were asked for, or none', async () => {
  expect(await ask(popular, [{ machine: 'press', exclude: ['valve'] }, { exclude: popular.items }])).toEqual([{ items: ['filter'], scores: [0.25] }, { items: [], scores: [] }]);
});

test('factors: products and biases, and popularity for who is not known', async () => {
  // Öfen: 9, 1.5, 3, -5; press: -4.5, -1, -2.5, -8.5
  expect(await ask({ ...factors, excludesSeen: false }, [{ machine: 'Öfen' }, { machine: 'press' }, {}])).toEqual([
    { items: ['belt', 'pump'], scores: [9, 3] },
    { items: ['filter', 'pump'], scores: [-1, -2.5] },
    { items: ['belt', 'pump'], scores: [1, 0.5] },
  ]);
  expect(await ask(factors, [{ machine: 'Öfen' }, { machine: 'press' }])).toEqual([{ items: ['pump', 'filter'], scores: [3, 1.5] }, { items: ['filter', 'valve'], scores: [-1, -8.5] }]);
});

test('neighbours: similarities to all that was had are summed', async () => {
  // Öfen had belt: pump 0.5, valve 0.25; press had belt and pump: filter 0.5, valve 0.25 + 0.75
  expect(await ask(neighbours, [{ machine: 'Öfen' }, { machine: 'press' }])).toEqual([{ items: ['pump', 'valve'], scores: [0.5, 0.25] }, { items: ['valve', 'filter'], scores: [1, 0.5] }]);
  expect(await ask({ ...neighbours, excludesSeen: false }, { machine: 'press' })).toEqual([{ items: ['valve', 'filter'], scores: [1, 0.5] }]);
});

test('towers: a feature that is sent replaces the learned one, and makes somebody of a stranger', async () => {
  const answers = await ask(towers, [
    { machine: 'Öfen' }, // (3, 0) + (0, 4): length 5
    { machine: 'Öfen', site: 'south' }, // (3, 0) + (0, -4)
    { machine: 'Öfen', age: 15 }, // (3, 0) + (1, 4)
    { age: 30 }, // (4, 0)
    { site: 'north' }, // (0, 4)
    { machine: 'new', site: 'east' }, // nobody
  ]);
  const [a, b, c, ...rest] = answers as { items: string[]; scores: number[] }[];
  expect(a).toEqual({ items: ['filter', 'belt'], scores: [expect.closeTo(0.8, 6), expect.closeTo(0.6, 6)] });
  expect(b).toEqual({ items: ['valve', 'belt'], scores: [expect.closeTo(1.3, 6), expect.closeTo(0.6, 6)] });
  expect(c).toEqual({ items: ['belt', 'filter'], scores: [expect.closeTo(Math.SQRT1_2, 6), expect.closeTo(Math.SQRT1_2, 6)] });
  expect(rest).toEqual([{ items: ['belt', 'valve'], scores: [1, 0.5] }, { items: ['filter', 'belt'], scores: [1, 0] }, { items: ['belt', 'pump'], scores: [1, 0.5] }]);
});

/** Numbers that eight bits hold by row, and float16 as well. */
const scales = (count: number) => Float32Array.from({ length: count }, (_, row) => 2 ** -(row % 5));
const inSteps = (values: Float32Array, width: number) => values.map((value, at) => Math.max(-127, Math.min(127, Math.round(value * 2 ** (Math.floor(at / width) % 5)))) * 2 ** -(Math.floor(at / width) % 5));
test.each([true, false])('vectors in fewer bits are unpacked as they are read, and every package of vectors is read back: excludesSeen %s', async (excludesSeen) => {
  const rows = [{ machine: 'press' }, { machine: 'Öfen' }, {}, { machine: 'nobody', age: 3 }];
  for (const full of [factors, towers]) {
    const { rule } = full;
    if (rule.type !== 'factors' && rule.type !== 'towers') throw new Error('It has vectors');
    const [users, items] = [rule.type === 'factors' ? 'users' as const : 'identities' as const, inSteps(rule.items, 2)];
    const own = { ...rule, [users]: inSteps(rule.type === 'factors' ? rule.users : rule.identities, 2), items } as typeof rule;
    const features = rule.type === 'towers' ? scales(2) : new Float32Array();
    const asked = rule.type === 'factors' ? rows.map(({ age: _age, ...row }) => row) : rows;
    for (const storage of [undefined, 'float16' as const, { users: scales(2), items: scales(4), features }]) {
      const kept = { ...full, excludesSeen, rule: { ...own, ...(storage ? { storage } : {}) } };
      expect(await ask(kept, asked)).toEqual(await ask({ ...full, excludesSeen, rule: own }, asked));
      const { files, digest } = buildRecommenderPackage(kept, facts);
      const read = readRecommender(files);
      if (read.type !== 'read') throw new Error(read.message);
      expect(buildRecommenderPackage(read.recommender, facts).digest).toBe(digest);
      expect(read.recommender.rule).toEqual(kept.rule);
    }
  }
  const broken = (storage: never) => () => buildRecommenderPackage({ ...factors, rule: { ...factors.rule, items: Float32Array.of(0.1, 9, 1, 2, 3, 4, -5, 6), storage } as never }, facts);
  expect(broken('float16' as never)).toThrow(/float16 does not hold/);
  expect(broken({ users: scales(2), items: scales(4), features: new Float32Array() } as never)).toThrow(/beside their levels/);
  expect(broken({ users: scales(2), items: scales(3), features: new Float32Array() } as never)).toThrow(/scale above 0/);
  expect(readRecommender(buildRecommenderPackage(neighbours, facts).files)).toMatchObject({ type: 'unreadable', message: expect.stringMatching(/no vectors/) });
});

test('rows by position end with the list', async () => {
  const answer = [{ items: ['pump', 'filter'], scores: [0.5, 0.25] }];
  expect(await ask(popular, ['Öfen', null], checkVectors)).toEqual(answer);
  expect(await ask(popular, [null, ['belt']], checkVectors)).toEqual(answer);
  expect(await ask(popular, [['Öfen', []], [null, ['belt']]], checkVectors)).toEqual([...answer, ...answer]);
});

test.each([
  ['a number as user', { machine: 7 }, 'not_text 0 machine'],
  ['one item that is no list', { exclude: 'belt' }, 'not_a_list 0 exclude'],
  ['numbers to leave out', { exclude: ['belt', 3] }, 'not_text 0 exclude'],
  ['a gap in the list', { exclude: ['belt', null] }, 'not_text 0 exclude'],
  ['an endless list', { exclude: new Array(10_001).fill('belt') }, 'too_large 0 exclude'],
  ['a column that is not there', { user: 'press' }, 'unknown_feature 0 user'],
])('%s is refused by name', async (_, row, problem) => {
  expect(await ask(popular, [row])).toEqual([problem]);
});

test('who and what training never saw is told', () => {
  const { signature } = buildRecommenderPackage(popular, facts);
  expect(checkRows(signature, [{ machine: 'nobody', exclude: ['belt', 'ghost'] }])).toMatchObject({
    type: 'valid', warnings: [{ field: 'machine', code: 'unseen_category' }, { field: 'exclude', code: 'unseen_category', message: expect.stringMatching(/"ghost"/) }],
  });
});

test('the signature tells inputs and outputs', () => {
  const { signature, digest } = buildRecommenderPackage(towers, facts);
  expect(signature).toMatchObject({ task: 'recommendation', output: { name: 'part', type: 'items', count: 2, excludesSeen: false } });
  expect(tensorMetadata(signature)).toEqual({
    inputs: [
      { name: 'machine', datatype: 'BYTES', shape: [-1] }, { name: 'age', datatype: 'FP64', shape: [-1] }, { name: 'site', datatype: 'BYTES', shape: [-1] },
      { name: 'exclude', datatype: 'BYTES', shape: [-1, -1] },
    ],
    outputs: [{ name: 'items', datatype: 'BYTES', shape: [-1, 2] }, { name: 'scores', datatype: 'FP32', shape: [-1, 2] }],
  });
  expect(buildRecommenderPackage({ ...towers, popularity: towers.popularity.slice() }, facts).digest).toBe(digest);
  expect(buildRecommenderPackage({ ...popular, topN: 9 }, facts).signature.output).toMatchObject({ count: 4 });
});

test.each<[string, Partial<FittedRecommender>]>([
  ['an item twice', { items: ['belt', 'belt', 'pump', 'valve'] }],
  ['an item without a name', { items: ['', 'filter', 'pump', 'valve'] }],
  ['a score too few', { popularity: Float32Array.of(1) }],
  ['a place that no item has', { seen: { starts: Int32Array.of(0, 1, 3), items: Int32Array.of(0, 0, 4) } }],
  ['places that end early', { seen: { starts: Int32Array.of(0, 1, 2), items: Int32Array.of(0, 0, 2) } }],
  ['a column called as the list is', { user: 'exclude' }],
  ['a factor that is not finite', { rule: { ...factors.rule, bias: Float32Array.of(0, NaN, 0, 0) } as FittedRecommender['rule'] }],
])('%s cannot be packaged', (_, change) => {
  expect(() => buildRecommenderPackage({ ...popular, ...change }, facts)).toThrow(/cannot be packaged/);
});

describe('agreement of recommendations', () => {
  const target = { type: 'items', scale: 1 } as const;
  const list = (items: string[], ...scores: number[]) => [{ items, scores }];
  test.each([
    ['the same', list(['a', 'b'], 2, 1), 'agrees'],
    ['an item that moved up', list(['b', 'a'], 2, 2 - 1e-6), 'disagrees'],
    ['other items', list(['a', 'c'], 2, 1), 'agrees'], // c may be as good as b, which is the last
    ['another first', list(['c', 'b'], 2, 1), 'disagrees'],
    ['another score', list(['a', 'b'], 2, 1.01), 'disagrees'],
    ['fewer', list(['a'], 2), 'disagrees'],
  ])('%s', (_, other, verdict) => {
    expect(agree(list(['a', 'b'], 2, 1), other, target).type).toBe(verdict);
  });
  test('nearly equal scores may change places', () => {
    expect(agree(list(['a', 'b'], 2, 2 - 1e-6), list(['b', 'a'], 2, 2 - 1e-6), target).type).toBe('agrees');
  });
});
