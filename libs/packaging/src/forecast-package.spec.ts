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
  point: Float64Array.of(10, 11, 20, 21, 30, 31),
  lower: Float64Array.of(9, 9.5, 18, 17, 27, 26),
  upper: Float64Array.of(11, 12.5, 22, 25, 33, 36),
  lastObservation: '2026-03-31T00:00:00.000Z',
  frequency: 'P1D',
  intervalCoverage: 0.9,
  scale: 5,
};
const one: FittedForecast = { ...sites, series: null, point: Float64Array.of(10, 11), lower: Float64Array.of(9, 9.5), upper: Float64Array.of(11, 12.5) };
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
    { value: 10, interval: { lower: 9, upper: 11 } },
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

test('the same forecast gives the same bytes', () => {
  expect(buildForecastPackage(sites, facts).digest).toBe(buildForecastPackage({ ...sites, point: Float64Array.from(sites.point) }, facts).digest);
});

test.each<[string, Partial<FittedForecast>]>([
  ['a number too few', { point: Float64Array.of(1) }],
  ['an interval that its forecast lies outside of', { lower: sites.upper }],
  ['a number that is not finite', { upper: sites.upper.map(() => Infinity) }],
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
