import { randomBytes } from 'node:crypto';
import type { SystemTx } from '@millrace/database';
import { newId, type Problem } from '@millrace/kernel';
import { type Actor, type Origin, type PersonActor, requirePermission } from './actor.ts';
import { recordAudit } from './audit.ts';
import { type Grounds, type MailMessage, normalEmail, platformTenantId, sha256 } from './grounds.ts';
import { homeOf, trailsOf } from './home-tenant.ts';
import { hashInTurn, inTurn, passwordProblem, verifyInTurn } from './password.ts';
import { endSessions, requirePasswordSession } from './sessions.ts';
import { atTheNextStroke } from './sign-in.ts';
import type { SignInThrottle, ThrottleRule } from './sign-in-throttle.ts';

export type ChangePasswordOutcome =
  | { type: 'changed'; endedSessions: number }
  | { type: 'invalid'; problems: Problem[] }
  | { type: 'refused' }
  | { type: 'too-many-attempts'; retryAfterSeconds: number };

export type ResetPasswordOutcome = { type: 'reset' } | { type: 'invalid'; problems: Problem[] } | { type: 'link-invalid' };
export type CreatePasswordResetOutcome = { type: 'created'; token: string; expiresAt: Date } | { type: 'person-not-found' };

const resetLifeSeconds = 3_600;

/** So many mails somebody may be sent, and one address may ask for. */
const mailRules: { account: ThrottleRule; address: ThrottleRule } = {
  account: { failures: 3, withinSeconds: 3_600, lockSeconds: 3_600, longestLockSeconds: 3_600 },
  address: { failures: 20, withinSeconds: 3_600, lockSeconds: 3_600, longestLockSeconds: 3_600 },
};

