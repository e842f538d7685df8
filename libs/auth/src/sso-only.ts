import type { SystemTx } from '@millrace/database';
import type { Role } from './permissions.ts';

export interface Entrant {
  tenantId: string;
  email: string;
  role: Role;
  /** of the membership, where there is one */
  ssoOnly?: boolean;
}

/**
 * Whether the tenant lets this address in by its own OpenID provider only, so that no password opens a session there:
 * because the provider alone has made them a member, or because all of their domain must come in by it. From the latter
 * owners are excepted: they are the way back in when the provider is away.
 */
export async function comesInBySsoOnly(tx: SystemTx, { tenantId, email, role, ssoOnly = false }: Entrant): Promise<boolean> {
  if (ssoOnly) return true;
  if (role === 'OWNER') return false;
  const connection = await tx.ssoConnection.findUnique({ where: { tenantId }, select: { required: true } });
  if (!connection?.required) return false;
  const domain = email.slice(email.lastIndexOf('@') + 1);
  return (await tx.domainClaim.count({ where: { tenantId, domain, verifiedAt: { not: null } } })) > 0;
}
