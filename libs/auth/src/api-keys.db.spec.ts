import { newId, silentLogger } from '@millrace/kernel';
import { createTestDatabase, type TestDatabase, withinASecond } from '@millrace/testkit';
import { newEmail, password, secrets } from '../test/auth-world.ts';
import { type Actor, type ApiKeyInput, type Auth, createAuth, credentialOf, type KeyActor, type PersonActor, type SignedIn } from './index.ts';

const { tokenSecret, keyPepper } = secrets;
const newPepper = 'another pepper for tests, and long enough';

let test: TestDatabase;
let auth: Auth;
let owner: PersonActor;
const beginning = new Date('2026-11-23T12:00:00Z');
let time = beginning;
const clock = { now: () => time };
const inSeconds = (seconds: number): Date => new Date(time.getTime() + seconds * 1000);

const openAuth = async (options: { keyPepper?: string; retiredKeyPeppers?: string[] } = {}): Promise<Auth> => {
  const opened = createAuth({ database: test.database, tokenSecret, keyPepper, logger: silentLogger, clock, ...options });
  await opened.watchRevocations();
  return opened;
};

beforeAll(async () => {
  test = await createTestDatabase();
  auth = await openAuth();
  owner = await ownerOfTenant();
});
beforeEach(() => void (time = beginning));
afterAll(() => test.close());

async function ownerOfTenant(): Promise<PersonActor> {
  const email = newEmail();
  await auth.createTenant({ tenantName: 'Acme', name: 'Ann', email, password });
  return ((await auth.signIn(email, password)) as SignedIn).actor;
}

async function makeKey(input: Partial<ApiKeyInput> = {}, actor: Actor = owner): Promise<{ id: string; key: string }> {
  const outcome = await auth.keys.create(actor, { alias: 'press 4', scopes: ['PREDICT'], ...input });
  if (outcome.type !== 'created') throw new Error(JSON.stringify(outcome));
  return { id: outcome.apiKey.id, key: outcome.key };
}

async function rotate(id: string, overlapSeconds: number, actor: Actor = owner): Promise<string> {
  const outcome = await auth.keys.rotate(actor, id, { overlapSeconds });
  if (outcome.type !== 'rotated') throw new Error(JSON.stringify(outcome));
  return outcome.key;
}

const works = async (key: string, on = auth): Promise<boolean> => (await on.authenticate(key)) !== null;

async function trailOf(id: string): Promise<{ action: string; result: string; details: unknown; address: string | null }[]> {
  return test.database.forTenant(owner.tenantId).transaction((tx) =>
    tx.auditEvent.findMany({ where: { tenantId: owner.tenantId, subject: id }, orderBy: { id: 'asc' }, select: { action: true, result: true, details: true, address: true } }),
  );
}

