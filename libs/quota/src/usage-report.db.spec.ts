import fs from 'node:fs/promises';
import path from 'node:path';
import { newId, silentLogger } from '@millrace/kernel';
import { createWorld, type TenantInWorld, type World } from '@millrace/testkit';
import { createUsageJournal, type PredictionUsage } from './index.ts';

let world: World;
beforeAll(async () => (world = await createWorld()));
afterAll(() => world.close());

const entryOf = (tenant: TenantInWorld, changes: Partial<PredictionUsage> = {}): PredictionUsage => ({
  tenantId: tenant.tenantId, requestId: newId('prediction'), at: new Date('2026-11-02T10:20:30Z'), actor: 'key:key_1', endpointId: 'end_1', modelVersionId: 'ver_1', rows: 3, units: 3, ...changes,
});

/** Sends the entries as a process would that then is gone. */
async function send(entries: PredictionUsage[]): Promise<void> {
  const journal = createUsageJournal({ directory: path.join(world.directory, newId('request')), database: world.db.database, logger: silentLogger });
  await journal.start();
  await Promise.all(entries.map((entry) => journal.record(entry)));
  await journal.close();
}

it('tells usage apart by time, caller, endpoint and version, as the ledger has it, however often an entry is sent', async () => {
  const tenant = await world.tenant();
  const actor = `key:${(await world.auth.keys.create(tenant.owner.actor, { alias: 'press 4', scopes: ['PREDICT'] }) as { apiKey: { id: string } }).apiKey.id}`;
  const entries = [
    entryOf(tenant, { actor }),
    entryOf(tenant, { actor, at: new Date('2026-11-02T10:59:59Z'), rows: 4, units: 4 }),
    entryOf(tenant, { actor, at: new Date('2026-11-02T11:00:00Z'), rows: 5, units: 5, modelVersionId: 'ver_2' }),
    entryOf(tenant, { at: new Date('2026-11-03T00:00:00Z'), endpointId: 'end_2', rows: 6, units: 6 }),
  ];
  await Promise.all([send(entries), send(entries), send(entries.slice(1))]);
  await world.db.database.forTenant(tenant.tenantId).transaction((tx) => world.quota.recordTraining(tx, { tenantId: tenant.tenantId, runId: newId('run'), actor, computeSeconds: 9, gpuSeconds: 2 }));

  const ask = async (from: string, to: string, by: Parameters<World['quota']['reportUsage']>[1]['by']) => {
    const report = await world.quota.reportUsage(tenant.owner.actor, { from: new Date(from), to: new Date(to), by });
    if (report.type !== 'report') throw new Error(JSON.stringify(report));
    return report.lines;
  };
  expect(await ask('2026-11-01T00:00:00Z', '2026-11-04T00:00:00Z', ['HOUR'])).toMatchObject([
    { time: new Date('2026-11-02T10:00:00Z'), actor: null, predictions: 2n, rows: 7n, costUnits: 7 },
    { time: new Date('2026-11-02T11:00:00Z'), predictions: 1n, rows: 5n },
    { time: new Date('2026-11-03T00:00:00Z'), predictions: 1n, rows: 6n },
  ]);
  expect(await ask('2026-11-02T11:30:00Z', '2026-11-04T00:00:00Z', ['DAY', 'ACTOR', 'ENDPOINT', 'MODEL_VERSION'])).toMatchObject([
    { time: new Date('2026-11-02T00:00:00Z'), actor, actorLabel: 'press 4', endpoint: 'end_1', modelVersionId: 'ver_2', rows: 5n },
    { time: new Date('2026-11-03T00:00:00Z'), actor: 'key:key_1', actorLabel: null, endpoint: 'end_2', modelVersionId: 'ver_1', rows: 6n },
  ]);
  const [all] = await ask('2026-11-01T00:00:00Z', '2026-11-04T00:00:00Z', []);
  expect(all).toMatchObject({ time: null, predictions: 4n, rows: 18n, costUnits: 18 });
  const [now] = await ask(new Date(Date.now() - 3_600_000).toISOString(), new Date(Date.now() + 3_600_000).toISOString(), []);
  expect(now).toMatchObject({ time: null, computeSeconds: 9, gpuSeconds: 2 }); // learned just now
  const other = await world.tenant();
  expect(await world.quota.reportUsage(other.owner.actor, { from: new Date('2026-11-01'), to: new Date('2026-11-04'), by: ['DAY'] })).toEqual({ type: 'report', lines: [] });
});

it('adds what a killed process left behind once', async () => {
  const tenant = await world.tenant();
  const directory = path.join(world.directory, 'left-behind');
  await fs.mkdir(directory);
  const entries = [entryOf(tenant), entryOf(tenant)];
  await send(entries.slice(1)); // one had arrived already
  await fs.writeFile(path.join(directory, 'usage-999999-00000000-0000-4000-8000-000000000000.ndjson'), entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  const journal = createUsageJournal({ directory, database: world.db.database, logger: silentLogger });
  await journal.start();
  await journal.close();
  expect(await world.quota.reportUsage(tenant.owner.actor, { from: new Date('2026-11-02'), to: new Date('2026-11-03'), by: [] })).toMatchObject({ lines: [{ predictions: 2n, rows: 6n }] });
});

it('refuses an empty period and one that is too long', async () => {
  const tenant = await world.tenant();
  for (const to of ['2026-11-01', '2028-11-01']) {
    expect(await world.quota.reportUsage(tenant.owner.actor, { from: new Date('2026-11-01'), to: new Date(to), by: [] })).toMatchObject({ type: 'invalid', problems: [{ code: 'period_unfit', field: 'to' }] });
  }
});
