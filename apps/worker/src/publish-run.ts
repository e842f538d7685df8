import type { SelectionMetric } from '@millrace/configuration';
import { type Appraisal, type CompressOutcome, type Metrics, metricValue } from '@millrace/learning';
import { type Agreement, type BackgroundRows, type LoadedModel, loadModel, type ModelPackage, type PackageFacts } from '@millrace/packaging';
import type { TrialRecord } from '@millrace/training';
import { compressChosen, type CompressionReport, notesOf } from './compression.ts';
import { leavePackage } from './leave-package.ts';
import { materialsOf } from './materials.ts';
import type { ModelKind } from './model-kind.ts';
import { json } from './plain-json.ts';
import type { Surroundings } from './surroundings.ts';
import { timeOneRow } from './time-one-row.ts';
import type { TrainerJob } from './trainer-protocol.ts';

/** A row of the leaderboard of which there is a model. */
export interface Candidate<Model> {
  number: number;
  family: string;
  parameters: object;
  model: Model;
  /** all that was measured of it */
  metrics: { validation: object | null; test: object; baseline?: object };
  fitTimeSeconds: number;
  /** Default: the selection metric on the validation rows. */
  scoreVal?: number | null;
  /** where it is known: it then is packed only if it becomes the version */
  cost?: Appraisal | null;
  /** what the leaderboard keeps of it besides */
  shown?: object;
  /** what its package names as its origin besides */
  lineage?: object;
  compression?: CompressionReport;
}

/** What a training has come to, of whatever kind. */
export interface TrainedRun<Model> {
  kind: ModelKind<Model>;
  candidates: Candidate<Model>[];
  /** the place among them of what becomes the version */
  best: number;
  selectionMetric: SelectionMetric;
  /** trials of which there is no model */
  others?: TrialRecord[];
  /** how rows were divided: in all metrics */
  divided?: { rows: object };
  lineage: object;
  /** name of what it was computed on */
  backend?: string;
  background?(model: Model): BackgroundRows;
  /** what can be read off a model itself: in its metrics */
  explained?(model: Model): object | null;
  /** what is measured of the version alone: in its metrics */
  weigh?(model: Model, loaded: LoadedModel): Promise<object | null>;
  /** what the leaderboard keeps besides of what compression made; see `OptimisedCandidate.details` */
  shownOf?(model: Model, details: object | undefined): object;
  /** none where nothing can be made smaller */
  compress?(chosen: Candidate<Model>, maxLoss: number): Promise<CompressOutcome<Model, object>>;
}

/** Packs every candidate for the leaderboard, and leaves the package of the best one, or of what compression made of it, in the work folder. */
export async function publishRun<Model>(job: TrainerJob, trained: TrainedRun<Model>, how: Pick<Surroundings, 'send' | 'stopWhenPaused'>): Promise<void> {
  const run = job.spec.compress && trained.compress ? await compressChosen(job, trained, trained.compress, how) : trained;
  if (run === 'cancelled') return how.send({ type: 'cancelled' });
  const trials: TrialRecord[] = [];
  let version: { modelPackage: ModelPackage; agreement: Agreement; weighed: object | null } | undefined;
  for (const [index, candidate] of run.candidates.entries()) {
    const isVersion = index === run.best;
    const { model, cost } = candidate;
    if (cost && !isVersion) {
      trials.push(trialRecord(run, candidate, cost, false));
      continue;
    }
    const modelPackage = run.kind.pack(model, factsOf(job, run, candidate));
    const loaded = await loadModel(modelPackage.files);
    try {
      const predTimeMsP50 = cost?.predTimeMsP50 ?? (await timeOneRow(loaded, run.kind.sampleRow(model)));
      trials.push(trialRecord(run, candidate, { predTimeMsP50, sizeBytes: modelPackage.sizeBytes, sizeGzBytes: modelPackage.gzipBytes }, isVersion));
      if (isVersion) version = { modelPackage, agreement: await run.kind.compare(model, loaded), weighed: (await run.weigh?.(model, loaded)) ?? null };
    } finally {
      await loaded.close();
    }
  }
  const known = new Set(trials.map(({ number }) => number));
  const best = run.candidates[run.best]!;
  const report = run.candidates.find(({ compression }) => compression)?.compression;
  await how.send({
    type: 'trained',
    trials: [...trials, ...(run.others ?? []).filter(({ number }) => !known.has(number))],
    metrics: json({ ...best.metrics.test, ...version!.weighed, ...compressionIn(best) }) as Record<string, unknown>,
    ...(report ? { notes: notesOf(report) } : {}),
    ...(await leavePackage(job, version!)),
  });
}

const compressionIn = ({ compression }: Candidate<unknown>) => (compression ? { compression } : {});

/** What is measured of a candidate, on the leaderboard and in its package. */
const metricsOf = <Model>(run: TrainedRun<Model>, { model, metrics }: Candidate<Model>) => ({ ...metrics, ...run.explained?.(model), ...run.divided, selectionMetric: run.selectionMetric });

function factsOf<Model>(job: TrainerJob, run: TrainedRun<Model>, candidate: Candidate<Model>): PackageFacts {
  const { family, parameters } = candidate;
  const { modelVersionId, runId, datasetVersionId, spec } = job;
  return {
    metrics: json({ ...metricsOf(run, candidate), ...compressionIn(candidate) }),
    lineage: json({ modelVersionId, runId, datasetVersionId, spec, family, parameters, ...candidate.lineage, ...run.lineage }),
    materials: materialsOf(job, run.backend),
    ...(run.background ? { background: run.background(candidate.model) } : {}),
  };
}

function trialRecord<Model>(run: TrainedRun<Model>, candidate: Candidate<Model>, cost: Appraisal, best: boolean): TrialRecord {
  const { number, family, parameters, metrics, fitTimeSeconds, shown } = candidate;
  const score = (of: object) => metricValue(of as Metrics, run.selectionMetric);
  return {
    number,
    family,
    parameters: json(parameters),
    metrics: json({ ...metricsOf(run, candidate), ...shown, ...compressionIn(candidate) }),
    scoreVal: candidate.scoreVal ?? (metrics.validation && score(metrics.validation)),
    scoreTest: score(metrics.test),
    fitTimeSeconds,
    ...cost,
    best,
  };
}
