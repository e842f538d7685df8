import fs from 'node:fs/promises';
import path from 'node:path';
import { maxSearchTrials } from '@millrace/configuration';
import {
  type Appraisal, type CheckpointStore, coefficientsOf, metricValue, type SearchRecord, selectBackend, type Table, train, type TrainEvent, type TrainOutcome, trainPersonalised,
  type Trial,
} from '@millrace/learning';
import { type Agreement, buildPackage, loadModel, type ModelPackage, readConvolutions } from '@millrace/packaging';
import type { Failure, TrialRecord } from '@millrace/training';
import { runAnomaly } from './anomaly-run.ts';
import { backgroundOf, importanceOf } from './background.ts';
import { type CompressedModel, type CompressionOutcome, type CompressionReport, compressChosen, noteOf } from './compression.ts';
import { dividedRows } from './divided-rows.ts';
import { runForecast } from './forecast-run.ts';
import { leavePackage } from './leave-package.ts';
import { materialsOf } from './materials.ts';
import { runOptimisation } from './optimisation-run.ts';
import { appraisePipeline, compareEngines, samples } from './pipeline-package.ts';
import { json } from './plain-json.ts';
import { runRecommendation } from './recommendation-run.ts';
import { runSurvival } from './survival-run.ts';
import { timeOneRow } from './time-one-row.ts';
import { readTrainingTable } from './training-table.ts';
import { checkpointFile, type TrainerJob, type TrainerMessage, type WorkerMessage } from './trainer-protocol.ts';

/**
 * The training process: one run, no database, no secret. It tells its worker what happens and leaves files in its work
 * folder. It ends with its worker, whatever it is doing.
 */

const abort = new AbortController();
process.on('disconnect', () => process.exit(1));
let pausing = false;
/** whether it saves where it is when it is broken off, or is quickly made anew: a pause then has no checkpoint to wait for */
let savesWhenStopped = false;
process.on('message', (message: WorkerMessage) => {
  if (message.type === 'cancel') return abort.abort();
  if (message.type === 'pause') {
    pausing = true;
    if (savesWhenStopped) abort.abort();
    return undefined;
  }
  const work = message.type === 'probe' ? probe() : run(message.job);
  work.then(() => process.exit(0), (error: unknown) => send({ type: 'failed', failure: failureOf(error) }).then(() => process.exit(1)));
});

/** Says what it would compute on. */
async function probe(): Promise<void> {
  const { name, detail } = await selectBackend({ prefer: 'cuda' });
  await send({ type: 'started', backend: name, backendDetail: detail });
}

/** Resolves when the message has left, which slows the training to what the worker can take. */
function send(message: TrainerMessage): Promise<void> {
  return new Promise((resolve) => process.send!(message, undefined, {}, () => resolve()));
}

async function run(job: TrainerJob): Promise<void> {
  const backend = await selectBackend({ prefer: job.backend });
  await send({ type: 'started', backend: backend.name, backendDetail: backend.detail });
  const { spec } = job;
  /** News of a run that ends when it is told to: told to pause, it has not ended. */
  const sendPausing = (message: TrainerMessage) => send(message.type === 'cancelled' && pausing ? { type: 'paused' } : message);
  if (job.optimisation) {
    savesWhenStopped = true;
    if (pausing) abort.abort();
    return runOptimisation(job, job.optimisation, { backend, signal: abort.signal }, sendPausing);
  }
  if (spec.forecast || spec.survival) {
    savesWhenStopped = true;
    if (pausing) abort.abort();
    if (spec.survival) return runSurvival(job, abort.signal, sendPausing);
    return runForecast(job, { backend, checkpoint: checkpointsOf(job), signal: abort.signal }, sendPausing);
  }
  if (spec.anomaly) return runAnomaly(job, { backend, signal: abort.signal, checkpoint: checkpointsOf(job), send: sendPausing });
  if (spec.recommendation) return runRecommendation(job, { backend: backend.name, signal: abort.signal, checkpoint: checkpointsOf(job) }, sendPausing);
  const table = await readTrainingTable(job);

  const outcome = await (spec.personalisation ? trainPersonalised : train)({
    table,
    spec,
    backend,
    signal: abort.signal,
    bases: await Promise.all(job.bases.map(async (base) => base && readConvolutions(new Map([['model.onnx', await fs.readFile(base.graphPath)]])))),
    onEvent: (event) => forward(event, job),
    appraise: (pipeline) => appraisePipeline(pipeline, table),
    checkpoint: checkpointsOf(job),
  });
  if (outcome.type === 'cancelled') return send({ type: pausing ? 'paused' : 'cancelled' });
  if (outcome.type === 'invalid') {
    const [problem] = outcome.problems;
    return send({
      type: 'failed',
      failure: { code: 'INVALID_DATA', message: problem!.message, remedy: problem!.remedy, fault: 'USER' },
    });
  }
  await publish(job, outcome, table, sendPausing);
}

