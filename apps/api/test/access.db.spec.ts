import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { schema } from '../src/schema.ts';
import type { Things } from './access/row.ts';
import { accessTable } from './access/table.ts';
import { makeThings, nobodysThings } from './access/things.ts';
import { createApiWorld, type GraphqlAnswer, type Member, type World } from './api-world.ts';
import { subscribeOverHttp } from './event-stream.ts';
import { platformTenantId } from '@millrace/auth';

const table = accessTable;
const rows = Object.entries(table);
const guarded = rows.filter(([, row]) => row.needs !== 'public');
const permitted = guarded.filter(([, row]) => row.needs !== 'signed-in');
/** What operators do; all else is a tenant's own. */
const isOperators = (name: string): boolean => table[name]!.needs.startsWith('platform:');
/** End the session that asks. */
const endsSession = (name: string): boolean => ['Mutation.signOut', 'Mutation.switchTenant'].includes(name);
const naming = rows.filter(([, row]) => row.variables);

let world: World;
let inference: Server;
let acme: Member;
let stranger: Member;
let operator: Member;
let keys: { predict: string; read: string };
let ours: Things;
let nobodys: Things;

beforeAll(async () => {
  inference = createServer((_request, response) => {
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: { code: 'model_not_found', message: 'There is no such endpoint.', remedy_hint: 'List them.' } }));
  });
  await new Promise<void>((resolve) => inference.listen(0, '127.0.0.1', resolve));
  world = await createApiWorld({ inferenceUrl: `http://127.0.0.1:${(inference.address() as AddressInfo).port}`, textRecords: async () => [] });
  acme = await world.tenant('canary-acme');
  stranger = await world.tenant('stranger');
  operator = await world.member(platformTenantId, 'OPERATOR');
  keys = { predict: await world.apiKey(acme, ['PREDICT']), read: await world.apiKey(acme, ['READ']) };

  ours = await makeThings(world, acme, operator);
  nobodys = nobodysThings();
});

afterAll(async () => {
  await world.close();
  await new Promise((resolve) => inference.close(resolve));
});

type Answer = Pick<GraphqlAnswer, 'data' | 'errors' | 'text'>;

async function drive(name: string, things: Things, credential?: string): Promise<Answer> {
  const { operation, variables } = table[name]!;
  if (!name.startsWith('Subscription.')) return world.graphql(operation, variables?.(things), credential);
  for await (const { data, errors } of subscribeOverHttp(world.api.url, operation, variables?.(things) ?? {}, credential)) {
    return { data: data ?? null, errors: errors ?? [], text: JSON.stringify({ data, errors }) };
  }
  throw new Error('the subscription ended without a value');
}

const codes = ({ errors }: Answer): unknown[] => errors.map(({ extensions }) => extensions['code']);
const withoutRequestId = ({ text }: Answer): string => text.replace(/"requestId":"[^"]*"/g, '"requestId":""');

it('every root field has a row in the table', () => {
  const fields = [schema.getQueryType()!, schema.getMutationType()!, schema.getSubscriptionType()!].flatMap((type) =>
    Object.keys(type.getFields()).map((field) => `${type.name}.${field}`),
  );
  expect(Object.keys(table).sort()).toEqual(fields.sort());
});

it.each(guarded)('%s: nobody gets in anonymously', async (name) => {
  const answer = await drive(name, ours);
  expect(codes(answer)).toEqual(['UNAUTHENTICATED']);
  expect(answer.text).not.toContain('canary');
});

it.each(permitted)('%s: a good credential without the permission is refused', async (name, { needs }) => {
  const answer = await drive(name, ours, needs === 'endpoint:predict' ? keys.read : keys.predict);
  expect(codes(answer)).toEqual(['FORBIDDEN']);
  expect(answer.text).not.toContain('canary');
});

it.each(naming)('%s: what another tenant has is answered byte for byte like what nobody has', async (name) => {
  const foreign = await drive(name, ours, stranger.token);
  const missing = await drive(name, nobodys, stranger.token);
  expect(withoutRequestId(foreign)).toBe(withoutRequestId(missing));
  expect(foreign.text).not.toContain('canary');
});

