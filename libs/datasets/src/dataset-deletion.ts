import { type Actor, recordAudit, requirePermission } from '@millrace/auth';
import type { Database } from '@millrace/database';
import { isId } from '@millrace/kernel';
import type { Quota } from '@millrace/quota';
import type { ArtefactStore } from '@millrace/storage';
import { subjectOfAttempt } from './uploads.ts';

export type DeleteDatasetOutcome =
  /** `freedBytes`: of its versions, and of the files that nothing else was made of */
  | { type: 'deleted'; datasetId: string; freedBytes: bigint }
  | { type: 'dataset-not-found' }
  /** queued and running runs read it */
  | { type: 'in-use'; runIds: string[] };

interface Dependencies {
  database: Database;
  storage: ArtefactStore;
  quota: Quota;
}

const storageBytes = 'STORAGE_BYTES' as const;

export function createDatasetDeletion({ database, storage, quota }: Dependencies) {
  return {
    /**
     * Removes the files of a data set and gives their bytes back to the quota; its name is free again. What was learned
     * from it still names it, so its rows stay, as deleted.
     */
    async deleteDataset(actor: Actor, datasetId: string): Promise<DeleteDatasetOutcome> {
      requirePermission(actor, 'dataset:write');
      const { tenantId } = actor;
      if (!isId('dataset', datasetId)) return { type: 'dataset-not-found' };
      const keys: string[] = [];
      const outcome = await database.forTenant(tenantId).transaction(async (tx): Promise<DeleteDatasetOutcome> => {
        const locked = await tx.$queryRaw<{ name: string }[]>`
          SELECT name FROM datasets WHERE tenant_id = ${tenantId} AND id = ${datasetId} AND deleted_at IS NULL FOR UPDATE`;
        if (!locked[0]) return { type: 'dataset-not-found' };
        const versions = await tx.datasetVersion.findMany({ where: { tenantId, datasetId } });
        const runs = await tx.run.findMany({
          where: { tenantId, datasetVersionId: { in: versions.map(({ id }) => id) }, status: { in: ['QUEUED', 'RUNNING'] } },
          select: { id: true }, orderBy: { id: 'asc' }, take: 20,
        });
        if (runs.length > 0) return { type: 'in-use', runIds: runs.map(({ id }) => id) };

        let freedBytes = 0n;
        for (const version of versions) {
          await quota.release(tx, tenantId, version.id, storageBytes);
          keys.push(version.objectKey);
          freedBytes += version.sizeBytes;
        }
        const uploads = await tx.upload.findMany({
          where: {
            tenantId, id: { in: versions.map(({ uploadId }) => uploadId) }, objectKey: { not: null },
            datasetVersions: { none: { datasetId: { not: datasetId }, dataset: { deletedAt: null } } },
          },
        });
        for (const { id, objectKey, sizeBytes } of uploads) {
          await quota.release(tx, tenantId, subjectOfAttempt(tenantId, objectKey!), storageBytes);
          await tx.upload.update({ where: { tenantId_id: { tenantId, id } }, data: { objectKey: null, status: 'FAILED', failure: 'The file was deleted with its data set.' } });
          keys.push(objectKey!);
          freedBytes += sizeBytes ?? 0n;
        }
        await tx.$executeRaw`
          UPDATE datasets SET deleted_at = now(), name = left(name, 60) || ' (deleted ' || id || ')' WHERE tenant_id = ${tenantId} AND id = ${datasetId}`;
        await recordAudit(tx, actor, { action: 'dataset.delete', subject: datasetId, details: { name: locked[0].name, versions: versions.length, freedBytes: String(freedBytes) } });
        return { type: 'deleted', datasetId, freedBytes };
      });
      // Once no row promises them. A key that was removed already is no error.
      if (outcome.type === 'deleted') for (const key of keys) await storage.remove(key);
      return outcome;
    },
  };
}
