import { type PersonActor, platformTenantId } from '@millrace/auth';
import { newId } from '@millrace/kernel';
import { createWorld, type TenantInWorld, type World } from '@millrace/testkit';
import { defaultLimits, defaultTableLimits, defaultTrainingLimits, type PlanUsageLimit } from './index.ts';
import { addToHours } from './usage-hours.ts';

let world: World;
let operator: PersonActor;

beforeAll(async () => {
  world = await createWorld();
  const email = `${newId('person')}@example.com`;
  await world.auth.members.add({ tenantId: platformTenantId, name: 'Otto', email, password: 'a password for tests', role: 'OPERATOR' });
  const outcome = await world.auth.signIn(email, 'a password for tests');
  if (outcome.type !== 'signed-in') throw new Error(outcome.type);
  operator = outcome.actor;
});
afterAll(() => world.close());

const plans = () => world.quota.plans;

async function save(name: string, activeRuns: bigint) {
  const outcome = await plans().save(operator, { name, description: ' for a line ', limits: [{ resource: 'ACTIVE_RUNS', limit: activeRuns }] });
  if (outcome.type !== 'saved') throw new Error(JSON.stringify(outcome));
  return outcome.plan;
}

const limitOf = async (tenant: TenantInWorld, resource = 'ACTIVE_RUNS') => (await world.quota.listCounters(tenant.owner.actor)).find((counter) => counter.resource === resource)!.limit;

const reserve = (tenant: TenantInWorld, amount = 1n) =>
  world.db.database.forTenant(tenant.tenantId).transaction((tx) => world.quota.reserve(tx, tenant.tenantId, { resource: 'ACTIVE_RUNS', amount, subject: newId('run') }));

