import { checkSpecAgainstColumns } from './check-spec.ts';
import type { ColumnSummary } from './column-summary.ts';
import { selectionMetricOf, taskOf } from './task.ts';
import { parseTrainingSpec } from './training-spec.ts';

const columns: ColumnSummary[] = [
  { name: 'load', type: 'number', rows: 300, missing: 0, distinct: 200 },
  { name: 'maker', type: 'category', rows: 300, missing: 0, distinct: 3 },
  { name: 'hours', type: 'number', rows: 300, missing: 20, distinct: 200, min: 0.5 },
  { name: 'empty', type: 'number', rows: 300, missing: 0, distinct: 200, min: 0 },
  { name: 'failed', type: 'binary', rows: 300, missing: 0, distinct: 2, counts: [{ value: 'no', count: 180 }, { value: 'yes', count: 120 }] },
  { name: 'fire', type: 'binary', rows: 300, missing: 0, distinct: 2, counts: [{ value: 'no', count: 297 }, { value: 'yes', count: 3 }] },
  { name: 'horizon', type: 'number', rows: 300, missing: 0, distinct: 200 },
];
const valid = {
  inputFeatures: [{ name: 'load', type: 'number' }, { name: 'maker', type: 'category' }],
  outputFeatures: [{ name: 'hours', type: 'number' }],
  survival: { eventColumn: 'failed', observedValue: 'yes' },
};

function check(change: object, survival: object = {}) {
  const parsed = parseTrainingSpec({ ...valid, ...change, survival: { ...valid.survival, ...survival } });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return checkSpecAgainstColumns(parsed.spec, columns);
}

test('candidates that work come by themselves, and none of rows', () => {
  const parsed = parseTrainingSpec(valid);
  expect(parsed).toMatchObject({ type: 'valid', spec: { models: [], survival: { intervalCoverage: 0.8, models: [{ family: 'accelerated_failure', l2: 1 }, { family: 'boosted_trees', earlyStoppingRounds: 30 }] } } });
  if (parsed.type !== 'valid') return;
  expect(taskOf(parsed.spec)).toBe('survival');
  expect(selectionMetricOf(parsed.spec)).toBe('integratedBrier');
  expect(parseTrainingSpec(parsed.spec)).toEqual(parsed);
  expect(check({})).toEqual([]);
  expect(check({ selection: { metric: 'concordance' } }, { models: [{ family: 'boosted_trees', monotoneConstraints: { decreasing: ['load'] } }] })).toEqual([]);
});

test.each<[string, object, object, string, RegExp]>([
  ['a family that takes no row still running', { models: [{ family: 'linear' }] }, {}, 'models[0].family', /"linear" cannot learn from rows that were still running/],
  ['a class as a time', { outputFeatures: [{ name: 'maker', type: 'category' }] }, {}, 'outputFeatures[0].type', /predicts a time/],
  ['an unknown time', { outputFeatures: [{ name: 'days', type: 'number' }] }, {}, 'outputFeatures[0].name', /no column "days"/],
  ['a time that is 0', { outputFeatures: [{ name: 'empty', type: 'number' }] }, {}, 'outputFeatures[0].name', /a time is above 0/],
  ['the event among the inputs', { inputFeatures: [{ name: 'failed', type: 'binary' }] }, {}, 'inputFeatures[0].name', /nobody knows beforehand/],
  ['the name of the question among the inputs', { inputFeatures: [{ name: 'horizon', type: 'number' }] }, {}, 'inputFeatures[0].name', /no input may have that name/],
  ['an unknown event', {}, { eventColumn: 'broken' }, 'survival.eventColumn', /no column "broken"/],
  ['the target as event', {}, { eventColumn: 'hours' }, 'survival.eventColumn', /is the target/],
  ['an event of many values', {}, { eventColumn: 'load' }, 'survival.eventColumn', /too many to say/],
  ['a value that is not there', {}, { observedValue: 'YES' }, 'survival.observedValue', /no value "YES"/],
  ['too few ends', {}, { eventColumn: 'fire' }, 'survival.eventColumn', /Only 3 rows saw an end/],
  ['a constraint on words', {}, { models: [{ family: 'boosted_trees', monotoneConstraints: { increasing: ['maker'] } }] }, 'survival.models[0].monotoneConstraints.increasing[0]', /no number among/],
  ['a stratified split', { split: { type: 'stratified' } }, {}, 'split.type', /needs classes/],
  ['a search', { selection: { timeLimitSeconds: 60 } }, {}, 'selection.timeLimitSeconds', /guides other models/],
  ['a metric of numbers', { selection: { metric: 'rmse' } }, {}, 'selection.metric', /does not measure a survival model/],
  ['a forecast beside it', { forecast: { timeColumn: 'load', horizon: 3 } }, {}, 'survival', /no survival model/],
])('%s is refused', (_, change, survival, field, message) => {
  expect(check(change, survival)).toContainEqual({ field, message: expect.stringMatching(message), remedy: expect.stringMatching(/./) });
});

test('what a family does not know is named', () => {
  const models = [{ family: 'accelerated_failure', distribution: 'normal' }, { family: 'boosted_trees', loss: 'absolute' }];
  expect(parseTrainingSpec({ ...valid, survival: { ...valid.survival, models } })).toMatchObject({
    type: 'invalid', problems: [{ field: 'survival.models[0].distribution', remedy: expect.stringMatching(/weibull/) }, { field: 'survival.models[1].loss' }],
  });
});

test('the metric of a survival model measures nothing else', () => {
  const { survival: _survival, ...rows } = valid;
  const parsed = parseTrainingSpec({ ...rows, selection: { metric: 'concordance' } });
  expect(parsed.type === 'valid' && checkSpecAgainstColumns(parsed.spec, columns)).toMatchObject([{ field: 'selection.metric' }]);
});
