import type { SystemTx, TenantTx } from '@millrace/database';
import type { Problem } from '@millrace/kernel';

/** How a tenant's training runs share the workers, and what one run may have. Part of a plan. */
export interface TrainingLimits {
  /** of the workers among the tenants that wait: 2 gets twice what 1 gets */
  weight: number;
  /** at once; further ones wait */
  runningRuns: number;
  /** of the runs that end in a calendar month (UTC), and of those without an end; null for no limit */
  computeSecondsPerMonth: number | null;
  /** of one run's training process */
  runMemoryMb: number;
  /** that one run may compute */
  runMinutes: number;
}

/** What a tenant has until an operator says otherwise. */
export const defaultTrainingLimits: TrainingLimits = { weight: 1, runningRuns: 2, computeSecondsPerMonth: null, runMemoryMb: 4096, runMinutes: 1440 };

/** Less than this, and a training process cannot even begin. */
export const leastRunMemoryMb = 512;

const bounds: Record<keyof TrainingLimits, { from: number; to: number; whole: boolean }> = {
  weight: { from: 0.01, to: 100, whole: false },
  runningRuns: { from: 0, to: 1000, whole: true },
  computeSecondsPerMonth: { from: 0, to: 1e9, whole: false },
  runMemoryMb: { from: leastRunMemoryMb, to: 1_048_576, whole: true },
  runMinutes: { from: 1, to: 43_200, whole: true },
};

export function trainingLimitProblems(limits: Partial<TrainingLimits>): Problem[] {
  return (Object.keys(bounds) as (keyof TrainingLimits)[]).flatMap((name) => {
    const value = limits[name];
    const { from, to, whole } = bounds[name];
    if (value === undefined || (value === null && name === 'computeSecondsPerMonth')) return [];
    if (value !== null && value >= from && value <= to && (!whole || Number.isInteger(value))) return [];
    return [{ code: 'limit_unfit', field: `training.${name}`, message: 'This limit is out of bounds.', remedy: `Give ${whole ? 'a whole number from ' : ''}${from} to ${to}.` }];
  });
}

/** A plan from before a limit existed lacks it. */
export function trainingLimitsOf(stored: unknown): TrainingLimits {
  return { ...defaultTrainingLimits, ...(stored as Partial<TrainingLimits>) };
}

export async function setTrainingLimits(tx: SystemTx, tenantIds: readonly string[], limits: TrainingLimits): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO tenant_queues (tenant_id, weight, max_running, compute_seconds_per_month, run_memory_mb, run_minutes)
    SELECT id, ${limits.weight}, ${limits.runningRuns}, ${limits.computeSecondsPerMonth}, ${limits.runMemoryMb}, ${limits.runMinutes}
    FROM unnest(${[...tenantIds]}::text[]) AS t (id) ORDER BY id
    ON CONFLICT (tenant_id) DO UPDATE SET weight = excluded.weight, max_running = excluded.max_running,
      compute_seconds_per_month = excluded.compute_seconds_per_month, run_memory_mb = excluded.run_memory_mb, run_minutes = excluded.run_minutes`;
}

/** The tenant's own. */
export async function readTrainingLimits(tx: TenantTx, tenantId: string): Promise<TrainingLimits> {
  const row = await tx.tenantQueue.findUnique({ where: { tenantId } });
  if (!row) return defaultTrainingLimits;
  const { weight, maxRunning: runningRuns, computeSecondsPerMonth, runMemoryMb, runMinutes } = row;
  return { weight, runningRuns, computeSecondsPerMonth, runMemoryMb, runMinutes };
}
