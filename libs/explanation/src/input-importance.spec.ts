import { checkVectors, type LoadedModel, type Signature } from '@millrace/packaging';
import { importanceOfInputs, rowsForImportance } from './input-importance.ts';

const signature: Signature = {
  formatVersion: 1, task: 'regression', family: 'onnx',
  inputs: [
    { name: 'much', type: 'number', required: true, min: -9, max: 9 },
    { name: 'little', type: 'category', required: false, categories: ['a', 'b'] },
    { name: 'nothing', type: 'number', required: false, min: -9, max: 9 },
  ],
  output: { name: 'y', type: 'number' },
  graph: { missingCategory: '', rowsPerCall: 1024 },
};
const model: Pick<LoadedModel, 'signature' | 'predict'> = {
  signature,
  predict: async (rows) => Array.from({ length: rows.count }, (_, row) => ({ value: 3 * rows.numbers[row * 2]! + (rows.categories[row] === 'a' ? 1 : 0) })),
};

it('the importance of an input is what its shuffling costs: much, little, nothing', async () => {
  const vectors = Array.from({ length: 200 }, (_, row) => [Math.sin(row) * 5, row % 3 === 0 ? 'a' : 'b', row % 7 === 0 ? null : row / 30]);
  const checked = checkVectors(signature, vectors);
  if (checked.type === 'invalid') throw new Error('invalid');
  const truths = vectors.map(([much, little]) => 3 * (much as number) + (little === 'a' ? 1 : 0));
  const importance = await importanceOfInputs(model, checked.rows, truths);
  expect(importance).toMatchObject({ measure: 'rmse', baseline: 0, rows: 200, inputs: [{ name: 'much' }, { name: 'little' }, { name: 'nothing', increase: 0, standardError: 0 }] });
  const [much, little] = importance.inputs;
  // Of independent draws, the squared error is twice the variance: √2 · 3 · 3.53, and √2 · 0.471.
  expect([much!.increase, little!.increase]).toEqual([expect.closeTo(15, 0), expect.closeTo(0.67, 1)]);
  expect(await importanceOfInputs(model, checked.rows, truths)).toEqual(importance);
});

it('is measured on as many rows as the model is quick, and not at all where it is slow', () => {
  const rows = (rowsPerCall: number, inputs = 3) => rowsForImportance({ ...signature, inputs: Array.from({ length: inputs }, () => signature.inputs[0]!), graph: { missingCategory: '', rowsPerCall } });
  expect([rows(4096), rows(30), rows(1), rows(100, 50)]).toEqual([500, 200, 0, 40]);
});
