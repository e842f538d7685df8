import { randomBytes } from 'node:crypto';
import { createDatabase, type Database, notify } from '@millrace/database';
import { newId, silentLogger } from '@millrace/kernel';
import { createTestDatabase, type TestDatabase, withinASecond } from '@millrace/testkit';
import { createAuth, createTenantKeyring, type Keyring, masterKeysOf } from './index.ts';

const newMasterKey = (): string => randomBytes(32).toString('base64url');
const masterKey = newMasterKey();

let test: TestDatabase;
let keyring: Keyring;
let tenantId: string;
let time = new Date('2026-11-25T12:00:00Z');
const clock = { now: () => time };
const opened: Database[] = [];

/** Another process: with connections, a memory and, if wanted, master keys of its own. */
function elsewhere(masterKeys = masterKeysOf(masterKey), database = connect(test.urls.system)): Keyring {
  return createTenantKeyring({ database, masterKeys, logger: silentLogger, clock });
}

function connect(systemUrl: string): Database {
  const tenantUrl = test.urls.app; // not used here
  const database = createDatabase({ tenantUrl, systemUrl, logger: silentLogger });
  opened.push(database);
  return database;
}

async function newTenant(database = test.database): Promise<string> {
  const auth = createAuth({ database, tokenSecret: newMasterKey(), keyPepper: newMasterKey(), logger: silentLogger });
  const created = await auth.createTenant({ tenantName: 'Acme', name: 'Ann', email: `${newId('person')}@example.com`, password: 'correct horse battery' });
  if (created.type !== 'created') throw new Error(JSON.stringify(created));
  return created.tenantId;
}

const rowsOf = (id: string) => test.asOwner<{ version: number; wrapped: string; master_key_id: string }>('SELECT * FROM tenant_keys WHERE tenant_id = $1 ORDER BY version', [id]);

beforeAll(async () => {
  test = await createTestDatabase();
  keyring = createTenantKeyring({ database: test.database, masterKeys: masterKeysOf(masterKey), logger: silentLogger, clock });
});
beforeEach(async () => {
  tenantId = await newTenant();
});
afterAll(async () => {
  await Promise.all(opened.map((database) => database.close()));
  await test.close();
});

