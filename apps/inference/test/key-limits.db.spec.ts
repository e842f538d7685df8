import { once } from 'node:events';
import { type ClientRequest, request } from 'node:http';
import { connect } from 'node:net';
import { type Answer, call, createInferenceWorld, eventually, type InferenceWorld, type Sent, type TenantOfWorld } from './inference-world.ts';
import { constant } from './sample-pipelines.ts';

let world: InferenceWorld;
let tenant: TenantOfWorld;
let url: string;

beforeAll(async () => {
  world = await createInferenceWorld();
  tenant = await world.createTenant();
  await tenant.publish('press', constant(7));
  ({ url } = await world.start());
});
afterAll(() => world.close());

const body = { model: 'press', features: [1] };
const predict = (key: string, sent: Sent = {}): Promise<Answer> => call(`${url}/predict`, { key, body, ...sent });
/** Time goes by for rates, which are counted by the database's clock; servers believe a refusal for up to a second. */
const pass = (ms: number): Promise<unknown> =>
  world.database.forTenant(tenant.tenantId).transaction((tx) => tx.$executeRaw`UPDATE usage_accounts SET full_at = full_at - make_interval(secs => ${ms / 1000}::float8)`);
const limitHeaders = ({ headers }: Answer) =>
  ['x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests', 'x-ratelimit-reset-requests', 'ratelimit-policy', 'ratelimit'].map((name) => headers.get(name));

/** So many seconds, or some less: time goes by on a busy machine as well. */
const upTo = (seconds: number, before = '', after = ''): unknown =>
  expect.stringMatching(new RegExp(`^${before}(${Array.from({ length: 10 }, (_, passed) => seconds - passed).join('|')})${after}$`));

