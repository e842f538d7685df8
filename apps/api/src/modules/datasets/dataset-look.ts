import { type Actor, requirePermission } from '@millrace/auth';
import type { Database } from '@millrace/database';
import { type ContactStrip, type Datasets, readContactSheet, type SampleRow, sampleRows, type TargetChoice, type TargetReport } from '@millrace/datasets';

/** What a data set version looks like inside: read from its file. Each @throws DomainError FORBIDDEN, and NOT_FOUND where the tenant has no such version. */
export interface DatasetLook {
  /** rows, spread evenly over it */
  sampleRows(actor: Actor, datasetVersionId: string, count: number): Promise<SampleRow[]>;
  /** a few small pictures of each class; none where it has no pictures */
  contactSheet(actor: Actor, datasetVersionId: string, perClass: number): Promise<ContactStrip[]>;
  /** how its columns go with a target */
  reportOnTarget(actor: Actor, datasetVersionId: string, target: TargetChoice): Promise<TargetReport>;
}

export function createDatasetLook({ database, datasets }: { database: Database; datasets: Datasets }): DatasetLook {
  return {
    async sampleRows(actor, datasetVersionId, count) {
      requirePermission(actor, 'dataset:read');
      return datasets.withTable(database.forTenant(actor.tenantId), datasetVersionId, (table) => sampleRows(table, count));
    },
    async contactSheet(actor, datasetVersionId, perClass) {
      requirePermission(actor, 'dataset:read');
      return datasets.withTable(database.forTenant(actor.tenantId), datasetVersionId, (table) => readContactSheet(table, perClass));
    },
    async reportOnTarget(actor, datasetVersionId, target) {
      requirePermission(actor, 'dataset:read');
      return datasets.reportOnTarget(database.forTenant(actor.tenantId), datasetVersionId, target);
    },
  };
}
