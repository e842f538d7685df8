export type { ArtefactInfo, ArtefactStore, PutOptions, PutOutcome } from './artefact-store.ts';
export { createFileStore, type FileStoreOptions } from './file-store.ts';
export { createSealedStore, type ResealOptions, type ResealReport, type SealedStore, type SealedStoreOptions } from './sealed-store.ts';
export type { TenantKeyring } from './tenant-keyring.ts';
