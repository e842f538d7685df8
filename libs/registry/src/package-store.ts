import { type Actor, type Keyring, recordAudit, requirePermission } from '@millrace/auth';
import type { Database } from '@millrace/database';
import { DomainError } from '@millrace/kernel';
import { archiveBytes, type ArchiveEntry, type ModelPackage, type PackageFiles, SIGNATURE_FILE, textToSign, writeArchive, writeSignature } from '@millrace/packaging';
import type { ArtefactStore } from '@millrace/storage';

export interface PackageStoreOptions {
  database: Database;
  storage: ArtefactStore;
  keyring: Pick<Keyring, 'sign'>;
}

export interface ExportedPackage {
  filename: string;
  sizeBytes: number;
  /** the bytes of the file, made as they are read */
  content: AsyncIterable<Uint8Array>;
}

/** Limit of one file of a package in memory while it is read for loading. */
const maxPackageFileBytes = 1024 ** 3;
const maxManifestBytes = 64 * 1024;

export const packagePrefix = (tenantId: string, versionId: string): string => `tenants/${tenantId}/packages/${versionId}`;

/** The packages of versions in the artefact store: signed as they go in, whole before any row names them. */
export function createPackageStore({ database, storage, keyring }: PackageStoreOptions) {
  return {
    /**
     * Signs a package with its tenant's key, which adds the signature to its files, and stores them, before any row names
     * it. Storing twice is harmless.
     */
    async storePackage(tenantId: string, versionId: string, modelPackage: ModelPackage): Promise<void> {
      const signature = await keyring.sign(tenantId, textToSign(modelPackage.files.get('manifest.json')!));
      modelPackage.files.set(SIGNATURE_FILE, writeSignature(signature));
      for (const [path, bytes] of modelPackage.files) {
        const outcome = await storage.put(`${packagePrefix(tenantId, versionId)}/${path}`, bytes);
        if (outcome.type !== 'stored') throw new Error(`a file of the package was not stored: ${outcome.type}`);
      }
    },

    /** Of a package that no row names, or none any more. */
    async removePackage(tenantId: string, versionId: string): Promise<void> {
      await storage.removeAll(packagePrefix(tenantId, versionId));
    },

    /** The files of a version's package, unchecked: whoever loads them verifies them against its digest and signer. */
    async readPackage(version: { packagePrefix: string }): Promise<PackageFiles> {
      const entries = await storage.list(version.packagePrefix);
      if (!entries.length) throw packageIsMissing();
      const files = new Map<string, Uint8Array>();
      for (const { key } of entries) files.set(key.slice(version.packagePrefix.length + 1), await storage.read(key, maxPackageFileBytes));
      return files;
    },

    /**
     * A version's package as one file; null when there is no such version. A package from before they were signed is signed
     * now, in the file only.
     */
    async exportPackage(actor: Actor, input: { modelId: string; versionNumber: number }): Promise<ExportedPackage | null> {
      requirePermission(actor, 'model:export');
      const { tenantId } = actor;
      const version = await database.forTenant(tenantId).transaction(async (tx) => {
        const key = { tenantId, modelId: input.modelId, number: input.versionNumber };
        const found = await tx.modelVersion.findUnique({ where: { tenantId_modelId_number: key }, include: { model: true } });
        if (found) await recordAudit(tx, actor, { action: 'model.export', subject: found.id, details: { model: found.model.name, version: found.number, packageSha256: found.packageSha256 } });
        return found;
      });
      if (!version) return null;
      const stored = await storage.list(version.packagePrefix);
      if (!stored.length) throw packageIsMissing();
      const entries = stored.map(({ key, sizeBytes }): ArchiveEntry => ({
        name: key.slice(version.packagePrefix.length + 1), sizeBytes, content: opened(storage, key),
      }));
      if (!entries.some(({ name }) => name === SIGNATURE_FILE)) {
        const manifest = await storage.read(`${version.packagePrefix}/manifest.json`, maxManifestBytes);
        const signature = writeSignature(await keyring.sign(tenantId, textToSign(manifest)));
        entries.push({ name: SIGNATURE_FILE, sizeBytes: signature.byteLength, content: signature });
      }
      return { filename: `${version.model.name}-${version.number}.millrace.tar`, sizeBytes: archiveBytes(entries), content: writeArchive(entries) };
    },
  };
}

async function* opened(storage: ArtefactStore, key: string): AsyncGenerator<Uint8Array, void, void> {
  const content = await storage.open(key);
  try {
    yield* content as AsyncIterable<Uint8Array>;
  } finally {
    content.destroy();
  }
}

const packageIsMissing = (): DomainError =>
  new DomainError('UNAVAILABLE', 'The package of this version is not in the artefact store.', { remedy: 'Restore it from a backup, or train the version again.' });
