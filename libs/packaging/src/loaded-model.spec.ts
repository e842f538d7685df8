import fc from 'fast-check';
import { predictPlainly } from '../test/plain-engine.ts';
import {
  createRandom, randomBaseline, randomDense, randomLinear, randomNearestNeighbours, randomRows, type Shape,
} from '../test/random-pipeline.ts';
import {
  agree,
  buildPackage,
  checkRows,
  checkVectors,
  type FittedPipeline,
  type LoadedModel,
  loadModel,
  type Prediction,
  type ValidatedRows,
} from './index.ts';

const FACTS = { metrics: {}, lineage: {} };

const opened: LoadedModel[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((model) => model.close()));
});

async function open(pipeline: FittedPipeline): Promise<LoadedModel> {
  const model = await loadModel(buildPackage(pipeline, FACTS).files);
  opened.push(model);
  return model;
}

function validated(model: LoadedModel, rows: unknown): ValidatedRows {
  const checked = checkVectors(model.signature, rows);
  if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
  return checked.rows;
}

/** Both engines on the same random rows. */
async function predictTwice(pipeline: FittedPipeline, seed: number, count: number) {
  const model = await open(pipeline);
  const rows = randomRows(pipeline.features, count, createRandom(seed));
  const plain = rows.map((row) => predictPlainly(pipeline, row));
  const packaged = await model.predict(validated(model, rows));
  await model.close();
  return { plain, packaged };
}

const shapes = (classes: fc.Arbitrary<number>): fc.Arbitrary<Shape> =>
  fc
    .record({ seed: fc.nat(), numbers: fc.nat(4), categories: fc.nat(3), classes })
    .filter((shape) => shape.numbers + shape.categories > 0);
const activations = fc.constantFrom('relu', 'tanh', 'sigmoid', 'elu', 'linear', 'softmax');
const layer = fc.record({ units: fc.integer({ min: 1, max: 20 }), activation: activations });
const hidden = fc.array(layer, { maxLength: 3 });

describe('a dense network in a package', () => {
  it('classifies as a plain forward pass does, with missing and unseen values', async () => {
    await fc.assert(
      fc.asyncProperty(shapes(fc.integer({ min: 2, max: 5 })), hidden, async (shape, layers) => {
        const pipeline = randomDense(shape, layers);
        const { plain, packaged } = await predictTwice(pipeline, shape.seed, 20);
        expect(agree(plain, packaged, pipeline.target)).toMatchObject({ type: 'agrees', rows: 20 });
      }),
      { numRuns: 60 },
    );
  });

  it('predicts numbers in the unit of the target', async () => {
    await fc.assert(
      fc.asyncProperty(shapes(fc.constant(0)), hidden, async (shape, layers) => {
        const pipeline = randomDense(shape, layers);
        const { plain, packaged } = await predictTwice(pipeline, shape.seed, 20);
        expect(agree(plain, packaged, pipeline.target)).toMatchObject({ type: 'agrees', rows: 20 });
      }),
      { numRuns: 40 },
    );
  });

  it('adds the input of a residual layer to its output', async () => {
    await fc.assert(
      fc.asyncProperty(shapes(fc.integer({ min: 0, max: 3 }).filter((classes) => classes !== 1)), async (shape) => {
        const pipeline = randomDense(shape, (['relu', 'tanh', 'elu', 'relu'] as const).map((activation) => ({ units: 5, activation })));
        const { plain, packaged } = await predictTwice(pipeline, shape.seed, 20);
        expect(agree(plain, packaged, pipeline.target)).toMatchObject({ type: 'agrees', rows: 20 });
      }),
      { numRuns: 20 },
    );
  });

  it('keeps the digits of a target far from zero', async () => {
    const pipeline: FittedPipeline = {
      features: [{ name: 'x', type: 'number', min: 0, max: 1, mean: 0, scale: 1, fill: 0, missingAllowed: false }],
      target: { name: 'y', type: 'number', mean: 1_000_000_000, scale: 1 },
      estimator: {
        family: 'dense',
        layers: [{ activation: 'linear', inputs: 1, units: 1, kernel: Float32Array.of(1), bias: Float32Array.of(0) }],
      },
    };
    const model = await open(pipeline);
    const [prediction] = await model.predict(validated(model, [0.125]));
    expect(prediction).toEqual({ value: 1_000_000_000.125 });
  });

  it('says so when its output is not a finite number', async () => {
    const pipeline = randomDense({ seed: 1, numbers: 1, categories: 0, classes: 3 }, []);
    if (pipeline.estimator.family === 'dense') pipeline.estimator.layers[0]!.kernel.fill(3e38);
    const model = await open(pipeline);
    await expect(model.predict(validated(model, [[0], [1e9]]))).rejects.toMatchObject({ code: 'INVALID' });
  });
});

describe.each([
  ['a linear model', randomLinear],
  ['a baseline', randomBaseline],
])('%s in a package', (_, make) => {
  it.each([
    ['classes', fc.integer({ min: 2, max: 5 })],
    ['numbers', fc.constant(0)],
  ])('answers with %s as a plain loop does, with missing and unseen values', async (__, classes) => {
    await fc.assert(
      fc.asyncProperty(shapes(classes), async (shape) => {
        const pipeline = make(shape);
        const { plain, packaged } = await predictTwice(pipeline, shape.seed, 20);
        const agreement = agree(plain, packaged, pipeline.target);
        expect(agreement).toMatchObject({ type: 'agrees', rows: 20 });
        // Both compute in float64; what is left is the float32 in which probabilities travel.
        expect(agreement.maxDifference).toBeLessThan(1e-6);
      }),
      { numRuns: 30 },
    );
  });
});

