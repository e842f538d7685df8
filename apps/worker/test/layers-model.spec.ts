import { buildPackage, checkVectors, type FittedPipeline, loadModel, type Prediction, writeLayers } from '@millrace/packaging';
// eslint-disable-next-line @nx/enforce-module-boundaries -- TensorFlow.js itself is to load the file: it is made for nobody else
import * as tf from '@tensorflow/tfjs';
// eslint-disable-next-line @nx/enforce-module-boundaries -- the maker of random pipelines belongs to the specs, not to the lib
import { createRandom, randomDense, randomLinear, randomRows, randomTrees } from '../../../libs/packaging/test/random-pipeline.ts';

type Cell = number | string | null;
interface Column {
  name: string;
  type: string;
  fill?: number;
  category?: string;
}
interface Metadata {
  input: Column[];
  output: { type: string; classes?: string[]; decision?: { positive: string; threshold: number } };
}

const filesOf = (pipeline: FittedPipeline): Map<string, Uint8Array> => {
  const written = writeLayers(pipeline);
  if (written.type !== 'written') throw new Error(written.message);
  return written.files;
};

/** The model as a page gets it: from the two files alone. */
async function loadLayers(files: Map<string, Uint8Array>) {
  const json = JSON.parse(Buffer.from(files.get('model.json')!).toString()) as tf.io.ModelJSON;
  const weights = files.get('weights.bin')!;
  const weightData = weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.length) as ArrayBuffer;
  const model = await tf.loadLayersModel({ load: () => Promise.resolve({ modelTopology: json.modelTopology, weightSpecs: json.weightsManifest[0]!.weights, weightData }) });
  return { model, metadata: json.userDefinedMetadata as unknown as Metadata };
}

function answersOf(model: tf.LayersModel, input: tf.Tensor): number[][] {
  const output = model.predict(input) as tf.Tensor2D;
  const answers = output.arraySync();
  tf.dispose([input, output]);
  model.dispose();
  return answers;
}

async function served(pipeline: FittedPipeline, rows: unknown[][]): Promise<Prediction[]> {
  const model = await loadModel(buildPackage(pipeline, { metrics: {}, lineage: {} }).files);
  const checked = checkVectors(model.signature, rows);
  if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
  try {
    return await model.predict(checked.rows);
  } finally {
    await model.close();
  }
}

beforeAll(() => {
  tf.env().set('IS_TEST', true); // or it advertises its other packages
  return tf.setBackend('cpu');
});

const platt = (pipeline: FittedPipeline): FittedPipeline => ({
  ...pipeline,
  target: { ...pipeline.target, calibration: { type: 'platt', slopes: Float64Array.of(0.7), shifts: Float64Array.of(-0.4) }, decision: { positive: 1, threshold: 0.3 } } as FittedPipeline['target'],
});
const shape = { seed: 11, numbers: 4, categories: 2 };

