import { setTimeout as delay } from 'node:timers/promises';
import type { Origin } from './actor.ts';
import { recordAudit } from './audit.ts';
import { type Grounds, normalEmail } from './grounds.ts';
import { verifyPassword } from './password.ts';
import type { Sessions, SignedIn } from './sessions.ts';
import { comesInBySsoOnly } from './sso-only.ts';

export type SignInOutcome =
  | SignedIn
  | { type: 'refused' }
  /** the password is right, but every tenant of the person lets them in by single sign-on only */
  | { type: 'sso-only' };

/** Coming in by e-mail address and password. */
export function createSignIn({ database, refusalMs }: Grounds, sessions: Sessions) {
  return {
    /** @throws DomainError TOO_MANY_REQUESTS while too many sign in at once */
    async signIn(email: string, password: string, origin: Origin = {}): Promise<SignInOutcome> {
      const begun = performance.now();
      const person = await database.system().transaction((tx) =>
        tx.person.findUnique({
          where: { email: normalEmail(email) },
          include: { memberships: { where: { tenant: { status: 'ACTIVE' } }, orderBy: { createdAt: 'asc' } } },
        }),
      );
      const fits = await verifyPassword(person?.passwordHash ?? null, password);
      const membership = person?.memberships[0];
      if (!person || !membership || !fits) {
        if (membership && person) {
          await database.system().transaction((tx) =>
            recordAudit(
              tx,
              { type: 'system', tenantId: membership.tenantId, ...origin },
              { action: 'session.open', subject: person.id, result: 'refused' },
            ),
          );
        }
        // The line above is written for people that exist only: the time that it takes must not tell them apart.
        await delay(Math.max(0, begun + refusalMs - performance.now()));
        return { type: 'refused' };
      }
      return database.system().transaction(async (tx): Promise<SignInOutcome> => {
        for (const { tenantId, role } of person.memberships) {
          if (!(await comesInBySsoOnly(tx, { tenantId, role, email: person.email }))) return sessions.open(tx, { tenantId, personId: person.id, role }, origin);
        }
        const system = { type: 'system', tenantId: membership.tenantId, ...origin } as const;
        await recordAudit(tx, system, { action: 'session.open', subject: person.id, result: 'sso_only' });
        return { type: 'sso-only' };
      });
    },
  };
}
