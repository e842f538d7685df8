import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { silentLogger } from '@millrace/kernel';
import { createQuota } from '@millrace/quota';
import { createPredictionQueue } from '@millrace/registry';
import { openSilentDoor, testSecrets } from '@millrace/testkit';
import { call, createInferenceWorld, eventually, type InferenceWorld, type Json, keyPepper, type Sent, type TenantOfWorld, tokenSecret } from './inference-world.ts';
import { constant, irisNeighbours, setosa, virginica } from './sample-pipelines.ts';

let world: InferenceWorld;
let tenant: TenantOfWorld;
let key: string;
/** accepts only */
let idle: string;
/** accepts and makes */
let busy: string;
let orphan: { tenant: TenantOfWorld; id: string };

beforeAll(async () => {
  world = await createInferenceWorld();
  tenant = await world.createTenant();
  await tenant.publish('iris', irisNeighbours());
  key = (await tenant.createKey()).text;
  idle = (await world.start({ async: { slots: 0, limits: { mostOpen: 6, mostOpenBytes: 2000 } } })).url;
});
afterAll(() => world.close());

const create = (body: object, { at = idle, as = key, ...sent }: Sent & { at?: string; as?: string } = {}) => call(`${at}/v1/predictions`, { key: as, body, ...sent });
const look = (id: string, { at = idle, as = key, prefer = 'respond-async' } = {}) => call(`${at}/v1/predictions/${id}`, { key: as, headers: { prefer } });
const cancel = (id: string, as = key) => call(`${idle}/v1/predictions/${id}/cancel`, { key: as, method: 'POST' });
const billed = async (of = tenant): Promise<string[]> => (await of.ledger()).map(({ requestId }) => requestId);
const asOwner = (sql: string, of = tenant) => world.database.forTenant(of.tenantId).transaction((tx) => tx.$queryRawUnsafe<Json[]>(sql));
const flower = { model: 'iris', input: { features: setosa } };

