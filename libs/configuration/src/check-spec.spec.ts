import { checkSpecAgainstColumns } from './check-spec.ts';
import { checkTimeColumn, needsValidation, splitColumnOf } from './check-split.ts';
import { parseTrainingSpec } from './training-spec.ts';
import type { ColumnSummary } from './column-summary.ts';

const columns: ColumnSummary[] = [
  { name: 'Torque [Nm]', type: 'number', rows: 100, missing: 3, distinct: 80 },
  { name: 'serial', type: 'category', rows: 100, missing: 0, distinct: 5000 },
  { name: 'quality', type: 'category', rows: 100, missing: 0, distinct: 3 },
  { name: 'empty', type: 'number', rows: 100, missing: 100, distinct: 0 },
  { name: 'constant', type: 'category', rows: 100, missing: 0, distinct: 1, counts: [{ value: 'ok', count: 100 }] },
  { name: 'made', type: 'date', rows: 100, missing: 0, distinct: 100 },
  { name: 'remark', type: 'text', rows: 100, missing: 0, distinct: 100 },
  {
    name: 'failed', type: 'binary', rows: 100, missing: 10, distinct: 2,
    counts: [{ value: '0', count: 80 }, { value: '1', count: 10 }],
  },
  {
    name: 'rare', type: 'category', rows: 100, missing: 0, distinct: 3,
    counts: [{ value: 'a', count: 60 }, { value: 'b', count: 39 }, { value: 'c', count: 1 }],
  },
  { name: 'sparse', type: 'number', rows: 100, missing: 95, distinct: 5 },
];

