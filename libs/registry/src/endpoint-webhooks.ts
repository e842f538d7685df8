import { type Actor, recordAudit, requirePermission, type TenantBox } from '@millrace/auth';
import type { Database, TenantTx } from '@millrace/database';
import type { Problem } from '@millrace/kernel';
import { isWebhookUrl, longestWebhookUrl } from './webhook-url.ts';

export type SetEndpointWebhookOutcome =
  | { type: 'set'; endpointId: string }
  | { type: 'invalid'; problems: Problem[] }
  | { type: 'not-found'; field: string; message: string }
  | { type: 'no-secret' };

export type EndpointWebhooks = ReturnType<typeof createEndpointWebhooks>;

/** The address that is told how an endpoint's rollouts end. It may hold what only its owner is to know: sealed at rest, and shown to nobody again. */
export function createEndpointWebhooks({ database, box }: { database: Database; box: TenantBox }) {
  return {
    /** Null takes it away. What waits for delivery by then goes where it was to go. */
    async set(actor: Actor, endpointName: string, url: string | null): Promise<SetEndpointWebhookOutcome> {
      requirePermission(actor, 'endpoint:write');
      if (url !== null && !isWebhookUrl(url)) {
        return { type: 'invalid', problems: [{ code: 'unfit', field: 'url', message: 'This is no address that can be called.', remedy: `Give an https address of at most ${longestWebhookUrl} characters, or null for none.` }] };
      }
      const { tenantId } = actor;
      const tenant = database.forTenant(tenantId);
      const find = (tx: TenantTx) => tx.endpoint.findUnique({ where: { tenantId_name: { tenantId, name: endpointName } }, select: { id: true } });
      const found = await tenant.transaction(find);
      const sealed = found && url !== null ? await box.seal(tenantId, boxOf(found.id), url) : null;
      return tenant.transaction(async (tx): Promise<SetEndpointWebhookOutcome> => {
        const endpoint = await find(tx);
        if (!endpoint || endpoint.id !== found?.id) return { type: 'not-found', field: 'endpointName', message: 'There is no endpoint of this name.' };
        if (url !== null && !(await tx.webhookSecret.findFirst({ where: { tenantId, endsAt: null }, select: { id: true } }))) return { type: 'no-secret' };
        const receiver = url === null ? null : new URL(url).origin;
        await tx.endpoint.update({ where: { tenantId_id: { tenantId, id: endpoint.id } }, data: { webhookBox: sealed ? new Uint8Array(sealed) : null, webhookReceiver: receiver } });
        await recordAudit(tx, actor, { action: 'endpoint.webhook', subject: endpoint.id, details: { name: endpointName, receiver } });
        return { type: 'set', endpointId: endpoint.id };
      });
    },
  };
}

/** What the box of an endpoint's address is sealed as. */
export const boxOf = (endpointId: string): string => `endpoint ${endpointId}`;
