import { newId, silentLogger } from '@millrace/kernel';
import { createTestDatabase, type TestDatabase, withinASecond } from '@millrace/testkit';
import { newEmail, password, secrets, signedIn } from '../test/auth-world.ts';
import { actorName, type Auth, can, createAuth, type PersonActor, permissions, platformTenantId, type Role, type SignedIn } from './index.ts';

let test: TestDatabase;
/** of two processes */
let auth: Auth;
let elsewhere: Auth;
let time = new Date();
const clock = { now: () => time };
let operator: PersonActor;
let owner: PersonActor;
let tenantId: string;

beforeAll(async () => {
  test = await createTestDatabase();
  const options = { database: test.database, ...secrets, logger: silentLogger, clock };
  [auth, elsewhere] = [createAuth(options), createAuth(options)];
  await auth.watchRevocations();
  await elsewhere.watchRevocations();
  operator = await member(platformTenantId, 'OPERATOR');
  const email = newEmail();
  await auth.createTenant({ tenantName: 'Acme', name: 'Ann', email, password });
  owner = signedIn(await auth.signIn(email, password)).actor;
  tenantId = owner.tenantId;
});
afterAll(() => test.close());

async function member(ofTenant: string, role: Role): Promise<PersonActor> {
  const email = newEmail();
  const added = await auth.members.add({ tenantId: ofTenant, name: `A ${role}`, email, password, role });
  if (added.type !== 'added') throw new Error(JSON.stringify(added));
  return signedIn(await auth.signIn(email, password)).actor;
}

async function take(role: Role = 'VIEWER', hours = 2, by = operator) {
  const outcome = await auth.grants.take(by, { tenantId, role, reason: 'a run of theirs will not start', hours });
  if (outcome.type !== 'taken') throw new Error(JSON.stringify(outcome));
  return outcome.grant;
}

const use = async (id: string, by = operator): Promise<SignedIn> => signedIn(await auth.grants.use(by, id, { address: '192.0.2.1' }));

async function at<T>(moment: Date, work: () => Promise<T>): Promise<T> {
  const before = time;
  time = moment;
  try {
    return await work();
  } finally {
    time = before;
  }
}

const trail = async (since: string) =>
  (await test.asOwner<{ actor: string; action: string; subject: string }>(
    'SELECT actor, action, subject FROM audit_events WHERE tenant_id = $1 AND id > $2 ORDER BY id', [tenantId, since],
  )).map(({ actor, action, subject }) => [actor, action, subject]);

const endsEverywhere = (token: string) => withinASecond(async () => (await Promise.all([auth, elsewhere].map((one) => one.authenticate(token)))).every((actor) => actor === null));

