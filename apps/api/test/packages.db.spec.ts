import { createHash } from 'node:crypto';
import { createTenantKeyring, masterKeysOf } from '@millrace/auth';
import { newId, silentLogger } from '@millrace/kernel';
import { createRegistry } from '@millrace/registry';
import { createFileStore, createSealedStore } from '@millrace/storage';
import { testSecrets } from '@millrace/testkit';
import { addModelVersion, createApiWorld, type Member, type World } from './api-world.ts';

let world: World;
let ana: Member;
let model: { modelId: string; first: string; second: string };

beforeAll(async () => {
  world = await createApiWorld();
  ana = await world.tenant('packages');
  const { versionId: datasetVersionId } = await world.iris(ana.token);
  const modelId = newId('model');
  const [first, second] = [newId('modelVersion'), newId('modelVersion')];
  for (const [index, versionId] of [first, second].entries()) {
    await addModelVersion(world.database.database, ana.actor.tenantId, { modelId, versionId, modelName: 'press', number: index + 1, datasetVersionId, runId: newId('run') });
  }
  model = { modelId, first, second };
  const { database } = world.database;
  const keyring = createTenantKeyring({ database, masterKeys: masterKeysOf(testSecrets.masterKey), logger: silentLogger });
  const storage = createSealedStore({ inner: createFileStore({ root: world.storageDirectory }), keyring, scratchDirectory: `${world.storageDirectory}-keys` });
  const registry = createRegistry({ database, storage, keyring });
  const files = new Map([['manifest.json', Buffer.from('{}')], ['model.onnx', Buffer.alloc(700, 1)]]);
  await registry.storePackage(ana.actor.tenantId, first, { files } as never);
  // As a package from before: unsigned.
  await storage.put(`tenants/${ana.actor.tenantId}/packages/${second}/manifest.json`, Buffer.from('{}'));
  await world.database.asOwner('UPDATE model_versions SET package_sha256 = $2 WHERE id = $1', [second, createHash('sha256').update('{}').digest('hex')]);
});
afterAll(() => world.close());

const ask = async (query: string, variables: object, credential = ana.token) => Object.values((await world.graphql(query, variables, credential)).data!)[0];
const download = (path: string, credential?: string) => fetch(`${world.api.url}${path}`, { headers: credential ? { authorization: `Bearer ${credential}` } : {} });
const layersOf = (number: number) => `/models/${model.modelId}/versions/${number}/layers`;
const packageOf = (number: number | string) => `/models/${model.modelId}/versions/${number}/package`;

describe('GET /models/{model}/versions/{version}/package', () => {
  it('gives the signed package as one tar, and says so in the trail', async () => {
    const response = await download(packageOf(1), ana.token);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="press-1.millrace.tar"');
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.length).toBe(Number(response.headers.get('content-length')));
    expect(namesIn(bytes)).toEqual(['manifest-signature.json', 'manifest.json', 'model.onnx']);
    expect(Buffer.from(await (await download('/models/press/versions/1/package', ana.token)).arrayBuffer()).equals(bytes)).toBe(true); // by name as well
    const lines = await world.database.asOwner(`SELECT subject, result FROM audit_events WHERE action = 'model.export'`);
    expect(lines).toEqual(Array(2).fill({ subject: model.first, result: 'ok' }));
  });

  it('signs a package from before as it leaves', async () => {
    const bytes = Buffer.from(await (await download(packageOf(2), ana.token)).arrayBuffer());
    expect(namesIn(bytes)).toEqual(['manifest-signature.json', 'manifest.json']);
  });

  it('says why a version has no form for TensorFlow.js, to those who may know', async () => {
    const refused = await download(layersOf(1), ana.token);
    expect([refused.status, await refused.json()]).toMatchObject([409, { error: { message: expect.stringContaining('family knn is not made of layers') as string } }]);
    const viewer = await world.member(ana.actor.tenantId, 'VIEWER');
    expect(await world.database.asOwner(`SELECT count(*)::int AS exports FROM audit_events WHERE action = 'model.export' AND details->>'format' = 'tensorflow.js'`)).toEqual([{ exports: 0 }]);
    expect([(await download(layersOf(1))).status, (await download(layersOf(1), viewer.token)).status, (await download(layersOf(9), ana.token)).status]).toEqual([401, 403, 404]);
  });

  it('is for those who may, and knows what is another’s as little as what is missing', async () => {
    const viewer = await world.member(ana.actor.tenantId, 'VIEWER');
    expect((await download(packageOf(1))).status).toBe(401);
    expect((await download(packageOf(1), viewer.token)).status).toBe(403);
    expect((await download(packageOf(1), await world.apiKey(ana, ['READ']))).status).toBe(403);
    const rival = await world.tenant('rival');
    for (const path of [packageOf(1), packageOf(9), packageOf('x'), '/models/press/versions/1/package', packageOf('1e1')]) {
      expect((await download(path, rival.token)).status).toBe(404);
    }
    for (const path of [packageOf(9), '/models/x/versions/1/package']) expect((await download(path, ana.token)).status).toBe(404);
  });
});

