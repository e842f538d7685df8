import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Database, notify, type TenantTx } from '@millrace/database';
import type { Account, LimitStanding } from './account.ts';
import { type LimitTerms, mostAt } from './usage-limit.ts';

interface Answer {
  granted: bigint;
  used: bigint;
  windowMs: bigint;
  endsInMs: number | null;
  isElsewhere: boolean;
}

/**
 * Units that lie with a process ahead of need. A killed process takes them with it until the window ends: so many at most, or a
 * thousandth of what nobody has used or holds, where that is more. Large requests come with large limits.
 */
const block = { least: 100, most: 4096, mostOfFree: 0.001 };
/** A block that lasts less long was too small. */
const briefMs = 250;
/** So long it is believed that there is nothing more. */
const believedMs = 1_000;
/** Processes that hold a part of what this one needs get so long to give it back, in steps that double. */
const recall = { firstMs: 10, lastMs: 640, againAfterMs: 2_000 };

/**
 * This process's part of an account that all processes share: a block that was added to what the account has used, durably,
 * before the first unit of it is spent here. So no number of processes ever admits more than the limit, whatever happens to
 * them. Near the limit a block is a single unit, and what lies unspent with others is called back before anybody is refused.
 */
export class LeasedAccount implements Account {
  readonly #database: Database;
  readonly #tenantId: string;
  /** Of this object, not of the process: what an earlier one has spent is on the account already, and its calls are numbered apart. */
  readonly #lessee = randomUUID();
  #terms: LimitTerms;

  #left = 0;
  #spent = 0;
  #window: bigint | null = null;
  #windowSeconds: number | null = null;
  /** by `performance.now()` */
  #endsAt = -Infinity;
  /** by the wall clock: when the raise ends under which units were got; what is held of them is not to be spent beyond it */
  #raisedUntil = Infinity;
  #used = 0;
  /** units that nobody holds, as of the last call */
  #free = 0;
  #noMoreUntil = -Infinity;

  #waiting: number[] = [];
  #next: Promise<void> | null = null;
  #round: Promise<void> = Promise.resolve();
  #calling: Promise<unknown> = Promise.resolve();
  #calls = 0;
  #underWay = 0;
  /** The last call was not answered: it may have come, or the one before may still say that units are held here. */
  #isUntold = false;
  #block = block.least;
  #calledAt = -Infinity;
  #recallAgainAt = -Infinity;
  #touchedAt = -Infinity;

  constructor(database: Database, tenantId: string, terms: LimitTerms) {
    this.#database = database;
    this.#tenantId = tenantId;
    this.#terms = terms;
  }

  get terms(): LimitTerms {
    return this.#terms;
  }

