import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAuth } from '@millrace/auth';
import { newId, silentLogger } from '@millrace/kernel';
import { enterPrediction } from '@millrace/quota';
import { startPatience } from '@millrace/testkit';
import { createApiWorld, type GraphqlAnswer, irisSpec, type Member, secrets, type World } from './api-world.ts';
import { subscribeOverHttp } from './event-stream.ts';
import { initOverWebSocket } from './raw-socket.ts';

let world: World;
let ana: Member;
let inference: Server;
let relayed: IncomingHttpHeaders[] = [];

beforeAll(async () => {
  inference = createServer((request, response) => {
    relayed.push(request.headers);
    response.writeHead(200, { 'content-type': 'application/json', 'x-millrace-model-version': '1', 'x-millrace-prediction-id': 'prd_00000000000000000000000001', 'x-millrace-cost-units': '1' });
    response.end('{"predictions":[7]}');
  });
  await new Promise<void>((resolve) => inference.listen(0, '127.0.0.1', resolve));
  world = await createApiWorld({ inferenceUrl: `http://127.0.0.1:${(inference.address() as AddressInfo).port}` });
  ana = await world.tenant('ana');
});
beforeEach(() => void (relayed = []));
afterAll(async () => {
  await world.close();
  await new Promise((resolve) => inference.close(resolve));
});

const shown = `id alias state scopes models addresses blocked expiresAt rpmLimit maxParallelRequests metadata publicId lastFour rotatedAt previousUntil
  usageThisMonth { predictions rows computeSeconds }`;
const outcome = (success: string) => `__typename ... on ${success} { apiKey { ${shown} } } ... on InvalidInputError { problems { field code } } ... on Error { code message remedy }`;

async function create(input: object = {}, by = ana.token): Promise<{ id: string; key: string; apiKey: Record<string, unknown> }> {
  const { data, text } = await world.graphql(
    `mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { ... on CreateApiKeySuccess { key } ${outcome('CreateApiKeySuccess')} } }`,
    { input: { alias: 'press 4', scopes: ['READ', 'PREDICT'], ...input } },
    by,
  );
  const made = data!['createApiKey'];
  if (made.__typename !== 'CreateApiKeySuccess') throw new Error(text);
  return { id: made.apiKey.id, key: made.key, apiKey: made.apiKey };
}

const update = async (input: object, by = ana.token): Promise<GraphqlAnswer> =>
  world.graphql(`mutation ($input: UpdateApiKeyInput!) { updateApiKey(input: $input) { ${outcome('UpdateApiKeySuccess')} } }`, { input }, by);
const rotate = async (input: object, by = ana.token): Promise<GraphqlAnswer> =>
  world.graphql(`mutation ($input: RotateApiKeyInput!) { rotateApiKey(input: $input) { ... on RotateApiKeySuccess { key } ${outcome('RotateApiKeySuccess')} } }`, { input }, by);
const seen = async (id: string): Promise<Record<string, unknown>> =>
  (await world.graphql(`query ($id: ID!) { node(id: $id) { ... on ApiKey { ${shown} } } }`, { id }, ana.token)).data!['node'];
const statusWith = async (key: string): Promise<number> => (await world.graphql('{ viewer { apiKey { alias } } }', {}, key)).status;

/** The answer as soon as it is as wished, within the second that the product promises. */
async function withinASecond<T>(ask: () => Promise<T>, wished: T): Promise<void> {
  const isOver = startPatience(1_000);
  let answer = await ask();
  while (answer !== wished && !isOver()) answer = await ask();
  expect(answer).toBe(wished);
}

