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
  /** when all that was let in is paid off, in milliseconds; in GCRA's words, the theoretical arrival time */
  paidOffAt: number;
  underWay: number;
}

const minuteMs = 60_000;
/** Sums of fractions of a millisecond are not exact: a request must not fail for that. */
const roundingMs = 1e-3;

export type RequestLimiter = ReturnType<typeof createRequestLimiter>;

/**
 * Requests a minute (by GCRA) and requests under way at a time, for any number of callers. Each caller's account is one
 * number and one count, whatever its limits, and is dropped when it has nothing to say. Whoever was quiet for a minute may
 * send a whole minute's requests at once; from then on they come back one by one, evenly. So the first minute of a burst
 * can see nearly twice the limit, every later one the limit.
 *
 * It counts what this process lets in. Several processes let in as many times the limit.
 */
export function createRequestLimiter({ clock = systemClock, mostAccounts = 100_000 }: { clock?: Clock; mostAccounts?: number } = {}) {
  /** in the order of their last admission, since each one puts its account at the end */
  const accounts = new Map<string, Account>();

  /** What the caller still owes, in milliseconds: a full minute means that the limit is used up. */
  const debtOf = (account: Account | undefined, now: number): number => (account ? Math.min(minuteMs, Math.max(0, account.paidOffAt - now)) : 0);

  function standingOf({ rpmLimit, maxParallelRequests }: RequestLimits, account: Account | undefined, now: number): Standing {
    const debt = debtOf(account, now);
    return {
      ...(rpmLimit !== undefined && {
        requests: { limit: rpmLimit, remaining: Math.floor(((minuteMs - debt + roundingMs) * rpmLimit) / minuteMs), resetSeconds: Math.ceil(debt / 1000) },
      }),
      ...(maxParallelRequests !== undefined && {
        parallel: { limit: maxParallelRequests, remaining: Math.max(0, maxParallelRequests - (account?.underWay ?? 0)) },
      }),
    };
  }

  /** The two oldest accounts go if nothing is owed: a step for each admission keeps their number in bounds. */
  function dropIdle(now: number): void {
    let looked = 0;
    for (const [id, account] of accounts) {
      if (++looked > 2) return;
      const isIdle = account.underWay === 0 && account.paidOffAt <= now;
      if (isIdle || (accounts.size > mostAccounts && account.underWay === 0)) accounts.delete(id);
      else if (account.underWay > 0) {
        // It must not hide the idle ones behind it.
        accounts.delete(id);
        accounts.set(id, account);
      }
    }
  }

  return {
    /** @param id whose limits these are */
    admit(id: string, limits: RequestLimits): Admission {
      const now = clock.now().getTime();
      const known = accounts.get(id);
      const { rpmLimit, maxParallelRequests } = limits;
      const debt = debtOf(known, now);
      if (known) known.paidOffAt = now + debt; // no more than a minute ahead, also when the clock was set back
      const price = rpmLimit === undefined ? 0 : minuteMs / rpmLimit;
      if (maxParallelRequests !== undefined && known !== undefined && known.underWay >= maxParallelRequests) {
        return { type: 'refused', by: 'parallel', retryAfterSeconds: 1, standing: standingOf(limits, known, now) };
      }
      if (debt + price > minuteMs + roundingMs) {
        const retryAfterSeconds = Math.max(1, Math.ceil((debt + price - minuteMs) / 1000));
        return { type: 'refused', by: 'requests', retryAfterSeconds, standing: standingOf(limits, known, now) };
      }
      const account = known ?? { paidOffAt: now, underWay: 0 };
      account.paidOffAt = now + debt + price;
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
