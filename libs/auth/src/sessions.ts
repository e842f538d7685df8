import { notify, type SystemTx } from '@millrace/database';
import { type Clock, DomainError, newId } from '@millrace/kernel';
import { accessTokenLifeSeconds, signAccessToken } from './access-token.ts';
import type { Origin, PersonActor } from './actor.ts';
import { type AuditEntry, recordAudit } from './audit.ts';
import { type Grounds, sha256 } from './grounds.ts';
import type { Role } from './permissions.ts';
import { newRefreshToken, sessionOfRefreshToken } from './refresh-token.ts';
import { findStanding } from './standing.ts';

export interface SignedIn {
  type: 'signed-in';
  accessToken: string;
  accessTokenExpiresInSeconds: number;
  /** opaque; replaced at each use */
  refreshToken: string;
  /** the session's own end: no refreshing leads beyond it */
  sessionExpiresAt: Date;
  actor: PersonActor;
}

export interface SessionInput {
  tenantId: string;
  personId: string;
  role: Role;
  method?: 'PASSWORD' | 'SSO' | 'GRANT';
  grantId?: string;
  /** at most until then; thirty days unless told */
  expiresAt?: Date;
  /** what was done, where opening a session is only a part of it; `session.open` unless told */
  recorded?: AuditEntry;
}

const sessionLifeDays = 30;

export type Sessions = ReturnType<typeof createSessions>;

/** Who is signed in: opened by a sign-in, carried on by refresh tokens, ended by a sign-out or a revocation. */
export function createSessions(grounds: Grounds) {
  const { database, clock, tokenSecrets, tokenSettings, inSeconds } = grounds;

  function signedIn(actor: PersonActor, refreshToken: string, sessionExpiresAt: Date): SignedIn {
    return {
      type: 'signed-in',
      accessToken: signAccessToken(actor, tokenSettings),
      accessTokenExpiresInSeconds: accessTokenLifeSeconds,
      refreshToken,
      sessionExpiresAt,
      actor,
    };
  }

  return {
    /** Opens a session and writes it into the trail. */
    async open(tx: SystemTx, input: SessionInput, origin: Origin): Promise<SignedIn> {
      const { tenantId, personId, role, grantId, method = 'PASSWORD', expiresAt = inSeconds(sessionLifeDays * 86_400) } = input;
      const sessionId = newId('session');
      const refreshToken = newRefreshToken(sessionId, tokenSecrets[0]!);
      await tx.session.createMany({
        data: [
          {
            id: sessionId,
            tenantId,
            personId,
            method,
            tokenHash: sha256(refreshToken),
            address: origin.address ?? null,
            userAgent: origin.userAgent?.slice(0, 200) ?? null,
            lastUsedAt: clock.now(),
            expiresAt,
            ...(grantId ? { grantId } : {}),
          },
        ],
      });
      const actor: PersonActor = { type: 'person', tenantId, personId, sessionId, role, ...(grantId ? { grantId } : {}) };
      const { recorded } = input;
      const opened = { action: 'session.open', subject: sessionId, details: { method } };
      await recordAudit(tx, { ...actor, ...origin }, recorded ? { ...recorded, details: { ...recorded.details, sessionId } } : opened);
      return signedIn(actor, refreshToken, expiresAt);
    },

    /**
     * Exchanges a refresh token for new tokens. A token used twice, however many came after it, was stolen by one of its
     * two users: the session ends.
     */
    async refresh(refreshToken: string, origin: Origin = {}): Promise<SignedIn | { type: 'refused' }> {
      const sessionId = sessionOfRefreshToken(refreshToken, tokenSecrets);
      if (sessionId === null) return { type: 'refused' };
      return database.system().transaction(async (tx): Promise<SignedIn | { type: 'refused' }> => {
        const [found] = await tx.$queryRaw<{ current: boolean }[]>`
          SELECT token_hash = ${sha256(refreshToken)} AS current FROM sessions
          WHERE id = ${sessionId} AND revoked_at IS NULL AND expires_at > ${clock.now()} FOR UPDATE`;
        if (!found) return { type: 'refused' };
        const session = await tx.session.findUniqueOrThrow({ where: { id: sessionId }, include: { tenant: { select: { status: true } } } });
        if (!found.current) {
          await tx.session.update({ where: { id: session.id }, data: { revokedAt: clock.now() } });
          await notify(tx, 'millrace_access', `${session.tenantId}:${session.id}`);
          await recordAudit(tx, { type: 'system', tenantId: session.tenantId, ...origin }, { action: 'session.revoke', subject: session.id, result: 'reused' });
          return { type: 'refused' };
        }
        const standing = await findStanding(tx, session, clock.now());
        if (!standing || session.tenant.status !== 'ACTIVE') return { type: 'refused' };
        const { until: _until, ...rights } = standing;
        const replacement = newRefreshToken(sessionId, tokenSecrets[0]!);
        await tx.session.update({ where: { id: session.id }, data: { tokenHash: sha256(replacement), lastUsedAt: clock.now() } });
        const actor: PersonActor = {
          type: 'person',
          tenantId: session.tenantId,
          personId: session.personId,
          sessionId: session.id,
          ...rights,
        };
        await recordAudit(tx, { ...actor, ...origin }, { action: 'session.refresh', subject: session.id });
        return signedIn(actor, replacement, session.expiresAt);
      });
    },

    async signOut(actor: PersonActor): Promise<void> {
      await database.system().transaction(async (tx) => {
        await tx.session.update({ where: { id: actor.sessionId }, data: { revokedAt: clock.now() } });
        await notify(tx, 'millrace_access', `${actor.tenantId}:${actor.sessionId}`);
        await recordAudit(tx, actor, { action: 'session.close', subject: actor.sessionId });
      });
    },
  };
}

