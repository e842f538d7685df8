export { nameProblem } from './names.ts';
export {
  type CreateEndpointOutcome,
  createRegistry,
  ModelTaskConflict,
  type NewVersion,
  type PublishOutcome,
  type Registry,
  type ServedEndpoint,
  type ServedVersion,
  type SetAliasOutcome,
} from './registry.ts';
