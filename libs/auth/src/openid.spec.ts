import type http from 'node:http';
import { gzipSync } from 'node:zlib';
import { silentLogger } from '@millrace/kernel';
import { createOutbound } from '@millrace/outbound';
import { type IdentityProvider, type IdentityProviderOptions, startIdentityProvider } from '@millrace/testkit';
import { exportJWK, generateKeyPair } from 'jose';
import { type EvilProvider, startEvilProvider } from '../test/evil-provider.ts';
import { createOpenId, type OpenIdConnection, type OpenIdTransaction } from './openid.ts';

const redirectUri = 'https://millrace.example/auth/sso/callback';
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const logged: string[] = [];
let now: () => Date = () => new Date();
beforeEach(() => {
  logged.length = 0;
  now = () => new Date();
});

const newOpenId = () =>
  createOpenId({
    fetch: createOutbound({ allowedNetworks: ['127.0.0.0/8'], timeoutMs: 2_000, maxBodyBytes: 100_000, logger: silentLogger }).fetch,
    clock: { now: () => now() },
    logger: { ...silentLogger, warn: (fields, message) => logged.push(JSON.stringify([fields, message])) },
  });

type OpenId = ReturnType<typeof newOpenId>;

async function begun(openId: OpenId, connection: OpenIdConnection): Promise<{ url: string; transaction: OpenIdTransaction }> {
  const outcome = await openId.begin(connection, redirectUri);
  if (outcome.type !== 'begun') throw new Error(JSON.stringify(outcome));
  return outcome;
}

