import { withinASecond } from '@millrace/testkit';
import { Secret, TOTP } from 'otpauth';
import { type AuthWorld, createAuthWorld, password, secrets } from '../test/auth-world.ts';
import type { Actor, PersonActor, SignedIn } from './index.ts';

let world: AuthWorld;
beforeAll(async () => {
  world = await createAuthWorld();
});
afterAll(() => world.close());
afterEach(() => world.time.forward(600)); // no code of one test is good in the next

/** What the app shows, a number of steps of 30 s from now. */
function codeOf(secret: string, steps = 0): string {
  return new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: world.time.now.getTime() + steps * 30_000 });
}

async function begun(actor: PersonActor): Promise<{ secret: string; uri: string }> {
  const outcome = await world.auth.secondFactor.begin(actor, { password });
  if (outcome.type !== 'begun') throw new Error(outcome.type);
  return outcome;
}

interface Protected {
  tenantId: string;
  email: string;
  actor: PersonActor;
  session: SignedIn;
  secret: string;
  recoveryCodes: string[];
}

/** Somebody with a second factor; the code of this moment is used up. */
async function withSecondFactor(): Promise<Protected> {
  const { tenantId, email } = await world.tenant();
  const session = await world.signedIn(email);
  const { secret } = await begun(session.actor);
  const outcome = await world.auth.secondFactor.confirm(session.actor, codeOf(secret));
  if (outcome.type !== 'confirmed') throw new Error(outcome.type);
  world.time.forward(90);
  return { tenantId, email, actor: session.actor, session, secret, recoveryCodes: outcome.recoveryCodes };
}

const attempt = async (email: string, code?: string, given = password): Promise<string> => (await world.auth.signIn(email, given, {}, code)).type;

