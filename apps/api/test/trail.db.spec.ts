import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ApiKeyScope, createAuth, type HttpRoute, httpRoutes, permissionsOfScope, platformTenantId, recordAudit } from '@millrace/auth';
import { DomainError, newId, silentLogger } from '@millrace/kernel';
import { type IdentityProvider, startIdentityProvider } from '@millrace/testkit';
import { GraphQLError, isObjectType, isUnionType, Kind } from 'graphql';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { noteRefusals } from '../src/audited-fields.ts';
import { type RootField, rootFieldsOf } from '../src/field-access.ts';
import type { RequestContext } from '../src/request-context.ts';
import { schema } from '../src/schema.ts';
import type { Question, Row, Stage } from './access/row.ts';
import { somebodyWithSecondFactor } from './access/session.ts';
import { accessTable } from './access/table.ts';
import { makeThings, nobodysThings } from './access/things.ts';
import { createApiWorld, type GraphqlAnswer, type Member, password, secrets, type World } from './api-world.ts';
import { subscribeOverHttp } from './event-stream.ts';
import { sentExplanation } from './sent-explanation.ts';

let world: World;
let inference: Server;
let provider: IdentityProvider;
let acme: Member;
let keys: { predict: string; read: string };
let stage: Stage;

beforeAll(async () => {
  inference = createServer((request, response) => {
    const isThere = request.url?.includes('canary-endpoint');
    response.writeHead(isThere ? 200 : 404, { 'content-type': 'application/json', 'x-millrace-model-version': '1', 'x-millrace-prediction-id': 'prd_00000000000000000000000001', 'x-millrace-cost-units': '1' });
    response.end(JSON.stringify(isThere ? { predictions: [1], explanations: [sentExplanation] } : { error: { message: 'There is no such endpoint.', remedy_hint: 'List them.' } }));
  });
  await new Promise<void>((resolve) => inference.listen(0, '127.0.0.1', resolve));
  provider = await startIdentityProvider({ redirectUri: 'http://console.example/auth/sso/callback' });
  const records = new Map<string, string[]>();
  world = await createApiWorld({
    inferenceUrl: `http://127.0.0.1:${(inference.address() as AddressInfo).port}`,
    outboundNetworks: ['127.0.0.0/8'],
    textRecords: async (name) => records.get(name) ?? [],
  });
  acme = await world.tenant('canary-acme');
  keys = { predict: await world.apiKey(acme, ['PREDICT']), read: await world.apiKey(acme, ['READ']) };
  await world.apiKey(acme, ['READ']); // the newest: is revoked by its row
  const operator = await world.member(platformTenantId, 'OPERATOR');
  const { issuer, clientId, clientSecret } = provider;
  stage = { world, acme, operator, ours: await makeThings(world, acme, operator), provider: { issuer, clientId, clientSecret: clientSecret! }, records };
});
afterAll(async () => {
  await world.close();
  await provider.close();
  await new Promise((resolve) => inference.close(resolve));
});

const roots = new Map(rootFieldsOf(schema).map((root) => [root.name, root]));
const rows = Object.entries(accessTable).map(([name, row]) => [name, row, roots.get(name)!] as const);
const mutations = rows.filter(([name]) => name.startsWith('Mutation.'));
const permitted = rows.filter(([, { needs }]) => needs !== 'public' && needs !== 'signed-in');

interface TrailRow {
  tenantId: string;
  actor: string;
  action: string;
  result: string;
  subject: string | null;
  address: string | null;
  userAgent: string | null;
  details: Record<string, unknown> | null;
}

const trailOf = (requestId: string, at = world) =>
  at.database.asOwner<TrailRow>(
    `SELECT tenant_id AS "tenantId", actor, action, result, subject, address, user_agent AS "userAgent", details FROM audit_events WHERE request_id = $1 ORDER BY id`,
    [requestId],
  );

/** Asks, and says what that left in all trails. */
async function ask({ operation, variables = {}, credential = acme.token, world: at = world }: Question): Promise<{ answer: GraphqlAnswer; left: TrailRow[]; requestId: string }> {
  const requestId = newId('request');
  const headers = { 'x-request-id': requestId, 'user-agent': 'spec/1' };
  const answer = await at.graphql(operation, variables, credential ?? undefined, headers);
  return { answer, left: await trailOf(requestId, at), requestId };
}

const typename = ({ data }: GraphqlAnswer): string => String(Object.values(data ?? {})[0]?.__typename ?? '');
const codeOf = ({ data, errors }: GraphqlAnswer): string => String(Object.values(data ?? {})[0]?.code ?? errors[0]?.extensions['code']);

