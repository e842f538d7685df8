import { checkSpecAgainstColumns } from './check-spec.ts';
import type { ColumnSummary } from './column-summary.ts';
import { parseTrainingSpec } from './training-spec.ts';

const columns: ColumnSummary[] = [
  { name: 'load', type: 'number', rows: 300, missing: 0, distinct: 200 },
  { name: 'maker', type: 'category', rows: 300, missing: 0, distinct: 3 },
  { name: 'machine', type: 'category', rows: 300, missing: 0, distinct: 2, counts: [{ value: 'a', count: 200 }, { value: 'b', count: 100 }] },
  { name: 'plant', type: 'category', rows: 300, missing: 0, distinct: 1 },
  { name: 'serial', type: 'text', rows: 300, missing: 0, distinct: 20_000 },
  { name: 'day', type: 'date', rows: 300, missing: 0, distinct: 30 },
  { name: 'wear', type: 'number', rows: 300, missing: 0, distinct: 200 },
];
const valid = {
  inputFeatures: [{ name: 'load', type: 'number' }, { name: 'maker', type: 'category' }],
  outputFeatures: [{ name: 'wear', type: 'number' }],
  models: [{ family: 'linear' }],
};

function check(personalisation: object, change: object = {}) {
  const parsed = parseTrainingSpec({ ...valid, ...change, personalisation: { column: 'machine', ...personalisation } });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return checkSpecAgainstColumns(parsed.spec, columns);
}

test('a column is enough', () => {
  const parsed = parseTrainingSpec({ ...valid, personalisation: { column: 'machine' } });
  expect(parsed).toMatchObject({ type: 'valid', spec: { personalisation: { minRows: 50, share: 0.3, inputs: [] } } });
  expect(check({})).toEqual([]);
  expect(check({ inputs: ['load'] }, { split: { type: 'time', column: 'day' } })).toEqual([]);
});

test.each<[string, object, object, string, RegExp]>([
  ['an unknown column', { column: 'line' }, {}, 'personalisation.column', /no column "line"/],
  ['the target', { column: 'wear' }, {}, 'personalisation.column', /is the target/],
  ['a column of dates', { column: 'day' }, {}, 'personalisation.column', /is a date column/],
  ['one value only', { column: 'plant' }, {}, 'personalisation.column', /one value only/],
  ['too many groups', { column: 'serial' }, {}, 'personalisation.column', /20000 groups/],
  ['a column that the shared model reads', { column: 'maker' }, {}, 'inputFeatures[1].name', /which the heads do/],
  ['no group with rows enough', { minRows: 170 }, {}, 'personalisation.minRows', /no group would get a head/],
  ['groups that are tested without heads', {}, { split: { type: 'grouped', column: 'machine' } }, 'split.column', /have no head/],
  ['an input of words', { inputs: ['maker'] }, {}, 'personalisation.inputs[0]', /is no number/],
  ['an input twice', { inputs: ['load', 'load'] }, {}, 'personalisation.inputs[1]', /listed twice/],
  ['a survival model', {}, { models: undefined, survival: { eventColumn: 'machine', observedValue: 'a' } }, 'personalisation', /a survival model gives other answers/],
])('%s is refused', (_, personalisation, change, field, message) => {
  expect(check(personalisation, change)).toContainEqual({ field, message: expect.stringMatching(message), remedy: expect.stringMatching(/./) });
});
