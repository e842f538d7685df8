import { once } from 'node:events';
import { createTrustedProxies, Secret } from '@millrace/kernel';
import { WebSocket } from 'ws';
import { startApi } from '../src/server.ts';
import { createApiWorld, type Member, type World } from './api-world.ts';

const portal = 'https://portal.example';
const query = JSON.stringify({ query: '{ setupState { isSetUp } }' });

let world: World; // behind a proxy, with a page elsewhere that may call it
let bare: World; // as it comes
let ana: Member;
beforeAll(async () => {
  [world, bare] = await Promise.all([
    createApiWorld({
      corsOrigins: [portal, 'http://localhost:5173'],
      publicUrl: 'https://millrace.example',
      trustedProxies: createTrustedProxies(['127.0.0.1', '10.0.0.0/8']),
      costPerMinute: 20,
    }),
    createApiWorld({ costPerMinute: 20 }),
  ]);
  ana = await world.tenant('edge');
});
afterAll(() => Promise.all([world.close(), bare.close()]));

it('a server whose port is taken says so, and leaves no connection to the database open', async () => {
  const name = 'cannot start';
  const named = (url: string): Secret => {
    const result = new URL(url);
    result.searchParams.set('application_name', name);
    return new Secret(result.toString());
  };
  const { urls, database } = bare.database;
  const countOpen = (): Promise<{ count: number }[]> => database.system().transaction((tx) => tx.$queryRaw`
    SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND application_name = ${name}`);
  const taken = { ...bare.options, port: Number(new URL(bare.api.url).port), appDatabaseUrl: named(urls.app), systemDatabaseUrl: named(urls.system) };
  await expect(startApi(taken)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  while ((await countOpen())[0]!.count > 0); // Postgres learns of an end a moment after it
});

describe('pages of other origins', () => {
  const preflight = (to: World, origin: string, address: string, method = 'POST'): Promise<Response> =>
    fetch(`${to.api.url}${address}`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': 'authorization,content-type,x-millrace-session' },
    });
  const granted = ({ headers }: Response): string | null => headers.get('access-control-allow-origin');

  it.each([
    ['/graphql', 'POST'],
    ['/graphql/stream', 'POST'],
    ['/uploads/upl_1', 'PUT'],
  ])('a listed one may call %s, with what it holds itself', async (address, method) => {
    const asked = await preflight(world, portal, address, method);
    expect([asked.status, granted(asked)]).toEqual([204, portal]);
    expect(asked.headers.get('access-control-allow-methods')).toContain(method);
    expect(asked.headers.get('access-control-allow-headers')).toContain('authorization');
    expect(asked.headers.get('access-control-allow-headers')).not.toContain('x-millrace-session');
    expect(asked.headers.get('access-control-allow-credentials')).toBeNull();
    expect(asked.headers.get('vary')?.toLowerCase()).toContain('origin');
  });

  it('a listed one may read the answer, a refusal as well, but never with cookies', async () => {
    for (const [body, status] of [[query, 200], ['{', 400]] as const) {
      const answer = await fetch(`${world.api.url}/graphql`, { method: 'POST', headers: { origin: portal, cookie: 'a=b', 'content-type': 'application/json', 'x-forwarded-for': '198.51.100.1' }, body });
      expect([answer.status, granted(answer), answer.headers.get('access-control-allow-credentials')]).toEqual([status, portal, null]);
      expect(answer.headers.get('access-control-expose-headers')).toContain('x-request-id');
      expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    }
  });

  it.each([
    'https://evil.example', 'null', 'https://portal.example.evil.example', 'https://evilportal.example', 'http://portal.example', 'https://portal.example:444',
    'https://portal.example/', 'https://PORTAL.example', 'https://portal.example https://evil.example', 'https://evil.example#https://portal.example', '*', 'https://portal.examplé',
    'http://localhost:51730', 'http://localhost',
  ])('%s is told nothing', async (origin) => {
    const encoded = Buffer.from(origin, 'utf8').toString('latin1');
    for (const to of [world, bare]) {
      const asked = await preflight(to, encoded, '/graphql');
      expect(granted(asked)).toBeNull();
      expect(asked.headers.get('access-control-allow-methods')).toBeNull();
      expect(asked.status).toBeGreaterThanOrEqual(400);
      const answer = await fetch(`${to.api.url}/healthz`, { headers: { origin: encoded } });
      expect([answer.status, granted(answer)]).toEqual([200, null]);
    }
  });

  it('without a list not even this one', async () => {
    expect(granted(await preflight(bare, portal, '/graphql'))).toBeNull();
  });

  it('the console’s own files are nobody else’s', async () => {
    expect(granted(await fetch(`${world.api.url}/`, { headers: { origin: portal } }))).toBeNull();
  });

  /** 101 if the upgrade goes on. */
  async function upgrade(to: World, origin: string | undefined, host?: string): Promise<number> {
    const socket = new WebSocket(`${to.api.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { ...(origin ? { origin } : {}), headers: host ? { host } : {} });
    const status = await Promise.race([
      once(socket, 'open').then(() => 101),
      once(socket, 'unexpected-response').then(([, response]) => (response as { statusCode: number }).statusCode),
    ]);
    socket.on('error', () => undefined);
    socket.terminate();
    return status;
  }

  it('a WebSocket is for programs, for the console’s own pages and for listed ones', async () => {
    expect(await upgrade(bare, undefined)).toBe(101);
    expect(await upgrade(bare, bare.api.url)).toBe(101);
    expect(await upgrade(bare, 'https://millrace.example', 'millrace.example')).toBe(101); // a proxy that passes the name on
    expect(await upgrade(world, 'https://millrace.example', 'internal:4000')).toBe(101); // or does not
    expect(await upgrade(world, portal)).toBe(101);
    for (const origin of ['https://evil.example', 'null', 'https://portal.example.evil.example', `${world.api.url}1`, 'https://millrace.example.evil.example']) {
      expect([origin, await upgrade(world, origin)]).toEqual([origin, 403]);
    }
    expect(await upgrade(bare, portal)).toBe(403);
  });
});

describe('where a request comes from', () => {
  /** The address whose budget a stranger's operations use up, as the refusal names it. */
  async function spender(to: World, forwarded: Record<string, string>): Promise<string> {
    for (let i = 0; i < 30; i++) {
      const { errors } = await to.graphql('{ setupState { isSetUp } }', {}, undefined, forwarded);
      const named = /address:(\S+)/.exec(errors[0]?.message ?? '')?.[1];
      if (named) return named;
    }
    throw new Error('nothing was refused');
  }

  it('is what a trusted proxy says, not what its client claims', async () => {
    expect(await spender(world, { 'x-forwarded-for': '203.0.113.9' })).toBe('203.0.113.9');
    expect(await spender(world, { 'x-forwarded-for': '1.1.1.1, 203.0.113.10, 10.1.2.3' })).toBe('203.0.113.10');
  });

  it('is the peer itself where there is no proxy, whatever the request claims', async () => {
    for (const name of ['x-forwarded-for', 'x-real-ip', 'forwarded', 'x-client-ip']) {
      expect(await spender(bare, { [name]: name === 'forwarded' ? 'for=203.0.113.9' : '203.0.113.9' })).toBe('127.0.0.1');
    }
  });
});

describe('what a caller may ask for in a minute', () => {
  it('is told in headers, counted by cost, and refused with 429 and when to come back', async () => {
    const ask = () => world.graphql('{ viewer { role tenant { name } } }', {}, ana.token);
    const first = await ask();
    const cost = (JSON.parse(first.text) as { extensions: { cost: number } }).extensions.cost;
    expect(first.headers.get('ratelimit-policy')).toBe('"cost";q=20;w=60');
    const left = Number(/r=(\d+)/.exec(first.headers.get('ratelimit')!)![1]);
    expect(left).toBeLessThanOrEqual(20 - cost);

    let answer = first;
    for (let i = 0; i < 20 && answer.status === 200; i++) answer = await ask();
    expect(answer.status).toBe(429);
    expect(answer.data).toBeNull();
    const [error] = answer.errors;
    expect(error!.message).toMatch(new RegExp(`^This operation costs ${cost}, and person:${ana.actor.personId} has \\d+ left of the 20 `));
    expect(error!.extensions).toEqual({
      code: 'TOO_MANY_REQUESTS',
      remedy: expect.stringMatching(/^Try again in \d+ s/),
      retryAfterSeconds: expect.any(Number),
      requestId: expect.any(String),
    });
    expect(answer.headers.get('retry-after')).toBe(String(error!.extensions['retryAfterSeconds']));
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('is another’s own', async () => {
    const bea = await world.tenant('other');
    expect((await world.graphql('{ viewer { role } }', {}, bea.token)).status).toBe(200);
    expect((await world.graphql('{ viewer { role tenant { id name } } quota { used limit resource } }', {}, ana.token)).status).toBe(429); // it takes most of a minute to have so much again
  });

  it('holds for subscriptions as well', async () => {
    const subscribe = () =>
      fetch(`${world.api.url}/graphql/stream`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${ana.token}` },
        body: JSON.stringify({ query: 'subscription { runProgress(id: "run_00000000000000000000000000") { run { id status attempt modelName createdAt startedAt finishedAt events { at } } } }' }),
      });
    const refused = await subscribe();
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await refused.json()).toMatchObject({ errors: [{ extensions: { code: 'TOO_MANY_REQUESTS' } }] });
  });
});

