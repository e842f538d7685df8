import type { Database } from '@millrace/database';
import { newId } from '@millrace/kernel';

/** What was answered, and is answered again. */
export interface KeptAnswer {
  headers: Record<string, string>;
  body: string;
}

export interface IdempotentRequest {
  tenantId: string;
  /** as the caller sent it, with who it is: one key's is no other's */
  key: string;
  /** of all that the answer depends on, in hexadecimal */
  sha256: string;
}

export type Begun =
  /** For the first time, or again after a process died over it: then under the same id, so that it is billed once. */
  | { type: 'begun'; predictionId: string; lock: string; isAgain: boolean }
  | { type: 'answered'; answer: KeptAnswer }
  | { type: 'running'; retryAfterSeconds: number }
  | { type: 'other-request' };

/** An answer is kept for so long. */
const keptHours = 24;
/** Each new key takes so many that have run out with it: more than one, so that they become fewer, and never a long wait. */
const sweptAtOnce = 100;
/** Of all tenants in one statement. */
const sweptInStep = 1000;
/** A longer answer is not kept: sent again, the request is predicted again under the same id, and billed once. */
const longestKept = 2 ** 20;
/** Whoever holds a key for longer has died over it. */
const lockSeconds = 60;

/** A visible text; what is longer would be no key but a document. */
export const isIdempotencyKey = (given: string): boolean => /^[\x21-\x7e]{1,255}$/.test(given);

/** Why a request that has a key is not served, in the words of every door. */
export const idempotencyRefusals = {
  unfit: { message: 'The Idempotency-Key is no text of 1 to 255 printable characters.', remedy: 'Send a UUID, anew for each request.' },
  underWay: { message: 'A request with this Idempotency-Key is under way.', remedy: 'Send it again after the seconds in Retry-After.' },
  reused: { message: 'Another request had this Idempotency-Key.', remedy: 'Send a key of its own with each request; the same one only with the same request.' },
} as const;

interface Row {
  sha256: string;
  predictionId: string;
  headers: Record<string, string> | null;
  body: string | null;
  isLocked: boolean;
  lockedForSeconds: number;
}

export type Idempotency = ReturnType<typeof createIdempotency>;

/** Answers a request that is sent again under the same key as before, from any process, for a day. */
export function createIdempotency({ database }: { database: Database }) {
  /**
   * For a request that was not answered: it may be sent again at once. Whoever has lost the lock gives up nothing.
   * @param isInDoubt something may have come of it, now or when somebody died over it before: its id is kept for whoever comes next
   */
  async function giveUp({ tenantId, key }: IdempotentRequest, lock: string, isInDoubt = false): Promise<void> {
    await database.forTenant(tenantId).transaction((tx) =>
      isInDoubt
        ? tx.$executeRaw`UPDATE idempotency_answers SET locked_until = clock_timestamp() WHERE tenant_id = ${tenantId} AND key = ${key} AND body IS NULL AND locked_until::text = ${lock}`
        : tx.$executeRaw`DELETE FROM idempotency_answers WHERE tenant_id = ${tenantId} AND key = ${key} AND body IS NULL AND locked_until::text = ${lock}`,
    );
  }

  return {
    async begin({ tenantId, key, sha256 }: IdempotentRequest): Promise<Begun> {
      const predictionId = newId('prediction');
      return database.forTenant(tenantId).transaction(async (tx): Promise<Begun> => {
        await tx.$executeRaw`
          DELETE FROM idempotency_answers WHERE ctid = ANY (ARRAY (
            SELECT ctid FROM idempotency_answers WHERE tenant_id = ${tenantId} AND expires_at < now() LIMIT ${sweptAtOnce} FOR UPDATE SKIP LOCKED))`;
        const [inserted] = await tx.$queryRaw<{ lock: string }[]>`
          INSERT INTO idempotency_answers (tenant_id, key, request_sha256, prediction_id, locked_until, expires_at)
          VALUES (${tenantId}, ${key}, ${sha256}, ${predictionId}, now() + make_interval(secs => ${lockSeconds}), now() + make_interval(hours => ${keptHours}))
          ON CONFLICT DO NOTHING RETURNING locked_until::text AS lock`;
        if (inserted) return { type: 'begun', predictionId, lock: inserted.lock, isAgain: false };
        const [row] = await tx.$queryRaw<Row[]>`
          SELECT request_sha256 AS sha256, prediction_id AS "predictionId", headers, body, locked_until > clock_timestamp() AS "isLocked",
            extract(epoch FROM locked_until - clock_timestamp())::float8 AS "lockedForSeconds"
          FROM idempotency_answers WHERE tenant_id = ${tenantId} AND key = ${key} FOR UPDATE`;
        if (!row) return { type: 'running', retryAfterSeconds: 1 }; // it was just given up
        if (row.sha256 !== sha256) return { type: 'other-request' };
        if (row.body !== null && row.headers !== null) return { type: 'answered', answer: { headers: row.headers, body: row.body } };
        if (row.isLocked) return { type: 'running', retryAfterSeconds: 1 };
        const [taken] = await tx.$queryRaw<[{ lock: string }]>`
          UPDATE idempotency_answers SET locked_until = clock_timestamp() + make_interval(secs => ${lockSeconds}) WHERE tenant_id = ${tenantId} AND key = ${key}
          RETURNING locked_until::text AS lock`;
        return { type: 'begun', predictionId: row.predictionId, lock: taken.lock, isAgain: true };
      });
    },

    /** The first answer stays, whoever else may have taken the request over meanwhile. One that is too long only ends the lock. */
    async keep(asked: IdempotentRequest, lock: string, { headers, body }: KeptAnswer): Promise<void> {
      if (body.length > longestKept) return giveUp(asked, lock, true);
      const { tenantId, key } = asked;
      await database.forTenant(tenantId).transaction(
        (tx) => tx.$executeRaw`UPDATE idempotency_answers SET headers = ${JSON.stringify(headers)}::jsonb, body = ${body} WHERE tenant_id = ${tenantId} AND key = ${key} AND body IS NULL`,
      );
    },

    /** For what takes longer than its lock lasts. @returns the new lock; null for whoever has lost it */
    async renew({ tenantId, key }: IdempotentRequest, lock: string): Promise<string | null> {
      const [renewed] = await database.forTenant(tenantId).transaction(
        (tx) => tx.$queryRaw<{ lock: string }[]>`
          UPDATE idempotency_answers SET locked_until = clock_timestamp() + make_interval(secs => ${lockSeconds})
          WHERE tenant_id = ${tenantId} AND key = ${key} AND body IS NULL AND locked_until::text = ${lock} RETURNING locked_until::text AS lock`,
      );
      return renewed?.lock ?? null;
    },

    /** Removes what has run out of all tenants, also of those that send nothing more. Several processes may do so at once. */
    async sweep(): Promise<void> {
      for (;;) {
        const swept = await database.system().transaction(
          (tx) => tx.$executeRaw`
            DELETE FROM idempotency_answers a USING (
              SELECT tenant_id, key FROM idempotency_answers WHERE expires_at < now() LIMIT ${sweptInStep}) over
            WHERE a.tenant_id = over.tenant_id AND a.key = over.key AND a.expires_at < now()`,
        );
        if (swept < sweptInStep) return;
      }
    },

    giveUp,
  };
}