it.each(rows.filter(([, row]) => !row.variables))('%s: another tenant’s owner sees nothing of this one', async (name) => {
  const asker = endsSession(name) ? await world.member(stranger.actor.tenantId, 'ADMIN') : stranger;
  expect((await drive(name, ours, asker.token)).text).not.toContain('canary');
});

// The grant is the operator's own: they may end it, and know what they wrote.
const tenantsOwn = guarded.filter(([name]) => !isOperators(name) && name !== 'Mutation.revokeAccessGrant');
it.each(tenantsOwn)('%s: an operator sees nothing of a tenant without a grant', async (name) => {
  const asker = endsSession(name) || name === 'Mutation.leaveTenant' ? await world.member(platformTenantId, 'OPERATOR') : operator;
  const answer = await drive(name, ours, asker.token);
  expect(answer.text).not.toContain('canary');
  if (!table[name]!.variables || codes(answer).length) return;
  expect(withoutRequestId(answer)).toBe(withoutRequestId(await drive(name, nobodys, asker.token)));
});

it('a key that may only predict cannot read through node(id)', async () => {
  expect((await drive('Query.node', ours, keys.predict)).data).toEqual({ node: null });
});

it.each([
  ['model by name', 'query ($it: String!) { model(name: $it) { id } }', 'modelName'],
  ['tenant', 'query ($it: ID!) { node(id: $it) { ... on Tenant { name } } }', 'tenant'],
  ['data set', 'query ($it: ID!) { node(id: $it) { ... on Dataset { name } } }', 'dataset'],
  ['data set version', 'query ($it: ID!) { node(id: $it) { ... on DatasetVersion { number sampleRows } } }', 'datasetVersion'],
  ['upload', 'query ($it: ID!) { node(id: $it) { ... on Upload { filename } } }', 'upload'],
  ['model', 'query ($it: ID!) { node(id: $it) { ... on Model { name } } }', 'model'],
  ['model version', 'query ($it: ID!) { node(id: $it) { ... on ModelVersion { number } } }', 'modelVersion'],
  ['domain claim', 'query ($it: ID!) { node(id: $it) { ... on DomainClaim { domain } } }', 'domainClaim'],
  ['API key', 'query ($it: ID!) { node(id: $it) { ... on ApiKey { alias } } }', 'apiKey'],
] as [string, string, keyof Things][])('a stranger finds no %s, its tenant does', async (_what, query, kind) => {
  const foreign = await world.graphql(query, { it: ours[kind] }, stranger.token);
  expect(Object.values(foreign.data!)).toEqual([null]);
  expect(foreign.text).toBe((await world.graphql(query, { it: nobodys[kind] }, stranger.token)).text);
  expect(Object.values((await world.graphql(query, { it: ours[kind] }, acme.token)).data!)).not.toEqual([null]);
});

it('a foreign upload is refused like a missing one', async () => {
  const foreign = await world.put(stranger.token, `/uploads/${ours.upload}`, 'a,b\n1,2\n');
  const missing = await world.put(stranger.token, `/uploads/${nobodys.upload}`, 'a,b\n1,2\n');
  expect([foreign.status, missing.status]).toEqual([404, 404]);
  const text = async (response: Response): Promise<string> => withoutRequestId({ text: await response.text(), data: null, errors: [] });
  expect(await text(foreign)).toBe(await text(missing));
});

// Last, because it uses things up: shows that each row of the table asks for something that can be had.
it.each(rows)('%s: its own tenant’s owner gets in, and an operator where the platform is concerned', async (name) => {
  const ownTenants = endsSession(name) ? await world.member(acme.actor.tenantId, 'ADMIN') : acme;
  const asker = isOperators(name) ? operator : ownTenants;
  const answer = await drive(name, ours, asker.token);
  expect(answer.errors).toEqual([]);
  if (table[name]!.variables && name !== 'Mutation.predict' && name !== 'Mutation.explain' && !isOperators(name)) expect(answer.text).not.toContain('NotFoundError');
});
