import { parseTrainingSpec } from '@millrace/configuration';
import { createRandom } from '../random.ts';
import { answerCell, answerForecast, type FittedForecast } from './fitted-forecast.ts';
import { learnForecaster } from './forecaster.ts';
import { fitLagRegression, forecastLagRegression } from './lag-regression.ts';
import { findPattern } from './seasonal-pattern.ts';
import type { ForecastTable } from './series.ts';
import { trainForecast } from './train-forecast.ts';

const day = (index: number) => new Date(Date.UTC(2026, 0, 1 + index)).toISOString().slice(0, 10);
const random = createRandom(3);
const weekly = (count: number, size: number) =>
  Float64Array.from({ length: count }, (_, index) => size * (100 + index / 5 + [0, 4, 9, 5, 20, 40, 25][index % 7]! + 6 * (random.uniform() - 0.5)));
/** What a forecast without covariates says of every series and step. */
const answers = (forecast: FittedForecast) =>
  (forecast.series?.names ?? ['']).flatMap((_, series) => Array.from({ length: forecast.horizon }, (_step, step) => answerCell(forecast, series, step, new Float64Array())));
const single = (values: Float64Array): ForecastTable => ({ times: Array.from(values, (_, index) => day(index)), series: null, values });

function specOf(forecast: object, more: object = {}) {
  const parsed = parseTrainingSpec({ inputFeatures: [], outputFeatures: [{ name: 'visits', type: 'number' }], forecast: { timeColumn: 'day', horizon: 7, ...forecast }, ...more });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
}

async function train(table: ForecastTable, forecast: object = {}, more: object = {}) {
  const outcome = await trainForecast({ table, spec: specOf(forecast, more) });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  return outcome;
}

describe('a forecast', () => {
  it('tries what it was asked to and the naive ones, and chooses by the validation values', async () => {
    const outcome = await train(single(weekly(120, 1)));
    expect(outcome.trials.map(({ family }) => family)).toEqual(['exponential_smoothing', 'lag_linear', 'combination', 'seasonal_naive', 'naive']);
    expect(outcome).toMatchObject({ selectionMetric: 'mase', rows: { series: 1, values: 120 }, warnings: [], failures: [] });
    const scores = outcome.trials.map(({ metrics }) => metrics.validation!.mase!);
    expect(scores[outcome.best]).toBe(Math.min(...scores));
    expect(outcome.trials[0]!.metrics.test.mase).toBeLessThan(outcome.trials[3]!.metrics.test.mase!);
    expect(outcome.trials[0]!.metrics.baseline).toEqual(outcome.trials[3]!.metrics.test);
    const { forecast } = outcome.trials[outcome.best]!;
    expect(forecast).toMatchObject({ horizon: 7, frequency: 'P1D', lastObservation: '2026-04-30T00:00:00.000Z', series: null });
    for (let step = 1; step <= 7; step++) {
      const index = 119 + step;
      expect(Math.abs(answerForecast(forecast, step, null).value - (100 + index / 5 + [0, 4, 9, 5, 20, 40, 25][index % 7]!))).toBeLessThan(6);
    }
    expect(() => answerForecast(forecast, 8, null)).toThrow(RangeError);
  });

  it('combines by the mean', async () => {
    const { trials } = await train(single(weekly(80, 1)));
    const [smoothing, lags, combination] = trials.map(({ forecast }) => answers(forecast));
    combination!.forEach(({ value }, step) => expect(value).toBeCloseTo((smoothing![step]!.value + lags![step]!.value) / 2, 9));
  });

  it('keeps series apart: each is forecast as if it were alone', async () => {
    const [a, b] = [weekly(60, 1), weekly(60, 50)];
    const both: ForecastTable = { times: [...a, ...b].map((_, index) => day(index % 60)), series: [...a, ...b].map((_, index) => (index < 60 ? 'a' : 'b')), values: Float64Array.of(...a, ...b) };
    const together = (await train(both, { seriesColumn: 'site' })).trials[0]!;
    const alone = (await train(single(b))).trials[0]!;
    expect(answers(together.forecast).slice(7)).toEqual(answers(alone.forecast));
    expect(together.chart.series.map(({ name, times, backTest }) => [name, times.length, backTest.filter((value) => value !== null).length])).toEqual([['a', 67, 7], ['b', 67, 7]]);
  });

  it('gives the same twice, and does not look at what it is tested on', async () => {
    const values = weekly(90, 1);
    const [first, again] = [await train(single(values)), await train(single(values))];
    expect(again.trials.map(({ forecast }) => forecast)).toEqual(first.trials.map(({ forecast }) => forecast));
    // What comes after the last origin of the validation's values changes no score of it.
    const changed = values.map((value, index) => (index >= 80 ? value * 3 : value));
    expect((await train(single(changed))).trials[0]!.metrics.validation).toEqual(first.trials[0]!.metrics.validation);
  });

  it('is never below zero where the values never were', async () => {
    const { trials } = await train(single(Float64Array.from({ length: 60 }, (_, index) => Math.max(0, 60 - 1.2 * index))), { models: [{ family: 'drift' }] });
    expect(Math.min(...answers(trials[0]!.forecast).flatMap(({ value, interval }) => [value, interval.lower]))).toBe(0);
  });

  it('goes on without a candidate that the values do not allow, and says why', async () => {
    const outcome = await train(single(weekly(60, 1).map((value) => value - 120)), { models: [{ family: 'exponential_smoothing', season: 'multiplicative' }, { family: 'drift' }, { family: 'combination' }] });
    expect(outcome.trials.map(({ family }) => family)).toEqual(['drift', 'seasonal_naive', 'naive']);
    expect(outcome.failures.map(({ family, problem }) => [family, problem.field])).toEqual([['exponential_smoothing', 'forecast.models'], ['combination', 'forecast.models']]);
  });

  it('warns where a series is too short for its season or for a test of its own', async () => {
    const { warnings, trials } = await train(single(weekly(19, 1)));
    expect(warnings).toEqual([expect.stringMatching(/without one: The series/), expect.stringMatching(/judged by those/)]);
    expect(trials[0]!.metrics).toMatchObject({ validation: null, test: { coverage: null } });
  });

  it('stops when it is told to', async () => {
    const abort = new AbortController();
    const outcome = await trainForecast({ table: single(weekly(60, 1)), spec: specOf({}), signal: abort.signal, onTrial: ({ trial }) => { if (trial === 1) abort.abort(); } });
    expect(outcome).toEqual({ type: 'cancelled' });
  });
});

