import type { Database } from '@millrace/database';
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

/** The database, whose next transaction fails when it is told so: before it has come, or when it is done and only the answer is lost. */
function failing() {
  const { database } = world.db;
  let next: 'unheard' | 'unanswered' | null = null;
  const fail = (how: typeof next): void => {
    if (next !== how) return;
    next = null;
    throw new Error(`it was ${how}`);
  };
  const forTenant: Database['forTenant'] = (tenantId) => ({
    ...database.forTenant(tenantId),
    async transaction(work) {
      if (next) fail('unheard');
      const done = await database.forTenant(tenantId).transaction(work);
      if (next) fail('unanswered');
      return done;
    },
  });
  return { database: { ...database, forTenant }, failNext: (how: 'unheard' | 'unanswered') => void (next = how) };
}

async function onAccount(id: string): Promise<{ used: number; held: number }> {
  const [row] = await world.db.asOwner<{ used: string; held: string }>('SELECT a.used, sum(l.held) AS held FROM usage_accounts a JOIN usage_leases l ON l.account_id = a.id WHERE a.id = $1 GROUP BY a.used', [id]);
  return { used: Number(row!.used), held: Number(row!.held) };
}

/** As of a second in which nobody came. */
const later = (): number => performance.now() + 2_000;
const muchLater = (): number => performance.now() + 200_000;

it('what could not be given back is given back later, also where only the answer was lost that it is here', async () => {
  const { tenantId } = await world.tenant();
  const { database, failNext } = failing();
  const account = new LeasedAccount(database, tenantId, terms('untold', 200));
  failNext('unanswered');
  await expect(account.obtain(1)).rejects.toThrow('unanswered');
  expect((await onAccount('untold')).used).toBeGreaterThan(1); // a block
  expect(account.isIdle(muchLater())).toBe(false);
  await account.tick(later());
  expect(await onAccount('untold')).toEqual({ used: 0, held: 0 });
  await account.obtain(1);
  account.spend(1);
  failNext('unheard');
  await expect(account.tick(later())).rejects.toThrow('unheard');
  expect((await onAccount('untold')).used).toBeGreaterThan(1);
  expect(account.isIdle(muchLater())).toBe(false);
  await account.tick(later());
  expect(await onAccount('untold')).toEqual({ used: 1, held: 0 });
  expect(account.isIdle(muchLater())).toBe(true);
});

it('an account whose window is over can be forgotten, though a block of it was left', async () => {
  const { tenantId } = await world.tenant();
  const account = new LeasedAccount(world.db.database, tenantId, terms('over', 200));
  await account.obtain(1);
  account.spend(1);
  expect(account.has(1)).toBe(true);
  expect(account.isIdle(performance.now() + 86_400_000)).toBe(true);
  await account.returnAll();
});

it('what was set aside of a rate and could not be given back is given back later', async () => {
  const { tenantId } = await world.tenant();
  const { database, failNext } = failing();
  const rate = new LeasedRate(database, tenantId, 'rate.untold', 600);
  failNext('unanswered');
  await expect(rate.obtain()).rejects.toThrow('unanswered');
  expect((await onAccount('rate.untold')).held).toBeGreaterThan(0);
  expect(rate.isIdle(muchLater())).toBe(false);
  await rate.tick(later());
  expect((await onAccount('rate.untold')).held).toBe(0);
  await rate.obtain();
  failNext('unheard');
  await expect(rate.tick(later())).rejects.toThrow('unheard');
  expect((await onAccount('rate.untold')).held).toBeGreaterThan(0);
  await rate.tick(later());
  expect((await onAccount('rate.untold')).held).toBe(0);
  expect(rate.isIdle(muchLater())).toBe(true);
});

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
