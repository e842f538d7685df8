import { parseTrainingSpec } from '@millrace/configuration';
import type { Pacer } from '../pacer.ts';
import { createRandom } from '../random.ts';
import { calendarOf } from './calendar.ts';
import { estimateEffect } from './covariate-effect.ts';
import { placeCovariates } from './covariates.ts';
import { answerForecast } from './fitted-forecast.ts';
import { createLagFrame } from './lag-frame.ts';
import { lagTreesLearner } from './lag-trees.ts';
import { collectSeries, type ForecastTable, type SeriesSet } from './series.ts';
import { trainForecast } from './train-forecast.ts';

const day = (index: number) => new Date(Date.UTC(2026, 0, 5 + index)).toISOString().slice(0, 10);
const draws = createRandom(7);
const noise = (size: number) => size * (draws.uniform() - 0.5);
const openEnded: Pacer = { mayContinue: async () => true };

/** Two sites by day; an action, drawn by chance, adds 40 to the first and 80 to the second. The last `ahead` days have no visits yet. */
function actions(days: number, ahead: number): { table: ForecastTable; action: string[] } {
  const action = Array.from({ length: days + ahead }, () => (draws.uniform() < 0.3 ? 'yes' : 'no'));
  const rows = [1, 2].flatMap((site) => action.map((own, at) => ({ site, at, own })));
  return {
    action,
    table: {
      times: rows.map(({ at }) => day(at)),
      series: rows.map(({ site }) => `s${site}`),
      values: Float64Array.from(rows, ({ site, at, own }) => (at < days ? site * (100 + [0, 5, 9, 5, 20, 30, 10][at % 7]! + (own === 'yes' ? 40 : 0)) + noise(4) : NaN)),
      covariates: [{ name: 'action', type: 'category', values: rows.map(({ own }) => own) }],
    },
  };
}