describe('k-nearest neighbours in a package', () => {
  const options = fc.record({
    rows: fc.integer({ min: 1, max: 60 }),
    k: fc.integer({ min: 1, max: 8 }),
    weights: fc.constantFrom('uniform' as const, 'distance' as const),
  });

  it('gives the label of a plain loop for every row, also where distances or votes tie', async () => {
    await fc.assert(
      fc.asyncProperty(shapes(fc.integer({ min: 1, max: 4 })), options, async (shape, choice) => {
        const { plain, packaged } = await predictTwice(randomNearestNeighbours(shape, choice), shape.seed, 20);
        expect(packaged.map(labelOf)).toEqual(plain.map(labelOf));
        expect(packaged.map(roundProbabilities)).toEqual(plain.map(roundProbabilities));
      }),
      { numRuns: 80 },
    );
  });

  it('gives the number of a plain loop to the last digit', async () => {
    await fc.assert(
      fc.asyncProperty(shapes(fc.constant(0)), options, async (shape, choice) => {
        const { plain, packaged } = await predictTwice(randomNearestNeighbours(shape, choice), shape.seed, 20);
        expect(packaged).toEqual(plain);
      }),
      { numRuns: 60 },
    );
  });

  const line = (targets: number[], rows: number[], k: number, weights: 'uniform' | 'distance'): FittedPipeline => ({
    features: [{ name: 'x', type: 'number', min: 0, max: 9, mean: 0, scale: 1, fill: 0, missingAllowed: false }],
    target: { name: 'y', type: 'binary', classes: ['no', 'yes'] },
    estimator: {
      family: 'knn',
      k,
      weights,
      rows: Float64Array.from(rows),
      width: 1,
      targets: Int32Array.from(targets),
    },
  });

  it.each([
    ['the earlier of two duplicates', line([1, 0], [5, 5], 1, 'uniform'), 'yes'],
    ['the earlier of two at equal distance', line([1, 0], [6, 4], 1, 'uniform'), 'yes'],
    ['the lower class when votes tie', line([1, 0], [5, 5], 2, 'uniform'), 'no'],
    ['only exact matches when weighing by distance', line([1, 0, 0], [5, 5.1, 4.9], 3, 'distance'), 'yes'],
    ['the majority when all count alike', line([1, 0, 0], [5, 5.1, 4.9], 3, 'uniform'), 'no'],
  ] as const)('takes %s', async (_, pipeline, label) => {
    const model = await open(pipeline);
    expect((await model.predict(validated(model, [5]))).map(labelOf)).toEqual([label]);
  });
});

describe('predict', () => {
  it('gives the same answers for a request that is split into parts as row by row', async () => {
    const pipeline = randomNearestNeighbours(
      { seed: 4, numbers: 3, categories: 2, classes: 3 },
      { rows: 20_000, k: 3, weights: 'distance' },
    );
    const model = await open(pipeline);
    const rows = randomRows(pipeline.features, 120, createRandom(5));
    expect(model.signature.graph.rowsPerCall).toBeLessThan(rows.length / 2);
    const together = await model.predict(validated(model, rows));
    const apart = await Promise.all(rows.map(async (row) => (await model.predict(validated(model, row)))[0]));
    expect(together).toEqual(apart);
  });

  it('keeps answers apart when many requests run at once', async () => {
    const shape = { seed: 9, numbers: 2, categories: 1, classes: 3 };
    const pipeline = randomDense(shape, [{ units: 8, activation: 'tanh' }]);
    const model = await open(pipeline);
    const requests = Array.from({ length: 200 }, (_, seed) =>
      randomRows(pipeline.features, 1 + (seed % 7), createRandom(seed)),
    );
    const answers = await Promise.all(requests.map((rows) => model.predict(validated(model, rows))));
    for (const [index, rows] of requests.entries()) {
      const plain = rows.map((row) => predictPlainly(pipeline, row));
      expect(agree(plain, answers[index]!, pipeline.target).type).toBe('agrees');
    }
  });

  it('takes the same rows as objects by name and by position', async () => {
    const pipeline = randomDense({ seed: 3, numbers: 2, categories: 2, classes: 2 }, []);
    const model = await open(pipeline);
    const rows = randomRows(pipeline.features, 30, createRandom(6));
    const named = rows.map((row) => {
      const entries = row.map((cell, index) => [pipeline.features[index]!.name, cell] as const);
      return Object.fromEntries(entries.reverse());
    });
    const checked = checkRows(model.signature, named);
    if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
    expect(await model.predict(checked.rows)).toEqual(await model.predict(validated(model, rows)));
  });

  it('refuses rows that were checked for another model', async () => {
    const one = await open(randomDense({ seed: 1, numbers: 2, categories: 0, classes: 2 }, []));
    const other = await open(randomDense({ seed: 1, numbers: 3, categories: 0, classes: 2 }, []));
    await expect(one.predict(validated(other, [1, 2, 3]))).rejects.toMatchObject({ code: 'INVALID', field: 'rows' });
  });

  it('finishes what is under way when closed, and refuses afterwards', async () => {
    const model = await open(randomDense({ seed: 1, numbers: 2, categories: 0, classes: 2 }, []));
    const rows = validated(model, [1, 2]);
    const underWay = model.predict(rows);
    const closed = model.close();
    await expect(model.predict(rows)).rejects.toThrow('The model has been unloaded.');
    expect(await underWay).toHaveLength(1);
    await closed;
    await model.close();
    await expect(model.predict(rows)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

function labelOf(prediction: Prediction): string {
  return 'label' in prediction ? prediction.label : '';
}

function roundProbabilities(prediction: Prediction): number[] {
  return 'label' in prediction ? prediction.probabilities.map(Math.fround) : [];
}
