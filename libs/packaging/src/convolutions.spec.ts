import { encodePng, fitImage, type Pixels } from '@millrace/images';
import { createRandom } from '../test/random-pipeline.ts';
import { agree, buildPackage, checkRows, type FittedPipeline, type LoadedModel, loadModel, type Prediction, readConvolutions, tensorMetadata } from './index.ts';

const opened: LoadedModel[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((model) => model.close()));
});

type Convolutional = FittedPipeline & { image: NonNullable<FittedPipeline['image']>; estimator: Extract<FittedPipeline['estimator'], { family: 'convolutional' }> };

function randomNetwork(seed: number, { width, height, channels, filters, classes }: { width: number; height: number; channels: 1 | 3; filters: number[]; classes: number }): Convolutional {
  const random = createRandom(seed);
  const floats = (length: number, size: number) => Float32Array.from({ length }, () => (random.unit() * 2 - 1) * size);
  return {
    features: [],
    image: { name: 'photo', width, height, channels },
    target: { name: 'defect', type: 'category', classes: Array.from({ length: classes }, (_, index) => `class ${index}`) },
    estimator: {
      family: 'convolutional',
      mean: floats(channels, 20).map((value) => value + 120),
      scale: floats(channels, 5).map((value) => value + 50),
      layers: filters.map((own, index) => {
        const inputs = filters[index - 1] ?? channels;
        return { inputs, filters: own, pooled: index % 2 === 0, kernel: floats(9 * inputs * own, Math.sqrt(3 / inputs)), bias: floats(own, 0.5) };
      }),
      head: { kernel: floats(filters.at(-1)! * classes, 1), bias: floats(classes, 1) },
    },
  };
}

/** The forward pass as its definition reads: loops over numbers, nothing shared with either engine. */
function predictPlainly({ image, target, estimator }: Convolutional, pixels: Uint8Array): Prediction {
  const { channels } = image;
  let [width, height, depth] = [image.width, image.height, channels as number];
  let values = Array.from(pixels, (value, at) => (value - estimator.mean[at % channels]!) / estimator.scale[at % channels]!);
  for (const { filters, kernel, bias, pooled } of estimator.layers) {
    const sums: number[] = [];
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) for (let filter = 0; filter < filters; filter++) {
      let sum = bias[filter]!;
      for (let i = -1; i <= 1; i++) for (let j = -1; j <= 1; j++) {
        if (y + i < 0 || y + i >= height || x + j < 0 || x + j >= width) continue;
        for (let channel = 0; channel < depth; channel++) sum += values[((y + i) * width + x + j) * depth + channel]! * kernel[(((i + 1) * 3 + j + 1) * depth + channel) * filters + filter]!;
      }
      sums.push(sum);
    }
    depth = filters;
    if (!pooled) values = sums;
    else {
      const [w, h] = [width >> 1, height >> 1];
      values = [];
      for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) for (let filter = 0; filter < filters; filter++) {
        values.push(Math.max(...[0, 1].flatMap((i) => [0, 1].map((j) => sums[((2 * y + i) * width + 2 * x + j) * filters + filter]!))));
      }
      [width, height] = [w, h];
    }
    values = values.map((value) => Math.max(0, value));
  }
  const found = Array.from({ length: depth }, (_, filter) => values.filter((_value, at) => at % depth === filter).reduce((sum, value) => sum + value, 0) / (width * height));
  const { kernel, bias } = estimator.head;
  const logits = Array.from(bias, (own, index) => found.reduce((sum, value, filter) => sum + value * kernel[filter * bias.length + index]!, own));
  const powers = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
  const total = powers.reduce((sum, power) => sum + power, 0);
  const probabilities = powers.map((power) => power / total);
  return { label: target.type === 'number' ? '' : target.classes[probabilities.indexOf(Math.max(...probabilities))]!, probabilities };
}

function randomPicture(seed: number, width: number, height: number): Pixels {
  const random = createRandom(seed);
  return { width, height, channels: 3, data: Uint8Array.from({ length: width * height * 3 }, () => random.unit() * 256) };
}

const b64 = (pixels: Pixels) => ({ b64: Buffer.from(encodePng(pixels)).toString('base64') });

async function open(pipeline: FittedPipeline): Promise<LoadedModel> {
  const model = await loadModel(buildPackage(pipeline, { metrics: {}, lineage: {} }).files);
  opened.push(model);
  return model;
}

test.each([
  { width: 8, height: 8, channels: 1, filters: [3], classes: 2 },
  { width: 13, height: 9, channels: 3, filters: [4, 5, 6], classes: 4 },
  { width: 6, height: 10, channels: 1, filters: [2, 3], classes: 3 },
] as const)('the graph says of pictures what a plain forward pass says: %j', async (shape) => {
  const pipeline = randomNetwork(7, { ...shape, filters: [...shape.filters] });
  const model = await open(pipeline);
  const pictures = Array.from({ length: 12 }, (_, seed) => (seed % 2 ? randomPicture(seed, 20 + seed, 11) : randomPicture(seed, shape.width, shape.height)));
  const checked = checkRows(model.signature, pictures.map((picture) => ({ photo: b64(picture) })));
  if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
  const plain = pictures.map((picture) => predictPlainly(pipeline, fitImage(picture, pipeline.image)));
  expect(agree(plain, await model.predict(checked.rows), pipeline.target)).toMatchObject({ type: 'agrees', rows: 12 });
  expect(new Set(plain.map((prediction) => JSON.stringify(prediction))).size).toBe(12);
  expect(tensorMetadata(model.signature).inputs).toEqual([{ name: 'photo', datatype: 'UINT8', shape: [-1, shape.height, shape.width, shape.channels] }]);
});

