import type { TenantTx } from '@millrace/database';
import type { Quota, QuotaExceeded } from '@millrace/quota';

const storageBytes = 'STORAGE_BYTES' as const;

interface HeldRun {
  tenantId: string;
  runId: string;
}

/** What an attempt holds for the version that it is about to make: named so that whoever has the run next finds it. */
const subjectOf = ({ runId }: HeldRun, versionId: string): string => `${runId}/${versionId}`;

export type HoldStorageOutcome =
  /** `abandoned`: versions that earlier attempts, which have died, had begun to store */
  | { type: 'held'; abandoned: string[] }
  | { type: 'lost' }
  | QuotaExceeded;

/** Holds storage of the tenant for the package of a version, before it is stored. It ends with the run, whatever becomes of the attempt. */
export async function holdStorage(tx: TenantTx, quota: Quota, lease: HeldRun & { token: string }, versionId: string, bytes: number): Promise<HoldStorageOutcome> {
  const { tenantId, runId, token } = lease;
  const held = await tx.$queryRaw<unknown[]>`SELECT 1 FROM runs WHERE tenant_id = ${tenantId} AND id = ${runId} AND lease_token = ${token}::uuid FOR UPDATE`;
  if (!held.length) return { type: 'lost' };
  const abandoned = await releaseStorage(tx, quota, lease);
  const outcome = await quota.reserve(tx, tenantId, { resource: storageBytes, amount: BigInt(bytes), subject: subjectOf(lease, versionId) });
  return outcome.type === 'reserved' ? { type: 'held', abandoned } : outcome;
}

/** Keeps what is held for a version that is entered, until it is deleted. */
export async function settleStorage(tx: TenantTx, quota: Quota, run: HeldRun, version: { id: string; sizeBytes: bigint }): Promise<void> {
  await quota.settleFor(tx, run.tenantId, subjectOf(run, version.id), storageBytes, version.sizeBytes, version.id);
}

/** Gives back what attempts of a run hold. @returns the ids of the versions that did not come about */
export async function releaseStorage(tx: TenantTx, quota: Quota, { tenantId, runId }: HeldRun): Promise<string[]> {
  const subjects = await quota.releaseHeld(tx, tenantId, `${runId}/`, storageBytes);
  return subjects.map((subject) => subject.slice(runId.length + 1));
}
