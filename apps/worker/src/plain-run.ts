import fs from 'node:fs/promises';
import { maxSearchTrials } from '@millrace/configuration';
import { coefficientsOf, compress, type FittedPipeline, type SearchRecord, train, type TrainEvent, trainPersonalised, type Trial } from '@millrace/learning';
import { readConvolutions } from '@millrace/packaging';
import type { TrialRecord } from '@millrace/training';
import { backgroundOf, importanceOf } from './background.ts';
import { dividedRows } from './divided-rows.ts';
import { appraise } from './model-kind.ts';
import { pipelineKind } from './pipeline-kind.ts';
import { json } from './plain-json.ts';
import { type Candidate, publishRun } from './publish-run.ts';
import { type Surroundings, tellUntrained } from './surroundings.ts';
import type { TrainerJob } from './trainer-protocol.ts';
import { readTrainingTable } from './training-table.ts';

/** A run that learns a number or a class from rows or pictures: the models listed, or a search, with heads or without. */
export async function runPlain(job: TrainerJob, how: Surroundings): Promise<void> {
  const { spec } = job;
  const { backend, checkpoint, signal, send } = how;
  const table = await readTrainingTable(job);
  const bases = await Promise.all(job.bases.map(async (base) => base && readConvolutions(new Map([['model.onnx', await fs.readFile(base.graphPath)]]))));
  const anyRows = pipelineKind(table);
  const appraiseOne = (pipeline: FittedPipeline) => appraise(anyRows, pipeline);
  const outcome = await (spec.personalisation ? trainPersonalised : train)({ table, spec, backend, signal, bases, onEvent: (event) => forward(event, job, send), appraise: appraiseOne, checkpoint });
  if (outcome.type !== 'trained') return tellUntrained(outcome, send);
  const { trials, best, selectionMetric, split } = outcome;
  const rows = dividedRows(outcome);
  await publishRun(job, {
    kind: pipelineKind(table, split.test), candidates: trials.map((trial) => candidateOf(trial, job)), best, selectionMetric,
    others: (outcome.search ?? []).map(searchedRecord), divided: { rows }, lineage: { backend: outcome.backend, rows }, backend: outcome.backend.name,
    background: ({ features }) => backgroundOf(table, features, split.train),
    explained: (pipeline) => {
      const coefficients = coefficientsOf(pipeline);
      return coefficients && { coefficients };
    },
    async weigh(pipeline, model) {
      const importance = await importanceOf(model, table, pipeline, split.test);
      return importance && { importance };
    },
    compress: ({ model }, maxLoss) => compress({ base: model, table, spec, maxLoss, backend: outcome.backend, signal, appraise: appraiseOne }),
  }, how);
}

function candidateOf({ model: number, pipeline, search, personalisation, epochs, bestEpoch, appraisal, ...trial }: Trial, { bases }: TrainerJob): Candidate<FittedPipeline> {
  const { family, parameters, metrics, fitTimeSeconds } = trial;
  const base = bases[number];
  return {
    number, family, parameters, model: pipeline, metrics, fitTimeSeconds, cost: appraisal ?? null,
    shown: { epochs, bestEpoch, ...(search ? { search } : {}), ...(personalisation ? { personalisation } : {}) },
    ...(search ? { scoreVal: search.score } : {}),
    ...(base ? { lineage: { parentModelVersionId: base.modelVersionId } } : {}),
  };
}

async function forward(event: TrainEvent, { spec }: TrainerJob, send: Surroundings['send']): Promise<void> {
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
