import { joinRows, type Prediction, type ValidatedRows } from '@millrace/packaging';
import type { EndpointServing } from '@millrace/registry';
import type { HeldModel } from './model-cache.ts';
import type { RequestError } from './request-error.ts';
import { callerGone, deadlineExceeded, overloaded } from './shedding.ts';

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

/** Why a request was put off: its queue or the server's is full, or has been long for long; it could not be, or was not, answered before its deadline. */
export type ShedReason = 'queue_full' | 'standing' | 'forecast' | 'deadline';

export interface BatcherOptions {
  /** requests that wait for one model; further ones are refused */
  maxWaitingPerModel?: number;
  /** requests that wait in all; then the tenant with the most loses its youngest */
  maxWaiting?: number;
  /** a call of a model takes so long at most where its rows can be divided */
  turnMs?: number;
  observe?: { call(rows: number): void; shed(reason: ShedReason): void };
  /** milliseconds, how to be called after some, and how at once after what goes on now */
  time?: { now(): number; after(ms: number, run: () => void): () => void; soon(run: () => void): void };
}

export type Batcher = ReturnType<typeof createBatcher>;

interface Waiting {
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

interface Queue {
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

interface Tenant {
  id: string;
  queues: Queue[];
  requests: number;
  used: number;
  clock: number;
}

const wallTime: NonNullable<BatcherOptions['time']> = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  soon: setImmediate,
};

/**
 * A model is believed to be as quick as it was at its best, and slower by so much with each call that is not. What else goes on in
 * the process and on the machine only ever adds to a call; taken for the model's doing, it would make batches small when they are needed most.
 */
const doubt = 1.05;

/**
 * A queue may become as long as the deadline allows, but not stay so: one that has not been empty for a tenth of the deadline is
 * kept to a tenth of it. A longer one would not be worked off sooner; everybody would only wait longer.
 * (The idea of Nichols and Jacobson, Controlling Queue Delay, 2012, decided at the entrance.)
 */
const standingShare = 0.1;

/**
 * Has models predict, one call at a time: a call holds the thread. A request that finds nothing under way is run at once; what
 * comes in meanwhile is gathered, and rows for the same model are run together. Tenants take turns by the time that they use,
 * and so do the models of a tenant. Whatever cannot be answered in time is refused, when it comes if that can be foreseen.
 */
export function createBatcher({ maxWaitingPerModel = 512, maxWaiting = 1024, turnMs = 25, observe, time = wallTime }: BatcherOptions = {}) {
  const tenants = new Map<string, Tenant>();
  const queues = new WeakMap<HeldModel, Queue>();
  let waiting = 0;
  let running: Queue | null = null;
  let runningMs = 0;
  let clock = 0;
  let cancelTimer: (() => void) | null = null;

  function queueOf({ held, tenantId }: Pick<BatchJob, 'held' | 'tenantId'>): Queue {
    let queue = queues.get(held);
    if (!queue) queues.set(held, (queue = { held, tenant: tenantOf(tenantId), waiting: [], rows: 0, msPerRow: 0, measuredAt: 0, used: 0, busySince: 0 }));
    if (!queue.waiting.length) queue.tenant = tenantOf(tenantId); // it may have been forgotten meanwhile
    return queue;
  }

  function tenantOf(id: string): Tenant {
    let tenant = tenants.get(id);
    if (!tenant) tenants.set(id, (tenant = { id, queues: [], requests: 0, used: clock, clock: 0 }));
    return tenant;
  }

  const backlogOf = (queue: Queue): number => queue.rows * queue.msPerRow;

  /** Milliseconds until so many further rows for a model would be predicted: nobody ahead takes more turns than they do. */
  function forecast(queue: Queue, rows: number): number {
    const own = backlogOf(queue) + rows * queue.msPerRow;
    let ofTenant = own;
    for (const other of queue.tenant.queues) if (other !== queue) ofTenant += Math.min(own, backlogOf(other));
    let all = ofTenant;
    for (const other of tenants.values()) {
      if (other !== queue.tenant) all += Math.min(ofTenant, other.queues.reduce((sum, one) => sum + backlogOf(one), 0));
    }
    return all + runningMs;
  }

  function refusalOf(job: Omit<BatchJob, 'rows' | 'isGone'>, rows: number): RequestError | null {
    if (!running && waiting === 0) return null; // what is idle always tries: its speed may have been measured in a bad moment
    const queue = queueOf(job);
    forget(queue.tenant); // it may be asked in vain
    const reason = reasonToRefuse(queue, job, rows);
    if (reason) return shed(reason, forecast(queue, rows));
    if (waiting >= maxWaiting && !makeRoom(queue.tenant)) return shed('queue_full', forecast(queue, rows));
    return null;
  }

  /** What speaks against further rows for a model, whoever else waits. */
  function reasonToRefuse(queue: Queue, { serving, startedAt }: Pick<BatchJob, 'serving' | 'startedAt'>, rows: number): ShedReason | null {
    const now = time.now();
    if (queue !== running && !queue.waiting.length) return null;
    if (now + forecast(queue, rows) > startedAt + serving.deadlineMs) return 'forecast';
    if (queue.waiting.length >= maxWaitingPerModel) return 'queue_full';
    const standingMs = standingShare * serving.deadlineMs;
    return now - queue.busySince > standingMs && waitsLonger(queue, standingMs) ? 'standing' : null;
  }

  /** Whether whoever comes now waits longer: for a turn of each that waits already, not for all of a large request. */
  function waitsLonger(queue: Queue, ms: number): boolean {
    const turn = most(queue);
    let left = ms / queue.msPerRow;
    for (const { job, done } of queue.waiting) {
      left -= Math.min(turn, job.rows.count - done);
      if (left < 0) return true;
    }
    return false;
  }

  /** Takes the place of whoever waits with the most requests. */
  function makeRoom(newcomer: Tenant): boolean {
    let largest = newcomer;
    for (const tenant of tenants.values()) if (tenant.requests > largest.requests) largest = tenant;
    if (largest.requests <= newcomer.requests + 1) return false;
    const queue = largest.queues.reduce((most, one) => (one.waiting.length > most.waiting.length ? one : most));
    const youngest = queue.waiting.at(-1)!;
    remove(queue, youngest);
    youngest.reject(shed('queue_full', forecast(queue, 1)));
    return true;
  }

  function shed(reason: ShedReason, ms: number): RequestError {
    observe?.shed(reason);
    const seconds = Math.min(60, Math.max(1, Math.ceil(ms / 1000)));
    if (reason === 'deadline') return deadlineExceeded(seconds);
    return overloaded(reason === 'forecast' || reason === 'standing' ? 'The model has more to do than it can before the deadline.' : 'More requests wait than this server takes.', seconds);
  }

  function enqueue(queue: Queue, entry: Waiting): void {
    if (!queue.waiting.length) {
      const { tenant } = queue;
      if (!tenant.queues.length) tenant.used = Math.max(tenant.used, clock);
      queue.used = Math.max(queue.used, tenant.clock);
      queue.busySince = time.now();
      tenant.queues.push(queue);
    }
    queue.waiting.push(entry);
    count(queue, 1, entry.job.rows.count - entry.done);
  }

  function count(queue: Queue, requests: number, rows: number): void {
    waiting += requests;
    queue.tenant.requests += requests;
    queue.rows += rows;
  }

  function remove(queue: Queue, entry: Waiting): void {
    queue.waiting.splice(queue.waiting.indexOf(entry), 1);
    count(queue, -1, entry.done - entry.job.rows.count);
    if (queue.waiting.length) return;
    queue.tenant.queues.splice(queue.tenant.queues.indexOf(queue), 1);
    forget(queue.tenant);
  }

  /** A tenant with nothing to do begins anew later; one whose call is under way has yet to be charged for it. */
  function forget(tenant: Tenant): void {
    if (!tenant.requests && running?.tenant !== tenant) tenants.delete(tenant.id);
  }

  function readyAt({ held, waiting: [head], rows }: Queue): number {
    const { maxBatchRows, maxQueueDelayMs } = head!.job.serving;
    const isReady = !held.isJoinable || head!.isSuspect || head!.done > 0 || rows >= maxBatchRows;
    return isReady ? -Infinity : head!.since + maxQueueDelayMs;
  }

  function next(): void {
    cancelTimer?.();
    cancelTimer = null;
    while (!running && waiting > 0) {
      const now = time.now();
      let [chosen, earliest]: [Queue | null, number] = [null, Infinity];
      for (const tenant of tenants.values()) {
        if (chosen && tenant.used >= chosen.tenant.used) continue;
        let own: Queue | null = null;
        for (const queue of tenant.queues) {
          const at = readyAt(queue);
          if (at > now) earliest = Math.min(earliest, at);
          else if (!own || queue.used < own.used) own = queue;
        }
        chosen = own ?? chosen;
      }
      if (!chosen) {
        cancelTimer = time.after(earliest - now, next);
        return;
      }
      const batch = take(chosen, now);
      if (batch.length) void run(chosen, batch, now);
    }
  }

  /** Rows for one call. */
  function most({ held, msPerRow }: Queue): number {
    const { rowsPerCall } = held.model.signature.graph;
    return held.isJoinable && msPerRow > 0 ? Math.max(1, Math.min(rowsPerCall, Math.floor(turnMs / msPerRow))) : rowsPerCall;
  }

  /** What is run together next, without those whom it would not help any more. */
  function take(queue: Queue, now: number): Waiting[] {
    const batch: Waiting[] = [];
    let [room, rows] = [most(queue), 0];
    while (queue.waiting.length) {
      const entry = queue.waiting[0]!;
      const { job } = entry;
      const size = job.rows.count - entry.done;
      // Only what was measured while it waited is held against it.
      const ahead = entry.done === 0 && queue.measuredAt > entry.since ? Math.min(size, room) * queue.msPerRow : 0;
      if (job.isGone()) {
        remove(queue, entry);
        entry.reject(callerGone());
        continue;
      }
      if (now + ahead > entry.deadline) {
        remove(queue, entry);
        entry.reject(shed('deadline', forecast(queue, size)));
        continue;
      }
      room = Math.min(room, job.serving.maxBatchRows);
      if (batch.length && (entry.isSuspect || rows + size > room)) break;
      remove(queue, entry);
      batch.push(entry);
      rows += size;
      if (!queue.held.isJoinable || entry.isSuspect || entry.done || rows >= room) break;
    }
    return batch;
  }

  async function run(queue: Queue, batch: Waiting[], begun: number): Promise<void> {
    const { tenant, held } = queue;
    const [first] = batch as [Waiting];
    running = queue;
    clock = tenant.used;
    tenant.clock = queue.used;
    tenants.set(tenant.id, tenant);
    const isAlone = batch.length === 1;
    const to = isAlone ? Math.min(first.job.rows.count, first.done + most(queue)) : 0;
    const rows = isAlone ? to - first.done : batch.reduce((sum, { job }) => sum + job.rows.count, 0);
    runningMs = rows * queue.msPerRow;
    try {
      // The engine begins once the thread has seen to all connections that have something to say: not the model's time.
      let begunAt = begun;
      time.soon(() => (begunAt = time.now()));
      const predictions = isAlone ? await held.model.predict(first.job.rows, first.done, to) : await held.model.predict(joinRows(batch.map(({ job }) => job.rows)));
      const ms = time.now() - begunAt;
      queue.msPerRow = queue.msPerRow === 0 ? ms / rows : Math.min(doubt * queue.msPerRow, ms / rows);
      queue.measuredAt = time.now();
      observe?.call(rows);
      if (isAlone) finish(queue, first, predictions, to, ms);
      else {
        let from = 0;
        for (const { job, resolve } of batch) resolve({ predictions: predictions.slice(from, (from += job.rows.count)), modelMs: ms });
      }
    } catch (error) {
      if (isAlone) first.reject(error);
      else for (const entry of batch) enqueue(queue, { ...entry, isSuspect: true });
    } finally {
      const ms = time.now() - begun;
      tenant.used += ms;
      queue.used += ms;
      running = null;
      runningMs = 0;
      forget(tenant);
      next();
    }
  }

  function finish(queue: Queue, entry: Waiting, predictions: Prediction[], to: number, ms: number): void {
    const modelMs = entry.modelMs + ms;
    const all = entry.done === 0 ? predictions : entry.predictions.concat(predictions);
    if (to === entry.job.rows.count) entry.resolve({ predictions: all, modelMs });
    else enqueue(queue, { ...entry, predictions: all, modelMs, done: to });
  }

  return {
    /** Why a request for a model would be refused now, before its rows are read; null when it may come. */
    refusal(request: Pick<BatchJob, 'tenantId' | 'held' | 'serving' | 'startedAt'>): RequestError | null {
      return refusalOf(request, 1);
    },

    /** Whether one more row for a model would be refused now, for what waits for this model. Counted as refused if so. */
    isFull(job: Pick<BatchJob, 'tenantId' | 'held' | 'serving'>): boolean {
      const queue = queues.get(job.held);
      const reason = queue ? reasonToRefuse(queue, { ...job, startedAt: time.now() }, 1) : null;
      if (reason) observe?.shed(reason);
      return reason !== null;
    },

    /** @throws RequestError 503 `overloaded`, `deadline_exceeded`; 499; and whatever the model throws for these rows alone */
    predict(job: BatchJob): Promise<BatchAnswer> {
      const refusal = refusalOf(job, job.rows.count);
      if (refusal) return Promise.reject(refusal);
      return new Promise((resolve, reject) => {
        const entry = { job, resolve, reject, since: time.now(), deadline: job.startedAt + job.serving.deadlineMs, done: 0, predictions: [], modelMs: 0, isSuspect: false };
        enqueue(queueOf(job), entry);
        if (!running) next();
      });
    },

    /** Requests that wait for their turn. */
    get waiting(): number {
      return waiting;
    },
  };
}
