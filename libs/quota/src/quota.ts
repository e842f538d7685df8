import { type Actor, actorName, budgetWindow, requirePermission } from '@millrace/auth';
import { type Database, Prisma, type TenantTx } from '@millrace/database';
import { newId } from '@millrace/kernel';
import { defaultLimits, type OwnUsage, type QuotaCounterView, type QuotaResource, type UsageSummary } from './limits.ts';
import { createPlans } from './plans.ts';
import { readTableLimits, type TableLimits } from './table-limits.ts';
import { readTrainingLimits } from './training-limits.ts';
import { addToHours, nextHour, summaryOfParts, usageParts } from './usage-hours.ts';
import { createUsageLimits } from './usage-limits.ts';
import { reportUsage, type UsageReport, type UsageReportRequest } from './usage-report.ts';

export interface QuotaExceeded {
  type: 'quota-exceeded';
  resource: QuotaResource;
  limit: bigint;
  used: bigint;
  requested: bigint;
  message: string;
  remedy: string;
}

export interface ReserveInput {
  resource: QuotaResource;
  /** in the resource's unit: runs, bytes */
  amount: bigint;
  /** the id of what it is held for; one reservation a subject and resource */
  subject: string;
}

export interface KeyWithBudget {
  id: string;
  budgetDuration: string | null;
  createdAt: Date;
}

export interface KeySpend {
  spend: number;
  /** null where the budget never begins anew */
  resetAt: Date | null;
}

export type Quota = ReturnType<typeof createQuota>;

/**
 * Counts what tenants hold and refuses what goes over their limit. Exact from any number of processes: the counter is
 * raised by one conditional statement, in the transaction that creates what it counts.
 */
