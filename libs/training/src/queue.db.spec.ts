import type { Run } from '@millrace/database';
import { newId } from '@millrace/kernel';
import { createWorld, irisSpec, type TenantInWorld, type World } from '@millrace/testkit';
import type { ClaimedRun } from './index.ts';

let world: World;
beforeAll(async () => (world = await createWorld()));
afterAll(() => world.close());
// Each test finds the queue empty of what earlier ones left, and nobody at work.
afterEach(async () => {
  await world.db.asOwner(`UPDATE runs SET status = 'CANCELLED', finished_at = now() - interval '40 days', lease_token = NULL WHERE finished_at IS NULL`);
  await world.db.asOwner('DELETE FROM workers');
});

type SubmitChange = Partial<Parameters<World['training']['submit']>[1]>;

async function submit(tenant: TenantInWorld, version: string, change: SubmitChange = {}): Promise<Run> {
  const outcome = await world.training.submit(tenant.owner.actor, { datasetVersionId: version, modelName: 'iris', spec: irisSpec, ...change });
  if (outcome.type !== 'submitted') throw new Error(JSON.stringify(outcome, (_, value) => (typeof value === 'bigint' ? Number(value) : value)));
  return outcome.run;
}

const setLimits = (tenant: TenantInWorld, sql: string) =>
  world.db.asOwner(`INSERT INTO tenant_queues (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING`, [tenant.tenantId]).then(() =>
    world.db.asOwner(`UPDATE tenant_queues SET ${sql} WHERE tenant_id = $1`, [tenant.tenantId]),
  );

/** Many runs at once, copied from one that was submitted. */
async function fill(tenant: TenantInWorld, count: number): Promise<void> {
  const { id } = await submit(tenant, (await tenant.iris()).id);
  await world.db.asOwner(
    `INSERT INTO runs (id, tenant_id, dataset_version_id, model_name, spec, created_by)
     SELECT $2 || n, tenant_id, dataset_version_id, model_name, spec, created_by FROM runs, generate_series(2, $3::int) n WHERE id = $1`,
    [id, `${newId('run')}-`, count],
  );
}

const claim = async (gpu = false): Promise<ClaimedRun> => (await world.queue.claim('w', { gpu }))!;
const announce = (gpu = false, places = 1, name = 'w') => world.queue.announce({ id: crypto.randomUUID(), name, places, gpu, memoryMb: 4096 });
const placeOf = async (run: Run) => world.training.queuePlace({ ...run, status: 'QUEUED' });
const finish = (run: Pick<Run, 'id'>, seconds: number) =>
  world.db.asOwner(`UPDATE runs SET status = 'SUCCEEDED', finished_at = now(), lease_token = NULL, compute_seconds = $2 WHERE id = $1`, [run.id, seconds]);

