import type { Database } from '@millrace/database';
import { newId, silentLogger } from '@millrace/kernel';
import { createTestDatabase, type TestDatabase, withinASecond } from '@millrace/testkit';
import { newEmail, password, secrets, signedIn } from '../test/auth-world.ts';
import { type Auth, createAuth, generateKey, type PersonActor, platformTenantId, type SignedIn } from './index.ts';
import { slugOf } from './tenants.ts';

let test: TestDatabase;
/** of two processes */
let auth: Auth;
let elsewhere: Auth;
/** deletes for good at once */
let hasty: Auth;
let operator: PersonActor;

beforeAll(async () => {
  test = await createTestDatabase();
  const options = { database: test.database, ...secrets, logger: silentLogger };
  [auth, elsewhere, hasty] = [createAuth(options), createAuth(options), createAuth({ ...options, purgeDays: 0 })];
  await auth.watchRevocations();
  await elsewhere.watchRevocations();
  const email = newEmail();
  await auth.members.add({ tenantId: platformTenantId, name: 'Otto', email, password, role: 'OPERATOR' });
  operator = signedIn(await auth.signIn(email, password)).actor;
});
afterAll(() => test.close());

async function owner(tenantName = 'Acme'): Promise<SignedIn & { email: string }> {
  const email = newEmail();
  const created = await auth.createTenant({ tenantName, name: 'Ann', email, password });
  if (created.type !== 'created') throw new Error(JSON.stringify(created));
  return { ...signedIn(await auth.signIn(email, password)), email };
}

async function keyOf(actor: PersonActor): Promise<string> {
  const created = await auth.keys.create(actor, { alias: 'press 4', scopes: ['PREDICT'] });
  return created.type === 'created' ? created.key : '';
}

const row = async (id: string) => (await test.asOwner<{ status: string; slug: string; reason: string | null; purge_after: Date | null }>('SELECT * FROM tenants WHERE id = $1', [id]))[0];
const actions = async (tenantId: string): Promise<string[]> =>
  (await test.asOwner<{ action: string }>('SELECT action FROM audit_events WHERE tenant_id = $1 ORDER BY id', [tenantId])).map(({ action }) => action);

it('tells thousands of tenants of one name apart by their slugs', () => {
  const slugs = Array.from({ length: 5_000 }, () => slugOf('Acme', newId('tenant')));
  expect(new Set(slugs).size).toBe(5_000);
});

describe('a tenant’s owner', () => {
  it('renames it; nobody below may', async () => {
    const { actor } = await owner();
    expect(await auth.tenants.rename(actor, ' Acme 2 ')).toEqual({ type: 'renamed' });
    expect(await row(actor.tenantId)).toMatchObject({ name: 'Acme 2' });
    expect((await auth.tenants.rename(actor, '')).type).toBe('invalid');
    await expect(auth.tenants.rename({ ...actor, role: 'ADMIN' }, 'x')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await actions(actor.tenantId)).toContain('tenant.rename');
  });

  it('deletes it with its slug and an export of the last day, or the word that none is wanted', async () => {
    const { actor, accessToken } = await owner();
    const { slug } = (await row(actor.tenantId))!;
    const unconfirmed = await auth.tenants.delete(actor, { confirm: 'acme', withoutExport: true });
    expect(unconfirmed.type === 'invalid' && unconfirmed.problems[0]!.field).toBe('confirm');
    expect(await auth.tenants.delete(actor, { confirm: slug, withoutExport: false })).toEqual({ type: 'export-missing', exportedAt: null });
    await test.asOwner(`UPDATE tenants SET exported_at = now() - interval '25 hours' WHERE id = $1`, [actor.tenantId]);
    expect(await auth.tenants.delete(actor, { confirm: slug, withoutExport: false })).toEqual({ type: 'export-missing', exportedAt: expect.any(Date) });
    await test.asOwner(`UPDATE tenants SET exported_at = now() - interval '23 hours' WHERE id = $1`, [actor.tenantId]);
    expect(await row(actor.tenantId)).toMatchObject({ status: 'ACTIVE' });

    const deleted = await auth.tenants.delete(actor, { confirm: slug, withoutExport: false });
    const days = deleted.type === 'deleted' ? (deleted.purgeAfter.getTime() - Date.now()) / 86_400_000 : 0;
    expect(days).toBeGreaterThan(29.9);
    expect(days).toBeLessThan(30.1);
    await withinASecond(async () => (await auth.authenticate(accessToken)) === null);
    expect(await actions(actor.tenantId)).toContain('tenant.delete');

    const other = await owner();
    expect((await auth.tenants.delete(other.actor, { confirm: (await row(other.actor.tenantId))!.slug, withoutExport: true })).type).toBe('deleted');
  });
});

