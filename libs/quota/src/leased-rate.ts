import { randomUUID } from 'node:crypto';
import type { Database } from '@millrace/database';

interface Answer {
  paid: bigint;
  setAside: bigint;
  level: number;
}

/** How a rate stands, as far as this process knows. */
export interface RateStanding {
  limit: number;
  remaining: number;
  /** until all of it is there again */
  resetSeconds: number;
  /** until the next request is let in; 0 while there is one */
  retryAfterSeconds: number;
}

/** What is set aside for this process is its own for so long; the database keeps it three times as long. */
const heldMs = 1_000;
/** Unheard of for so long, it begins anew under another name: the database forgets the old one after an hour, with what it had spent. */
const forgottenMs = 1_800_000;
/** So long at most it is believed that nothing is left. */
const believedMs = 1_000;
/** Requests that were let in without asking before the last call, and a few more, are asked for ahead. */
const ahead = { least: 8, factor: 2 };
/** Sums of fractions of a request are not exact: a request must not fail for that. */
const rounding = 1e-6;

/**
 * Requests a minute that come back one by one, evenly (the generic cell rate algorithm, as a bucket of one minute's size that
 * leaks), counted for all processes together by the database's clock. A process has some requests set aside for it, fewer
 * the nearer the limit, and asks for each one when hardly any are left. All processes together never let in more than the
 * bucket's size at once.
 */
export class LeasedRate {
  readonly #database: Database;
  readonly #tenantId: string;
  readonly #id: string;
  #lessee = randomUUID();
  #limit: number;

  /** on the account already: for whoever waited, however long the answer took */
  #paid = 0;
  #paidUntil = -Infinity;
  /** set aside, on the account once they are spent */
  #left = 0;
  /** of those set aside, since the process began */
  #spent = 0;
  #reported = 0;
  /** by `performance.now()`, as all moments here */
  #heldUntil = -Infinity;
  #emptyUntil = -Infinity;
  #level = 0;
  #asOf = -Infinity;

  #waiting = 0;
  #next: Promise<void> | null = null;
  #calling: Promise<unknown> = Promise.resolve();
  #calls = 0;
  #answeredAt = performance.now();
  #underWay = 0;
  /** The last call was not answered: requests may still be set aside for it. */
  #isUntold = false;
  #touchedAt = -Infinity;

  constructor(database: Database, tenantId: string, id: string, limit: number) {
    this.#database = database;
    this.#tenantId = tenantId;
    this.#id = id;
    this.#limit = limit;
  }

  /** Requests a minute. */
  set limit(limit: number) {
    if (limit === this.#limit) return;
    this.#limit = limit;
    this.#emptyUntil = -Infinity;
    this.#heldUntil = this.#paidUntil = -Infinity;
  }

  get limit(): number {
    return this.#limit;
  }

  has(): boolean {
    const now = performance.now();
    return (this.#paid > 0 && now < this.#paidUntil) || (this.#left > 0 && now < this.#heldUntil);
  }

  /** Whether there is known to be no room, in this process or any. */
  lacks(): boolean {
    return !this.has() && performance.now() < this.#emptyUntil;
  }

  /** Only when it `has` one. */
  spend(): void {
    this.#touchedAt = performance.now();
    if (this.#paid > 0 && (this.#left === 0 || this.#touchedAt < this.#paidUntil)) this.#paid--;
    else {
      this.#left--;
      this.#spent++;
      this.#level = this.#levelAt(this.#touchedAt) + 1;
      this.#asOf = this.#touchedAt;
    }
  }

  /** Asks for one, together with all others who wait. Resolves when it is known whether there is any. */
  obtain(): Promise<void> {
    this.#waiting++;
    return (this.#next ??= this.#queue(async () => {
      this.#next = null;
      const wanted = this.#waiting;
      this.#waiting = 0;
      await this.#call(wanted, ahead.least + ahead.factor * (this.#spent - this.#reported));
    }));
  }

  /** Says what was spent, and gives the rest back. */
  async returnAll(): Promise<void> {
    if (this.#left === 0 && this.#spent === this.#reported && !this.#isUntold) return;
    await this.#queue(async () => {
      this.#left = 0; // nobody spends what is on its way back
      await this.#call(0, 0);
    });
  }

  /** To be called every second or so. */
  async tick(now: number): Promise<void> {
    if (now >= this.#heldUntil && this.#underWay === 0) await this.returnAll();
  }

  isIdle(now: number): boolean {
    return this.#left === 0 && !this.#isUntold && this.#waiting === 0 && this.#underWay === 0 && this.#spent === this.#reported && now > this.#touchedAt + 120_000;
  }

  /** Learns how it stands, unless that is known. */
  async refresh(): Promise<void> {
    if (performance.now() > this.#asOf + heldMs) await this.#queue(() => this.#call(0, 0));
  }

  standing(): RateStanding {
    const level = Math.min(this.#levelAt(performance.now()), this.#limit);
    const seconds = (units: number): number => Math.max(0, Math.ceil((units / this.#limit) * 60 - rounding));
    return {
      limit: this.#limit,
      remaining: Math.floor(this.#limit - level + rounding),
      resetSeconds: seconds(level),
      retryAfterSeconds: seconds(level + 1 - this.#limit),
    };
  }

  #levelAt(now: number): number {
    return Math.max(0, this.#level - (Math.max(0, now - this.#asOf) * this.#limit) / 60_000);
  }

  #queue(work: () => Promise<void>): Promise<void> {
    this.#underWay++;
    const done = this.#calling.then(work).finally(() => this.#underWay--);
    this.#calling = done.catch(() => undefined);
    return done;
  }

  async #call(wanted: number, further: number): Promise<void> {
    const begunAt = performance.now();
    if (begunAt >= this.#heldUntil) this.#left = 0;
    if (begunAt >= this.#paidUntil) this.#paid = 0;
    if (begunAt > this.#answeredAt + forgottenMs) {
      this.#lessee = randomUUID();
      this.#calls = 0;
      this.#spent -= this.#reported;
      this.#reported = 0;
    }
    // Both of one moment: what is spent while the call is on its way is held by what it tells.
    const [spent, held] = [this.#spent, this.#left];
    this.#isUntold = true;
    const answer = await this.#database.forTenant(this.#tenantId).transaction(async (tx) => {
      const [row] = await tx.$queryRaw<[Answer]>`
        SELECT paid, set_aside AS "setAside", level
        FROM lease_rate(${this.#id}, ${this.#limit}::integer, ${this.#lessee}::uuid, ${++this.#calls}::bigint, ${spent}::bigint, ${held}::bigint, ${wanted}::bigint, ${further}::bigint)`;
      return row;
    });
    this.#isUntold = false;
    this.#reported = spent;
    this.#answeredAt = begunAt;
    this.#paid += Number(answer.paid);
    this.#left += Number(answer.setAside);
    this.#heldUntil = begunAt + heldMs;
    const now = performance.now();
    this.#paidUntil = now + heldMs;
    this.#level = answer.level + this.#spent - spent;
    this.#asOf = now;
    const waitMs = ((this.#level + 1 - this.#limit) * 60_000) / this.#limit;
    this.#emptyUntil = wanted > Number(answer.paid) && waitMs > rounding ? now + Math.min(waitMs, believedMs) : -Infinity;
  }
}
