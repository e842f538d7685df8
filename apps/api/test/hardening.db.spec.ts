import { once } from 'node:events';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { schema } from '../src/schema.ts';
import { createApiWorld, type Member, type World } from './api-world.ts';
import { createOperationGenerator } from './operation-generator.ts';
import { exchangeBytes } from './raw-http.ts';

let world: World; // as in production
let ana: Member;
let key: string;
beforeAll(async () => {
  world = await createApiWorld({ production: true });
  ana = await world.tenant('hardening');
  key = await world.apiKey(ana, ['READ']);
});
afterAll(() => world.close());
afterEach(async () => {
  expect((await world.graphql('{ viewer { tenant { name } } }', {}, ana.token)).data).toEqual({ viewer: { tenant: { name: 'hardening' } } }); // the next good one works
  expect(world.log.filter(({ level }) => Number(level) >= 50)).toEqual([]); // and nothing was a fault of ours
});

/** Whoever attacks learns that, and why, and nothing more. */
function expectRefusal(status: number, text: string, codes: readonly string[]): void {
  expect({ status, text }).toMatchObject({ status: expect.any(Number), text: expect.stringContaining('"code"') });
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThan(500);
  const body = JSON.parse(text) as { error?: { code: string; requestId?: string }; errors?: { extensions: { code: string; requestId?: string } }[]; data?: unknown };
  const reasons = body.errors?.map(({ extensions }) => extensions) ?? [body.error!];
  for (const { code } of reasons) expect(codes).toContain(code);
  expect(body.data ?? null).toBeNull();
  for (const told of ['Did you mean', 'node_modules', '.ts:', '.js:', '"stack', 'INTERNAL_SERVER_ERROR']) expect(text).not.toContain(told);
}

type Body = NonNullable<RequestInit['body']>;
const post = async (body: Body, headers: Record<string, string> = {}): Promise<[number, string]> => {
  const response = await fetch(`${world.api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${ana.token}`, ...headers },
    body,
    duplex: 'half',
  } as RequestInit);
  return [response.status, await response.text()];
};
const operation = (query: string, variables: unknown = {}): string => JSON.stringify({ query, variables });
const times = (count: number, part: (i: number) => string): string => Array.from({ length: count }, (_, i) => part(i)).join(' ');
/** As text, since no value in memory can have this shape. */
const submit = (spec: string): string =>
  `{"query":"mutation ($s: JSON!) { submitRun(input: { datasetVersionId: \\"x\\", modelName: \\"m\\", spec: $s }) { __typename } }","variables":{"s":${spec}}}`;
const submitLiteral = (spec: string): string => operation(`mutation { submitRun(input: { datasetVersionId: "x", modelName: "m", spec: ${spec} }) { __typename } }`);
const buried = (depth: number, inner: string): string => '{"a":'.repeat(depth) + inner + '}'.repeat(depth);

const circle = (count: number): string => times(count, (i) => `fragment f${i} on Dataset { ...f${(i + 1) % count} ...f${(i + 2) % count} id }`);
const doubling = times(40, (i) => `fragment f${i} on Dataset { ...f${i + 1} ...f${i + 1} }`);
const read = '{ viewer { role } }';

const shape = ['OPERATION_TOO_LARGE', 'GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED', 'OPERATION_RESOLUTION_FAILURE'];
const input = ['BAD_USER_INPUT', 'GRAPHQL_VALIDATION_FAILED'];
const body = ['BAD_REQUEST', 'BAD_USER_INPUT', 'FST_ERR_CTP_INVALID_JSON_BODY', 'FST_ERR_CTP_EMPTY_JSON_BODY', 'INVALID'];

