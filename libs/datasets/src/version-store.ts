import { createReadStream } from 'node:fs';
import path from 'node:path';
import { type Actor, actorName } from '@millrace/auth';
import type { Database, Dataset, DatasetVersion, Prisma, TenantDb, TenantTx, Upload } from '@millrace/database';
import { isId, newId } from '@millrace/kernel';
import type { Quota, QuotaExceeded } from '@millrace/quota';
import type { ArtefactStore } from '@millrace/storage';
import type { FileDialect } from './file-dialect.ts';
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

/** Why uploads can't become a version. */
export type VersionRefusal =
  | { type: 'upload-not-found' }
  | { type: 'upload-not-complete'; message: string; remedy: string }
  | { type: 'rejected-file'; problems: FileProblem[] }
  | QuotaExceeded;

/** A parsed table in the store that no row names yet. */
export interface StoredVersion {
  versionId: string;
  /** the last of its files */
  upload: Upload;
  parsed: Extract<ImportOutcome, { type: 'imported' }>;
  objectKey: string;
  sizeBytes: number;
  sha256: string;
}

/** Where a version stands in its data set. */
export interface VersionPlace {
  number: number;
  /** UPLOAD if left out */
  origin?: DatasetVersion['origin'];
  /** the version that it was made of */
  parentId?: string;
}

interface Dependencies {
  database: Database;
  storage: ArtefactStore;
  quota: Quota;
  limits: Partial<FileLimits>;
}

const storageBytes = 'STORAGE_BYTES' as const;

export function createVersionStore({ database, storage, quota, limits }: Dependencies) {
  const throughGate = createImportGate({ atOnce: 2, waiting: 20 });

  /** Parses uploads, one below the other, outside any transaction, and puts the Parquet file into the store before a row names it. */
  async function store(actor: Actor, uploadIds: readonly string[], columnTypes: Readonly<Record<string, ColumnType>> = {}): Promise<StoredVersion | VersionRefusal> {
    const { tenantId } = actor;
    const tenant = database.forTenant(tenantId);
    const { found, own } = await tenant.transaction(async (tx) => ({
      found: await tx.upload.findMany({ where: { tenantId, id: { in: uploadIds.filter((id) => isId('upload', id)) } } }),
      own: await quota.tableLimits(tx, tenantId),
    }));
    const ownLimits = { maxRows: own.rows, maxColumns: own.columns, ...limits };
    const keys: string[] = [];
    const dialects: FileDialect[] = [];
    for (const id of uploadIds) {
      const upload = found.find((one) => one.id === id);
      if (!upload) return { type: 'upload-not-found' };
      if (upload.status !== 'COMPLETE' || upload.objectKey === null) {
        return {
          type: 'upload-not-complete',
          message: upload.failure ?? 'No file has been received for this upload yet.',
          remedy: 'Send the file to the upload first.',
        };
      }
      keys.push(upload.objectKey);
      dialects.push(upload.dialect as FileDialect);
    }
    const upload = found.find(({ id }) => id === uploadIds.at(-1))!;

    const versionId = newId('datasetVersion');
    const objectKey = keyOfVersion(tenantId, versionId);
    return withWorkFolder(async (folder) => {
      const targetPath = path.join(folder, 'table.parquet');
      const parsed = await throughGate(() =>
        withLocalFiles(keys, ([sourcePath, ...morePaths]) => importTable({ sourcePath: sourcePath!, morePaths, targetPath, dialects, limits: ownLimits, overrides: columnTypes })),
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

  /** Runs `use` with the paths of all files. */
  function withLocalFiles<T>(keys: readonly string[], use: (paths: string[]) => Promise<T>, paths: string[] = []): Promise<T> {
    const [key, ...others] = keys;
    return key === undefined ? use(paths) : storage.withLocalFile(key, (one) => withLocalFiles(others, use, [...paths, one]));
  }

  async function createRow(tx: TenantTx, actor: Actor, dataset: Dataset, { number, ...lineage }: VersionPlace, stored: StoredVersion): Promise<DatasetVersion> {
    const { versionId, upload, parsed, objectKey, sizeBytes, sha256 } = stored;
    const profile: DatasetProfile = { columns: parsed.columns, warnings: parsed.warnings };
    await quota.settle(tx, actor.tenantId, versionId, storageBytes, BigInt(sizeBytes));
    return tx.datasetVersion.create({
      data: {
        id: versionId,
        tenantId: actor.tenantId,
        datasetId: dataset.id,
        number,
        ...lineage,
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

  /** The uploads that a version was made of, in the order of its rows. */
  async function sourcesOf(tx: TenantTx, version: DatasetVersion): Promise<string[]> {
    const { tenantId, datasetId } = version;
    const rows = await tx.datasetVersion.findMany({ where: { tenantId, datasetId }, select: { id: true, origin: true, parentId: true, uploadId: true } });
    const byId = new Map(rows.map((row) => [row.id, row]));
    const uploads: string[] = [];
    for (let at = byId.get(version.id); at; at = at.parentId === null ? undefined : byId.get(at.parentId)) {
      if (at.origin !== 'TYPES') uploads.unshift(at.uploadId);
      if (at.origin === 'UPLOAD') break;
    }
    return uploads;
  }

  return { store, discard, createRow, sourcesOf };
}