describe('sharing', () => {
  it('gives tenants their weighted shares of the claims, to within one run at every moment', async () => {
    const weights = [1, 2, 5];
    const tenants = [await world.tenant(), await world.tenant(), await world.tenant()];
    for (const [index, tenant] of tenants.entries()) {
      await fill(tenant, 20);
      await setLimits(tenant, `weight = ${weights[index]}, max_running = 1000`);
    }
    const served = [0, 0, 0];
    for (let n = 1; n <= 24; n++) {
      const { lease } = await claim();
      served[tenants.findIndex(({ tenantId }) => tenantId === lease.tenantId)]!++;
      served.forEach((count, index) => expect(Math.abs(count - (n * weights[index]!) / 8)).toBeLessThanOrEqual(1));
    }
    expect(served).toEqual([3, 6, 15]);
  });

  it('keeps the shares among many claimers at once, and gives no run twice', async () => {
    const [light, heavy] = [await world.tenant(), await world.tenant()];
    for (const [tenant, weight] of [[light, 1], [heavy, 3]] as const) {
      await fill(tenant, 30);
      await setLimits(tenant, `weight = ${weight}, max_running = 1000`);
    }
    const claims = (await Promise.all(Array.from({ length: 4 }, async () => [await claim(), await claim(), await claim(), await claim()]))).flat();
    expect(new Set(claims.map(({ run }) => run.id)).size).toBe(16);
    expect(claims.filter(({ lease }) => lease.tenantId === light.tenantId)).toHaveLength(4);
  });

  it('passes over a tenant that has as many runs at work as it may, and comes back to it', async () => {
    const [small, other] = [await world.tenant(), await world.tenant()];
    await fill(small, 3);
    await fill(other, 3);
    await setLimits(small, 'max_running = 1, weight = 50');
    const first = await claim();
    expect(first.lease.tenantId).toBe(small.tenantId);
    for (let i = 0; i < 2; i++) expect((await claim()).lease.tenantId).toBe(other.tenantId);
    expect(await world.queue.claim('w')).toBeNull();
    await world.queue.cancelled(first.lease, 0);
    expect((await claim()).lease.tenantId).toBe(small.tenantId);
  });

  it('passes over a tenant whose compute seconds of the month are used up, refuses it more, and nobody else', async () => {
    const [spent, other] = [await world.tenant(), await world.tenant()];
    const { id: version } = await spent.iris();
    await setLimits(spent, 'compute_seconds_per_month = 100');
    const last = await submit(spent, version);
    await submit(spent, version);
    await finish(last, 100);
    await fill(other, 1);
    expect((await claim()).lease.tenantId).toBe(other.tenantId);
    expect(await world.queue.claim('w')).toBeNull();
    const refused = await world.training.submit(spent.owner.actor, { datasetVersionId: version, modelName: 'iris', spec: irisSpec });
    expect(refused).toEqual({ type: 'compute-seconds-used-up', limit: 100, used: 100 });
    // What ended in another month counts no more.
    await world.db.asOwner(`UPDATE runs SET finished_at = date_trunc('month', now(), 'UTC') - interval '1 second' WHERE id = $1`, [last.id]);
    expect((await claim()).lease.tenantId).toBe(spent.tenantId);
  });
});

describe('a run that asks for a device', () => {
  it('waits for a worker with a GPU if it must have one, and holds up no other', async () => {
    const tenant = await world.tenant();
    const { id: version } = await tenant.iris();
    const onGpu = await submit(tenant, version, { device: 'GPU', priority: 100 });
    const anywhere = await submit(tenant, version, { device: 'AUTO' });
    expect((await claim()).run.id).toBe(anywhere.id);
    expect(await world.queue.claim('w')).toBeNull();
    await announce();
    expect(await placeOf(onGpu)).toMatchObject({ waitsFor: 'NO_GPU_WORKER', estimatedStart: null, reason: expect.stringMatching(/No worker with a GPU is alive/) });
    expect((await claim(true)).run.id).toBe(onGpu.id);
  });

  it('goes first to a worker with a GPU, which takes others when none asks for it', async () => {
    const tenant = await world.tenant();
    const { id: version } = await tenant.iris();
    const anywhere = await submit(tenant, version, { device: 'CPU', priority: 100 });
    const onGpu = await submit(tenant, version, { device: 'GPU' });
    expect([(await claim(true)).run.id, (await claim(true)).run.id]).toEqual([onGpu.id, anywhere.id]);
  });

  it('is metered by what it was computed on, over its attempts', async () => {
    const tenant = await world.tenant();
    const run = await submit(tenant, (await tenant.iris()).id);
    const first = await claim(true);
    await world.queue.report(first.lease, { backend: 'cuda', computeSeconds: 1 });
    await world.queue.giveBack(first.lease, 10, 'worker-shut-down');
    const second = await claim();
    await world.queue.report(second.lease, { backend: 'wasm', computeSeconds: 11 });
    await world.queue.report(second.lease, { computeSeconds: 11 });
    await world.queue.fail(second.lease, { code: 'X', message: 'x', remedy: 'x', fault: 'USER' }, 14);
    expect(await world.db.asOwner('SELECT compute_seconds, gpu_seconds FROM runs WHERE id = $1', [run.id])).toEqual([{ compute_seconds: 14, gpu_seconds: 10 }]);
    expect(await world.quota.summariseUsage(tenant.owner.actor, new Date(0), new Date('2100-01-01'))).toMatchObject({ computeSeconds: 14, gpuSeconds: 10 });
  });
});

