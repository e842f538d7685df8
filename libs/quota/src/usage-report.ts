import { type Actor, requirePermission } from '@millrace/auth';
import { type Database, Prisma } from '@millrace/database';
import type { Problem } from '@millrace/kernel';

/** By what a report tells usage apart. */
export const usageDimensions = ['HOUR', 'DAY', 'ACTOR', 'ENDPOINT', 'MODEL_VERSION'] as const;
export type UsageDimension = (typeof usageDimensions)[number];

const mostReportDays = 400;
const mostLines = 20_000;

export interface UsageReportRequest {
  /** both at whole hours: earlier minutes of the first count, later ones of the last do not */
  from: Date;
  to: Date;
  by: readonly UsageDimension[];
}

/** Usage of one of each of the dimensions; null where the report does not tell them apart, or there is none. */
export interface UsageLine {
  /** when the hour or day began, in UTC */
  time: Date | null;
  /** as `actorName` has it */
  actor: string | null;
  /** alias of the key, name of the person */
  actorLabel: string | null;
  /** its name; its id where it is gone */
  endpoint: string | null;
  modelVersionId: string | null;
  predictions: bigint;
  rows: bigint;
  /** of predictions */
  costUnits: number;
  computeSeconds: number;
  gpuSeconds: number;
}

export type UsageReport = { type: 'report'; lines: UsageLine[] } | { type: 'invalid'; problems: Problem[] };

/** What the ledger holds from `from` (inclusive) to `to` (exclusive), by the hour. */
export async function reportUsage(database: Database, actor: Actor, { from, to, by }: UsageReportRequest): Promise<UsageReport> {
  requirePermission(actor, 'usage:read');
  const { tenantId } = actor;
  if (!(to > from) || to.getTime() - from.getTime() > mostReportDays * 86_400_000) {
    return { type: 'invalid', problems: [{ code: 'period_unfit', field: 'to', message: `The period is empty or longer than ${mostReportDays} days.`, remedy: 'Choose a later end, or a shorter period.' }] };
  }
  const has = (dimension: UsageDimension): boolean => by.includes(dimension);
  const time = has('HOUR') ? Prisma.sql`h.hour` : has('DAY') ? Prisma.sql`date_trunc('day', h.hour, 'UTC')` : Prisma.sql`NULL::timestamptz`;
  const column = (dimension: UsageDimension, name: 'actor' | 'endpoint_id' | 'model_version_id'): Prisma.Sql =>
    has(dimension) ? Prisma.sql`nullif(h.${Prisma.raw(name)}, '')` : Prisma.sql`NULL::text`;
  const lines = await database.forTenant(tenantId).transaction(
    (tx) => tx.$queryRaw<UsageLine[]>`
      SELECT s.time, s.actor, coalesce(k.alias, p.name) AS "actorLabel", coalesce(e.name, s.endpoint) AS endpoint, s.version AS "modelVersionId",
        s.predictions, s.rows, s."costUnits", s."computeSeconds", s."gpuSeconds"
      FROM (
        SELECT ${time} AS time, ${column('ACTOR', 'actor')} AS actor, ${column('ENDPOINT', 'endpoint_id')} AS endpoint, ${column('MODEL_VERSION', 'model_version_id')} AS version,
          coalesce(sum(h.requests) FILTER (WHERE h.kind = 'PREDICTION'), 0)::bigint AS predictions, sum(h.rows)::bigint AS rows,
          coalesce(sum(h.units) FILTER (WHERE h.kind = 'PREDICTION'), 0)::float8 AS "costUnits",
          coalesce(sum(h.units) FILTER (WHERE h.kind = 'TRAINING'), 0)::float8 AS "computeSeconds", sum(h.gpu_units)::float8 AS "gpuSeconds"
        FROM usage_hours h
        WHERE h.tenant_id = ${tenantId} AND h.hour >= date_trunc('hour', ${from}::timestamptz, 'UTC') AND h.hour < ${to}
        GROUP BY 1, 2, 3, 4
        ORDER BY 1, 2, 3, 4 LIMIT ${mostLines + 1}
      ) s
      LEFT JOIN api_keys k ON k.tenant_id = ${tenantId} AND s.actor = 'key:' || k.id
      LEFT JOIN people p ON s.actor = 'person:' || p.id
      LEFT JOIN endpoints e ON e.tenant_id = ${tenantId} AND e.id = s.endpoint
      ORDER BY s.time, s.actor, s.endpoint, s.version`,
  );
  if (lines.length > mostLines) {
    return { type: 'invalid', problems: [{ code: 'report_too_long', field: 'by', message: `The report has more than ${mostLines} lines.`, remedy: 'Choose a shorter period or fewer dimensions.' }] };
  }
  return { type: 'report', lines };
}
