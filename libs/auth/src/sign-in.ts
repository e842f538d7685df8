import { setTimeout as delay } from 'node:timers/promises';
import type { Person, SystemTx } from '@millrace/database';
import type { Origin } from './actor.ts';
import { recordAudit } from './audit.ts';
import { type Grounds, normalEmail } from './grounds.ts';
import { homesOf } from './home-tenant.ts';
import { hashInTurn, hasTurnFor, inTurn, isOutdated, verifyInTurn } from './password.ts';
import type { CodeCheck } from './second-factor.ts';
import type { Sessions, SignedIn } from './sessions.ts';
import type { SignInThrottle } from './sign-in-throttle.ts';
import { comesInBySsoOnly } from './sso-only.ts';

export type SignInOutcome =
  | SignedIn
  /** the password is right; nothing was opened */
  | { type: 'second-factor-required' }
  /** all is right, but every tenant of the person lets them in by single sign-on only */
  | { type: 'sso-only' }
  | { type: 'refused' }
  | { type: 'too-many-attempts'; retryAfterSeconds: number };

/** Coming in by e-mail address and password. */
export function createSignIn({ database, refusalMs }: Grounds, sessions: Sessions, throttle: SignInThrottle, codes: CodeCheck) {
  async function attempt(email: string, password: string, origin: Origin, code: string | undefined): Promise<SignInOutcome> {
    const counted = await throttle.attempt(email, origin.address, (tx) => tx.person.findUnique({ where: { email } }));
    if (counted.type === 'too-many-attempts') return counted;
    const { attempt: counting, person } = counted;
    const storedHash = person?.passwordHash ?? null;
    const fits = await verifyInTurn(storedHash, password);
    const newHash = fits && storedHash !== null && isOutdated(storedHash) ? await hashInTurn(password) : null;
    return database.system().transaction(async (tx): Promise<SignInOutcome> => {
      const isAsChecked = person !== null && (await holdAccount(tx, person));
      const homes = await homesOf(tx, person?.id ?? null);
      const [home] = homes;
      if (!person || !home) return { type: 'refused' };
      const noteRefused = async (result: string, details: Record<string, string | boolean> = {}): Promise<void> =>
        recordAudit(tx, { type: 'system', tenantId: home.tenantId, ...origin }, { action: 'session.open', subject: person.id, result, details });
      const refuse = async (factor: 'password' | 'code'): Promise<SignInOutcome> => {
        await noteRefused('sign_in_refused', { factor, ...(counting.locks ? { locked: true } : {}) });
        return { type: 'refused' };
      };
      // Changed meanwhile: what was checked is not what counts now.
      if (!fits || !isAsChecked) return refuse('password');
      if (person.totpConfirmedAt) {
        if (!code) {
          await throttle.uncounted(tx, counting);
          await noteRefused('second_factor_required');
          return { type: 'second-factor-required' };
        }
        if (!(await codes.take(tx, person, code))) return refuse('code');
      }
      if (newHash !== null) await tx.person.updateMany({ where: { id: person.id, passwordHash: storedHash }, data: { passwordHash: newHash } });
      await throttle.succeeded(tx, counting, person.id);
      for (const { tenantId, role, bySso } of homes) {
        if (!(await comesInBySsoOnly(tx, { tenantId, role, email, bySso }))) return sessions.open(tx, { tenantId, role, personId: person.id }, origin);
      }
      await noteRefused('sso_only');
      return { type: 'sso-only' };
    });
  }

  return {
    /** Whether `signIn` would find a place or a wait for one at this moment: for the outermost edge, where refusing costs least. */
    hasRoomToSignIn: hasTurnFor,

    /**
     * Opens a session in the tenant that is the person's home. All that does not get in is refused alike: the unknown, the
     * wrong password, the wrong code, the one without a password, the member of a suspended tenant or of none.
     * @param code of the second factor, where there is one
     * @throws DomainError TOO_MANY_REQUESTS while too many sign in at once
     */
    async signIn(email: string, password: string, origin: Origin = {}, code?: string): Promise<SignInOutcome> {
      const begun = performance.now();
      const outcome = await inTurn(origin.address, () => attempt(normalEmail(email), password, origin, code));
      if (outcome.type === 'refused') await atTheNextStroke(begun, refusalMs);
      return outcome;
    },
  };
}

/**
 * Holds the account until the transaction ends: whoever changes the password or the second factor ends the sessions that
 * there are, and finds one that was opened a moment before. @returns whether it is still the one that was looked at
 */
async function holdAccount(tx: SystemTx, { id, passwordHash, totpConfirmedAt }: Person): Promise<boolean> {
  const [held] = await tx.$queryRaw<{ hash: string | null; confirmed: Date | null }[]>`
    SELECT password_hash AS hash, totp_confirmed_at AS confirmed FROM people WHERE id = ${id} FOR NO KEY UPDATE`;
  return held !== undefined && held.hash === passwordHash && held.confirmed?.getTime() === totpConfirmedAt?.getTime();
}

/**
 * Answers at a whole multiple of the time that an answer takes at least: what was done for it (a line of the trail for
 * people that exist, say) cannot be told from its time, not even on a busy machine.
 */
export async function atTheNextStroke(begun: number, strokeMs: number): Promise<void> {
  if (strokeMs <= 0) return;
  const taken = performance.now() - begun;
  await delay(Math.ceil(taken / strokeMs) * strokeMs - taken);
}
