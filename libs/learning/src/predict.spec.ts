import { madeUpTable, specFor } from '../test/sample-tables.ts';
import { selectBackend } from './backend.ts';
import { predict } from './predict.ts';
import { train } from './train.ts';
import type { FittedPipeline } from './pipeline.ts';
import type { Row } from './predict.ts';

const neighbours: FittedPipeline = {
  features: [
    { name: 'x', type: 'number', min: 0, max: 10, mean: 5, scale: 5, fill: 5, missingAllowed: true },
    { name: 'code', type: 'binary', categories: ['0', '1'], missingAllowed: false },
  ],
  target: { name: 'y', type: 'category', classes: ['a', 'b', 'c'] },
  estimator: {
    family: 'knn', k: 2, weights: 'uniform', width: 3,
    rows: Float64Array.of(-1, 1, 0, 0, 1, 0, 1, 0, 1), targets: Int32Array.of(2, 0, 1),
  },
};

const network: FittedPipeline = {
  features: [{ name: 'x', type: 'number', min: 0, max: 10, mean: 5, scale: 5, fill: 7.5, missingAllowed: true }],
  target: { name: 'y', type: 'number', mean: 100, scale: 10 },
  estimator: {
    family: 'dense',
    layers: [
      { activation: 'relu', inputs: 1, units: 2, kernel: Float32Array.of(2, -2), bias: Float32Array.of(0, 1) },
      { activation: 'linear', inputs: 2, units: 1, kernel: Float32Array.of(1, 0.5), bias: Float32Array.of(0.25) },
    ],
  },
};

beforeAll(() => selectBackend({ prefer: 'wasm' }));

test('neighbours vote; of equal classes the lower index is the label', async () => {
  // x = 5 encodes to 0: nearest are row 1 (distance 0) and row 0, one vote each for a (index 0) and c (index 2).
  expect(await predict(neighbours, [{ x: 5, code: '0' }])).toEqual([{ label: 'a', probabilities: [0.5, 0, 0.5] }]);
});

test('a number stands for the category of the same spelling', async () => {
  expect(await predict(neighbours, [{ x: 1, code: 0 }])).toEqual(await predict(neighbours, [{ x: 1, code: '0' }]));
});

test('a network is computed layer by layer and answers in the unit of the target', async () => {
  // x = 10 → 1 → relu(2, -1) = (2, 0) → 2.25; x missing → 7.5 → 0.5 → relu(1, 0) → 1.25; x = 0 → -1 → (0, 3) → 1.75
  expect(await predict(network, [{ x: 10 }, { x: null }, {}, { x: 0 }])).toEqual([
    { value: 122.5 }, { value: 112.5 }, { value: 112.5 }, { value: 117.5 },
  ]);
});

test.each<[string, FittedPipeline, Row]>([
  ['a text for a number', network, { x: '3' }],
  ['NaN', network, { x: NaN }],
  ['Infinity', network, { x: Infinity }],
  ['a truth value for a category', neighbours, { x: 1, code: true as unknown as string }],
])('%s throws an error that names the feature', async (_, pipeline, row) => {
  await expect(predict(pipeline, [row])).rejects.toThrow(/"(x|code)" must be/);
});

test('rows and a table of the same values are predicted alike, an unseen category included', async () => {
  const table = madeUpTable(60, 6);
  const outcome = await train({
    table, spec: specFor(table, { name: 'grade', type: 'category' }, { trainer: { epochs: 3 } }, ['passed', 'amount']),
  });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  const [x, z, colour] = table.columns.map(({ values }) => values);
  const rows = Array.from({ length: 60 }, (_, row): Row => ({
    x: x![row]!, z: Number.isNaN(z![row]) ? null : z![row]!, colour: colour![row]!,
  }));
  const { pipeline } = outcome.trials[0]!;
  expect(await predict(pipeline, rows)).toEqual(await predict(pipeline, table));
  const [unseen, missing] = await predict(pipeline, [{ ...rows[0]!, colour: 'mauve' }, { ...rows[0]!, colour: null }]);
  expect(unseen).toEqual(missing);
});
