import { inspect } from 'node:util';
import fc from 'fast-check';
import { createLogScrubber, Secret, secretsIn, sendConsoleTo, silentLogger } from './index.ts';

describe('a secret', () => {
  const secret = new Secret('canary-of-the-secret');

  it('comes out by reveal and in no other way', () => {
    expect(secret.reveal()).toBe('canary-of-the-secret');
    const ways = [
      String(secret),
      `${secret}`,
      'text: '.concat(secret as never),
      JSON.stringify({ options: { secret } }),
      inspect({ deep: { secret } }, { showHidden: true, depth: 10 }),
      JSON.stringify(Object.entries(secret)),
      JSON.stringify({ ...secret }),
      JSON.stringify(structuredClone(secret)),
      String(new Error(`with ${secret}`).stack),
    ];
    for (const way of ways) expect(way).not.toContain('canary');
    expect(ways[0]).toBe('(hidden)');
  });
});

it('secrets are found among other settings', () => {
  const [token, pepper, retired] = [new Secret('t'), new Secret('p'), new Secret('r')];
  expect(secretsIn({ PORT: 4000, TOKEN: token, HOST: 'x', PEPPER: pepper, RETIRED: [retired], NONE: undefined })).toEqual([token, pepper, retired]);
});

it('what a library writes to the console goes to the log', () => {
  const before = { error: console.error, warn: console.warn };
  const written: unknown[] = [];
  try {
    sendConsoleTo({ ...silentLogger, error: (fields) => void written.push(fields), warn: (fields) => void written.push(fields) });
    console.error('no %s:', 'luck', new Secret('canary'));
    console.warn('beware');
  } finally {
    Object.assign(console, before);
  }
  expect(written).toEqual([{ text: 'no luck: (hidden)' }, { text: 'beware' }]);
});