describe('accepted where nothing is made yet', () => {
  it('waits, in Replicate’s words; is canceled once, and never billed', async () => {
    const { status, json, headers } = await create({ ...flower, version: '1' });
    expect([status, headers.get('x-millrace-prediction-id')]).toEqual([202, json.id]);
    const at = `${idle}/v1/predictions/${json.id}`;
    expect(json).toEqual({
      id: expect.stringMatching(/^prd_/), model: 'iris', version: '1', input: { features: setosa }, output: null, error: null, status: 'starting',
      created_at: expect.stringMatching(/Z$/), started_at: null, completed_at: null, urls: { get: at, cancel: `${at}/cancel` }, metrics: {},
    });
    const waited = await create(flower, { headers: { prefer: 'respond-async, wait=0' } });
    expect([waited.status, waited.headers.get('preference-applied'), waited.json.status]).toEqual([202, 'wait=0', 'starting']);
    // As Replicate's own client asks, which names a type of what it does not send.
    const typed = await fetch(`${idle}/v1/predictions/${json.id}/cancel`, { method: 'POST', headers: { 'x-api-key': key, 'content-type': 'application/json' } });
    expect([typed.status, ((await typed.json()) as { status: string }).status]).toEqual([200, 'canceled']);
    for (const id of [json.id, waited.json.id, waited.json.id]) expect((await cancel(id)).json).toMatchObject({ id, status: 'canceled', completed_at: expect.stringMatching(/Z$/) });
    expect(await billed()).toEqual([]);
  });

  it('what cannot be made is refused at once, by name', async () => {
    const refusals: [object, number, string, string][] = [
      [{ model: 'iris', input: { features: [1, 2, 'x', 4] } }, 400, 'invalid_rows', 'petal length'],
      [{ model: 'iris' }, 400, 'invalid_request', 'input'],
      [{ model: 'iris', input: 7 }, 400, 'invalid_request', 'input'],
      [{ ...flower, callback: 'x' }, 400, 'invalid_request', 'callback'],
      [{ ...flower, version: 9 }, 404, 'model_not_found', 'version'],
      [{ ...flower, model: 'rose' }, 404, 'model_not_found', 'model'],
    ];
    for (const [body, status, code, field] of refusals) {
      const { status: got, json } = await create(body);
      expect([got, json.error.code, json.error.field]).toEqual([status, code, field]);
    }
    const nan = await create('{"model":"iris","input":{"features":[NaN,2,3,4]}}' as never);
    expect(nan.status).toBe(400);
  });

  it('is one prediction under one Idempotency-Key, and lies sealed', async () => {
    const headers = { 'idempotency-key': 'once' };
    const input = { dataframe_records: [{ 'sepal length': 5.25, 'sepal width': 3.5, 'petal length': 1.4, 'petal width': 0.2 }] };
    const answers = [await create({ model: 'iris', input }, { headers }), await create({ model: 'iris', input }, { headers })];
    expect(answers.map(({ status, headers: got }) => [status, got.get('idempotent-replayed')])).toEqual([[202, null], [202, 'true']]);
    expect(answers[1]!.json).toEqual(answers[0]!.json);
    expect((await create(flower, { headers })).json.error.code).toBe('idempotency_key_reused');
    const rows = await asOwner(`SELECT encode(input_box, 'escape') || (SELECT coalesce(string_agg(body, ''), '') FROM idempotency_answers) AS text FROM async_predictions`);
    expect(rows.filter(({ text }) => /5\.25|sepal/.test(text as string))).toEqual([]);
    await cancel(answers[0]!.json.id);
  });

  it('is the same prediction where the database took it, and the word of it was lost', async () => {
    const door = await openSilentDoor(world.settings.appDatabaseUrl);
    const at = (await world.start({ async: { slots: 0 }, appDatabaseUrl: door.to(world.settings.appDatabaseUrl) })).url;
    const headers = { 'idempotency-key': 'in-doubt' };
    door.fallSilentAfter('INSERT INTO async_predictions', 'COMMIT');
    const first = create(flower, { at, headers });
    const [taken] = await eventually(() => asOwner(`SELECT id FROM async_predictions WHERE status = 'STARTING'`), (rows) => rows.length === 1);
    door.hangUp();
    expect([(await first).status, (await first).json.error.code]).toEqual([503, 'unavailable']);
    const again = await create(flower, { at, headers });
    expect([again.status, again.json.id]).toEqual([202, taken!.id]);
    expect(await asOwner(`SELECT id FROM async_predictions WHERE status = 'STARTING'`)).toEqual([taken]);
    await cancel(again.json.id);
    await door.close();
  });

  it('no more than the tenant may have waiting, by number and by size, however many ask at once', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => create(flower)));
    const refused = answers.filter(({ status }) => status === 429);
    expect([answers.filter(({ status }) => status === 202).length, refused.length]).toEqual([6, 4]);
    expect(refused[0]!.json.error).toMatchObject({ code: 'queue_full', limit_source: 'tenant', message: 'Your tenant may have 6 predictions waiting at a time, and has 6.' });
    const other = await world.createTenant();
    await other.publish('press', constant(1));
    const theirs = await other.createKey();
    const small = await create({ input: [[1]] }, { as: theirs.text });
    const large = await create({ input: Array.from({ length: 500 }, () => [1]) }, { as: theirs.text });
    expect([small.status, large.json.error.message]).toEqual([202, expect.stringContaining('2000 bytes of input')]);
    orphan = { tenant: other, id: small.json.id };
    await world.auth.keys.revoke(other.owner, theirs.id);
  });

  it('is nobody else’s: another tenant’s, another key’s and none at all look alike', async () => {
    const { id } = (await asOwner(`SELECT id FROM async_predictions WHERE status = 'STARTING' LIMIT 1`))[0]!;
    const stranger = (await (await world.createTenant()).createKey()).text;
    const colleague = (await tenant.createKey()).text;
    for (const as of [stranger, colleague]) {
      for (const ask of [look, (it: string) => cancel(it, as)]) {
        const [theirs, missing] = [await ask(id, { as } as never), await ask(id.replace(/.$/, 'z'), { as } as never)];
        expect([theirs.status, theirs.text.replaceAll(id, '')]).toEqual([404, missing.text.replaceAll(id.replace(/.$/, 'z'), '')]);
      }
    }
    expect((await look(id)).status).toBe(200);
    expect((await look(id, { as: tenant.accessToken })).status).toBe(200); // people see their tenant's
  });
});

