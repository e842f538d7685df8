import { notify } from '@millrace/database';
import { createQuota } from '@millrace/quota';
import { call, createInferenceWorld, eventually, type InferenceWorld, type TenantOfWorld } from './inference-world.ts';
import { createDoor } from './door.ts';
import { constant } from './sample-pipelines.ts';

let world: InferenceWorld;
let tenant: TenantOfWorld;
let url: string;

beforeAll(async () => {
  world = await createInferenceWorld();
  tenant = await world.createTenant();
  await tenant.publish('press', constant(7));
  await tenant.publish('oven', constant(8));
  ({ url } = await world.start());
});
afterAll(() => world.close());

type Limit = Parameters<ReturnType<typeof createQuota>['usageLimits']['set']>[1];

async function limit(input: Partial<Limit> & Pick<Limit, 'scope' | 'subject' | 'limit'>): Promise<string> {
  const set = await createQuota(world).usageLimits.set(tenant.owner, { measure: 'ROWS', period: 'DAY', softLimit: null, ...input });
  if (set.type !== 'set') throw new Error(JSON.stringify(set));
  return set.limit.id;
}
const predict = (key: string, rows: number, at = url, model = 'press') => call(`${at}/predict`, { key, body: { model, features: Array.from({ length: rows }, () => [1]) } });

it('a refusal says which limit it is, whose, until when, and what to do; every answer says what is left', async () => {
  const key = await tenant.createKey();
  await limit({ scope: 'KEY', subject: key.id, limit: 10, softLimit: 8 });
  await limit({ scope: 'KEY', subject: key.id, limit: 3, measure: 'REQUESTS' });
  const first = await predict(key.text, 7);
  expect(first.status).toBe(200);
  expect([first.headers.get('x-ratelimit-limit-requests'), first.headers.get('x-ratelimit-remaining-requests')]).toEqual(['3', '2']);
  expect(first.headers.get('x-ratelimit-reset-requests')).toMatch(/^\d+s$/);
  expect(first.headers.get('ratelimit-policy')).toBe('"key-requests-day";q=3;w=86400, "key-rows-day";q=10;w=86400');
  expect(first.headers.get('ratelimit')).toMatch(/^"key-requests-day";r=2;t=\d+, "key-rows-day";r=3;t=\d+$/);
  expect(first.headers.get('x-millrace-quota-notice')).toBeNull();

  const refused = await predict(key.text, 4);
  expect(refused.status).toBe(429);
  expect(refused.json.error).toEqual({
    code: 'quota_exceeded',
    message: expect.stringMatching(/^This key may predict 10 rows a day; this request needs 4, and 3 are left until 20\d\d-\d\d-\d\dT00:00:00\.000Z\.$/), // of whoever asks, and whenever
    limit_source: 'key',
    limit: { measure: 'rows', period: 'day', most: 10, remaining: 3, resets_at: expect.stringMatching(/T00:00:00\.000Z$/) },
    remedy_hint: expect.stringContaining('Send fewer rows'),
  });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(refused.headers.get('ratelimit')).toMatch(/"key-rows-day";r=3;t=/);

  const tooLarge = await predict(key.text, 11);
  expect([tooLarge.status, tooLarge.headers.get('retry-after'), tooLarge.json.error.message]).toEqual([429, null, 'This key may predict 10 rows a day, and this request has 11.']);

  const near = await predict(key.text, 1);
  expect([near.status, near.headers.get('x-millrace-quota-notice')]).toEqual([200, '"key-rows-day";used=8;soft=8;limit=10']);
  expect((await predict(key.text, 1)).status).toBe(200);
  const last = await predict(key.text, 1);
  expect([last.status, last.json.error.limit.measure, last.headers.get('x-ratelimit-remaining-requests')]).toEqual([429, 'requests', '0']);
  const infer = await call(`${url}/v2/models/press/infer`, { key: key.text, body: { inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP64', data: [1] }] } });
  expect([infer.status, infer.headers.get('x-millrace-error-code')]).toEqual([429, 'quota_exceeded']);
  expect(infer.json.error).toMatch(/^This key may predict 3 requests a day; this request needs 1, and none is left until .*Wait for the seconds/);
});

it('a raise puts off the notice of a soft limit by as much, for callers and in the list', async () => {
  const key = await tenant.createKey();
  const id = await limit({ scope: 'KEY', subject: key.id, limit: 4, softLimit: 2 });
  const notice = async (rows: number) => (await predict(key.text, rows)).headers.get('x-millrace-quota-notice');
  const isNear = async () => (await createQuota(world).usageLimits.list(tenant.owner)).find((one) => one.id === id)!.isNear;
  await eventually(() => predict(key.text, 1), ({ headers }) => headers.has('ratelimit')); // a new limit holds within a second
  expect([await notice(2), await isNear()]).toEqual(['"key-rows-day";used=3;soft=2;limit=4', true]);
  await world.database.forTenant(tenant.tenantId).transaction(async (tx) => {
    await tx.$executeRaw`UPDATE usage_limits SET raise_by = 10, raise_until = now() + interval '1 hour', raise_reason = 'a trial' WHERE id = ${id}`;
    await notify(tx, 'millrace_usage', `${tenant.tenantId}:*`);
  });
  const raised = await eventually(() => predict(key.text, 2), ({ status }) => status === 200);
  expect([raised.headers.get('x-millrace-quota-notice'), await isNear()]).toEqual([null, false]);
  expect(await notice(7)).toBe('"key-rows-day";used=12;soft=12;limit=14');
});

it('what is refused or wrong counts against nothing, and what was counted is what is billed', async () => {
  const key = await tenant.createKey();
  await limit({ scope: 'KEY', subject: key.id, limit: 5 });
  for (const body of ['{', { model: 'press', features: ['x'] }, { model: 'absent', features: [1] }]) expect((await call(`${url}/predict`, { key: key.text, body })).status).toBeGreaterThanOrEqual(400);
  const other = await world.start();
  const answers = await Promise.all(Array.from({ length: 25 }, (_, index) => predict(key.text, 1, index % 2 ? url : other.url)));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]));
  await other.close();
  const billed = await eventually(() => tenant.ledger().then((lines) => lines.filter(({ actor }) => actor === `key:${key.id}`)), (lines) => lines.length >= 5);
  expect(billed).toHaveLength(5);
});

