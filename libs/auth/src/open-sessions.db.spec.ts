import { newId } from '@millrace/kernel';
import { withinASecond } from '@millrace/testkit';
import { type AuthWorld, createAuthWorld, password } from '../test/auth-world.ts';
import type { SignedIn } from './index.ts';

let world: AuthWorld;
beforeAll(async () => {
  world = await createAuthWorld();
});
afterAll(() => world.close());

const isOver = async ({ accessToken, refreshToken }: SignedIn): Promise<void> => {
  await withinASecond(async () => (await world.auth.authenticate(accessToken)) === null);
  expect((await world.auth.refresh(refreshToken)).type).toBe('refused');
};
const isOpen = async ({ accessToken }: SignedIn): Promise<boolean> => (await world.auth.authenticate(accessToken)) !== null;

/** A person who belongs to two tenants, with a session in each. */
async function inTwoTenants() {
  const [one, other] = [await world.tenant(), await world.tenant()];
  const [here, there] = [await world.signedIn(one.email), await world.signedIn(one.email)];
  await world.test.asOwner(`INSERT INTO memberships (tenant_id, person_id, role) VALUES ($1, $2, 'VIEWER')`, [other.tenantId, one.personId]);
  await world.test.asOwner('UPDATE sessions SET tenant_id = $1 WHERE id = $2', [other.tenantId, there.actor.sessionId]);
  return { one, other, here, there: { ...there, actor: { ...there.actor, tenantId: other.tenantId } } };
}

