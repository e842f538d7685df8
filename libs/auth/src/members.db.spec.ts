import { newId, silentLogger } from '@millrace/kernel';
import { createTestDatabase, type TestDatabase, withinASecond } from '@millrace/testkit';
import { newEmail, password, secrets, signedIn } from '../test/auth-world.ts';
import { type Auth, createAuth, type PersonActor, platformTenantId, type Role, type SignedIn } from './index.ts';

const otherPassword = 'another horse, another battery';

let test: TestDatabase;
/** of two processes */
let auth: Auth;
let elsewhere: Auth;
let time = new Date();
const clock = { now: () => time };

beforeAll(async () => {
  test = await createTestDatabase();
  const options = { database: test.database, ...secrets, logger: silentLogger, clock, refusalMs: 0 };
  [auth, elsewhere] = [createAuth(options), createAuth(options)];
  await auth.watchRevocations();
  await elsewhere.watchRevocations();
});
afterAll(() => test.close());

async function owner(tenantName = 'Acme'): Promise<SignedIn> {
  const email = newEmail();
  const created = await auth.createTenant({ tenantName, name: 'Ann', email, password });
  if (created.type !== 'created') throw new Error(JSON.stringify(created));
  return signedIn(await auth.signIn(email, password));
}

async function member(tenantId: string, role: Role, email = newEmail()): Promise<SignedIn> {
  const added = await auth.members.add({ tenantId, name: role, email, password, role });
  if (added.type !== 'added') throw new Error(JSON.stringify(added));
  return signedIn(await auth.signIn(email, password));
}

async function invite(actor: PersonActor, email: string, role: Role = 'VIEWER') {
  const outcome = await auth.members.invite(actor, { email, role });
  if (outcome.type !== 'invited') throw new Error(JSON.stringify(outcome));
  return outcome;
}

const newcomer = { name: 'Nora New', password: otherPassword };

const roleOf = async ({ tenantId, personId }: PersonActor): Promise<string | undefined> =>
  (await test.asOwner<{ role: string }>('SELECT role::text FROM memberships WHERE tenant_id = $1 AND person_id = $2', [tenantId, personId]))[0]?.role;

const trail = async (tenantId: string): Promise<[string, string, string][]> =>
  (await test.asOwner<{ actor: string; action: string; result: string }>('SELECT actor, action, result FROM audit_events WHERE tenant_id = $1 ORDER BY id', [tenantId])).map(
    ({ actor, action, result }) => [actor, action, result],
  );

async function at<T>(moment: Date, work: () => Promise<T>): Promise<T> {
  const before = time;
  time = moment;
  try {
    return await work();
  } finally {
    time = before;
  }
}

const inDays = (days: number): Date => new Date(time.getTime() + days * 86_400_000);

