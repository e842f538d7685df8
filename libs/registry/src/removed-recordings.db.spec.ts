import { newId, silentLogger } from '@millrace/kernel';
import { buildPackage } from '@millrace/packaging';
import { createWorld, type TenantInWorld, type World } from '@millrace/testkit';
import { pipeline } from '../test/sample-pipeline.ts';
import { sweepRecordings } from './recording-sweep.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
  // Whatever removes recordings: a statement takes no more than it has time for.
  await world.db.asOwner(`
    CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF (SELECT sum(predictions) FROM gone) > 20000 THEN RAISE EXCEPTION ''too many at once''; END IF; RETURN NULL; END';
    CREATE TRIGGER watch AFTER DELETE ON recordings REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION watch()`);
});
afterAll(() => world.close());

/** A version that an endpoint of the model's name serves. */
async function publish(tenant: TenantInWorld, name: string) {
  const versionId = newId('modelVersion');
  const modelPackage = buildPackage(pipeline, { metrics: {}, lineage: {} });
  await world.registry.storePackage(tenant.tenantId, versionId, modelPackage);
  await world.db.database.forTenant(tenant.tenantId).transaction((tx) =>
    world.registry.addVersion(tx, {
      tenantId: tenant.tenantId, versionId, modelName: name, runId: null, datasetVersionId: null, imported: { source: 'ONNX', provenance: { filename: 'm.onnx' } },
      modelPackage, metrics: {}, agreement: { type: 'agrees', rows: 0, maxDifference: 0, tolerance: 1e-4 },
    }),
  );
  const published = await world.registry.publish(tenant.owner.actor, { versionId, endpointName: name });
  if (published.type !== 'published') throw new Error(published.type);
  return { tenantId: tenant.tenantId, versionId, modelId: published.version.modelId, endpointId: published.endpoint.id };
}

type Served = Awaited<ReturnType<typeof publish>>;

/** Recordings of a thousand predictions and 100 bytes each, kept for 30 days, made a second apart; the last so many days ago. */
async function record({ tenantId, versionId, endpointId }: Served, count: number, daysAgo = 0): Promise<void> {
  const prefix = newId('recording');
  await world.db.asOwner(
    `INSERT INTO recordings (id, tenant_id, endpoint_id, version_id, variant, outputs_box, predictions, bytes, created_at, ends_at)
     SELECT $1 || n, $2, $3, $4, 'STABLE', '', 1000, 100, at, at + interval '30 days'
     FROM generate_series(0, $5::int - 1) n, LATERAL (SELECT now() - make_interval(days => $6::int, secs => n) AS at) t`,
    [prefix, tenantId, endpointId, versionId, count, daysAgo],
  );
  await world.db.asOwner(
    `INSERT INTO recorded_predictions (tenant_id, prediction_id, recording_id, place) SELECT $1, $2 || n || '-' || p, $2 || n, p FROM generate_series(0, $3::int - 1) n, generate_series(0, 999) p`,
    [tenantId, prefix, count],
  );
  await world.db.asOwner(
    `INSERT INTO quota_counters (tenant_id, resource, limit_value, used) VALUES ($1, 'STORAGE_BYTES', 1e9, $2::int * 100)
     ON CONFLICT (tenant_id, resource) DO UPDATE SET used = quota_counters.used + excluded.used`,
    [tenantId, count],
  );
}

/** Recordings that are there, their predictions, and the storage that counts for them. */
async function left({ tenantId }: Pick<Served, 'tenantId'>) {
  const [row] = await world.db.asOwner<{ recordings: number; predictions: number; bytes: number }>(
    `SELECT (SELECT count(*)::int FROM recordings WHERE tenant_id = $1) AS recordings, (SELECT count(*)::int FROM recorded_predictions WHERE tenant_id = $1) AS predictions,
       (SELECT used::int FROM quota_counters WHERE tenant_id = $1 AND resource = 'STORAGE_BYTES') AS bytes`,
    [tenantId],
  );
  return row!;
}
const whole = (recordings: number) => ({ recordings, predictions: recordings * 1000, bytes: recordings * 100 });

