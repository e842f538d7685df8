import { Prisma, type TenantTx } from '@millrace/database';
import { giveBackStorage } from '@millrace/quota';

/** Removes the recordings that are meant, with their feedback, and gives back what they took of the tenant's storage. @returns how many */
export async function removeRecordings(tx: TenantTx, tenantId: string, meant: Prisma.Sql): Promise<number> {
  const gone = await tx.$queryRaw<{ bytes: number }[]>`DELETE FROM recordings WHERE tenant_id = ${tenantId} AND ${meant} RETURNING bytes`;
  if (gone.length) await giveBackStorage(tx, tenantId, gone.reduce((sum, { bytes }) => sum + bytes, 0));
  return gone.length;
}

/** Of versions that are to go: nothing is recorded of them any more once this has begun. */
export async function removeRecordingsOfVersions(tx: TenantTx, tenantId: string, versionIds: readonly string[]): Promise<void> {
  await tx.$queryRaw`SELECT id FROM model_versions WHERE tenant_id = ${tenantId} AND id = ANY (${[...versionIds]}::text[]) ORDER BY id FOR UPDATE`;
  await removeRecordings(tx, tenantId, Prisma.sql`version_id = ANY (${[...versionIds]}::text[])`);
}
