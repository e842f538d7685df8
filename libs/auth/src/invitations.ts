import { randomBytes } from 'node:crypto';
import { type Invitation, notify, type SystemTx, violatesUnique } from '@millrace/database';
import { newId, type Problem } from '@millrace/kernel';
import { type Actor, actorName, type Origin, type PersonActor, requirePermission } from './actor.ts';
import { recordAudit } from './audit.ts';
import { emailProblem, type Grounds, isEmail, normalEmail, sha256 } from './grounds.ts';
import { lockMembers, personProblems, requireNotAbove, roleProblem, roleToManageWith } from './members.ts';
import { hashPassword, inTurn, verifyInTurn } from './password.ts';
import type { Role } from './permissions.ts';
import type { Sessions, SignedIn } from './sessions.ts';
import { atTheNextStroke } from './sign-in.ts';
import type { CountedAttempt, SignInThrottle } from './sign-in-throttle.ts';
import { comesInBySsoOnly } from './sso-only.ts';

/** What the application may know of an invitation: everything but the digest of its link. */
export type InvitationView = Omit<Invitation, 'tokenHash'>;

export type InviteOutcome =
  | {
      type: 'invited';
      invitation: InvitationView;
      /** stands in the link; in this answer and nowhere else */
      token: string;
    }
  | { type: 'invalid'; problems: Problem[] }
  | { type: 'already-member' };

export type RevokeInvitationOutcome = { type: 'revoked'; invitation: InvitationView } | { type: 'not-found' } | { type: 'already-accepted' };

export interface InvitationPreview {
  tenantName: string;
  email: string;
  role: Role;
  expiresAt: Date;
}

export interface AcceptInput {
  /** of the new account; who has one already keeps the name it has */
  name: string;
  /** of the account: its present one if there is an account already, otherwise its first */
  password: string;
}

export type AcceptOutcome =
  | SignedIn
  /** a member from now on, who signs in the usual way: there is a second factor */
  | { type: 'accepted' }
  | { type: 'invalid'; problems: Problem[] }
  /** used, revoked, replaced, too old, or of a tenant that is not there now */
  | { type: 'link-invalid' }
  /** there is an account, and the password is not its password */
  | { type: 'refused' }
  /** as for a sign-in, of which this may be one */
  | { type: 'too-many-attempts'; retryAfterSeconds: number }
  /** the account has no password, or the tenant lets this address in by single sign-on only */
  | { type: 'sso-only'; reason: 'account' | 'tenant' };

const linkLifeDays = 7;

interface OpenInvitation extends Invitation {
  tenant: { name: string };
}

