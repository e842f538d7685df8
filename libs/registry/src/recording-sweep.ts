import { type Database, Prisma } from '@millrace/database';
import { removeRecordings } from './remove-recordings.ts';

const sweptAtOnce = 500;

export interface RecordingSweepOptions {
  database: Database;
  /** what the recorded predictions of one tenant may take; the oldest go first */
  mostBytes: number;
}

/** Removes recorded predictions whose time is over, with their feedback, and the oldest of tenants that have too many. What was counted of them stays. */
export async function sweepRecordings({ database, mostBytes }: RecordingSweepOptions): Promise<void> {
  const due = await database.system().transaction(
    (tx) => tx.$queryRaw<{ tenantId: string }[]>`
      SELECT tenant_id AS "tenantId" FROM recordings GROUP BY tenant_id HAVING min(ends_at) < now() OR sum(bytes) > ${mostBytes}`,
  );
  for (const { tenantId } of due) {
    for (let removed = sweptAtOnce; removed === sweptAtOnce; ) {
      const meant = Prisma.sql`id = ANY (ARRAY (
        SELECT id FROM (SELECT id, created_at, ends_at, sum(bytes) OVER (ORDER BY created_at DESC, id DESC) AS with_newer FROM recordings WHERE tenant_id = ${tenantId}) r
        WHERE ends_at < now() OR with_newer > ${mostBytes} ORDER BY created_at, id LIMIT ${sweptAtOnce}))`;
      removed = await database.forTenant(tenantId).transaction((tx) => removeRecordings(tx, tenantId, meant));
    }
  }
}
