import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { newId, silentLogger } from '@millrace/kernel';
import { createTestDatabase, openSilentDoor, type SilentDoor, type TestDatabase } from '@millrace/testkit';
import pg from 'pg';
import { createDatabase, type Database, notify, Prisma, type SystemTx, type TenantTx, violatesUnique } from './index.ts';
import { translateOutage } from './outage.ts';
import { SerialClient } from './serial-client.ts';

let test: TestDatabase;
const acme = newId('tenant');
const bolt = newId('tenant');
const dataset: Record<string, string> = {};

beforeAll(async () => {
  test = await createTestDatabase();
  await test.database.system().transaction(async (tx) => {
    await tx.tenant.create({ data: { id: acme, slug: 'acme', name: 'Acme' } });
    await tx.tenant.create({ data: { id: bolt, slug: 'bolt', name: 'Bolt' } });
  });
  for (const tenantId of [acme, bolt]) {
    await test.database.forTenant(tenantId).transaction(async (tx) => {
      const row = await tx.dataset.create({ data: { id: newId('dataset'), tenantId, name: 'presses', createdBy: 'system' } });
      dataset[tenantId] = row.id;
    });
  }
});
afterAll(() => test.close());

describe('a tenant handle', () => {
  it('sees its own rows only, without any filter in the query', async () => {
    const names = await test.database.forTenant(acme).transaction((tx) => tx.dataset.findMany());
    expect(names.map((row) => row.tenantId)).toEqual([acme]);
  });

  it('finds another tenant’s row as little as a missing one', async () => {
    const find = (id: string) => test.database.forTenant(acme).transaction((tx) => tx.dataset.findUnique({ where: { id } }));
    expect(await find(dataset[bolt]!)).toBeNull();
    expect(await find(newId('dataset'))).toBeNull();
  });

  it('cannot write a row for another tenant', async () => {
    const write = test.database
      .forTenant(acme)
      .transaction((tx) => tx.dataset.create({ data: { id: newId('dataset'), tenantId: bolt, name: 'x', createdBy: 'system' } }));
    await expect(write).rejects.toThrow(/row-level security/);
  });

  it('cannot move, change or delete another tenant’s rows', async () => {
    const handle = test.database.forTenant(acme);
    const changed = await handle.transaction((tx) => tx.dataset.updateMany({ where: { id: dataset[bolt]! }, data: { name: 'stolen' } }));
    expect(changed.count).toBe(0);
    expect((await handle.transaction((tx) => tx.dataset.deleteMany({ where: { id: dataset[bolt]! } }))).count).toBe(0);
    const move = handle.transaction((tx) => tx.dataset.update({ where: { id: dataset[acme]! }, data: { tenantId: bolt } }));
    await expect(move).rejects.toThrow();
  });

  it('cannot point at another tenant’s row with a foreign key', async () => {
    const point = test.database.forTenant(acme).transaction(async (tx) => {
      const upload = await tx.upload.create({ data: { id: newId('upload'), tenantId: acme, filename: 'a.csv', createdBy: 'system' } });
      return tx.datasetVersion.create({
        data: {
          id: newId('datasetVersion'), tenantId: acme, datasetId: dataset[bolt]!, number: 1, uploadId: upload.id, rowCount: 1,
          columnCount: 1, profile: [], objectKey: 'k', sizeBytes: 1n, sha256: 's', createdBy: 'system',
        },
      });
    });
    await expect(point).rejects.toThrow(/foreign key/i);
  });

  it('answers only its own tenant to look-ups of one tick, which Prisma merges into one statement', async () => {
    // With the tenant bound per query instead of per transaction, Bolt got Acme’s row here (ADR 4).
    for (let round = 0; round < 20; round++) {
      const ask = (tenantId: string, id: string) =>
        test.database.forTenant(tenantId).transaction((tx) => tx.dataset.findUnique({ where: { id } }));
      const [own, ownOther, foreign, foreignOther] = await Promise.all([
        ask(acme, dataset[acme]!), ask(bolt, dataset[bolt]!), ask(bolt, dataset[acme]!), ask(acme, dataset[bolt]!),
      ]);
      expect([own?.id, ownOther?.id, foreign, foreignOther]).toEqual([dataset[acme], dataset[bolt], null, null]);
    }
  });

  it('answers only its own tenant to look-ups of one tick through read sessions', async () => {
    const sessions = [acme, bolt].map((tenantId) => test.database.forTenant(tenantId).readSession());
    const [a, b] = sessions;
    const answers = await Promise.all([
      a!.client.dataset.findUnique({ where: { id: dataset[acme]! } }),
      b!.client.dataset.findUnique({ where: { id: dataset[bolt]! } }),
      b!.client.dataset.findUnique({ where: { id: dataset[acme]! } }),
      a!.client.dataset.findUnique({ where: { id: dataset[bolt]! } }),
    ]);
    await Promise.all(sessions.map((session) => session.close()));
    expect(answers.map((row) => row?.id ?? null)).toEqual([dataset[acme], dataset[bolt], null, null]);
  });

  it('leaves no tenant behind on a pooled connection', async () => {
    await test.database.forTenant(acme).transaction((tx) => tx.dataset.count());
    const client = new pg.Client({ connectionString: test.urls.app });
    await client.connect();
    await expect(client.query('SELECT * FROM datasets')).rejects.toThrow(/no tenant is set/);
    await client.end();
  });

  it('keeps no connection when its tenant cannot be bound', async () => {
    const unfit = test.database.forTenant('a tenant\0'); // Postgres takes no NUL
    for (let attempt = 0; attempt < 11; attempt++) await expect(unfit.transaction((tx) => tx.dataset.count())).rejects.toThrow();
    expect(await test.database.forTenant(acme).transaction((tx) => tx.dataset.count())).toBe(1);
  });

  it('rolls everything back when the work throws', async () => {
    const handle = test.database.forTenant(acme);
    const failing = handle.transaction(async (tx) => {
      await tx.dataset.create({ data: { id: newId('dataset'), tenantId: acme, name: 'half', createdBy: 'system' } });
      throw new Error('half way');
    });
    await expect(failing).rejects.toThrow('half way');
    expect(await handle.transaction((tx) => tx.dataset.count({ where: { name: 'half' } }))).toBe(0);
  });

  it('tells which unique constraint was violated', async () => {
    const again = test.database
      .forTenant(acme)
      .transaction((tx) => tx.dataset.create({ data: { id: newId('dataset'), tenantId: acme, name: 'presses', createdBy: 'system' } }));
    const error = await again.catch((e: unknown) => e);
    expect(violatesUnique(error, 'datasets_tenant_id_name_key')).toBe(true);
    expect(violatesUnique(error, 'datasets_pkey')).toBe(false);
  });
});