describe('operations that are built to hurt', () => {
  it.each([
    ['a fragment that spreads itself', '{ dataset(id: "x") { ...a } } fragment a on Dataset { ...a }'],
    ['150 fragments in circles', `{ dataset(id: "x") { ...f0 } } ${circle(150)}`],
    ['circles that the operation does not enter', `${read} ${circle(150)}`],
    ['a circle through fields', '{ dataset(id: "x") { ...a } } fragment a on Dataset { latestVersion { dataset { ...a } } }'],
    ['2^40 fields by fragments', `{ dataset(id: "x") { ...f0 } } ${doubling} fragment f40 on Dataset { a: id b: id }`],
    ['10,000 aliases', `{ viewer { ${times(10_000, (i) => `a${i}: role`)} } }`],
    ['600 aliases of a root field', `{ ${times(600, (i) => `a${i}: me`)} }`],
    ['10,000 directives', `{ viewer ${times(10_000, () => '@x')} { role } }`],
    ['900 directives', `query ${times(900, () => '@x')} ${read}`],
    ['directives on variables', `query (${times(60, (i) => `$v${i}: Int @x`)}) ${read}`],
    ['20,000 levels', `{ dataset(id: "x") { ${'latestVersion { dataset { '.repeat(10_000)}id${' } }'.repeat(10_000)} } }`],
    ['400 levels', `{ dataset(id: "x") { ${'latestVersion { dataset { '.repeat(200)}id${' } }'.repeat(200)} } }`],
    ['20,000 inline fragments', `{ dataset(id: "x") { ${'... { '.repeat(20_000)}id${' }'.repeat(20_000)} } }`],
    ['lists 20,000 deep', `{ runs(first: ${'['.repeat(20_000)}${']'.repeat(20_000)}) { edges { cursor } } }`],
    ['lists 900 deep', `{ runs(first: ${'['.repeat(900)}${']'.repeat(900)}) { edges { cursor } } }`],
    ['a type 900 deep', `query ($v: ${'['.repeat(900)}Int${']'.repeat(900)}) ${read}`],
    ['480 fields that may conflict', `{ dataset(id: "x") { ${'latestVersion { id } '.repeat(480)} id(x: 1) } }`],
    ['800 unknown fields', `{ viewer { ${times(800, (i) => `role${i}`)} } }`],
    ['200 operations', times(200, (i) => `query q${i} ${read}`)],
    ['an unknown directive', '{ viewer @export(as: "x") { role } }'],
    ['@defer', '{ viewer { ... @defer { role } } }'],
    ['the schema', '{ __schema { types { name fields { name } } } }'],
    ['a type of the schema', '{ __type(name: "Query") { fields { name } } }'],
    ['a name that is nearly right', '{ viewr { rol } }'],
    ['an enum value that is nearly right', '{ runs(status: QUEUE) { edges { cursor } } }'],
    ['an argument that is nearly right', '{ runs(frist: 1) { edges { cursor } } }'],
    ['an unfinished string', '{ endpoint(name: """ '],
    ['a NUL between the words', '{ viewer\0{ role } }'],
    ['no words at all', '\ufeff\ufeff'],
    ['an escape that is none', '{ endpoint(name: "\\u{110000}") { id } }'],
    ['half of a surrogate pair', '{ endpoint(name: "\\uD800") { id } }'],
  ])('%s', async (_what, query) => {
    const [status, text] = await post(operation(query));
    expectRefusal(status, text, shape);
  });

  it('more than any operation may cost is refused before it runs', async () => {
    const [status, text] = await post(operation('{ datasets(first: 100) { edges { node { versions(first: 100) { edges { node { id number } } } } } } }'));
    expectRefusal(status, text, input);
    expect(text).toMatch(/costs \d+; the limit is 20000/);
  });
});