it('models and versions are found by words, tags and what was said of them', async () => {
  await ask('mutation ($id: ID!) { describeModel(input: { modelId: $id, description: "Finds worn tools", tags: ["line=2"] }) { __typename } }', { id: model.modelId });
  await ask('mutation ($id: ID!) { describeModelVersion(input: { versionId: $id, tags: ["night"] }) { __typename } }', { id: model.first });
  await ask('mutation ($id: ID!) { reviewModelVersion(input: { versionId: $id, verdict: APPROVED, comment: "fine" }) { __typename } }', { id: model.second });
  const names = async (args: object) => (await ask('query ($search: String, $tag: String) { models(search: $search, tag: $tag) { edges { node { name } } } }', args)).edges.map((edge: { node: { name: string } }) => edge.node.name);
  expect(await names({ search: 'RES' })).toEqual(['press']);
  expect(await names({ search: 'worn' })).toEqual(['press']);
  expect(await names({ search: '%' })).toEqual([]);
  expect([await names({ tag: 'line=2' }), await names({ tag: 'line=3' })]).toEqual([['press'], []]);
  const found = await ask(
    'query ($id: ID!) { model(id: $id) { tags night: versions(tag: "night") { edges { node { number } } } good: versions(approval: APPROVED) { edges { node { number approval reviews { comment } } } } } }',
    { id: model.modelId },
  );
  expect(found).toEqual({
    tags: ['line=2'], night: { edges: [{ node: { number: 1 } }] }, good: { edges: [{ node: { number: 2, approval: 'APPROVED', reviews: [{ comment: 'fine' }] } }] },
  });
});

it('a policy keeps champion from what is not approved, and says why', async () => {
  expect(await ask('mutation ($id: ID!) { saveModelPolicy(input: { modelId: $id, approvalRequired: true, gate: { metric: "f1", atMostWorse: 0 } }) { ... on SaveModelPolicySuccess { removedVersions model { approvalRequired gate { metric atMostWorse } keepVersions } } } }', { id: model.modelId })).toEqual({
    removedVersions: 0, model: { approvalRequired: true, gate: { metric: 'f1', atMostWorse: 0 }, keepVersions: null },
  });
  const move = (versionNumber: number) => ask('mutation ($m: ID!, $n: Int!) { setModelAlias(input: { modelId: $m, alias: "champion", versionNumber: $n }) { __typename ... on Error { code } } }', { m: model.modelId, n: versionNumber });
  expect(await move(1)).toMatchObject({ code: 'not_approved' });
  expect(await move(2)).toMatchObject({ __typename: 'SetModelAliasSuccess' });
  expect(await ask('mutation ($id: ID!) { deleteModelVersion(input: { versionId: $id }) { ... on Error { code } } }', { id: model.second })).toEqual({ code: 'version_in_use' });
  const { card, isCardWritten } = (await ask('query ($id: ID!) { node(id: $id) { ... on ModelVersion { card isCardWritten } } }', { id: model.second })) as { card: string; isCardWritten: boolean };
  expect([isCardWritten, card.split('\n')[0]]).toEqual([false, '# press, version 2']);
});

function namesIn(bytes: Buffer): string[] {
  const names: string[] = [];
  for (let at = 0; bytes[at]; at += 512 + Math.ceil(parseInt(bytes.toString('latin1', at + 124, at + 135), 8) / 512) * 512) names.push(bytes.toString('latin1', at, at + 100).replace(/\0.*$/s, ''));
  return names;
}
