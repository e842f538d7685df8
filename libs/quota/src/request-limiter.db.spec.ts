import { jest } from '@jest/globals';
import { newId, silentLogger } from '@millrace/kernel';
import { createWorld, type TenantInWorld, type World } from '@millrace/testkit';
import fc from 'fast-check';
import { createRequestLimiter, type RequestLimiter, type RequestLimits } from './index.ts';

let world: World;
let tenant: TenantInWorld;
beforeAll(async () => {
  world = await createWorld();
  tenant = await world.tenant();
});
afterAll(() => world.close());

/** As a process of its own would have it; patient, since the database of a busy machine is slow. */
const newLimiter = (): RequestLimiter => createRequestLimiter({ database: world.db.database, logger: silentLogger, patienceMs: 20_000 });
const newKey = () => ({ tenantId: tenant.tenantId, keyId: newId('apiKey') });
type Key = ReturnType<typeof newKey>;

/** How many of so many requests at this moment get in; by turns in these processes. */
async function admitted(limiters: RequestLimiter[], key: Key, limits: RequestLimits, count: number): Promise<number> {
  const admissions = await Promise.all(Array.from({ length: count }, (_, index) => limiters[index % limiters.length]!.admit(key, limits)));
  return admissions.filter((admission) => {
    if (admission.type === 'admitted') admission.release();
    return admission.type === 'admitted';
  }).length;
}

/** Time goes by, for the database. */
async function pass(key: Key, ms: number): Promise<void> {
  await world.db.asOwner(`UPDATE usage_accounts SET full_at = full_at - make_interval(secs => $2 / 1000.0) WHERE id = $1`, [`rate.${key.keyId}`, ms]);
  await world.db.asOwner(`UPDATE usage_leases SET seen_at = seen_at - make_interval(secs => $2 / 1000.0) WHERE account_id = $1`, [`rate.${key.keyId}`, ms]);
}

/** So many, or what some seconds of a busy machine have taken off. */
const upTo = (seconds: number) => ({ asymmetricMatch: (told: unknown) => typeof told === 'number' && told <= seconds && told > seconds - 9 });

