import { domainRecord } from '@millrace/auth';
import { type IdentityProvider, startIdentityProvider } from '@millrace/testkit';
import { createApiWorld, type Member, type World } from './api-world.ts';

const publicUrl = 'https://millrace.example';
const redirectUri = `${publicUrl}/auth/sso/callback`;

let world: World;
let idp: IdentityProvider;
let owner: Member;
let slug: string;
const records = new Map<string, string[]>();

beforeAll(async () => {
  idp = await startIdentityProvider({ redirectUri });
  world = await createApiWorld({ publicUrl, outboundNetworks: ['127.0.0.0/8'], textRecords: async (name) => records.get(name) ?? [] });
  owner = await world.tenant('acme');
  slug = (await world.graphql('{ viewer { tenant { slug } } }', {}, owner.token)).data!['viewer'].tenant.slug;
});
afterAll(async () => {
  await world.close();
  await idp.close();
});

/** A browser without memory: cookies are handed over by hand. */
const get = (path: string, cookie = '', headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${world.api.url}${path}`, { redirect: 'manual', headers: { ...(cookie && { cookie }), ...headers } });

const cookiesOf = (answer: Response): Record<string, { value: string; attributes: string[] }> =>
  Object.fromEntries(answer.headers.getSetCookie().map((line) => {
    const [, name, value, attributes] = /^([^=]+)=([^;]*)(.*)$/.exec(line)!;
    return [name!, { value: value!, attributes: attributes!.split('; ').slice(1).sort() }];
  }));

const location = (answer: Response): string => {
  expect(answer.status).toBe(302);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  return answer.headers.get('location')!;
};

async function mutate(field: string, input: object, credential = owner.token): Promise<Record<string, any>> { // eslint-disable-line @typescript-eslint/no-explicit-any
  const name = field[0]!.toUpperCase() + field.slice(1);
  const selection = {
    saveSsoConnection: '... on SaveSsoConnectionSuccess { ssoConnection { id issuer clientId redirectUri groupsClaim roleByGroup { group role } defaultRole required updatedBy } } ... on InvalidInputError { problems { field code } }',
    claimDomain: '... on ClaimDomainSuccess { domainClaim { id domain record verifiedAt } }',
    verifyDomain: '... on VerifyDomainSuccess { domainClaim { verifiedAt } }',
  }[field];
  const answer = await world.graphql(
    `mutation ($input: ${name}Input!) { ${field}(input: $input) { __typename ${selection ?? ''} ... on Error { code message remedy } } }`,
    { input },
    credential,
  );
  if (!answer.data) throw new Error(answer.text);
  return answer.data[field];
}

it('is set up through GraphQL, which never shows the secret', async () => {
  const claimed = await mutate('claimDomain', { domain: 'Acme.example' });
  expect(claimed).toMatchObject({ __typename: 'ClaimDomainSuccess', domainClaim: { domain: 'acme.example', verifiedAt: null } });
  const { id, record } = claimed['domainClaim'];
  expect(await mutate('verifyDomain', { id })).toMatchObject({ __typename: 'ConflictError', code: 'record_missing', message: expect.stringContaining(record) });
  records.set('acme.example', [record]);
  expect(await mutate('verifyDomain', { id })).toMatchObject({ __typename: 'VerifyDomainSuccess', domainClaim: { verifiedAt: expect.any(String) } });
  expect(await mutate('verifyDomain', { id: 'dom_x' })).toMatchObject({ __typename: 'NotFoundError', code: 'domain_claim_not_found' });

  const { issuer, clientId, clientSecret } = idp;
  const input = { issuer, clientId, clientSecret, roleByGroup: [{ group: 'engineers', role: 'ENGINEER' }] };
  expect(await mutate('saveSsoConnection', { ...input, issuer: 'http://127.0.0.1:1' })).toMatchObject({ __typename: 'InvalidInputError', problems: [{ field: 'issuer', code: 'issuer_unreachable' }] });
  const saved = await mutate('saveSsoConnection', input);
  expect(saved['ssoConnection']).toMatchObject({
    issuer, clientId, redirectUri, groupsClaim: 'groups', roleByGroup: [{ group: 'engineers', role: 'ENGINEER' }], defaultRole: null, required: false, updatedBy: `person:${owner.actor.personId}`,
  });
  const read = await world.graphql('{ ssoConnection { id issuer } domainClaims { domain record } node(id: $id) { id } }'.replace('$id', `"${saved['ssoConnection'].id}"`), {}, owner.token);
  expect(read.data).toMatchObject({ ssoConnection: { issuer }, domainClaims: [{ domain: 'acme.example', record }], node: { id: saved['ssoConnection'].id } });
  expect(JSON.stringify([saved, read.text, world.log])).not.toContain(clientSecret);
});

async function begin(path = `/auth/sso?tenant=${slug}`): Promise<{ url: string; cookie: string }> {
  const answer = await get(path);
  const { '__Host-millrace_sso': sealed } = cookiesOf(answer);
  if (!sealed) throw new Error(location(answer));
  expect(sealed.attributes).toEqual(['HttpOnly', 'Max-Age=600', 'Path=/', 'SameSite=Lax', 'Secure']);
  return { url: location(answer), cookie: `__Host-millrace_sso=${sealed.value}` };
}

const callbackOf = async (url: string, sub: string | null): Promise<string> => (await idp.signIn(url, sub)).slice(publicUrl.length);

it('leads a browser to the provider and back with a session', async () => {
  idp.people.push({ sub: 'sam', email: 'sam@acme.example', email_verified: true, name: 'Sam', groups: ['engineers'] });
  const { url, cookie } = await begin('/auth/sso?email=sam%40acme.example');
  expect(new URL(url).origin).toBe(idp.issuer);
  expect(new URL(url).searchParams.get('login_hint')).toBe('sam@acme.example');
  const callback = await callbackOf(url, 'sam');
  const answer = await get(callback, `other=1; ${cookie}`, { 'sec-fetch-site': 'cross-site' });
  expect(location(answer)).toBe('/');
  const cookies = cookiesOf(answer);
  expect(cookies['__Host-millrace_sso']).toEqual({ value: '', attributes: ['HttpOnly', 'Max-Age=0', 'Path=/', 'SameSite=Lax', 'Secure'] });
  expect(cookies['__Host-millrace_access']!.attributes).toEqual(['HttpOnly', 'Max-Age=600', 'Path=/', 'SameSite=Strict', 'Secure']);
  expect(cookies['__Host-millrace_refresh']!.attributes).toEqual(['HttpOnly', expect.stringMatching(/^Max-Age=4(31\d\d|3200)$/), 'Path=/', 'SameSite=Strict', 'Secure']);
  const viewer = await world.graphql('{ viewer { role person { name email } tenant { slug } } }', {}, cookies['__Host-millrace_access']!.value);
  expect(viewer.data!['viewer']).toEqual({ role: 'ENGINEER', person: { name: 'Sam', email: 'sam@acme.example' }, tenant: { slug } });
  const events = await world.graphql('{ auditEvents(first: 2) { edges { node { action result requestId details } } } }', {}, owner.token);
  expect(events.data!['auditEvents'].edges[0].node).toMatchObject({ action: 'session.open', result: 'ok', requestId: answer.headers.get('x-request-id'), details: { method: 'SSO' } });

  // The same once more: the code is used up, and the cookie was taken away.
  expect(location(await get(callback, cookie))).toBe('/sign-in?sso=code_refused');
  expect(location(await get(callback))).toBe('/sign-in?sso=state_mismatch');
});

it.each<[string, string]>([
  ['/auth/sso', 'not_set_up'],
  ['/auth/sso?email=', 'not_set_up'],
  ['/auth/sso?email=nobody%40nowhere.example', 'not_set_up'],
  ['/auth/sso?email=a%40acme.example&email=b%40acme.example', 'not_set_up'],
  ['/auth/sso?tenant=no-such', 'not_set_up'],
  ['/auth/sso?tenant=%00', 'not_set_up'],
  ['/auth/sso/callback', 'state_mismatch'],
  ['/auth/sso/callback?code=x&state=y', 'state_mismatch'],
  ['/auth/sso/callback?error=access_denied&state=y', 'state_mismatch'],
  [`/auth/sso/callback?${'x'.repeat(7000)}`, 'state_mismatch'],
])('tells the sign-in page what is wrong with %s', async (path, code) => {
  const answer = await get(path, '__Host-millrace_sso=v1.rubbish');
  expect(location(answer)).toBe(`/sign-in?sso=${code}`);
  expect(Object.keys(cookiesOf(answer)).filter((name) => name !== '__Host-millrace_sso')).toEqual([]);
});

it.each([['cancelled', null, 'denied'], ['in no group', 'kim', 'no_role'], ['of another domain', 'lee', 'domain_unverified']])('gives no session to somebody who is %s', async (_what, sub, code) => {
  idp.people.push({ sub: 'kim', email: 'kim@acme.example', email_verified: true, groups: [] }, { sub: 'lee', email: 'lee@other.example', email_verified: true, groups: ['engineers'] });
  const { url, cookie } = await begin();
  const answer = await get(await callbackOf(url, sub), cookie);
  expect(location(answer)).toBe(`/sign-in?sso=${code}`);
  expect(Object.keys(cookiesOf(answer))).toEqual(['__Host-millrace_sso']);
});

it('cannot be finished in another browser than the one that began', async () => {
  const [attacker, victim] = [await begin(), await begin()];
  const callback = await callbackOf(attacker.url, 'sam');
  expect(location(await get(callback, victim.cookie))).toBe('/sign-in?sso=state_mismatch');
  expect(location(await get(callback))).toBe('/sign-in?sso=state_mismatch');
  expect(location(await get(callback, attacker.cookie))).toBe('/');
});

it('is not begun by another site, nor by programs that look at links', async () => {
  for (const site of ['cross-site', 'same-site']) {
    const answer = await get(`/auth/sso?tenant=${slug}`, '', { 'sec-fetch-site': site });
    expect(location(answer)).toBe('/sign-in?sso=confirm');
    expect(cookiesOf(answer)).toEqual({});
  }
  for (const site of ['same-origin', 'none']) {
    expect(location(await get(`/auth/sso?tenant=${slug}`, '', { 'sec-fetch-site': site }))).toMatch(idp.issuer);
  }
  for (const path of [`/auth/sso?tenant=${slug}`, '/auth/sso/callback']) {
    const answer = await fetch(`${world.api.url}${path}`, { method: 'HEAD', redirect: 'manual' });
    expect([answer.status, answer.headers.get('location'), answer.headers.getSetCookie()]).toEqual([404, null, []]);
  }
});

it('refuses passwords where it is required, in words of its own', async () => {
  const { issuer, clientId } = idp;
  const engineer = await world.member(owner.actor.tenantId, 'ENGINEER');
  const id = (await mutate('claimDomain', { domain: 'members.test' }))['domainClaim'].id as string;
  const claim = await world.database.database.system().transaction((tx) => tx.domainClaim.findUniqueOrThrow({ where: { id } }));
  records.set('members.test', [domainRecord(claim)]);
  await mutate('verifyDomain', { id });
  expect((await mutate('saveSsoConnection', { issuer, clientId, defaultRole: 'VIEWER', required: true }))['__typename']).toBe('SaveSsoConnectionSuccess');
  expect(await mutate('signIn', { email: engineer.email, password: 'correct horse battery' })).toMatchObject({ __typename: 'SignInRefusedError', message: expect.stringMatching(/single sign-on/) });
  expect(await mutate('signIn', { email: engineer.email, password: 'wrong' })).toMatchObject({ message: expect.stringMatching(/password or the code is wrong/) });
});

it('without https its cookies have plain names', async () => {
  const plain = await createApiWorld({ textRecords: async () => [] });
  try {
    const answer = await fetch(`${plain.api.url}/auth/sso/callback`, { redirect: 'manual' });
    expect(cookiesOf(answer)).toEqual({ millrace_sso: { value: '', attributes: ['HttpOnly', 'Max-Age=0', 'Path=/', 'SameSite=Lax'] } });
  } finally {
    await plain.close();
  }
});
