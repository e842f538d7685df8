import type { TenantTx } from '@millrace/database';
import { type QuotaExceeded, raise } from './quota.ts';

const resource = 'STORAGE_BYTES';

/**
 * Counts bytes without a reservation, for what comes in such numbers that a row for each would weigh as much. In the transaction that
 * creates it and after its rows, as `giveBackStorage` comes after those that it removes: so none waits for the other.
 */
export async function takeStorage(tx: TenantTx, tenantId: string, bytes: number): Promise<{ type: 'taken' } | QuotaExceeded> {
  return (await raise(tx, tenantId, { resource, amount: BigInt(bytes), subject: '' })) ?? { type: 'taken' };
}

export async function giveBackStorage(tx: TenantTx, tenantId: string, bytes: number): Promise<void> {
  await tx.$executeRaw`UPDATE quota_counters SET used = greatest(0, used - ${BigInt(bytes)}) WHERE tenant_id = ${tenantId} AND resource = ${resource}::quota_resource`;
}
