import { randomUUID } from 'node:crypto';
import { type Actor, actorName, type TenantBox } from '@millrace/auth';
import { type AsyncPrediction, type Database, notify, Prisma, type TenantTx } from '@millrace/database';
import { isId, type Logger } from '@millrace/kernel';
import { enterPrediction, type PredictionUsage } from '@millrace/quota';
import { sweepTenants } from './sweep-tenants.ts';
import { enterEvents, type WebhookEvent } from './webhook-events.ts';

export type PredictionState = AsyncPrediction['status'];

/** What somebody asked for, as it lies sealed in the queue. */
export interface PredictionRequest {
  input: unknown;
  webhook?: { url: string; events: readonly WebhookEvent[] };
  /** where the caller reached the server: its links lead there */
  origin: string;
}

export interface NewPrediction {
  id: string;
  actor: Actor;
  endpointName: string;
  versionNumber: number | null;
  request: PredictionRequest;
}

/** Why it failed, in the words and with the code that the answer of a prediction would have had. */
export type PredictionFault = { code: string; message: string } & Record<string, unknown>;

/** A prediction as whoever asked for it sees it. */
export interface OpenedPrediction {
  row: AsyncPrediction;
  request: PredictionRequest;
  output: unknown;
  error: PredictionFault | null;
  /** what the model took but had not seen in training */
  warnings: readonly PredictionWarning[];
}

/** Of a value that the model took but had not seen in training: row, input, a stable code, and what it is. */
export interface PredictionWarning {
  row: number;
  field: string;
  code: string;
  message: string;
}

/** A prediction in the hands of a process. Every write names the token: who has lost the lease can write no more. */
export interface ClaimedPrediction {
  tenantId: string;
  id: string;
  token: string;
  attempt: number;
  caller: Actor;
  endpointName: string;
  versionNumber: number | null;
  request: PredictionRequest;
}

export interface QueueLimits {
  /** of a tenant, that wait or are in hand */
  mostOpen: number;
  /** of their inputs together */
  mostOpenBytes: number;
}

export type AcceptOutcome = { type: 'accepted' } | { type: 'no-secret' } | { type: 'full'; measure: 'predictions' | 'bytes'; most: number; open: number };

export interface PredictionQueueOptions {
  database: Database;
  box: TenantBox;
  limits?: QueueLimits;
  /** whoever holds a prediction and is silent for longer has died */
  leaseMs?: number;
}

export const defaultQueueLimits: QueueLimits = { mostOpen: 1000, mostOpenBytes: 256 * 1024 ** 2 };
/** Over which so many processes died is not tried again. */
export const mostAttempts = 3;
const sweptAtOnce = 500;

const interrupted: PredictionFault = {
  code: 'interrupted',
  message: `The servers that made this prediction died over it ${mostAttempts} times.`,
  remedy_hint: 'Send it again with fewer rows; if it stays, give your administrator its id.',
};

export type PredictionQueue = ReturnType<typeof createPredictionQueue>;

/**
 * Predictions that are made later. Accepted is what has been committed: it comes to exactly one end, whatever dies meanwhile,
 * and a success enters the ledger in the transaction that ends it, under its own id.
 */
