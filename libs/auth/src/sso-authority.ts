import type { TenantTx } from '@millrace/database';
import { type Clock, DomainError } from '@millrace/kernel';
import type { Actor } from './actor.ts';
import { permissionsOfRole, type Role, rolesByRank } from './permissions.ts';

export const rankOf = (role: Role): number => rolesByRank.indexOf(role);

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
  return tx.$executeRaw`
    UPDATE sessions SET revoked_at = ${clock.now()}
    WHERE tenant_id = ${tenantId} AND method = 'PASSWORD' AND revoked_at IS NULL AND id <> ${own} AND person_id IN (
      SELECT people.id FROM people
      JOIN memberships ON memberships.person_id = people.id AND memberships.tenant_id = ${tenantId} AND memberships.role <> 'OWNER'
      JOIN domain_claims ON domain_claims.tenant_id = ${tenantId} AND domain_claims.verified_at IS NOT NULL
        AND domain_claims.domain = split_part(people.email, '@', 2)
    )`;
}
