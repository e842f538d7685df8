import { createHash } from 'node:crypto';
import type { TrainingSpec } from '@millrace/configuration';
import { decodeState, encodeState } from '../state-codec.ts';
import type { Problem } from '../table.ts';
import type { CheckpointStore } from '../train.ts';
import type { Learned } from './learn-series.ts';
import type { SequenceProgress } from './sequence-learner.ts';
import type { ForecastTable } from './series.ts';

/** How far a run of forecasts is. */
export interface ForecastProgress {
  /** Of candidates 0, 1, …: those that are done with. */
  finished: ((Learned & { seconds: number }) | { type: 'unfit'; problem: Problem })[];
  /** Of the next one, if it is a network: its fits. */
  network: (SequenceProgress & { seconds: number }) | null;
}

/** What a checkpoint says, if it is of this very run: same data and configuration. */
export async function restoreForecasts(checkpoint: CheckpointStore | undefined, fingerprint: string): Promise<ForecastProgress | null> {
  const bytes = await checkpoint?.load();
  const stored = bytes ? (decodeState(bytes) as (ForecastProgress & { fingerprint: string }) | null) : null;
  return stored?.fingerprint === fingerprint ? { finished: stored.finished, network: stored.network } : null;
}

/** Saves if the store says that it is time to. `epoch`: of the network in training; null after a candidate. */
export async function saveForecasts(checkpoint: CheckpointStore | undefined, fingerprint: string, progress: ForecastProgress, epoch: number | null): Promise<void> {
  if (checkpoint?.isDue(epoch)) await checkpoint.save(encodeState({ fingerprint, ...progress }));
}

export function fingerprintOfForecast(table: ForecastTable, spec: TrainingSpec): string {
  const hash = createHash('sha256').update(JSON.stringify(spec));
  for (const column of [table.times, table.series, table.values, ...(table.covariates ?? []).map(({ values }) => values)]) {
    if (column instanceof Float64Array) hash.update(new Uint8Array(column.buffer, column.byteOffset, column.byteLength));
    // In pieces, since the text of a whole column may be longer than a string can be.
    else for (let at = 0; at < (column?.length ?? 0); at += 10_000) hash.update(JSON.stringify(column!.slice(at, at + 10_000)));
  }
  return hash.digest('hex');
}
