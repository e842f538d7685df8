import { existsSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import path from 'node:path';
import { generateKey, platformTenantId } from '@millrace/auth';
import { startPatience } from '@millrace/testkit';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { createApiWorld, irisSpec, type Member, password, type World } from './api-world.ts';
import { subscribeOverHttp } from './event-stream.ts';

let world: World;
let operator: Member;
beforeAll(async () => {
  world = await createApiWorld({ purgeDays: 0, purgeEveryMs: 20 });
  operator = await world.member(platformTenantId, 'OPERATOR');
});
afterAll(() => world.close());

const error = '__typename ... on Error { code message remedy }';

async function ask(operation: string, variables: object, token?: string) {
  const { data, errors, text } = await world.graphql(operation, variables, token);
  if (errors.length) throw new Error(text);
  return Object.values(data!)[0];
}

const invite = (email: string, role: string, token: string) =>
  ask(
    `mutation ($email: String!, $role: Role!) { inviteMember(input: { email: $email, role: $role }) {
      ${error} ... on InvalidInputError { problems { field } } ... on InviteMemberSuccess { token invitation { id email role state createdBy } }
    } }`,
    { email, role },
    token,
  );

const accept = (token: string, input: { name?: string; password?: string } = {}) =>
  ask(
    `mutation ($token: String!, $name: String!, $password: String!) { acceptInvitation(input: { token: $token, name: $name, password: $password }) {
      ${error} ... on SignInSuccess { accessToken viewer { role person { id name email } tenant { name } } }
    } }`,
    { token, name: 'Nora New', password, ...input },
  );

describe('members over the network', () => {
  it('are invited, come in, are given another role, and are removed', async () => {
    const ana = await world.tenant('inviting');
    const { token, invitation } = await invite('Nora@new.test', 'ENGINEER', ana.token);
    expect(invitation).toMatchObject({ email: 'nora@new.test', role: 'ENGINEER', state: 'OPEN', createdBy: `person:${ana.actor.personId}` });
    expect(await ask('query ($token: String!) { invitation(token: $token) { tenantName email role } }', { token })).toEqual({ tenantName: 'inviting', email: 'nora@new.test', role: 'ENGINEER' });
    const nora = await accept(token);
    expect(nora.viewer).toMatchObject({ role: 'ENGINEER', person: { name: 'Nora New', email: 'nora@new.test' }, tenant: { name: 'inviting' } });
    expect(await accept(token)).toMatchObject({ __typename: 'InvitationInvalidError', code: 'invitation_invalid' });

    const listed = await ask('{ members { edges { node { role hasSecondFactor since person { email } } } } }', {}, ana.token);
    expect(listed.edges.map(({ node }: { node: object }) => node)).toEqual([
      { role: 'ENGINEER', hasSecondFactor: false, since: expect.any(String), person: { email: 'nora@new.test' } },
      { role: 'OWNER', hasSecondFactor: false, since: expect.any(String), person: { email: ana.email } },
    ]);
    const first = await ask('{ members(first: 1) { edges { node { role } } pageInfo { hasNextPage endCursor } } }', {}, ana.token);
    expect([first.edges[0].node.role, first.pageInfo.hasNextPage]).toEqual(['ENGINEER', true]);
    const next = await ask('query ($after: String!) { members(first: 1, after: $after) { edges { node { role } } pageInfo { hasNextPage hasPreviousPage } } }', { after: first.pageInfo.endCursor }, ana.token);
    expect(next).toEqual({ edges: [{ node: { role: 'OWNER' } }], pageInfo: { hasNextPage: false, hasPreviousPage: true } });
    expect((await ask('{ members(last: 1) { edges { node { role } } } }', {}, ana.token)).edges).toEqual([{ node: { role: 'OWNER' } }]);
    expect((await ask('{ invitations { edges { node { state } } } }', {}, ana.token)).edges).toEqual([{ node: { state: 'ACCEPTED' } }]);

    const personId = nora.viewer.person.id as string;
    const changeRole = (id: string, role: string, token: string) =>
      ask(`mutation ($id: ID!, $role: Role!) { changeMemberRole(input: { personId: $id, role: $role }) { ${error} ... on ChangeMemberRoleSuccess { member { role person { id } } } } }`, { id, role }, token);
    expect(await changeRole(personId, 'ADMIN', ana.token)).toMatchObject({ member: { role: 'ADMIN', person: { id: personId } } });
    expect(await changeRole(ana.actor.personId, 'VIEWER', ana.token)).toMatchObject({ __typename: 'ConflictError', code: 'last_owner' });
    await until(async () => (await ask('{ viewer { role } }', {}, nora.accessToken)).role === 'ADMIN');
    const upwards = await world.graphql('mutation ($id: ID!) { changeMemberRole(input: { personId: $id, role: VIEWER }) { __typename } }', { id: ana.actor.personId }, nora.accessToken);
    expect(upwards.errors[0]!.extensions).toMatchObject({ code: 'FORBIDDEN', remedy: 'Ask an OWNER.' });
    expect(await invite('x@new.test', 'OWNER', nora.accessToken)).toMatchObject({ __typename: 'InvalidInputError', problems: [{ field: 'role' }] });

    expect(await ask(`mutation ($id: ID!) { removeMember(input: { personId: $id }) { ${error} } }`, { id: personId }, ana.token)).toMatchObject({ __typename: 'RemoveMemberSuccess' });
    await until(async () => (await world.graphql('{ viewer { role } }', {}, nora.accessToken)).status === 401);
  });

  it('switch between their tenants, and are asked for their own password to come into another', async () => {
    const [one, two] = [await world.tenant('one'), await world.tenant('two')];
    const { token } = await invite(one.email, 'VIEWER', two.token);
    expect(await accept(token, { password: 'not the right one' })).toMatchObject({ __typename: 'SignInRefusedError' });
    expect((await accept(token)).viewer).toMatchObject({ role: 'VIEWER', tenant: { name: 'two' }, person: { name: 'Owner of one' } });
    expect(await ask('{ memberships { name role } }', {}, one.token)).toEqual([{ name: 'one', role: 'OWNER' }, { name: 'two', role: 'VIEWER' }]);
    const switched = await ask(
      `mutation ($id: ID!) { switchTenant(input: { tenantId: $id }) { ${error} ... on SignInSuccess { accessToken viewer { role tenant { name } } } } }`, { id: two.actor.tenantId }, one.token,
    );
    expect(switched.viewer).toEqual({ role: 'VIEWER', tenant: { name: 'two' } });
    await until(async () => (await world.graphql('{ viewer { role } }', {}, one.token)).status === 401);
    expect(await ask('mutation { leaveTenant { ... on LeaveTenantSuccess { left } } }', {}, switched.accessToken)).toEqual({ left: true });
  });
});

const tenantOf = (name: string, input: string) => `mutation ($id: ID!) { ${name}(input: { id: $id${input} }) { ${error} ... on ${name[0]!.toUpperCase()}${name.slice(1)}Success { tenant { status reason purgeAfter } } } }`;

describe('operators', () => {
  it('make tenants with plans, and see how much they use', async () => {
    await ask(`mutation { savePlan(input: { name: "line", limits: [{ resource: ACTIVE_RUNS, limit: 3 }] }) { ${error} } }`, {}, operator.token);
    const create = (name: string, planName: string) =>
      ask(
        `mutation ($name: String!, $plan: String) { createTenant(input: { name: $name, ownerEmail: "olga@line.test", planName: $plan }) {
          ${error} ... on CreateTenantSuccess { token tenant { id name planName quota { resource limit } } }
        } }`,
        { name, plan: planName },
        operator.token,
      );
    expect(await create('No such plan', 'none')).toMatchObject({ __typename: 'NotFoundError', code: 'plan_not_found' });
    expect(await world.database.asOwner(`SELECT 1 FROM tenants WHERE name = 'No such plan'`)).toEqual([]);
    const { tenant, token } = await create('Line 4', 'line');
    expect(tenant).toMatchObject({ name: 'Line 4', planName: 'line', quota: [{ resource: 'ACTIVE_RUNS', limit: 3 }, { resource: 'STORAGE_BYTES', limit: 20 * 1024 ** 3 }] });
    const olga = await accept(token);
    expect(olga.viewer).toMatchObject({ role: 'OWNER', tenant: { name: 'Line 4' } });
    const { versionId } = await world.iris(olga.accessToken);
    await ask('mutation ($input: SubmitRunInput!) { submitRun(input: $input) { __typename } }', { input: { datasetVersionId: versionId, modelName: 'm', spec: irisSpec } }, olga.accessToken);
    await world.database.asOwner(
      `INSERT INTO usage_hours (tenant_id, hour, kind, actor, requests, rows, units) VALUES ($1, date_trunc('hour', now(), 'UTC'), 'PREDICTION', 'system', 1, 5, 5),
        ($1, date_trunc('hour', now(), 'UTC'), 'TRAINING', 'system', 1, 0, 1.5), ($1, date_trunc('hour', now() - interval '40 days', 'UTC'), 'PREDICTION', 'system', 1, 9, 9)`,
      [tenant.id],
    );
    const seen = await ask(
      `query ($id: ID!) { tenant(id: $id) { name status memberCount storageBytes activeRuns lastActivityAt usageThisMonth { predictions rows computeSeconds } } }`, { id: tenant.id }, operator.token,
    );
    expect(seen).toMatchObject({ name: 'Line 4', status: 'ACTIVE', memberCount: 1, activeRuns: 1, lastActivityAt: expect.any(String), usageThisMonth: { predictions: 1, rows: 5, computeSeconds: 1.5 } });
    expect(seen.storageBytes).toBeGreaterThan(4000);
    await world.database.asOwner(`UPDATE usage_hours SET requests = 3000000000 WHERE tenant_id = $1 AND kind = 'PREDICTION'`, [tenant.id]);
    expect(await ask('query ($id: ID!) { tenant(id: $id) { usageThisMonth { predictions rows } } }', { id: tenant.id }, operator.token)).toMatchObject({ usageThisMonth: { predictions: 2 ** 31 - 1, rows: 5 } });
    expect(await ask(`mutation ($id: ID!) { setTenantPlan(input: { tenantId: $id }) { ... on SetTenantPlanSuccess { tenant { planName quota { limit } } } } }`, { id: tenant.id }, operator.token)).toMatchObject({
      tenant: { planName: null, quota: [{ limit: 20 }, {}] },
    });
    const found = await ask('{ tenants(search: "line 4", first: 1) { edges { node { id } } pageInfo { hasNextPage } } }', {}, operator.token);
    expect(found).toEqual({ edges: [{ node: { id: tenant.id } }], pageInfo: { hasNextPage: false } });
    const pages = await ask('{ tenants(first: 1) { edges { node { id } } pageInfo { hasNextPage endCursor } } }', {}, operator.token);
    const second = await ask('query ($after: String) { tenants(first: 50, after: $after) { edges { node { id } } } }', { after: pages.pageInfo.endCursor }, operator.token);
    expect(second.edges.map(({ node }: { node: { id: string } }) => node.id)).not.toContain(pages.edges[0].node.id);
    expect(await ask('{ platformHealth { version nodeVersion queue { queued } storage { freeBytes } migrations { unfinished } } }', {}, operator.token)).toMatchObject({
      version: '0.1.0', nodeVersion: process.versions.node, queue: { queued: 1 }, storage: { freeBytes: expect.any(Number) }, migrations: { unfinished: [] },
    });
  });

  it('see a tenant’s data with a grant only, under the tenant’s eyes', async () => {
    const ana = await world.tenant('watched');
    await world.iris(ana.token, 'watched data');
    const refused = await world.graphql('{ datasets { edges { node { name } } } }', {}, operator.token);
    expect(refused.errors[0]).toMatchObject({ message: 'The role OPERATOR may not do this: it lacks the permission dataset:read.', extensions: { code: 'FORBIDDEN' } });
    // The other way round, an owner is told where operators do this: they may be one.
    const { errors } = await world.graphql('{ tenants { edges { node { id } } } }', {}, ana.token);
    expect(errors[0]).toMatchObject({ message: 'The role OWNER may not do this: it lacks the permission platform:read.', extensions: { remedy: expect.stringContaining('switchTenant') } });
    const { grant } = await ask(
      `mutation ($id: ID!) { takeAccessGrant(input: { tenantId: $id, role: VIEWER, reason: "the import of a file fails", hours: 2 }) { ${error} ... on TakeAccessGrantSuccess { grant { id tenantName expiresAt } } } }`,
      { id: ana.actor.tenantId },
      operator.token,
    );
    expect(grant.tenantName).toBe('watched');
    const session = await ask(
      `mutation ($id: ID!) { useAccessGrant(input: { id: $id }) { ${error} ... on SignInSuccess { accessToken viewer { role grantId person { id } tenant { name } } } } }`, { id: grant.id }, operator.token,
    );
    expect(session.viewer).toEqual({ role: 'VIEWER', grantId: grant.id, person: null, tenant: { name: 'watched' } });
    expect((await ask('{ datasets { edges { node { name } } } }', {}, session.accessToken)).edges).toEqual([{ node: { name: 'watched data' } }]);
    expect((await world.graphql('mutation { beginUpload(input: { filename: "a.csv" }) { __typename } }', {}, session.accessToken)).errors[0]!.extensions['code']).toBe('FORBIDDEN');

    const seen = await ask('{ accessGrants { edges { node { id operator operatorName reason role revokedAt } } } }', {}, ana.token);
    expect(seen.edges).toEqual([
      { node: { id: grant.id, operator: `operator:${operator.actor.personId}`, operatorName: 'OPERATOR', reason: 'the import of a file fails', role: 'VIEWER', revokedAt: null } },
    ]);
    expect(await ask(`mutation ($id: ID!) { revokeAccessGrant(input: { id: $id }) { ${error} ... on RevokeAccessGrantSuccess { grant { revokedAt } } } }`, { id: grant.id }, ana.token)).toMatchObject({ grant: { revokedAt: expect.any(String) } });
    await until(async () => (await world.graphql('{ datasets { edges { cursor } } }', {}, session.accessToken)).status === 401);
    const trail = await ask('{ auditEvents { edges { node { actor action } } } }', {}, ana.token);
    expect(trail.edges.map(({ node }: { node: { actor: string; action: string } }) => node).filter(({ actor, action }: { actor: string; action: string }) => actor.startsWith('operator:') || action.startsWith('grant.'))).toEqual([
      { actor: `person:${ana.actor.personId}`, action: 'grant.revoke' },
      { actor: `operator:${operator.actor.personId}`, action: 'upload.begin' }, // the refusal
      { actor: `operator:${operator.actor.personId}`, action: 'grant.use' },
      { actor: `operator:${operator.actor.personId}`, action: 'grant.take' },
    ]);
    expect(await ask('{ operatorGrants { id } }', {}, operator.token)).toContainEqual({ id: grant.id });
  });
});

describe('a suspended tenant', () => {
  it('is refused everything within a second, what is under way included, until it is resumed', async () => {
    const ana = await world.tenant('suspended');
    const key = await world.apiKey(ana, ['READ']);
    const { versionId } = await world.iris(ana.token);
    const { run } = await ask(
      'mutation ($input: SubmitRunInput!) { submitRun(input: $input) { ... on SubmitRunSuccess { run { id } } } }', { input: { datasetVersionId: versionId, modelName: 'm', spec: irisSpec } }, ana.token,
    );
    // Under way: a subscription over server-sent events, one over a WebSocket, an upload.
    const subscription = 'subscription ($id: ID!) { runProgress(id: $id) { run { status } } }';
    const watching = subscribeOverHttp(world.api.url, subscription, { id: run.id }, ana.token);
    expect((await watching.next()).value).toMatchObject({ data: { runProgress: { run: { status: 'QUEUED' } } } });
    const socket = createClient({ url: `${world.api.url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, connectionParams: { authorization: `Bearer ${ana.token}` }, retryAttempts: 0 });
    const over = socket.iterate({ query: subscription, variables: { id: run.id } });
    await over.next();
    const { url } = await world.beginUpload(ana.token);
    const upload = httpRequest(`${world.api.url}${url}`, { method: 'PUT', headers: { authorization: `Bearer ${ana.token}`, 'content-length': 1000 } });
    const uploaded = new Promise<number>((resolve, reject) => {
      upload.once('response', (response) => resolve(response.resume().statusCode!));
      upload.once('error', reject);
    });
    await new Promise<void>((resolve) => upload.write('a,b\n1,2\n', () => resolve()));
    await fetch(`${world.api.url}/healthz`); // by its answer the upload has arrived

    const isLate = startPatience(2_000); // the second that is promised, and one for what is asked meanwhile
    expect(await ask(tenantOf('suspendTenant', ', reason: "unpaid bills"'), { id: ana.actor.tenantId }, operator.token)).toMatchObject({ tenant: { status: 'SUSPENDED', reason: 'unpaid bills' } });
    const statuses = () => Promise.all([
      world.graphql('{ runs { edges { cursor } } }', {}, ana.token).then(({ status }) => status),
      world.graphql('{ runs { edges { cursor } } }', {}, key).then(({ status }) => status),
      world.put(ana.token, url, 'a,b\n1,2\n').then(({ status }) => status),
      fetch(`${world.api.url}/export`, { headers: { authorization: `Bearer ${ana.token}` } }).then(({ status }) => status),
    ]);
    await until(async () => (await statuses()).every((status) => status === 401));
    const ended = await watching.next();
    expect((ended.value as { errors: { extensions: object }[] }).errors[0]!.extensions).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(((await over.next()).value as { errors: { extensions: object }[] }).errors[0]!.extensions).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await uploaded).toBe(400); // broken off
    expect(isLate()).toBe(false);
    await socket.dispose();

    await ask(tenantOf('resumeTenant', ''), { id: ana.actor.tenantId }, operator.token);
    await until(async () => (await world.graphql('{ runs { edges { cursor } } }', {}, key)).status === 200);
  });
});

describe('a headless start', () => {
  it('makes the first owner an operator too, and registers the key; doing it again changes nothing', async () => {
    const fresh = await createApiWorld();
    const { key } = generateKey();
    const settings = { tenantName: 'Factory', email: 'fay@factory.test', password };
    await fresh.api.setUpOnce(settings);
    for (let start = 0; start < 2; start++) await fresh.api.setUpOnce({ ...settings, apiKey: key });
    const { data } = await fresh.graphql('mutation ($p: String!) { signIn(input: { email: "fay@factory.test", password: $p }) { ... on SignInSuccess { accessToken } } }', { p: password });
    const memberships = await fresh.graphql('{ memberships { name role } }', {}, data!['signIn'].accessToken);
    expect(memberships.data).toEqual({ memberships: [{ name: 'Factory', role: 'OWNER' }, { name: 'Platform', role: 'OPERATOR' }] });
    const viewer = await fresh.graphql('{ viewer { tenant { name } permissions apiKey { alias scopes } } }', {}, key);
    expect(viewer.data!['viewer']).toMatchObject({ tenant: { name: 'Factory' }, apiKey: { alias: 'MILLRACE_INIT_API_KEY', scopes: ['PREDICT', 'TRAIN', 'READ'] } });
    await expect(fresh.api.setUpOnce({ ...settings, apiKey: `${key}x` })).rejects.toThrow('MILLRACE_INIT_API_KEY cannot be registered: malformed.');
    await fresh.close();
  });
});

describe('a deleted tenant', () => {
  it('is purged by the sweep of the API: no row and no file of it is left', async () => {
    const ana = await world.tenant('purged');
    const { tenantId } = ana.actor;
    await world.iris(ana.token);
    const folder = path.join(world.storageDirectory, 'tenants', tenantId);
    expect(existsSync(folder)).toBe(true);
    const [{ slug }] = (await world.database.asOwner<{ slug: string }>('SELECT slug FROM tenants WHERE id = $1', [tenantId])) as [{ slug: string }];
    expect(await ask(`mutation ($slug: String!) { deleteTenant(input: { confirm: $slug, withoutExport: true }) { ${error} } }`, { slug }, ana.token)).toMatchObject({ __typename: 'DeleteTenantSuccess' });
    await until(async () => (await world.database.asOwner('SELECT 1 FROM tenants WHERE id = $1', [tenantId])).length === 0, 20_000);
    expect(existsSync(folder)).toBe(false);
    expect((await world.storedFiles()).filter((file) => file.includes(tenantId))).toEqual([]);
    expect(await world.database.asOwner('SELECT 1 FROM people WHERE id = $1', [ana.actor.personId])).toEqual([]);
    expect(await world.database.asOwner(`SELECT details->>'auditHash' ~ '^[0-9a-f]{64}$' AS kept FROM audit_events WHERE tenant_id = $1 AND action = 'tenant.purge' AND subject = $2`, [platformTenantId, tenantId])).toEqual([{ kept: true }]);
    expect(await ask('query ($id: ID!) { tenant(id: $id) { id } }', { id: tenantId }, operator.token)).toBeNull();
  });

  it('can be restored by an operator before its time', async () => {
    const patient = await createApiWorld();
    const ana = await patient.tenant('restored');
    const otto = await patient.member(platformTenantId, 'OPERATOR');
    const run = async (operation: string) => Object.values((await patient.graphql(operation, { id: ana.actor.tenantId }, otto.token)).data!)[0];
    expect(await run(tenantOf('restoreTenant', ''))).toMatchObject({ __typename: 'ConflictError', code: 'tenant_state' });
    expect(await run(tenantOf('scheduleTenantDeletion', ', reason: "closed down"'))).toMatchObject({ tenant: { status: 'DELETED', purgeAfter: expect.any(String) } });
    await until(async () => (await patient.graphql('{ viewer { role } }', {}, ana.token)).status === 401);
    expect(await run(tenantOf('resumeTenant', ''))).toMatchObject({ __typename: 'ConflictError' });
    expect(await run(tenantOf('restoreTenant', ''))).toMatchObject({ tenant: { status: 'ACTIVE', purgeAfter: null } });
    await until(async () => (await patient.graphql('{ viewer { role } }', {}, ana.token)).status === 200);
    await patient.close();
  });
});

/** Polls a condition that a notification brings about; fails after the second that the product promises, unless given more. */
async function until(condition: () => Promise<boolean>, patienceMs = 1_000): Promise<void> {
  const isOver = startPatience(patienceMs);
  while (!(await condition())) {
    if (isOver()) throw new Error(`not within ${patienceMs} ms`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