describe('a place in the queue', () => {
  it('is told with an estimated start from how long the tenant’s runs took, its own runs counted only', async () => {
    const [tenant, other] = [await world.tenant(), await world.tenant()];
    const { id: version } = await tenant.iris();
    for (const seconds of [40, 60, 300]) await finish(await submit(tenant, version), seconds);
    await fill(other, 1);
    for (const { id } of await world.db.asOwner<{ id: string }>(`SELECT id FROM runs WHERE tenant_id = $1`, [other.tenantId])) await finish({ id }, 1000);
    await fill(other, 1);
    await setLimits(other, 'weight = 100');
    const [first, second] = [await submit(tenant, version), await submit(tenant, version)];
    await announce();
    const waits = await Promise.all([first, second].map(async (run) => ((await placeOf(run))!.estimatedStart!.getTime() - Date.now()) / 1000));
    // the heavy tenant's run of 1000 s, then one of a minute, on one worker
    expect(waits.map((wait) => Math.round(wait / 10) * 10)).toEqual([1000, 1060]);
    const position = (run: Run) => world.db.database.forTenant(tenant.tenantId).transaction((tx) => world.training.queuePosition(tx, run));
    expect([await position(first), await position(second)]).toEqual([0, 1]);
  });

  it('has no estimate when nobody knows how long the runs before it take, and says why it waits', async () => {
    const tenant = await world.tenant();
    await world.db.asOwner(`INSERT INTO plans (name, limits) VALUES ('unknown', '{}')`);
    await world.db.asOwner(`UPDATE tenants SET plan_name = 'unknown' WHERE id = $1`, [tenant.tenantId]);
    const { id: version } = await tenant.iris();
    const run = await submit(tenant, version);
    await submit(tenant, version);
    expect(await placeOf(run)).toMatchObject({ waitsFor: 'NO_WORKER', estimatedStart: null });
    await announce();
    await world.queue.claim('w');
    expect(await world.training.queuePlace({ ...run, status: 'RUNNING' })).toBeNull();
    const later = await submit(tenant, version); // a new look
    expect(await placeOf(later)).toMatchObject({ waitsFor: 'TURN', estimatedStart: null });
    await setLimits(tenant, 'max_running = 1');
    expect(await placeOf(await submit(tenant, version))).toMatchObject({ waitsFor: 'CONCURRENT_RUNS', reason: expect.stringMatching(/^Your plan lets 1 /) });
    const last = await submit(tenant, version);
    await setLimits(tenant, 'compute_seconds_per_month = 0');
    expect(await placeOf(last)).toMatchObject({ waitsFor: 'COMPUTE_SECONDS', estimatedStart: null });
  });

  it('judges by the runs of its plan while the tenant has none of its own', async () => {
    const [newcomer, experienced] = [await world.tenant(), await world.tenant()];
    await world.db.asOwner(`INSERT INTO plans (name, limits) VALUES ('line', '{}')`);
    for (const { tenantId } of [newcomer, experienced]) await world.db.asOwner(`UPDATE tenants SET plan_name = 'line' WHERE id = $1`, [tenantId]);
    await finish(await submit(experienced, (await experienced.iris()).id), 120);
    const { id: version } = await newcomer.iris();
    await submit(newcomer, version);
    const second = await submit(newcomer, version);
    await announce();
    expect(Math.round(((await placeOf(second))!.estimatedStart!.getTime() - Date.now()) / 10_000) * 10).toBe(120);
  });
});

