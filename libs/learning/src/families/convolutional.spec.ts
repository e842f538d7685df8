import { parseTrainingSpec } from '@millrace/configuration';
import { encodePng } from '@millrace/images';
import * as tf from '@tensorflow/tfjs';
import { augment, standardise } from '../augmentation.ts';
import { activateBackend, type Backend, selectBackend } from '../backend.ts';
import { type ImageBatch, imageOutputs, imageSlopes } from '../convolution-pass.ts';
import { foldConvolutions, initialConvolutions, planConvolutions } from '../convolution-plan.ts';
import { createRandom } from '../random.ts';
import type { Table } from '../table.ts';
import { train, type TrainOptions, type TrainOutcome } from '../train.ts';

let wasm: Backend;
let cpu: Backend;
beforeAll(async () => {
  cpu = await selectBackend({ prefer: 'cpu' });
  wasm = await selectBackend({ prefer: 'wasm' });
});

const random = createRandom(5);
const batch: ImageBatch = {
  rows: 4, height: 8, width: 8, channels: 3,
  pixels: Float32Array.from({ length: 4 * 8 * 8 * 3 }, () => random.uniform() * 2 - 1),
  targets: Int32Array.of(0, 2, 1, 2),
};
const options = () => ({ classWeights: Float64Array.of(1, 2, 0.5), labelSmoothing: 0.1, dropout: 0.3, random: createRandom(9) });

describe.each([true, false])('the gradient, batch normalisation %s', (batchNorm) => {
  const plan = planConvolutions({ blocks: 2, layersPerBlock: 2, filters: 4, batchNorm }, 3, 3);
  const weights = initialConvolutions(plan, 1, 0).map((array, index) => array.map((value) => value + 0.01 * (index + 1)));

  it('is that of finite differences, and alike on both backends', async () => {
    await activateBackend(cpu);
    const expected = imageSlopes(plan, weights, batch, options());
    const lossAt = (array: number, at: number, by: number) =>
      imageSlopes(plan, weights.map((own, index) => (index === array ? own.map((value, place) => (place === at ? value + by : value)) : own)), batch, options()).loss;
    await activateBackend(wasm);
    const { loss, gradients, statistics } = imageSlopes(plan, weights, batch, options());
    expect(loss).toBeCloseTo(expected.loss, 5);
    expect(statistics.length).toBe(batchNorm ? 8 : 0);
    let compared = 0;
    gradients.forEach((gradient, array) => {
      gradient.forEach((value, at) => expect(Math.abs(value - expected.gradients[array]![at]!)).toBeLessThan(1e-4));
      // The bias before a normalisation that has its own shift would be 0; here the bias is that shift.
      for (const at of [0, gradient.length >> 1]) {
        const step = 2 ** -10;
        const [up, here, down] = [lossAt(array, at, step), loss, lossAt(array, at, -step)];
        if (Math.abs(up - here - (here - down)) > 0.05 * step) continue; // a kink of relu or of the largest
        expect(Math.abs(gradient[at]! - (up - down) / (2 * step))).toBeLessThan(0.02 * Math.max(1, Math.abs(gradient[at]!)));
        compared += 1;
      }
    });
    expect(compared).toBeGreaterThan(gradients.length);
  });

  it('leaves no tensor behind', () => {
    const count = () => tf.memory().numTensors;
    imageSlopes(plan, weights, batch, options());
    const before = count();
    const { statistics } = imageSlopes(plan, weights, batch, options());
    imageOutputs(foldConvolutions(plan, weights, statistics), batch);
    expect(count()).toBe(before);
  });
});

test('a folded network says what the normalised one says with the same statistics', () => {
  const plan = planConvolutions({ blocks: 2, layersPerBlock: 1, filters: 4, batchNorm: true }, 3, 3);
  const weights = initialConvolutions(plan, 1, 0);
  const { statistics, loss } = imageSlopes(plan, weights, batch, { ...options(), classWeights: null, labelSmoothing: 0, dropout: 0 });
  const outputs = imageOutputs(foldConvolutions(plan, weights, statistics), batch);
  const own = batch.targets.reduce((sum, target, row) => sum - Math.log(outputs[row * 3 + target]!), 0) / batch.rows;
  expect(own).toBeCloseTo(loss, 5);
});

describe('augmentation', () => {
  const scale = { mean: Float32Array.of(0), scale: Float32Array.of(1) };
  const none = { flipHorizontal: false, flipVertical: false, shift: 0, rotation: 0, brightness: 0 };
  const picture = Uint8Array.from({ length: 25 }, (_, at) => at * 10);
  const after = (wanted: object, seed = 3) => {
    const target = new Float32Array(25);
    augment(picture, 5, scale, { ...none, ...wanted }, createRandom(seed), target, 0);
    return Array.from(target);
  };

  it('leaves a picture as it is where nothing is asked for, and draws the same for a seed', () => {
    expect(after({})).toEqual(Array.from(standardise(picture, scale)));
    const all = { flipHorizontal: true, shift: 0.2, rotation: 30, brightness: 0.3 };
    expect(after(all)).toEqual(after(all));
    expect(after(all)).not.toEqual(after(all, 4));
  });

  it('mirrors, turns and brightens', () => {
    const mirrored = Array.from({ length: 25 }, (_, at) => picture[Math.floor(at / 5) * 5 + 4 - (at % 5)]!);
    const seen = new Set(Array.from({ length: 12 }, (_, seed) => JSON.stringify(after({ flipHorizontal: true }, seed))));
    expect(seen).toEqual(new Set([JSON.stringify(Array.from(picture)), JSON.stringify(mirrored)]));
    for (let seed = 0; seed < 5; seed++) {
      const bright = after({ brightness: 0.5 }, seed);
      const factor = bright[10]! / picture[10]!;
      expect(Math.abs(factor - 1)).toBeLessThanOrEqual(0.5);
      bright.forEach((value, at) => expect(value).toBeCloseTo(Math.min(255, picture[at]! * factor), 3));
      expect(after({ rotation: 90 }, seed)[12]).toBe(120); // the middle stays
    }
  });
});

