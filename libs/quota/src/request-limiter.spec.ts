import fc from 'fast-check';
import { createRequestLimiter, type RequestLimits } from './index.ts';

function limiterAt(start = 1_000_000, mostAccounts?: number) {
  let time = start;
  const limiter = createRequestLimiter({ clock: { now: () => new Date(time) }, ...(mostAccounts !== undefined && { mostAccounts }) });
  return {
    limiter,
    pass: (ms: number) => void (time += ms),
    /** how many of so many requests at this moment get in; each has ended before the next */
    admitted(limits: RequestLimits, count: number, id = 'key'): number {
      let admitted = 0;
      for (let i = 0; i < count; i++) {
        const admission = limiter.admit(id, limits);
        if (admission.type !== 'admitted') continue;
        admitted++;
        admission.release();
      }
      return admitted;
    },
  };
}

describe('requests a minute', () => {
  it('lets in exactly the limit at once, whatever it is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), (rpmLimit) => {
        expect(limiterAt().admitted({ rpmLimit }, rpmLimit + 5)).toBe(rpmLimit);
      }),
      { numRuns: 60 },
    );
  });

  it('in no stretch of time lets in more than the limit at once and what has come back since', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), gaps, fc.integer({ min: 1, max: 40 }), (rpmLimit, waits, each) => {
        const { admitted, pass } = limiterAt();
        const moments: { at: number; count: number }[] = [];
        let at = 0;
        for (const wait of waits) {
          pass(wait);
          at += wait;
          moments.push({ at, count: admitted({ rpmLimit }, each) });
        }
        for (let from = 0; from < moments.length; from++) {
          let sum = 0;
          for (const { at: until, count } of moments.slice(from)) {
            sum += count;
            expect(sum).toBeLessThanOrEqual(Math.floor(rpmLimit + ((until - moments[from]!.at) * rpmLimit) / 60_000 + 1e-6));
          }
        }
      }),
    );
  });

  it('gives requests back one by one, and says when', () => {
    const { limiter, admitted, pass } = limiterAt();
    expect(admitted({ rpmLimit: 60 }, 100)).toBe(60);
    const refused = limiter.admit('key', { rpmLimit: 60 });
    expect(refused).toEqual({ type: 'refused', by: 'requests', retryAfterSeconds: 1, standing: { requests: { limit: 60, remaining: 0, resetSeconds: 60 } } });
    pass(999);
    expect(admitted({ rpmLimit: 60 }, 5)).toBe(0);
    pass(1);
    expect(admitted({ rpmLimit: 60 }, 5)).toBe(1);
    pass(10_000);
    expect(limiter.look('key', { rpmLimit: 60 }).requests).toEqual({ limit: 60, remaining: 10, resetSeconds: 50 });
    pass(50_000);
    expect(limiter.look('key', { rpmLimit: 60 }).requests).toEqual({ limit: 60, remaining: 60, resetSeconds: 0 });
  });

  it('says truly how long to wait, whatever the limit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), (rpmLimit) => {
        const { limiter, admitted, pass } = limiterAt();
        admitted({ rpmLimit }, rpmLimit);
        const refused = limiter.admit('key', { rpmLimit });
        if (refused.type !== 'refused') throw new Error('admitted');
        pass(refused.retryAfterSeconds * 1000);
        expect(limiter.admit('key', { rpmLimit }).type).toBe('admitted');
      }),
    );
  });

  it('is not used up by what it refuses', () => {
    const { admitted, pass } = limiterAt();
    expect(admitted({ rpmLimit: 6 }, 1_000)).toBe(6);
    pass(10_000);
    expect(admitted({ rpmLimit: 6 }, 1_000)).toBe(1);
  });

  it('follows a changed limit at once', () => {
    const { admitted, pass } = limiterAt();
    expect(admitted({ rpmLimit: 10 }, 20)).toBe(10);
    expect(admitted({ rpmLimit: 100 }, 200)).toBe(90);
    expect(admitted({}, 200)).toBe(200);
    expect(admitted({ rpmLimit: 2 }, 1)).toBe(0);
    pass(30_000); // a hundred are on the account, but nobody waits for more than a minute
    expect(admitted({ rpmLimit: 2 }, 5)).toBe(1);
  });

  it('locks nobody out for longer than a minute when the clock is set back', () => {
    const { limiter, admitted, pass } = limiterAt();
    admitted({ rpmLimit: 10 }, 10);
    pass(-3_600_000);
    expect(limiter.admit('key', { rpmLimit: 10 })).toMatchObject({ type: 'refused', retryAfterSeconds: 6, standing: { requests: { remaining: 0, resetSeconds: 60 } } });
    pass(60_000);
    expect(admitted({ rpmLimit: 10 }, 20)).toBe(10);
  });

  it('keeps the accounts of callers apart', () => {
    const { admitted } = limiterAt();
    expect(['a', 'b', 'c'].map((id) => admitted({ rpmLimit: 3 }, 5, id))).toEqual([3, 3, 3]);
  });
});

describe('requests at a time', () => {
  it('lets in the limit, and one more for each that ends, however often it says so', () => {
    const { limiter } = limiterAt();
    const limits = { maxParallelRequests: 2 };
    const [first, second, third] = [limiter.admit('key', limits), limiter.admit('key', limits), limiter.admit('key', limits)];
    expect([first, second, third].map(({ type }) => type)).toEqual(['admitted', 'admitted', 'refused']);
    expect(third).toEqual({ type: 'refused', by: 'parallel', retryAfterSeconds: 1, standing: { parallel: { limit: 2, remaining: 0 } } });
    for (let i = 0; i < 3; i++) if (first.type === 'admitted') first.release();
    expect(limiter.look('key', limits)).toEqual({ parallel: { limit: 2, remaining: 1 } });
    expect([limiter.admit('key', limits), limiter.admit('key', limits)].map(({ type }) => type)).toEqual(['admitted', 'refused']);
  });

  it('costs nothing of the minute where it refuses', () => {
    const { limiter } = limiterAt();
    const limits = { rpmLimit: 10, maxParallelRequests: 1 };
    limiter.admit('key', limits);
    for (let i = 0; i < 20; i++) expect(limiter.admit('key', limits)).toMatchObject({ type: 'refused', by: 'parallel' });
    expect(limiter.look('key', limits).requests?.remaining).toBe(9);
  });
});

describe('its memory', () => {
  it('holds no caller who has nothing on the account', () => {
    const { limiter, admitted, pass } = limiterAt();
    for (let i = 0; i < 10_000; i++) admitted({ rpmLimit: 60 }, 1, `key${i}`);
    expect(limiter.size).toBe(10_000);
    pass(60_000);
    admitted({ maxParallelRequests: 1 }, 10_000, 'one');
    expect(limiter.size).toBe(1);
  });

  it('has a bound, and forgets nobody whose requests are under way', () => {
    const { limiter, admitted } = limiterAt(1_000_000, 100);
    const held = Array.from({ length: 50 }, (_, i) => limiter.admit(`held${i}`, { maxParallelRequests: 1 }));
    expect(held.every(({ type }) => type === 'admitted')).toBe(true);
    for (let i = 0; i < 10_000; i++) admitted({ rpmLimit: 1 }, 1, `key${i}`);
    expect(limiter.size).toBeLessThanOrEqual(101);
    for (let i = 0; i < 50; i++) expect(limiter.admit(`held${i}`, { maxParallelRequests: 1 }).type).toBe('refused');
  });
});
