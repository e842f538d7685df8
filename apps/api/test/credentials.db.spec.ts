import { type BadCredential, confusedHeaders, fitsIntoHeader, forgedTokens, type HeaderLines, lettingNobodyIn, malformedKeys, onceLookedAt, sendRaw } from '@millrace/testkit';
import { createApiWorld, type Member, secrets, type World } from './api-world.ts';
import { initOverWebSocket } from './raw-socket.ts';

/** No malformed key, forged token or confused header gets in through any door of this server. */

let world: World;
let owner: Member;
let key: string;
let upload: string;

beforeAll(async () => {
  world = await createApiWorld();
  owner = await world.tenant('acme');
  key = await world.apiKey(owner, ['ADMIN', 'TRAIN', 'READ', 'PREDICT']);
});
afterAll(() => world.close());
beforeEach(async () => void (upload = (await world.beginUpload(owner.token)).url));

const progress = JSON.stringify({ query: 'subscription { runProgress(id: "run_00000000000000000000000000") { run { id } } }' });

/** Each answers 200 to whoever is let in. */
const doors: Record<string, (lines: HeaderLines) => Promise<number>> = {
  'GraphQL by POST': (lines) => sendRaw(`${world.api.url}/graphql`, { method: 'POST', lines, body: '{"query":"{ viewer { role } }"}' }),
  'GraphQL by GET': (lines) => sendRaw(`${world.api.url}/graphql?query=%7Bviewer%7Brole%7D%7D`, { method: 'GET', lines: [...lines, ['Apollo-Require-Preflight', 'true']] }),
  'event stream': (lines) => sendRaw(`${world.api.url}/graphql/stream`, { method: 'POST', lines: [...lines, ['Accept', 'text/event-stream']], body: progress }),
  upload: (lines) => sendRaw(`${world.api.url}${upload}`, { method: 'PUT', lines: [...lines, ['Content-Type', 'text/csv']], body: 'a,b\n1,2\n' }),
};

const bearer = (text: string): HeaderLines => [['Authorization', `Bearer ${text}`]];
const apiKey = (text: string): HeaderLines => [['X-API-Key', text]];

/** Some at a time: each opens a connection of its own. */
async function failing<Item>(items: readonly Item[], fails: (item: Item) => Promise<string | null>): Promise<string[]> {
  const found: string[] = [];
  const waiting = [...items];
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) {
        const failure = await fails(item);
        if (failure !== null) found.push(failure);
      }
    }),
  );
  return found;
}

const corpora: [what: string, good: () => string, bad: () => BadCredential[], atLeast: number][] = [
  ['malformed keys', () => key, () => malformedKeys(key), 60],
  ['forged tokens', () => owner.token, () => forgedTokens(owner.token, secrets.tokenSecret, owner.refreshToken), 70],
];

describe.each(corpora)('%s', (what, good, bad, atLeast) => {
  it.each(Object.keys(doors))('%s: none is accepted', async (door) => {
    const credentials = bad().filter(fitsIntoHeader);
    expect(credentials.length).toBeGreaterThanOrEqual(atLeast);
    const attempts = credentials.flatMap(({ name, text }) => [
      { name: `${name} (Authorization)`, lines: bearer(text) },
      { name: `${name} (X-API-Key)`, lines: apiKey(text) },
    ]);
    const accepted = await failing(attempts, async ({ name, lines }) => (lettingNobodyIn.includes(await onceLookedAt(() => doors[door]!(lines))) ? null : name));
    console.log(`${door}: ${what} tried: ${credentials.length} in ${attempts.length} requests, accepted: ${accepted.length}`);
    expect(accepted).toEqual([]);
    // The same request with the good one gets in, so the door was not shut for another reason.
    expect(await doors[door]!(bearer(good()))).toBe(200);
  });

  it('WebSocket: none is accepted, in the first message or with the upgrade', async () => {
    const credentials = bad();
    const attempts = credentials.flatMap(({ name, text }) => [
      // The scheme may be followed by several blanks: these are none of the key's.
      ...(text.startsWith(' ') ? [] : [{ name: `${name} (authorization)`, lines: [], params: { authorization: `Bearer ${text}` } }]),
      { name: `${name} (x-api-key)`, lines: [], params: { 'x-api-key': text } },
      ...(fitsIntoHeader({ name, text }) ? [{ name: `${name} (upgrade)`, lines: bearer(text), params: undefined }] : []),
    ]);
    const accepted = await failing(attempts, async ({ name, lines, params }) => ((await initOverWebSocket(world.api.url, lines, params)) === 'ack' ? name : null));
    console.log(`WebSocket: ${what} tried: ${credentials.length} in ${attempts.length} connections, accepted: ${accepted.length}`);
    expect(accepted).toEqual([]);
    for (const params of [{ authorization: `Bearer ${good()}` }, { 'X-API-Key': good() }]) expect(await initOverWebSocket(world.api.url, [], params)).toBe('ack');
    expect(await initOverWebSocket(world.api.url, bearer(good()), undefined)).toBe('ack');
  });
});

