import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { KeyActor } from '@millrace/auth';
import { createDatabase } from '@millrace/database';
import { DomainError, newId, silentLogger } from '@millrace/kernel';
import { createWorld, openSilentDoor, type TenantInWorld, type World } from '@millrace/testkit';
import fc from 'fast-check';
import { createIdempotency, createUsageJournal, type IdempotentRequest, type PredictionUsage } from './index.ts';
import { addToHours } from './usage-hours.ts';

let world: World;
beforeAll(async () => (world = await createWorld()));
afterAll(() => world.close());

async function used(tenant: TenantInWorld): Promise<bigint> {
  return (await world.quota.listCounters(tenant.owner.actor)).find(({ resource }) => resource === 'STORAGE_BYTES')!.used;
}

function inTenant<T>(tenant: TenantInWorld, work: Parameters<ReturnType<World['db']['database']['forTenant']>['transaction']>[0]) {
  return world.db.database.forTenant(tenant.tenantId).transaction(work) as Promise<T>;
}

const reserve = (tenant: TenantInWorld, amount: bigint, subject = newId('upload')) =>
  inTenant<{ type: string }>(tenant, (tx) => world.quota.reserve(tx, tenant.tenantId, { resource: 'STORAGE_BYTES', amount, subject }));

async function setLimit(tenant: TenantInWorld, limit: bigint): Promise<void> {
  await reserve(tenant, 1n, 'first').then(() => inTenant(tenant, (tx) => world.quota.release(tx, tenant.tenantId, 'first', 'STORAGE_BYTES')));
  await world.db.asOwner(`UPDATE quota_counters SET limit_value = $2 WHERE tenant_id = $1 AND resource = 'STORAGE_BYTES'`, [tenant.tenantId, limit]);
}

describe('a quota', () => {
  it('admits exactly its limit, whatever the amounts, from many at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 20 }), fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 5, maxLength: 25 }), async (limit, amounts) => {
        const tenant = await world.tenant();
        await setLimit(tenant, BigInt(limit));
        const outcomes = await Promise.all(amounts.map((amount) => reserve(tenant, BigInt(amount))));
        const admitted = amounts.filter((_, index) => outcomes[index]!.type === 'reserved').reduce((sum, amount) => sum + amount, 0);
        expect(admitted).toBeLessThanOrEqual(limit);
        expect(await used(tenant)).toBe(BigInt(admitted));
        // Whoever was refused would not have fitted in what is left.
        const smallestRefused = Math.min(Infinity, ...amounts.filter((_, index) => outcomes[index]!.type !== 'reserved'));
        expect(admitted + smallestRefused).toBeGreaterThan(limit);
      }),
      { seed: 20261126, numRuns: 8 },
    );
  });

  it('says which limit was hit, how much is used, and what to do', async () => {
    const tenant = await world.tenant();
    await setLimit(tenant, 10n);
    await reserve(tenant, 8n);
    expect(await reserve(tenant, 3n)).toMatchObject({ type: 'quota-exceeded', resource: 'STORAGE_BYTES', limit: 10n, used: 8n, requested: 3n, remedy: expect.any(String) });
  });

  it('gives back what was held but not used, once however often it is settled or released', async () => {
    const tenant = await world.tenant();
    await setLimit(tenant, 100n);
    await reserve(tenant, 60n, 'upload');
    for (let i = 0; i < 3; i++) await inTenant(tenant, (tx) => world.quota.settle(tx, tenant.tenantId, 'upload', 'STORAGE_BYTES', 25n));
    expect(await used(tenant)).toBe(25n);
    await Promise.all(Array.from({ length: 5 }, () => inTenant(tenant, (tx) => world.quota.release(tx, tenant.tenantId, 'upload', 'STORAGE_BYTES'))));
    expect(await used(tenant)).toBe(0n);
  });

  it('gives back all of what turned out to need nothing, once', async () => {
    const tenant = await world.tenant();
    await setLimit(tenant, 100n);
    await reserve(tenant, 60n, 'empty');
    await inTenant(tenant, (tx) => world.quota.settle(tx, tenant.tenantId, 'empty', 'STORAGE_BYTES', 0n));
    await inTenant(tenant, (tx) => world.quota.release(tx, tenant.tenantId, 'empty', 'STORAGE_BYTES'));
    expect(await used(tenant)).toBe(0n);
  });

  it('forgets a reservation whose transaction is rolled back', async () => {
    const tenant = await world.tenant();
    await setLimit(tenant, 5n);
    await inTenant(tenant, async (tx) => {
      await world.quota.reserve(tx, tenant.tenantId, { resource: 'STORAGE_BYTES', amount: 5n, subject: 'gone' });
      throw new Error('changed its mind');
    }).catch(() => undefined);
    expect((await reserve(tenant, 5n)).type).toBe('reserved');
  });
});