describe('sign-in at a real provider', () => {
  async function realProvider(options: Partial<IdentityProviderOptions> = {}): Promise<{ provider: IdentityProvider; connection: OpenIdConnection }> {
    const provider = await startIdentityProvider({ redirectUri, ...options });
    closers.push(provider.close);
    provider.people.push({
      sub: 'ann', email: 'Ann@Acme.example', email_verified: true, name: 'Ann Archer', groups: ['line-1', 'admins', 'line-1'],
      realm_access: { roles: ['steward'] },
    });
    const { issuer, clientId, clientSecret } = provider;
    return { provider, connection: { issuer, clientId, clientSecret, groupsClaim: 'groups' } };
  }

  const ann = { type: 'identified', subject: 'ann', email: 'Ann@Acme.example', emailVerified: true, name: 'Ann Archer', groups: ['line-1', 'admins'] };

  it.each<Partial<IdentityProviderOptions>>([
    {},
    { claimsInIdToken: true },
    { clientAuthentication: 'client_secret_post' },
    { clientAuthentication: 'none' },
  ])('identifies a person and their groups: %j', async (options) => {
    const { provider, connection } = await realProvider(options);
    const openId = newOpenId();
    const { url, transaction } = await begun(openId, connection);
    const query = new URL(url).searchParams;
    expect(Object.fromEntries(query)).toMatchObject({
      response_type: 'code', code_challenge_method: 'S256', redirect_uri: redirectUri, scope: 'openid email profile groups', state: transaction.state, nonce: transaction.nonce,
    });
    expect(url).not.toContain(transaction.codeVerifier);
    const callback = await provider.signIn(url, 'ann');
    expect(await openId.complete(connection, callback, transaction, redirectUri)).toEqual({ ...ann, issuer: provider.issuer });
    expect(provider.requests.filter((path) => path === '/me')).toHaveLength(options.claimsInIdToken ? 0 : 1);
    expect(logged).toEqual([]);
  });

  it('reads groups from a path, from nowhere, and none where there are none', async () => {
    const { provider, connection } = await realProvider();
    const openId = newOpenId();
    for (const [groupsClaim, groups] of [['realm_access.roles', ['steward']], [null, []], ['no.such', []], ['groups.length', []], ['constructor', []], ['__proto__', []]] as const) {
      const { url, transaction } = await begun(openId, { ...connection, groupsClaim });
      const callback = await provider.signIn(url, 'ann');
      expect(await openId.complete({ ...connection, groupsClaim }, callback, transaction, redirectUri)).toMatchObject({ type: 'identified', groups });
    }
  });

  it('takes an address for verified only if the provider says so', async () => {
    const { provider, connection } = await realProvider();
    provider.people.push({ sub: 'bob', email: 'bob@acme.example', email_verified: false }, { sub: 'cat', email: 'cat@acme.example' }, { sub: 'dan' }, { sub: 'eve', email: 'eve@acme.example', email_verified: 'true' });
    const openId = newOpenId();
    const found = [];
    for (const sub of ['bob', 'cat', 'dan', 'eve']) {
      const { url, transaction } = await begun(openId, connection);
      const outcome = await openId.complete(connection, await provider.signIn(url, sub), transaction, redirectUri);
      found.push(outcome.type === 'identified' && [outcome.email, outcome.emailVerified, outcome.name]);
    }
    expect(found).toEqual([['bob@acme.example', false, null], ['cat@acme.example', false, null], [null, false, null], ['eve@acme.example', true, null]]);
  });

  it('passes the address on that the person typed', async () => {
    const { connection } = await realProvider();
    const outcome = await newOpenId().begin(connection, redirectUri, { email: 'ann@acme.example' });
    expect(outcome.type === 'begun' && new URL(outcome.url).searchParams.get('login_hint')).toBe('ann@acme.example');
  });

  it('refuses a cancelled sign-in', async () => {
    const { provider, connection } = await realProvider();
    const openId = newOpenId();
    const { url, transaction } = await begun(openId, connection);
    expect(await openId.complete(connection, await provider.signIn(url, null), transaction, redirectUri)).toMatchObject({ type: 'refused', code: 'denied' });
  });

  it('refuses a code used twice, and one whose verifier is another’s', async () => {
    const { provider, connection } = await realProvider();
    const openId = newOpenId();
    const first = await begun(openId, connection);
    const callback = await provider.signIn(first.url, 'ann');
    expect(await openId.complete(connection, callback, first.transaction, redirectUri)).toMatchObject(ann);
    expect(await openId.complete(connection, callback, first.transaction, redirectUri)).toMatchObject({ type: 'refused', code: 'code_refused' });

    const second = await begun(openId, connection);
    const stolen = { ...second.transaction, codeVerifier: first.transaction.codeVerifier };
    expect(await openId.complete(connection, await provider.signIn(second.url, 'ann'), stolen, redirectUri)).toMatchObject({ code: 'code_refused' });
  });

  it('refuses a code that was given for another sign-in of the same browser', async () => {
    const { provider, connection } = await realProvider();
    const openId = newOpenId();
    const mine = await begun(openId, connection);
    const theirs = await begun(openId, connection);
    const code = new URL(await provider.signIn(theirs.url, 'ann')).searchParams.get('code')!;
    const callback = new URL(await provider.signIn(mine.url, 'ann'));
    callback.searchParams.set('code', code);
    expect(await openId.complete(connection, callback.href, mine.transaction, redirectUri)).toMatchObject({ code: 'code_refused' });
  });

  it('refuses wrong, missing, doubled and empty state, before the provider is asked anything', async () => {
    const { provider, connection } = await realProvider();
    const openId = newOpenId();
    const { url, transaction } = await begun(openId, connection);
    const callback = await provider.signIn(url, 'ann');
    const asked = provider.requests.length;
    const altered = (alter: (query: URLSearchParams) => void): string => {
      const changed = new URL(callback);
      alter(changed.searchParams);
      return changed.href;
    };
    const tries: [string, OpenIdTransaction][] = [
      [altered((query) => query.set('state', 'x')), transaction],
      [altered((query) => query.delete('state')), transaction],
      [altered((query) => query.append('state', transaction.state)), transaction],
      [altered((query) => query.set('state', '')), { ...transaction, state: '' }],
      [callback, { ...transaction, state: (await begun(openId, connection)).transaction.state }],
      [callback, { ...transaction, nonce: '' }],
      [callback, { ...transaction, codeVerifier: '' }],
      [callback, {} as OpenIdTransaction],
      ['https://[', transaction],
      [`/callback?${'x'.repeat(9000)}`, transaction],
      ['', transaction],
    ];
    for (const [address, remembered] of tries) {
      expect(await openId.complete(connection, address, remembered, redirectUri)).toMatchObject({ type: 'refused', code: 'state_mismatch' });
    }
    expect(provider.requests.length).toBe(asked);
    // and the code is still good
    expect(await openId.complete(connection, callback, transaction, redirectUri)).toMatchObject(ann);
  });

  it('refuses an answer from another provider, or from nobody (RFC 9207)', async () => {
    const { provider, connection } = await realProvider();
    const openId = newOpenId();
    for (const alter of [
      (query: URLSearchParams) => query.set('iss', 'https://other.example'),
      (query: URLSearchParams) => query.delete('iss'),
      (query: URLSearchParams) => query.append('iss', provider.issuer),
    ]) {
      const { url, transaction } = await begun(openId, connection);
      const callback = new URL(await provider.signIn(url, 'ann'));
      alter(callback.searchParams);
      expect(await openId.complete(connection, callback.href, transaction, redirectUri)).toMatchObject({ code: 'issuer_mismatch' });
    }
  });

  it('goes on when the provider changes its keys between begin and completion, and again right after', async () => {
    const { provider, connection } = await realProvider();
    const openId = newOpenId();
    for (let round = 0; round < 3; round++) {
      const { url, transaction } = await begun(openId, connection);
      if (round) await provider.changeKeys();
      const callback = await provider.signIn(url, 'ann');
      if (round === 2) await provider.changeKeys();
      expect(await openId.complete(connection, callback, transaction, redirectUri)).toMatchObject(ann);
    }
    // Its description was asked for once, its keys at each sign-in.
    expect(provider.requests.filter((path) => path.includes('well-known'))).toHaveLength(1);
    expect(provider.requests.filter((path) => path === '/jwks')).toHaveLength(3);
  });

  it('forgets the description after five minutes', async () => {
    const { provider, connection } = await realProvider();
    const openId = newOpenId();
    await begun(openId, connection);
    await begun(openId, connection);
    expect(provider.requests).toHaveLength(1);
    now = () => new Date(Date.now() + 301_000);
    await begun(openId, connection);
    expect(provider.requests).toHaveLength(2);
  });

  it('refuses an expired ID token, and one from the future within the tolerance only', async () => {
    const { provider, connection } = await realProvider();
    const openId = newOpenId();
    for (const [seconds, type] of [[600 + 50, 'identified'], [600 + 70, 'refused']] as const) {
      const { url, transaction } = await begun(openId, connection);
      const callback = await provider.signIn(url, 'ann');
      now = () => new Date(Date.now() + seconds * 1000);
      const outcome = await openId.complete(connection, callback, transaction, redirectUri);
      expect(outcome.type).toBe(type);
      if (outcome.type === 'refused') expect(outcome.code).toBe('token_expired');
    }
  });

  it('says which client settings are wrong', async () => {
    const { provider, connection } = await realProvider();
    const openId = newOpenId();
    for (const clientSecret of ['wrong', null]) {
      const { url, transaction } = await begun(openId, { ...connection, clientSecret });
      const outcome = await openId.complete({ ...connection, clientSecret }, await provider.signIn(url, 'ann'), transaction, redirectUri);
      expect(outcome).toMatchObject({ code: 'client_refused' });
    }
  });

  it('tells a provider that is down, before and after', async () => {
    const { provider, connection } = await realProvider();
    provider.setDown(true);
    expect(await newOpenId().begin(connection, redirectUri)).toMatchObject({ type: 'unreachable' });
    provider.setDown(false);
    const openId = newOpenId();
    const { url, transaction } = await begun(openId, connection);
    const callback = await provider.signIn(url, 'ann');
    provider.setDown(true);
    expect(await openId.complete(connection, callback, transaction, redirectUri)).toMatchObject({ type: 'refused', code: 'unreachable' });
    provider.setDown(false);
    expect(await openId.complete(connection, callback, transaction, redirectUri)).toMatchObject(ann);
  });

  it('writes neither code, token nor secret to the log', async () => {
    const { provider, connection } = await realProvider();
    const openId = newOpenId();
    const { url, transaction } = await begun(openId, connection);
    const callback = await provider.signIn(url, 'ann');
    await openId.complete(connection, callback, { ...transaction, nonce: 'n'.repeat(43) }, redirectUri);
    await openId.complete(connection, callback, transaction, redirectUri);
    await openId.complete({ ...connection, clientSecret: 'a wrong secret' }, callback, transaction, redirectUri);
    expect(logged).toHaveLength(3);
    const code = new URL(callback).searchParams.get('code')!;
    for (const secret of [code, transaction.state, transaction.nonce, transaction.codeVerifier, provider.clientSecret!, 'a wrong secret', 'eyJ']) {
      expect(logged.join()).not.toContain(secret);
    }
  });
});

