import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ApiKeyInput, type Auth, createAuth, createTenantKeyring, masterKeysOf, type PersonActor } from '@millrace/auth';
import type { Database, Endpoint, ModelVersion, UsageRecord } from '@millrace/database';
import { type Logger, newId, silentLogger } from '@millrace/kernel';
import { agree, type BackgroundRows, buildDetectorPackage, buildForecastPackage, buildPackage, buildRecommenderPackage, type FittedDetector, type FittedForecast, type FittedPipeline, type FittedRecommender, type ModelPackage } from '@millrace/packaging';
import { createRegistry, type Registry } from '@millrace/registry';
import { type ArtefactStore, createFileStore, createSealedStore } from '@millrace/storage';
import { createTestDatabase, startPatience, testSecrets } from '@millrace/testkit';
import { type InferenceOptions, type RunningInference, startInference } from '../src/server.ts';

export const tokenSecret = 'a token secret for specs, long enough';
export const keyPepper = 'a key pepper for specs, long enough too';

/** What JSON gave; specs look into it freely. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Json = any;

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  json: Json;
}

/** What a package is made of, or one that is ready. */
export type Fitted = FittedPipeline | FittedForecast | FittedDetector | FittedRecommender | ModelPackage;

export function packageOf(fitted: Fitted, background: BackgroundRows = []) {
  if ('manifest' in fitted) return fitted;
  const facts = { metrics: {}, lineage: {}, background };
  if ('estimator' in fitted) return buildPackage(fitted, facts);
  if ('scorer' in fitted) return buildDetectorPackage(fitted, facts);
  return 'rule' in fitted ? buildRecommenderPackage(fitted, facts) : buildForecastPackage(fitted, facts);
}

/** A tenant, signed in as its owner, and what an owner does. */
export interface TenantOfWorld {
  tenantId: string;
  owner: PersonActor;
  accessToken: string;
  refreshToken: string;
  createKey(input?: Partial<ApiKeyInput>): Promise<{ id: string; text: string }>;
  /** Stores a package and enters it as the next version of the model. */
  addVersion(modelName: string, fitted: Fitted, background?: BackgroundRows): Promise<ModelVersion>;
  /** Makes a new version the one that an endpoint of the same name serves. */
  publish(endpointName: string, fitted: Fitted, background?: BackgroundRows): Promise<{ version: ModelVersion; endpoint: Endpoint }>;
  ledger(): Promise<UsageRecord[]>;
}

export interface InferenceWorld {
  directory: string;
  database: Database;
  registry: Registry;
  storage: ArtefactStore;
  auth: Auth;
  settings: Omit<InferenceOptions, 'port'>;
  start(options?: Partial<InferenceOptions>): Promise<RunningInference>;
  createTenant(): Promise<TenantOfWorld>;
  close(): Promise<void>;
}

/** Silent but for the cause of a 500, which nobody could tell afterwards. */
const faultLogger: Logger = { ...silentLogger, error: (fields, message) => message.startsWith('a request failed') && console.error(message, fields) };

