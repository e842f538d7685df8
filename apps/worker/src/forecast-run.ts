import { readTable } from '@millrace/datasets';
import { answerForecast, type FittedForecast, type ForecastTable, type ForecastTrial, trainForecast } from '@millrace/learning';
import { agree, buildForecastPackage } from '@millrace/packaging';
import { acceptedRows, type ModelKind } from './model-kind.ts';
import { type Candidate, publishRun } from './publish-run.ts';
import { type Surroundings, tellUntrained } from './surroundings.ts';
import { asTable } from './training-table.ts';
import type { TrainerJob } from './trainer-protocol.ts';

/** Answers on which the engines are compared. */
const agreementRows = 200;

/** A run whose configuration asks for a forecast. Interrupted, it goes on after the last candidate or epoch that was saved. */
export async function runForecast(job: TrainerJob, how: Surroundings): Promise<void> {
  how.stopWhenPaused();
  const { backend, checkpoint, signal, send } = how;
  const table = await readForecastTable(job);
  const outcome = await trainForecast({
    table, spec: job.spec, backend, checkpoint, signal,
    onResumed: (at) => send({ type: 'resumed', ...at }),
    onEpoch: ({ trial, epoch, epochs, loss, valLoss }) => send({ type: 'epoch', trial, epoch, epochs, values: { loss, valLoss } }),
    onTrial: ({ trial, trials, family }) => send({ type: 'trial-started', trial, trials, family }),
  });
  if (outcome.type !== 'trained') return tellUntrained(outcome, send);
  const { trials, best, selectionMetric, rows, failures } = outcome;
  const warnings = [...outcome.warnings, ...failures.map(({ problem }) => problem.message)];
  const candidateOf = ({ forecast, chart, ...trial }: ForecastTrial, number: number): Candidate<FittedForecast> => ({ ...trial, number, model: forecast, shown: { chart, warnings } });
  await publishRun(job, { kind: forecastKind(table), candidates: trials.map(candidateOf), best, selectionMetric, lineage: { rows }, backend: backend.name }, how);
}

async function readForecastTable({ datasetPath, spec }: TrainerJob): Promise<ForecastTable> {
  const { timeColumn, seriesColumn } = spec.forecast!;
  const names = [
    { name: timeColumn, type: 'date' as const },
    { name: spec.outputFeatures[0]!.name, type: 'number' as const },
    ...(seriesColumn === undefined ? [] : [{ name: seriesColumn, type: 'category' as const }]),
  ];
  const [times, values, series] = (await readTable<'date' | 'number' | 'category'>(datasetPath, names)).columns;
  const covariates = spec.inputFeatures.length > 0 ? asTable(await readTable(datasetPath, spec.inputFeatures)).columns : [];
  return { times: times!.values as (string | null)[], values: values!.values as Float64Array, series: (series?.values as (string | null)[] | undefined) ?? null, covariates };
}

function forecastKind(table: ForecastTable): ModelKind<FittedForecast> {
  return {
    pack: buildForecastPackage,
    sampleRow: (forecast) => sampleQuestions(forecast, table)[0]?.row,
    async compare(forecast, loaded) {
      const questions = sampleQuestions(forecast, table);
      const rows = acceptedRows(loaded, questions.map(({ row }) => row));
      const known = { rows: table.times.length, columns: table.covariates ?? [] };
      const learned = questions.map(({ row, at }) =>
        answerForecast(forecast, row['step'] as number, forecast.series ? String(row[forecast.series.column]) : null, { table: known, row: at }));
      return agree(learned, await loaded.predict(rows), { type: 'number', scale: forecast.scale });
    },
  };
}

/** What is asked of a forecast, and the row of the table whose covariates the question has. */
interface Question {
  row: Record<string, number | string | null>;
  at: number;
}

/** Steps of series, spread evenly over all of them; covariates as they are in the last rows that have all that is needed. */
function sampleQuestions({ series, horizon, covariates }: FittedForecast, table: ForecastTable): Question[] {
  const columns = covariates.map((feature) => ({ feature, column: table.covariates!.find(({ name }) => name === feature.name)! }));
  const isMissing = (value: number | string | null | undefined) => value == null || Number.isNaN(value);
  const usable = table.times.map((_, at) => at).filter((at) => columns.every(({ feature, column }) => feature.missingAllowed || !isMissing(column.values[at])));
  const all = (series?.names.length ?? 1) * horizon;
  return Array.from({ length: Math.min(agreementRows, all) }, (_, index) => {
    const cell = Math.floor((index * all) / Math.min(agreementRows, all));
    const at = usable[usable.length - 1 - (index % usable.length)]!;
    const known = columns.map(({ feature, column }) => {
      const value = column.values[at]!;
      return [feature.name, isMissing(value) ? null : feature.type === 'number' ? value : String(value)];
    });
    return { at, row: { step: (cell % horizon) + 1, ...(series ? { [series.column]: series.names[Math.floor(cell / horizon)]! } : {}), ...Object.fromEntries(known) } };
  });
}
