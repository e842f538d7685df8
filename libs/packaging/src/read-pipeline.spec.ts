import { createRandom, randomBaseline, randomDense, randomEnsemble, randomLinear, randomNearestNeighbours, randomTrees } from '../test/random-pipeline.ts';
import { float16Bits, fromFloat16Bits } from './float16.ts';
import { buildDetectorPackage, buildPackage, type FittedPipeline, type ReadPipeline, readPipeline, readPipelineAside } from './index.ts';

const facts = { metrics: {}, lineage: {} };

/** What is read from a package makes the same package. */
function expectSame(pipeline: FittedPipeline): FittedPipeline {
  const { files, digest } = buildPackage(pipeline, facts);
  const read = readPipeline(files);
  if (read.type === 'unreadable') throw new Error(read.message);
  expect(buildPackage(read.pipeline, facts).digest).toBe(digest);
  return read.pipeline;
}

const shapes = Array.from({ length: 8 }, (_, seed) => {
  const random = createRandom(seed);
  return { seed, numbers: 1 + random.below(4), categories: random.below(4), classes: [0, 2, 3, 4][seed % 4]! };
});

it.each(shapes)('reads every family back to the last byte: %j', (shape) => {
  const { seed } = shape;
  expectSame(randomLinear(shape));
  expectSame(randomBaseline(shape));
  expectSame(randomDense(shape, [{ units: 7, activation: 'relu' }, { units: 7, activation: 'tanh' }, { units: 3, activation: 'elu' }]));
  expectSame(randomDense({ ...shape, numbers: 0, categories: 3 }, []));
  expectSame(randomNearestNeighbours(shape, { rows: 20, k: 3, weights: seed % 2 ? 'uniform' : 'distance' }));
  expectSame(randomTrees(shape, 'boosted_trees', { trees: 4, leaves: 9 }));
  expectSame(randomTrees(shape, 'random_forest', { trees: 3, leaves: 12 }));
  const ensemble = randomEnsemble(seed, [
    (own) => randomDense({ ...shape, seed: own }, [{ units: 5, activation: 'sigmoid' }]),
    (own) => randomTrees({ ...shape, seed: own }, 'boosted_trees', { trees: 2, leaves: 5 }),
    (own) => randomNearestNeighbours({ ...shape, seed: own }, { rows: 9, k: 2, weights: 'uniform' }),
    (own) => randomLinear({ ...shape, seed: own }),
  ]);
  expectSame(ensemble);
  const [first] = ensemble.estimator.family === 'ensemble' ? ensemble.estimator.members : [];
  const { weight: _weight, ...alone } = first!;
  expectSame(alone);
});

it('reads what is made of probabilities: curves, steps and a threshold', () => {
  const random = createRandom(5);
  for (const classes of [2, 3]) {
    for (const calibration of ['none', 'platt', 'isotonic'] as const) {
      const pipeline = randomDense({ seed: classes, numbers: 2, categories: 1, classes }, [{ units: 4, activation: 'relu' }]);
      if (pipeline.target.type === 'number') throw new Error('Classes were asked for');
      const maps = classes === 2 ? 1 : classes;
      const steps = (length: number) => ({ x: Float64Array.from({ length }, (_, at) => at / 7 + random.unit() / 8), y: Float64Array.from({ length }, (_, at) => at / 8 + random.unit() / 9) });
      if (calibration === 'platt') pipeline.target.calibration = { type: 'platt', slopes: Float64Array.from({ length: maps }, random.unit), shifts: Float64Array.from({ length: maps }, random.unit) };
      if (calibration === 'isotonic') pipeline.target.calibration = { type: 'isotonic', maps: Array.from({ length: maps }, (_, map) => steps(map === 2 ? 1 : 6)) };
      if (classes === 2) pipeline.target.decision = { positive: 1, threshold: 0.3 };
      const read = expectSame(pipeline);
      if (calibration !== 'isotonic') expect(read.target).toEqual(pipeline.target);
    }
  }
});