const side = 10;
/** Pictures whose class is whether their bright line lies or stands. */
function lines(count: number): Table {
  const drawn = createRandom(11);
  const labels: string[] = [];
  const values = Array.from({ length: count }, (_, row) => {
    const stands = row % 2 === 1;
    labels.push(stands ? 'stands' : 'lies');
    const data = Uint8Array.from({ length: side * side }, () => 40 + drawn.below(60));
    const at = drawn.below(side);
    for (let step = 0; step < side; step++) data[stands ? step * side + at : at * side + step] = 230;
    return encodePng({ width: side, height: side, channels: 1, data });
  });
  return { rows: count, columns: [{ name: 'label', type: 'category', values: labels }], pictures: { name: 'image', type: 'image', values } };
}

function specOf(change: object = {}, trainer: object = {}) {
  const parsed = parseTrainingSpec({
    inputFeatures: [{ name: 'image', type: 'image' }],
    outputFeatures: [{ name: 'label', type: 'category' }],
    models: [{ family: 'convolutional', imageSize: side, blocks: 2, filters: 4, augmentation: { rotation: 5 }, ...change }],
    trainer: { epochs: 8, learningRate: 0.02, batchSize: 16, ...trainer },
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
}

async function trained(options: TrainOptions): Promise<Extract<TrainOutcome, { type: 'trained' }>> {
  const outcome = await train(options);
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  return outcome;
}

const weightsOf = (outcome: Extract<TrainOutcome, { type: 'trained' }>) => JSON.stringify(outcome.trials[0]!.pipeline.estimator, (_key, value: unknown) => (ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value));

test('it learns what only the shape shows, early stop keeps the best epoch, and a run broken off after each epoch ends with the same weights', async () => {
  const table = lines(120);
  const spec = specOf({}, { earlyStop: { patience: 8 } });
  const whole = await trained({ table, spec, backend: wasm });
  const { metrics, pipeline, history, bestEpoch } = whole.trials[0]!;
  expect(metrics.test).toMatchObject({ accuracy: expect.any(Number) });
  expect((metrics.test as { accuracy: number }).accuracy).toBeGreaterThan(0.9);
  expect(pipeline).toMatchObject({ features: [], image: { name: 'image', width: side, height: side, channels: 1 }, estimator: { family: 'convolutional' } });
  expect(history[bestEpoch - 1]!.valLoss).toBe(Math.min(...history.map(({ valLoss }) => valLoss!)));

  let saved: Uint8Array | null = null;
  for (let attempt = 1; ; attempt++) {
    const abort = new AbortController();
    const outcome = await train({
      table, spec, backend: wasm, signal: abort.signal,
      checkpoint: { isDue: () => true, load: async () => saved, save: async (bytes) => { saved = bytes; abort.abort(); } },
    });
    if (outcome.type === 'trained') {
      expect(attempt).toBeGreaterThan(8);
      expect(weightsOf(outcome)).toBe(weightsOf(whole));
      break;
    }
    expect(outcome.type).toBe('cancelled');
  }
});

test('a base gives its filters: frozen for so many epochs, learned further after them', async () => {
  const table = lines(60);
  const parent = await trained({ table, spec: specOf({ filters: 5 }, { epochs: 2 }), backend: wasm });
  const layersOf = (outcome: typeof parent) => {
    const { estimator } = outcome.trials[0]!.pipeline;
    return estimator.family === 'convolutional' ? estimator.layers : [];
  };
  const bases = [layersOf(parent)];
  // What is said of blocks and filters does not count beside a base.
  const child = (freezeEpochs: number) => trained({ table, bases, backend: wasm, seed: 3, spec: specOf({ base: { model: 'parts', freezeEpochs }, filters: 16, blocks: 1 }, { epochs: 2, optimizer: 'adamw' }) });
  const frozen = await child(2);
  expect(layersOf(frozen)).toEqual(bases[0]);
  const { head } = frozen.trials[0]!.pipeline.estimator as { head: { kernel: Float32Array } };
  expect(head.kernel).not.toEqual((parent.trials[0]!.pipeline.estimator as { head: { kernel: Float32Array } }).head.kernel);
  const thawed = layersOf(await child(1));
  expect(thawed.map(({ filters, pooled }) => [filters, pooled])).toEqual([[5, true], [10, true]]);
  expect(thawed[0]!.kernel).not.toEqual(bases[0]![0]!.kernel);
});

test('a broken picture fails the model by name, colour is found or asked for', async () => {
  const table = lines(40);
  const broken = { ...table, pictures: { ...table.pictures!, values: table.pictures!.values.with(7, Buffer.from('no picture')) } };
  expect(await train({ table: broken, spec: specOf(), backend: wasm })).toMatchObject({ type: 'invalid', problems: [{ field: 'inputFeatures[0].name', message: expect.stringContaining('row 8') }] });
  const coloured = await trained({ table, spec: specOf({ colour: 'colour', batchNorm: false }, { epochs: 1 }), backend: wasm });
  expect(coloured.trials[0]!.pipeline.image).toMatchObject({ channels: 3 });
});
