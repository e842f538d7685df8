import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createTenantBox, createTenantKeyring, masterKeysOf } from '@millrace/auth';
import { silentLogger } from '@millrace/kernel';
import { createWebhookDeliveries, createWebhookSecrets, type WebhookDeliveries } from '@millrace/registry';
import { testSecrets } from '@millrace/testkit';
import { call, createInferenceWorld, eventually, type InferenceWorld, type Json, type TenantOfWorld } from './inference-world.ts';
import { constant } from './sample-pipelines.ts';

interface Received {
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}

let world: InferenceWorld;
let tenant: TenantOfWorld;
let key: string;
let url: string;
let receiver: Server;
let address: string;
const received: Received[] = [];
/** what the receiver answers, by path; 200 unless told; 0 lets it wait */
const answers: Record<string, number> = {};

beforeAll(async () => {
  world = await createInferenceWorld();
  tenant = await world.createTenant();
  await tenant.publish('press', constant(7));
  key = (await tenant.createKey()).text;
  ({ url } = await world.start());
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      received.push({ path: request.url!, headers: request.headers, body: Buffer.concat(chunks).toString() });
      const status = answers[request.url!] ?? 200;
      if (status) response.writeHead(status).end('a secret of the receiver');
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
});
afterAll(async () => {
  receiver.closeAllConnections();
  receiver.close();
  await world.close();
});

const box = () => createTenantBox(createTenantKeyring({ database: world.database, masterKeys: masterKeysOf(testSecrets.masterKey), logger: silentLogger }));
const secretsOf = () => createWebhookSecrets({ database: world.database, box: box() });
const deliveriesOf = (schedule?: readonly number[], fetch: (url: string, init: RequestInit) => Promise<Response> = globalThis.fetch, more = {}): WebhookDeliveries =>
  createWebhookDeliveries({ database: world.database, box: box(), secrets: secretsOf(), fetch, logger: silentLogger, ...(schedule && { schedule }), ...more });
const asOwner = (sql: string) => world.database.forTenant(tenant.tenantId).transaction((tx) => tx.$queryRawUnsafe<Json[]>(sql));
const predict = async (path: string, more: object = {}): Promise<Json> =>
  (await call(`${url}/v1/predictions`, { key, headers: { prefer: 'wait' }, body: { input: [[1]], webhook: `${address}${path}`, ...more } })).json;
const at = (path: string): Received[] => received.filter((each) => each.path === path);
async function deliverAll(deliveries: WebhookDeliveries): Promise<void> {
  while (await deliveries.advance()) await deliveries.settled();
}

let secret: string;

it('a webhook wants a secret first, which is shown once and lies sealed', async () => {
  expect(await call(`${url}/v1/predictions`, { key, body: { input: [[1]], webhook: address } })).toMatchObject({ status: 409, json: { error: { code: 'no_webhook_secret', field: 'webhook' } } });
  const made = await secretsOf().rotate(tenant.owner);
  secret = made.type === 'rotated' ? made.secret : '';
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{32}$/);
  await expect(asOwner('SELECT secret_sealed FROM webhook_keys')).rejects.toThrow(/permission denied/);
  expect(await secretsOf().rotate(tenant.owner, -1)).toMatchObject({ type: 'invalid', problems: [{ field: 'overlapSeconds' }] });
  for (const webhook of ['ftp://x.test', 'nowhere', 7, `https://x.test/${'x'.repeat(3000)}`]) {
    expect((await call(`${url}/v1/predictions`, { key, body: { input: [[1]], webhook } })).json.error.field).toBe('webhook');
  }
  expect((await call(`${url}/v1/predictions`, { key, body: { input: [[1]], webhook: address, webhook_events_filter: ['end'] } })).json.error.field).toBe('webhook_events_filter');
});