describe('an access grant', () => {
  it('lets an operator into the tenant with its role, all of it in the tenant’s own trail', async () => {
    const since = newId('auditEvent');
    const grant = await take('VIEWER');
    expect(grant).toMatchObject({ tenantId, personId: operator.personId, role: 'VIEWER', operatorName: 'A OPERATOR', tenantName: 'Acme', revokedAt: null });
    const { actor, accessToken } = await use(grant.id);
    expect(actor).toMatchObject({ tenantId, personId: operator.personId, role: 'VIEWER', grantId: grant.id });
    expect(actorName(actor)).toBe(`operator:${operator.personId}`);
    expect(await elsewhere.authenticate(accessToken)).toEqual(actor);
    expect([can(actor, 'dataset:read'), can(actor, 'run:submit'), can(actor, 'platform:read')]).toEqual([true, false, false]);
    await auth.grants.revoke(operator, grant.id);
    const who = `operator:${operator.personId}`;
    expect(await trail(since)).toEqual([
      [who, 'grant.take', grant.id], [who, 'grant.use', grant.id], [who, 'grant.revoke', grant.id],
    ]);
    const [session] = await test.asOwner('SELECT method::text, grant_id, expires_at FROM sessions WHERE id = $1', [actor.sessionId]);
    expect(session).toEqual({ method: 'GRANT', grant_id: grant.id, expires_at: grant.expiresAt });
  });

  it('as an administrator’s gives what an administrator may, but nothing that would outlast it', async () => {
    const { actor } = await use((await take('ADMIN')).id);
    const admin: PersonActor = { ...owner, role: 'ADMIN' };
    expect(permissions.filter((permission) => can(admin, permission) !== can(actor, permission))).toEqual(['member:write', 'sso:write', 'key:write', 'model:trust']);
    await expect(auth.keys.create(actor, { alias: 'back door', scopes: ['READ'] })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(auth.members.invite(actor, { email: 'me@again.test', role: 'ADMIN' })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await auth.members.leave(actor)).toEqual({ type: 'no-member' });
    expect(await auth.members.listOwn(actor)).toEqual([]);
    expect(await auth.members.switchTo(actor, platformTenantId)).toEqual({ type: 'not-by-password' });
    await expect(auth.grants.take(actor, { tenantId, role: 'ADMIN', reason: 'longer, please', hours: 8 })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('ends by itself at its time, and no refresh goes beyond it', async () => {
    const grant = await take('VIEWER', 1);
    const { accessToken, refreshToken } = await use(grant.id);
    expect(await auth.authenticate(accessToken)).not.toBeNull(); // remembered from here on
    const later = await at(new Date(grant.expiresAt.getTime() - 60_000), async () => signedIn(await auth.refresh(refreshToken)));
    expect(later.actor).toMatchObject({ grantId: grant.id, role: 'VIEWER' });
    await at(new Date(grant.expiresAt.getTime() - 1), async () => {
      expect(await auth.authenticate(later.accessToken)).not.toBeNull();
      expect(await auth.stillActs(later.actor)).toBe(true);
    });
    await at(grant.expiresAt, async () => {
      expect(await auth.authenticate(later.accessToken)).toBeNull();
      expect(await elsewhere.authenticate(later.accessToken)).toBeNull();
      expect(await auth.stillActs(later.actor)).toBe(false);
      expect((await auth.refresh(later.refreshToken)).type).toBe('refused');
      expect(await auth.grants.use(operator, grant.id)).toEqual({ type: 'ended' });
    });
  });

  it.each(['the operator', 'the tenant'])('ends within a second, in every process, when %s revokes it', async (who) => {
    const grant = await take();
    const { accessToken, refreshToken } = await use(grant.id);
    for (const one of [auth, elsewhere]) expect(await one.authenticate(accessToken)).not.toBeNull();
    const outcome = await auth.grants.revoke(who === 'the tenant' ? owner : operator, grant.id);
    expect(outcome).toMatchObject({ type: 'revoked', grant: { revokedAt: expect.any(Date) } });
    await endsEverywhere(accessToken);
    expect((await auth.refresh(refreshToken)).type).toBe('refused');
    expect(await auth.grants.use(operator, grant.id)).toEqual({ type: 'ended' });
    expect((await auth.grants.revoke(operator, grant.id)).type).toBe('revoked'); // twice is no error
  });

  it('ends with the operator’s office, and does not come back with it', async () => {
    const second = await member(platformTenantId, 'OPERATOR');
    const grant = await take('ADMIN', 8, second);
    const { accessToken } = await use(grant.id, second);
    expect(await auth.authenticate(accessToken)).not.toBeNull();
    expect(await auth.members.remove(operator, second.personId)).toEqual({ type: 'removed' });
    await endsEverywhere(accessToken);
    await test.database.system().transaction((tx) => tx.membership.createMany({ data: [{ tenantId: platformTenantId, personId: second.personId, role: 'OPERATOR' }] }));
    expect(await createAuth({ database: test.database, ...secrets, logger: silentLogger, clock }).authenticate(accessToken)).toBeNull();
  });

  it('is nobody else’s to use or to end', async () => {
    const grant = await take();
    const second = await member(platformTenantId, 'OPERATOR');
    const engineer = await member(tenantId, 'ENGINEER');
    const email = newEmail();
    await auth.createTenant({ tenantName: 'Bolt', name: 'Bo', email, password });
    const stranger = signedIn(await auth.signIn(email, password)).actor;
    expect(await auth.grants.use(second, grant.id)).toEqual(await auth.grants.use(second, newId('accessGrant')));
    await expect(auth.grants.use(owner, grant.id)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    for (const other of [second, stranger]) expect(await auth.grants.revoke(other, grant.id)).toEqual({ type: 'not-found' });
    await expect(auth.grants.revoke(engineer, grant.id)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    signedIn(await auth.grants.use(operator, grant.id));
  });

  it('is seen by its tenant and by its operator, and by nobody else', async () => {
    const grants = [await take(), await take('ADMIN')];
    const ids = async (actor: PersonActor, page = {}) => (await auth.grants.listOfTenant(actor, { limit: 2, ...page })).map(({ id }) => id);
    expect(await ids(owner)).toEqual([grants[1]!.id, grants[0]!.id]);
    expect(await ids(owner, { after: grants[1]!.id, limit: 1 })).toEqual([grants[0]!.id]);
    expect((await auth.grants.listOfTenant(owner, { limit: 1 }))[0]).toMatchObject({ operatorName: 'A OPERATOR', reason: 'a run of theirs will not start' });
    expect((await auth.grants.listOwn(operator)).slice(0, 2).map(({ id }) => id)).toEqual([grants[1]!.id, grants[0]!.id]);
    const second = await member(platformTenantId, 'OPERATOR');
    expect(await auth.grants.listOwn(second)).toEqual([]);
    expect(await ids(second)).toEqual([]);
    await expect(ids(await member(tenantId, 'VIEWER'))).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(auth.grants.listOwn(owner)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it.each([
    [['role'], { role: 'OWNER' }],
    [['role'], { role: 'OPERATOR' }],
    [['role'], { role: 'ENGINEER' }],
    [['reason'], { reason: 'because' }],
    [['reason'], { reason: 'a reason that turns \u202e the text' }],
    [['hours'], { hours: 9 }],
    [['hours'], { hours: 0 }],
    [['hours'], { hours: 1.5 }],
    [['role', 'reason', 'hours'], { role: 'OWNER', reason: '', hours: -1 }],
  ])('is refused for its %j', async (fields, change) => {
    const outcome = await auth.grants.take(operator, { tenantId, role: 'VIEWER', reason: 'a good and long reason', hours: 1, ...(change as object) });
    expect(outcome.type === 'invalid' && outcome.problems.map(({ field }) => field)).toEqual(fields);
  });

  it('leads into no closed tenant, not into the platform’s own, and into none that is not there', async () => {
    const input = { tenantId, role: 'VIEWER' as const, reason: 'a good and long reason', hours: 1 };
    for (const id of [platformTenantId, newId('tenant')]) expect(await auth.grants.take(operator, { ...input, tenantId: id })).toEqual({ type: 'tenant-not-found' });
    await expect(auth.grants.take(owner, input)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const grant = await take();
    const { accessToken } = await use(grant.id);
    await auth.tenants.suspend(operator, tenantId, 'for the test');
    await endsEverywhere(accessToken);
    expect(await auth.grants.take(operator, input)).toEqual({ type: 'tenant-closed', status: 'SUSPENDED' });
    expect(await auth.grants.use(operator, grant.id)).toEqual({ type: 'tenant-closed' });
    await auth.tenants.resume(operator, tenantId);
  });
});
