import { splitColumnOf } from '@millrace/configuration';
import { readTable } from '@millrace/datasets';
import { type AnomalyTrial, type Backend, type CheckpointStore, detectAnomalies, type FittedDetector, type Row, type Table, trainAnomaly, type TrainAnomalyOutcome } from '@millrace/learning';
import { agree, type Agreement, buildDetectorPackage, checkRows, type LoadedModel, loadModel, type ModelPackage } from '@millrace/packaging';
import type { TrialRecord } from '@millrace/training';
import { backgroundOf } from './background.ts';
import { dividedRows } from './divided-rows.ts';
import { leavePackage } from './leave-package.ts';
import { materialsOf } from './materials.ts';
import { json } from './plain-json.ts';
import { sampleRows } from './sample-rows.ts';
import { timeOneRow } from './time-one-row.ts';
import type { TrainerJob, TrainerMessage } from './trainer-protocol.ts';
import { asTable } from './training-table.ts';

type Trained = Extract<TrainAnomalyOutcome, { type: 'trained' }>;

interface Surroundings {
  backend: Backend;
  signal: AbortSignal;
  checkpoint: CheckpointStore;
  send(message: TrainerMessage): Promise<void>;
}

/** A run whose configuration asks for an anomaly detection. */
export async function runAnomaly(job: TrainerJob, { backend, signal, checkpoint, send }: Surroundings): Promise<void> {
  const { spec } = job;
  const table = await readAnomalyTable(job);
  const outcome = await trainAnomaly({
    table, spec, backend, signal, checkpoint,
    onEvent: (event) => send(event.type === 'epoch' ? { type: 'epoch', trial: event.trial, epoch: event.epoch, epochs: event.epochs, values: { loss: event.loss } } : event),
  });
  if (outcome.type === 'cancelled') return send({ type: 'cancelled' });
  if (outcome.type === 'invalid') {
    const [problem] = outcome.problems;
    return send({ type: 'failed', failure: { code: 'INVALID_DATA', message: problem!.message, remedy: problem!.remedy, fault: 'USER' } });
  }
  await publish(job, outcome, table, send);
}

/** What rows are told by, the label where there is one, and what rows are divided by. */
export async function readAnomalyTable({ datasetPath, spec }: Pick<TrainerJob, 'datasetPath' | 'spec'>): Promise<Table> {
  const splitColumn = splitColumnOf(spec);
  const used = [...spec.inputFeatures, ...spec.outputFeatures];
  const aside = splitColumn !== null && !used.some(({ name }) => name === splitColumn) ? [{ name: splitColumn, type: 'category' as const }] : [];
  return asTable(await readTable(datasetPath, [...used, ...aside]));
}

/** Packs every candidate for the leaderboard, and leaves the best one's package in the work folder. */
async function publish(job: TrainerJob, outcome: Trained, table: Table, send: Surroundings['send']): Promise<void> {
  const trials: TrialRecord[] = [];
  let best: { modelPackage: ModelPackage; agreement: Agreement } | undefined;
  for (const [index, trial] of outcome.trials.entries()) {
    const modelPackage = buildDetectorPackage(trial.detector, {
      metrics: json({ ...trial.metrics, rows: dividedRows(outcome), selectionMetric: outcome.selectionMetric }),
      lineage: json({
        modelVersionId: job.modelVersionId,
        runId: job.runId,
        datasetVersionId: job.datasetVersionId,
        spec: job.spec,
        family: trial.family,
        parameters: trial.parameters,
        backend: outcome.backend,
        rows: dividedRows(outcome),
      }),
      materials: materialsOf(job, outcome.backend.name),
      background: backgroundOf(table, trial.detector.features, outcome.split.train),
    });
    const model = await loadModel(modelPackage.files);
    try {
      const rows = sampleRows(table, trial.detector.features, outcome.split.test);
      trials.push(trialRecord(trial, index, outcome, modelPackage, await timeOneRow(model, rows[0])));
      if (index === outcome.best) best = { modelPackage, agreement: await compareDetections(trial.detector, model, rows) };
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

function trialRecord(trial: AnomalyTrial, index: number, outcome: Trained, modelPackage: ModelPackage, predTimeMsP50: number | null): TrialRecord {
  const { selectionMetric, anomalousClass, warnings } = outcome;
  return {
    number: index,
    family: trial.family,
    parameters: json(trial.parameters),
    metrics: json({ ...trial.metrics, rows: dividedRows(outcome), selectionMetric, anomalies: { ...trial.report, falseAlarmRate: trial.detector.falseAlarmRate, anomalousClass }, warnings }),
    scoreVal: trial.metrics.validation[selectionMetric],
    scoreTest: trial.metrics.test[selectionMetric],
    fitTimeSeconds: trial.fitTimeSeconds,
    predTimeMsP50,
    sizeBytes: modelPackage.sizeBytes,
    sizeGzBytes: modelPackage.gzipBytes,
    best: index === outcome.best,
  };
}

export async function compareDetections(detector: FittedDetector, model: LoadedModel, rows: Row[]): Promise<Agreement> {
  const checked = checkRows(model.signature, rows);
  if (checked.type === 'invalid') throw new Error(`the sample rows do not fit the signature: ${checked.problems[0]?.message}`);
  return agree(await detectAnomalies(detector, rows), await model.predict(checked.rows), { type: 'anomaly', threshold: detector.threshold }, detector.scorer.family === 'autoencoder' ? detector.scorer : undefined);
}
