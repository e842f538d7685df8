import { readTable } from '@millrace/datasets';
import { answerForecast, type Backend, type CheckpointStore, type FittedForecast, type ForecastTable, type ForecastTrial, trainForecast, type TrainForecastOutcome } from '@millrace/learning';
import { agree, type Agreement, buildForecastPackage, checkRows, type LoadedModel, loadModel, type ModelPackage } from '@millrace/packaging';
import type { TrialRecord } from '@millrace/training';
import { leavePackage } from './leave-package.ts';
import { materialsOf } from './materials.ts';
import { json } from './plain-json.ts';
import { timeOneRow } from './time-one-row.ts';
import { asTable } from './training-table.ts';
import type { TrainerJob, TrainerMessage } from './trainer-protocol.ts';

type Trained = Extract<TrainForecastOutcome, { type: 'trained' }>;

/** Answers on which the engines are compared. */
const agreementRows = 200;

/** A run whose configuration asks for a forecast. Interrupted, it goes on after the last candidate or epoch that was saved. */
export async function runForecast(job: TrainerJob, how: { backend: Backend; checkpoint: CheckpointStore; signal: AbortSignal }, send: (message: TrainerMessage) => Promise<void>): Promise<void> {
  const table = await readForecastTable(job);
  const outcome = await trainForecast({
    table,
    spec: job.spec,
    ...how,
    onResumed: (at) => send({ type: 'resumed', ...at }),
    onEpoch: ({ trial, epoch, epochs, loss, valLoss }) => send({ type: 'epoch', trial, epoch, epochs, values: { loss, valLoss } }),
    onTrial: ({ trial, trials, family }) => send({ type: 'trial-started', trial, trials, family }),
  });
  if (outcome.type === 'cancelled') return send({ type: 'cancelled' });
  if (outcome.type === 'invalid') {
    const [problem] = outcome.problems;
    return send({ type: 'failed', failure: { code: 'INVALID_DATA', message: problem!.message, remedy: problem!.remedy, fault: 'USER' } });
  }
  await publish(job, outcome, { table, backend: how.backend.name }, send);
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

/** Packs every candidate for the leaderboard, and leaves the best one's package in the work folder. */
async function publish(job: TrainerJob, outcome: Trained, { table, backend }: { table: ForecastTable; backend: string }, send: (message: TrainerMessage) => Promise<void>): Promise<void> {
  const trials: TrialRecord[] = [];
  let best: { modelPackage: ModelPackage; agreement: Agreement } | undefined;
  for (const [index, trial] of outcome.trials.entries()) {
    const modelPackage = buildForecastPackage(trial.forecast, {
      metrics: json({ ...trial.metrics, selectionMetric: outcome.selectionMetric }),
      lineage: json({
        modelVersionId: job.modelVersionId,
        runId: job.runId,
        datasetVersionId: job.datasetVersionId,
        spec: job.spec,
        family: trial.family,
        parameters: trial.parameters,
        rows: outcome.rows,
      }),
      materials: materialsOf(job, backend),
    });
    const model = await loadModel(modelPackage.files);
    try {
      const questions = sampleQuestions(trial.forecast, table);
      trials.push(trialRecord(trial, index, outcome, modelPackage, await timeOneRow(model, questions[0]?.row)));
      if (index === outcome.best) best = { modelPackage, agreement: await compareEngines(trial.forecast, model, questions, table) };
    } finally {
      await model.close();
    }
  }
  await send({
    type: 'trained',
    trials,
    metrics: json(outcome.trials[outcome.best]!.metrics.test),
    ...(await leavePackage(job, best!)),
  });
}

function trialRecord(trial: ForecastTrial, index: number, outcome: Trained, modelPackage: ModelPackage, predTimeMsP50: number | null): TrialRecord {
  const { selectionMetric } = outcome;
  return {
    number: index,
    family: trial.family,
    parameters: json(trial.parameters),
    metrics: json({ ...trial.metrics, selectionMetric, chart: trial.chart, warnings: [...outcome.warnings, ...outcome.failures.map(({ problem }) => problem.message)] }),
    scoreVal: trial.metrics.validation?.[selectionMetric] ?? null,
    scoreTest: trial.metrics.test[selectionMetric],
    fitTimeSeconds: trial.fitTimeSeconds,
    predTimeMsP50,
    sizeBytes: modelPackage.sizeBytes,
    sizeGzBytes: modelPackage.gzipBytes,
    best: index === outcome.best,
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

async function compareEngines(forecast: FittedForecast, model: LoadedModel, questions: Question[], table: ForecastTable): Promise<Agreement> {
  const checked = checkRows(model.signature, questions.map(({ row }) => row));
  if (checked.type === 'invalid') throw new Error(`the sample rows do not fit the signature: ${checked.problems[0]?.message}`);
  const known = { rows: table.times.length, columns: table.covariates ?? [] };
  const learned = questions.map(({ row, at }) =>
    answerForecast(forecast, row['step'] as number, forecast.series ? String(row[forecast.series.column]) : null, { table: known, row: at }));
  return agree(learned, await model.predict(checked.rows), { type: 'number', scale: forecast.scale });
}
