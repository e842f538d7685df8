import { encodePng } from '@millrace/images';
import { encode, predictPlainly } from '../test/plain-engine.ts';
import { createRandom, randomDense, randomLinear, randomNearestNeighbours } from '../test/random-pipeline.ts';
import { float16Bits, fromFloat16Bits } from './float16.ts';
import { agree, buildPackage, checkRows, type FittedPipeline, loadModel, type Prediction, readPipeline } from './index.ts';
import type { WeightStorage } from './weight-storage.ts';

const facts = { metrics: {}, lineage: {} };
type Dense = Extract<FittedPipeline['estimator'], { family: 'dense' }>;
type Convolutional = Extract<FittedPipeline['estimator'], { family: 'convolutional' }>;
type Whole = Extract<WeightStorage, { type: 'int8' }>;

const random = createRandom(7);
const half = (values: Float32Array): Float32Array => values.map((value) => fromFloat16Bits(float16Bits(value)));
const few = (values: Float32Array, shared: Float32Array): Float32Array => values.map((_, at) => shared[(at * 7) % shared.length]!);

function whole(kernel: Float32Array, units: number, input: Whole['input'], output?: Whole['output']): { kernel: Float32Array; storage: Whole } {
  const scales = Float32Array.from({ length: units }, () => random.between(0.002, 0.02));
  return { kernel: kernel.map((_, at) => (random.below(129) - 64) * scales[at % units]!), storage: { type: 'int8', scales, input, ...(output ? { output } : {}) } };
}

