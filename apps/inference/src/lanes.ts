import type { ModelThread } from '@millrace/packaging';
import { type Batcher, type BatcherOptions, createBatcher } from './batcher.ts';
import type { HeldModel } from './model-cache.ts';

/**
 * A batcher for each thread in which models run: one call at a time there, whatever the others do. In each, tenants take turns
 * of their own, and the limits of what may wait are those of one. Work beside predictions is in the lane of the model that it has predict, if it does.
 */
export function createLanes(options: BatcherOptions = {}): Batcher {
  const own = createBatcher(options);
  const others = new Map<ModelThread, Batcher>();

  function laneOf({ thread }: HeldModel): Batcher {
    if (thread === null) return own;
    let lane = others.get(thread);
    if (!lane) {
      for (const [known, { waiting }] of others) if (known.isLost && waiting === 0) others.delete(known);
      others.set(thread, (lane = createBatcher({ ...options, isInThread: true })));
    }
    return lane;
  }

  return {
    refusal: (request) => laneOf(request.held).refusal(request),
    isFull: (job) => laneOf(job.held).isFull(job),
    predict: (job) => laneOf(job.held).predict(job),
    beside: (piece) => (piece.held ? laneOf(piece.held) : own).beside(piece),
    get waiting() {
      let sum = own.waiting;
      for (const lane of others.values()) sum += lane.waiting;
      return sum;
    },
  };
}
