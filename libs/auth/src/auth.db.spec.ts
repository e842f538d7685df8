import { newId, silentLogger } from '@millrace/kernel';
import { createTestDatabase, type TestDatabase, withinASecond } from '@millrace/testkit';
import jwt from 'jsonwebtoken';
import { newEmail, password, secrets, signedIn } from '../test/auth-world.ts';
import { actorName, type Auth, can, createAuth, type PersonActor, type SignedIn } from './index.ts';

const { tokenSecret, keyPepper } = secrets;

let test: TestDatabase;
let auth: Auth;
let time = new Date('2026-11-23T12:00:00Z');
const clock = { now: () => time };

beforeAll(async () => {
  test = await createTestDatabase();
  auth = createAuth({ database: test.database, tokenSecret, keyPepper, logger: silentLogger, clock });
  await auth.watchRevocations();
});
afterAll(() => test.close());

async function owner(email = newEmail()): Promise<SignedIn> {
  const created = await auth.createTenant({ tenantName: 'Acme', name: 'Ann', email, password });
  if (created.type !== 'created') throw new Error(JSON.stringify(created));
  return signedIn(await auth.signIn(email, password));
}

describe('the set-up link', () => {
  it('creates the first tenant once, for one of many who use it at the same time', async () => {
    const fresh = await createTestDatabase();
    const freshAuth = createAuth({ database: fresh.database, tokenSecret, keyPepper, logger: silentLogger, clock });
    const outdated = await freshAuth.issueSetupToken();
    const token = await freshAuth.issueSetupToken();
    const input = (n: number) => ({ tenantName: 'Acme', name: 'Ann', email: `ann${n}@example.com`, password });
    expect((await freshAuth.setUp(outdated!, input(0))).type).toBe('link-invalid');
    const outcomes = await Promise.all([1, 2, 3, 4, 5].map((n) => freshAuth.setUp(token!, input(n))));
    expect(outcomes.map(({ type }) => type).sort()).toEqual(['link-invalid', 'link-invalid', 'link-invalid', 'link-invalid', 'signed-in']);
    expect(await freshAuth.issueSetupToken()).toBeNull();
    await fresh.close();
  });

  it('refuses unfit input, naming every field', async () => {
    const outcome = await auth.setUp('x', { tenantName: '', name: '', email: 'nobody', password: 'short' });
    expect(outcome.type === 'invalid' && outcome.problems.map(({ field }) => field)).toEqual(['name', 'email', 'password', 'tenantName']);
  });
});

describe('signing in', () => {
  it('accepts the right password only, and says nothing of who exists', async () => {
    const email = 'bea@example.com';
    await owner(email);
    expect(await auth.signIn(email, 'wrong password')).toEqual({ type: 'refused' });
    expect(await auth.signIn('nobody@example.com', password)).toEqual({ type: 'refused' });
    expect((await auth.signIn(' BEA@example.com ', password)).type).toBe('signed-in');
  });

  it('answers no refusal before its time, so that the time does not tell who exists', async () => {
    const patient = createAuth({ database: test.database, tokenSecret, keyPepper, logger: silentLogger, clock, refusalMs: 500 });
    const begun = performance.now();
    expect((await patient.signIn('nobody@example.com', password)).type).toBe('refused');
    expect(performance.now() - begun).toBeGreaterThanOrEqual(499);
  });

  it('refuses part of a crowd instead of hashing for all of them at once', async () => {
    const crowd = await Promise.allSettled(Array.from({ length: 100 }, (_, n) => auth.signIn(`nobody${n}@example.com`, 'x')));
    const refused = crowd.filter((outcome) => outcome.status === 'rejected' && outcome.reason.code === 'TOO_MANY_REQUESTS');
    expect(refused.length).toBeGreaterThan(0); // two hash, twenty wait, the rest go
    const answered = crowd.filter((outcome) => outcome.status === 'fulfilled' && outcome.value.type === 'refused');
    expect(refused.length + answered.length).toBe(100);
  });

  it('turns an access token into the actor with the role of this moment', async () => {
    const { accessToken, actor } = await owner();
    expect(await auth.authenticate(accessToken)).toEqual(actor);
    expect(can(actor, 'key:write')).toBe(true);
    expect(actorName(actor)).toBe(`person:${actor.personId}`);
  });

  it('believes no forged, expired or foreign token', async () => {
    const { accessToken, actor } = await owner();
    const [header, payload, signature] = accessToken.split('.') as [string, string, string];
    const claims = jwt.decode(accessToken) as Record<string, unknown>;
    const { kid } = jwt.decode(accessToken, { complete: true })!.header;
    const sign = (changes: object, options: jwt.SignOptions = {}, secret = tokenSecret) =>
      jwt.sign({ ...claims, ...changes }, secret, { algorithm: 'HS256', keyid: kid!, header: { alg: 'HS256', typ: 'at+jwt' }, ...options });
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    expect(await auth.authenticate(sign({}))).toEqual(actor); // the forger's tools work
    const forged = [
      '', 'x', 'a.b.c', `${header}.${payload}.`, `${header}.${payload}.${signature.slice(0, -2)}${signature.endsWith('AA') ? 'EA' : 'AA'}`, `${accessToken}x`,
      `${encode({ alg: 'none', typ: 'at+jwt', kid })}.${payload}.`,
      sign({}, {}, 'another secret, which is long enough too'),
      sign({}, { algorithm: 'HS512', header: { alg: 'HS512', typ: 'at+jwt' } }),
      sign({}, { header: { alg: 'HS256', typ: 'JWT' } }),
      sign({}, { keyid: 'other' }),
      sign({ iss: 'elsewhere' }), sign({ aud: 'elsewhere' }),
      sign({ exp: (claims['iat'] as number) - 1 }),
      sign({ exp: (claims['exp'] as number) + 86_400 }),
      sign({ sub: newId('person') }), sign({ ten: newId('tenant') }), sign({ sid: newId('session') }),
      sign({ sub: 'admin' }), sign({ sub: { $ne: null } }), sign({ ten: undefined }),
      'Bearer ' + accessToken, accessToken.replaceAll('.', '%2E'), 'A'.repeat(100_000),
    ];
    for (const token of forged) expect([token.slice(0, 60), await auth.authenticate(token)]).toEqual([token.slice(0, 60), null]);
  });

  it('ends with the token’s ten minutes', async () => {
    const { accessToken } = await owner();
    const before = time;
    time = new Date(before.getTime() + 601_000);
    expect(await auth.authenticate(accessToken)).toBeNull();
    time = before;
  });

  it('ends at once with a sign-out', async () => {
    const { accessToken, actor } = await owner();
    expect(await auth.authenticate(accessToken)).not.toBeNull();
    await auth.signOut(actor);
    await withinASecond(async () => (await auth.authenticate(accessToken)) === null);
  });
});

