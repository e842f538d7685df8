import { type IdentityProvider, startIdentityProvider } from '@millrace/testkit';
import { createApiWorld, type Member, type World } from './api-world.ts';

/**
 * An account is one person's in all tenants, and its first password is chosen by whoever holds the first invitation: that
 * proves nothing of the mailbox. What a tenant's own provider lets in must therefore not be reached with that password.
 */
const publicUrl = 'https://millrace.example';
let world: World;
let idp: IdentityProvider;
let acme: Member;
let mallory: Member;
const records = new Map<string, string[]>();
const victim = 'victim@acme.example';
const chosenByMallory = 'chosen by mallory herself';

async function change(field: string, input: object, credential?: string): Promise<Record<string, any>> { // eslint-disable-line @typescript-eslint/no-explicit-any
  const name = field[0]!.toUpperCase() + field.slice(1);
  const selections: Record<string, string> = {
    inviteMember: '... on InviteMemberSuccess { token }',
    claimDomain: '... on ClaimDomainSuccess { domainClaim { id record } }',
    signIn: '... on SignInSuccess { accessToken viewer { tenant { id } } }',
    switchTenant: '... on SignInSuccess { accessToken viewer { tenant { id } } }',
    acceptInvitation: '... on SignInSuccess { accessToken }',
  };
  const answer = await world.graphql(`mutation ($input: ${name}Input!) { ${field}(input: $input) { __typename ${selections[field] ?? ''} ... on Error { code message } } }`, { input }, credential);
  if (!answer.data) throw new Error(answer.text);
  return answer.data[field];
}

beforeAll(async () => {
  idp = await startIdentityProvider({ redirectUri: `${publicUrl}/auth/sso/callback` });
  world = await createApiWorld({ publicUrl, outboundNetworks: ['127.0.0.0/8'], textRecords: async (name) => records.get(name) ?? [] });
  [acme, mallory] = [await world.tenant('acme'), await world.tenant('mallory')];
  const { id, record } = (await change('claimDomain', { domain: 'acme.example' }, acme.token))['domainClaim'];
  records.set('acme.example', [record]);
  await change('verifyDomain', { id }, acme.token);
  const { issuer, clientId, clientSecret } = idp;
  await change('saveSsoConnection', { issuer, clientId, clientSecret, defaultRole: 'ENGINEER' }, acme.token);
  idp.people.push({ sub: 'v', email: victim, email_verified: true, name: 'Victoria', groups: [] });
});
afterAll(async () => {
  await world.close();
  await idp.close();
});

async function comeInBySso(): Promise<string> {
  const begun = await fetch(`${world.api.url}/auth/sso?email=${encodeURIComponent(victim)}`, { redirect: 'manual' });
  const cookie = begun.headers.getSetCookie()[0]!.split(';')[0]!;
  const callback = await idp.signIn(begun.headers.get('location')!, 'v');
  const back = await fetch(`${world.api.url}${callback.slice(publicUrl.length)}`, { redirect: 'manual', headers: { cookie } });
  expect(back.headers.get('location')).toBe('/');
  return back.headers.getSetCookie().map((line) => /^__Host-millrace_access=([^;]+)/.exec(line)?.[1]).find(Boolean)!;
}

it('an account made by a stranger’s invitation does not lead into the tenant whose provider lets its address in later', async () => {
  const { token } = await change('inviteMember', { email: victim, role: 'VIEWER' }, mallory.token);
  expect(await change('acceptInvitation', { token, name: 'Victoria', password: chosenByMallory })).toMatchObject({ __typename: 'SignInSuccess' });

  const bySso = await comeInBySso();
  expect((await world.graphql('{ viewer { tenant { id } } }', {}, bySso)).data!['viewer'].tenant.id).toBe(acme.actor.tenantId);

  // Mallory knows the password of the account, and that is all that she may get into.
  const hers = await change('signIn', { email: victim, password: chosenByMallory });
  expect(hers['viewer'].tenant.id).toBe(mallory.actor.tenantId);
  const memberships = await world.graphql('{ memberships { tenantId } }', {}, hers['accessToken']);
  const switched = await change('switchTenant', { tenantId: acme.actor.tenantId }, hers['accessToken']);
  expect({ switched: switched['__typename'], memberships: memberships.data!['memberships'] }).toEqual({ switched: 'NotFoundError', memberships: [{ tenantId: mallory.actor.tenantId }] });

  // Nor does she see the other's sessions or end them, by any of the ways that end sessions of the account.
  const sessions = await world.graphql('{ sessions { tenantName method } }', {}, hers['accessToken']);
  expect(new Set(sessions.data!['sessions'].map(({ tenantName }: { tenantName: string }) => tenantName))).toEqual(new Set(['mallory']));
  await world.graphql('mutation { revokeOtherSessions { __typename } }', {}, hers['accessToken']);
  expect(await change('changePassword', { currentPassword: chosenByMallory, newPassword: `${chosenByMallory} again` }, hers['accessToken'])).toMatchObject({ __typename: 'ChangePasswordSuccess' });
  const still = await world.graphql('{ viewer { tenant { id } } memberships { tenantId } sessions { tenantName } }', {}, bySso);
  expect(still.data).toEqual({
    viewer: { tenant: { id: acme.actor.tenantId } },
    memberships: [{ tenantId: acme.actor.tenantId }], // and not that Mallory's tenant has them, too
    sessions: [{ tenantName: 'acme' }],
  });
});

it('whoever is invited and gives the account’s password is a member like any other', async () => {
  await world.graphql('mutation ($input: RemoveMemberInput!) { removeMember(input: $input) { __typename } }', { input: { personId: await personId() } }, acme.token);
  const { token } = await change('inviteMember', { email: victim, role: 'VIEWER' }, acme.token);
  expect(await change('acceptInvitation', { token, name: 'x', password: `${chosenByMallory} again` })).toMatchObject({ __typename: 'SignInSuccess' });
  const inside = await change('signIn', { email: victim, password: `${chosenByMallory} again` });
  expect(await change('switchTenant', { tenantId: acme.actor.tenantId }, inside['accessToken'])).toMatchObject({ __typename: 'SignInSuccess' });
});

async function personId(): Promise<string> {
  const { data } = await world.graphql('{ members { edges { node { person { id email } } } } }', {}, acme.token);
  return data!['members'].edges.find(({ node }: { node: { person: { email: string } } }) => node.person.email === victim).node.person.id;
}