test('a calibrated network and a baseline read pictures too', async () => {
  const pipeline = randomNetwork(3, { width: 8, height: 8, channels: 1, filters: [2], classes: 2 });
  const rows = [{ photo: b64(randomPicture(1, 9, 9)) }];
  const predict = async (one: FittedPipeline) => {
    const model = await open(one);
    const checked = checkRows(model.signature, rows);
    return checked.type === 'valid' ? model.predict(checked.rows) : checked.problems;
  };
  const target = { ...pipeline.target, decision: { positive: 1, threshold: -1 } } as FittedPipeline['target'];
  expect(await predict({ ...pipeline, target })).toMatchObject([{ label: 'class 1' }]);
  const baseline: FittedPipeline = { features: [], image: pipeline.image, target: pipeline.target, estimator: { family: 'baseline', answer: Float64Array.of(0.25, 0.75) } };
  expect(await predict(baseline)).toEqual([{ label: 'class 1', probabilities: [0.25, 0.75] }]);
});

test('what is no picture is refused by name, before the model sees it', async () => {
  const { signature } = await open(randomNetwork(3, { width: 8, height: 8, channels: 1, filters: [2], classes: 2 }));
  const codesOf = (value: unknown) => {
    const checked = checkRows(signature, [value]);
    return checked.type === 'invalid' ? checked.problems.map(({ field, code }) => `${field} ${code}`) : ['valid'];
  };
  const good = b64(randomPicture(1, 9, 9));
  expect(codesOf({ photo: good })).toEqual(['valid']);
  expect(codesOf({})).toEqual(['photo missing_feature']);
  expect(codesOf({ photo: null })).toEqual(['photo null_value']);
  expect(codesOf({ photo: 5 })).toEqual(['photo not_an_image']);
  expect(codesOf({ photo: good.b64 })).toEqual(['photo not_an_image']);
  expect(codesOf({ photo: { ...good, more: 1 } })).toEqual(['photo not_an_image']);
  expect(codesOf({ photo: { b64: 'no base 64!' } })).toEqual(['photo not_base64']);
  expect(codesOf({ photo: { b64: 'AAAA' } })).toEqual(['photo broken_image']);
  expect(codesOf({ photo: { b64: good.b64.slice(0, 60) } })).toEqual(['photo broken_image']);
  const vast = Buffer.from(good.b64, 'base64');
  vast.writeUInt32BE(5_000_000, 16);
  expect(checkRows(signature, [{ photo: { b64: vast.toString('base64') } }])).toMatchObject({ problems: [{ code: 'broken_image', message: expect.stringContaining('5000000 × 9 pixels') }] });
  expect(checkRows(signature, Array.from({ length: 4 }, () => ({ photo: good })), { maxPixels: 3 * 81 })).toMatchObject({ type: 'invalid', problems: [{ row: 3, field: 'photo', code: 'too_many_pixels' }] });
});

test('the convolutions of a package are read back as they were', () => {
  const pipeline = randomNetwork(5, { width: 9, height: 8, channels: 3, filters: [4, 5], classes: 2 });
  expect(readConvolutions(buildPackage(pipeline, { metrics: {}, lineage: {} }).files)).toEqual(pipeline.estimator.layers);
  const baseline: FittedPipeline = { ...pipeline, estimator: { family: 'baseline', answer: Float64Array.of(0.5, 0.5) } };
  expect(() => readConvolutions(buildPackage(baseline, { metrics: {}, lineage: {} }).files)).toThrow(/no convolutions/);
});

test('a network whose parts do not fit is not packaged', () => {
  const pipeline = randomNetwork(3, { width: 8, height: 8, channels: 1, filters: [2, 3], classes: 2 });
  const broken = (change: object) => () => buildPackage({ ...pipeline, ...change } as FittedPipeline, { metrics: {}, lineage: {} });
  expect(broken({ image: undefined })).toThrow(/features must not be empty/);
  expect(broken({ image: { ...pipeline.image, channels: 3 } })).toThrow(/estimator\.scale/);
  expect(broken({ image: { ...pipeline.image, height: 1 } })).toThrow(/leaves nothing/);
  const [first, second] = pipeline.estimator.layers;
  expect(broken({ estimator: { ...pipeline.estimator, layers: [second, first] } })).toThrow(/layers\[0\]/);
  expect(broken({ estimator: { family: 'dense', layers: [] } })).toThrow(/image/);
});
