import { agree } from './agreement.ts';
import { checkRows } from './check-rows.ts';
import type { FittedFeature } from './fitted-columns.ts';
import type { FittedSurvival } from './fitted-survival.ts';
import { loadModel } from './loaded-model.ts';
import { createRandom, randomTrees } from '../test/random-pipeline.ts';
import { buildSurvivalPackage } from './model-package.ts';
import { readSurvival } from './read-survival.ts';
import { tensorMetadata } from './signature.ts';

const features: FittedFeature[] = [
  { name: 'maker', type: 'category', categories: ['north', 'south'], missingAllowed: false },
  { name: 'load', type: 'number', min: 0, max: 10, mean: 5, scale: 2, fill: 4, missingAllowed: true },
  { name: 'horizon', type: 'number', min: 0, max: 500, mean: 0, scale: 1, fill: 40, missingAllowed: true },
];
const location = (distribution: 'weibull' | 'log_normal'): FittedSurvival => ({
  family: 'accelerated_failure', target: 'hours', features, horizon: 40, intervalCoverage: 0.8, spread: 50,
  answer: {
    type: 'location', distribution, scale: 0.5,
    pipeline: { features, target: { name: 'hours', type: 'number', mean: 3, scale: 1 }, estimator: { family: 'linear', width: 4, kernel: Float64Array.of(0.4, -0.2, -0.7, 0), bias: Float64Array.of(4) } },
  },
});
const curve: FittedSurvival = { ...location('weibull'), family: 'kaplan_meier', answer: { type: 'curve', curve: { times: Float64Array.of(6, 22, 30), survival: Float64Array.of(0.9, 0.45, 0.3), end: 35 } } };
const facts = { metrics: {}, lineage: {} };

async function ask(model: FittedSurvival, rows: unknown) {
  const loaded = await loadModel(buildSurvivalPackage(model, facts).files);
  try {
    const checked = checkRows(loaded.signature, rows);
    if (checked.type === 'invalid') return checked.problems.map(({ code, field }) => `${code} ${field}`);
    return await loaded.predict(checked.rows);
  } finally {
    await loaded.close();
  }
}

const rows = [
  { maker: 'north', load: 9, horizon: 100 }, { maker: 'south', load: null }, { maker: 'east', load: 1, horizon: 0 }, { maker: 'south', load: 5, horizon: -3 },
];
const locations = [4 + 0.4 - 1.4, 4 - 0.2 + 0.35, 4 + 1.4, 4 - 0.2];
const horizons = [100, 40, 0, -3];

/** erf to 1e-7 by its series, which is enough for a runtime that has it in float32. */
const normalTail = (z: number) => {
  let [term, sum] = [z, z];
  for (let n = 1; n < 200; n++) sum += (term *= z ** 2 / (2 * n + 1));
  return 0.5 - (sum * Math.exp(-(z ** 2) / 2)) / Math.sqrt(2 * Math.PI);
};

test.each([
  ['weibull', [Math.log(-Math.log(0.9)), Math.log(Math.log(2)), Math.log(-Math.log(0.1))], (z: number) => Math.exp(-Math.exp(z))],
  ['log_normal', [-1.2815515655446004, 0, 1.2815515655446004], normalTail],
] as const)('%s: median, interval and survival of each row', async (distribution, [low, middle, high], tail) => {
  const answers = (await ask(location(distribution), rows)) as { value: number; interval: { lower: number; upper: number }; survival: number; horizon: number }[];
  expect(answers.map(({ horizon }) => horizon)).toEqual(horizons);
  answers.forEach(({ value, interval, survival }, row) => {
    const at = locations[row]!;
    expect(value).toBeCloseTo(Math.exp(at + 0.5 * middle), 8);
    expect(interval.lower).toBeCloseTo(Math.exp(at + 0.5 * low), 6);
    expect(interval.upper).toBeCloseTo(Math.exp(at + 0.5 * high), 6);
    expect(survival).toBeCloseTo(horizons[row]! > 0 ? tail((Math.log(horizons[row]!) - at) / 0.5) : 1, 6);
  });
});

test('a curve answers every row alike, and each horizon by its steps', async () => {
  const asked = [5.9, 6, 29, 30, 1000, null].map((horizon) => ({ maker: 'north', load: 1, horizon }));
  const answers = (await ask(curve, asked)) as { survival: number }[];
  expect(answers[0]).toMatchObject({ value: 22, interval: { lower: 6, upper: 35 } });
  [1, 0.9, 0.45, 0.3, 0.3, 0.3].forEach((share, row) => expect(answers[row]!.survival).toBeCloseTo(share, 12));
});

