import type { Prediction, ValidatedRows } from '@millrace/packaging';
import type { EndpointServing } from '@millrace/registry';
import type { HeldModel } from './model-cache.ts';

/** Rows of one request, for one model. */
export interface BatchJob {
  tenantId: string;
  /** held by the request until its answer is there */
  held: HeldModel;
  rows: ValidatedRows;
  serving: EndpointServing;
  /** when the request came in, by the clock of the batcher */
  startedAt: number;
  /** whether the caller has hung up: then nothing is run for it */
  isGone(): boolean;
}

export interface BatchAnswer {
  predictions: Prediction[];
  /** of the calls that had rows of it */
  modelMs: number;
}

/** A request that waits for its turn, or for the next turn of its rows. */
export interface Waiting {
  job: BatchJob;
  resolve(answer: BatchAnswer): void;
  reject(error: unknown): void;
  since: number;
  deadline: number;
  /** rows of it that are predicted already */
  done: number;
  predictions: Prediction[];
  modelMs: number;
  /** it was in a batch that failed: it is run alone to see whose fault it was */
  isSuspect: boolean;
}

/** What waits for one model. */
export interface Queue {
  held: HeldModel;
  tenant: Tenant;
  waiting: Waiting[];
  rows: number;
  /** as it was at its best lately, and when that was last measured; 0 before the first call */
  msPerRow: number;
  measuredAt: number;
  /** time that it has had, by the clock of its tenant */
  used: number;
  /** since when something has been waiting, whenever one looked */
  busySince: number;
}

export interface Tenant {
  id: string;
  queues: Queue[];
  requests: number;
  used: number;
  clock: number;
}

/**
 * A model is believed to be as quick as it was at its best, and slower by so much with each call that is not. What else goes on in
 * the process and on the machine only ever adds to a call; taken for the model's doing, it would make batches small when they are needed most.
 */
const doubt = 1.05;

/** When the first of a queue may be run, by itself or with what waits behind it. */
function readyAt({ held, waiting: [head], rows }: Queue): number {
  const { maxBatchRows, maxQueueDelayMs } = head!.job.serving;
  const isReady = !held.isJoinable || head!.isSuspect || head!.done > 0 || rows >= maxBatchRows;
  return isReady ? -Infinity : head!.since + maxQueueDelayMs;
}

/**
 * Who waits for predictions, and whose turn it is. Tenants take turns by the time that they use, and so do the models of a tenant;
 * whoever had nothing to do does not get the time for it later. What it says of itself is for reading: fields cost nothing on the way of every request.
 */
export class PredictionTurns {
  /** requests that wait */
  waiting = 0;
  /** the queue whose call goes on, and how long that takes by what its model is believed to need */
  running: Queue | null = null;
  runningMs = 0;
  /** after `next` found nobody who would not rather wait for company: until when they do */
  readyLater = Infinity;
  readonly #turnMs: number;
  readonly #tenants = new Map<string, Tenant>();
  readonly #queues = new WeakMap<HeldModel, Queue>();
  #clock = 0;

  /** @param turnMs a call of a model takes so long at most where its rows can be divided */
  constructor(turnMs: number) {
    this.#turnMs = turnMs;
  }

  /** Those with something to do. */
  get tenants(): ReadonlyMap<string, Tenant> {
    return this.#tenants;
  }

  /** The queue of a model, if it has had one. */
  find(held: HeldModel): Queue | undefined {
    return this.#queues.get(held);
  }

  /** The queue of a model. Its tenant is to be forgotten where nothing is added. */
  of({ held, tenantId }: Pick<BatchJob, 'held' | 'tenantId'>): Queue {
    let queue = this.#queues.get(held);
    if (!queue) this.#queues.set(held, (queue = { held, tenant: this.#tenantOf(tenantId), waiting: [], rows: 0, msPerRow: 0, measuredAt: 0, used: 0, busySince: 0 }));
    if (!queue.waiting.length) queue.tenant = this.#tenantOf(tenantId); // it may have been forgotten meanwhile
    return queue;
  }

  #tenantOf(id: string): Tenant {
    let tenant = this.#tenants.get(id);
    if (!tenant) this.#tenants.set(id, (tenant = { id, queues: [], requests: 0, used: this.#clock, clock: 0 }));
    return tenant;
  }

  /** A tenant with nothing to do begins anew later; one whose call is under way has yet to be charged for it. */
  forget(tenant: Tenant): void {
    if (!tenant.requests && this.running?.tenant !== tenant) this.#tenants.delete(tenant.id);
  }

  add(queue: Queue, entry: Waiting, now: number): void {
    if (!queue.waiting.length) {
      const { tenant } = queue;
      if (!tenant.queues.length) tenant.used = Math.max(tenant.used, this.#clock);
      queue.used = Math.max(queue.used, tenant.clock);
      queue.busySince = now;
      tenant.queues.push(queue);
    }
    queue.waiting.push(entry);
    this.#count(queue, 1, entry.job.rows.count - entry.done);
  }

  remove(queue: Queue, entry: Waiting): void {
    queue.waiting.splice(queue.waiting.indexOf(entry), 1);
    this.#count(queue, -1, entry.done - entry.job.rows.count);
    if (queue.waiting.length) return;
    queue.tenant.queues.splice(queue.tenant.queues.indexOf(queue), 1);
    this.forget(queue.tenant);
  }

  #count(queue: Queue, requests: number, rows: number): void {
    this.waiting += requests;
    queue.tenant.requests += requests;
    queue.rows += rows;
  }

  /** Whose turn it is; null when all that wait do so for company, until `readyLater`. */
  next(now: number): Queue | null {
    let chosen: Queue | null = null;
    let earliest = Infinity;
    for (const tenant of this.#tenants.values()) {
      if (chosen && tenant.used >= chosen.tenant.used) continue;
      let own: Queue | null = null;
      for (const queue of tenant.queues) {
        const at = readyAt(queue);
        if (at > now) earliest = Math.min(earliest, at);
        else if (!own || queue.used < own.used) own = queue;
      }
      chosen = own ?? chosen;
    }
    if (!chosen) this.readyLater = earliest;
    return chosen;
  }

  /** Rows for one call. */
  mostRows({ held, msPerRow }: Queue): number {
    const { rowsPerCall } = held.model.signature.graph;
    return held.isJoinable && msPerRow > 0 ? Math.max(1, Math.min(rowsPerCall, Math.floor(this.#turnMs / msPerRow))) : rowsPerCall;
  }

  /** A call for so many rows of a queue goes on from now. */
  begin(queue: Queue, rows: number): void {
    const { tenant } = queue;
    this.running = queue;
    this.runningMs = rows * queue.msPerRow;
    this.#clock = tenant.used;
    tenant.clock = queue.used;
    this.#tenants.set(tenant.id, tenant);
  }

  /** What the model took for rows of the call that goes on. */
  measured(queue: Queue, rows: number, ms: number, now: number): void {
    queue.msPerRow = queue.msPerRow === 0 ? ms / rows : Math.min(doubt * queue.msPerRow, ms / rows);
    queue.measuredAt = now;
  }

  /** The call is over, and the thread was held for so long. */
  end(queue: Queue, ms: number): void {
    const { tenant } = queue;
    tenant.used += ms;
    queue.used += ms;
    this.running = null;
    this.runningMs = 0;
    this.forget(tenant);
  }
}
