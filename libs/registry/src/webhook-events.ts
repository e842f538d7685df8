import { notify, Prisma, type TenantTx } from '@millrace/database';
import { newId } from '@millrace/kernel';

/** Of what a webhook can be told. `output` comes with the whole output, so at the same time as `completed`. */
export const webhookEvents = ['start', 'output', 'completed'] as const;
export type WebhookEvent = (typeof webhookEvents)[number];

/**
 * Enters what has happened to a prediction for delivery, in the transaction in which it happens: of the events those that its
 * webhook asks for, `output` only where there is one.
 */
export async function enterEvents(tx: TenantTx, tenantId: string, predictionId: string, events: readonly WebhookEvent[]): Promise<void> {
  const ids = Prisma.join(events.map((event) => Prisma.sql`(${newId('webhookDelivery')}, ${event})`));
  await tx.$executeRaw`
    INSERT INTO webhook_deliveries (id, tenant_id, prediction_id, event, receiver)
    SELECT e.id, p.tenant_id, p.id, e.event, p.webhook_receiver FROM async_predictions p, (VALUES ${ids}) AS e (id, event)
    WHERE p.tenant_id = ${tenantId} AND p.id = ${predictionId} AND e.event = ANY (p.webhook_events) AND (e.event <> 'output' OR p.status = 'SUCCEEDED')
    ON CONFLICT DO NOTHING`;
}

export const rolloutEvents = { SUCCEEDED: 'rollout.promoted', ROLLED_BACK: 'rollout.rolled_back', CANCELLED: 'rollout.cancelled' } as const;
export type RolloutEvent = (typeof rolloutEvents)[keyof typeof rolloutEvents];

/** Enters the end of a rollout for delivery to the address that its endpoint has, in the transaction that ends it; nothing where it has none. */
export async function enterRolloutEvent(tx: TenantTx, tenantId: string, rolloutId: string, status: keyof typeof rolloutEvents): Promise<void> {
  const entered = await tx.$executeRaw`
    INSERT INTO webhook_deliveries (id, tenant_id, rollout_id, event, receiver, url_box)
    SELECT ${newId('webhookDelivery')}, r.tenant_id, r.id, ${rolloutEvents[status]}, e.webhook_receiver, e.webhook_box
    FROM rollouts r JOIN endpoints e ON e.tenant_id = r.tenant_id AND e.id = r.endpoint_id
    WHERE r.tenant_id = ${tenantId} AND r.id = ${rolloutId} AND e.webhook_box IS NOT NULL
    ON CONFLICT DO NOTHING`;
  if (entered) await notify(tx, 'millrace_prediction', tenantId); // wakes whoever delivers
}
