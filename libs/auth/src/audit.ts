import type { Prisma, SystemTx, TenantTx } from '@millrace/database';
import { AsyncScope, newId } from '@millrace/kernel';
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

/** One thing that a caller asks for, from the edge to the last line of its verb. */
export interface Undertaking {
  /** stands in every line that does not name one of its own */
  origin: Origin;
  /** lines of the trail that were written on the way, in transactions that may have been undone */
  written: { id: string; tenantId: string }[];
}

const undertakings = new AsyncScope<Undertaking>();

/** All lines that `work` writes, however deep, are noted in the undertaking. */
export function undertake<T>(undertaking: Undertaking, work: () => Promise<T>): Promise<T> {
  return undertakings.run(undertaking, work);
}

/**
 * Writes a line of the audit trail in the transaction of its effect: neither is there without the other. The database
 * links it into the tenant's hash chain as that transaction commits. A verb writes one line in each trail that it
 * concerns: what else it did stands in `details`.
 */
export async function recordAudit(tx: TenantTx | SystemTx, actor: Actor | SystemActor, entry: AuditEntry): Promise<void> {
  const undertaking = undertakings.get();
  const { requestId, address, userAgent } = { ...undertaking?.origin, ...givenOf(actor) };
  const id = newId('auditEvent');
  const tenantId = entry.tenantId ?? actor.tenantId;
  // createMany returns nothing: the system role may write the trail but not read it.
  await (tx as TenantTx).auditEvent.createMany({
    data: [
      {
        id,
        tenantId,
        actor: actor.type === 'system' ? 'system' : actorName(actor),
        action: entry.action,
        subject: entry.subject ?? null,
        result: entry.result ?? 'ok',
        requestId: requestId ?? null,
        address: address ?? null,
        userAgent: userAgent?.slice(0, 200) ?? null,
        ...(entry.details ? { details: entry.details } : {}),
      },
    ],
  });
  undertaking?.written.push({ id, tenantId });
}

function givenOf({ requestId, address, userAgent }: Origin): Origin {
  return { ...(requestId ? { requestId } : {}), ...(address ? { address } : {}), ...(userAgent ? { userAgent } : {}) };
}
