import { readTable } from '@millrace/datasets';
import { type CheckpointStore, type FittedRecommender, recommend, type RecommendationTable, type RecommenderTrial, trainRecommender, type TrainRecommenderOutcome } from '@millrace/learning';
import { agree, type Agreement, buildRecommenderPackage, checkRows, type LoadedModel, loadModel, type ModelPackage } from '@millrace/packaging';
import type { TrialRecord } from '@millrace/training';
import { leavePackage } from './leave-package.ts';
import { materialsOf } from './materials.ts';
import { json } from './plain-json.ts';
import { timeOneRow } from './time-one-row.ts';
import type { TrainerJob, TrainerMessage } from './trainer-protocol.ts';

type Trained = Extract<TrainRecommenderOutcome, { type: 'trained' }>;
type Row = Record<string, number | string | string[] | null>;

/** Answers on which the engines are compared. */
const agreementRows = 200;

/** A run whose configuration asks for recommendations. */
export async function runRecommendation(job: TrainerJob, { backend, signal, checkpoint }: { backend: string; signal: AbortSignal; checkpoint: CheckpointStore }, send: (message: TrainerMessage) => Promise<void>): Promise<void> {
  const outcome = await trainRecommender({
    table: await readRecommendationTable(job),
    spec: job.spec,
    signal,
    checkpoint,
    onEvent(event) {
      if (event.type === 'checkpoint-ignored') return undefined;
      if (event.type !== 'epoch') return send(event);
      const { trial, epoch, epochs, loss } = event;
      return send({ type: 'epoch', trial, epoch, epochs, values: { loss, valLoss: null } });
    },
  });
  if (outcome.type === 'cancelled') return send({ type: 'cancelled' });
  if (outcome.type === 'invalid') {
    const [problem] = outcome.problems;
    return send({ type: 'failed', failure: { code: 'INVALID_DATA', message: problem!.message, remedy: problem!.remedy, fault: 'USER' } });
  }
  await publish(job, outcome, backend, send);
}

/** Times are read as words, whose order is found as they come: a column of dates can't be read as numbers, nor the other way round. */
export async function readRecommendationTable({ datasetPath, spec }: TrainerJob): Promise<RecommendationTable> {
  const { userColumn, itemColumn, ratingColumn, timeColumn, userFeatures, itemFeatures } = spec.recommendation!;
  const optional = <T extends 'number' | 'category'>(name: string | undefined, type: T) => (name === undefined ? [] : [{ name, type }]);
  const { columns } = await readTable<'number' | 'category' | 'binary'>(datasetPath, [
    { name: userColumn, type: 'category' }, { name: itemColumn, type: 'category' },
    ...optional(ratingColumn, 'number'), ...optional(timeColumn, 'category'), ...userFeatures, ...itemFeatures,
  ]);
  const byName = new Map(columns.map((column) => [column.name, column]));
  const words = (name: string) => byName.get(name)!.values as (string | null)[];
  return {
    users: words(userColumn),
    items: words(itemColumn),
    ratings: ratingColumn === undefined ? null : (byName.get(ratingColumn)!.values as Float64Array),
    times: timeColumn === undefined ? null : words(timeColumn),
    userFeatures: userFeatures.map(({ name }) => byName.get(name)!),
    itemFeatures: itemFeatures.map(({ name }) => byName.get(name)!),
  };
}

/** Packs every candidate for the leaderboard, and leaves the best one's package in the work folder. */
async function publish(job: TrainerJob, outcome: Trained, backend: string, send: (message: TrainerMessage) => Promise<void>): Promise<void> {
  const trials: TrialRecord[] = [];
  let best: { modelPackage: ModelPackage; agreement: Agreement } | undefined;
  for (const [index, trial] of outcome.trials.entries()) {
    const modelPackage = buildRecommenderPackage(trial.recommender, {
      metrics: json({ ...trial.metrics, rows: outcome.rows, selectionMetric: outcome.selectionMetric }),
      lineage: json({
        modelVersionId: job.modelVersionId,
        runId: job.runId,
        datasetVersionId: job.datasetVersionId,
        spec: job.spec,
        family: trial.family,
        parameters: trial.parameters,
        backend,
        rows: outcome.rows,
      }),
      materials: materialsOf(job, backend),
    });
    const model = await loadModel(modelPackage.files);
    try {
      trials.push(trialRecord(trial, index, outcome, modelPackage, await timeOneRow(model, { [trial.recommender.user]: trial.recommender.users[0]! })));
      if (index === outcome.best) best = { modelPackage, agreement: await compareRecommendations(trial.recommender, model) };
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

function trialRecord(trial: RecommenderTrial, index: number, outcome: Trained, modelPackage: ModelPackage, predTimeMsP50: number | null): TrialRecord {
  const { selectionMetric, rows } = outcome;
  const warnings = [...outcome.warnings, ...outcome.failures.map(({ problem }) => problem.message)];
  return {
    number: trial.model,
    family: trial.family,
    parameters: json(trial.parameters),
    metrics: json({ ...trial.metrics, rows, selectionMetric, sample: trial.sample, warnings }),
    scoreVal: trial.metrics.validation?.[selectionMetric] ?? null,
    scoreTest: trial.metrics.test[selectionMetric],
    fitTimeSeconds: trial.fitTimeSeconds,
    predTimeMsP50,
    sizeBytes: modelPackage.sizeBytes,
    sizeGzBytes: modelPackage.gzipBytes,
    best: index === outcome.best,
  };
}

/** Users spread evenly over all of them, and one who is not known; every other asks to leave out what comes first. */
export async function compareRecommendations(recommender: FittedRecommender, model: LoadedModel): Promise<Agreement> {
  const { user, users, items } = recommender;
  const count = Math.min(agreementRows - 1, users.length);
  const asked = [null, ...Array.from({ length: count }, (_, at) => users[Math.floor((at * users.length) / count)]!)];
  const requests = asked.map((name, at) => ({ user: name, exclude: at % 2 === 0 ? [] : recommend(recommender, { user: name }).items.slice(0, 1).concat(items[at % items.length]!) }));
  const rows = requests.map(({ user: name, exclude }): Row => ({ [user]: name, exclude }));
  const checked = checkRows(model.signature, rows);
  if (checked.type === 'invalid') throw new Error(`the sample rows do not fit the signature: ${checked.problems[0]?.message}`);
  const learned = requests.map((request) => recommend(recommender, request));
  const scale = Math.max(1, ...learned.flatMap(({ scores }) => scores.map(Math.abs)));
  return agree(learned, await model.predict(checked.rows), { type: 'items', scale });
}
