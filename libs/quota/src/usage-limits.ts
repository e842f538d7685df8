import { type Actor, actorName, type Permission, platformTenantId, recordAudit, requirePermission, requirePerson } from '@millrace/auth';
import { type Database, notify, type SystemTx, type TenantTx } from '@millrace/database';
import { DomainError, newId, type Problem } from '@millrace/kernel';
import type { UsageMeasure, UsagePeriod, UsageScope } from './usage-limit.ts';

/** What a limit of usage says. */
export interface UsageLimitValues {
  measure: UsageMeasure;
  period: UsagePeriod;
  limit: number;
  /** null for no notice before the limit */
  softLimit: number | null;
}

export interface UsageLimitInput extends UsageLimitValues {
  scope: 'KEY' | 'MODEL' | 'MEMBER';
  /** id of the key or person, name of the endpoint */
  subject: string;
}

export interface UsageLimitView extends UsageLimitValues {
  id: string;
  scope: UsageScope;
  subject: string;
  raise: { by: number; until: Date; reason: string } | null;
  /** in the present window; processes hold some of it ahead */
  used: number;
  resetsAt: Date;
  /** whether the soft limit is reached */
  isNear: boolean;
}

export interface RaiseInput {
  tenantId: string;
  limitId: string;
  by: number;
  until: Date;
  reason: string;
}

interface Invalid {
  type: 'invalid';
  problems: Problem[];
}

export type SetUsageLimitOutcome = { type: 'set'; limit: UsageLimitView } | Invalid;

const mostLimit = 1_000_000_000_000;
const mostRate = 1_000_000;
const longestRaiseMs = 366 * 86_400_000;

/** Who manages the subject manages its limits. */
const permissionOf: Record<UsageLimitInput['scope'], Permission> = { KEY: 'key:write', MODEL: 'endpoint:write', MEMBER: 'member:write' };

interface Row {
  id: string;
  scope: UsageScope;
  subject: string;
  measure: UsageMeasure;
  period: UsagePeriod;
  limit: bigint;
  softLimit: bigint | null;
  raiseBy: bigint;
  raiseUntil: Date | null;
  raiseReason: string | null;
  used: bigint;
  resetsAt: Date;
}