describe('a rotated key', () => {
  it('works with both secrets until the overlap ends, then with the new one only', async () => {
    const { id, key } = await makeKey();
    const next = await rotate(id, 3_600);
    expect(next).not.toBe(key);
    expect(next.slice(0, 19)).toBe(key.slice(0, 19)); // the same key: its id stays
    const actors = await Promise.all([key, next].map((text) => auth.authenticate(text)));
    expect(actors[0]).toEqual(actors[1]);
    time = inSeconds(3_599);
    expect([await works(key), await works(next)]).toEqual([true, true]);
    time = inSeconds(1); // while both are still remembered
    expect([await works(key), await works(next)]).toEqual([false, true]);
    const [view] = await test.asOwner<{ last_four: string; secret_hmac: string }>('SELECT * FROM api_keys WHERE id = $1', [id]);
    expect(view!.last_four).toBe(next.slice(-4));
    expect(JSON.stringify(view)).not.toContain(next.slice(19, -6));
  });

  it('drops its oldest secret at once when it is rotated again', async () => {
    const { id, key } = await makeKey();
    const second = await rotate(id, 86_400);
    expect(await works(key)).toBe(true);
    const third = await rotate(id, 86_400);
    await withinASecond(async () => !(await works(key)));
    expect([await works(second), await works(third)]).toEqual([true, true]);
  });

  it('has no overlap where none is asked for, in every process within a second', async () => {
    const elsewhere = await openAuth();
    const { id, key } = await makeKey();
    for (const process of [auth, elsewhere]) expect(await works(key, process)).toBe(true);
    const next = await rotate(id, 0);
    for (const process of [auth, elsewhere]) await withinASecond(async () => !(await works(key, process)));
    for (const process of [auth, elsewhere]) expect(await works(next, process)).toBe(true);
  });

  it('ends with its own expiry, whatever the overlap', async () => {
    const { id, key } = await makeKey({ expiresAt: inSeconds(60) });
    const next = await rotate(id, 3_600);
    time = inSeconds(61);
    expect([await works(key), await works(next)]).toEqual([false, false]);
  });

  it('keeps two secrets and no more when it is rotated by many at once', async () => {
    const { id, key } = await makeKey();
    const texts = [key, ...(await Promise.all(Array.from({ length: 8 }, () => rotate(id, 3_600))))];
    await withinASecond(async () => (await Promise.all(texts.map((text) => works(text)))).filter(Boolean).length === 2);
  });

  it.each([-1, 0.5, NaN, 30 * 86_400 + 1])('takes no overlap of %s seconds', async (overlapSeconds) => {
    const { id } = await makeKey();
    const outcome = await auth.keys.rotate(owner, id, { overlapSeconds });
    expect(outcome).toMatchObject({ type: 'invalid', problems: [{ field: 'overlapSeconds', code: 'out_of_range' }] });
  });

  it('must be neither revoked nor expired', async () => {
    const [revoked, expired] = [await makeKey(), await makeKey({ expiresAt: inSeconds(60) })];
    await auth.keys.revoke(owner, revoked.id);
    time = inSeconds(61);
    expect(await auth.keys.rotate(owner, revoked.id, { overlapSeconds: 0 })).toEqual({ type: 'ended', state: 'REVOKED' });
    expect(await auth.keys.rotate(owner, expired.id, { overlapSeconds: 0 })).toEqual({ type: 'ended', state: 'EXPIRED' });
  });
});

