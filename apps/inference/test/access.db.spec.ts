import { type ApiKeyScope, httpRoutes, permissionsOfScope, platformTenantId } from '@millrace/auth';
import { operations } from '../src/openapi.ts';
import { call, createInferenceWorld, eventually, type InferenceWorld, type TenantOfWorld, tokenSecret } from './inference-world.ts';
import { constant, irisNeighbours, setosa } from './sample-pipelines.ts';

let world: InferenceWorld;
let acme: TenantOfWorld;
let rival: TenantOfWorld;
let url: string;

beforeAll(async () => {
  world = await createInferenceWorld();
  [acme, rival] = [await world.createTenant(), await world.createTenant()];
  await acme.publish('iris', irisNeighbours());
  await acme.publish('secret', constant(42));
  await rival.publish('other', constant(1));
  ({ url } = await world.start());
});
afterAll(() => world.close());

/** Every route that needs a credential, called about one model. */
const guarded = (model: string) =>
  Object.values(operations)
    .filter((operation) => !('isPublic' in operation))
    .map((operation) => ({
      id: operation.id,
      method: operation.method,
      path: operation.path.replace('{model}', model).replace('{version}', '1').replace('{label}', 'champion'),
      body: 'request' in operation ? (['predict', 'createPrediction'].includes(operation.id) ? { ...operation.request, model } : operation.request) : undefined,
      isAboutModels: operation.path.includes('{model}') || ['predict', 'createPrediction'].includes(operation.id),
      predicts: operation.method === 'POST',
    }));

describe('the table of routes', () => {
  it('has a row for each route, and no other', () => {
    const rows = httpRoutes.inference.map(({ method, path }) => `${method} ${path}`);
    expect(rows.sort()).toEqual(Object.values(operations).map(({ method, path }) => `${method} ${path}`).sort());
  });

  const scopes = Object.keys(permissionsOfScope) as ApiKeyScope[];
  it.each(httpRoutes.inference.map((route) => [`${route.method} ${route.path}`, route] as const))('%s lets in whom its row says', async (_name, { method, path, access }) => {
    const address = url + path.replace('{model}', 'iris').replace('{version}', '1').replace('{label}', 'champion');
    const statusFor = async (key?: string) => (await call(address, { method, ...(method === 'POST' ? { body: {} } : {}), ...(key ? { key } : {}) })).status;
    expect((await statusFor()) === 401).toBe(access !== 'public');
    for (const scope of scopes) {
      const { text } = await acme.createKey({ scopes: [scope] });
      const holds = typeof access === 'string' || access.some((permission) => permissionsOfScope[scope].includes(permission));
      expect([scope, (await statusFor(text)) !== 403]).toEqual([scope, holds]);
    }
  });
});