describe('limits of a run', () => {
  it('are the plan’s unless it asks for less, and never more', async () => {
    const tenant = await world.tenant();
    const { id: version } = await tenant.iris();
    await setLimits(tenant, 'run_memory_mb = 2048, run_minutes = 30');
    expect(await submit(tenant, version)).toMatchObject({ memoryMb: 2048, minutes: 30 });
    expect(await submit(tenant, version, { limits: { memoryMb: 600, minutes: 5 } })).toMatchObject({ memoryMb: 600, minutes: 5 });
    for (const [limits, field] of [[{ memoryMb: 2049 }, 'limits.memoryMb'], [{ memoryMb: 100 }, 'limits.memoryMb'], [{ minutes: 31 }, 'limits.minutes'], [{ minutes: 0 }, 'limits.minutes']] as const) {
      const outcome = await world.training.submit(tenant.owner.actor, { datasetVersionId: version, modelName: 'iris', spec: irisSpec, limits });
      expect(outcome).toMatchObject({ type: 'invalid', problems: [{ field, remedy: expect.stringMatching(/^Give /) }] });
    }
  });
});

describe('the package that a run makes', () => {
  const used = async (tenant: TenantInWorld) => (await world.quota.listCounters(tenant.owner.actor)).find(({ resource }) => resource === 'STORAGE_BYTES')!.used;
  const hold = ({ lease }: ClaimedRun, bytes: number, version: string = newId('modelVersion')) => world.queue.holdStorage(lease, version, bytes);
  const broken = { code: 'X', message: 'x', remedy: 'x', fault: 'USER' } as const;

  it('holds room in the tenant’s storage before it is stored: exactly, of two at once, and until the run ends', async () => {
    const tenant = await world.tenant();
    const { id: version } = await tenant.iris();
    const before = await used(tenant);
    const setLimit = (bytes: bigint) => world.db.asOwner(
      `INSERT INTO quota_counters (tenant_id, resource, limit_value) VALUES ($1, 'STORAGE_BYTES', $2) ON CONFLICT (tenant_id, resource) DO UPDATE SET limit_value = $2`, [tenant.tenantId, bytes]);
    await setLimit(before + 100n);
    await submit(tenant, version);
    await submit(tenant, version);
    const runs = [await claim(), await claim()];
    const [first, second] = [newId('modelVersion'), newId('modelVersion')];
    const outcomes = await Promise.all([hold(runs[0]!, 60, first), hold(runs[1]!, 60, second)]);
    expect(outcomes.map(({ type }) => type).sort()).toEqual(['held', 'quota-exceeded']);
    expect(await used(tenant)).toBe(before + 60n);
    const winner = outcomes[0].type === 'held' ? 0 : 1;
    const loser = runs[1 - winner]!;

    // An attempt that died had begun to store something: whoever has the run next is told, and holds anew.
    await world.queue.giveBack(runs[winner]!.lease, 1, 'worker-shut-down');
    const again = await claim();
    expect(await hold(runs[winner]!, 1)).toEqual({ type: 'lost' });
    expect(await hold(again, 100)).toEqual({ type: 'held', abandoned: [winner === 0 ? first : second] });
    expect(await used(tenant)).toBe(before + 100n);
    expect(await hold(loser, 1)).toMatchObject({ type: 'quota-exceeded', requested: 1n });
    await world.queue.fail(again.lease, broken);
    expect(await used(tenant)).toBe(before);
    expect((await hold(loser, 100)).type).toBe('held');

    // Where nothing fits any more, no run begins.
    const asked = { datasetVersionId: version, modelName: 'iris', spec: irisSpec };
    expect(await world.training.submit(tenant.owner.actor, asked)).toMatchObject({ type: 'quota-exceeded', resource: 'STORAGE_BYTES', remedy: expect.stringContaining('Delete versions') });
    await world.queue.fail(loser.lease, broken);
    expect((await world.training.submit(tenant.owner.actor, asked)).type).toBe('submitted');
  });
});