it('a killed process loses none: each accepted prediction ends once and is billed once', async () => {
  const ids = (await asOwner(`SELECT id FROM async_predictions WHERE status = 'STARTING'`)).map(({ id }) => id as string);
  expect(ids).toHaveLength(6);
  await asOwner(`UPDATE async_predictions SET run_after = now() + interval '1 hour'`); // not before the program is there
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts'], {
    cwd: path.resolve(import.meta.dirname, '..'),
    env: {
      ...process.env, NODE_OPTIONS: '', MILLRACE_INFERENCE_PORT: '0', MILLRACE_APP_DATABASE_URL: world.settings.appDatabaseUrl, MILLRACE_SYSTEM_DATABASE_URL: world.settings.systemDatabaseUrl,
      MILLRACE_STORAGE_DIRECTORY: world.settings.storageDirectory, MILLRACE_JOURNAL_DIRECTORY: path.join(world.directory, 'journal-of-program'), MILLRACE_WORK_DIRECTORY: world.directory,
      MILLRACE_MASTER_KEY: testSecrets.masterKey, MILLRACE_TOKEN_SECRET: tokenSecret, MILLRACE_KEY_PEPPER: keyPepper, MILLRACE_ASYNC_SLOTS: '3', MILLRACE_ASYNC_LEASE_MS: '1000',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  try {
    for await (const line of createInterface({ input: child.stdout })) if (line.includes('"url"')) break;
    const held = world.database.forTenant(tenant.tenantId).transaction(async (tx) => {
      // These lines of the ledger are in the way, so that it stands before the commit of its first ones when it is killed.
      await tx.$executeRawUnsafe(`INSERT INTO usage_records (tenant_id, request_id, at, kind, actor, units) SELECT tenant_id, id, now(), 'PREDICTION', actor, 1 FROM async_predictions`);
      await asOwner('UPDATE async_predictions SET run_after = now()');
      await eventually(() => asOwner('SELECT id FROM async_predictions WHERE lease_until IS NOT NULL'), (rows) => rows.length > 0, 12_000);
      child.kill('SIGKILL');
      await ended;
      throw new Error('undone');
    });
    await expect(held).rejects.toThrow('undone');
  } finally {
    child.kill('SIGKILL');
  }
  expect(await billed()).toEqual([]);
  busy = (await world.start({ async: { slots: 3 } })).url;
  const all = await Promise.all(ids.map(async (id) => (await look(id, { prefer: 'wait' })).json));
  expect(all.map(({ error, output, version }) => [error, output, version])).toEqual(ids.map(() => [null, { prediction: ['setosa'] }, '1']));
  expect((await billed()).sort()).toEqual([...ids].sort());
});

describe('made', () => {
  it('within the time that the caller waits, by any process; as the other routes would answer', async () => {
    const headers = { prefer: 'wait=20' };
    const byName = { 'sepal length': 6.3, 'sepal width': 3.3, 'petal length': 6, 'petal width': 2.5 };
    const tensor = { inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP64', data: virginica }], outputs: [{ name: 'prediction' }] };
    const inputs: [unknown, unknown][] = [
      [{ features: setosa }, { prediction: ['setosa'] }],
      [[setosa, virginica], { predictions: [expect.objectContaining({ prediction: 'setosa' }), expect.objectContaining({ prediction: 'virginica' })] }],
      [{ rows: [byName] }, { predictions: [expect.objectContaining({ prediction: 'virginica' })] }],
      [{ dataframe_records: [byName] }, { predictions: ['virginica'] }],
      [tensor, expect.objectContaining({ outputs: [expect.objectContaining({ data: ['virginica'] })] })],
    ];
    const answers = await Promise.all(inputs.map(([input]) => create({ model: 'iris', input }, { at: busy, headers })));
    expect(answers.map(({ status, json }) => [status, json.error, json.output])).toEqual(inputs.map(([, output]) => [201, null, output]));
    expect(answers[0]!.json.metrics.predict_time).toBeGreaterThan(0);
    expect(answers[0]!.json).not.toHaveProperty('warnings');
    // There is no header for it, so the prediction itself says what its model had not seen, here and whenever it is looked at.
    const { json: far } = await create({ model: 'iris', input: { features: [5.1, 3.5, 1.4, 900] } }, { at: busy, headers });
    expect(far.warnings).toEqual([{ row: 0, field: 'petal width', code: 'outside_training_range', message: expect.stringContaining('900') }]);
    expect((await look(far.id)).json.warnings).toEqual(far.warnings);
    expect((await look(answers[0]!.json.id)).json).toEqual(answers[0]!.json);
    const rows = (await tenant.ledger()).filter(({ requestId }) => requestId === answers[1]!.json.id).map(({ rows: count }) => count);
    expect(rows).toEqual([2]);
  });

  it('within the limits and rights of that moment: what goes against them fails with the code of the other routes', async () => {
    const poor = await tenant.createKey();
    await createQuota({ database: world.database }).usageLimits.set(tenant.owner, { scope: 'KEY', subject: poor.id, measure: 'ROWS', period: 'MONTH', limit: 2, softLimit: null });
    const asked = [
      (await create({ model: 'iris', input: [setosa, setosa] }, { at: busy, as: poor.text, headers: { prefer: 'wait' } })).json,
      (await create(flower, { as: poor.text, headers: { prefer: 'wait' } })).json,
    ];
    expect(asked.map(({ status, error }) => [status, error?.code ?? null, error?.limit_source ?? null])).toEqual([['succeeded', null, null], ['failed', 'quota_exceeded', 'key']]);
    // The last was accepted when nothing was made yet, and its key revoked since.
    const late = (await look(orphan.id, { as: orphan.tenant.accessToken, prefer: 'wait' })).json;
    expect(late).toMatchObject({ status: 'failed', output: null, error: { code: 'unauthenticated' }, metrics: {} });
    expect([await billed(orphan.tenant), (await billed()).includes(asked[1].id as string)]).toEqual([[], false]);
  });

  it('of each tenant in turn: one that has many waiting does not hold up another', async () => {
    const many = await world.createTenant();
    await many.publish('press', constant(1));
    const greedy = (await many.createKey()).text;
    const modest = await world.createTenant();
    await modest.publish('press', constant(2));
    const single = (await modest.createKey()).text;
    const lone = await world.start({ async: { slots: 0 } });
    const ids = await Promise.all(Array.from({ length: 40 }, async () => (await create({ input: [[1]] }, { at: lone.url, as: greedy })).json.id as string));
    const { id } = (await create({ input: [[1]] }, { at: lone.url, as: single })).json;
    await Promise.all([...ids.map((each) => look(each, { as: greedy, prefer: 'wait' })), look(id, { as: single, prefer: 'wait' })]);
    const { created_at: since, completed_at: until } = (await look(id, { as: single })).json;
    const [{ overtaken }] = await asOwner(`SELECT count(*)::int AS overtaken FROM async_predictions WHERE completed_at > '${since}' AND completed_at < '${until}'`, many);
    expect(ids).toHaveLength(40);
    // What is in hand when it comes is made to its end, and one more of each turn, of which a busy machine has a few before it is seen.
    expect(overtaken).toBeLessThan(20);
  });

  it('and kept for as long as is set', async () => {
    await asOwner(`UPDATE async_predictions SET completed_at = completed_at - interval '25 hours'`);
    await createPredictionQueue({ database: world.database, box: null as never }).sweep(24, silentLogger);
    expect(await asOwner('SELECT id FROM async_predictions WHERE completed_at IS NOT NULL')).toEqual([]);
  });
});