describe('an invitation', () => {
  it('makes its holder a member with a new account, once, and signs them in', async () => {
    const { actor } = await owner();
    const email = newEmail();
    const { token, invitation } = await invite(actor, ` ${email.toUpperCase()} `, 'ENGINEER');
    expect(invitation).toMatchObject({ email, role: 'ENGINEER', createdBy: `person:${actor.personId}` });
    expect(invitation).not.toHaveProperty('tokenHash');
    expect(await auth.members.previewInvitation(token)).toEqual({ tenantName: 'Acme', email, role: 'ENGINEER', expiresAt: invitation.expiresAt });

    const accepted = signedIn(await auth.members.acceptInvitation(token, newcomer, { address: '192.0.2.7' }));
    expect(accepted.actor).toMatchObject({ tenantId: actor.tenantId, role: 'ENGINEER' });
    expect(await auth.authenticate(accepted.accessToken)).not.toBeNull();
    signedIn(await auth.signIn(email, otherPassword));
    expect(await auth.members.acceptInvitation(token, newcomer)).toEqual({ type: 'link-invalid' });
    expect(await auth.members.previewInvitation(token)).toBeNull();
    expect((await trail(actor.tenantId)).filter(([, action]) => action.startsWith('invitation'))).toEqual([
      [`person:${actor.personId}`, 'invitation.create', 'ok'],
      [`person:${accepted.actor.personId}`, 'invitation.accept', 'ok'],
    ]);
  });

  it.each(['a new account', 'an account that exists'])('has one winner among many who use it at the same time, for %s', async (kind) => {
    const { actor } = await owner();
    const email = newEmail();
    if (kind !== 'a new account') await member((await owner()).actor.tenantId, 'VIEWER', email);
    const { token } = await invite(actor, email);
    const input = kind === 'a new account' ? newcomer : { name: 'X', password };
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => auth.members.acceptInvitation(token, input))); // as many as are let try a password
    expect(outcomes.map(({ type }) => type).sort()).toEqual([...Array<string>(4).fill('link-invalid'), 'signed-in']);
    expect(await test.asOwner('SELECT person_id FROM memberships WHERE tenant_id = $1', [actor.tenantId])).toHaveLength(2);
  });

  it('leaves no trace of its token in the database', async () => {
    const { token, invitation } = await invite((await owner()).actor, newEmail());
    expect(JSON.stringify(await test.asOwner('SELECT * FROM invitations WHERE id = $1', [invitation.id]))).not.toContain(token);
  });

  it('is good for seven days', async () => {
    const { actor } = await owner();
    const [early, late] = [await invite(actor, newEmail()), await invite(actor, newEmail())];
    await at(inDays(6.99), async () => signedIn(await auth.members.acceptInvitation(early.token, newcomer)));
    await at(inDays(7.01), async () => {
      expect(await auth.members.previewInvitation(late.token)).toBeNull();
      expect(await auth.members.acceptInvitation(late.token, newcomer)).toEqual({ type: 'link-invalid' });
    });
  });

  it('replaces the open one of the same address, also when two are made at the same time', async () => {
    const { actor } = await owner();
    const email = newEmail();
    const first = await invite(actor, email, 'ADMIN');
    const both = await Promise.all([invite(actor, email), invite(actor, email)]);
    const alive = await Promise.all([first, ...both].map(({ token }) => auth.members.previewInvitation(token)));
    expect(alive.filter(Boolean)).toHaveLength(1);
    expect(alive[0]).toBeNull();
    expect(await auth.members.acceptInvitation(first.token, newcomer)).toEqual({ type: 'link-invalid' });
  });

  it('is worthless once it is revoked', async () => {
    const { actor } = await owner();
    const { token, invitation } = await invite(actor, newEmail());
    expect((await auth.members.revokeInvitation(actor, invitation.id)).type).toBe('revoked');
    expect((await auth.members.revokeInvitation(actor, invitation.id)).type).toBe('revoked');
    expect(await auth.members.acceptInvitation(token, newcomer)).toEqual({ type: 'link-invalid' });
    const stranger = await owner();
    expect(await auth.members.revokeInvitation(stranger.actor, invitation.id)).toEqual(await auth.members.revokeInvitation(stranger.actor, newId('invitation')));
  });

  it('to be an owner is not an administrator’s to revoke or to replace', async () => {
    const { actor } = await owner();
    const admin = await member(actor.tenantId, 'ADMIN');
    const email = newEmail();
    const { token, invitation } = await invite(actor, email, 'OWNER');
    await expect(auth.members.revokeInvitation(admin.actor, invitation.id)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(invite(admin.actor, email, 'VIEWER')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await auth.members.previewInvitation(token)).toMatchObject({ role: 'OWNER' });
  });

  it('goes with whoever made it', async () => {
    const { actor } = await owner();
    const admin = await member(actor.tenantId, 'ADMIN');
    const { token } = await invite(admin.actor, newEmail(), 'ADMIN');
    expect(await auth.members.remove(actor, admin.actor.personId)).toEqual({ type: 'removed' });
    expect(await auth.members.acceptInvitation(token, newcomer)).toEqual({ type: 'link-invalid' });
  });

  it('goes with the role that it took to make it', async () => {
    const { actor } = await owner();
    const admin = await member(actor.tenantId, 'OWNER');
    const [boss, peer, reader] = [await invite(admin.actor, newEmail(), 'OWNER'), await invite(admin.actor, newEmail(), 'ADMIN'), await invite(admin.actor, newEmail(), 'VIEWER')];
    const another = await invite(actor, newEmail(), 'OWNER');
    const open = async (links: { token: string }[]) => Promise.all(links.map(async ({ token }) => (await auth.members.previewInvitation(token)) !== null));
    await auth.members.changeRole(actor, admin.actor.personId, 'ADMIN');
    expect(await open([boss, peer, reader, another])).toEqual([false, true, true, true]);
    await auth.members.changeRole(actor, admin.actor.personId, 'ENGINEER');
    expect(await open([peer, reader, another])).toEqual([false, false, true]);
  });

  it('is not good while its tenant is suspended', async () => {
    const { actor } = await owner();
    const { token } = await invite(actor, newEmail());
    await test.asOwner(`UPDATE tenants SET status = 'SUSPENDED' WHERE id = $1`, [actor.tenantId]);
    expect(await auth.members.acceptInvitation(token, newcomer)).toEqual({ type: 'link-invalid' });
  });

  it('gives no role above that of whoever makes it, and none of another kind', async () => {
    const { actor } = await owner();
    const admin = await member(actor.tenantId, 'ADMIN');
    const attempt = async (by: PersonActor, role: Role) => {
      const outcome = await auth.members.invite(by, { email: newEmail(), role });
      return outcome.type === 'invalid' ? outcome.problems.map(({ field }) => field) : outcome.type;
    };
    expect(await attempt(admin.actor, 'OWNER')).toEqual(['role']);
    expect(await attempt(admin.actor, 'ADMIN')).toBe('invited');
    expect(await attempt(actor, 'OWNER')).toBe('invited');
    expect(await attempt(actor, 'OPERATOR')).toEqual(['role']);
    await expect(attempt((await member(actor.tenantId, 'ENGINEER')).actor, 'VIEWER')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const operator = await member(platformTenantId, 'OPERATOR');
    expect(await attempt(operator.actor, 'OPERATOR')).toBe('invited');
    expect(await attempt(operator.actor, 'VIEWER')).toEqual(['role']);
    // The role that counts is that of this moment, not that of the beginning of the request.
    await auth.members.changeRole(actor, admin.actor.personId, 'VIEWER');
    await expect(attempt(admin.actor, 'VIEWER')).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('refuses unfit addresses, and members', async () => {
    const { actor } = await owner();
    const email = newEmail();
    await member(actor.tenantId, 'VIEWER', email);
    expect(await auth.members.invite(actor, { email, role: 'ADMIN' })).toEqual({ type: 'already-member' });
    const outcome = await auth.members.invite(actor, { email: 'nobody', role: 'OPERATOR' });
    expect(outcome.type === 'invalid' && outcome.problems.map(({ field }) => field)).toEqual(['email', 'role']);
  });
});

describe('an invitation for an address that has an account', () => {
  it('answers whoever makes and looks at it as if there were none', async () => {
    const { actor } = await owner();
    const known = newEmail();
    await member((await owner()).actor.tenantId, 'VIEWER', known);
    const anonymous = ({ type, invitation }: Awaited<ReturnType<typeof invite>>) => ({ type, ...invitation, email: '', id: '', createdAt: null });
    const [one, other] = [await invite(actor, known), await invite(actor, newEmail())];
    expect(anonymous(one)).toEqual(anonymous(other));
    const previews = await Promise.all([one, other].map(({ token }) => auth.members.previewInvitation(token)));
    expect({ ...previews[0], email: '' }).toEqual({ ...previews[1], email: '' });
    // Nor does a password that no new account could have.
    const weak = await Promise.all([one, other].map(({ token }) => auth.members.acceptInvitation(token, { name: 'X', password: 'short' })));
    expect(weak[0]!.type).toBe('invalid');
    expect(weak[0]).toEqual(weak[1]);
  });

  it('opens it with its own password only', async () => {
    const { actor } = await owner();
    const email = newEmail();
    const elsewhereMember = await member((await owner('Bolt')).actor.tenantId, 'VIEWER', email);
    const { token } = await invite(actor, email, 'ADMIN');
    expect(await auth.members.acceptInvitation(token, newcomer)).toEqual({ type: 'refused' });
    const accepted = signedIn(await auth.members.acceptInvitation(token, { name: 'Another name', password }));
    expect(accepted.actor).toMatchObject({ personId: elsewhereMember.actor.personId, tenantId: actor.tenantId, role: 'ADMIN' });
    expect(await test.asOwner('SELECT name FROM people WHERE email = $1', [email])).toEqual([{ name: 'VIEWER' }]);
    expect(await trail(actor.tenantId)).toContainEqual(['system', 'invitation.accept', 'sign_in_refused']);
    expect((await auth.members.listOwn(accepted.actor)).map(({ name, role }) => [name, role])).toEqual([['Bolt', 'VIEWER'], ['Acme', 'ADMIN']]);
  });

  it('makes somebody with a second factor a member, and lets them sign in with it', async () => {
    const { actor } = await owner();
    const email = newEmail();
    await member((await owner()).actor.tenantId, 'VIEWER', email);
    await test.asOwner(`UPDATE people SET totp_sealed = 'x', totp_confirmed_at = now() WHERE email = $1`, [email]);
    const { token } = await invite(actor, email);
    expect(await auth.members.acceptInvitation(token, { name: 'X', password })).toEqual({ type: 'accepted' });
    expect(await test.asOwner('SELECT 1 FROM memberships m JOIN people p ON p.id = m.person_id WHERE m.tenant_id = $1 AND p.email = $2', [actor.tenantId, email])).toHaveLength(1);
    expect(await test.asOwner('SELECT 1 FROM sessions s JOIN people p ON p.id = s.person_id WHERE s.tenant_id = $1 AND p.email = $2', [actor.tenantId, email])).toEqual([]);
  });

  it('tells who has no password, or may not use one here, what to do', async () => {
    const { actor } = await owner();
    const email = newEmail();
    await member((await owner()).actor.tenantId, 'VIEWER', email);
    await test.asOwner('UPDATE people SET password_hash = NULL WHERE email = $1', [email]);
    const { token } = await invite(actor, email);
    expect(await auth.members.acceptInvitation(token, newcomer)).toEqual({ type: 'sso-only', reason: 'account' });

    const domain = `${newId('domainClaim').replace('_', '-')}.example`;
    await test.asOwner(
      `INSERT INTO sso_connections (id, tenant_id, issuer, client_id, role_by_group, required, updated_by) VALUES ($1, $2, 'https://i.example', 'c', '{}', true, 'system')`,
      [newId('ssoConnection'), actor.tenantId],
    );
    const claim = newId('domainClaim');
    await test.asOwner(`INSERT INTO domain_claims (id, tenant_id, domain, challenge, created_by) VALUES ($1, $2, $3, 'x', 'system')`, [claim, actor.tenantId, domain]);
    const staff = await invite(actor, `nora@${domain}`);
    const boss = await invite(actor, `olga@${domain}`, 'OWNER');
    signedIn(await auth.members.acceptInvitation((await invite(actor, `first@${domain}`)).token, newcomer)); // the claim is not verified yet
    await test.asOwner('UPDATE domain_claims SET verified_at = now() WHERE id = $1', [claim]);
    expect(await auth.members.acceptInvitation(staff.token, newcomer)).toEqual({ type: 'sso-only', reason: 'tenant' });
    signedIn(await auth.members.acceptInvitation(boss.token, newcomer));
  });
});

describe('a change of role', () => {
  it('ends what was begun with more rights, such as an export, and nothing that was begun with fewer', async () => {
    const { actor } = await owner();
    const { actor: other } = await member(actor.tenantId, 'ENGINEER');
    await auth.members.changeRole(actor, other.personId, 'OWNER');
    expect(await auth.stillActs(other)).toBe(true);
    const asOwner: PersonActor = { ...other, role: 'OWNER' };
    await auth.members.changeRole(actor, other.personId, 'ADMIN');
    expect([await auth.stillActs(asOwner), await auth.stillActs(other)]).toEqual([false, true]);
  });

  it('takes effect in every process within a second, without a new sign-in', async () => {
    const { actor } = await owner();
    const engineer = await member(actor.tenantId, 'ENGINEER');
    const roles = async () => Promise.all([auth, elsewhere].map(async (one) => ((await one.authenticate(engineer.accessToken)) as PersonActor | null)?.role));
    expect(await roles()).toEqual(['ENGINEER', 'ENGINEER']);
    expect((await auth.members.changeRole(actor, engineer.actor.personId, 'VIEWER')).type).toBe('changed');
    await withinASecond(async () => (await roles()).every((role) => role === 'VIEWER'));
    expect(await trail(actor.tenantId)).toContainEqual([`person:${actor.personId}`, 'member.role', 'ok']);
  });

  it('is not an administrator’s to make where an owner is concerned', async () => {
    const { actor } = await owner();
    const admin = await member(actor.tenantId, 'ADMIN');
    await expect(auth.members.changeRole(admin.actor, actor.personId, 'VIEWER')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(auth.members.remove(admin.actor, actor.personId)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect((await auth.members.changeRole(admin.actor, admin.actor.personId, 'OWNER')).type).toBe('invalid');
    expect(await roleOf(actor)).toBe('OWNER');
    expect(await roleOf(admin.actor)).toBe('ADMIN');
  });

  it('finds another tenant’s member as little as a missing one', async () => {
    const [one, other] = [await owner(), await owner()];
    expect(await auth.members.changeRole(one.actor, other.actor.personId, 'VIEWER')).toEqual({ type: 'not-found' });
    expect(await auth.members.remove(one.actor, other.actor.personId)).toEqual(await auth.members.remove(one.actor, newId('person')));
    expect(await roleOf(other.actor)).toBe('OWNER');
  });
});

describe('the last owner', () => {
  it('can neither leave nor be demoted nor removed', async () => {
    const { actor } = await owner();
    expect(await auth.members.leave(actor)).toEqual({ type: 'last-owner' });
    expect(await auth.members.changeRole(actor, actor.personId, 'ADMIN')).toEqual({ type: 'last-owner' });
    expect(await auth.members.remove(actor, actor.personId)).toEqual({ type: 'last-owner' });
    const second = await member(actor.tenantId, 'OWNER');
    expect(await auth.members.leave(actor)).toEqual({ type: 'left' });
    expect(await auth.members.leave(second.actor)).toEqual({ type: 'last-owner' });
  });

  it('is there after two owners have done it to each other at the same moment, fifty times', async () => {
    const demote = (by: PersonActor, of: PersonActor) => auth.members.changeRole(by, of.personId, 'ADMIN');
    const remove = (by: PersonActor, of: PersonActor) => auth.members.remove(by, of.personId);
    const leave = (by: PersonActor) => auth.members.leave(by);
    const pairs = [[demote, demote], [remove, remove], [demote, remove], [leave, leave], [leave, demote]] as const;
    const { actor: one } = await owner();
    const added = await auth.members.add({ tenantId: one.tenantId, name: 'B', email: newEmail(), password, role: 'OWNER' });
    const two: PersonActor = { ...one, personId: added.type === 'added' ? added.personId : '' };
    for (let round = 0; round < 50; round++) {
      await test.database.system().transaction(
        (tx) => tx.$executeRaw`
          INSERT INTO memberships (tenant_id, person_id, role) VALUES (${one.tenantId}, ${one.personId}, 'OWNER'), (${one.tenantId}, ${two.personId}, 'OWNER')
          ON CONFLICT (tenant_id, person_id) DO UPDATE SET role = 'OWNER'`,
      );
      const [first, second] = pairs[round % pairs.length]!;
      const outcomes = await Promise.allSettled([first(one, two), second(two, one)]);
      const done = outcomes.filter((outcome) => outcome.status === 'fulfilled' && ['changed', 'removed', 'left'].includes(outcome.value.type));
      const owners = await test.database.system().transaction((tx) => tx.membership.count({ where: { tenantId: one.tenantId, role: 'OWNER' } }));
      // Whoever was demoted first may still leave; all other pairs have one winner.
      const winners = first === leave && second === demote ? 1 : done.length;
      expect([round, winners, owners]).toEqual([round, 1, 1]);
    }
  });

  it('of the platform is its last operator', async () => {
    const fresh = await createTestDatabase();
    const freshAuth = createAuth({ database: fresh.database, ...secrets, logger: silentLogger });
    const email = newEmail();
    const created = await freshAuth.createTenant({ tenantName: 'Acme', name: 'Ann', email, password, operator: true });
    const personId = created.type === 'created' ? created.personId : '';
    const operator: PersonActor = { type: 'person', tenantId: platformTenantId, personId, sessionId: newId('session'), role: 'OPERATOR' };
    expect(await freshAuth.members.leave(operator)).toEqual({ type: 'last-owner' });
    expect(await freshAuth.members.remove(operator, personId)).toEqual({ type: 'last-owner' });
    await fresh.close();
  });
});

describe('a member who goes', () => {
  it.each(['removed', 'left'])('loses their sessions in every process within a second when %s, and only those of this tenant', async (way) => {
    const { actor } = await owner();
    const email = newEmail();
    const there = await member((await owner()).actor.tenantId, 'VIEWER', email);
    const here = signedIn(await auth.members.acceptInvitation((await invite(actor, email, 'ADMIN')).token, { name: 'X', password }));
    for (const one of [auth, elsewhere]) expect(await one.authenticate(here.accessToken)).not.toBeNull();
    if (way === 'removed') await auth.members.remove(actor, here.actor.personId);
    else await auth.members.leave(here.actor);
    await withinASecond(async () => (await Promise.all([auth, elsewhere].map((one) => one.authenticate(here.accessToken)))).every((one) => one === null));
    expect((await auth.refresh(here.refreshToken)).type).toBe('refused');
    expect(await auth.authenticate(there.accessToken)).not.toBeNull();
    signedIn(await auth.refresh(there.refreshToken));
  });
});

describe('switching', () => {
  async function inTwo(): Promise<{ session: SignedIn; first: string; second: string }> {
    const email = newEmail();
    const [first, second] = [(await owner('First')).actor, (await owner('Second')).actor];
    await member(first.tenantId, 'ENGINEER', email);
    const { token } = await invite(second, email, 'VIEWER');
    signedIn(await auth.members.acceptInvitation(token, { name: 'X', password }));
    return { session: signedIn(await auth.signIn(email, password)), first: first.tenantId, second: second.tenantId };
  }

  it('opens a session in the other tenant with the role there, and ends the one that asked', async () => {
    const { session, second } = await inTwo();
    const switched = await at(new Date(time.getTime() + 20_000), async () => signedIn(await auth.members.switchTo(session.actor, second)));
    expect(switched.actor).toMatchObject({ tenantId: second, role: 'VIEWER', personId: session.actor.personId });
    expect(await auth.authenticate(switched.accessToken)).toMatchObject({ tenantId: second });
    expect(switched.sessionExpiresAt).toEqual(session.sessionExpiresAt); // else a stolen one could be carried on for ever
    await withinASecond(async () => (await auth.authenticate(session.accessToken)) === null);
    expect((await auth.refresh(session.refreshToken)).type).toBe('refused');
    expect(await auth.members.switchTo(session.actor, second)).toEqual({ type: 'not-by-password' }); // it has ended
  });

  it('leads to no tenant of others, and to none that is closed, which cannot be told apart', async () => {
    const { session, second } = await inTwo();
    const foreign = (await owner()).actor.tenantId;
    await test.asOwner(`UPDATE tenants SET status = 'SUSPENDED' WHERE id = $1`, [second]);
    for (const tenantId of [foreign, second, newId('tenant')]) expect(await auth.members.switchTo(session.actor, tenantId)).toEqual({ type: 'not-found' });
    expect((await auth.members.listOwn(session.actor)).map(({ name }) => name)).toEqual(['First']);
    expect(await auth.authenticate(session.accessToken)).not.toBeNull();
  });

  it('is for sessions that were opened with a password', async () => {
    const { session, second } = await inTwo();
    for (const method of ['SSO', 'GRANT']) {
      await test.asOwner('UPDATE sessions SET method = $2::sign_in_method WHERE id = $1', [session.actor.sessionId, method]);
      expect(await auth.members.switchTo(session.actor, second)).toEqual({ type: 'not-by-password' });
    }
  });
});
