import { notify, type SsoConnection } from '@millrace/database';
import { DomainError, newId, type Problem } from '@millrace/kernel';
import { type Actor, actorName, requirePermission } from './actor.ts';
import { recordAudit } from './audit.ts';
import type { Grounds } from './grounds.ts';
import { lockMembers } from './members.ts';
import type { createOpenId } from './openid.ts';
import { rankOf, type Role, rolesByRank } from './permissions.ts';
import { seal } from './sealing.ts';
import { endPasswordSessions, roleToLetIn } from './sso-authority.ts';

export interface SsoConnectionInput {
  issuer: string;
  clientId: string;
  /** left out: as it was; null: a client without a secret */
  clientSecret?: string | null;
  groupsClaim: string;
  roleByGroup: readonly { group: string; role: Role }[];
  /** of those in none of these groups; null keeps them out */
  defaultRole: Role | null;
  /** whether members in verified domains can no longer come in by password */
  required: boolean;
}

/** What the application may know of a connection: everything but the client's secret. */
export type SsoConnectionView = Omit<SsoConnection, 'secretSealed'>;

export type SaveSsoOutcome = { type: 'saved'; ssoConnection: SsoConnectionView } | { type: 'invalid'; problems: Problem[] };

const mostGroups = 200;

/** Whose secret is sealed: a sealed text is worthless in another tenant's row. */
export const secretContext = (tenantId: string): string => `sso client secret of ${tenantId}`;
export const secretPurpose = 'sso client secrets';

/** A tenant's connection to its own OpenID provider. */
export function createSsoConnections({ database, clock, derivedKey }: Grounds, openId: ReturnType<typeof createOpenId>) {
  const secretKey = derivedKey(secretPurpose);

  return {
    /**
     * Whoever sets a connection up decides as whom people come in. So nobody lets it give a role above their own, or changes
     * one that does.
     * @throws DomainError FORBIDDEN
     */
    async saveConnection(actor: Actor, input: SsoConnectionInput): Promise<SaveSsoOutcome> {
      requirePermission(actor, 'sso:write');
      const { tenantId } = actor;
      const problems = connectionProblems(input);
      if (problems.length) return { type: 'invalid', problems };
      const { issuer, clientId, clientSecret, groupsClaim, defaultRole, required } = input;
      const roleByGroup = Object.fromEntries(input.roleByGroup.map(({ group, role }) => [group, role]));

      const stored = await database.system().transaction((tx) => tx.ssoConnection.findUnique({ where: { tenantId } }));
      const isSameClient = stored?.issuer === issuer && stored.clientId === clientId;
      if (clientSecret === undefined && stored?.secretSealed && !isSameClient) {
        // Else the secret of one provider would be sent to another, which whoever cannot read it may have chosen.
        return invalid('client_secret_missing', 'clientSecret', 'The client’s secret belongs to another issuer or client ID.', 'Give the secret of this client, or null if it has none.');
      }
      if (!isSameClient) {
        const problem = await openId.check({ issuer, clientId, clientSecret: clientSecret ?? null, groupsClaim });
        if (problem) return invalid(`issuer_${problem.type}`, 'issuer', problem.message, problem.remedy);
      }

      return database.forTenant(tenantId).transaction(async (tx): Promise<SaveSsoOutcome> => {
        await lockMembers(tx, tenantId); // against a sign-in by the connection as it was
        const own = await roleToLetIn(tx, actor);
        const before = await tx.ssoConnection.findUnique({ where: { tenantId } });
        if (before?.issuer !== stored?.issuer || before?.clientId !== stored?.clientId) {
          throw new DomainError('CONFLICT', 'The connection was changed meanwhile.', { remedy: 'Look at it, and save again.' });
        }
        if (before && rankOf(highestRole(before)) > rankOf(own)) throw tooHigh(own, highestRole(before));
        if (rankOf(highestRole({ roleByGroup, defaultRole })) > rankOf(own)) {
          return invalid('role_unfit', 'roleByGroup', `Your own role is ${own}: you cannot give a higher one.`, `Give ${own} at most.`);
        }
        const data = {
          issuer, clientId, groupsClaim, roleByGroup, defaultRole, required,
          updatedBy: actorName(actor),
          updatedAt: clock.now(),
          ...(clientSecret !== undefined && { secretSealed: clientSecret === null ? null : seal(secretKey, clientSecret, secretContext(tenantId)) }),
        };
        const ssoConnection = before
          ? await tx.ssoConnection.update({ where: { tenantId }, data })
          : await tx.ssoConnection.create({ data: { id: newId('ssoConnection'), tenantId, ...data } });
        // Who came in by another provider is nobody whom this one has let in.
        const ended = before && before.issuer !== issuer ? await tx.session.updateMany(ssoSessions(tenantId, clock.now())) : { count: 0 };
        const endedSessions = ended.count + (required ? await endPasswordSessions(tx, clock, tenantId, actor) : 0);
        if (endedSessions) await notify(tx, 'millrace_access', `${tenantId}:*`);
        const details = { issuer, clientId, groupsClaim, roleByGroup, defaultRole, required, newSecret: clientSecret !== undefined, endedSessions };
        await recordAudit(tx, actor, { action: 'sso.save', subject: ssoConnection.id, details });
        return { type: 'saved', ssoConnection };
      });
    },

    /** Nobody comes in by it any more, and who did is out within a second. @throws DomainError FORBIDDEN */
    async removeConnection(actor: Actor): Promise<{ type: 'removed' } | { type: 'not-found' }> {
      requirePermission(actor, 'sso:write');
      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx) => {
        await lockMembers(tx, tenantId);
        const own = await roleToLetIn(tx, actor);
        const connection = await tx.ssoConnection.findUnique({ where: { tenantId } });
        if (!connection) return { type: 'not-found' };
        if (rankOf(highestRole(connection)) > rankOf(own)) throw tooHigh(own, highestRole(connection));
        await tx.ssoConnection.delete({ where: { tenantId } });
        const { count: endedSessions } = await tx.session.updateMany(ssoSessions(tenantId, clock.now()));
        if (endedSessions) await notify(tx, 'millrace_access', `${tenantId}:*`);
        await recordAudit(tx, actor, { action: 'sso.remove', subject: connection.id, details: { issuer: connection.issuer, endedSessions } });
        return { type: 'removed' };
      });
    },
  };
}