/** What the row can be asked: with the owner's things, with nobody's, and the ways that it adds. */
function plain(row: Row, things: Stage['ours']): Question {
  const asker = row.needs.startsWith('platform:') ? stage.operator : acme;
  return { operation: row.operation, variables: row.variables?.(things) ?? {}, credential: row.needs === 'public' ? null : asker.token };
}

/** Ends in vain without a line in any trail, since there is no tenant whose trail it could be: why, by field. The log has it. */
const ofNoTenant: Record<string, string> = {
  'Mutation.setUp': 'Before the first tenant there is none, and a wrong link leads to none.',
  'Mutation.refreshSession': 'A token of no session names nobody.',
  'Mutation.acceptInvitation': 'A link that was never made leads nowhere.',
  'Mutation.resetPassword': 'A link that was never made is nobody’s.',
};

function hasErrors({ field }: RootField): boolean {
  const payload = schema.getType(String(field.type).replace('!', ''));
  return isUnionType(payload) && payload.getTypes().some(({ name }) => name.endsWith('Error'));
}

it('every mutation has a row, and each says by which word the trail knows it', () => {
  const fields = Object.values(schema.getMutationType()!.getFields()).map(({ name }) => `Mutation.${name}`);
  expect(mutations.map(([name]) => name).sort()).toEqual(fields.sort());
  expect(new Set(mutations.map(([, , { action }]) => action)).size).toBe(mutations.length);
});

