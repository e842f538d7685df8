import { inTime, type MeteringOptions, usualPatienceMs } from './in-time.ts';
import { LeasedRate } from './leased-rate.ts';

export interface RequestLimits {
  /** requests a minute */
  rpmLimit?: number;
  maxParallelRequests?: number;
}

/** Whose limits these are. */
export interface Limited {
  tenantId: string;
  keyId: string;
}

/** What is left of the limits; null where there is none. */
export interface Standing {
  /** `resetSeconds`: until everything is there again */
  requests: { limit: number; remaining: number; resetSeconds: number; retryAfterSeconds: number } | null;
  parallel: { limit: number; remaining: number } | null;
}

export type Admission =
  | { type: 'admitted'; standing: Standing; /** must be called once the request has ended; calling it twice is harmless */ release(): void }
  | { type: 'refused'; by: 'requests' | 'parallel'; retryAfterSeconds: number; standing: Standing };

interface KeyAccount {
  rate: LeasedRate;
  underWay: number;
}

export type RequestLimiter = ReturnType<typeof createRequestLimiter>;

/**
 * The limits of a key: requests a minute, by all processes together (see `LeasedRate`), and requests under way at a time, in
 * this process. Whoever was quiet for a minute may send a whole minute's requests at once; from then on they come back one
 * by one, evenly. So the first minute of a burst can see nearly twice the limit, every later one the limit.
 */
export function createRequestLimiter({ database, logger, patienceMs = usualPatienceMs }: MeteringOptions) {
  const accounts = new Map<string, KeyAccount>();
  let timer: NodeJS.Timeout | undefined;

  function accountOf({ tenantId, keyId }: Limited, rpmLimit: number | undefined): KeyAccount {
    let account = accounts.get(keyId);
    if (!account) {
      account = { rate: new LeasedRate(database, tenantId, `rate.${keyId}`, rpmLimit ?? 1), underWay: 0 };
      accounts.set(keyId, account);
    }
    if (rpmLimit !== undefined) account.rate.limit = rpmLimit;
    return account;
  }

  function standingOf({ rpmLimit, maxParallelRequests }: RequestLimits, { rate, underWay }: KeyAccount): Standing {
    return {
      requests: rpmLimit === undefined ? null : rate.standing(),
      parallel: maxParallelRequests === undefined ? null : { limit: maxParallelRequests, remaining: Math.max(0, maxParallelRequests - underWay) },
    };
  }

  /** Null while it is not known whether there is room. */
  function settle(limits: RequestLimits, account: KeyAccount): Admission | null {
    const { rate } = account;
    if (limits.maxParallelRequests !== undefined && account.underWay >= limits.maxParallelRequests) {
      return { type: 'refused', by: 'parallel', retryAfterSeconds: 1, standing: standingOf(limits, account) };
    }
    if (limits.rpmLimit !== undefined) {
      if (rate.has()) rate.spend();
      else if (!rate.lacks()) return null;
      else return { type: 'refused', by: 'requests', retryAfterSeconds: Math.max(1, rate.standing().retryAfterSeconds), standing: standingOf(limits, account) };
    }
    account.underWay++;
    let isUnderWay = true;
    return {
      type: 'admitted',
      standing: standingOf(limits, account),
      release() {
        if (isUnderWay) account.underWay--;
        isUnderWay = false;
      },
    };
  }

  async function fetchAndSettle(limits: RequestLimits, account: KeyAccount): Promise<Admission> {
    const end = performance.now() + patienceMs;
    for (;;) {
      // Its place is its own while it waits: what is got of the rate is used, and for nothing where it then finds no place.
      account.underWay++;
      try {
        await inTime(account.rate.obtain(), end);
      } finally {
        account.underWay--;
      }
      const settled = settle(limits, account);
      if (settled) return settled;
    }
  }

  async function tick(): Promise<void> {
    const now = performance.now();
    for (const [keyId, account] of accounts) {
      const { rate } = account;
      await rate.tick(now).catch((error: unknown) => logger.warn({ keyId, error: String(error) }, 'requests that were set aside could not be given back yet'));
      if (account.underWay === 0 && rate.isIdle(now)) accounts.delete(keyId);
    }
  }

  return {
    start(): void {
      let ticking = Promise.resolve();
      timer = setInterval(() => (ticking = ticking.then(tick)), 1_000).unref();
    },

    /** @throws DomainError UNAVAILABLE when requests cannot be counted */
    admit(whose: Limited, limits: RequestLimits): Admission | Promise<Admission> {
      const account = accountOf(whose, limits.rpmLimit);
      return settle(limits, account) ?? fetchAndSettle(limits, account);
    },

    /** How matters stand, without counting anything. @throws DomainError UNAVAILABLE */
    async look(whose: Limited, limits: RequestLimits): Promise<Standing> {
      const account = accountOf(whose, limits.rpmLimit);
      if (limits.rpmLimit !== undefined) await inTime(account.rate.refresh(), performance.now() + patienceMs);
      return standingOf(limits, account);
    },

    async close(): Promise<void> {
      clearInterval(timer);
      await Promise.all([...accounts.values()].map(({ rate }) => rate.returnAll().catch(() => undefined)));
    },

    /** of accounts in memory */
    get size(): number {
      return accounts.size;
    },
  };
}
