import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createAuth, masterKeysOf, type PersonActor, platformTenantId, type Role, type SignedIn } from '@millrace/auth';
import type { Database } from '@millrace/database';
import { Secret, silentLogger } from '@millrace/kernel';
import { createTestDatabase, repositoryRoot, type TestDatabase, testSecrets } from '@millrace/testkit';
import { createApiLogger } from '../src/logger.ts';
import { type Api, type ApiOptions, startApi } from '../src/server.ts';

export const secrets = {
  tokenSecret: 'token secret of the specs, long enough for them',
  keyPepper: 'key pepper of the specs, and long enough as well',
};
export const password = 'correct horse battery';

export interface GraphqlAnswer {
  status: number;
  headers: Headers;
  /** as it came */
  text: string;
  data: Record<string, any> | null; // eslint-disable-line @typescript-eslint/no-explicit-any
  errors: { message: string; path?: unknown[]; extensions: Record<string, unknown> }[];
}

export interface Member {
  actor: PersonActor;
  token: string;
  refreshToken: string;
  email: string;
}

export interface World {
  api: Api;
  /** with which it was started */
  options: ApiOptions;
  database: TestDatabase;
  storageDirectory: string;
  /** lines of the log, parsed */
  log: Record<string, unknown>[];
  graphql(query: string, variables?: object, credential?: string, headers?: Record<string, string>): Promise<GraphqlAnswer>;
  /** a tenant with its owner signed in */
  tenant(name: string): Promise<Member>;
  /** a further member of a tenant */
  member(tenantId: string, role: Role): Promise<Member>;
  /** a member of the platform's own tenant */
  operator(): Promise<Member>;
  apiKey(owner: Member, scopes: string[]): Promise<string>;
  beginUpload(credential: string, filename?: string): Promise<{ id: string; url: string }>;
  put(credential: string, url: string, body: RequestInit['body']): Promise<Response>;
  /** uploads iris and makes a data set of it */
  iris(credential: string, name?: string): Promise<{ datasetId: string; versionId: string; uploadId: string }>;
  /** files in the artefact store */
  storedFiles(): Promise<string[]>;
  close(): Promise<void>;
}

