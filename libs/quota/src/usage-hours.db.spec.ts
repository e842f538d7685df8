import fs from 'node:fs/promises';
import path from 'node:path';
import { type KeyActor, type PersonActor, platformTenantId } from '@millrace/auth';
import { createDatabase, Prisma } from '@millrace/database';
import { newId, silentLogger } from '@millrace/kernel';
import { createWorld, type TenantInWorld, type World } from '@millrace/testkit';
import fc from 'fast-check';
import type { UsageSummary } from './index.ts';
import { addToHours } from './usage-hours.ts';

const hour = 3_600_000;
const begin = Date.UTC(2026, 2, 1);
const hours = 6;
const seed = 20261127;

interface Entry {
  at: Date;
  keyId: string;
  kind: 'PREDICTION' | 'TRAINING';
  amount: number;
}

let world: World;
let tenant: TenantInWorld;
let operator: PersonActor;
let entries: Entry[];
const [first, second] = [newId('apiKey'), newId('apiKey')];
const keyActor = (keyId: string): KeyActor => ({ type: 'key', tenantId: tenant.tenantId, keyId, scopes: ['PREDICT'], models: [] });

/** Any moment of the hours, and often the beginning of one or the moment before or after. */
const moment = fc.oneof(
  fc.integer({ min: begin, max: begin + hours * hour }),
  fc.tuple(fc.integer({ min: 0, max: hours }), fc.integer({ min: -1, max: 1 })).map(([index, beside]) => begin + index * hour + beside),
).map((ms) => new Date(ms));

beforeAll(async () => {
  world = await createWorld();
  tenant = await world.tenant();
  const email = `${newId('person')}@example.com`;
  await world.auth.members.add({ tenantId: platformTenantId, name: 'Otto', email, password: 'a password for tests', role: 'OPERATOR' });
  const signedIn = await world.auth.signIn(email, 'a password for tests');
  if (signedIn.type !== 'signed-in') throw new Error(signedIn.type);
  operator = signedIn.actor;
  const entry = fc.record({ at: moment, keyId: fc.constantFrom(first, second), kind: fc.constantFrom('PREDICTION' as const, 'TRAINING' as const), amount: fc.integer({ min: 1, max: 1_000_000 }) });
  entries = fc.sample(entry, { seed, numRuns: 120 });
  for (const { at, keyId, kind, amount } of entries) {
    await world.db.database.forTenant(tenant.tenantId).transaction((tx) => tx.$executeRaw`
      WITH entered AS (
        INSERT INTO usage_records (tenant_id, request_id, at, kind, actor, rows, units, gpu_units)
        VALUES (${tenant.tenantId}, ${newId('prediction')}, ${at}, ${kind}::usage_kind, ${`key:${keyId}`}, ${kind === 'PREDICTION' ? amount : 0}, ${amount}, ${kind === 'TRAINING' ? amount / 2 : 0}) RETURNING *)
      ${addToHours}`);
  }
});
afterAll(() => world.close());

const sum = (amounts: number[]): number => amounts.reduce((total, each) => total + each, 0);

function summaryOf(chosen: Entry[]): UsageSummary {
  const [predictions, trainings] = (['PREDICTION', 'TRAINING'] as const).map((kind) => chosen.filter((each) => each.kind === kind).map(({ amount }) => amount)) as [number[], number[]];
  return { predictions: predictions.length, rows: BigInt(sum(predictions)), computeSeconds: sum(trainings), gpuSeconds: sum(trainings) / 2 };
}