test('a horizon may be left out, other columns may not, and its values are checked as any number', async () => {
  expect(await ask(curve, [{ load: 1 }])).toEqual(['missing_feature maker']);
  expect(await ask(curve, [{ maker: 'north', horizon: '40' }])).toEqual(['not_a_number horizon']);
});

test('the signature tells the usual horizon and all outputs', () => {
  const { signature } = buildSurvivalPackage(location('weibull'), facts);
  expect(signature).toMatchObject({ task: 'survival', family: 'accelerated_failure', output: { name: 'hours', type: 'number' }, survival: { horizon: 40, intervalCoverage: 0.8 } });
  expect(signature.inputs.at(-1)).toMatchObject({ name: 'horizon', required: false });
  expect(tensorMetadata(signature).outputs.map(({ name }) => name)).toEqual(['prediction', 'lower', 'upper', 'survival']);
});

test('the same model gives the same bytes', () => {
  expect(buildSurvivalPackage(location('weibull'), facts).digest).toBe(buildSurvivalPackage(structuredClone(location('weibull')), facts).digest);
});

test.each<[string, FittedSurvival]>([
  ['a spread of nothing', { ...location('weibull'), answer: { ...location('weibull').answer, scale: 0 } as FittedSurvival['answer'] }],
  ['a horizon that must be given', { ...curve, features: [...features.slice(0, 2), { ...features[2]!, missingAllowed: false }] }],
  ['a curve that rises', { ...curve, answer: { type: 'curve', curve: { times: Float64Array.of(1, 2), survival: Float64Array.of(0.5, 0.6), end: 3 } } }],
  ['a pipeline of other columns', { ...location('weibull'), features: features.slice(1) }],
])('%s cannot be packaged', (_, model) => {
  expect(() => buildSurvivalPackage(model, facts)).toThrow(/cannot be packaged/);
});

test('a survival that differs is a disagreement, however wide the times are', () => {
  const at = (survival: number) => [{ value: 1000, interval: { lower: 900, upper: 1100 }, survival }];
  expect(agree(at(0.5), at(0.50005), { type: 'number', scale: 1e6 }).type).toBe('agrees');
  expect(agree(at(0.5), at(0.51), { type: 'number', scale: 1e6 }).type).toBe('disagrees');
  expect(agree(at(0.5), [{ value: 1000, interval: { lower: 900, upper: 1100 } }], { type: 'number', scale: 1 }).type).toBe('disagrees');
});

test('a model of a location is read back to the last byte, a line in float16 as well', () => {
  const random = createRandom(3);
  const trees = randomTrees({ seed: 4, numbers: 2, categories: 1, classes: 0 }, 'boosted_trees', { trees: 4, leaves: 7 });
  const asked = { ...features[2]!, name: 'horizon' };
  const grown = [...trees.features.map((feature) => (feature.type === 'number' ? { ...feature, mean: 0, scale: 1, fill: 0 } : feature)), asked];
  const estimator = { ...trees.estimator, codes: [...(trees.estimator as { codes: unknown[] }).codes, null] };
  const unit = { name: 'hours', type: 'number' as const, mean: 2 + random.unit(), scale: 0.7 };
  const forest = { ...location('weibull'), family: 'boosted_trees', features: grown, answer: { ...location('weibull').answer, pipeline: { features: grown, target: unit, estimator } } } as FittedSurvival;
  const halved = structuredClone(location('log_normal'));
  if (halved.answer.type !== 'location' || halved.answer.pipeline.estimator.family !== 'linear') throw new Error('It was a line');
  halved.answer.pipeline.estimator = { ...halved.answer.pipeline.estimator, kernel: Float64Array.of(0.5, -0.25, 0.75, 0), storage: 'float16' };
  for (const one of [location('weibull'), location('log_normal'), halved, forest]) {
    const { files, digest } = buildSurvivalPackage(one, facts);
    const read = readSurvival(files);
    if (read.type !== 'read') throw new Error(read.message);
    expect(buildSurvivalPackage(read.survival, facts).digest).toBe(digest);
    expect(read.survival.answer).toMatchObject({ scale: 0.5, distribution: one.answer.type === 'location' && one.answer.distribution });
  }
  expect(readSurvival(buildSurvivalPackage(curve, facts).files)).toMatchObject({ type: 'unreadable', message: expect.stringMatching(/same for all rows/) });
});
