import { once } from 'node:events';
import { connect } from 'node:net';
import { createApiWorld, type Member, type World } from './api-world.ts';
import { exchangeBytes } from './raw-http.ts';

let world: World;
let ana: Member;
beforeAll(async () => {
  world = await createApiWorld();
  ana = await world.tenant('wire');
});
afterAll(() => world.close());
afterEach(async () => {
  expect((await world.graphql('{ viewer { role } }', {}, ana.token)).data).toEqual({ viewer: { role: 'OWNER' } }); // the next good one works
});

const port = () => Number(new URL(world.api.url).port);

const exchange = (text: string): Promise<string> => exchangeBytes(world.api.url, text);

const upgrade = (path: string): string =>
  `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;

describe('what comes over the wire', () => {
  it.each(['//', '//[', '/x', 'http://[', '/graphql/', '/%'])('an upgrade of %s is refused', async (path) => {
    expect(await exchange(upgrade(path))).toMatch(/^HTTP\/1.1 404 /);
  });

  it('a connection that is reset while it is upgraded disturbs nobody', async () => {
    for (let i = 0; i < 60; i++) {
      const socket = connect(port(), '127.0.0.1');
      await once(socket, 'connect');
      const closed = once(socket, 'close');
      socket.write(i % 2 ? upgrade('/graphql') : upgrade('/x') + 'x'.repeat(i * 50));
      // At once, after a turn of the loop, after two: the server is at another point each time.
      for (let turn = 0; turn < i % 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      socket.resetAndDestroy();
      await closed;
    }
  });

  it.each(['//', '//['])('GET %s is an address that there is not', async (path) => {
    expect(await exchange(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)).toMatch(/^HTTP\/1.1 404 .*"NOT_FOUND"/s);
  });

  it.each([
    ['an escape that is none', 'GET /% HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', 400, 'FST_ERR_BAD_URL'],
    ['an endless name', `PUT /uploads/${'x'.repeat(300)} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`, 414, 'FST_ERR_MAX_PARAM_LENGTH'],
    ['no HTTP', 'GARBAGE\r\n\r\n', 400, 'MALFORMED_HTTP'],
    ['endless headers', `GET / HTTP/1.1\r\nhost: x\r\nx-long: ${'y'.repeat(100_000)}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
    ['two lengths', 'POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 400, 'MALFORMED_HTTP'],
  ])('%s is answered with a stable code and a remedy', async (_what, text, status, code) => {
    const [head, body] = (await exchange(text)).split('\r\n\r\n') as [string, string];
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(JSON.parse(body)).toMatchObject({ error: { code, message: expect.any(String), remedy: expect.any(String) } });
  });
});

describe('an event stream', () => {
  const stream = (body: string) =>
    fetch(`${world.api.url}/graphql/stream`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${ana.token}` },
      body,
    });

  it.each(['null', 'false', '0', '""'])('of no operation (%s) is refused instead of waited for', async (body) => {
    const refused = await stream(body);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ error: { code: 'INVALID', field: 'query', remedy: expect.any(String) } });
  });

  it.each([
    ['{ viewer { role } }', 'Only subscriptions are served here'],
    ['subscription {', 'Syntax Error'],
    ['subscription { runProgres(id: "x") { run { id } } }', 'Cannot query field'],
  ])('says what is wrong with %s', async (query, message) => {
    const refused = await stream(JSON.stringify({ query }));
    expect(refused.status).toBe(400);
    const { errors } = (await refused.json()) as { errors: { message: string; extensions: object }[] };
    expect(errors[0]!.message).toContain(message);
    expect(errors[0]!.extensions).toMatchObject({ code: expect.any(String), requestId: expect.any(String) });
  });

  it('whose reader goes at once is no fault of ours', async () => {
    const body = JSON.stringify({ query: 'subscription { runProgress(id: "run_00000000000000000000000000") { run { id } } }' });
    const request = `POST /graphql/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ana.token}\r\naccept: text/event-stream\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    for (let i = 0; i < 40; i++) {
      const socket = connect(port(), '127.0.0.1');
      await once(socket, 'connect');
      const closed = once(socket, 'close');
      socket.write(request);
      for (let turn = 0; turn < i * 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      socket.resetAndDestroy();
      await closed;
    }
    await world.graphql('{ viewer { role } }', {}, ana.token);
    expect(world.log.filter(({ msg }) => /a request failed|Reply was already sent/.test(String(msg)))).toEqual([]);
  });
});
