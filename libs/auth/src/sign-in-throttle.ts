import { createHmac } from 'node:crypto';
import type { SystemTx } from '@millrace/database';
import type { Grounds } from './grounds.ts';
import { networkOf } from './network.ts';

/** After so many failures within so long, each further one locks for twice as long as the last. */
export interface ThrottleRule {
  failures: number;
  withinSeconds: number;
  lockSeconds: number;
  longestLockSeconds: number;
}

/** What is counted; see docs/sign-in.md for why three counts. */
export interface SignInLimits {
  /** of one account from one address */
  pair: ThrottleRule;
  /** of one account from all addresses that it has not come from before */
  account: ThrottleRule;
  /** from one address, at all accounts that have not come from there before */
  address: ThrottleRule;
  /** so long an address stays known after a sign-in */
  addressKnownDays: number;
}

export const defaultSignInLimits: SignInLimits = {
  pair: { failures: 5, withinSeconds: 86_400, lockSeconds: 30, longestLockSeconds: 900 },
  account: { failures: 100, withinSeconds: 3_600, lockSeconds: 900, longestLockSeconds: 900 },
  address: { failures: 50, withinSeconds: 600, lockSeconds: 600, longestLockSeconds: 600 },
  addressKnownDays: 90,
};

/** An attempt that was let through, counted as a failure until something better is known of it. */
export interface CountedAttempt {
  pairKey: string;
  /** the pair's and, from an unknown address, the account's and the address's */
  keys: readonly string[];
  addressHmac: string;
  /** whether it is the one after which further ones are refused for a while */
  locks: boolean;
}

