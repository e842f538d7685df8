import type { SystemTx } from '@millrace/database';
import { platformTenantId } from './grounds.ts';
import type { Role } from './permissions.ts';

export interface Home {
  tenantId: string;
  role: Role;
  /** no password opens a session there */
  ssoOnly: boolean;
}

/**
 * Where somebody comes in by password: the active tenants that they belong to, the one of longest first. The operators'
 * own tenant comes last, since operators are members of it beside their own.
 */
export async function homesOf(tx: SystemTx, personId: string | null): Promise<Home[]> {
  const memberships = await tx.membership.findMany({
    where: { personId: personId ?? '', tenant: { status: 'ACTIVE' } },
    orderBy: [{ createdAt: 'asc' }, { tenantId: 'asc' }],
    select: { tenantId: true, role: true, ssoOnly: true },
  });
  const isPlatform = ({ tenantId }: Home): boolean => tenantId === platformTenantId;
  return [...memberships.filter((home) => !isPlatform(home)), ...memberships.filter(isPlatform)];
}

export async function homeOf(tx: SystemTx, personId: string | null): Promise<Home | null> {
  return (await homesOf(tx, personId))[0] ?? null;
}