/** How somebody becomes a member: by a link that is good for a week, for one e-mail address, once. */
export function createInvitations({ database, clock, inSeconds, refusalMs }: Grounds, sessions: Sessions, throttle: SignInThrottle) {
  async function findOpen(tx: SystemTx, token: string): Promise<OpenInvitation | null> {
    const found = await tx.invitation.findUnique({
      where: { tokenHash: sha256(token) },
      include: { tenant: { select: { name: true, status: true } } },
    });
    const isOpen = found && !found.acceptedAt && !found.revokedAt && found.expiresAt > clock.now() && found.tenant.status === 'ACTIVE';
    return isOpen ? found : null;
  }

  return {
    /**
     * Makes a link for an e-mail address, which replaces an earlier one that is still open. The answer is the same whether
     * or not the address has an account elsewhere.
     */
    async invite(actor: Actor, input: { email: string; role: Role }): Promise<InviteOutcome> {
      requirePermission(actor, 'member:write');
      const { tenantId } = actor;
      const email = normalEmail(input.email);
      return database.forTenant(tenantId).transaction(async (tx): Promise<InviteOutcome> => {
        await lockMembers(tx, tenantId);
        const own = await roleToManageWith(tx, actor);
        const unfit = roleProblem(tenantId, own, input.role);
        const problems = [...(isEmail(email) ? [] : [emailProblem()]), ...(unfit ? [unfit] : [])];
        if (problems.length) return { type: 'invalid', problems };
        // Of the tenant's own members only: whoever has an account elsewhere is a stranger here.
        if (await tx.membership.findFirst({ where: { tenantId, person: { email } }, select: { personId: true } })) return { type: 'already-member' };
        const replaced = await tx.invitation.findFirst({ where: { tenantId, email, acceptedAt: null, revokedAt: null } });
        if (replaced) {
          requireNotAbove(own, replaced.role);
          await tx.invitation.update({ where: { tenantId_id: { tenantId, id: replaced.id } }, data: { revokedAt: clock.now() } });
        }
        const { data, token } = newInvitation({ tenantId, email, role: input.role, createdBy: actorName(actor), expiresAt: inSeconds(linkLifeDays * 86_400) });
        const invitation = await tx.invitation.create({ data });
        await recordAudit(tx, actor, { action: 'invitation.create', subject: invitation.id, details: { email, role: input.role } });
        return { type: 'invited', invitation, token };
      });
    },

    /** The link is worthless from then on. Revoking twice is no error. */
    async revokeInvitation(actor: Actor, invitationId: string): Promise<RevokeInvitationOutcome> {
      requirePermission(actor, 'member:write');
      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx): Promise<RevokeInvitationOutcome> => {
        await lockMembers(tx, tenantId); // against an acceptance at this moment
        const own = await roleToManageWith(tx, actor);
        const found = await tx.invitation.findUnique({ where: { tenantId_id: { tenantId, id: invitationId } } });
        if (!found) return { type: 'not-found' };
        if (found.acceptedAt) return { type: 'already-accepted' };
        requireNotAbove(own, found.role);
        if (found.revokedAt) return { type: 'revoked', invitation: found };
        const invitation = await tx.invitation.update({ where: { tenantId_id: { tenantId, id: invitationId } }, data: { revokedAt: clock.now() } });
        await recordAudit(tx, actor, { action: 'invitation.revoke', subject: invitationId });
        return { type: 'revoked', invitation };
      });
    },

    /** What the holder of a link is invited to; null for a link that is not good (any more). Says nothing of accounts. */
    async previewInvitation(token: string): Promise<InvitationPreview | null> {
      const found = await database.system().transaction((tx) => findOpen(tx, token));
      return found && { tenantName: found.tenant.name, email: found.email, role: found.role, expiresAt: found.expiresAt };
    },

    /**
     * Makes whoever holds the link a member and signs them in. Where there is an account with the address already, its own
     * password must be given: the link alone opens nobody's account.
     * @throws DomainError TOO_MANY_REQUESTS while too many sign in at once
     */
    async acceptInvitation(token: string, input: AcceptInput, origin: Origin = {}): Promise<AcceptOutcome> {
      const begun = performance.now();
      const { invitation, person, ssoOnly } = await database.system().transaction(async (tx) => {
        const open = await findOpen(tx, token);
        return {
          invitation: open,
          person: open && (await tx.person.findUnique({ where: { email: open.email } })),
          ssoOnly: open !== null && (await comesInBySsoOnly(tx, open)),
        };
      });
      if (!invitation) return { type: 'link-invalid' };
      if (ssoOnly) return { type: 'sso-only', reason: 'tenant' };
      // The same checks for a new account and for one that exists: a password that is refused as too short must not tell
      // whoever made the link which of the two it is.
      const problems = await personProblems({ ...input, email: invitation.email });
      if (problems.length) return { type: 'invalid', problems };
      let passwordHash: string | null = null;
      let attempt: CountedAttempt | null = null;
      if (!person) {
        passwordHash = await hashPassword(input.password, origin.address);
      } else if (person.passwordHash === null) {
        return { type: 'sso-only', reason: 'account' };
      } else {
        const counted = await throttle.attempt(invitation.email, origin.address, async () => person);
        if (counted.type === 'too-many-attempts') return counted;
        attempt = counted.attempt;
      }
      if (person && !(await inTurn(origin.address, () => verifyInTurn(person.passwordHash, input.password)))) {
        await database.system().transaction((tx) =>
          recordAudit(
            tx,
            { type: 'system', tenantId: invitation.tenantId, ...origin },
            { action: 'invitation.accept', subject: invitation.id, result: 'sign_in_refused' },
          ),
        );
        await atTheNextStroke(begun, refusalMs);
        return { type: 'refused' };
      }

      const accepted = database.system().transaction(async (tx): Promise<AcceptOutcome | 'changed-meanwhile'> => {
        const { tenantId } = invitation;
        await lockMembers(tx, tenantId);
        const open = await findOpen(tx, token);
        if (!open) {
          if (attempt) await throttle.uncounted(tx, attempt);
          return { type: 'link-invalid' };
        }
        // Locked, so that the purge of another tenant does not remove the account meanwhile.
        const [known] = await tx.$queryRaw<{ id: string; hash: string | null; hasSecondFactor: boolean }[]>`
          SELECT id, password_hash AS hash, totp_confirmed_at IS NOT NULL AS "hasSecondFactor" FROM people WHERE email = ${open.email} FOR SHARE`;
        if ((known?.hash ?? null) !== (person?.passwordHash ?? null)) return 'changed-meanwhile';
        const personId = known?.id ?? newId('person');
        if (!known) {
          await tx.person.createMany({ data: [{ id: personId, email: open.email, name: input.name.trim(), passwordHash }] });
        }
        // A member already keeps the role. From now on the tenant knows the account by more than its address.
        const { role } = await tx.membership.upsert({
          where: { tenantId_personId: { tenantId, personId } },
          create: { tenantId, personId, role: open.role },
          update: { bySso: false },
        });
        await tx.invitation.update({ where: { id: open.id }, data: { acceptedAt: clock.now() } });
        await notify(tx, 'millrace_access', `${tenantId}:${personId}`);
        if (attempt) await throttle.succeeded(tx, attempt, personId);
        const entry = { action: 'invitation.accept', subject: open.id, details: { personId, role } };
        if (known?.hasSecondFactor) {
          const member: PersonActor = { type: 'person', tenantId, personId, role, sessionId: '', ...origin };
          await recordAudit(tx, member, entry);
          return { type: 'accepted' };
        }
        return sessions.open(tx, { tenantId, personId, role, recorded: entry }, origin);
      });
      const outcome = await accepted.catch((error: unknown) => {
        if (violatesUnique(error, 'people_email_key')) return 'changed-meanwhile' as const;
        throw error;
      });
      // Somebody has just made the account, or changed its password: looked at anew.
      return outcome === 'changed-meanwhile' ? this.acceptInvitation(token, input, origin) : outcome;
    },
  };
}

/** A row to be inserted, and the token that its link holds. */
export function newInvitation(input: { tenantId: string; email: string; role: Role; createdBy: string; expiresAt: Date }) {
  const token = randomBytes(24).toString('base64url');
  return { token, data: { ...input, id: newId('invitation'), tokenHash: sha256(token) } };
}

