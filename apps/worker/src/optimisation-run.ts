import fs from 'node:fs/promises';
import path from 'node:path';
import { type Optimisation, selectionMetricOf, type TrainingSpec } from '@millrace/configuration';
import { type Backend, metricValue, type OptimisedCandidate, type OptimiseEvent } from '@millrace/learning';
import { type Agreement, backgroundRowsIn, loadModel } from '@millrace/packaging';
import { findingsOf } from '@millrace/registry';
import type { Failure, TrialRecord } from '@millrace/training';
import { findingNote } from './compression.ts';
import { detectorSubject } from './detector-subject.ts';
import { leavePackage } from './leave-package.ts';
import { materialsOf } from './materials.ts';
import { type OptimisedOutcome, type OptimisedSubject, plainSubject } from './optimised-subject.ts';
import { json } from './plain-json.ts';
import { recommenderSubject } from './recommender-subject.ts';
import type { Surroundings } from './surroundings.ts';
import { survivalSubject } from './survival-subject.ts';
import type { OptimisationJob, TrainerJob } from './trainer-protocol.ts';

type Optimised<Model> = Extract<OptimisedOutcome<Model>, { type: 'optimised' }>;
type Send = Surroundings['send'];

/** A run that makes a smaller or faster version from one that is there. It is made anew when it was interrupted: the same rows give the same candidates. */
export async function runOptimisation(job: TrainerJob, { wanted, packageFolder }: OptimisationJob, { backend, signal, send, stopWhenPaused }: Surroundings): Promise<void> {
  stopWhenPaused();
  const files = new Map<string, Uint8Array>();
  for (const name of await fs.readdir(packageFolder)) files.set(name, await fs.readFile(path.join(packageFolder, name)));
  const at = { job: { ...job, backend: backend.name }, wanted, files, backend, signal };
  if (job.spec.recommendation) return optimiseSubject(at, await recommenderSubject(at), send);
  if (job.spec.survival) return optimiseSubject(at, await survivalSubject(at), send);
  if (job.spec.anomaly) return optimiseSubject(at, await detectorSubject(at), send);
  return optimiseSubject(at, await plainSubject(at), send);
}

/** What a run that optimises begins with. */
export interface OptimisationGrounds {
  job: TrainerJob;
  wanted: Optimisation;
  /** of the base */
  files: ReadonlyMap<string, Uint8Array>;
  backend: Backend;
  signal: AbortSignal;
}

async function optimiseSubject<Model>(at: OptimisationGrounds, subject: OptimisedSubject<Model>, send: Send): Promise<void> {
  const { job, wanted } = at;
  if (subject.type === 'unreadable') {
    const remedy = subject.reason === 'imported' ? 'Optimise it where it was made, or train a model here.' : 'Train the model again, and optimise the version that comes out.';
    return send({ type: 'failed', failure: { code: 'BASE_UNREADABLE', field: 'modelVersionId', message: subject.message, remedy, fault: 'USER' } });
  }
  const outcome = await subject.optimise((event: OptimiseEvent) => (event.type === 'candidate-started' ? send({ type: 'trial-started', trial: event.candidate, trials: event.candidates, family: subject.family }) : undefined));
  if (outcome.type === 'cancelled') return send({ type: 'cancelled' });
  if (outcome.type === 'invalid') {
    const [problem] = outcome.problems;
    return send({ type: 'failed', failure: { code: 'OPTIMISATION_UNFIT', message: problem!.message, remedy: problem!.remedy, fault: 'USER' } });
  }
  const trials = trialRecords(outcome, job.spec, subject);
  if (outcome.best === null) {
    // The candidates stay to be looked at.
    for (const record of trials) await send({ type: 'search-trial', record });
    return send({ type: 'failed', failure: nothingFits(outcome, wanted) });
  }
  await publish(at, subject, outcome, outcome.candidates[outcome.best]!, trials, send);
}

type Readable<Model> = Extract<OptimisedSubject<Model>, { type: 'readable' }>;

