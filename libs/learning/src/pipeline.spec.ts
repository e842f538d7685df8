import { encodeRows, encodedWidth, fitFeatures } from './pipeline.ts';
import type { Table } from './table.ts';

const table: Table = {
  rows: 6,
  columns: [
    { name: 'speed', type: 'number', values: Float64Array.of(1, 2, NaN, 9, 1000, NaN) },
    { name: 'colour', type: 'category', values: ['red', 'blue', null, 'red', 'green', 'Blue'] },
    { name: 'flat', type: 'number', values: Float64Array.of(0.1, 0.1, 0.1, 0.1, 7, 0.1) },
    { name: 'code', type: 'number', values: Float64Array.of(0, 1, 1, 0, 2, NaN) },
  ],
};
const trainingRows = Int32Array.of(0, 1, 2, 3);

function fit(name: string, type: 'number' | 'category' | 'binary', scaling?: 'none') {
  const fitted = fitFeatures(table, [{ name, type }], trainingRows, scaling);
  if (fitted.type === 'invalid') throw new Error(JSON.stringify(fitted.problems));
  return fitted.features;
}

test('a number is filled with the median of the training rows and standardised by them, later rows unseen', () => {
  const [feature] = fit('speed', 'number');
  // 1, 2, (median 2), 9: mean 3.5, population variance (6.25 + 2.25 + 2.25 + 30.25) / 4 = 10.25
  expect(feature).toEqual({
    name: 'speed', type: 'number', min: 1, max: 9, fill: 2, mean: 3.5, scale: Math.sqrt(10.25), missingAllowed: true,
  });
  expect(Array.from(encodeRows([feature!], table, Int32Array.of(4, 5)))).toEqual([
    (1000 - 3.5) / Math.sqrt(10.25), (2 - 3.5) / Math.sqrt(10.25),
  ]);
});

test('an even number of values has the mean of the middle two as its median', () => {
  expect(fit('code', 'number')[0]).toMatchObject({ fill: 0.5, missingAllowed: false });
});

test('a constant is encoded as 0 and not blown up by rounding errors', () => {
  const features = fit('flat', 'number');
  expect(features[0]).toMatchObject({ mean: 0.1, scale: 1 });
  expect(Array.from(encodeRows(features, table, trainingRows))).toEqual([0, 0, 0, 0]);
});

test('unscaled numbers are encoded as they are', () => {
  expect(Array.from(encodeRows(fit('speed', 'number', 'none'), table, Int32Array.of(0, 2, 4)))).toEqual([1, 2, 1000]);
});

test('a category becomes one 0/1 input per value seen; unseen and missing values are all zeros', () => {
  const features = fit('colour', 'category');
  expect(features[0]).toEqual({ name: 'colour', type: 'category', categories: ['blue', 'red'], missingAllowed: true });
  expect(Array.from(encodeRows(features, table, Int32Array.of(0, 1, 2, 4, 5)))).toEqual([0, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
});

test('a column of numbers can be a category', () => {
  const features = fit('code', 'binary');
  expect(features[0]).toMatchObject({ categories: ['0', '1'] });
  expect(Array.from(encodeRows(features, table, Int32Array.of(0, 1, 4, 5)))).toEqual([1, 0, 0, 1, 0, 0, 0, 0]);
});

test('features are laid out side by side in the order of the configuration', () => {
  const fitted = fitFeatures(table, [{ name: 'colour', type: 'category' }, { name: 'flat', type: 'number' }], trainingRows);
  if (fitted.type === 'invalid') throw new Error('unexpected');
  expect(encodedWidth(fitted.features)).toBe(3);
  expect(Array.from(encodeRows(fitted.features, table, Int32Array.of(1, 0)))).toEqual([1, 0, 0, 0, 1, 0]);
});

test('a column that is empty in the training rows is refused by name', () => {
  const fitted = fitFeatures(table, [{ name: 'speed', type: 'number' }], Int32Array.of(2, 5));
  expect(fitted).toMatchObject({ type: 'invalid', problems: [{ field: 'inputFeatures[0].name' }] });
});
