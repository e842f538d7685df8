import type { KeyActor, PersonActor } from '@millrace/auth';
import { DomainError } from '@millrace/kernel';
import fc from 'fast-check';
import { type BudgetState, budgetHeaders, createCostBudget } from './cost-budget.ts';

const person: PersonActor = { type: 'person', tenantId: 'ten_1', personId: 'per_1', sessionId: 'ses_1', role: 'OWNER' };
const key: KeyActor = { type: 'key', tenantId: 'ten_1', keyId: 'key_1', scopes: [], models: [] };
const address = '192.0.2.1';

/** A budget of 600 a minute, which is 10 a second, and its clock. */
function budgetAt(start = 0, options: { mostCallers?: number } = {}) {
  const time = { now: start };
  const budget = createCostBudget({ unitsPerMinute: 600, now: () => time.now, ...options });
  const spend = (cost: number, actor: PersonActor | KeyActor | null = person, from = address): BudgetState | DomainError => {
    try {
      return budget.spend({ actor, address: from }, cost);
    } catch (error) {
      return error as DomainError;
    }
  };
  return { time, spend };
}

it('refills evenly, and says what is left and when all of it is back', () => {
  const { time, spend } = budgetAt();
  expect(spend(400)).toEqual({ limit: 600, remaining: 200, resetSeconds: 40 });
  time.now += 10_000;
  expect(spend(100)).toEqual({ limit: 600, remaining: 200, resetSeconds: 40 });
  time.now += 3_600_000;
  expect(spend(600)).toEqual({ limit: 600, remaining: 0, resetSeconds: 60 });
});

it('refuses what is more than is left, spends nothing for it, and says whose limit it is and when to come back', () => {
  const { time, spend } = budgetAt(1e9);
  spend(590);
  const refused = spend(60) as DomainError;
  expect(refused).toBeInstanceOf(DomainError);
  expect(refused).toMatchObject({ code: 'TOO_MANY_REQUESTS', retryAfterSeconds: 5 });
  expect(refused.message).toBe('This operation costs 60, and person:per_1 has 10 left of the 600 that its operations may cost in a minute.');
  expect(refused.remedy).toContain('Try again in 5 s');
  expect(spend(10)).toMatchObject({ remaining: 0 });
  time.now += 6_000; // the wait that it would tell now
  expect(spend(60)).toMatchObject({ remaining: 0 });
});

it('is each caller’s own; strangers share the budget of their address, or of their /64', () => {
  const { spend } = budgetAt();
  spend(600);
  expect(spend(1)).toBeInstanceOf(DomainError);
  expect(spend(600, key)).toMatchObject({ remaining: 0 });
  expect(spend(600, null)).toMatchObject({ remaining: 0 });
  expect((spend(1, null) as DomainError).message).toContain('address:192.0.2.1 has 0 left');
  expect(spend(1, null, `::ffff:${address}`)).toBeInstanceOf(DomainError);
  expect(spend(600, null, '192.0.2.2')).toMatchObject({ remaining: 0 });
  expect(spend(600, null, '2001:db8:1:2::3')).toMatchObject({ remaining: 0 });
  expect((spend(1, null, '2001:db8:1:2:a:b:c:d') as DomainError).message).toContain('address:2001:db8:1:2::/64');
  expect(spend(1, null, '2001:db8:1:3::3')).toMatchObject({ remaining: 599 });
  expect(spend(600, null, '::1')).toMatchObject({ remaining: 0 });
  expect(spend(1, null, '::2%eth0')).toBeInstanceOf(DomainError);
});

it('nothing is free, and what costs more than all of it takes all of it', () => {
  const { spend } = budgetAt();
  expect(spend(0)).toMatchObject({ remaining: 599 });
  expect(budgetAt().spend(10_000)).toMatchObject({ remaining: 0 });
});

it('forgets those who were silent longest, and keeps those who are busy', () => {
  const { spend } = budgetAt(0, { mostCallers: 3 });
  spend(600);
  for (let i = 0; i < 10; i++) {
    for (const host of [1, 2]) spend(1, null, `198.51.100.${2 * i + host}`);
    expect(spend(1)).toBeInstanceOf(DomainError);
  }
  for (const host of [1, 2, 3]) spend(1, null, `203.0.113.${host}`);
  expect(spend(600)).toMatchObject({ remaining: 0 });
});

it('never lets a caller spend more in any stretch of time than a whole budget and what came back meanwhile', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ wait: fc.nat({ max: 20_000 }), cost: fc.integer({ min: 1, max: 600 }) }), { minLength: 5, maxLength: 60 }), (steps) => {
      const { time, spend } = budgetAt();
      const spent: { at: number; cost: number }[] = [];
      for (const { wait, cost } of steps) {
        time.now += wait;
        const outcome = spend(cost);
        if (!(outcome instanceof DomainError)) spent.push({ at: time.now, cost });
        else {
          // The wait that is told is enough, and a second less is not.
          const again = budgetAt();
          for (const past of spent) {
            again.time.now = past.at;
            again.spend(past.cost);
          }
          again.time.now = time.now + (outcome.retryAfterSeconds! - 1) * 1000;
          expect(again.spend(cost)).toBeInstanceOf(DomainError);
          again.time.now += 1000;
          expect(again.spend(cost)).not.toBeInstanceOf(DomainError);
        }
      }
      for (const [i, first] of spent.entries()) {
        let sum = 0;
        for (const later of spent.slice(i)) {
          sum += later.cost;
          expect(sum).toBeLessThanOrEqual(600 + (later.at - first.at) / 100 + 1e-6);
        }
      }
    }),
    { seed: 5, numRuns: 200 },
  );
});

it('is told in headers', () => {
  expect(budgetHeaders({ limit: 600, remaining: 12, resetSeconds: 7 })).toEqual({ 'ratelimit-policy': '"cost";q=600;w=60', ratelimit: '"cost";r=12;t=7' });
});
