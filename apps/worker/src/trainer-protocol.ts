import type { Optimisation, TrainingSpec } from '@millrace/configuration';
import type { BackendName } from '@millrace/learning';
import type { Agreement } from '@millrace/packaging';
import type { GateForVersions, placeInLine } from '@millrace/registry';
import type { Failure, TrialRecord } from '@millrace/training';

/** What the worker tells a training process: its job once, then perhaps to stop, with or without a last checkpoint. */
export type WorkerMessage = { type: 'job'; job: TrainerJob } | { type: 'cancel' } | { type: 'pause' } | { type: 'probe' };

/** What there is to do. */
export interface TrainerJob {
  runId: string;
  datasetVersionId: string;
  /** of the Parquet file, for the bill of materials */
  datasetSha256: string;
  modelVersionId: string;
  /** Parquet */
  datasetPath: string;
  spec: TrainingSpec;
  /** an earlier attempt's checkpoint, if there is one */
  checkpointPath: string | null;
  /** by the place of each model: the version that it begins with, and where the graph of its package lies */
  bases: ({ modelVersionId: string; graphPath: string } | null)[];
  /** of a run that compresses what it has chosen: what the model lets a version lose; null for nothing but what is declared */
  gate?: GateForVersions | null;
  /** of a run that makes a version from another: what to do, and where the files of the other's package lie */
  optimisation?: OptimisationJob;
  /** the process's own scratch folder */
  workDirectory: string;
  backend: BackendName;
  /** at most one checkpoint in so many seconds */
  checkpointEverySeconds: number;
}

export interface OptimisationJob {
  wanted: Optimisation;
  packageFolder: string;
  packageSha256: string;
}

/** What a training process tells its worker. Files are named relative to the work folder. */
export type TrainerMessage =
  | { type: 'started'; backend: string; backendDetail: string }
  | { type: 'resumed'; trial: number; epoch: number }
  | { type: 'trial-started'; trial: number; trials: number; family: string }
  | { type: 'epoch'; trial: number; epoch: number; epochs: number; values: Record<string, number | null> }
  | { type: 'search-progress'; trial: number; trials: number; family: string; secondsUsed: number; timeLimitSeconds: number | null; best: number | null }
  | { type: 'search-trial'; record: TrialRecord }
  | { type: 'checkpoint'; file: string }
  | {
      type: 'trained';
      trials: TrialRecord[];
      metrics: Record<string, unknown>;
      /** what else the events of the run tell */
      notes?: { type: string; data: { message: string; remedy?: string; code?: string } }[];
      agreement: Agreement;
      /** folder with the files of the package */
      packageFolder: string;
      packageSha256: string;
      packageSizeBytes: number;
      packageSizeGzBytes: number;
      /** of a version made from another: how they compare */
      optimisation?: Parameters<typeof placeInLine>[0];
    }
  | { type: 'cancelled' }
  | { type: 'paused' }
  | { type: 'failed'; failure: Failure };

export const checkpointFile = 'checkpoint.bin';
