import { joinRows, listPlaces, type Prediction } from '@millrace/packaging';
import { createAdmission, type ShedReason } from './admission.ts';
import { type BatchAnswer, type BatchJob, PredictionTurns, type Queue, type Waiting } from './prediction-turns.ts';
import type { RequestError } from './request-error.ts';
import { callerGone } from './shedding.ts';
import { createSideTurns, type SidePiece, type SideTurn } from './side-turns.ts';

export interface BatcherOptions {
  /** see `AdmissionOptions` */
  maxWaitingPerModel?: number;
  maxWaiting?: number;
  /** a call of a model takes so long at most where its rows can be divided */
  turnMs?: number;
  /** its models compute elsewhere, while this thread sees to connections */
  isInThread?: boolean;
  observe?: { call(rows: number): void; shed(reason: ShedReason): void };
  /** milliseconds, how to be called after some, and how at once after what goes on now */
  time?: { now(): number; after(ms: number, run: () => void): () => void; soon(run: () => void): void };
}

export type Batcher = ReturnType<typeof createBatcher>;

const wallTime: NonNullable<BatcherOptions['time']> = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  soon: setImmediate,
};

/** For the lists of all rows of a call. */
const mostListPlaces = 16_384;

/**
 * Has models predict, one call at a time: a call holds the thread. A request that finds nothing under way is run at once; what
 * comes in meanwhile is gathered, and rows for the same model are run together. Tenants take turns by the time that they use,
 * and so do the models of a tenant. Whatever cannot be answered in time is refused, when it comes if that can be foreseen.
 */
