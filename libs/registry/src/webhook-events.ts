import { Prisma, type TenantTx } from '@millrace/database';
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
