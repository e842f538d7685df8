import { createApiWorld, type Member, type World } from './api-world.ts';

let world: World;
let closed: World; // as in production
let ana: Member;
beforeAll(async () => {
  [world, closed] = await Promise.all([createApiWorld(), createApiWorld({ production: true })]);
  ana = await world.tenant('limits');
});
afterAll(() => Promise.all([world.close(), closed.close()]));

const codes = (answer: { errors: { extensions: Record<string, unknown> }[] }) => answer.errors.map(({ extensions }) => extensions['code']);
const send = (url: string, init: RequestInit = {}) => fetch(`${world.api.url}${url}`, init);
const json = { 'content-type': 'application/json' };
const cursor = (content: string) => Buffer.from(`GPC:${content}`).toString('base64');

describe('what a request may look like', () => {
  it('a mutation never comes by GET, a query may', async () => {
    const get = (query: string) => send(`/graphql?query=${encodeURIComponent(query)}`, { headers: { 'apollo-require-preflight': '1' } });
    expect((await get('{ setupState { isSetUp } }')).status).toBe(200);
    expect((await get('mutation { signOut { __typename } }')).status).toBe(405);
  });

  it('a request that a foreign page could send is refused', async () => {
    expect((await send(`/graphql?query=${encodeURIComponent('{ setupState { isSetUp } }')}`)).status).toBe(400);
    const body = JSON.stringify({ query: '{ setupState { isSetUp } }' });
    expect((await send('/graphql', { method: 'POST', headers: { 'content-type': 'text/plain' }, body })).status).toBe(400);
    expect((await send('/graphql', { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=x' }, body })).status).toBe(415);
  });

  it('operations come one at a time', async () => {
    const one = { query: '{ setupState { isSetUp } }' };
    expect((await send('/graphql', { method: 'POST', headers: json, body: JSON.stringify([one, one]) })).status).toBe(400);
  });

  it('a body has 1 MiB at most and is JSON', async () => {
    const large = await send('/graphql', { method: 'POST', headers: json, body: JSON.stringify({ query: '#'.repeat(1024 * 1024) }) });
    expect(large.status).toBe(413);
    expect(await large.json()).toMatchObject({ errors: [{ extensions: { requestId: large.headers.get('x-request-id') } }] });
    expect((await send('/graphql', { method: 'POST', headers: json, body: '{"query": ' })).status).toBe(400);
    expect((await send('/graphql', { method: 'POST', headers: json, body: '{"query":"{setupState{isSetUp}}","variables":{"__proto__":{"a":1}}}' })).status).toBe(400);
  });

  it('subscriptions are not served by POST', async () => {
    const answer = await world.graphql('subscription { runProgress(id: "x") { run { id } } }', {}, ana.token);
    expect(answer.status).toBe(400);
    expect(codes(answer)).toEqual(['SUBSCRIPTION_NOT_SERVED_HERE']);
  });
});

describe('what an operation may look like', () => {
  const nested = (levels: number): string => {
    // Each pair of levels goes from a version to its data set and back.
    let inner = 'number';
    for (let i = 0; i < levels; i++) inner = `dataset { latestVersion { ${inner} } }`;
    return `query { dataset(id: "x") { latestVersion { ${inner} } } }`;
  };

  it('it is 14 levels deep at most, counted through fragments', async () => {
    expect((await world.graphql(nested(5), {}, ana.token)).errors).toEqual([]);
    const deep = await world.graphql(nested(6), {}, ana.token);
    expect(deep.status).toBe(400);
    expect(deep.errors[0]!.message).toBe('The operation has the depth 15; the limit is 14.');
    const hidden = `query { dataset(id: "x") { ...a } } fragment a on Dataset { latestVersion { ...b } }
      fragment b on DatasetVersion { ${nested(6).slice('query { dataset(id: "x") { latestVersion { '.length, -' } } }'.length)} }`;
    expect((await world.graphql(hidden, {}, ana.token)).errors[0]!.message).toBe('The operation has the depth 15; the limit is 14.');
  });

  it('fragments that spread each other in circles or by the thousand are refused quickly', async () => {
    const circle = await world.graphql('{ dataset(id: "x") { ...a } } fragment a on Dataset { ...b } fragment b on Dataset { ...a }', {}, ana.token);
    expect(circle.status).toBe(400);
    const doubling = Array.from({ length: 40 }, (_, i) => `fragment f${i} on Dataset { ...f${i + 1} ...f${i + 1} }`).join(' ');
    const bomb = await world.graphql(`{ dataset(id: "x") { ...f0 } } ${doubling} fragment f40 on Dataset { a: id b: id }`, {}, ana.token);
    expect(bomb.errors[0]!.message).toContain('aliases');
  });

  it('it has 30 aliases, 20 root fields and 2000 tokens at most', async () => {
    const aliases = (count: number) => `{ viewer { ${Array.from({ length: count }, (_, i) => `a${i}: role`).join(' ')} } }`;
    expect((await world.graphql(aliases(30), {}, ana.token)).status).toBe(200);
    expect((await world.graphql(aliases(31), {}, ana.token)).status).toBe(400);
    expect((await world.graphql(`{ ${'setupState { isSetUp } '.repeat(21)} }`)).errors[0]!.message).toContain('root fields');
    const long = await world.graphql(`{ viewer { ${'role '.repeat(2000)} } }`, {}, ana.token);
    expect(long.status).toBe(400);
    expect(codes(long)).toEqual(['GRAPHQL_PARSE_FAILED']);
  });

  it('its cost is told, depends on its variables and has a limit', async () => {
    const query = 'query ($n: Int) { runs(first: $n) { edges { node { id events { sequence type at } trials { number family } } } } }';
    const cost = async (n: number) => (JSON.parse((await world.graphql(query, { n }, ana.token)).text) as { extensions: { cost: number } }).extensions.cost;
    expect(await cost(10)).toBeGreaterThan(5 * (await cost(1)));
    const page = await world.graphql('{ runs(first: 50) { edges { node { id status } } } }', {}, ana.token);
    expect(JSON.parse(page.text)).toMatchObject({ extensions: { cost: 1 + 50 * 3 } }); // each field once, what lies in a page as often as it may be long
    const greedy = `query { datasets(first: 100) { edges { node { versions(first: 100) { edges { node { id number } } } } } } }`;
    const refused = await world.graphql(greedy, {}, ana.token);
    expect(codes(refused)).toEqual(['BAD_USER_INPUT']);
    expect(refused.errors[0]!.message).toMatch(/costs \d+; the limit is \d+/);
  });

  it.each([
    ['a page of 101', '{ runs(first: 101) { edges { cursor } } }', {}],
    ['a page of 0', '{ runs(first: 0) { edges { cursor } } }', {}],
    ['a page of -1', '{ runs(first: -1) { edges { cursor } } }', {}],
    ['a cursor of nowhere', '{ runs(after: "nowhere") { edges { cursor } } }', {}],
    ['a cursor of a number', `{ runs(after: "${cursor('N:1')}") { edges { cursor } } }`, {}],
    ['a cursor of a date', `{ runs(before: "${cursor('D:1')}") { edges { cursor } } }`, {}],
    ['a cursor of JSON', `{ runs(after: "${cursor('J:{}')}") { edges { cursor } } }`, {}],
    ['a cursor with a NUL character', `{ runs(after: "${cursor('S:\0')}") { edges { cursor } } }`, {}],
    ['the year 0', '{ usage(from: "0000-01-01T00:00:00Z", to: "2030-01-01T00:00:00Z") { rows } }', {}],
    ['the year 10000', '{ usage(from: "2030-01-01T00:00:00Z", to: "9999-12-31T23:59:59-01:00") { rows } }', {}],
    ['a date that is none', '{ usage(from: "yesterday", to: "2030-01-01T00:00:00Z") { rows } }', {}],
    ['a NUL character in a variable', 'query ($n: String!) { endpoint(name: $n) { id } }', { n: 'a\0b' }],
    ['a NUL character in the text', '{ endpoint(name: "a\\u0000b") { id } }', {}],
    ['neither id nor name', '{ model { id } }', {}],
    ['JSON of 33 levels', 'mutation ($s: JSON!) { submitRun(input: { datasetVersionId: "x", modelName: "m", spec: $s }) { __typename } }', { s: JSON.parse('['.repeat(33) + ']'.repeat(33)) }],
    ['JSON with a key that changes prototypes', 'mutation { submitRun(input: { datasetVersionId: "x", modelName: "m", spec: { constructor: 1 } }) { __typename } }', {}],
  ])('%s is the caller’s mistake and is told so', async (_what, query, variables) => {
    const answer = await world.graphql(query, variables, ana.token);
    expect(answer.errors).toHaveLength(1);
    expect(['BAD_USER_INPUT', 'GRAPHQL_VALIDATION_FAILED']).toContain(codes(answer)[0]);
    expect(answer.status).not.toBe(500);
  });
});

describe('what a client learns', () => {
  it('in production the schema is not told, nor names that are nearly right', async () => {
    const answer = await closed.graphql('{ __schema { types { name } } }');
    expect(answer.status).toBe(400);
    expect(answer.data).toBeNull();
    expect((await world.graphql('{ __schema { queryType { name } } }')).data).toEqual({ __schema: { queryType: { name: 'Query' } } });
    const typo = await closed.graphql('{ setupStat { isSetUp } }');
    expect(typo.errors[0]!.message).toBe('Cannot query field "setupStat" on type "Query".');
  });

  it('a defect is masked, logged, and found by its request id', async () => {
    const broken = await createApiWorld();
    try {
      const bea = await broken.tenant('broken');
      await broken.database.asOwner('ALTER TABLE quota_counters RENAME COLUMN used TO gone');
      const answer = await broken.graphql('{ quota { used } }', {}, bea.token, { 'x-request-id': 'trace-me-1234' });
      expect(answer.errors).toEqual([
        {
          message: 'Something went wrong on our side.',
          locations: expect.anything(),
          path: ['quota'],
          extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: 'trace-me-1234' },
        },
      ]);
      expect(answer.headers.get('x-request-id')).toBe('trace-me-1234');
      const line = broken.log.find(({ msg }) => msg === 'a field failed');
      expect(line).toMatchObject({ requestId: 'trace-me-1234' });
      expect(JSON.stringify(line)).toContain('t0.used');
    } finally {
      await broken.close();
    }
  });

  it('a request id that could do harm is replaced', async () => {
    const answer = await world.graphql('{ setupState { isSetUp } }', {}, undefined, { 'x-request-id': '"><script>' });
    expect(answer.headers.get('x-request-id')).toMatch(/^req_[0-9a-z]{26}$/);
  });

  it('no credential, password or key stands in the log', async () => {
    const bea = await world.tenant('canary');
    const key = await world.apiKey(bea, ['READ']);
    await world.graphql('{ viewer { role } }', {}, key);
    await world.graphql('mutation { signIn(input: { email: "a@b.test", password: "canary password" }) { __typename } }', {}, bea.token);
    await world.graphql('{ broken', {}, key);
    const log = JSON.stringify(world.log);
    for (const secret of [key, bea.token, 'canary password']) expect(log).not.toContain(secret);
    expect(log).toContain('"msg":"answered"');
  });

  it('every answer carries the headers that protect a browser', async () => {
    const addresses = ['/', '/healthz', '/readyz', '/nothing/here.js', '/graphql'];
    for (const address of addresses) {
      const { headers } = await send(address);
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
    }
  });
});
