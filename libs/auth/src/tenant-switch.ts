import { notify } from '@millrace/database';
import type { Actor, Origin } from './actor.ts';
import { recordAudit } from './audit.ts';
import type { Grounds } from './grounds.ts';
import type { Role } from './permissions.ts';
import { methodOf, type Sessions, type SignedIn } from './sessions.ts';
import { comesInBySsoOnly } from './sso-only.ts';

/** A tenant that a person may switch to. */
export interface OwnMembership {
  tenantId: string;
  name: string;
  slug: string;
  role: Role;
}

export type SwitchOutcome =
  | SignedIn
  /** no such tenant, or none that the person is a member of */
  | { type: 'not-found' }
  /** the session was not opened with the person's password, and is good for its own tenant only */
  | { type: 'not-by-password' }
  /** the tenant lets this person in by its own single sign-on only */
  | { type: 'sso-only' };

/** One person in several tenants. */
export function createTenantSwitch({ database, clock }: Grounds, sessions: Sessions) {
  return {
    /**
     * The tenants that the person is a member of by their own password and which are open, the oldest membership first, and
     * the one of this session in any case. Keys have none. A tenant's provider can let anybody act as its people here: it
     * learns nothing of where else they are members.
     */
    async listOwn(actor: Actor): Promise<OwnMembership[]> {
      if (actor.type === 'key' || actor.grantId) return [];
      const { tenantId: own, personId } = actor;
      const rows = await database.system().transaction(async (tx) => {
        const others = (await methodOf(tx, actor)) === 'PASSWORD' ? [{ bySso: false }] : [];
        return tx.membership.findMany({
          where: { personId, tenant: { status: 'ACTIVE' }, OR: [{ tenantId: own }, ...others] },
          include: { tenant: { select: { name: true, slug: true } } },
          orderBy: [{ createdAt: 'asc' }, { tenantId: 'asc' }],
          take: 200,
        });
      });
      return rows.map(({ tenantId, role, tenant: { name, slug } }) => ({ tenantId, name, slug, role }));
    },

    /**
     * Opens a session in another tenant of the person and ends the one that asks: a browser holds one session, and the
     * tokens of one that nobody holds would stay good for a month.
     */
    async switchTo(actor: Actor, tenantId: string, origin: Origin = {}): Promise<SwitchOutcome> {
      if (actor.type === 'key') return { type: 'not-by-password' };
      const { personId, sessionId } = actor;
      const outcome = await database.system().transaction(async (tx): Promise<SwitchOutcome> => {
        // Locked against a change of the password at this moment, which ends the sessions that there are.
        await tx.$queryRaw`SELECT 1 FROM people WHERE id = ${personId} FOR SHARE`;
        const session = await tx.session.findUnique({ where: { id: sessionId }, select: { method: true, revokedAt: true, expiresAt: true } });
        if (session?.method !== 'PASSWORD' || session.revokedAt || session.expiresAt <= clock.now()) return { type: 'not-by-password' };
        const membership = await tx.membership.findUnique({
          where: { tenantId_personId: { tenantId, personId } },
          include: { tenant: { select: { status: true } }, person: { select: { email: true } } },
        });
        // Whoever has the account's password, and that alone, does not learn that its holder is a member there.
        if (!membership || membership.bySso || membership.tenant.status !== 'ACTIVE') return { type: 'not-found' };
        if (await comesInBySsoOnly(tx, { ...membership, email: membership.person.email })) return { type: 'sso-only' };
        return sessions.open(
          tx,
          { tenantId, personId, role: membership.role, expiresAt: session.expiresAt, recorded: { action: 'session.switch', subject: personId } },
          origin,
        );
      });
      if (outcome.type === 'signed-in') {
        // In a transaction of its own: one that wrote two tenants' trails could wait for another that does so the other way round.
        await database.system().transaction(async (tx) => {
          await tx.session.update({ where: { id: sessionId }, data: { revokedAt: clock.now() } });
          await notify(tx, 'millrace_access', `${actor.tenantId}:${sessionId}`);
          await recordAudit(tx, actor, { action: 'session.close', subject: sessionId, details: { switched: true } });
        });
      }
      return outcome;
    },
  };
}
