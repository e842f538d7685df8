import { type Actor, actorName, type Keyring, recordAudit, requirePermission } from '@millrace/auth';
import { type Database, type Endpoint, type ModelAlias, type ModelVersion, notify, Prisma, type TenantTx, violatesUnique } from '@millrace/database';
import { newId, type Problem } from '@millrace/kernel';
import { type Agreement, type ModelPackage, type Signature, signerOf } from '@millrace/packaging';
import { createQuota } from '@millrace/quota';
import type { ArtefactStore } from '@millrace/storage';
import { aliasProblem, nameProblem } from './names.ts';
import { championAlias, type GateRefusal, whatKeepsFromChampion } from './champion-gate.ts';
import { createEndpointServing, type EndpointServing, servingOf } from './endpoint-serving.ts';
import { createModelCare } from './model-care.ts';
import { createModelImports } from './model-imports.ts';
import { ModelTaskConflict } from './model-task-conflict.ts';
import { createPackageStore, packagePrefix } from './package-store.ts';
import { removeRecordings, removeRecordingsInBatches } from './remove-recordings.ts';
import { endTraffic } from './rollout-changes.ts';
import { createTrustedKeys } from './trusted-keys.ts';
import type { VersionOptimisation } from './version-optimisation.ts';

export interface RegistryOptions {
  database: Database;
  storage: ArtefactStore;
  /** signs what is stored and what is taken away */
  keyring: Pick<Keyring, 'sign'>;
}

export interface NewVersion {
  tenantId: string;
  versionId: string;
  modelName: string;
  /** null for an imported version */
  runId: string | null;
  datasetVersionId: string | null;
  /** of an imported version */
  imported?: { source: 'PACKAGE' | 'ONNX'; provenance: Prisma.InputJsonObject };
  modelPackage: ModelPackage;
  /** scores on the test split */
  metrics: Prisma.InputJsonObject;
  agreement: Agreement;
  /** of a version made from another */
  optimisation?: VersionOptimisation | undefined;
}

/** What the data plane needs to serve an endpoint. */
export interface ServedEndpoint {
  endpoint: { id: string; name: string; serving: EndpointServing };
  /** what the endpoint's alias points to, or the version that was asked for */
  version: ServedVersion;
  /** whether the alias points to it */
  isStable: boolean;
  /** other versions that answer or are shown a share of its requests */
  shares: ServedShare[];
}

/** Shares of the requests, in percent. */
export interface ServedShare {
  version: ServedVersion;
  percent: number;
  mirrorPercent: number;
}

export interface ServedVersion {
  id: string;
  tenantId: string;
  number: number;
  modelName: string;
  packagePrefix: string;
  packageSha256: string;
  /** the public key that has signed the package; null for one from before they were signed */
  signer: string | null;
  sizeBytes: number;
  signature: Signature;
}

export type Invalid = { type: 'invalid'; problems: Problem[] };
export type NotFound = { type: 'not-found'; field: string; message: string };
export type SetAliasOutcome = { type: 'set'; alias: ModelAlias } | Invalid | NotFound | VersionNotReady | GateRefusal;
export type VersionNotReady = { type: 'version-not-ready'; message: string };
export type CreateEndpointOutcome = { type: 'created'; endpoint: Endpoint } | Invalid | NotFound | { type: 'name-taken'; name: string };
export type PublishOutcome = { type: 'published'; version: ModelVersion; endpoint: Endpoint } | Invalid | NotFound | VersionNotReady | GateRefusal | EndpointOfOtherModel;
export type EndpointOfOtherModel = { type: 'endpoint-of-other-model'; name: string };

export type Registry = ReturnType<typeof createRegistry>;