/** Where the progress of a job is kept; a run that is to pause is over with its next checkpoint. */
function checkpointsOf(job: TrainerJob): CheckpointStore {
  const file = path.join(job.workDirectory, checkpointFile);
  let savedAt = performance.now();
  return {
    // Most epochs are so short that saving each would cost more than it could win back.
    isDue: () => pausing || performance.now() - savedAt >= job.checkpointEverySeconds * 1000,
    load: async () => (job.checkpointPath ? fs.readFile(job.checkpointPath) : null),
    async save(bytes) {
      savedAt = performance.now();
      await fs.writeFile(`${file}.partial`, bytes);
      await fs.rename(`${file}.partial`, file);
      await send({ type: 'checkpoint', file: checkpointFile });
      if (pausing) abort.abort();
    },
  };
}

async function forward(event: TrainEvent, { spec }: TrainerJob): Promise<void> {
  if (event.type === 'search-progress') {
    const { timeLimitSeconds = null, maxTrials = maxSearchTrials } = spec.selection;
    return send({ ...event, trials: maxTrials, timeLimitSeconds });
  }
  if (event.type === 'search-trial') return send({ type: 'search-trial', record: searchedRecord(event.record) });
  if (event.type === 'resumed') return send(event);
  if (event.type === 'trial-started') {
    return send({ type: 'trial-started', trial: event.trial, trials: event.trials, family: event.family });
  }
  if (event.type === 'epoch') {
    const { trial, epoch, epochs, loss, valLoss, metrics } = event;
    return send({ type: 'epoch', trial, epoch, epochs, values: { loss, valLoss, ...metrics } });
  }
}

/** Packs every trial for the leaderboard, and leaves the package of the best one, or of what compression made of it, in the work folder. */
async function publish(job: TrainerJob, outcome: Trained, table: Table, sendPausing: (message: TrainerMessage) => Promise<void>): Promise<void> {
  const compression = job.spec.compress ? await compressBest(job, outcome, table) : null;
  if (compression?.type === 'cancelled') return sendPausing(compression);
  const { report, model: compressed } = compression ?? { report: null, model: null };
  const packed: Packed[] = outcome.trials.map((trial, index) => ({ trial, isVersion: index === outcome.best && report?.kept !== true, ...(index === outcome.best && report?.kept === false ? { report } : {}) }));
  if (compressed && report) packed.push({ ...compressedTrial(outcome, compressed), isVersion: report.kept, report });

  const trials: TrialRecord[] = [];
  let best: { modelPackage: ModelPackage; agreement: Agreement } | undefined;
  let importance: Awaited<ReturnType<typeof importanceOf>> = null;
  for (const entry of packed) {
    const { trial, isVersion } = entry;
    if (trial.appraisal && !isVersion) {
      trials.push(trialRecord(entry, outcome, trial.appraisal));
      continue;
    }
    const modelPackage = buildPackage(trial.pipeline, {
      metrics: json({ ...trial.metrics, ...explained(trial), rows: dividedRows(outcome), selectionMetric: outcome.selectionMetric, ...compressionOf(entry) }),
      lineage: json({
        modelVersionId: job.modelVersionId,
        runId: job.runId,
        datasetVersionId: job.datasetVersionId,
        spec: job.spec,
        family: trial.family,
        parameters: trial.parameters,
        ...(job.bases[trial.model] ? { parentModelVersionId: job.bases[trial.model]!.modelVersionId } : {}),
        backend: outcome.backend,
        rows: dividedRows(outcome),
      }),
      materials: materialsOf(job, outcome.backend.name),
      background: backgroundOf(table, trial.pipeline.features, outcome.split.train),
    });
    const model = await loadModel(modelPackage.files);
    try {
      const rows = samples(table, trial.pipeline, outcome.split.test);
      const predTimeMsP50 = trial.appraisal?.predTimeMsP50 ?? (await timeOneRow(model, rows.served[0]));
      trials.push(trialRecord(entry, outcome, { predTimeMsP50, sizeBytes: modelPackage.sizeBytes, sizeGzBytes: modelPackage.gzipBytes }));
      if (!isVersion) continue;
      best = { modelPackage, agreement: await compareEngines(trial.pipeline, model, rows) };
      importance = await importanceOf(model, table, trial.pipeline, outcome.split.test);
    } finally {
      await model.close();
    }
  }
  const known = new Set(trials.map(({ number }) => number));
  trials.push(...(outcome.search ?? []).filter(({ number }) => !known.has(number)).map(searchedRecord));
  const version = packed.find(({ isVersion }) => isVersion)!;
  await send({
    type: 'trained',
    trials,
    metrics: json({ ...version.trial.metrics.test, ...(importance ? { importance } : {}), ...compressionOf(version) }) as Record<string, unknown>,
    ...(report ? { notes: [noteOf(report)] } : {}),
    ...(await leavePackage(job, best!)),
  });
}

