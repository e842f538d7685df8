import { agree } from './agreement.ts';
import { checkRows } from './check-rows.ts';
import type { FittedForecast } from './fitted-forecast.ts';
import { loadModel } from './loaded-model.ts';
import { buildForecastPackage } from './model-package.ts';
import { tensorMetadata } from './signature.ts';

const sites: FittedForecast = {
  family: 'exponential_smoothing',
  target: 'visits',
  series: { column: 'site', names: ['', 'Köln', 'north'] },
  horizon: 2,
  covariates: [],
  parts: [{ base: Float64Array.of(10, 11, 20, 21, 30, 31), unit: new Float64Array(6).fill(1), logarithmic: new Int32Array(3), head: null }],
  floor: Float64Array.of(0, 0, 0),
  below: Float64Array.of(1, 1.5, 2, 4, 3, 5),
  above: Float64Array.of(1, 1.5, 2, 4, 3, 5),
  lastObservation: '2026-03-31T00:00:00.000Z',
  frequency: 'P1D',
  intervalCoverage: 0.9,
  scale: 5,
};
const one: FittedForecast = {
  ...sites, series: null, floor: Float64Array.of(9.25), below: Float64Array.of(1, 1.5), above: Float64Array.of(1, 1.5),
  parts: [{ base: Float64Array.of(10, 11), unit: Float64Array.of(1, 1), logarithmic: new Int32Array(1), head: null }],
};
const facts = { metrics: {}, lineage: {} };

async function ask(forecast: FittedForecast, rows: unknown) {
  const model = await loadModel(buildForecastPackage(forecast, facts).files);
  try {
    const checked = checkRows(model.signature, rows);
    if (checked.type === 'invalid') return checked.problems.map(({ code, row, field, remedy }) => `${code} ${row} ${field}: ${remedy}`);
    return await model.predict(checked.rows);
  } finally {
    await model.close();
  }
}

test('a forecast answers by step, with its interval', async () => {
  expect(await ask(one, [{ step: 2 }, { step: 1 }])).toEqual([
    { value: 11, interval: { lower: 9.5, upper: 12.5 } },
    { value: 10, interval: { lower: 9.25, upper: 11 } },
  ]);
});

test('and by series, also by one without a name', async () => {
  const rows = [{ site: 'north', step: 1 }, { site: '', step: 2 }, { site: 'Köln', step: 2 }];
  expect(await ask(sites, rows)).toMatchObject([{ value: 30 }, { value: 11 }, { value: 21, interval: { lower: 17, upper: 25 } }]);
});

test.each([
  ['a step beyond the horizon', { site: 'north', step: 3 }, 'value_not_offered 0 step: Send a whole number from 1 to 2.'],
  ['a step before the first', { site: 'north', step: 0 }, 'value_not_offered 0 step: Send a whole number from 1 to 2.'],
  ['half a step', { site: 'north', step: 1.5 }, 'value_not_offered 0 step: Send a whole number from 1 to 2.'],
  ['a series that was not there', { site: 'south', step: 1 }, 'value_not_offered 0 site: Send one of "", "Köln", "north".'],
  ['no series', { step: 1 }, 'missing_feature 0 site: Send "site" as text.'],
])('%s is refused by name', async (_, row, problem) => {
  expect(await ask(sites, [row])).toEqual([problem]);
});

test('the signature dates the answers and tells all outputs', () => {
  const { signature } = buildForecastPackage(sites, facts);
  expect(signature).toMatchObject({ task: 'forecasting', forecast: { lastObservation: '2026-03-31T00:00:00.000Z', frequency: 'P1D', horizon: 2, intervalCoverage: 0.9 } });
  expect(tensorMetadata(signature).outputs.map(({ name }) => name)).toEqual(['prediction', 'lower', 'upper']);
});

