import { type Actor, actorName, recordAudit } from '@millrace/auth';
import { notify, Prisma, type Run, type TenantTx } from '@millrace/database';
import { newId, type Problem } from '@millrace/kernel';
import { leastRunMemoryMb, type Quota, type QuotaExceeded, type TrainingLimits } from '@millrace/quota';
import { computeSecondsThisMonth } from './claim.ts';
import { appendEvent } from './run-state.ts';

export type RunDevice = Run['device'];

/** What every run may be given, whatever it does. */
export interface RunTerms {
  /** within the tenant; higher goes first */
  priority?: number | undefined;
  /** what to compute on; AUTO if left out */
  device?: RunDevice | undefined;
  /** the most the run may have; what is left out is as the plan has it */
  limits?: { memoryMb?: number | null | undefined; minutes?: number | null | undefined } | undefined;
}

/** What a run is to do. */
export interface RunWork {
  datasetVersionId: string;
  modelName: string;
  spec: Prisma.InputJsonValue;
  acknowledgedLeaks?: string[];
  optimisation?: Prisma.InputJsonObject;
}

/** Of storage that has no room for one more package. */
export const storageRemedy = 'Delete versions, data sets or files that you no longer need, or ask your operator for a higher limit; then start the run again.';

export type EnqueueOutcome =
  | { type: 'submitted'; run: Run }
  | { type: 'invalid'; problems: Problem[] }
  | { type: 'compute-seconds-used-up'; limit: number; used: number }
  | QuotaExceeded;

export function priorityProblems({ priority = 0 }: RunTerms): Problem[] {
  if (Number.isInteger(priority) && Math.abs(priority) <= 100) return [];
  return [{ code: 'priority_unfit', field: 'priority', message: 'The priority is no whole number from -100 to 100.', remedy: 'Leave it out, or give 0.' }];
}

/**
 * Puts a run whose work was checked into the queue: within what the plan lets a run have, its quota reserved, in the
 * caller's transaction.
 * @param trail the word for it in the audit trail, and what else it says
 */
export async function enqueueRun(
  tx: TenantTx, quota: Quota, actor: Actor, work: RunWork, terms: RunTerms, trail: { action: string; details: Prisma.InputJsonObject },
): Promise<EnqueueOutcome> {
  const { tenantId } = actor;
  const allowed = await quota.trainingLimits(tx, tenantId);
  const { memoryMb = null, minutes = null } = terms.limits ?? {};
  const excesses = limitProblems({ memoryMb, minutes }, allowed);
  if (excesses.length) return { type: 'invalid', problems: excesses };
  if (allowed.computeSecondsPerMonth !== null) {
    const [spent] = await tx.$queryRaw<{ used: number }[]>`SELECT ${computeSecondsThisMonth(Prisma.sql`${tenantId}`)} AS used`;
    if (spent!.used >= allowed.computeSecondsPerMonth) return { type: 'compute-seconds-used-up', limit: allowed.computeSecondsPerMonth, used: spent!.used };
  }
  const full = await quota.fullness(tx, tenantId, 'STORAGE_BYTES');
  if (full) return { ...full, remedy: storageRemedy };
  const runId = newId('run');
  const reserved = await quota.reserve(tx, tenantId, { resource: 'ACTIVE_RUNS', amount: 1n, subject: runId });
  if (reserved.type !== 'reserved') return reserved;
  await tx.$executeRaw`INSERT INTO tenant_queues (tenant_id) VALUES (${tenantId}) ON CONFLICT DO NOTHING`;
  const run = await tx.run.create({
    data: {
      id: runId,
      tenantId,
      ...work,
      priority: terms.priority ?? 0,
      device: terms.device ?? 'AUTO',
      memoryMb: memoryMb ?? allowed.runMemoryMb,
      minutes: minutes ?? allowed.runMinutes,
      createdBy: actorName(actor),
    },
  });
  await appendEvent(tx, tenantId, runId, 'submitted');
  await recordAudit(tx, actor, { action: trail.action, subject: runId, details: trail.details });
  await notify(tx, 'millrace_queue');
  return { type: 'submitted', run };
}

function limitProblems(asked: { memoryMb: number | null; minutes: number | null }, allowed: TrainingLimits): Problem[] {
  const ranges = [
    { name: 'memoryMb', unit: 'MB of memory', value: asked.memoryMb, least: leastRunMemoryMb, most: allowed.runMemoryMb },
    { name: 'minutes', unit: 'minutes', value: asked.minutes, least: 1, most: allowed.runMinutes },
  ];
  return ranges.flatMap(({ name, unit, value, least, most }) => {
    if (value === null || (Number.isInteger(value) && value >= least && value <= most)) return [];
    const message = value > most ? `Your plan allows a run ${most} ${unit}.` : `A run needs at least ${least} ${unit}, as a whole number.`;
    return [{ code: 'limit_unfit', field: `limits.${name}`, message, remedy: `Give ${least} to ${most}, or leave it out for ${most}.` }];
  });
}
