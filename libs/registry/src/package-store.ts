import { createHash } from 'node:crypto';
import { type Actor, type Keyring, recordAudit, requirePermission } from '@millrace/auth';
import type { Database, Model, ModelVersion } from '@millrace/database';
import { DomainError } from '@millrace/kernel';
import { archiveBytes, type ArchiveEntry, damage, DamagedPackageError, type ModelPackage, type PackageFiles, readPipelineAside, SIGNATURE_FILE, textToSign, verifyPackage, writeArchive, writeLayers, writeSignature } from '@millrace/packaging';
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

/** Families that may be made of layers, so that no other is read back for nothing. */
/** By the id or the name of its model. */
type MeantVersion = { versionNumber: number } & ({ modelId: string } | { modelName: string });

const familiesOfLayers: readonly string[] = ['dense', 'linear', 'convolutional'];

export const packagePrefix = (tenantId: string, versionId: string): string => `tenants/${tenantId}/packages/${versionId}`;

/** The packages of versions in the artefact store: signed as they go in, whole before any row names them. */
export function createPackageStore({ database, storage, keyring }: PackageStoreOptions) {
  /** A version that shall be taken away; null when there is no such version. */
  async function findForExport(actor: Actor, { versionNumber, ...model }: MeantVersion): Promise<(ModelVersion & { model: Model }) | null> {
    requirePermission(actor, 'model:export');
    const { tenantId } = actor;
    const of = 'modelId' in model ? { modelId: model.modelId } : { model: { name: model.modelName } };
    return database.forTenant(tenantId).transaction((tx) => tx.modelVersion.findFirst({ where: { tenantId, number: versionNumber, ...of }, include: { model: true } }));
  }

  /** Says so in the trail, before the first byte leaves. */
  async function noteExport(actor: Actor, { id, number, packageSha256, model }: ModelVersion & { model: Model }, format: object = {}): Promise<void> {
    const details = { model: model.name, version: number, packageSha256, ...format };
    await database.forTenant(actor.tenantId).transaction((tx) => recordAudit(tx, actor, { action: 'model.export', subject: id, details }));
  }

  async function readPackage(version: { packagePrefix: string }): Promise<PackageFiles> {
    const entries = await storage.list(version.packagePrefix);
    if (!entries.length) throw packageIsMissing();
    const files = new Map<string, Uint8Array>();
    for (const { key } of entries) files.set(key.slice(version.packagePrefix.length + 1), await storage.read(key, maxPackageFileBytes));
    return files;
  }

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
    readPackage,

    /**
     * A version as a TensorFlow.js layers model, as one file; null when there is no such version.
     * @throws DomainError CONFLICT when it is not made of layers
     */
    async exportLayers(actor: Actor, input: MeantVersion): Promise<ExportedPackage | null> {
      const version = await findForExport(actor, input);
      if (!version) return null;
      if (!familiesOfLayers.includes(version.family)) throw hasNoLayers(`A model of the family ${version.family} is not made of layers.`);
      const files = await readPackage(version);
      const verified = await verifyPackage(files, { digest: version.packageSha256 });
      if (verified.type === 'damaged') throw new DamagedPackageError(verified.problems);
      const read = await readPipelineAside(files);
      if (read.type === 'unreadable') throw hasNoLayers(read.message);
      const written = writeLayers(read.pipeline);
      if (written.type === 'unsupported') throw hasNoLayers(written.message);
      await noteExport(actor, version, { format: 'tensorflow.js' });
      const entries = [...written.files].map(([name, content]): ArchiveEntry => ({ name, sizeBytes: content.byteLength, content }));
      return { filename: `${version.model.name}-${version.number}.tfjs.tar`, sizeBytes: archiveBytes(entries), content: writeArchive(entries) };
    },

    /**
     * A version's package as one file; null when there is no such version. A package from before they were signed is signed
     * now, in the file only.
     * @throws DamagedPackageError where a signature is missing that was there, or the unsigned package is another than the version's
     */
    async exportPackage(actor: Actor, input: MeantVersion): Promise<ExportedPackage | null> {
      const { tenantId } = actor;
      const version = await findForExport(actor, input);
      if (!version) return null;
      const stored = await storage.list(version.packagePrefix);
      if (!stored.length) throw packageIsMissing();
      const entries = stored.map(({ key, sizeBytes }): ArchiveEntry => ({
        name: key.slice(version.packagePrefix.length + 1), sizeBytes, content: opened(storage, key),
      }));
      if (!entries.some(({ name }) => name === SIGNATURE_FILE)) {
        if (version.signingKeyId !== null) throw new DamagedPackageError([damage('missing_signature', SIGNATURE_FILE, 'is missing.')]);
        const manifest = await storage.read(`${version.packagePrefix}/manifest.json`, maxManifestBytes);
        // The tenant's word is given for what was published, not for what lies there.
        if (createHash('sha256').update(manifest).digest('hex') !== version.packageSha256) throw new DamagedPackageError([damage('wrong_package', 'manifest.json', 'is not the manifest that was noted at publication.')]);
        const signature = writeSignature(await keyring.sign(tenantId, textToSign(manifest)));
        entries.push({ name: SIGNATURE_FILE, sizeBytes: signature.byteLength, content: signature });
      }
      await noteExport(actor, version);
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

const hasNoLayers = (message: string): DomainError =>
  new DomainError('CONFLICT', `The version has no form for TensorFlow.js. ${message}`, { field: 'version', remedy: 'Download the package: it holds the model as ONNX, which ONNX Runtime Web runs in a browser.' });

const packageIsMissing = (): DomainError =>
  new DomainError('UNAVAILABLE', 'The package of this version is not in the artefact store.', { remedy: 'Restore it from a backup, or train the version again.' });