export function createQuota({ database }: { database: Database }) {
  return {
    plans: createPlans({ database }),
    usageLimits: createUsageLimits({ database }),

    reportUsage: (actor: Actor, request: UsageReportRequest): Promise<UsageReport> => reportUsage(database, actor, request),

    /** How the tenant's training runs share the workers, and what one of them may have. */
    trainingLimits: readTrainingLimits,

    /** How large one table of the tenant may be: for whoever takes it in. */
    tableLimits: readTableLimits,

    /** The same for people. */
    async showTableLimits(actor: Actor): Promise<TableLimits> {
      requirePermission(actor, 'usage:read');
      return database.forTenant(actor.tenantId).transaction((tx) => readTableLimits(tx, actor.tenantId));
    },

    /** Holds an amount for something that this transaction creates. */
    async reserve(tx: TenantTx, tenantId: string, input: ReserveInput): Promise<{ type: 'reserved' } | QuotaExceeded> {
      const refusal = await raise(tx, tenantId, input);
      if (refusal) return refusal;
      await tx.reservation.create({ data: { id: newId('reservation'), tenantId, ...input } });
      return { type: 'reserved' };
    },

    /** Keeps what was really used of a reservation and gives the rest back. Settling twice does nothing. */
    async settle(tx: TenantTx, tenantId: string, subject: string, resource: QuotaResource, actual: bigint): Promise<void> {
      await close(tx, tenantId, subject, resource, actual === 0n ? 'RELEASED' : 'SETTLED', actual);
    },

    /** Gives a reservation back, also a settled one whose object is gone. Releasing twice does nothing. */
    async release(tx: TenantTx, tenantId: string, subject: string, resource: QuotaResource): Promise<void> {
      await close(tx, tenantId, subject, resource, 'RELEASED', 0n);
    },

    /** Releases all that is held for subjects that begin so. @returns them */
    async releaseHeld(tx: TenantTx, tenantId: string, prefix: string, resource: QuotaResource): Promise<string[]> {
      const held = await tx.$queryRaw<{ subject: string }[]>`
        SELECT subject FROM reservations
        WHERE tenant_id = ${tenantId} AND resource = ${resource}::quota_resource AND status = 'HELD' AND starts_with(subject, ${prefix})`;
      for (const { subject } of held) await close(tx, tenantId, subject, resource, 'RELEASED', 0n);
      return held.map(({ subject }) => subject);
    },

    /** Keeps what was held for one subject, for good, for another that has come of it. */
    async settleFor(tx: TenantTx, tenantId: string, subject: string, resource: QuotaResource, actual: bigint, heir: string): Promise<void> {
      await close(tx, tenantId, subject, resource, 'SETTLED', actual);
      await tx.reservation.updateMany({ where: { tenantId, subject, resource }, data: { subject: heir } });
    },

    /** Why nothing more can be held at all; null while something may. */
    async fullness(tx: TenantTx, tenantId: string, resource: QuotaResource): Promise<QuotaExceeded | null> {
      const counter = await tx.quotaCounter.findUnique({ where: { tenantId_resource: { tenantId, resource } } });
      return counter && counter.used >= counter.limit ? exceeded({ resource, amount: 1n, subject: '' }, counter) : null;
    },

    async listCounters(actor: Actor): Promise<QuotaCounterView[]> {
      requirePermission(actor, 'usage:read');
      const { tenantId } = actor;
      const rows = await database.forTenant(tenantId).transaction((tx) => tx.quotaCounter.findMany({ where: { tenantId } }));
      return (Object.keys(defaultLimits) as QuotaResource[]).map((resource) => {
        const row = rows.find((counter) => counter.resource === resource);
        return { resource, limit: row?.limit ?? defaultLimits[resource], used: row?.used ?? 0n };
      });
    },

    /** What the ledger holds from `from` (inclusive) to `to` (exclusive). */
    async summariseUsage(actor: Actor, from: Date, to: Date): Promise<UsageSummary> {
      requirePermission(actor, 'usage:read');
      const [row] = await database.forTenant(actor.tenantId).transaction(
        (tx) => tx.$queryRaw<UsageSummary[]>`SELECT ${summaryOfParts} FROM (${usageParts(Prisma.sql`tenant_id = ${actor.tenantId}`, 'tenant_id', from, to)}) p`,
      );
      return row!;
    },

    /**
     * The same for each of some actors, by the names that `actorName` gives them; those who used nothing are left out.
     * To see one's own usage needs no permission.
     */
    async summariseUsageOf(actor: Actor, names: readonly string[], from: Date, to: Date): Promise<Map<string, UsageSummary>> {
      if (names.some((name) => name !== actorName(actor))) requirePermission(actor, 'usage:read');
      const whose = Prisma.sql`tenant_id = ${actor.tenantId} AND actor = ANY (${[...names]})`;
      const rows = await database.forTenant(actor.tenantId).transaction(
        (tx) => tx.$queryRaw<(UsageSummary & { name: string })[]>`SELECT name, ${summaryOfParts} FROM (${usageParts(whose, 'actor', from, to)}) p GROUP BY name`,
      );
      return new Map(rows.map(({ name, ...summary }) => [name, summary]));
    },

    /** Cost units that these keys have used up of their budgets, by the ledger, since the present time of each began. */
    async spendOf(actor: Actor, keys: readonly KeyWithBudget[]): Promise<Map<string, KeySpend>> {
      if (keys.some(({ id }) => actor.type !== 'key' || id !== actor.keyId)) requirePermission(actor, 'usage:read');
      const now = new Date();
      const windows = keys.map(({ budgetDuration, createdAt }) => budgetWindow(budgetDuration, createdAt, now));
      const rows = await database.forTenant(actor.tenantId).transaction(
        (tx) => tx.$queryRaw<{ id: string; spend: number }[]>`
          SELECT k.id, (
            SELECT coalesce(sum(h.units), 0) FROM usage_hours h
            WHERE h.tenant_id = ${actor.tenantId} AND h.actor = 'key:' || k.id AND h.kind = 'PREDICTION' AND h.hour >= k.hour
          )::float8 + (
            SELECT coalesce(sum(u.units), 0) FROM usage_records u
            WHERE u.tenant_id = ${actor.tenantId} AND u.actor = 'key:' || k.id AND u.kind = 'PREDICTION' AND u.at >= k.since AND u.at < k.hour
          )::float8 AS spend
          FROM unnest(${keys.map(({ id }) => id)}::text[], ${windows.map(({ from }) => from)}::timestamptz[], ${windows.map(({ from }) => nextHour(from))}::timestamptz[]) AS k (id, since, hour)`,
      );
      return new Map(keys.map(({ id }, index) => [id, { spend: rows.find((row) => row.id === id)?.spend ?? 0, resetAt: windows[index]!.to }]));
    },

    /** What the actor itself has used. */
    async ownUsage(actor: Actor): Promise<OwnUsage> {
      const [row] = await database.forTenant(actor.tenantId).transaction(
        (tx) => tx.$queryRaw<OwnUsage[]>`
          SELECT coalesce(sum(units), 0)::float8 AS total,
            coalesce(sum(units) FILTER (WHERE hour >= date_trunc('day', now(), 'UTC')), 0)::float8 AS today,
            coalesce(sum(units) FILTER (WHERE hour >= date_trunc('week', now(), 'UTC')), 0)::float8 AS "thisWeek",
            coalesce(sum(units) FILTER (WHERE hour >= date_trunc('month', now(), 'UTC')), 0)::float8 AS "thisMonth"
          FROM usage_hours
          WHERE tenant_id = ${actor.tenantId} AND actor = ${actorName(actor)} AND kind = 'PREDICTION'`,
      );
      return row!;
    },

    /** Enters the compute seconds of a run into the ledger: once, however often a run is finished. */
    async recordTraining(tx: TenantTx, entry: { tenantId: string; runId: string; actor: string; computeSeconds: number; gpuSeconds: number }): Promise<void> {
      await tx.$executeRaw`
        WITH entered AS (
          INSERT INTO usage_records (tenant_id, request_id, at, kind, actor, units, gpu_units)
          VALUES (${entry.tenantId}, ${entry.runId}, now(), 'TRAINING', ${entry.actor}, ${entry.computeSeconds}, ${entry.gpuSeconds})
          ON CONFLICT DO NOTHING RETURNING *)
        ${addToHours}`;
    },
  };
}