describe('a refusal', () => {
  it.each(permitted)('%s: leaves one line in the trail of whoever lacks the permission', async (name, { needs, operation, variables }, { action }) => {
    const credential = needs === 'endpoint:predict' ? keys.read : keys.predict;
    const expected = {
      tenantId: acme.actor.tenantId, action, result: 'forbidden', actor: expect.stringMatching(/^key:/), address: '127.0.0.1', details: { permission: needs },
    };
    if (!name.startsWith('Subscription.')) {
      const { left } = await ask({ operation, variables: variables?.(stage.ours) ?? {}, credential });
      expect(left).toEqual([{ ...expected, userAgent: 'spec/1', subject: firstId(variables?.(stage.ours)) }]);
      return;
    }
    const lines = () => world.database.asOwner('SELECT 1 FROM audit_events WHERE action = $1', [action]);
    const before = (await lines()).length;
    for await (const _ of subscribeOverHttp(world.api.url, operation, variables?.(stage.ours) ?? {}, credential)) break;
    expect(await lines()).toHaveLength(before + 1);
  });

  it.each(rows.filter(([name, { needs }]) => needs !== 'public' && !name.startsWith('Subscription.')))(
    '%s: of nobody who is signed in leaves a line in the log and none in a trail',
    async (_name, { operation, variables }, { action }) => {
      const { left, requestId } = await ask({ operation, variables: variables?.(stage.ours) ?? {}, credential: null });
      expect(left).toEqual([]);
      expect(world.log.filter((line) => line['requestId'] === requestId && line['action'] === action)).toMatchObject([{ result: 'unauthenticated', address: '127.0.0.1' }]);
    },
  );

  it('of several fields in one operation leaves one each', async () => {
    const { left } = await ask({ operation: '{ runs { edges { node { id } } } models { edges { node { id } } } viewer { permissions } }', credential: keys.predict });
    expect(left.map(({ action }) => action).sort()).toEqual(['query.models', 'query.runs']);
  });

  it('that is answered like a missing thing leaves one as well', async () => {
    const { answer, left } = await ask({ operation: 'query ($id: ID!) { node(id: $id) { id } }', variables: { id: stage.ours.run }, credential: keys.predict });
    expect(answer.data).toEqual({ node: null });
    expect(left).toMatchObject([{ action: 'query.node', result: 'forbidden', subject: stage.ours.run }]);
  });

  it('over a WebSocket leaves one', async () => {
    const client = createClient({
      url: world.api.url.replace('http', 'ws') + '/graphql', webSocketImpl: WebSocket, connectionParams: { authorization: `Bearer ${keys.predict}` }, retryAttempts: 0,
    });
    const count = async () => (await world.database.asOwner(`SELECT 1 FROM audit_events WHERE action = 'subscription.runProgress' AND result = 'forbidden'`)).length;
    const before = await count();
    for await (const { errors } of client.iterate({ query: 'subscription ($id: ID!) { runProgress(id: $id) { run { id } } }', variables: { id: stage.ours.run } })) {
      expect(errors?.[0]?.extensions?.['code']).toBe('FORBIDDEN');
    }
    await client.dispose();
    expect(await count()).toBe(before + 1);
  });

  it('below a root field leaves one for each field, not for each item of a list', async () => {
    const auth = createAuth({ database: world.database.database, ...secrets, logger: silentLogger });
    const requestId = newId('request');
    const context = { actor: acme.actor, origin: { requestId }, services: { auth } } as unknown as RequestContext;
    const below = (name: string, item: number) =>
      new GraphQLError('', {
        originalError: new DomainError('FORBIDDEN', 'No.'), path: ['datasets', item, name], nodes: [{ kind: Kind.FIELD, name: { kind: Kind.NAME, value: name } }],
      });
    await noteRefusals([below('sampleRows', 0), below('sampleRows', 1), below('secretRows', 0), new GraphQLError('another')], context, 'query.operation');
    expect((await trailOf(requestId)).map(({ action, result }) => [action, result])).toEqual([['query.sampleRows', 'forbidden'], ['query.secretRows', 'forbidden']]);
  });

  const put = (token: string | null, headers: Record<string, string>) =>
    fetch(`${world.api.url}/uploads/${stage.ours.upload}`, { method: 'PUT', headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers }, body: 'a,b\n1,2\n' });
  const download = (token: string | null, headers: Record<string, string>) =>
    fetch(`${world.api.url}/audit?format=jsonl`, { headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers } });
  const takeAway = (token: string | null, headers: Record<string, string>) =>
    fetch(`${world.api.url}/export`, { headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers } });
  it.each([['an upload', 'upload.receive', put], ['an export of the trail', 'audit.export', download], ['an export of everything', 'tenant.export', takeAway]] as const)('of %s leaves one', async (_what, action, send) => {
    const requestId = newId('request');
    expect((await send(keys.predict, { 'x-request-id': requestId, 'user-agent': 'spec/1' })).status).toBe(403);
    expect(await trailOf(requestId)).toMatchObject([{ tenantId: acme.actor.tenantId, action, result: 'forbidden', address: '127.0.0.1', userAgent: 'spec/1' }]);

    const anonymous = newId('request');
    expect((await send(null, { 'x-request-id': anonymous })).status).toBe(401);
    expect(await trailOf(anonymous)).toEqual([]);
    expect(world.log.filter((line) => line['requestId'] === anonymous && line['action'] === action)).toMatchObject([{ result: 'unauthenticated' }]);
  });

  it('of a flood leaves its first lines at once; metrics count them all', async () => {
    const read = await world.apiKey(acme, ['READ']);
    const requestIds = Array.from({ length: 40 }, () => newId('request'));
    await Promise.all(requestIds.map((requestId) => world.graphql('mutation { beginUpload(input: { filename: "a" }) { __typename } }', {}, read, { 'x-request-id': requestId })));
    const left = await Promise.all(requestIds.map((requestId) => trailOf(requestId)));
    expect(left.flat()).toHaveLength(30);
  });
});

