import { checkSpecAgainstColumns, parseTrainingSpec, selectionMetricOf, taskOf } from './index.ts';

const columns = [
  { name: 'torque', type: 'number', rows: 1000, missing: 0, distinct: 900 },
  { name: 'mode', type: 'category', rows: 1000, missing: 0, distinct: 3 },
  { name: 'failed', type: 'binary', rows: 1000, missing: 0, distinct: 2, counts: [{ value: '0', count: 960 }, { value: '1', count: 40 }] },
  { name: 'kind', type: 'category', rows: 1000, missing: 0, distinct: 3, counts: [{ value: 'ok', count: 900 }, { value: 'worn', count: 60 }, { value: 'hot', count: 40 }] },
  { name: 'same', type: 'category', rows: 1000, missing: 0, distinct: 1, counts: [{ value: 'a', count: 1000 }] },
];
const valid = { inputFeatures: [{ name: 'torque', type: 'number' }, { name: 'mode', type: 'category' }], outputFeatures: [], anomaly: {} };
const labelled = { outputFeatures: [{ name: 'failed', type: 'binary' }] };

function problemsOf(change: object) {
  const parsed = parseTrainingSpec({ ...valid, ...change });
  return parsed.type === 'invalid' ? parsed.problems : checkSpecAgainstColumns(parsed.spec, columns);
}

test('a block alone asks for an anomaly detection with defaults that work', () => {
  const parsed = parseTrainingSpec(valid);
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  expect(taskOf(parsed.spec)).toBe('anomaly_detection');
  expect(selectionMetricOf(parsed.spec)).toBe('massVolume');
  expect(parsed.spec.anomaly).toMatchObject({ falseAlarmRate: 0.01, learnFrom: 'all', contamination: 0, models: [{ family: 'robust_z_score' }, { family: 'isolation_forest', numTrees: 200 }, { family: 'autoencoder' }] });
  expect(checkSpecAgainstColumns(parsed.spec, columns)).toEqual([]);
});

test.each([
  ['a label of two values', labelled],
  ['a label of several, with the one that is the anomaly', { outputFeatures: [{ name: 'kind', type: 'category', positiveClass: 'hot' }] }],
  ['normal rows only', { ...labelled, anomaly: { learnFrom: 'normal' } }],
  ['costs of errors', { ...labelled, selection: { metric: 'cost', costs: { missed: 100, falseAlarm: 3 } }, anomaly: { falseAlarmRate: 0.0001 } }],
  ['a split by time', { split: { type: 'time', column: 'torque' } }],
])('%s can be had', (_, change) => expect(problemsOf(change)).toEqual([]));

test.each<[string, object, string, RegExp]>([
  ['no target, and no anomaly detection', { anomaly: undefined }, 'outputFeatures', /too small/],
  ['a label that is a quantity', { outputFeatures: [{ name: 'torque', type: 'number' }], inputFeatures: [{ name: 'mode', type: 'category' }] }, 'outputFeatures[0].type', /quantity/],
  ['an unknown label', { outputFeatures: [{ name: 'broken', type: 'binary' }] }, 'outputFeatures[0].name', /no column/],
  ['a label that is an input', { ...labelled, inputFeatures: [{ name: 'failed', type: 'binary' }] }, 'inputFeatures[0].name', /target/],
  ['a label with one value', { outputFeatures: [{ name: 'same', type: 'category' }] }, 'outputFeatures[0].name', /one value only/],
  ['three values without the anomalous one', { outputFeatures: [{ name: 'kind', type: 'category' }] }, 'outputFeatures[0].positiveClass', /which of them/],
  ['an anomalous value that there is not', { outputFeatures: [{ name: 'kind', type: 'category', positiveClass: 'cold' }] }, 'outputFeatures[0].positiveClass', /no value "cold"/],
  ['normal rows without a label', { anomaly: { learnFrom: 'normal' } }, 'anomaly.learnFrom', /nobody knows/],
  ['contamination of normal rows', { ...labelled, anomaly: { learnFrom: 'normal', contamination: 0.1 } }, 'anomaly.contamination', /no anomalies/],
  ['a rate finer than the rows held back', { anomaly: { falseAlarmRate: 0.001 } }, 'anomaly.falseAlarmRate', /About 120 normal rows/],
  ['an early stop of the autoencoder', { trainer: { earlyStop: {} } }, 'trainer.earlyStop', /look at the rows/],
  ['a search', { selection: { maxTrials: 5 } }, 'selection.maxTrials', /target only/],
  ['costs without a label', { selection: { costs: { missed: 1, falseAlarm: 1 } } }, 'selection.costs', /false/],
  ['a metric of the label without one', { selection: { metric: 'rocAuc' } }, 'selection.metric', /needs to know/],
  ['a metric of another task', { ...labelled, selection: { metric: 'rmse' } }, 'selection.metric', /does not measure/],
  ['the cost without costs', { ...labelled, selection: { metric: 'cost' } }, 'selection.metric', /no costs/],
  ['a stratified split without a label', { split: { type: 'stratified' } }, 'split.type', /needs a label/],
  ['a forecast as well', { ...labelled, forecast: { timeColumn: 'day', horizon: 3 } }, 'anomaly', /not both/],
  ['an unknown family', { anomaly: { models: [{ family: 'oracle' }] } }, 'anomaly.models[0].family', /not known/],
])('%s is refused with field and remedy', (_, change, field, message) => {
  expect(problemsOf(change)).toEqual([{ field, message: expect.stringMatching(message), remedy: expect.stringMatching(/./) }]);
});

test('the rate that is proposed can be had', () => {
  const [problem] = problemsOf({ anomaly: { falseAlarmRate: 0.001 } });
  const proposed = Number(/at least ([\d.]+),/.exec(problem!.remedy)![1]);
  expect(problemsOf({ anomaly: { falseAlarmRate: proposed } })).toEqual([]);
});

test('metrics of anomalies measure no other task', () => {
  const parsed = parseTrainingSpec({ ...valid, anomaly: undefined, ...labelled, selection: { metric: 'massVolume' } });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  expect(checkSpecAgainstColumns(parsed.spec, columns)).toMatchObject([{ field: 'selection.metric', message: expect.stringMatching(/does not measure/) }]);
});