/** A database, a store, tenants with published models, and inference servers over them: all real. */
export async function createInferenceWorld(): Promise<InferenceWorld> {
  const testDatabase = await createTestDatabase();
  const { database, urls } = testDatabase;
  const directory = await mkdtemp(path.join(tmpdir(), 'millrace-inference-'));
  const storageDirectory = path.join(directory, 'storage');
  const scratchDirectory = path.join(directory, 'scratch');
  const masterKeys = masterKeysOf(testSecrets.masterKey);
  const keyring = createTenantKeyring({ database, masterKeys, logger: silentLogger });
  const storage = createSealedStore({ inner: createFileStore({ root: storageDirectory }), keyring, scratchDirectory });
  const registry = createRegistry({ database, storage, keyring });
  const auth = createAuth({ database, tokenSecret, keyPepper, logger: silentLogger });
  const servers: RunningInference[] = [];
  let tenants = 0;

  const settings: Omit<InferenceOptions, 'port'> = {
    appDatabaseUrl: urls.app,
    systemDatabaseUrl: urls.system,
    storageDirectory,
    scratchDirectory,
    masterKeys,
    journalDirectory: path.join(directory, 'journal'),
    tokenSecret,
    keyPepper,
    logger: faultLogger,
    meteringPatienceMs: 20_000, // specs on a busy machine are not about how long anybody waits for its database
  };

  return {
    directory,
    database,
    registry,
    storage,
    auth,
    settings,

    async start(options: Partial<InferenceOptions> = {}): Promise<RunningInference> {
      const server = await startInference({ ...settings, port: 0, ...options });
      servers.push(server);
      return server;
    },

    async createTenant() {
      const email = `owner${++tenants}@example.com`;
      const password = 'correct horse battery staple';
      const created = await auth.createTenant({ tenantName: `Tenant ${tenants}`, name: 'Olive Owner', email, password });
      if (created.type !== 'created') throw new Error('no tenant');
      const signedIn = await auth.signIn(email, password);
      if (signedIn.type !== 'signed-in') throw new Error('not signed in');
      const owner: PersonActor = signedIn.actor;
      const { tenantId } = owner;

      /** A run that has succeeded, as the registry wants one behind each version. */
      async function insertRun(): Promise<{ runId: string; datasetVersionId: string }> {
        const [uploadId, datasetId, datasetVersionId, runId] = [newId('upload'), newId('dataset'), newId('datasetVersion'), newId('run')];
        const createdBy = `person:${owner.personId}`;
        await database.forTenant(tenantId).transaction(async (tx) => {
          await tx.upload.createMany({ data: [{ id: uploadId, tenantId, filename: 'rows.csv', status: 'COMPLETE', createdBy }] });
          await tx.dataset.createMany({ data: [{ id: datasetId, tenantId, name: datasetId, createdBy }] });
          await tx.datasetVersion.createMany({
            data: [
              {
                id: datasetVersionId, tenantId, datasetId, number: 1, uploadId, rowCount: 1, columnCount: 1, profile: [],
                objectKey: `tenants/${tenantId}/rows`, sizeBytes: 1n, sha256: '0'.repeat(64), createdBy,
              },
            ],
          });
          await tx.run.createMany({
            data: [{ id: runId, tenantId, datasetVersionId, modelName: 'any', status: 'SUCCEEDED', finishedAt: new Date(), spec: {}, createdBy }],
          });
        });
        return { runId, datasetVersionId };
      }

      const tenant: TenantOfWorld = {
        tenantId,
        owner,
        accessToken: signedIn.accessToken,
        refreshToken: signedIn.refreshToken,

        async createKey(input: Partial<ApiKeyInput> = {}) {
          const outcome = await auth.keys.create(owner, { alias: 'a key', scopes: ['PREDICT'], ...input });
          if (outcome.type !== 'created') throw new Error(JSON.stringify(outcome));
          return { id: outcome.apiKey.id, text: outcome.key };
        },

        async addVersion(modelName: string, fitted: Fitted, background?: BackgroundRows) {
          const modelPackage = packageOf(fitted, background);
          const versionId = newId('modelVersion');
          await registry.storePackage(tenantId, versionId, modelPackage);
          const run = await insertRun();
          const sample = [{ value: 0 }];
          const agreement = agree(sample, sample, { name: 'y', type: 'number', mean: 0, scale: 1 });
          return database.forTenant(tenantId).transaction((tx) =>
            registry.addVersion(tx, { tenantId, versionId, modelName, ...run, modelPackage, metrics: {}, agreement }),
          );
        },

        async publish(endpointName: string, pipeline: Fitted, background?: BackgroundRows) {
          const version = await tenant.addVersion(endpointName, pipeline, background);
          const outcome = await registry.publish(owner, { versionId: version.id, endpointName });
          if (outcome.type !== 'published') throw new Error(JSON.stringify(outcome));
          return { version, endpoint: outcome.endpoint };
        },

        async ledger() {
          return database.forTenant(tenantId).transaction((tx) => tx.usageRecord.findMany({ orderBy: { at: 'asc' } }));
        },
      };
      return tenant;
    },

    async close(): Promise<void> {
      await Promise.all(servers.map((server) => server.close()));
      await testDatabase.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export interface Sent {
  key?: string;
  headers?: Record<string, string>;
  /** an object is sent as JSON, text and bytes as they are */
  body?: unknown;
  method?: string;
}

export async function call(url: string, { key, headers = {}, body, method }: Sent = {}): Promise<Answer> {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(url, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(key !== undefined && { 'x-api-key': key }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: isRaw ? (body as string) : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json');
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
}

/** Asks again until the answer is as wished: for what must happen soon, not at once. Fails after `withinMs`, or later on a busy machine. */
export async function eventually<T>(ask: () => Promise<T>, isRight: (value: T) => boolean, withinMs = 5_000): Promise<T> {
  const isOver = startPatience(withinMs);
  for (;;) {
    const value = await ask();
    if (isRight(value)) return value;
    if (isOver()) throw new Error(`still not so after ${withinMs} ms: ${JSON.stringify(value).slice(0, 500)}`);
    await new Promise((resolve) => setImmediate(resolve)); // whoever is to make it so gets a turn
  }
}