  /** The limit has changed: what was believed of it is asked again. */
  set terms(terms: LimitTerms) {
    const now = Date.now();
    const isLowered = mostAt(terms, now) < mostAt(this.#terms, now);
    this.#terms = terms;
    this.#noMoreUntil = -Infinity;
    if (isLowered) this.returnAll().catch(() => undefined); // what was held ahead of the old limit is not to be spent under the new one
  }

  has(units: number): boolean {
    return this.#left >= units && performance.now() < this.#endsAt && Date.now() < this.#raisedUntil;
  }

  lacks(units: number): boolean {
    const now = performance.now();
    if (units > mostAt(this.#terms, Date.now())) return now < this.#endsAt;
    return units > this.#left + this.#free && now < this.#noMoreUntil;
  }

  spend(units: number): bigint {
    this.#left -= units;
    this.#spent += units;
    this.#touchedAt = performance.now();
    // The next block is fetched before this one ends, so that few ever wait.
    if (this.#left * 2 < this.#block && this.#free > this.#block && this.#next === null) this.obtain(0).catch(() => undefined);
    return this.#window!;
  }

  giveBack(units: number, window: bigint): void {
    if (window !== this.#window) return;
    this.#left += units;
    this.#spent -= units;
  }

  obtain(units: number): Promise<void> {
    if (units > 0) this.#waiting.push(units);
    return (this.#next ??= this.#afterCurrent());
  }

  async returnAll(): Promise<void> {
    await this.#queue(async () => {
      this.#left = 0; // nobody spends what is on its way back
      await this.#call({ wanted: 0, smallest: 0, ahead: 0 });
    });
  }

  /** Idle units go back; what is spent is told. */
  async tick(now: number): Promise<void> {
    if (now < this.#touchedAt + believedMs) {
      if (this.#window !== null && now > this.#calledAt + 10_000) await this.#queue(() => this.#call({ wanted: 0, smallest: 0, ahead: 0 }));
      return;
    }
    if ((this.#left > 0 && now < this.#endsAt) || (this.#isUntold && this.#underWay === 0)) await this.returnAll();
  }

  isIdle(now: number): boolean {
    const isSpent = this.#left === 0 || now >= this.#endsAt; // nothing of a window that is over goes back
    return isSpent && !this.#isUntold && this.#waiting.length === 0 && this.#underWay === 0 && now > this.#touchedAt + 60_000;
  }

  standing(): LimitStanding {
    const now = performance.now();
    const most = mostAt(this.#terms, Date.now());
    const isOver = now >= this.#endsAt;
    const used = isOver ? 0 : Math.max(0, this.#used - this.#left);
    const resetSeconds = this.#endsAt === Infinity ? null : isOver ? 0 : Math.ceil((this.#endsAt - now) / 1000);
    return { terms: this.#terms, most, used, remaining: Math.max(0, most - used), resetSeconds, retrySeconds: resetSeconds, windowSeconds: this.#windowSeconds };
  }

  async #afterCurrent(): Promise<void> {
    await this.#round;
    this.#next = null;
    const needs = this.#waiting;
    this.#waiting = [];
    this.#round = this.#fetch(needs);
    // The next round begins whatever became of this one.
    const fetched = this.#round;
    this.#round = fetched.catch(() => undefined);
    await fetched;
  }

  /** For all of these needs at once. Between its calls others get their turn: this process must give back while it waits itself. */
  async #fetch(needs: readonly number[]): Promise<void> {
    for (let pause = recall.firstMs; ; pause *= 2) {
      const isElsewhere = await this.#queue(() => this.#callFor(needs));
      if (!isElsewhere || performance.now() < this.#recallAgainAt) return;
      if (pause > recall.lastMs) {
        this.#recallAgainAt = performance.now() + recall.againAfterMs;
        return;
      }
      await delay(pause);
    }
  }

  #callFor(needs: readonly number[]): Promise<boolean> {
    this.#endRaise();
    const most = mostAt(this.#terms, Date.now());
    const fitting = needs.filter((units) => units <= most);
    if (!fitting.length) return this.#call({ wanted: 0, smallest: 0, ahead: this.#nextBlock() });
    const here = performance.now() < this.#endsAt ? this.#left : 0;
    const smallest = Math.max(0, Math.min(...fitting) - here);
    const sum = fitting.reduce((total, units) => total + units, 0);
    return this.#call({ wanted: Math.max(smallest, Math.min(sum, most) - here), smallest, ahead: this.#nextBlock() });
  }

  /** What was held ahead under a raise that is over goes back with the next call: there may be no room for it any more. */
  #endRaise(): void {
    if (Date.now() < this.#raisedUntil) return;
    this.#left = 0;
    this.#raisedUntil = Infinity;
  }

  /** One call at a time: each says how things stand, and replaces what the one before said. */
  #queue<T>(work: () => Promise<T>): Promise<T> {
    this.#underWay++;
    const done = this.#calling.then(work).finally(() => this.#underWay--);
    this.#calling = done.catch(() => undefined);
    return done;
  }

  #nextBlock(): number {
    const lasted = performance.now() - this.#calledAt;
    const most = Math.max(block.most, Math.floor(this.#free * block.mostOfFree));
    this.#block = lasted < briefMs ? Math.min(most, this.#block * 2) : Math.max(block.least, Math.ceil(this.#block / 2));
    return Math.max(0, this.#block - this.#left);
  }

  /** @returns whether others hold units that were not to be had */
  async #call({ wanted, smallest, ahead }: { wanted: number; smallest: number; ahead: number }): Promise<boolean> {
    const begunAt = performance.now();
    this.#calledAt = begunAt;
    this.#endRaise();
    const { id, span, anchor, raise } = this.#terms;
    const now = Date.now();
    const most = mostAt(this.#terms, now);
    const mayRecall = begunAt >= this.#recallAgainAt;
    this.#isUntold = true;
    const answer = await this.#database.forTenant(this.#tenantId).transaction(async (tx: TenantTx) => {
      const [row] = await tx.$queryRaw<[Answer]>`
        SELECT granted, used_units AS used, window_ms AS "windowMs", ends_in_ms AS "endsInMs", is_elsewhere AS "isElsewhere"
        FROM lease_usage(${id}, ${most}::bigint, ${span}::integer, ${new Date(anchor)}::timestamptz, ${this.#lessee}::uuid, ${++this.#calls}::bigint,
          ${this.#window}::bigint, ${this.#spent}::bigint, ${this.#left}::bigint, ${wanted}::bigint, ${smallest}::bigint, ${ahead}::bigint)`;
      if (row.isElsewhere && mayRecall) await notify(tx, 'millrace_usage', `${this.#tenantId}:${id}`);
      return row;
    });
    this.#isUntold = false;
    if (answer.windowMs !== this.#window) {
      this.#window = answer.windowMs;
      this.#left = 0;
      this.#spent = 0;
    }
    this.#left += Number(answer.granted);
    if (raise !== null && now < raise.until) this.#raisedUntil = Math.min(this.#raisedUntil, raise.until);
    this.#used = Number(answer.used);
    this.#free = Math.max(0, most - this.#used);
    // Counted from before the call: this process stops sooner than the database, never later.
    this.#endsAt = answer.endsInMs === null ? Infinity : begunAt + answer.endsInMs;
    this.#windowSeconds = span === null ? secondsOfMonth(Number(answer.windowMs)) : span || null;
    const isShort = wanted > 0 ? answer.granted < wanted : this.#free === 0;
    this.#noMoreUntil = isShort ? Math.min(performance.now() + believedMs, this.#endsAt) : -Infinity;
    return answer.isElsewhere;
  }
}

function secondsOfMonth(begins: number): number {
  const first = new Date(begins);
  return (Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1) - begins) / 1000;
}