/** Leaves the chosen candidate's package in the work folder. */
async function publish<Model>({ job, wanted, files }: OptimisationGrounds, subject: Readable<Model>, outcome: Optimised<Model>, chosen: OptimisedCandidate<Model, object>, trials: TrialRecord[], send: Send): Promise<void> {
  const { steps, model: made, appraisal, interval, bound } = chosen;
  const metric = selectionMetricOf(job.spec);
  const [score, parentScore] = [metricOf(chosen.metrics.test, metric), metricOf(outcome.base.metrics.test, metric)];
  const modelPackage = subject.kind.pack(made, {
    metrics: json({ ...chosen.metrics, selectionMetric: metric }),
    lineage: json({
      modelVersionId: job.modelVersionId,
      runId: job.runId,
      datasetVersionId: job.datasetVersionId,
      parentModelVersionId: wanted.base,
      spec: job.spec,
      family: subject.familyOf(made),
      ...subject.lineage,
      optimisation: { ...wanted, steps },
      backend: job.backend,
    }),
    materials: materialsOf(job, job.backend),
    background: backgroundRowsIn(files), // answers of both are explained against the same rows
  });
  const model = await loadModel(modelPackage.files);
  let agreement: Agreement;
  try {
    agreement = await subject.kind.compare(made, model);
  } finally {
    await model.close();
  }
  await send({
    type: 'trained',
    trials,
    metrics: json(chosen.metrics.test) as Record<string, unknown>,
    optimisation: { steps: json(steps), metric, score, parentScore, loss: interval, bound, cost: appraisal, parentCost: outcome.base.appraisal },
    notes: findingsOf({ cost: appraisal, parentCost: outcome.base.appraisal }).map(findingNote),
    ...(await leavePackage(job, { modelPackage, agreement })),
  });
}

const metricOf = (metrics: object, metric: Parameters<typeof metricValue>[1]): number | null => metricValue(metrics as Parameters<typeof metricValue>[0], metric);

/** The base first, as number 0, then every candidate. */
function trialRecords<Model>(outcome: Optimised<Model>, spec: TrainingSpec, { familyOf }: Readable<Model>): TrialRecord[] {
  const metric = selectionMetricOf(spec);
  return [outcome.base, ...outcome.candidates].map((candidate, number): TrialRecord => {
    const { steps, model, metrics, validationLoss, validationBound, interval, bound, appraisal, fitTimeSeconds, reason } = candidate;
    return {
      number,
      family: familyOf(model),
      parameters: json({ steps }),
      metrics: json({ ...metrics, selectionMetric: metric, optimisation: { loss: interval, bound, validationLoss, validationBound, reason: reason ?? null, chosenOn: outcome.chosenOn } }),
      scoreVal: metrics.validation && metricOf(metrics.validation, metric),
      scoreTest: metricOf(metrics.test, metric),
      fitTimeSeconds,
      ...appraisal,
      best: number > 0 && number - 1 === outcome.best,
    };
  });
}

/** Why there is no new version: every candidate loses too much, or none is better by the target. */
function nothingFits({ candidates }: { candidates: readonly Pick<OptimisedCandidate, 'validationBound' | 'bound'>[] }, { target, maxLoss = Infinity }: Optimisation): Failure {
  const most = candidates.map(({ validationBound, bound }) => (validationBound ?? bound)?.atMost ?? Infinity);
  const gain = target === 'LATENCY' ? 'faster' : 'smaller';
  if (most.some((loss) => loss > maxLoss)) {
    const least = Math.min(...most.filter((loss) => loss > maxLoss));
    const nearest = Number.isFinite(least) ? ` The nearest of those beyond may lose up to ${Number(least.toPrecision(3))}.` : '';
    return {
      code: 'LOSS_TOO_GREAT',
      field: 'maxLoss',
      message: `None of ${candidates.length} ${candidates.length === 1 ? 'candidate' : 'candidates'} is ${target ? `${gain} and ` : ''}shown to be at most ${maxLoss} points worse.${nearest}`,
      remedy: 'Look at the candidates; allow a greater loss, choose other steps, or train on more rows: few cannot show that little is lost.',
      fault: 'USER',
    };
  }
  return {
    code: 'NOTHING_GAINED',
    field: target ? 'target' : 'steps',
    message: `None of ${candidates.length} ${candidates.length === 1 ? 'candidate' : 'candidates'} is ${gain} than the version that it was made from.`,
    remedy: 'Choose another target or other steps; the version may be as small as it can be.',
    fault: 'USER',
  };
}
