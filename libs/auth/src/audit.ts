import type { Prisma, SystemTx, TenantTx } from '@millrace/database';
import { newId } from '@millrace/kernel';
import { type Actor, actorName } from './actor.ts';

export interface AuditEntry {
  /** the domain verb, such as `run.submit` */
  action: string;
  /** the id of what was acted on */
  subject?: string;
  /** `ok` (default) or the code of the refusal */
  result?: string;
  /** no secrets, no rows of data */
  details?: Prisma.InputJsonObject;
}

/** Writes a line of the audit trail in the transaction of its effect: neither is there without the other. */
export async function recordAudit(tx: TenantTx | SystemTx, actor: Actor | { type: 'system'; tenantId: string }, entry: AuditEntry): Promise<void> {
  // createMany returns nothing: the system role may write the trail but not read it.
  await (tx as TenantTx).auditEvent.createMany({
    data: [
      {
        id: newId('auditEvent'),
        tenantId: actor.tenantId,
        actor: actor.type === 'system' ? 'system' : actorName(actor),
        action: entry.action,
        subject: entry.subject ?? null,
        result: entry.result ?? 'ok',
        requestId: actor.type === 'system' ? null : (actor.requestId ?? null),
        ...(entry.details ? { details: entry.details } : {}),
      },
    ],
  });
}