describe('a read session', () => {
  it('opens no transaction before its first read, and one for all of them', async () => {
    const session = test.database.forTenant(acme).readSession();
    const pid = async () => (await session.client.$queryRaw<{ xid: string }[]>`SELECT pg_backend_pid()::text || now()::text AS xid`)[0]!.xid;
    const [first, second] = await Promise.all([pid(), pid()]);
    expect(first).toBe(second);
    await session.close();
    await expect(session.client.dataset.count()).rejects.toThrow(/closed/);
    const unused = test.database.forTenant(acme).readSession();
    await unused.close();
  });
});

describe('a connection', () => {
  // The driver puts up with overlapping statements until its version 9.
  const send = pg.Client.prototype.query as (...call: unknown[]) => Promise<unknown>;
  const underWay = new Map<pg.Client, number>();
  let most = 0;

  beforeEach(() => {
    most = 0;
    pg.Client.prototype.query = function query(this: pg.Client, ...call: unknown[]) {
      const count = (underWay.get(this) ?? 0) + 1;
      underWay.set(this, count);
      most = Math.max(most, count);
      return Reflect.apply(send, this, call).finally(() => underWay.set(this, underWay.get(this)! - 1));
    } as never;
  });
  afterEach(() => {
    pg.Client.prototype.query = send as never;
  });

  it('gets one statement at a time, however many resolvers read at once', async () => {
    const session = test.database.forTenant(acme).readSession();
    await session.client.dataset.count();
    const long = session.client.$queryRaw`SELECT count(*)::int AS value FROM generate_series(1, 300000)`;
    await new Promise((resolve) => setImmediate(resolve)); // calls of one tick are put one after the other by Prisma
    const counts = await Promise.all([long, session.client.dataset.count(), session.client.tenant.count()]);
    await session.close();
    expect({ counts, most }).toEqual({ counts: [[{ value: 300_000 }], 1, 1], most: 1 });
  });

  it('goes on after a statement that fails, and tells each asker its own outcome', async () => {
    const client: pg.Client = new SerialClient({ connectionString: test.urls.app });
    await client.connect();
    const told = new Promise((resolve) => client.query('SELECT 1 AS one', (error: Error | null, result: pg.QueryResult) => resolve(error ?? result.rows)));
    const failing = client.query('SELECT 1 / 0').catch((error: unknown) => (error as { code: string }).code);
    const last = client.query({ text: 'SELECT $1::int AS two', values: [2] });
    expect([await told, await failing, (await last).rows, most]).toEqual([[{ one: 1 }], '22012', [{ two: 2 }], 1]);
    await client.end();
  });
});

