export { nameProblem } from './names.ts';
export {
  type CreateEndpointOutcome,
  createRegistry,
  ModelTaskConflict,
  type NewVersion,
  type PublishOutcome,
  type Registry,
  type ServedEndpoint,
  type ServedShare,
  type ServedVersion,
  type SetAliasOutcome,
} from './registry.ts';
export {
  createRollouts,
  type EndRolloutOutcome,
  rollbackMetrics,
  type RollbackMetric,
  rolloutDefaults,
  type Rollouts,
  type SetTrafficOutcome,
  type StartRolloutOutcome,
} from './rollouts.ts';
export { createTrafficRecorder, type TrafficRecorder } from './traffic-recorder.ts';
export type { ServedRequest, Variant, VersionTraffic } from './traffic.ts';