/** Limits of what may be predicted: those that a tenant sets within itself, and those that operators set for it. */
export function createUsageLimits({ database }: { database: Database }) {
  return {
    /** All of the tenant, with what is used of them. */
    async list(actor: Actor): Promise<UsageLimitView[]> {
      requirePermission(actor, 'usage:read');
      return database.forTenant(actor.tenantId).transaction((tx) => readLimits(tx, [actor.tenantId])).then((byTenant) => byTenant.get(actor.tenantId) ?? []);
    },

    /** Sets the limit of a key, model or member, in the place of one for the same measure and period. @throws DomainError NOT_FOUND */
    async set(given: Actor, input: UsageLimitInput): Promise<SetUsageLimitOutcome> {
      requirePermission(given, permissionOf[input.scope]);
      const actor = requirePerson(given); // a key could free itself of its own
      const problems = problemsOf(input);
      if (problems.length) return { type: 'invalid', problems };
      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx): Promise<SetUsageLimitOutcome> => {
        await requireSubject(tx, tenantId, input);
        const limit = await put(tx, tenantId, actorName(actor), input);
        await recordAudit(tx, actor, { action: 'limit.set', subject: limit.id, details: { ...input } });
        return { type: 'set', limit };
      });
    },

    /** Removes one that the tenant has set itself. @throws DomainError NOT_FOUND */
    async remove(given: Actor, id: string): Promise<void> {
      requirePermission(given, 'key:write');
      const actor = requirePerson(given);
      const { tenantId } = actor;
      await database.forTenant(tenantId).transaction(async (tx) => {
        const found = await tx.usageLimit.findUnique({ where: { tenantId_id: { tenantId, id } } });
        if (!found || found.scope === 'TENANT' || found.scope === 'PLAN') {
          throw noSuchLimit('id', 'List the limits of your tenant; those of the tenant itself are your operator’s to change.');
        }
        requirePermission(actor, permissionOf[found.scope]);
        await tx.usageLimit.delete({ where: { tenantId_id: { tenantId, id } } });
        await notify(tx, 'millrace_usage', `${tenantId}:*`);
        const { subject, measure, period, limit } = found;
        await recordAudit(tx, actor, { action: 'limit.remove', subject: id, details: { scope: found.scope, subject, measure, period, limit: Number(limit) } });
      });
    },

    /** For operators: limits of these tenants themselves, with what is used of them. */
    async listForTenants(actor: Actor, tenantIds: readonly string[]): Promise<Map<string, UsageLimitView[]>> {
      requirePermission(actor, 'platform:read');
      return database.system().transaction((tx) => readLimits(tx, tenantIds));
    },

    /** For operators: a limit of the tenant itself, beside its plan's; null removes it. @throws DomainError NOT_FOUND */
    async setForTenant(actor: Actor, tenantId: string, { limit, ...values }: Omit<UsageLimitValues, 'limit'> & { limit: number | null }): Promise<SetUsageLimitOutcome | { type: 'removed' }> {
      requirePermission(actor, 'platform:write');
      const problems = limit === null ? [] : problemsOf({ ...values, limit });
      if (problems.length) return { type: 'invalid', problems };
      return database.system().transaction(async (tx): Promise<SetUsageLimitOutcome | { type: 'removed' }> => {
        await requireTenant(tx, tenantId);
        const { measure, period } = values;
        const details = { measure, period, limit, softLimit: values.softLimit };
        if (limit === null) {
          await tx.usageLimit.deleteMany({ where: { tenantId, scope: 'TENANT', measure, period } });
          await notify(tx, 'millrace_usage', `${tenantId}:*`);
          await recordAudit(tx, actor, { tenantId, action: 'tenant.limit', subject: tenantId, details });
          return { type: 'removed' };
        }
        const set = await put(tx, tenantId, actorName(actor), { ...values, limit, scope: 'TENANT', subject: '' });
        await recordAudit(tx, actor, { tenantId, action: 'tenant.limit', subject: tenantId, details });
        return { type: 'set', limit: set };
      });
    },

    /** For operators: more for a while. Another raise takes the place of the one before; one by 0 ends it. @throws DomainError NOT_FOUND */
    async raise(actor: Actor, { tenantId, limitId, by, until, reason }: RaiseInput): Promise<SetUsageLimitOutcome> {
      requirePermission(actor, 'platform:write');
      return database.system().transaction(async (tx): Promise<SetUsageLimitOutcome> => {
        await tx.$executeRaw`SELECT 1 FROM usage_limits WHERE tenant_id = ${tenantId} AND id = ${limitId} FOR UPDATE`;
        const found = await tx.usageLimit.findFirst({ where: { tenantId, id: limitId } });
        if (!found) throw noSuchLimit('limitId', 'List the limits of the tenant.');
        const problems = raiseProblems(found, by, until, reason);
        if (problems.length) return { type: 'invalid', problems };
        await tx.usageLimit.updateMany({
          where: { tenantId, id: limitId },
          data: { raiseBy: BigInt(by), raiseUntil: until, raiseReason: reason.trim(), updatedBy: actorName(actor) },
        });
        await notify(tx, 'millrace_usage', `${tenantId}:*`);
        await recordAudit(tx, actor, { tenantId, action: 'tenant.raise', subject: limitId, details: { by, until: until.toISOString(), reason: reason.trim() } });
        return { type: 'set', limit: (await readLimits(tx, [tenantId])).get(tenantId)!.find(({ id }) => id === limitId)! };
      });
    },
  };
}

async function put(tx: TenantTx | SystemTx, tenantId: string, by: string, { scope, subject, measure, period, limit, softLimit }: Omit<UsageLimitInput, 'scope'> & { scope: UsageScope }): Promise<UsageLimitView> {
  await tx.$executeRaw`
    INSERT INTO usage_limits (id, tenant_id, scope, subject, measure, period, limit_value, soft_limit, updated_by)
    VALUES (${newId('usageLimit')}, ${tenantId}, ${scope}::usage_scope, ${subject}, ${measure}::usage_measure, ${period}::usage_period, ${limit}::bigint, ${softLimit}::bigint, ${by})
    ON CONFLICT (tenant_id, scope, subject, measure, period)
    DO UPDATE SET limit_value = excluded.limit_value, soft_limit = excluded.soft_limit, updated_by = excluded.updated_by, updated_at = now()`;
  await notify(tx, 'millrace_usage', `${tenantId}:*`);
  const limits = (await readLimits(tx, [tenantId])).get(tenantId)!;
  return limits.find((one) => one.scope === scope && one.subject === subject && one.measure === measure && one.period === period)!;
}

async function readLimits(tx: TenantTx | SystemTx, tenantIds: readonly string[]): Promise<Map<string, UsageLimitView[]>> {
  const rows = await tx.$queryRaw<(Row & { tenantId: string })[]>`
    SELECT l.tenant_id AS "tenantId", l.id, l.scope::text, l.subject, l.measure::text, l.period::text, l.limit_value AS limit, l.soft_limit AS "softLimit",
      l.raise_by AS "raiseBy", l.raise_until AS "raiseUntil", l.raise_reason AS "raiseReason", w.ends AS "resetsAt",
      CASE WHEN a.window_start = w.begins THEN a.used ELSE 0 END AS used
    FROM usage_limits l
    CROSS JOIN LATERAL (SELECT CASE l.period WHEN 'DAY' THEN 'day' WHEN 'MONTH' THEN 'month' ELSE 'minute' END AS unit) u
    CROSS JOIN LATERAL (SELECT date_trunc(u.unit, now(), 'UTC') AS begins,
      (date_trunc(u.unit, now() AT TIME ZONE 'UTC') + ('1 ' || u.unit)::interval) AT TIME ZONE 'UTC' AS ends) w
    LEFT JOIN usage_accounts a ON a.tenant_id = l.tenant_id AND a.id = l.id
    WHERE l.tenant_id = ANY (${[...tenantIds]})
    ORDER BY l.tenant_id, l.scope, l.subject, l.measure, l.period`;
  const byTenant = new Map<string, UsageLimitView[]>(tenantIds.map((id) => [id, []]));
  for (const row of rows) byTenant.get(row.tenantId)!.push(viewOf(row));
  return byTenant;
}