describe('the scrubber of log lines', () => {
  const secret = new Secret('k3y/pepper"with+odd-canary');
  const databaseUrl = new Secret('postgresql://millrace_app:pass%2Fword-1234@db:5432/millrace');
  const scrub = createLogScrubber([secret, databaseUrl]);
  /** as pino would write it */
  const line = (fields: object): string => `${JSON.stringify({ level: 30, ...fields })}\n`;

  const key = `mr_live_${'k'.repeat(10)}_${'canary'.repeat(8)}`;
  const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOjF9.c2lnbmF0dXJlY2FuYXJ5';
  const refresh = `ses_${'0'.repeat(26)}.${'canary'.repeat(7)}x.${'canary'.repeat(7)}y`;

  it.each([
    ['an API key', { key }, 'canary'],
    ['a key within a sentence', { msg: `no key ${key}: refused` }, 'canary'],
    ['a token', { headers: [jwt] }, 'eyJ'],
    ['a token cut off', { header: jwt.slice(0, 25) }, 'eyJ'],
    ['a refresh token', { text: refresh }, 'canary'],
    ['a bearer of no shape', { authorisation: 'Bearer canary-canary' }, 'canary'],
    ['basic credentials', { message: 'got Basic Y2FuYXJ5OnBhc3M=' }, 'Y2FuYX'],
    ['a set-up link', { url: 'https://x/setup#token=canary_canary' }, 'canary'],
    ['a link for a new password', { url: '/reset?x=1&token=canary&y=2' }, 'canary'],
    ['the code of a sign-in elsewhere', { url: '/callback?code=canary.1/2&state=canary' }, 'canary'],
    ['an address within an address', { url: '/go?to=%2Freset%3Ftoken%3Dcanary' }, 'canary'],
    ['a form', { body: 'email=a%40b&password=canary&x=1' }, 'canary'],
    ['the password of an address', { error: 'cannot reach postgres://owner:canary@db/x' }, 'canary'],
    ['a password with @ and /', { error: 'invalid: postgres://owner:can@ary/canary@db/x' }, 'ary'],
    ['a setting of a connection', { error: 'host=db password=canary user=x' }, 'canary'],
    ['a field by its name', { input: { password: 'canary "quoted" \\', next: 1 } }, 'canary'],
    ['JSON in a field', { body: JSON.stringify({ password: 'can"ary \\" canary\\', clientSecret: 'canary', id: 7 }) }, 'ary'],
    ['JSON in JSON in a field', { body: JSON.stringify({ body: JSON.stringify({ 'x-api-key': 'a "canary" \\\\"' }) }) }, 'canary'],
    ['JSON that was cut off', { body: JSON.stringify({ password: 'canary canary' }).slice(0, -6), next: 'kept' }, 'canary'],
    ['an operation', { query: 'mutation { signIn(email: "a", password: "canary canary") { id } }' }, 'canary'],
    ['an object in an error', { error: inspect({ passwordHash: 'canary', token: "it's canary" }) }, 'canary'],
    ['headers', { headers: { cookie: 'session=canary; a=b', 'x-api-key': 'canary' } }, 'canary'],
    ['a list of headers', { rawHeaders: ['Cookie', 'session=canary', 'Host', 'x'] }, 'canary'],
    ['a field behind a text that ends like a name', { text: 'bad token', password: 'canary' }, 'canary'],
    ['our own secret', { error: `wrong: ${secret.reveal()}` }, 'odd-canary'],
    ['our own secret in JSON', { body: JSON.stringify({ x: secret.reveal() }) }, 'odd-canary'],
    ['our own secret in an address', { url: `/x?y=${encodeURIComponent(secret.reveal())}` }, 'odd-canary'],
    ['the password of our own database', { error: 'FATAL: pass/word-1234 is wrong' }, 'word-1234'],
    ['our own database', { options: { connectionString: databaseUrl.reveal() } }, 'word-1234'],
  ])('hides %s', (_what, fields, canary) => {
    const before = line(fields);
    const after = scrub(before);
    expect(before).toContain(canary);
    expect(after).not.toContain(canary);
    expect(after).toContain('(hidden)');
    expect(after.endsWith('}\n')).toBe(true);
    const parsed = JSON.parse(after) as Record<string, unknown>;
    expect(Object.keys(parsed)).toEqual(['level', ...Object.keys(fields)]);
    if ('next' in fields) expect(parsed['next']).toBe('kept');
  });

  it.each([
    [{ requestId: 'req_0123456789abcdefghjkmnpqrs', method: 'POST', route: '/graphql', status: 200, ms: 12, msg: 'answered' }],
    [{ url: 'http://127.0.0.1:4000', metricsUrl: 'http://[::1]:9464/metrics', msg: 'the API is ready' }],
    [{ url: 'http://localhost:4000/people?email=a@b.example', code: 'NOT_FOUND' }],
    [{ session: `ses_${'0'.repeat(26)}`, remedy: 'Send it as Authorization: Bearer … or X-API-Key.' }],
    [{ header: 'Bearer realm="millrace"', msg: 'password: must have at least 8 characters' }],
  ])('leaves what is no secret: %j', (fields) => {
    expect(scrub(line(fields))).toBe(line(fields));
  });

  it('keeps what a session or key is known by, to find it', () => {
    expect(scrub(refresh)).toBe(`ses_${'0'.repeat(26)}.(hidden)`);
    expect(scrub(key)).toBe('mr_live_(hidden)');
  });

  it('leaves every line a line of JSON that says nothing of the secret, whatever stands around it', () => {
    const sound = fc.string({ unit: fc.constantFrom('"', '\\', "'", ' ', 'a', '{', '}', ':', '=', '@', '/', '\n', 'ü') });
    const wrap = fc.constantFrom<(text: string) => unknown>(
      (text) => text,
      (text) => JSON.stringify({ inner: text }),
      (text) => JSON.stringify({ inner: JSON.stringify({ more: text }) }),
      (text) => [text],
    );
    fc.assert(
      fc.property(sound, sound, sound, wrap, fc.constantFrom('password', 'clientSecret', 'x-api-key'), (before, inside, after, wrapped, name) => {
        const fields = { before, value: wrapped(JSON.stringify({ [name]: `${inside}canary${inside}` })), after };
        const scrubbed = scrub(line(fields));
        expect(scrubbed).not.toContain('canary');
        expect(JSON.parse(scrubbed)).toMatchObject({ level: 30 });
      }),
      { seed: 3, numRuns: 2000 },
    );
  });

  it('is not slowed down by what a client makes a line hold', () => {
    const hostile = ['eyJ', 'mr_live_', 'ses_', '://a:', 'password', 'password="', 'token=', 'bearer ', '\\', '\\"', 'password:\\"', '?code='];
    for (const part of hostile) {
      const long = line({ text: part.repeat(200_000 / part.length), password: 'canary' });
      expect(scrub(long)).not.toContain('canary'); // a quadratic one would run into the time limit of the suite
    }
  });
});
