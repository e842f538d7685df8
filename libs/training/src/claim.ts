import { Prisma, type SystemTx } from '@millrace/database';
import { takeTurn, type Turn } from './fair-share.ts';

/** What a worker has for a run. */
export interface WorkerOffer {
  name: string;
  /** whether it computes on a GPU */
  gpu: boolean;
}

/** Compute seconds count for the month (UTC) in which a run ends, and for every month as long as it has no end. */
export const computeSecondsThisMonth = (tenantId: Prisma.Sql): Prisma.Sql => Prisma.sql`
  (SELECT coalesce(sum(m.compute_seconds), 0) FROM runs m
   WHERE m.tenant_id = ${tenantId} AND (m.finished_at IS NULL OR m.finished_at >= date_trunc('month', now(), 'UTC')))`;

/**
 * Each kind of worker is shared by itself: runs that ask for a GPU have turns of their own, so that waiting for one costs a
 * tenant nothing at the others.
 */
const pools = {
  gpu: { vtime: Prisma.sql`gpu_vtime`, waiting: Prisma.sql`gpu_waiting`, fits: Prisma.sql`r.device = 'GPU'` },
  any: { vtime: Prisma.sql`vtime`, waiting: Prisma.sql`waiting`, fits: Prisma.sql`r.device <> 'GPU'` },
};

const ready = Prisma.sql`r.status = 'QUEUED' AND r.run_after <= clock_timestamp()`;

/** Tenants with a run that may start: open ones, below their limits of runs at once and of compute seconds this month. */
function listTurns(tx: SystemTx, { vtime, waiting, fits }: (typeof pools)['any']): Promise<Turn[]> {
  return tx.$queryRaw<Turn[]>`
    SELECT q.tenant_id AS "tenantId", q.weight, q.${vtime} AS vtime, q.${waiting} AS waiting FROM tenant_queues q
    JOIN tenants t ON t.id = q.tenant_id AND t.status = 'ACTIVE'
    WHERE EXISTS (SELECT 1 FROM runs r WHERE r.tenant_id = q.tenant_id AND ${ready} AND ${fits})
      AND (SELECT count(*) FROM runs r WHERE r.tenant_id = q.tenant_id AND r.status = 'RUNNING') < q.max_running
      AND (q.compute_seconds_per_month IS NULL OR ${computeSecondsThisMonth(Prisma.sql`q.tenant_id`)} < q.compute_seconds_per_month)`;
}

/**
 * Picks the next run for this worker and marks it as held. A worker with a GPU serves those that ask for one first. The
 * attempt is counted now, so that a run that kills its worker counts.
 */
export async function claimNext(tx: SystemTx, offer: WorkerOffer, token: string, leaseSeconds: number): Promise<{ tenantId: string; runId: string } | null> {
  for (const pool of offer.gpu ? [pools.gpu, pools.any] : [pools.any]) {
    // Most looks find nothing, and cost nobody else a wait.
    if (!(await listTurns(tx, pool)).length) continue;
    // One claim at a time: a share is a matter of the order, and a limit of what was counted before.
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('millrace_claim'))`;
    const turns = await listTurns(tx, pool);
    if (!turns.length) continue;
    const [top] = await tx.$queryRaw<{ latest: number }[]>`SELECT max(${pool.vtime}) AS latest FROM tenant_queues`;
    const { tenantId, vtimes } = takeTurn(turns, top!.latest);
    const [run] = await tx.$queryRaw<{ id: string }[]>`
      UPDATE runs SET status = 'RUNNING', attempt = attempt + 1, lease_token = ${token}::uuid, leased_by = ${offer.name},
        lease_until = clock_timestamp() + make_interval(secs => ${leaseSeconds}),
        claimed_at = clock_timestamp(), started_at = coalesce(started_at, clock_timestamp())
      WHERE id = (SELECT r.id FROM runs r WHERE r.tenant_id = ${tenantId} AND ${ready} AND ${pool.fits}
        ORDER BY r.priority DESC, r.created_at, r.id FOR UPDATE SKIP LOCKED LIMIT 1)
      RETURNING id`;
    if (!run) return null; // it is being cancelled at this moment
    await tx.$executeRaw`
      UPDATE tenant_queues q SET ${pool.vtime} = v.vtime, ${pool.waiting} = true
      FROM unnest(${[...vtimes.keys()]}::text[], ${[...vtimes.values()]}::float8[]) AS v (tenant_id, vtime)
      WHERE q.tenant_id = v.tenant_id AND (q.${pool.vtime}, q.${pool.waiting}) IS DISTINCT FROM (v.vtime, true)`;
    await tx.$executeRaw`UPDATE tenant_queues SET ${pool.waiting} = false WHERE ${pool.waiting} AND tenant_id <> ALL (${[...vtimes.keys()]}::text[])`;
    return { tenantId, runId: run.id };
  }
  return null;
}