it.each<[string, FittedPipeline]>([
  ['a dense network for classes, with a layer that adds its input', randomDense({ ...shape, seed: 3, classes: 3 }, [{ units: 16, activation: 'relu' }, { units: 16, activation: 'tanh' }, { units: 16, activation: 'elu' }])],
  ['a dense network for a number', randomDense({ ...shape, classes: 0 }, [{ units: 12, activation: 'sigmoid' }])],
  ['a dense network of two classes whose probabilities are corrected', platt(randomDense({ ...shape, classes: 2 }, [{ units: 8, activation: 'relu' }]))],
  ['a linear model for classes', randomLinear({ ...shape, classes: 4 })],
  ['a linear model for a number', randomLinear({ ...shape, classes: 0 })],
])('%s answers in TensorFlow.js as it is served', async (_what, pipeline) => {
  const rows = randomRows(pipeline.features, 40, createRandom(5)) as Cell[][];
  const predictions = await served(pipeline, rows);
  const before = tf.memory().numTensors;
  const { model, metadata } = await loadLayers(filesOf(pipeline));
  const places = new Map(pipeline.features.map(({ name }, at) => [name, at]));
  const cells = rows.map((row) =>
    metadata.input.map(({ name, fill, category }) => {
      const value = row[places.get(name)!]!;
      return category === undefined ? ((value as number | null) ?? fill!) : Number(value === category);
    }),
  );
  const answers = answersOf(model, tf.tensor2d(cells));
  expect(tf.memory().numTensors).toBe(before);
  let furthest = 0;
  for (const [at, prediction] of predictions.entries()) {
    const expected = 'value' in prediction ? [prediction.value] : 'label' in prediction ? prediction.probabilities : [];
    expect(answers[at]).toHaveLength(expected.length);
    for (const [place, value] of expected.entries()) furthest = Math.max(furthest, Math.abs(answers[at]![place]! - value) / Math.max(1, Math.abs(value)));
  }
  expect(furthest).toBeLessThan(1e-5);
  const { classes, decision } = metadata.output;
  if (!classes || !decision) return;
  const labels = answers.map((shares) => (shares[classes.indexOf(decision.positive)]! >= decision.threshold ? decision.positive : classes.find((name) => name !== decision.positive)));
  expect(labels).toEqual(predictions.map((prediction) => 'label' in prediction && prediction.label));
});

it('a network for pictures answers in TensorFlow.js as it is served, of odd size too', async () => {
  const random = createRandom(9);
  const floats = (length: number, size: number) => Float32Array.from({ length }, () => (random.unit() * 2 - 1) * size);
  const image = { name: 'photo', width: 9, height: 7, channels: 3 as const };
  const pipeline: FittedPipeline = {
    features: [], image,
    target: { name: 'defect', type: 'category', classes: ['fine', 'scratch', 'dent'] },
    estimator: {
      family: 'convolutional', mean: Float32Array.of(120, 110, 90), scale: Float32Array.of(50, 60, 55),
      layers: [{ inputs: 3, filters: 4, pooled: true, kernel: floats(9 * 12, 0.5), bias: floats(4, 0.2) }, { inputs: 4, filters: 5, pooled: false, kernel: floats(9 * 20, 0.5), bias: floats(5, 0.2) }],
      head: { kernel: floats(15, 1), bias: floats(3, 1) },
    },
  };
  const pixels = Array.from({ length: 6 }, () => Uint8Array.from({ length: 9 * 7 * 3 }, () => random.below(256)));
  const predictions = await served(pipeline, pixels.map((data) => [{ width: 9, height: 7, channels: 3, data }]));
  const { model, metadata } = await loadLayers(filesOf(pipeline));
  expect(metadata).toMatchObject({ input: { name: 'photo', width: 9, height: 7, channels: 3, range: [0, 255] }, output: { classes: ['fine', 'scratch', 'dent'] } });
  const answers = answersOf(model, tf.tensor4d(Float32Array.from(pixels.flatMap((data) => [...data])), [6, 7, 9, 3]));
  for (const [at, prediction] of predictions.entries()) for (const [place, value] of (prediction as { probabilities: number[] }).probabilities.entries()) expect(Math.abs(answers[at]![place]! - value)).toBeLessThan(1e-5);
});

it('what is made of no layers says so', () => {
  expect(writeLayers(randomTrees({ ...shape, classes: 2 }, 'boosted_trees', { trees: 2, leaves: 3 }))).toEqual({ type: 'unsupported', message: 'A model of the family boosted_trees is not made of layers.' });
  const isotonic = { type: 'isotonic' as const, maps: [{ x: Float64Array.of(0.2, 0.8), y: Float64Array.of(0, 1) }] };
  const corrected = randomLinear({ ...shape, classes: 2 });
  expect(writeLayers({ ...corrected, target: { ...corrected.target, calibration: isotonic } as FittedPipeline['target'] }).type).toBe('unsupported');
});
