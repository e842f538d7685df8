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
  | { type: 'begun'; predictionId: string }
  | { type: 'answered'; answer: KeptAnswer }
  | { type: 'running'; retryAfterSeconds: number }
  | { type: 'other-request' };

/** An answer is kept for so long. */
const keptHours = 24;
/** Whoever holds a key for longer has died over it. */
const lockSeconds = 60;

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
  return {
    async begin({ tenantId, key, sha256 }: IdempotentRequest): Promise<Begun> {
      const predictionId = newId('prediction');
      return database.forTenant(tenantId).transaction(async (tx): Promise<Begun> => {
        await tx.$executeRaw`DELETE FROM idempotency_answers WHERE tenant_id = ${tenantId} AND expires_at < now()`;
        const inserted = await tx.$executeRaw`
          INSERT INTO idempotency_answers (tenant_id, key, request_sha256, prediction_id, locked_until, expires_at)
          VALUES (${tenantId}, ${key}, ${sha256}, ${predictionId}, now() + make_interval(secs => ${lockSeconds}), now() + make_interval(hours => ${keptHours}))
          ON CONFLICT DO NOTHING`;
        if (inserted) return { type: 'begun', predictionId };
        const [row] = await tx.$queryRaw<Row[]>`
          SELECT request_sha256 AS sha256, prediction_id AS "predictionId", headers, body, locked_until > clock_timestamp() AS "isLocked",
            extract(epoch FROM locked_until - clock_timestamp())::float8 AS "lockedForSeconds"
          FROM idempotency_answers WHERE tenant_id = ${tenantId} AND key = ${key} FOR UPDATE`;
        if (!row) return { type: 'running', retryAfterSeconds: 1 }; // it was just given up
        if (row.sha256 !== sha256) return { type: 'other-request' };
        if (row.body !== null && row.headers !== null) return { type: 'answered', answer: { headers: row.headers, body: row.body } };
        if (row.isLocked) return { type: 'running', retryAfterSeconds: 1 };
        await tx.$executeRaw`
          UPDATE idempotency_answers SET locked_until = clock_timestamp() + make_interval(secs => ${lockSeconds}) WHERE tenant_id = ${tenantId} AND key = ${key}`;
        return { type: 'begun', predictionId: row.predictionId };
      });
    },

    async keep({ tenantId, key }: IdempotentRequest, { headers, body }: KeptAnswer): Promise<void> {
      await database.forTenant(tenantId).transaction(
        (tx) => tx.$executeRaw`UPDATE idempotency_answers SET headers = ${JSON.stringify(headers)}::jsonb, body = ${body} WHERE tenant_id = ${tenantId} AND key = ${key}`,
      );
    },

    /** For a request that was refused: nothing came of it, and it may be sent again. */
    async giveUp({ tenantId, key }: IdempotentRequest): Promise<void> {
      await database.forTenant(tenantId).transaction(
        (tx) => tx.$executeRaw`DELETE FROM idempotency_answers WHERE tenant_id = ${tenantId} AND key = ${key} AND body IS NULL`,
      );
    },
  };
}