describe('pausing', () => {
  const statusOf = async (run: Run) => (await world.db.asOwner<{ status: string }>('SELECT status FROM runs WHERE id = $1', [run.id]))[0]!.status;

  it('takes a queued run out of the queue until it is resumed, and keeps what it holds', async () => {
    const tenant = await world.tenant();
    const run = await submit(tenant, (await tenant.iris()).id);
    const { actor } = tenant.owner;
    expect((await world.training.pause(actor, run.id)).type).toBe('paused');
    expect((await world.training.pause(actor, run.id)).type).toBe('already-paused');
    expect(await world.queue.claim('w')).toBeNull();
    expect((await world.quota.listCounters(actor)).find(({ resource }) => resource === 'ACTIVE_RUNS')!.used).toBe(1n);
    expect((await world.training.resume(actor, run.id)).type).toBe('resumed');
    expect((await world.training.resume(actor, run.id)).type).toBe('not-paused');
    expect((await claim()).run.id).toBe(run.id);
  });

  it('asks the worker of a running run, and holds also when that worker dies or shuts down first', async () => {
    const tenant = await world.tenant();
    const { actor } = tenant.owner;
    const { id: version } = await tenant.iris();
    const endings: [string, (claimed: ClaimedRun) => Promise<unknown>, number][] = [
      ['saved', ({ lease }) => world.queue.paused(lease, 1), 0],
      ['shut down', ({ lease }) => world.queue.giveBack(lease, 1, 'worker-shut-down'), 0],
      ['died', ({ lease }) => world.queue.fail(lease, { code: 'X', message: 'x', remedy: 'x', fault: 'SYSTEM' }, 1), 1],
    ];
    for (const [, end, attempt] of endings) {
      const run = await submit(tenant, version);
      const claimed = await claim();
      expect((await world.training.pause(actor, run.id)).type).toBe('pause-requested');
      expect((await world.training.resume(actor, run.id)).type).toBe('not-paused');
      expect(await world.queue.heartbeat(claimed.lease)).toBe('pause');
      await end(claimed);
      expect(await statusOf(run)).toBe('PAUSED');
      expect(await world.queue.claim('w')).toBeNull();
      expect(await world.queue.paused(claimed.lease, 1)).toBe(false);
      await world.training.resume(actor, run.id);
      const again = await claim();
      expect(again.run).toMatchObject({ id: run.id, attempt: attempt + 1, pauseRequestedAt: null });
      await world.queue.cancelled(again.lease, 1);
    }
  });

  it('leaves a paused run to be cancelled, with its quota, and tells a stranger nothing', async () => {
    const [tenant, stranger] = [await world.tenant(), await world.tenant()];
    const run = await submit(tenant, (await tenant.iris()).id);
    for (const verb of ['pause', 'resume'] as const) {
      expect(await world.training[verb](stranger.owner.actor, run.id)).toEqual(await world.training[verb](stranger.owner.actor, newId('run')));
    }
    await world.training.pause(tenant.owner.actor, run.id);
    const checkpoints = `tenants/${tenant.tenantId}/checkpoints/${run.id}`;
    await world.storage.put(`${checkpoints}/one`, Buffer.from('learnt'));
    expect((await world.training.cancel(tenant.owner.actor, run.id)).type).toBe('cancelled');
    expect(await world.storage.list(checkpoints)).toEqual([]);
    expect((await world.quota.listCounters(tenant.owner.actor)).find(({ resource }) => resource === 'ACTIVE_RUNS')!.used).toBe(0n);
    expect((await world.training.pause(tenant.owner.actor, run.id)).type).toBe('already-final');
    const trail = await world.db.asOwner<{ action: string }>('SELECT action FROM audit_events WHERE subject = $1 ORDER BY id', [run.id]);
    expect(trail.map(({ action }) => action)).toEqual(['run.submit', 'run.pause', 'run.cancel']);
  });
});
