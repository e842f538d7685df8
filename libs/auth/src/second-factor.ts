import { createHmac, randomInt } from 'node:crypto';
import type { Person, SystemTx } from '@millrace/database';
import { Secret, TOTP } from 'otpauth';
import { type Actor, type PersonActor, requirePermission } from './actor.ts';
import { recordAudit } from './audit.ts';
import { type Grounds, normalEmail } from './grounds.ts';
import { trailsOf } from './home-tenant.ts';
import { inTurn, verifyInTurn } from './password.ts';
import { open, seal } from './sealing.ts';
import { endSessions, requirePasswordSession } from './sessions.ts';
import type { CountedAttempt, SignInThrottle } from './sign-in-throttle.ts';

export type BeginSecondFactorOutcome =
  | { type: 'begun'; secret: string; uri: string }
  | { type: 'refused' }
  | { type: 'on-already' }
  | { type: 'too-many-attempts'; retryAfterSeconds: number };
export type ConfirmSecondFactorOutcome = { type: 'confirmed'; recoveryCodes: string[] } | { type: 'code-wrong' } | { type: 'not-begun' };
export type RemoveSecondFactorOutcome = { type: 'removed' } | { type: 'refused' } | { type: 'off-already' } | { type: 'too-many-attempts'; retryAfterSeconds: number };
export type ResetSecondFactorOutcome = { type: 'reset' } | { type: 'person-not-found' };

/** What a sign-in knows of a person's second factor. */
export interface SecondFactorState {
  id: string;
  totpSealed: string | null;
  totpConfirmedAt: Date | null;
}

const settings = { issuer: 'Millrace', algorithm: 'SHA1', digits: 6, period: 30 } as const;
const secretBytes = 20;
/** steps before and after the present one: clocks differ, and typing takes time */
const window = 1;
const recoveryCodeCount = 10;
/** without those that are mistaken for each other */
const recoveryAlphabet = '23456789abcdefghjkmnpqrstvwxyz';
const recoveryLength = 10;

export type CodeCheck = ReturnType<typeof createCodeCheck>;

/** Takes the codes of authenticator apps and recovery codes, each of them once. */
export function createCodeCheck({ clock, logger, derivedKeys }: Grounds) {
  const sealingKeys = derivedKeys('second factor');
  const recoveryKeys = derivedKeys('recovery codes');

  const totpOf = (secret: Secret, label = ''): TOTP => new TOTP({ ...settings, secret, ...(label ? { label } : {}) });
  /** Under every pepper, the present one first. */
  const recoveryHmacsOf = (personId: string, code: string): string[] =>
    recoveryKeys.map((key) => createHmac('sha256', key).update(`${personId}:${code}`).digest('base64url'));

  /** The time step that the code belongs to; null when it belongs to none of those that are taken now. */
  function stepOf(personId: string, sealed: string, code: string): number | null {
    const timestamp = clock.now().getTime();
    try {
      const totp = totpOf(Secret.fromBase32(open(sealingKeys, sealed, personId)));
      const delta = totp.validate({ token: code, window, timestamp });
      return delta === null ? null : totp.counter({ timestamp }) + delta;
    } catch (error) {
      logger.error({ personId, error: String(error) }, 'a second factor cannot be opened: was MILLRACE_KEY_PEPPER changed without keeping the old one in MILLRACE_RETIRED_KEY_PEPPERS?');
      return null;
    }
  }

  return {
    newSecret(personId: string, email: string): { secret: string; uri: string; sealed: string } {
      const secret = new Secret({ size: secretBytes });
      return { secret: secret.base32, uri: totpOf(secret, email).toString(), sealed: seal(sealingKeys[0], secret.base32, personId) };
    },

    stepOf,

    newRecoveryCodes(personId: string): { code: string; hmac: string }[] {
      return Array.from({ length: recoveryCodeCount }, () => {
        const code = Array.from({ length: recoveryLength }, () => recoveryAlphabet[randomInt(recoveryAlphabet.length)]!).join('');
        return { code: `${code.slice(0, 5)}-${code.slice(5)}`, hmac: recoveryHmacsOf(personId, code)[0]! };
      });
    },

    /** Whether the code is right, and used up with this transaction: of two that send it at once, one gets in. */
    async take(tx: SystemTx, { id, totpSealed }: SecondFactorState, text: string): Promise<boolean> {
      const code = text.replace(/[\s-]/g, '').toLowerCase();
      if (/^\d{6}$/.test(code)) {
        const step = totpSealed === null ? null : stepOf(id, totpSealed, code);
        if (step === null) return false;
        const taken = await tx.$executeRaw`
          UPDATE people SET totp_last_step = ${step}::bigint
          WHERE id = ${id} AND totp_confirmed_at IS NOT NULL AND (totp_last_step IS NULL OR totp_last_step < ${step}::bigint)`;
        return taken === 1;
      }
      if (code.length !== recoveryLength) return false;
      const used = await tx.$executeRaw`
        UPDATE recovery_codes SET used_at = ${clock.now()} WHERE person_id = ${id} AND code_hmac = ANY(${recoveryHmacsOf(id, code)}) AND used_at IS NULL`;
      return used === 1;
    },
  };
}

