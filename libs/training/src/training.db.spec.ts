import type { Run } from '@millrace/database';
import { newId } from '@millrace/kernel';
import { createWorld, irisSpec, type TenantInWorld, type World } from '@millrace/testkit';
import type { ClaimedRun } from './index.ts';

let world: World;
beforeAll(async () => (world = await createWorld()));
afterAll(() => world.close());
// Each test finds the queue empty of what earlier ones left.
afterEach(() => world.db.asOwner(`UPDATE runs SET status = 'CANCELLED', finished_at = now(), lease_token = NULL WHERE finished_at IS NULL`));

const submit = (tenant: TenantInWorld, datasetVersionId: string, change: object = {}) =>
  world.training.submit(tenant.owner.actor, { datasetVersionId, modelName: 'iris', spec: irisSpec, ...change });

const problemsOf = async (outcome: ReturnType<typeof submit>) => {
  const settled = await outcome;
  if (settled.type !== 'invalid') throw new Error(`not refused: ${settled.type}`);
  for (const { code, message, remedy } of settled.problems) expect([code, message, remedy]).toEqual([expect.stringMatching(/^[a-z_]+$/), expect.stringMatching(/\.$/), expect.stringMatching(/\S/)]);
  return settled.problems.map(({ field }) => field);
};

const activeRuns = async (tenant: TenantInWorld) =>
  (await world.quota.listCounters(tenant.owner.actor)).find(({ resource }) => resource === 'ACTIVE_RUNS')!.used;

