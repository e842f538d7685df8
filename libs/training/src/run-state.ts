import { notify, Prisma, type Run, type SystemTx, type TenantTx } from '@millrace/database';

export type RunStatus = Run['status'];

/**
 * The one transition table. A verb applies in its `from` state only and leads to its `to`. QUEUED to RUNNING alone is not
 * here: the claim picks the run and changes it in one statement, across tenants (`queue.ts`).
 */
const transitions = {
  cancelQueued: { from: 'QUEUED', to: 'CANCELLED', event: 'cancelled' },
  cancelPaused: { from: 'PAUSED', to: 'CANCELLED', event: 'cancelled' },
  pauseQueued: { from: 'QUEUED', to: 'PAUSED', event: 'paused' },
  resume: { from: 'PAUSED', to: 'QUEUED', event: 'resume-requested' },
  succeed: { from: 'RUNNING', to: 'SUCCEEDED', event: 'succeeded' },
  fail: { from: 'RUNNING', to: 'FAILED', event: 'failed' },
  cancelRunning: { from: 'RUNNING', to: 'CANCELLED', event: 'cancelled' },
  pauseRunning: { from: 'RUNNING', to: 'PAUSED', event: 'paused' },
  requeue: { from: 'RUNNING', to: 'QUEUED', event: 'requeued' },
} as const satisfies Record<string, { from: RunStatus; to: RunStatus; event: string }>;

export type RunVerb = keyof typeof transitions;

/** Whether a run has reached its one end. */
export function isFinal(status: RunStatus): boolean {
  return status === 'SUCCEEDED' || status === 'FAILED' || status === 'CANCELLED';
}

export interface TransitionInput {
  tenantId: string;
  runId: string;
  verb: RunVerb;
  /** the fencing token of the worker that acts; left out only for a run that nobody holds */
  leaseToken?: string;
  fields?: Prisma.RunUncheckedUpdateInput;
  data?: Prisma.InputJsonObject;
  /** not before so many seconds from now, by the database's clock */
  retryInSeconds?: number;
}

/**
 * Changes a run's status and writes the event, together. False when the run is not in the state that the verb starts
 * from, or is held by another lease: then nothing is changed, and the caller's claim on the run is void.
 */
export async function transition(tx: TenantTx, input: TransitionInput): Promise<boolean> {
  const { from, to, event } = transitions[input.verb];
  const held = from === 'RUNNING' ? Prisma.sql`lease_token = ${input.leaseToken ?? null}::uuid` : Prisma.sql`lease_token IS NULL`;
  const changed = await tx.$executeRaw`
    UPDATE runs SET status = ${to}::run_status, lease_token = NULL, lease_until = NULL, leased_by = NULL, pause_requested_at = NULL,
      checkpoint_key = ${isFinal(to) ? Prisma.sql`NULL` : Prisma.sql`checkpoint_key`},
      finished_at = ${isFinal(to) ? Prisma.sql`clock_timestamp()` : Prisma.sql`NULL`},
      run_after = clock_timestamp() + make_interval(secs => ${input.retryInSeconds ?? 0})
    WHERE tenant_id = ${input.tenantId} AND id = ${input.runId} AND status = ${from}::run_status AND ${held}`;
  if (!changed) return false;
  if (input.fields) await tx.run.update({ where: { tenantId_id: { tenantId: input.tenantId, id: input.runId } }, data: input.fields });
  await appendEvent(tx, input.tenantId, input.runId, event, input.data);
  await notify(tx, 'millrace_run', `${input.tenantId}:${input.runId}`);
  return true;
}

/** The caller holds the run's row (it has just updated it), so the numbers have no gaps and no twins. */
export async function appendEvent(
  tx: TenantTx | SystemTx,
  tenantId: string,
  runId: string,
  type: string,
  data?: Prisma.InputJsonObject,
): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO run_events (tenant_id, run_id, sequence, type, data)
    SELECT ${tenantId}, ${runId}, coalesce(max(sequence), 0) + 1, ${type}, ${data ? JSON.stringify(data) : null}::jsonb
    FROM run_events WHERE tenant_id = ${tenantId} AND run_id = ${runId}`;
}