describe('refreshing', () => {
  it('replaces the token, with one winner among many', async () => {
    const first = await owner();
    const second = signedIn(await auth.refresh(first.refreshToken));
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => auth.refresh(second.refreshToken)));
    expect(outcomes.filter(({ type }) => type === 'signed-in')).toHaveLength(1);
  });

  it('is refused to the people of a suspended tenant', async () => {
    const { refreshToken, actor } = await owner();
    await test.asOwner(`UPDATE tenants SET status = 'SUSPENDED' WHERE id = $1`, [actor.tenantId]);
    expect((await auth.refresh(refreshToken)).type).toBe('refused');
  });

  it('ends the session when a used token comes again', async () => {
    const first = await owner();
    const second = signedIn(await auth.refresh(first.refreshToken));
    expect((await auth.refresh(first.refreshToken)).type).toBe('refused');
    expect((await auth.refresh(second.refreshToken)).type).toBe('refused');
    await withinASecond(async () => (await auth.authenticate(second.accessToken)) === null);
  });

  it('ends the session even when the used token is older than the one before', async () => {
    const victim = await owner();
    const once = signedIn(await auth.refresh(victim.refreshToken));
    const twice = signedIn(await auth.refresh(once.refreshToken));
    expect((await auth.refresh(victim.refreshToken)).type).toBe('refused');
    expect((await auth.refresh(twice.refreshToken)).type).toBe('refused');
    await withinASecond(async () => (await auth.authenticate(twice.accessToken)) === null);
  });

  it('is no way to end a session of which only the id is known', async () => {
    const { actor, refreshToken } = await owner();
    const [, random, mac] = refreshToken.split('.') as [string, string, string];
    const other = (await owner()).actor.sessionId;
    for (const forged of [actor.sessionId, `${actor.sessionId}.${random}`, `${actor.sessionId}.${mac}.${mac}`, `${other}.${random}.${mac}`, '', '..']) {
      expect((await auth.refresh(forged)).type).toBe('refused');
    }
    signedIn(await auth.refresh(refreshToken));
  });
});

