import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type ApiKeyScope, type Auth, createAuth, createTenantKeyring, type Keyring, masterKeysOf, type PersonActor, type Role } from '@millrace/auth';
import type { DatasetVersion, Run } from '@millrace/database';
import { createDatasets, type Datasets } from '@millrace/datasets';
import { newId, silentLogger } from '@millrace/kernel';
import { createQuota, type Quota } from '@millrace/quota';
import { createRegistry, type Registry } from '@millrace/registry';
import { createFileStore, createSealedStore, type SealedStore } from '@millrace/storage';
import { createRunQueue, createTraining, type RunQueue, type Training } from '@millrace/training';
import { createTestDatabase, repositoryRoot, type TestDatabase } from './test-database.ts';

export const testSecrets = {
  tokenSecret: 'a token secret for tests, long enough to sign with',
  keyPepper: 'a pepper for tests, long enough for an HMAC to use',
  masterKey: createHash('sha256').update('the master key of tests').digest('base64url'),
};

/** iris.csv and wine.csv, which the repository may ship. */
export const sampleData = (name: 'iris' | 'wine'): string => path.join(repositoryRoot, `libs/testkit/data/${name}.csv`);

/** A test's own installation: every lib over a database and a folder of its own. */
export interface World {
  db: TestDatabase;
  directory: string;
  storage: SealedStore;
  keyring: Keyring;
  auth: Auth;
  quota: Quota;
  datasets: Datasets;
  registry: Registry;
  training: Training;
  /** as a worker has it */
  queue: RunQueue;
  tenant(): Promise<TenantInWorld>;
  close(): Promise<void>;
}

/** A tenant and what its people can do. */
export interface TenantInWorld {
  tenantId: string;
  /** with the role, signed in */
  member(role: Role): Promise<MemberInWorld>;
  owner: MemberInWorld;
  apiKey(scopes?: ApiKeyScope[], models?: string[]): Promise<string>;
  /** a data set of this text */
  dataset(content: string | Uint8Array): Promise<DatasetVersion>;
  iris(): Promise<DatasetVersion>;
  /** of iris: k-nearest neighbours unless told otherwise */
  run(version: DatasetVersion, spec?: object, modelName?: string): Promise<Run>;
}

export interface MemberInWorld {
  actor: PersonActor;
  accessToken: string;
  refreshToken: string;
  email: string;
  password: string;
}

/** A configuration for iris, to be varied. */
export const irisSpec = {
  inputFeatures: ['sepal length (cm)', 'sepal width (cm)', 'petal length (cm)', 'petal width (cm)'].map((name) => ({ name, type: 'number' })),
  outputFeatures: [{ name: 'species', type: 'category' }],
  split: { trainFraction: 0.8, seed: 1 },
  models: [{ family: 'knn', k: 3 }],
};

export async function createWorld(): Promise<World> {
  const db = await createTestDatabase();
  const directory = await fs.mkdtemp(path.join(os.tmpdir(), 'millrace-world-'));
  const { database } = db;
  const keyring = createTenantKeyring({ database, masterKeys: masterKeysOf(testSecrets.masterKey), logger: silentLogger });
  const inner = createFileStore({ root: path.join(directory, 'storage') });
  const storage = createSealedStore({ inner, keyring, scratchDirectory: path.join(directory, 'scratch') });
  const auth = createAuth({ database, ...testSecrets, logger: silentLogger });
  const quota = createQuota({ database });
  const datasets = createDatasets({ database, storage, quota });
  const registry = createRegistry({ database, storage, keyring });
  const training = createTraining({ database, quota, datasets, storage });
  const queue = createRunQueue({ database: db.workerDatabase, quota, registry, logger: silentLogger });
  await auth.watchRevocations();
  const world: World = {
    db, directory, storage, keyring, auth, quota, datasets, registry, training, queue,
    tenant: () => createTenantInWorld(world),
    async close() {
      await db.close();
      await fs.rm(directory, { recursive: true, force: true });
    },
  };
  return world;
}

async function createTenantInWorld(world: World): Promise<TenantInWorld> {
  const { auth, datasets, training } = world;
  const password = 'a password for tests';

  async function signIn(email: string): Promise<MemberInWorld> {
    const outcome = await auth.signIn(email, password);
    if (outcome.type !== 'signed-in') throw new Error(`sign-in of ${email}: ${outcome.type}`);
    return { actor: outcome.actor, accessToken: outcome.accessToken, refreshToken: outcome.refreshToken, email, password };
  }

  const newEmail = (): string => `${newId('person')}@example.com`;
  const ownerEmail = newEmail();
  const created = await auth.createTenant({ tenantName: 'Acme', name: 'Ann Owner', email: ownerEmail, password });
  if (created.type !== 'created') throw new Error(JSON.stringify(created));
  const { tenantId } = created;
  const owner = await signIn(ownerEmail);

  async function dataset(bytes: Uint8Array): Promise<DatasetVersion> {
    const begun = await datasets.beginUpload(owner.actor, { filename: 'data.csv', mediaType: 'text/csv' });
    if (begun.type !== 'begun') throw new Error(JSON.stringify(begun));
    const source = (async function* () {
      yield bytes;
    })();
    const received = await datasets.receiveUpload(owner.actor, begun.upload.id, source, { maxBytes: 1e9, contentLength: bytes.byteLength });
    if (received.type !== 'complete') throw new Error(JSON.stringify(received.type));
    const outcome = await datasets.createDataset(owner.actor, { name: newId('dataset'), uploadId: begun.upload.id });
    if (outcome.type !== 'created') throw new Error(JSON.stringify(outcome));
    return outcome.version;
  }

  return {
    tenantId,
    owner,
    async member(role) {
      const email = newEmail();
      const added = await auth.members.add({ tenantId, name: `A ${role.toLowerCase()}`, email, password, role });
      if (added.type !== 'added') throw new Error(JSON.stringify(added));
      return signIn(email);
    },
    async apiKey(scopes = ['PREDICT'], models = []) {
      const outcome = await auth.keys.create(owner.actor, { alias: 'a key', scopes, models });
      if (outcome.type !== 'created') throw new Error(JSON.stringify(outcome));
      return outcome.key;
    },
    dataset: (content) => dataset(typeof content === 'string' ? Buffer.from(content) : content),
    iris: async () => dataset(await fs.readFile(sampleData('iris'))),
    async run(version, spec = irisSpec, modelName = 'iris') {
      const outcome = await training.submit(owner.actor, { datasetVersionId: version.id, modelName, spec });
      if (outcome.type !== 'submitted') throw new Error(JSON.stringify(outcome));
      return outcome.run;
    },
  };
}
