import { createHmac } from 'node:crypto';
import { startPatience } from '@millrace/testkit';
import { createApiWorld, password, secrets, type World } from './api-world.ts';

let world: World;
beforeAll(async () => {
  world = await createApiWorld();
});
afterAll(() => world.close());

const viewer = '{ viewer { role permissions person { email } apiKey { alias } tenant { name } } }';
const signIn = `mutation ($email: String!, $password: String!) {
  signIn(input: { email: $email, password: $password }) {
    __typename
    ... on SignInSuccess { accessToken expiresInSeconds refreshToken viewer { person { email } } }
    ... on Error { code message remedy }
  }
}`;
const refresh = `mutation ($token: String!) {
  refreshSession(input: { refreshToken: $token }) { __typename ... on SignInSuccess { accessToken refreshToken } ... on Error { code } }
}`;

describe('setting up', () => {
  const setUp = `mutation ($token: String!, $password: String!) {
    setUp(input: { token: $token, tenantName: "Mill", name: "Mia", email: "mia@mill.test", password: $password }) {
      __typename
      ... on SignInSuccess { accessToken viewer { role tenant { name } } }
      ... on InvalidInputError { problems { field code remedy } }
      ... on SetupLinkInvalidError { code remedy }
    }
  }`;

  it('makes the first tenant with the token of the link, once', async () => {
    expect((await world.graphql('{ setupState { isSetUp } }')).data).toEqual({ setupState: { isSetUp: false } });
    const token = await world.api.issueSetupToken();

    const weak = await world.graphql(setUp, { token, password: 'short' });
    expect(weak.data!['setUp']).toMatchObject({ __typename: 'InvalidInputError', problems: [{ field: 'password', code: 'password_unfit' }] });
    const forged = await world.graphql(setUp, { token: 'guessed', password });
    expect(forged.data!['setUp']).toMatchObject({ __typename: 'SetupLinkInvalidError', code: 'setup_link_invalid' });

    const done = await world.graphql(setUp, { token, password });
    expect(done.data!['setUp']).toMatchObject({ __typename: 'SignInSuccess', viewer: { role: 'OWNER', tenant: { name: 'Mill' } } });
    const owner = await world.graphql(viewer, {}, done.data!['setUp'].accessToken);
    expect(owner.data!['viewer']).toMatchObject({ person: { email: 'mia@mill.test' }, apiKey: null });

    expect((await world.graphql(setUp, { token, password })).data!['setUp'].__typename).toBe('SetupLinkInvalidError');
    expect(await world.api.issueSetupToken()).toBeNull();
    expect((await world.graphql('{ setupState { isSetUp } }')).data).toEqual({ setupState: { isSetUp: true } });
  });
});

describe('signing in', () => {
  it('answers a wrong password and an unknown person alike', async () => {
    const ana = await world.tenant('alike');
    const wrong = await world.graphql(signIn, { email: ana.email, password: 'something else' });
    const unknown = await world.graphql(signIn, { email: 'nobody@alike.test', password });
    expect(wrong.data!['signIn']).toMatchObject({ __typename: 'SignInRefusedError', code: 'sign_in_refused' });
    expect(unknown.data).toEqual(wrong.data);
  });

  it('gives tokens that work, and new ones for the refresh token', async () => {
    const ana = await world.tenant('tokens');
    const { data } = await world.graphql(signIn, { email: ana.email.toUpperCase(), password });
    expect(data!['signIn']).toMatchObject({ __typename: 'SignInSuccess', expiresInSeconds: 600, viewer: { person: { email: ana.email } } });

    const first = await world.graphql(refresh, { token: data!['signIn'].refreshToken });
    expect((await world.graphql(viewer, {}, first.data!['refreshSession'].accessToken)).data!['viewer'].role).toBe('OWNER');
    // The old token used again means that it was stolen: the whole session ends, its newest token with it.
    expect((await world.graphql(refresh, { token: data!['signIn'].refreshToken })).data!['refreshSession'].__typename).toBe('SignInRefusedError');
    expect((await world.graphql(refresh, { token: first.data!['refreshSession'].refreshToken })).data!['refreshSession'].code).toBe('sign_in_refused');
  });

  it('refreshes a session even when an outdated access token is sent along', async () => {
    const ana = await world.tenant('outdated');
    const answer = await world.graphql(refresh, { token: ana.refreshToken }, 'outdated.access.token');
    expect(answer.data!['refreshSession'].__typename).toBe('SignInSuccess');
  });

  it('turns a flood of sign-ins away with 429 instead of queueing it up', async () => {
    const ana = await world.tenant('flooded');
    const begun = performance.now();
    const attempts = Array.from({ length: 80 }, (_, n) => world.graphql(signIn, { email: `nobody${n}@flood.test`, password }));
    const atWork = world.graphql(`${viewer} # asks for no signIn`, {}, ana.token);
    const answers = await Promise.all(attempts);
    expect((await atWork).status).toBe(200);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]));
    const refused = answers.find(({ status }) => status === 429)!;
    expect(refused.errors[0]!.extensions).toMatchObject({ code: 'TOO_MANY_REQUESTS', remedy: expect.any(String) });
    expect(refused.headers.get('retry-after')).toBe('1');
    // Turned away at the edge, they leave one line together in ten seconds; whoever still got as far as the mutation has one of their own.
    const lines = world.log.filter(({ msg }) => msg === 'sign-ins were refused: more at once than there is room for').length;
    expect([lines > 0, lines <= 1 + (performance.now() - begun) / 10_000]).toEqual([true, true]);
    expect(world.log.filter(({ action, result }) => action === 'session.open' && result === 'too_many_requests').length).toBeLessThan(60);
    expect((await world.graphql(signIn, { email: ana.email, password })).data!['signIn'].__typename).toBe('SignInSuccess');
  });

  it('ends at sign-out', async () => {
    const ana = await world.tenant('leaving');
    expect((await world.graphql('mutation { signOut { ... on SignOutSuccess { signedOut } } }', {}, ana.token)).data).toEqual({ signOut: { signedOut: true } });
    expect((await world.graphql(refresh, { token: ana.refreshToken })).data!['refreshSession'].__typename).toBe('SignInRefusedError');
    expect(await eventually(async () => (await world.graphql(viewer, {}, ana.token)).status)).toBe(401);
  });
});

