import type { SystemTx } from '@millrace/database';
import { platformTenantId } from './grounds.ts';
import type { Role } from './permissions.ts';

/**
 * Where somebody comes in by password: the active tenant that they have belonged to longest. The operators' own tenant
 * only when there is no other, since operators are members of it beside their own.
 */
export async function homeOf(tx: SystemTx, personId: string | null): Promise<{ tenantId: string; role: Role } | null> {
  const memberships = await tx.membership.findMany({
    where: { personId: personId ?? '', tenant: { status: 'ACTIVE' } },
    orderBy: [{ createdAt: 'asc' }, { tenantId: 'asc' }],
    select: { tenantId: true, role: true },
  });
  return memberships.find(({ tenantId }) => tenantId !== platformTenantId) ?? memberships[0] ?? null;
}