describe('a refusal', () => {
  const trail = (tenantId: string) =>
    world.database.forTenant(tenantId).transaction((tx) =>
      tx.auditEvent.findMany({ where: { tenantId, result: 'forbidden' }, select: { action: true, actor: true, subject: true, requestId: true, address: true, userAgent: true } }),
    );
  const headers = (requestId: string) => ({ 'x-request-id': requestId, 'user-agent': 'spec/1' });

  it('leaves a line in the trail of the tenant whose key it is', async () => {
    const tenant = await world.createTenant();
    const { id, text } = await tenant.createKey({ scopes: ['READ'] });
    await call(`${url}/v1/models/iris:predict`, { key: text, body: { instances: [] }, headers: headers('refused-1') });
    expect(await trail(tenant.tenantId)).toEqual([
      { action: 'endpoint.predict', actor: `key:${id}`, subject: 'iris', requestId: 'refused-1', address: '127.0.0.1', userAgent: 'spec/1' },
    ]);
  });

  it('that is answered like a missing model leaves one as well, whether the model is there or not', async () => {
    const { id, text } = await acme.createKey({ models: ['iris'] });
    for (const model of ['secret', 'absent']) {
      expect((await call(`${url}/predict`, { key: text, body: { model, features: [1] }, headers: headers(`refused-${model}`) })).status).toBe(404);
      expect((await call(`${url}/v2/models/${model}`, { key: text, headers: headers(`hidden-${model}`) })).status).toBe(404);
    }
    const lines = (await trail(acme.tenantId)).filter(({ actor }) => actor === `key:${id}`);
    expect(lines.map(({ action, requestId }) => [action, requestId]).sort()).toEqual([
      ['endpoint.describe', 'hidden-absent'], ['endpoint.describe', 'hidden-secret'], ['endpoint.predict', 'refused-absent'], ['endpoint.predict', 'refused-secret'],
    ]);
  });

  it('of a flood leaves its first lines at once and the number of the rest when the server ends', async () => {
    const tenant = await world.createTenant();
    const { text } = await tenant.createKey({ scopes: ['READ'] });
    const server = await world.start();
    await Promise.all(Array.from({ length: 50 }, () => call(`${server.url}/predict`, { key: text, body: { features: [1] } })));
    expect(await trail(tenant.tenantId)).toHaveLength(30);
    await server.close();
    const [summary] = await world.database.forTenant(tenant.tenantId).transaction((tx) => tx.auditEvent.findMany({ orderBy: { id: 'desc' }, take: 1 }));
    expect(summary).toMatchObject({ action: 'endpoint.predict', result: 'forbidden', requestId: null, details: { repeated: 20 } });
  });

  it('of a mere caller without a credential leaves none', async () => {
    const before = (await trail(acme.tenantId)).length;
    expect((await call(`${url}/predict`, { body: { features: [1] } })).status).toBe(401);
    expect(await trail(acme.tenantId)).toHaveLength(before);
  });
});

describe('who may call', () => {
  it.each(guarded('iris'))('$id: not without a credential, and not with a wrong one', async ({ method, path, body }) => {
    const good = (await acme.createKey()).text;
    const typo = good.slice(0, -1) + (good.endsWith('A') ? 'B' : 'A');
    const strangers: Record<string, string>[] = [
      {},
      { 'x-api-key': typo },
      { 'x-api-key': 'mr_live_0000000000_' + '0'.repeat(49) },
      { authorization: 'Basic dXNlcjpwYXNz' },
      { authorization: `Bearer ${acme.accessToken}x` },
      { authorization: 'Bearer ' },
      { authorization: `Token ${good}` },
    ];
    for (const headers of strangers) {
      const answer = await call(url + path, { method, body, headers });
      expect([answer.status, answer.headers.get('x-millrace-error-code')]).toEqual([401, 'unauthenticated']);
      expect(answer.headers.get('www-authenticate')).toContain('Bearer');
      expect(answer.text).not.toContain(good.slice(10, 30));
    }
  });

  it.each(guarded('iris').filter(({ predicts }) => predicts))('$id: not with a key that lacks the scope PREDICT, whether the model is there or not', async ({ method, path, body }) => {
    const reader = (await acme.createKey({ scopes: ['READ'] })).text;
    const answers = await Promise.all([path, path.replace('iris', 'rose')].map((each) => call(url + each, { method, body, key: reader })));
    for (const answer of answers) expect([answer.status, answer.headers.get('x-millrace-error-code')]).toEqual([403, 'forbidden']);
    expect(answers[0]!.text).toBe(answers[1]!.text);
  });

  it('a key that only reads may look at models', async () => {
    const reader = (await acme.createKey({ scopes: ['READ'] })).text;
    expect((await call(`${url}/v2/models/iris`, { key: reader })).status).toBe(200);
  });

  it.each(guarded('secret').filter(({ isAboutModels }) => isAboutModels))(
    "$id: another tenant's model, and one outside the key's list, are answered byte for byte like a missing one",
    async ({ method, path, body }) => {
      const stranger = (await rival.createKey()).text;
      const narrow = (await acme.createKey({ models: ['iris'] })).text;
      const ask = async (key: string, model: string) => {
        const swapped = body && JSON.parse(JSON.stringify(body).replace('"secret"', `"${model}"`));
        const answer = await call(url + path.replace('secret', model), { method, key, body: swapped, headers: { 'x-request-id': 'same' } });
        const headers = [...answer.headers].filter(([name]) => name !== 'date' && name !== 'content-length');
        return JSON.stringify([answer.status, headers, answer.text]).replaceAll(model, '<model>');
      };
      const missing = await ask(stranger, 'absent');
      expect(missing).toContain('404');
      expect(await ask(stranger, 'secret')).toBe(missing);
      expect(await ask(narrow, 'secret')).toBe(await ask(narrow, 'absent'));
      expect(await ask((await acme.createKey()).text, 'secret')).not.toContain('404'); // there really is one
    },
  );

  it('a viewer looks but does not predict', async () => {
    const added = await world.auth.members.add({ tenantId: acme.tenantId, name: 'V', email: 'viewer@example.com', password: 'a viewer of things', role: 'VIEWER' });
    expect(added.type).toBe('added');
    const signedIn = await world.auth.signIn('viewer@example.com', 'a viewer of things');
    const key = signedIn.type === 'signed-in' ? signedIn.accessToken : '';
    expect((await call(`${url}/v2/models/iris`, { key })).status).toBe(200);
    expect((await call(`${url}/predict`, { key, body: { model: 'iris', features: setosa } })).status).toBe(403);
  });

  it('a token signed with a retired secret is good until it ends', async () => {
    const next = 'the next token secret for specs, long enough';
    const [rotating, rotated] = [await world.start({ tokenSecret: next, retiredTokenSecrets: [tokenSecret] }), await world.start({ tokenSecret: next })];
    const status = async (server: string) => (await call(`${server}/v2/models/iris`, { key: acme.accessToken })).status;
    expect([await status(rotating.url), await status(rotated.url)]).toEqual([200, 401]);
  });

  it('a new endpoint can be called at once, though it was asked for before it was there', async () => {
    const { text } = await acme.createKey();
    const ask = () => call(`${url}/predict`, { key: text, body: { model: 'late', features: [1] } });
    expect((await ask()).status).toBe(404);
    await acme.publish('late', constant(7));
    expect((await eventually(ask, ({ status }) => status === 200, 1_000)).json).toEqual({ prediction: [7] });
  });

  it('a deleted endpoint is gone within a second', async () => {
    const { text } = await acme.createKey();
    await acme.publish('brief', constant(7));
    const ask = () => call(`${url}/predict`, { key: text, body: { model: 'brief', features: [1] } });
    expect((await eventually(ask, ({ status }) => status === 200, 1_000)).status).toBe(200);
    await world.registry.deleteEndpoint(acme.owner, 'brief');
    await eventually(ask, ({ status }) => status === 404, 1_000);
  });
});