describe('what an actor used', () => {
  const day = 86_400_000;
  const enter = (tenant: TenantInWorld, actor: string, at: Date, rows: number, kind = 'PREDICTION') =>
    inTenant(tenant, (tx) => tx.$executeRaw`
      WITH entered AS (
        INSERT INTO usage_records (tenant_id, request_id, at, kind, actor, rows, units)
        VALUES (${tenant.tenantId}, ${newId('prediction')}, ${at}, ${kind}::usage_kind, ${actor}, ${kind === 'PREDICTION' ? rows : 0}, ${rows}) RETURNING *)
      ${addToHours}`);
  const keyActor = (tenant: TenantInWorld, scopes: ('PREDICT' | 'READ')[] = ['PREDICT']): KeyActor => ({ type: 'key', tenantId: tenant.tenantId, keyId: newId('apiKey'), scopes, models: [] });

  it('is told since midnight, Monday and the first of the month in UTC, and in all', async () => {
    const tenant = await world.tenant();
    const actor = keyActor(tenant);
    const now = new Date();
    const midnight = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate());
    const monday = midnight - ((now.getUTCDay() + 6) % 7) * day;
    const first = Date.UTC(now.getUTCFullYear(), now.getUTCMonth());
    // On both sides of each border, in amounts that tell them apart.
    const moments = [midnight, midnight - 1, monday, monday - 1, first, first - 1, first - 40 * day];
    for (const [index, at] of moments.entries()) await enter(tenant, `key:${actor.keyId}`, new Date(at), 10 ** index);
    await enter(tenant, `key:${actor.keyId}`, now, 5e7, 'TRAINING'); // seconds are no rows
    await enter(tenant, `key:${newId('apiKey')}`, now, 5e7);
    const since = (border: number): number => moments.reduce((sum, at, index) => sum + (at >= border ? 10 ** index : 0), 0);
    expect(await world.quota.ownUsage(actor)).toEqual({ total: since(-Infinity), today: since(midnight), thisWeek: since(monday), thisMonth: since(first) });
    expect(await world.quota.ownUsage(keyActor(tenant))).toEqual({ total: 0, today: 0, thisWeek: 0, thisMonth: 0 });
    expect(await world.quota.ownUsage({ ...actor, tenantId: (await world.tenant()).tenantId })).toMatchObject({ total: 0 });
  });

  it('is told for many at once, to those who may see usage, and to everybody of themselves', async () => {
    const tenant = await world.tenant();
    const [one, other] = [keyActor(tenant), keyActor(tenant, ['READ'])];
    const names = [one, other].map(({ keyId }) => `key:${keyId}`);
    const [from, to] = [new Date('2026-01-01'), new Date('2026-02-01')];
    await enter(tenant, names[0]!, from, 3);
    await enter(tenant, names[0]!, new Date('2026-01-15'), 4);
    await enter(tenant, names[0]!, new Date('2026-01-15'), 9.5, 'TRAINING');
    await enter(tenant, names[0]!, to, 100);
    const expected = new Map([[names[0]!, { predictions: 2, rows: 7n, computeSeconds: 9.5, gpuSeconds: 0 }]]);
    expect(await world.quota.summariseUsageOf(tenant.owner.actor, names, from, to)).toEqual(expected);
    expect(await world.quota.summariseUsageOf(other, names, from, to)).toEqual(expected);
    expect(await world.quota.summariseUsageOf(one, [names[0]!], from, to)).toEqual(expected);
    await expect(world.quota.summariseUsageOf(one, names, from, to)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await world.quota.summariseUsageOf((await world.tenant()).owner.actor, names, from, to)).toEqual(new Map());
  });
});

