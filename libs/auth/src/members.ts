import { type Membership, notify, type SystemTx, type TenantTx, violatesUnique } from '@millrace/database';
import { DomainError, newId, type Problem } from '@millrace/kernel';
import { type Actor, actorName, requirePermission } from './actor.ts';
import { recordAudit } from './audit.ts';
import { emailProblem, type Grounds, isEmail, isPlainText, normalEmail, platformTenantId, textProblem } from './grounds.ts';
import { hashPassword, passwordProblem } from './password.ts';
import { permissionsOfRole, rankOf, type Role, rolesByRank } from './permissions.ts';

export interface MemberInput {
  tenantId: string;
  name: string;
  email: string;
  password: string;
  role: Role;
}

export type ChangeRoleOutcome =
  | { type: 'changed'; membership: Membership }
  | { type: 'not-found' }
  | { type: 'invalid'; problems: Problem[] }
  | { type: 'last-owner' };

export type RemoveMemberOutcome = { type: 'removed' } | { type: 'not-found' } | { type: 'last-owner' };

export type LeaveOutcome = { type: 'left' } | { type: 'last-owner' } | { type: 'no-member' };

/** The people of a tenant and what they may do. */
export function createMembers({ database, clock }: Grounds) {
  /** Takes a member out, with everything by which they could come back; their API keys are the tenant's and stay. */
  async function takeOut(tx: TenantTx, membership: Membership): Promise<void> {
    const { tenantId, personId } = membership;
    const now = clock.now();
    await tx.membership.delete({ where: { tenantId_personId: { tenantId, personId } } });
    await tx.session.updateMany({ where: { tenantId, personId, grantId: null, revokedAt: null }, data: { revokedAt: now } });
    // Links that they gave to somebody, themselves perhaps, go with them.
    await tx.invitation.updateMany({
      where: { tenantId, createdBy: `${membership.role === 'OPERATOR' ? 'operator' : 'person'}:${personId}`, acceptedAt: null, revokedAt: null },
      data: { revokedAt: now },
    });
    await notify(tx, 'millrace_access', `${tenantId}:${personId}`);
  }

  return {
    /** Takes effect within a second in every process. @throws DomainError FORBIDDEN for somebody above the actor */
    async changeRole(actor: Actor, personId: string, role: Role): Promise<ChangeRoleOutcome> {
      requirePermission(actor, 'member:write');
      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx): Promise<ChangeRoleOutcome> => {
        await lockMembers(tx, tenantId);
        const own = await roleToManageWith(tx, actor);
        const problem = roleProblem(tenantId, own, role);
        if (problem) return { type: 'invalid', problems: [problem] };
        const membership = await tx.membership.findUnique({ where: { tenantId_personId: { tenantId, personId } } });
        if (!membership) return { type: 'not-found' };
        requireNotAbove(own, membership.role);
        if (membership.role === role) return { type: 'changed', membership };
        if (await isLastAtTop(tx, membership)) return { type: 'last-owner' };
        const changed = await tx.membership.update({ where: { tenantId_personId: { tenantId, personId } }, data: { role } });
        if (rankOf(role) < rankOf(membership.role)) await endInvitationsAbove(tx, { tenantId, personId, role }, clock.now());
        await notify(tx, 'millrace_access', `${tenantId}:${personId}`);
        await recordAudit(tx, actor, { action: 'member.role', subject: personId, details: { from: membership.role, to: role } });
        return { type: 'changed', membership: changed };
      });
    },

    /**
     * Ends a membership and its sessions within a second in every process; the person's account and other memberships stay.
     * @throws DomainError FORBIDDEN for somebody above the actor
     */
    async remove(actor: Actor, personId: string): Promise<RemoveMemberOutcome> {
      requirePermission(actor, 'member:write');
      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx): Promise<RemoveMemberOutcome> => {
        await lockMembers(tx, tenantId);
        const own = await roleToManageWith(tx, actor);
        const membership = await tx.membership.findUnique({ where: { tenantId_personId: { tenantId, personId } } });
        if (!membership) return { type: 'not-found' };
        requireNotAbove(own, membership.role);
        if (await isLastAtTop(tx, membership)) return { type: 'last-owner' };
        await takeOut(tx, membership);
        await recordAudit(tx, actor, { action: 'member.remove', subject: personId, details: { role: membership.role } });
        return { type: 'removed' };
      });
    },

    /** Everybody may go, but for the last one who could let others in. */
    async leave(actor: Actor): Promise<LeaveOutcome> {
      if (actor.type === 'key') return { type: 'no-member' };
      const { tenantId, personId } = actor;
      return database.forTenant(tenantId).transaction(async (tx): Promise<LeaveOutcome> => {
        await lockMembers(tx, tenantId);
        const membership = await tx.membership.findUnique({ where: { tenantId_personId: { tenantId, personId } } });
        if (!membership || actor.grantId) return { type: 'no-member' };
        if (await isLastAtTop(tx, membership)) return { type: 'last-owner' };
        await takeOut(tx, membership);
        await recordAudit(tx, actor, { action: 'member.leave', subject: personId, details: { role: membership.role } });
        return { type: 'left' };
      });
    },

    /** Adds a member without an invitation: for a headless start and the demo, never reachable over the network. */
    async add(member: MemberInput): Promise<{ type: 'added'; personId: string } | { type: 'invalid'; problems: Problem[] }> {
      const problems = await personProblems(member);
      if (problems.length) return { type: 'invalid', problems };
      const passwordHash = await hashPassword(member.password);
      const added = database.system().transaction(async (tx) => {
        const personId = await insertMember(tx, member, passwordHash);
        await recordAudit(tx, { type: 'system', tenantId: member.tenantId }, { action: 'member.add', subject: personId, details: { role: member.role } });
        return { type: 'added' as const, personId };
      });
      return added.catch(emailTaken);
    },
  };
}

