import { Prisma } from '@millrace/database';

/**
 * The end of a statement whose `entered` are the lines that were new to the ledger: adds them to their hours. In the order of the
 * key, so that two processes never wait for each other.
 */
export const addToHours = Prisma.sql`
  INSERT INTO usage_hours (tenant_id, hour, kind, actor, endpoint_id, model_version_id, requests, rows, units, gpu_units)
  SELECT tenant_id, date_trunc('hour', at, 'UTC'), kind, actor, coalesce(endpoint_id, ''), coalesce(model_version_id, ''), count(*), sum(rows), sum(units), sum(gpu_units)
  FROM entered GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
  ON CONFLICT (tenant_id, hour, kind, actor, endpoint_id, model_version_id) DO UPDATE SET
    requests = usage_hours.requests + excluded.requests, rows = usage_hours.rows + excluded.rows,
    units = usage_hours.units + excluded.units, gpu_units = usage_hours.gpu_units + excluded.gpu_units`;
