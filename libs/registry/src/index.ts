export { type ClaimedImport, createImportQueue, type ImportedVersion, type ImportQueue } from './model-imports.ts';
export { type Gate } from './champion-gate.ts';
export { compareVersions, type VersionComparison } from './compare-versions.ts';
export { writeModelCard } from './model-card.ts';
export { type Lineage, lineageOf, type LineageNode } from './model-lineage.ts';
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
