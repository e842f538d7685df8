import type { Prisma, SystemTx, TenantTx } from '@millrace/database';
import { newId } from '@millrace/kernel';
import { type Actor, actorName, type Origin } from './actor.ts';

export interface AuditEntry {
  /** the domain verb, such as `run.submit` */
  action: string;
  /** the id of what was acted on */
  subject?: string;
  /** `ok` (default) or the code of the refusal */
  result?: string;
  /** no secrets, no rows of data */
  details?: Prisma.InputJsonObject;
  /** whose trail it stands in, where that is not the actor's own tenant's */
  tenantId?: string;
}

/** Nobody who is signed in: the product itself, or somebody who is only about to come in. */
export interface SystemActor extends Origin {
  type: 'system';
  tenantId: string;
}

/**
 * Writes a line of the audit trail in the transaction of its effect: neither is there without the other. The database
 * links it into the tenant's hash chain as that transaction commits.
 */
export async function recordAudit(tx: TenantTx | SystemTx, actor: Actor | SystemActor, entry: AuditEntry): Promise<void> {
  // createMany returns nothing: the system role may write the trail but not read it.
  await (tx as TenantTx).auditEvent.createMany({
    data: [
      {
        id: newId('auditEvent'),
        tenantId: entry.tenantId ?? actor.tenantId,
        actor: actor.type === 'system' ? 'system' : actorName(actor),
        action: entry.action,
        subject: entry.subject ?? null,
        result: entry.result ?? 'ok',
        requestId: actor.requestId ?? null,
        address: actor.address ?? null,
        userAgent: actor.userAgent?.slice(0, 200) ?? null,
        ...(entry.details ? { details: entry.details } : {}),
      },
    ],
  });
}
