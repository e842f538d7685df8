import { agree } from './agreement.ts';
import { checkRows } from './check-rows.ts';
import type { FittedFeature, FittedTarget } from './fitted-columns.ts';
import type { FittedPipeline, Heads } from './fitted-pipeline.ts';
import { float16Bits, fromFloat16Bits } from './float16.ts';
import { loadModel } from './loaded-model.ts';
import { buildPackage } from './model-package.ts';
import { readPipeline } from './read-pipeline.ts';
import { tensorMetadata } from './signature.ts';

const features: FittedFeature[] = [
  { name: 'load', type: 'number', min: 0, max: 10, mean: 5, scale: 2, fill: 4, missingAllowed: true },
  { name: 'maker', type: 'category', categories: ['north', 'south'], missingAllowed: false },
  { name: 'machine', type: 'category', categories: [], missingAllowed: true },
];
const heads = (outputs: number): Heads => ({
  column: 'machine', groups: ['', 'm1', 'm2'], kept: Uint8Array.of(1, 0, 1), inputs: [{ name: 'load', mean: 3, scale: 4 }],
  slopes: Float64Array.of(0.5, 0, -0.25),
  weights: Float64Array.from({ length: 3 * 2 * outputs }, (_, at) => (Math.floor(at / (2 * outputs)) === 1 ? 0 : Math.sin(at + 1))),
});
const number: FittedPipeline = {
  features, target: { name: 'wear', type: 'number', mean: 20, scale: 5 },
  estimator: { family: 'linear', width: 3, kernel: Float64Array.of(2, -1, 1), bias: Float64Array.of(18) }, heads: heads(1),
};
const classes = (target: Partial<Extract<FittedTarget, { classes: string[] }>>): FittedPipeline => ({
  features, target: { name: 'state', type: 'category', classes: ['bad', 'good'], ...target },
  estimator: { family: 'linear', width: 3, kernel: Float64Array.of(0, 0.7, 0, -0.5, 0, 0.5), bias: Float64Array.of(0, 0.2) }, heads: heads(2),
});
const facts = { metrics: {}, lineage: {} };
const rows = ['m2', 'm1', '', 'm7', null].flatMap((machine) => [{ load: 8, maker: 'south', machine }, { load: null, maker: 'north', machine }]);

async function ask(pipeline: FittedPipeline) {
  const model = await loadModel(buildPackage(pipeline, facts).files);
  try {
    const checked = checkRows(model.signature, rows);
    if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
    return { answers: await model.predict(checked.rows), warnings: checked.warnings };
  } finally {
    await model.close();
  }
}

/** By plain loops: the corrected z of a row, or null where no head answers. */
function corrected(row: (typeof rows)[number], z: number[]): number[] | null {
  const { groups, kept, slopes, weights } = heads(z.length);
  const group = row.machine === null ? -1 : groups.indexOf(row.machine);
  if (group < 0 || kept[group] !== 1) return null;
  const load = row.load === null ? 0 : (row.load - 3) / 4;
  return z.map((value, output) => value * (1 + slopes[group]!) + weights[group * 2 * z.length + output]! + load * weights[(group * 2 + 1) * z.length + output]!);
}

test('a number is moved and stretched by the head of its group, and by no other', async () => {
  const [{ answers, warnings }, plain] = [await ask(number), await ask({ ...number, heads: { ...heads(1), kept: new Uint8Array(3) } })];
  rows.forEach((row, at) => {
    const shared = 18 + 2 * (((row.load ?? 4) - 5) / 2) + (row.maker === 'south' ? 1 : -1);
    const own = corrected(row, [(shared - 20) / 5]);
    expect(answers[at]).toEqual({ value: expect.closeTo(own ? own[0]! * 5 + 20 : shared, 9), personalised: own !== null });
    if (!own) expect(answers[at]).toEqual(plain.answers[at]);
  });
  expect(warnings).toMatchObject([{ field: 'machine', code: 'unseen_category' }, { field: 'machine', code: 'unseen_category' }]);
});

