import fs from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { parseTrainingSpec } from '@millrace/configuration';
import { answerForecast, type ColumnData, trainForecast } from '@millrace/learning';

/** Rolling origins, each one horizon after the one before, the last one horizon before the end. */
const origins = 4;
const calendar = [{ name: 'holiday', type: 'category' }, { name: 'workingday', type: 'category' }] as const;
const weather = [{ name: 'weathersit', type: 'category' }, ...['temp', 'atemp', 'hum', 'windspeed'].map((name) => ({ name, type: 'number' as const }))] as const;
const bikes = { file: 'bike_sharing_day.csv', time: 'dteday', target: 'cnt', horizon: 14, season: 7 };
const dataSets: { file: string; time: string; target: string; horizon: number; season: number; known: readonly { name: string; type: 'category' | 'number' }[] }[] = [
  { file: 'air_passengers.csv', time: 'month', target: 'passengers', horizon: 12, season: 12, known: [] },
  { ...bikes, known: [] },
  { ...bikes, known: calendar },
  // As if the weather were forecast without error: what covariates can do at best.
  { ...bikes, known: [...calendar, ...weather] },
];
const allFamilies = ['exponential_smoothing', 'lag_linear', 'lag_trees', 'gru', 'tcn', 'combination'];
const folder = path.resolve(import.meta.dirname, '../../../shared/data');

/**
 * Every family, and what the product itself would have chosen, on the series of the shared data folder: learned from what lies
 * before an origin, scored on the horizon after it. MASE divides by the seasonal naive error before the first origin.
 */
export async function benchForecast(parameters: string[]): Promise<void> {
  const { values: { families } } = parseArgs({ args: parameters, options: { families: { type: 'string', default: allFamilies.join(',') } } });
  for (const { file, time, target, horizon, season, known } of dataSets) {
    const [header, ...rows] = (await fs.readFile(path.join(folder, file), 'utf8')).trim().split('\n').map((line) => line.split(','));
    const column = (name: string) => rows.map((row) => row[header!.indexOf(name)]!);
    const times = column(time).map((text) => (text.length === 7 ? `${text}-01` : text));
    const values = Float64Array.from(column(target), Number);
    const covariates = known.map(({ name, type }): ColumnData => (type === 'number' ? { name, type, values: Float64Array.from(column(name), Number) } : { name, type, values: column(name) }));
    const first = values.length - origins * horizon;
    const changes = Array.from(values.subarray(season, first), (value, at) => Math.abs(value - values[at]!));
    const scale = changes.reduce((sum, change) => sum + change, 0) / changes.length;
    const parsed = parseTrainingSpec({
      inputFeatures: known,
      outputFeatures: [{ name: target, type: 'number' }],
      forecast: { timeColumn: time, horizon, models: families.split(',').map((family) => ({ family })) },
    });
    if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));

    const results = new Map<string, { mase: number[]; rmse: number[]; smape: number[]; within: number }>();
    let cpu = process.cpuUsage();
    for (let origin = first; origin < values.length; origin += horizon) {
      const past = { times: times.slice(0, origin), series: null, values: values.subarray(0, origin), covariates: covariates.map((own) => ({ ...own, values: own.values.slice(0, origin) }) as ColumnData) };
      const outcome = await trainForecast({ table: past, spec: parsed.spec });
      if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
      const best = outcome.trials[outcome.best]!;
      for (const { family, forecast } of [...outcome.trials, { ...best, family: 'chosen' }]) {
        const own = results.get(family) ?? { mase: [], rmse: [], smape: [], within: 0 };
        results.set(family, own);
        const truth = values.subarray(origin, origin + horizon);
        const said = Array.from(truth, (_, step) => answerForecast(forecast, step + 1, null, { table: { rows: values.length, columns: covariates }, row: origin + step }));
        const mean = (of: (y: number, step: number) => number) => truth.reduce((sum, y, step) => sum + of(y, step), 0) / horizon;
        own.mase.push(mean((y, step) => Math.abs(y - said[step]!.value)) / scale);
        own.rmse.push(Math.sqrt(mean((y, step) => (y - said[step]!.value) ** 2)));
        own.smape.push(mean((y, step) => (200 * Math.abs(y - said[step]!.value)) / (Math.abs(y) + Math.abs(said[step]!.value))));
        own.within += mean((y, step) => Number(y >= said[step]!.interval.lower && y <= said[step]!.interval.upper)) / origins;
      }
    }
    cpu = process.cpuUsage(cpu);
    console.log(`\n${file}, ${target}${known.length > 0 ? `, known in advance: ${known.map(({ name }) => name).join(', ')}` : ''}: ${origins} origins ${horizon} steps apart, ${((cpu.user + cpu.system) / 1e6 / origins).toFixed(2)} s of a core each`);
    console.log(`  ${'family'.padEnd(22)}      MASE        RMSE     sMAPE %   within the 90 % interval`);
    for (const [family, { mase, rmse, smape, within }] of results) {
      console.log(`  ${family.padEnd(22)} ${spread(mase, 3)} ${spread(rmse, 1)} ${spread(smape, 2)}   ${(within * 100).toFixed(0)} %`);
    }
  }
}

function spread(values: number[], digits: number): string {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return `${mean.toFixed(digits)} ± ${deviation.toFixed(digits)}`.padStart(13);
}
