import type { KeyActor, PersonActor } from '@millrace/auth';
import { createDatabase } from '@millrace/database';
import { newId, silentLogger } from '@millrace/kernel';
import { createWorld, openSilentDoor, type TenantInWorld, type World } from '@millrace/testkit';
import fc from 'fast-check';
import { createMeter, type Meter, type Metered, type UsageMeasure, type UsagePeriod, type UsageScope } from './index.ts';

let world: World;
const meters: Meter[] = [];

/** Patient, since the database of a busy machine is slow. */
const newMeter = (): Meter => createMeter({ database: world.db.database, logger: silentLogger, patienceMs: 20_000 });

/** Each as its own process would have it. */
async function startMeter(): Promise<Meter> {
  const meter = newMeter();
  await meter.start();
  meters.push(meter);
  return meter;
}
beforeAll(async () => (world = await createWorld()));
afterAll(async () => {
  await Promise.all(meters.map((meter) => meter.close()));
  await world.close();
});

interface GivenLimit {
  scope?: UsageScope;
  subject?: string;
  measure?: UsageMeasure;
  period?: UsagePeriod;
  limit: number;
}

async function limit(tenant: TenantInWorld, { scope = 'TENANT', subject = '', measure = 'ROWS', period = 'MONTH', limit: most }: GivenLimit): Promise<string> {
  const id = newId('usageLimit');
  await world.db.database.forTenant(tenant.tenantId).transaction((tx) =>
    tx.usageLimit.create({ data: { id, tenantId: tenant.tenantId, scope, subject, measure, period, limit: BigInt(most), updatedBy: 'system' } }),
  );
  return id;
}

const keyOf = (tenant: TenantInWorld, keyId = newId('apiKey')): KeyActor => ({ type: 'key', tenantId: tenant.tenantId, keyId, scopes: ['PREDICT'], models: [] });

async function used(tenant: TenantInWorld, id: string): Promise<number> {
  const [row] = await world.db.asOwner<{ used: string }>('SELECT used FROM usage_accounts WHERE tenant_id = $1 AND id = $2', [tenant.tenantId, id]);
  return Number(row?.used ?? 0);
}

const admittedRows = (outcomes: Metered[], rows: number[]): number => outcomes.reduce((sum, { type }, index) => sum + (type === 'admitted' ? rows[index]! : 0), 0);

it('processes together admit the limit exactly, whatever they ask for', async () => {
  const three = await Promise.all([startMeter(), startMeter(), startMeter()]);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 150 }), fc.integer({ min: 1, max: 3 }), fc.constantFrom<UsageMeasure>('ROWS', 'REQUESTS'), async (most, processes, measure) => {
      const tenant = await world.tenant();
      const id = await limit(tenant, { limit: most, measure });
      const actor = keyOf(tenant);
      const outcomes = await Promise.all(Array.from({ length: 5 * most + 5 }, (_, index) => three[index % processes]!.take({ actor, endpoint: 'press', rows: 1 })));
      expect(outcomes.filter(({ type }) => type === 'admitted')).toHaveLength(most);
      expect(await used(tenant, id)).toBe(most);
    }),
    { seed: 20261126, numRuns: 5 },
  );
});

it('requests of several rows fill the limit as far as the smallest fits, and never beyond', async () => {
  const two = [await startMeter(), await startMeter()];
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 300 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 10, maxLength: 60 }), async (most, rows) => {
      const tenant = await world.tenant();
      await limit(tenant, { limit: most });
      const actor = keyOf(tenant);
      const outcomes = await Promise.all(rows.map((count, index) => two[index % 2]!.take({ actor, endpoint: 'press', rows: count })));
      const admitted = admittedRows(outcomes, rows);
      expect(admitted).toBeLessThanOrEqual(most);
      const smallestRefused = Math.min(Infinity, ...rows.filter((_, index) => outcomes[index]!.type === 'refused'));
      // A refusal was right at its moment: what was there then, others have taken.
      if (smallestRefused < Infinity && admitted < most) {
        while ((await two[0]!.take({ actor, endpoint: 'press', rows: most - admitted })).type !== 'admitted'); // what the other holds comes back
      }
    }),
    { seed: 20261126, numRuns: 6 },
  );
});

