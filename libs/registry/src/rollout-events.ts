import { notify, type TenantTx } from '@millrace/database';
import { newId } from '@millrace/kernel';
import { viewEndedRollout } from './rollout-view.ts';

/**
 * Enters the end of a rollout for delivery to the address that its endpoint has, in the transaction that ends it; nothing where it has none. What is told is
 * kept with it, word for word: the versions that it is about may be deleted before the receiver is back.
 */
export async function enterRolloutEvent(tx: TenantTx, tenantId: string, rolloutId: string): Promise<void> {
  const view = await viewEndedRollout(tx, tenantId, rolloutId);
  if (!view) throw new Error(`the rollout ${rolloutId} has not ended`);
  const entered = await tx.$executeRaw`
    INSERT INTO webhook_deliveries (id, tenant_id, rollout_id, endpoint_id, event, receiver, url_box, body)
    SELECT ${newId('webhookDelivery')}, r.tenant_id, r.id, e.id, ${view.type}, e.webhook_receiver, e.webhook_box, ${JSON.stringify(view)}
    FROM rollouts r JOIN endpoints e ON e.tenant_id = r.tenant_id AND e.id = r.endpoint_id
    WHERE r.tenant_id = ${tenantId} AND r.id = ${rolloutId} AND e.webhook_box IS NOT NULL
    ON CONFLICT DO NOTHING`;
  if (entered) await notify(tx, 'millrace_prediction', tenantId); // wakes whoever delivers
}