/** Choosing a new password: with the present one, or with a link that proves the mailbox. */
export function createPasswords({ database, clock, logger, mail, refusalMs, inSeconds }: Grounds, throttle: SignInThrottle) {
  /** The link's token. Links sent before are worthless from now on. */
  async function insertReset(tx: SystemTx, personId: string): Promise<{ token: string; expiresAt: Date }> {
    const token = randomBytes(32).toString('base64url');
    const expiresAt = inSeconds(resetLifeSeconds);
    await endResets(tx, personId);
    await tx.passwordReset.create({ data: { id: newId('passwordReset'), personId, tokenHash: sha256(token), expiresAt } });
    return { token, expiresAt };
  }

  async function endResets(tx: SystemTx, personId: string): Promise<void> {
    await tx.passwordReset.updateMany({ where: { personId, usedAt: null }, data: { usedAt: clock.now() } });
  }

  async function problemOf(tx: SystemTx, personId: string, password: string): Promise<Problem | null> {
    const person = await tx.person.findUniqueOrThrow({
      where: { id: personId },
      select: { email: true, name: true, memberships: { select: { tenant: { select: { name: true } } } } },
    });
    return passwordProblem(password, { ...person, tenantNames: person.memberships.map(({ tenant }) => tenant.name) }, 'newPassword');
  }

  /** What is to be sent: nothing to the unknown, and nothing to those who come in without a password. */
  async function requestedLink(email: string, origin: Origin): Promise<MailMessage | null> {
    if (!(await throttle.admits('password reset', mailRules, email, origin.address))) return null;
    return database.system().transaction(async (tx) => {
      const person = await tx.person.findUnique({ where: { email }, select: { id: true, name: true, passwordHash: true } });
      const home = await homeOf(tx, person?.id ?? null);
      if (!person || person.passwordHash === null || !home) return null;
      const link = await insertReset(tx, person.id);
      await recordAudit(tx, { type: 'system', tenantId: home.tenantId, ...origin }, { action: 'password.request_reset', subject: person.id });
      return { type: 'password-reset', to: email, name: person.name, ...link };
    });
  }

  return {
    /** Ends the person's other sessions. The present password is asked for, since a session may be left open. */
    async change(actor: PersonActor, input: { currentPassword: string; newPassword: string }): Promise<ChangePasswordOutcome> {
      const { personId } = actor;
      const begun = await database.system().transaction(async (tx) => {
        await requirePasswordSession(tx, actor);
        const { email } = await tx.person.findUniqueOrThrow({ where: { id: personId }, select: { email: true } });
        return { email, problem: await problemOf(tx, personId, input.newPassword) };
      });
      if (begun.problem) return { type: 'invalid', problems: [begun.problem] };
      return inTurn(actor.address, async (): Promise<ChangePasswordOutcome> => {
        const counted = await throttle.attempt(begun.email, actor.address, (tx) => tx.person.findUnique({ where: { id: personId } }));
        if (counted.type === 'too-many-attempts') return counted;
        const { attempt, person } = counted;
        const fits = await verifyInTurn(person?.passwordHash ?? null, input.currentPassword);
        const passwordHash = fits ? await hashInTurn(input.newPassword) : null;
        return database.system().transaction(async (tx): Promise<ChangePasswordOutcome> => {
          // Changed meanwhile: then the one that was checked is the present one no more.
          const { count } =
            passwordHash === null
              ? { count: 0 }
              : await tx.person.updateMany({ where: { id: personId, passwordHash: person!.passwordHash }, data: { passwordHash, passwordChangedAt: clock.now() } });
          if (!count) {
            await recordAudit(tx, actor, { action: 'password.change', subject: personId, result: 'sign_in_refused' });
            return { type: 'refused' };
          }
          await throttle.succeeded(tx, attempt, personId);
          await endResets(tx, personId);
          const endedSessions = await endSessions(tx, clock, { personId, except: actor.sessionId });
          await recordAudit(tx, actor, { action: 'password.change', subject: personId, details: { endedSessions } });
          return { type: 'changed', endedSessions };
        });
      });
    },

    /** Whether this installation sends mail: without, only an operator can make a link. */
    canSendLinks: mail !== null,

    /**
     * Sends a link to whoever has an account with a password. Tells nobody whether there is one, not by its time either.
     * @throws DomainError TOO_MANY_REQUESTS while too many sign in at once
     */
    async requestReset(email: string, origin: Origin = {}): Promise<void> {
      if (!mail) return;
      const begun = performance.now();
      const message = await inTurn(origin.address, () => requestedLink(normalEmail(email), origin));
      if (message) {
        // Not waited for: the time that the mail server takes would tell.
        mail.send(message).catch((error: unknown) => logger.error({ error: String(error), requestId: origin.requestId }, 'a mail could not be sent'));
      }
      await atTheNextStroke(begun, refusalMs);
    },

    /** A link from an operator, who hands it over by other means: where no mail is sent, or to give somebody a first password. */
    async createReset(actor: Actor, email: string): Promise<CreatePasswordResetOutcome> {
      requirePermission(actor, 'platform:write');
      return database.system().transaction(async (tx): Promise<CreatePasswordResetOutcome> => {
        const person = await tx.person.findUnique({ where: { email: normalEmail(email) }, select: { id: true } });
        if (!person) return { type: 'person-not-found' };
        const link = await insertReset(tx, person.id);
        for (const tenantId of await trailsOf(tx, person.id, actor.tenantId)) {
          await recordAudit(tx, actor, { action: 'password.create_reset', subject: person.id, tenantId });
        }
        return { type: 'created', ...link };
      });
    },

    /** Ends all sessions of the person. The second factor stays: the mailbox alone is not enough to come in. */
    async reset(token: string, newPassword: string, origin: Origin = {}): Promise<ResetPasswordOutcome> {
      const tokenHash = sha256(token);
      return inTurn(origin.address, async (): Promise<ResetPasswordOutcome> => {
        const found = await database.system().transaction(async (tx) => {
          const link = await tx.passwordReset.findUnique({ where: { tokenHash } });
          if (!link || link.usedAt || link.expiresAt <= clock.now()) return null;
          return { problem: await problemOf(tx, link.personId, newPassword) };
        });
        if (!found) return { type: 'link-invalid' };
        if (found.problem) return { type: 'invalid', problems: [found.problem] };
        const passwordHash = await hashInTurn(newPassword);
        return database.system().transaction(async (tx): Promise<ResetPasswordOutcome> => {
          // Of two that use the link at once, one finds it used.
          const [used] = await tx.$queryRaw<{ person_id: string }[]>`
            UPDATE password_resets SET used_at = ${clock.now()}
            WHERE token_hash = ${tokenHash} AND used_at IS NULL AND expires_at > ${clock.now()} RETURNING person_id`;
          if (!used) return { type: 'link-invalid' };
          const personId = used.person_id;
          const { email } = await tx.person.findUniqueOrThrow({ where: { id: personId }, select: { email: true } });
          await tx.person.updateMany({ where: { id: personId }, data: { passwordHash, passwordChangedAt: clock.now() } });
          await throttle.unlock(tx, email, origin.address);
          const endedSessions = await endSessions(tx, clock, { personId });
          for (const tenantId of await trailsOf(tx, personId, platformTenantId)) {
            await recordAudit(tx, { type: 'system', tenantId, ...origin }, { action: 'password.reset', subject: personId, details: { endedSessions } });
          }
          return { type: 'reset' };
        });
      });
    },

    /** Forgets links that have run out long since. */
    async sweep(): Promise<void> {
      await database.system().transaction((tx) => tx.$executeRaw`DELETE FROM password_resets WHERE expires_at < now() - interval '30 days'`);
    },
  };
}
