import type { Database } from '@millrace/database';
import type { Quota } from '@millrace/quota';
import type { ArtefactStore } from '@millrace/storage';
import { createDatasetDeletion } from './dataset-deletion.ts';
import { createDatasetVersions } from './dataset-versions.ts';
import type { FileLimits } from './table-file.ts';
import { createTargetReports } from './target-reports.ts';
import { createUploads } from './uploads.ts';

export interface DatasetsDependencies {
  database: Database;
  storage: ArtefactStore;
  quota: Quota;
  /** of one table, beside its rows and columns, which the tenant's plan limits; those left out have the values of `defaultFileLimits` */
  limits?: Partial<FileLimits>;
}

export type Datasets = ReturnType<typeof createDatasets>;

/** Uploads, and the data sets made of them. Every verb asks for `dataset:write` first and sees its actor's tenant only. */
export function createDatasets(dependencies: DatasetsDependencies) {
  const versions = createDatasetVersions(dependencies);
  return { ...createUploads(dependencies), ...versions, ...createTargetReports(versions), ...createDatasetDeletion(dependencies) };
}
