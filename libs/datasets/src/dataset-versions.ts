import { type Actor, actorName, recordAudit, requirePermission } from '@millrace/auth';
import { type Database, type Dataset, type DatasetVersion, type TenantDb, type TenantTx, violatesUnique } from '@millrace/database';
import { DomainError, isId, newId, type Problem } from '@millrace/kernel';
import type { Quota } from '@millrace/quota';
import type { ArtefactStore } from '@millrace/storage';
import type { ColumnType, FileLimits } from './table-file.ts';
import { createVersionStore, type DatasetProfile, type StoredVersion, type VersionPlace, type VersionRefusal } from './version-store.ts';

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

export type CreateDatasetOutcome =
  | { type: 'created'; dataset: Dataset; version: DatasetVersion }
  | { type: 'invalid'; problems: Problem[] }
  | { type: 'name-taken'; name: string; remedy: string }
  | VersionRefusal;

export interface CorrectTypesInput {
  datasetId: string;
  /** by column name; the other columns keep the types that they have */
  columnTypes: Readonly<Record<string, ColumnType>>;
}

export type AddVersionOutcome = { type: 'added'; dataset: Dataset; version: DatasetVersion } | { type: 'dataset-not-found' } | VersionRefusal;

/** `superseded`: another version came in between, so that the new one would not have been made of the newest. */
export type DeriveVersionOutcome = AddVersionOutcome | { type: 'superseded' };

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

const nameIndex = 'datasets_tenant_id_name_key';

export function createDatasetVersions({ database, storage, quota, limits = {} }: Dependencies) {
  const { store, discard, createRow, sourcesOf } = createVersionStore({ database, storage, quota, limits });

  /** Null when there is none in this tenant. */
  async function findVersion(tx: TenantTx, tenantId: string, versionId: string): Promise<DatasetVersionView | null> {
    const row = isId('datasetVersion', versionId) ? await tx.datasetVersion.findFirst({ where: { tenantId, id: versionId, dataset: { deletedAt: null } } }) : null;
    return row && viewOf(row);
  }

  const detailsOf = ({ upload, parsed, sha256 }: StoredVersion) => ({ uploadId: upload.id, rowCount: parsed.rowCount, sha256 });

  /** The newest version of a data set and the uploads that it was made of; null when there is no such data set. */
  async function newestOf({ tenantId }: Actor, datasetId: string): Promise<{ version: DatasetVersion; sources: string[] } | null> {
    if (!isId('dataset', datasetId)) return null;
    return database.forTenant(tenantId).transaction(async (tx) => {
      const version = await tx.datasetVersion.findFirst({ where: { tenantId, datasetId, dataset: { deletedAt: null } }, orderBy: { number: 'desc' } });
      return version && { version, sources: await sourcesOf(tx, version) };
    });
  }

  /** Gives a stored version its number and row. What was made of a version that is no longer the newest is refused. */
  async function settle(actor: Actor, datasetId: string, action: string, stored: StoredVersion, lineage: Omit<VersionPlace, 'number'> = {}): Promise<DeriveVersionOutcome> {
    const { tenantId } = actor;
    const tenant = database.forTenant(tenantId);
    const outcome = await tenant.transaction(async (tx): Promise<DeriveVersionOutcome> => {
      // The lock makes versions that are added at the same time take their numbers in turn.
      const locked = await tx.$queryRaw<unknown[]>`SELECT 1 FROM datasets WHERE tenant_id = ${tenantId} AND id = ${datasetId} AND deleted_at IS NULL FOR UPDATE`;
      const dataset = locked.length > 0 ? await tx.dataset.findFirst({ where: { tenantId, id: datasetId } }) : null;
      if (!dataset) return { type: 'dataset-not-found' };
      const newest = await tx.datasetVersion.findFirst({ where: { tenantId, datasetId }, orderBy: { number: 'desc' } });
      if (lineage.parentId !== undefined && newest?.id !== lineage.parentId) return { type: 'superseded' };
      const version = await createRow(tx, actor, dataset, { number: (newest?.number ?? 0) + 1, ...lineage }, stored);
      await recordAudit(tx, actor, { action, subject: datasetId, details: { ...detailsOf(stored), number: version.number } });
      return { type: 'added', dataset, version };
    });
    if (outcome.type !== 'added') await discard(tenant, stored);
    return outcome;
  }

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

      const stored = await store(actor, [input.uploadId], input.columnTypes);
      if ('type' in stored) return stored;
      try {
        return await tenant.transaction(async (tx) => {
          const dataset = await tx.dataset.create({ data: { id: newId('dataset'), tenantId, name, description, createdBy: actorName(actor) } });
          const version = await createRow(tx, actor, dataset, { number: 1 }, stored);
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
      if (!(await newestOf(actor, datasetId))) return { type: 'dataset-not-found' };
      const stored = await store(actor, [uploadId], columnTypes);
      return 'type' in stored ? stored : (settle(actor, datasetId, 'dataset.add_version', stored) as Promise<AddVersionOutcome>);
    },

    /**
     * Makes a version of the newest one and the rows of a received file below its own. The file has the same columns, in
     * any order, and cells that fit their types.
     */
    async appendRows(actor: Actor, { datasetId, uploadId }: { datasetId: string; uploadId: string }): Promise<DeriveVersionOutcome> {
      requirePermission(actor, 'dataset:write');
      const newest = await newestOf(actor, datasetId);
      if (!newest) return { type: 'dataset-not-found' };
      const stored = await store(actor, [...newest.sources, uploadId], typesOf(newest.version));
      return 'type' in stored ? stored : settle(actor, datasetId, 'dataset.append_rows', stored, { origin: 'APPEND', parentId: newest.version.id });
    },

    /** Makes a version of the newest one with other column types, read from its files anew. */
    async correctColumnTypes(actor: Actor, { datasetId, columnTypes }: CorrectTypesInput): Promise<DeriveVersionOutcome> {
      requirePermission(actor, 'dataset:write');
      const newest = await newestOf(actor, datasetId);
      if (!newest) return { type: 'dataset-not-found' };
      const stored = await store(actor, newest.sources, { ...typesOf(newest.version), ...columnTypes });
      return 'type' in stored ? stored : settle(actor, datasetId, 'dataset.correct_types', stored, { origin: 'TYPES', parentId: newest.version.id });
    },

    findVersion,

    /**
     * Runs `use` with the path of the version's Parquet file: for `readTable` and `sampleRows`, and only until `use`
     * settles. Throws `DomainError` `NOT_FOUND` when there is no such version in this tenant.
     */
    async withTable<T>(tenant: TenantDb, versionId: string, use: (parquetPath: string, version: DatasetVersionView) => Promise<T>): Promise<T> {
      const { tenantId } = tenant;
      const row = isId('datasetVersion', versionId)
        ? await tenant.transaction((tx) => tx.datasetVersion.findFirst({ where: { tenantId, id: versionId, dataset: { deletedAt: null } } }))
        : null;
      if (!row) {
        throw new DomainError('NOT_FOUND', 'There is no such data set version.', { field: 'datasetVersionId', remedy: 'Choose a version of one of your data sets.' });
      }
      return storage.withLocalFile(row.objectKey, (parquetPath) => use(parquetPath, viewOf(row)));
    },
  };
}

function typesOf({ profile }: DatasetVersion): Record<string, ColumnType> {
  return Object.fromEntries((profile as unknown as DatasetProfile).columns.map(({ name, type }) => [name, type]));
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
