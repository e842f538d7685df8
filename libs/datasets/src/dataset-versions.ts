import { createReadStream } from 'node:fs';
import path from 'node:path';
import { type Actor, actorName, recordAudit, requirePermission } from '@millrace/auth';
import { type Database, type Dataset, type DatasetVersion, type Prisma, type TenantDb, type TenantTx, type Upload, violatesUnique } from '@millrace/database';
import { DomainError, isId, newId, type Problem } from '@millrace/kernel';
import type { Quota, QuotaExceeded } from '@millrace/quota';
import type { ArtefactStore } from '@millrace/storage';
import { createImportGate } from './import-gate.ts';
import type { ColumnProfile, ColumnType, FileLimits, FileProblem, FileWarning } from './table-file.ts';
import { importTable, type ImportOutcome } from './table-import.ts';
import { keyOfVersion } from './uploads.ts';
import { withWorkFolder } from './work-folder.ts';

/** What a version's `profile` holds. Plain JSON. */
export interface DatasetProfile {
  columns: ColumnProfile[];
  warnings: FileWarning[];
}

export interface CreateDatasetInput {
  /** unique in the tenant */
  name: string;
  description?: string | null;
  uploadId: string;
  /** column types that the user chose instead of those found, by column name */
  columnTypes?: Readonly<Record<string, ColumnType>>;
}

export interface AddVersionInput {
  datasetId: string;
  uploadId: string;
  columnTypes?: Readonly<Record<string, ColumnType>>;
}

/** Why an upload can't become a version. */
export type VersionRefusal =
  | { type: 'upload-not-found' }
  | { type: 'upload-not-complete'; message: string; remedy: string }
  | { type: 'rejected-file'; problems: FileProblem[] }
  | QuotaExceeded;

export type CreateDatasetOutcome =
  | { type: 'created'; dataset: Dataset; version: DatasetVersion }
  | { type: 'invalid'; problems: Problem[] }
  | { type: 'name-taken'; name: string; remedy: string }
  | VersionRefusal;

export type AddVersionOutcome = { type: 'added'; dataset: Dataset; version: DatasetVersion } | { type: 'dataset-not-found' } | VersionRefusal;

/** A version as training needs it, without a look at its rows. */
export interface DatasetVersionView {
  id: string;
  datasetId: string;
  number: number;
  rowCount: number;
  sha256: string;
  profile: DatasetProfile;
}

interface Dependencies {
  database: Database;
  storage: ArtefactStore;
  quota: Quota;
  limits?: Partial<FileLimits>;
}

type Parsed = Extract<ImportOutcome, { type: 'imported' }>;
type StoredVersion = { versionId: string; upload: Upload; parsed: Parsed; objectKey: string; sizeBytes: number; sha256: string };

const storageBytes = 'STORAGE_BYTES' as const;
const nameIndex = 'datasets_tenant_id_name_key';