it('reads the parts of dates', () => {
  const pipeline = randomLinear({ seed: 1, numbers: 2, categories: 0, classes: 0 });
  const parts = ['month', 'day'] as const;
  pipeline.features = pipeline.features.map((feature, at) => (feature.type === 'number' ? { ...feature, name: `made · ${parts[at]}`, min: 100, max: 200, of: { column: 'made', part: parts[at]! } } : feature));
  expect(expectSame(pipeline).features.map((feature) => feature.type === 'number' && feature.of)).toEqual(parts.map((part) => ({ column: 'made', part })));
});

it('says why it reads no other packages', () => {
  const pipeline = randomDense({ seed: 1, numbers: 2, categories: 0, classes: 2 }, []);
  const { files } = buildPackage(pipeline, facts);
  const graph = files.get('model.onnx')!;
  const text = (what: string) => new Map(files).set('signature.json', Buffer.from(Buffer.from(files.get('signature.json')!).toString().replace('"dense"', what)));
  expect(readPipeline(text('"onnx"'))).toMatchObject({ type: 'unreadable', reason: 'imported' });
  // One bit of a weight: the graph is read, and written again otherwise only if a part of it was not understood.
  const changed = graph.slice();
  changed[changed.length - 1]! ^= 1;
  expect(readPipeline(new Map(files).set('model.onnx', changed))).toMatchObject({ type: 'unreadable', reason: 'unsupported' });
  const detector = buildDetectorPackage({
    features: [{ name: 'a', type: 'number', min: 0, max: 1, mean: 0, scale: 1, fill: 0, missingAllowed: false }], threshold: 1, falseAlarmRate: 0.1,
    scorer: { family: 'robust_z_score', combine: 'largest', columns: [{ type: 'number', centre: 0, scale: 1 }] },
  }, facts);
  expect(readPipeline(detector.files)).toMatchObject({ type: 'unreadable', reason: 'unsupported' });
});

it('knows float16: steps of 2^-10 between 1 and 2, 65504 at most, 2^-24 at least', () => {
  expect([1, -2, 65504, 65520, 2 ** -24, 2 ** -14, 0.1, 1 + 2 ** -11, 1 + 3 * 2 ** -11, -0].map(float16Bits)).toEqual(
    [0x3c00, 0xc000, 0x7bff, 0x7c00, 1, 0x0400, 0x2e66, 0x3c00, 0x3c02, 0x8000]);
  expect(Array.from({ length: 0x7c00 }, (_, bits) => bits).filter((bits) => float16Bits(fromFloat16Bits(bits)) !== bits)).toEqual([]);
});

describe('a large package', () => {
  const forest = () => buildPackage(randomTrees({ seed: 5, numbers: 3, categories: 2, classes: 3 }, 'random_forest', { trees: 20, leaves: 30 }), facts);

  /** What it reads, and how often this thread had time for others meanwhile. */
  async function aside(files: ReadonlyMap<string, Uint8Array>, largeBytes?: number): Promise<{ read: ReadPipeline; turns: number }> {
    let turns = 0;
    let other = setImmediate(function turn() {
      turns++;
      other = setImmediate(turn);
    });
    const read = await readPipelineAside(files, largeBytes).finally(() => clearImmediate(other));
    return { read, turns };
  }

  it('is read in a thread of its own, a small one is not; both as by this one', async () => {
    const { files } = forest();
    const here = readPipeline(files);
    const [small, large] = [await aside(files), await aside(files, 1_000)];
    expect(small.turns).toBe(0);
    expect(large.turns).toBeGreaterThan(10);
    expect(small.read).toEqual(here);
    expect(large.read).toEqual(here);
    expect(files.get('model.onnx')!.byteLength).toBeGreaterThan(1_000); // it is still here
  });

  it('that cannot be read is told so by the thread as well', async () => {
    const { files } = forest();
    const changed = new Map(files).set('signature.json', Buffer.from('{}'));
    expect((await aside(changed, 1_000)).read).toEqual(readPipeline(changed));
    const damaged = new Map(files).set('model.onnx', Buffer.alloc(2_000));
    expect((await aside(damaged, 1_000)).read).toEqual(readPipeline(damaged));
  });
});
