import { type Actor, actorName, recordAudit, requirePermission, type TenantBox } from '@millrace/auth';
import { type Database, Prisma } from '@millrace/database';
import { newId, type Problem } from '@millrace/kernel';
import { newWebhookSecret } from './webhook-signature.ts';

/** The one before goes on signing as well for at most so long. */
const longestWebhookOverlapSeconds = 7 * 86_400;
const usualOverlapSeconds = 86_400;

export type RotateWebhookSecretOutcome = { type: 'rotated'; webhookSecretId: string; secret: string } | { type: 'invalid'; problems: Problem[] };

export type WebhookSecrets = ReturnType<typeof createWebhookSecrets>;

/** What a tenant's webhooks are signed with: shown once, at rest sealed with the tenant's key, read by nobody but who delivers. */
export function createWebhookSecrets({ database, box }: { database: Database; box: TenantBox }) {
  return {
    /** Makes a secret, the first one too. Those before it go on signing beside it until the overlap is over. */
    async rotate(actor: Actor, overlapSeconds: number = usualOverlapSeconds): Promise<RotateWebhookSecretOutcome> {
      requirePermission(actor, 'key:write');
      if (!Number.isInteger(overlapSeconds) || overlapSeconds < 0 || overlapSeconds > longestWebhookOverlapSeconds) {
        return { type: 'invalid', problems: [{ code: 'unfit', field: 'overlapSeconds', message: 'This is no overlap.', remedy: `Give 0 to ${longestWebhookOverlapSeconds} seconds.` }] };
      }
      const { tenantId } = actor;
      const [id, secret] = [newId('webhookKey'), newWebhookSecret()];
      const sealed = await box.seal(tenantId, `webhook ${id}`, secret);
      await database.forTenant(tenantId).transaction(async (tx) => {
        await tx.$executeRaw`DELETE FROM webhook_keys WHERE tenant_id = ${tenantId} AND ends_at < now()`;
        await tx.$executeRaw`
          UPDATE webhook_keys SET ends_at = least(coalesce(ends_at, 'infinity'), now() + make_interval(secs => ${overlapSeconds})) WHERE tenant_id = ${tenantId}`;
        await tx.webhookSecret.createMany({ data: [{ id, tenantId, secretSealed: new Uint8Array(sealed), createdBy: actorName(actor) }] });
        await recordAudit(tx, actor, { action: 'webhook.rotate', subject: id, details: { overlapSeconds } });
      });
      return { type: 'rotated', webhookSecretId: id, secret };
    },

    /** Those in force, the newest first: for whoever signs. */
    async inForce(tenantId: string): Promise<string[]> {
      const rows = await database.system().transaction(
        (tx) => tx.$queryRaw<{ id: string; sealed: Uint8Array }[]>(Prisma.sql`
          SELECT id, secret_sealed AS sealed FROM webhook_keys WHERE tenant_id = ${tenantId} AND (ends_at IS NULL OR ends_at > now()) ORDER BY created_at DESC, id DESC LIMIT 5`),
      );
      return Promise.all(rows.map(({ id, sealed }) => box.open(tenantId, `webhook ${id}`, sealed)));
    },
  };
}
