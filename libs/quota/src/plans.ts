import { type Actor, actorName, platformTenantId, recordAudit, requirePermission } from '@millrace/auth';
import { type Database, type Plan, Prisma, type SystemTx } from '@millrace/database';
import type { Problem } from '@millrace/kernel';
import { defaultLimits, type Limits, type QuotaCounterView, type QuotaResource, type UsageSummary } from './limits.ts';
import { planUsageOf, planUsageProblems, type PlanUsageLimit, setPlanUsage } from './plan-usage.ts';
import { setTableLimits, type TableLimits, tableLimitProblems, tableLimitsOf } from './table-limits.ts';
import { setTrainingLimits, type TrainingLimits, trainingLimitProblems, trainingLimitsOf } from './training-limits.ts';
import { summaryOfParts, usageParts } from './usage-hours.ts';

/** Named limits. A tenant without a plan has the default ones. */
export interface PlanView extends Pick<Plan, 'name' | 'description' | 'createdAt' | 'updatedAt'> {
  limits: Limits;
  training: TrainingLimits;
  tables: TableLimits;
  /** of what its tenants may predict */
  usage: PlanUsageLimit[];
  tenantCount: number;
}

export interface PlanInput {
  name: string;
  description: string;
  /** a resource that is left out gets its default limit */
  limits: readonly { resource: QuotaResource; limit: bigint }[];
  /** what is left out is as by default */
  training?: Partial<TrainingLimits>;
  tables?: Partial<TableLimits>;
  /** as they are if left out */
  usage?: readonly PlanUsageLimit[];
}

export type SavePlanOutcome = { type: 'saved'; plan: PlanView } | { type: 'invalid'; problems: Problem[] };

export type SetTenantPlanOutcome = { type: 'set' } | { type: 'tenant-not-found' } | { type: 'plan-not-found' };

/** The same, with what the trail tells of it. */
export type PlanSet =
  | { type: 'set'; inTrail: { plan: string | null; limits: Record<string, number>; training: Record<string, number | null>; tables: Record<string, number | null>; usage: { measure: string; period: string; limit: number; softLimit: number | null }[] } }
  | Exclude<SetTenantPlanOutcome, { type: 'set' }>;

/** How much a tenant has and uses. Never what. */
export interface TenantUse {
  counters: QuotaCounterView[];
  usage: UsageSummary;
}

const resources = Object.keys(defaultLimits) as QuotaResource[];
const highestLimit = BigInt(Number.MAX_SAFE_INTEGER); // kept as JSON

