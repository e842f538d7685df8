import { type Actor, recordAudit, requirePermission } from '@millrace/auth';
import { type Database, notify } from '@millrace/database';

export type WebhookRepeats = ReturnType<typeof createWebhookRepeats>;

/** What people do with deliveries beside waiting: an event once more, and a receiver that is back. */
export function createWebhookRepeats({ database }: { database: Database }) {
  return {
    /**
     * Sends an event again, whatever became of it, under the same id: at once, or when its receiver is paused no more. One that
     * was given up gets one try. False where there is none.
     */
    async resend(actor: Actor, deliveryId: string): Promise<boolean> {
      requirePermission(actor, 'key:write');
      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx) => {
        const found = await tx.$executeRaw`
          UPDATE webhook_deliveries SET status = 'PENDING', ended_at = NULL, next_at = now() WHERE tenant_id = ${tenantId} AND id = ${deliveryId}`;
        if (!found) return false;
        await recordAudit(tx, actor, { action: 'webhook.resend', subject: deliveryId });
        await notify(tx, 'millrace_prediction', tenantId);
        return true;
      });
    },

    /**
     * Tries all that waits for a receiver now, though it was paused. If it fails again it is paused again. Null where it is none
     * whose last delivery failed. @returns how many wait
     */
    async resume(actor: Actor, receiver: string): Promise<number | null> {
      requirePermission(actor, 'key:write');
      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx) => {
        // Not forgotten: only a delivery that succeeds says that it is well.
        const found = await tx.$executeRaw`
          UPDATE webhook_receivers SET paused_until = CASE WHEN paused_until IS NOT NULL THEN now() END WHERE tenant_id = ${tenantId} AND receiver = ${receiver}`;
        if (!found) return null;
        const waiting = await tx.$executeRaw`
          UPDATE webhook_deliveries SET next_at = now() WHERE tenant_id = ${tenantId} AND receiver = ${receiver} AND ended_at IS NULL AND next_at > now()`;
        await recordAudit(tx, actor, { action: 'webhook.resume', subject: receiver, details: { waiting } });
        await notify(tx, 'millrace_prediction', tenantId);
        return waiting;
      });
    },
  };
}