describe('a provider that lies', () => {
  let evil: EvilProvider;
  let openId: OpenId;
  let connection: OpenIdConnection;
  beforeEach(async () => {
    evil = await startEvilProvider();
    closers.push(evil.close);
    openId = newOpenId();
    connection = { issuer: evil.issuer, clientId: 'millrace', clientSecret: 'secret', groupsClaim: 'groups' };
  });

  /** One whole sign-in; the browser brings what it should unless told. */
  async function signIn(query: Record<string, string> = {}) {
    const { transaction } = await begun(openId, connection);
    evil.nonce = transaction.nonce;
    const answer = new URLSearchParams({ code: 'a code', state: transaction.state, iss: evil.issuer, ...query });
    return openId.complete(connection, `${redirectUri}?${answer}`, transaction, redirectUri);
  }

  it('is believed as long as it does not', async () => {
    evil.answers['/userinfo'] = { body: { sub: 'sam', groups: 'one' } };
    expect(await signIn()).toEqual({
      type: 'identified', issuer: evil.issuer, subject: 'sam', email: 'sam@acme.example', emailVerified: true, name: 'Sam', groups: ['one'],
    });
    expect(Object.fromEntries(evil.lastForm)).toMatchObject({ grant_type: 'authorization_code', code: 'a code', redirect_uri: redirectUri });
  });

  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const tokens: [string, string, (nonce: string) => Promise<string>][] = [
    ['of another nonce', 'nonce_mismatch', () => evil.sign(evil.claims('n'.repeat(43)))],
    ['without a nonce', 'token_invalid', (nonce) => evil.sign({ ...evil.claims(nonce), nonce: undefined })],
    ['for another application', 'audience_mismatch', (nonce) => evil.sign({ ...evil.claims(nonce), aud: 'other' })],
    ['for several, of which we are not one', 'audience_mismatch', (nonce) => evil.sign({ ...evil.claims(nonce), aud: ['other', 'third'] })],
    ['for several, without saying who asked', 'audience_mismatch', (nonce) => evil.sign({ ...evil.claims(nonce), aud: ['millrace', 'other'] })],
    ['that another application asked for', 'audience_mismatch', (nonce) => evil.sign({ ...evil.claims(nonce), aud: ['millrace', 'other'], azp: 'other' })],
    ['of another issuer', 'issuer_mismatch', (nonce) => evil.sign({ ...evil.claims(nonce), iss: 'https://accounts.example' })],
    ['of the same issuer with a slash', 'issuer_mismatch', (nonce) => evil.sign({ ...evil.claims(nonce), iss: `${evil.issuer}/` })],
    ['that has expired', 'token_expired', (nonce) => evil.sign({ ...evil.claims(nonce), exp: Math.floor(Date.now() / 1000) - 61 })],
    ['that is not good yet', 'token_expired', (nonce) => evil.sign({ ...evil.claims(nonce), nbf: Math.floor(Date.now() / 1000) + 90 })],
    ['without an end', 'token_invalid', (nonce) => evil.sign({ ...evil.claims(nonce), exp: undefined })],
    ['without a subject', 'token_invalid', (nonce) => evil.sign({ ...evil.claims(nonce), sub: undefined })],
    ['with a subject that is no text', 'token_invalid', (nonce) => evil.sign({ ...evil.claims(nonce), sub: 7 as never })],
    ['with an empty subject', 'token_invalid', (nonce) => evil.sign({ ...evil.claims(nonce), sub: '' })],
    ['with a NUL in its subject', 'token_invalid', (nonce) => evil.sign({ ...evil.claims(nonce), sub: 'a\0b' })],
    ['with a subject of 256 characters', 'token_invalid', (nonce) => evil.sign({ ...evil.claims(nonce), sub: 'x'.repeat(256) })],
    ['whose claims were changed', 'token_invalid', async (nonce) => {
      const [header, , signature] = (await evil.sign(evil.claims(nonce))).split('.');
      return `${header}.${part({ ...evil.claims(nonce), sub: 'admin' })}.${signature}`;
    }],
    ['whose signature was changed', 'token_invalid', async (nonce) => (await evil.sign(evil.claims(nonce))).replace(/.{10}$/, 'AAAAAAAAAA')],
    ['whose signature was taken away', 'token_invalid', async (nonce) => (await evil.sign(evil.claims(nonce))).replace(/[^.]+$/, '')],
    ['signed with “none”', 'token_invalid', async (nonce) => `${part({ alg: 'none', kid: 'one' })}.${part(evil.claims(nonce))}.`],
    ['signed with “NONE”', 'token_invalid', async (nonce) => `${part({ alg: 'NONE' })}.${part(evil.claims(nonce))}.`],
    ['signed by HS256 with the public key', 'token_invalid', (nonce) => evil.sign(evil.claims(nonce), { alg: 'HS256' }, Buffer.from(evil.publicKeyPem))],
    ['signed by HS256 with the client’s secret', 'token_invalid', (nonce) => evil.sign(evil.claims(nonce), { alg: 'HS256' }, Buffer.from('secret'.padEnd(32, '\0')))],
    ['signed by an algorithm that the provider does not list', 'token_invalid', async (nonce) => {
      const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
      evil.keys.push({ ...(await exportJWK(publicKey)), kid: 'two' });
      return evil.sign(evil.claims(nonce), { alg: 'ES256', kid: 'two' }, privateKey);
    }],
    ['signed with a key that is not published', 'token_invalid', async (nonce) => evil.sign(evil.claims(nonce), {}, (await generateKeyPair('RS256')).privateKey)],
    ['that names a key that is not published', 'token_invalid', (nonce) => evil.sign(evil.claims(nonce), { kid: 'other' })],
    ['that brings its own key', 'token_invalid', async (nonce) => {
      const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
      return evil.sign(evil.claims(nonce), { kid: 'own', jwk: await exportJWK(publicKey), jku: `${evil.issuer}/keys` } as never, privateKey);
    }],
    ['with critical extensions', 'token_invalid', async (nonce) => `${part({ alg: 'RS256', kid: 'one', crit: ['x'], x: 1 })}.${part(evil.claims(nonce))}.AAAA`],
    ['that is encrypted', 'token_invalid', async () => `${part({ alg: 'dir', enc: 'A256GCM' })}..AAAA.AAAA.AAAA`],
    ['that is none', 'token_invalid', async () => 'rubbish'],
    ['that is empty', 'token_invalid', async () => ''],
  ];
  it.each(tokens)('is refused with an ID token %s', async (_what, code, idToken) => {
    evil.idToken = idToken;
    expect(await signIn()).toMatchObject({ type: 'refused', code });
  });

  it('is not found by the ID tokens of another: each connection believes its own issuer only', async () => {
    const honest = await startEvilProvider(generateKeyPair('RS256', { extractable: true }));
    closers.push(honest.close);
    // The evil one passes on what an honest one signed for the same person, client and nonce.
    evil.idToken = (nonce) => honest.idToken(nonce);
    expect(await signIn()).toMatchObject({ code: 'issuer_mismatch' });
    // Nor may it claim to be the honest one from the start.
    evil.description = { issuer: honest.issuer };
    openId = newOpenId();
    expect(await openId.begin(connection, redirectUri)).toMatchObject({ type: 'misconfigured', message: expect.stringMatching(/another issuer/) });
    // Nor do its keys sign for the honest one.
    const other = { ...connection, issuer: honest.issuer };
    honest.idToken = (nonce) => evil.sign(honest.claims(nonce));
    const { transaction } = await begun(openId, other);
    honest.nonce = transaction.nonce;
    const answer = new URLSearchParams({ code: 'a code', state: transaction.state, iss: honest.issuer });
    expect(await openId.complete(other, `?${answer}`, transaction, redirectUri)).toMatchObject({ code: 'token_invalid' });
  });

  const hang: http.RequestListener = () => {};
  const huge: http.RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const more = (): void => void (response.destroyed || response.write(' '.repeat(65_536), () => setImmediate(more)));
    more();
  };
  const redirect: http.RequestListener = (_request, response) => void response.writeHead(302, { location: '/elsewhere' }).end();
  const bomb: http.RequestListener = (_request, response) => void response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'application/json' }).end(gzipSync(Buffer.alloc(1e7)));
  const rubbish: EvilProvider['answers'][keyof EvilProvider['answers']][] = [
    { body: 'rubbish' }, { body: '' }, { body: '[]' }, { body: 'null' }, { body: '7' }, { body: '"text"' }, { body: '{' }, { body: {} }, { body: `${'['.repeat(50_000)}` },
    { body: '{"__proto__":{"issuer":1}}' }, { status: 204, body: '' }, { status: 404, body: 'x' }, { status: 500, body: 'x' }, { status: 401, body: {} }, { status: 400, body: { error: 7 } },
    { status: 400, body: { error: 'x'.repeat(5000) } }, redirect, huge, bomb, (_request, response) => void response.destroy(),
  ];

  it.each(['/.well-known/openid-configuration', '/keys', '/token', '/userinfo'] as const)('is refused, and nothing thrown, whatever %s answers', async (path) => {
    for (const answer of rubbish) {
      evil.answers = { [path]: answer };
      openId = newOpenId();
      const outcome = path.startsWith('/.well') ? await openId.begin(connection, redirectUri) : await signIn();
      expect(['unreachable', 'misconfigured', 'refused']).toContain(outcome.type);
      expect(JSON.stringify(outcome)).not.toMatch(/rubbish|xxx|elsewhere/);
    }
  });

  it('is not waited for', async () => {
    evil.answers['/.well-known/openid-configuration'] = hang;
    expect(await openId.begin(connection, redirectUri)).toMatchObject({ type: 'unreachable', message: expect.stringMatching(/no whole answer within 2 seconds/) });
  });

  it.each<[string, Record<string, unknown>]>([
    ['another issuer', { issuer: 'https://accounts.example' }],
    ['no issuer', { issuer: undefined }],
    ['an issuer that is no address', { issuer: 'x' }],
    ['a template for all organisations', { issuer: 'https://login.microsoftonline.com/{tenantid}/v2.0' }],
    ['no token endpoint', { token_endpoint: undefined }],
    ['a token endpoint of another scheme', { token_endpoint: 'file:///etc/passwd' }],
    ['a sign-in page that is a script', { authorization_endpoint: 'javascript:alert(1)' }],
    ['no sign-in page', { authorization_endpoint: 7 }],
    ['no keys', { jwks_uri: null }],
    ['keys at no address', { jwks_uri: 'keys' }],
    ['an unfit UserInfo', { userinfo_endpoint: {} }],
    ['no signature with a public key', { id_token_signing_alg_values_supported: ['none', 'HS256', 7] }],
    ['plain PKCE only', { code_challenge_methods_supported: ['plain'] }],
    ['clients with keys only', { token_endpoint_auth_methods_supported: ['private_key_jwt'] }],
    ['a very long address', { token_endpoint: `https://x.example/${'x'.repeat(3000)}` }],
  ])('is misconfigured with %s', async (_what, description) => {
    evil.description = description;
    expect(await openId.begin(connection, redirectUri)).toMatchObject({ type: 'misconfigured', message: expect.stringMatching(/./), remedy: expect.stringMatching(/./) });
  });

  it('may leave out what has a default', async () => {
    evil.description = {
      id_token_signing_alg_values_supported: undefined, token_endpoint_auth_methods_supported: undefined, authorization_response_iss_parameter_supported: undefined, userinfo_endpoint: undefined,
    };
    expect(await signIn({ iss: evil.issuer })).toMatchObject({ type: 'identified', groups: [] });
  });

  it('cannot say through the browser what we would repeat', async () => {
    for (const [error, code] of [['access_denied', 'denied'], ['server_error', 'provider_error'], ['<script>', 'provider_error']] as const) {
      const outcome = await signIn({ error, error_description: 'call 555-0100 at once' });
      expect(outcome).toMatchObject({ type: 'refused', code });
      expect(JSON.stringify(outcome)).not.toMatch(/555|script/);
    }
  });

  it.each([
    [{ status: 401, 'www-authenticate': 'Basic realm="x"' }, { error: 'invalid_client' }],
    [{ status: 400 }, { error: 'invalid_client' }],
  ])('may know its client by either way to send the secret: it is tried once each (%#)', async ({ status, ...headers }, body) => {
    const usual = { access_token: 'x', token_type: 'Bearer', id_token: '' };
    for (const wanted of ['post', 'neither']) {
      const ways: string[] = [];
      evil.answers['/token'] = async (request, response) => {
        const way = request.headers.authorization ? 'basic' : 'post';
        ways.push(way);
        const good = way === wanted;
        response.writeHead(good ? 200 : status, { 'content-type': 'application/json', ...(good ? {} : headers) });
        response.end(JSON.stringify(good ? { ...usual, id_token: await evil.idToken(evil.nonce) } : body));
      };
      expect(await signIn()).toMatchObject(wanted === 'post' ? { type: 'identified' } : { code: 'client_refused' });
      expect(ways).toEqual(['basic', 'post']);
    }
  });

  it.each([{ response: 'eyJ' }, { id_token: 'eyJ' }, { token: 'x' }, { code: '' }])('is refused with %j in its answer', async (query) => {
    expect((await signIn(query)).type).toBe('refused');
    expect(evil.requests).not.toContain('/token');
  });

  it('cannot have UserInfo speak of somebody else', async () => {
    evil.answers['/userinfo'] = { body: { sub: 'admin', groups: ['admins'] } };
    expect(await signIn()).toMatchObject({ code: 'userinfo_refused' });
  });

  it('cannot sign UserInfo with none', async () => {
    evil.description = { userinfo_signing_alg_values_supported: ['none', 'RS256'] };
    evil.answers['/userinfo'] = (_request, response) => void response.writeHead(200, { 'content-type': 'application/jwt' }).end(`${part({ alg: 'none' })}.${part({ sub: 'sam' })}.`);
    expect(await signIn()).toMatchObject({ code: 'userinfo_refused' });
    evil.answers['/userinfo'] = (_request, response) => {
      void evil.sign({ sub: 'sam', groups: ['signed'] }).then((jwt) => response.writeHead(200, { 'content-type': 'application/jwt' }).end(jwt));
    };
    expect(await signIn()).toMatchObject({ type: 'identified', groups: ['signed'] });
  });

  it('does not mix the address of one answer with the word for another', async () => {
    const claims = evil.claims;
    evil.claims = (nonce) => ({ ...claims(nonce), email_verified: undefined });
    evil.answers['/userinfo'] = { body: { sub: 'sam', email: 'other@acme.example', email_verified: true } };
    expect(await signIn()).toMatchObject({ email: 'sam@acme.example', emailVerified: false });
    evil.answers['/userinfo'] = { body: { sub: 'sam', email: 'sam@acme.example', email_verified: true } };
    expect(await signIn()).toMatchObject({ email: 'sam@acme.example', emailVerified: true });
    evil.claims = (nonce) => ({ ...claims(nonce), email_verified: false });
    expect(await signIn()).toMatchObject({ email: 'sam@acme.example', emailVerified: false });
  });

  it.each<[unknown, string[] | 'groups_unfit']>([
    [['a', 'b', 'a'], ['a', 'b']], ['a', ['a']], [[], []], [undefined, []], [null, []],
    [7, 'groups_unfit'], [{ a: 1 }, 'groups_unfit'], [['a', 7], 'groups_unfit'], [['a', ''], 'groups_unfit'], [['a\u0000'], 'groups_unfit'], [['x'.repeat(501)], 'groups_unfit'],
    [Array.from({ length: 1001 }, (_, index) => `${index}`), 'groups_unfit'],
  ])('gives groups only as names (%#)', async (groups, found) => {
    evil.answers['/userinfo'] = { body: { sub: 'sam', groups } };
    expect(await signIn()).toMatchObject(found === 'groups_unfit' ? { type: 'refused', code: found } : { type: 'identified', groups: found });
  });

  it('is refused when it says that the groups are elsewhere', async () => {
    const claims = evil.claims;
    evil.claims = (nonce) => ({ ...claims(nonce), _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'https://graph.example' } } });
    expect(await signIn()).toMatchObject({ code: 'groups_unfit' });
    connection.groupsClaim = null;
    expect(await signIn()).toMatchObject({ type: 'identified', groups: [] });
  });

  it('tells no address and no name that could not be stored', async () => {
    const claims = evil.claims;
    for (const odd of [7, '', 'no address', 'a@b\u0000', 'a b@c', `${'x'.repeat(250)}@acme.example`, ['a@b'], null, '\ud800@x']) {
      evil.claims = (nonce) => ({ ...claims(nonce), email: odd, name: odd === 'no address' ? 'Sam\u0007' : odd });
      expect(await signIn()).toMatchObject({ type: 'identified', email: null, emailVerified: false });
    }
  });
});

