import type { SystemTx } from '@millrace/database';
import { domainOf } from './email-domain.ts';
import type { Role } from './permissions.ts';

/**
 * Whether the tenant lets this address in by its own OpenID provider only, so that no password opens a session there.
 * Owners are excepted: they are the way back in when the provider is away.
 * @param bySso nobody but the provider has ever let them in. Then the password of the account proves nothing to this
 *   tenant: whoever held a link of another tenant for the same address may have chosen it.
 */
export async function comesInBySsoOnly(
  tx: SystemTx,
  { tenantId, email, role, bySso = false }: { tenantId: string; email: string; role: Role; bySso?: boolean },
): Promise<boolean> {
  if (bySso) return true;
  if (role === 'OWNER') return false;
  const connection = await tx.ssoConnection.findUnique({ where: { tenantId }, select: { required: true } });
  if (!connection?.required) return false;
  return (await tx.domainClaim.count({ where: { tenantId, domain: domainOf(email), verifiedAt: { not: null } } })) > 0;
}