/** Thrown out of the transaction that counts, so that a refused attempt counts nowhere. */
class Locked extends Error {
  readonly retryAfterSeconds: number;
  constructor(retryAfterSeconds: number) {
    super('locked');
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export type SignInThrottle = ReturnType<typeof createSignInThrottle>;

/**
 * Counts guesses before they are looked at, so that guesses sent at the same time count as well. Neither what is counted
 * nor its speed depends on whether there is such an account. Time is the database's: all processes lock alike.
 */
export function createSignInThrottle({ database, derivedKey, signInLimits }: Grounds) {
  const key = derivedKey('sign-in throttle');
  const hmac = (kind: string, ...parts: string[]): string => createHmac('sha256', key).update(JSON.stringify([kind, ...parts])).digest('base64url');
  const addressHmacOf = (address: string | undefined): string => hmac('address', networkOf(address ?? ''));

  async function isKnown(tx: SystemTx, personId: string | null, addressHmac: string): Promise<boolean> {
    const rows = await tx.$queryRaw<unknown[]>`
      SELECT 1 FROM known_addresses
      WHERE person_id = ${personId ?? ''} AND address_hmac = ${addressHmac}
        AND last_used_at > now() - make_interval(days => ${signInLimits.addressKnownDays}::int)`;
    return rows.length > 0;
  }

  return {
    /**
     * Runs `work` in a transaction together with counting the attempt, unless the account or the address is locked.
     * @param email as it is stored, of an account that need not exist
     * @param find looks the account up, in the same transaction
     */
    async attempt<Person extends { id: string }>(
      email: string,
      address: string | undefined,
      find: (tx: SystemTx) => Promise<Person | null>,
    ): Promise<{ type: 'counted'; attempt: CountedAttempt; person: Person | null } | { type: 'too-many-attempts'; retryAfterSeconds: number }> {
      const addressHmac = addressHmacOf(address);
      const pairKey = hmac('pair', email, networkOf(address ?? ''));
      try {
        return await database.system().transaction(async (tx) => {
          const person = await find(tx);
          const known = await isKnown(tx, person?.id ?? null, addressHmac);
          const counts: [string, ThrottleRule][] = [[pairKey, signInLimits.pair]];
          if (!known) counts.push([hmac('account', email), signInLimits.account], [addressHmac, signInLimits.address]);
          const locks = await count(tx, counts);
          return { type: 'counted' as const, person, attempt: { pairKey, keys: counts.map(([countKey]) => countKey), addressHmac, locks } };
        });
      } catch (error) {
        if (error instanceof Locked) return { type: 'too-many-attempts', retryAfterSeconds: error.retryAfterSeconds };
        throw error;
      }
    },

    /** It was the right person: the pair begins anew, and the address is known from now on. */
    async succeeded(tx: SystemTx, { pairKey, keys, addressHmac }: CountedAttempt, personId: string): Promise<void> {
      await uncount(tx, keys);
      await tx.$executeRaw`DELETE FROM sign_in_throttles WHERE key = ${pairKey}`;
      await tx.$executeRaw`
        INSERT INTO known_addresses (person_id, address_hmac, last_used_at) VALUES (${personId}, ${addressHmac}, now())
        ON CONFLICT (person_id, address_hmac) DO UPDATE SET last_used_at = now()`;
    },

    /** It was no guess, but did not get in either: as if it had not been made. */
    async uncounted(tx: SystemTx, { keys }: CountedAttempt): Promise<void> {
      await uncount(tx, keys);
    },

    /** Who has proven to own the account need not wait any longer. */
    async unlock(tx: SystemTx, email: string, address: string | undefined): Promise<void> {
      await tx.$executeRaw`DELETE FROM sign_in_throttles WHERE key = ${hmac('pair', email, networkOf(address ?? ''))}`;
    },

    /** Counts something else by the network of the address and, where there is one, by account. @returns whether there was room for it */
    async admits(what: string, rules: { account?: ThrottleRule; address: ThrottleRule }, email: string, address: string | undefined): Promise<boolean> {
      const counts: [string, ThrottleRule][] = [[hmac(`${what} address`, networkOf(address ?? '')), rules.address]];
      if (rules.account) counts.push([hmac(`${what} account`, email), rules.account]);
      return database.system().transaction((tx) => count(tx, counts)).then(
        () => true,
        (error: unknown) => {
          if (error instanceof Locked) return false;
          throw error;
        },
      );
    },

    /** Forgets what has run out. */
    async sweep(): Promise<void> {
      await database.system().transaction(async (tx) => {
        await tx.$executeRaw`DELETE FROM sign_in_throttles WHERE window_ends < now() AND (locked_until IS NULL OR locked_until < now())`;
        await tx.$executeRaw`DELETE FROM known_addresses WHERE last_used_at < now() - make_interval(days => ${signInLimits.addressKnownDays}::int)`;
      });
    },
  };
}

/**
 * One statement counts under all keys, in the order of the keys, so that attempts that meet wait for each other in turn
 * and none sees what the other has not written yet. A key that is locked is not written, and so not among those returned.
 * @returns whether one of them is locked from here on
 * @throws Locked
 */
async function count(tx: SystemTx, counts: readonly [string, ThrottleRule][]): Promise<boolean> {
  const keys = counts.map(([key]) => key);
  const column = (name: keyof ThrottleRule): number[] => counts.map(([, rule]) => rule[name]);
  const counted = await tx.$queryRaw<{ locks: boolean }[]>`
    WITH rule AS (
      SELECT * FROM unnest(
        ${keys}::text[], ${column('failures')}::int[], ${column('withinSeconds')}::float8[], ${column('lockSeconds')}::float8[],
        ${column('longestLockSeconds')}::float8[]
      ) AS rule (key, failures, within, lock, longest)
    )
    INSERT INTO sign_in_throttles AS t (key, failures, window_ends, locked_until)
    SELECT key, 1, now() + make_interval(secs => within), CASE WHEN failures <= 1 THEN now() + make_interval(secs => lock) END
    FROM rule ORDER BY key
    ON CONFLICT (key) DO UPDATE SET (failures, window_ends, locked_until) = (
      SELECT next.failures, next.window_ends, CASE WHEN next.failures >= rule.failures
        THEN now() + make_interval(secs => least(rule.lock * 2 ^ least(next.failures - rule.failures, 20), rule.longest)) END
      FROM rule, LATERAL (
        SELECT CASE WHEN t.window_ends > now() THEN t.failures + 1 ELSE 1 END AS failures,
          CASE WHEN t.window_ends > now() THEN t.window_ends ELSE now() + make_interval(secs => rule.within) END AS window_ends
      ) AS next
      WHERE rule.key = t.key
    )
    WHERE t.locked_until IS NULL OR t.locked_until <= now()
    RETURNING t.locked_until IS NOT NULL AS locks`;
  if (counted.length === counts.length) return counted.some(({ locks }) => locks);
  const [locked] = await tx.$queryRaw<{ seconds: number }[]>`
    SELECT greatest(1, ceil(extract(epoch FROM max(locked_until) - now())))::int AS seconds
    FROM sign_in_throttles WHERE key = ANY (${keys}) AND locked_until > now()`;
  throw new Locked(locked?.seconds ?? 1);
}

/** Takes one failure back. A lock in force can only be the one that it brought about: otherwise it had not been let through. */
async function uncount(tx: SystemTx, keys: readonly string[]): Promise<void> {
  await tx.$executeRaw`
    UPDATE sign_in_throttles AS t SET failures = greatest(t.failures - 1, 0), locked_until = NULL
    FROM (SELECT key FROM sign_in_throttles WHERE key = ANY (${keys}) ORDER BY key FOR UPDATE) AS held
    WHERE t.key = held.key`;
}