function inodeOf(descriptor: number): number | null {
  try {
    return fstatSync(descriptor).ino;
  } catch {
    return null; // of no file
  }
}

describe('the usage journal', () => {
  type Statement = Parameters<ReturnType<World['db']['database']['forTenant']>['execute']>[0];
  const entry = (tenant: TenantInWorld, requestId = newId('prediction')): PredictionUsage => ({
    tenantId: tenant.tenantId, requestId, at: new Date(), actor: 'key:k', endpointId: 'e', modelVersionId: 'v', rows: 2, units: 2,
  });
  const journalIn = async (name: string, database = world.db.database) => {
    const directory = path.join(world.directory, name);
    const journal = createUsageJournal({ directory, database, logger: silentLogger, flushEveryMs: 3_600_000 });
    await journal.start();
    return { directory, journal };
  };
  /** The database, but for what a statement by itself has to go through. */
  const passing = (pass: (statement: Statement, execute: () => Promise<void>) => Promise<void>) => {
    const { database } = world.db;
    return {
      ...database,
      forTenant: (tenantId: string) => ({
        ...database.forTenant(tenantId),
        execute: (statement: Statement) => pass(statement, () => database.forTenant(tenantId).execute(statement)),
      }),
    };
  };
  const ledger = (tenant: TenantInWorld) =>
    inTenant<{ requestId: string; rows: number }[]>(tenant, (tx) => tx.usageRecord.findMany({ orderBy: { requestId: 'asc' } }));

  it('enters each prediction once, of many tenants in one batch', async () => {
    const [a, b] = [await world.tenant(), await world.tenant()];
    const { journal, directory } = await journalIn('once');
    const entries = [entry(a), entry(b), entry(a), entry(b)];
    await Promise.all([...entries, entries[0]!].map((item) => journal.record(item)));
    await journal.flush();
    expect((await ledger(a)).map(({ requestId }) => requestId)).toEqual([entries[0]!.requestId, entries[2]!.requestId].sort());
    expect(await ledger(b)).toHaveLength(2);
    expect(await fs.readdir(directory)).toEqual([]);
    expect(await world.quota.summariseUsage(a.owner.actor, new Date(0), new Date('2100-01-01'))).toEqual({ predictions: 2, rows: 4n, computeSeconds: 0, gpuSeconds: 0 });
    await journal.close();
  });

  it('has an entry on disk before it says so, and the next process enters it', async () => {
    const tenant = await world.tenant();
    const { journal, directory } = await journalIn('killed');
    const item = entry(tenant);
    await journal.record(item);
    const [file] = await fs.readdir(directory);
    expect(await fs.readFile(path.join(directory, file!), 'utf8')).toContain(item.requestId);
    // The process is killed here: its segment stays, under a process id that is gone, with a last line cut off.
    const orphan = path.join(directory, 'usage-999999999-00000000-0000-0000-0000-000000000000.ndjson');
    await fs.copyFile(path.join(directory, file!), orphan);
    await fs.appendFile(orphan, JSON.stringify(entry(tenant)).slice(0, 40));
    const next = createUsageJournal({ directory, database: world.db.database, logger: silentLogger });
    await next.start();
    expect((await ledger(tenant)).map(({ requestId }) => requestId)).toEqual([item.requestId]);
    expect(await fs.readdir(directory)).toEqual([file]);
    // The first process was alive after all: sending the same again changes nothing.
    await journal.close();
    expect(await ledger(tenant)).toHaveLength(1);
    await next.close();
  });

  it('loses nothing of a process that writes on while another takes over what it wrote, and is killed then', async () => {
    const tenant = await world.tenant();
    const directory = path.join(world.directory, 'late');
    await fs.mkdir(directory);
    const owner = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'inherit'] });
    const file = path.join(directory, `usage-${owner.pid}-00000000-0000-0000-0000-000000000000.ndjson`);
    const [early, late] = [entry(tenant), entry(tenant)];
    await fs.writeFile(file, `${JSON.stringify(early)}\n`);
    const meanwhile = passing(async (_statement, execute) => {
      await fs.appendFile(file, `${JSON.stringify(late)}\n`);
      owner.kill('SIGKILL');
      await once(owner, 'exit');
      await execute();
    });
    await (await journalIn('late', meanwhile)).journal.close();
    expect((await ledger(tenant)).map(({ requestId }) => requestId)).toEqual([early.requestId]);
    await (await journalIn('late')).journal.close();
    expect((await ledger(tenant)).map(({ requestId }) => requestId)).toEqual([early.requestId, late.requestId].sort());
    expect(await fs.readdir(directory)).toEqual([]);
  });

  it('goes on sending though a segment could not be closed', async () => {
    const tenant = await world.tenant();
    const { journal, directory } = await journalIn('unclosed');
    await journal.record(entry(tenant));
    const { ino } = await fs.stat(path.join(directory, (await fs.readdir(directory))[0]!));
    for (let descriptor = 3; ; descriptor++) {
      if (inodeOf(descriptor) !== ino) continue;
      closeSync(descriptor); // so that it cannot be closed again
      break;
    }
    await journal.flush();
    await journal.record(entry(tenant));
    await journal.flush();
    expect(await ledger(tenant)).toHaveLength(2);
    expect(await fs.readdir(directory)).toEqual([]);
    await journal.close();
  });

  it('leaves to the next process what comes while it closes', async () => {
    const tenant = await world.tenant();
    const [early, late] = [entry(tenant), entry(tenant)];
    const { journal, directory } = await journalIn('closing', passing(async (_statement, execute) => {
      await journal.record(late);
      await execute();
    }));
    await journal.record(early);
    await journal.close();
    expect((await ledger(tenant)).map(({ requestId }) => requestId)).toEqual([early.requestId]);
    expect(await fs.readFile(path.join(directory, (await fs.readdir(directory))[0]!), 'utf8')).toContain(late.requestId);
    await (await journalIn('closing')).journal.close();
    expect(await ledger(tenant)).toHaveLength(2);
  });

  it('takes over in parts what is too much for one statement', async () => {
    const tenant = await world.tenant();
    const directory = path.join(world.directory, 'large');
    await fs.mkdir(directory);
    const entries = Array.from({ length: 5_001 }, () => entry(tenant));
    await fs.writeFile(path.join(directory, 'usage-999999999-00000000-0000-0000-0000-000000000000.ndjson'), entries.map((item) => `${JSON.stringify(item)}\n`).join(''));
    const slow = passing(async ({ values }, execute) => {
      const most = Math.max(...values.map((value) => String(value).split('"requestId"').length - 1));
      if (most > 5_000) throw new DomainError('UNAVAILABLE', 'The statement took longer than 15 seconds.');
      await execute();
    });
    const { journal } = await journalIn('large', slow);
    expect(await ledger(tenant)).toHaveLength(5_001);
    expect(await fs.readdir(directory)).toEqual([]);
    await journal.close();
  });

  it('begins though the database is too slow to take what others left behind, and takes it over later', async () => {
    const tenant = await world.tenant();
    const directory = path.join(world.directory, 'slow');
    await fs.mkdir(directory);
    await fs.writeFile(path.join(directory, 'usage-999999999-00000000-0000-0000-0000-000000000000.ndjson'), `${JSON.stringify(entry(tenant))}\n`);
    let isSlow = true;
    const slow = passing(async (_statement, execute) => {
      if (isSlow) throw new DomainError('UNAVAILABLE', 'The database does not answer.');
      await execute();
    });
    const journal = createUsageJournal({ directory, database: slow, logger: silentLogger, flushEveryMs: 3_600_000, sweepEveryMs: 10 });
    await journal.start();
    expect(await fs.readdir(directory)).toHaveLength(1);
    isSlow = false;
    while ((await fs.readdir(directory)).length) await new Promise((resolve) => setImmediate(resolve));
    expect(await ledger(tenant)).toHaveLength(1);
    await journal.close();
  });

  it('enters once what had reached the database when its connection fell silent', async () => {
    const tenant = await world.tenant();
    const door = await openSilentDoor(world.db.urls.app);
    const database = createDatabase({ tenantUrl: door.to(world.db.urls.app), systemUrl: door.to(world.db.urls.system), logger: silentLogger, silenceMs: 2_000 });
    const { journal, directory } = await journalIn('silent', database);
    const item = entry(tenant);
    await journal.record(item);
    door.fallSilentAfter('COMMIT');
    await journal.flush();
    expect(await fs.readdir(directory)).toHaveLength(1); // it was not told that it had come
    expect((await ledger(tenant)).map(({ requestId }) => requestId)).toEqual([item.requestId]);
    await journal.flush();
    expect(await fs.readdir(directory)).toEqual([]);
    expect(await world.quota.summariseUsage(tenant.owner.actor, new Date(0), new Date('2100-01-01'))).toMatchObject({ predictions: 1, rows: 2n });
    await journal.close();
    door.hangUp();
    await database.close();
    await door.close();
  });

  it('keeps what the database did not take, and refuses more when too much waits', async () => {
    const tenant = await world.tenant();
    let reachable = false;
    const { database } = world.db;
    const flaky = {
      ...database,
      forTenant: (tenantId: string) => {
        if (!reachable) throw new Error('the database is away');
        return database.forTenant(tenantId);
      },
    };
    const journal = createUsageJournal({ directory: path.join(world.directory, 'away'), database: flaky, logger: silentLogger, maxPending: 3, flushEveryMs: 3_600_000 });
    await journal.start();
    for (let i = 0; i < 3; i++) await journal.record(entry(tenant));
    await journal.flush();
    await expect(journal.record(entry(tenant))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    reachable = true;
    await journal.flush();
    expect(await ledger(tenant)).toHaveLength(3);
    await journal.record(entry(tenant));
    await journal.close();
    expect(await ledger(tenant)).toHaveLength(4);
  });

  it('sets aside what the ledger refuses, so that it holds up nobody else', async () => {
    const tenant = await world.tenant();
    const { journal, directory } = await journalIn('refused');
    const other = await world.tenant();
    const unfit = { ...entry(other), rows: null as unknown as number };
    await Promise.all([journal.record(unfit), journal.record(entry(tenant))]);
    await journal.flush();
    expect(await ledger(tenant)).toHaveLength(1);
    const [file] = await fs.readdir(directory);
    expect(file).toBe(`refused-${other.tenantId}.ndjson`);
    expect(await fs.readFile(path.join(directory, file!), 'utf8')).toContain(unfit.requestId);
    await journal.close();
  });

  it('keeps nothing of a tenant that is gone, neither what was set aside before nor what comes too late', async () => {
    const tenant = await world.tenant();
    const { journal, directory } = await journalIn('gone');
    const gone = { ...entry(tenant), tenantId: newId('tenant') };
    await Promise.all([journal.record(gone), journal.record(entry(tenant))]);
    await journal.flush();
    expect(await ledger(tenant)).toHaveLength(1);
    expect(await fs.readdir(directory)).toEqual([]);
    const [ofOneGone, ofOneHere] = [`refused-${gone.tenantId}.ndjson`, `refused-${tenant.tenantId}.ndjson`];
    for (const file of [ofOneGone, ofOneHere]) await fs.writeFile(path.join(directory, file), '{}\n');
    await journal.sweep();
    expect(await fs.readdir(directory)).toEqual([ofOneHere]);
    await journal.close();
  });

  it('survives the death of its process by SIGKILL: what was acknowledged is in the ledger', async () => {
    const tenant = await world.tenant();
    const directory = path.join(world.directory, 'sigkill');
    const program = `
      import { createUsageJournal } from ${JSON.stringify(path.join(import.meta.dirname, 'usage-journal.ts'))};
      const silent = { debug() {}, info() {}, warn() {}, error() {} };
      const journal = createUsageJournal({ directory: ${JSON.stringify(directory)}, database: null, logger: silent, flushEveryMs: 3600000 });
      await journal.start();
      for (let i = 0; ; i++) {
        const requestId = 'r' + String(i).padStart(6, '0');
        await journal.record({ tenantId: ${JSON.stringify(tenant.tenantId)}, requestId, at: new Date(), actor: 'key:k', endpointId: 'e', modelVersionId: 'v', rows: 1, units: 1 });
        await new Promise((done) => process.stdout.write(requestId + '\\n', done)); // or else it is never sent once its reader is slow
      }`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } });
    let acknowledged = '';
    child.stdout.on('data', (chunk: Buffer) => {
      acknowledged += chunk.toString();
      if (acknowledged.length > 4_000) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const next = createUsageJournal({ directory, database: world.db.database, logger: silentLogger });
    await next.start();
    await next.close();
    const entered = new Set((await ledger(tenant)).map(({ requestId }) => requestId));
    const missing = acknowledged.split('\n').slice(0, -1).filter((requestId) => !entered.has(requestId));
    expect(acknowledged.length).toBeGreaterThan(4_000);
    expect(missing).toEqual([]);
  });
});