describe('headers that protect a browser', () => {
  it('allow nothing inline and nothing foreign, and no feature of the machine', async () => {
    for (const address of ['/', '/graphql', '/nowhere.js', '/healthz']) {
      const { headers } = await fetch(`${world.api.url}${address}`, { headers: { accept: 'text/html' } });
      const policy = headers.get('content-security-policy')!;
      expect(policy).not.toMatch(/unsafe|\*|https?:|wss?:|blob:/);
      expect(policy).toContain("connect-src 'self';");
      expect(policy).toContain("script-src 'self';");
      expect(policy).toContain("style-src 'self';");
      expect(headers.get('permissions-policy')).toContain('camera=(), ');
      expect(headers.get('x-frame-options')).toBe('DENY');
    }
  });

  it('tell browsers to stay with https where people reach the console by it', async () => {
    expect((await fetch(`${world.api.url}/`)).headers.get('strict-transport-security')).toBe('max-age=31536000');
    expect((await fetch(`${bare.api.url}/`)).headers.get('strict-transport-security')).toBeNull();
  });

  it('stand on what never became a request of a route, too', async () => {
    const { status, headers } = await fetch(`${world.api.url}/uploads/${'x'.repeat(300)}`, { method: 'PUT' });
    expect([status, headers.get('x-content-type-options')]).toEqual([414, 'nosniff']);
  });
});
