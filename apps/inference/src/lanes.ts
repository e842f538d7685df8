import type { ModelThread } from '@millrace/packaging';
import { type Batcher, type BatcherOptions, createBatcher } from './batcher.ts';
import type { HeldModel } from './model-cache.ts';

/**
 * A batcher for each thread in which models run: one call at a time there, whatever the others do. In each, tenants take turns
 * of their own, and the limits of what may wait are those of one. Work beside predictions holds the server's own thread.
 */
export function createLanes(options: BatcherOptions = {}): Batcher {
  const own = createBatcher(options);
  const others = new Map<ModelThread, Batcher>();

  function laneOf({ thread }: HeldModel): Batcher {
    if (thread === null) return own;
    let lane = others.get(thread);
    if (!lane) {
      for (const [known, { waiting }] of others) if (known.isLost && waiting === 0) others.delete(known);
      others.set(thread, (lane = createBatcher(options)));
    }
    return lane;
  }

  return {
    refusal: (request) => laneOf(request.held).refusal(request),
    isFull: (job) => laneOf(job.held).isFull(job),
    predict: (job) => laneOf(job.held).predict(job),
    beside: (piece) => own.beside(piece),
    get waiting() {
      let sum = own.waiting;
      for (const lane of others.values()) sum += lane.waiting;
      return sum;
    },
  };
}
