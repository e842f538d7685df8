import { timingSafeEqual } from 'node:crypto';
import type { ApiKey } from '@millrace/database';
import { DomainError } from '@millrace/kernel';
import type { KeyActor, Origin } from './actor.ts';
import { type AddressList, createAddressList } from './address-list.ts';
import { hmacOf, type ParsedKey, parseKey } from './api-key-format.ts';
import { recordAudit } from './audit.ts';
import { ExpiringCache } from './expiring-cache.ts';
import { type Grounds, sha256 } from './grounds.ts';
import { makerOf } from './key-maker.ts';

/** How long a process may believe in a key it has checked, should the notice of its change get lost. */
const believedForMs = 5_000;
const mostBelieved = 20_000;

/** A key used from where it may not be leaves a line in the trail once a minute an address, for so many addresses. */
const refusalEveryMs = 60_000;
const mostRefusals = 20;

interface Believed {
  actor: KeyActor | null;
  expiresAt: Date | null;
  /** null where it may be used from everywhere */
  addresses: AddressList | null;
}

const nobody: Believed = { actor: null, expiresAt: null, addresses: null };

/** Who stands behind an API key: remembered for seconds, forgotten within one when the key is changed or revoked. */
export function createKeyActors({ database, clock, logger, keyPepper, retiredKeyPeppers }: Grounds) {
  const believed = new ExpiringCache<Believed>(believedForMs, mostBelieved, clock);
  const lastUse = new Map<string, number>();
  const refusals = new Map<string, { until: number; addresses: Set<string> }>();

  async function find({ publicId, secret }: ParsedKey): Promise<Believed> {
    const [row, makerId] = await database.system().transaction(async (tx) => {
      const found = await tx.apiKey.findUnique({ where: { publicId }, include: { tenant: { select: { status: true } } } });
      return [found, found && (await makerOf(tx, found))];
    });
    // All comparisons run, for an unknown key as well, so that the time tells nothing of what is stored.
    const given = [keyPepper, ...retiredKeyPeppers].map((pepper) => hmacOf(secret, pepper));
    const current = pepperOf(row?.secretHmac, given);
    const previous = pepperOf(row?.previousHmac, given);
    if (!row) return nobody;
    const isPrevious = current < 0;
    if (isPrevious && (previous < 0 || !row.previousUntil)) return nobody;
    if (row.revokedAt || row.blocked || row.tenant.status !== 'ACTIVE') return nobody;
    if (current > 0 || previous > 0) void renew(row.id, secret, isPrevious ? row.previousHmac! : row.secretHmac, isPrevious);
    const ends = [row.expiresAt, isPrevious ? row.previousUntil : null].filter((end) => end !== null);
    return {
      actor: actorOf(row, makerId),
      expiresAt: ends.length ? new Date(Math.min(...ends.map(Number))) : null,
      addresses: row.addresses.length ? createAddressList(row.addresses) : null,
    };
  }

  /** Puts a secret that stands under a retired pepper under the present one, unless it has been replaced meanwhile. */
  async function renew(keyId: string, secret: string, stored: string, isPrevious: boolean): Promise<void> {
    const hmac = hmacOf(secret, keyPepper);
    await database
      .system()
      .transaction((tx) =>
        isPrevious
          ? tx.$executeRaw`UPDATE api_keys SET previous_hmac = ${hmac} WHERE id = ${keyId} AND previous_hmac = ${stored}`
          : tx.$executeRaw`UPDATE api_keys SET secret_hmac = ${hmac} WHERE id = ${keyId} AND secret_hmac = ${stored}`,
      )
      .catch((error: unknown) => logger.warn({ error: String(error) }, 'a key was not put under the present pepper; tried again when it is next used'));
  }

  /** Notes that a key is in use, at most once a minute a key: coarse, so that it costs nothing. */
  function noteUse({ keyId }: KeyActor): void {
    const now = clock.now().getTime();
    if (now - (lastUse.get(keyId) ?? 0) < 60_000) return;
    if (lastUse.size >= mostBelieved) lastUse.clear(); // costs some keys a needless update
    lastUse.set(keyId, now);
    database
      .system()
      .transaction((tx) => tx.$executeRaw`UPDATE api_keys SET last_used_at = now() WHERE id = ${keyId}`)
      .catch((error: unknown) => logger.warn({ error: String(error) }, 'the last use of a key was not noted'));
  }

  /** Whoever holds a key can be refused a thousand times a second: the trail gets a line for each address, not for each try. */
  function isNews(keyId: string, address: string): boolean {
    const now = clock.now().getTime();
    let noted = refusals.get(keyId);
    if (!noted || noted.until <= now) {
      if (refusals.size >= mostBelieved) refusals.clear();
      refusals.set(keyId, (noted = { until: now + refusalEveryMs, addresses: new Set() }));
    }
    if (noted.addresses.has(address) || noted.addresses.size >= mostRefusals) return false;
    noted.addresses.add(address);
    return true;
  }

  async function refuseAddress(actor: KeyActor, { requestId, address = 'an unknown address', userAgent }: Origin): Promise<never> {
    if (isNews(actor.keyId, address)) {
      await database
        .system()
        .transaction((tx) => recordAudit(tx, { ...actor, requestId, address, userAgent }, { action: 'key.use', subject: actor.keyId, result: 'address_not_allowed' }))
        .catch((error: unknown) => logger.warn({ error: String(error) }, 'a refused use of a key is missing in the audit trail'));
    }
    throw new DomainError('ADDRESS_NOT_ALLOWED', `This API key may not be used from ${address}.`, {
      remedy: 'Use it from an address in its list, or have an administrator of your tenant add this one.',
    });
  }

  function admit({ actor, expiresAt, addresses }: Believed, origin: Origin): KeyActor | null | Promise<never> {
    // What is remembered may have expired since.
    if (!actor || (expiresAt && expiresAt <= clock.now())) return null;
    if (addresses && !addresses.admits(origin.address)) return refuseAddress(actor, origin);
    noteUse(actor);
    return actor;
  }

  return {
    /**
     * The actor behind a key, or null; never says why not. What is remembered comes without a promise.
     * @throws DomainError ADDRESS_NOT_ALLOWED for a good key in the wrong place, by the promise
     */
    authenticate(text: string, origin: Origin): KeyActor | null | Promise<KeyActor | null> {
      const digest = sha256(text);
      const known = believed.known(digest);
      if (known) return admit(known.value, origin);
      const parsed = parseKey(text); // what is no key of ours takes no place among those that are remembered
      return parsed && believed.get(digest, () => find(parsed)).then((found) => admit(found, origin));
    },

    /** @param id of a key, or `*` for all of the tenant */
    forget(tenantId: string, id: string): void {
      believed.deleteWhere(({ actor }) => actor === null || (id === '*' ? actor.tenantId === tenantId : actor.keyId === id));
    },

    forgetAll(): void {
      believed.clear();
    },
  };
}

/** Which of the given HMACs is the stored one; -1 if none is. Compares with all of them, whatever the first says. */
function pepperOf(stored: string | null | undefined, given: readonly string[]): number {
  // What is no HMAC, a damaged row's say, is nobody's: as if there were none.
  const bytes = stored && /^[0-9a-f]{64}$/.test(stored) ? Buffer.from(stored, 'hex') : Buffer.alloc(32);
  return given.map((hmac) => timingSafeEqual(Buffer.from(hmac, 'hex'), bytes)).indexOf(true);
}

export function actorOf({ id, tenantId, scopes, models, rpmLimit, maxParallelRequests, maxBudget, softBudget, budgetDuration, createdAt }: ApiKey, makerId: string | null): KeyActor {
  return {
    type: 'key',
    tenantId,
    keyId: id,
    ...(makerId !== null && { makerId }),
    scopes,
    models,
    ...(rpmLimit !== null && { rpmLimit }),
    ...(maxParallelRequests !== null && { maxParallelRequests }),
    ...(maxBudget !== null && { budget: { max: maxBudget, soft: softBudget, duration: budgetDuration, since: createdAt } }),
  };
}