type Trained = Extract<TrainOutcome, { type: 'trained' }>;

/** A row of the leaderboard of which there is a model. */
interface Packed {
  trial: Trial;
  /** whether it becomes the version: what was chosen, or what compression made of it */
  isVersion: boolean;
  report?: CompressionReport;
}

async function compressBest(job: TrainerJob, outcome: Trained, table: Table): Promise<CompressionOutcome> {
  savesWhenStopped = true; // a checkpoint of the training is there, and the rest is quickly made anew
  if (pausing) abort.abort();
  const { model: number, pipeline, family } = outcome.trials[outcome.best]!;
  await send({ type: 'trial-started', trial: number, trials: outcome.trials.length + 1, family });
  return compressChosen(job, { number, pipeline, metric: outcome.selectionMetric }, table, { backend: outcome.backend, signal: abort.signal });
}

/** Stands after all others in the leaderboard. */
function compressedTrial(outcome: Trained, { steps, pipeline, metrics, fitTimeSeconds, cost }: CompressedModel): { trial: Trial } {
  const chosen = outcome.trials[outcome.best]!;
  const numbers = [...outcome.trials.map(({ model }) => model), ...(outcome.search ?? []).map(({ number }) => number)];
  const { search: _search, ...rest } = chosen;
  const trial: Trial = {
    ...rest,
    model: Math.max(...numbers) + 1,
    parameters: { ...chosen.parameters, compressed: steps.map(({ method }) => method) },
    pipeline,
    metrics: { ...chosen.metrics, ...metrics, slices: [] },
    fitTimeSeconds, epochs: 0, bestEpoch: 0, history: [], appraisal: cost,
  };
  return { trial };
}

const compressionOf = ({ report }: Packed) => (report ? { compression: report } : {});

/** What can be read off a model itself. */
function explained({ pipeline }: Trial) {
  const coefficients = coefficientsOf(pipeline);
  return coefficients && { coefficients };
}

function trialRecord(entry: Packed, outcome: Trained, cost: Appraisal): TrialRecord {
  const { trial, isVersion } = entry;
  return {
    number: trial.model,
    family: trial.family,
    parameters: json(trial.parameters),
    metrics: json({
      ...trial.metrics, ...explained(trial), rows: dividedRows(outcome), selectionMetric: outcome.selectionMetric, epochs: trial.epochs, bestEpoch: trial.bestEpoch,
      ...(trial.search ? { search: trial.search } : {}),
      ...(trial.personalisation ? { personalisation: trial.personalisation } : {}),
      ...compressionOf(entry),
    }),
    scoreVal: trial.search?.score ?? (trial.metrics.validation && metricValue(trial.metrics.validation, outcome.selectionMetric)),
    scoreTest: metricValue(trial.metrics.test, outcome.selectionMetric),
    fitTimeSeconds: trial.fitTimeSeconds,
    ...cost,
    best: isVersion,
  };
}

/** A trial of a search of which there is no model, or not yet: how it was tried, and its mean score over the folds. */
function searchedRecord(record: SearchRecord): TrialRecord {
  return {
    number: record.number,
    family: record.family,
    parameters: json({ ...record.settings, ...record.trainer, family: undefined }),
    metrics: json({ search: record }),
    scoreVal: record.score,
    scoreTest: null,
    fitTimeSeconds: record.fitSeconds,
    predTimeMsP50: record.appraisal?.predTimeMsP50 ?? null,
    sizeBytes: record.appraisal?.sizeBytes ?? null,
    sizeGzBytes: record.appraisal?.sizeGzBytes ?? null,
    best: false,
  };
}

function failureOf(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (/allocation failed|out of memory|memory\.grow|cannot enlarge memory|could not allocate/i.test(message)) {
    return {
      code: 'OUT_OF_MEMORY',
      message: 'The training needs more memory than it may have.',
      remedy: 'Use fewer rows, a smaller network or a smaller batch.',
      fault: 'USER',
    };
  }
  process.stderr.write(`${error instanceof Error ? error.stack : message}\n`);
  return { code: 'TRAINER_ERROR', message: 'The training stopped because of an error of ours.', remedy: 'Tell your operator the id of this run.', fault: 'SYSTEM' };
}
