import fc from 'fast-check';
import { predictPlainly } from '../test/plain-engine.ts';
import {
  createRandom, randomBaseline, randomDense, randomEnsemble, randomLinear, randomNearestNeighbours, randomRows, randomTrees, type Shape,
} from '../test/random-pipeline.ts';
import {
  agree,
  buildPackage,
  checkRows,
  checkVectors,
  createModelThreads,
  type FittedPipeline,
  type LoadedModel,
  loadModel,
  type Prediction,
  tensorMetadata,
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
      { seed: 20261126, numRuns: 60 },
    );
  });

  it('predicts numbers in the unit of the target', async () => {
    await fc.assert(
      fc.asyncProperty(shapes(fc.constant(0)), hidden, async (shape, layers) => {
        const pipeline = randomDense(shape, layers);
        const { plain, packaged } = await predictTwice(pipeline, shape.seed, 20);
        expect(agree(plain, packaged, pipeline.target)).toMatchObject({ type: 'agrees', rows: 20 });
      }),
      { seed: 20261126, numRuns: 40 },
    );
  });

  it('adds the input of a residual layer to its output', async () => {
    await fc.assert(
      fc.asyncProperty(shapes(fc.integer({ min: 0, max: 3 }).filter((classes) => classes !== 1)), async (shape) => {
        const pipeline = randomDense(shape, (['relu', 'tanh', 'elu', 'relu'] as const).map((activation) => ({ units: 5, activation })));
        const { plain, packaged } = await predictTwice(pipeline, shape.seed, 20);
        expect(agree(plain, packaged, pipeline.target)).toMatchObject({ type: 'agrees', rows: 20 });
      }),
      { seed: 20261126, numRuns: 20 },
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

describe('probabilities that are corrected, and a threshold', () => {
  const platt = (classes: number) => {
    const maps = classes === 2 ? 1 : classes;
    return { type: 'platt' as const, slopes: Float64Array.from({ length: maps }, (_, at) => 0.5 + at), shifts: Float64Array.from({ length: maps }, (_, at) => at - 0.7) };
  };
  const isotonic = (classes: number) => ({
    type: 'isotonic' as const,
    maps: Array.from({ length: classes === 2 ? 1 : classes }, (_, at) => ({ x: Float64Array.of(0.1, 0.3, 0.8), y: Float64Array.of(0.05 * (at + 1), 0.5, 0.9) })),
  });

  it.each([['platt', platt], ['isotonic', isotonic]] as const)('a %s calibration answers as a plain loop does', async (_, make) => {
    await fc.assert(
      fc.asyncProperty(shapes(fc.integer({ min: 2, max: 4 })), async (shape) => {
        const { features, target, estimator } = randomDense(shape, []);
        const pipeline = { features, target: { ...target, calibration: make(shape.classes) } as FittedPipeline['target'], estimator };
        const { plain, packaged } = await predictTwice(pipeline, shape.seed, 20);
        expect(agree(plain, packaged, pipeline.target)).toMatchObject({ type: 'agrees', rows: 20 });
      }),
      { seed: 20261126, numRuns: 15 },
    );
  });

  it('gives the positive class from the threshold on, and says so in the signature', async () => {
    const { features, target, estimator } = randomNearestNeighbours({ seed: 5, numbers: 2, categories: 1, classes: 2 }, { rows: 40, k: 8, weights: 'uniform' });
    if (target.type === 'number') throw new Error('unexpected');
    const rows = randomRows(features, 200, createRandom(1));
    const labelsAt = async (threshold: number, positive: number) => {
      const pipeline = { features, target: { ...target, decision: { positive, threshold } }, estimator };
      const model = await open(pipeline);
      expect(model.signature.output).toMatchObject({ decision: { positiveClass: target.classes[positive], threshold } });
      const packaged = await model.predict(validated(model, rows));
      expect(packaged.map(labelOf)).toEqual(rows.map((row) => labelOf(predictPlainly(pipeline, row))));
      return packaged.filter((answer) => labelOf(answer) === target.classes[positive]).length;
    };
    // Shares of eight neighbours: exactly at a threshold of 3/8 counts.
    const [low, middle, high] = [await labelsAt(0.375, 1), await labelsAt(0.376, 1), await labelsAt(0.9, 1)];
    expect(low).toBeGreaterThan(middle);
    expect(middle).toBeGreaterThan(high);
    expect(await labelsAt(0.625, 0)).toBeGreaterThan(0);
  });

  it('states the interval of a number in the signature', async () => {
    const { features, target, estimator } = randomDense({ seed: 2, numbers: 2, categories: 0, classes: 0 }, []);
    const interval = { coverage: 0.9, halfWidth: 2.5 };
    const model = await open({ features, target: { ...target, interval } as FittedPipeline['target'], estimator });
    expect(model.signature.output).toEqual({ name: target.name, type: 'number', interval });
    expect(tensorMetadata(model.signature).outputs.map(({ name }) => name)).toEqual(['prediction', 'lower', 'upper']);
    const checked = checkRows(model.signature, features.map(() => Object.fromEntries(features.map(({ name }, i) => [name, i]))));
    if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
    const answers = await model.predict(checked.rows);
    for (const answer of answers) {
      if (!('value' in answer)) throw new Error('no number');
      expect(answer).toEqual({ value: answer.value, interval: { lower: answer.value - 2.5, upper: answer.value + 2.5 } });
    }
    // What the training engine says of it has the same interval, or it is another answer.
    expect(agree(answers, answers, { type: 'number', scale: 1 }).type).toBe('agrees');
    expect(agree(answers.map((answer) => ('value' in answer ? { value: answer.value } : answer)), answers, { type: 'number', scale: 1 }).type).toBe('disagrees');
    const unfit = { ...target, interval: { coverage: 0.9, halfWidth: NaN } } as FittedPipeline['target'];
    expect(() => buildPackage({ features, target: unfit, estimator }, FACTS)).toThrow(/needs a coverage/);
  });

  it('gets the numbers of a date in their places, and names the date only', async () => {
    const { features, target, estimator } = randomDense({ seed: 3, numbers: 4, categories: 1, classes: 0 }, []);
    const month = features.findIndex((feature, index) => feature.type === 'number' && features[index + 1]?.type === 'number');
    const day = month + 1;
    expect(month).toBeGreaterThanOrEqual(0);
    const parts = { [month]: 'month', [day]: 'day' } as const;
    const dated = features.map((feature, index) => (feature.type === 'number' && parts[index] ? { ...feature, of: { column: 'when', part: parts[index] }, min: 0, max: 20_000 } : feature));
    const model = await open({ features: dated, target, estimator });
    expect(model.signature.inputs.map(({ name }) => name)).toEqual(features.flatMap(({ name }, index) => (index === month ? ['when'] : index === day ? [] : [name])));
    expect(tensorMetadata(model.signature).inputs[month]).toEqual({ name: 'when', datatype: 'BYTES', shape: [-1] });
    const rest = features.map((feature) => (feature.type === 'number' ? 1 : feature.categories[0]!));
    const vector = rest.flatMap((value, index) => (index === month ? ['1970-04-11'] : index === day ? [] : [value]));
    const checked = checkVectors(model.signature, [vector]);
    if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
    const expected = predictPlainly({ features, target, estimator }, rest.map((value, index) => (index === month ? 4 : index === day ? 100 : value)));
    expect(agree([expected], await model.predict(checked.rows), target)).toMatchObject({ type: 'agrees' });
  });

  it('is refused with a threshold for three classes, or a map that does not ascend', () => {
    const { features, target, estimator } = randomDense({ seed: 1, numbers: 2, categories: 0, classes: 3 }, []);
    const build = (change: object) => () => buildPackage({ features, target: { ...target, ...change } as FittedPipeline['target'], estimator }, FACTS);
    expect(build({ decision: { positive: 1, threshold: 0.5 } })).toThrow(/needs two classes/);
    const map = { x: Float64Array.of(0.5, 0.5), y: Float64Array.of(0, 1) };
    expect(build({ calibration: { type: 'isotonic', maps: [map, map, map] } })).toThrow(/a map of finite numbers/);
  });
});

describe('an ensemble in a package', () => {
  it('answers with the weighted mean of members that each prepare the same columns in their own way', async () => {
    await fc.assert(
      fc.asyncProperty(shapes(fc.constantFrom(0, 2, 4)), hidden, async (shape, layers) => {
        const pipeline = randomEnsemble(shape.seed, [
          (seed) => randomDense({ ...shape, seed }, layers),
          (seed) => randomNearestNeighbours({ ...shape, seed }, { rows: 20, k: 3, weights: 'distance' }),
          (seed) => randomTrees({ ...shape, seed }, 'boosted_trees', { trees: 3, leaves: 6 }),
        ]);
        const { plain, packaged } = await predictTwice(pipeline, shape.seed, 20);
        expect(agree(plain, packaged, pipeline.target)).toMatchObject({ type: 'agrees', rows: 20 });
      }),
      { seed: 20261126, numRuns: 30 },
    );
  });

  it('is refused where a member reads other columns or the weights do not add up', () => {
    const shape: Shape = { seed: 3, numbers: 2, categories: 1, classes: 3 };
    const pipeline = randomEnsemble(3, [(seed) => randomDense({ ...shape, seed }, []), (seed) => randomDense({ ...shape, seed }, [])]);
    if (pipeline.estimator.family !== 'ensemble') throw new Error('unexpected');
    const { members } = pipeline.estimator;
    const build = (changed: typeof members) => () => buildPackage({ ...pipeline, estimator: { family: 'ensemble', members: changed } }, FACTS);
    expect(build(members)).not.toThrow();
    expect(build([{ ...members[0]!, weight: 0.5 }, { ...members[1]!, weight: 0.6 }])).toThrow(/add up to 1/);
    expect(build([members[0]!, { ...members[1]!, features: members[1]!.features.slice(1) }])).toThrow(/other columns/);
    expect(build([])).toThrow(/must not be empty/);
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
      { seed: 20261126, numRuns: 30 },
    );
  });
});

describe('trees in a package', () => {
  const options = fc.record({ trees: fc.integer({ min: 1, max: 6 }), leaves: fc.integer({ min: 1, max: 12 }) });

  it.each(['boosted_trees', 'random_forest'] as const)('%s say what a walk from the root says, for gaps and unseen values too', async (family) => {
    await fc.assert(
      fc.asyncProperty(shapes(fc.constantFrom(0, 2, 3, 5)), options, async (shape, choice) => {
        const pipeline = randomTrees(shape, family, choice);
        const { plain, packaged } = await predictTwice(pipeline, shape.seed, 30);
        if (shape.classes === 0) return expect(packaged).toEqual(plain);
        expect(packaged.map(labelOf)).toEqual(plain.map(labelOf));
        expect(agree(plain, packaged, pipeline.target)).toMatchObject({ type: 'agrees', rows: 30 });
      }),
      { seed: 20261126, numRuns: 40 },
    );
  });

  it('divide at a threshold that float32 cannot hold as training did', async () => {
    const threshold = 0.1 + 2 ** -40;
    const pipeline: FittedPipeline = {
      features: [{ name: 'x', type: 'number', min: 0, max: 1, mean: 0, scale: 1, fill: 0, missingAllowed: false }],
      target: { name: 'y', type: 'number', mean: 0, scale: 1 },
      estimator: {
        family: 'boosted_trees',
        outputs: 1,
        codes: [null],
        trees: [{
          feature: Int32Array.of(0, -1, -1), threshold: Float64Array.of(threshold, 0, 0), missingLeft: Int32Array.of(0, 0, 0),
          left: Int32Array.of(1, 0, 1), right: Int32Array.of(2, 0, 0), sets: new Int32Array(), values: Float64Array.of(-1, 1),
        }],
      },
    };
    const model = await open(pipeline);
    const answers = await model.predict(validated(model, [[threshold], [threshold + 2 ** -50], [0.1]]));
    expect(answers).toEqual([{ value: -1 }, { value: 1 }, { value: -1 }]);
  });

  it('divide 255 categories by a set of every other one', async () => {
    const categories = Array.from({ length: 300 }, (_, place) => `c${place}`);
    // Only 255 have a code of their own; the others go where missing values go.
    const codes = Int32Array.from(categories.keys(), (place) => Math.min(place, 255));
    const pipeline: FittedPipeline = {
      features: [{ name: 'c', type: 'category', categories, missingAllowed: true }],
      target: { name: 'y', type: 'number', mean: 0, scale: 1 },
      estimator: {
        family: 'random_forest',
        outputs: 1,
        codes: [codes],
        trees: [{
          feature: Int32Array.of(0, -1, -1), threshold: Float64Array.of(0, 0, 0), missingLeft: Int32Array.of(0, 0, 0),
          left: Int32Array.of(1, 0, 1), right: Int32Array.of(2, 0, 0), sets: new Int32Array(8).fill(0x55555555), values: Float64Array.of(-1, 1),
        }],
      },
    };
    const model = await open(pipeline);
    const answers = await model.predict(validated(model, [...categories.map((category) => [category]), [null], ['never seen']]));
    const expected = [...codes, 255, 255].map((code) => ({ value: code % 2 === 0 ? -1 : 1 }));
    expect(answers).toEqual(expected);
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
      { seed: 20261126, numRuns: 80 },
    );
  });

  it('gives the number of a plain loop to the last digit', async () => {
    await fc.assert(
      fc.asyncProperty(shapes(fc.constant(0)), options, async (shape, choice) => {
        const { plain, packaged } = await predictTwice(randomNearestNeighbours(shape, choice), shape.seed, 20);
        expect(packaged).toEqual(plain);
      }),
      { seed: 20261126, numRuns: 60 },
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

describe('a model in a thread of its own', () => {
  const shape: Shape = { seed: 7, numbers: 3, categories: 2, classes: 3 };

  it('answers as it does in this one, to the last bit, whole and in parts, and several at once', async () => {
    const threads = createModelThreads(2);
    const pipelines = [randomDense(shape, [{ units: 5, activation: 'relu' }]), randomTrees(shape, 'boosted_trees', { trees: 4, leaves: 6 }), randomLinear({ ...shape, categories: 0 })];
    const used = new Set<unknown>();
    await Promise.all(pipelines.map(async (pipeline, at) => {
      const thread = threads.next();
      used.add(thread);
      const here = await open(pipeline);
      const there = await loadModel(buildPackage(pipeline, FACTS).files, { thread });
      expect(there.memoryBytes).toBeGreaterThan(0);
      const rows = validated(here, randomRows(pipeline.features, 50, createRandom(at)));
      const wanted = await here.predict(rows);
      expect(await Promise.all([there.predict(rows), there.predict(rows, 7, 30), there.predict(rows, 49)])).toEqual([wanted, wanted.slice(7, 30), wanted.slice(49)]);
      await there.close();
      await expect(there.predict(rows)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    }));
    expect(used.size).toBeLessThanOrEqual(2);
    await threads.close();
  });

  it('is refused as it is in this one when it cannot be loaded, and fails in a thread that has been closed', async () => {
    const threads = createModelThreads(1);
    const thread = threads.next();
    const pipeline = randomDense(shape, [{ units: 5, activation: 'relu' }]);
    await expect(thread.open(Buffer.from('no graph'), 1)).rejects.toThrow(/Failed to load model|protobuf/i);
    const model = await loadModel(buildPackage(pipeline, FACTS).files, { thread });
    const rows = validated(model, randomRows(pipeline.features, 2, createRandom(1)));
    const unheard = model.predict(rows);
    await Promise.all([expect(unheard).rejects.toThrow('closed'), threads.close()]);
    await expect(model.predict(rows)).rejects.toThrow('closed');
    expect(model.isLost).toBe(false);
  });
});