/** Keeps models, their versions, aliases and endpoints, and finds the version that an endpoint serves. */
export function createRegistry({ database, storage, keyring }: RegistryOptions) {
  async function moveAlias(tx: TenantTx, actor: Actor, version: ModelVersion, alias: string): Promise<ModelAlias> {
    const key = { tenantId: actor.tenantId, modelId: version.modelId, name: alias };
    return tx.modelAlias.upsert({
      where: { tenantId_modelId_name: key },
      create: { ...key, versionId: version.id, updatedBy: actorName(actor) },
      update: { versionId: version.id, updatedBy: actorName(actor) },
    });
  }

  return {
    ...createPackageStore({ database, storage, keyring }),
    ...createEndpointServing({ database }),
    ...createModelCare({ database, storage, quota: createQuota({ database }) }),
    ...createModelImports({ database }),
    ...createTrustedKeys({ database }),

    /**
     * Enters a version whose package is stored: READY when both engines agree on the sample rows, FAILED otherwise.
     * Makes the model if it is new. In the transaction that ends the run, so that neither is there without the other.
     * @throws ModelTaskConflict
     */
    async addVersion(tx: TenantTx, input: NewVersion): Promise<ModelVersion> {
      const { tenantId, modelPackage, agreement } = input;
      const task = modelPackage.signature.task.toUpperCase() as Uppercase<Signature['task']>;
      await tx.$executeRaw`
        INSERT INTO models (id, tenant_id, name, task) VALUES (${newId('model')}, ${tenantId}, ${input.modelName}, ${task}::model_task)
        ON CONFLICT (tenant_id, name) DO NOTHING`;
      // Holding the model's row makes version numbers gapless and unique.
      const [model] = await tx.$queryRaw<{ id: string; task: string; made: number }[]>`
        SELECT id, task::text, versions_made AS made FROM models WHERE tenant_id = ${tenantId} AND name = ${input.modelName} FOR UPDATE`;
      if (model!.task !== task) throw new ModelTaskConflict(input.modelName, model!.task);
      const latest = await tx.modelVersion.aggregate({ where: { tenantId, modelId: model!.id }, _max: { number: true } });
      const number = Math.max(latest._max.number ?? 0, model!.made) + 1;
      await tx.model.update({ where: { tenantId_id: { tenantId, id: model!.id } }, data: { versionsMade: number } });
      const agrees = agreement.type === 'agrees';
      const version = await tx.modelVersion.create({
        data: {
          id: input.versionId,
          tenantId,
          modelId: model!.id,
          number,
          status: agrees ? 'READY' : 'FAILED',
          failure: agrees ? null : 'The serving engine and the training engine give different predictions.',
          family: modelPackage.signature.family,
          runId: input.runId,
          datasetVersionId: input.datasetVersionId,
          ...input.imported,
          signingKeyId: signerOf(modelPackage.files)?.keyId ?? null,
          packagePrefix: packagePrefix(tenantId, input.versionId),
          packageSha256: modelPackage.digest,
          sizeBytes: BigInt(modelPackage.sizeBytes),
          sizeGzBytes: BigInt(modelPackage.gzipBytes),
          signature: modelPackage.signature as unknown as Prisma.InputJsonObject,
          metrics: input.metrics,
          agreement: agreement as unknown as Prisma.InputJsonObject,
          ...(input.optimisation ? { optimisation: input.optimisation as unknown as Prisma.InputJsonObject } : {}),
        },
      });
      await notify(tx, 'millrace_registry', tenantId);
      return version;
    },

    async setAlias(actor: Actor, input: { modelId: string; alias: string; versionNumber: number }): Promise<SetAliasOutcome> {
      requirePermission(actor, 'model:write');
      const problem = aliasProblem(input.alias, 'alias') ?? (input.alias === 'previous' ? reservedAlias : null);
      if (problem) return { type: 'invalid', problems: [problem] };
      return database.forTenant(actor.tenantId).transaction(async (tx): Promise<SetAliasOutcome> => {
        // Before the version is read: it may be on its way out.
        await tx.$queryRaw`SELECT id FROM models WHERE tenant_id = ${actor.tenantId} AND id = ${input.modelId} FOR UPDATE`;
        const version = await tx.modelVersion.findUnique({
          where: { tenantId_modelId_number: { tenantId: actor.tenantId, modelId: input.modelId, number: input.versionNumber } },
          include: { model: true },
        });
        if (!version) return versionNotFound('versionNumber');
        if (version.status !== 'READY') return versionNotReady;
        const refusal = input.alias === championAlias ? await whatKeepsFromChampion(tx, version.model, version) : null;
        if (refusal) return refusal;
        const alias = await moveAlias(tx, actor, version, input.alias);
        await recordAudit(tx, actor, { action: 'alias.set', subject: version.modelId, details: { alias: input.alias, version: version.number } });
        await notify(tx, 'millrace_registry', actor.tenantId);
        return { type: 'set', alias };
      });
    },

    /** An alias that an endpoint serves stays. */
    async deleteAlias(actor: Actor, input: { modelId: string; alias: string }): Promise<{ type: 'deleted' } | NotFound | { type: 'in-use'; endpoint: string }> {
      requirePermission(actor, 'model:write');
      return database.forTenant(actor.tenantId).transaction(async (tx) => {
        const { tenantId } = actor;
        await tx.$queryRaw`SELECT id FROM models WHERE tenant_id = ${tenantId} AND id = ${input.modelId} FOR UPDATE`;
        const user = await tx.endpoint.findFirst({ where: { tenantId, modelId: input.modelId, aliasName: input.alias } });
        if (user) return { type: 'in-use' as const, endpoint: user.name };
        const { count } = await tx.modelAlias.deleteMany({ where: { tenantId, modelId: input.modelId, name: input.alias } });
        if (!count) return { type: 'not-found' as const, field: 'alias', message: 'The model has no such alias.' };
        await recordAudit(tx, actor, { action: 'alias.delete', subject: input.modelId, details: { alias: input.alias } });
        return { type: 'deleted' as const };
      });
    },

    async createEndpoint(actor: Actor, input: { name: string; modelId: string; alias: string }): Promise<CreateEndpointOutcome> {
      requirePermission(actor, 'endpoint:write');
      const problem = nameProblem(input.name, 'name', 'endpoint');
      if (problem) return { type: 'invalid', problems: [problem] };
      const { tenantId } = actor;
      const created = database.forTenant(tenantId).transaction(async (tx): Promise<CreateEndpointOutcome> => {
        await tx.$queryRaw`SELECT id FROM models WHERE tenant_id = ${tenantId} AND id = ${input.modelId} FOR UPDATE`;
        const alias = await tx.modelAlias.findUnique({
          where: { tenantId_modelId_name: { tenantId, modelId: input.modelId, name: input.alias } },
        });
        if (!alias) return { type: 'not-found', field: 'alias', message: 'There is no model with this id and alias.' };
        const endpoint = await insertEndpoint(tx, actor, input);
        await recordAudit(tx, actor, { action: 'endpoint.create', subject: endpoint.id, details: { name: input.name, alias: input.alias } });
        await notify(tx, 'millrace_registry', tenantId);
        return { type: 'created', endpoint };
      });
      return created.catch((error: unknown) => {
        if (violatesUnique(error, 'endpoints_tenant_id_name_key')) return { type: 'name-taken', name: input.name };
        throw error;
      });
    },

    /** What it recorded goes first, in transactions of its own: where that is cut off, asking again goes on with what is left. */
    async deleteEndpoint(actor: Actor, name: string): Promise<{ type: 'deleted' } | NotFound> {
      requirePermission(actor, 'endpoint:write');
      const { tenantId } = actor;
      const endpoint = await database.forTenant(tenantId).transaction((tx) => tx.endpoint.findUnique({ where: { tenantId_name: { tenantId, name } } }));
      if (!endpoint) return endpointNotFound;
      const itsOwn = Prisma.sql`endpoint_id = ${endpoint.id}`;
      await removeRecordingsInBatches(database, tenantId, itsOwn);
      return database.forTenant(tenantId).transaction(async (tx) => {
        // The model's row first, as whoever publishes or rolls out.
        await tx.$queryRaw`SELECT id FROM models WHERE tenant_id = ${tenantId} AND id = ${endpoint.modelId} FOR UPDATE`;
        const held = await tx.$queryRaw<unknown[]>`SELECT id FROM endpoints WHERE tenant_id = ${tenantId} AND id = ${endpoint.id} FOR UPDATE`;
        if (!held.length) return endpointNotFound;
        await removeRecordings(tx, tenantId, itsOwn);
        await tx.$executeRaw`DELETE FROM endpoints WHERE tenant_id = ${tenantId} AND id = ${endpoint.id}`;
        await recordAudit(tx, actor, { action: 'endpoint.delete', subject: endpoint.id, details: { name } });
        await notify(tx, 'millrace_registry', tenantId);
        return { type: 'deleted' as const };
      });
    },

    /**
     * Makes a version the one that is served: `champion` moves to it, `previous` to the one before, and the endpoint is
     * made if there is none of this name.
     */
    async publish(actor: Actor, input: { versionId: string; endpointName: string }): Promise<PublishOutcome> {
      requirePermission(actor, 'endpoint:write');
      requirePermission(actor, 'model:write');
      const problem = nameProblem(input.endpointName, 'endpointName', 'endpoint');
      if (problem) return { type: 'invalid', problems: [problem] };
      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx): Promise<PublishOutcome> => {
        // One publication of a model at a time: `previous` is then what was really served before. Before the version is read: it may be on its way out.
        await tx.$queryRaw`
          SELECT id FROM models WHERE tenant_id = ${tenantId} AND id = (SELECT model_id FROM model_versions WHERE tenant_id = ${tenantId} AND id = ${input.versionId}) FOR UPDATE`;
        const version = await tx.modelVersion.findUnique({ where: { tenantId_id: { tenantId, id: input.versionId } } });
        if (!version) return versionNotFound('versionId');
        if (version.status !== 'READY') return versionNotReady;
        const model = await tx.model.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id: version.modelId } } });
        const refusal = await whatKeepsFromChampion(tx, model, version);
        if (refusal) return refusal;
        const key = { tenantId, modelId: version.modelId, name: championAlias };
        const champion = await tx.modelAlias.findUnique({ where: { tenantId_modelId_name: key }, include: { version: true } });
        if (champion && champion.versionId !== version.id) await moveAlias(tx, actor, champion.version, 'previous');
        await moveAlias(tx, actor, version, 'champion');
        let endpoint = await tx.endpoint.findUnique({ where: { tenantId_name: { tenantId, name: input.endpointName } } });
        if (endpoint && endpoint.modelId !== version.modelId) {
          throw new EndpointTaken(); // leaves the transaction, so that the aliases stay as they were
        }
        // An endpoint may follow another alias: it is to serve this version all the same.
        if (endpoint && endpoint.aliasName !== 'champion') await moveAlias(tx, actor, version, endpoint.aliasName);
        if (endpoint) await endTraffic(tx, tenantId, endpoint.id, actorName(actor));
        const isNew = endpoint === null;
        endpoint ??= await insertEndpoint(tx, actor, { name: input.endpointName, modelId: version.modelId, alias: 'champion' });
        const previous = champion && champion.versionId !== version.id ? champion.version.number : null;
        const details = { name: endpoint.name, isNew, modelId: version.modelId, version: version.number, alias: endpoint.aliasName, previous };
        await recordAudit(tx, actor, { action: 'endpoint.publish', subject: endpoint.id, details });
        await notify(tx, 'millrace_registry', tenantId);
        return { type: 'published', version, endpoint };
      }).catch((error: unknown): PublishOutcome => {
        if (error instanceof EndpointTaken || violatesUnique(error, 'endpoints_tenant_id_name_key')) {
          return { type: 'endpoint-of-other-model', name: input.endpointName };
        }
        throw error;
      });
    },

    /** What an endpoint serves, or the version with this number of the endpoint's model. Null when absent or not READY. */
    async resolveEndpoint(tenantId: string, name: string, versionNumber?: number): Promise<ServedEndpoint | null> {
      return database.forTenant(tenantId).transaction(async (tx) => {
        const endpoint = await tx.endpoint.findUnique({ where: { tenantId_name: { tenantId, name } }, include: { model: true } });
        if (!endpoint) return null;
        const alias = await tx.modelAlias.findUnique({
          where: { tenantId_modelId_name: { tenantId, modelId: endpoint.modelId, name: endpoint.aliasName } },
          include: { version: true },
        });
        const version =
          versionNumber === undefined
            ? alias?.version
            : await tx.modelVersion.findUnique({
                where: { tenantId_modelId_number: { tenantId, modelId: endpoint.modelId, number: versionNumber } },
              });
        if (!version || version.status !== 'READY') return null;
        // A version that was signed by a key that is gone has no signer: it is not to be loaded as if it never had one.
        const signerOf = async (keyId: string | null): Promise<string | null> =>
          keyId === null ? null : ((await tx.signingKey.findUnique({ where: { tenantId_keyId: { tenantId, keyId } }, select: { publicKey: true } }))?.publicKey ?? '');
        const served = async (row: ModelVersion): Promise<ServedVersion> => ({
          id: row.id,
          tenantId,
          number: row.number,
          modelName: endpoint.model.name,
          packagePrefix: row.packagePrefix,
          packageSha256: row.packageSha256,
          signer: await signerOf(row.signingKeyId),
          sizeBytes: Number(row.sizeBytes),
          signature: row.signature as unknown as Signature,
        });
        // A version that is asked for by its number answers alone.
        const rows = versionNumber === undefined
          ? await tx.trafficShare.findMany({ where: { tenantId, endpointId: endpoint.id, version: { status: 'READY' } }, include: { version: true }, orderBy: { versionId: 'asc' } })
          : [];
        const shares: ServedShare[] = [];
        for (const row of rows) {
          if (row.versionId !== version.id) shares.push({ version: await served(row.version), percent: row.percent, mirrorPercent: row.mirrorPercent });
        }
        return {
          endpoint: { id: endpoint.id, name: endpoint.name, serving: servingOf(endpoint) },
          version: await served(version),
          isStable: version.id === alias?.versionId,
          shares,
        };
      });
    },

    /** In the order of their making. */
    async listEndpointNames(tenantId: string): Promise<string[]> {
      const rows = await database.forTenant(tenantId).transaction((tx) =>
        tx.endpoint.findMany({ where: { tenantId }, select: { name: true }, orderBy: { id: 'asc' } }),
      );
      return rows.map((row) => row.name);
    },

    /** Numbers of the READY versions behind an endpoint, oldest first; empty when there is no such endpoint. */
    /** The version that an alias of the endpoint's model names; null when there is no such alias, or it cannot be served. */
    async versionNumberOfAlias(tenantId: string, endpointName: string, alias: string): Promise<number | null> {
      const found = await database.forTenant(tenantId).transaction((tx) =>
        tx.modelAlias.findFirst({
          where: { tenantId, name: alias, model: { endpoints: { some: { name: endpointName } } }, version: { status: 'READY' } },
          select: { version: { select: { number: true } } },
        }),
      );
      return found?.version.number ?? null;
    },

    async listVersionNumbers(tenantId: string, endpointName: string): Promise<number[]> {
      const rows = await database.forTenant(tenantId).transaction((tx) =>
        tx.modelVersion.findMany({
          where: { tenantId, status: 'READY', model: { endpoints: { some: { name: endpointName } } } },
          select: { number: true },
          orderBy: { number: 'asc' },
        }),
      );
      return rows.map((row) => row.number);
    },
  };
}

async function insertEndpoint(tx: TenantTx, actor: Actor, input: { name: string; modelId: string; alias: string }): Promise<Endpoint> {
  return tx.endpoint.create({
    data: {
      id: newId('endpoint'),
      tenantId: actor.tenantId,
      name: input.name,
      modelId: input.modelId,
      aliasName: input.alias,
      createdBy: actorName(actor),
    },
  });
}

class EndpointTaken extends Error {}

/** It tells what was champion before: a rollback must find that, and nothing that somebody put there. */
const reservedAlias: Problem = { code: 'alias_reserved', field: 'alias', message: '“previous” is moved by publishing and rollouts only.', remedy: 'Choose another name.' };
const versionNotFound = (field: string): NotFound => ({ type: 'not-found', field, message: 'There is no such version of a model.' });
const endpointNotFound: NotFound = { type: 'not-found', field: 'name', message: 'There is no endpoint of this name.' };
const versionNotReady: VersionNotReady = { type: 'version-not-ready', message: 'Only a version that is READY can be served.' };
