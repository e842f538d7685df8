import {
  createRandom, randomBaseline, randomDense, randomEnsemble, randomLinear, randomNearestNeighbours, randomRows, randomTrees, type Shape,
} from '../test/random-pipeline.ts';
import { buildPackage, checkVectors, type FittedPipeline, joinRows, loadModel, type LoadedModel, type ValidatedRows } from './index.ts';

const facts = { metrics: {}, lineage: {} };
const hidden = [{ units: 33, activation: 'relu' }, { units: 16, activation: 'tanh' }] as const;

const families: Record<string, (shape: Shape) => FittedPipeline> = {
  baseline: randomBaseline,
  linear: randomLinear,
  dense: (shape) => randomDense(shape, [...hidden]),
  knn: (shape) => randomNearestNeighbours(shape, { rows: 90, k: 5, weights: 'distance' }),
  'boosted_trees': (shape) => randomTrees(shape, 'boosted_trees', { trees: 20, leaves: 12 }),
  'random_forest': (shape) => randomTrees(shape, 'random_forest', { trees: 20, leaves: 12 }),
  ensemble: (shape) => randomEnsemble(shape.seed, [(seed) => randomDense({ ...shape, seed }, [...hidden]), (seed) => randomTrees({ ...shape, seed }, 'boosted_trees', { trees: 8, leaves: 6 })]),
};

function validated({ signature }: LoadedModel, rows: unknown[]): ValidatedRows {
  const checked = checkVectors(signature, rows);
  if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
  return checked.rows;
}

describe('requests run together', () => {
  it.each(Object.keys(families))('get from %s, to the last bit, what each gets alone', async (family) => {
    for (const [index, classes] of [0, 2, 4].entries()) {
      const pipeline = families[family]!({ seed: 40 + index, numbers: 5, categories: 2, classes });
      const model = await loadModel(buildPackage(pipeline, facts).files);
      const random = createRandom(index);
      const requests = [1, 3, 1, 8, 1, 19].map((count) =>
        validated(model, randomRows(pipeline.features, count, random).map((row) => row.map((cell) => (typeof cell === 'number' ? cell + random.unit() / 3 : cell)))));
      const alone = [];
      for (const rows of requests) alone.push(...(await model.predict(rows)));
      expect(JSON.stringify(await model.predict(joinRows(requests)))).toBe(JSON.stringify(alone));
      await model.close();
    }
  });

  it('are for one model', async () => {
    const [left, right] = await Promise.all([1, 2].map((numbers) => loadModel(buildPackage(randomLinear({ seed: 1, numbers, categories: 0, classes: 0 }), facts).files)));
    expect(() => joinRows([validated(left!, [[1]]), validated(right!, [[1, 2]])])).toThrow('different models');
    expect(() => joinRows([])).toThrow('different models');
    await Promise.all([left!.close(), right!.close()]);
  });
});

it('predicts a part of the rows, and names a row by its place among all', async () => {
  const pipeline = randomLinear({ seed: 3, numbers: 2, categories: 0, classes: 0 });
  const estimator = { family: 'linear', width: 2, kernel: Float64Array.of(1e300, 1e300), bias: Float64Array.of(0) } as const;
  const model = await loadModel(buildPackage({ ...pipeline, estimator }, facts).files);
  const rows = validated(model, [[1, 1], [0, 0], [2, 1]]);
  const all = await model.predict(rows);
  expect(await model.predict(rows, 1, 3)).toEqual(all.slice(1));
  const overflowing = validated(model, [[0, 0], [0, 0], [2.9e9, 2.9e9]]);
  await expect(model.predict(overflowing, 1, 3)).rejects.toMatchObject({ field: 'rows[2]' });
  await model.close();
});
