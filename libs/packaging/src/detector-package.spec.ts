import { agree } from './agreement.ts';
import { createRandom } from '../test/random-pipeline.ts';
import { checkRows } from './check-rows.ts';
import type { FittedDetector, FittedScorer } from './fitted-detector.ts';
import { float16Bits, fromFloat16Bits } from './float16.ts';
import { loadModel, type Prediction } from './loaded-model.ts';
import { buildDetectorPackage } from './model-package.ts';
import { readDetector } from './read-detector.ts';
import { tensorMetadata } from './signature.ts';

const features: FittedDetector['features'] = [
  { name: 'mode', type: 'category', categories: ['fast', 'slow'], missingAllowed: true },
  { name: 'torque', type: 'number', min: 0, max: 10, mean: 5, scale: 2, fill: 4, missingAllowed: true },
  { name: 'speed', type: 'number', min: 0, max: 10, mean: 0, scale: 1, fill: 0, missingAllowed: false },
];
const facts = { metrics: {}, lineage: {} };
const detector = (scorer: FittedScorer, threshold = 1): FittedDetector => ({ features, scorer, threshold, falseAlarmRate: 0.01 });

const robust = (combine: 'largest' | 'combined'): FittedScorer => ({
  family: 'robust_z_score', combine,
  columns: [{ type: 'category', scores: Float64Array.of(0.5, 1.5, 6) }, { type: 'number', centre: 5, scale: 2 }, { type: 'number', centre: 1, scale: 1 }],
});

/** Asks for the mode, or whether the speed is above 3: leaves at depth 1 and 2. */
const forest: FittedScorer = {
  family: 'isolation_forest', sampleSize: 4, codes: [Int32Array.of(1, 0), null, null],
  trees: [
    {
      feature: Int32Array.of(0, -1, 2, -1, -1), threshold: Float64Array.of(0, 0, 3, 0, 0), missingLeft: new Int32Array(5),
      left: Int32Array.of(1, 0, 3, 1, 2), right: Int32Array.of(2, 0, 4, 0, 0), sets: Int32Array.of(0b001, 0, 0, 0, 0, 0, 0, 0), values: Float64Array.of(1, 2, 3),
    },
    { feature: Int32Array.of(-1), threshold: new Float64Array(1), missingLeft: new Int32Array(1), left: new Int32Array(1), right: new Int32Array(1), sets: new Int32Array(), values: Float64Array.of(2) },
  ],
};

/** Says of every row: mode with logits 1 and 0, torque 0.5 deviations above its mean, speed as 2. */
const network: FittedScorer = {
  family: 'autoencoder',
  layers: [{ activation: 'linear', inputs: 4, units: 4, kernel: new Float32Array(16), bias: Float32Array.of(1, 0, 0.5, 2) }],
  columns: [{ usual: 0.5, otherError: 3 }, { usual: 2, otherError: 0 }, { usual: 1, otherError: 0 }],
};

async function ask(fitted: FittedDetector, rows: unknown): Promise<Prediction[]> {
  const model = await loadModel(buildDetectorPackage(fitted, facts).files);
  try {
    const checked = checkRows(model.signature, rows);
    if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
    return await model.predict(checked.rows);
  } finally {
    await model.close();
  }
}

const rows = [{ mode: 'fast', torque: 9, speed: 1 }, { mode: 'slow', torque: null, speed: 4 }, { mode: 'never seen', torque: 5, speed: 1 }];

test('a robust z-score is the largest of its columns, which it tells in the order of the inputs', async () => {
  expect(await ask(detector(robust('largest'), 2.5), rows)).toEqual([
    { value: 2, anomaly: { isAnomaly: false, contributions: [0.5, 2, 0] } },
    { value: 3, anomaly: { isAnomaly: true, contributions: [1.5, 0, 3] } },
    { value: 6, anomaly: { isAnomaly: true, contributions: [6, 0, 0] } },
  ]);
});

