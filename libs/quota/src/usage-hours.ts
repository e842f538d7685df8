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

const hourMs = 3_600_000;

/** The first whole hour that begins then or later. */
export const nextHour = (at: Date): Date => new Date(Math.ceil(at.getTime() / hourMs) * hourMs);

/**
 * What the ledger holds from `from` (inclusive) to `to` (exclusive): its whole hours as they were added up, and line by line only what is
 * of the hours cut off at both ends. A ledger is long, and is kept.
 *
 * @param whose a condition on `tenant_id` and `actor`, which both tables have
 * @param by what the parts are told apart by: the system role may not see the actor
 * @returns columns name, kind, requests, rows, units, gpu_units
 */
export function usageParts(whose: Prisma.Sql, by: 'tenant_id' | 'actor', from: Date, to: Date): Prisma.Sql {
  const name = Prisma.raw(by);
  const [firstHour, lastHour] = [nextHour(from), new Date(Math.floor(to.getTime() / hourMs) * hourMs)];
  const linesBetween = (begin: Date, end: Date): Prisma.Sql => Prisma.sql`
    SELECT ${name}, kind, 1, rows, units, gpu_units FROM usage_records WHERE ${whose} AND at >= ${begin} AND at < ${end}`;
  return Prisma.sql`
    SELECT ${name} AS name, kind, requests, rows, units, gpu_units FROM usage_hours WHERE ${whose} AND hour >= ${firstHour} AND hour < ${lastHour}
    UNION ALL ${linesBetween(from, firstHour < to ? firstHour : to)}
    UNION ALL ${linesBetween(lastHour > firstHour ? lastHour : firstHour, to)}`;
}

/** A `UsageSummary` of such parts. */
export const summaryOfParts = Prisma.sql`
  coalesce(sum(requests) FILTER (WHERE kind = 'PREDICTION'), 0)::float8 AS predictions,
  coalesce(sum(rows), 0)::bigint AS rows,
  coalesce(sum(units) FILTER (WHERE kind = 'TRAINING'), 0)::float8 AS "computeSeconds",
  coalesce(sum(gpu_units), 0)::float8 AS "gpuSeconds"`;