describe('the open sessions', () => {
  it('are listed with where they came from, the one used last first, without those that have ended', async () => {
    const { email } = await world.tenant();
    const signIn = (address: string) => world.auth.signIn(email, password, { address, userAgent: 'Mozilla/5.0' }) as Promise<SignedIn>;
    const [first, second, third] = [await signIn('192.0.2.1'), await signIn('192.0.2.2'), await signIn('192.0.2.3')];
    world.time.forward(900);
    await world.auth.refresh(first.refreshToken);
    await world.auth.signOut(second.actor);
    const sessions = await world.auth.sessions.list(third.actor);
    expect(sessions).toEqual([
      expect.objectContaining({ id: first.actor.sessionId, address: '192.0.2.1', userAgent: 'Mozilla/5.0', method: 'PASSWORD', tenantName: 'Acme', isCurrent: false, lastUsedAt: world.time.now }),
      expect.objectContaining({ id: third.actor.sessionId, address: '192.0.2.3', isCurrent: true }),
    ]);
    expect(sessions[0]).not.toHaveProperty('tokenHash');
    world.time.forward(30 * 86_400);
    expect(await world.auth.sessions.list(third.actor)).toEqual([]);
  });

  it('of another member are for those who may see members, and of this tenant only', async () => {
    const { one, other, here, there } = await inTwoTenants();
    const admin = (await world.signedIn((await world.member(one.tenantId, 'ADMIN')).email)).actor;
    const engineer = (await world.signedIn((await world.member(one.tenantId, 'ENGINEER')).email)).actor;
    expect((await world.auth.sessions.list(admin, one.personId)).map(({ id }) => id)).toEqual([here.actor.sessionId]);
    await expect(world.auth.sessions.list(engineer, one.personId)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    // In the other tenant the same person is somebody else's member.
    const stranger = (await world.signedIn(other.email)).actor;
    expect((await world.auth.sessions.list(stranger, one.personId)).map(({ id }) => id)).toEqual([there.actor.sessionId]);
    expect(await world.auth.sessions.list(admin, other.personId)).toEqual([]);
    expect(await world.auth.sessions.list(admin, newId('person'))).toEqual([]);
  });

  it('are one’s own in every tenant, unless another way in than the password led into one of them', async () => {
    const { here, there } = await inTwoTenants();
    const ids = async (session: SignedIn) => (await world.auth.sessions.list(session.actor)).map(({ id }) => id).sort();
    expect(await ids(here)).toEqual([here.actor.sessionId, there.actor.sessionId].sort());
    await world.test.asOwner(`UPDATE sessions SET method = 'SSO' WHERE id = $1`, [there.actor.sessionId]);
    expect(await ids(there)).toEqual([there.actor.sessionId]);
    await expect(world.auth.sessions.revoke(there.actor, here.actor.sessionId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await world.auth.sessions.revokeOthers(there.actor)).toBe(0);
    expect(await isOpen(here)).toBe(true);
  });
});

describe('ending sessions', () => {
  it('ends one of one’s own, everywhere within a second; twice is no error', async () => {
    const { email, tenantId } = await world.tenant();
    const [lost, mine] = [await world.signedIn(email), await world.signedIn(email)];
    expect(await isOpen(lost)).toBe(true);
    await world.auth.sessions.revoke(mine.actor, lost.actor.sessionId);
    await isOver(lost);
    await world.auth.sessions.revoke(mine.actor, lost.actor.sessionId);
    expect(await isOpen(mine)).toBe(true);
    expect((await world.trail(tenantId)).filter(({ action }) => action === 'session.revoke')).toHaveLength(1);
  });

  it('ends all but this one', async () => {
    const { here, there, one } = await inTwoTenants();
    const third = await world.signedIn(one.email);
    expect(await world.auth.sessions.revokeOthers(third.actor)).toBe(2);
    await isOver(here);
    expect((await world.auth.refresh(there.refreshToken)).type).toBe('refused');
    expect(await isOpen(third)).toBe(true);
    expect((await world.trail(one.tenantId)).at(-1)).toMatchObject({ action: 'session.revoke_others', details: { endedSessions: 2 } });
  });

  it('is done by an administrator for a member of the tenant, and by nobody else', async () => {
    const { one, other, here, there } = await inTwoTenants();
    const engineer = (await world.signedIn((await world.member(one.tenantId, 'ENGINEER')).email)).actor;
    const admin = (await world.signedIn((await world.member(one.tenantId, 'ADMIN')).email)).actor;
    const strangers = (await world.signedIn(other.email)).actor;
    const refusal = (actor: typeof admin, id: string) => world.auth.sessions.revoke(actor, id).then(() => null, ({ code, message }: { code: string; message: string }) => ({ code, message }));
    const missing = await refusal(admin, newId('session'));
    expect(missing?.code).toBe('NOT_FOUND');
    expect(await refusal(engineer, here.actor.sessionId)).toEqual(missing);
    expect(await refusal(strangers, here.actor.sessionId)).toEqual(missing);
    expect(await refusal(admin, there.actor.sessionId)).toEqual(missing);
    const members = await world.signedIn((await world.member(one.tenantId, 'ADMIN')).email);
    expect(await refusal(admin, members.actor.sessionId)).toBeNull();
    await isOver(members);
    expect(await isOpen(here)).toBe(true);
  });

  it('is not done to somebody above: an administrator ends no owner’s, not even with a token that still says OWNER', async () => {
    const { one, here } = await inTwoTenants();
    const admin = await world.member(one.tenantId, 'OWNER');
    const { actor } = await world.signedIn(admin.email);
    await world.test.asOwner(`UPDATE memberships SET role = 'ADMIN' WHERE person_id = $1`, [admin.personId]);
    await expect(world.auth.sessions.revoke(actor, here.actor.sessionId)).rejects.toMatchObject({ code: 'FORBIDDEN', message: 'The role ADMIN may not decide about an OWNER.' });
    expect(await isOpen(here)).toBe(true);
    expect((await world.trail(one.tenantId)).filter(({ action }) => action === 'session.revoke')).toEqual([]);
    await world.auth.sessions.revoke(here.actor, actor.sessionId);
  });
});

describe('the secrets that sign tokens', () => {
  it('are exchanged without signing anybody out: what the old one signed is good until it ends', async () => {
    const { email } = await world.tenant();
    const before = await world.signedIn(email);
    const next = 'the next secret for tests, long enough to sign';
    const rotated = world.elsewhere({ tokenSecret: next, retiredTokenSecrets: ['an older secret, long enough to sign with', 'a secret for tests, long enough to sign'] });
    expect(await rotated.authenticate(before.accessToken)).toEqual(before.actor);
    const after = (await rotated.refresh(before.refreshToken)) as SignedIn;
    expect(after.type).toBe('signed-in');
    expect(await world.auth.authenticate(after.accessToken)).toBeNull(); // a process that does not know the new secret yet
    const settled = world.elsewhere({ tokenSecret: next });
    expect(await settled.authenticate(after.accessToken)).toEqual(before.actor);
    expect(await settled.authenticate(before.accessToken)).toBeNull();
    expect((await settled.refresh(before.refreshToken)).type).toBe('refused');
    expect((await settled.refresh(after.refreshToken)).type).toBe('signed-in');
  });

  it('are long, the retired ones too', () => {
    expect(() => world.elsewhere({ retiredTokenSecrets: ['short'] })).toThrow('32 characters');
  });
});

describe('a change of rights', () => {
  it('is told to who serves somebody for long, after it is known here', async () => {
    const { tenantId } = await world.tenant();
    const { email, personId } = await world.member(tenantId, 'ENGINEER');
    const { accessToken } = await world.signedIn(email);
    const roleNow = async () => {
      const actor = await world.auth.authenticate(accessToken);
      return actor?.type === 'person' ? actor.role : null;
    };
    expect(await roleNow()).toBe('ENGINEER');
    const told = new Promise<string | null>((resolve) => {
      const end = world.auth.onRightsChange((changed) => {
        if (changed !== tenantId) return;
        end();
        resolve(roleNow());
      });
    });
    await world.test.asOwner(`UPDATE memberships SET role = 'VIEWER' WHERE person_id = $1`, [personId]);
    await world.test.asOwner(`SELECT pg_notify('millrace_access', $1)`, [`${tenantId}:${personId}`]);
    expect(await told).toBe('VIEWER');
  });
});
