import { createHash } from 'node:crypto';
import type { TrainingSpec } from '@millrace/configuration';
import type { Fit, FitState } from './families/family.ts';
import type { AnswerRule } from './fit-answer.ts';
import type { Metrics } from './metrics.ts';
import type { SearchProgress } from './search/search.ts';
import { decodeState } from './state-codec.ts';
import { findColumn, type Problem, type Table } from './table.ts';
import type { CheckpointStore, TrainEvent, Trial } from './train.ts';

/** What a checkpoint holds. */
export interface Progress {
  /** Of models 0, 1, …: those that are done with. */
  results: ({ type: 'finished'; trial: Trial } | { type: 'failed'; problem: Problem })[];
  /** The model in training, after its last saved epoch. */
  current: { model: number; fit: FitState; compared: ComparedFit | null } | null;
  /** Of a search, instead of the others: what was tried. */
  search: SearchProgress | null;
}

/** What is left of a fit with rows held back once the model learns again from these as well. */
export interface ComparedFit extends Pick<Fit, 'seconds' | 'epochs' | 'bestEpoch' | 'history'> {
  validation: Metrics;
  answer: AnswerRule;
}

export async function restoreProgress(
  checkpoint: CheckpointStore | undefined,
  fingerprint: string,
  emit: (event: TrainEvent) => Promise<void>,
): Promise<Progress> {
  const fresh: Progress = { results: [], current: null, search: null };
  const bytes = await checkpoint?.load();
  if (!bytes) return fresh;
  const stored = decodeState(bytes) as (Progress & { fingerprint: string }) | null;
  if (!stored || stored.fingerprint !== fingerprint) {
    const reason = stored ? 'it belongs to other data or another configuration' : 'it is damaged or of another format';
    await emit({ type: 'checkpoint-ignored', reason });
    return fresh;
  }
  await emit({
    type: 'resumed',
    trial: stored.search?.evaluations.length ?? stored.current?.model ?? stored.results.length,
    epoch: stored.current?.fit.epoch ?? 0,
  });
  return { results: stored.results, current: stored.current, search: stored.search };
}

/** Tells whether a checkpoint continues this very run: same data, configuration and seed. */
export function fingerprintOf(table: Table, spec: TrainingSpec, seed: number, testRows?: Int32Array): string {
  const hash = createHash('sha256').update(JSON.stringify({ spec, seed, rows: table.rows, testRows: testRows && Array.from(testRows) }));
  for (const image of table.pictures?.values ?? []) hash.update(`${image?.length ?? -1}:`).update(image ?? '');
  for (const { name } of [...spec.inputFeatures.filter(({ type }) => type !== 'image'), ...spec.outputFeatures]) {
    const column = findColumn(table, name)!;
    hash.update(column.type);
    if (column.type === 'number') {
      hash.update(new Uint8Array(column.values.buffer, column.values.byteOffset, column.values.byteLength));
    } else {
      // In pieces, since the text of a whole column may be longer than a string can be.
      for (let at = 0; at < table.rows; at += 10_000) hash.update(JSON.stringify(column.values.slice(at, at + 10_000)));
    }
  }
  return hash.digest('hex');
}