describe('a credential that is not good', () => {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const forge = (header: object, claims: object, secret: string): string => {
    const text = `${part(header)}.${part(claims)}`;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  };

  it.each(['expired', 'of another secret', 'without algorithm', 'of another type', 'with a life of its own choice'])(
    'a token %s is UNAUTHENTICATED',
    async (kind) => {
      const ana = await world.tenant(`forger-${kind.replaceAll(' ', '-')}`);
      const [head, body] = ana.token.split('.').slice(0, 2).map((text) => JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, number>);
      const now = Math.floor(Date.now() / 1000);
      const token = {
        expired: forge(head!, { ...body, iat: now - 1200, exp: now - 600 }, secrets.tokenSecret),
        'of another secret': forge(head!, body!, 'a secret that somebody else has, very long'),
        'without algorithm': `${part({ ...head, alg: 'none' })}.${part(body)}.`,
        'of another type': forge({ ...head, typ: 'JWT' }, body!, secrets.tokenSecret),
        'with a life of its own choice': forge(head!, { ...body, exp: now + 86_400 }, secrets.tokenSecret),
      }[kind]!;
      // The forger's tools work: the same claims, unchanged, are accepted.
      expect((await world.graphql(viewer, {}, forge(head!, body!, secrets.tokenSecret))).status).toBe(200);

      const answer = await world.graphql(viewer, {}, token);
      expect(answer.status).toBe(401);
      expect(answer.data).toBeNull();
      expect(answer.errors[0]!.extensions).toMatchObject({ code: 'UNAUTHENTICATED' });
      expect((await world.put(token, '/uploads/upl_00000000000000000000000000', 'x')).status).toBe(401);
    },
  );

  it('a revoked key stops working at once, not when the cache forgets it', async () => {
    const ana = await world.tenant('revoker');
    const created = await world.graphql(
      'mutation { createApiKey(input: { alias: "line 4", scopes: [READ] }) { ... on CreateApiKeySuccess { key apiKey { id alias scopes models } } } }',
      {},
      ana.token,
    );
    const { key, apiKey } = created.data!['createApiKey'];
    expect(apiKey).toMatchObject({ alias: 'line 4', scopes: ['READ'], models: [] });
    expect((await world.graphql(viewer, {}, key)).data!['viewer']).toMatchObject({ role: null, person: null, apiKey: { alias: 'line 4' } });
    expect((await fetch(`${world.api.url}/graphql`, {
      method: 'POST', headers: { 'content-type': 'application/json', 'x-api-key': key }, body: JSON.stringify({ query: viewer }),
    })).status).toBe(200);

    const revoke = 'mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { __typename ... on RevokeApiKeySuccess { apiKey { revokedAt } } ... on Error { code } } }';
    expect((await world.graphql(revoke, { id: apiKey.id }, ana.token)).data!['revokeApiKey'].apiKey.revokedAt).not.toBeNull();
    expect(await eventually(async () => (await world.graphql(viewer, {}, key)).status)).toBe(401);
    expect((await world.graphql(revoke, { id: 'key_00000000000000000000000000' }, ana.token)).data!['revokeApiKey']).toMatchObject({ __typename: 'NotFoundError' });
  });

  it('a key says what is wrong with its own making', async () => {
    const ana = await world.tenant('careless');
    const { data } = await world.graphql(
      'mutation { createApiKey(input: { alias: "", scopes: [], expiresAt: "2001-01-01T00:00:00Z" }) { ... on InvalidInputError { code problems { field } } } }',
      {},
      ana.token,
    );
    expect(data!['createApiKey']).toEqual({ code: 'invalid_input', problems: [{ field: 'alias' }, { field: 'scopes' }, { field: 'expiresAt' }] });
  });
});

/** The answer as soon as it is other than 200; long before a cached credential would be looked up again. */
async function eventually(ask: () => Promise<number>): Promise<number> {
  const isOver = startPatience(10_000);
  let status = await ask();
  while (status === 200 && !isOver()) status = await ask();
  return status;
}
