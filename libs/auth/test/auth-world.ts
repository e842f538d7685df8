import { newId, silentLogger } from '@millrace/kernel';
import { createTestDatabase, type TestDatabase } from '@millrace/testkit';
import { type Auth, type AuthOptions, createAuth, type Role, type SignedIn } from '../src/index.ts';

export const secrets = {
  tokenSecret: 'a secret for tests, long enough to sign',
  keyPepper: 'a pepper for tests, long enough for HMAC',
};
export const password = 'correct horse battery';

export const newEmail = (): string => `${newId('person')}@example.com`;

/** What a sign-in that must succeed has given. */
export function signedIn(outcome: { type: string }): SignedIn {
  if (outcome.type !== 'signed-in') throw new Error(outcome.type);
  return outcome as SignedIn;
}

export interface AuthWorld {
  test: TestDatabase;
  auth: Auth;
  /** the clock of `auth`; stands still unless it is moved */
  time: { now: Date; forward(seconds: number): void };
  /** another process on the same database */
  elsewhere(options?: Partial<AuthOptions>): Auth;
  /** a tenant with its owner, not signed in yet */
  tenant(): Promise<{ tenantId: string; personId: string; email: string }>;
  member(tenantId: string, role: Role): Promise<{ personId: string; email: string }>;
  signedIn(email: string, address?: string): Promise<SignedIn>;
  /** the trail of a tenant: action, result and details, oldest first */
  trail(tenantId: string): Promise<{ action: string; result: string; details: unknown }[]>;
  close(): Promise<void>;
}

/** A database of its own and an `Auth` that answers refusals at once. */
export async function createAuthWorld(options: Partial<AuthOptions> = {}): Promise<AuthWorld> {
  const test = await createTestDatabase();
  const time = {
    now: new Date('2026-11-23T12:00:00Z'),
    forward(seconds: number) {
      time.now = new Date(time.now.getTime() + seconds * 1000);
    },
  };
  const elsewhere = (others: Partial<AuthOptions> = {}): Auth =>
    createAuth({ database: test.database, ...secrets, logger: silentLogger, clock: { now: () => time.now }, refusalMs: 0, ...options, ...others });
  const auth = elsewhere();
  await auth.watchRevocations();

  return {
    test,
    auth,
    time,
    elsewhere,
    async tenant() {
      const email = newEmail();
      const created = await auth.createTenant({ tenantName: 'Acme', name: 'Ann Owner', email, password });
      if (created.type !== 'created') throw new Error(JSON.stringify(created));
      return { ...created, email };
    },
    async member(tenantId, role) {
      const email = newEmail();
      const added = await auth.members.add({ tenantId, name: 'Mel Member', email, password, role });
      if (added.type !== 'added') throw new Error(JSON.stringify(added));
      return { personId: added.personId, email };
    },
    signedIn: async (email, address) => signedIn(await auth.signIn(email, password, address === undefined ? {} : { address })),
    trail: (tenantId) =>
      test.database.forTenant(tenantId).transaction((tx) =>
        tx.auditEvent.findMany({ orderBy: { id: 'asc' }, select: { action: true, result: true, details: true } }),
      ),
    close: () => test.close(),
  };
}