/** Each sum, beside that of the single lines. */
async function compare(from: Date, to: Date): Promise<void> {
  const within = entries.filter(({ at }) => at >= from && at < to);
  expect(await world.quota.summariseUsage(tenant.owner.actor, from, to)).toEqual(summaryOf(within));
  const byKey = [first, second].map((keyId) => [`key:${keyId}`, within.filter((each) => each.keyId === keyId)] as const).filter(([, of]) => of.length);
  expect(await world.quota.summariseUsageOf(tenant.owner.actor, [`key:${first}`, `key:${second}`], from, to)).toEqual(new Map(byKey.map(([name, of]) => [name, summaryOf(of)])));
  const { usage } = (await world.quota.plans.summariseTenants(operator, [tenant.tenantId], from, to)).get(tenant.tenantId)!;
  expect(usage).toEqual(summaryOf(within));
  const spends = await world.quota.spendOf(tenant.owner.actor, [first, second].map((id) => ({ id, budgetDuration: null, createdAt: from })));
  const spent = (keyId: string): number => sum(entries.filter((each) => each.keyId === keyId && each.kind === 'PREDICTION' && each.at >= from).map(({ amount }) => amount));
  expect(spends).toEqual(new Map([first, second].map((id) => [id, { spend: spent(id), resetAt: null }])));
}

it('every sum over a time is that of its lines, wherever it begins and ends', async () => {
  await fc.assert(
    fc.asyncProperty(moment, moment, async (a, b) => {
      await compare(a < b ? a : b, a < b ? b : a);
      await compare(a, new Date(a.getTime() + 60_000)); // mostly within an hour
    }),
    {
      seed,
      numRuns: 40,
      examples: [
        [new Date(begin), new Date(begin + hours * hour)],
        [new Date(begin + hour), new Date(begin + hour)],
        [new Date(0), new Date(Date.UTC(2100, 0))],
      ],
    },
  );
});

it('whole hours are not read line by line', async () => {
  const [from, to] = [new Date(begin + 0.4 * hour), new Date(begin + 4.6 * hour)];
  await world.db.asOwner('DELETE FROM usage_records WHERE tenant_id = $1 AND at >= $2 AND at < $3', [tenant.tenantId, new Date(begin + hour), new Date(begin + 4 * hour)]);
  await compare(from, to);
  const total = sum(entries.filter(({ keyId, kind }) => keyId === first && kind === 'PREDICTION').map(({ amount }) => amount));
  expect(await world.quota.ownUsage(keyActor(first))).toMatchObject({ total });
});

it('more requests than an integer holds are told', async () => {
  const busy = await world.tenant();
  await world.db.asOwner(`INSERT INTO usage_hours (tenant_id, hour, kind, actor, requests, rows, units) VALUES ($1, $2, 'PREDICTION', 'system', 3000000000, 1, 1)`, [busy.tenantId, new Date(begin)]);
  expect(await world.quota.summariseUsage(busy.owner.actor, new Date(begin), new Date(begin + hour))).toMatchObject({ predictions: 3e9 });
});

it('hours from before they were kept are added up by a migration, past the policies that hold its owner too', async () => {
  const old = await createWorld();
  try {
    const { tenantId, owner } = await old.tenant();
    const enter = (id: string, at: Date) => Prisma.sql`
      INSERT INTO usage_records (tenant_id, request_id, at, kind, actor, rows, units) VALUES (${tenantId}, ${id}, ${at}, 'PREDICTION', 'system', 5, 5) RETURNING *`;
    await old.db.database.forTenant(tenantId).transaction(async (tx) => {
      await tx.$executeRaw`WITH entered AS (${enter('kept', new Date(begin))}) ${addToHours}`;
      for (const [index, at] of [begin, begin + 1, begin + hour].entries()) await tx.$executeRaw(enter(`old ${index}`, new Date(at)));
    });
    const script = await fs.readFile(path.join(import.meta.dirname, '../../../prisma/migrations/20261127105000_usage_by_actor/migration.sql'), 'utf8');
    const asOwner = createDatabase({ tenantUrl: old.db.urls.owner, systemUrl: old.db.urls.owner, logger: silentLogger });
    await asOwner.system().transaction(async (tx) => {
      for (const statement of script.slice(0, script.indexOf('\n\n')).split(';\n')) await tx.$executeRawUnsafe(statement);
    });
    await asOwner.close();
    const report = await old.quota.reportUsage(owner.actor, { from: new Date(begin), to: new Date(begin + 2 * hour), by: ['HOUR'] });
    expect(report).toMatchObject({ lines: [{ predictions: 3n, rows: 15n, costUnits: 15 }, { predictions: 1n, rows: 5n }] });
  } finally {
    await old.close();
  }
});