describe('a mutation', () => {
  it.each(mutations.filter(([, , root]) => hasErrors(root)))('%s: that ends in an error of its payload leaves one line', async (name, row, { action }) => {
    const { answer, left, requestId } = await ask({ ...plain(row, nobodysThings()), ...(await row.fails?.(stage)) });
    expect(typename(answer)).toMatch(/Error$/);
    if (ofNoTenant[name]) {
      expect(left).toEqual([]);
      expect(world.log.filter((line) => line['requestId'] === requestId && line['action'] === action)).toMatchObject([{ result: codeOf(answer) }]);
      return;
    }
    const asker = row.needs.startsWith('platform:') ? stage.operator : acme;
    expect(left).toMatchObject([{ tenantId: asker.actor.tenantId, action, result: codeOf(answer), address: '127.0.0.1', userAgent: 'spec/1' }]);
  });

  it.each(mutations)('%s: is undone when its line cannot be written, and leaves one when it succeeds', async (name, row, { action }) => {
    const question = { ...plain(row, stage.ours), ...(await row.succeeds?.(stage)) };
    const at = question.world ?? world;

    await at.database.asOwner(`
      CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the trail is full'; END $$;
      CREATE TRIGGER sabotage BEFORE INSERT ON audit_events FOR EACH ROW WHEN (NEW.result = 'ok') EXECUTE FUNCTION sabotage()`);
    const before = await snapshot(at, action);
    const sabotaged = await ask(question);
    const after = await snapshot(at, action);
    await at.database.asOwner('DROP TRIGGER sabotage ON audit_events; DROP FUNCTION sabotage');
    expect(sabotaged.answer.errors.map(({ extensions }) => extensions['code'])).toEqual(['INTERNAL_SERVER_ERROR']);
    expect(after).toEqual(before);
    if (question.credential !== null) expect(sabotaged.left).toMatchObject([{ action, result: 'internal_error', address: '127.0.0.1', userAgent: 'spec/1' }]);

    const { answer, left } = await ask(question);
    expect([answer.errors, typename(answer)]).toEqual([[], expect.stringMatching(/Success$/)]);
    // One in each trail that it concerns, of which one says what was asked for, and the others what it did to them.
    expect([left.length, new Set(left.map(({ tenantId }) => tenantId)).size]).toEqual([row.trails ?? 1, row.trails ?? 1]);
    expect(left.map(({ action: word }) => word).filter((word) => word === action)).toHaveLength(1);
    for (const line of left) expect(line).toMatchObject({ result: 'ok', address: '127.0.0.1', userAgent: 'spec/1' });
    expect(left.some(({ details }) => details?.['changed'] === false)).toBe(name === 'Mutation.predict' || name === 'Mutation.explain'); // a prediction changes nothing
    if (at !== world) await at.close();
  });

  it.each([
    ['an account that there is not', async () => ['nobody@nowhere.test'], 'SignInRefusedError'],
    ['a member of nothing', async () => {
      const { email, actor } = await world.member(acme.actor.tenantId, 'VIEWER');
      await world.database.asOwner('DELETE FROM memberships WHERE person_id = $1', [actor.personId]);
      return [email];
    }, 'SignInRefusedError'],
    // Its first refusals leave lines, the one that locks says so; those while it is locked would be a flood, and it is not even looked whose they are.
    ['an account that is locked', async () => {
      const { email } = await world.member(acme.actor.tenantId, 'VIEWER');
      for (let guess = 0; guess < 5; guess++) await world.graphql('mutation ($email: String!) { signIn(input: { email: $email, password: "x" }) { __typename } }', { email });
      return [email];
    }, 'TooManyAttemptsError'],
  ] as const)('that is a sign-in to %s leaves its line in the log only', async (_what, prepare, ending) => {
    const [email] = await prepare();
    const { answer, left, requestId } = await ask({
      operation: 'mutation ($email: String!) { signIn(input: { email: $email, password: "x" }) { __typename ... on Error { code } } }', variables: { email }, credential: null,
    });
    expect([typename(answer), left]).toEqual([ending, []]);
    expect(world.log.filter((line) => line['requestId'] === requestId && line['action'] === 'session.open')).toMatchObject([{ result: codeOf(answer) }]);
  });

  it('that is a sign-in without the second factor leaves one: somebody knows the password', async () => {
    const { member } = await somebodyWithSecondFactor(stage);
    const { answer, left } = await ask({
      operation: 'mutation ($input: SignInInput!) { signIn(input: $input) { __typename } }', variables: { input: { email: member.email, password } }, credential: null,
    });
    expect(typename(answer)).toBe('SecondFactorRequired');
    expect(left).toMatchObject([{ tenantId: acme.actor.tenantId, action: 'session.open', result: 'second_factor_required', subject: member.actor.personId, address: '127.0.0.1' }]);
  });

  it('that asks for a link for nobody leaves no line: its answer is that of a success', async () => {
    const { left } = await ask({ operation: 'mutation { requestPasswordReset(input: { email: "nobody@nowhere.test" }) { __typename } }', credential: null });
    expect(left).toEqual([]);
  });

  it('that is asked for twice and changes nothing leaves a line that says so', async () => {
    const question = { operation: 'mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { __typename } }', variables: { id: stage.ours.apiKey } };
    expect((await ask(question)).left).toMatchObject([{ action: 'key.revoke', result: 'ok', subject: stage.ours.apiKey, details: { changed: false } }]);
  });

  it('among several in one request leaves its own line', async () => {
    const { left } = await ask({
      operation: `mutation {
        a: beginUpload(input: { filename: "a.csv" }) { __typename } b: beginUpload(input: { filename: "" }) { __typename }
        c: createApiKey(input: { alias: "", scopes: [] }) { __typename } d: beginUpload(input: { filename: "d.csv" }) { __typename }
      }`,
    });
    expect(left.map(({ action, result }) => [action, result])).toEqual([
      ['upload.begin', 'ok'], ['upload.begin', 'filename_invalid'], ['key.create', 'invalid_input'], ['upload.begin', 'ok'],
    ]);
  });

  it('cannot hide its line behind the id of another request', async () => {
    const requestId = newId('request');
    const begin = (filename: string) =>
      world.graphql('mutation ($filename: String!) { beginUpload(input: { filename: $filename }) { __typename } }', { filename }, acme.token, { 'x-request-id': requestId });
    await Promise.all([begin('a.csv'), begin(''), begin('c.csv'), begin('')]);
    expect((await trailOf(requestId)).map(({ result }) => result).sort()).toEqual(['filename_invalid', 'filename_invalid', 'ok', 'ok']);
  });

  it('of a key that names endpoints leaves one line when it asks for another', async () => {
    const created = await world.graphql('mutation { createApiKey(input: { alias: "narrow", scopes: [PREDICT], models: ["other"] }) { ... on CreateApiKeySuccess { key } } }', {}, acme.token);
    const credential = created.data!['createApiKey'].key as string;
    const { answer, left } = await ask({ operation: 'mutation { predict(input: { endpoint: "canary-endpoint", rows: [{}] }) { __typename ... on Error { code } } }', credential });
    expect(answer.data!['predict']).toEqual({ __typename: 'NotFoundError', code: 'endpoint_not_found' });
    expect(left).toMatchObject([{ action: 'endpoint.predict', result: 'endpoint_not_found' }]);
  });
});

