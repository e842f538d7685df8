import { parseTrainingSpec } from '@millrace/configuration';
import { selectBackend } from '../backend.ts';
import { createRandom } from '../random.ts';
import { answerForecast } from './fitted-forecast.ts';
import type { ForecastTable } from './series.ts';
import { trainForecast, type TrainForecastOptions } from './train-forecast.ts';

const day = (index: number) => new Date(Date.UTC(2026, 0, 5 + index)).toISOString().slice(0, 10);
const draws = createRandom(23);
const days = 56;
const heat = Float64Array.from({ length: days }, () => 2 * draws.uniform() - 1);
const values = Float64Array.from({ length: 2 * days }, (_, at) => (at < days ? 1 : 10) * (50 + [0, 4, 9, 5, 20, 30, 10][at % days % 7]! + 15 * heat[at % days]! + 2 * draws.uniform()));
const table: ForecastTable = {
  times: Array.from(values, (_, at) => day(at % days)),
  series: Array.from(values, (_, at) => (at < days ? 'a' : 'b')),
  values,
  covariates: [{ name: 'heat', type: 'number', values: Float64Array.of(...heat, ...heat) }],
};

function specOf(models: object[]) {
  const parsed = parseTrainingSpec({
    inputFeatures: [{ name: 'heat', type: 'number' }], outputFeatures: [{ name: 'visits', type: 'number' }],
    forecast: { timeColumn: 'day', seriesColumn: 'site', horizon: 3, models },
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
}
const small = { units: 3, context: 8, epochs: 2 };
const spec = specOf([{ family: 'drift' }, { family: 'lag_trees', numIterations: 5 }, { family: 'gru', ...small }, { family: 'tcn', ...small }, { family: 'combination' }]);

/** Runs until `stopAfter` signs of life, if it comes so far; saves whatever it may, and goes on from `saved`. */
async function run(saved: { bytes: Uint8Array | null }, stopAfter: number, options: Partial<TrainForecastOptions> = {}) {
  const abort = new AbortController();
  const signs: string[] = [];
  const live = (sign: string) => {
    signs.push(sign);
    if (signs.length >= stopAfter) abort.abort();
  };
  const outcome = await trainForecast({
    table, spec, backend: await selectBackend({ prefer: 'cpu' }), signal: abort.signal,
    checkpoint: { isDue: () => true, load: async () => saved.bytes, save: async (bytes) => void (saved.bytes = Uint8Array.from(bytes)) },
    onTrial: ({ family }) => live(family),
    onEpoch: ({ trial, epoch }) => live(`${trial}/${epoch}`),
    onResumed: ({ trial, epoch }) => void signs.push(`resumed ${trial}/${epoch}`),
    ...options,
  });
  return { outcome, signs };
}

const forecastsOf = ({ outcome }: Awaited<ReturnType<typeof run>>) => {
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  return outcome.trials.map(({ family, forecast, metrics, parameters }) => ({ family, forecast, metrics, parameters }));
};

test('a forecast that was stopped again and again is that of an undisturbed run, and makes nothing twice', async () => {
  const whole = await run({ bytes: null }, Infinity);
  const expected = forecastsOf(whole);
  expect(expected.map(({ family }) => family)).toEqual(['drift', 'lag_trees', 'gru', 'tcn', 'combination', 'seasonal_naive', 'naive']);

  const saved = { bytes: null as Uint8Array | null };
  const signs: string[] = [];
  let last;
  for (let attempt = 0; attempt < 20; attempt++) {
    last = await run(saved, 3);
    signs.push(...last.signs);
    if (last.outcome.type === 'trained') break;
  }
  expect(forecastsOf(last!)).toEqual(expected);
  expect(signs.filter((sign) => sign.startsWith('resumed')).length).toBeGreaterThan(5);
  const epochs = signs.filter((sign) => /^\d/.test(sign));
  expect(epochs).toEqual(whole.signs.filter((sign) => /^\d/.test(sign)));
  expect(signs.filter((sign) => sign === 'lag_trees')).toHaveLength(1);
});

test('a checkpoint of other data or of another configuration is passed over', async () => {
  const saved = { bytes: null as Uint8Array | null };
  const short = specOf([{ family: 'drift' }, { family: 'lag_linear' }]);
  await run(saved, Infinity, { spec: short });
  const changed = { ...table, values: values.map((value, at) => (at === 5 ? value + 1 : value)) };
  expect((await run({ ...saved }, Infinity, { spec: short })).signs).toEqual(['resumed 4/0']);
  expect((await run({ ...saved }, Infinity, { spec: short, table: changed })).signs[0]).toBe('drift');
  expect((await run({ ...saved }, Infinity, { spec: specOf([{ family: 'lag_linear' }]) })).signs[0]).toBe('lag_linear');
  expect((await run({ bytes: saved.bytes!.map((byte, at) => (at === 200 ? byte ^ 1 : byte)) }, Infinity, { spec: short })).signs[0]).toBe('drift');
});

test('a network of several series learns what the covariates do, and answers by them', async () => {
  await selectBackend({ prefer: 'wasm' });
  const outcome = await trainForecast({ table, spec: specOf([{ family: 'tcn', units: 8, context: 8, epochs: 30, learningRate: 0.01 }]) });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  const [{ forecast, metrics }] = outcome.trials as [(typeof outcome.trials)[number]];
  expect(metrics.test.mase!).toBeLessThan(metrics.baseline.mase! * 0.6);
  const asked = { rows: 2, columns: [{ name: 'heat', type: 'number' as const, values: Float64Array.of(-0.8, 0.8) }] };
  for (const [name, size] of [['a', 1], ['b', 10]] as const) {
    const [cold, hot] = [0, 1].map((row) => answerForecast(forecast, 2, name, { table: asked, row }).value);
    expect((hot! - cold!) / size).toBeGreaterThan(12);
    expect((hot! - cold!) / size).toBeLessThan(36);
  }
});
