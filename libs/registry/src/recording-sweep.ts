import { type Database, Prisma } from '@millrace/database';
import type { Logger } from '@millrace/kernel';
import { removeRecordingsInBatches } from './remove-recordings.ts';
import { sweepTenants } from './sweep-tenants.ts';

export interface RecordingSweepOptions {
  database: Database;
  /** what the recorded predictions of one tenant may take; the oldest go first */
  mostBytes: number;
  logger: Logger;
}

/**
 * Removes recorded predictions whose time is over, with their feedback, and the oldest of tenants that have too many. What was counted of
 * them stays. Several may be at it at once. A tenant of which it fails holds up no other, and is swept the next time.
 */
export function sweepRecordings({ database, mostBytes, logger }: RecordingSweepOptions): Promise<void> {
  const failed = 'recorded predictions of long ago were not removed; tried again later';
  return sweepTenants({ database, logger, table: 'recordings', failed }, async (tenantId) => {
    await removeRecordingsInBatches(database, tenantId, Prisma.sql`ends_at < now()`);
    const endpoints = await database.forTenant(tenantId).transaction((tx) => tx.endpoint.findMany({ where: { tenantId, recordDays: { not: null } }, select: { id: true, recordDays: true } }));
    for (const { id, recordDays } of endpoints) {
      // Its days may be fewer by now than when it was recorded.
      await removeRecordingsInBatches(database, tenantId, Prisma.sql`endpoint_id = ${id} AND created_at < now() - make_interval(days => ${recordDays}::int)`);
    }
    const newest = await newestTooMany(database, tenantId, mostBytes);
    if (newest) await removeRecordingsInBatches(database, tenantId, Prisma.sql`(created_at, id) <= (${newest.createdAt}, ${newest.id})`);
  });
}

/** The newest recording that has no room beside those after it: it goes with all before it. Null where there is room for all. */
async function newestTooMany(database: Database, tenantId: string, mostBytes: number): Promise<{ createdAt: Date; id: string } | null> {
  return database.forTenant(tenantId).transaction(async (tx) => {
    const [sum] = await tx.$queryRaw<[{ isTooMuch: boolean }]>`SELECT coalesce(sum(bytes), 0) > ${mostBytes} AS "isTooMuch" FROM recordings WHERE tenant_id = ${tenantId}`;
    if (!sum.isTooMuch) return null;
    const [newest] = await tx.$queryRaw<{ createdAt: Date; id: string }[]>`
      SELECT created_at AS "createdAt", id FROM (
        SELECT created_at, id, sum(bytes) OVER (ORDER BY created_at DESC, id DESC) AS with_newer FROM recordings WHERE tenant_id = ${tenantId}) r
      WHERE with_newer > ${mostBytes} ORDER BY created_at DESC, id DESC LIMIT 1`;
    return newest ?? null;
  });
}