it('an upload leaves one line, whatever way it ends', async () => {
  const send = async (url: string, body: string, headers = {}) => {
    const requestId = newId('request');
    const response = await fetch(`${world.api.url}${url}`, { method: 'PUT', headers: { authorization: `Bearer ${acme.token}`, 'x-request-id': requestId, ...headers }, body });
    const { error } = (await response.json()) as { error?: { code: string } };
    return { code: error?.code ?? 'ok', left: await trailOf(requestId) };
  };
  const { id, url } = await world.beginUpload(acme.token);
  const endings = [
    await send(url, 'x'.repeat(1024 * 1024 + 1)),
    await send(url, 'a,b\n1,2\n'),
    await send(url, 'a,b\n1,2\n'),
    await send(`/uploads/${newId('upload')}`, 'a'),
  ];
  expect(endings.map(({ code }) => code)).toEqual(['file_too_large', 'ok', 'upload_already_complete', 'upload_not_found']);
  for (const { code, left } of endings) expect(left).toMatchObject([{ action: 'upload.receive', result: code, actor: `person:${acme.actor.personId}` }]);
  expect(endings[1]!.left[0]!.subject).toBe(id);
});

const countsGuesses = ['session.open', 'password.change', 'password.request_reset', 'second_factor.begin', 'second_factor.remove'];