const ssoSessions = (tenantId: string, now: Date) => ({ where: { tenantId, method: 'SSO', revokedAt: null }, data: { revokedAt: now } }) as const;

/** Group by group, as it is stored. */
export function ssoRoles(roleByGroup: unknown): [group: string, role: Role][] {
  return Object.entries(roleByGroup as object).filter((entry): entry is [string, Role] => rolesByRank.includes(entry[1] as Role));
}

/** The highest that a connection can give. */
export function highestRole({ roleByGroup, defaultRole }: { roleByGroup: unknown; defaultRole: Role | null }): Role {
  const given = [...ssoRoles(roleByGroup).map(([, role]) => role), ...(defaultRole ? [defaultRole] : [])];
  return given.reduce((highest, role) => (rankOf(role) > rankOf(highest) ? role : highest), 'VIEWER');
}

function tooHigh(own: Role, given: Role): DomainError {
  return new DomainError('FORBIDDEN', `The connection gives the role ${given}, which is above your own (${own}).`, { remedy: `Ask an ${given}.` });
}

const invalid = (code: string, field: string, message: string, remedy: string): { type: 'invalid'; problems: Problem[] } => ({
  type: 'invalid',
  problems: [{ code, field, message, remedy }],
});

function connectionProblems({ issuer, clientId, clientSecret, groupsClaim, roleByGroup, defaultRole }: SsoConnectionInput): Problem[] {
  const problems: Problem[] = [];
  const text = (field: string, value: string, longest: number, what: string): void => {
    if (value.length >= 1 && value.length <= longest && !/[\p{Cc}\p{Cs}]/u.test(value) && value.trim() === value) return;
    problems.push({ code: 'text_unfit', field, message: `${what} is empty, too long, or begins or ends with a space.`, remedy: `Copy it from the provider: at most ${longest} characters.` });
  };
  text('issuer', issuer, 500, 'The issuer');
  text('clientId', clientId, 200, 'The client ID');
  if (clientSecret != null) text('clientSecret', clientSecret, 1000, 'The client’s secret');
  text('groupsClaim', groupsClaim, 200, 'The name of the claim');
  roleByGroup.forEach(({ group }, index) => text(`roleByGroup.${index}.group`, group, 500, 'The name of the group'));
  if (roleByGroup.length > mostGroups) {
    problems.push({ code: 'too_many_groups', field: 'roleByGroup', message: `There are ${roleByGroup.length} groups; the limit is ${mostGroups}.`, remedy: 'Name only the groups that have a role here.' });
  }
  if (new Set(roleByGroup.map(({ group }) => group)).size < roleByGroup.length) {
    problems.push({ code: 'group_twice', field: 'roleByGroup', message: 'A group is named twice.', remedy: 'Name each group once.' });
  }
  if (roleByGroup.some(({ group }) => group === '__proto__')) {
    problems.push({ code: 'group_unfit', field: 'roleByGroup', message: 'A group cannot be named __proto__.', remedy: 'Leave it out.' });
  }
  if ([...roleByGroup.map(({ role }) => role), defaultRole].some((role) => role !== null && !rolesByRank.includes(role))) {
    problems.push({ code: 'role_unfit', field: 'roleByGroup', message: 'Operators are members of the platform, not of a tenant.', remedy: 'Give OWNER, ADMIN, ENGINEER or VIEWER.' });
  }
  if (!roleByGroup.length && defaultRole === null) {
    problems.push({ code: 'roles_missing', field: 'roleByGroup', message: 'Nobody would come in: no group has a role, and there is no role for the others.', remedy: 'Give a group a role, or set defaultRole.' });
  }
  return problems;
}