it('counts a prediction against all of its limits or none, and names the one that refuses', async () => {
  const meter = await startMeter();
  const tenant = await world.tenant();
  const [actor, other] = [keyOf(tenant), keyOf(tenant)];
  const wide = await limit(tenant, { limit: 100 });
  await limit(tenant, { scope: 'KEY', subject: actor.keyId, measure: 'REQUESTS', period: 'DAY', limit: 2 });
  const model = await limit(tenant, { scope: 'MODEL', subject: 'press', limit: 30 });
  const take = (who: KeyActor | PersonActor, endpoint: string, rows: number) => meter.take({ actor: who, endpoint, rows });
  expect((await take(actor, 'press', 10)).type).toBe('admitted');
  expect((await take(actor, 'other', 10)).type).toBe('admitted');
  expect(await take(actor, 'other', 1)).toMatchObject({ type: 'refused', needed: 1, by: { terms: { source: 'key', period: 'day', measure: 'REQUESTS' }, most: 2, used: 2, remaining: 0 } });
  expect(await take(other, 'press', 21)).toMatchObject({ type: 'refused', by: { terms: { source: 'model', subject: 'press' }, most: 30, used: 10, remaining: 20 } });
  expect((await take(tenant.owner.actor, 'press', 20)).type).toBe('admitted');
  await meter.close();
  expect([await used(tenant, wide), await used(tenant, model)]).toEqual([40, 30]);
});

it('uses nothing of a rate where another limit refuses, though nothing was known of either', async () => {
  const meter = await startMeter();
  const tenant = await world.tenant();
  const rate = await limit(tenant, { measure: 'REQUESTS', period: 'RATE', limit: 1 });
  await limit(tenant, { scope: 'MODEL', subject: 'press', measure: 'REQUESTS', period: 'DAY', limit: 0 });
  const take = (endpoint: string) => meter.take({ actor: keyOf(tenant), endpoint, rows: 1 });
  const usedUntil = () => world.db.asOwner('SELECT id FROM usage_accounts WHERE id = $1 AND full_at > now()', [rate]);
  expect(await take('press')).toMatchObject({ type: 'refused', by: { terms: { source: 'model' } } });
  expect(await usedUntil()).toEqual([]);
  expect((await take('other')).type).toBe('admitted');
  expect(await usedUntil()).toHaveLength(1);
});

it('uses nothing of a rate for those of many at once whom another limit refuses', async () => {
  const meter = await startMeter();
  const tenant = await world.tenant();
  const rate = await limit(tenant, { measure: 'REQUESTS', period: 'RATE', limit: 10 });
  const day = await limit(tenant, { measure: 'REQUESTS', period: 'DAY', limit: 1 });
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => meter.take({ actor: keyOf(tenant), endpoint: 'press', rows: 1 })));
  expect(outcomes.filter(({ type }) => type === 'admitted')).toHaveLength(1);
  const units = await world.db.asOwner<{ units: string }>(`SELECT extract(epoch FROM full_at - now()) / 6 AS units FROM usage_accounts WHERE id = $1`, [rate]);
  expect(Number(units[0]!.units)).toBeLessThanOrEqual(1);
  await meter.close();
  expect(await used(tenant, day)).toBe(1);
});

it('counts what keys do against the limit of the member who made them, exactly, whichever is used', async () => {
  const two = [await startMeter(), await startMeter()];
  const tenant = await world.tenant();
  const { personId } = tenant.owner.actor;
  const id = await limit(tenant, { scope: 'MEMBER', subject: personId, limit: 40 });
  const theirs = [tenant.owner.actor, ...[1, 2].map((): KeyActor => ({ ...keyOf(tenant), makerId: personId }))];
  const outcomes = await Promise.all(Array.from({ length: 150 }, (_, at) => two[at % 2]!.take({ actor: theirs[at % 3]!, endpoint: 'press', rows: 1 })));
  expect(outcomes.filter(({ type }) => type === 'admitted')).toHaveLength(40);
  expect(outcomes.find(({ type }) => type === 'refused')).toMatchObject({ by: { terms: { source: 'member', subject: personId } } });
  expect((await two[0]!.take({ actor: { ...keyOf(tenant), makerId: newId('person') }, endpoint: 'press', rows: 1 })).type).toBe('admitted');
  expect(await used(tenant, id)).toBe(40);
});

