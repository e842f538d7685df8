export { type ClaimedImport, createImportQueue, type ImportedVersion, type ImportQueue } from './model-imports.ts';
export { ModelTaskConflict } from './model-task-conflict.ts';
export { nameProblem } from './names.ts';
export { packagePrefix } from './package-store.ts';
export {
  type CreateEndpointOutcome,
  createRegistry,
  type NewVersion,
  type PublishOutcome,
  type Registry,
  type ServedEndpoint,
  type ServedVersion,
  type SetAliasOutcome,
} from './registry.ts';
