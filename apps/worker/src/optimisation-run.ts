import fs from 'node:fs/promises';
import path from 'node:path';
import { type Optimisation, selectionMetricOf, type TrainingSpec } from '@millrace/configuration';
import { type Backend, metricValue, optimise, type OptimisedCandidate, type OptimiseOutcome, type Table } from '@millrace/learning';
import { type Agreement, type BackgroundRows, backgroundRowsIn, buildPackage, loadModel, readPipeline } from '@millrace/packaging';
import type { Failure, TrialRecord } from '@millrace/training';
import { leavePackage } from './leave-package.ts';
import { materialsOf } from './materials.ts';
import { appraisePipeline, compareEngines, samples } from './pipeline-package.ts';
import { json } from './plain-json.ts';
import type { OptimisationJob, TrainerJob, TrainerMessage } from './trainer-protocol.ts';
import { readTrainingTable } from './training-table.ts';

type Optimised = Extract<OptimiseOutcome, { type: 'optimised' }>;
type Send = (message: TrainerMessage) => Promise<void>;

/** A run that makes a smaller or faster version from one that is there. It is made anew when it was interrupted: the same rows give the same candidates. */
export async function runOptimisation(job: TrainerJob, { wanted, packageFolder }: OptimisationJob, { backend, signal }: { backend: Backend; signal: AbortSignal }, send: Send): Promise<void> {
  const files = new Map<string, Uint8Array>();
  for (const name of await fs.readdir(packageFolder)) files.set(name, await fs.readFile(path.join(packageFolder, name)));
  const base = readPipeline(files);
  if (base.type === 'unreadable') {
    const remedy = base.reason === 'imported' ? 'Optimise it where it was made, or train a model here.' : 'Train the model again, and optimise the version that comes out.';
    return send({ type: 'failed', failure: { code: 'BASE_UNREADABLE', field: 'modelVersionId', message: base.message, remedy, fault: 'USER' } });
  }
  const table = await readTrainingTable(job);
  const { family } = base.pipeline.estimator;
  const outcome = await optimise({
    base: base.pipeline, table, spec: job.spec, optimisation: wanted, backend, signal,
    appraise: (pipeline) => appraisePipeline(pipeline, table),
    onEvent: (event) => (event.type === 'candidate-started' ? send({ type: 'trial-started', trial: event.candidate, trials: event.candidates, family }) : undefined),
  });
  if (outcome.type === 'cancelled') return send({ type: 'cancelled' });
  if (outcome.type === 'invalid') {
    const [problem] = outcome.problems;
    return send({ type: 'failed', failure: { code: 'OPTIMISATION_UNFIT', message: problem!.message, remedy: problem!.remedy, fault: 'USER' } });
  }
  const trials = trialRecords(outcome, job.spec);
  if (outcome.best === null) {
    // The candidates stay to be looked at.
    for (const record of trials) await send({ type: 'search-trial', record });
    return send({ type: 'failed', failure: nothingFits(outcome, wanted) });
  }
  await publish({ ...job, backend: backend.name }, wanted, outcome, outcome.candidates[outcome.best]!, trials, table, backgroundRowsIn(files), send);
}

/** Leaves the chosen candidate's package in the work folder. */
async function publish(job: TrainerJob, wanted: Optimisation, outcome: Optimised, chosen: OptimisedCandidate, trials: TrialRecord[], table: Table, background: BackgroundRows, send: Send): Promise<void> {
  const { steps, pipeline, appraisal, interval, bound } = chosen;
  const metric = selectionMetricOf(job.spec);
  const [score, parentScore] = [metricValue(chosen.metrics.test, metric), metricValue(outcome.base.metrics.test, metric)];
  const modelPackage = buildPackage(pipeline, {
    metrics: json({ ...chosen.metrics, selectionMetric: metric }),
    lineage: json({
      modelVersionId: job.modelVersionId,
      runId: job.runId,
      datasetVersionId: job.datasetVersionId,
      parentModelVersionId: wanted.base,
      spec: job.spec,
      family: pipeline.estimator.family,
      optimisation: { ...wanted, steps },
      backend: job.backend,
    }),
    materials: materialsOf(job, job.backend),
    background, // answers of both are explained against the same rows
  });
  const model = await loadModel(modelPackage.files);
  let agreement: Agreement;
  try {
    agreement = await compareEngines(pipeline, model, samples(table, pipeline, new Int32Array()));
  } finally {
    await model.close();
  }
  await send({
    type: 'trained',
    trials,
    metrics: json(chosen.metrics.test),
    optimisation: { steps: json(steps), metric, score, parentScore, loss: interval, bound, cost: appraisal, parentCost: outcome.base.appraisal },
    ...(await leavePackage(job, { modelPackage, agreement })),
  });
}

/** The base first, as number 0, then every candidate. */
function trialRecords(outcome: Optimised, spec: TrainingSpec): TrialRecord[] {
  const metric = selectionMetricOf(spec);
  return [outcome.base, ...outcome.candidates].map((candidate, number): TrialRecord => {
    const { steps, pipeline, metrics, validationLoss, validationBound, interval, bound, appraisal, fitTimeSeconds, reason } = candidate;
    return {
      number,
      family: pipeline.estimator.family,
      parameters: json({ steps }),
      metrics: json({ ...metrics, selectionMetric: metric, optimisation: { loss: interval, bound, validationLoss, validationBound, reason: reason ?? null, chosenOn: outcome.chosenOn } }),
      scoreVal: metrics.validation && metricValue(metrics.validation, metric),
      scoreTest: metricValue(metrics.test, metric),
      fitTimeSeconds,
      ...appraisal,
      best: number > 0 && number - 1 === outcome.best,
    };
  });
}

/** Why there is no new version: every candidate loses too much, or none is better by the target. */
function nothingFits({ candidates }: Optimised, { target, maxLoss = Infinity }: Optimisation): Failure {
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
