import type { Actor } from '@millrace/auth';
import { type Account, type LimitStanding, RateAccount } from './account.ts';
import { inTime, type MeteringOptions, usualPatienceMs } from './in-time.ts';
import { LeasedAccount } from './leased-account.ts';
import { LeasedRate } from './leased-rate.ts';
import { budgetTerms, type LimitTerms, termsOf } from './usage-limit.ts';

/** A prediction that is about to be made. */
export interface Charge {
  actor: Actor;
  /** its name */
  endpoint: string;
  rows: number;
}

/** A prediction that was counted against all limits that it falls under. */
export interface Admitted {
  readonly type: 'admitted';
  /** of these limits, as they stand now */
  standings(): LimitStanding[];
  /** for a prediction that was not made after all */
  giveBack(): void;
  /** for what took fewer rows than it was admitted with: the others go back. Once at most */
  settle(rows: number): void;
}

export type Metered = Admitted | { type: 'refused'; by: LimitStanding; needed: number; standings: LimitStanding[] };

/** The limits of a tenant, believed for so long without asking again, and so long at most while the database is away. */
const believed = { renewAfterMs: 3_000, staleAfterMs: 10_000 };
const forgottenAfterMs = 600_000;
const mostCallers = 10_000;

interface TenantMeter {
  accounts: Map<string, Account>;
  limits: LimitTerms[];
  /** accounts by caller and endpoint */
  byCaller: Map<string, Account[]>;
  loadedAt: number;
  usedAt: number;
  loading: Promise<void> | null;
}

const free: Admitted = { type: 'admitted', standings: () => [], giveBack: () => undefined, settle: () => undefined };

export type Meter = ReturnType<typeof createMeter>;

/**
 * Holds predictions to the limits of the tenant, its plan, keys, models and members, exactly, from any number of processes,
 * mostly without asking the database: see `LeasedAccount` and `LeasedRate`.
 */
