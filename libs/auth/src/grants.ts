import { type AccessGrant, notify, type SystemTx } from '@millrace/database';
import { DomainError, newId, type Problem } from '@millrace/kernel';
import { type Actor, can, type Origin, requirePermission } from './actor.ts';
import { recordAudit } from './audit.ts';
import { type Grounds, platformTenantId } from './grounds.ts';
import { idsOf, type Page } from './page.ts';
import type { Role } from './permissions.ts';
import type { Sessions, SignedIn } from './sessions.ts';

export interface GrantInput {
  tenantId: string;
  role: Role;
  /** for the tenant to read: 10 to 500 characters */
  reason: string;
  /** from now */
  hours: number;
}

/** A grant, with whom it lets into what. */
export interface GrantView extends AccessGrant {
  operatorName: string;
  tenantName: string;
}

export type TakeGrantOutcome =
  | { type: 'taken'; grant: GrantView }
  | { type: 'invalid'; problems: Problem[] }
  | { type: 'tenant-not-found' }
  | { type: 'tenant-closed'; status: 'SUSPENDED' | 'DELETED' };

export type UseGrantOutcome = SignedIn | { type: 'not-found' } | { type: 'ended' } | { type: 'tenant-closed' };

export type RevokeGrantOutcome = { type: 'revoked'; grant: GrantView } | { type: 'not-found' };

const mostHours = 8;
const rolesOfGrants: readonly Role[] = ['VIEWER', 'ADMIN'];

/** How an operator gets to see a tenant's data: for a while, for a reason, and under the eyes of the tenant. */
export function createGrants({ database, clock, inSeconds }: Grounds, sessions: Sessions) {
  return {
    /** Lasts eight hours at most and stands in the tenant's own audit trail, as does everything done with it. */
    async take(actor: Actor, input: GrantInput): Promise<TakeGrantOutcome> {
      const personId = requireOperator(actor);
      const problems = grantProblems(input);
      if (problems.length) return { type: 'invalid', problems };
      const { tenantId, role, hours } = input;
      const reason = input.reason.trim();
      return database.system().transaction(async (tx): Promise<TakeGrantOutcome> => {
        const tenant = tenantId === platformTenantId ? null : await tx.tenant.findUnique({ where: { id: tenantId }, select: { status: true } });
        if (!tenant) return { type: 'tenant-not-found' };
        if (tenant.status !== 'ACTIVE') return { type: 'tenant-closed', status: tenant.status };
        const { id, expiresAt } = await tx.accessGrant.create({
          data: { id: newId('accessGrant'), tenantId, personId, role, reason, expiresAt: inSeconds(hours * 3600) },
        });
        const details = { role, reason, until: expiresAt.toISOString() };
        await recordAudit(tx, actor, { tenantId, action: 'grant.take', subject: id, details });
        return { type: 'taken', grant: await viewOf(tx, id) };
      });
    },

    /** Opens a session in the tenant that ends with the grant. The operator's own session stays. */
    async use(actor: Actor, grantId: string, origin: Origin = {}): Promise<UseGrantOutcome> {
      const personId = requireOperator(actor);
      return database.system().transaction(async (tx): Promise<UseGrantOutcome> => {
        // Locked against a revocation at this moment, which ends the sessions that there are.
        await tx.$queryRaw`SELECT 1 FROM access_grants WHERE id = ${grantId} FOR UPDATE`;
        const grant = await tx.accessGrant.findUnique({ where: { id: grantId }, include: { tenant: { select: { status: true } } } });
        if (!grant || grant.personId !== personId) return { type: 'not-found' };
        if (grant.revokedAt || grant.expiresAt <= clock.now()) return { type: 'ended' };
        if (grant.tenant.status !== 'ACTIVE') return { type: 'tenant-closed' };
        const { tenantId, role, expiresAt } = grant;
        const recorded = { action: 'grant.use', subject: grantId };
        return sessions.open(tx, { tenantId, personId, role, method: 'GRANT', grantId, expiresAt, recorded }, origin);
      });
    },

    /** Ends a grant and its sessions within a second: for the operator who holds it, and for the tenant. Twice is no error. */
    async revoke(actor: Actor, grantId: string): Promise<RevokeGrantOutcome> {
      const asTenant = can(actor, 'grant:write');
      if (!asTenant && !can(actor, 'platform:grant')) requirePermission(actor, 'grant:write');
      return database.system().transaction(async (tx): Promise<RevokeGrantOutcome> => {
        await tx.$queryRaw`SELECT 1 FROM access_grants WHERE id = ${grantId} FOR UPDATE`;
        const grant = await tx.accessGrant.findUnique({ where: { id: grantId } });
        const isOwn = grant !== null && actor.type === 'person' && grant.personId === actor.personId && can(actor, 'platform:grant');
        const isOurs = grant !== null && asTenant && grant.tenantId === actor.tenantId;
        if (!grant || !(isOwn || isOurs)) return { type: 'not-found' };
        if (!grant.revokedAt) {
          const { tenantId, personId } = grant;
          await tx.accessGrant.update({ where: { id: grantId }, data: { revokedAt: clock.now() } });
          await tx.session.updateMany({ where: { tenantId, grantId, revokedAt: null }, data: { revokedAt: clock.now() } });
          await notify(tx, 'millrace_access', `${tenantId}:${personId}`);
          await recordAudit(tx, actor, { tenantId, action: 'grant.revoke', subject: grantId });
        }
        return { type: 'revoked', grant: await viewOf(tx, grantId) };
      });
    },

    /** The grants to the actor's tenant, newest first: who looks in or has looked in, and why. */
    async listOfTenant(actor: Actor, page: Page): Promise<GrantView[]> {
      requirePermission(actor, 'audit:read');
      const { tenantId } = actor;
      const { tenant, rows } = await database.forTenant(tenantId).transaction(async (tx) => ({
        tenant: await tx.tenant.findUniqueOrThrow({ where: { id: tenantId }, select: { name: true } }),
        rows: await tx.accessGrant.findMany({
          where: { tenantId, id: idsOf(page) },
          orderBy: { id: page.oldestFirst ? 'asc' : 'desc' },
          take: page.limit,
        }),
      }));
      // Operators are no members, so the tenant's own handle does not see who they are.
      const people = await database.system().transaction((tx) =>
        tx.person.findMany({ where: { id: { in: rows.map(({ personId }) => personId) } }, select: { id: true, name: true } }),
      );
      const nameOf = new Map(people.map(({ id, name }) => [id, name]));
      return rows.map((row) => ({ ...row, operatorName: nameOf.get(row.personId) ?? 'An operator', tenantName: tenant.name }));
    },

    /** The operator's own grants, newest first, at most the last hundred. */
    async listOwn(actor: Actor): Promise<GrantView[]> {
      const personId = requireOperator(actor);
      const rows = await database.system().transaction((tx) =>
        tx.accessGrant.findMany({ where: { personId }, orderBy: { id: 'desc' }, take: 100, include: names }),
      );
      return rows.map(asView);
    },
  };
}