/** A digest of every table but the trail's own. */
async function snapshot(at: World, action: string): Promise<Record<string, string>> {
  // What is held for a file that is being stored is given back a day later: nobody knows whether its row came through.
  // A guess counts before it is looked at, so it counts whatever comes of it.
  const held = action.startsWith('dataset.') ? ['reservations', 'quota_counters'] : countsGuesses.includes(action) ? ['sign_in_throttles'] : [];
  const tables = await at.database.asOwner<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`);
  const looked = tables.map(({ name }) => name).filter((name) => !['audit_events', 'audit_links', ...held].includes(name));
  const digests = await at.database.asOwner<{ name: string; digest: string }>(
    looked.map((name) => `SELECT '${name}' AS name, md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text), '')) AS digest FROM ${name} t`).join(' UNION ALL '),
  );
  return Object.fromEntries(digests.map(({ name, digest }) => [name, digest]));
}

function firstId(variables: object | undefined): string | null {
  const texts = Object.values(variables ?? {}).filter((value): value is string => typeof value === 'string');
  return texts.find((value) => /^[a-z]{3}_[0-9a-z]{26}$/.test(value)) ?? null;
}

describe('reading the trail', () => {
  const events = async (args: string, credential = acme.token) => {
    const { data, errors } = await world.graphql(`{ auditEvents(first: 100${args}) { edges { node { id at actor actorLabel action subject result number hash address userAgent } } } }`, {}, credential);
    expect(errors).toEqual([]);
    return data!['auditEvents'].edges.map(({ node }: { node: Record<string, unknown> }) => node) as Record<string, unknown>[];
  };

  it('is newest first, each line with its link', async () => {
    const all = await events('');
    expect(all.map(({ id }) => id)).toEqual(all.map(({ id }) => id as string).sort().reverse());
    for (const { number, hash } of all) expect([number, hash]).toEqual([expect.any(Number), expect.stringMatching(/^[0-9a-f]{64}$/)]);
  });

  it('filters by actor, action or its beginning, subject, result and time', async () => {
    const ben = await world.member(acme.actor.tenantId, 'ENGINEER');
    const since = new Date().toISOString();
    await world.beginUpload(ben.token);
    await world.graphql('mutation { beginUpload(input: { filename: "" }) { __typename } }', {}, ben.token);
    const actor = `person:${ben.actor.personId}`;
    const bens = await events(`, actor: "${actor}", from: "${since}"`);
    expect(bens.map(({ action, result }) => [action, result])).toEqual([['upload.begin', 'filename_invalid'], ['upload.begin', 'ok']]);
    expect(await events(`, actor: "${actor}", to: "${since}", action: "upload."`)).toEqual([]);
    expect(new Set((await events(', action: "upload."')).map(({ action }) => (action as string).split('.')[0]))).toEqual(new Set(['upload']));
    expect((await events(', action: "dataset.add_version"')).map(({ action }) => action)).toContain('dataset.add_version');
    for (const wildcard of ['%', 'upload_begin', 'uploa_']) expect(await events(`, action: "${wildcard}"`)).toEqual([]);
    expect(new Set((await events(', result: "forbidden"')).map(({ result }) => result))).toEqual(new Set(['forbidden']));
    const upload = bens[1]!['subject'];
    expect((await events(`, subject: "${upload as string}"`)).map(({ action }) => action)).toEqual(['upload.begin']);
  });

  it('names people and keys as long as the tenant knows them', async () => {
    const ben = await world.member(acme.actor.tenantId, 'ENGINEER');
    await world.beginUpload(ben.token);
    const [line] = await events(`, actor: "person:${ben.actor.personId}", action: "upload."`);
    const { data } = await world.graphql('{ viewer { person { name } } }', {}, ben.token);
    expect(line!['actorLabel']).toBe(data!['viewer'].person.name);
    const labels = new Map((await events('')).map(({ actor, actorLabel }) => [actor as string, actorLabel]));
    expect([...labels].filter(([actor]) => actor.startsWith('key:')).every(([actor, label]) => typeof label === 'string' && label !== actor)).toBe(true);
    await world.database.asOwner('DELETE FROM memberships WHERE person_id = $1', [ben.actor.personId]);
    expect((await events(`, actor: "person:${ben.actor.personId}", action: "upload."`))[0]!['actorLabel']).toBe(`person:${ben.actor.personId}`);
  });

  it('shows the chain, and where it is broken', async () => {
    const zoe = await world.tenant('tampered');
    await world.beginUpload(zoe.token);
    const chain = async () => (await world.graphql('{ auditChain { length head verified firstBroken { number eventId at reason } } }', {}, zoe.token)).data!['auditChain'];
    const before = await chain();
    expect(before).toEqual({ length: expect.any(Number), head: expect.stringMatching(/^\d+:[0-9a-f]{64}$/), verified: true, firstBroken: null });
    const [event] = await world.database.asOwner<{ id: string; number: number }>(
      `SELECT e.id, l.number FROM audit_events e JOIN audit_links l ON l.event_id = e.id WHERE e.tenant_id = $1 AND e.action = 'session.open'`,
      [zoe.actor.tenantId],
    );
    await world.database.asOwner(`UPDATE audit_events SET actor = 'system' WHERE id = $1`, [event!.id]);
    expect(await chain()).toEqual({ ...before, verified: false, firstBroken: { number: event!.number, eventId: event!.id, at: expect.any(String), reason: 'changed' } });
  });
});

describe('GET /audit', () => {
  const download = (credential: string, query: string) =>
    fetch(`${world.api.url}/audit?${query}`, { headers: { authorization: `Bearer ${credential}`, 'x-request-id': 'req-of-the-export' } });

  it('gives JSON Lines that anybody can verify with SHA-256, and stands in the trail itself', async () => {
    const response = await download(acme.token, 'format=jsonl');
    expect([response.status, response.headers.get('content-type'), response.headers.get('content-disposition'), response.headers.get('cache-control')]).toEqual([
      200, 'application/jsonl; charset=utf-8', 'attachment; filename="audit.jsonl"', 'no-store',
    ]);
    const lines = (await response.text()).trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, any>); // eslint-disable-line @typescript-eslint/no-explicit-any

    // The recipe of docs/audit.md.
    let hash = '0'.repeat(64);
    for (const line of lines) {
      hash = createHash('sha256').update(hash + line['text']).digest('hex');
      expect(hash).toBe(line['hash']);
      const { id, at, actor, action, subject, result, requestId, address, userAgent, details } = line;
      expect(JSON.parse(line['text'] as string)).toEqual([id, acme.actor.tenantId, at, actor, action, subject, result, requestId, address, userAgent, details]);
    }
    expect(lines.map(({ number }) => number)).toEqual(lines.map((_, index) => index + 1));
    expect(await trailOf('req-of-the-export')).toMatchObject([{ action: 'audit.export', result: 'ok', details: { format: 'jsonl', lastNumber: lines.length } }]);
    expect((await world.graphql('{ auditChain { head } }', {}, acme.token)).data!['auditChain'].head).toMatch(new RegExp(`^${lines.length + 1}:`));
  });

  it('gives CSV that no spreadsheet takes for a formula', async () => {
    const zoe = await world.tenant('formulas');
    await world.database.database.forTenant(zoe.actor.tenantId).transaction(async (tx) => {
      for (const userAgent of ['=HYPERLINK("http://x")', '+1', '-1', '@SUM(A1)', '\tx', '\rx', 'plain, "quoted"\nand broken']) {
        await recordAudit(tx, { type: 'system', tenantId: zoe.actor.tenantId, userAgent }, { action: 'thing.do' });
      }
    });
    const text = await (await download(zoe.token, 'format=csv')).text();
    expect(text.split('\r\n')[0]).toBe('number,at,actor,action,subject,result,requestId,address,userAgent,details,id,hash');
    const cells = parseCsv(text).slice(1).filter((cells) => cells[3] === 'thing.do').map((cells) => cells[8]);
    expect(cells).toEqual([`'=HYPERLINK("http://x")`, `'+1`, `'-1`, `'@SUM(A1)`, `'\tx`, `'\rx`, 'plain, "quoted"\nand broken']);
  });

  it('keeps to a time', async () => {
    const since = new Date().toISOString();
    await world.beginUpload(acme.token);
    const until = new Date(Date.now() + 1).toISOString();
    await new Promise<void>((resolve) => setTimeout(resolve, 2)); // so that the clock goes on
    await world.beginUpload(acme.token);
    const text = await (await download(acme.token, `format=jsonl&from=${since}&to=${until}`)).text();
    expect(text.trimEnd().split('\n').map((line) => (JSON.parse(line) as { action: string }).action)).toEqual(['upload.begin']);
  });

  it.each([['format=xml', 'format'], ['format=jsonl&from=yesterday', 'from'], ['format=csv&to=2026-01-01', 'to'], ['format=csv&since=2026', 'since'], ['format=csv&format=jsonl', 'format']])(
    'refuses %s, naming the parameter',
    async (query, field) => {
      const response = await download(acme.token, query);
      expect(response.status).toBe(400);
      expect(((await response.json()) as { error: object }).error).toMatchObject({ code: 'INVALID', field, remedy: expect.any(String) });
    },
  );

  it('is a page of the console to a browser that opens it', async () => {
    const response = await fetch(`${world.api.url}/audit`, { headers: { accept: 'text/html' } });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  });

  async function withLongTrail(name: string): Promise<Member> {
    const zoe = await world.tenant(name);
    await world.database.database.forTenant(zoe.actor.tenantId).transaction(
      (tx) => tx.$executeRaw`
        INSERT INTO audit_events (id, tenant_id, actor, action, result, details)
        SELECT 'aud_' || left(md5(${name} || n), 26), ${zoe.actor.tenantId}, 'system', 'thing.do', 'ok', jsonb_build_object('text', repeat('x', 2000)) FROM generate_series(1, 6000) n`,
    );
    return zoe;
  }

  it('breaks off when its reader signs out', async () => {
    const zoe = await withLongTrail('ended');
    const response = await download(zoe.token, 'format=jsonl');
    expect(response.status).toBe(200);
    const reader = response.body!.getReader();
    await reader.read();
    await world.graphql('mutation { signOut { __typename } }', {}, zoe.token);
    const isRefused = async (): Promise<boolean> => {
      const { status, body } = await download(zoe.token, 'format=jsonl');
      await body?.cancel();
      return status === 401;
    };
    while (!(await isRefused()));
    // Known here before it breaks off, and what the server has sent already still comes: taken one piece a question, so that
    // a server with much to do is not outrun.
    const rest = (async () => {
      while (!(await reader.read()).done) await isRefused();
    })();
    await expect(rest).rejects.toThrow('terminated');
  });

  it('reads a long trail only as fast as it is taken', async () => {
    const zoe = await withLongTrail('long');
    const isReading = async () =>
      (await world.database.asOwner(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()`)).length > 0;
    const response = await download(zoe.token, 'format=jsonl');
    expect(response.status).toBe(200);
    const reader = response.body!.getReader();
    await reader.read();
    // Nothing more is taken: the server, far from the end, stops reading, and holds no connection.
    for (let quiet = 0; quiet < 5; ) quiet = (await isReading()) ? 0 : quiet + 1;
    // What is gone before it was read cannot be sent.
    await world.database.asOwner('DELETE FROM audit_events e USING audit_links l WHERE l.event_id = e.id AND l.tenant_id = $1 AND l.number > 5500', [zoe.actor.tenantId]);
    let lines = 1;
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) lines += Buffer.from(chunk.value).toString('latin1').split('\n').length - 1;
    expect(lines).toBeGreaterThan(5000);
    expect(lines).toBeLessThan(5600);
  });
});