/** A whole API on a database of its own, driven over HTTP. */
export async function createApiWorld(overrides: Partial<ApiOptions> = {}): Promise<World> {
  const database = await createTestDatabase();
  const storageDirectory = await mkdtemp(path.join(tmpdir(), 'millrace-api-'));
  const log: Record<string, unknown>[] = [];
  const logger = createApiLogger({
    level: 'trace',
    secrets: Object.values(secrets).map((value) => new Secret(value)),
    destination: { write: (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const options: ApiOptions = {
    host: '127.0.0.1',
    port: 0,
    metricsPort: null,
    appDatabaseUrl: new Secret(database.urls.app),
    systemDatabaseUrl: new Secret(database.urls.system),
    storageDirectory,
    scratchDirectory: `${storageDirectory}-scratch`,
    masterKeys: masterKeysOf(testSecrets.masterKey),
    tokenSecret: new Secret(secrets.tokenSecret),
    keyPepper: new Secret(secrets.keyPepper),
    inferenceUrl: 'http://127.0.0.1:9',
    maxUploadBytes: 1024 * 1024,
    production: false,
    logger,
    ...overrides,
  };
  const api = await startApi(options);
  const auth = createAuth({ database: database.database, ...secrets, logger: silentLogger });
  let people = 0;

  async function signIn(email: string): Promise<Member> {
    const outcome = (await auth.signIn(email, password)) as SignedIn;
    return { actor: outcome.actor, token: outcome.accessToken, refreshToken: outcome.refreshToken, email };
  }

  const world: World = {
    api,
    options,
    database,
    storageDirectory,
    log,
    async graphql(query, variables = {}, credential, headers = {}) {
      const response = await fetch(`${api.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(credential ? { authorization: `Bearer ${credential}` } : {}), ...headers },
        body: JSON.stringify({ query, variables }),
      });
      return answerOf(response);
    },
    async tenant(name) {
      const email = `owner${++people}@${name}.test`;
      const outcome = await auth.createTenant({ tenantName: name, name: `Owner of ${name}`, email, password });
      if (outcome.type !== 'created') throw new Error(JSON.stringify(outcome));
      return signIn(email);
    },
    async member(tenantId, role) {
      const email = `${role.toLowerCase()}${++people}@members.test`;
      const outcome = await auth.members.add({ tenantId, name: role, email, password, role });
      if (outcome.type !== 'added') throw new Error(JSON.stringify(outcome));
      return signIn(email);
    },
    operator: () => world.member(platformTenantId, 'OPERATOR'),
    async apiKey(owner, scopes) {
      const outcome = await auth.keys.create(owner.actor, { alias: 'spec', scopes: scopes as never });
      if (outcome.type !== 'created') throw new Error(JSON.stringify(outcome));
      return outcome.key;
    },
    async beginUpload(credential, filename = 'data.csv') {
      const { data } = await world.graphql(
        'mutation ($filename: String!) { beginUpload(input: { filename: $filename }) { ... on BeginUploadSuccess { url upload { id } } } }',
        { filename },
        credential,
      );
      return { id: data!['beginUpload'].upload.id, url: data!['beginUpload'].url };
    },
    put: (credential, url, body) =>
      fetch(`${api.url}${url}`, { method: 'PUT', headers: { authorization: `Bearer ${credential}` }, body, duplex: 'half' } as RequestInit),
    async iris(credential, name = 'iris') {
      const upload = await world.beginUpload(credential, 'iris.csv');
      await world.put(credential, upload.url, await irisFile());
      const { data, text } = await world.graphql(
        `mutation ($input: CreateDatasetInput!) {
          createDataset(input: $input) { __typename ... on CreateDatasetSuccess { dataset { id } version { id } } }
        }`,
        { input: { name, uploadId: upload.id } },
        credential,
      );
      const made = data!['createDataset'];
      if (made.__typename !== 'CreateDatasetSuccess') throw new Error(text);
      return { datasetId: made.dataset.id, versionId: made.version.id, uploadId: upload.id };
    },
    async storedFiles() {
      const entries = await readdir(storageDirectory, { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
    },
    async close() {
      await api.close();
      await database.close();
      for (const folder of [storageDirectory, `${storageDirectory}-scratch`]) await rm(folder, { recursive: true, force: true });
    },
  };
  return world;
}

export async function answerOf(response: Response): Promise<GraphqlAnswer> {
  const text = await response.text();
  const { data, errors } = JSON.parse(text) as Partial<GraphqlAnswer>;
  return { status: response.status, headers: response.headers, text, data: data ?? null, errors: errors ?? [] };
}

export const irisFile = (): Promise<Buffer<ArrayBuffer>> => readFile(path.join(repositoryRoot, 'libs/testkit/data/iris.csv')) as Promise<Buffer<ArrayBuffer>>;

/** A training configuration that fits iris. */
export const irisSpec = {
  inputFeatures: ['sepal length (cm)', 'sepal width (cm)', 'petal length (cm)', 'petal width (cm)'].map((name) => ({ name, type: 'number' })),
  outputFeatures: [{ name: 'species', type: 'category' }],
  models: [{ family: 'knn', k: 3 }],
};

/** A model version as a finished run would leave it, without the package: enough for everything that does not load it. */
export async function addModelVersion(
  database: Database,
  tenantId: string,
  input: { modelId: string; versionId: string; modelName: string; number?: number; datasetVersionId: string; runId: string; status?: 'READY' | 'FAILED' },
): Promise<void> {
  const { modelId, versionId, modelName, datasetVersionId, runId, number = 1, status = 'READY' } = input;
  await database.forTenant(tenantId).transaction(async (tx) => {
    await tx.run.create({
      data: { id: runId, tenantId, datasetVersionId, modelName, spec: {}, createdBy: 'system', status: 'SUCCEEDED', finishedAt: new Date() },
    });
    await tx.$executeRaw`INSERT INTO models (id, tenant_id, name, task) VALUES (${modelId}, ${tenantId}, ${modelName}, 'CLASSIFICATION') ON CONFLICT DO NOTHING`;
    await tx.modelVersion.create({
      data: {
        id: versionId, tenantId, modelId, number, status, family: 'knn', runId, datasetVersionId, packagePrefix: `tenants/${tenantId}/packages/${versionId}`,
        packageSha256: '0'.repeat(64), sizeBytes: 1n, sizeGzBytes: 1n, signature: {}, metrics: {}, agreement: {},
      },
    });
  });
}
