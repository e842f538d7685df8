import { notify, type SystemTx } from '@millrace/database';
import { DomainError } from '@millrace/kernel';
import { can, type PersonActor, requirePermission } from './actor.ts';
import { recordAudit } from './audit.ts';
import type { Grounds } from './grounds.ts';
import { lockMembers, requireNotAbove, roleToManageWith } from './members.ts';
import { endSessions, methodOf } from './sessions.ts';

/** A session that is still open, as its owner or an administrator may see it. */
export interface OpenSession {
  id: string;
  tenantName: string;
  method: 'PASSWORD' | 'SSO' | 'GRANT';
  address: string | null;
  userAgent: string | null;
  createdAt: Date;
  lastUsedAt: Date;
  expiresAt: Date;
  /** whether it is the one that asks */
  isCurrent: boolean;
}

/** of those used last */
const mostListed = 100;

/** Which sessions are open, and how to end them. */
export function createOpenSessions({ database, clock }: Grounds) {
  /**
   * The tenants in whose sessions the person may look at their own. A password is the person's, wherever it leads into;
   * another way in belongs to the one tenant that it leads into.
   */
  async function reachOf(tx: SystemTx, actor: PersonActor): Promise<string[]> {
    const { tenantId, personId } = actor;
    if ((await methodOf(tx, actor)) !== 'PASSWORD') return [tenantId];
    const memberships = await tx.membership.findMany({ where: { personId, bySso: false }, select: { tenantId: true } });
    return [...new Set([tenantId, ...memberships.map((membership) => membership.tenantId)])];
  }

  /** An operator who is here by a grant is no member, and above nobody. */
  async function requireAuthorityOver(tx: SystemTx, actor: PersonActor, personId: string): Promise<void> {
    const { tenantId } = actor;
    await lockMembers(tx, tenantId);
    const own = await roleToManageWith(tx, actor);
    const member = await tx.membership.findUnique({ where: { tenantId_personId: { tenantId, personId } } });
    if (member) requireNotAbove(own, member.role);
  }

  return {
    /** One's own sessions; with `member:read`, those of another member in this tenant. Of nobody's there are none. */
    async list(actor: PersonActor, personId = actor.personId): Promise<OpenSession[]> {
      const isOwn = personId === actor.personId;
      if (!isOwn) requirePermission(actor, 'member:read');
      return database.system().transaction(async (tx) => {
        const reach = isOwn ? await reachOf(tx, actor) : [actor.tenantId];
        const sessions = await tx.session.findMany({
          where: { personId, tenantId: { in: reach }, revokedAt: null, expiresAt: { gt: clock.now() } },
          orderBy: [{ lastUsedAt: 'desc' }, { id: 'desc' }],
          take: mostListed,
          include: { tenant: { select: { name: true } } },
        });
        return sessions.map(({ id, tenant, method, address, userAgent, createdAt, lastUsedAt, expiresAt }) => ({
          id, tenantName: tenant.name, method, address, userAgent, createdAt, lastUsedAt, expiresAt, isCurrent: id === actor.sessionId,
        }));
      });
    },

    /**
     * Ends one's own session or, with `member:write`, that of a member of this tenant.
     * @throws DomainError NOT_FOUND; FORBIDDEN where it is somebody's above the actor
     */
    async revoke(actor: PersonActor, sessionId: string): Promise<void> {
      await database.system().transaction(async (tx) => {
        const session = await tx.session.findUnique({ where: { id: sessionId } });
        const isOwn = session?.personId === actor.personId && (await reachOf(tx, actor)).includes(session.tenantId);
        if (!session || !(isOwn || (session.tenantId === actor.tenantId && can(actor, 'member:write')))) {
          throw new DomainError('NOT_FOUND', 'There is no such session.', { field: 'id', remedy: 'List the open sessions.' });
        }
        if (!isOwn) await requireAuthorityOver(tx, actor, session.personId);
        const { count } = await tx.session.updateMany({ where: { id: sessionId, revokedAt: null }, data: { revokedAt: clock.now() } });
        if (!count) return;
        await notify(tx, 'millrace_access', `${session.tenantId}:${sessionId}`);
        await recordAudit(tx, actor, { action: 'session.revoke', subject: sessionId, tenantId: session.tenantId });
      });
    },

    /** Ends all of one's own sessions but this one. @returns how many there were */
    async revokeOthers(actor: PersonActor): Promise<number> {
      return database.system().transaction(async (tx) => {
        const ended = await endSessions(tx, clock, { tenantIds: await reachOf(tx, actor), personId: actor.personId, except: actor.sessionId });
        await recordAudit(tx, actor, { action: 'session.revoke_others', subject: actor.personId, details: { endedSessions: ended } });
        return ended;
      });
    },
  };
}
