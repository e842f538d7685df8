import { type Database, Prisma } from '@millrace/database';
import type { Logger } from '@millrace/kernel';

export interface TenantSweep {
  database: Database;
  logger: Logger;
  table: 'recordings' | 'async_predictions';
  /** which rows of it, `r`, make it worth while to look at a tenant; any if left out */
  where?: Prisma.Sql;
  /** said of a tenant of which it fails */
  failed: string;
}

/** Does something for each tenant that has rows in a table, one after the other. A tenant of which it fails holds up no other, and has its turn the next time. */
export async function sweepTenants({ database, logger, table, where = Prisma.sql`true`, failed }: TenantSweep, sweep: (tenantId: string) => Promise<void>): Promise<void> {
  const name = Prisma.raw(table);
  const tenants = await database.system().transaction(
    (tx) => tx.$queryRaw<{ tenantId: string }[]>`
      WITH RECURSIVE found AS ( -- one step a tenant, however many rows it has
        (SELECT tenant_id FROM ${name} ORDER BY tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT r.tenant_id FROM ${name} r WHERE r.tenant_id > found.tenant_id ORDER BY r.tenant_id LIMIT 1)
        FROM found WHERE found.tenant_id IS NOT NULL)
      SELECT h.tenant_id AS "tenantId" FROM found h CROSS JOIN LATERAL (SELECT 1 FROM ${name} r WHERE r.tenant_id = h.tenant_id AND ${where} LIMIT 1) some_row`,
  );
  for (const { tenantId } of tenants) {
    try {
      await sweep(tenantId);
    } catch (error) {
      logger.warn({ tenantId, error: String(error) }, failed);
    }
  }
}
