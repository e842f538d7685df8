import { Secret } from '@millrace/kernel';
import { startPatience } from '@millrace/testkit';
import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { createApiWorld, irisSpec, type Member, password, type World } from './api-world.ts';
import { subscribeOverHttp } from './event-stream.ts';

const watch = 'subscription ($id: ID!) { runProgress(id: $id) { run { id } } }';
interface Value {
  data?: Record<string, unknown> | null;
  errors?: readonly { extensions?: Record<string, unknown> }[];
}

let world: World;
/** another process of the API, on the same database */
let elsewhere: World;
let ana: Member;
let run: string;
beforeAll(async () => {
  world = await createApiWorld();
  elsewhere = await createApiWorld({ appDatabaseUrl: new Secret(world.database.urls.app), systemDatabaseUrl: new Secret(world.database.urls.system) });
  ana = await world.tenant('revoker');
  const { versionId } = await world.iris(ana.token);
  const { data } = await world.graphql(
    'mutation ($input: SubmitRunInput!) { submitRun(input: $input) { ... on SubmitRunSuccess { run { id } } } }',
    { input: { datasetVersionId: versionId, modelName: 'iris', spec: irisSpec } },
    ana.token,
  );
  run = data!['submitRun'].run.id;
});
afterAll(async () => {
  await elsewhere.close();
  await world.close();
});

const notice = (id: string) => world.database.asOwner(`SELECT pg_notify('millrace_access', $1)`, [`${ana.actor.tenantId}:${id}`]);

/** Ways to take somebody's right away: what is done, for whom. */
const ways: [string, (guest: Member) => Promise<unknown>][] = [
  ['a sign-out', (guest) => world.graphql('mutation { signOut { __typename } }', {}, guest.token)],
  ['an administrator who ends the session', (guest) =>
    world.graphql('mutation ($id: ID!) { revokeSession(input: { id: $id }) { __typename } }', { id: guest.actor.sessionId }, ana.token)],
  ['a new password, chosen elsewhere', async (guest) => {
    const signIn = 'mutation ($email: String!, $password: String!) { signIn(input: { email: $email, password: $password }) { ... on SignInSuccess { accessToken } } }';
    const { data } = await world.graphql(signIn, { email: guest.email, password });
    const change = 'mutation ($old: String!) { changePassword(input: { currentPassword: $old, newPassword: "another horse battery" }) { __typename } }';
    return world.graphql(change, { old: password }, data!['signIn'].accessToken);
  }],
  ['the end of the membership', async (guest) => {
    await world.database.asOwner('DELETE FROM memberships WHERE person_id = $1', [guest.actor.personId]);
    await notice(guest.actor.personId);
  }],
  ['the suspension of the tenant', async () => {
    await world.database.asOwner(`UPDATE tenants SET status = 'SUSPENDED' WHERE id = $1`, [ana.actor.tenantId]);
    await notice('*');
  }],
];

describe.each(['WebSocket', 'event stream'])('what is watched over %s ends within a second, in every process,', (transport) => {
  const opened: Client[] = [];
  afterEach(async () => {
    for (const client of opened.splice(0)) await client.dispose();
    await world.database.asOwner(`UPDATE tenants SET status = 'ACTIVE' WHERE id = $1`, [ana.actor.tenantId]);
    await notice('*');
  });

  function follow(url: string, credential: string): AsyncIterator<Value> {
    if (transport === 'event stream') return subscribeOverHttp(url, watch, { id: run }, credential) as AsyncIterator<Value>;
    const client = createClient({
      url: url.replace(/^http/, 'ws') + '/graphql', webSocketImpl: WebSocket, retryAttempts: 0, connectionParams: { authorization: `Bearer ${credential}` },
    });
    opened.push(client);
    return client.iterate({ query: watch, variables: { id: run } }) as AsyncIterator<Value>;
  }

  /** Whatever comes next, unless a second passes without: sooner than the feed looks by itself. */
  async function withinASecond(values: AsyncIterator<Value>): Promise<Value | 'nothing'> {
    let came: Value | 'nothing' = 'nothing';
    values.next().then(({ value }) => (came = value as Value), (error: unknown) => (came = error as Value));
    const isOver = startPatience(1_000);
    while (came === 'nothing' && !isOver()) await new Promise((resolve) => setImmediate(resolve));
    return came;
  }

  async function expectEnd(credential: string, takeAway: () => Promise<unknown>): Promise<void> {
    const streams = [follow(world.api.url, credential), follow(elsewhere.api.url, credential)];
    for (const values of streams) expect((await values.next()).value.data).toEqual({ runProgress: { run: { id: run } } });
    await takeAway();
    for (const value of await Promise.all(streams.map(withinASecond))) {
      expect(value).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    }
    for (const values of streams) expect((await values.next()).done).toBe(true);
  }

  it.each(ways)('with %s', async (_what, takeAway) => {
    const guest = await world.member(ana.actor.tenantId, 'VIEWER');
    await expectEnd(guest.token, () => takeAway(guest));
  });

  it('with the key', async () => {
    const key = await world.apiKey(ana, ['READ']);
    const { data } = await world.graphql('{ viewer { apiKey { id } } }', {}, key);
    await expectEnd(key, () =>
      world.graphql('mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { __typename } }', { id: data!['viewer'].apiKey.id }, ana.token),
    );
  });

  it('and not when somebody else’s right is taken away', async () => {
    const [guest, other] = [await world.member(ana.actor.tenantId, 'VIEWER'), await world.member(ana.actor.tenantId, 'VIEWER')];
    const values = follow(elsewhere.api.url, guest.token);
    await values.next();
    const revoke = (member: Member) =>
      world.graphql('mutation ($id: ID!) { revokeSession(input: { id: $id }) { __typename } }', { id: member.actor.sessionId }, ana.token);
    await revoke(other);
    expect(await withinASecond(values)).toBe('nothing');
    await revoke(guest); // lets go of the value that is still waited for
    await values.return!();
  });
});

it('a role is another within a second, in every process', async () => {
  const guest = await world.member(ana.actor.tenantId, 'ENGINEER');
  const roleIn = async ({ graphql }: World): Promise<string> => (await graphql('{ viewer { role } }', {}, guest.token)).data!['viewer'].role;
  for (const process of [world, elsewhere]) expect(await roleIn(process)).toBe('ENGINEER');
  await world.database.asOwner(`UPDATE memberships SET role = 'VIEWER' WHERE person_id = $1`, [guest.actor.personId]);
  await notice(guest.actor.personId);
  const isOver = startPatience(1_000);
  for (const process of [world, elsewhere]) {
    let role = await roleIn(process);
    while (role === 'ENGINEER' && !isOver()) role = await roleIn(process);
    expect(role).toBe('VIEWER');
  }
});
