import { checkSpecAgainstColumns } from './check-spec.ts';
import type { ColumnSummary } from './column-summary.ts';
import { taskOf } from './task.ts';
import { parseTrainingSpec } from './training-spec.ts';

const columns: ColumnSummary[] = [
  { name: 'day', type: 'date', rows: 300, missing: 0, distinct: 100 },
  { name: 'site', type: 'category', rows: 300, missing: 0, distinct: 3 },
  { name: 'visitor', type: 'text', rows: 300, missing: 0, distinct: 290_000 },
  { name: 'visits', type: 'number', rows: 300, missing: 20, distinct: 200 },
  { name: 'step', type: 'category', rows: 300, missing: 0, distinct: 3 },
  { name: 'holiday', type: 'binary', rows: 300, missing: 0, distinct: 2 },
  { name: 'due', type: 'date', rows: 300, missing: 0, distinct: 90 },
  { name: 'order', type: 'category', rows: 300, missing: 0, distinct: 250 },
];
const valid = { outputFeatures: [{ name: 'visits', type: 'number' }], inputFeatures: [], forecast: { timeColumn: 'day', seriesColumn: 'site', horizon: 14 } };

function check(change: object, forecast: object = {}) {
  const parsed = parseTrainingSpec({ ...valid, ...change, forecast: { ...valid.forecast, ...forecast } });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return checkSpecAgainstColumns(parsed.spec, columns);
}

test('a forecast needs no input features, and gets candidates that work', () => {
  const parsed = parseTrainingSpec(valid);
  expect(parsed).toMatchObject({ type: 'valid', spec: { forecast: { intervalCoverage: 0.9, models: [{ family: 'exponential_smoothing' }, { family: 'lag_linear' }, { family: 'combination' }] } } });
  expect(parsed.type === 'valid' && taskOf(parsed.spec)).toBe('forecasting');
  expect(check({})).toEqual([]);
  expect(check({ selection: { metric: 'smape' } })).toEqual([]);
  expect(check({ inputFeatures: [{ name: 'holiday', type: 'binary' }] })).toEqual([]);
});

test('without a forecast, input features are needed as ever', () => {
  const { forecast: _forecast, ...rows } = valid;
  expect(parseTrainingSpec(rows)).toMatchObject({ type: 'invalid', problems: [{ field: 'inputFeatures', remedy: 'Give at least 1 entries.' }] });
  expect(checkSpecAgainstColumns(
    (parseTrainingSpec({ ...rows, inputFeatures: [{ name: 'site', type: 'category' }], selection: { metric: 'mase' } }) as { spec: Parameters<typeof checkSpecAgainstColumns>[0] }).spec, columns,
  )).toMatchObject([{ field: 'selection.metric' }]);
});

test.each<[string, object, object, string, RegExp]>([
  ['a column known in advance that nobody looks at', { inputFeatures: [{ name: 'holiday', type: 'binary' }] }, { models: [{ family: 'drift' }] }, 'inputFeatures', /None of the candidates looks/],
  ['a column known in advance that is not there', { inputFeatures: [{ name: 'weather', type: 'number' }] }, {}, 'inputFeatures[0].name', /no column "weather"/],
  ['the target known in advance', { inputFeatures: [{ name: 'visits', type: 'number' }] }, {}, 'inputFeatures[0].name', /is the target/],
  ['the series known in advance', { inputFeatures: [{ name: 'site', type: 'category' }] }, {}, 'inputFeatures[0].name', /tells the series apart/],
  ['the time known in advance', { inputFeatures: [{ name: 'day', type: 'category' }] }, {}, 'inputFeatures[0].name', /is the time column/],
  ['dates beside those of the time column', { inputFeatures: [{ name: 'due', type: 'date' }] }, {}, 'inputFeatures[0].type', /only numbers and categories/],
  ['a column named as the step is', { inputFeatures: [{ name: 'step', type: 'category' }] }, {}, 'inputFeatures[0].name', /no column may have that name/],
  ['a category of too many values', { inputFeatures: [{ name: 'order', type: 'category' }] }, {}, 'inputFeatures[0].type', /250 different values; at most 100/],
  ['a target that is no number', { outputFeatures: [{ name: 'site', type: 'category' }] }, { seriesColumn: undefined }, 'outputFeatures[0].type', /predicts a quantity/],
  ['an unknown target', { outputFeatures: [{ name: 'sales', type: 'number' }] }, {}, 'outputFeatures[0].name', /no column "sales"/],
  ['an unknown time', {}, { timeColumn: 'date' }, 'forecast.timeColumn', /no column "date"/],
  ['a time that is no date', {}, { timeColumn: 'step' }, 'forecast.timeColumn', /is a category column/],
  ['an unknown series', {}, { seriesColumn: 'shop' }, 'forecast.seriesColumn', /no column "shop"/],
  ['too many series', {}, { seriesColumn: 'visitor' }, 'forecast.seriesColumn', /290000 series/],
  ['a series of dates', {}, { seriesColumn: 'day' }, 'forecast.seriesColumn', /holds dates/],
  ['one column for two uses', {}, { seriesColumn: 'visits' }, 'forecast', /three different columns/],
  ['the name that steps are asked by', {}, { seriesColumn: 'step' }, 'forecast.seriesColumn', /no column may have that name/],
  ['a horizon beyond the values', {}, { horizon: 271 }, 'forecast.horizon', /280 values are too few/],
  ['a combination of one', {}, { models: [{ family: 'drift' }, { family: 'combination' }] }, 'forecast.models', /two candidates/],
  ['two combinations', {}, { models: [{ family: 'drift' }, { family: 'combination' }, { family: 'combination' }] }, 'forecast.models[2].family', /one combination/],
  ['a metric of rows', { selection: { metric: 'r2' } }, {}, 'selection.metric', /does not measure a forecast/],
])('%s is refused', (_, change, forecast, field, message) => {
  expect(check(change, forecast)).toContainEqual({ field, message: expect.stringMatching(message), remedy: expect.stringMatching(/./) });
});

test('what guides the choice among models of rows is refused', () => {
  const parsed = parseTrainingSpec(valid) as { spec: Parameters<typeof checkSpecAgainstColumns>[0] };
  const selection = { metric: 'mase', costs: { missed: 3 } } as typeof parsed.spec.selection;
  expect(checkSpecAgainstColumns({ ...parsed.spec, selection }, columns)).toMatchObject([{ field: 'selection.costs' }]);
});

test('a forecast that is written down is read as the same again', () => {
  const parsed = parseTrainingSpec(valid);
  expect(parsed.type === 'valid' && parseTrainingSpec(parsed.spec)).toEqual(parsed);
  expect(parseTrainingSpec({ ...valid, forecast: { ...valid.forecast, horizon: 0, models: [{ family: 'oracle' }] } })).toMatchObject({
    type: 'invalid', problems: [{ field: 'forecast.horizon' }, { field: 'forecast.models[0].family', remedy: expect.stringMatching(/exponential_smoothing/) }],
  });
});