export function createDatasetVersions({ database, storage, quota, limits = {} }: Dependencies) {
  const throughGate = createImportGate({ atOnce: 2, waiting: 20 });

  /** Parses an upload outside any transaction, and puts the Parquet file into the store before a row names it. */
  async function store(actor: Actor, uploadId: string, columnTypes: Readonly<Record<string, ColumnType>> = {}): Promise<StoredVersion | VersionRefusal> {
    const { tenantId } = actor;
    const tenant = database.forTenant(tenantId);
    const upload = isId('upload', uploadId) ? await tenant.transaction((tx) => tx.upload.findFirst({ where: { tenantId, id: uploadId } })) : null;
    if (!upload) return { type: 'upload-not-found' };
    if (upload.status !== 'COMPLETE' || upload.objectKey === null) {
      return {
        type: 'upload-not-complete',
        message: upload.failure ?? 'No file has been received for this upload yet.',
        remedy: 'Send the file to the upload first.',
      };
    }

    const versionId = newId('datasetVersion');
    const objectKey = keyOfVersion(tenantId, versionId);
    return withWorkFolder(async (folder) => {
      const targetPath = path.join(folder, 'table.parquet');
      const parsed = await throughGate(() =>
        storage.withLocalFile(upload.objectKey!, (sourcePath) => importTable({ sourcePath, targetPath, limits, overrides: columnTypes })),
      );
      if (parsed.type === 'rejected') return { type: 'rejected-file', problems: parsed.problems };

      const reserved = await tenant.transaction((tx) =>
        quota.reserve(tx, tenantId, { resource: storageBytes, amount: BigInt(parsed.sizeBytes), subject: versionId }),
      );
      if (reserved.type === 'quota-exceeded') return reserved;
      try {
        const outcome = await storage.put(objectKey, createReadStream(targetPath), { expectedBytes: parsed.sizeBytes });
        if (outcome.type !== 'stored') throw new Error(`The parsed table could not be stored: ${outcome.type}`, { cause: outcome });
        return { versionId, upload, parsed, objectKey, sizeBytes: outcome.sizeBytes, sha256: outcome.sha256 };
      } catch (error) {
        await release(tenant, versionId);
        throw error;
      }
    });
  }

  async function release(tenant: TenantDb, versionId: string): Promise<void> {
    await tenant.transaction((tx) => quota.release(tx, tenant.tenantId, versionId, storageBytes));
  }

  async function discard(tenant: TenantDb, { versionId, objectKey }: StoredVersion): Promise<void> {
    await release(tenant, versionId);
    await storage.remove(objectKey);
  }

  /** Null when there is none in this tenant. */
  async function findVersion(tx: TenantTx, tenantId: string, versionId: string): Promise<DatasetVersionView | null> {
    const row = isId('datasetVersion', versionId) ? await tx.datasetVersion.findUnique({ where: { tenantId_id: { tenantId, id: versionId } } }) : null;
    return row && viewOf(row);
  }

  async function createRow(tx: TenantTx, actor: Actor, dataset: Dataset, number: number, stored: StoredVersion): Promise<DatasetVersion> {
    const { versionId, upload, parsed, objectKey, sizeBytes, sha256 } = stored;
    const profile: DatasetProfile = { columns: parsed.columns, warnings: parsed.warnings };
    await quota.settle(tx, actor.tenantId, versionId, storageBytes, BigInt(sizeBytes));
    return tx.datasetVersion.create({
      data: {
        id: versionId,
        tenantId: actor.tenantId,
        datasetId: dataset.id,
        number,
        uploadId: upload.id,
        rowCount: parsed.rowCount,
        columnCount: parsed.columns.length,
        profile: profile as unknown as Prisma.InputJsonObject,
        objectKey,
        sizeBytes: BigInt(sizeBytes),
        sha256,
        createdBy: actorName(actor),
      },
    });
  }

  const detailsOf = ({ upload, parsed, sha256 }: StoredVersion) => ({ uploadId: upload.id, rowCount: parsed.rowCount, sha256 });

  return {
    /** Makes a data set of a received file: its first version, parsed, typed and profiled. */
    async createDataset(actor: Actor, input: CreateDatasetInput): Promise<CreateDatasetOutcome> {
      requirePermission(actor, 'dataset:write');
      const { tenantId } = actor;
      const tenant = database.forTenant(tenantId);
      const checked = checkNaming(input);
      if (checked.type === 'invalid') return checked;
      const { name, description } = checked;
      const nameTaken: CreateDatasetOutcome = { type: 'name-taken', name, remedy: 'Choose another name, or add a version to the data set that has it.' };
      // Before the long work, so that the common mistake is answered at once; the index decides in the end.
      if (await tenant.transaction((tx) => tx.dataset.findFirst({ where: { tenantId, name } }))) return nameTaken;

      const stored = await store(actor, input.uploadId, input.columnTypes);
      if ('type' in stored) return stored;
      try {
        return await tenant.transaction(async (tx) => {
          const dataset = await tx.dataset.create({ data: { id: newId('dataset'), tenantId, name, description, createdBy: actorName(actor) } });
          const version = await createRow(tx, actor, dataset, 1, stored);
          await recordAudit(tx, actor, { action: 'dataset.create', subject: dataset.id, details: detailsOf(stored) });
          return { type: 'created', dataset, version };
        });
      } catch (error) {
        // After any other error the transaction may have come through: the file stays, and is cleared away with its
        // reservation a day later if no row names it.
        if (!violatesUnique(error, nameIndex)) throw error;
        await discard(tenant, stored);
        return nameTaken;
      }
    },

    /** Makes a received file the next version of a data set. Earlier versions stay as they are. */
    async addVersion(actor: Actor, { datasetId, uploadId, columnTypes }: AddVersionInput): Promise<AddVersionOutcome> {
      requirePermission(actor, 'dataset:write');
      const { tenantId } = actor;
      const tenant = database.forTenant(tenantId);
      const known = isId('dataset', datasetId) && (await tenant.transaction((tx) => tx.dataset.findFirst({ where: { tenantId, id: datasetId } })));
      if (!known) return { type: 'dataset-not-found' };

      const stored = await store(actor, uploadId, columnTypes);
      if ('type' in stored) return stored;
      const outcome = await tenant.transaction(async (tx): Promise<AddVersionOutcome> => {
        // The lock makes versions that are added at the same time take their numbers in turn.
        const locked = await tx.$queryRaw<unknown[]>`SELECT 1 FROM datasets WHERE tenant_id = ${tenantId} AND id = ${datasetId} FOR UPDATE`;
        const dataset = locked.length > 0 ? await tx.dataset.findFirst({ where: { tenantId, id: datasetId } }) : null;
        if (!dataset) return { type: 'dataset-not-found' };
        const { _max } = await tx.datasetVersion.aggregate({ where: { tenantId, datasetId }, _max: { number: true } });
        const version = await createRow(tx, actor, dataset, (_max.number ?? 0) + 1, stored);
        await recordAudit(tx, actor, { action: 'dataset.add_version', subject: datasetId, details: { ...detailsOf(stored), number: version.number } });
        return { type: 'added', dataset, version };
      });
      if (outcome.type !== 'added') await discard(tenant, stored);
      return outcome;
    },

    findVersion,

    /**
     * Runs `use` with the path of the version's Parquet file: for `readTable` and `sampleRows`, and only until `use`
     * settles. Throws `DomainError` `NOT_FOUND` when there is no such version in this tenant.
     */
    async withTable<T>(tenant: TenantDb, versionId: string, use: (parquetPath: string, version: DatasetVersionView) => Promise<T>): Promise<T> {
      const { tenantId } = tenant;
      const row = isId('datasetVersion', versionId)
        ? await tenant.transaction((tx) => tx.datasetVersion.findUnique({ where: { tenantId_id: { tenantId, id: versionId } } }))
        : null;
      if (!row) {
        throw new DomainError('NOT_FOUND', 'There is no such data set version.', { field: 'datasetVersionId', remedy: 'Choose a version of one of your data sets.' });
      }
      return storage.withLocalFile(row.objectKey, (parquetPath) => use(parquetPath, viewOf(row)));
    },
  };
}

function viewOf({ id, datasetId, number, rowCount, sha256, profile }: DatasetVersion): DatasetVersionView {
  return { id, datasetId, number, rowCount, sha256, profile: profile as unknown as DatasetProfile };
}

function checkNaming(input: CreateDatasetInput): { type: 'valid'; name: string; description: string } | { type: 'invalid'; problems: Problem[] } {
  const name = input.name.normalize('NFC').trim();
  const description = (input.description ?? '').normalize('NFC').trim();
  const problems: Problem[] = [];
  if (name === '' || name.length > 100 || /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/u.test(name)) {
    problems.push({ code: 'name_invalid', field: 'name', message: 'The name is empty, longer than 100 characters, or holds invisible characters.', remedy: 'Give a plain name of 1 to 100 characters.' });
  }
  if (description.length > 2000 || /[\0\p{Cs}]/u.test(description)) {
    problems.push({ code: 'description_invalid', field: 'description', message: 'The description is longer than 2000 characters or holds characters that can’t be stored.', remedy: 'Shorten it to plain text.' });
  }
  return problems.length > 0 ? { type: 'invalid', problems } : { type: 'valid', name, description };
}
