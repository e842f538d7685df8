import { checkSpecAgainstColumns } from './check-spec.ts';
import type { ColumnSummary } from './column-summary.ts';
import { selectionMetricOf, taskOf } from './task.ts';
import { parseTrainingSpec } from './training-spec.ts';

const column = (name: string, type: string, distinct: number, missing = 0): ColumnSummary => ({ name, type, rows: 5000, missing, distinct });
const columns = [
  column('machine', 'category', 300), column('part', 'text', 900), column('stars', 'number', 5), column('ordered', 'date', 400), column('site', 'category', 4),
  column('weight', 'number', 700), column('serial', 'text', 60_000), column('nothing', 'category', 0, 5000), column('always', 'number', 1), column('exclude', 'category', 3),
];
const valid = { inputFeatures: [], outputFeatures: [{ name: 'part', type: 'category' }], recommendation: { userColumn: 'machine', itemColumn: 'part' } };

function specOf(block: object = {}, change: object = {}) {
  const parsed = parseTrainingSpec({ ...valid, ...change, recommendation: { ...valid.recommendation, ...block } });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
}
const check = (block: object = {}, change: object = {}) => checkSpecAgainstColumns(specOf(block, change), columns);

test('a recommendation needs users and items, and gets candidates that its feedback fits', () => {
  const implicit = specOf();
  expect([taskOf(implicit), selectionMetricOf(implicit), implicit.recommendation!.topN]).toEqual(['recommendation', 'ndcg', 10]);
  expect(implicit.recommendation!.models.map(({ family }) => family)).toEqual(['popularity', 'item_neighbours', 'matrix_factorisation', 'two_tower']);
  expect(check({ timeColumn: 'ordered', ratingColumn: 'weight', userFeatures: [{ name: 'site', type: 'category' }] })).toEqual([]);
  const explicit = { feedback: 'explicit', ratingColumn: 'stars', timeColumn: 'always' };
  expect([selectionMetricOf(specOf(explicit)), specOf(explicit).recommendation!.models.map(({ family }) => family)]).toEqual(['rmse', ['popularity', 'matrix_factorisation']]);
  expect(check(explicit, { selection: { metric: 'hitRate' } })).toEqual([]);
  expect(specOf({}, { outputFeatures: [] })).toEqual(implicit);
  expect(parseTrainingSpec(specOf())).toEqual({ type: 'valid', spec: specOf() });
});

const towers = { models: [{ family: 'two_tower' }] };
test.each<[string, object, object, string, RegExp]>([
  ['columns of rows to learn from', {}, { inputFeatures: [{ name: 'site', type: 'category' }] }, 'inputFeatures', /users and items/],
  ['a target that is not the item', {}, { outputFeatures: [{ name: 'machine', type: 'category' }] }, 'outputFeatures[0]', /is the item/],
  ['an unknown user column', { userColumn: 'line' }, {}, 'recommendation.userColumn', /no column "line"/],
  ['users without values', { userColumn: 'nothing' }, {}, 'recommendation.userColumn', /no values/],
  ['users that are dates', { userColumn: 'ordered' }, {}, 'recommendation.userColumn', /holds dates/],
  ['too many users', { userColumn: 'serial' }, {}, 'recommendation.userColumn', /60000 users/],
  ['one user', { userColumn: 'always' }, {}, 'recommendation.userColumn', /fewer than two users/],
  ['too many items', { itemColumn: 'serial' }, {}, 'recommendation.itemColumn', /60000 items/],
  ['the name that the list has', { userColumn: 'exclude' }, {}, 'recommendation.userColumn', /no column may have that name/],
  ['ratings without a column', { feedback: 'explicit' }, {}, 'recommendation.ratingColumn', /needs the column/],
  ['ratings that are words', { ratingColumn: 'site' }, {}, 'recommendation.ratingColumn', /does not hold numbers/],
  ['ratings that are all alike', { feedback: 'explicit', ratingColumn: 'always' }, {}, 'recommendation.ratingColumn', /tells nothing/],
  ['times that are words', { timeColumn: 'site' }, {}, 'recommendation.timeColumn', /no order in time/],
  ['a column for two uses', { ratingColumn: 'weight', itemFeatures: [{ name: 'weight', type: 'number' }] }, {}, 'recommendation', /two uses/],
  ['a feature of names', { userFeatures: [{ name: 'serial', type: 'category' }] }, {}, 'recommendation.userFeatures[0].type', /is a text column/],
  ['a feature that is no number', { itemFeatures: [{ name: 'site', type: 'number' }] }, {}, 'recommendation.itemFeatures[0].type', /does not hold numbers/],
  ['a feature of too many values', { itemFeatures: [{ name: 'weight', type: 'category' }] }, {}, 'recommendation.itemFeatures[0].type', /700 different values/],
  ['features that nobody reads', { userFeatures: [{ name: 'site', type: 'category' }], models: [{ family: 'popularity' }] }, {}, 'recommendation.models', /Only the two-tower/],
  ['towers of ratings', { ...towers, feedback: 'explicit', ratingColumn: 'stars' }, {}, 'recommendation.models[0].family', /implicit feedback only/],
  ['a metric of rows', {}, { selection: { metric: 'r2' } }, 'selection.metric', /does not measure/],
  ['a metric of ratings without ratings', {}, { selection: { metric: 'rmse' } }, 'selection.metric', /implicit feedback/],
  ['a search', {}, { selection: { timeLimitSeconds: 9 } }, 'selection.timeLimitSeconds', /models of rows only/],
  ['a split of rows', {}, { split: { type: 'random' } }, 'split.type', /share of what each user had/],
  ['a forecast as well', {}, { forecast: { timeColumn: 'ordered', horizon: 3 } }, 'recommendation', /does nothing else/],
])('%s is refused', (_, block, change, field, message) => {
  expect(check(block, change)).toContainEqual({ field, message: expect.stringMatching(message), remedy: expect.stringMatching(/./) });
});

test('more numbers to learn than fit into memory are refused, with what would fit', () => {
  const crowd = columns.map((one) => ({ ...one, distinct: one.name === 'machine' ? 40_000 : one.name === 'part' ? 10_000 : one.distinct }));
  expect(checkSpecAgainstColumns(specOf({ models: [{ family: 'matrix_factorisation', factors: 256 }] }), crowd)).toEqual([
    { field: 'recommendation.models[0].factors', message: expect.stringMatching(/12800000 numbers/), remedy: 'Give at most 200 factors.' },
  ]);
  const parts = crowd.map((one) => ({ ...one, distinct: one.name === 'part' ? 20_000 : one.distinct }));
  expect(checkSpecAgainstColumns(specOf({ models: [{ family: 'item_neighbours', neighbours: 1000 }] }), parts)).toEqual([
    { field: 'recommendation.models[0].neighbours', message: expect.stringMatching(/20000000 numbers/), remedy: 'Give at most 500 neighbours.' },
  ]);
  expect(checkSpecAgainstColumns(specOf({ models: [{ family: 'item_neighbours', neighbours: 500 }] }), parts)).toEqual([]);
});