export function createPredictionQueue({ database, box, limits = defaultQueueLimits, leaseMs = 30_000 }: PredictionQueueOptions) {
  const leaseSeconds = leaseMs / 1000;

  async function openRow(row: AsyncPrediction): Promise<OpenedPrediction> {
    const { tenantId, id } = row;
    const request = JSON.parse(await box.open(tenantId, `input ${id}`, row.inputBox)) as PredictionRequest;
    const result = row.resultBox ? (JSON.parse(await box.open(tenantId, `result ${id}`, row.resultBox)) as { output?: unknown; error?: PredictionFault; warnings?: PredictionWarning[] }) : {};
    return { row, request, output: result.output ?? null, error: result.error ?? (row.errorCode === interrupted.code ? interrupted : null), warnings: result.warnings ?? [] };
  }

  async function tell(tx: TenantTx, row: Pick<AsyncPrediction, 'tenantId' | 'id' | 'webhookEvents'>, event: 'start' | 'end'): Promise<void> {
    if (row.webhookEvents.length) await enterEvents(tx, row.tenantId, row.id, event === 'start' ? ['start'] : ['output', 'completed']);
    await notify(tx, 'millrace_prediction', `${row.tenantId}:${row.id}`);
  }

  /** Ends a prediction that is still held, in one transaction; false when it is not. */
  async function end({ tenantId, id, token }: ClaimedPrediction, result: object, changes: Prisma.Sql, also?: (tx: TenantTx) => Promise<void>): Promise<boolean> {
    const sealed = await box.seal(tenantId, `result ${id}`, JSON.stringify(result));
    return database.forTenant(tenantId).transaction(async (tx) => {
      const [row] = await tx.$queryRaw<{ webhookEvents: string[] }[]>`
        UPDATE async_predictions SET result_box = ${sealed}, completed_at = now(), lease_token = NULL, lease_until = NULL, ${changes}
        WHERE tenant_id = ${tenantId} AND id = ${id} AND status = 'PROCESSING' AND lease_token = ${token}::uuid RETURNING webhook_events AS "webhookEvents"`;
      if (!row) return false;
      await also?.(tx);
      await tell(tx, { tenantId, id, ...row }, 'end');
      return true;
    });
  }

  /** A batch of a tenant's: what still has something to deliver stays, and what another process is at. @returns how many */
  async function removeEnded(tenantId: string, keptHours: number): Promise<number> {
    return database.forTenant(tenantId).transaction(
      (tx) => tx.$executeRaw`
        DELETE FROM async_predictions WHERE tenant_id = ${tenantId} AND id = ANY (ARRAY (
          SELECT id FROM async_predictions p WHERE tenant_id = ${tenantId} AND completed_at < now() - make_interval(hours => ${keptHours}::int)
            AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.tenant_id = ${tenantId} AND d.prediction_id = p.id AND d.ended_at IS NULL)
          ORDER BY completed_at LIMIT ${sweptAtOnce} FOR UPDATE SKIP LOCKED))`,
    );
  }

  return {
    /** Takes a prediction in, unless too many of the tenant's wait. Taking the same one in again does nothing. */
    async accept({ id, actor, endpointName, versionNumber, request }: NewPrediction): Promise<AcceptOutcome> {
      const { tenantId } = actor;
      const text = JSON.stringify(request);
      const bytes = Buffer.byteLength(text);
      const sealed = await box.seal(tenantId, `input ${id}`, text);
      const caller = JSON.stringify(withoutOrigin(actor));
      return database.forTenant(tenantId).transaction(async (tx): Promise<AcceptOutcome> => {
        await tx.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`predictions ${tenantId}`}, 0))::text`;
        const [open] = await tx.$queryRaw<[{ count: number; bytes: number }]>`
          SELECT count(*)::int AS count, coalesce(sum(input_bytes), 0)::float8 AS bytes FROM async_predictions
          WHERE tenant_id = ${tenantId} AND completed_at IS NULL AND id <> ${id}`;
        if (open.count >= limits.mostOpen) return { type: 'full', measure: 'predictions', most: limits.mostOpen, open: open.count };
        if (open.bytes + bytes > limits.mostOpenBytes) return { type: 'full', measure: 'bytes', most: limits.mostOpenBytes, open: open.bytes };
        if (request.webhook && !(await tx.webhookSecret.findFirst({ where: { tenantId, endsAt: null }, select: { id: true } }))) return { type: 'no-secret' };
        await tx.$executeRaw`
          INSERT INTO async_predictions (id, tenant_id, actor, caller, endpoint_name, version_number, input_box, input_bytes, webhook_events, webhook_receiver)
          VALUES (${id}, ${tenantId}, ${actorName(actor)}, ${caller}::jsonb, ${endpointName}, ${versionNumber}, ${sealed}, ${bytes}, ${[...(request.webhook?.events ?? [])]}::text[],
            ${request.webhook ? new URL(request.webhook.url).origin : null})
          ON CONFLICT (id) DO NOTHING`;
        await notify(tx, 'millrace_prediction', `${tenantId}:${id}`);
        return { type: 'accepted' };
      });
    },

    async find(tenantId: string, id: string): Promise<OpenedPrediction | null> {
      if (!isId('prediction', id)) return null;
      const row = await database.forTenant(tenantId).transaction((tx) => tx.asyncPrediction.findUnique({ where: { tenantId_id: { tenantId, id } } }));
      return row && openRow(row);
    },

    /** Whether it has come to its end, without opening it; null when there is none. */
    async hasEnded(tenantId: string, id: string): Promise<boolean | null> {
      const row = await database.forTenant(tenantId).transaction((tx) => tx.asyncPrediction.findUnique({ where: { tenantId_id: { tenantId, id } }, select: { completedAt: true } }));
      return row && row.completedAt !== null;
    },

    /** Ends what has not ended by itself; false where there is nothing to end. What is in hand is dropped, and not billed. */
    async cancel(tenantId: string, id: string, also?: (tx: TenantTx) => Promise<void>): Promise<boolean> {
      return database.forTenant(tenantId).transaction(async (tx) => {
        const [row] = await tx.$queryRaw<{ webhookEvents: string[] }[]>`
          UPDATE async_predictions SET status = 'CANCELED', completed_at = now(), lease_token = NULL, lease_until = NULL
          WHERE tenant_id = ${tenantId} AND id = ${id} AND completed_at IS NULL RETURNING webhook_events AS "webhookEvents"`;
        if (!row) return false;
        await also?.(tx);
        await tell(tx, { tenantId, id, ...row }, 'end');
        return true;
      });
    },

    /** Tenants with something to do, and how much of theirs is in hand anywhere. */
    async tenantsWaiting(): Promise<{ tenantId: string; held: number }[]> {
      return database.system().transaction(
        (tx) => tx.$queryRaw<{ tenantId: string; held: number }[]>`
          WITH RECURSIVE open AS ( -- one step a tenant, however many of its predictions wait
            (SELECT tenant_id FROM async_predictions WHERE completed_at IS NULL ORDER BY tenant_id LIMIT 1)
            UNION ALL
            SELECT (SELECT p.tenant_id FROM async_predictions p WHERE p.completed_at IS NULL AND p.tenant_id > open.tenant_id ORDER BY p.tenant_id LIMIT 1)
            FROM open WHERE open.tenant_id IS NOT NULL)
          SELECT o.tenant_id AS "tenantId", c.held::int AS held FROM open o JOIN tenants t ON t.id = o.tenant_id AND t.status = 'ACTIVE'
          CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE p.lease_until >= now()) AS held,
              count(*) FILTER (WHERE (p.status = 'STARTING' AND p.run_after <= now()) OR p.lease_until < now()) AS waiting
            FROM async_predictions p WHERE p.tenant_id = o.tenant_id AND p.completed_at IS NULL) c
          WHERE c.waiting > 0`,
      );
    },

    /** Hands out the tenant's next, or null. One whose process has died is handed out again. */
    async claim(tenantId: string): Promise<ClaimedPrediction | null> {
      for (;;) {
        const token = randomUUID();
        const row = await database.forTenant(tenantId).transaction(async (tx) => {
          const [claimed] = await tx.$queryRaw<{ id: string; isLost: boolean; isFirst: boolean; webhookEvents: string[] }[]>`
            WITH next AS MATERIALIZED ( -- a plain sub-query may be run once for each row of the join, and claim more than one
              SELECT id, started_at IS NULL AS is_first FROM async_predictions
              WHERE tenant_id = ${tenantId} AND completed_at IS NULL AND ((status = 'STARTING' AND run_after <= now()) OR lease_until < now())
              ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
            UPDATE async_predictions p SET
              status = CASE WHEN p.attempt >= ${mostAttempts} THEN 'FAILED' ELSE 'PROCESSING' END::prediction_status,
              completed_at = CASE WHEN p.attempt >= ${mostAttempts} THEN now() END,
              error_code = CASE WHEN p.attempt >= ${mostAttempts} THEN ${interrupted.code} END,
              lease_token = CASE WHEN p.attempt < ${mostAttempts} THEN ${token}::uuid END,
              lease_until = CASE WHEN p.attempt < ${mostAttempts} THEN now() + make_interval(secs => ${leaseSeconds}) END,
              attempt = p.attempt + 1, started_at = coalesce(p.started_at, now())
            FROM next WHERE p.tenant_id = ${tenantId} AND p.id = next.id
            RETURNING p.id, p.completed_at IS NOT NULL AS "isLost", next.is_first AS "isFirst", p.webhook_events AS "webhookEvents"`;
          if (!claimed) return null;
          if (claimed.isLost) {
            await tell(tx, { tenantId, ...claimed }, 'end');
            return 'lost' as const;
          }
          if (claimed.isFirst && claimed.webhookEvents.includes('start')) await tell(tx, { tenantId, ...claimed }, 'start');
          return tx.asyncPrediction.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id: claimed.id } } });
        });
        if (row === 'lost') continue;
        if (!row) return null;
        const { request } = await openRow(row);
        const { id, attempt, endpointName, versionNumber } = row;
        return { tenantId, id, token, attempt, caller: row.caller as unknown as Actor, endpointName, versionNumber, request };
      }
    },

    /** Prolongs leases; returns those that are held no more: canceled, or somebody else's by now. */
    async extend(held: readonly ClaimedPrediction[]): Promise<ClaimedPrediction[]> {
      const lost: ClaimedPrediction[] = [];
      for (const tenantId of new Set(held.map((each) => each.tenantId))) {
        const ofTenant = held.filter((each) => each.tenantId === tenantId);
        const kept = await database.forTenant(tenantId).transaction(
          (tx) => tx.$queryRaw<{ token: string }[]>`
            UPDATE async_predictions SET lease_until = now() + make_interval(secs => ${leaseSeconds})
            WHERE tenant_id = ${tenantId} AND completed_at IS NULL AND lease_token = ANY (${ofTenant.map(({ token }) => token)}::uuid[]) RETURNING lease_token::text AS token`,
        );
        const tokens = new Set(kept.map(({ token }) => token));
        lost.push(...ofTenant.filter(({ token }) => !tokens.has(token)));
      }
      return lost;
    },

    /** Ends it with its output and bills it, both or neither; false when it is held no more. */
    succeed(held: ClaimedPrediction, made: { output: unknown; versionNumber: number; predictMs: number; usage: PredictionUsage; warnings?: readonly PredictionWarning[] }): Promise<boolean> {
      const changes = Prisma.sql`status = 'SUCCEEDED', answered_by = ${made.versionNumber}, predict_ms = ${made.predictMs}`;
      const { output, warnings = [] } = made;
      return end(held, { output, ...(warnings.length > 0 && { warnings }) }, changes, (tx) => enterPrediction(tx, made.usage));
    },

    fail(held: ClaimedPrediction, error: PredictionFault): Promise<boolean> {
      return end(held, { error }, Prisma.sql`status = 'FAILED', error_code = ${error.code}`);
    },

    /** Lets it wait again. @param countsAsAttempt whether it was begun at all: false where the process merely ends, or a rate has no room @returns whether it was still this one's to put back */
    async putBack({ tenantId, id, token }: ClaimedPrediction, afterSeconds: number, countsAsAttempt: boolean): Promise<boolean> {
      return database.forTenant(tenantId).transaction(async (tx) => {
        const count = await tx.$executeRaw`
          UPDATE async_predictions SET status = 'STARTING', lease_token = NULL, lease_until = NULL, run_after = now() + make_interval(secs => ${afterSeconds}),
            attempt = attempt - ${countsAsAttempt ? 0 : 1}::int
          WHERE tenant_id = ${tenantId} AND id = ${id} AND status = 'PROCESSING' AND lease_token = ${token}::uuid`;
        if (afterSeconds === 0) await notify(tx, 'millrace_prediction', `${tenantId}:${id}`);
        return count > 0;
      });
    },

    /** Removes all that ended so long ago, in batches. A tenant of which it fails holds up no other, and is swept the next time. */
    sweep(keptHours: number, logger: Logger): Promise<void> {
      const where = Prisma.sql`r.completed_at < now() - make_interval(hours => ${keptHours}::int)`;
      return sweepTenants({ database, logger, table: 'async_predictions', where, failed: 'predictions of long ago were not removed; tried again later' }, async (tenantId) => {
        while ((await removeEnded(tenantId, keptHours)) === sweptAtOnce);
      });
    },
  };
}

/** Who asked, without from where: that stands in the trail. */
function withoutOrigin({ requestId: _requestId, address: _address, userAgent: _userAgent, ...actor }: Actor): object {
  return actor;
}
