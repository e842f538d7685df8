import type { Run, TenantTx } from '@millrace/database';
import type { Quota } from '@millrace/quota';
import { releaseStorage } from './package-storage.ts';

/**
 * Notes what a held run has computed so far, over all its attempts: noting it again changes nothing. What was added since
 * the last time counts for the backend in use. Without the lease nothing is noted.
 */
export async function meterRun(
  tx: TenantTx,
  lease: { tenantId: string; runId: string; token: string },
  computeSeconds: number | undefined,
  backend?: string,
): Promise<void> {
  if (computeSeconds === undefined) return;
  await tx.$executeRaw`
    UPDATE runs SET compute_seconds = ${computeSeconds}, gpu_seconds = gpu_seconds +
      CASE WHEN coalesce(${backend ?? null}::text, backend) = 'cuda' THEN greatest(0, ${computeSeconds}::float8 - compute_seconds) ELSE 0 END
    WHERE tenant_id = ${lease.tenantId} AND id = ${lease.runId} AND lease_token = ${lease.token}::uuid`;
}

/** Gives back what a run held and enters what it cost, in the transaction that ends it. */
export async function endRun(tx: TenantTx, quota: Quota, run: Pick<Run, 'tenantId' | 'id' | 'createdBy'>): Promise<void> {
  await quota.release(tx, run.tenantId, run.id, 'ACTIVE_RUNS');
  await releaseStorage(tx, quota, { tenantId: run.tenantId, runId: run.id });
  const cost = await tx.run.findUniqueOrThrow({
    where: { tenantId_id: { tenantId: run.tenantId, id: run.id } },
    select: { computeSeconds: true, gpuSeconds: true },
  });
  if (cost.computeSeconds > 0) await quota.recordTraining(tx, { tenantId: run.tenantId, runId: run.id, actor: run.createdBy, ...cost });
}