describe('API keys', () => {
  async function keyOf(actor: PersonActor, scopes: ('PREDICT' | 'READ' | 'TRAIN' | 'ADMIN')[] = ['PREDICT']) {
    const created = await auth.keys.create(actor, { alias: 'press 4', scopes, models: ['iris'] });
    if (created.type !== 'created') throw new Error(JSON.stringify(created));
    return created;
  }

  it('are accepted, with their scopes and models, and leave no secret in the database', async () => {
    const { actor } = await owner();
    const { key, apiKey } = await keyOf(actor);
    expect(key).toMatch(/^mr_live_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}$/);
    expect(await auth.authenticate(key)).toEqual({ type: 'key', tenantId: actor.tenantId, keyId: apiKey.id, makerId: actor.personId, scopes: ['PREDICT'], models: ['iris'] });
    expect(apiKey).not.toHaveProperty('secretHmac');
    const [row] = await test.asOwner('SELECT * FROM api_keys WHERE id = $1', [apiKey.id]);
    expect(JSON.stringify(row)).not.toContain(key.slice(19, -6));
  });

  it('are refused when a character is wrong, before any look-up', async () => {
    const { actor } = await owner();
    const { key } = await keyOf(actor);
    for (let i = 0; i < key.length; i++) {
      const wrong = key.slice(0, i) + (key[i] === 'x' ? 'y' : 'x') + key.slice(i + 1);
      expect(await auth.authenticate(wrong)).toBeNull();
    }
    for (const odd of ['mr_live_', `${key} `, ` ${key}`, key.toLowerCase(), `${key}\n`, key.replace('live', 'test')]) {
      expect(await auth.authenticate(odd)).toBeNull();
    }
  });

  it('end everywhere within a second of their revocation', async () => {
    const { actor } = await owner();
    const { key, apiKey } = await keyOf(actor);
    const elsewhere = createAuth({ database: test.database, tokenSecret, keyPepper, logger: silentLogger, clock });
    await elsewhere.watchRevocations();
    for (const process of [auth, elsewhere]) expect(await process.authenticate(key)).not.toBeNull();
    await auth.keys.revoke(actor, apiKey.id);
    for (const process of [auth, elsewhere]) await withinASecond(async () => (await process.authenticate(key)) === null);
  });

  it('end with their expiry', async () => {
    const { actor } = await owner();
    const created = await auth.keys.create(actor, { alias: 'short', scopes: ['READ'], expiresAt: new Date(time.getTime() + 2_000) });
    const key = created.type === 'created' ? created.key : '';
    expect(await auth.authenticate(key)).not.toBeNull();
    const before = time;
    time = new Date(before.getTime() + 2_001); // while it is still remembered
    expect(await auth.authenticate(key)).toBeNull();
    time = before;
  });

  it('cannot be revoked, or told from a missing one, by another tenant', async () => {
    const [one, other] = [await owner(), await owner()];
    const { apiKey } = await keyOf(one.actor);
    const attempt = (id: string) => auth.keys.revoke(other.actor, id).catch((error: Error) => ({ ...error, message: error.message }));
    expect(await attempt(apiKey.id)).toEqual(await attempt(newId('apiKey')));
  });

  it('are made only by who may, with no more scope than they have', async () => {
    const { actor } = await owner();
    const viewer = { ...actor, role: 'VIEWER' as const };
    const engineer = { ...actor, role: 'ENGINEER' as const };
    await expect(keyOf(viewer)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(keyOf(engineer, ['ADMIN'])).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect((await keyOf(engineer, ['PREDICT', 'TRAIN'])).type).toBe('created');
  });

  it('hand out no endpoint that they may not call themselves', async () => {
    const { actor } = await owner();
    const limited = await auth.authenticate((await keyOf(actor, ['ADMIN'])).key);
    const attempt = async (models?: string[]) => (await auth.keys.create(limited!, { alias: 'child', scopes: ['PREDICT'], ...(models ? { models } : {}) })).type;
    expect(await Promise.all([attempt(), attempt([]), attempt(['wine']), attempt(['iris', 'wine']), attempt(['iris'])])).toEqual([
      'invalid', 'invalid', 'invalid', 'invalid', 'created',
    ]);
  });

  it.each([
    ['alias', { alias: 'press 4\r\nforged: line' }],
    ['alias', { alias: 'a\u202eb' }],
    ['alias', { alias: 'half a pair \ud800' }],
    ['models', { models: ['\ud800'] }],
    ['models', { models: [''] }],
    ['models', { models: Array.from({ length: 101 }, (_, i) => `m${i}`) }],
  ])('are refused with %s that nobody could read or store', async (field, input) => {
    const { actor } = await owner();
    const outcome = await auth.keys.create(actor, { alias: 'press 4', scopes: ['READ'], ...input });
    expect(outcome.type === 'invalid' && outcome.problems.map((problem) => problem.field)).toEqual([field]);
  });
});

describe('the audit trail', () => {
  it('has a line for each change, in the tenant’s own view', async () => {
    const { actor } = await owner();
    const created = await auth.keys.create({ ...actor, requestId: 'req-1' }, { alias: 'k', scopes: ['READ'] });
    const id = created.type === 'created' ? created.apiKey.id : '';
    await auth.keys.revoke(actor, id);
    const trail = await test.database.forTenant(actor.tenantId).transaction((tx) => tx.auditEvent.findMany({ orderBy: { id: 'asc' } }));
    expect(trail.map(({ action, actor: who, requestId }) => [action, who, requestId])).toEqual([
      ['tenant.create', 'system', null],
      ['session.open', `person:${actor.personId}`, null],
      ['key.create', `person:${actor.personId}`, 'req-1'],
      ['key.revoke', `person:${actor.personId}`, null],
    ]);
  });
});