describe('setting it up', () => {
  it('takes a code of the new secret, shows ten recovery codes once, and ends the other sessions', async () => {
    const { tenantId, email } = await world.tenant();
    const [other, { actor }] = [await world.signedIn(email), await world.signedIn(email)];
    const { secret, uri } = await begun(actor);
    expect(uri).toMatch(/^otpauth:\/\/totp\/Millrace:.+@?.*secret=/);
    expect(uri).toContain(`secret=${secret}`);
    expect(await attempt(email)).toBe('signed-in'); // not in force before it is proven
    expect(await world.auth.secondFactor.confirm(actor, codeOf(secret, 5))).toEqual({ type: 'code-wrong' });
    const confirmed = await world.auth.secondFactor.confirm(actor, codeOf(secret));
    const codes = confirmed.type === 'confirmed' ? confirmed.recoveryCodes : [];
    expect(new Set(codes).size).toBe(10);
    for (const code of codes) expect(code).toMatch(/^[2-9a-hjkmnp-tv-z]{5}-[2-9a-hjkmnp-tv-z]{5}$/);
    await withinASecond(async () => (await world.auth.authenticate(other.accessToken)) === null);
    expect((await world.auth.refresh(other.refreshToken)).type).toBe('refused');
    const lines = (await world.trail(tenantId)).filter(({ action }) => action.startsWith('second_factor'));
    expect(lines.map(({ action, details }) => [action, details])).toEqual([
      ['second_factor.begin', null],
      ['second_factor.confirm', { endedSessions: 2 }],
    ]);
  });

  it('asks for the password, each wrong one being a guess like those at sign-in', async () => {
    const { tenantId, email } = await world.tenant();
    const { actor } = await world.signedIn(email);
    const { secret } = await begun(actor);
    const outcomes: string[] = [];
    for (let i = 0; i < 6; i++) outcomes.push((await world.auth.secondFactor.begin(actor, { password: `guess ${i}` })).type);
    expect(outcomes).toEqual([...Array.from({ length: 5 }, () => 'refused'), 'too-many-attempts']);
    expect(await world.auth.secondFactor.begin(actor, { password })).toMatchObject({ type: 'too-many-attempts' });
    expect(await attempt(email)).toBe('too-many-attempts');
    expect((await world.trail(tenantId)).filter(({ action, result }) => action === 'second_factor.begin' && result === 'sign_in_refused')).toHaveLength(5);
    // The secret is the one of before.
    expect((await world.auth.secondFactor.confirm(actor, codeOf(secret))).type).toBe('confirmed');
  });

  it('leaves neither the secret nor a recovery code in the database', async () => {
    const { actor, secret, recoveryCodes } = await withSecondFactor();
    const [person] = await world.test.asOwner('SELECT * FROM people WHERE id = $1', [actor.personId]);
    const codes = await world.test.asOwner('SELECT * FROM recovery_codes WHERE person_id = $1', [actor.personId]);
    const text = JSON.stringify([person, codes]);
    for (const hidden of [secret, ...recoveryCodes, ...recoveryCodes.map((code) => code.replace('-', ''))]) expect(text).not.toContain(hidden);
    expect(codes).toHaveLength(10);
  });

  it('cannot be begun again while it is on, nor confirmed when it was not begun', async () => {
    const { actor } = await withSecondFactor();
    expect(await world.auth.secondFactor.begin(actor, { password })).toEqual({ type: 'on-already' });
    expect(await world.auth.secondFactor.confirm(actor, '000000')).toEqual({ type: 'not-begun' });
    const { email } = await world.tenant();
    expect(await world.auth.secondFactor.confirm((await world.signedIn(email)).actor, '000000')).toEqual({ type: 'not-begun' });
  });

  it('is for whoever came in by password: who acts for a person in one tenant does not change the account', async () => {
    const { email } = await world.tenant();
    const { actor } = await world.signedIn(email);
    await world.test.asOwner(`UPDATE sessions SET method = 'SSO' WHERE id = $1`, [actor.sessionId]);
    await expect(world.auth.secondFactor.begin(actor, { password })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(world.auth.secondFactor.confirm(actor, '000000')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(world.auth.secondFactor.remove(actor, { password, code: '000000' })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('signing in with it', () => {
  it('opens nothing without a code, and is refused with a wrong one exactly as with a wrong password', async () => {
    const { email, tenantId, actor, secret } = await withSecondFactor();
    const sessions = () => world.test.asOwner('SELECT id FROM sessions WHERE person_id = $1', [actor.personId]);
    const before = await sessions();
    expect(await world.auth.signIn(email, password)).toEqual({ type: 'second-factor-required' });
    expect(await world.auth.signIn(email, password, {}, '')).toEqual({ type: 'second-factor-required' });
    const refused = await world.auth.signIn(email, 'wrong', {}, codeOf(secret));
    expect(await world.auth.signIn(email, password, {}, codeOf(secret, 9))).toEqual(refused);
    expect(await world.auth.signIn(email, 'wrong')).toEqual(refused);
    expect(await sessions()).toEqual(before);
    expect((await world.trail(tenantId)).slice(-5).map(({ result, details }) => [result, details])).toEqual([
      ['second_factor_required', {}],
      ['second_factor_required', {}],
      ['sign_in_refused', { factor: 'password' }],
      ['sign_in_refused', { factor: 'code' }],
      ['sign_in_refused', { factor: 'password' }],
    ]);
    expect(await attempt(email, codeOf(secret))).toBe('signed-in');
  });

  it('takes the step before and the one after, and no other', async () => {
    for (const [steps, outcome] of [[-2, 'refused'], [-1, 'signed-in'], [0, 'signed-in'], [1, 'signed-in'], [2, 'refused']] as const) {
      const { email, secret } = await withSecondFactor();
      expect([steps, await attempt(email, codeOf(secret, steps))]).toEqual([steps, outcome]);
    }
  });

  it('takes each code once, of many who send it at the same time too, and none that is older', async () => {
    const { email, secret } = await withSecondFactor();
    const code = codeOf(secret);
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => attempt(email, `${code.slice(0, 3)} ${code.slice(3)}`)));
    expect(outcomes.filter((type) => type === 'signed-in')).toHaveLength(1);
    expect(await attempt(email, code)).not.toBe('signed-in');
    const other = await withSecondFactor();
    expect(await attempt(other.email, codeOf(other.secret, 1))).toBe('signed-in');
    expect(await attempt(other.email, codeOf(other.secret, 0))).toBe('refused');
  });

  it('takes each recovery code once, with or without its dash', async () => {
    const { email, recoveryCodes } = await withSecondFactor();
    const [first, second, third] = recoveryCodes as [string, string, string];
    expect(await attempt(email, first)).toBe('signed-in');
    expect(await attempt(email, first)).toBe('refused');
    expect(await attempt(email, ` ${second.replace('-', '').toUpperCase()} `)).toBe('signed-in');
    const outcomes = await Promise.all(Array.from({ length: 4 }, () => attempt(email, third)));
    expect(outcomes.filter((type) => type === 'signed-in')).toHaveLength(1);
    const stranger = await withSecondFactor();
    expect(await attempt(stranger.email, recoveryCodes[5])).toBe('refused');
  });

  it('throttles codes like passwords; asking which factor is needed does not begin the count anew', async () => {
    const { email, secret } = await withSecondFactor();
    for (let i = 0; i < 5; i++) {
      expect(await attempt(email)).toBe('second-factor-required');
      expect(await attempt(email, codeOf(secret, 5 + i))).toBe('refused');
    }
    expect(await attempt(email)).toBe('too-many-attempts');
    expect(await attempt(email, codeOf(secret))).toBe('too-many-attempts');
  });

  it('fails closed when the pepper, with which the secret was sealed, is another', async () => {
    const { email, secret, recoveryCodes } = await withSecondFactor();
    const changed = world.elsewhere({ keyPepper: 'another pepper, which is long enough too' });
    expect((await changed.signIn(email, password, {}, codeOf(secret))).type).toBe('refused');
    expect((await changed.signIn(email, password, {}, recoveryCodes[0])).type).toBe('refused');
  });

  it('does not open a secret that was copied from another person', async () => {
    const [ann, bob] = [await withSecondFactor(), await withSecondFactor()];
    await world.test.asOwner('UPDATE people SET totp_sealed = (SELECT totp_sealed FROM people WHERE id = $2) WHERE id = $1', [ann.actor.personId, bob.actor.personId]);
    expect(await attempt(ann.email, codeOf(bob.secret))).toBe('refused');
  });
});

describe('taking it off', () => {
  it('asks for password and code, ends the other sessions, and is written down', async () => {
    const { email, tenantId, actor, secret, recoveryCodes } = await withSecondFactor();
    const other = await world.auth.signIn(email, password, {}, recoveryCodes[0]);
    const remove = (given: string, code: string) => world.auth.secondFactor.remove(actor, { password: given, code });
    expect(await remove('wrong', codeOf(secret))).toEqual({ type: 'refused' });
    expect(await remove(password, codeOf(secret, 7))).toEqual({ type: 'refused' });
    expect(await remove(password, codeOf(secret))).toEqual({ type: 'removed' });
    expect(await remove(password, '')).toEqual({ type: 'off-already' });
    expect(other.type === 'signed-in' && (await world.auth.refresh(other.refreshToken)).type).toBe('refused');
    expect(await attempt(email)).toBe('signed-in');
    expect(await world.test.asOwner('SELECT 1 FROM recovery_codes WHERE person_id = $1', [actor.personId])).toEqual([]);
    const lines = (await world.trail(tenantId)).filter(({ action }) => action === 'second_factor.remove');
    expect(lines.map(({ result }) => result)).toEqual(['sign_in_refused', 'sign_in_refused', 'ok']);
  });

  it('is throttled: a session left open is no place to guess passwords', async () => {
    const { actor, secret } = await withSecondFactor();
    const outcomes: string[] = [];
    for (let i = 0; i < 6; i++) outcomes.push((await world.auth.secondFactor.remove(actor, { password: `guess ${i}`, code: codeOf(secret) })).type);
    expect(outcomes).toEqual([...Array<string>(5).fill('refused'), 'too-many-attempts']);
  });

  it('is done by an operator for somebody who has lost everything, in sight of their tenant', async () => {
    const lost = await withSecondFactor();
    const operator: Actor = { ...lost.actor, role: 'OPERATOR' };
    await expect(world.auth.secondFactor.reset(lost.actor, lost.email)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await world.auth.secondFactor.reset(operator, 'nobody@example.com')).toEqual({ type: 'person-not-found' });
    expect(await world.auth.secondFactor.reset(operator, ` ${lost.email.toUpperCase()}`)).toEqual({ type: 'reset' });
    await withinASecond(async () => (await world.auth.authenticate(lost.session.accessToken)) === null);
    expect(await attempt(lost.email)).toBe('signed-in');
    expect((await world.trail(lost.tenantId)).map(({ action }) => action)).toContain('second_factor.reset');
  });
});

describe('a new pepper', () => {
  it('leaves codes and recovery codes good as long as the old one is kept, and not a moment longer', async () => {
    const { email, secret, recoveryCodes } = await withSecondFactor();
    const keyPepper = 'another pepper, long enough for an HMAC';
    const changed = world.elsewhere({ keyPepper, retiredKeyPeppers: [secrets.keyPepper] });
    expect((await changed.signIn(email, password, {}, codeOf(secret))).type).toBe('signed-in');
    expect((await changed.signIn(email, password, {}, recoveryCodes[0])).type).toBe('signed-in');
    const forgetful = world.elsewhere({ keyPepper });
    world.time.forward(90);
    expect((await forgetful.signIn(email, password, {}, codeOf(secret))).type).toBe('refused');
    expect((await forgetful.signIn(email, password, {}, recoveryCodes[1])).type).toBe('refused');
  });
});