export function createBatcher({ maxWaitingPerModel = 512, maxWaiting = 1024, turnMs = 25, isInThread = false, observe, time = wallTime }: BatcherOptions = {}) {
  const turns = new PredictionTurns(turnMs);
  const admission = createAdmission({ turns, maxWaitingPerModel, maxWaiting, observe, now: time.now });
  const side = createSideTurns();
  let sideState: 'idle' | 'called' | 'running' = 'idle';
  let cancelTimer: (() => void) | null = null;

  function next(): void {
    cancelTimer?.();
    cancelTimer = null;
    while (!turns.running && sideState !== 'running' && turns.waiting > 0) {
      const now = time.now();
      if (side.isDue && startSide()) return;
      const queue = turns.next(now);
      if (!queue) {
        cancelTimer = time.after(turns.readyLater - now, next);
        break;
      }
      const batch = take(queue, now);
      if (batch.length) void run(queue, batch, now);
    }
    callSide();
  }

  /** What is done beside predictions gets its turn once those have come in that are on their way. */
  function callSide(): void {
    if (turns.running || sideState !== 'idle' || side.waiting === 0) return;
    sideState = 'called';
    time.soon(beginSide);
  }

  function beginSide(): void {
    if (sideState !== 'called') return;
    sideState = 'idle';
    if (!turns.running) startSide();
  }

  /** Whether there was something to begin. */
  function startSide(): boolean {
    const turn = side.take(time.now());
    if (!turn) return false;
    sideState = 'running';
    void runSide(turn);
    return true;
  }

  async function runSide(turn: SideTurn): Promise<void> {
    const begun = time.now();
    await turn.run();
    turn.charge(time.now() - begun);
    sideState = 'idle';
    next();
  }

  /** What is run together next, without those whom it would not help any more. */
  function take(queue: Queue, now: number): Waiting[] {
    const batch: Waiting[] = [];
    let room = turns.mostRows(queue);
    let rows = 0;
    while (queue.waiting.length) {
      const entry = queue.waiting[0]!;
      const { job } = entry;
      const size = job.rows.count - entry.done;
      // Only what was measured while it waited is held against it.
      const ahead = entry.done === 0 && queue.measuredAt > entry.since ? Math.min(size, room) * queue.msPerRow : 0;
      if (job.isGone()) {
        turns.remove(queue, entry);
        entry.reject(callerGone());
        continue;
      }
      if (now + ahead > entry.deadline) {
        turns.remove(queue, entry);
        entry.reject(admission.tooLate(queue, size));
        continue;
      }
      room = Math.min(room, job.serving.maxBatchRows);
      if (batch.length && (entry.isSuspect || entry.done > 0 || rows + size > room || widens(batch, entry))) break;
      turns.remove(queue, entry);
      batch.push(entry);
      rows += size;
      if (!queue.held.isJoinable || entry.isSuspect || entry.done || rows >= room) break;
    }
    return batch;
  }

  /** Whether lists would be filled up beyond measure for company: one long list makes all as long. */
  function widens(batch: readonly Waiting[], { job }: Waiting): boolean {
    return job.rows.lists.length > 0 && listPlaces([...batch.map((other) => other.job.rows), job.rows]) > mostListPlaces;
  }

  async function run(queue: Queue, batch: Waiting[], begun: number): Promise<void> {
    const { held } = queue;
    const [first] = batch as [Waiting];
    const isAlone = batch.length === 1;
    const to = isAlone ? Math.min(first.job.rows.count, first.done + turns.mostRows(queue)) : 0;
    const rows = isAlone ? to - first.done : batch.reduce((sum, { job }) => sum + job.rows.count, 0);
    turns.begin(queue, rows);
    try {
      // The engine begins once the thread has seen to all connections that have something to say: not the model's time. In a thread
      // of its own it computes meanwhile, and may be done by then: a model would be believed to take no time at all.
      let begunAt = begun;
      if (!isInThread) time.soon(() => (begunAt = time.now()));
      const predictions = isAlone ? await held.model.predict(first.job.rows, first.done, to) : await held.model.predict(joinRows(batch.map(({ job }) => job.rows)));
      const now = time.now();
      const ms = now - begunAt;
      turns.measured(queue, rows, ms, now);
      observe?.call(rows);
      if (isAlone) finish(queue, first, predictions, to, ms);
      else {
        let from = 0;
        for (const { job, resolve } of batch) resolve({ predictions: predictions.slice(from, (from += job.rows.count)), modelMs: ms });
      }
    } catch (error) {
      if (isAlone) first.reject(error);
      else for (const entry of batch) turns.add(queue, { ...entry, isSuspect: true }, time.now());
    } finally {
      const ms = time.now() - begun;
      side.predicted(ms);
      turns.end(queue, ms);
      next();
    }
  }

  function finish(queue: Queue, entry: Waiting, predictions: Prediction[], to: number, ms: number): void {
    const modelMs = entry.modelMs + ms;
    const all = entry.done === 0 ? predictions : entry.predictions.concat(predictions);
    if (to === entry.job.rows.count) entry.resolve({ predictions: all, modelMs });
    else turns.add(queue, { ...entry, predictions: all, modelMs, done: to }, time.now());
  }

  return {
    /** Why a request for a model would be refused now, before its rows are read; null when it may come. */
    refusal(request: Pick<BatchJob, 'tenantId' | 'held' | 'serving' | 'startedAt'>): RequestError | null {
      return admission.foreseen(request);
    },

    /** At the door of a flood: see `createAdmission`. */
    isFull: admission.isFull,

    /** @throws RequestError 503 `overloaded`, `deadline_exceeded`; 499; and whatever the model throws for these rows alone */
    predict(job: BatchJob): Promise<BatchAnswer> {
      const refusal = admission.refusal(job, job.rows.count);
      if (refusal) return Promise.reject(refusal);
      return new Promise((resolve, reject) => {
        const since = time.now();
        turns.add(turns.of(job), { job, resolve, reject, since, deadline: job.startedAt + job.serving.deadlineMs, done: 0, predictions: [], modelMs: 0, isSuspect: false }, since);
        if (!turns.running) next();
      });
    },

    /** Has some milliseconds of other work done when no prediction wants the thread: see `createSideTurns`. @throws NoTurn, and what the work throws */
    beside<Result>(piece: SidePiece<Result>): Promise<Result> {
      const done = side.wait(piece);
      callSide();
      return done;
    },

    /** Requests that wait for their turn. */
    get waiting(): number {
      return turns.waiting;
    },
  };
}