/**
 * One change of a tenant's members at a time: whoever looks at them under this lock and then decides, decides on what is
 * true. Everything that adds, changes or removes a membership takes it, first thing in its transaction.
 */
export async function lockMembers(tx: TenantTx | SystemTx, tenantId: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('millrace members ' || ${tenantId}, 0))`;
}

/** Links that a member could not make any more with the role that they have now: by one of them they could come back as what they were. */
export async function endInvitationsAbove(
  tx: TenantTx | SystemTx,
  { tenantId, personId, role }: { tenantId: string; personId: string; role: Role },
  now: Date,
): Promise<void> {
  const kept = permissionsOfRole[role].includes('member:write') ? rolesByRank.slice(0, rankOf(role) + 1) : [];
  const where = { tenantId, createdBy: `person:${personId}`, role: { notIn: [...kept] }, acceptedAt: null, revokedAt: null };
  await (tx as TenantTx).invitation.updateMany({ where, data: { revokedAt: now } });
}

/** The role of those without whom nobody could let others in. */
const topRole = (tenantId: string): Role => (tenantId === platformTenantId ? 'OPERATOR' : 'OWNER');

/** The actor's role as it is now, under the lock: it may have been taken away since the request began. @throws DomainError FORBIDDEN */
export async function roleToManageWith(tx: TenantTx | SystemTx, actor: Actor): Promise<Role> {
  const { tenantId } = actor;
  const own =
    actor.type === 'person' && !actor.grantId
      ? await (tx as TenantTx).membership.findUnique({ where: { tenantId_personId: { tenantId, personId: actor.personId } } })
      : null;
  if (own && permissionsOfRole[own.role].includes('member:write')) return own.role;
  throw new DomainError('FORBIDDEN', `${actorName(actor)} may not manage members.`, { remedy: 'Ask an administrator of your tenant.' });
}

/** Why somebody of the role `own` cannot give `role` in this tenant, if that is so. */
export function roleProblem(tenantId: string, own: Role, role: Role): Problem | null {
  const problem = (message: string, remedy: string): Problem => ({ code: 'role_unfit', field: 'role', message, remedy });
  if ((role === 'OPERATOR') !== (tenantId === platformTenantId)) {
    return tenantId === platformTenantId
      ? problem('The members of the platform are operators.', 'Give the role OPERATOR.')
      : problem('Operators are members of the platform, not of a tenant.', 'Give OWNER, ADMIN, ENGINEER or VIEWER.');
  }
  return rankOf(role) > rankOf(own) ? problem(`Your own role is ${own}: you cannot give a higher one.`, `Give ${own} at most.`) : null;
}

/** @throws DomainError FORBIDDEN where somebody of the role `own` would meddle with one above them, or with one to be */
export function requireNotAbove(own: Role, other: Role): void {
  if (rankOf(other) <= rankOf(own)) return;
  throw new DomainError('FORBIDDEN', `The role ${own} may not decide about an ${other}.`, { remedy: `Ask an ${other}.` });
}

/** An owner whom only the tenant's provider lets in is no other one: with the provider gone, nobody would be left to let others in. */
async function isLastAtTop(tx: TenantTx, { tenantId, role, bySso }: Membership): Promise<boolean> {
  if (role !== topRole(tenantId)) return false;
  const peers = await tx.membership.findMany({ where: { tenantId, role }, select: { bySso: true } });
  return peers.length === 1 || (!bySso && peers.filter((peer) => !peer.bySso).length === 1);
}

/** A new person who is a member from the start. The verb that calls writes the line of the trail. */
export async function insertMember(tx: SystemTx, member: MemberInput, passwordHash: string): Promise<string> {
  const personId = newId('person');
  await tx.person.createMany({
    data: [{ id: personId, email: normalEmail(member.email), name: member.name.trim(), passwordHash }],
  });
  await tx.membership.createMany({ data: [{ tenantId: member.tenantId, personId, role: member.role }] });
  return personId;
}

export function emailTaken(error: unknown): { type: 'invalid'; problems: Problem[] } {
  if (!violatesUnique(error, 'people_email_key')) throw error;
  return {
    type: 'invalid',
    problems: [{ code: 'email_taken', field: 'email', message: 'This e-mail address has an account already.', remedy: 'Sign in with it, or use another one.' }],
  };
}

export async function personProblems(input: { name: string; email: string; password: string; tenantName?: string }): Promise<Problem[]> {
  const problems: Problem[] = [];
  if (!isPlainText(input.name)) problems.push(textProblem('name', 'The name'));
  if (!isEmail(input.email)) problems.push(emailProblem());
  const password = await passwordProblem(input.password, { ...input, tenantNames: input.tenantName === undefined ? [] : [input.tenantName] });
  if (password) problems.push(password);
  return problems;
}