describe('a forecast that depends on covariates', () => {
  const covariates: FittedForecast['covariates'] = [
    { name: 'holiday', type: 'binary', categories: ['no', 'yes'], missingAllowed: true },
    { name: 'temperature', type: 'number', min: -10, max: 30, mean: 10, scale: 5, fill: 15, missingAllowed: false },
  ];
  const cells = { unit: new Float64Array(6).fill(2), logarithmic: new Int32Array(3) };
  const base = sites.parts[0]!.base;
  const rows = [
    { site: 'north', step: 2, holiday: 'yes', temperature: 20 },
    { site: '', step: 1, holiday: null, temperature: 0 },
  ];
  const withParts = (...parts: FittedForecast['parts']): FittedForecast => ({ ...sites, covariates, parts });

  test('by weights, one row of them for each series', async () => {
    // Encoded: no, yes, (temperature - 10) / 5.
    const weights = Float64Array.of(0, 0, 3, 0, 0, 0, 0.5, -7, 4);
    expect(await ask(withParts({ ...cells, base, head: { type: 'linear', weights } }), rows)).toMatchObject([
      { value: 31 + 2 * (-7 + 2 * 4), interval: { lower: 28, upper: 38 } },
      { value: 0, interval: { lower: 0, upper: 1 } }, // 10 - 12, held above the floor
    ]);
  });

  test('on logarithms where the series is one', async () => {
    const part = { ...cells, base: base.map(Math.log), logarithmic: Int32Array.of(0, 0, 1), head: { type: 'linear' as const, weights: new Float64Array(9).fill(0.1) } };
    const [north, nameless] = (await ask(withParts(part), rows)) as { value: number }[];
    expect(north!.value).toBeCloseTo(31 * Math.exp(2 * (0.1 + 0.2)), 9);
    expect(nameless!.value).toBeCloseTo(Math.log(10) + 2 * -0.2, 9);
  });

  test('by trees over what was known and what is given', async () => {
    const tree = (feature: number, threshold: number, values: [number, number]) => ({
      feature: Int32Array.of(feature, -1, -1), threshold: Float64Array.of(threshold, 0, 0), missingLeft: Int32Array.of(1, 0, 0),
      left: Int32Array.of(1, 0, 1), right: Int32Array.of(2, 0, 0), sets: new Int32Array(), values: Float64Array.from(values),
    });
    // The first column stands for what was known of the cell; NaN goes left.
    const known = Float64Array.of(NaN, 1, 2, 3, 4, 5);
    const head = { type: 'trees' as const, width: 1, rows: known, trees: [tree(0, 2, [1, 10]), tree(3, 0, [100, 1000])] };
    expect(await ask(withParts({ ...cells, base, head }), rows)).toMatchObject([{ value: 31 + 2 * 1010 }, { value: 10 + 2 * 101 }]);
  });

  test('by a network, and by the mean of several', async () => {
    const layers = [
      { activation: 'relu' as const, inputs: 4, units: 2, kernel: Float32Array.of(1, 0, 0, 0, 0, 5, 1, -1), bias: Float32Array.of(0, 1) },
      { activation: 'linear' as const, inputs: 2, units: 1, kernel: Float32Array.of(1, 0.5), bias: Float32Array.of(0.25) },
    ];
    const network = { ...cells, base, head: { type: 'network' as const, width: 1, rows: Float32Array.of(0, 0, 0, 0, 0, 3), layers } };
    // north, step 2: units 3 + 2 and 5 - 2 + 1; the other one: max(0, -2) and 2 + 1.
    const values = [31 + 2 * (5 + 2 + 0.25), 10 + 2 * (0 + 1.5 + 0.25)];
    expect(await ask(withParts(network), rows)).toMatchObject(values.map((value) => ({ value })));
    const table = { ...sites.parts[0]!, base: base.map(() => 7) };
    expect(await ask(withParts(network, table), rows)).toMatchObject(values.map((value) => ({ value: (value + 7) / 2 })));
  });

  test('asks for them by name', async () => {
    const forecast = withParts({ ...cells, base, head: { type: 'linear', weights: new Float64Array(9) } });
    expect(await ask(forecast, [{ site: 'north', step: 1, holiday: 'no' }])).toEqual(['missing_feature 0 temperature: Send "temperature" as a number.']);
    expect(buildForecastPackage(forecast, facts).signature.inputs.map(({ name, required }) => [name, required])).toEqual([['step', true], ['site', true], ['holiday', false], ['temperature', true]]);
  });
});

test('the same forecast gives the same bytes', () => {
  expect(buildForecastPackage(sites, facts).digest).toBe(buildForecastPackage({ ...sites, below: Float64Array.from(sites.below) }, facts).digest);
});

test.each<[string, Partial<FittedForecast>]>([
  ['a number too few', { below: Float64Array.of(1) }],
  ['an interval that its forecast lies outside of', { below: sites.below.map((value) => -value) }],
  ['a number that is not finite', { above: sites.above.map(() => Infinity) }],
  ['a covariate that nothing reads', { covariates: [{ name: 'holiday', type: 'binary', categories: ['no', 'yes'], missingAllowed: false }] }],
  ['a series twice', { series: { column: 'site', names: ['a', 'a', 'b'] } }],
  ['a series that is called as the step is', { series: { column: 'step', names: ['a', 'b', 'c'] } }],
])('%s cannot be packaged', (_, change) => {
  expect(() => buildForecastPackage({ ...sites, ...change }, facts)).toThrow(/cannot be packaged/);
});

test('an end of an interval that differs is a disagreement', () => {
  const at = (upper: number) => [{ value: 10, interval: { lower: 9, upper } }];
  expect(agree(at(11), at(11), { type: 'number', scale: 1 }).type).toBe('agrees');
  expect(agree(at(11), at(12), { type: 'number', scale: 1 }).type).toBe('disagrees');
  expect(agree(at(11), [{ value: 10 }], { type: 'number', scale: 1 }).type).toBe('disagrees');
});