describe('a plan', () => {
  it('gives its limits to a tenant, and the default ones where it names none', async () => {
    const tenant = await world.tenant();
    const plan = await save('small', 2n);
    expect(plan).toMatchObject({ name: 'small', description: 'for a line', tenantCount: 0, limits: { ...defaultLimits, ACTIVE_RUNS: 2n } });
    expect(await plans().setForTenant(operator, tenant.tenantId, 'small')).toEqual({ type: 'set' });
    expect([await limitOf(tenant), await limitOf(tenant, 'STORAGE_BYTES')]).toEqual([2n, defaultLimits.STORAGE_BYTES]);
    expect((await plans().list(operator)).find(({ name }) => name === 'small')).toMatchObject({ tenantCount: 1 });
    const outcomes = await Promise.all([1, 2, 3].map(() => reserve(tenant)));
    expect(outcomes.map(({ type }) => type).sort()).toEqual(['quota-exceeded', 'reserved', 'reserved']);

    expect(await plans().setForTenant(operator, tenant.tenantId, null)).toEqual({ type: 'set' });
    expect(await limitOf(tenant)).toBe(defaultLimits.ACTIVE_RUNS);
  });

  it('limits what its tenants may predict; a limit that stays keeps what is used of it', async () => {
    const tenant = await world.tenant();
    const limits = async () => (await world.quota.usageLimits.list(tenant.owner.actor)).map(({ scope, measure, period, limit, used }) => [scope, measure, period, limit, used]);
    const saveUsage = (usage: PlanUsageLimit[]) => plans().save(operator, { name: 'metered', description: '', limits: [], usage });
    expect((await saveUsage([{ measure: 'ROWS', period: 'MONTH', limit: 100, softLimit: 80 }, { measure: 'REQUESTS', period: 'RATE', limit: 60, softLimit: null }])).type).toBe('saved');
    await plans().setForTenant(operator, tenant.tenantId, 'metered');
    expect(await limits()).toEqual([['PLAN', 'REQUESTS', 'RATE', 60, 0], ['PLAN', 'ROWS', 'MONTH', 100, 0]]);
    const [, { id }] = (await world.quota.usageLimits.list(tenant.owner.actor)) as [unknown, { id: string }];
    await world.db.asOwner(`INSERT INTO usage_accounts (tenant_id, id, window_start, used) VALUES ($1, $2, date_trunc('month', now(), 'UTC'), 7)`, [tenant.tenantId, id]);
    const until = new Date(Date.now() + 3_600_000);
    const rate = (await world.quota.usageLimits.list(tenant.owner.actor)).find(({ period }) => period === 'RATE')!;
    const raiseRate = (by: number) => world.quota.usageLimits.raise(operator, { tenantId: tenant.tenantId, limitId: rate.id, by, until, reason: 'a trial' });
    expect(await raiseRate(999_941)).toMatchObject({ type: 'invalid', problems: [{ code: 'out_of_range', field: 'by', remedy: expect.stringContaining('999940') }] });
    expect(await raiseRate(999_940)).toMatchObject({ type: 'set', limit: { raise: { by: 999_940 } } });
    expect(await world.quota.usageLimits.raise(operator, { tenantId: tenant.tenantId, limitId: id, by: 50, until, reason: 'a trial' })).toMatchObject({ type: 'set', limit: { limit: 100, used: 7, raise: { by: 50, until, reason: 'a trial' } } });
    await saveUsage([{ measure: 'ROWS', period: 'MONTH', limit: 200, softLimit: null }]);
    await plans().save(operator, { name: 'metered', description: 'only its text', limits: [] });
    expect(await limits()).toEqual([['PLAN', 'ROWS', 'MONTH', 200, 7]]);
    expect((await world.quota.usageLimits.list(tenant.owner.actor))[0]!.raise).toMatchObject({ by: 50 });
    expect(await saveUsage([{ measure: 'ROWS', period: 'RATE', limit: 1, softLimit: 5 }, { measure: 'ROWS', period: 'RATE', limit: 1, softLimit: null }])).toMatchObject({
      type: 'invalid', problems: expect.arrayContaining([expect.objectContaining({ field: 'usage.0.measure' }), expect.objectContaining({ field: 'usage.0.softLimit' }), expect.objectContaining({ code: 'limits_twice' })]),
    });
    await plans().setForTenant(operator, tenant.tenantId, null);
    expect(await limits()).toEqual([]);
  });

  it('says how its tenants share the workers and what a run may have, and the default where it says nothing', async () => {
    const tenant = await world.tenant();
    const limits = () => world.db.database.forTenant(tenant.tenantId).transaction((tx) => world.quota.trainingLimits(tx, tenant.tenantId));
    expect(await limits()).toEqual(defaultTrainingLimits);
    await plans().save(operator, { name: 'heavy', description: '', limits: [], training: { weight: 2.5, computeSecondsPerMonth: 3600 } });
    await plans().setForTenant(operator, tenant.tenantId, 'heavy');
    expect(await limits()).toEqual({ ...defaultTrainingLimits, weight: 2.5, computeSecondsPerMonth: 3600 });
    await plans().save(operator, { name: 'heavy', description: '', limits: [], training: { runMemoryMb: 1024 } });
    expect(await limits()).toEqual({ ...defaultTrainingLimits, runMemoryMb: 1024 });
    await plans().setForTenant(operator, tenant.tenantId, null);
    expect(await limits()).toEqual(defaultTrainingLimits);
    // A tenant's row may also be made by its first run: then the database says what is usual.
    const [row] = await world.db.asOwner<Record<string, unknown>>('DELETE FROM tenant_queues WHERE tenant_id = $1 RETURNING tenant_id', [tenant.tenantId]);
    await world.db.asOwner('INSERT INTO tenant_queues (tenant_id) VALUES ($1)', [row!['tenant_id']]);
    expect(await limits()).toEqual(defaultTrainingLimits);
  });

  it('says how large a table may be, and the default where it says nothing', async () => {
    const tenant = await world.tenant();
    const limits = () => world.quota.showTableLimits(tenant.owner.actor);
    expect(await limits()).toEqual(defaultTableLimits);
    const given = { name: 'long tables', description: '', limits: [], tables: { rows: 20_000_000, fileMb: 5000 } };
    expect(await plans().save(operator, given)).toMatchObject({ type: 'saved', plan: { tables: { ...defaultTableLimits, rows: 20_000_000, fileMb: 5000 } } });
    await plans().setForTenant(operator, tenant.tenantId, 'long tables');
    expect(await limits()).toEqual({ rows: 20_000_000, columns: defaultTableLimits.columns, fileMb: 5000 });
    await plans().save(operator, { ...given, tables: { columns: 50 } });
    expect(await limits()).toEqual({ ...defaultTableLimits, columns: 50 });
    const outcome = await plans().save(operator, { ...given, tables: { rows: 0, columns: 1.5, fileMb: -1 } });
    expect(outcome.type === 'invalid' && outcome.problems.map(({ field }) => field)).toEqual(['tables.rows', 'tables.columns', 'tables.fileMb']);
    await plans().setForTenant(operator, tenant.tenantId, null);
    expect(await limits()).toEqual(defaultTableLimits);
  });

  it('takes nothing away from who has more, and gives nothing new until it is less', async () => {
    const tenant = await world.tenant();
    await reserve(tenant, 5n);
    await save('tiny', 3n);
    await plans().setForTenant(operator, tenant.tenantId, 'tiny');
    const counter = async () => (await world.quota.listCounters(tenant.owner.actor)).find(({ resource }) => resource === 'ACTIVE_RUNS');
    expect(await counter()).toMatchObject({ limit: 3n, used: 5n });
    expect(await reserve(tenant)).toMatchObject({ type: 'quota-exceeded', limit: 3n, used: 5n });
    const [held] = await world.db.asOwner<{ subject: string }>('SELECT subject FROM reservations WHERE tenant_id = $1', [tenant.tenantId]);
    await world.db.database.forTenant(tenant.tenantId).transaction((tx) => world.quota.settle(tx, tenant.tenantId, held!.subject, 'ACTIVE_RUNS', 2n));
    expect((await reserve(tenant)).type).toBe('reserved');
    expect((await reserve(tenant)).type).toBe('quota-exceeded');
  });

  it('that is changed changes all its tenants, and each of their trails says so', async () => {
    const [one, two, other] = [await world.tenant(), await world.tenant(), await world.tenant()];
    await save('team', 4n);
    for (const { tenantId } of [one, two]) await plans().setForTenant(operator, tenantId, 'team');
    expect(await save('team', 6n)).toMatchObject({ tenantCount: 2 });
    expect(await Promise.all([one, two, other].map((tenant) => limitOf(tenant)))).toEqual([6n, 6n, defaultLimits.ACTIVE_RUNS]);
    const lines = await world.db.asOwner<{ tenant_id: string; actor: string; details: { limits: object } }>(
      `SELECT tenant_id, actor, details FROM audit_events WHERE action = 'tenant.plan' AND details->>'plan' = 'team' ORDER BY id`,
    );
    expect(lines.map(({ tenant_id }) => tenant_id)).toEqual([one.tenantId, two.tenantId, ...[one.tenantId, two.tenantId].sort()]);
    expect(lines.at(-1)).toMatchObject({ actor: `operator:${operator.personId}`, details: { limits: { ACTIVE_RUNS: 6 } } });
    expect(await world.db.asOwner(`SELECT subject FROM audit_events WHERE action = 'plan.save' AND subject = 'team' AND tenant_id = $1`, [platformTenantId])).toHaveLength(2);
  });

  it('given and changed at the same moment leaves every tenant of it with its limits', async () => {
    const tenants = await Promise.all(Array.from({ length: 4 }, () => world.tenant()));
    await save('busy', 1n);
    for (let round = 1n; round <= 10n; round++) {
      await Promise.all(tenants.map(({ tenantId }) => plans().setForTenant(operator, tenantId, null)));
      await Promise.all([...tenants.map(({ tenantId }) => plans().setForTenant(operator, tenantId, 'busy')), save('busy', 10n + round)]);
      expect(await Promise.all(tenants.map((tenant) => limitOf(tenant)))).toEqual(tenants.map(() => 10n + round));
    }
  });

  it('must be one, as must the tenant', async () => {
    const tenant = await world.tenant();
    expect(await plans().setForTenant(operator, tenant.tenantId, 'none such')).toEqual({ type: 'plan-not-found' });
    for (const id of [newId('tenant'), platformTenantId]) expect(await plans().setForTenant(operator, id, null)).toEqual({ type: 'tenant-not-found' });
    expect(await world.db.asOwner('SELECT plan_name FROM tenants WHERE id = $1', [tenant.tenantId])).toEqual([{ plan_name: null }]);
  });

  it.each([
    [['name'], { name: '' }],
    [['name'], { name: 'a\u202eb' }],
    [['description'], { description: 'x'.repeat(301) }],
    [['limits.ACTIVE_RUNS'], { limits: [{ resource: 'ACTIVE_RUNS', limit: -1n }] }],
    [['limits.STORAGE_BYTES'], { limits: [{ resource: 'STORAGE_BYTES', limit: 2n ** 60n }] }],
    [['training.weight'], { training: { weight: 0 } }],
    [['training.runningRuns', 'training.runMemoryMb'], { training: { runningRuns: 1.5, runMemoryMb: 100 } }],
    [['limits'], { limits: [{ resource: 'ACTIVE_RUNS', limit: 1n }, { resource: 'ACTIVE_RUNS', limit: 2n }] }],
  ])('is refused for its %j', async (fields, change) => {
    const outcome = await plans().save(operator, { name: 'fit', description: '', limits: [], ...(change as object) });
    expect(outcome.type === 'invalid' && outcome.problems.map(({ field }) => field)).toEqual(fields);
  });

  it('is an operator’s to make', async () => {
    const { owner: { actor }, tenantId } = await world.tenant();
    const verbs = [
      () => plans().list(actor), () => plans().save(actor, { name: 'own', description: '', limits: [] }), () => plans().setForTenant(actor, tenantId, null),
      () => plans().summariseTenants(actor, [tenantId], new Date(0), new Date()),
    ];
    for (const verb of verbs) await expect(verb()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('what tenants have and use', () => {
  it('is told by tenant for a time, with zeros for who has nothing', async () => {
    const [busy, idle] = [await world.tenant(), await world.tenant()];
    await reserve(busy, 3n);
    await world.db.asOwner(
      `WITH entered AS (INSERT INTO usage_records (tenant_id, request_id, at, kind, actor, rows, units, gpu_units) VALUES
        ($1, 'a', '2026-05-01T00:00:00Z', 'PREDICTION', 'system', 5, 5, 0), ($1, 'b', '2026-05-31T23:59:59Z', 'PREDICTION', 'system', 7, 7, 0),
        ($1, 'c', '2026-05-02T00:00:00Z', 'TRAINING', 'system', 0, 12.5, 4), ($1, 'd', '2026-06-01T00:00:00Z', 'PREDICTION', 'system', 100, 100, 0) RETURNING *) ${addToHours.text}`,
      [busy.tenantId],
    );
    const uses = await plans().summariseTenants(operator, [busy.tenantId, idle.tenantId], new Date('2026-05-01T00:00:00Z'), new Date('2026-06-01T00:00:00Z'));
    expect(uses.get(busy.tenantId)).toEqual({
      counters: [{ resource: 'ACTIVE_RUNS', limit: 20n, used: 3n }, { resource: 'STORAGE_BYTES', limit: defaultLimits.STORAGE_BYTES, used: 0n }],
      usage: { predictions: 2, rows: 12n, computeSeconds: 12.5, gpuSeconds: 4 },
    });
    expect(uses.get(idle.tenantId)!.usage).toEqual({ predictions: 0, rows: 0n, computeSeconds: 0, gpuSeconds: 0 });
  });
});