function check(input: Record<string, unknown>) {
  const parsed = parseTrainingSpec({
    inputFeatures: [{ name: 'Torque [Nm]', type: 'number' }],
    outputFeatures: [{ name: 'failed', type: 'binary' }],
    ...input,
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return checkSpecAgainstColumns(parsed.spec, columns);
}

const input = (name: string, type = 'number') => ({ inputFeatures: [{ name, type }] });
const target = (name: string, type = 'category', more = {}) => ({ outputFeatures: [{ name, type, ...more }] });

test('a configuration that fits its columns has no problem', () => {
  expect(check({ models: [{ family: 'knn', k: 61 }, { family: 'dense' }] })).toEqual([]);
});

test('a search with costs fits a target of two classes, and needs no rows held back', () => {
  expect(check({ selection: { timeLimitSeconds: 10, costs: { missed: 100, falseAlarm: 3 }, calibration: 'platt' } })).toEqual([]);
});

test.each([
  ['costs for three classes', { ...target('quality'), selection: { costs: { missed: 1, falseAlarm: 1 } } }, 'selection.costs', /two classes/],
  ['a cost to measure by, but no costs', { selection: { metric: 'cost' } }, 'selection.metric', /no costs/],
  ['calibration of a number', { ...target('sparse', 'number'), selection: { calibration: 'platt' } }, 'selection.calibration', /no probabilities/],
  ['an interval of classes', { selection: { intervalCoverage: 0.9 } }, 'selection.intervalCoverage', /no interval/],
  ['a latency limit without a search', { selection: { inferLimitMs: 3 } }, 'selection.inferLimitMs', /guides a search only/],
])('%s is a problem', (_, change, field, message) => {
  expect(check(change)).toContainEqual(expect.objectContaining({ field, message: expect.stringMatching(message) }));
});

test.each([
  ['a feature that does not exist', input('speed'), 'inputFeatures[0].name', /no column "speed"/],
  ['the target among the features', input('failed', 'binary'), 'inputFeatures[0].name', /is the target/],
  ['text used as a number', input('quality'), 'inputFeatures[0].type', /does not hold numbers/],
  ['three values used as binary', input('quality', 'binary'), 'inputFeatures[0].type', /not two/],
  ['an identifier used as a category', input('serial', 'category'), 'inputFeatures[0].type', /5000 different/],
  ['a column without values', input('empty'), 'inputFeatures[0].name', /no values/],
  ['dates used as a category', input('made', 'category'), 'inputFeatures[0].type', /holds dates/],
  ['a quality used as dates', input('quality', 'date'), 'inputFeatures[0].type', /does not hold dates/],
  ['dates to be predicted', target('made'), 'outputFeatures[0].type', /holds dates/],
  ['free text', input('remark', 'category'), 'inputFeatures[0].type', /free text/],
  ['an unknown target', target('outcome'), 'outputFeatures[0].name', /no column "outcome"/],
  ['a target with one class', target('constant'), 'outputFeatures[0].name', /one class only/],
  ['a class with a single row', target('rare'), 'outputFeatures[0].name', /Too few rows of class "c"/],
  ['a target that is nearly always missing', target('sparse', 'number'), 'outputFeatures[0].name', /Only 5 rows/],
  ['a positive class that does not exist', target('failed', 'binary', { positiveClass: 'yes' }), 'outputFeatures[0].positiveClass', /no class "yes"/],
  ['a positive class of a number', target('serial', 'number', { positiveClass: '1' }), 'outputFeatures[0].positiveClass', /no positive class/],
  ['a metric of the other task', { selection: { metric: 'rmse' } }, 'selection.metric', /does not measure a classification/],
  ['k above the training rows', { models: [{ family: 'knn', k: 73 }] }, 'models[0].k', /only 72 training rows/],
  [
    'k above the training rows that are left after holding some back',
    { models: [{ family: 'knn', k: 62 }, { family: 'dense' }] }, 'models[0].k', /only 61 training rows/,
  ],
])('%s is refused', (_, change, field, message) => {
  expect(check(change)).toContainEqual({
    field, message: expect.stringMatching(message), remedy: expect.stringMatching(/./),
  });
});

test('a stratified split of a number is refused', () => {
  const problems = checkSpecAgainstColumns(
    (parseTrainingSpec({
      ...input('quality', 'category'), ...target('Torque [Nm]', 'number'), split: { type: 'stratified' },
    }) as { spec: Parameters<typeof checkSpecAgainstColumns>[0] }).spec,
    columns,
  );
  expect(problems.map(({ field }) => field)).toEqual(['split.type']);
});

test('a feature listed twice is refused', () => {
  const twice = { name: 'Torque [Nm]', type: 'number' };
  expect(check({ inputFeatures: [twice, twice] }).map(({ field }) => field)).toEqual(['inputFeatures[1].name']);
});

test('a misspelt column brings up the one that was meant', () => {
  expect(check(input('torque_nm'))[0]!.remedy).toBe('Did you mean "Torque [Nm]"?');
});

const split = (type: string, more = {}) => ({ split: { type, ...more } });

test('a split asks a column where it needs one, and that column can do it', () => {
  expect(check(split('grouped', { column: 'quality' }))).toEqual([]);
  expect(check(split('time', { column: 'made' }))).toEqual([]);
  expect(check(split('time', { column: 'Torque [Nm]' }))).toEqual([]);
  expect(check(split('fold', { column: 'rare', fold: 'b' }))).toEqual([]);
});

test.each([
  ['no column', split('grouped'), 'split.column', /needs a column/],
  ['an unknown column', split('time', { column: 'Made' }), 'split.column', /no column/],
  ['a column that it doesn’t ask', split('random', { column: 'made' }), 'split.column', /asks no column/],
  ['a fold that it doesn’t ask', split('grouped', { column: 'quality', fold: '1' }), 'split.fold', /no test fold/],
  ['the target', split('grouped', { column: 'failed' }), 'split.column', /target/],
  ['a constant', split('fold', { column: 'constant' }), 'split.column', /one value only/],
  ['an empty column', split('time', { column: 'empty' }), 'split.column', /no values/],
  ['a fold that isn’t there', split('fold', { column: 'rare', fold: 'z' }), 'split.fold', /no value "z"/],
])('a split with %s is refused with the remedy', (_what, given, field, message) => {
  expect(check(given)).toEqual([{ field, message: expect.stringMatching(message), remedy: expect.stringMatching(/\.$|\?$/) }]);
});

test('only moments have an order in time: words are told apart where the types of the data set are known', () => {
  const parse = (given: object) => {
    const parsed = parseTrainingSpec({ inputFeatures: [{ name: 'serial', type: 'category' }], outputFeatures: [{ name: 'failed', type: 'binary' }], ...given });
    if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
    return parsed.spec;
  };
  expect(checkTimeColumn(parse(split('time', { column: 'quality' })), columns)).toMatchObject([{ field: 'split.column' }]);
  expect(checkTimeColumn(parse(split('time', { column: 'made' })), columns)).toEqual([]);
  expect(splitColumnOf(parse(split('time', { column: 'made' })))).toBe('made');
  expect(splitColumnOf(parse({}))).toBeNull();
});

describe('tree models', () => {
  const two = { inputFeatures: [{ name: 'Torque [Nm]', type: 'number' }, { name: 'quality', type: 'category' }] };
  const constrain = (increasing: string[], decreasing: string[] = []) =>
    ({ ...two, models: [{ family: 'boosted_trees', monotoneConstraints: { increasing, decreasing } }] });

  test.each(['boosted_trees', 'random_forest'])('%s with defaults, or with constraints on numbers, have no problem', (family) => {
    expect(check({ ...two, models: [{ family }] })).toEqual([]);
    expect(check({ ...two, models: [{ family, monotoneConstraints: { decreasing: ['Torque [Nm]'] } }] })).toEqual([]);
  });

  test('an early stop of boosted trees holds rows back', () => {
    const early = (rounds: number) => parseTrainingSpec({ ...two, ...target('failed', 'binary'), models: [{ family: 'boosted_trees', earlyStoppingRounds: rounds }] });
    expect([early(0), early(5)].map((parsed) => parsed.type === 'valid' && needsValidation(parsed.spec))).toEqual([false, true]);
  });

  test.each([
    ['a constraint on a column that is no feature', constrain(['sparse']), 'models[0].monotoneConstraints.increasing[0]', /not among/],
    ['a constraint on a category', constrain([], ['quality']), 'models[0].monotoneConstraints.decreasing[0]', /only numbers/],
    ['a constraint in both directions', constrain(['Torque [Nm]'], ['Torque [Nm]']), 'models[0].monotoneConstraints.decreasing[0]', /twice/],
    ['a constraint with three classes', { ...constrain(['Torque [Nm]']), ...input('Torque [Nm]'), ...target('quality') }, 'models[0].monotoneConstraints', /3 classes/],
    ['the absolute loss of classes', { models: [{ family: 'boosted_trees', loss: 'absolute' }] }, 'models[0].loss', /measures numbers/],
    [
      'medians under constraints', { ...constrain(['sparse']), ...input('sparse'), ...target('Torque [Nm]', 'number'),
        models: [{ family: 'boosted_trees', loss: 'absolute', monotoneConstraints: { increasing: ['sparse'] } }] }, 'models[0].loss', /medians/,
    ],
    [
      'class weights of a number', { ...input('sparse'), ...target('Torque [Nm]', 'number'), models: [{ family: 'random_forest', classWeight: 'balanced' }] },
      'models[0].classWeight', /no classes/,
    ],
  ])('%s is refused', (_, change, field, message) => {
    expect(check(change)).toContainEqual({ field, message: expect.stringMatching(message), remedy: expect.stringMatching(/./) });
  });

  test('more leaves than a model may have are refused, with the number that may be had', () => {
    const large = columns.map((column) => (column.name === 'failed' ? { ...column, rows: 1_000_000, counts: [] } : column));
    const parsed = parseTrainingSpec({
      ...input('Torque [Nm]'), ...target('failed', 'binary'),
      models: [{ family: 'random_forest', numTrees: 1000, numLeaves: 50_000 }, { family: 'random_forest', numTrees: 1000, numLeaves: 50_000, maxDepth: 10 }],
    });
    if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
    expect(checkSpecAgainstColumns(parsed.spec, large)).toEqual([{
      field: 'models[0].numLeaves',
      message: '1000 trees of up to 50000 leaves are more than a model may have (2000000 leaves in all).',
      remedy: 'Give at most 2000 leaves, fewer numTrees, or more minDataInLeaf.',
    }]);
  });
});
