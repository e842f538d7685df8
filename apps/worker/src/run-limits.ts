import type { Run } from '@millrace/database';
import type { Failure } from '@millrace/training';
import { residentMb } from './process-memory.ts';

/** Memory is taken within a moment; a look costs some ten microseconds. */
const lookEveryMs = 50;

export interface RunLimits {
  /** the run's own, or the worker's where that is less */
  memoryMb: number;
  minutes: number;
}

export function limitsOf(run: Pick<Run, 'memoryMb' | 'minutes'>, workerMemoryMb: number): RunLimits {
  return { memoryMb: Math.min(run.memoryMb, workerMemoryMb), minutes: run.minutes };
}

/**
 * Watches a training process and calls `onExcess`, once, when it has taken more memory than it may or computed for too long.
 * @returns a function that ends the watch
 */
export function watchLimits(pid: number, limits: RunLimits, computeSeconds: () => number, onExcess: (failure: Failure) => void): () => void {
  let over = false;
  const excess = (failure: Failure): void => {
    if (over) return;
    end();
    onExcess(failure);
  };
  const timer = setInterval(() => {
    if (computeSeconds() > limits.minutes * 60) return excess(outOfTime(limits));
    void residentMb(pid).then((mb) => {
      if (mb !== null && mb > limits.memoryMb) excess(outOfMemory(limits));
    });
  }, lookEveryMs);
  const end = (): void => {
    over = true;
    clearInterval(timer);
  };
  return end;
}

export function outOfMemory({ memoryMb }: Pick<RunLimits, 'memoryMb'>): Failure {
  return {
    code: 'OUT_OF_MEMORY',
    field: 'limits.memoryMb',
    message: `The training needs more than its ${memoryMb} MB of memory.`,
    remedy: 'Use fewer rows or columns, a smaller model or a smaller batch, or give the run more memory: your operator can raise what your plan allows.',
    fault: 'USER',
  };
}

function outOfTime({ minutes }: RunLimits): Failure {
  return {
    code: 'TIME_LIMIT_EXCEEDED',
    field: 'limits.minutes',
    message: `The training was not done within its ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}.`,
    remedy: 'Use fewer rows, epochs or models, or give the run more minutes: your operator can raise what your plan allows.',
    fault: 'USER',
  };
}