describe('requests a minute', () => {
  it('processes together let in the limit at once, and what comes back meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 3 }), async (rpmLimit, processes) => {
        const key = newKey();
        const begun = performance.now();
        const count = await admitted(Array.from({ length: processes }, newLimiter), key, { rpmLimit }, 5 * rpmLimit);
        const back = Math.floor(((performance.now() - begun) * rpmLimit) / 60_000);
        expect(count).toBeGreaterThanOrEqual(rpmLimit);
        expect(count).toBeLessThanOrEqual(rpmLimit + back);
      }),
      { seed: 20261126, numRuns: 8 },
    );
  });

  it('in no stretch of time lets in more than the limit at once and what has come back since', async () => {
    const steps = fc.array(fc.record({ wait: fc.integer({ min: 0, max: 20_000 }), each: fc.integer({ min: 1, max: 40 }) }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 200 }), steps, async (rpmLimit, given) => {
        const key = newKey();
        const moments: { at: number; until: number; count: number }[] = [];
        let passed = 0;
        for (const { wait, each } of given) {
          await pass(key, wait);
          passed += wait;
          const at = performance.now() + passed;
          const count = await admitted([newLimiter(), newLimiter()], key, { rpmLimit }, each);
          moments.push({ at, until: performance.now() + passed, count });
        }
        for (let from = 0; from < moments.length; from++) {
          let sum = 0;
          for (const { until, count } of moments.slice(from)) {
            sum += count;
            expect(sum).toBeLessThanOrEqual(Math.floor(rpmLimit + ((until - moments[from]!.at) * rpmLimit) / 60_000 + 1e-6));
          }
        }
      }),
      { seed: 20261126, numRuns: 6 },
    );
  });

  it('loses none of those that are let in from what is set aside while the database is asked', async () => {
    const key = newKey();
    const limits = { rpmLimit: 120 };
    const limiter = newLimiter();
    const begun = performance.now();
    const first = limiter.admit(key, limits);
    await new Promise(setImmediate); // the first call is on its way: whoever comes now needs a second one
    const second = limiter.admit(key, limits);
    await first;
    await new Promise(setImmediate); // the second call has begun, and has not reached the database
    const asides = Array.from({ length: 8 }, () => limiter.admit(key, limits)); // all that is set aside
    expect(asides.some((admission) => admission instanceof Promise)).toBe(false);
    await second;
    const others = (await admitted([newLimiter()], key, limits, 3 * limits.rpmLimit)) + (await admitted([limiter], key, limits, 3 * limits.rpmLimit));
    const back = ((performance.now() - begun) * limits.rpmLimit) / 60_000;
    expect(2 + asides.length + others).toBeLessThanOrEqual(Math.floor(limits.rpmLimit + back));
  });

  it('gives requests back one by one, and says when', async () => {
    const key = newKey();
    expect(await admitted([newLimiter()], key, { rpmLimit: 6 }, 20)).toBe(6);
    const refused = await newLimiter().admit(key, { rpmLimit: 6 });
    expect(refused).toEqual({ type: 'refused', by: 'requests', retryAfterSeconds: upTo(10), standing: { requests: { limit: 6, remaining: 0, resetSeconds: upTo(60), retryAfterSeconds: upTo(10) }, parallel: null } });
    await pass(key, 10_000);
    expect(await admitted([newLimiter()], key, { rpmLimit: 6 }, 5)).toBe(1);
    await pass(key, 30_000);
    expect(await newLimiter().look(key, { rpmLimit: 6 })).toMatchObject({ requests: { limit: 6, remaining: 3, resetSeconds: upTo(30) } });
    expect(await admitted([newLimiter()], key, { rpmLimit: 6 }, 5)).toBe(3); // looking costs nothing
  });

  it('counts what was let in without asking, also of a process that is not heard of any more', async () => {
    const key = newKey();
    const [one, other] = [newLimiter(), newLimiter()];
    const rpmLimit = 600;
    const begun = performance.now();
    const back = (): number => ((performance.now() - begun) * rpmLimit) / 60_000;
    expect(await admitted([one], key, { rpmLimit }, 10)).toBe(10);
    const setAside = Number((await world.db.asOwner<{ held: string }>('SELECT held FROM usage_leases WHERE account_id = $1', [`rate.${key.keyId}`]))[0]!.held);
    expect(setAside).toBeGreaterThan(0);
    expect(await admitted([one], key, { rpmLimit }, 2)).toBe(2); // of those
    await one.close();
    expect((await other.look(key, { rpmLimit })).requests!.remaining).toBeGreaterThanOrEqual(rpmLimit - 12);
    expect((await other.look(key, { rpmLimit })).requests!.remaining).toBeLessThanOrEqual(rpmLimit - 12 + back());
    const killed = newKey();
    expect(await admitted([one], killed, { rpmLimit }, 10)).toBe(10);
    await world.db.asOwner(`UPDATE usage_leases SET seen_at = seen_at - interval '10 seconds' WHERE account_id = $1`, [`rate.${killed.keyId}`]);
    const left = (await newLimiter().look(killed, { rpmLimit })).requests!.remaining;
    expect(left).toBeLessThanOrEqual(rpmLimit - 10 - setAside + back());
  });

  it('locks nobody out for longer than a minute when the clock is set back', async () => {
    const key = newKey();
    await admitted([newLimiter()], key, { rpmLimit: 10 }, 10);
    await pass(key, -3_600_000);
    expect(await newLimiter().admit(key, { rpmLimit: 10 })).toMatchObject({ type: 'refused', retryAfterSeconds: 6, standing: { requests: { remaining: 0, resetSeconds: 60 } } });
    await pass(key, 60_000);
    expect(await admitted([newLimiter()], key, { rpmLimit: 10 }, 20)).toBe(10);
  });

  it('follows a changed limit at once, and keeps keys apart', async () => {
    const [key, limiter] = [newKey(), newLimiter()];
    expect(await admitted([limiter], key, { rpmLimit: 10 }, 20)).toBe(10);
    expect(await admitted([limiter], key, {}, 200)).toBe(200);
    await pass(key, 30_000);
    expect(await admitted([limiter], key, { rpmLimit: 100 }, 200)).toBeGreaterThanOrEqual(50); // half of the minute has come back
    expect(await admitted([limiter], key, { rpmLimit: 2 }, 1)).toBe(0);
    expect(await Promise.all([newKey(), newKey()].map((other) => admitted([limiter], other, { rpmLimit: 3 }, 5)))).toEqual([3, 3]);
  });
});

