import { timingSafeEqual } from 'node:crypto';
import { verifyAccessToken } from './access-token.ts';
import type { Actor } from './actor.ts';
import { hmacOf, parseKey } from './api-key-format.ts';
import { ExpiringCache } from './expiring-cache.ts';
import { type Grounds, sha256 } from './grounds.ts';

/** How long a process may believe in a credential it has checked, should the notice of its revocation get lost. */
const believedForMs = 5_000;

interface Believed {
  actor: Actor | null;
  expiresAt: Date | null;
}

const nobody: Believed = { actor: null, expiresAt: null };

/** Who stands behind a credential: remembered for seconds, forgotten within one when it is revoked. */
export function createActors({ database, clock, logger, keyPepper, tokenSettings }: Grounds) {
  const actors = new ExpiringCache<Believed>(believedForMs, 20_000, clock);
  const lastUse = new Map<string, number>();

  async function findKeyActor(publicId: string, secret: string): Promise<Believed> {
    const row = await database.system().transaction((tx) =>
      tx.apiKey.findUnique({ where: { publicId }, include: { tenant: { select: { status: true } } } }),
    );
    // The comparison runs for an unknown key as well, so that the time tells nothing of its existence.
    const given = Buffer.from(hmacOf(secret, keyPepper), 'hex');
    const stored = row ? Buffer.from(row.secretHmac, 'hex') : Buffer.alloc(given.length);
    const matches = timingSafeEqual(given, stored);
    if (!row || !matches || row.revokedAt || row.tenant.status !== 'ACTIVE') return nobody;
    return {
      actor: { type: 'key', tenantId: row.tenantId, keyId: row.id, scopes: row.scopes, models: row.models },
      expiresAt: row.expiresAt,
    };
  }

  async function findPersonActor(sessionId: string, personId: string, tenantId: string): Promise<Believed> {
    return database.system().transaction(async (tx) => {
      const session = await tx.session.findUnique({ where: { id: sessionId }, include: { tenant: { select: { status: true } } } });
      if (!session || session.personId !== personId || session.tenantId !== tenantId) return nobody;
      if (session.revokedAt || session.tenant.status !== 'ACTIVE') return nobody;
      const membership = await tx.membership.findUnique({ where: { tenantId_personId: { tenantId, personId } } });
      if (!membership) return nobody;
      return { actor: { type: 'person', tenantId, personId, sessionId, role: membership.role }, expiresAt: session.expiresAt };
    });
  }

  /** What is remembered may have expired since. */
  function stillBelieved({ actor, expiresAt }: Believed): Actor | null {
    return expiresAt && expiresAt <= clock.now() ? null : actor;
  }

  /** Notes that a key is in use, at most once a minute a key: coarse, so that it costs nothing. */
  function noteUse(actor: Actor): void {
    if (actor.type !== 'key') return;
    const now = clock.now().getTime();
    if (now - (lastUse.get(actor.keyId) ?? 0) < 60_000) return;
    lastUse.set(actor.keyId, now);
    database
      .system()
      .transaction((tx) => tx.$executeRaw`UPDATE api_keys SET last_used_at = now() WHERE id = ${actor.keyId}`)
      .catch((error: unknown) => logger.warn({ error: String(error) }, 'the last use of a key was not noted'));
  }

  /** Whether a notice `tenant:id` or `tenant:*` concerns this actor. */
  function isMeant(actor: Actor, tenantId: string, id: string): boolean {
    if (id === '*') return actor.tenantId === tenantId;
    return actor.type === 'key' ? actor.keyId === id : actor.personId === id || actor.sessionId === id;
  }

  const listeners = new Set<(tenantId: string | null) => void>();

  return {
    /** Must run once before the first `authenticate`: from then on a revocation is noticed within a second. */
    async watchRevocations(): Promise<void> {
      await database.listen('millrace_access', (payload) => {
        const [tenantId = '', id = ''] = payload?.split(':') ?? [];
        if (payload === null) actors.clear();
        else actors.deleteWhere(({ actor }) => actor === null || isMeant(actor, tenantId, id));
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

    /** The actor behind an API key or access token, or null. Never says why not. */
    async authenticate(credential: string): Promise<Actor | null> {
      if (credential.startsWith('mr_')) {
        const parsed = parseKey(credential);
        if (!parsed) return null;
        const cacheKey = sha256(credential);
        const actor = stillBelieved(await actors.get(cacheKey, () => findKeyActor(parsed.publicId, parsed.secret)));
        if (actor) noteUse(actor);
        return actor;
      }
      const claims = verifyAccessToken(credential, tokenSettings);
      if (!claims) return null;
      // All three claims are in the key: a session remembered for one person must not answer for another.
      const { sessionId, personId, tenantId } = claims;
      return stillBelieved(await actors.get(`${sessionId}:${personId}:${tenantId}`, () => findPersonActor(sessionId, personId, tenantId)));
    },
  };
}