/** Codes from an app, asked for beside the password. */
export function createSecondFactor(grounds: Grounds, codes: CodeCheck, throttle: SignInThrottle) {
  const { database, clock } = grounds;
  const off = { totpSealed: null, totpConfirmedAt: null, totpLastStep: null };

  /** Counts the password as a sign-in does. The person is null where it is wrong. */
  async function withPassword<Outcome>(
    actor: PersonActor,
    password: string,
    work: (checked: { person: Person | null; attempt: CountedAttempt }) => Promise<Outcome>,
  ): Promise<Outcome | { type: 'too-many-attempts'; retryAfterSeconds: number }> {
    return inTurn(actor.address, async () => {
      const { email } = await database.system().transaction(async (tx) => {
        await requirePasswordSession(tx, actor);
        return tx.person.findUniqueOrThrow({ where: { id: actor.personId }, select: { email: true } });
      });
      const counted = await throttle.attempt(email, actor.address, (tx) => tx.person.findUnique({ where: { id: actor.personId } }));
      if (counted.type === 'too-many-attempts') return counted;
      const { attempt, person } = counted;
      const fits = await verifyInTurn(person?.passwordHash ?? null, password);
      return work({ person: fits ? person : null, attempt });
    });
  }

  return {
    /**
     * A new secret for the app. It is asked for from its first right code on, not before. Wants the password: a session left
     * open would otherwise be enough to lock its owner out with somebody else's app.
     */
    async begin(actor: PersonActor, proof: { password: string }): Promise<BeginSecondFactorOutcome> {
      const { personId } = actor;
      return withPassword(actor, proof.password, async ({ person, attempt }): Promise<BeginSecondFactorOutcome> => {
        return database.system().transaction(async (tx): Promise<BeginSecondFactorOutcome> => {
          if (!person) {
            await recordAudit(tx, actor, { action: 'second_factor.begin', subject: personId, result: 'sign_in_refused' });
            return { type: 'refused' };
          }
          await throttle.uncounted(tx, attempt);
          const { secret, uri, sealed } = codes.newSecret(personId, person.email);
          const { count } = await tx.person.updateMany({ where: { id: personId, totpConfirmedAt: null }, data: { totpSealed: sealed, totpLastStep: null } });
          if (!count) return { type: 'on-already' };
          await recordAudit(tx, actor, { action: 'second_factor.begin', subject: personId });
          return { type: 'begun', secret, uri };
        });
      });
    },

    /** The first code proves that the app has the secret. The recovery codes are in this answer and nowhere else. */
    async confirm(actor: PersonActor, code: string): Promise<ConfirmSecondFactorOutcome> {
      return database.system().transaction(async (tx): Promise<ConfirmSecondFactorOutcome> => {
        await requirePasswordSession(tx, actor);
        const { personId } = actor;
        const person = await tx.person.findUniqueOrThrow({ where: { id: personId }, select: { totpSealed: true, totpConfirmedAt: true } });
        if (person.totpSealed === null || person.totpConfirmedAt) return { type: 'not-begun' };
        const step = codes.stepOf(personId, person.totpSealed, code.replace(/\s/g, ''));
        if (step === null) return { type: 'code-wrong' };
        const { count } = await tx.person.updateMany({
          where: { id: personId, totpConfirmedAt: null, totpSealed: person.totpSealed },
          data: { totpConfirmedAt: clock.now(), totpLastStep: step },
        });
        if (!count) return { type: 'not-begun' };
        const recoveryCodes = codes.newRecoveryCodes(personId);
        await tx.recoveryCode.deleteMany({ where: { personId } });
        await tx.recoveryCode.createMany({ data: recoveryCodes.map(({ hmac }) => ({ personId, codeHmac: hmac })) });
        const ended = await endSessions(tx, clock, { personId, except: actor.sessionId });
        await recordAudit(tx, actor, { action: 'second_factor.confirm', subject: personId, details: { endedSessions: ended } });
        return { type: 'confirmed', recoveryCodes: recoveryCodes.map(({ code: text }) => text) };
      });
    },

    /** Asks for both factors, as a sign-in does, so that a session left open is not enough. */
    async remove(actor: PersonActor, proof: { password: string; code: string }): Promise<RemoveSecondFactorOutcome> {
      return withPassword(actor, proof.password, async ({ person, attempt }): Promise<RemoveSecondFactorOutcome> => {
        return database.system().transaction(async (tx): Promise<RemoveSecondFactorOutcome> => {
          if (person && !person.totpConfirmedAt) {
            await throttle.uncounted(tx, attempt);
            return { type: 'off-already' };
          }
          if (!person || !(await codes.take(tx, person, proof.code))) {
            await recordAudit(tx, actor, { action: 'second_factor.remove', subject: actor.personId, result: 'sign_in_refused' });
            return { type: 'refused' };
          }
          await throttle.succeeded(tx, attempt, person.id);
          await tx.person.updateMany({ where: { id: person.id }, data: off });
          await tx.recoveryCode.deleteMany({ where: { personId: person.id } });
          const ended = await endSessions(tx, clock, { personId: person.id, except: actor.sessionId });
          await recordAudit(tx, actor, { action: 'second_factor.remove', subject: person.id, details: { endedSessions: ended } });
          return { type: 'removed' };
        });
      });
    },

    /** For somebody who has lost the app and the recovery codes: an operator who knows them takes the second factor off. */
    async reset(actor: Actor, email: string): Promise<ResetSecondFactorOutcome> {
      requirePermission(actor, 'platform:write');
      return database.system().transaction(async (tx): Promise<ResetSecondFactorOutcome> => {
        const person = await tx.person.findUnique({ where: { email: normalEmail(email) }, select: { id: true } });
        if (!person) return { type: 'person-not-found' };
        await tx.person.updateMany({ where: { id: person.id }, data: off });
        await tx.recoveryCode.deleteMany({ where: { personId: person.id } });
        const ended = await endSessions(tx, clock, { personId: person.id });
        for (const tenantId of await trailsOf(tx, person.id, actor.tenantId)) {
          await recordAudit(tx, actor, { action: 'second_factor.reset', subject: person.id, tenantId, details: { endedSessions: ended } });
        }
        return { type: 'reset' };
      });
    },
  };
}
