import { notify, type Prisma, type SystemTx } from '@millrace/database';
import { DomainError } from '@millrace/kernel';
import { can, type PersonActor, requirePermission } from './actor.ts';
import { recordAudit } from './audit.ts';
import type { Grounds } from './grounds.ts';
import { endSessions, methodOf, type SessionReach } from './sessions.ts';

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
   * Which of the person's sessions this one may look at and end. A password is the person's, wherever it leads into; a way
   * in by a tenant's own provider is that tenant's business, and neither reaches the other.
   */
  const reachOf = async (tx: SystemTx, { tenantId, ...actor }: PersonActor): Promise<SessionReach> => ({
    tenantId,
    elsewhere: (await methodOf(tx, actor)) === 'PASSWORD',
  });

  return {
    /** One's own sessions; with `member:read`, those of another member in this tenant. Of nobody's there are none. */
    async list(actor: PersonActor, personId = actor.personId): Promise<OpenSession[]> {
      const isOwn = personId === actor.personId;
      if (!isOwn) requirePermission(actor, 'member:read');
      return database.system().transaction(async (tx) => {
        const reach = isOwn ? await reachOf(tx, actor) : { tenantId: actor.tenantId, elsewhere: false };
        const sessions = await tx.session.findMany({
          where: { personId, ...within(reach), revokedAt: null, expiresAt: { gt: clock.now() } },
          orderBy: [{ lastUsedAt: 'desc' }, { id: 'desc' }],
          take: mostListed,
          include: { tenant: { select: { name: true } } },
        });
        return sessions.map(({ id, tenant, method, address, userAgent, createdAt, lastUsedAt, expiresAt }) => ({
          id, tenantName: tenant.name, method, address, userAgent, createdAt, lastUsedAt, expiresAt, isCurrent: id === actor.sessionId,
        }));
      });
    },

    /** Ends one's own session or, with `member:write`, that of a member of this tenant. @throws DomainError NOT_FOUND */
    async revoke(actor: PersonActor, sessionId: string): Promise<void> {
      await database.system().transaction(async (tx) => {
        const own = { personId: actor.personId, ...within(await reachOf(tx, actor)) };
        const ofMembers = can(actor, 'member:write') ? [{ tenantId: actor.tenantId }] : [];
        const session = await tx.session.findFirst({ where: { id: sessionId, OR: [own, ...ofMembers] } });
        if (!session) {
          throw new DomainError('NOT_FOUND', 'There is no such session.', { field: 'id', remedy: 'List the open sessions.' });
        }
        const { count } = await tx.session.updateMany({ where: { id: sessionId, revokedAt: null }, data: { revokedAt: clock.now() } });
        if (!count) return;
        await notify(tx, 'millrace_access', `${session.tenantId}:${sessionId}`);
        await recordAudit(tx, actor, { action: 'session.revoke', subject: sessionId, tenantId: session.tenantId });
      });
    },

    /** Ends all of one's own sessions but this one. @returns how many there were */
    async revokeOthers(actor: PersonActor): Promise<number> {
      return database.system().transaction(async (tx) => {
        const ended = await endSessions(tx, clock, { reach: await reachOf(tx, actor), personId: actor.personId, except: actor.sessionId });
        await recordAudit(tx, actor, { action: 'session.revoke_others', subject: actor.personId, details: { endedSessions: ended } });
        return ended;
      });
    },
  };
}

const within = ({ tenantId, elsewhere }: SessionReach): Prisma.SessionWhereInput => ({ OR: [{ tenantId }, ...(elsewhere ? [{ method: { not: 'SSO' as const } }] : [])] });