describe('a request under an Idempotency-Key', () => {
  const idempotency = () => createIdempotency({ database: world.db.database });
  const newRequest = async () => ({ tenantId: (await world.tenant()).tenantId, key: 'somebody it', sha256: '0'.repeat(64) });
  async function begin(asked: IdempotentRequest) {
    const begun = await idempotency().begin(asked);
    if (begun.type !== 'begun') throw new Error(begun.type);
    return begun;
  }

  it('is answered again as it was first, also when whoever was slower over it answers later', async () => {
    const asked = await newRequest();
    const first = await begin(asked);
    await world.db.asOwner(`UPDATE idempotency_answers SET locked_until = now() - interval '1 second' WHERE tenant_id = $1`, [asked.tenantId]);
    const second = await begin(asked);
    await idempotency().keep(asked, second.lock, { headers: { by: 'the second' }, body: 'B' });
    await idempotency().keep(asked, first.lock, { headers: { by: 'the first' }, body: 'A' });
    expect(await idempotency().begin(asked)).toEqual({ type: 'answered', answer: { headers: { by: 'the second' }, body: 'B' } });
  });

  it('is not under way any more once it has an answer that is too long to be kept: it is done again under its id at once', async () => {
    const asked = await newRequest();
    const first = await begin(asked);
    await idempotency().keep(asked, first.lock, { headers: {}, body: 'x'.repeat(2 ** 20 + 1) });
    expect(await begin(asked)).toMatchObject({ predictionId: first.predictionId, isAgain: true });
  });
});

it('answers that have run out are swept for all tenants; the database lets the system role remove no others', async () => {
  const tenants = [await world.tenant(), await world.tenant()];
  for (const { tenantId } of tenants) {
    await world.db.asOwner(
      `INSERT INTO idempotency_answers (tenant_id, key, request_sha256, prediction_id, locked_until, expires_at)
       SELECT $1, 'k' || n, 's', 'p', now(), now() + make_interval(secs => CASE WHEN n = 0 THEN 60 ELSE -60 END) FROM generate_series(0, 700) n`,
      [tenantId],
    );
  }
  await createIdempotency({ database: world.db.database }).sweep();
  const left = async () => world.db.asOwner('SELECT tenant_id, key FROM idempotency_answers WHERE tenant_id = ANY ($1) ORDER BY tenant_id', [tenants.map(({ tenantId }) => tenantId)]);
  const expected = tenants.map(({ tenantId }) => ({ tenant_id: tenantId, key: 'k0' })).sort((a, b) => (a.tenant_id < b.tenant_id ? -1 : 1));
  expect(await left()).toEqual(expected);
  await world.db.database.system().transaction((tx) => tx.$executeRaw`DELETE FROM idempotency_answers`);
  expect(await left()).toEqual(expected);
});