it('the limit of a model holds for whoever calls it, that of a member for its own calls and those of the keys that it has made', async () => {
  const [one, other] = [await tenant.createKey(), await tenant.createKey()];
  await limit({ scope: 'MODEL', subject: 'oven', limit: 2 });
  const ofMember = await limit({ scope: 'MEMBER', subject: tenant.owner.personId, limit: 4 });
  const mine = () => predict(tenant.accessToken, 1);
  const answers = [await predict(one.text, 1, url, 'oven'), await predict(other.text, 1, url, 'oven'), await predict(one.text, 1, url, 'oven'), await predict(one.text, 1), await mine(), await mine(), await predict(other.text, 1)];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 429, 200, 200, 429, 429]);
  expect(answers[2]!.json.error).toMatchObject({ limit_source: 'model', message: expect.stringContaining('All callers of the model "oven" together may predict 2 rows a day') });
  for (const answer of answers.slice(5)) expect(answer.json.error).toMatchObject({ limit_source: 'member' });
  await createQuota(world).usageLimits.remove(tenant.owner, ofMember);
});

it('serves nothing unmetered: without the database, what was reserved is spent, and then it is 503 within two seconds', async () => {
  const key = await tenant.createKey();
  await limit({ scope: 'KEY', subject: key.id, limit: 200 });
  const door = await createDoor(world.settings.appDatabaseUrl);
  const server = await world.start({ meteringPatienceMs: undefined, appDatabaseUrl: door.through(world.settings.appDatabaseUrl), systemDatabaseUrl: door.through(world.settings.systemDatabaseUrl) });
  expect((await predict(key.text, 1, server.url)).status).toBe(200);
  door.shut();
  const begun = performance.now();
  const answers = await Promise.all(Array.from({ length: 50 }, () => predict(key.text, 1, server.url)));
  expect(performance.now() - begun).toBeLessThan(10_000); // 2 s, on a machine that others load as well
  const [admitted, refused] = [answers.filter(({ status }) => status === 200), answers.filter(({ status }) => status === 503)];
  expect(admitted.length + refused.length).toBe(50);
  expect(admitted.length).toBeLessThanOrEqual(20); // a tenth of what was left
  expect(refused[0]!.json.error.code).toBe('unavailable');
  expect(refused[0]!.headers.get('retry-after')).toBe('1');
  door.open();
  await eventually(() => predict(key.text, 1, server.url), ({ status }) => status === 200, 15_000);
  await server.close();
  await door.close();
});

describe('a key with a budget', () => {
  it('uses up its cost units exactly, is told what is left, and then is answered 402', async () => {
    const key = await tenant.createKey({ maxBudget: 10, softBudget: 6, budgetDuration: '7d' });
    const first = await predict(key.text, 4);
    expect([first.status, first.headers.get('x-millrace-cost-units'), first.headers.get('x-millrace-budget-remaining'), first.headers.get('x-millrace-quota-notice')]).toEqual([200, '4', '6', null]);
    const second = await predict(key.text, 4);
    expect([second.headers.get('x-millrace-budget-remaining'), second.headers.get('x-millrace-quota-notice')]).toEqual(['2', '"key-budget";used=8;soft=6;limit=10']);
    const refused = await predict(key.text, 3);
    expect([refused.status, refused.headers.get('x-millrace-budget-remaining')]).toEqual([402, '2']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(6 * 86_400);
    expect(refused.json.error).toMatchObject({
      code: 'budget_exceeded', limit_source: 'key', limit: { measure: 'units', most: 10, remaining: 2 },
      message: expect.stringMatching(/^This key has a budget of 10 cost units every 7 days; this request needs 3, and 2 are left until /),
      remedy_hint: expect.stringMatching(/maxBudget\.$/),
    });
    expect((await predict(key.text, 2)).status).toBe(200);
    const own = await eventually(() => call(`${url}/v1/key`, { key: key.text }), ({ json }) => json.usage === 10, 10_000);
    expect(refused.json.error.limit.resets_at).toBe(own.json.limit_reset);
    expect(own.json).toMatchObject({ limit: 10, limit_remaining: 0, limit_reset: expect.stringMatching(/^20\d\d-/), soft_budget: 6, budget_duration: '7d' });
    await world.auth.keys.update(tenant.owner, key.id, { maxBudget: 12 });
    await eventually(() => predict(key.text, 2), ({ status }) => status === 200, 2_000);
    await world.auth.keys.update(tenant.owner, key.id, { maxBudget: null });
    const free = await eventually(() => predict(key.text, 50), ({ status }) => status === 200, 2_000);
    expect(free.headers.get('x-millrace-budget-remaining')).toBeNull();
  });

  it('without a duration has it once and for all', async () => {
    const key = await tenant.createKey({ maxBudget: 1 });
    expect((await predict(key.text, 1)).status).toBe(200);
    const refused = await predict(key.text, 1);
    expect([refused.status, refused.headers.get('retry-after'), refused.json.error.limit.resets_at]).toEqual([402, null, null]);
    expect(refused.json.error.message).toBe('This key has a budget of 1 cost unit; this request needs 1, and none is left.');
  });
});