describe('what one process does at a time', () => {
  it('is busy for others while it lasts, and free afterwards, whatever its end', async () => {
    const { database, workerDatabase } = test;
    let finish: () => void = () => undefined;
    const begun = new Promise<void>((started) => {
      void database.exclusively('sweep', () => (started(), new Promise<void>((resolve) => (finish = resolve))));
    });
    await begun;
    expect(await workerDatabase.exclusively('sweep', async () => 1)).toEqual({ type: 'busy' });
    expect(await workerDatabase.exclusively('another', async () => 2)).toEqual({ type: 'done', value: 2 });
    finish();
    const free = async (): Promise<unknown> => {
      // Its connection ends a moment after its work.
      for (let attempt = 0; ; attempt++) {
        const outcome = await workerDatabase.exclusively('sweep', async () => 3);
        if (outcome.type === 'done' || attempt === 200) return outcome;
      }
    };
    expect(await free()).toEqual({ type: 'done', value: 3 });
    await expect(database.exclusively('sweep', () => Promise.reject(new Error('half way')))).rejects.toThrow('half way');
    expect(await free()).toEqual({ type: 'done', value: 3 });
  });
});

describe('listening', () => {
  it('tells of notifications, and of a gap when the connection was lost', async () => {
    const heard: (string | null)[] = [];
    let wake: () => void = () => undefined;
    const news = () => new Promise<void>((resolve) => (wake = resolve));
    const listen = () => test.database.listen('millrace_registry', (payload) => (heard.push(payload), wake()));
    const [end, endOther] = await Promise.all([listen(), test.database.listen('millrace_queue', () => undefined)]);
    const tell = async (payload: string) => {
      const told = news();
      await test.database.forTenant(acme).transaction((tx) => notify(tx, 'millrace_registry', payload));
      await told;
    };
    await tell('first');
    const gap = news();
    const client = new pg.Client({ connectionString: test.urls.system });
    await client.connect();
    await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'millrace listener' AND usename = current_user`);
    await client.end();
    await gap;
    await tell('second');
    expect(heard).toEqual(['first', null, 'second']);
    end();
    endOther();
  });
});

describe('a statement of its own', () => {
  it('sees and writes for its tenant alone, and leaves nobody on its connection', async () => {
    const name = newId('dataset');
    const insert = (as: string, tenantId: string) =>
      test.database.forTenant(as).execute(Prisma.sql`INSERT INTO datasets (id, tenant_id, name, created_by) VALUES (${newId('dataset')}, ${tenantId}, ${name}, 'system')`);
    await insert(acme, acme);
    await expect(insert(acme, bolt)).rejects.toThrow('row-level security');
    await test.database.forTenant(bolt).execute(Prisma.sql`UPDATE datasets SET name = 'stolen' WHERE name = ${name}`);
    expect(await test.asOwner(`SELECT tenant_id, name FROM datasets WHERE name IN ('${name}', 'stolen')`)).toEqual([{ tenant_id: acme, name }]);
  });

  it('whose connection breaks is an outage, not the end of the process, and the next one passes', async () => {
    const target = new URL(test.urls.app);
    const door = createServer((inner) => {
      const outer = connect(Number(target.port), target.hostname);
      inner.on('data', (bytes) => (bytes.includes('pg_sleep') ? inner.destroy() : outer.write(bytes)));
      inner.on('error', () => undefined).on('close', () => outer.destroy());
      outer.on('error', () => undefined).pipe(inner);
    }).listen(0, '127.0.0.1');
    await once(door, 'listening');
    const through = new URL(test.urls.app);
    through.host = `127.0.0.1:${(door.address() as AddressInfo).port}`;
    const database = createDatabase({ tenantUrl: through.toString(), systemUrl: test.urls.system, logger: silentLogger, poolSize: 1 });
    await expect(database.forTenant(acme).execute(Prisma.sql`SELECT pg_sleep(60)`)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await database.forTenant(acme).execute(Prisma.sql`SELECT 1`);
    await database.close();
    door.close();
  });
});

describe('a database that is too slow', () => {
  it.each(['57014', '55P03', '25P03', '40P01', '40001'])('is one that is away: what it ends with %s may be tried again', async (code) => {
    const fail = Prisma.raw(`DO $$ BEGIN RAISE EXCEPTION 'ended' USING ERRCODE = '${code}'; END $$`);
    await expect(test.database.forTenant(acme).transaction((tx) => tx.$executeRaw(Prisma.sql`${fail}`))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(test.database.forTenant(acme).execute(Prisma.sql`${fail}`)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('is one that is away: a transaction whose process stood still finds its connection ended', async () => {
    const stoodStill = test.database.forTenant(acme).transaction(async (tx) => {
      const [{ pid }] = await tx.$queryRaw<[{ pid: number }]>`SELECT pg_backend_pid() AS pid`;
      await tx.$executeRaw`SET LOCAL idle_in_transaction_session_timeout = 1`;
      while ((await test.asOwner('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [pid])).length > 0);
      return tx.$queryRaw`SELECT 1`;
    });
    await expect(stoodStill).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('is one that is away to who wants to listen as well', async () => {
    const shut = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(shut, 'listening');
    const url = `postgres://nobody@127.0.0.1:${(shut.address() as AddressInfo).port}/nothing`;
    const database = createDatabase({ tenantUrl: url, systemUrl: url, logger: silentLogger });
    await expect(database.listen('millrace_run', () => undefined)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await database.close();
    shut.close();
    await expect(translateOutage(Promise.reject(new Error('timeout expired')))).rejects.toMatchObject({ code: 'UNAVAILABLE' }); // as a client says that connects for too long
    await expect(translateOutage(Promise.reject(new Error('of ours')))).rejects.toThrow('of ours');
  });
});

describe('a connection that falls silent', () => {
  let door: SilentDoor;
  let database: Database;
  beforeEach(async () => {
    door = await openSilentDoor(test.urls.app);
    database = createDatabase({ tenantUrl: door.to(test.urls.app), systemUrl: door.to(test.urls.system), logger: silentLogger, poolSize: 3, silenceMs: 1_000 });
  });
  afterEach(async () => {
    door.hangUp(); // else it would be waited for
    await database.close();
    await door.close();
  });
  const handle = () => database.forTenant(acme);
  const each: Record<string, () => Promise<unknown>> = { 'a statement': () => handle().execute(Prisma.sql`SELECT 1`), 'a transaction': () => handle().transaction((tx) => tx.dataset.count()) };

  it.each(Object.keys(each))('is an outage for %s, once: those that lay idle beside it go as well', async (kind) => {
    await Promise.all([1, 2, 3].map(() => each[kind]!()));
    expect(door.connections).toBe(3);
    door.fallSilent();
    await expect(each[kind]!()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await Promise.all([1, 2, 3].map(() => each[kind]!()));
    expect(door.connections).toBe(6);
  });

  it('is an outage for one that has lain idle for longer before', async () => {
    await handle().execute(Prisma.sql`SELECT 1`);
    await test.database.forTenant(acme).transaction((tx) => tx.$executeRaw`SELECT pg_sleep(1.2)`);
    await handle().execute(Prisma.sql`SELECT 1`);
    door.fallSilent();
    await expect(handle().execute(Prisma.sql`SELECT 1`)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(door.connections).toBe(1);
  });

  it('is none where nobody waits for an answer', async () => {
    await handle().transaction(async (tx) => {
      const pid = () => tx.$queryRaw`SELECT pg_backend_pid()`;
      const before = await pid();
      await expect(handle().execute(Prisma.sql`SELECT pg_sleep(10)`)).rejects.toMatchObject({ code: 'UNAVAILABLE' }); // so long was this one idle, too
      expect(await pid()).toEqual(before);
    });
  });

  it('is not suspected by whoever listens and hears nothing, since nothing happens', async () => {
    const heard: (string | null)[] = [];
    let wake: () => void = () => undefined;
    const told = new Promise<void>((resolve) => (wake = resolve));
    // Patient enough for a busy machine's answers; it asks each second and a half.
    const patient = createDatabase({ tenantUrl: test.urls.app, systemUrl: test.urls.system, logger: silentLogger, silenceMs: 6_000 });
    await patient.listen('millrace_access', (payload) => (heard.push(payload), wake()));
    await test.database.forTenant(acme).transaction((tx) => tx.$executeRaw`SELECT pg_sleep(3.5)`);
    await test.database.forTenant(acme).transaction((tx) => notify(tx, 'millrace_access', 'revoked'));
    await told;
    expect(heard).toEqual(['revoked']);
    await patient.close();
  });

  it('is noticed by whoever only listens', async () => {
    const heard: (string | null)[] = [];
    let wake: () => void = () => undefined;
    const end = await database.listen('millrace_access', (payload) => (heard.push(payload), wake()));
    await test.database.forTenant(acme).transaction((tx) => tx.$executeRaw`SELECT pg_sleep(0.6)`); // it has been idle before
    door.fallSilent();
    await new Promise<void>((resolve) => (wake = resolve));
    const told = new Promise<void>((resolve) => (wake = resolve));
    await test.database.forTenant(acme).transaction((tx) => notify(tx, 'millrace_access', 'revoked'));
    await told;
    expect(heard).toEqual([null, 'revoked']);
    end();
  });
});

describe('the catalogue', () => {
  it('has forced row-level security with a policy on every table', async () => {
    const client = new pg.Client({ connectionString: test.urls.owner });
    await client.connect();
    const { rows: open } = await client.query(`
      SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND c.relname <> '_prisma_migrations'
        AND (NOT c.relrowsecurity OR NOT EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname <> 'test_owner'))`);
    expect(open).toEqual([]);
    const { rows } = await client.query(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
      AND relkind = 'r' AND relname <> '_prisma_migrations' AND NOT relforcerowsecurity`);
    await client.end();
    expect(rows).toEqual([]);
  });

  it('has no view, no definer function and no role that could step around it', async () => {
    expect(await test.asOwner(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')`)).toEqual([]);
    expect(await test.asOwner(`SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef`)).toEqual([]);
    expect(
      await test.asOwner(`SELECT rolname FROM pg_roles WHERE rolname LIKE 'millrace\\_%' AND (rolsuper OR rolbypassrls)`),
    ).toEqual([]);
  });

  it('has the tenant in every foreign key between tenants’ tables', async () => {
    const bare = await test.asOwner(`
      SELECT c.conname FROM pg_constraint c
      WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
        AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attname = 'tenant_id')
        AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.confrelid AND a.attname = 'tenant_id')
        AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attname = 'tenant_id' AND a.attnum = ANY (c.conkey))`);
    expect(bare).toEqual([]);
  });

  it('keeps secrets and the past from the application role', async () => {
    const client = new pg.Client({ connectionString: test.urls.app });
    await client.connect();
    await client.query(`SELECT set_config('millrace.tenant_id', $1, false)`, [acme]);
    for (const sql of [
      'SELECT password_hash FROM people', 'SELECT secret_hmac FROM api_keys', 'SELECT token_hash FROM sessions',
      'SELECT * FROM setup_links', 'DELETE FROM audit_events', `UPDATE audit_events SET result = 'ok'`, 'DELETE FROM usage_records',
      'UPDATE usage_records SET units = 0', 'DELETE FROM run_events', 'DELETE FROM tenants', 'ALTER TABLE runs DISABLE ROW LEVEL SECURITY',
    ]) {
      await expect(client.query(sql)).rejects.toThrow(/permission denied|must be owner/);
    }
    await client.end();
  });

  it('shows the worker role the queue and nothing else of a tenant', async () => {
    await test.workerDatabase.system().transaction((tx) => tx.$queryRaw`SELECT id FROM runs`);
    for (const table of ['datasets', 'model_versions', 'api_keys', 'people', 'usage_records']) {
      const peek = test.workerDatabase.system().transaction((tx) => tx.$queryRawUnsafe(`SELECT * FROM ${table}`));
      await expect(peek).rejects.toThrow(/permission denied/);
    }
  });
});

// Compile-time: the three kinds of transaction are not interchangeable.
export const wrongKinds = (tenantTx: TenantTx, systemTx: SystemTx): unknown[] => {
  const needsTenant = (tx: TenantTx): unknown => tx;
  const needsSystem = (tx: SystemTx): unknown => tx;
  // @ts-expect-error a system transaction is no tenant transaction
  const first = needsTenant(systemTx);
  // @ts-expect-error a tenant transaction is no system transaction
  const second = needsSystem(tenantTx);
  return [first, second];
};
