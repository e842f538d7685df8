import type { Session, SystemTx } from '@millrace/database';
import { platformTenantId } from './grounds.ts';
import type { Role } from './permissions.ts';

export interface Standing {
  role: Role;
  grantId?: string;
  /** the session is good at most until then */
  until: Date;
}

/**
 * What a session's person may do in its tenant at this moment: as a member, or as an operator with an access grant, for as
 * long as both the grant and the operator's own office last. Null: nothing any more.
 */
export async function findStanding(
  tx: SystemTx,
  { tenantId, personId, grantId, expiresAt }: Pick<Session, 'tenantId' | 'personId' | 'grantId' | 'expiresAt'>,
  now: Date,
): Promise<Standing | null> {
  if (grantId === null) {
    const membership = await tx.membership.findUnique({ where: { tenantId_personId: { tenantId, personId } } });
    return membership && { role: membership.role, until: expiresAt };
  }
  const grant = await tx.accessGrant.findUnique({ where: { tenantId_id: { tenantId, id: grantId } } });
  if (!grant || grant.personId !== personId || grant.revokedAt || grant.expiresAt <= now) return null;
  const office = await tx.membership.findUnique({ where: { tenantId_personId: { tenantId: platformTenantId, personId } } });
  // Who was an operator, and is one again, does not get the old grants back.
  if (!office || office.createdAt > grant.createdAt) return null;
  return { role: grant.role, grantId, until: grant.expiresAt < expiresAt ? grant.expiresAt : expiresAt };
}