describe('submitting', () => {
  it('accepts a run, completes its configuration, reserves its quota and leaves a trace', async () => {
    const tenant = await world.tenant();
    const run = await tenant.run(await tenant.iris());
    expect(run).toMatchObject({ status: 'QUEUED', attempt: 0, spec: { trainer: { optimizer: 'adam' }, split: { seed: 1 } } });
    expect(await activeRuns(tenant)).toBe(1n);
    const { events, audit } = await world.db.database.forTenant(tenant.tenantId).transaction(async (tx) => ({
      events: await tx.runEvent.findMany({ where: { runId: run.id } }),
      audit: await tx.auditEvent.findMany({ where: { subject: run.id } }),
    }));
    expect(events.map(({ type }) => type)).toEqual(['submitted']);
    expect(audit.map(({ action, result }) => [action, result])).toEqual([['run.submit', 'ok']]);
  });

  it('refuses what can be known to be wrong, naming the field and the remedy, and reserves nothing', async () => {
    const tenant = await world.tenant();
    const { id } = await tenant.iris();
    const withTarget = (target: object, rest: object = {}) => ({ spec: { ...irisSpec, outputFeatures: [target], ...rest } });
    expect(await problemsOf(submit(tenant, id, withTarget({ name: 'genus', type: 'category' })))).toEqual(['spec.outputFeatures[0].name']);
    expect(await problemsOf(submit(tenant, id, withTarget({ name: 'species', type: 'number' })))).toEqual(['spec.outputFeatures[0].type']);
    expect(await problemsOf(submit(tenant, id, { spec: { ...irisSpec, models: [{ family: 'knn', k: 5000 }] } }))).toEqual(['spec.models[0].k']);
    expect(await problemsOf(submit(tenant, id, { spec: { ...irisSpec, models: [{ family: 'oracle' }] } }))).toEqual([expect.stringMatching(/^spec\.models\[0\]/)]);
    expect(await problemsOf(submit(tenant, id, { spec: { ...irisSpec, trainer: { epochs: 0 } } }))).toEqual(['spec.trainer.epochs']);
    expect(await problemsOf(submit(tenant, id, { spec: { ...irisSpec, colour: 'red' } }))).toHaveLength(1);
    expect(await problemsOf(submit(tenant, id, { spec: 'iris', modelName: '../x', priority: 1e9 }))).toEqual(['modelName', 'priority', 'spec']);
    expect(await activeRuns(tenant)).toBe(0n);
  });

  it('refuses a target with one class', async () => {
    const tenant = await world.tenant();
    const rows = Array.from({ length: 30 }, (_, index) => `${index},yes`).join('\n');
    const version = await tenant.dataset(`x,y\n${rows}\n`);
    const spec = { inputFeatures: [{ name: 'x', type: 'number' }], outputFeatures: [{ name: 'y', type: 'category' }] };
    expect(await problemsOf(submit(tenant, version.id, { spec }))).toEqual(['spec.outputFeatures[0].name']);
  });

  it('knows another tenant’s data set as little as a missing one', async () => {
    const [one, other] = [await world.tenant(), await world.tenant()];
    const { id } = await one.iris();
    expect(await submit(other, id)).toEqual(await submit(other, newId('datasetVersion')));
  });

  it('admits exactly as many runs as the quota allows, from many submissions at once', async () => {
    const tenant = await world.tenant();
    const { id } = await tenant.iris();
    const outcomes = await Promise.all(Array.from({ length: 30 }, () => submit(tenant, id)));
    expect(outcomes.filter(({ type }) => type === 'submitted')).toHaveLength(20);
    expect(outcomes.filter(({ type }) => type === 'quota-exceeded')).toHaveLength(10);
    expect(await world.db.asOwner('SELECT count(*)::int AS n FROM runs WHERE tenant_id = $1', [tenant.tenantId])).toEqual([{ n: 20 }]);
  });

  it('asks for the permission first', async () => {
    const tenant = await world.tenant();
    const viewer = await tenant.member('VIEWER');
    const attempt = world.training.submit(viewer.actor, { datasetVersionId: 'x', modelName: 'm', spec: {} });
    await expect(attempt).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('cancelling', () => {
  it('ends a queued run at once and gives its quota back, once', async () => {
    const tenant = await world.tenant();
    const run = await tenant.run(await tenant.iris());
    const outcomes = await Promise.all([1, 2, 3].map(() => world.training.cancel(tenant.owner.actor, run.id)));
    expect(outcomes.map(({ type }) => type).sort()).toEqual(['already-final', 'already-final', 'cancelled']);
    expect(await activeRuns(tenant)).toBe(0n);
    expect(await world.queue.claim('w')).toBeNull();
  });

  it('asks the worker of a running run to stop', async () => {
    const tenant = await world.tenant();
    const run = await tenant.run(await tenant.iris());
    const { lease } = (await world.queue.claim('w'))!;
    expect(await world.queue.heartbeat(lease)).toBe('continue');
    expect((await world.training.cancel(tenant.owner.actor, run.id)).type).toBe('cancel-requested');
    expect(await world.queue.heartbeat(lease)).toBe('cancel');
    expect(await world.queue.cancelled(lease, 1)).toBe(true);
    expect(await world.queue.cancelled(lease, 1)).toBe(false);
    expect(await activeRuns(tenant)).toBe(0n);
  });

  it('knows another tenant’s run as little as a missing one', async () => {
    const [one, other] = [await world.tenant(), await world.tenant()];
    const run = await one.run(await one.iris());
    const answers = await Promise.all([run.id, newId('run')].map((id) => world.training.cancel(other.owner.actor, id)));
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]!.type).toBe('not-found');
  });
});

/** As an operator closes or opens it. */
const close = (tenant: TenantInWorld, status: string) =>
  world.db.asOwner(`UPDATE tenants SET status = $2::tenant_status, purge_after = CASE WHEN $2 = 'DELETED' THEN now() + interval '1 day' END WHERE id = $1`, [tenant.tenantId, status]);

describe('the queue', () => {
  async function fill(tenant: TenantInWorld, count: number, change: object = {}): Promise<Run[]> {
    const { id } = await tenant.iris();
    const runs: Run[] = [];
    for (let i = 0; i < count; i++) {
      const outcome = await submit(tenant, id, change);
      if (outcome.type !== 'submitted') throw new Error(outcome.type);
      runs.push(outcome.run);
    }
    return runs;
  }

  it('gives no run to two workers, and no tenant more than its limit at once', async () => {
    const [a, b] = [await world.tenant(), await world.tenant()];
    await fill(a, 6);
    await fill(b, 6);
    const claims: ClaimedRun[] = [];
    await Promise.all(
      Array.from({ length: 8 }, async (_, worker) => {
        for (let i = 0; i < 5; i++) {
          const claimed = await world.queue.claim(`w${worker}`);
          if (claimed) claims.push(claimed);
        }
      }),
    );
    expect(new Set(claims.map(({ run }) => run.id)).size).toBe(claims.length);
    for (const { tenantId } of [a, b]) expect(claims.filter(({ lease }) => lease.tenantId === tenantId)).toHaveLength(2);
  });

  it('serves a newcomer next to a tenant that filled the queue before', async () => {
    const [noisy, quiet] = [await world.tenant(), await world.tenant()];
    await fill(noisy, 10);
    await fill(quiet, 3);
    const served: string[] = [];
    for (let i = 0; i < 6; i++) {
      const { lease } = (await world.queue.claim('w'))!;
      served.push(lease.tenantId);
      await world.queue.fail(lease, { code: 'X', message: 'x', remedy: 'x', fault: 'USER' });
    }
    expect(served.filter((id) => id === quiet.tenantId)).toHaveLength(3);
  });

  it('serves a tenant’s own runs by priority, then by age', async () => {
    const tenant = await world.tenant();
    const { id } = await tenant.iris();
    const order = [0, 0, 5, -5].map((priority) => ({ priority }));
    const ids: string[] = [];
    for (const { priority } of order) {
      const outcome = await submit(tenant, id, { priority });
      if (outcome.type === 'submitted') ids.push(outcome.run.id);
    }
    const claimed: string[] = [];
    for (let i = 0; i < 4; i++) {
      const next = (await world.queue.claim('w'))!;
      claimed.push(next.run.id);
      await world.queue.cancelled(next.lease, 0);
    }
    expect(claimed).toEqual([ids[2], ids[0], ids[1], ids[3]]);
  });

  it('tries a run again after a fault of the system, later each time, and stops after three', async () => {
    const tenant = await world.tenant();
    const [run] = await fill(tenant, 1);
    const fault = { code: 'TRAINER_CRASHED', message: 'It crashed.', remedy: 'None.', fault: 'SYSTEM' as const };
    for (const [index, expected] of ['retried', 'retried', 'failed'].entries()) {
      await world.db.asOwner(`UPDATE runs SET run_after = now() WHERE id = $1`, [run!.id]);
      const { lease } = (await world.queue.claim('w'))!;
      expect(await world.queue.fail(lease, fault, 2 * (index + 1))).toBe(expected);
      if (expected === 'retried') expect(await world.queue.claim('w')).toBeNull(); // not yet
    }
    const [row] = await world.db.asOwner<{ status: string; attempt: number; compute_seconds: number }>('SELECT * FROM runs WHERE id = $1', [run!.id]);
    expect(row).toMatchObject({ status: 'FAILED', attempt: 3, compute_seconds: 6 });
    const usage = await world.quota.summariseUsage(tenant.owner.actor, new Date(0), new Date('2100-01-01'));
    expect(usage.computeSeconds).toBe(6);
  });

  it.each(['SUSPENDED', 'DELETED'])('skips the runs of a tenant that is %s', async (status) => {
    const tenant = await world.tenant();
    await fill(tenant, 1);
    await close(tenant, status);
    expect(await world.queue.claim('w')).toBeNull();
  });

  it('has the runs at work of a tenant that is suspended given back, and goes on with them when it is resumed', async () => {
    const tenant = await world.tenant();
    const [run] = await fill(tenant, 1);
    const { lease } = (await world.queue.claim('w'))!;
    expect(await world.queue.report(lease, { checkpointKey: 'checkpoint' })).toBe('noted');
    expect(await world.queue.heartbeat(lease)).toBe('continue');
    await close(tenant, 'SUSPENDED');
    expect(await world.queue.heartbeat(lease)).toBe('tenant-closed');
    expect(await world.queue.giveBack(lease, 3, 'tenant-closed')).toBe(true);
    expect(await world.queue.claim('w')).toBeNull();
    await close(tenant, 'ACTIVE');
    const again = (await world.queue.claim('w'))!;
    expect(again.run).toMatchObject({ id: run!.id, attempt: 1, checkpointKey: 'checkpoint', computeSeconds: 3 });
    // A cancel comes first: it is what the tenant itself wanted.
    await world.training.cancel(tenant.owner.actor, run!.id);
    await close(tenant, 'SUSPENDED');
    expect(await world.queue.heartbeat(again.lease)).toBe('cancel');
  });
});
