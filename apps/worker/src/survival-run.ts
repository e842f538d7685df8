import { splitColumnOf } from '@millrace/configuration';
import { readTable } from '@millrace/datasets';
import { type FittedSurvival, predictSurvival, type Row, type SurvivalTrial, type Table, trainSurvival, type TrainSurvivalOutcome } from '@millrace/learning';
import { agree, type Agreement, buildSurvivalPackage, checkRows, type LoadedModel, loadModel, type ModelPackage } from '@millrace/packaging';
import type { TrialRecord } from '@millrace/training';
import { backgroundOf } from './background.ts';
import { dividedRows } from './divided-rows.ts';
import { sampleRows } from './sample-rows.ts';
import { leavePackage } from './leave-package.ts';
import { materialsOf } from './materials.ts';
import { json } from './plain-json.ts';
import { timeOneRow } from './time-one-row.ts';
import type { TrainerJob, TrainerMessage } from './trainer-protocol.ts';
import { asTable } from './training-table.ts';

type Trained = Extract<TrainSurvivalOutcome, { type: 'trained' }>;
type Send = (message: TrainerMessage) => Promise<void>;

/** A run whose target is a time that not every row saw the end of. It is made anew when it was interrupted: the same rows give the same models. */
export async function runSurvival(job: TrainerJob, signal: AbortSignal, send: Send): Promise<void> {
  const { spec } = job;
  const table = await readSurvivalTable(job);
  const outcome = await trainSurvival({
    table, spec, signal,
    onTrial: ({ trial, trials, family }) => send({ type: 'trial-started', trial, trials, family }),
    onEpoch: ({ trial, epoch, epochs, loss, valLoss }) => send({ type: 'epoch', trial, epoch, epochs, values: { loss, valLoss } }),
  });
  if (outcome.type === 'cancelled') return send({ type: 'cancelled' });
  if (outcome.type === 'invalid') {
    const [problem] = outcome.problems;
    return send({ type: 'failed', failure: { code: 'INVALID_DATA', message: problem!.message, remedy: problem!.remedy, fault: 'USER' } });
  }
  await publish(job, outcome, table, send);
}

/** Features and times, whether an end was seen, and what rows are divided by. */
export async function readSurvivalTable({ datasetPath, spec }: Pick<TrainerJob, 'datasetPath' | 'spec'>): Promise<Table> {
  const features = [...spec.inputFeatures, ...spec.outputFeatures];
  // Neither the event nor what rows are divided by is learned from; as words they have an order whatever their type.
  const asides = [spec.survival!.eventColumn, splitColumnOf(spec)].filter((name) => name !== null && !features.some((feature) => feature.name === name));
  return asTable(await readTable(datasetPath, [...features, ...[...new Set(asides)].map((name) => ({ name: name!, type: 'category' as const }))]));
}

/** Packs every candidate for the leaderboard, and leaves the best one's package in the work folder. */
async function publish(job: TrainerJob, outcome: Trained, table: Table, send: Send): Promise<void> {
  const trials: TrialRecord[] = [];
  let best: { modelPackage: ModelPackage; agreement: Agreement } | undefined;
  const rows = dividedRows(outcome);
  for (const [index, trial] of outcome.trials.entries()) {
    const modelPackage = buildSurvivalPackage(trial.fitted, {
      metrics: json({ ...trial.metrics, rows, selectionMetric: outcome.selectionMetric }),
      lineage: json({
        modelVersionId: job.modelVersionId,
        runId: job.runId,
        datasetVersionId: job.datasetVersionId,
        spec: job.spec,
        family: trial.family,
        parameters: trial.parameters,
        rows,
      }),
      materials: materialsOf(job),
      background: backgroundOf(table, trial.fitted.features, outcome.split.train),
    });
    const model = await loadModel(modelPackage.files);
    try {
      const samples = askedRows(trial.fitted, sampleRows(table, trial.fitted.features.slice(0, -1), outcome.split.test));
      const predTimeMsP50 = await timeOneRow(model, samples[0]);
      trials.push(trialRecord(trial, index, outcome, { predTimeMsP50, sizeBytes: modelPackage.sizeBytes, sizeGzBytes: modelPackage.gzipBytes }));
      if (index === outcome.best) best = { modelPackage, agreement: await compareSurvivals(trial.fitted, model, samples) };
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

type Cost = Pick<TrialRecord, 'predTimeMsP50' | 'sizeBytes' | 'sizeGzBytes'>;

function trialRecord(trial: SurvivalTrial, index: number, outcome: Trained, cost: Cost): TrialRecord {
  const { selectionMetric } = outcome;
  return {
    number: index,
    family: trial.family,
    parameters: json(trial.parameters),
    metrics: json({ ...trial.metrics, rows: dividedRows(outcome), selectionMetric, survivalChart: trial.chart, warnings: [...outcome.failures.map(({ problem }) => problem.message), ...outcome.warnings] }),
    scoreVal: trial.metrics.validation[selectionMetric],
    scoreTest: trial.metrics.test[selectionMetric],
    fitTimeSeconds: trial.fitTimeSeconds,
    ...cost,
    best: index === outcome.best,
  };
}

/** Every other row asks for a horizon of its own. */
export function askedRows({ features, horizon }: FittedSurvival, rows: Row[]): Row[] {
  const { name } = features.at(-1)!;
  return rows.map((row, at) => (at % 2 === 0 ? row : { ...row, [name]: (horizon * (1 + (at % 10))) / 5 }));
}

export async function compareSurvivals(fitted: FittedSurvival, model: LoadedModel, rows: Row[]): Promise<Agreement> {
  const checked = checkRows(model.signature, rows);
  if (checked.type === 'invalid') throw new Error(`the sample rows do not fit the signature: ${checked.problems[0]?.message}`);
  return agree(await predictSurvival(fitted, rows), await model.predict(checked.rows), { type: 'number', scale: fitted.spread });
}