test.each([
  ['the more probable class', {}],
  ['a threshold', { decision: { positive: 1, threshold: 0.8 } }],
  ['corrected probabilities', { calibration: { type: 'platt' as const, slopes: Float64Array.of(1.4), shifts: Float64Array.of(-0.3) } }],
])('classes, and their label by %s', async (_, target) => {
  const { answers } = await ask(classes(target));
  rows.forEach((row, at) => {
    const logit = 0.2 + 0.7 * (((row.load ?? 4) - 5) / 2) + (row.maker === 'south' ? 0.5 : -0.5);
    let p = 1 / (1 + Math.exp(-logit));
    if ('calibration' in target) p = 1 / (1 + Math.exp(-(1.4 * Math.log(p / (1 - p)) - 0.3)));
    const own = corrected(row, [Math.log(1 - p), Math.log(p)]);
    if (own) p = 1 / (1 + Math.exp(own[0]! - own[1]!));
    const threshold = 'decision' in target ? 0.8 : 0.5;
    expect(answers[at]).toEqual({ label: p >= threshold ? 'good' : 'bad', probabilities: [expect.closeTo(1 - p, 5), expect.closeTo(p, 5)], personalised: own !== null });
  });
});

test('the signature knows all groups, lets them be missing, and tells the further output', () => {
  const { signature } = buildPackage(number, facts);
  expect(signature).toMatchObject({ task: 'regression', family: 'linear', personalisation: { column: 'machine', heads: 2 }, graph: { missingCategory: '?' } });
  expect(signature.inputs.at(-1)).toEqual({ name: 'machine', type: 'category', required: false, categories: ['', 'm1', 'm2'] });
  expect(tensorMetadata(signature).outputs.map(({ name }) => name)).toEqual(['prediction', 'personalised']);
  expect(tensorMetadata(buildPackage(classes({}), facts).signature).outputs.map(({ name }) => name)).toEqual(['prediction', 'probabilities', 'personalised']);
});

test.each<[string, FittedPipeline]>([
  ['a number', number], ['classes', classes({})], ['a threshold', classes({ decision: { positive: 1, threshold: 0.8 } })],
  ['corrected probabilities', classes({ calibration: { type: 'platt', slopes: Float64Array.of(1.4), shifts: Float64Array.of(-0.3) }, decision: { positive: 0, threshold: 0.3 } })],
  ['an ensemble of numbers', { ...number, estimator: { family: 'ensemble', members: [0.25, 0.75].map((weight) => ({ weight, features, target: number.target, estimator: number.estimator as never })) } }],
  ['an ensemble of classes', { ...classes({}), estimator: { family: 'ensemble', members: [0.25, 0.75].map((weight) => ({ weight, features, target: classes({}).target, estimator: classes({}).estimator as never })) } }],
])('%s with heads: read back to the last byte, and kept in float16', async (_, pipeline) => {
  const half = (value: number) => fromFloat16Bits(float16Bits(value));
  const { slopes, weights } = pipeline.heads!;
  const rounded = { ...pipeline, heads: { ...pipeline.heads!, slopes: slopes.map((slope) => half(1 + slope) - 1), weights: weights.map(half) } };
  const kept = { ...rounded, heads: { ...rounded.heads, storage: 'float16' as const } };
  for (const one of [pipeline, kept]) {
    const { files, digest } = buildPackage(one, facts);
    const read = readPipeline(files);
    if (read.type !== 'read') throw new Error(read.message);
    expect(buildPackage(read.pipeline, facts).digest).toBe(digest);
    expect(read.pipeline.heads).toEqual(one.heads);
  }
  expect((await ask(kept)).answers).toEqual((await ask(rounded)).answers);
  expect(() => buildPackage({ ...pipeline, heads: { ...pipeline.heads!, storage: 'float16' } }, facts)).toThrow(/float16 does not/);
});

test('a head used by one engine only is a disagreement', () => {
  const target = { type: 'number' as const, scale: 1 };
  expect(agree([{ value: 1, personalised: true }], [{ value: 1, personalised: true }], target).type).toBe('agrees');
  expect(agree([{ value: 1, personalised: true }], [{ value: 1, personalised: false }], target).type).toBe('disagrees');
});

test.each<[string, Partial<Heads>]>([
  ['a group twice', { groups: ['a', 'a', 'b'] }],
  ['weights of another size', { weights: new Float64Array(3) }],
  ['a number that is not finite', { slopes: Float64Array.of(0, NaN, 0) }],
  ['a column that is not the last', { column: 'maker' }],
  ['an input that is no number', { inputs: [{ name: 'maker', mean: 0, scale: 1 }] }],
])('heads with %s cannot be packaged', (_, change) => {
  expect(() => buildPackage({ ...number, heads: { ...heads(1), ...change } }, facts)).toThrow(/cannot be packaged/);
});