describe('a key with a limit of requests a minute', () => {
  it('is let in that often, then refused with the time to wait, and let in again after it', async () => {
    const { text } = await tenant.createKey({ rpmLimit: 3 });
    const answers = [await predict(text), await predict(text), await predict(text)];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(answers.map(limitHeaders)).toEqual([
      ['3', '2', upTo(20, '', 's'), '"key";q=3;w=60', upTo(20, '"key";r=2;t=')],
      ['3', '1', upTo(40, '', 's'), '"key";q=3;w=60', upTo(40, '"key";r=1;t=')],
      ['3', '0', upTo(60, '', 's'), '"key";q=3;w=60', upTo(60, '"key";r=0;t=')],
    ]);
    const refused = await predict(text);
    expect([refused.status, refused.headers.get('retry-after'), ...limitHeaders(refused)]).toEqual([429, upTo(20), '3', '0', upTo(60, '', 's'), '"key";q=3;w=60', upTo(60, '"key";r=0;t=')]);
    expect(refused.json.error).toEqual({
      code: 'rate_limited', message: 'This key may make 3 requests a minute, and has.', limit_source: 'key', remedy_hint: expect.stringContaining('rpmLimit'),
    });
    await pass(20_000);
    await eventually(() => predict(text), ({ status }) => status === 200);
    expect((await predict(text)).status).toBe(429);
  });

  it('says so on the protocol that wants one sentence as well', async () => {
    const { text } = await tenant.createKey({ rpmLimit: 1 });
    const infer = () => call(`${url}/v2/models/press/infer`, { key: text, body: { inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP64', data: [1] }] } });
    expect((await infer()).status).toBe(200);
    const refused = await infer();
    expect([refused.status, refused.headers.get('x-millrace-error-code'), refused.headers.get('retry-after')]).toEqual([429, 'rate_limited', upTo(60)]);
    expect(refused.json.error).toMatch(/^This key may make 1 requests a minute, and has\. /);
  });

  it('is told what is left on every answer, also where something else is wrong', async () => {
    // So few a minute that none comes back meanwhile.
    const { text } = await tenant.createKey({ rpmLimit: 7, scopes: ['READ', 'PREDICT'] });
    const reader = await tenant.createKey({ rpmLimit: 7, scopes: ['READ'] });
    const answers = [
      await predict(text, { body: '{' }), await predict(text, { body: { model: 'absent', features: [1] } }), await predict(text, { body: { model: 'press', features: ['x'] } }),
      await predict(text, { headers: { 'content-type': 'text/plain' } }), await call(`${url}/v2/models/press`, { key: text }), await call(`${url}/v1/models/press`, { key: text }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([400, 404, 400, 415, 200, 200]);
    expect(answers.map((answer) => limitHeaders(answer)[1])).toEqual(['6', '5', '4', '3', '2', '1']);
    const forbidden = await predict(reader.text);
    expect([forbidden.status, limitHeaders(forbidden)[1]]).toEqual([403, '6']);
  });

  it('may ask what is left for free', async () => {
    const { text } = await tenant.createKey({ rpmLimit: 2 });
    await predict(text);
    for (let i = 0; i < 5; i++) expect(limitHeaders(await call(`${url}/v1/key`, { key: text })).slice(0, 2)).toEqual(['2', '1']);
    expect((await call(`${url}/v1/key`, { key: text })).json).toMatchObject({ rpm_limit: 2, max_parallel_requests: null });
  });

  it('gets another limit within a second', async () => {
    const { id, text } = await tenant.createKey({ rpmLimit: 1 });
    expect([(await predict(text)).status, (await predict(text)).status]).toEqual([200, 429]);
    await world.auth.keys.update(tenant.owner, id, { rpmLimit: 1_000 });
    await eventually(() => predict(text), ({ status }) => status === 200, 1_000);
    await world.auth.keys.update(tenant.owner, id, { rpmLimit: null });
    const free = await eventually(() => predict(text), (answer) => limitHeaders(answer)[0] === null, 1_000);
    expect(limitHeaders(free)).toEqual([null, null, null, null, null]);
  });

  it('does not use up another key’s requests', async () => {
    const [one, other] = [await tenant.createKey({ rpmLimit: 1 }), await tenant.createKey({ rpmLimit: 1 })];
    expect([(await predict(one.text)).status, (await predict(one.text)).status, (await predict(other.text)).status]).toEqual([200, 429, 200]);
  });

  it('has it from all servers together', async () => {
    const { text } = await tenant.createKey({ rpmLimit: 4 });
    const other = await world.start();
    const ask = (at: string) => call(`${at}/predict`, { key: text, body });
    const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => ask(index % 2 ? url : other.url)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(4);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(8);
  });

  it('both of its secrets share the limit', async () => {
    const { id, text } = await tenant.createKey({ rpmLimit: 2 });
    const rotated = await world.auth.keys.rotate(tenant.owner, id, { overlapSeconds: 3_600 });
    const next = rotated.type === 'rotated' ? rotated.key : '';
    expect([(await predict(text)).status, (await predict(next)).status, (await predict(text)).status, (await predict(next)).status]).toEqual([200, 200, 429, 429]);
  });
});

const destroyed = (outgoing: ClientRequest): Promise<void> => new Promise((resolve) => void outgoing.once('close', () => resolve()).destroy());

describe('a key with a limit of requests at a time', () => {
  /** A request whose body is still on its way. */
  function begin(key: string): { finish(): Promise<number>; hangUp(): Promise<void> } {
    const text = JSON.stringify(body);
    const outgoing = request(`${url}/predict`, { method: 'POST', headers: { 'x-api-key': key, 'content-type': 'application/json', 'content-length': text.length } });
    outgoing.on('error', () => undefined);
    outgoing.write(text.slice(0, 5));
    return {
      async finish() {
        const answered = once(outgoing, 'response') as Promise<[{ statusCode: number; resume(): void }]>;
        outgoing.end(text.slice(5));
        const [response] = await answered;
        response.resume();
        await once(response as never, 'close');
        return response.statusCode;
      },
      async hangUp() {
        await destroyed(outgoing);
      },
    };
  }

  const left = async (key: string): Promise<string | null> => (await call(`${url}/v1/key`, { key })).headers.get('ratelimit');

  it('is refused one more, and has room again once one has ended, well or by hanging up', async () => {
    const { text } = await tenant.createKey({ maxParallelRequests: 2 });
    const [first, second] = [begin(text), begin(text)];
    await eventually(() => left(text), (state) => state === '"key-parallel";r=0');
    const refused = await predict(text);
    expect([refused.status, refused.headers.get('retry-after'), refused.headers.get('ratelimit-policy')]).toEqual([429, '1', '"key-parallel";q=2;qu="concurrent-requests"']);
    expect(refused.json.error).toMatchObject({ code: 'too_many_parallel_requests', limit_source: 'key' });
    expect(await first.finish()).toBe(200);
    await eventually(() => left(text), (state) => state === '"key-parallel";r=1');
    expect((await predict(text)).status).toBe(200);
    await second.hangUp();
    await eventually(() => left(text), (state) => state === '"key-parallel";r=2');
  });

  it('keeps the place of a caller who has hung up until the work for it has ended', async () => {
    const { text } = await tenant.createKey({ maxParallelRequests: 1 });
    let unlock = (): void => undefined;
    let working = (): void => undefined;
    const isLocked = new Promise<void>((resolve) => (working = resolve));
    const locked = world.database.forTenant(tenant.tenantId).transaction(async (tx) => {
      await tx.$executeRaw`LOCK TABLE model_versions IN ACCESS EXCLUSIVE MODE`;
      working();
      await new Promise<void>((resolve) => (unlock = resolve));
    });
    await isLocked;
    const gone = request(`${url}/v2/models/press`, { headers: { 'x-api-key': text } }); // lists the versions, which has to wait
    gone.on('error', () => undefined).end();
    await eventually(() => left(text), (state) => state === '"key-parallel";r=0');
    await destroyed(gone);
    for (let i = 0; i < 20; i++) expect((await predict(text)).status).toBe(429);
    unlock();
    await locked;
    await eventually(() => predict(text), ({ status }) => status === 200);
  });

  it('has the places of those back who hung up before anything was done for them', async () => {
    const text = JSON.stringify(body);
    const whole = (key: string): string => `POST /predict HTTP/1.1\r\nhost: x\r\nx-api-key: ${key}\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
    async function sendAndGo(bytes: string): Promise<void> {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      socket.on('error', () => undefined).write(bytes, () => socket.destroy());
      await once(socket, 'close');
    }
    // The key is looked up meanwhile: what has not come of the body then never does.
    const half = (await tenant.createKey({ maxParallelRequests: 1 })).text;
    await sendAndGo(whole(half).slice(0, -5));
    await eventually(() => left(half), (state) => state === '"key-parallel";r=1');
    // Of several at once, all but the first wait for their turn to be answered.
    const several = (await tenant.createKey({ maxParallelRequests: 4 })).text;
    await sendAndGo(whole(several).repeat(4));
    await eventually(() => left(several), (state) => state === '"key-parallel";r=4');
  });

  it('shows both limits where there are both', async () => {
    const { text } = await tenant.createKey({ rpmLimit: 600, maxParallelRequests: 4 });
    const answer = await predict(text);
    expect(limitHeaders(answer).slice(3)).toEqual(['"key";q=600;w=60, "key-parallel";q=4;qu="concurrent-requests"', '"key";r=599;t=1, "key-parallel";r=3']);
  });

  it('gives every place back, whatever the answers were', async () => {
    const { text } = await tenant.createKey({ maxParallelRequests: 8 });
    const mixed: Sent[] = [{}, { body: '{' }, { body: { model: 'absent', features: [1] } }, { headers: { 'content-type': 'text/plain' } }, { body: { model: 'press', features: [] } }];
    for (let round = 0; round < 20; round++) await Promise.all(mixed.map((sent) => predict(text, sent)));
    await eventually(() => left(text), (state) => state === '"key-parallel";r=8');
  });
});

it('a key without limits is told of none', async () => {
  expect(limitHeaders(await predict((await tenant.createKey()).text))).toEqual([null, null, null, null, null]);
});

describe('a key that is bound to addresses', () => {
  it('is refused elsewhere with 403 on every kind of route, in its tenant’s trail, and let in within a second once it may', async () => {
    const { id, text } = await tenant.createKey({ addresses: ['203.0.113.7', '2001:db8::/32'] });
    const refused = await predict(text, { headers: { 'user-agent': 'press-4', 'x-request-id': 'req-of-press-4' } });
    expect([refused.status, refused.json.error.code, refused.headers.get('x-millrace-error-code')]).toEqual([403, 'address_not_allowed', 'address_not_allowed']);
    expect(refused.json.error.message).toContain('127.0.0.1');
    for (const path of ['/v1/key', '/v2/models/press', '/v1/models/press']) expect((await call(url + path, { key: text })).status).toBe(403);
    const trail = await world.database.forTenant(tenant.tenantId).transaction((tx) => tx.auditEvent.findMany({ where: { subject: id, result: 'address_not_allowed' } }));
    expect(trail).toEqual([expect.objectContaining({ action: 'key.use', actor: `key:${id}`, address: '127.0.0.1', userAgent: 'press-4', requestId: 'req-of-press-4' })]);
    await world.auth.keys.update(tenant.owner, id, { addresses: ['127.0.0.0/8'] });
    await eventually(() => predict(text), ({ status }) => status === 200, 1_000);
  });

  it('is let in where the API vouches for the caller’s address, and nobody else can', async () => {
    const { text } = await tenant.createKey({ addresses: ['203.0.113.7'] });
    const from = (header: string) => predict(text, { headers: { 'x-millrace-caller': header } });
    expect((await from(world.auth.vouchForAddress(text, '203.0.113.7'))).status).toBe(200);
    expect((await from(world.auth.vouchForAddress(text, '203.0.113.8'))).status).toBe(403);
    for (const header of ['203.0.113.7', '203.0.113.7 ', `203.0.113.7 ${'A'.repeat(43)}`, world.auth.vouchForAddress('another', '203.0.113.7')]) expect((await from(header)).status).toBe(403);
    expect((await predict(text, { headers: { 'x-forwarded-for': '203.0.113.7', 'x-real-ip': '203.0.113.7', forwarded: 'for=203.0.113.7' } })).status).toBe(403);
  });

  it('stands in the trail with the address that the API vouches for, also where it may not do this', async () => {
    const { id, text } = await tenant.createKey({ scopes: ['READ'], addresses: ['203.0.113.7'] });
    const sent = { headers: { 'x-millrace-caller': world.auth.vouchForAddress(text, '203.0.113.7'), 'user-agent': 'press-5' } };
    expect((await predict(text, sent)).json.error.code).toBe('forbidden');
    const trail = await world.database.forTenant(tenant.tenantId).transaction((tx) => tx.auditEvent.findMany({ where: { actor: `key:${id}` } }));
    expect(trail).toEqual([expect.objectContaining({ result: 'forbidden', address: '203.0.113.7', userAgent: 'press-5' })]);
  });
});
