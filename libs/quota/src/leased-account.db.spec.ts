import { createWorld, type World } from '@millrace/testkit';
import { LeasedAccount } from './leased-account.ts';
import { LeasedRate } from './leased-rate.ts';
import type { LimitTerms } from './usage-limit.ts';

let world: World;
beforeAll(async () => (world = await createWorld()));
afterAll(() => world.close());

const terms = (id: string, most: number): LimitTerms => ({ id, source: 'tenant', subject: '', measure: 'ROWS', period: 'day', most, isRate: false, soft: null, raise: null, span: 86_400, anchor: 0 });

/** As many units as it gives, one by one. */
async function drain(account: { has(units: number): boolean; lacks(units: number): boolean; spend(units: number): unknown; obtain(units: number): Promise<void> }): Promise<number> {
  for (let spent = 0; ; ) {
    if (account.has(1)) {
      account.spend(1);
      spent++;
    } else if (account.lacks(1)) return spent;
    else await account.obtain(1);
  }
}

it('what was spent stays spent when a process forgets a quiet account and takes it up again', async () => {
  const { tenantId } = await world.tenant();
  const take = () => new LeasedAccount(world.db.database, tenantId, terms('forgotten', 20));
  const first = take();
  expect(await drain(first)).toBe(20);
  await first.returnAll();
  expect(await drain(take())).toBe(0);
});

it('a lowered limit takes back what was held ahead under the old one', async () => {
  const { tenantId } = await world.tenant();
  const account = new LeasedAccount(world.db.database, tenantId, terms('lowered', 1000));
  await account.obtain(1);
  account.spend(1);
  account.terms = terms('lowered', 3);
  await account.obtain(0);
  expect(await drain(account)).toBe(2);
});

it('what was held ahead under a raise is not spent beyond its end', async () => {
  const { tenantId } = await world.tenant();
  const until = Date.now() + 3_600_000;
  const account = new LeasedAccount(world.db.database, tenantId, { ...terms('raised', 10), raise: { by: 1_000, until } });
  await account.obtain(1);
  account.spend(1);
  expect(account.has(20)).toBe(true); // a block
  const { now } = Date;
  try {
    Date.now = () => until;
    expect(account.has(1)).toBe(false);
    expect(await drain(account)).toBe(9);
  } finally {
    Date.now = now;
  }
});

it('a process that was quiet while others asked for a rate has not spent its own past twice', async () => {
  const { tenantId } = await world.tenant();
  const rate = () => new LeasedRate(world.db.database, tenantId, 'rate.quiet', 60);
  const [one, other] = [rate(), rate()];
  const spend = async (of: LeasedRate, times: number) => {
    for (let spent = 0; spent < times; ) {
      if (of.has()) {
        of.spend();
        spent++;
      } else await of.obtain();
    }
    await of.returnAll();
  };
  const passTime = (seconds: number) =>
    world.db.database.forTenant(tenantId).transaction(async (tx) => {
      await tx.$executeRaw`UPDATE usage_leases SET seen_at = seen_at - make_interval(secs => ${seconds}::int)`;
      await tx.$executeRaw`UPDATE usage_accounts SET full_at = full_at - make_interval(secs => ${seconds}::int)`;
    });
  for (let round = 0; round < 10; round++) {
    await spend(one, 8);
    await passTime(60);
    await spend(other, 1);
    await passTime(60);
  }
  await one.refresh();
  // 80 in all, long since come back: were they counted again, hardly any would be left.
  expect(one.standing().remaining).toBeGreaterThan(50);
});