describe('a sweep', () => {
  const sweep = (mostBytes = 1e9, logger = silentLogger) => sweepRecordings({ database: world.db.database, mostBytes, logger });

  it('removes what is over and the oldest of what is too much, also when several are at it, and gives storage back once', async () => {
    const served = await publish(await world.tenant(), 'press');
    await record(served, 22, 31);
    await record(served, 30);
    await Promise.all([sweep(), sweep()]);
    expect(await left(served)).toEqual(whole(30));
    await Promise.all([sweep(1_050), sweep(1_050)]);
    expect(await left(served)).toEqual(whole(10));
    expect(await world.db.asOwner(`SELECT 1 FROM recordings WHERE tenant_id = $1 AND created_at < now() - interval '1 hour'`, [served.tenantId])).toEqual([]);
    const [{ span }] = (await world.db.asOwner<{ span: number }>('SELECT extract(epoch FROM max(created_at) - min(created_at))::int AS span FROM recordings WHERE tenant_id = $1', [served.tenantId])) as [{ span: number }];
    expect(span).toBe(9); // the newest, one after the other
  });

  it('of a tenant where it fails holds up no other', async () => {
    const served = [await publish(await world.tenant(), 'press'), await publish(await world.tenant(), 'press')].sort((a, b) => (a.tenantId < b.tenantId ? -1 : 1));
    for (const each of served) await record(each, 1, 31);
    await world.db.asOwner(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''stuck''; END';
      CREATE TRIGGER refuse BEFORE DELETE ON recordings FOR EACH ROW WHEN (OLD.tenant_id = '${served[0]!.tenantId}') EXECUTE FUNCTION refuse()`);
    const told: object[] = [];
    await sweep(1e9, { ...silentLogger, warn: (fields) => void told.push(fields) });
    expect(await Promise.all(served.map(left))).toEqual([whole(1), whole(0)]);
    expect(told).toEqual([{ tenantId: served[0]!.tenantId, error: expect.stringContaining('stuck') }]);
    await world.db.asOwner('DROP TRIGGER refuse ON recordings');
  });

  it('removes what an endpoint keeps for fewer days by now, of no other', async () => {
    const tenant = await world.tenant();
    const [shorter, other] = [await publish(tenant, 'shorter'), await publish(tenant, 'other')];
    for (const each of [shorter, other]) for (const daysAgo of [5, 20]) await record(each, 2, daysAgo);
    expect((await world.registry.updateServing(tenant.owner.actor, { endpointName: 'shorter', recordDays: 10 })).type).toBe('updated');
    expect((await world.registry.updateServing(tenant.owner.actor, { endpointName: 'other', recordDays: 365 })).type).toBe('updated');
    await sweep();
    expect(await left(shorter)).toEqual(whole(6));
    expect(await world.db.asOwner(`SELECT endpoint_id FROM recordings WHERE tenant_id = $1 AND created_at < now() - interval '10 days'`, [tenant.tenantId])).toEqual([{ endpoint_id: other.endpointId }, { endpoint_id: other.endpointId }]);
  });
});

describe('with much recorded', () => {
  it('an endpoint is deleted, by who may', async () => {
    const tenant = await world.tenant();
    const served = await publish(tenant, 'press');
    await record(served, 25);
    const viewer = await tenant.member('VIEWER');
    await expect(world.registry.deleteEndpoint(viewer.actor, 'press')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect((await world.registry.deleteEndpoint((await world.tenant()).owner.actor, 'press')).type).toBe('not-found');
    expect(await left(served)).toEqual(whole(25));
    expect((await world.registry.deleteEndpoint(tenant.owner.actor, 'press')).type).toBe('deleted');
    expect(await left(served)).toEqual(whole(0));
  });

  it('a version is deleted, unless it is served', async () => {
    const tenant = await world.tenant();
    const served = await publish(tenant, 'press');
    await record(served, 25);
    expect((await world.registry.deleteVersion(tenant.owner.actor, served.versionId)).type).toBe('in-use');
    expect(await left(served)).toEqual(whole(25));
    for (const _ of ['previous', 'none']) await publish(tenant, 'press');
    expect((await world.registry.deleteVersion(tenant.owner.actor, served.versionId)).type).toBe('deleted');
    expect(await left(served)).toEqual(whole(0));
  });

  it('versions that are too many go', async () => {
    const tenant = await world.tenant();
    const [first, second] = [await publish(tenant, 'press'), await publish(tenant, 'press')];
    for (const each of [first, second]) await record(each, 22);
    for (const _ of ['previous', 'none']) await publish(tenant, 'press');
    const policy = { modelId: first.modelId, approvalRequired: false, gate: null, optimisedAtMostWorse: null, keepVersions: 1 };
    expect(await world.registry.savePolicy(tenant.owner.actor, policy)).toMatchObject({ type: 'saved', removed: 1 });
    expect(await left(first)).toEqual(whole(22));
  });
});

it('an endpoint that is deleted waits for who holds its model, and holds nothing meanwhile', async () => {
  const tenant = await world.tenant();
  const { tenantId, modelId, endpointId } = await publish(tenant, 'press');
  let deleting: Promise<{ type: string }> | undefined;
  await world.db.database.forTenant(tenantId).transaction(async (tx) => {
    await tx.$queryRaw`SELECT id FROM models WHERE tenant_id = ${tenantId} AND id = ${modelId} FOR UPDATE`;
    let isOver = false;
    deleting = world.registry.deleteEndpoint(tenant.owner.actor, 'press').finally(() => (isOver = true));
    const waiting = () => tx.$queryRaw<unknown[]>`SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))`;
    while (!isOver && !(await waiting()).length);
    expect(isOver).toBe(false);
    expect(await tx.$queryRaw`SELECT id FROM endpoints WHERE tenant_id = ${tenantId} AND id = ${endpointId} FOR UPDATE NOWAIT`).toEqual([{ id: endpointId }]);
  });
  expect(await deleting).toEqual({ type: 'deleted' });
});
