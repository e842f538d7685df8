export { type ClaimedImport, createImportQueue, type ImportedVersion, type ImportQueue } from './model-imports.ts';
export { findGate, type Gate, type GateForVersions } from './champion-gate.ts';
export { compareVersions, type VersionComparison } from './compare-versions.ts';
export { createEndpointWebhooks, type EndpointWebhooks, type SetEndpointWebhookOutcome } from './endpoint-webhooks.ts';
export { type EndpointServing, servingDefaults, servingOf, type UpdateServingOutcome } from './endpoint-serving.ts';
export { type FeedbackSender, readFeedbackSenders } from './feedback-senders.ts';
export { createFeedbackDesk, type FeedbackDesk, type GiveFeedbackOutcome, longestSource } from './feedback.ts';
export { type LiveMetric, liveMetricsOf, type MetricEstimate } from './live-metrics.ts';
export { type LiveScore, type LiveScorePoint } from './live-scores.ts';
export { writeModelCard } from './model-card.ts';
export { type Lineage, lineageOf, type LineageNode } from './model-lineage.ts';
export { ModelTaskConflict } from './model-task-conflict.ts';
export { aliasProblem, nameProblem } from './names.ts';
export { packagePrefix } from './package-store.ts';
export { type CancelPredictionOutcome, createPredictionCare, type PredictionCare, seesPrediction, whereSeen } from './prediction-care.ts';
export { createPredictionRecorder, type GivenAnswer, type PredictionRecorder } from './prediction-recorder.ts';
export { sweepRecordings } from './recording-sweep.ts';
export {
  type AcceptOutcome,
  type ClaimedPrediction,
  createPredictionQueue,
  defaultQueueLimits,
  mostAttempts,
  type OpenedPrediction,
  type PredictionFault,
  type PredictionQueue,
  type PredictionRequest,
  type QueueLimits,
} from './prediction-queue.ts';
export { type PredictionView, viewPrediction } from './prediction-view.ts';
export { createWebhookDeliveries, type WebhookDeliveries } from './webhook-deliveries.ts';
export { type WebhookEvent, webhookEvents } from './webhook-events.ts';
export { createWebhookRepeats, type WebhookRepeats } from './webhook-repeats.ts';
export { isWebhookUrl, longestWebhookUrl } from './webhook-url.ts';
export { createWebhookSecrets, type RotateWebhookSecretOutcome, type WebhookSecrets } from './webhook-secrets.ts';
export {
  type CreateEndpointOutcome,
  createRegistry,
  type NewVersion,
  type PublishOutcome,
  type Registry,
  type ServedEndpoint,
  type ServedShare,
  type ServedVersion,
  type SetAliasOutcome,
} from './registry.ts';
export { type BrokenRule, rollbackMetrics, type RollbackMetric, type RollbackOperator, type RollbackRule } from './rollback-rules.ts';
export { type RolloutWait, rolloutWaitKinds, waitInWords } from './rollout-waits.ts';
export {
  createRollouts,
  type EndRolloutOutcome,
  rolloutDefaults,
  type Rollouts,
  type SetTrafficOutcome,
  type StartRolloutOutcome,
} from './rollouts.ts';
export { createTrafficRecorder, type TrafficRecorder } from './traffic-recorder.ts';
export type { ServedRequest, Variant, VersionTraffic } from './traffic.ts';
export { findingsOf, type OptimisationFinding, optimisationOf, placeInLine, type ServingCost, type VersionOptimisation } from './version-optimisation.ts';
