import { verifyAccessToken } from './access-token.ts';
import { type Actor, can, type KeyActor, type Origin, type PersonActor } from './actor.ts';
import { ExpiringCache } from './expiring-cache.ts';
import type { Grounds } from './grounds.ts';
import { actorOf, createKeyActors } from './key-actors.ts';
import { makerOf } from './key-maker.ts';
import { permissions } from './permissions.ts';
import { findStanding } from './standing.ts';

/** How long a process may believe in a session it has checked, should the notice of its revocation get lost. */
const believedForMs = 5_000;

interface Believed {
  actor: PersonActor | null;
  expiresAt: Date | null;
}

const nobody: Believed = { actor: null, expiresAt: null };

/** Who stands behind a credential: remembered for seconds, forgotten within one when it is revoked. */
export function createActors(grounds: Grounds) {
  const { database, clock, tokenSettings } = grounds;
  const keys = createKeyActors(grounds);
  const actors = new ExpiringCache<Believed>(believedForMs, 20_000, clock);

  async function findPersonActor(sessionId: string, personId: string, tenantId: string): Promise<Believed> {
    return database.system().transaction(async (tx) => {
      const session = await tx.session.findUnique({ where: { id: sessionId }, include: { tenant: { select: { status: true } } } });
      if (!session || session.personId !== personId || session.tenantId !== tenantId) return nobody;
      if (session.revokedAt || session.tenant.status !== 'ACTIVE') return nobody;
      const standing = await findStanding(tx, session, clock.now());
      if (!standing) return nobody;
      const { until, ...rights } = standing;
      return { actor: { type: 'person', tenantId, personId, sessionId, ...rights }, expiresAt: until };
    });
  }

  /** What is remembered may have expired since. */
  function stillBelieved({ actor, expiresAt }: Believed): PersonActor | null {
    return expiresAt && expiresAt <= clock.now() ? null : actor;
  }

  /** Whether a notice `tenant:id` or `tenant:*` concerns this actor. */
  function isMeant(actor: PersonActor, tenantId: string, id: string): boolean {
    if (id === '*') return actor.tenantId === tenantId;
    return actor.personId === id || actor.sessionId === id;
  }

  async function findKeyActor(keyId: string): Promise<KeyActor | null> {
    const [row, makerId] = await database.system().transaction(async (tx) => {
      const found = await tx.apiKey.findUnique({ where: { id: keyId }, include: { tenant: { select: { status: true } } } });
      return [found, found && (await makerOf(tx, found))];
    });
    const acts = row !== null && !row.revokedAt && !row.blocked && row.tenant.status === 'ACTIVE' && !(row.expiresAt && row.expiresAt <= clock.now());
    return acts ? actorOf(row, makerId) : null;
  }

  /** Looks at the session or key itself: an access token may have run out since. */
  async function findPresent(actor: Actor): Promise<Actor | null> {
    if (actor.type === 'key') return findKeyActor(actor.keyId);
    return stillBelieved(await findPersonActor(actor.sessionId, actor.personId, actor.tenantId));
  }

  const listeners = new Set<(tenantId: string | null) => void>();

  return {
    /** Must run once before the first `authenticate`: from then on a revocation is noticed within a second. */
    async watchRevocations(): Promise<void> {
      await database.listen('millrace_access', (payload) => {
        const [tenantId = '', id = ''] = payload?.split(':') ?? [];
        if (payload === null) {
          keys.forgetAll();
          actors.clear();
        } else {
          keys.forget(tenantId, id);
          actors.deleteWhere(({ actor }) => actor === null || isMeant(actor, tenantId, id));
        }
        for (const listener of listeners) listener(payload === null ? null : tenantId);
      });
    },

    /**
     * Calls the listener whenever somebody's rights in a tenant have changed (null: perhaps in any), once this process has
     * forgotten the old ones: whoever serves somebody for long asks `authenticate` again then.
     * @returns a function that ends it
     */
    onRightsChange(listener: (tenantId: string | null) => void): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },

    /**
     * Whether whoever began something long, such as an upload, may still go on with it: they have lost none of the rights
     * with which they began.
     */
    async stillActs(actor: Actor): Promise<boolean> {
      const present = await findPresent(actor);
      return present !== null && (actor.type === 'key' || permissions.every((permission) => can(present, permission) || !can(actor, permission)));
    },

    /** With what rights somebody who asked for something earlier acts by now; null for nobody any more. */
    present: findPresent,

    /**
     * The actor behind an API key or access token, or null. Never says why not. A key that is remembered needs no promise.
     * @param origin where the request comes from: a key may be bound to addresses
     * @throws DomainError ADDRESS_NOT_ALLOWED for a good key in the wrong place, by the promise
     */
    authenticate(credential: string, origin: Origin = {}): Actor | null | Promise<Actor | null> {
      return credential.startsWith('mr_') ? keys.authenticate(credential, origin) : bearerOf(credential);
    },
  };

  async function bearerOf(accessToken: string): Promise<PersonActor | null> {
    const claims = verifyAccessToken(accessToken, tokenSettings);
    if (!claims) return null;
    // All three claims are in the key: a session remembered for one person must not answer for another.
    const { sessionId, personId, tenantId } = claims;
    return stillBelieved(await actors.get(`${sessionId}:${personId}:${tenantId}`, () => findPersonActor(sessionId, personId, tenantId)));
  }
}