describe('the lag regression', () => {
  it('finds the weights of an autoregression of changes', () => {
    const draws = createRandom(5);
    const changes = [0, 0];
    for (let index = 0; index < 4000; index++) changes.push(0.5 * changes.at(-1)! - 0.3 * changes.at(-2)! + (draws.uniform() - 0.5));
    let level = -1000;
    const values = Float64Array.from(changes, (change) => (level += change));
    const model = fitLagRegression(values, 1, 2)!;
    expect(model).toMatchObject({ lags: [1, 2], isLogarithmic: false });
    expect(model.weights[0]).toBeCloseTo(0.5, 1);
    expect(model.weights[1]).toBeCloseTo(-0.3, 1);
  });

  it('goes on with its own forecasts', () => {
    const model = { lags: [1, 2], isLogarithmic: false, intercept: 1, weights: Float64Array.of(0.5, 0.25) };
    // Changes 2, 4: the next is 1 + 2 + 0.5 = 3.5, then 1 + 1.75 + 1 = 3.75.
    expect([...forecastLagRegression(model, Float64Array.of(0, 2, 6), 2)]).toEqual([9.5, 13.25]);
  });

  it('takes logarithms of what grows by shares', () => {
    const values = Float64Array.from({ length: 100 }, (_, index) => 5 * 1.05 ** index * [1, 1.4, 0.7][index % 3]!);
    const model = fitLagRegression(values, 3)!;
    expect(model.isLogarithmic).toBe(true);
    const [next] = forecastLagRegression(model, values, 1);
    expect(Math.abs(next! / (5 * 1.05 ** 100 * 1.4) - 1)).toBeLessThan(0.05);
  });
});

describe('a long season with few repetitions', () => {
  const truth = (time: number) => 100 + time / 4 + 20 * Math.sin((2 * Math.PI * time) / 52);
  const noisy = Float64Array.from({ length: 156 }, (_, time) => truth(time) + 4 * (random.uniform() - 0.5));

  it('is found where it is clear, and not in noise or a line', () => {
    const pattern = findPattern(noisy, 52)!;
    for (let place = 0; place < 52; place++) expect(Math.abs(pattern[place]! - 20 * Math.sin((2 * Math.PI * place) / 52))).toBeLessThan(3);
    expect(findPattern(Float64Array.from({ length: 156 }, () => random.uniform()), 52)).toBeNull();
    expect(findPattern(Float64Array.from({ length: 156 }, (_, time) => 3 * time), 52)).toBeNull();
    expect(findPattern(noisy.subarray(0, 100), 52)).toBeNull();
  });

  it.each(['exponential_smoothing', 'lag_linear'] as const)('is taken off before %s learns, and added again', (family) => {
    const candidate = family === 'lag_linear' ? { family } : { family, error: 'additive' as const };
    const forecast = learnForecaster(candidate, noisy, 52)!.forecast(noisy, 26);
    forecast.forEach((value, step) => expect(Math.abs(value - truth(156 + step))).toBeLessThan(8));
  });
});