it('settles what took less than was held: the rest is there again', async () => {
  const meter = await startMeter();
  const tenant = await world.tenant();
  const id = await limit(tenant, { limit: 50 });
  const held = await meter.take({ actor: keyOf(tenant), endpoint: 'press', rows: 50 });
  expect((await meter.take({ actor: keyOf(tenant), endpoint: 'press', rows: 1 })).type).toBe('refused');
  if (held.type === 'admitted') held.settle(8);
  const next = await meter.take({ actor: keyOf(tenant), endpoint: 'press', rows: 42 });
  expect(next.type).toBe('admitted');
  if (held.type === 'admitted') held.giveBack(); // of what was kept only
  await meter.close();
  expect(await used(tenant, id)).toBe(42);
});

it('gives back what was not served, and what a process that ends has not spent', async () => {
  const [one, other] = [await startMeter(), await startMeter()];
  const tenant = await world.tenant();
  const id = await limit(tenant, { limit: 1_000 });
  const actor = keyOf(tenant);
  const taken = await one.take({ actor, endpoint: 'press', rows: 7 });
  await one.take({ actor, endpoint: 'press', rows: 1 });
  expect(await used(tenant, id)).toBeGreaterThan(8); // a block
  if (taken.type === 'admitted') taken.giveBack();
  await one.close();
  expect(await used(tenant, id)).toBe(1);
  expect((await other.take({ actor, endpoint: 'press', rows: 999 })).type).toBe('admitted');
  expect((await other.take({ actor, endpoint: 'press', rows: 1 })).type).toBe('refused');
});

it('calls back what lies unspent with another process before it refuses', async () => {
  const [one, other] = [await startMeter(), await startMeter()];
  const tenant = await world.tenant();
  await limit(tenant, { limit: 1_000 });
  const actor = keyOf(tenant);
  await one.take({ actor, endpoint: 'press', rows: 1 });
  expect((await other.take({ actor, endpoint: 'press', rows: 999 })).type).toBe('admitted');
  expect((await one.take({ actor, endpoint: 'press', rows: 1 })).type).toBe('refused');
});

it('a process that was killed takes at most its block with it, until the window ends', async () => {
  const tenant = await world.tenant();
  const id = await limit(tenant, { limit: 1_000, period: 'DAY' });
  const actor = keyOf(tenant);
  // As a kill leaves it: it neither answers calls nor makes any.
  await newMeter().take({ actor, endpoint: 'press', rows: 1 });
  await world.db.asOwner(`UPDATE usage_leases SET lessee = gen_random_uuid(), seen_at = now() - interval '1 minute' WHERE account_id = $1`, [id]);
  const before = await used(tenant, id);
  expect(before).toBeLessThanOrEqual(1 + 100);
  const survivor = await startMeter();
  const outcomes = await Promise.all(Array.from({ length: 1_100 }, () => survivor.take({ actor, endpoint: 'press', rows: 1 })));
  expect(outcomes.filter(({ type }) => type === 'admitted')).toHaveLength(1_000 - before);
  await world.db.asOwner(`UPDATE usage_accounts SET window_start = window_start - interval '1 day' WHERE id = $1`, [id]);
  const next = await startMeter();
  expect((await next.take({ actor, endpoint: 'press', rows: 1_000 })).type).toBe('admitted');
});

it('a call that arrives late, or whose answer was lost, changes nothing', async () => {
  const tenant = await world.tenant();
  const call = (number: number, window: string | null, spent: number, held: number, wanted: number) =>
    world.db.database.forTenant(tenant.tenantId).transaction(async (tx) => {
      const [row] = await tx.$queryRaw<[{ granted: bigint; used_units: bigint; window_ms: bigint }]>`
        SELECT * FROM lease_usage('lim_x', 100, 86400, to_timestamp(0), '00000000-0000-4000-8000-000000000001', ${number}::bigint, ${window}::bigint, ${spent}::bigint, ${held}::bigint, ${wanted}::bigint, 1, 0)`;
      return { granted: Number(row.granted), used: Number(row.used_units), window: String(row.window_ms) };
    });
  const { window } = await call(1, null, 0, 0, 30);
  expect(await call(2, window, 10, 20, 50)).toMatchObject({ granted: 50, used: 80 }); // its answer is lost
  expect(await call(4, window, 25, 5, 10)).toMatchObject({ granted: 10, used: 40 });
  expect(await call(3, window, 20, 10, 60)).toMatchObject({ granted: 0, used: 40 }); // overtaken by the one before
});