/** What operators do about quotas. */
export function createPlans({ database }: { database: Database }) {
  return {
    /** In the order of their names. */
    async list(actor: Actor): Promise<PlanView[]> {
      requirePermission(actor, 'platform:read');
      return database.system().transaction(async (tx) => {
        const rows = await tx.plan.findMany({ orderBy: { name: 'asc' }, include: { _count: { select: { tenants: true } } } });
        return rows.map(({ _count, ...plan }) => viewOf(plan, _count.tenants));
      });
    },

    /**
     * Makes a plan, or changes the one of this name: then its tenants' limits change with it, in the same transaction. Who
     * has more than a new limit keeps it, and gets nothing more until it is less.
     */
    async save(actor: Actor, input: PlanInput): Promise<SavePlanOutcome> {
      requirePermission(actor, 'platform:write');
      const problems = planProblems(input);
      if (problems.length) return { type: 'invalid', problems };
      const limits = { ...defaultLimits, ...Object.fromEntries(input.limits.map(({ resource, limit }) => [resource, limit])) };
      const training = trainingLimitsOf(input.training ?? {});
      const tables = tableLimitsOf(input.tables ?? {});
      return database.system().transaction(async (tx): Promise<SavePlanOutcome> => {
        const usage = planUsageOf(input.usage ?? (await tx.plan.findUnique({ where: { name: input.name } }))?.usage ?? []);
        const given = { limits: asJson(limits), training: { ...training }, tables: { ...tables }, usage: usage.map((limit) => ({ ...limit })) };
        const data = { description: input.description.trim(), ...given };
        // Its row lock makes whoever is just giving the plan to a tenant wait.
        const plan = await tx.plan.upsert({ where: { name: input.name }, create: { name: input.name, ...data }, update: data });
        const tenants = await tx.tenant.findMany({ where: { planName: plan.name }, select: { id: true }, orderBy: { id: 'asc' } });
        const ids = tenants.map(({ id }) => id);
        await setLimits(tx, ids, limits);
        await setTrainingLimits(tx, ids, training);
        await setTableLimits(tx, ids, tables);
        await setPlanUsage(tx, ids, usage, actorName(actor));
        // In the order of the ids, and the platform's own trail last, as everywhere: trails are locked one after another.
        for (const tenantId of ids) await recordAudit(tx, actor, { tenantId, action: 'tenant.plan', subject: tenantId, details: { plan: plan.name, ...given } });
        await recordAudit(tx, actor, { action: 'plan.save', subject: plan.name, details: { ...given, tenants: ids.length } });
        return { type: 'saved', plan: viewOf(plan, ids.length) };
      });
    },

    /** Gives a tenant the limits of a plan, or with null the default ones. Takes nothing away from who has more. */
    async setForTenant(actor: Actor, tenantId: string, planName: string | null): Promise<SetTenantPlanOutcome> {
      requirePermission(actor, 'platform:write');
      return database.system().transaction(async (tx): Promise<SetTenantPlanOutcome> => {
        const outcome = await setPlan(tx, tenantId, planName, actorName(actor));
        if (outcome.type !== 'set') return outcome;
        await recordAudit(tx, actor, { tenantId, action: 'tenant.plan', subject: tenantId, details: outcome.inTrail });
        return { type: 'set' };
      });
    },

    /** The same in the transaction that makes the tenant, whose own line of the trail tells of it. */
    async setForNewTenant(tx: SystemTx, actor: Actor, tenantId: string, planName: string): Promise<PlanSet> {
      requirePermission(actor, 'platform:write');
      return setPlan(tx, tenantId, planName, actorName(actor));
    },

    /** What these tenants have, and what they used from `from` (inclusive) to `to` (exclusive). */
    async summariseTenants(actor: Actor, tenantIds: readonly string[], from: Date, to: Date): Promise<Map<string, TenantUse>> {
      requirePermission(actor, 'platform:read');
      const ids = [...tenantIds];
      const { counters, usage } = await database.system().transaction(async (tx) => ({
        counters: await tx.quotaCounter.findMany({ where: { tenantId: { in: ids } } }),
        usage: await tx.$queryRaw<(UsageSummary & { name: string })[]>`
          SELECT name, ${summaryOfParts} FROM (${usageParts(Prisma.sql`tenant_id = ANY (${ids})`, 'tenant_id', from, to)}) p GROUP BY name`,
      }));
      return new Map(
        ids.map((id) => {
          const used = usage.find(({ name }) => name === id);
          return [
            id,
            {
              counters: resources.map((resource) => {
                const counter = counters.find((row) => row.tenantId === id && row.resource === resource);
                return { resource, limit: counter?.limit ?? defaultLimits[resource], used: counter?.used ?? 0n };
              }),
              usage: { predictions: used?.predictions ?? 0, rows: used?.rows ?? 0n, computeSeconds: used?.computeSeconds ?? 0, gpuSeconds: used?.gpuSeconds ?? 0 },
            },
          ];
        }),
      );
    },
  };
}

