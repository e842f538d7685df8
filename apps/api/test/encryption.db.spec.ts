import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createTenantKeyring, masterKeysOf } from '@millrace/auth';
import { silentLogger } from '@millrace/kernel';
import { testSecrets, withinASecond } from '@millrace/testkit';
import { createApiWorld, type Member, type World } from './api-world.ts';

let world: World;
let ana: Member;
beforeAll(async () => {
  world = await createApiWorld();
  ana = await world.tenant('vault');
});
afterAll(() => world.close());

const canary = 'CANARY-4d7f';
const sample = 'query ($id: ID!) { node(id: $id) { ... on DatasetVersion { sampleRows(first: 1) } } }';
const keyring = () => createTenantKeyring({ database: world.database.database, masterKeys: masterKeysOf(testSecrets.masterKey), logger: silentLogger });

/** A data set whose rows nobody would compress beyond recognition. */
async function dataset(owner: Member, name: string): Promise<string> {
  const upload = await world.beginUpload(owner.token);
  const rows = Array.from({ length: 50 }, (_, i) => `${i},${canary}-${name}-${i}`);
  expect((await world.put(owner.token, upload.url, `number,text\n${rows.join('\n')}\n`)).status).toBe(200);
  const { data } = await world.graphql(
    'mutation ($input: CreateDatasetInput!) { createDataset(input: $input) { ... on CreateDatasetSuccess { version { id } } } }',
    { input: { name, uploadId: upload.id } },
    owner.token,
  );
  return data!['createDataset'].version.id as string;
}

it('keeps nothing that a tenant sent readable on its disks', async () => {
  const id = await dataset(ana, 'one');
  expect((await world.graphql(sample, { id }, ana.token)).text).toContain(canary);
  const files = await world.storedFiles();
  expect(files).toHaveLength(2);
  for (const file of files) {
    const bytes = await readFile(file);
    expect(bytes.includes(canary)).toBe(false);
    expect(bytes.includes('PAR1')).toBe(false);
  }
  const scratch = `${world.storageDirectory}-scratch`;
  expect(await readdir(scratch)).toEqual([]);
  expect((await stat(scratch)).mode & 0o777).toBe(0o700);
});

it('gives back nothing of a file that was changed on disk', async () => {
  const id = await dataset(ana, 'two');
  const file = (await world.storedFiles()).filter((one) => one.includes(id))[0]!;
  const bytes = await readFile(file);
  bytes[bytes.length - 20]! ^= 1;
  await writeFile(file, bytes);
  const answer = await world.graphql(sample, { id }, ana.token);
  expect(answer.errors).toHaveLength(1);
  expect(answer.text).not.toContain(canary);
  expect(JSON.stringify(world.log)).toMatch(/is damaged: chunk 0 does not open/);
});

it('cannot read a tenant’s data any more once its key is destroyed, and reads the others’ as before', async () => {
  const bea = await world.tenant('neighbour');
  const [lost, kept] = [await dataset(ana, 'three'), await dataset(bea, 'three')];
  await keyring().destroy(ana.actor.tenantId);
  // The API holds the key, and is told.
  let answer!: Awaited<ReturnType<World['graphql']>>;
  await withinASecond(async () => (answer = await world.graphql(sample, { id: lost }, ana.token)).errors.length > 0);
  expect(answer.errors[0]).toMatchObject({ message: expect.stringMatching(/key .* destroyed/), extensions: { code: 'NOT_FOUND' } });
  expect((await world.graphql(sample, { id: kept }, bea.token)).text).toContain(canary);
});