describe('an API key', () => {
  it('is made with all that it may have, and shows it', async () => {
    const { key, apiKey } = await create({
      models: ['iris'], addresses: ['127.0.0.1/32', '::ffff:10.0.0.0/104'], expiresAt: '2099-01-01T00:00:00.000Z', rpmLimit: 600, maxParallelRequests: 4, metadata: { ticket: 'ABC-1' },
    });
    expect(apiKey).toEqual({
      id: expect.stringMatching(/^key_/), alias: 'press 4', state: 'ACTIVE', scopes: ['READ', 'PREDICT'], models: ['iris'], addresses: ['127.0.0.1', '10.0.0.0/8'], blocked: false,
      expiresAt: '2099-01-01T00:00:00.000Z', rpmLimit: 600, maxParallelRequests: 4, metadata: { ticket: 'ABC-1' }, publicId: key.slice(8, 18), lastFour: key.slice(-4), rotatedAt: null, previousUntil: null,
      usageThisMonth: { predictions: 0, rows: 0, computeSeconds: 0 },
    });
    expect(await statusWith(key)).toBe(200);
  });

  it('takes changes one by one, and nulls where they mean something', async () => {
    const { id } = await create({ rpmLimit: 600, models: ['iris'], expiresAt: '2099-01-01T00:00:00Z', metadata: { a: 1 } });
    expect((await update({ id, alias: 'press 5' })).data!['updateApiKey'].apiKey).toMatchObject({ alias: 'press 5', rpmLimit: 600, models: ['iris'], metadata: { a: 1 } });
    expect((await update({ id, rpmLimit: null, expiresAt: null, models: [], alias: null, metadata: null })).data!['updateApiKey'].apiKey).toMatchObject({
      alias: 'press 5', rpmLimit: null, expiresAt: null, models: [], metadata: { a: 1 },
    });
    expect((await update({ id, rpmLimit: 0, addresses: ['nowhere'] })).data!['updateApiKey']).toMatchObject({
      __typename: 'InvalidInputError', problems: [{ field: 'addresses', code: 'addresses_unfit' }, { field: 'rpmLimit', code: 'out_of_range' }],
    });
  });

  it('tells its state', async () => {
    const { id, key } = await create({ expiresAt: '2099-01-01T00:00:00Z' });
    expect((await update({ id, blocked: true })).data!['updateApiKey'].apiKey.state).toBe('BLOCKED');
    await withinASecond(() => statusWith(key), 401);
    expect((await update({ id, blocked: false })).data!['updateApiKey'].apiKey.state).toBe('ACTIVE');
    await withinASecond(() => statusWith(key), 200);
    await world.database.asOwner(`UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1`, [id]);
    expect(await seen(id)).toMatchObject({ state: 'EXPIRED' });
    expect((await rotate({ id, overlapSeconds: 0 })).data!['rotateApiKey']).toMatchObject({ __typename: 'ConflictError', code: 'api_key_expired' });
    await world.graphql('mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { __typename } }', { id }, ana.token);
    expect(await seen(id)).toMatchObject({ state: 'REVOKED' });
    expect((await update({ id, blocked: false })).data!['updateApiKey']).toMatchObject({ __typename: 'ConflictError', code: 'api_key_revoked' });
  });

  it('is rotated with an overlap, and shows its new text once', async () => {
    const { id, key } = await create();
    const { data } = await rotate({ id, overlapSeconds: 3_600 });
    const { key: next, apiKey } = data!['rotateApiKey'];
    expect(apiKey).toMatchObject({ id, publicId: key.slice(8, 18), lastFour: next.slice(-4), rotatedAt: expect.any(String) });
    expect(Date.parse(apiKey.previousUntil) - Date.parse(apiKey.rotatedAt)).toBe(3_600_000);
    expect([await statusWith(key), await statusWith(next)]).toEqual([200, 200]);
    const third = (await rotate({ id, overlapSeconds: 0 })).data!['rotateApiKey'].key;
    for (const old of [key, next]) await withinASecond(() => statusWith(old), 401);
    expect(await statusWith(third)).toBe(200);
    expect(JSON.stringify(await seen(id))).not.toContain(third.slice(19, -4));
    expect((await rotate({ id, overlapSeconds: 2_592_001 })).data!['rotateApiKey']).toMatchObject({ problems: [{ field: 'overlapSeconds' }] });
    expect((await rotate({ id: newId('apiKey'), overlapSeconds: 0 })).data!['rotateApiKey']).toMatchObject({ __typename: 'NotFoundError' });
    expect((await rotate({ id: 'nonsense', overlapSeconds: 0 })).data!['rotateApiKey']).toMatchObject({ __typename: 'NotFoundError' });
  });

  it('is neither changed nor rotated by somebody who may do less than it', async () => {
    const engineer = await world.member(ana.actor.tenantId, 'ENGINEER');
    const { id } = await create({ scopes: ['ADMIN'] });
    for (const answer of [await update({ id, addresses: [] }, engineer.token), await rotate({ id, overlapSeconds: 60 }, engineer.token)]) {
      expect(answer.errors[0]!.extensions).toMatchObject({ code: 'FORBIDDEN' });
    }
  });

  it('shows what it used this month, a page of keys at a time', async () => {
    const bea = await world.tenant('bea');
    const keys = await Promise.all(Array.from({ length: 12 }, () => create({}, bea.token)));
    const { tenantId } = bea.actor;
    for (const [index, { id }] of keys.entries()) {
      for (const at of [new Date(), new Date('2020-01-01')]) {
        const usage = { tenantId, requestId: newId('prediction'), at, actor: `key:${id}`, endpointId: 'end_1', modelVersionId: 'ver_1', rows: index, units: index };
        await world.database.database.forTenant(tenantId).transaction((tx) => enterPrediction(tx, usage));
      }
    }
    const { data } = await world.graphql('{ apiKeys(first: 100) { edges { node { id usageThisMonth { predictions rows } } } } }', {}, bea.token);
    const used = new Map(data!['apiKeys'].edges.map(({ node }: { node: { id: string; usageThisMonth: unknown } }) => [node.id, node.usageThisMonth]));
    expect(keys.map(({ id }) => used.get(id))).toEqual(keys.map((_, index) => ({ predictions: 1, rows: index })));
    const own = await world.graphql('{ viewer { apiKey { usageThisMonth { rows } } } }', {}, (await create({ scopes: ['PREDICT'] }, bea.token)).key);
    expect(own.data!['viewer'].apiKey.usageThisMonth).toEqual({ rows: 0 }); // its own it may see
  });

  it('leaves a line in the trail for each change', async () => {
    const { id } = await create();
    await update({ id, rpmLimit: 5 });
    await rotate({ id, overlapSeconds: 60 });
    const { data } = await world.graphql('{ auditEvents(first: 20) { edges { node { action subject details } } } }', {}, ana.token);
    const lines = data!['auditEvents'].edges.map(({ node }: { node: object }) => node).filter(({ subject }: { subject?: string }) => subject === id);
    expect(lines).toEqual([
      { action: 'key.rotate', subject: id, details: { overlapSeconds: 60 } },
      { action: 'key.update', subject: id, details: { rpmLimit: 5 } },
      { action: 'key.create', subject: id, details: { alias: 'press 4', scopes: ['READ', 'PREDICT'], models: [], addresses: [] } },
    ]);
  });
});

