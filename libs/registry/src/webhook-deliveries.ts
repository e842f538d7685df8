import { randomUUID } from 'node:crypto';
import { recordAudit, type TenantBox } from '@millrace/auth';
import type { Database } from '@millrace/database';
import { createLookout, DomainError, type Logger } from '@millrace/kernel';
import { boxOf } from './endpoint-webhooks.ts';
import { createPredictionQueue } from './prediction-queue.ts';
import { viewAtEvent } from './prediction-view.ts';
import type { WebhookEvent } from './webhook-events.ts';
import type { WebhookSecrets } from './webhook-secrets.ts';
import { signatureHeaders } from './webhook-signature.ts';

export interface WebhookDeliveriesOptions {
  database: Database;
  box: TenantBox;
  secrets: Pick<WebhookSecrets, 'inForce'>;
  /** guarded: calls nothing inside, follows no redirect, gives up in time */
  fetch(url: string, init: RequestInit): Promise<Response>;
  logger: Logger;
  /** seconds from each try to the next */
  schedule?: readonly number[];
  /** a receiver that has failed for so long is paused */
  patienceSeconds?: number;
  leaseSeconds?: number;
}

/** From five seconds to a day: 12 tries in two days and a half. */
const webhookSchedule = [5, 30, 120, 600, 1800, 3600, 10_800, 21_600, 43_200, 64_800, 86_400] as const;
/** Of the time to the next try, so much more or less, so that what failed together does not come again together. */
const jitter = 0.2;
/** Deliveries under way in this process, and to one receiver from all processes. */
const mostAtOnce = 32;
const mostToOne = 2;
/** While it is paused, a receiver gets one try in so long. */
const pauseSeconds = 3600;

interface Held {
  tenantId: string;
  id: string;
  token: string;
  /** null where the event is of a rollout, and kept with it */
  predictionId: string | null;
  event: string;
  receiver: string;
  attempt: number;
}

/** What is sent, and where to. */
interface Message {
  url: string;
  body: string;
}

/** The HTTP status of an answer, whose body nobody looks at; or why there was none. */
type Answer = { status: number; error: null } | { status: null; error: string };

export type WebhookDeliveries = ReturnType<typeof createWebhookDeliveries>;

/**
 * Delivers events of predictions and rollouts, each until it was received or has been tried for days, at least once: a try over which its
 * process dies is made again, under the same id. A receiver that is slow holds up its own only, and a tenant whose receivers all are slow itself only.
 */
