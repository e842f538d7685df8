import { type Actor, recordAudit, requirePermission } from '@millrace/auth';
import { type Database, type Endpoint, notify } from '@millrace/database';
import type { Problem } from '@millrace/kernel';

/** How the data plane serves an endpoint. */
export interface EndpointServing {
  /** rows of requests that wait at the same time are run together up to so many; 1 runs each request alone */
  maxBatchRows: number;
  /** how long a request waits for others to be run with, when nothing is under way; 0 runs it at once */
  maxQueueDelayMs: number;
  /** from the head of a request to the run of its last row; what would take longer is refused */
  deadlineMs: number;
  /** a model that nobody has asked for so long is unloaded; null keeps it */
  idleSeconds: number | null;
  /** what was answered is kept for so many days, so that feedback can be scored; null keeps nothing */
  recordDays: number | null;
}

export const servingDefaults: EndpointServing = { maxBatchRows: 1024, maxQueueDelayMs: 0, deadlineMs: 30_000, idleSeconds: null, recordDays: null };

const ranges = { maxBatchRows: [1, 4_096, 'rows'], maxQueueDelayMs: [0, 1_000, 'milliseconds'], deadlineMs: [10, 60_000, 'milliseconds'], idleSeconds: [60, 604_800, 'seconds'], recordDays: [1, 365, 'days'] } as const;

const orNothing: Partial<Record<keyof EndpointServing, string>> = { idleSeconds: ', or nothing to keep the model loaded', recordDays: ', or nothing to record no predictions' };

export interface ServingChange extends Partial<EndpointServing> {
  endpointName: string;
}

export type UpdateServingOutcome = { type: 'updated'; endpoint: Endpoint } | { type: 'invalid'; problems: Problem[] } | { type: 'not-found'; field: string; message: string };

/** Of an endpoint as the database has it. */
export const servingOf = ({ maxBatchRows, maxQueueDelayMs, deadlineMs, idleSeconds, recordDays }: Endpoint): EndpointServing => ({ maxBatchRows, maxQueueDelayMs, deadlineMs, idleSeconds, recordDays });

export function createEndpointServing({ database }: { database: Database }) {
  return {
    /** What is left out stays as it is. Fewer days of recording hold for what was recorded before as well: the next sweep removes it. */
    async updateServing(actor: Actor, { endpointName: name, ...change }: ServingChange): Promise<UpdateServingOutcome> {
      requirePermission(actor, 'endpoint:write');
      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx): Promise<UpdateServingOutcome> => {
        // As whoever else changes the endpoint: one change at a time.
        await tx.$queryRaw`SELECT id FROM endpoints WHERE tenant_id = ${tenantId} AND name = ${name} FOR UPDATE`;
        const endpoint = await tx.endpoint.findUnique({ where: { tenantId_name: { tenantId, name } } });
        if (!endpoint) return { type: 'not-found', field: 'endpointName', message: 'There is no endpoint of this name.' };
        const serving = { ...servingOf(endpoint), ...change };
        const problems = servingProblems(serving);
        if (problems.length) return { type: 'invalid', problems };
        const updated = await tx.endpoint.update({ where: { tenantId_id: { tenantId, id: endpoint.id } }, data: serving });
        await recordAudit(tx, actor, { action: 'endpoint.serving', subject: endpoint.id, details: { name, ...serving } });
        await notify(tx, 'millrace_registry', tenantId);
        return { type: 'updated', endpoint: updated };
      });
    },
  };
}

function servingProblems(serving: EndpointServing): Problem[] {
  const problems = (Object.keys(ranges) as (keyof EndpointServing)[]).flatMap((field): Problem[] => {
    const [value, [least, most, unit]] = [serving[field], ranges[field]];
    if (value === null || (Number.isInteger(value) && value >= least && value <= most)) return [];
    const remedy = `Give a whole number of ${unit} from ${least} to ${most}${orNothing[field] ?? ''}.`;
    return [{ code: 'unfit', field, message: `${value} is not possible here.`, remedy }];
  });
  if (!problems.length && serving.maxQueueDelayMs >= serving.deadlineMs) {
    problems.push({ code: 'unfit', field: 'maxQueueDelayMs', message: 'A request would wait beyond its deadline.', remedy: `Give less than deadlineMs, which is ${serving.deadlineMs}.` });
  }
  return problems;
}
