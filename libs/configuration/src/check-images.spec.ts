import { checkSpecAgainstColumns, type ColumnSummary, parseTrainingSpec } from './index.ts';

const rows = 200;
const columns: ColumnSummary[] = [
  { name: 'image', type: 'image', rows, missing: 0, distinct: rows },
  { name: 'label', type: 'category', rows, missing: 0, distinct: 2, counts: [{ value: 'good', count: 100 }, { value: 'scratch', count: 100 }] },
  { name: 'depth', type: 'number', rows, missing: 0, distinct: rows },
];

const spec = (change: object = {}) => {
  const parsed = parseTrainingSpec({ inputFeatures: [{ name: 'image', type: 'image' }], outputFeatures: [{ name: 'label', type: 'category' }], ...change });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
};
const fieldsOf = (change: object, among = columns) => checkSpecAgainstColumns(spec(change), among).map(({ field }) => field);

test('a picture and a class are enough, and give a convolutional network', () => {
  expect(spec().models).toMatchObject([{ family: 'convolutional', imageSize: 32, augmentation: { flipHorizontal: false } }]);
  expect(fieldsOf({})).toEqual([]);
});

test('whatever else is asked of pictures is refused by its field', () => {
  expect(fieldsOf({ models: [{ family: 'dense' }, { family: 'baseline' }] })).toEqual(['models[0].family']);
  expect(fieldsOf({ models: [{ family: 'convolutional', imageSize: 16, blocks: 5 }] })).toEqual(['models[0].blocks']);
  expect(fieldsOf({ inputFeatures: [{ name: 'image', type: 'image' }, { name: 'depth', type: 'number' }] })).toEqual(['inputFeatures']);
  expect(fieldsOf({ outputFeatures: [{ name: 'depth', type: 'number' }] })).toEqual(['outputFeatures[0].type']);
  expect(fieldsOf({ selection: { maxTrials: 3 } })).toEqual(['selection']);
  expect(fieldsOf({ inputFeatures: [{ name: 'image', type: 'category' }], models: [{ family: 'linear' }] })).toEqual(['inputFeatures[0].type']);
  expect(fieldsOf({ inputFeatures: [{ name: 'depth', type: 'image' }] })).toEqual(['inputFeatures[0].type']);
  expect(fieldsOf({ inputFeatures: [{ name: 'depth', type: 'number' }], models: [{ family: 'convolutional' }] })).toEqual(['models[0].family']);
  expect(fieldsOf({ outputFeatures: [], anomaly: {} })).toContain('inputFeatures[0].type');
  const many = columns.map((column) => ({ ...column, rows: 20_000 }));
  expect(checkSpecAgainstColumns(spec({ models: [{ family: 'convolutional', imageSize: 256 }] }), many)).toMatchObject([{ field: 'models[0].imageSize', remedy: expect.stringContaining('133') }]);
});
