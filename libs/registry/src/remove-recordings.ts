import { type Database, Prisma, type TenantTx } from '@millrace/database';
import { giveBackStorage } from '@millrace/quota';

/** Of one statement: each takes its feedback with it, and the statement has fifteen seconds. */
const mostPredictions = 20_000;

/**
 * Removes the recordings that are meant until none is left, however many there are: in batches, each with a transaction of its own.
 * Whoever has other rows to remove with them does that afterwards, together with what `removeRecordings` finds by then.
 */
export async function removeRecordingsInBatches(database: Database, tenantId: string, meant: Prisma.Sql): Promise<void> {
  const removeBatch = async (tx: TenantTx): Promise<boolean> => {
    const batch = await tx.$queryRaw<{ id: string }[]>`
      SELECT id FROM (
        SELECT id, predictions, sum(predictions) OVER (ROWS UNBOUNDED PRECEDING) AS so_far
        FROM (SELECT id, predictions FROM recordings WHERE tenant_id = ${tenantId} AND ${meant} LIMIT ${mostPredictions}) r) r
      WHERE so_far <= ${mostPredictions} OR so_far = predictions`;
    if (batch.length) await removeRecordings(tx, tenantId, Prisma.sql`id = ANY (${batch.map(({ id }) => id)}::text[])`);
    return batch.length > 0; // also where somebody else has removed them meanwhile: there may be more
  };
  while (await database.forTenant(tenantId).transaction(removeBatch));
}

/**
 * Removes the recordings that are meant, with their feedback, and gives back what they took of the tenant's storage. In the order of
 * their ids: of two who remove the same one waits, and finds nothing.
 */
export async function removeRecordings(tx: TenantTx, tenantId: string, meant: Prisma.Sql): Promise<void> {
  const gone = await tx.$queryRaw<{ bytes: number }[]>`
    DELETE FROM recordings WHERE tenant_id = ${tenantId} AND id = ANY (ARRAY (
      SELECT id FROM recordings WHERE tenant_id = ${tenantId} AND ${meant} ORDER BY id FOR UPDATE)) RETURNING bytes`;
  if (gone.length) await giveBackStorage(tx, tenantId, gone.reduce((sum, { bytes }) => sum + bytes, 0));
}

/** The recordings of versions, as `meant` above. */
export const ofVersions = (versionIds: readonly string[]): Prisma.Sql => Prisma.sql`version_id = ANY (${[...versionIds]}::text[])`;

/** Of versions that are to go: nothing is recorded of them any more once this has begun. */
export async function removeRecordingsOfVersions(tx: TenantTx, tenantId: string, versionIds: readonly string[]): Promise<void> {
  await tx.$queryRaw`SELECT id FROM model_versions WHERE tenant_id = ${tenantId} AND id = ANY (${[...versionIds]}::text[]) ORDER BY id FOR UPDATE`;
  await removeRecordings(tx, tenantId, ofVersions(versionIds));
}
