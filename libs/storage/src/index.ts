export type { ArtefactInfo, ArtefactStore, PutOptions, PutOutcome } from './artefact-store.ts';
export { createFileStore } from './file-store.ts';
export { createSealedStore, type ResealReport, type SealedStore } from './sealed-store.ts';
export type { TenantKeyring } from './tenant-keyring.ts';
