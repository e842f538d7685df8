import type { BatchJob, PredictionTurns, Queue, Tenant } from './prediction-turns.ts';
import type { RequestError } from './request-error.ts';
import { deadlineExceeded, overloaded } from './shedding.ts';

/** Why a request was put off: its queue or the server's is full, or has been long for long; it could not be, or was not, answered before its deadline. */
export type ShedReason = 'queue_full' | 'standing' | 'forecast' | 'deadline';

export interface AdmissionOptions {
  turns: PredictionTurns;
  /** requests that wait for one model; further ones are refused */
  maxWaitingPerModel: number;
  /** requests that wait in all; then the tenant with the most loses its youngest */
  maxWaiting: number;
  observe: { shed(reason: ShedReason): void } | undefined;
  /** milliseconds, by the clock of the turns */
  now(): number;
}

/**
 * A queue may become as long as the deadline allows, but not stay so: one that has not been empty for a tenth of the deadline is
 * kept to a tenth of it. A longer one would not be worked off sooner; everybody would only wait longer.
 * (The idea of Nichols and Jacobson, Controlling Queue Delay, 2012, decided at the entrance.)
 */
const standingShare = 0.1;

const backlogOf = (queue: Queue): number => queue.rows * queue.msPerRow;

/** Who may wait for a prediction: nobody who can't be answered in time, as far as that can be foreseen, and no more than there is room for. */
export function createAdmission({ turns, maxWaitingPerModel, maxWaiting, observe, now }: AdmissionOptions) {
  const isBusy = (queue: Queue): boolean => queue === turns.running || queue.waiting.length > 0;

  /** Milliseconds until so many further rows for a model would be predicted: nobody ahead takes more turns than they do. */
  function waitMs(queue: Queue, rows: number): number {
    const own = backlogOf(queue) + rows * queue.msPerRow;
    let ofTenant = own;
    for (const other of queue.tenant.queues) if (other !== queue) ofTenant += Math.min(own, backlogOf(other));
    let all = ofTenant;
    for (const other of turns.tenants.values()) {
      if (other === queue.tenant) continue;
      let backlog = 0;
      for (const one of other.queues) backlog += backlogOf(one);
      all += Math.min(ofTenant, backlog);
    }
    return all + turns.runningMs;
  }

  /** What speaks against further rows for a busy model that would be predicted in so long, whoever else waits. */
  function reasonToRefuse(queue: Queue, ms: number, startedAt: number, deadlineMs: number): ShedReason | null {
    const at = now();
    if (at + ms > startedAt + deadlineMs) return 'forecast';
    if (queue.waiting.length >= maxWaitingPerModel) return 'queue_full';
    const standingMs = standingShare * deadlineMs;
    return at - queue.busySince > standingMs && waitsLonger(queue, standingMs) ? 'standing' : null;
  }

  /** Whether whoever comes now waits longer: for a turn of each that waits already, not for all of a large request. */
  function waitsLonger(queue: Queue, ms: number): boolean {
    const turn = turns.mostRows(queue);
    let left = ms / queue.msPerRow;
    for (const { job, done } of queue.waiting) {
      left -= Math.min(turn, job.rows.count - done);
      if (left < 0) return true;
    }
    return false;
  }

  /** Who waits with the most requests, if that is more than the newcomer would. */
  function whoGivesWay(newcomer: Tenant): Tenant | null {
    let largest = newcomer;
    for (const tenant of turns.tenants.values()) if (tenant.requests > largest.requests) largest = tenant;
    return largest.requests > newcomer.requests + 1 ? largest : null;
  }

  function giveWay(largest: Tenant): void {
    const queue = largest.queues.reduce((most, one) => (one.waiting.length > most.waiting.length ? one : most));
    const youngest = queue.waiting.at(-1)!;
    turns.remove(queue, youngest);
    youngest.reject(shed('queue_full', waitMs(queue, 1)));
  }

  /** Why so many rows may not wait, or at whose expense they may. */
  function judge(job: Omit<BatchJob, 'rows' | 'isGone'>, rows: number): { refusal: RequestError | null; givesWay: Tenant | null } {
    if (!turns.running && turns.waiting === 0) return { refusal: null, givesWay: null }; // what is idle always tries: its speed may have been measured in a bad moment
    const queue = turns.of(job);
    turns.forget(queue.tenant); // it may be asked in vain
    const isQueueBusy = isBusy(queue);
    const isFull = turns.waiting >= maxWaiting;
    if (!isQueueBusy && !isFull) return { refusal: null, givesWay: null };
    const ms = waitMs(queue, rows);
    const reason = isQueueBusy ? reasonToRefuse(queue, ms, job.startedAt, job.serving.deadlineMs) : null;
    if (reason) return { refusal: shed(reason, ms), givesWay: null };
    const givesWay = isFull ? whoGivesWay(queue.tenant) : null;
    return { refusal: isFull && !givesWay ? shed('queue_full', ms) : null, givesWay };
  }

  function shed(reason: ShedReason, ms: number): RequestError {
    observe?.shed(reason);
    const seconds = Math.min(60, Math.max(1, Math.ceil(ms / 1000)));
    if (reason === 'deadline') return deadlineExceeded(seconds);
    return overloaded(reason === 'forecast' || reason === 'standing' ? 'The model has more to do than it can before the deadline.' : 'More requests wait than this server takes.', seconds);
  }

  return {
    /** Why a row may not wait; null when it may as things stand. Nobody loses a place: whether it comes at all is not known yet. */
    foreseen: (job: Omit<BatchJob, 'rows' | 'isGone'>): RequestError | null => judge(job, 1).refusal,

    /** Why so many rows may not wait; null when they may: then somebody may have lost a place to them. */
    refusal(job: Omit<BatchJob, 'rows' | 'isGone'>, rows: number): RequestError | null {
      const { refusal, givesWay } = judge(job, rows);
      if (givesWay) giveWay(givesWay);
      return refusal;
    },

    /** Whether one more row for a model would be refused now, for what waits for this model. Counted as refused if so. */
    isFull({ held, serving }: Pick<BatchJob, 'tenantId' | 'held' | 'serving'>): boolean {
      const queue = turns.find(held);
      if (!queue || !isBusy(queue)) return false;
      const reason = reasonToRefuse(queue, waitMs(queue, 1), now(), serving.deadlineMs);
      if (reason) observe?.shed(reason);
      return reason !== null;
    },

    /** For a request whose deadline came while it waited, with so many rows. */
    tooLate(queue: Queue, rows: number): RequestError {
      return shed('deadline', waitMs(queue, rows));
    },
  };
}
