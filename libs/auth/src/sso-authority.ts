import type { TenantTx } from '@millrace/database';
import { type Clock, DomainError } from '@millrace/kernel';
import type { Actor } from './actor.ts';
import { domainOf } from './email-domain.ts';
import { permissionsOfRole, type Role } from './permissions.ts';

/**
 * The role with which somebody decides who comes in, as it is now. Neither keys nor operators with an access grant have
 * one: what they let in would outlast them. @throws DomainError FORBIDDEN
 */
export async function roleToLetIn(tx: TenantTx, actor: Actor): Promise<Role> {
  const { tenantId } = actor;
  const member =
    actor.type === 'person' && !actor.grantId
      ? await tx.membership.findUnique({ where: { tenantId_personId: { tenantId, personId: actor.personId } } })
      : null;
  if (member && permissionsOfRole[member.role].includes('sso:write')) return member.role;
  throw new DomainError('FORBIDDEN', 'Only a member of the tenant may decide how its people come in.', { remedy: 'Ask an administrator of your tenant.' });
}

/**
 * Ends the sessions that were opened by password and would not be opened any more: of members in verified domains, owners
 * excepted. The one who decided it stays in, to mend what may be wrong. @returns how many there were
 */
export async function endPasswordSessions(tx: TenantTx, clock: Clock, tenantId: string, actor: Actor): Promise<number> {
  const own = actor.type === 'person' ? actor.sessionId : '';
  const open = await tx.session.findMany({
    where: { tenantId, method: 'PASSWORD', revokedAt: null, id: { not: own }, person: { memberships: { some: { tenantId, role: { not: 'OWNER' } } } } },
    select: { id: true, person: { select: { email: true } } },
  });
  const claims = await tx.domainClaim.findMany({ where: { tenantId, verifiedAt: { not: null } }, select: { domain: true } });
  const domains = new Set(claims.map(({ domain }) => domain));
  const ids = open.filter(({ person }) => domains.has(domainOf(person.email))).map(({ id }) => id);
  return tx.$executeRaw`UPDATE sessions SET revoked_at = ${clock.now()} WHERE tenant_id = ${tenantId} AND id = ANY (${ids}) AND revoked_at IS NULL`;
}