describe('an issuer', () => {
  it.each([
    '', 'x', 'login.example.com', 'ftp://login.example', 'javascript:alert(1)', 'https://login.example?x=1', 'https://login.example#x', 'https://', `https://x.example/${'x'.repeat(500)}`,
    'https://login.example/.well-known/openid-configuration',
  ])('is no %s', async (issuer) => {
    expect(await newOpenId().begin({ issuer, clientId: 'x', clientSecret: null, groupsClaim: null }, redirectUri)).toMatchObject({ type: 'misconfigured' });
  });

  it.each(['http://127.0.0.1:1', 'https://127.0.0.1:1', 'http://10.0.0.1', 'https://169.254.169.254/latest', 'https://user:secret@login.example'])('is called under guard: %s', async (issuer) => {
    const outcome = await newOpenId().begin({ issuer, clientId: 'x', clientSecret: null, groupsClaim: null }, redirectUri);
    expect(outcome).toMatchObject({ type: 'unreachable' });
    expect(JSON.stringify(outcome)).not.toContain('secret');
  });

  it('with a slash too many or too few is said to be so', async () => {
    const evil = await startEvilProvider();
    closers.push(evil.close);
    for (const [typed, named, word] of [['/realm', '/realm/', 'with'], ['/realm/', '/realm', 'without']] as const) {
      evil.description = { issuer: `${evil.issuer}${named}` };
      evil.path = '/realm';
      const outcome = await newOpenId().begin({ issuer: `${evil.issuer}${typed}`, clientId: 'x', clientSecret: null, groupsClaim: null }, redirectUri);
      expect(outcome).toMatchObject({ type: 'misconfigured', remedy: `Write the issuer ${word} a slash at its end.` });
    }
  });

  it('with an endpoint that leads inside is stopped there', async () => {
    const evil = await startEvilProvider();
    closers.push(evil.close);
    evil.description = { token_endpoint: 'http://10.0.0.1/token' };
    const openId = newOpenId();
    const connection = { issuer: evil.issuer, clientId: 'millrace', clientSecret: null, groupsClaim: null };
    const { transaction } = await begun(openId, connection);
    const answer = new URLSearchParams({ code: 'a code', state: transaction.state, iss: evil.issuer });
    expect(await openId.complete(connection, `?${answer}`, transaction, redirectUri)).toMatchObject({ type: 'refused', code: 'unreachable' });
  });
});