describe('a changed key', () => {
  it('is another one in every process within a second', async () => {
    const elsewhere = await openAuth();
    const { id, key } = await makeKey();
    const seen = (on: Auth) => on.authenticate(key) as Promise<KeyActor>;
    for (const process of [auth, elsewhere]) expect(await seen(process)).toMatchObject({ models: [] });
    await auth.keys.update(owner, id, { models: ['iris'], rpmLimit: 60, maxParallelRequests: 2 });
    for (const process of [auth, elsewhere]) {
      await withinASecond(async () => (await seen(process)).models.includes('iris'));
      expect(await seen(process)).toMatchObject({ rpmLimit: 60, maxParallelRequests: 2 });
    }
    await auth.keys.update(owner, id, { blocked: true });
    for (const process of [auth, elsewhere]) await withinASecond(async () => !(await works(key, process)));
    await auth.keys.update(owner, id, { blocked: false, rpmLimit: null });
    for (const process of [auth, elsewhere]) {
      await withinASecond(() => works(key, process));
      expect(await seen(process)).toMatchObject({ models: ['iris'], maxParallelRequests: 2 });
      expect(await seen(process)).not.toHaveProperty('rpmLimit');
    }
  });

  it('revives with a later expiry', async () => {
    const { id, key } = await makeKey({ expiresAt: inSeconds(60) });
    time = inSeconds(61);
    expect(await works(key)).toBe(false);
    await auth.keys.update(owner, id, { expiresAt: inSeconds(60) });
    await withinASecond(() => works(key));
  });

  it('says in the trail what is new, and of its owner’s notes only that they are', async () => {
    const { id } = await makeKey();
    await auth.keys.update({ ...owner, address: '192.0.2.1' }, id, { alias: ' press 5 ', addresses: ['::ffff:10.0.0.0/104'], expiresAt: null, metadata: { ticket: 'canary' } });
    expect((await trailOf(id)).at(-1)).toEqual({
      action: 'key.update', result: 'ok', address: '192.0.2.1', details: { alias: 'press 5', addresses: ['10.0.0.0/8'], expiresAt: null, metadata: '(changed)' },
    });
    await rotate(id, 60);
    expect((await trailOf(id)).at(-1)).toMatchObject({ action: 'key.rotate', details: { overlapSeconds: 60 } });
  });

  it('is not changed when it is revoked', async () => {
    const { id } = await makeKey();
    await auth.keys.revoke(owner, id);
    expect(await auth.keys.update(owner, id, { blocked: false })).toEqual({ type: 'ended', state: 'REVOKED' });
  });

  it.each([
    ['alias', { alias: '' }],
    ['models', { models: [''] }],
    ['addresses', { addresses: ['10.1.2.3/8'] }],
    ['addresses', { addresses: ['localhost'] }],
    ['addresses', { addresses: Array.from({ length: 101 }, (_, i) => `10.0.0.${i}`) }],
    ['expiresAt', { expiresAt: beginning }],
    ['rpmLimit', { rpmLimit: 0 }],
    ['rpmLimit', { rpmLimit: 1.5 }],
    ['rpmLimit', { rpmLimit: 1_000_001 }],
    ['maxParallelRequests', { maxParallelRequests: -1 }],
    ['maxParallelRequests', { maxParallelRequests: 10_001 }],
    ['metadata', { metadata: [] as never }],
    ['metadata', { metadata: { note: 'x'.repeat(4_096) } }],
    ['metadata', { metadata: { note: 'NUL \u0000' } }],
    ['metadata', { metadata: { '\ud800': 1 } }],
  ])('takes no %s that does not fit: %j', async (field, changes) => {
    const { id } = await makeKey();
    for (const outcome of [await auth.keys.update(owner, id, changes), await auth.keys.create(owner, { alias: 'a', scopes: ['READ'], ...changes })]) {
      expect(outcome).toMatchObject({ type: 'invalid', problems: [{ field, remedy: expect.any(String) }] });
    }
  });

  it('keeps notes as they were given', async () => {
    const metadata = { note: 'a backslash \\u0000 and “quotes”', list: [1, { deep: null }] };
    const { id } = await makeKey({ metadata });
    const { apiKey } = (await auth.keys.update(owner, id, { alias: 'x' })) as { apiKey: { metadata: unknown } };
    expect(apiKey.metadata).toEqual(metadata);
  });
});

