export {
  type ClaimedRun,
  createRunQueue,
  type EpochValues,
  type Failure,
  type Lease,
  type ProgressReport,
  type RunQueue,
  type TrialRecord,
} from './queue.ts';
export { type RunDevice, type RunTerms, storageRemedy } from './enqueue-run.ts';
export { type OptimisationBase, optimisationOfRun, type OptimiseModelInput, type OptimiseModelOutcome, type RunOptimisation, suitingMethods, suitingPrecisions } from './optimise-model.ts';
export type { QueuePlace, WaitReason } from './queue-place.ts';
export { isFinal, type RunStatus } from './run-state.ts';
export {
  createTraining,
  type SubmitRunInput,
  type Training,
} from './training.ts';
export type { WorkerAnnouncement } from './worker-roll.ts';
export { parseTrainingSpec, type TrainingSpec, trainingSpecJsonSchema, writeTrainingYaml } from '@millrace/configuration';