function specOf(models: object[], horizon: number) {
  const parsed = parseTrainingSpec({
    inputFeatures: [{ name: 'action', type: 'category' }], outputFeatures: [{ name: 'visits', type: 'number' }],
    forecast: { timeColumn: 'day', seriesColumn: 'site', horizon, models },
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
}

describe('columns known in advance', () => {
  it('move the answer as they moved the past, for lag regression and lag trees', async () => {
    const { table, action } = actions(91, 5);
    const outcome = await trainForecast({ table, spec: specOf([{ family: 'lag_linear' }, { family: 'lag_trees', numIterations: 40, learningRate: 0.15 }, { family: 'drift' }, { family: 'combination' }], 5) });
    if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
    expect(outcome.failures).toEqual([]);
    const asked = { rows: 2, columns: [{ name: 'action', type: 'category' as const, values: ['no', 'yes'] }] };
    for (const [index, tolerance] of [[0, 8], [1, 20]] as const) {
      const { forecast, chart, metrics } = outcome.trials[index]!;
      for (const [name, size] of [['s1', 40], ['s2', 80]] as const) {
        const [without, within] = [0, 1].map((row) => answerForecast(forecast, 3, name, { table: asked, row }).value);
        expect(Math.abs(within! - without! - size)).toBeLessThan(tolerance * (size / 40));
      }
      // The rows to come have the column, so the chart shows what is forecast under it.
      const shown = chart.series[0]!.point.slice(-5) as number[];
      shown.forEach((value, step) => expect(value).toBe(answerForecast(forecast, step + 1, 's1', { table: asked, row: Number(action[91 + step] === 'yes') }).value));
      expect(metrics.test.mase!).toBeLessThan(metrics.baseline.mase! / 3);
    }
    const [linear, trees, drift, combination] = outcome.trials.map(({ forecast }) => forecast);
    expect(drift!.covariates).toEqual([]);
    expect(combination!.parts).toHaveLength(3);
    const at = { table: asked, row: 1 };
    expect(answerForecast(combination!, 2, 's2', at).value).toBeCloseTo([linear!, trees!, drift!].reduce((sum, own) => sum + answerForecast(own, 2, 's2', at).value, 0) / 3, 9);
    expect(() => answerForecast(linear!, 2, 's2')).toThrow(/were not given/);
  });

  it('are not drawn where the data do not tell them for the steps to come', async () => {
    const { table } = actions(60, 0);
    const outcome = await trainForecast({ table, spec: specOf([{ family: 'lag_linear' }], 5) });
    expect(outcome.type === 'trained' && outcome.trials[0]!.chart.series[0]!.point.slice(-6)).toEqual([null, null, null, null, null, null]);
  });

  it('that hold no finite number, or none at all, are refused', () => {
    const { table } = actions(60, 0);
    const set = collectSeries(table, { timeColumn: 'day', horizon: 5 }) as SeriesSet;
    const withHeat = (values: Float64Array) => placeCovariates({ ...table, covariates: [{ name: 'heat', type: 'number', values }] }, [{ name: 'heat', type: 'number' }], set, 5);
    expect(withHeat(new Float64Array(120).fill(Infinity))).toMatchObject({ type: 'invalid', problems: [{ field: 'inputFeatures[0].name', message: expect.stringMatching(/infinite/) }] });
    expect(withHeat(new Float64Array(120).fill(NaN))).toMatchObject({ type: 'invalid', problems: [{ field: 'inputFeatures[0].name' }] });
  });

  it('have the weights that made the series, also on logarithms', () => {
    const x = Float64Array.from({ length: 300 }, () => noise(2));
    let level = 50;
    const made = Float64Array.from(x, (value) => (level += noise(1)) + 3 * value);
    expect(estimateEffect(made, x, 1, 1)).toMatchObject({ isLogarithmic: false });
    expect(estimateEffect(made, x, 1, 1)!.weights[0]).toBeCloseTo(3, 1);
    let log = 2;
    const grown = Float64Array.from(x, (value) => Math.exp((log += 0.005 + noise(0.02)) + 0.4 * value));
    const effect = estimateEffect(grown, x, 1, 1)!;
    expect(effect.isLogarithmic).toBe(true);
    expect(effect.weights[0]).toBeCloseTo(0.4, 2);
  });
});

describe('the rows of lag trees', () => {
  const values = Float64Array.from({ length: 40 }, (_, at) => 10 + at);
  const set: SeriesSet = {
    type: 'series', series: [{ name: '', values, start: 0 }], calendar: calendarOf(Array.from({ length: 40 }, (_, at) => Date.parse(day(at))))!, end: 39, seasonLength: 7, warnings: [],
  };
  const panel = { set, horizon: 9, covariates: { features: [], width: 0, cells: [new Float64Array()], ahead: [new Int32Array()], table: { rows: 0, columns: [] } } };

  it('say what was known at the origin, in units of the usual change, and nothing of what came', () => {
    const frame = createLagFrame(panel);
    const { base, unit, rows } = frame.cellsAt(0, 30, 'season');
    const of = (step: number, name: string) => rows[step * frame.names.length + frame.names.indexOf(name)];
    // The last seven values are 33 … 39: their mean is 36, and a season changes by 7.
    expect([...unit]).toEqual(new Array(9).fill(7));
    expect(of(0, 'step')).toBe(1);
    expect(of(0, 'lag 1')).toBeCloseTo(3 / 7, 12);
    expect(of(4, 'mean of 2 spans')).toBeCloseTo(-3.5 / 7, 12);
    expect([base[0], base[6], base[7]]).toEqual([33, 39, 33]); // never a value that is not known yet
    expect(of(8, 'season before')).toBeCloseTo((34 - 36) / 7, 12);
    expect([of(0, 'weekday'), of(5, 'weekday')]).toEqual([2, 0]);
    const changed = createLagFrame({ ...panel, set: { ...set, series: [{ name: '', start: 0, values: values.map((value, at) => (at >= 30 ? -1 : value)) }] } });
    expect(changed.cellsAt(0, 30, 'season')).toEqual({ base, unit, rows, level: 36 });
    expect([...frame.cellsAt(0, 30, 'level').base]).toEqual(new Array(9).fill(36));
  });

  it('do not reach beyond the step that is learned until, and stop when told to', async () => {
    const longer = { ...set, series: [{ name: '', start: 0, values: Float64Array.from({ length: 90 }, (_, at) => 50 + 10 * Math.sin(at * 0.9) + noise(3)) }], end: 89 };
    const own = { ...panel, set: longer, horizon: 3, covariates: panel.covariates };
    const settings = { family: 'lag_trees' as const, numIterations: 20, learningRate: 0.1, numLeaves: 8 };
    const learn = async (of: typeof own, pacer = openEnded) => lagTreesLearner(of, settings, pacer)(70, { number: 0, fits: 1 });
    const changed = { ...own, set: { ...longer, series: [{ ...longer.series[0]!, values: longer.series[0]!.values.map((value, at) => (at >= 70 ? 0 : value)) }] } };
    const [model, again] = [await learn(own), await learn(changed)];
    if (!model || model === 'unfit' || !again || again === 'unfit') throw new Error('nothing was learned');
    const { rows } = model.cellsAt(0, 60);
    expect(again.headOver(rows)).toEqual(model.headOver(rows));
    expect(await learn(own, { mayContinue: async () => false })).toBeNull();
    expect(await lagTreesLearner(own, settings, openEnded)(9, { number: 0, fits: 1 })).toBe('unfit');
  });
});