async function setPlan(tx: SystemTx, tenantId: string, planName: string | null, by: string): Promise<PlanSet> {
  if (tenantId === platformTenantId) return { type: 'tenant-not-found' };
  let limits: Limits = defaultLimits;
  let training = trainingLimitsOf({});
  let tables = tableLimitsOf({});
  let usage: PlanUsageLimit[] = [];
  if (planName !== null) {
    // Locked, so that a change of the plan at this moment comes before or after.
    const [locked] = await tx.$queryRaw<{ limits: unknown; training: unknown; tables: unknown; usage: unknown }[]>`SELECT limits, training, tables, usage FROM plans WHERE name = ${planName} FOR SHARE`;
    if (!locked) return { type: 'plan-not-found' };
    limits = limitsOf(locked.limits);
    training = trainingLimitsOf(locked.training);
    tables = tableLimitsOf(locked.tables);
    usage = planUsageOf(locked.usage);
  }
  const { count } = await tx.tenant.updateMany({ where: { id: tenantId }, data: { planName } });
  if (!count) return { type: 'tenant-not-found' };
  await setLimits(tx, [tenantId], limits);
  await setTrainingLimits(tx, [tenantId], training);
  await setTableLimits(tx, [tenantId], tables);
  await setPlanUsage(tx, [tenantId], usage, by);
  return { type: 'set', inTrail: { plan: planName, limits: asJson(limits), training: { ...training }, tables: { ...tables }, usage: usage.map((limit) => ({ ...limit })) } };
}

async function setLimits(tx: SystemTx, tenantIds: string[], limits: Limits): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO quota_counters (tenant_id, resource, limit_value)
    SELECT t.id, l.resource::quota_resource, l.value FROM unnest(${tenantIds}::text[]) AS t (id)
      CROSS JOIN unnest(${resources}::text[], ${resources.map((resource) => limits[resource])}::bigint[]) AS l (resource, value)
    ORDER BY t.id, l.resource
    ON CONFLICT (tenant_id, resource) DO UPDATE SET limit_value = excluded.limit_value`;
}

const asJson = (limits: Limits): Record<string, number> => Object.fromEntries(resources.map((resource) => [resource, Number(limits[resource])]));

/** A plan from before a resource existed lacks its limit. */
function limitsOf(stored: unknown): Limits {
  const values = stored as Partial<Record<QuotaResource, number>>;
  return Object.fromEntries(resources.map((resource) => [resource, BigInt(values[resource] ?? defaultLimits[resource])])) as Limits;
}

function viewOf({ name, description, limits, training, tables, usage, createdAt, updatedAt }: Plan, tenantCount: number): PlanView {
  return { name, description, limits: limitsOf(limits), training: trainingLimitsOf(training), tables: tableLimitsOf(tables), usage: planUsageOf(usage), createdAt, updatedAt, tenantCount };
}

function planProblems({ name, description, limits, training = {}, tables = {}, usage = [] }: PlanInput): Problem[] {
  const problems: Problem[] = [...trainingLimitProblems(training), ...tableLimitProblems(tables), ...planUsageProblems(usage)];
  if (!/^[A-Za-z0-9][A-Za-z0-9 _.-]{0,39}$/.test(name) || name.endsWith(' ')) {
    problems.push({ code: 'name_unfit', field: 'name', message: 'This is no name for a plan.', remedy: 'Use 1 to 40 letters, digits, spaces, hyphens, dots and underscores.' });
  }
  if ([...description].length > 300) {
    problems.push({ code: 'text_unfit', field: 'description', message: 'The description is too long.', remedy: 'Use at most 300 characters.' });
  }
  if (new Set(limits.map(({ resource }) => resource)).size < limits.length) {
    problems.push({ code: 'limits_twice', field: 'limits', message: 'A resource has two limits.', remedy: 'Give each resource once.' });
  }
  for (const { resource, limit } of limits) {
    if (limit >= 0n && limit <= highestLimit) continue;
    problems.push({ code: 'limit_unfit', field: `limits.${resource}`, message: `The limit of ${resource} is out of bounds.`, remedy: `Give 0 to ${highestLimit}.` });
  }
  return problems;
}