describe('a tenant’s key', () => {
  it('is made once at its first use, by whichever of many processes is first, be it a worker', async () => {
    const processes = [keyring, elsewhere(), elsewhere(), elsewhere(undefined, connect(test.urls.worker))];
    for (const process of processes) expect(await process.find(tenantId, 1)).toBeNull(); // connected now, all start from one line
    const found = await Promise.all(processes.flatMap((process) => Array.from({ length: 5 }, () => process.current(tenantId))));
    expect(found[0]!.version).toBe(1);
    expect(found[0]!.key).toHaveLength(32);
    expect(new Set(found.map(({ key }) => Buffer.from(key).toString('hex'))).size).toBe(1);
    expect(await rowsOf(tenantId)).toHaveLength(1);
    for (const process of processes) expect(await process.find(tenantId, 1)).toEqual(found[0]!.key);
  });

  it('is another one for each tenant, and stands in the database in no form that opens without the master key', async () => {
    const other = await newTenant();
    const [ours, theirs] = [await keyring.current(tenantId), await keyring.current(other)];
    expect(ours.key).not.toEqual(theirs.key);
    const dump = JSON.stringify(await test.asOwner('SELECT * FROM tenant_keys'));
    for (const { key } of [ours, theirs]) {
      for (const encoding of ['hex', 'base64', 'base64url'] as const) expect(dump).not.toContain(Buffer.from(key).toString(encoding).slice(4, -4));
    }
  });

  it('does not open when its row was changed, or moved to another tenant or version', async () => {
    const other = await newTenant();
    await keyring.current(tenantId);
    await keyring.current(other);
    await keyring.rotate(tenantId);
    const [first, second] = await rowsOf(tenantId);
    const put = (wrapped: string) => test.asOwner('UPDATE tenant_keys SET wrapped = $2 WHERE tenant_id = $1 AND version = 1', [tenantId, wrapped]);
    for (const wrapped of [second!.wrapped, (await rowsOf(other))[0]!.wrapped, first!.wrapped.slice(0, -8), `A${first!.wrapped.slice(1)}`, '']) {
      if (wrapped === first!.wrapped) continue; // it began with an A
      await put(wrapped);
      await expect(elsewhere().find(tenantId, 1)).rejects.toThrow(/not what was stored.*Restore/);
    }
    await put(first!.wrapped);
    expect(await elsewhere().find(tenantId, 1)).toEqual(await keyring.find(tenantId, 1));
  });

  it('does not open under another master key, and says which one it needs', async () => {
    await keyring.current(tenantId);
    const [row] = await rowsOf(tenantId);
    const stranger = elsewhere(masterKeysOf(newMasterKey()));
    await expect(stranger.current(tenantId)).rejects.toThrow(row!.master_key_id);
    await expect(stranger.find(tenantId, 1)).rejects.toThrow(/retired/);
    expect(await rowsOf(tenantId)).toEqual([row]);
  });

  it('is not there for a tenant that is not, nor made for one about to be purged', async () => {
    await expect(keyring.current(newId('tenant'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(keyring.rotate(newId('tenant'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await keyring.find(newId('tenant'), 1)).toBeNull();
    await keyring.current(tenantId);
    await test.asOwner(`UPDATE tenants SET status = 'DELETED', purge_after = now() WHERE id = $1`, [tenantId]);
    expect((await keyring.current(tenantId)).version).toBe(1); // may be restored yet
    await keyring.destroy(tenantId);
    await expect(keyring.current(tenantId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await rowsOf(tenantId)).toEqual([]);
  });

  it('is null for versions that are not, however large', async () => {
    await keyring.current(tenantId);
    for (const version of [0, 2, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) expect(await keyring.find(tenantId, version)).toBeNull();
  });

  it('is out of reach for the application’s own role', async () => {
    await keyring.current(tenantId);
    await expect(test.database.forTenant(tenantId).transaction((tx) => tx.tenantKey.findMany())).rejects.toThrow(/permission denied/);
  });
});

describe('rotation', () => {
  it('adds a version that every process uses within a second, and leaves the earlier ones', async () => {
    const other = elsewhere();
    const first = await keyring.current(tenantId);
    expect(await other.current(tenantId)).toEqual(first);
    expect(await other.rotate(tenantId)).toEqual({ version: 2 });
    await withinASecond(async () => (await keyring.current(tenantId)).version === 2);
    const second = await keyring.current(tenantId);
    expect(second).toEqual(await other.current(tenantId));
    expect(second.key).not.toEqual(first.key);
    expect(await keyring.find(tenantId, 1)).toEqual(first.key);
  });

  it('gives each of many at once a version of its own, and stands in the audit trail', async () => {
    const versions = await Promise.all([keyring, elsewhere(), elsewhere()].map((process) => process.rotate(tenantId)));
    expect(versions.map(({ version }) => version).sort()).toEqual([1, 2, 3]);
    const trail = await test.asOwner(`SELECT actor, details FROM audit_events WHERE tenant_id = $1 AND action = 'tenant.rotate_key'`, [tenantId]);
    expect(trail).toHaveLength(3);
    expect(trail[0]).toMatchObject({ actor: 'system', details: { version: expect.any(Number) } });
  });
});

describe('destruction', () => {
  it('takes all versions of the tenant from every process within a second, and none of another', async () => {
    const neighbour = await newTenant();
    const processes = [keyring, elsewhere(), elsewhere(undefined, connect(test.urls.worker))];
    await keyring.rotate(tenantId);
    await keyring.rotate(tenantId);
    for (const process of processes) {
      for (const version of [1, 2]) expect(await process.find(tenantId, version)).not.toBeNull();
      await process.current(neighbour);
    }
    expect(await keyring.destroy(tenantId)).toEqual({ versions: 2 });
    expect(await keyring.find(tenantId, 1)).toBeNull(); // at once where it was done
    for (const process of processes) await withinASecond(async () => (await process.find(tenantId, 1)) === null && (await process.find(tenantId, 2)) === null);
    expect(await keyring.find(neighbour, 1)).not.toBeNull();
    expect(await keyring.destroy(tenantId)).toEqual({ versions: 0 });
    expect(await test.asOwner(`SELECT details FROM audit_events WHERE tenant_id = $1 AND action = 'tenant.destroy_keys'`, [tenantId])).toEqual([{ details: { versions: 2 } }]);
  });

  it('is noticed after a minute by a process that missed the notice', async () => {
    await keyring.current(tenantId);
    await keyring.find(tenantId, 1);
    await test.asOwner('DELETE FROM tenant_keys WHERE tenant_id = $1', [tenantId]); // past the verb: nobody is told
    expect(await keyring.find(tenantId, 1)).not.toBeNull();
    time = new Date(time.getTime() + 60_000);
    expect(await keyring.find(tenantId, 1)).toBeNull();
  });

  it('other notices of the channel make no process ask again', async () => {
    const { key } = await keyring.current(tenantId);
    const told = new Promise<void>((resolve) => void test.database.listen('millrace_access', (payload) => payload === `${tenantId}:last` && resolve()));
    await test.asOwner('DELETE FROM tenant_keys WHERE tenant_id = $1', [tenantId]);
    await test.database.system().transaction(async (tx) => {
      for (const what of [newId('person'), '*', 'last']) await notify(tx, 'millrace_access', `${tenantId}:${what}`);
      await notify(tx, 'millrace_access', `${newId('tenant')}:keys`);
    });
    await told;
    expect((await keyring.current(tenantId)).key).toEqual(key);
  });
});

describe('a new master key', () => {
  let own: TestDatabase; // since rewrapping goes through all tenants
  beforeAll(async () => {
    own = await createTestDatabase();
  });
  afterAll(() => own.close());

  it('opens what the retired one wrapped, wraps what is new, and after rewrapping needs the retired one no more', async () => {
    const process = (...keys: string[]): Keyring => elsewhere(masterKeysOf(keys[0]!, keys.slice(1)), own.database);
    const [early, late, lost] = [await newTenant(own.database), await newTenant(own.database), await newTenant(own.database)];
    const [oldKey, newKey, lostKey] = [newMasterKey(), newMasterKey(), newMasterKey()];
    const before = process(oldKey);
    await before.rotate(early);
    await before.rotate(early);
    const keys = [await before.find(early, 1), await before.find(early, 2)];
    await process(lostKey).current(lost);

    const during = process(newKey, oldKey);
    expect((await during.current(early)).key).toEqual(keys[1]);
    const { key: keyOfLate } = await during.current(late);
    const progress: string[] = [];
    expect(await during.rewrap((done, total) => progress.push(`${done}/${total}`))).toEqual({ current: 1, rewrapped: 2, unknown: [`${lost} 1`] });
    expect(progress).toEqual(['1/4', '2/4', '3/4', '4/4']);
    expect(await during.rewrap()).toMatchObject({ current: 3, rewrapped: 0 });

    const after = process(newKey);
    expect([await after.find(early, 1), await after.find(early, 2)]).toEqual(keys);
    expect((await after.current(late)).key).toEqual(keyOfLate);
    await expect(process(oldKey).current(early)).rejects.toThrow(/wrapped with master key/);
  });
});