describe('a key that is bound to addresses', () => {
  it('is refused elsewhere at every door, by a code of its own', async () => {
    const { key } = await create({ addresses: ['203.0.113.7'], scopes: ['ADMIN', 'TRAIN'] });
    const answer = await world.graphql('{ viewer { role } }', {}, key);
    expect([answer.status, answer.errors[0]!.extensions['code'], answer.data]).toEqual([403, 'ADDRESS_NOT_ALLOWED', null]);
    expect(answer.errors[0]!.extensions['remedy']).toEqual(expect.any(String));
    const { url } = await world.beginUpload(ana.token);
    const upload = await world.put(key, url, 'a,b\n1,2\n');
    expect([upload.status, ((await upload.json()) as { error: { code: string } }).error.code]).toEqual([403, 'ADDRESS_NOT_ALLOWED']);
    const stream = await fetch(`${world.api.url}/graphql/stream`, {
      method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', accept: 'text/event-stream' }, body: '{"query":"subscription { runProgress(id: \\"x\\") { run { id } } }"}',
    });
    expect(stream.status).toBe(403);
    expect(await initOverWebSocket(world.api.url, [], { authorization: `Bearer ${key}` })).toBe(4403);
  });

  it('works from its addresses, and from others within a second once it may', async () => {
    const { id, key } = await create({ addresses: ['127.0.0.0/8'] });
    expect(await statusWith(key)).toBe(200);
    expect(await initOverWebSocket(world.api.url, [], { authorization: `Bearer ${key}` })).toBe('ack');
    await update({ id, addresses: ['203.0.113.7'] });
    await withinASecond(() => statusWith(key), 403);
    await update({ id, addresses: [] });
    await withinASecond(() => statusWith(key), 200);
  });

  it('is told no more by a subscription that it began where it still might', async () => {
    const { id, key } = await create({ addresses: ['127.0.0.0/8'] });
    const { versionId } = await world.iris(ana.token, newId('dataset'));
    const submitted = await world.graphql(
      'mutation ($input: SubmitRunInput!) { submitRun(input: $input) { ... on SubmitRunSuccess { run { id } } } }',
      { input: { datasetVersionId: versionId, modelName: 'iris', spec: irisSpec } },
      ana.token,
    );
    const runId = submitted.data!['submitRun'].run.id;
    const values = subscribeOverHttp(world.api.url, 'subscription ($id: ID!) { runProgress(id: $id) { run { status } } }', { id: runId }, key);
    expect((await values.next()).value).toEqual({ data: { runProgress: { run: { status: 'QUEUED' } } } });
    await update({ id, addresses: ['203.0.113.7'] });
    await withinASecond(() => statusWith(key), 403);
    await world.graphql('mutation ($id: ID!) { cancelRun(input: { id: $id }) { __typename } }', { id: runId }, ana.token);
    const last = (await values.next()).value as { data?: unknown; errors?: { extensions: object }[] };
    expect(last.data ?? null).toBeNull();
    expect(last.errors![0]!.extensions).toMatchObject({ code: 'ADDRESS_NOT_ALLOWED' });
    expect((await values.next()).done).toBe(true);
  });

  it('predicts through this server as from where its user is', async () => {
    const { key } = await create({ addresses: ['127.0.0.1'] });
    const { data } = await world.graphql('mutation { predict(input: { endpoint: "iris", rows: [[1]] }) { ... on PredictSuccess { predictions } } }', {}, key);
    expect(data).toEqual({ predict: { predictions: [7] } });
    const auth = createAuth({ database: world.database.database, ...secrets, logger: silentLogger });
    expect(auth.vouchedAddress(key, relayed[0]!['x-millrace-caller'])).toBe('127.0.0.1');
  });
});