/** RFC 4180. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, bare, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    rows.at(-1)!.push(quoted?.replaceAll('""', '"') ?? bare ?? '');
    if (end === '\r\n') rows.push([]);
  }
  return rows.filter((row) => row.length > 1);
}

describe('the permission table', () => {
  it('is served as it is enforced, fields and routes with it', async () => {
    const { data } = await world.graphql('{ permissionTable { permission text roles scopes fields routes } }', {}, keys.predict);
    const table = data!['permissionTable'] as { permission: string; roles: string[]; scopes: string[]; fields: string[]; routes: string[] }[];
    for (const [name, { needs }] of rows) {
      expect([name, table.filter(({ fields }) => fields.includes(name)).map(({ permission }) => permission)]).toEqual([name, needs === 'public' || needs === 'signed-in' ? [] : [needs]]);
    }
    const submit = table.find(({ permission }) => permission === 'run:submit')!;
    expect(submit).toMatchObject({ roles: ['ENGINEER', 'ADMIN', 'OWNER'], scopes: ['TRAIN', 'ADMIN'], fields: ['Mutation.compressModel', 'Mutation.optimizeModel', 'Mutation.submitRun'] });
    expect(table.find(({ permission }) => permission === 'dataset:write')!.routes).toEqual(['api: PUT /uploads/{id}']);
  });

  it('is what each root field says of itself in the access spec', () => {
    for (const [name, { needs }, { access }] of rows) {
      expect([name, access]).toEqual([name, needs === 'public' ? { public: true } : needs === 'signed-in' ? { signedIn: true } : { permission: needs }]);
    }
  });

  const scopes = Object.keys(permissionsOfScope) as ApiKeyScope[];
  it.each((httpRoutes.api as readonly HttpRoute[]).map((route) => [`${route.method} ${route.path}`, route] as const))('%s lets in whom its row says', async (_name, { method, path, access }) => {
    const address = world.api.url + path.replace('{id}', newId('upload')).replace('*', '');
    const body = method === 'PUT' ? 'x' : method === 'POST' ? '{}' : null;
    const statusFor = async (key: string | null) => {
      const headers = { ...(key ? { authorization: `Bearer ${key}` } : {}), ...(method === 'POST' ? { 'content-type': 'application/json' } : {}) };
      const response = await fetch(address, { method, headers, redirect: 'manual', ...(body === null ? {} : { body }) });
      await response.body?.cancel();
      return response.status;
    };
    const anonymous = await statusFor(null);
    expect([anonymous === 401, anonymous === 404]).toEqual([access === 'signed-in' || typeof access === 'object', false]);
    for (const scope of scopes) {
      const holds = typeof access === 'string' || access.some((permission) => permissionsOfScope[scope].includes(permission));
      const status = await statusFor(await world.apiKey(acme, [scope]));
      expect([scope, status !== 403, status === 401]).toEqual([scope, holds, false]);
    }
  });
});

it('only root types have what the table of fields is about', () => {
  const others = Object.values(schema.getTypeMap()).filter((type) => isObjectType(type) && !['Query', 'Mutation', 'Subscription'].includes(type.name));
  for (const type of others) if (isObjectType(type)) for (const field of Object.values(type.getFields())) expect(field.extensions['access']).toBeUndefined();
});
