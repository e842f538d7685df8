export type { ArtefactInfo, ArtefactStore, PutOptions, PutOutcome } from './artefact-store.ts';
export { createFileStore, type FileStoreOptions } from './file-store.ts';