test('or the root of their mean square, to which they add up, at 0 too', async () => {
  const [first] = (await ask(detector(robust('combined')), rows)) as { value: number; anomaly: { contributions: number[] } }[];
  expect(first!.value).toBeCloseTo(Math.sqrt((0.25 + 4) / 3), 12);
  expect(first!.anomaly.contributions.map((part) => part * 3 * first!.value)).toEqual([expect.closeTo(0.25, 12), expect.closeTo(4, 12), 0]);
  const flat = detector({ family: 'robust_z_score', combine: 'combined', columns: [{ type: 'category', scores: new Float64Array(3) }, { type: 'number', centre: 5, scale: 2 }, { type: 'number', centre: 1, scale: 1 }] });
  expect(await ask(flat, [{ mode: 'fast', torque: 5, speed: 1 }])).toEqual([{ value: 0, anomaly: { isAnomaly: false, contributions: [0, 0, 0] } }]);
});

test('a forest adds up the paths of a row: 2 to the minus of their mean by c(4)', async () => {
  const expected = 2 * (Math.log(3) + 0.5772156649015329) - 1.5;
  const scores = (await ask(detector(forest), [{ mode: 'slow', torque: 1, speed: 9 }, { mode: 'fast', torque: 1, speed: 3 }, { mode: 'never seen', torque: 1, speed: 3.5 }])) as { value: number }[];
  expect(scores.map(({ value }) => value)).toEqual([3, 4, 5].map((lengths) => expect.closeTo(2 ** (-lengths / 2 / expected), 12)));
  expect(scores[0]).toMatchObject({ anomaly: { isAnomaly: false } });
  expect(scores[0]).not.toHaveProperty('anomaly.contributions');
});

test('an autoencoder scores the mean of errors by what is usual; gaps have none, unknown categories their own', async () => {
  const fast = -Math.log(Math.E / (Math.E + 1)) / 0.5;
  const slow = -Math.log(1 / (Math.E + 1)) / 0.5;
  const parts = [[fast, (2 - 0.5) ** 2 / 2, 1], [slow, 0, 4], [6, 0.25 / 2, 1]];
  const answers = await ask(detector(network), rows);
  answers.forEach((answer, at) => expect(answer).toMatchObject({
    value: expect.closeTo(parts[at]!.reduce((sum, part) => sum + part, 0) / 3, 6),
    anomaly: { contributions: parts[at]!.map((part) => expect.closeTo(part / 3, 6)) },
  }));
});

test('a baseline scores every row 0 and reports none', async () => {
  expect(await ask(detector({ family: 'baseline' }, 0), rows)).toEqual(rows.map(() => ({ value: 0, anomaly: { isAnomaly: false } })));
});

test('the signature tells the threshold, what it promises, and all outputs', () => {
  const { signature } = buildDetectorPackage(detector(network), facts);
  expect(signature).toMatchObject({ task: 'anomaly_detection', family: 'autoencoder', output: { name: 'score', type: 'number' }, anomaly: { threshold: 1, falseAlarmRate: 0.01, hasContributions: true } });
  expect(tensorMetadata(signature).outputs).toEqual([
    { name: 'score', datatype: 'FP64', shape: [-1] }, { name: 'isAnomaly', datatype: 'BOOL', shape: [-1] }, { name: 'contributions', datatype: 'FP64', shape: [-1, 3] },
  ]);
  expect(tensorMetadata(buildDetectorPackage(detector(forest), facts).signature).outputs).toHaveLength(2);
});

test('the same detector gives the same bytes', () => {
  expect(buildDetectorPackage(detector(network), facts).digest).toBe(buildDetectorPackage(structuredClone(detector(network)), facts).digest);
});

test.each<[string, FittedDetector]>([
  ['a threshold that is no number', detector(forest, NaN)],
  ['a column too few', detector({ ...robust('largest'), columns: [] } as never)],
  ['a scale of 0', detector({ ...robust('largest'), columns: [{ type: 'category', scores: Float64Array.of(0, 0, 0) }, { type: 'number', centre: 0, scale: 0 }, { type: 'number', centre: 0, scale: 1 }] } as never)],
  ['a network that ends too narrow', detector({ ...network, layers: [{ activation: 'linear', inputs: 4, units: 3, kernel: new Float32Array(12), bias: new Float32Array(3) }] } as never)],
  ['a usual error of 0', detector({ ...network, columns: [{ usual: 0, otherError: 3 }, { usual: 2, otherError: 0 }, { usual: 1, otherError: 0 }] } as never)],
  ['a forest without trees', detector({ ...forest, trees: [] } as never)],
])('%s cannot be packaged', (_, fitted) => {
  expect(() => buildDetectorPackage(fitted, facts)).toThrow(/cannot be packaged/);
});