/** Ties to even, as processors do. */
const round = (value: number): number => (Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

/** A network of relus, worked out one row at a time: whole numbers as they come, and float32 wherever the definition has it. */
function sumsPlainly(values: number[], { units, kernel, bias, storage }: Dense['layers'][number]): number[] {
  const { scales, input } = storage as Whole;
  const f = Math.fround;
  const own = input ?? { scale: Math.max(f(Math.max(...values.map(Math.abs)) * f(1 / 127)), f(1e-30)), zeroPoint: 0 };
  const levels = values.map((value) => {
    const level = round(f(value / own.scale));
    return input ? Math.min(255 - own.zeroPoint, Math.max(-own.zeroPoint, level)) : level;
  });
  return Array.from({ length: units }, (_, unit) => {
    const product = levels.reduce((sum, level, at) => sum + level * Math.round(kernel[at * units + unit]! / scales[unit]!), 0);
    const scaled = input ? f(product * f(scales[unit]! * own.scale)) : f(f(product * scales[unit]!) * own.scale);
    return f(scaled + bias[unit]!);
  });
}

async function ask(pipeline: FittedPipeline, rows: Record<string, unknown>[]): Promise<Prediction[]> {
  const model = await loadModel(buildPackage(pipeline, facts).files);
  try {
    const checked = checkRows(model.signature, rows);
    if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
    const together = await model.predict(checked.rows);
    for (const [at, row] of rows.entries()) {
      const alone = checkRows(model.signature, [row]);
      // No row's answer depends on the rows beside it, to the last bit.
      if (alone.type === 'valid') expect((await model.predict(alone.rows))[0]).toEqual(together[at]);
    }
    return together;
  } finally {
    await model.close();
  }
}

function expectSame(pipeline: FittedPipeline): void {
  const { files, digest } = buildPackage(pipeline, facts);
  const read = readPipeline(files);
  if (read.type === 'unreadable') throw new Error(read.message);
  expect(buildPackage(read.pipeline, facts).digest).toBe(digest);
}

function network(): FittedPipeline & { estimator: Dense } {
  return randomDense({ seed: 21, numbers: 3, categories: 1, classes: 0 }, [{ units: 40, activation: 'relu' }, { units: 24, activation: 'relu' }]) as FittedPipeline & { estimator: Dense };
}

it.each(['static', 'dynamic'] as const)('computes in int8 as the definition says, %s, to the last bit', async (kind) => {
  const pipeline = network();
  const { features, target, estimator } = pipeline;
  const inputs = [{ scale: Math.fround(0.03), zeroPoint: 120 }, { scale: Math.fround(0.01), zeroPoint: 0 }, { scale: Math.fround(0.02), zeroPoint: 0 }];
  estimator.layers = estimator.layers.map((layer, index) => ({ ...layer, residual: false, ...whole(layer.kernel, layer.units, kind === 'static' ? inputs[index]! : null) }));
  const rows = Array.from({ length: 40 }, () => features.map((feature) => (feature.type === 'number' ? random.between(-4, 4) : (feature.categories[random.below(feature.categories.length + 1)] ?? null))));
  const answers = await ask(pipeline, rows.map((row) => Object.fromEntries(features.map(({ name }, at) => [name, row[at]]))));
  rows.forEach((row, at) => {
    let values: number[] = encode(features, row).map(Math.fround);
    estimator.layers.forEach((layer, index) => {
      values = sumsPlainly(values, layer);
      if (index < 2) values = values.map((value) => Math.max(0, value));
    });
    if (target.type !== 'number') throw new Error('It answers a number');
    expect((answers[at] as { value: number }).value).toBe(values[0]! * target.scale + target.mean);
  });
  expectSame(pipeline);
  // Nothing is left of a quarter of float32 but biases, scales and what is not weights.
  const weights = estimator.layers.reduce((sum, { kernel }) => sum + kernel.length, 0);
  expect(buildPackage(network(), facts).files.get('model.onnx')!.length - buildPackage(pipeline, facts).files.get('model.onnx')!.length).toBeGreaterThan(3 * weights - (kind === 'static' ? 2000 : 4500));
});

it('keeps weights in float16 and as few values, and rows of neighbours in float16', async () => {
  const full = network();
  for (const kind of ['float16', 'shared'] as const) {
    const values = Float32Array.from({ length: 16 }, () => random.between(-1, 1));
    const kept = { ...full, estimator: { ...full.estimator, layers: full.estimator.layers.map((layer) => (kind === 'float16' ? { ...layer, kernel: half(layer.kernel), storage: { type: kind } } : { ...layer, kernel: few(layer.kernel, values), storage: { type: kind, values } })) } };
    const plain = { ...kept, estimator: { ...kept.estimator, layers: kept.estimator.layers.map(({ storage: _storage, ...layer }) => layer) } };
    const row = Object.fromEntries(full.features.map((feature) => [feature.name, feature.type === 'number' ? 0.3 : null]));
    expect(await ask(kept, [row])).toEqual(await ask(plain, [row]));
    expectSame(kept);
    const weights = full.estimator.layers.reduce((sum, { kernel }) => sum + kernel.length, 0);
    expect(buildPackage(kept, facts).sizeBytes).toBeLessThan(buildPackage(plain, facts).sizeBytes - (kind === 'float16' ? 2 : 3) * weights + 1500);
  }
  const neighbours = randomNearestNeighbours({ seed: 3, numbers: 3, categories: 1, classes: 3 }, { rows: 40, k: 3, weights: 'distance' });
  if (neighbours.estimator.family !== 'knn') throw new Error('They are neighbours');
  neighbours.estimator = { ...neighbours.estimator, rows: neighbours.estimator.rows.map((value) => fromFloat16Bits(float16Bits(value))), storage: 'float16' };
  expectSame(neighbours);
});

it('keeps rows of neighbours in eight bits by column, and answers the same', async () => {
  const neighbours = randomNearestNeighbours({ seed: 4, numbers: 2, categories: 1, classes: 3 }, { rows: 60, k: 3, weights: 'distance' });
  if (neighbours.estimator.family !== 'knn') throw new Error('They are neighbours');
  const { width, rows } = neighbours.estimator;
  const [scales, lows] = [Float64Array.from({ length: width }, () => random.between(0.001, 0.02)), Float64Array.from({ length: width }, () => random.between(-2, -1))];
  const kept = { ...neighbours, estimator: { ...neighbours.estimator, rows: rows.map((value, at) => (Math.round(Math.abs(value) * 50) % 256) * scales[at % width]! + lows[at % width]!), storage: { scales, lows } } };
  const { storage: _storage, ...plain } = kept.estimator;
  const asked = Array.from({ length: 20 }, () => Object.fromEntries(kept.features.map((feature) => [feature.name, feature.type === 'number' ? random.between(-2, 2) : (feature.categories[random.below(feature.categories.length)] ?? null)])));
  expect(await ask(kept, asked)).toEqual(await ask({ ...kept, estimator: plain }, asked));
  expectSame(kept);
  expect(() => buildPackage({ ...kept, estimator: { ...kept.estimator, rows: kept.estimator.rows.map((value) => value + 1e-3) } }, facts)).toThrow(/beside their levels/);
});

it.each([0, 2, 3])('leaves out of a linear model what has no weight, and keeps the rest in float16: %d classes', async (classes) => {
  const full = randomLinear({ seed: 31, numbers: 3, categories: 3, classes });
  if (full.estimator.family !== 'linear') throw new Error('It was linear');
  const { width, bias } = full.estimator;
  const outputs = bias.length;
  // In the unit of a target that float16 does not reach.
  const scale = 2 ** 30;
  const first = full.features.flatMap(({ type, ...rest }) => (type === 'number' ? [true] : (rest as { categories: string[] }).categories.map(() => false))).indexOf(true);
  for (const gone of [(cell: number) => cell % 3 !== 1, (cell: number) => cell !== first, (cell: number) => cell < width - 1]) {
    for (const isHalf of [false, true]) {
      const kernel = Float64Array.from({ length: width * outputs }, (_, at) => (gone(Math.floor(at / outputs)) ? 0 : fromFloat16Bits(float16Bits(random.between(1, 2))) * scale));
      const pipeline: FittedPipeline = { ...full, estimator: { family: 'linear', width, kernel, bias: bias.slice(), sparse: true, ...(isHalf ? { storage: 'float16' as const } : {}) } };
      const rows = Array.from({ length: 12 }, () => full.features.map((feature) => (feature.type === 'number' ? random.between(-4, 4) : (feature.categories[random.below(feature.categories.length + 1)] ?? null))));
      const expected = rows.map((row) => predictPlainly(pipeline, row));
      const answers = await ask(pipeline, rows.map((row) => Object.fromEntries(full.features.map(({ name }, at) => [name, row[at]]))));
      expect(agree(expected, answers, full.target.type === 'number' ? { ...full.target, scale } : full.target).type).toBe('agrees');
      expectSame(pipeline);
    }
  }
  const { estimator: linear } = full;
  const wide = { ...full, estimator: { ...linear, kernel: linear.kernel.map((weight) => fromFloat16Bits(float16Bits(weight))) } };
  expectSame({ ...wide, estimator: { ...wide.estimator, storage: 'float16' } });
  expect(() => buildPackage({ ...full, estimator: { ...wide.estimator, kernel: linear.kernel.map((weight) => weight + 1e-9), storage: 'float16' } as never }, facts)).toThrow(/float16 does not hold/);
  expect(() => buildPackage({ ...full, estimator: { ...wide.estimator, kernel: new Float64Array(width * outputs), sparse: true } as never }, facts)).toThrow(/no weight that is left/);
});

it('computes pictures in int8 as the definition says', async () => {
  const [side, channels, classes] = [6, 1, 3];
  const ranges = [{ scale: Math.fround(0.02), zeroPoint: 128 }, { scale: Math.fround(0.05), zeroPoint: 0 }, { scale: Math.fround(0.04), zeroPoint: 0 }];
  const floats = (length: number, size: number) => Float32Array.from({ length }, () => random.between(-size, size));
  const layers = [[channels, 4], [4, 5]].map(([inputs, filters], index): Convolutional['layers'][number] => {
    const own = whole(floats(9 * inputs! * filters!, 1), filters!, ranges[index]!, ranges[index + 1]);
    const bias = Float32Array.from({ length: filters! }, (_, filter) => random.below(400) * (ranges[index]!.scale * own.storage.scales[filter]!));
    return { inputs: inputs!, filters: filters!, pooled: index === 0, bias, ...own };
  });
  const estimator: Convolutional = {
    family: 'convolutional', mean: Float32Array.of(120), scale: Float32Array.of(60), layers,
    head: { bias: floats(classes, 1), ...whole(floats(5 * classes, 1), classes, { scale: Math.fround(0.02), zeroPoint: 0 }) },
  };
  const pipeline: FittedPipeline = { features: [], image: { name: 'photo', width: side, height: side, channels: 1 }, target: { name: 'y', type: 'category', classes: ['a', 'b', 'c'] }, estimator };
  expectSame(pipeline);
  const pixels = Array.from({ length: side * side }, () => random.below(256));
  const png = encodePng({ width: side, height: side, channels: 1, data: Uint8Array.from(pixels) });
  const answers = await ask(pipeline, [{ photo: { b64: Buffer.from(png).toString('base64') } }]);

  const f = Math.fround;
  let size = side;
  let depth = channels;
  let values = pixels.map((value) => Math.min(127, Math.max(-128, round(f(f(f(value - 120) / 60) / ranges[0]!.scale)))));
  layers.forEach(({ filters, kernel, bias, pooled, storage }) => {
    const { scales, input, output } = storage as Whole;
    const at = (y: number, x: number, c: number) => (y < 0 || x < 0 || y >= size || x >= size ? 0 : values[(y * size + x) * depth + c]!);
    const results: number[] = [];
    for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) for (let filter = 0; filter < filters; filter++) {
      let sum = Math.round(bias[filter]! / (input!.scale * scales[filter]!));
      for (let i = 0; i < 9; i++) for (let c = 0; c < depth; c++) sum += at(y + Math.floor(i / 3) - 1, x + (i % 3) - 1, c) * Math.round(kernel[(i * depth + c) * filters + filter]! / scales[filter]!);
      results.push(Math.min(255, Math.max(0, round(f(sum * f(f(input!.scale * scales[filter]!) / output!.scale))))));
    }
    depth = filters;
    values = results;
    if (!pooled) return;
    const half = size >> 1;
    values = Array.from({ length: half * half * depth }, (_, place) => {
      const [y, x, c] = [Math.floor(place / depth / half), Math.floor(place / depth) % half, place % depth];
      return Math.max(...[0, 1].flatMap((i) => [0, 1].map((j) => results[((2 * y + i) * size + 2 * x + j) * depth + c]!)));
    });
    size = half;
  });
  const means = Array.from({ length: depth }, (_, c) => f(values.filter((_value, place) => place % depth === c).reduce((sum, value) => sum + value * ranges[2]!.scale, 0) / size ** 2));
  const logits = sumsPlainly(means, { inputs: depth, units: classes, activation: 'linear', ...estimator.head });
  const powers = logits.map((value) => Math.exp(value - Math.max(...logits)));
  const expected = powers.map((power) => power / powers.reduce((a, b) => a + b, 0));
  const target = pipeline.target;
  expect(agree([{ label: 'abc'[expected.indexOf(Math.max(...expected))]!, probabilities: expected }], answers, target).type).toBe('agrees');
});

it('refuses weights that are kept otherwise than they are', () => {
  const broken = (storage: WeightStorage) => {
    const pipeline = network();
    pipeline.estimator.layers[0] = { ...pipeline.estimator.layers[0]!, storage };
    return () => buildPackage(pipeline, facts);
  };
  expect(broken({ type: 'float16' })).toThrow(/float16 does not hold/);
  expect(broken({ type: 'shared', values: Float32Array.of(1) })).toThrow(/beside its shared values/);
  expect(broken({ type: 'int8', scales: new Float32Array(40).fill(0.5), input: null })).toThrow(/beside its levels/);
  expect(broken({ type: 'int8', scales: new Float32Array(3), input: null })).toThrow(/scale above 0 for each unit/);
});