export function createWebhookDeliveries(options: WebhookDeliveriesOptions) {
  const { database, box, secrets, fetch, logger, schedule = webhookSchedule, patienceSeconds = 86_400, leaseSeconds = 30 } = options;
  const queue = createPredictionQueue({ database, box });
  /** each with its tenant */
  const underWay = new Map<Promise<void>, string>();
  const lastServed = new Map<string, number>();
  let turn = 0;
  let isClosed = false;
  const lookout = createLookout({
    look: advance,
    failed: (error) => logger.warn({ error: String(error) }, 'events for webhooks were not looked for; tried again later'),
  });
  let timer: NodeJS.Timeout | undefined;
  let stopListening: () => void = () => undefined;

  async function claim(tenantId: string, receiver: string): Promise<Held | null> {
    const token = randomUUID();
    const [row] = await database.forTenant(tenantId).transaction(async (tx) => {
      // One that claims for a receiver at a time, so that they are counted together.
      await tx.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`webhook ${tenantId} ${receiver}`}, 0))::text`;
      return tx.$queryRaw<Omit<Held, 'tenantId' | 'token' | 'receiver'>[]>`
        WITH next AS MATERIALIZED (
          SELECT id FROM webhook_deliveries
          WHERE tenant_id = ${tenantId} AND receiver = ${receiver} AND ended_at IS NULL AND next_at <= now() AND (lease_until IS NULL OR lease_until < now())
            AND (SELECT count(*) FROM webhook_deliveries d WHERE d.tenant_id = ${tenantId} AND d.receiver = ${receiver} AND d.ended_at IS NULL AND d.lease_until >= now()) < ${mostToOne}
            AND NOT EXISTS (SELECT 1 FROM webhook_receivers r WHERE r.tenant_id = ${tenantId} AND r.receiver = ${receiver} AND r.paused_until > now())
          ORDER BY next_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
        UPDATE webhook_deliveries d SET attempt = d.attempt + 1, lease_token = ${token}::uuid, lease_until = now() + make_interval(secs => ${leaseSeconds})
        FROM next WHERE d.tenant_id = ${tenantId} AND d.id = next.id
        RETURNING d.id, d.prediction_id AS "predictionId", d.event, d.attempt`;
    });
    return row ? { tenantId, receiver, token, ...row } : null;
  }

  async function deliver(held: Held): Promise<void> {
    const { status, error } = await attempt(held).catch((cause: unknown): Answer => {
      logger.warn({ deliveryId: held.id, tenantId: held.tenantId, error: String(cause) }, 'an event could not be sent');
      return { status: null, error: 'It could not be sent, for a reason on this side.' };
    });
    const isReceived = status !== null && status >= 200 && status < 300;
    const isLast = status === 410 || held.attempt > schedule.length;
    const delay = (schedule[held.attempt - 1] ?? 0) * (1 + jitter * (2 * Math.random() - 1));
    const { tenantId, id, token, receiver } = held;
    await database.forTenant(tenantId).transaction(async (tx) => {
      await tx.$executeRaw`
        UPDATE webhook_deliveries SET lease_token = NULL, lease_until = NULL, last_status = ${status}::int, last_error = ${error},
          status = ${isReceived ? 'DELIVERED' : isLast ? 'FAILED' : 'PENDING'}::webhook_delivery_status,
          ended_at = CASE WHEN ${isReceived || isLast} THEN now() END, next_at = now() + make_interval(secs => ${delay})
        WHERE tenant_id = ${tenantId} AND id = ${id} AND lease_token = ${token}::uuid`;
      if (isReceived) return tx.$executeRaw`DELETE FROM webhook_receivers WHERE tenant_id = ${tenantId} AND receiver = ${receiver}`;
      const [before] = await tx.$queryRaw<{ isPaused: boolean }[]>`
        INSERT INTO webhook_receivers AS r (tenant_id, receiver) VALUES (${tenantId}, ${receiver})
        ON CONFLICT (tenant_id, receiver) DO UPDATE SET failing_since = r.failing_since RETURNING paused_until IS NOT NULL AS "isPaused"`;
      const paused = await tx.$executeRaw`
        UPDATE webhook_receivers SET paused_until = now() + make_interval(secs => ${pauseSeconds})
        WHERE tenant_id = ${tenantId} AND receiver = ${receiver} AND failing_since <= now() - make_interval(secs => ${patienceSeconds})`;
      // Once, for its people to see: every later try that fails prolongs it quietly.
      if (paused && !before?.isPaused) await recordAudit(tx, { type: 'system', tenantId }, { action: 'webhook.pause', subject: receiver, result: 'ok' });
      return undefined;
    });
  }

  async function readPrediction(tenantId: string, id: string, event: string): Promise<Message | null> {
    const opened = await queue.find(tenantId, id);
    return opened?.request.webhook ? { url: opened.request.webhook.url, body: JSON.stringify(viewAtEvent(opened, event as WebhookEvent)) } : null;
  }

  async function readRolloutEvent(tenantId: string, id: string): Promise<Message | null> {
    const kept = await database.forTenant(tenantId).transaction((tx) => tx.webhookDelivery.findUnique({ where: { tenantId_id: { tenantId, id } }, select: { endpointId: true, urlBox: true, body: true } }));
    const { endpointId, urlBox, body } = kept ?? {};
    return endpointId != null && urlBox && body != null ? { url: await box.open(tenantId, boxOf(endpointId), urlBox), body } : null;
  }

  async function attempt({ tenantId, id, predictionId, event }: Held): Promise<Answer> {
    const message = predictionId !== null ? await readPrediction(tenantId, predictionId, event) : await readRolloutEvent(tenantId, id);
    if (!message) return { status: null, error: 'What it tells of is gone.' };
    const { url, body } = message;
    const inForce = await secrets.inForce(tenantId);
    const headers = { 'content-type': 'application/json', ...signatureHeaders({ id, timestamp: Math.floor(Date.now() / 1000), body }, inForce) };
    try {
      return { status: (await fetch(url, { method: 'POST', headers, body })).status, error: null };
    } catch (error) {
      // The guard has said in the log why, and says here what whoever gave the address may read.
      return { status: null, error: error instanceof DomainError ? error.message : 'There was no answer.' };
    }
  }

  /** Receivers that may be given something now, by tenant: those with least in hand first, then by how long they wait. The first of each tenant come before anybody's second. */
  async function due(): Promise<Map<string, string[]>> {
    const rows = await database.system().transaction(
      (tx) => tx.$queryRaw<{ tenantId: string; receiver: string }[]>`
        SELECT tenant_id AS "tenantId", receiver FROM (
          SELECT *, row_number() OVER (PARTITION BY tenant_id ORDER BY held, since, receiver) AS place FROM (
            SELECT d.tenant_id, d.receiver, count(*) FILTER (WHERE d.lease_until >= now()) AS held,
              min(d.next_at) FILTER (WHERE d.lease_until IS NULL OR d.lease_until < now()) AS since
            FROM webhook_deliveries d JOIN tenants t ON t.id = d.tenant_id AND t.status = 'ACTIVE'
            WHERE d.ended_at IS NULL AND d.next_at <= now()
              AND NOT EXISTS (SELECT 1 FROM webhook_receivers r WHERE r.tenant_id = d.tenant_id AND r.receiver = d.receiver AND r.paused_until > now())
            GROUP BY 1, 2) w
          WHERE held < ${mostToOne} AND since IS NOT NULL) p
        WHERE place <= ${mostAtOnce} ORDER BY place, since LIMIT 500`,
    );
    const byTenant = new Map<string, string[]>();
    for (const { tenantId, receiver } of rows) byTenant.set(tenantId, [...(byTenant.get(tenantId) ?? []), receiver]);
    return byTenant;
  }

  /** Whoever has least under way, if it may have more: no more than is still free, so that whoever comes next finds room. */
  function nextOf(tenantIds: Iterable<string>): string | undefined {
    const inHand = (tenantId: string): number => [...underWay.values()].filter((each) => each === tenantId).length;
    const served = (tenantId: string): number => lastServed.get(tenantId) ?? 0;
    const [first] = [...tenantIds].map((tenantId) => ({ tenantId, count: inHand(tenantId) })).sort((a, b) => a.count - b.count || served(a.tenantId) - served(b.tenantId));
    return first && first.count < mostAtOnce - underWay.size ? first.tenantId : undefined;
  }

  /** Begins every delivery that is due, as far as there is room; returns whether any was. */
  async function advance(): Promise<boolean> {
    let hasBegun = false;
    const waiting = await due();
    for (let tenantId = nextOf(waiting.keys()); tenantId !== undefined && !isClosed; tenantId = nextOf(waiting.keys())) {
      const receivers = waiting.get(tenantId)!;
      const receiver = receivers.shift()!;
      if (!receivers.length) waiting.delete(tenantId);
      const held = await claim(tenantId, receiver);
      if (!held) continue;
      hasBegun = true;
      const delivering = deliver(held)
        .catch((error: unknown) => logger.warn({ deliveryId: held.id, error: String(error) }, 'the end of a delivery was not noted; it is tried again when its lease is over'))
        .finally(() => {
          underWay.delete(delivering);
          if (timer) lookout.ask(); // its receiver may have more
        });
      underWay.set(delivering, tenantId);
      if (lastServed.size > 10_000) lastServed.clear();
      lastServed.set(tenantId, ++turn);
    }
    return hasBegun;
  }

  return {
    /** One pass, for whoever has no use for the loop. Any number of processes may do this at once. */
    advance,

    /** Delivers what is due from now on, by itself. */
    async start(everyMs = 1_000): Promise<void> {
      stopListening = await database.listen('millrace_prediction', lookout.ask);
      timer = setInterval(lookout.ask, everyMs).unref();
    },

    /** Resolves when what is under way has ended. */
    async settled(): Promise<void> {
      await Promise.all(underWay.keys());
    },

    /** Begins nothing more, and waits for what is under way. */
    async close(): Promise<void> {
      isClosed = true;
      clearInterval(timer);
      stopListening();
      await lookout.close();
      await Promise.all(underWay.keys());
    },
  };
}