describe('whoever makes, changes or rotates a key', () => {
  it('has to have all that the key may do', async () => {
    const engineer = { ...owner, role: 'ENGINEER' as const };
    const admin = await makeKey({ scopes: ['ADMIN'] });
    await expect(rotate(admin.id, 60, engineer)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(auth.keys.update(engineer, admin.id, { addresses: [] })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const predict = await makeKey();
    await rotate(predict.id, 60, engineer);
    // Whoever sees a leak may stop it.
    expect((await auth.keys.revoke(engineer, admin.id)).revokedAt).not.toBeNull();
  });

  it('cannot tell another tenant’s key from a missing one', async () => {
    const stranger = await ownerOfTenant();
    const { id } = await makeKey();
    const attempts = (keyId: string) => [auth.keys.update(stranger, keyId, { blocked: true }), auth.keys.rotate(stranger, keyId, { overlapSeconds: 0 })];
    const answers = async (keyId: string) => (await Promise.allSettled(attempts(keyId))).map((outcome) => outcome.status === 'rejected' && { ...outcome.reason, text: String(outcome.reason) });
    expect(await answers(id)).toEqual(await answers(newId('apiKey')));
    expect(await trailOf(id)).toHaveLength(1);
  });

  it('makes and rotates none under an access grant, which ends', async () => {
    const guest = { ...owner, role: 'ADMIN' as const, grantId: newId('accessGrant') };
    const { id } = await makeKey();
    await expect(makeKey({}, guest)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(rotate(id, 0, guest)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('gives, being a key itself, no more addresses, endpoints or time than its own', async () => {
    const parent = await makeKey({ scopes: ['ADMIN'], models: ['iris', 'wine'], addresses: ['10.0.0.0/8'], expiresAt: inSeconds(3_600) });
    const actor = (await auth.authenticate(parent.key, { address: '10.0.0.1' }))!;
    const within = { alias: 'child', scopes: ['PREDICT'], models: ['iris'], addresses: ['10.1.0.0/16'], expiresAt: inSeconds(60), rpmLimit: 60, maxBudget: 5 } satisfies ApiKeyInput;
    expect((await auth.keys.create(actor, within)).type).toBe('created');
    const beyond: [string, Partial<ApiKeyInput>][] = [
      ['models', { models: [] }], ['models', { models: ['rose'] }],
      ['addresses', { addresses: [] }], ['addresses', { addresses: ['0.0.0.0/0'] }],
      ['expiresAt', { expiresAt: null }], ['expiresAt', { expiresAt: inSeconds(3_601) }],
    ];
    for (const [field, changes] of beyond) {
      expect(await auth.keys.create(actor, { ...within, ...changes })).toMatchObject({ type: 'invalid', problems: [{ field }] });
      expect(await auth.keys.update(actor, parent.id, changes)).toMatchObject({ type: 'invalid', problems: [{ field }] }); // not even of itself
    }
    const wide = await makeKey();
    expect(await auth.keys.rotate(actor, wide.id, { overlapSeconds: 0 })).toMatchObject({ type: 'invalid' });
    expect((await auth.keys.rotate(actor, parent.id, { overlapSeconds: 60 })).type).toBe('rotated');
    expect(await auth.keys.own(actor as KeyActor)).toMatchObject({ id: parent.id, alias: 'press 4', addresses: ['10.0.0.0/8'] });
  });

  it('is known to be of the person who made it, be it by other keys, so that their limit holds for it; one with a limit takes over no other', async () => {
    const first = await makeKey({ scopes: ['ADMIN'] });
    const second = await makeKey({ scopes: ['ADMIN'] }, (await auth.authenticate(first.key))!);
    const third = await makeKey({}, (await auth.authenticate(second.key))!);
    for (const { key } of [first, second, third]) {
      const actor = (await auth.authenticate(key)) as KeyActor;
      expect(actor.makerId).toBe(owner.personId);
      expect(await auth.present(actor)).toMatchObject({ makerId: owner.personId });
    }
    const foreign = await makeKey();
    await test.asOwner(`UPDATE api_keys SET created_by = 'person:per_other' WHERE id = $1`, [foreign.id]);
    expect((await auth.keys.rotate(owner, foreign.id, { overlapSeconds: 0 })).type).toBe('rotated');
    const limitId = newId('usageLimit');
    await test.asOwner(
      `INSERT INTO usage_limits (id, tenant_id, scope, subject, measure, period, limit_value, updated_by) VALUES ($1, $2, 'MEMBER', $3, 'ROWS', 'DAY', 10, 'test')`,
      [limitId, owner.tenantId, owner.personId],
    );
    expect(await auth.keys.rotate(owner, foreign.id, { overlapSeconds: 0 })).toMatchObject({ type: 'invalid', problems: [{ code: 'maker_limited' }] });
    expect((await auth.keys.rotate(owner, third.id, { overlapSeconds: 0 })).type).toBe('rotated');
    await test.asOwner('DELETE FROM usage_limits WHERE id = $1', [limitId]);
  });

  it('escapes, being a key with a limit, that limit by no other key and by no change of itself', async () => {
    const other = await makeKey();
    const usageLimit = async (keyId: string) =>
      test.asOwner(
        `INSERT INTO usage_limits (id, tenant_id, scope, subject, measure, period, limit_value, updated_by) VALUES ($1, $2, 'KEY', $3, 'ROWS', 'DAY', 10, 'test')`,
        [newId('usageLimit'), owner.tenantId, keyId],
      );
    const limits: Partial<ApiKeyInput>[] = [{ rpmLimit: 60 }, { maxParallelRequests: 2 }, { maxBudget: 100, budgetDuration: '30d' }, {}];
    for (const limit of limits) {
      const parent = await makeKey({ scopes: ['ADMIN'], ...limit });
      if (Object.keys(limit).length === 0) await usageLimit(parent.id);
      const actor = (await auth.authenticate(parent.key))!;
      const refused = { type: 'invalid', problems: [{ code: 'maker_limited' }] };
      expect(await auth.keys.create(actor, { alias: 'child', scopes: ['PREDICT'], ...limit })).toMatchObject(refused);
      expect(await auth.keys.rotate(actor, other.id, { overlapSeconds: 0 })).toMatchObject(refused);
      expect(await auth.keys.update(actor, other.id, { blocked: false })).toMatchObject(refused);
      expect((await auth.keys.update(actor, parent.id, { alias: 'itself' })).type).toBe('updated');
      expect((await auth.keys.rotate(actor, parent.id, { overlapSeconds: 60 })).type).toBe('rotated');
    }
    const budgeted = await makeKey({ scopes: ['ADMIN'], maxBudget: 100, budgetDuration: '30d', rpmLimit: 60, maxParallelRequests: 2 });
    const actor = (await auth.authenticate(budgeted.key))!;
    const changes: [string, Partial<ApiKeyInput>][] = [
      ['rpmLimit', { rpmLimit: null }], ['rpmLimit', { rpmLimit: 61 }], ['maxParallelRequests', { maxParallelRequests: null }], ['maxParallelRequests', { maxParallelRequests: 3 }],
      ['maxBudget', { maxBudget: 101 }], ['budgetDuration', { budgetDuration: '1d' }],
    ];
    for (const [field, change] of changes) expect(await auth.keys.update(actor, budgeted.id, change)).toMatchObject({ type: 'invalid', problems: [{ field }] });
    expect((await auth.keys.revoke(actor, other.id)).revokedAt).not.toBeNull(); // a leak cannot wait
  });
});

describe('a key that is bound to addresses', () => {
  it('works from there only, and says so to whoever has it', async () => {
    const { key } = await makeKey({ addresses: ['203.0.113.7', '2001:db8::/32'] });
    for (const address of ['203.0.113.7', '::ffff:203.0.113.7', '2001:db8::5']) expect(await auth.authenticate(key, { address })).toMatchObject({ type: 'key' });
    for (const origin of [{ address: '203.0.113.8' }, { address: '2001:db9::1' }, {}]) {
      await expect(auth.authenticate(key, origin)).rejects.toMatchObject({ code: 'ADDRESS_NOT_ALLOWED' });
    }
    expect(await auth.authenticate(`${key.slice(0, -1)}~`, { address: '203.0.113.8' })).toBeNull(); // who does not have it learns nothing
  });

  it('is bound anew within a second', async () => {
    const { id, key } = await makeKey();
    const from = (address: string) => Promise.resolve(auth.authenticate(key, { address })).then((actor) => actor !== null, () => false);
    expect(await from('192.0.2.1')).toBe(true);
    await auth.keys.update(owner, id, { addresses: ['10.0.0.0/8'] });
    await withinASecond(async () => !(await from('192.0.2.1')));
    expect(await from('10.1.1.1')).toBe(true);
    await auth.keys.update(owner, id, { addresses: [] });
    await withinASecond(() => from('192.0.2.1'));
  });

  it('leaves a line in the trail for each place it was refused, once a minute', async () => {
    const { id, key } = await makeKey({ addresses: ['10.0.0.0/8'] });
    const attempt = (address: string) => Promise.resolve(auth.authenticate(key, { address, requestId: 'req-1' })).catch(() => null);
    for (let i = 0; i < 50; i++) await attempt('192.0.2.1');
    await attempt('192.0.2.2');
    const refused = async () => (await trailOf(id)).filter(({ result }) => result === 'address_not_allowed').map(({ action, address }) => `${action} ${address}`);
    expect(await refused()).toEqual(['key.use 192.0.2.1', 'key.use 192.0.2.2']);
    time = inSeconds(60);
    await attempt('192.0.2.1');
    expect(await refused()).toHaveLength(3);
    for (let i = 0; i < 50; i++) await attempt(`198.51.100.${i}`);
    expect(await refused()).toHaveLength(22); // twenty places a minute, however many there are
  });
});

describe('the address for which the API vouches', () => {
  it('counts for the one credential, and from servers with the same pepper', async () => {
    const other = await openAuth({ keyPepper: newPepper });
    const header = auth.vouchForAddress('a credential', '203.0.113.7');
    expect(auth.vouchedAddress('a credential', header)).toBe('203.0.113.7');
    for (const [credential, given] of [
      ['another', header], ['a credential', header.replace('203', '204')], ['a credential', '203.0.113.7'], ['a credential', '203.0.113.7 '],
      ['a credential', `${header} x`.replace(' ', '')], ['a credential', other.vouchForAddress('a credential', '203.0.113.7')],
      ['a credential', auth.vouchForAddress('a credential', 'nowhere')], ['a credential', undefined], ['a credential', ['x']],
    ] as [string, unknown][]) {
      expect(auth.vouchedAddress(credential, given)).toBeNull();
    }
  });
});

describe('a new pepper', () => {
  const stored = async (id: string) => (await test.asOwner<{ secret_hmac: string; previous_hmac: string | null }>('SELECT secret_hmac, previous_hmac FROM api_keys WHERE id = $1', [id]))[0]!;

  it('takes keys over as they are used, and needs the old one no more for those', async () => {
    const { id, key } = await makeKey();
    const unused = await makeKey();
    const before = await stored(id);
    const renewing = await openAuth({ keyPepper: newPepper, retiredKeyPeppers: [keyPepper] });
    expect(await works(key, renewing)).toBe(true);
    await withinASecond(async () => (await stored(id)).secret_hmac !== before.secret_hmac);
    expect((await stored(id)).previous_hmac).toBeNull(); // it is no rotation
    const renewed = await openAuth({ keyPepper: newPepper });
    expect([await works(key, renewed), await works(unused.key, renewed)]).toEqual([true, false]);
    expect(await works(unused.key, await openAuth({ keyPepper: newPepper, retiredKeyPeppers: ['a pepper that nobody used, long as it is', keyPepper] }))).toBe(true);
  });

  it('takes over both secrets of a rotated key, each when it is used', async () => {
    const { id, key } = await makeKey();
    const next = await rotate(id, 3_600);
    const before = await stored(id);
    const renewing = await openAuth({ keyPepper: newPepper, retiredKeyPeppers: [keyPepper] });
    expect(await works(key, renewing)).toBe(true);
    await withinASecond(async () => (await stored(id)).previous_hmac !== before.previous_hmac);
    expect((await stored(id)).secret_hmac).toBe(before.secret_hmac);
    expect(await works(next, renewing)).toBe(true);
    await withinASecond(async () => (await stored(id)).secret_hmac !== before.secret_hmac);
    const renewed = await openAuth({ keyPepper: newPepper });
    expect([await works(key, renewed), await works(next, renewed)]).toEqual([true, true]);
  });

  it('must be as long as the old one had to be', () => {
    expect(() => createAuth({ database: test.database, tokenSecret, keyPepper, retiredKeyPeppers: ['short'], logger: silentLogger })).toThrow(/32/);
  });
});

describe('the credential of a request', () => {
  it.each([
    [[{}], null],
    [[{ authorization: 'Bearer abc' }], 'abc'],
    [[{ authorization: 'bearer abc' }], 'abc'],
    [[{ 'x-api-key': 'abc' }], 'abc'],
    [[{ 'x-api-key': '' }], null],
    [[{ authorization: 'Bearer abc', 'x-api-key': 'abc' }], 'abc'],
    [[{ authorization: 'Bearer abc' }, { 'x-api-key': 'abc' }], 'abc'],
    [[{ authorization: 'Bearer abc', 'x-api-key': 'abd' }], ''],
    [[{ authorization: 'Bearer abc' }, { authorization: 'Bearer abd' }], ''],
    [[{ authorization: 'Bearer abc, Bearer abc' }], ''],
    [[{ authorization: 'Basic abc' }], ''],
    [[{ authorization: 'Basic abc', 'x-api-key': 'abc' }], ''],
    [[{ authorization: '' }], ''],
    [[{ authorization: ['Bearer abc'] }], ''],
    [[{ 'x-api-key': ['abc'] }], ''],
    [[{ authorization: { toString: 'Bearer abc' } }], ''],
  ])('%j: %j', (sources, credential) => {
    expect(credentialOf(...sources)).toBe(credential);
  });
});
