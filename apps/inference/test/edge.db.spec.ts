import { createTrustedProxies } from '@millrace/kernel';
import { call, createInferenceWorld, type InferenceWorld, type TenantOfWorld } from './inference-world.ts';
import { irisNeighbours, setosa } from './sample-pipelines.ts';

const portal = 'https://portal.example';

let world: InferenceWorld;
let acme: TenantOfWorld;
let url: string;
let bareUrl: string;
beforeAll(async () => {
  world = await createInferenceWorld();
  acme = await world.createTenant();
  await acme.publish('iris', irisNeighbours());
  ({ url } = await world.start({ corsOrigins: [portal], trustedProxies: createTrustedProxies(['127.0.0.1']) }));
  ({ url: bareUrl } = await world.start());
});
afterAll(() => world.close());

const preflight = (to: string, origin: string): Promise<Response> =>
  fetch(`${to}/predict`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' } });

it('a page of a listed origin may predict with a key that it holds', async () => {
  const asked = await preflight(url, portal);
  expect([asked.status, asked.headers.get('access-control-allow-origin'), asked.headers.get('access-control-allow-credentials')]).toEqual([204, portal, null]);
  expect(asked.headers.get('access-control-allow-headers')).toContain('authorization');
  const { text } = await acme.createKey();
  const answer = await fetch(`${url}/predict`, {
    method: 'POST',
    headers: { origin: portal, authorization: `Bearer ${text}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'iris', features: setosa }),
  });
  expect([answer.status, answer.headers.get('access-control-allow-origin'), answer.headers.get('vary')]).toEqual([200, portal, 'Origin']);
  expect(answer.headers.get('access-control-expose-headers')).toContain('x-millrace-prediction-id');
  const refused = await fetch(`${url}/predict`, { method: 'POST', headers: { origin: portal } });
  expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, portal]); // readable, so that it can be told
});

it.each(['https://evil.example', 'null', 'https://portal.example.evil.example', 'http://portal.example', 'https://portal.example:8443', '*'])('a page of %s is told nothing', async (origin) => {
  for (const to of [url, bareUrl]) {
    const asked = await preflight(to, origin);
    expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([405, null]);
    const answer = await fetch(`${to}/v2/health/live`, { headers: { origin } });
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, null]);
  }
});

it('without a list nobody’s page may', async () => {
  expect((await preflight(bareUrl, portal)).headers.get('access-control-allow-origin')).toBeNull();
});

it('predicts behind a proxy as without one', async () => {
  const { text } = await acme.createKey();
  const answer = await call(`${url}/predict`, { key: text, body: { model: 'iris', features: setosa }, headers: { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' } });
  expect(answer.status).toBe(200);
});

describe('where a request comes from', () => {
  const trail = (requestId: string) =>
    world.database.forTenant(acme.tenantId).transaction((tx) => tx.auditEvent.findMany({ where: { requestId }, select: { action: true, result: true, address: true } }));
  let requests = 0;
  /** @returns the status, and what is left in the trail of a refusal */
  async function predict(to: string, key: string, forwarded: string | null): Promise<[number, { action: string; result: string; address: string | null }[]]> {
    const requestId = `req-from-afar-${++requests}`;
    const headers = { 'x-request-id': requestId, ...(forwarded === null ? {} : { 'x-forwarded-for': forwarded }) };
    const { status } = await call(`${to}/predict`, { key, body: { model: 'iris', features: setosa }, headers });
    return [status, await trail(requestId)];
  }

  it('is told by a trusted proxy alone, to the address list of a key and to the trail', async () => {
    const bound = async (): Promise<string> => (await acme.createKey({ addresses: ['203.0.113.9'] })).text;
    expect(await predict(url, await bound(), '203.0.113.9')).toEqual([200, []]);
    expect(await predict(url, await bound(), '198.51.100.4, 203.0.113.9')).toEqual([200, []]); // what the client itself has put in front is not looked at
    const refused = (address: string) => [403, [{ action: 'key.use', result: 'address_not_allowed', address }]];
    expect(await predict(url, await bound(), '203.0.113.9, 198.51.100.4')).toEqual(refused('198.51.100.4'));
    expect(await predict(url, await bound(), '203.0.113.9, 198.51.100.4, 127.0.0.1')).toEqual(refused('198.51.100.4')); // over two proxies
    expect(await predict(url, await bound(), null)).toEqual(refused('127.0.0.1'));
    expect(await predict(bareUrl, await bound(), '203.0.113.9')).toEqual(refused('127.0.0.1'));
  });

  it('stands in the trail of a refusal for want of a permission as well', async () => {
    const { text } = await acme.createKey({ scopes: ['READ'] });
    const refused = (address: string) => [403, [{ action: 'endpoint.predict', result: 'forbidden', address }]];
    expect(await predict(url, text, '203.0.113.9')).toEqual(refused('203.0.113.9'));
    expect(await predict(bareUrl, text, '203.0.113.9')).toEqual(refused('127.0.0.1'));
  });
});
