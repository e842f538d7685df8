import { Prisma } from '@millrace/database';
import { DomainError } from '@millrace/kernel';
import { type Actor, actorName, type Origin, requirePermission } from './actor.ts';
import { recordAudit, type AuditEntry, undertake, type Undertaking } from './audit.ts';
import { type ChainState, verifyChain } from './audit-chain.ts';
import { Coalescing } from './coalescing.ts';
import type { Grounds } from './grounds.ts';

/** What somebody asks for, as it is known at the edge. */
export interface Asked {
  actor: Actor | null;
  origin: Origin;
  /** the domain verb, such as `run.submit` */
  action: string;
  subject?: string;
  details?: NonNullable<AuditEntry['details']>;
}

/** How a thing ends that was asked for: `ok`, or the code by which its caller was told why not. */
export interface Results<T> {
  ofValue(value: T): string;
  ofError(error: unknown): string;
}

export interface TrailRange {
  /** from then on, inclusive */
  from?: Date;
  /** until then, exclusive */
  to?: Date;
}

/** A line of the trail with its link: enough to verify it without this server. */
export interface TrailLine {
  number: number;
  hash: string;
  /** the very text that was hashed, after the hash before */
  text: string;
  id: string;
  at: Date;
  actor: string;
  action: string;
  subject: string | null;
  result: string;
  requestId: string | null;
  address: string | null;
  userAgent: string | null;
  details: unknown;
}

type Refusal = Asked & { result: string };

const windowMs = 60_000;
const pageSize = 1_000;
/** chains that one process recomputes at a time */
const mostVerifications = 2;