test('forests and autoencoders are read back to the last byte, these also in fewer bits, which answer as the weights that they stand for', async () => {
  const random = createRandom(5);
  const floats = (length: number) => Float32Array.from({ length }, () => random.between(-1, 1));
  const halves = (values: Float32Array) => values.map((value) => fromFloat16Bits(float16Bits(value)));
  const shapes = [['relu', 4, 3], ['linear', 3, 4]] as const;
  const layers = shapes.map(([activation, inputs, units]) => ({ activation, inputs, units, kernel: halves(floats(inputs * units)), bias: floats(units) }));
  const whole = layers.map((layer, at) => {
    const scales = Float32Array.from({ length: layer.units }, () => random.between(0.005, 0.02));
    return { ...layer, kernel: layer.kernel.map((_, cell) => (random.below(129) - 64) * scales[cell % layer.units]!), storage: { type: 'int8' as const, scales, input: at === 0 ? null : { scale: Math.fround(0.01), zeroPoint: 0 } } };
  });
  const coder = (own: object[]) => detector({ ...network, layers: own } as never);
  const kinds = [detector(forest), detector(network), coder(layers), coder(layers.map((layer) => ({ ...layer, storage: { type: 'float16' } }))), coder(whole)];
  for (const one of [...kinds, ...kinds.map((own) => ({ ...own, features: [own.features[1]!, own.features[2]!, own.features[0]!], scorer: own.scorer.family === 'isolation_forest' ? { ...own.scorer, trees: own.scorer.trees.slice(1), codes: [null, null, own.scorer.codes[0]!] } : own.scorer }))]) {
    const { files, digest } = buildDetectorPackage(one, facts);
    const read = readDetector(files);
    if (read.type !== 'read') throw new Error(read.message);
    expect(buildDetectorPackage(read.detector, facts).digest).toBe(digest);
  }
  expect(await ask(kinds[3]!, rows)).toEqual(await ask(kinds[2]!, rows));
  expect(agree(await ask(coder(whole.map(({ storage: _storage, ...layer }) => layer)), rows), await ask(kinds[4]!, rows), { type: 'anomaly', threshold: 1 }, kinds[4]!.scorer as never)).toMatchObject({ tolerance: 1e-2 });
  expect(() => buildDetectorPackage(coder(layers.map((layer) => ({ ...layer, kernel: layer.kernel.map((value) => value + 1e-5), storage: { type: 'float16' } }))), facts)).toThrow(/float16 does not hold/);
  expect(readDetector(buildDetectorPackage(detector(robust('largest')), facts).files)).toMatchObject({ type: 'unreadable', message: expect.stringMatching(/robust_z_score/) });
});

test('engines disagree by score, by what features add, and by a report beside a tie', () => {
  const at = (value: number, isAnomaly: boolean, contributions?: number[]): Prediction[] => [{ value, anomaly: { isAnomaly, ...(contributions ? { contributions } : {}) } }];
  const compare = (left: Prediction[], right: Prediction[]) => agree(left, right, { type: 'anomaly', threshold: 1 }).type;
  expect(compare(at(5000, true), at(5000.1, true))).toBe('agrees');
  expect(compare(at(0.5, false), at(0.51, false))).toBe('disagrees');
  expect(compare(at(1, false), at(1.00001, true))).toBe('agrees');
  expect(compare(at(2, false), at(2, true))).toBe('disagrees');
  expect(compare(at(2, true, [1, 1]), at(2, true, [2, 0]))).toBe('disagrees');
  expect(compare(at(2, true, [1, 1]), at(2, true))).toBe('disagrees');
  expect(compare(at(2, true), [{ value: 2 }])).toBe('disagrees');
});