describe('values that are built to hurt', () => {
  it.each([
    ['400,000 nested arrays', submit('['.repeat(400_000) + ']'.repeat(400_000))],
    ['33 nested objects', submit(buried(33, '1'))],
    ['400,000 nested arrays where text belongs', `{"query":"query ($n: String!) { endpoint(name: $n) { id } }","variables":{"n":${'['.repeat(400_000)}${']'.repeat(400_000)}}}`],
    ['400,000 nested arrays that nothing asks for', `{"query":"{ runs(first: 1000) { edges { cursor } } }","variables":{"x":${'['.repeat(400_000)}${']'.repeat(400_000)}},"operationName":"none"}`],
    ['a number beyond all', submit('1e999')],
    ['400 digits', submit('9'.repeat(400))],
    ['an Int of 400 digits', `{"query":"query ($n: Int) { runs(first: $n) { edges { cursor } } }","variables":{"n":${'9'.repeat(400)}}}`],
    ['an Int beyond 32 bits', operation('query ($n: Int) { runs(first: $n) { edges { cursor } } }', { n: 2 ** 31 })],
    ['an Int that is none', operation('query ($n: Int) { runs(first: $n) { edges { cursor } } }', { n: 1.5 })],
    ['an Int of 400 digits in the text', operation(`{ runs(first: ${'9'.repeat(400)}) { edges { cursor } } }`)],
    ['a number beyond all in the text', submitLiteral('{ a: 1e999 }')],
    ['400 digits in the text', submitLiteral('9'.repeat(400))],
    ['33 lists in the text', submitLiteral('['.repeat(33) + ']'.repeat(33))],
    ['900 lists in the text', submitLiteral('['.repeat(900) + ']'.repeat(900))],
    ['900 objects in the text', submitLiteral('{ a: '.repeat(450) + '1' + ' }'.repeat(450))],
    ['600 equal keys in the text', submitLiteral(`{ ${times(600, () => 'a: 1')} }`)],
    ...[0, 1, 5, 30].flatMap((depth): [string, string][] => [
      [`a literal __proto__ at level ${depth}`, submitLiteral(`${'{ a: '.repeat(depth)}{ __proto__: { x: 1 } }${' }'.repeat(depth)}`)],
      [`constructor at level ${depth}`, submit(buried(depth, '{"constructor":1}'))],
      [`prototype at level ${depth}`, submit(buried(depth, '{"prototype":{"x":1}}'))],
      [`__proto__ in a list at level ${depth}`, submitLiteral(`${'['.repeat(depth)}{ __proto__: 1 }${']'.repeat(depth)}`)],
    ]),
    ['an enum of text', operation('query ($s: RunStatus) { runs(status: $s) { edges { cursor } } }', { s: 'QUEUE' })],
    ['an object where an enum belongs', operation('query ($s: RunStatus) { runs(status: $s) { edges { cursor } } }', { s: { toString: 'QUEUED' } })],
    ['a field that there is not', operation('mutation ($i: SignInInput!) { signIn(input: $i) { __typename } }', { i: { email: 'a', password: 'b', admin: true } })],
    ['a NUL', operation('query ($n: String!) { endpoint(name: $n) { id } }', { n: 'a\0b' })],
    ['a NUL deep inside', submit(buried(20, '"\\u0000"'))],
    ['a NUL in a key', submit('{"a\\u0000b":1}')],
    ['a NUL in the text', operation('{ endpoint(name: "a\\u0000b") { id } }')],
  ])('%s', async (_what, sent) => {
    const [status, text] = await post(sent);
    expectRefusal(status, text, [...input, ...shape]);
  });

  it.each([0, 1, 5, 30, 5000])('__proto__ as a key at level %i never gets past the parser, however it is written', async (depth) => {
    for (const name of ['__proto__', '\\u005f_proto__', '\\u005F\\u005Fproto\\u005f\\u005f']) {
      const [status, text] = await post(submit(buried(depth, `{"${name}":{"isAdmin":true}}`)));
      expectRefusal(status, text, body);
    }
  });

  it('1,000,000 nested arrays are more than a body may be', async () => {
    const [status, text] = await post(submit('['.repeat(1_000_000) + ']'.repeat(1_000_000)));
    expectRefusal(status, text, ['FST_ERR_CTP_BODY_TOO_LARGE']);
    expect(status).toBe(413);
  });
});