async function ensureCounter(tx: TenantTx, tenantId: string, resource: QuotaResource): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO quota_counters (tenant_id, resource, limit_value)
    VALUES (${tenantId}, ${resource}::quota_resource, ${defaultLimits[resource]}) ON CONFLICT DO NOTHING`;
}

/** Why the counter cannot be raised; null when it has been. */
export async function raise(tx: TenantTx, tenantId: string, input: ReserveInput): Promise<QuotaExceeded | null> {
  await ensureCounter(tx, tenantId, input.resource);
  const raised = await tx.$executeRaw`
    UPDATE quota_counters SET used = used + ${input.amount}
    WHERE tenant_id = ${tenantId} AND resource = ${input.resource}::quota_resource AND used + ${input.amount} <= limit_value`;
  if (raised) return null;
  return exceeded(input, await tx.quotaCounter.findUniqueOrThrow({ where: { tenantId_resource: { tenantId, resource: input.resource } } }));
}

async function close(
  tx: TenantTx,
  tenantId: string,
  subject: string,
  resource: QuotaResource,
  status: 'SETTLED' | 'RELEASED',
  actual: bigint,
): Promise<void> {
  // The row lock makes the second of two closers wait, and find nothing left to do.
  const [held] = await tx.$queryRaw<{ id: string; amount: bigint; status: string }[]>`
    SELECT id, amount, status::text FROM reservations
    WHERE tenant_id = ${tenantId} AND subject = ${subject} AND resource = ${resource}::quota_resource FOR UPDATE`;
  if (!held || held.status === 'RELEASED' || held.status === status) return;
  await tx.$executeRaw`
    UPDATE quota_counters SET used = used - ${held.amount} + ${actual}
    WHERE tenant_id = ${tenantId} AND resource = ${resource}::quota_resource`;
  await tx.$executeRaw`
    UPDATE reservations SET status = ${status}::reservation_status, closed_at = now(), amount = ${status === 'SETTLED' ? actual : held.amount}
    WHERE tenant_id = ${tenantId} AND id = ${held.id}`;
}

function exceeded(input: ReserveInput, counter: { limit: bigint; used: bigint }): QuotaExceeded {
  const remedies: Record<QuotaResource, string> = {
    ACTIVE_RUNS: 'Wait until a run ends, cancel one, or ask your operator for a higher limit.',
    STORAGE_BYTES: 'Send a smaller file, or ask your operator for a higher limit.',
  };
  return {
    type: 'quota-exceeded',
    resource: input.resource,
    limit: counter.limit,
    used: counter.used,
    requested: input.amount,
    message: `This needs ${input.amount} of ${input.resource}; ${counter.used} of ${counter.limit} are in use.`,
    remedy: remedies[input.resource],
  };
}
