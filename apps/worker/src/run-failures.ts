import { type Failure, storageRemedy } from '@millrace/training';

/** How a training process ended. */
export interface TrainerExit {
  code: number | null;
  signal: string | null;
}

/** How Node ends when its heap is full. */
export const isOutOfMemory = ({ code, signal }: TrainerExit): boolean => code === 134 || signal === 'SIGABRT';

export const gpuUnavailable: Failure = {
  code: 'GPU_UNAVAILABLE',
  field: 'device',
  message: 'The worker that took this run cannot use its GPU any more.',
  remedy: 'Submit it for AUTO or CPU, or tell your operator.',
  fault: 'SYSTEM',
};

export const baseGone: Failure = {
  code: 'BASE_DELETED',
  field: 'modelVersionId',
  message: 'The version that was to be optimised has been deleted meanwhile.',
  remedy: 'Choose another version.',
  fault: 'USER',
};

export const storageFull = ({ used, limit }: { used: bigint; limit: bigint }, bytes: number): Failure => ({
  code: 'STORAGE_FULL',
  message: `The package of the new version has ${bytes} bytes, and ${used} of ${limit} bytes of your storage are in use.`,
  remedy: storageRemedy,
  fault: 'USER',
});

export const trainerCrashed = ({ code, signal }: TrainerExit): Failure => ({
  code: 'TRAINER_CRASHED',
  message: `The training process ended unexpectedly (${signal ?? `exit code ${code}`}).`,
  remedy: 'If it happens again, tell your operator the id of this run.',
  fault: 'SYSTEM',
});

export const workerError: Failure = {
  code: 'WORKER_ERROR',
  message: 'The worker could not finish this run because of an error of ours.',
  remedy: 'Tell your operator the id of this run.',
  fault: 'SYSTEM',
};
