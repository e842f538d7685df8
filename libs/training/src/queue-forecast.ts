import { takeTurn, type Turn } from './fair-share.ts';

/** The queue of all tenants at a moment. */
export interface QueueSnapshot {
  /** by the database's clock */
  takenAt: Date;
  workers: { name: string; places: number; gpu: boolean }[];
  tenants: TenantInQueue[];
  /** in the order in which a tenant's own are served */
  queued: { id: string; tenantId: string; needsGpu: boolean; notBeforeSeconds: number }[];
  running: { tenantId: string; worker: string | null; forSeconds: number }[];
}

export interface TenantInQueue {
  tenantId: string;
  weight: number;
  maxRunning: number;
  /** its month's compute seconds are used up */
  isSpent: boolean;
  turns: Record<'any' | 'gpu', Pick<Turn, 'vtime' | 'waiting'>>;
  /** median of its latest runs, or of those of tenants with its plan; null when nothing is known */
  usualSeconds: number | null;
}

/** Whom a forecast does not reach is too far away to say anything. */
const mostClaims = 2000;

interface Place {
  gpu: boolean;
  tenantId: string;
  endsAt: number;
}

/**
 * When each queued run may start, in seconds from the snapshot, if nothing changes: the queue played forward, with the
 * rules of the claim, as if each run took as long as its tenant's runs usually do. Absent: nothing can be said, be it
 * because no worker may ever take it, or because it waits for runs of which nobody knows how long they take.
 */
export function forecastStarts(snapshot: QueueSnapshot): Map<string, number> {
  const starts = new Map<string, number>();
  const tenants = new Map(snapshot.tenants.map((tenant) => [tenant.tenantId, { ...tenant, turns: { any: { ...tenant.turns.any }, gpu: { ...tenant.turns.gpu } } }]));
  const usual = (tenantId: string): number => tenants.get(tenantId)?.usualSeconds ?? Infinity;
  const gpuWorkers = new Set(snapshot.workers.filter(({ gpu }) => gpu).map(({ name }) => name));
  let busy: Place[] = snapshot.running.map(({ tenantId, worker, forSeconds }) => ({
    gpu: worker !== null && gpuWorkers.has(worker),
    tenantId,
    endsAt: Math.max(0, usual(tenantId) - forSeconds),
  }));
  const free = { gpu: 0, cpu: 0 };
  for (const { places, gpu } of snapshot.workers) free[gpu ? 'gpu' : 'cpu'] += places;
  for (const { gpu } of busy) free[gpu ? 'gpu' : 'cpu']--;

  const pools: Record<'any' | 'gpu', Map<string, QueueSnapshot['queued']>> = { any: new Map(), gpu: new Map() };
  for (const run of snapshot.queued) {
    const pool = pools[run.needsGpu ? 'gpu' : 'any'];
    if (!tenants.get(run.tenantId)?.isSpent) pool.set(run.tenantId, [...(pool.get(run.tenantId) ?? []), run]);
  }

  function claim(onGpu: boolean, now: number): boolean {
    for (const name of onGpu ? (['gpu', 'any'] as const) : (['any'] as const)) {
      const pool = pools[name];
      const isReady = ({ notBeforeSeconds }: QueueSnapshot['queued'][number]): boolean => notBeforeSeconds <= now;
      const turns = [...pool].flatMap(([tenantId, runs]) => {
        const { weight, maxRunning, turns: all } = tenants.get(tenantId)!;
        const atWork = busy.filter((place) => place.tenantId === tenantId).length;
        return atWork < maxRunning && runs.some(isReady) ? [{ tenantId, weight, ...all[name] }] : [];
      });
      if (!turns.length) continue;
      const { tenantId, vtimes } = takeTurn(turns, Math.max(...[...tenants.values()].map(({ turns: all }) => all[name].vtime)));
      for (const tenant of tenants.values()) {
        const vtime = vtimes.get(tenant.tenantId);
        tenant.turns[name] = { vtime: vtime ?? tenant.turns[name].vtime, waiting: vtime !== undefined };
      }
      const runs = pool.get(tenantId)!;
      const [run] = runs.splice(runs.findIndex(isReady), 1);
      starts.set(run!.id, now);
      busy.push({ gpu: onGpu, tenantId, endsAt: now + usual(tenantId) });
      free[onGpu ? 'gpu' : 'cpu']--;
      return true;
    }
    return false;
  }

  let now = 0;
  while (starts.size < mostClaims) {
    // Which of two free workers is quicker, nobody knows; the places with a GPU are kept for those that need one.
    if ((free.cpu > 0 && claim(false, now)) || (free.gpu > 0 && claim(true, now))) continue;
    const waits = [...pools.any.values(), ...pools.gpu.values()].flat().map(({ notBeforeSeconds }) => notBeforeSeconds);
    const next = Math.min(...busy.map(({ endsAt }) => endsAt), ...waits.filter((at) => at > now));
    if (!waits.length || !Number.isFinite(next)) break;
    now = next;
    for (const { gpu, endsAt } of busy) if (endsAt <= now) free[gpu ? 'gpu' : 'cpu']++;
    busy = busy.filter(({ endsAt }) => endsAt > now);
  }
  return starts;
}