/** An operator in person. @throws DomainError FORBIDDEN */
function requireOperator(actor: Actor): string {
  requirePermission(actor, 'platform:grant');
  if (actor.type === 'person') return actor.personId;
  throw new DomainError('FORBIDDEN', 'An access grant is a person’s.', { remedy: 'Sign in as an operator.' });
}

const names = { person: { select: { name: true } }, tenant: { select: { name: true } } } as const;

function asView({ person, tenant, ...grant }: AccessGrant & { person: { name: string }; tenant: { name: string } }): GrantView {
  return { ...grant, operatorName: person.name, tenantName: tenant.name };
}

async function viewOf(tx: SystemTx, id: string): Promise<GrantView> {
  return asView(await tx.accessGrant.findUniqueOrThrow({ where: { id }, include: names }));
}

function grantProblems({ role, reason, hours }: GrantInput): Problem[] {
  const problems: Problem[] = [];
  if (!rolesOfGrants.includes(role)) {
    problems.push({ code: 'role_unfit', field: 'role', message: `A grant gives no role ${role}.`, remedy: `Give ${rolesOfGrants.join(' or ')}.` });
  }
  const length = [...reason.trim()].length;
  if (length < 10 || length > 500 || /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/u.test(reason)) {
    problems.push({
      code: 'reason_unfit', field: 'reason', message: 'The reason is too short, too long, or holds invisible characters.',
      remedy: 'Tell the tenant in 10 to 500 characters what you look for.',
    });
  }
  if (!Number.isInteger(hours) || hours < 1 || hours > mostHours) {
    problems.push({ code: 'hours_unfit', field: 'hours', message: 'A grant lasts no such time.', remedy: `Give a whole number of hours, 1 to ${mostHours}.` });
  }
  return problems;
}
