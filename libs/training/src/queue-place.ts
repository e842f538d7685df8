import { type Database, Prisma, type Run, type SystemTx } from '@millrace/database';
import { computeSecondsThisMonth } from './claim.ts';
import { coarseStart } from './coarse-start.ts';
import { forecastStarts, type QueueSnapshot, type TenantInQueue } from './queue-forecast.ts';
import { silentAfterSeconds } from './worker-roll.ts';

/** Why a queued run does not start at once. */
export type WaitReason = 'TURN' | 'RETRY' | 'CONCURRENT_RUNS' | 'COMPUTE_SECONDS' | 'NO_WORKER' | 'NO_GPU_WORKER';

export interface QueuePlace {
  waitsFor: WaitReason;
  /** the same for people */
  reason: string;
  /** an estimate, never a promise, and rounded: see `coarseStart`; null when nothing is known */
  estimatedStart: Date | null;
}

/** One look at the queue serves all who ask within this time. */
const lookEveryMs = 2_000;
/** Enough for any forecast; what waits behind has none. */
const mostQueued = 2_000;
/** of a tenant or plan, to judge how long its runs take */
const judgedRuns = 20;

interface Look {
  snapshot: QueueSnapshot;
  starts: Map<string, number>;
}

/** Says where queued runs stand. What it tells of other tenants is in the estimated start alone, which is coarse for that reason. */
export function createQueuePlaces(database: Database): (run: Pick<Run, 'id' | 'tenantId' | 'status' | 'device'>) => Promise<QueuePlace | null> {
  let latest: { at: number; look: Promise<Look> } | null = null;

  function look(isFresh = false): Promise<Look> {
    const now = performance.now();
    if (!latest || isFresh || now - latest.at > lookEveryMs) {
      const taken = database.system().transaction(takeSnapshot).then((snapshot) => ({ snapshot, starts: forecastStarts(snapshot) }));
      latest = { at: now, look: taken };
      taken.catch(() => (latest = null));
    }
    return latest.look;
  }

  return async (run) => {
    if (run.status !== 'QUEUED') return null;
    let current = await look();
    // It may be newer than the look.
    if (!current.snapshot.queued.some(({ id }) => id === run.id)) current = await look(true);
    const { snapshot, starts } = current;
    const seconds = starts.get(run.id);
    return { ...waitReason(run, snapshot), estimatedStart: seconds === undefined ? null : coarseStart(snapshot.takenAt, seconds) };
  };
}

function waitReason(run: Pick<Run, 'id' | 'tenantId' | 'device'>, snapshot: QueueSnapshot): Pick<QueuePlace, 'waitsFor' | 'reason'> {
  const tenant = snapshot.tenants.find(({ tenantId }) => tenantId === run.tenantId);
  const queued = snapshot.queued.find(({ id }) => id === run.id);
  const atWork = snapshot.running.filter(({ tenantId }) => tenantId === run.tenantId).length;
  if (tenant?.isSpent) return { waitsFor: 'COMPUTE_SECONDS', reason: 'The compute seconds of this month are used up. It goes on next month, or when your operator raises the limit.' };
  if (!snapshot.workers.length) return { waitsFor: 'NO_WORKER', reason: 'No worker is alive. Tell your operator.' };
  if (run.device === 'GPU' && !snapshot.workers.some(({ gpu }) => gpu)) {
    return { waitsFor: 'NO_GPU_WORKER', reason: 'No worker with a GPU is alive. Wait for one, or submit the run for AUTO or CPU.' };
  }
  if (queued && queued.notBeforeSeconds > 0) return { waitsFor: 'RETRY', reason: 'The last attempt failed; the next one follows soon.' };
  if (tenant && atWork >= tenant.maxRunning) return { waitsFor: 'CONCURRENT_RUNS', reason: `Your plan lets ${tenant.maxRunning} of your runs be at work at once.` };
  return { waitsFor: 'TURN', reason: 'It waits for its turn and a free worker.' };
}

async function takeSnapshot(tx: SystemTx): Promise<QueueSnapshot> {
  const [clock] = await tx.$queryRaw<{ now: Date }[]>`SELECT clock_timestamp() AS now`;
  const workers = await tx.$queryRaw<QueueSnapshot['workers']>`
    SELECT name, places, gpu FROM workers WHERE seen_at > clock_timestamp() - make_interval(secs => ${silentAfterSeconds})`;
  const queued = await tx.$queryRaw<QueueSnapshot['queued']>`
    SELECT r.id, r.tenant_id AS "tenantId", r.device = 'GPU' AS "needsGpu",
      greatest(0, extract(epoch FROM r.run_after - clock_timestamp()))::float8 AS "notBeforeSeconds"
    FROM runs r JOIN tenants t ON t.id = r.tenant_id AND t.status = 'ACTIVE' WHERE r.status = 'QUEUED'
    ORDER BY row_number() OVER (PARTITION BY r.tenant_id ORDER BY r.priority DESC, r.created_at, r.id), r.tenant_id LIMIT ${mostQueued}`;
  const running = await tx.$queryRaw<QueueSnapshot['running']>`
    SELECT tenant_id AS "tenantId", leased_by AS worker, coalesce(extract(epoch FROM clock_timestamp() - claimed_at), 0)::float8 AS "forSeconds"
    FROM runs WHERE status = 'RUNNING'`;
  const ids = [...new Set([...queued, ...running].map(({ tenantId }) => tenantId))];
  // Tenants of one plan are of one kind; those without a plan as well.
  const rows = await tx.$queryRaw<(Omit<TenantInQueue, 'turns'> & { vtime: number; waiting: boolean; gpuVtime: number; gpuWaiting: boolean })[]>`
    SELECT q.tenant_id AS "tenantId", q.weight, q.max_running AS "maxRunning", q.vtime, q.waiting, q.gpu_vtime AS "gpuVtime", q.gpu_waiting AS "gpuWaiting",
      q.compute_seconds_per_month IS NOT NULL AND q.compute_seconds_per_month <= ${computeSecondsThisMonth(Prisma.sql`q.tenant_id`)} AS "isSpent",
      coalesce(${usualSeconds(Prisma.sql`r.tenant_id = q.tenant_id`)},
        ${usualSeconds(Prisma.sql`r.tenant_id IN (SELECT o.id FROM tenants o WHERE o.plan_name IS NOT DISTINCT FROM t.plan_name)`)}) AS "usualSeconds"
    FROM tenant_queues q JOIN tenants t ON t.id = q.tenant_id WHERE q.tenant_id = ANY (${ids}::text[])`;
  const tenants = rows.map(({ vtime, waiting, gpuVtime, gpuWaiting, ...tenant }) => ({
    ...tenant,
    turns: { any: { vtime, waiting }, gpu: { vtime: gpuVtime, waiting: gpuWaiting } },
  }));
  return { takenAt: clock!.now, workers, queued, running, tenants };
}

const usualSeconds = (whose: Prisma.Sql): Prisma.Sql => Prisma.sql`
  (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY latest.compute_seconds) FROM (
    SELECT r.compute_seconds FROM runs r WHERE ${whose} AND r.status = 'SUCCEEDED' ORDER BY r.finished_at DESC LIMIT ${judgedRuns}) latest)`;