/**
 * Ends sessions of a person within a second everywhere: those of some tenants, or of all that the account leads into. Where
 * only a tenant's own provider has let them in, no session stands on the account, and whoever has its password ends none.
 * @returns how many there were
 */
export async function endSessions(
  tx: SystemTx,
  clock: Clock,
  { personId, tenantIds, except = '' }: { personId: string; tenantIds?: readonly string[]; except?: string },
): Promise<number> {
  const ended = await tx.$queryRaw<{ tenant_id: string }[]>`
    UPDATE sessions SET revoked_at = ${clock.now()}
    WHERE person_id = ${personId} AND revoked_at IS NULL AND expires_at > ${clock.now()} AND id <> ${except}
      AND CASE WHEN ${tenantIds ?? null}::text[] IS NULL
        THEN NOT EXISTS (SELECT 1 FROM memberships m WHERE m.tenant_id = sessions.tenant_id AND m.person_id = sessions.person_id AND m.by_sso)
        ELSE tenant_id = ANY (${tenantIds ?? null}::text[]) END
    RETURNING tenant_id`;
  for (const tenant of new Set(ended.map(({ tenant_id: id }) => id))) await notify(tx, 'millrace_access', `${tenant}:${personId}`);
  return ended.length;
}

/** How the actor's session was opened. */
export async function methodOf(tx: SystemTx, actor: PersonActor): Promise<'PASSWORD' | 'SSO' | 'GRANT'> {
  const session = await tx.session.findUnique({ where: { id: actor.sessionId }, select: { method: true } });
  return session?.method ?? 'SSO'; // gone: the narrowest
}

/**
 * The account belongs to whoever knows its password. A tenant's own provider, or an operator's grant, lets somebody act as
 * this person in that tenant, and nowhere else. @throws DomainError FORBIDDEN
 */
export async function requirePasswordSession(tx: SystemTx, actor: PersonActor): Promise<void> {
  if ((await methodOf(tx, actor)) === 'PASSWORD') return;
  throw new DomainError('FORBIDDEN', 'Only a session opened with the password may change the account.', { remedy: 'Sign in with your password.' });
}