function viewOf({ id, scope, subject, measure, period, limit, softLimit, raiseBy, raiseUntil, raiseReason, used, resetsAt }: Row): UsageLimitView {
  const soft = softLimit === null ? null : Number(softLimit);
  const isRaised = raiseUntil !== null && raiseUntil > new Date() && raiseBy > 0n;
  return {
    id, scope, subject, measure, period, resetsAt,
    limit: Number(limit),
    softLimit: soft,
    used: Number(used),
    isNear: soft !== null && Number(used) >= soft + (isRaised ? Number(raiseBy) : 0),
    raise: isRaised ? { by: Number(raiseBy), until: raiseUntil, reason: raiseReason ?? '' } : null,
  };
}

async function requireSubject(tx: TenantTx, tenantId: string, { scope, subject }: UsageLimitInput): Promise<void> {
  const found =
    scope === 'KEY'
      ? await tx.apiKey.findUnique({ where: { tenantId_id: { tenantId, id: subject } }, select: { id: true } })
      : scope === 'MODEL'
        ? await tx.endpoint.findFirst({ where: { tenantId, name: subject }, select: { id: true } })
        : await tx.membership.findUnique({ where: { tenantId_personId: { tenantId, personId: subject } }, select: { personId: true } });
  if (found) return;
  const what = { KEY: 'API key', MODEL: 'endpoint', MEMBER: 'member' }[scope];
  throw new DomainError('NOT_FOUND', `There is no such ${what}.`, { field: 'subject', remedy: `List the ${what}s of your tenant.` });
}

async function requireTenant(tx: SystemTx, tenantId: string): Promise<void> {
  const found = tenantId === platformTenantId ? null : await tx.tenant.findUnique({ where: { id: tenantId }, select: { id: true } });
  if (!found) throw new DomainError('NOT_FOUND', 'There is no such tenant.', { field: 'tenantId', remedy: 'List the tenants.' });
}

const noSuchLimit = (field: string, remedy: string): DomainError => new DomainError('NOT_FOUND', 'There is no such limit.', { field, remedy });

export function problemsOf({ measure, period, limit, softLimit }: UsageLimitValues): Problem[] {
  const problems: Problem[] = [];
  const [least, most] = period === 'RATE' ? [1, mostRate] : [0, mostLimit];
  if (!Number.isInteger(limit) || limit < least || limit > most) {
    problems.push({ code: 'out_of_range', field: 'limit', message: `The limit is not a whole number from ${least} to ${most}.`, remedy: `Choose one from ${least} to ${most}.` });
  }
  if (softLimit !== null && (!Number.isInteger(softLimit) || softLimit < 0 || softLimit > limit)) {
    problems.push({ code: 'out_of_range', field: 'softLimit', message: 'The soft limit is not a whole number from 0 to the limit.', remedy: 'Choose one below the limit, or none.' });
  }
  if (period === 'RATE' && measure !== 'REQUESTS') {
    problems.push({ code: 'rate_of_rows', field: 'measure', message: 'A rate counts requests only.', remedy: 'Choose REQUESTS, or another period.' });
  }
  return problems;
}

function raiseProblems({ period, limit }: { period: UsagePeriod; limit: bigint }, by: number, until: Date, reason: string): Problem[] {
  const problems: Problem[] = [];
  // With what it is raised by, a limit stays one that could be set.
  const most = Math.max(0, (period === 'RATE' ? mostRate : mostLimit) - Number(limit));
  if (!Number.isInteger(by) || by < 0 || by > most) problems.push({ code: 'out_of_range', field: 'by', message: `The raise is not a whole number from 0 to ${most}.`, remedy: `Choose one from 0 to ${most}; 0 ends a raise.` });
  if (until.getTime() <= Date.now() || until.getTime() > Date.now() + longestRaiseMs) {
    problems.push({ code: 'expiry_unfit', field: 'until', message: 'The raise must end within a year from now.', remedy: 'Choose a time to come; for longer, set another limit.' });
  }
  if (!/^[^\p{Cc}]{1,200}$/u.test(reason.trim())) problems.push({ code: 'text_unfit', field: 'reason', message: 'The reason is missing or too long.', remedy: 'Say why in 1 to 200 characters.' });
  return problems;
}
