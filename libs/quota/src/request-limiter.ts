import { type Clock, systemClock } from '@millrace/kernel';

export interface RequestLimits {
  /** requests a minute */
  rpmLimit?: number;
  maxParallelRequests?: number;
}

/** What is left of the limits that there are. */
export interface Standing {
  /** `resetSeconds`: until everything is there again */
  requests?: { limit: number; remaining: number; resetSeconds: number };
  parallel?: { limit: number; remaining: number };
}

export type Admission =
  | { type: 'admitted'; standing: Standing; /** must be called once the request has ended; calling it twice is harmless */ release(): void }
  | { type: 'refused'; by: 'requests' | 'parallel'; retryAfterSeconds: number; standing: Standing };

interface Account {
  /** requests on the account at that moment; as many as the limit go off in a minute, evenly */
  level: number;
  at: number;
  underWay: number;
}

const minuteMs = 60_000;
/** Sums of fractions of a request are not exact: a request must not fail for that. */
const rounding = 1e-6;

export type RequestLimiter = ReturnType<typeof createRequestLimiter>;

/**
 * Requests a minute (by GCRA, as a leaky bucket of one minute's size) and requests under way at a time, for any number of
 * callers. Each caller's account is two numbers and a count, whatever its limits, and is dropped when it has nothing to
 * say. Whoever was quiet for a minute may send a whole minute's requests at once; from then on they come back one by one,
 * evenly. So the first minute of a burst can see nearly twice the limit, every later one the limit.
 *
 * It counts what this process lets in. Several processes let in as many times the limit.
 */
export function createRequestLimiter({ clock = systemClock, mostAccounts = 100_000 }: { clock?: Clock; mostAccounts?: number } = {}) {
  /** in the order of their last admission, since each one puts its account at the end */
  const accounts = new Map<string, Account>();

  /** A lowered limit leaves nobody with more than a minute to wait for, a clock set back neither. */
  function levelOf(account: Account | undefined, rpmLimit: number, now: number): number {
    if (!account) return 0;
    const gone = (Math.max(0, now - account.at) * rpmLimit) / minuteMs;
    return Math.max(0, Math.min(account.level, rpmLimit) - gone);
  }

  function standingOf({ rpmLimit, maxParallelRequests }: RequestLimits, account: Account | undefined, now: number): Standing {
    const standing: Standing = {};
    if (rpmLimit !== undefined) {
      const level = levelOf(account, rpmLimit, now);
      const resetSeconds = Math.max(0, Math.ceil((level / rpmLimit) * 60 - rounding));
      standing.requests = { limit: rpmLimit, remaining: Math.floor(rpmLimit - level + rounding), resetSeconds };
    }
    if (maxParallelRequests !== undefined) {
      standing.parallel = { limit: maxParallelRequests, remaining: Math.max(0, maxParallelRequests - (account?.underWay ?? 0)) };
    }
    return standing;
  }

  /** Of the two oldest accounts, those with nothing to say go: so many steps for each admission keep their number in bounds. */
  function dropIdle(now: number): void {
    let looked = 0;
    for (const [id, account] of accounts) {
      if (++looked > 2) return;
      if (account.underWay > 0) {
        // It must not hide the idle ones behind it.
        accounts.delete(id);
        accounts.set(id, account);
      } else if (now - account.at >= minuteMs || accounts.size > mostAccounts) accounts.delete(id);
    }
  }

  return {
    /** @param id whose limits these are */
    admit(id: string, limits: RequestLimits): Admission {
      const now = clock.now().getTime();
      const known = accounts.get(id);
      const { rpmLimit, maxParallelRequests } = limits;
      if (maxParallelRequests !== undefined && known !== undefined && known.underWay >= maxParallelRequests) {
        return { type: 'refused', by: 'parallel', retryAfterSeconds: 1, standing: standingOf(limits, known, now) };
      }
      const account = known ?? { level: 0, at: now, underWay: 0 };
      if (rpmLimit !== undefined) {
        account.level = levelOf(known, rpmLimit, now);
        account.at = now;
        if (account.level + 1 > rpmLimit + rounding) {
          const retryAfterSeconds = Math.max(1, Math.ceil(((account.level + 1 - rpmLimit) / rpmLimit) * 60 - rounding));
          return { type: 'refused', by: 'requests', retryAfterSeconds, standing: standingOf(limits, account, now) };
        }
        account.level++;
      }
      account.underWay++;
      accounts.delete(id);
      accounts.set(id, account);
      dropIdle(now);
      let isUnderWay = true;
      return {
        type: 'admitted',
        standing: standingOf(limits, account, now),
        release() {
          if (isUnderWay) account.underWay--;
          isUnderWay = false;
        },
      };
    },

    /** How matters stand, without counting anything. */
    look(id: string, limits: RequestLimits): Standing {
      return standingOf(limits, accounts.get(id), clock.now().getTime());
    },

    /** of accounts in memory */
    get size(): number {
      return accounts.size;
    },
  };
}