export function createMeter({ database, logger, patienceMs = usualPatienceMs }: MeteringOptions) {
  const tenants = new Map<string, TenantMeter>();
  let timer: NodeJS.Timeout | undefined;
  let stopListening: () => void = () => undefined;

  async function load(tenantId: string, meter: TenantMeter): Promise<void> {
    const begunAt = performance.now();
    const rows = await database.forTenant(tenantId).transaction((tx) => tx.usageLimit.findMany({ where: { tenantId }, orderBy: [{ scope: 'asc' }, { subject: 'asc' }, { measure: 'asc' }, { period: 'asc' }] }));
    meter.limits = rows.map(termsOf);
    for (const terms of meter.limits) {
      const account = meter.accounts.get(terms.id);
      if (account && JSON.stringify(account.terms) !== JSON.stringify(terms)) account.terms = terms;
    }
    meter.byCaller.clear();
    meter.loadedAt = begunAt;
  }

  function renew(tenantId: string, meter: TenantMeter): Promise<void> {
    meter.loading ??= load(tenantId, meter).finally(() => (meter.loading = null));
    return meter.loading;
  }

  /** @throws when its limits cannot be known */
  function meterOf(tenantId: string): TenantMeter | Promise<TenantMeter> {
    const now = performance.now();
    let meter = tenants.get(tenantId);
    if (!meter) {
      meter = { accounts: new Map(), limits: [], byCaller: new Map(), loadedAt: -Infinity, usedAt: now, loading: null };
      tenants.set(tenantId, meter);
    }
    meter.usedAt = now;
    if (now < meter.loadedAt + believed.renewAfterMs) return meter;
    const renewed = renew(tenantId, meter);
    if (now < meter.loadedAt + believed.staleAfterMs) {
      renewed.catch(() => undefined);
      return meter;
    }
    return renewed.then(() => meter);
  }

  function accountFor(tenantId: string, terms: LimitTerms): Account {
    return terms.isRate ? new RateAccount(new LeasedRate(database, tenantId, terms.id, terms.most), terms) : new LeasedAccount(database, tenantId, terms);
  }

  function accountsOf(meter: TenantMeter, { actor, endpoint }: Charge): Account[] {
    const budget = actor.type === 'key' ? actor.budget : undefined;
    const subject = actor.type === 'key' ? actor.keyId : actor.personId;
    const caller = budget ? `${subject}/${endpoint}/${budget.max}/${budget.soft}/${budget.duration}` : `${subject}/${endpoint}`;
    const known = meter.byCaller.get(caller);
    if (known) return known;
    const ofKey = actor.type === 'key' ? budgetTerms(actor) : null;
    const accounts = [...meter.limits.filter((terms) => concerns(terms, actor, endpoint)), ...(ofKey ? [ofKey] : [])].map((terms) => {
      let account = meter.accounts.get(terms.id);
      if (!account) meter.accounts.set(terms.id, (account = accountFor(actor.tenantId, terms)));
      else if (terms === ofKey) account.terms = terms; // the key has changed
      return account;
    });
    if (meter.byCaller.size >= mostCallers) meter.byCaller.clear();
    meter.byCaller.set(caller, accounts);
    return accounts;
  }

  /** All or none, at one moment: nothing is spent where another limit refuses. Null while something must be fetched first. */
  function settle(accounts: readonly Account[], rows: number): Metered | null {
    let hasAll = true;
    for (const account of accounts) {
      const units = unitsOf(account.terms, rows);
      if (account.lacks(units)) return { type: 'refused', by: account.standing(), needed: units, standings: accounts.map(standingOf) };
      hasAll &&= account.has(units);
    }
    return hasAll ? new Spent(accounts, rows) : null;
  }

  async function fetchAndSettle(charge: Charge): Promise<Metered> {
    const end = performance.now() + patienceMs;
    const obtain = (accounts: readonly Account[]) => inTime(Promise.all(accounts.map((account) => account.obtain(unitsOf(account.terms, charge.rows)))), end);
    for (;;) {
      const meter = meterOf(charge.actor.tenantId);
      const accounts = accountsOf(meter instanceof Promise ? await inTime(meter, end) : meter, charge);
      const settled = settle(accounts, charge.rows);
      if (settled) return settled;
      const short = accounts.filter((account) => !account.has(unitsOf(account.terms, charge.rows)));
      const first = short.filter(({ terms }) => !terms.isRate);
      if (first.length) {
        await obtain(first);
        continue;
      }
      // What is got of a rate is used, whatever becomes of it: so it is asked for last, while nobody else can take what the others have for this one.
      const held = new Spent(accounts.filter(({ terms }) => !terms.isRate), charge.rows);
      try {
        await obtain(short);
      } finally {
        held.giveBack(); // to be spent with the rate, at the same moment
      }
    }
  }

  async function tick(): Promise<void> {
    const now = performance.now();
    for (const [tenantId, meter] of tenants) {
      for (const account of meter.accounts.values()) {
        await account.tick(now).catch((error: unknown) => logger.warn({ tenantId, error: String(error) }, 'usage that was held ahead could not be given back yet'));
      }
      if (now > meter.usedAt + forgottenAfterMs && [...meter.accounts.values()].every((account) => account.isIdle(now))) tenants.delete(tenantId);
    }
  }

  function notified(payload: string | null): void {
    const [tenantId = '', accountId = ''] = payload?.split(':') ?? [];
    for (const [id, meter] of tenants) {
      if (payload !== null && id !== tenantId) continue;
      if (payload === null || accountId === '*') {
        // A load that is under way may have come too early.
        const again = (): Promise<void> => renew(id, meter);
        (meter.loading ? meter.loading.then(again, again) : again()).catch(() => (meter.loadedAt = -Infinity));
      } else {
        // Whoever asks has counted what lies here: it must be told even where nothing does any more.
        meter.accounts.get(accountId)?.returnAll().catch(() => undefined);
      }
    }
  }

  return {
    async start(): Promise<void> {
      stopListening = await database.listen('millrace_usage', notified);
      let ticking = Promise.resolve();
      timer = setInterval(() => (ticking = ticking.then(tick)), 1_000).unref();
    },

    /** Counts a prediction against every limit that it falls under, or against none. @throws DomainError UNAVAILABLE */
    take(charge: Charge): Metered | Promise<Metered> {
      const meter = meterOf(charge.actor.tenantId);
      if (meter instanceof Promise) {
        meter.catch(() => undefined); // asked again below, where somebody waits for it
      } else {
        if (meter.limits.length === 0 && !(charge.actor.type === 'key' && charge.actor.budget)) return free;
        const settled = settle(accountsOf(meter, charge), charge.rows);
        if (settled) return settled;
      }
      return fetchAndSettle(charge);
    },

    /** Gives back what was held ahead. */
    async close(): Promise<void> {
      clearInterval(timer);
      stopListening();
      await Promise.all([...tenants.values()].flatMap(({ accounts }) => [...accounts.values()]).map((account) => account.returnAll().catch(() => undefined)));
    },
  };
}

function concerns({ source, subject }: LimitTerms, actor: Actor, endpoint: string): boolean {
  if (source === 'key') return actor.type === 'key' && actor.keyId === subject;
  if (source === 'member') return (actor.type === 'person' ? actor.personId : actor.makerId) === subject; // else a key would be a way out
  return source !== 'model' || endpoint === subject;
}

const unitsOf = ({ measure }: LimitTerms, rows: number): number => (measure === 'REQUESTS' ? 1 : rows);

const standingOf = (account: Account): LimitStanding => account.standing();

/** A class, since each request has one: closures in its place cost three times as much. */
class Spent implements Admitted {
  readonly type = 'admitted';
  readonly #accounts: readonly Account[];
  readonly #windows: bigint[] = [];
  #rows: number;

  constructor(accounts: readonly Account[], rows: number) {
    this.#accounts = accounts;
    this.#rows = rows;
    for (const account of accounts) this.#windows.push(account.spend(unitsOf(account.terms, rows)));
  }

  standings(): LimitStanding[] {
    return this.#accounts.map(standingOf);
  }

  giveBack(): void {
    this.#accounts.forEach((account, index) => account.giveBack(unitsOf(account.terms, this.#rows), this.#windows[index]!));
  }

  settle(rows: number): void {
    this.#accounts.forEach((account, index) => account.giveBack(unitsOf(account.terms, this.#rows) - unitsOf(account.terms, rows), this.#windows[index]!));
    this.#rows = rows;
  }
}
