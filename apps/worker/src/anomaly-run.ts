import { type AnomalyTrial, compressDetector, detectAnomalies, type FittedDetector, type Table, trainAnomaly } from '@millrace/learning';
import { agree, buildDetectorPackage } from '@millrace/packaging';
import { backgroundOf } from './background.ts';
import { dividedRows } from './divided-rows.ts';
import { acceptedRows, appraise, type ModelKind } from './model-kind.ts';
import { type Candidate, publishRun } from './publish-run.ts';
import { sampleRows } from './sample-rows.ts';
import { type Surroundings, tellUntrained } from './surroundings.ts';
import type { TrainerJob } from './trainer-protocol.ts';
import { readTrainingTable } from './training-table.ts';

/** A run whose configuration asks for an anomaly detection. */
export async function runAnomaly(job: TrainerJob, how: Surroundings): Promise<void> {
  const { spec } = job;
  const { backend, signal, checkpoint, send } = how;
  const table = await readTrainingTable(job);
  const outcome = await trainAnomaly({
    table, spec, backend, signal, checkpoint,
    onEvent: (event) => send(event.type === 'epoch' ? { type: 'epoch', trial: event.trial, epoch: event.epoch, epochs: event.epochs, values: { loss: event.loss } } : event),
  });
  if (outcome.type !== 'trained') return tellUntrained(outcome, send);
  const { trials, best, selectionMetric, split, anomalousClass, warnings } = outcome;
  const kind = detectorKind(table, split.test);
  const rows = dividedRows(outcome);
  const shownOf = ({ falseAlarmRate }: FittedDetector, report: object | undefined) => ({ anomalies: { ...report, falseAlarmRate, anomalousClass }, warnings });
  const candidateOf = ({ detector, report, ...trial }: AnomalyTrial, number: number): Candidate<FittedDetector> => ({ ...trial, number, model: detector, shown: shownOf(detector, report) });
  await publishRun(job, {
    kind, candidates: trials.map(candidateOf), best, selectionMetric, divided: { rows }, lineage: { backend: outcome.backend, rows }, backend: outcome.backend.name,
    background: ({ features }) => backgroundOf(table, features, split.train),
    shownOf,
    compress: ({ model }, maxLoss) => compressDetector({ base: model, table, spec, maxLoss, backend: outcome.backend, signal, appraise: (detector) => appraise(kind, detector) }),
  }, how);
}

/** Detectors of anomalies. @param testRows those that are asked first */
export function detectorKind(table: Table, testRows: Int32Array = new Int32Array()): ModelKind<FittedDetector> {
  const samples = ({ features }: FittedDetector, most?: number) => sampleRows(table, features, testRows, most);
  return {
    pack: buildDetectorPackage,
    sampleRow: (detector) => samples(detector, 1)[0],
    async compare(detector, loaded) {
      const rows = samples(detector);
      const { threshold, scorer } = detector;
      const served = await loaded.predict(acceptedRows(loaded, rows));
      return agree(await detectAnomalies(detector, rows), served, { type: 'anomaly', threshold }, scorer.family === 'autoencoder' ? scorer : undefined);
    },
  };
}
