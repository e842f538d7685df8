import { setTimeout as delay } from 'node:timers/promises';
import type { Origin } from './actor.ts';
import { recordAudit } from './audit.ts';
import { type Grounds, normalEmail } from './grounds.ts';
import { verifyPassword } from './password.ts';
import type { Sessions, SignedIn } from './sessions.ts';

export type SignInOutcome = SignedIn | { type: 'refused' };

/** Coming in by e-mail address and password. */
export function createSignIn({ database, refusalMs }: Grounds, sessions: Sessions) {
  return {
    /** @throws DomainError TOO_MANY_REQUESTS while too many sign in at once */
    async signIn(email: string, password: string, origin: Origin = {}): Promise<SignInOutcome> {
      const begun = performance.now();
      const person = await database.system().transaction((tx) =>
        tx.person.findUnique({
          where: { email: normalEmail(email) },
          include: { memberships: { where: { tenant: { status: 'ACTIVE' } }, orderBy: { createdAt: 'asc' }, take: 1 } },
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
              { action: 'session.open', subject: person.id, result: 'sign_in_refused' },
            ),
          );
        }
        // The line above is written for people that exist only: the time that it takes must not tell them apart.
        await delay(Math.max(0, begun + refusalMs - performance.now()));
        return { type: 'refused' };
      }
      return database.system().transaction((tx) =>
        sessions.open(tx, { tenantId: membership.tenantId, personId: person.id, role: membership.role }, origin),
      );
    },
  };
}