/** What is written down of those who asked, and how it is read back. */
export function createTrail({ database, logger, clock, refusalsPerMinute, onRefusal }: Grounds) {
  const limits = { most: refusalsPerMinute, windowMs, clock, logger };
  const lines = new Coalescing<Refusal>({ ...limits, summarise: (last, count, since) => write(summaryOf(last, count, since)) });
  const anonymous = new Coalescing<Refusal>({ ...limits, summarise: (last, count, since) => log(last, { repeated: count, since }) });
  const noted = new WeakSet<object>();
  const verifications = new Map<string, Promise<ChainState>>();

  /** A line by itself, in an undertaking of its own. */
  async function write({ actor, origin, action, subject, result, details }: Refusal): Promise<void> {
    const { requestId: _requestId, address: _address, userAgent: _userAgent, ...who } = actor!;
    const entry = { action, result, ...(subject ? { subject } : {}), ...(details ? { details } : {}) };
    await undertake({ origin, written: [] }, () => database.forTenant(who.tenantId).transaction((tx) => recordAudit(tx, who, entry)));
  }

  /** A line for each of them would be a flood; where nobody is signed in there is no trail that it could stand in. */
  function log({ action, result, origin }: Refusal, more: object = {}): void {
    logger.info({ action, result, requestId: origin.requestId, address: origin.address, ...more }, 'refused; nobody is signed in');
  }

  /** Something was asked for in vain: nothing has changed but the trail. */
  async function leaveRefusal(refusal: Refusal): Promise<void> {
    const { actor, origin, action, result } = refusal;
    if (!actor) {
      if (await anonymous.admit(`${origin.address ?? ''} ${action}`, refusal)) log(refusal);
    } else if (await lines.admit(`${actor.tenantId} ${actorName(actor)} ${action} ${result}`, refusal)) {
      await write(refusal);
    }
  }

  /** A refusal stays one when it cannot be written down: its caller is told what is true, the log tells the rest. */
  async function leaveRefusalOrLog(refusal: Refusal): Promise<void> {
    try {
      await leaveRefusal(refusal);
    } catch (error) {
      const { actor, origin, action, subject, result } = refusal;
      const who = actor && { tenantId: actor.tenantId, actor: actorName(actor) };
      logger.error({ ...who, ...origin, action, subject, result, error: String(error) }, 'the trail could not be written');
    }
  }

  /** Lines written in a transaction that was undone are not there; a verb that only looked for something wrote none. */
  async function hasLeftALine({ written }: Undertaking): Promise<boolean> {
    for (const { tenantId, id } of written) {
      const find = database.forTenant(tenantId).transaction((tx) => tx.auditEvent.count({ where: { tenantId, id } }));
      if (await find.catch(() => 0)) return true;
    }
    return false;
  }

  async function endInVain(asked: Asked, undertaking: Undertaking, result: string): Promise<void> {
    onRefusal(asked.action, result);
    if (!(await hasLeftALine(undertaking))) await leaveRefusalOrLog({ ...asked, result });
  }

  return {
    /**
     * Does what somebody asked for, and sees to it that exactly one line is left, whatever way it ends. The verb writes it
     * in the transaction of its effect; where there was no effect, it is written here. Refusals of one actor, action and
     * result beyond so many a minute are counted and share a line.
     */
    async attempt<T>(asked: Asked, work: () => Promise<T>, { ofValue, ofError }: Results<T>): Promise<T> {
      const undertaking: Undertaking = { origin: asked.origin, written: [] };
      try {
        const value = await undertake(undertaking, work);
        const result = ofValue(value);
        if (result !== 'ok') await endInVain(asked, undertaking, result);
        else if (asked.actor && !undertaking.written.length) await write({ ...asked, result, details: { ...asked.details, changed: false } });
        return value;
      } catch (error) {
        if (typeof error === 'object' && error) noted.add(error);
        await endInVain(asked, undertaking, ofError(error));
        throw error;
      }
    },

    /** An authorisation was refused outside any attempt. The same error, met again on its way out, is not noted twice. */
    async refuse(asked: Asked, result: string, error?: object): Promise<void> {
      if (error) {
        if (noted.has(error)) return;
        noted.add(error);
      }
      onRefusal(asked.action, result);
      await leaveRefusalOrLog({ ...asked, result });
    },

    /**
     * Recomputes the tenant's hash chain. Those who ask at the same time share an answer.
     * @throws DomainError TOO_MANY_REQUESTS while others' chains are being recomputed
     */
    async verify(actor: Actor): Promise<ChainState> {
      requirePermission(actor, 'audit:read');
      const { tenantId } = actor;
      const underway = verifications.get(tenantId);
      if (underway) return underway;
      if (verifications.size >= mostVerifications) {
        throw new DomainError('TOO_MANY_REQUESTS', 'Other trails are being verified.', { remedy: 'Try again in a moment.' });
      }
      const verification = verifyChain(database.forTenant(tenantId)).finally(() => verifications.delete(tenantId));
      verifications.set(tenantId, verification);
      return verification;
    },

    /**
     * The lines of a time, oldest first, a page at a time: read only as fast as they are taken. That somebody reads the
     * trail stands in it as well, after the last line that is read.
     */
    async export(actor: Actor, range: TrailRange, format: string): Promise<AsyncGenerator<TrailLine[], void, void>> {
      requirePermission(actor, 'audit:read');
      const { tenantId } = actor;
      const tenant = database.forTenant(tenantId);
      const [from, to] = [range.from ?? null, range.to ?? null];
      const bounds = await tenant.transaction(async (tx) => {
        // No joins here and below, but a look-up for each: of a trail that has grown since it was last analysed, the planner expects a line or two, and compares each with each.
        const numbers =
          from || to
            ? Prisma.sql`
              SELECT (SELECT l.number FROM audit_links l WHERE l.tenant_id = e.tenant_id AND l.event_id = e.id) AS number FROM audit_events e
              WHERE e.tenant_id = ${tenantId} AND (${from}::timestamptz IS NULL OR e.at >= ${from}) AND (${to}::timestamptz IS NULL OR e.at < ${to}) OFFSET 0`
            : Prisma.sql`SELECT number FROM audit_links WHERE tenant_id = ${tenantId}`;
        const [found] = await tx.$queryRaw<{ first: number | null; last: number | null }[]>`SELECT min(number) AS first, max(number) AS last FROM (${numbers}) numbers`;
        const details = { format, from: from?.toISOString() ?? null, to: to?.toISOString() ?? null, lastNumber: found!.last };
        await recordAudit(tx, actor, { action: 'audit.export', details });
        return found!;
      });
      return (async function* () {
        let after = (bounds.first ?? 1) - 1;
        while (after < (bounds.last ?? 0)) {
          const page = await tenant.transaction(
            (tx) => tx.$queryRaw<(TrailLine & { isWithin: boolean })[]>`
              SELECT l.number, l.hash, e.text, e.id, e.at, e.actor, e.action, e.subject, e.result, e.request_id AS "requestId",
                e.address, e.user_agent AS "userAgent", e.details,
                (${from}::timestamptz IS NULL OR e.at >= ${from}) AND (${to}::timestamptz IS NULL OR e.at < ${to}) AS "isWithin"
              FROM (SELECT * FROM audit_links WHERE tenant_id = ${tenantId} AND number > ${after} AND number <= ${bounds.last}
                ORDER BY number LIMIT ${pageSize}) l
              CROSS JOIN LATERAL (SELECT a.*, audit_text(a) AS text FROM audit_events a WHERE a.tenant_id = l.tenant_id AND a.id = l.event_id LIMIT 1) e
              ORDER BY l.number`,
          );
          if (!page.length) return;
          after = page.at(-1)!.number;
          yield page.filter(({ isWithin }) => isWithin).map(({ isWithin: _, ...line }) => line);
        }
      })();
    },

    /** Writes down what is still only counted: before the database is closed. */
    async close(): Promise<void> {
      await lines.close();
      await anonymous.close();
    },
  };
}

/** Stands for many requests, so it names none of them. */
function summaryOf(last: Refusal, count: number, since: Date): Refusal {
  const { requestId: _, ...origin } = last.origin;
  return { ...last, origin, details: { ...last.details, repeated: count, since: since.toISOString() } };
}