it('each event that is asked for comes once, as the prediction was then, signed as Standard Webhooks has it', async () => {
  const { id } = await predict('/all');
  await predict('/end', { webhook_events_filter: ['completed'] });
  await deliverAll(deliveriesOf());
  const events = at('/all').map(({ body }) => JSON.parse(body) as Json).sort((a, b) => a.status.localeCompare(b.status));
  expect(events.map(({ status, output, completed_at: end }) => [status, output, end === null])).toEqual([['processing', null, true], ['succeeded', { predictions: [7] }, false], ['succeeded', { predictions: [7] }, false]]);
  expect([new Set(events.map((event) => event.id)), new Set(at('/all').map(({ headers }) => headers['webhook-id'])).size, at('/end').length]).toEqual([new Set([id]), 3, 1]);
  for (const { headers, body } of at('/all')) {
    const expected = createHmac('sha256', Buffer.from(secret.slice(6), 'base64')).update(`${headers['webhook-id'] as string}.${headers['webhook-timestamp'] as string}.${body}`).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${expected}`);
    expect(Math.abs(Date.now() / 1000 - Number(headers['webhook-timestamp']))).toBeLessThan(60);
  }
  expect(JSON.stringify(await asOwner('SELECT * FROM webhook_deliveries'))).not.toContain('a secret of the receiver');
});

it('while an overlap lasts both secrets sign', async () => {
  await secretsOf().rotate(tenant.owner, 3600);
  await predict('/two', { webhook_events_filter: ['completed'] });
  await deliverAll(deliveriesOf());
  expect(at('/two')[0]!.headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/);
});

it('what is not received comes again by the schedule, under the same id and word for word; at last it is given up', async () => {
  answers['/down'] = 500;
  await predict('/down', { webhook_events_filter: ['completed'] });
  const deliveries = deliveriesOf([0, 0]);
  await deliverAll(deliveries);
  await eventually(async () => (await deliverAll(deliveries), at('/down').length), (count) => count === 3);
  expect(new Set(at('/down').map(({ headers, body }) => `${headers['webhook-id'] as string} ${body}`)).size).toBe(1);
  expect(await asOwner(`SELECT attempt, status::text, last_status FROM webhook_deliveries WHERE status = 'FAILED'`)).toEqual([{ attempt: 3, status: 'FAILED', last_status: 500 }]);
  answers['/gone'] = 410;
  await predict('/gone', { webhook_events_filter: ['completed'] });
  await deliverAll(deliveriesOf());
  expect(at('/gone')).toHaveLength(1);
});

it('a try over which its process died is made again, under the same id', async () => {
  await predict('/died', { webhook_events_filter: ['completed'] });
  const dead = deliveriesOf(undefined, () => new Promise(() => undefined)); // never ends
  expect(await dead.advance()).toBe(true);
  const next = deliveriesOf();
  expect(await next.advance()).toBe(false); // its lease holds
  await asOwner(`UPDATE webhook_deliveries SET lease_until = now() - interval '1 second' WHERE ended_at IS NULL`);
  await deliverAll(next);
  expect(at('/died')).toHaveLength(1);
  expect(await asOwner('SELECT id FROM webhook_deliveries WHERE ended_at IS NULL')).toEqual([]);
});

it('a receiver that lets it wait holds up its own only, two at a time; one that fails for long is paused, with a line in the trail', async () => {
  const slow = createServer(() => undefined).listen(0, '127.0.0.2');
  await once(slow, 'listening');
  const slowly = `http://127.0.0.2:${(slow.address() as AddressInfo).port}`;
  await Promise.all(Array.from({ length: 3 }, () => predict('', { webhook: `${slowly}/`, webhook_events_filter: ['completed'] })));
  await predict('/quick', { webhook_events_filter: ['completed'] });
  const stop = new AbortController();
  const deliveries = deliveriesOf(undefined, (to, init) => fetch(to, { ...init, signal: stop.signal }), { patienceSeconds: -1 });
  while (await deliveries.advance());
  await eventually(async () => at('/quick').length, (count) => count === 1);
  // What has arrived is let go of a moment later.
  await eventually(() => asOwner('SELECT count(*)::int AS held FROM webhook_deliveries WHERE lease_until > now()'), ([row]) => row!['held'] === 2);
  stop.abort();
  await deliveries.settled();
  expect(await asOwner('SELECT receiver FROM webhook_receivers WHERE paused_until > now()')).toEqual([{ receiver: slowly }]);
  expect(await asOwner(`SELECT subject FROM audit_events WHERE action = 'webhook.pause'`)).toEqual([{ subject: slowly }]);
  await asOwner(`UPDATE webhook_deliveries SET next_at = now() WHERE ended_at IS NULL`);
  expect(await deliveries.advance()).toBe(false);
  slow.closeAllConnections();
  slow.close();
});

describe('a tenant whose receivers do not answer', () => {
  /** One with a prediction, of whose deliveries there are as many as a test wants, to as many receivers. */
  async function tenantWithDeliveries(path: string) {
    const its = await world.createTenant();
    await its.publish('press', constant(7));
    await secretsOf().rotate(its.owner);
    await call(`${url}/v1/predictions`, { key: (await its.createKey()).text, headers: { prefer: 'wait' }, body: { input: [[1]], webhook: `${address}${path}`, webhook_events_filter: ['completed'] } });
    await deliverAll(deliveriesOf(undefined, async () => new Response()));
    const run = (sql: string) => world.database.forTenant(its.tenantId).transaction((tx) => tx.$queryRawUnsafe<Json[]>(sql));
    return {
      run,
      wait: (receivers: number, each: number, seconds: number, name = 'https://r') => run(`
        INSERT INTO webhook_deliveries (id, tenant_id, prediction_id, event, receiver, next_at)
        SELECT '${name}' || tenant_id || r || '-' || e, tenant_id, id, '${name}' || r || '-' || e, '${name}' || r, now() - make_interval(secs => ${seconds})
        FROM async_predictions, generate_series(1, ${receivers}) r, generate_series(1, ${each}) e RETURNING id`),
    };
  }

  /** Fetches that do not end where the silent are asked, until told to. */
  function deliveriesToSilent() {
    const fetched: string[] = [];
    const refuse: ((error: Error) => void)[] = [];
    const deliveries = deliveriesOf(undefined, (to, init) => {
      fetched.push(`${new URL(to).pathname} ${(init.headers as Record<string, string>)['webhook-id']!}`);
      return to.endsWith('/silent') ? new Promise((_resolve, reject) => refuse.push(reject)) : Promise.resolve(new Response());
    });
    return {
      of: (name: string): number => fetched.filter((each) => each.includes(name)).length,
      async begin(): Promise<void> {
        while (await deliveries.advance());
      },
      refuseOne: () => refuse.pop()!(new Error('no answer')),
      async end(): Promise<void> {
        for (const reject of refuse) reject(new Error('no answer'));
        await deliveries.settled();
      },
    };
  }

  it('leaves others their room, and also those that come later', async () => {
    const [silent, other, late] = [await tenantWithDeliveries('/silent'), await tenantWithDeliveries('/other'), await tenantWithDeliveries('/late')];
    await silent.wait(16, 3, 3600);
    await other.wait(1, 1, 1);
    const { of, begin, end } = deliveriesToSilent();
    await begin();
    await eventually(async () => [of('/silent'), of('/other')], ([ofSilent, ofOther]) => ofSilent! >= 16 && ofOther === 1);
    await begin();
    await late.wait(1, 1, 0);
    await begin();
    await eventually(async () => of('/late'), (count) => count === 1);
    expect(of('/silent')).toBe(16);
    await silent.run('UPDATE webhook_deliveries SET ended_at = now()');
    await end();
  });

  it('has a new receiver of its own served as soon as one of them was given up', async () => {
    const silent = await tenantWithDeliveries('/silent');
    await silent.wait(8, 3, 3600);
    const { of, begin, refuseOne, end } = deliveriesToSilent();
    await begin();
    await eventually(async () => of('/silent'), (count) => count === 16);
    await silent.wait(1, 1, 0, 'https://fresh');
    refuseOne();
    await eventually(async () => (await begin(), of('https://fresh')), (count) => count === 1);
    await silent.run('UPDATE webhook_deliveries SET ended_at = now()');
    await end();
  });

  it('hides nobody while they are paused, many as they are', async () => {
    const [silent, other] = [await tenantWithDeliveries('/silent'), await tenantWithDeliveries('/other')];
    await silent.wait(500, 1, 3600);
    await silent.run(`INSERT INTO webhook_receivers (tenant_id, receiver, paused_until) SELECT DISTINCT tenant_id, receiver, now() + interval '1 hour' FROM webhook_deliveries WHERE ended_at IS NULL`);
    await silent.wait(1, 1, 1, 'https://fresh');
    await other.wait(1, 1, 1);
    const fetched: string[] = [];
    await deliverAll(deliveriesOf(undefined, async (_to, init) => (fetched.push((init.headers as Record<string, string>)['webhook-id']!), new Response())));
    // Of those that were made up here; whatever else was still to be delivered does not matter.
    expect(fetched.flatMap((id) => /^https:..(fresh|r)/.exec(id)?.[1] ?? []).sort()).toEqual(['fresh', 'r']);
  });
});