describe.each(corpora)('confused headers, instead of %s', (_what, good, bad) => {
  const another = (): string => bad().find(({ name }) => name === 'never made' || name === 'another person')!.text;

  it.each(Object.keys(doors))('%s: none is accepted', async (door) => {
    const tricks = confusedHeaders(good(), another());
    const accepted = await failing(tricks, async ({ name, lines }) => (lettingNobodyIn.includes(await onceLookedAt(() => doors[door]!(lines))) ? null : name));
    console.log(`${door}: confused headers tried: ${tricks.length}, accepted: ${accepted.length}`);
    expect(accepted).toEqual([]);
    expect(await doors[door]!([...bearer(good()), ...apiKey(good())])).toBe(200); // twice the same is no contradiction
  });

  it('WebSocket: none is accepted, nor a first message that leaves a doubt', async () => {
    const [valid, other] = [good(), another()];
    const tricks: { name: string; lines: HeaderLines; params: unknown }[] = [
      ...confusedHeaders(valid, other).map(({ name, lines }) => ({ name, lines, params: undefined })),
      { name: 'good message, bad upgrade', lines: bearer(other), params: { authorization: `Bearer ${valid}` } },
      { name: 'bad message, good upgrade', lines: bearer(valid), params: { authorization: `Bearer ${other}` } },
      { name: 'empty message, good upgrade', lines: bearer(valid), params: { authorization: '' } },
      ...Object.entries<unknown>({
        'two names in other case, the first good': { authorization: `Bearer ${valid}`, Authorization: `Bearer ${other}` },
        'two names in other case, the second good': { Authorization: `Bearer ${other}`, authorization: `Bearer ${valid}` },
        'two names in other case, both good': { Authorization: `Bearer ${valid}`, authorization: `Bearer ${valid}` },
        'the names disagree': { authorization: `Bearer ${other}`, 'x-api-key': valid },
        'a list': { authorization: [`Bearer ${valid}`] },
        'a list of keys': { 'x-api-key': [valid] },
        'an object': { authorization: { Bearer: valid } },
        'within headers': { headers: { Authorization: `Bearer ${valid}` } },
        'within a prototype': JSON.parse(`{"__proto__":{"authorization":"Bearer ${valid}"}}`),
        'under another name': { token: valid, authToken: valid, apiKey: valid, key: valid, Authentication: `Bearer ${valid}` },
        'no scheme': { authorization: valid },
        'a line end behind': { authorization: `Bearer ${valid}\n` },
        'a blank before': { authorization: ` Bearer ${valid}` },
        'the text itself': valid,
        'a list of texts': ['authorization', `Bearer ${valid}`],
        nothing: null,
      }).map(([name, params]) => ({ name, lines: [] as HeaderLines, params })),
    ];
    const accepted = await failing(tricks, async ({ name, lines, params }) => ((await initOverWebSocket(world.api.url, lines, params)) === 'ack' ? name : null));
    console.log(`WebSocket: confused headers and messages tried: ${tricks.length}, accepted: ${accepted.length}`);
    expect(accepted).toEqual([]);
    expect(await initOverWebSocket(world.api.url, bearer(valid), { authorization: `Bearer ${valid}` })).toBe('ack');
  });
});

it('after all that, the server serves, and none of it stands in its log', async () => {
  expect((await world.graphql('{ viewer { role } }', {}, key)).status).toBe(200);
  const log = JSON.stringify(world.log);
  for (const secret of [key.slice(19), owner.token, owner.token.split('.')[1]!, owner.refreshToken]) expect(log).not.toContain(secret);
  expect(world.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
});
