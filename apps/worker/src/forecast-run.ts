import fs from 'node:fs/promises';
import path from 'node:path';
import { readTable } from '@millrace/datasets';
import { answerForecast, type FittedForecast, type ForecastTable, type ForecastTrial, trainForecast, type TrainForecastOutcome } from '@millrace/learning';
import { agree, type Agreement, buildForecastPackage, checkRows, type LoadedModel, loadModel, type ModelPackage } from '@millrace/packaging';
import type { TrialRecord } from '@millrace/training';
import { materialsOf } from './materials.ts';
import { timeOneRow } from './time-one-row.ts';
import type { TrainerJob, TrainerMessage } from './trainer-protocol.ts';

type Trained = Extract<TrainForecastOutcome, { type: 'trained' }>;

/** Answers on which the engines are compared. */
const agreementRows = 200;
const packageFolder = 'package';

/** A run whose configuration asks for a forecast. It is made anew when it was interrupted: the same data give the same one. */
export async function runForecast(job: TrainerJob, signal: AbortSignal, send: (message: TrainerMessage) => Promise<void>): Promise<void> {
  const outcome = await trainForecast({
    table: await readForecastTable(job),
    spec: job.spec,
    signal,
    onTrial: ({ trial, trials, family }) => send({ type: 'trial-started', trial, trials, family }),
  });
  if (outcome.type === 'cancelled') return send({ type: 'cancelled' });
  if (outcome.type === 'invalid') {
    const [problem] = outcome.problems;
    return send({ type: 'failed', failure: { code: 'INVALID_DATA', message: problem!.message, remedy: problem!.remedy, fault: 'USER' } });
  }
  await publish(job, outcome, send);
}

async function readForecastTable({ datasetPath, spec }: TrainerJob): Promise<ForecastTable> {
  const { timeColumn, seriesColumn } = spec.forecast!;
  const names = [
    { name: timeColumn, type: 'date' as const },
    { name: spec.outputFeatures[0]!.name, type: 'number' as const },
    ...(seriesColumn === undefined ? [] : [{ name: seriesColumn, type: 'category' as const }]),
  ];
  const [times, values, series] = (await readTable<'date' | 'number' | 'category'>(datasetPath, names)).columns;
  return { times: times!.values as (string | null)[], values: values!.values as Float64Array, series: (series?.values as (string | null)[] | undefined) ?? null };
}

/** Packs every candidate for the leaderboard, and leaves the best one's package in the work folder. */
async function publish(job: TrainerJob, outcome: Trained, send: (message: TrainerMessage) => Promise<void>): Promise<void> {
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
      materials: materialsOf(job),
    });
    const model = await loadModel(modelPackage.files);
    try {
      const rows = sampleRows(trial.forecast);
      trials.push(trialRecord(trial, index, outcome, modelPackage, await timeOneRow(model, rows[0])));
      if (index === outcome.best) best = { modelPackage, agreement: await compareEngines(trial.forecast, model, rows) };
    } finally {
      await model.close();
    }
  }
  const { modelPackage, agreement } = best!;
  await fs.mkdir(path.join(job.workDirectory, packageFolder), { recursive: true });
  for (const [name, bytes] of modelPackage.files) await fs.writeFile(path.join(job.workDirectory, packageFolder, name), bytes);
  await send({
    type: 'trained',
    trials,
    metrics: json(outcome.trials[outcome.best]!.metrics.test),
    agreement,
    packageFolder,
    packageSha256: modelPackage.digest,
    packageSizeBytes: modelPackage.sizeBytes,
    packageSizeGzBytes: modelPackage.gzipBytes,
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

type ForecastRow = Record<string, number | string>;

/** Steps of series, spread evenly over all of them. */
function sampleRows({ series, horizon }: FittedForecast): ForecastRow[] {
  const all = (series?.names.length ?? 1) * horizon;
  return Array.from({ length: Math.min(agreementRows, all) }, (_, at) => {
    const cell = Math.floor((at * all) / Math.min(agreementRows, all));
    return { step: (cell % horizon) + 1, ...(series ? { [series.column]: series.names[Math.floor(cell / horizon)]! } : {}) };
  });
}

async function compareEngines(forecast: FittedForecast, model: LoadedModel, rows: ForecastRow[]): Promise<Agreement> {
  const checked = checkRows(model.signature, rows);
  if (checked.type === 'invalid') throw new Error(`the sample rows do not fit the signature: ${checked.problems[0]?.message}`);
  const learned = rows.map((row) => answerForecast(forecast, row['step'] as number, forecast.series ? String(row[forecast.series.column]) : null));
  return agree(learned, await model.predict(checked.rows), { type: 'number', scale: forecast.scale });
}

/** Plain JSON of plain data: the same values, without the types. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- JSON has no narrower type that both sides share
const json = (value: unknown): any => JSON.parse(JSON.stringify(value));
