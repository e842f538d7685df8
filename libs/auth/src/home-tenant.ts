import type { SystemTx } from '@millrace/database';
import { platformTenantId } from './grounds.ts';
import type { Role } from './permissions.ts';

export interface Home {
  tenantId: string;
  role: Role;
  bySso: boolean;
}

/**
 * Where somebody comes in by password: the active tenants that they belong to, the one of longest first. The operators'
 * own tenant comes last, since operators are members of it beside their own.
 */
export async function homesOf(tx: SystemTx, personId: string | null): Promise<Home[]> {
  const memberships = await tx.membership.findMany({
    where: { personId: personId ?? '', tenant: { status: 'ACTIVE' } },
    orderBy: [{ createdAt: 'asc' }, { tenantId: 'asc' }],
    select: { tenantId: true, role: true, bySso: true },
  });
  const isPlatform = ({ tenantId }: Home): boolean => tenantId === platformTenantId;
  return [...memberships.filter((home) => !isPlatform(home)), ...memberships.filter(isPlatform)];
}

export async function homeOf(tx: SystemTx, personId: string | null): Promise<Home | null> {
  return (await homesOf(tx, personId))[0] ?? null;
}

/**
 * In whose trails a change of somebody's account stands: those of all tenants that the account leads into, open or not, the
 * platform's last as everywhere. Where there is none, in the one that is given.
 */
export async function trailsOf(tx: SystemTx, personId: string, otherwise: string): Promise<string[]> {
  const memberships = await tx.membership.findMany({ where: { personId, bySso: false }, orderBy: { tenantId: 'asc' }, select: { tenantId: true } });
  const ids = memberships.map(({ tenantId }) => tenantId);
  if (!ids.length) return [otherwise];
  return [...ids.filter((id) => id !== platformTenantId), ...ids.filter((id) => id === platformTenantId)];
}