describe('an operator', () => {
  it('makes a tenant whose owner comes in by an invitation', async () => {
    const email = newEmail();
    const created = await auth.tenants.create(operator, { name: 'Bolt', ownerEmail: email });
    if (created.type !== 'created') throw new Error(created.type);
    expect(created.tenant).toMatchObject({ name: 'Bolt', status: 'ACTIVE', memberCount: 0, lastActivityAt: null });
    const { actor } = signedIn(await auth.members.acceptInvitation(created.token, { name: 'Bo', password }));
    expect(actor).toMatchObject({ tenantId: created.tenant.id, role: 'OWNER' });
    expect(await auth.tenants.find(operator, created.tenant.id)).toMatchObject({ memberCount: 1, lastActivityAt: expect.any(Date) });
    expect(await test.asOwner('SELECT actor, action FROM audit_events WHERE tenant_id = $1 ORDER BY id LIMIT 1', [created.tenant.id])).toEqual([
      { actor: `operator:${operator.personId}`, action: 'tenant.create' },
    ]);
    const unfit = await auth.tenants.create(operator, { name: '', ownerEmail: 'x' });
    expect(unfit.type === 'invalid' && unfit.problems.map(({ field }) => field)).toEqual(['name', 'ownerEmail']);
  });

  it('suspends a tenant: its sessions and keys end in every process within a second, and are back when it is resumed', async () => {
    const { actor, accessToken, refreshToken, email } = await owner();
    const key = await keyOf(actor);
    const lives = () => Promise.all([auth, elsewhere].flatMap((one) => [accessToken, key].map(async (credential) => (await one.authenticate(credential)) !== null)));
    expect(await lives()).toEqual([true, true, true, true]);
    expect(await auth.tenants.suspend(operator, actor.tenantId, 'unpaid bills')).toMatchObject({ type: 'changed', tenant: { status: 'SUSPENDED', reason: 'unpaid bills' } });
    await withinASecond(async () => (await lives()).every((alive) => !alive));
    expect(await auth.stillActs(actor)).toBe(false);
    expect((await auth.refresh(refreshToken)).type).toBe('refused');
    expect((await auth.signIn(email, password)).type).toBe('refused');
    expect((await auth.tenants.suspend(operator, actor.tenantId, '')).type).toBe('invalid');

    expect(await auth.tenants.resume(operator, actor.tenantId)).toMatchObject({ type: 'changed', tenant: { status: 'ACTIVE', reason: null } });
    await withinASecond(async () => (await lives()).every(Boolean));
    expect((await auth.tenants.resume(operator, actor.tenantId)).type).toBe('changed'); // no error, and no second line
    expect((await actions(actor.tenantId)).filter((action) => /suspend|resume/.test(action))).toEqual(['tenant.suspend', 'tenant.resume']);
  });

  it('deletes a tenant and restores it within its time', async () => {
    const { actor, accessToken } = await owner();
    const { tenantId } = actor;
    expect(await auth.tenants.restore(operator, tenantId)).toEqual({ type: 'wrong-state', status: 'ACTIVE' });
    expect(await auth.tenants.scheduleDeletion(operator, tenantId, 'closed down')).toMatchObject({ tenant: { status: 'DELETED', purgeAfter: expect.any(Date) } });
    const { purge_after: first } = (await row(tenantId))!;
    expect((await auth.tenants.scheduleDeletion(operator, tenantId, 'again')).type).toBe('changed');
    expect((await row(tenantId))!.purge_after).toEqual(first);
    expect(await auth.tenants.suspend(operator, tenantId, 'x')).toEqual({ type: 'wrong-state', status: 'DELETED' });
    expect(await auth.tenants.resume(operator, tenantId)).toEqual({ type: 'wrong-state', status: 'DELETED' });
    expect((await auth.tenants.purgeDue(noArtefacts)).purged).not.toContain(tenantId);

    expect(await auth.tenants.restore(operator, tenantId)).toMatchObject({ type: 'changed', tenant: { status: 'ACTIVE', purgeAfter: null, deletedAt: null } });
    await withinASecond(async () => (await auth.authenticate(accessToken)) !== null);
  });

  it('finds tenants by page, by part of the name and by id; the platform’s own is none of them', async () => {
    const ids: string[] = [];
    for (const name of ['Canary 100%', 'Canary_two', 'canary three']) ids.push((await owner(name)).actor.tenantId);
    const list = async (search: string, page = {}) => (await auth.tenants.list(operator, { limit: 10, search, ...page })).map(({ id }) => id);
    expect(await list('CANARY')).toEqual([...ids].reverse());
    expect(await list('100%')).toEqual([ids[0]]);
    expect(await list('%')).toEqual([ids[0]]);
    expect(await list('y_t')).toEqual([ids[1]]);
    expect(await list(ids[2]!)).toEqual([ids[2]]);
    expect(await list('canary', { limit: 1, after: ids[2] })).toEqual([ids[1]]);
    expect(await list('canary', { before: ids[0], oldestFirst: true })).toEqual([ids[1], ids[2]]);
    expect(await list(platformTenantId)).toEqual([]);
    expect(await auth.tenants.find(operator, platformTenantId)).toBeNull();
    for (const verb of ['suspend', 'scheduleDeletion'] as const) expect(await auth.tenants[verb](operator, platformTenantId, 'x')).toEqual({ type: 'not-found' });
    expect(await auth.tenants.resume(operator, newId('tenant'))).toEqual({ type: 'not-found' });
  });

  it('is the only one who may', async () => {
    const { actor } = await owner();
    const verbs = [
      () => auth.tenants.list(actor, { limit: 1 }), () => auth.tenants.find(actor, actor.tenantId), () => auth.tenants.create(actor, { name: 'x', ownerEmail: 'x@x.test' }),
      () => auth.tenants.suspend(actor, actor.tenantId, 'x'), () => auth.tenants.resume(actor, actor.tenantId),
      () => auth.tenants.scheduleDeletion(actor, actor.tenantId, 'x'), () => auth.tenants.restore(actor, actor.tenantId), () => auth.platform.inspectDatabase(actor),
    ];
    for (const verb of verbs) await expect(verb()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    // Nor does an operator do what is the tenant's.
    await expect(auth.tenants.delete(operator, { confirm: 'platform', withoutExport: true })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(auth.tenants.beginExport(operator)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('sees how the installation is', async () => {
    const health = () => auth.platform.inspectDatabase(operator);
    const before = await health();
    expect(before.postgresVersion).toMatch(/^\d+\.\d+/);
    expect(before.migrations).toMatchObject({ latest: expect.stringMatching(/^\d{14}_\w+$/), unfinished: [] });
    expect(before.migrations.applied).toBeGreaterThan(4);
    expect(before.queue).toEqual({ queued: 0, running: 0, oldestWaitSeconds: null, workers: 0 });

    const end = await test.workerDatabase.listen('millrace_queue', () => undefined); // as every worker does
    const one = await seedTenant();
    await test.asOwner(
      `INSERT INTO runs (id, tenant_id, dataset_version_id, model_name, spec, created_by, run_after)
        SELECT $1, $2, id, 'm', '{}', 'system', now() - interval '90 seconds' FROM dataset_versions WHERE tenant_id = $2`,
      [newId('run'), one.tenantId],
    );
    const after = await health();
    expect(after.queue).toMatchObject({ queued: 1, running: 0, workers: 1 });
    expect(after.queue.oldestWaitSeconds).toBeGreaterThanOrEqual(90);
    expect(after.tenants.active).toBe(before.tenants.active + 1);
    await auth.tenants.suspend(operator, one.tenantId, 'so that its run does not count as waiting');
    expect((await health()).queue).toMatchObject({ queued: 1, oldestWaitSeconds: null });
    end();
  });
});

const noArtefacts = { removeArtefacts: async (): Promise<void> => undefined };

/** Every table that says whose its rows are, with the number of this tenant's. */
async function rowsOf(tenantId: string): Promise<Record<string, number>> {
  const tables = await test.asOwner<{ name: string }>(
    `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1`,
  );
  const counts = await test.asOwner<{ name: string; count: number }>(
    [...tables, { name: 'tenants' }].map(({ name }) => `SELECT '${name}' AS name, count(*)::int AS count FROM ${name} WHERE ${name === 'tenants' ? 'id' : 'tenant_id'} = $1`).join(' UNION ALL '),
    [tenantId],
  );
  return Object.fromEntries(counts.map(({ name, count }) => [name, count]));
}

/** A tenant with a row in every table, deleted or not; its people are an owner and a former member. */
async function seedTenant(): Promise<{ tenantId: string; ownerId: string; formerId: string }> {
  const [tenantId, ownerId, formerId] = [newId('tenant'), newId('person'), newId('person')];
  const ids = ['upload', 'dataset', 'datasetVersion', 'run', 'model', 'modelVersion', 'endpoint'] as const;
  const [upload, dataset, version, run, model, modelVersion, endpoint] = ids.map((kind) => newId(kind));
  await test.asOwner(
    `WITH tenant AS (INSERT INTO tenants (id, slug, name) VALUES ($1, $1, 'Seeded') RETURNING id),
      p AS (INSERT INTO people (id, email, name) VALUES ($15, $15 || '@x.test', 'F'), ($17, $17 || '@x.test', 'O')),
      ms AS (INSERT INTO memberships (tenant_id, person_id, role) SELECT id, $17, 'OWNER' FROM tenant),
      ss AS (INSERT INTO sessions (id, tenant_id, person_id, token_hash, expires_at) SELECT $18, id, $15, $18, now() FROM tenant),
      u AS (INSERT INTO uploads (id, tenant_id, filename, created_by) SELECT $2, id, 'a.csv', 'system' FROM tenant),
      d AS (INSERT INTO datasets (id, tenant_id, name, created_by) SELECT $3, id, 'd', 'system' FROM tenant),
      v AS (INSERT INTO dataset_versions (id, tenant_id, dataset_id, number, upload_id, row_count, column_count, profile, object_key, size_bytes, sha256, created_by)
        SELECT $4, id, $3, 1, $2, 1, 1, '[]', 'k', 1, 's', 'system' FROM tenant),
      r AS (INSERT INTO runs (id, tenant_id, dataset_version_id, model_name, spec, created_by, status, finished_at) SELECT $5, id, $4, 'm', '{}', 'system', 'SUCCEEDED', now() FROM tenant),
      e AS (INSERT INTO run_events (tenant_id, run_id, sequence, type) SELECT id, $5, 1, 'submitted' FROM tenant),
      me AS (INSERT INTO run_metrics (tenant_id, run_id, trial, epoch, values) SELECT id, $5, 0, n, '{}' FROM tenant, generate_series(1, 20) n),
      t AS (INSERT INTO trials (tenant_id, run_id, number, family, parameters, metrics, fit_time_s) SELECT id, $5, 0, 'knn', '{}', '{}', 1 FROM tenant),
      m AS (INSERT INTO models (id, tenant_id, name, task) SELECT $6, id, 'm', 'REGRESSION' FROM tenant),
      mv AS (INSERT INTO model_versions (id, tenant_id, model_id, number, family, run_id, dataset_version_id, package_prefix, package_sha256, size_bytes, size_gz_bytes, signature, metrics, agreement)
        SELECT $7, id, $6, 1, 'knn', $5, $4, 'p', 's', 1, 1, '{}', '{}', '{}' FROM tenant),
      ma AS (INSERT INTO model_aliases (tenant_id, model_id, name, version_id, updated_by) SELECT id, $6, 'champion', $7, 'system' FROM tenant),
      en AS (INSERT INTO endpoints (id, tenant_id, name, model_id, alias_name, created_by) SELECT $8, id, 'e', $6, 'champion', 'system' FROM tenant),
      ts AS (INSERT INTO traffic_shares (tenant_id, endpoint_id, version_id, percent, mirror_percent) SELECT id, $8, $7, 1, 0 FROM tenant),
      tc AS (INSERT INTO traffic_counts (tenant_id, endpoint_id, version_id, variant, slot, requests, errors, refused, differing, latency_counts)
        SELECT id, $8, $7, 'STABLE', now() - make_interval(secs => n), 1, 0, 0, 0, '{}' FROM tenant, generate_series(1, 20) n),
      ro AS (INSERT INTO rollouts (id, tenant_id, endpoint_id, version_id, previous_version_id, status, steps, bake_seconds, min_requests, rollback_on, created_by)
        SELECT 'rol_of_' || id, id, $8, $7, $7, 'SUCCEEDED', '{100}', 1, 1, '[]', 'system' FROM tenant),
      q AS (INSERT INTO tenant_queues (tenant_id) SELECT id FROM tenant),
      qc AS (INSERT INTO quota_counters (tenant_id, resource, limit_value) SELECT id, 'ACTIVE_RUNS', 1 FROM tenant),
      tl AS (INSERT INTO tenant_table_limits (tenant_id, rows, columns) SELECT id, 1, 1 FROM tenant),
      re AS (INSERT INTO reservations (id, tenant_id, resource, amount, subject) SELECT $9, id, 'ACTIVE_RUNS', 1, 'x' FROM tenant),
      us AS (INSERT INTO usage_records (tenant_id, request_id, at, kind, actor, units) SELECT id, 'r' || n, now(), 'PREDICTION', 'system', 1 FROM tenant, generate_series(1, 20) n),
      ia AS (INSERT INTO idempotency_answers (tenant_id, key, request_sha256, prediction_id, locked_until, expires_at) SELECT id, 'k', 's', 'p', now(), now() FROM tenant),
      ap AS (INSERT INTO async_predictions (id, tenant_id, actor, caller, endpoint_name, input_box, input_bytes) SELECT 'prd_of_' || id, id, 'system', '{}', 'e', '\\x00', 1 FROM tenant),
      rc AS (INSERT INTO recordings (id, tenant_id, endpoint_id, version_id, variant, outputs_box, predictions, bytes, ends_at) SELECT 'rec_of_' || id, id, $8, $7, 'STABLE', '\\x00', 1, 1, now() FROM tenant),
      rp AS (INSERT INTO recorded_predictions (tenant_id, prediction_id, recording_id, place) SELECT id, 'p', 'rec_of_' || id, 0 FROM tenant),
      fb AS (INSERT INTO feedback (tenant_id, prediction_id, truth_box, given_by) SELECT id, 'p', '\\x00', 'system' FROM tenant),
      tu AS (INSERT INTO truth_counts (tenant_id, endpoint_id, version_id, variant, slot, truth, answer, rows) SELECT id, $8, $7, 'STABLE', now(), 0, 0, 1 FROM tenant),
      es AS (INSERT INTO error_sums (tenant_id, endpoint_id, version_id, variant, slot, rows, absolute, squared, fourth, truth, truth_squared) SELECT id, $8, $7, 'STABLE', now(), 1, 0, 0, 0, 0, 0 FROM tenant),
      prc AS (INSERT INTO probability_counts (tenant_id, endpoint_id, version_id, variant, trusted, slot, truth, bin, rows) SELECT id, $8, $7, 'STABLE', true, now(), 0, 0, 1 FROM tenant),
      mts AS (INSERT INTO metric_sums (tenant_id, endpoint_id, version_id, variant, trusted, slot, metric, rows, total, squared) SELECT id, $8, $7, 'STABLE', true, now(), 'logLoss', 1, 0, 0 FROM tenant),
      ws AS (INSERT INTO webhook_keys (id, tenant_id, secret_sealed, created_by) SELECT 'whs_of_' || id, id, '\\x00', 'system' FROM tenant),
      wd AS (INSERT INTO webhook_deliveries (id, tenant_id, prediction_id, event, receiver) SELECT 'whd_of_' || id, id, 'prd_of_' || id, 'start', 'r' FROM tenant),
      wr AS (INSERT INTO webhook_receivers (tenant_id, receiver) SELECT id, 'r' FROM tenant),
      uh AS (INSERT INTO usage_hours (tenant_id, hour, kind, actor, requests, rows, units) SELECT id, date_trunc('hour', now()), 'PREDICTION', 'system', 20, 0, 20 FROM tenant),
      ul AS (INSERT INTO usage_limits (id, tenant_id, scope, measure, period, limit_value, updated_by) SELECT 'lim_of_' || id, id, 'TENANT', 'ROWS', 'DAY', 1, 'system' FROM tenant),
      sk AS (INSERT INTO signing_keys (tenant_id, key_id, public_key, wrapped, master_key_id) SELECT id, 'k', 'p', 'w', 'm' FROM tenant),
      tk AS (INSERT INTO trusted_keys (tenant_id, key_id, public_key, name, added_by) SELECT id, 'k', 'p', 'n', 'system' FROM tenant),
      mi AS (INSERT INTO model_imports (id, tenant_id, upload_id, model_name, options, created_by) SELECT 'imp_of_' || id, id, $2, 'm', '{}', 'system' FROM tenant),
      vr AS (INSERT INTO version_reviews (id, tenant_id, version_id, verdict, comment, evidence, reviewed_by) SELECT 'rvw_of_' || id, id, $7, 'APPROVED', 'c', '{}', 'system' FROM tenant),
      ua AS (INSERT INTO usage_accounts (tenant_id, id) SELECT id, 'lim_of_' || id FROM tenant),
      ue AS (INSERT INTO usage_leases (tenant_id, account_id, lessee, call, window_start, spent, held, seen_at) SELECT id, 'lim_of_' || id, gen_random_uuid(), 1, now(), 0, 0, now() FROM tenant),
      k AS (INSERT INTO api_keys (id, tenant_id, public_id, secret_hmac, last_four, alias, created_by) SELECT $10, id, $10, 'h', 'last', 'a', 'system' FROM tenant),
      i AS (INSERT INTO invitations (id, tenant_id, email, role, token_hash, created_by, expires_at) SELECT $11, id, 'x@x.test', 'VIEWER', $11, 'system', now() FROM tenant),
      g AS (INSERT INTO access_grants (id, tenant_id, person_id, role, reason, expires_at) SELECT $12, id, $16, 'VIEWER', 'r', now() FROM tenant),
      sc AS (INSERT INTO sso_connections (id, tenant_id, issuer, client_id, role_by_group, updated_by) SELECT $13, id, 'i', 'c', '{}', 'system' FROM tenant),
      dc AS (INSERT INTO domain_claims (id, tenant_id, domain, challenge, created_by) SELECT $14, id, 'x.test', 'c', 'system' FROM tenant),
      si AS (INSERT INTO sso_identities (tenant_id, issuer, subject, person_id) SELECT id, 'i', 's', $17 FROM tenant)
    INSERT INTO tenant_keys (tenant_id, version, wrapped, master_key_id) SELECT id, 1, 'w', 'm' FROM tenant`,
    [
      tenantId, upload, dataset, version, run, model, modelVersion, endpoint, newId('reservation'), newId('apiKey'), newId('invitation'), newId('accessGrant'),
      newId('ssoConnection'), newId('domainClaim'), formerId, operator.personId, ownerId,
      newId('session'),
    ],
  );
  await test.database.system().transaction((tx) =>
    tx.auditEvent.createMany({ data: ['one', 'two', 'three'].map((action) => ({ id: newId('auditEvent'), tenantId, actor: 'system', action, result: 'ok' })) }),
  );
  return { tenantId, ownerId, formerId };
}

async function seedDeleted() {
  const seeded = await seedTenant();
  expect((await hasty.tenants.scheduleDeletion(operator, seeded.tenantId, 'closed')).type).toBe('changed');
  return seeded;
}

const peopleLeft = async (ids: string[]): Promise<string[]> => (await test.asOwner<{ id: string }>('SELECT id FROM people WHERE id = ANY ($1)', [ids])).map(({ id }) => id);
const purgeEvents = (tenantId: string) =>
  test.asOwner<{ actor: string; details: Record<string, unknown> }>(
    `SELECT actor, details FROM audit_events WHERE tenant_id = $1 AND action = 'tenant.purge' AND subject = $2`,
    [platformTenantId, tenantId],
  );

describe('the purge', () => {
  it('leaves nothing of a deleted tenant but the last hash of its trail', async () => {
    const { tenantId, ownerId, formerId } = await seedDeleted();
    const before = await rowsOf(tenantId);
    expect(Object.entries(before).filter(([, count]) => count === 0)).toEqual([]); // a new table belongs into `seedTenant`
    const [last] = await test.asOwner<{ number: number; hash: string }>('SELECT number, hash FROM audit_links WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1', [tenantId]);
    const bystander = await seedTenant();
    const untouched = await rowsOf(bystander.tenantId);

    const removed: string[] = [];
    const report = await auth.tenants.purgeDue({ removeArtefacts: async (id) => void removed.push(id) });
    expect(report.failed).toEqual([]);
    expect(report.purged).toContain(tenantId);
    expect(removed).toContain(tenantId);
    expect(Object.entries(await rowsOf(tenantId)).filter(([, count]) => count > 0)).toEqual([]);
    expect(await peopleLeft([ownerId, formerId])).toEqual([]);
    expect(await purgeEvents(tenantId)).toEqual([{ actor: 'system', details: { people: 2, auditEvents: last!.number, auditHash: last!.hash } }]);
    expect(await rowsOf(bystander.tenantId)).toEqual(untouched);
    expect(await peopleLeft([bystander.ownerId, bystander.formerId])).toHaveLength(2);
    expect((await auth.tenants.purgeDue(noArtefacts)).purged).toEqual([]);
  });

  it('keeps people who are in another tenant, and operators', async () => {
    const { tenantId, ownerId, formerId } = await seedDeleted();
    const other = (await owner()).actor.tenantId;
    await test.asOwner(`INSERT INTO memberships (tenant_id, person_id, role) VALUES ($1, $2, 'VIEWER'), ($3, $4, 'OPERATOR')`, [other, ownerId, platformTenantId, formerId]);
    expect((await auth.tenants.purgeDue(noArtefacts)).purged).toEqual([tenantId]);
    expect((await peopleLeft([ownerId, formerId, operator.personId])).sort()).toEqual([ownerId, formerId, operator.personId].sort());
  });

  it('is finished by the next sweep after a kill at any step, and noted once', async () => {
    let steps = 0;
    for (let killAfter = 0; ; killAfter++) {
      const { tenantId, ownerId, formerId } = await seedDeleted();
      const files = new Set([tenantId]);
      const removeArtefacts = async (id: string): Promise<void> => void files.delete(id);
      let done = 0;
      /** What comes after the step at which the process is killed does not happen; what it committed before has. */
      const step = async <T>(work: () => Promise<T>): Promise<T> => {
        if (done >= killAfter) throw new Error('killed');
        const result = await work();
        done++;
        return result;
      };
      const killed = createAuth({ database: withSteps(test.database, step), ...secrets, logger: silentLogger });
      const report = await killed.tenants.purgeDue({ removeArtefacts: (id) => step(() => removeArtefacts(id)) }).catch(() => ({ purged: [] as string[] }));
      if (report.purged.includes(tenantId)) {
        steps = killAfter;
        break;
      }
      if (killAfter >= 3) expect(await auth.tenants.restore(operator, tenantId)).toMatchObject({ type: expect.stringMatching(/^(purging|not-found)$/) });
      expect((await auth.tenants.purgeDue({ removeArtefacts })).failed).toEqual([]);
      expect([killAfter, Object.entries(await rowsOf(tenantId)).filter(([, count]) => count > 0)]).toEqual([killAfter, []]);
      expect(await peopleLeft([ownerId, formerId])).toEqual([]);
      expect(files.size).toBe(0);
      expect(await purgeEvents(tenantId)).toHaveLength(1);
      expect((await purgeEvents(tenantId))[0]!.details).toMatchObject({ auditHash: expect.stringMatching(/^[0-9a-f]{64}$/) });
    }
    expect(steps).toBeGreaterThan(15);
  });

  it('goes on with the others when one fails', async () => {
    const [bad, good] = [await seedDeleted(), await seedDeleted()];
    const report = await auth.tenants.purgeDue({
      removeArtefacts: async (id) => {
        if (id === bad.tenantId) throw new Error('the disk is away');
      },
    });
    expect(report).toEqual({ purged: [good.tenantId], held: [], failed: [bad.tenantId] });
    expect((await auth.tenants.purgeDue(noArtefacts)).purged).toEqual([bad.tenantId]);
  });

  it('waits for a worker that still holds a run', async () => {
    const { tenantId } = await seedDeleted();
    await test.asOwner(
      `UPDATE runs SET status = 'RUNNING', finished_at = NULL, lease_token = gen_random_uuid(), lease_until = now() + interval '1 hour' WHERE tenant_id = $1`, [tenantId],
    );
    expect(await auth.tenants.purgeDue(noArtefacts)).toEqual({ purged: [], held: [tenantId], failed: [] });
    await test.asOwner(`UPDATE runs SET lease_until = now() - interval '1 second' WHERE tenant_id = $1`, [tenantId]);
    expect((await auth.tenants.purgeDue(noArtefacts)).purged).toEqual([tenantId]);
  });

  it('is noted once when several processes do it at the same time', async () => {
    const { tenantId } = await seedDeleted();
    const reports = await Promise.all([auth, elsewhere, hasty].map((one) => one.tenants.purgeDue(noArtefacts)));
    expect(reports.flatMap(({ failed }) => failed)).toEqual([]);
    expect(await purgeEvents(tenantId)).toHaveLength(1);
  });

  it('is all that the database lets the system role delete of a tenant, its trail and its ledger', async () => {
    const { tenantId } = await seedTenant();
    const attempt = (sql: string) => test.database.system().transaction((tx) => tx.$executeRawUnsafe(sql, tenantId));
    const attempts = ['DELETE FROM tenants WHERE id = $1', 'DELETE FROM audit_events WHERE tenant_id = $1', 'DELETE FROM usage_records WHERE tenant_id = $1'];
    for (const sql of attempts) expect([sql, await attempt(sql)]).toEqual([sql, 0]);
    await auth.tenants.scheduleDeletion(operator, tenantId, 'not due for thirty days');
    for (const sql of attempts) expect([sql, await attempt(sql)]).toEqual([sql, 0]);
    const seen = await test.database.system().transaction((tx) => tx.$queryRaw<unknown[]>`SELECT id FROM audit_events WHERE tenant_id = ${tenantId}`);
    expect(seen).toEqual([]);
  });
});

/** The same database, each of whose transactions is a step. */
function withSteps(database: Database, step: <T>(work: () => Promise<T>) => Promise<T>): Database {
  return {
    ...database,
    system: () => ({ transaction: (work) => step(() => database.system().transaction(work)) }),
    forTenant: (id) => ({ ...database.forTenant(id), transaction: (work) => step(() => database.forTenant(id).transaction(work)) }),
  };
}

describe('the system role', () => {
  it('cannot read what tenants have', async () => {
    await seedTenant();
    const hidden = [
      'uploads', 'datasets', 'dataset_versions', 'run_events', 'run_metrics', 'trials', 'models', 'model_versions', 'model_aliases', 'endpoints', 'traffic_shares', 'traffic_counts', 'reservations',
      'recorded_predictions', 'feedback', 'truth_counts', 'error_sums', 'probability_counts', 'metric_sums',
    ];
    const queries = [
      ...hidden.map((table) => `SELECT 1 FROM ${table}`),
      // The id tells nothing, and is what an estimated start belongs to.
      ...['spec', 'model_name', 'progress', 'created_by', 'failure_message', 'dataset_version_id'].map((column) => `SELECT ${column} FROM runs`),
      ...['endpoint_id', 'version_id', 'steps', 'reason', 'created_by'].map((column) => `SELECT ${column} FROM rollouts`),
      ...['id', 'actor', 'caller', 'endpoint_name', 'input_box', 'result_box', 'error_code', 'webhook_events'].map((column) => `SELECT ${column} FROM async_predictions`),
      ...['id', 'endpoint_id', 'version_id', 'outputs_box', 'predictions'].map((column) => `SELECT ${column} FROM recordings`),
      ...['id', 'prediction_id', 'event', 'status'].map((column) => `SELECT ${column} FROM webhook_deliveries`), 'SELECT failing_since FROM webhook_receivers',
      ...['request_id', 'actor', 'endpoint_id', 'model_version_id'].map((column) => `SELECT ${column} FROM usage_records`),
      ...['actor', 'endpoint_id', 'model_version_id'].map((column) => `SELECT ${column} FROM usage_hours`),
      ...['actor', 'action', 'subject', 'details', 'address'].map((column) => `SELECT ${column} FROM audit_events`),
      ...['request_sha256', 'headers', 'body', 'prediction_id'].map((column) => `SELECT ${column} FROM idempotency_answers`),
      'UPDATE quota_counters SET used = 0', 'DELETE FROM api_keys', 'DELETE FROM sessions', 'UPDATE usage_records SET units = 0', `UPDATE audit_events SET result = 'ok'`,
      `UPDATE runs SET status = 'QUEUED'`, 'UPDATE tenant_queues SET vtime = 0', 'DELETE FROM tenant_queues', 'DELETE FROM workers',
    ];
    for (const sql of queries) {
      await expect(test.database.system().transaction((tx) => tx.$queryRawUnsafe(sql))).rejects.toThrow(/permission denied/);
    }
  });
});

describe('the first key of a headless start', () => {
  it('is registered for the first tenant, once, and stays revoked when it is', async () => {
    const fresh = await createTestDatabase();
    const freshAuth = createAuth({ database: fresh.database, ...secrets, logger: silentLogger });
    const { key } = generateKey();
    expect(await freshAuth.keys.registerInitial('mr_live_typo')).toEqual({ type: 'malformed' });
    expect(await freshAuth.keys.registerInitial(key.slice(0, -1) + (key.endsWith('0') ? '1' : '0'))).toEqual({ type: 'malformed' });
    expect(await freshAuth.keys.registerInitial(key)).toEqual({ type: 'no-tenant' });
    const created = await freshAuth.createTenant({ tenantName: 'First', name: 'Ann', email: newEmail(), password, operator: true });
    const tenantId = created.type === 'created' ? created.tenantId : '';
    await freshAuth.createTenant({ tenantName: 'Second', name: 'Ann', email: newEmail(), password });

    const outcomes = await Promise.all([1, 2].map(() => freshAuth.keys.registerInitial(key)));
    expect(outcomes).toContainEqual({ type: 'registered', tenantId });
    expect(await freshAuth.keys.registerInitial(key)).toEqual({ type: 'known' });
    const actor = await freshAuth.authenticate(key);
    expect(actor).toMatchObject({ type: 'key', tenantId, scopes: ['PREDICT', 'TRAIN', 'READ'] });
    expect(await fresh.asOwner(`SELECT 1 FROM audit_events WHERE action = 'key.create'`)).toHaveLength(1);
    expect(JSON.stringify(await fresh.asOwner('SELECT * FROM api_keys'))).not.toContain(key.slice(19, -6));

    await fresh.asOwner('UPDATE api_keys SET revoked_at = now()');
    expect(await freshAuth.keys.registerInitial(key)).toEqual({ type: 'known' });
    expect(await fresh.asOwner('SELECT 1 FROM api_keys WHERE revoked_at IS NULL')).toEqual([]);
    await fresh.asOwner(`UPDATE api_keys SET secret_hmac = repeat('0', 64), previous_hmac = NULL`);
    expect(await freshAuth.keys.registerInitial(key)).toEqual({ type: 'known' }); // a rotation keeps the one before
    await fresh.close();
  });
});
