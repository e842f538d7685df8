import { selectionMetricOf, type TrainingSpec } from '@millrace/configuration';
import { activateBackend, type Backend } from '../backend.ts';
import { expandDates } from '../date-columns.ts';
import { createPacer } from '../pacer.ts';
import type { FittedPipeline } from '../pipeline.ts';
import { sharedRows } from '../personalisation/head-rows.ts';
import { prepareData } from '../prepared-data.ts';
import type { Table } from '../table.ts';
import { completeCandidate, finalPipeline, type FoldWork, tryCandidate } from './evaluation.ts';
import { planFolds } from './folds.ts';
import type { SearchRecord } from './search.ts';

/**
 * Does a trial of a search again from its record. On the backend on which it was first done, with the same table,
 * configuration and seed, all numbers come out the same, bit for bit.
 */
export async function reproduceTrial(input: {
  table: Table;
  spec: TrainingSpec;
  seed?: number | undefined;
  backend: Backend;
  record: SearchRecord;
}): Promise<{ pipeline: FittedPipeline; foldScores: (number | null)[]; outOfFold: Float64Array }> {
  const { record } = input;
  const expanded = expandDates(input.table, input.spec);
  if (expanded.type === 'invalid') throw new Error(expanded.problems[0]!.message);
  const { table, spec } = expanded;
  await activateBackend(input.backend);
  const shared = spec.personalisation ? sharedRows(table, spec) : { table };
  const data = prepareData(shared.table, spec, shared.testRows);
  if (data.type === 'invalid') throw new Error(data.problems[0]!.message);
  const plan = planFolds(data, input.seed ?? spec.split.seed);
  const metric = selectionMetricOf(spec);
  const work: FoldWork = { data, spec, plan, metric, pacer: createPacer(), clock: () => performance.now() };
  const tried = await tryCandidate(work, record);
  const done = tried?.status === 'tried' ? await completeCandidate(work, tried) : tried;
  if (done?.status !== 'complete') throw new Error(done?.problem?.message ?? 'The trial was interrupted');
  const pipeline = await finalPipeline(work, done);
  if (!pipeline) throw new Error('The refit failed');
  return { pipeline, foldScores: done.foldScores, outOfFold: done.kept!.outOfFold };
}