describe('requests that are none', () => {
  const good = operation(read);
  it.each<[string, number, Body, Record<string, string>]>([
    ['text/plain', 400, good, { 'content-type': 'text/plain' }],
    ['a form', 415, 'query=%7Bviewer%7Brole%7D%7D', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['multipart', 415, '--x\r\ncontent-disposition: form-data; name="operations"\r\n\r\n{}\r\n--x--', { 'content-type': 'multipart/form-data; boundary=x' }],
    ['multipart as browsers would send it without asking', 415, good, { 'content-type': 'multipart/form-data' }],
    ['application/graphql', 415, read, { 'content-type': 'application/graphql' }],
    ['XML', 415, '<x/>', { 'content-type': 'application/xml' }],
    ['JSON of another name', 415, good, { 'content-type': 'application/graphql+json' }],
    ['JSON with something before it', 415, good, { 'content-type': 'xapplication/json' }],
    ['a type that is none', 415, good, { 'content-type': 'json' }],
    ['JSON in UTF-16, it says', 400, good, { 'content-type': 'application/json; charset=utf-16' }],
    ['JSON in UTF-16, it is', 400, Buffer.from(good, 'utf16le'), {}],
    ['JSON in Latin-1', 400, Buffer.from(operation('{ endpoint(name: "ü") { id } }'), 'latin1'), {}],
    ['bytes that are no UTF-8', 400, Buffer.concat([Buffer.from('{"query":"{ endpoint(name: \\"'), Buffer.from([0xc3, 0x28, 0xff, 0xfe]), Buffer.from('\\") { id } }"}')]), {}],
    ['overlong UTF-8', 400, Buffer.concat([Buffer.from('{"query":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]), {}],
    ['a body said to be compressed', 400, Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), { 'content-encoding': 'gzip' }],
    ['nothing', 400, '', {}],
    ['null', 400, 'null', {}],
    ['a number', 400, '7', {}],
    ['text', 400, '"{ viewer { role } }"', {}],
    ['half of it', 400, good.slice(0, -1), {}],
    ['two of them', 400, good + good, {}],
    ['a NUL', 400, '\0', {}],
    ['a NUL behind it', 400, `${good}\0`, {}],
    ['a batch', 400, `[${good},${good}]`, {}],
    ['a batch of one', 400, `[${good}]`, {}],
    ['no query', 400, '{"variables":{}}', {}],
    ['an empty query', 400, '{"query":""}', {}],
    ['a query that is no text', 400, '{"query":{"toString":"x"}}', {}],
    ['a list of queries', 400, `{"query":[${JSON.stringify(read)}]}`, {}],
    ['variables that are text', 400, JSON.stringify({ query: read, variables: '{}' }), {}],
    ['variables that are a list', 400, JSON.stringify({ query: read, variables: [1] }), {}],
    ['a name that is no text', 400, JSON.stringify({ query: read, operationName: {} }), {}],
    ['a name of no operation', 400, JSON.stringify({ query: read, operationName: '__proto__' }), {}],
    ['extensions that are none', 400, JSON.stringify({ query: read, extensions: 'x' }), {}],
  ])('%s', async (_what, expected, sent, headers) => {
    const [status, text] = await post(sent, headers);
    expectRefusal(status, text, [...body, ...shape, 'FST_ERR_CTP_INVALID_MEDIA_TYPE']);
    expect(status).toBe(expected);
  });

  it('a query by its digest alone is refused as its protocol has it, with 200', async () => {
    const [status, text] = await post(JSON.stringify({ extensions: { persistedQuery: { version: 1, sha256Hash: '0'.repeat(64) } } }));
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ errors: [{ extensions: { code: 'PERSISTED_QUERY_NOT_SUPPORTED' } }] });
  });

  it.each([
    ['a mutation by GET', `query=${encodeURIComponent('mutation { signOut { __typename } }')}`, 405],
    ['a mutation by GET under a name', `query=${encodeURIComponent(`query a ${read} mutation b { signOut { __typename } }`)}&operationName=b`, 405],
    ['a subscription by GET', `query=${encodeURIComponent('subscription { runProgress(id: "x") { run { id } } }')}`, 405],
    ['circles by GET', `query=${encodeURIComponent(`${read} ${circle(60)}`)}`, 400],
    ['variables that are no JSON', `query=${encodeURIComponent(read)}&variables=%7B`, 400],
    ['variables that are null in a list', `query=${encodeURIComponent(read)}&variables=%5Bnull%5D`, 400],
    ['two queries', `query=${encodeURIComponent(read)}&query=${encodeURIComponent(read)}`, 400],
    ['no query', '', 400],
    ['__proto__ in the address', `__proto__[query]=${encodeURIComponent(read)}`, 400],
  ])('%s', async (_what, search, expected) => {
    const response = await fetch(`${world.api.url}/graphql?${search}`, { headers: { authorization: `Bearer ${ana.token}`, 'apollo-require-preflight': '1' } });
    expectRefusal(response.status, await response.text(), [...body, ...shape]);
    expect(response.status).toBe(expected);
  });

  it.each(['PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY'])('%s', async (method) => {
    const answer = await exchangeBytes(
      world.api.url,
      `${method} /graphql HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${ana.token}\r\ncontent-type: application/json\r\ncontent-length: ${good.length}\r\n\r\n${good}`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 4\d\d /);
    expect(answer).not.toContain('"data":{');
  });

  it('a body of 1 MiB and a byte, announced or not', async () => {
    const large = operation(`#${'x'.repeat(1024 * 1024)}\n${read}`);
    for (const sent of [large, new Blob([large]).stream() as unknown as Body]) {
      const [status, text] = await post(sent);
      expectRefusal(status, text, ['FST_ERR_CTP_BODY_TOO_LARGE']);
      expect(status).toBe(413);
    }
  });

  it('headers have 16 KiB together', async () => {
    const head = (bytes: number, count: number): string =>
      `GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${times(count, (i) => `x-${i}: ${'y'.repeat(bytes)}\r\n`).replaceAll('\r\n ', '\r\n')}\r\n`;
    expect(await exchangeBytes(world.api.url, head(15_000, 1))).toMatch(/^HTTP\/1.1 200 /);
    for (const oversized of [head(16_500, 1), head(1_000, 20), head(1, 5_000), head(1_000_000, 1)]) {
      const answer = await exchangeBytes(world.api.url, oversized);
      expect(answer).toMatch(/^HTTP\/1.1 431 .*"HEADERS_TOO_LARGE"/s);
    }
  });
});

describe('the ways of subscriptions', () => {
  const attacks: [string, string][] = [
    ['a mutation', 'mutation { signOut { __typename } }'],
    ['a query', read],
    ['a mutation under another name', 'subscription a { runProgress(id: "x") { run { id } } } mutation b { signOut { __typename } }'],
    ['circles', `subscription { runProgress(id: "x") { run { id } } } ${circle(150)}`],
    ['10,000 aliases', `subscription { runProgress(id: "x") { ${times(10_000, (i) => `a${i}: __typename`)} } }`],
    ['20,000 levels', `subscription { runProgress(id: "x") { ${'run { '.repeat(20_000)}id${' }'.repeat(20_000)} } }`],
    ['the schema', 'subscription { __schema { types { name } } }'],
    ['a name that is nearly right', 'subscription { runProgres(id: "x") { run { id } } }'],
    ['__proto__', 'subscription { runProgress(id: { __proto__: 1 }) { run { id } } }'],
  ];
  const codes = [...shape, ...input, 'BAD_REQUEST'];

  it.each(attacks)('server-sent events: %s', async (_what, query) => {
    const response = await fetch(`${world.api.url}/graphql/stream`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${key}` },
      body: JSON.stringify({ query, operationName: query.includes('mutation b') ? 'b' : undefined }),
    });
    expectRefusal(response.status, await response.text(), codes);
  });

  it.each(['text/event-stream', 'application/json', '*/*'])('a mutation by GET that accepts %s', async (accept) => {
    const response = await fetch(`${world.api.url}/graphql/stream?query=${encodeURIComponent('mutation { signOut { __typename } }')}`, {
      headers: { accept, authorization: `Bearer ${ana.token}` },
    });
    expect(response.status).toBe(400);
    expectRefusal(response.status, await response.text(), ['BAD_REQUEST', 'INVALID']);
  });

  /** What a connection says after its greeting, and how it is closed, if it is. */
  async function talk(...messages: (string | Uint8Array)[]): Promise<{ said: string[]; closed: number | null }> {
    const socket = new WebSocket(`${world.api.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const said: string[] = [];
    const heard = new Promise<number | null>((resolve) => {
      socket.on('close', resolve);
      socket.on('message', (message) => {
        const text = String(message);
        if (text.includes('"connection_ack"')) return messages.forEach((one) => socket.send(one));
        said.push(text);
        if (/"type":"(error|complete)"/.test(text)) resolve(null);
      });
    });
    socket.on('error', () => undefined);
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } }));
    const closed = await heard;
    socket.terminate();
    return { said, closed };
  }

  it.each(attacks)('WebSocket: %s', async (_what, query) => {
    const { said, closed } = await talk(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, operationName: query.includes('mutation b') ? 'b' : undefined } }));
    expect(closed).toBeNull();
    const { type, payload } = JSON.parse(said[0]!) as { type: string; payload: { message: string; extensions: { code: string } }[] };
    expect(type).toBe('error');
    for (const error of payload) {
      expect(codes).toContain(error.extensions.code);
      expect(error.message).not.toContain('Did you mean');
    }
  });

  it.each<[string, string | Uint8Array, number]>([
    ['no JSON', '{', 4400],
    ['a NUL', '\0', 4400],
    ['no message', '{"type":"attack"}', 4400],
    ['__proto__ as a type', '{"__proto__":{"type":"subscribe"}}', 4400],
    ['100,000 nested arrays', `{"id":"1","type":"subscribe","payload":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 4400],
    ['257 KiB', JSON.stringify({ id: '1', type: 'subscribe', payload: { query: '#'.repeat(257 * 1024) } }), 1009],
    ['a second greeting', '{"type":"connection_init"}', 4429],
  ])('WebSocket: %s closes the connection', async (_what, message, code) => {
    expect((await talk(message)).closed).toBe(code);
  });

  it('WebSocket: bytes that are no UTF-8 close the connection', async () => {
    const answer = await exchangeBytes(
      world.api.url,
      Buffer.concat([
        Buffer.from('GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: graphql-transport-ws\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'),
        Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]), // text, masked with zeros: an unfinished sequence
      ]),
    );
    expect(answer).toMatch(/^HTTP\/1.1 101 /);
  });
});

describe('operations at random, from the schema', () => {
  // A walk through the schema, so that fields to come are tried as well.
  it('are answered without a fault of ours', async () => {
    let owner = await world.tenant('random'); // who may sign itself out
    const { versionId, datasetId } = await world.iris(owner.token);
    const stranger = await world.tenant('stranger');
    const generator = createOperationGenerator(schema, [versionId, datasetId, owner.actor.personId, owner.actor.tenantId, stranger.actor.personId, 'run_00000000000000000000000000', 'iris']);
    let withData = 0;
    let refused = 0;

    await fc.assert(
      fc.asyncProperty(fc.gen(), fc.constantFrom('valid', 'valid', 'broken'), fc.constantFrom('owner', 'owner', 'key', 'nobody'), async (gen, kind, who) => {
        if (who === 'owner' && !(await world.graphql(read, {}, owner.token)).data) owner = await world.tenant('again'); // it has signed itself out
        const { query, variables } = generator[kind as 'valid' | 'broken'](gen);
        const answer = await world.graphql(query, variables, who === 'owner' ? owner.token : who === 'key' ? key : undefined);
        const isAway = answer.status === 503 && /(predict|explain)\(/.test(query); // no inference server is running here
        if ((answer.status >= 500 && !isAway) || answer.text.includes('INTERNAL_SERVER_ERROR')) throw new Error(`${answer.text}\n${JSON.stringify({ query, variables })}`);
        expect(answer.text).not.toMatch(/Did you mean|node_modules|"stack/);
        for (const { extensions } of answer.errors) expect(extensions['code']).toEqual(expect.any(String));
        if (answer.data && Object.values(answer.data).some((value) => value !== null)) withData++;
        else if (answer.status >= 400) refused++;
      }),
      { seed: 20_260_801, numRuns: 500, endOnFailure: true },
    );
    // Neither all of it nonsense, nor all of it harmless.
    expect(withData).toBeGreaterThan(60);
    expect(refused).toBeGreaterThan(60);
  }, 240_000);
});