it('a revoked key is refused within a second by every server', async () => {
  const second = await world.start();
  for (let trial = 0; trial < 5; trial++) {
    const { id, text } = await acme.createKey();
    const asks = [url, second.url].map((server) => () => call(`${server}/predict`, { key: text, body: { model: 'iris', features: setosa } }));
    for (const ask of asks) expect((await ask()).status).toBe(200);
    await world.auth.keys.revoke(acme.owner, id);
    await Promise.all(asks.map((ask) => eventually(ask, ({ status }) => status === 401, 1_000)));
  }
});

it('a suspended tenant is refused within a second by every server, and served again when it is resumed', async () => {
  const second = await world.start();
  const operator = { tenantId: platformTenantId, name: 'Otto', email: 'otto@platform.test', password: 'correct horse battery', role: 'OPERATOR' as const };
  await world.auth.members.add(operator);
  const outcome = await world.auth.signIn(operator.email, operator.password);
  if (outcome.type !== 'signed-in') throw new Error(outcome.type);
  const { text: key } = await acme.createKey();
  const asks = [url, second.url].flatMap((server) =>
    [key, acme.accessToken].map((credential) => () => call(`${server}/predict`, { headers: { authorization: `Bearer ${credential}` }, body: { model: 'iris', features: setosa } })),
  );
  for (const ask of asks) expect((await ask()).status).toBe(200);
  await world.auth.tenants.suspend(outcome.actor, acme.tenantId, 'unpaid bills');
  await Promise.all(asks.map((ask) => eventually(ask, ({ status }) => status === 401, 1_000)));
  await world.auth.tenants.resume(outcome.actor, acme.tenantId);
  await Promise.all(asks.map((ask) => eventually(ask, ({ status }) => status === 200, 1_000)));
});
