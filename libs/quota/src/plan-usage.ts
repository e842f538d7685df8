import { notify, type SystemTx } from '@millrace/database';
import { newId, type Problem } from '@millrace/kernel';
import type { UsageMeasure, UsagePeriod } from './usage-limit.ts';
import { problemsOf } from './usage-limits.ts';

/** How much a plan's tenants may predict in a period. */
export interface PlanUsageLimit {
  measure: UsageMeasure;
  period: UsagePeriod;
  limit: number;
  /** null for no notice before the limit */
  softLimit: number | null;
}

/** From what is stored, or was given. */
export function planUsageOf(stored: unknown): PlanUsageLimit[] {
  return (stored as readonly PlanUsageLimit[]).map(({ measure, period, limit, softLimit = null }) => ({ measure, period, limit, softLimit }));
}

export function planUsageProblems(usage: readonly PlanUsageLimit[]): Problem[] {
  const problems = usage.flatMap((limit, index) => problemsOf(limit).map((problem) => ({ ...problem, field: `usage.${index}.${problem.field}` })));
  if (new Set(usage.map(({ measure, period }) => `${measure} ${period}`)).size < usage.length) {
    problems.push({ code: 'limits_twice', field: 'usage', message: 'A measure has two limits for one period.', remedy: 'Give each measure and period once.' });
  }
  return problems;
}

/** Gives the tenants the plan's limits. One that stays keeps what is used of it, and its raise. */
export async function setPlanUsage(tx: SystemTx, tenantIds: readonly string[], usage: readonly PlanUsageLimit[], by: string): Promise<void> {
  for (const tenantId of tenantIds) {
    await tx.usageLimit.deleteMany({ where: { tenantId, scope: 'PLAN', NOT: usage.map(({ measure, period }) => ({ measure, period })) } });
    for (const { measure, period, limit, softLimit } of usage) {
      await tx.$executeRaw`
        INSERT INTO usage_limits (id, tenant_id, scope, measure, period, limit_value, soft_limit, updated_by)
        VALUES (${newId('usageLimit')}, ${tenantId}, 'PLAN', ${measure}::usage_measure, ${period}::usage_period, ${limit}::bigint, ${softLimit}::bigint, ${by})
        ON CONFLICT (tenant_id, scope, subject, measure, period)
        DO UPDATE SET limit_value = excluded.limit_value, soft_limit = excluded.soft_limit, updated_by = excluded.updated_by, updated_at = now()`;
    }
    await notify(tx, 'millrace_usage', `${tenantId}:*`);
  }
}