it('a window that has begun stays begun when the clock of the database steps back over its border; one further ahead was a mistake', async () => {
  const tenant = await world.tenant();
  for (const [id, span, step] of [['lim_day', 86_400, '1 day'], ['lim_month', null, '1 month']] as const) {
    let calls = 0;
    const call = (wanted: number) =>
      world.db.database.forTenant(tenant.tenantId).transaction(async (tx) => {
        const [row] = await tx.$queryRaw<[{ granted: bigint; used_units: bigint; begins: Date; ends: Date }]>`
          SELECT *, to_timestamp(window_ms / 1000.0) AS begins, date_trunc('hour', clock_timestamp() + make_interval(secs => ends_in_ms / 1000.0) + interval '1 minute', 'UTC') AS ends
          FROM lease_usage(${id}, 100, ${span}::integer, to_timestamp(0), '00000000-0000-4000-8000-000000000001', ${++calls}::bigint, NULL, 0, 0, ${wanted}::bigint, 1, 0)`;
        return { granted: Number(row.granted), used: Number(row.used_units), begins: row.begins, ends: row.ends };
      });
    const stepBack = async () => {
      for (const table of ['usage_accounts', 'usage_leases']) {
        await world.db.asOwner(`UPDATE ${table} SET window_start = (window_start AT TIME ZONE 'UTC' + $2::interval) AT TIME ZONE 'UTC' WHERE ${table === 'usage_leases' ? 'account_id' : 'id'} = $1`, [id, step]);
      }
    };
    const first = await call(100);
    // As if another process held it: this one says that it holds nothing.
    await world.db.asOwner('UPDATE usage_leases SET lessee = gen_random_uuid() WHERE account_id = $1', [id]);
    await stepBack();
    const next = span === null ? new Date(Date.UTC(first.ends.getUTCFullYear(), first.ends.getUTCMonth() + 1)) : new Date(first.ends.getTime() + span * 1000);
    expect(first).toMatchObject({ granted: 100, used: 100 });
    expect(await call(1)).toEqual({ granted: 0, used: 100, begins: first.ends, ends: next });
    await stepBack();
    expect(await call(1)).toEqual({ ...first, granted: 1, used: 1 });
  }
});

it('takes up a changed limit at once, and a raise until its end', async () => {
  const meter = await startMeter();
  const tenant = await world.tenant();
  const id = await limit(tenant, { limit: 1 });
  const actor = keyOf(tenant);
  const take = () => meter.take({ actor, endpoint: 'press', rows: 1 });
  expect([(await take()).type, (await take()).type]).toEqual(['admitted', 'refused']);
  const change = (sql: string) => world.db.asOwner(`UPDATE usage_limits SET ${sql} WHERE id = $1`, [id]).then(() => world.db.asOwner(`SELECT pg_notify('millrace_usage', $1)`, [`${tenant.tenantId}:*`]));
  const eventually = async (type: Metered['type']): Promise<void> => {
    while ((await take()).type !== type) await new Promise((resolve) => setImmediate(resolve));
  };
  await change(`raise_by = 2, raise_until = now() + interval '1 hour'`);
  await eventually('admitted');
  expect([(await take()).type, (await take()).type]).toEqual(['admitted', 'refused']);
  await change(`limit_value = 3, raise_until = now() - interval '1 second'`);
  expect((await take()).type).toBe('refused');
});

it('a lease whose connection falls silent is asked for again on another, and counts once', async () => {
  const tenant = await world.tenant();
  const id = await limit(tenant, { limit: 10 });
  const door = await openSilentDoor(world.db.urls.app);
  const database = createDatabase({ tenantUrl: door.to(world.db.urls.app), systemUrl: door.to(world.db.urls.system), logger: silentLogger, silenceMs: 2_000 });
  const meter = createMeter({ database, logger: silentLogger });
  const take = async () => meter.take({ actor: keyOf(tenant), endpoint: 'press', rows: 1 });
  door.fallSilentAfter('lease_usage', 'COMMIT'); // it has been granted, and nobody was told
  await expect(take()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const outcomes = [];
  for (let i = 0; i < 12; i++) outcomes.push((await take()).type);
  expect(outcomes.filter((type) => type === 'admitted')).toHaveLength(10);
  await meter.close();
  expect(await used(tenant, id)).toBe(10);
  door.hangUp();
  await database.close();
  await door.close();
});