describe('requests at a time', () => {
  it('lets in the limit, and one more for each that ends, however often it says so', async () => {
    const [key, limiter, limits] = [newKey(), newLimiter(), { maxParallelRequests: 2 }];
    const [first, second, third] = [await limiter.admit(key, limits), await limiter.admit(key, limits), await limiter.admit(key, limits)];
    expect([first, second, third].map(({ type }) => type)).toEqual(['admitted', 'admitted', 'refused']);
    expect(third).toEqual({ type: 'refused', by: 'parallel', retryAfterSeconds: 1, standing: { requests: null, parallel: { limit: 2, remaining: 0 } } });
    for (let i = 0; i < 3; i++) if (first.type === 'admitted') first.release();
    expect(await limiter.look(key, limits)).toEqual({ requests: null, parallel: { limit: 2, remaining: 1 } });
    expect([await limiter.admit(key, limits), await limiter.admit(key, limits)].map(({ type }) => type)).toEqual(['admitted', 'refused']);
  });

  it('costs nothing of the minute where it refuses', async () => {
    const [key, limiter, limits] = [newKey(), newLimiter(), { rpmLimit: 10, maxParallelRequests: 1 }];
    await limiter.admit(key, limits);
    for (let i = 0; i < 20; i++) expect(await limiter.admit(key, limits)).toMatchObject({ type: 'refused', by: 'parallel' });
    expect((await limiter.look(key, limits)).requests?.remaining).toBe(9);
  });

  it('costs nothing of the minute where it refuses many that come while the database is asked, and keeps no place of those that are not let in', async () => {
    const [key, limiter, limits] = [newKey(), newLimiter(), { rpmLimit: 10, maxParallelRequests: 1 }];
    const admissions = await Promise.all(Array.from({ length: 10 }, () => limiter.admit(key, limits)));
    expect(admissions.map((admission) => (admission.type === 'refused' ? admission.by : admission.type))).toEqual(['admitted', ...Array<string>(9).fill('parallel')]);
    expect((await newLimiter().look(key, limits)).requests!.remaining).toBeGreaterThanOrEqual(9);
    if (admissions[0]!.type === 'admitted') admissions[0]!.release();
    expect((await limiter.look(key, limits)).parallel!.remaining).toBe(1);
    const used = newKey();
    await admitted([newLimiter()], used, { rpmLimit: 10 }, 10);
    expect(await limiter.admit(used, limits)).toMatchObject({ type: 'refused', by: 'requests' });
    expect((await limiter.look(used, limits)).parallel!.remaining).toBe(1);
  });

  it('keeps the account of a key that was quiet and comes while its account is looked through', async () => {
    const limits = { maxParallelRequests: 1 };
    for (let turns = 0; turns < 10; turns++) {
      const [key, limiter] = [newKey(), newLimiter()];
      await limiter.look(key, limits);
      jest.useFakeTimers({ now: Date.now(), doNotFake: ['performance', 'nextTick', 'queueMicrotask', 'setImmediate', 'setTimeout'] });
      limiter.start();
      jest.advanceTimersByTime(1_000);
      jest.useRealTimers();
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      const first = limiter.admit(key, limits);
      await new Promise(setImmediate);
      expect([first, limiter.admit(key, limits)]).toEqual([expect.objectContaining({ type: 'admitted' }), expect.objectContaining({ type: 'refused' })]);
      await limiter.close();
    }
  });
});
