import type { Database } from '@millrace/database';
import { newId, silentLogger } from '@millrace/kernel';
import { withinASecond } from '@millrace/testkit';
import { type AuthWorld, createAuthWorld, password } from '../test/auth-world.ts';
import { type Actor, type MailMessage, platformTenantId } from './index.ts';
import { hashPassword } from './password.ts';

let world: AuthWorld;
let mailbox: MailMessage[];
let received: (message: MailMessage) => void;
beforeAll(async () => {
  world = await createAuthWorld({
    mail: {
      async send(message) {
        mailbox.push(message);
        received(message);
      },
    },
  });
});
beforeEach(() => {
  mailbox = [];
  received = () => undefined;
});
afterAll(() => world.close());

const newPassword = 'a better horse battery';
const attempt = async (email: string, given: string): Promise<string> => (await world.auth.signIn(email, given)).type;

/** The token in the mail that a request leads to. */
async function mailedToken(email: string): Promise<string> {
  const mail = new Promise<MailMessage>((resolve) => (received = resolve));
  await world.auth.passwords.requestReset(email);
  return (await mail).token;
}

describe('changing a password', () => {
  it('asks for the present one, and ends all other sessions', async () => {
    const { email, tenantId } = await world.tenant();
    const [other, mine] = [await world.signedIn(email), await world.signedIn(email)];
    const change = (currentPassword: string, next = newPassword) => world.auth.passwords.change(mine.actor, { currentPassword, newPassword: next });
    expect(await change('wrong')).toEqual({ type: 'refused' });
    expect(await attempt(email, password)).toBe('signed-in');
    expect(await change(password)).toEqual({ type: 'changed', endedSessions: 2 });
    await withinASecond(async () => (await world.auth.authenticate(other.accessToken)) === null);
    expect((await world.auth.refresh(other.refreshToken)).type).toBe('refused');
    expect(await world.auth.authenticate(mine.accessToken)).not.toBeNull();
    expect((await world.auth.refresh(mine.refreshToken)).type).toBe('signed-in');
    expect([await attempt(email, password), await attempt(email, newPassword)]).toEqual(['refused', 'signed-in']);
    const lines = (await world.trail(tenantId)).filter(({ action }) => action === 'password.change');
    expect(lines.map(({ result, details }) => [result, details])).toEqual([['sign_in_refused', null], ['ok', { endedSessions: 2 }]]);
  });

  it('leaves no session behind that a sign-in with the old one was about to open', async () => {
    const { email, personId } = await world.tenant();
    const { database } = world.test;
    const changed = await hashPassword(newPassword);
    let transactions = 0;
    /**
     * The first counts the attempt, after which the password is checked; the second opens the session. The change comes as
     * from another process: in this one it would wait for the place that the sign-in holds.
     */
    const between: Database = {
      ...database,
      system: () => ({
        ...database.system(),
        async transaction(work) {
          if (++transactions === 2) await world.test.asOwner('UPDATE people SET password_hash = $1 WHERE id = $2', [changed, personId]);
          return database.system().transaction(work);
        },
      }),
    };
    expect((await world.elsewhere({ database: between }).signIn(email, password)).type).toBe('refused');
    expect(transactions).toBe(2);
    expect(await attempt(email, newPassword)).toBe('signed-in');
  });

  it('ends sessions in other tenants too', async () => {
    const [one, other] = [await world.tenant(), await world.tenant()];
    const here = await world.signedIn(one.email);
    const there = await world.signedIn(one.email);
    await world.test.asOwner(`INSERT INTO memberships (tenant_id, person_id, role) VALUES ($1, $2, 'VIEWER')`, [other.tenantId, one.personId]);
    await world.test.asOwner('UPDATE sessions SET tenant_id = $1 WHERE id = $2', [other.tenantId, there.actor.sessionId]);
    expect(await world.auth.passwords.change(here.actor, { currentPassword: password, newPassword })).toEqual({ type: 'changed', endedSessions: 1 });
    expect((await world.auth.refresh(there.refreshToken)).type).toBe('refused');
  });

  it('has one winner among many at the same time', async () => {
    const { email } = await world.tenant();
    const { actor } = await world.signedIn(email);
    const outcomes = await Promise.all([1, 2, 3].map((n) => world.auth.passwords.change(actor, { currentPassword: password, newPassword: `${newPassword} ${n}` })));
    expect(outcomes.map(({ type }) => type).sort()).toEqual(['changed', 'refused', 'refused']);
  });

  it('takes no unfit one: too short, too common, or the person’s own name, address or tenant', async () => {
    const { email } = await world.tenant();
    const { actor } = await world.signedIn(email);
    for (const unfit of ['short', 'password1', email, email.split('@')[0]!, 'Ann Owner']) {
      const outcome = await world.auth.passwords.change(actor, { currentPassword: password, newPassword: unfit });
      expect(outcome.type === 'invalid' && outcome.problems.map(({ field }) => field)).toEqual(['newPassword']);
    }
  });

  it('is throttled: a session left open is no place to guess passwords', async () => {
    const { email } = await world.tenant();
    const { actor } = await world.signedIn(email);
    const outcomes: string[] = [];
    for (let i = 0; i < 6; i++) outcomes.push((await world.auth.passwords.change(actor, { currentPassword: `guess ${i}`, newPassword })).type);
    expect(outcomes).toEqual([...Array<string>(5).fill('refused'), 'too-many-attempts']);
  });

  it('is for whoever came in by password', async () => {
    const { email } = await world.tenant();
    const { actor } = await world.signedIn(email);
    await world.test.asOwner(`UPDATE sessions SET method = 'GRANT' WHERE id = $1`, [actor.sessionId]);
    await expect(world.auth.passwords.change(actor, { currentPassword: password, newPassword })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('a link for a new password', () => {
  it('works once, within its hour, and ends all sessions', async () => {
    const { email, tenantId } = await world.tenant();
    const before = await world.signedIn(email);
    const token = await mailedToken(` ${email.toUpperCase()}`);
    expect(mailbox).toEqual([{ type: 'password-reset', to: email, name: 'Ann Owner', token, expiresAt: new Date(world.time.now.getTime() + 3_600_000) }]);
    expect((await world.auth.passwords.reset(token, 'short')).type).toBe('invalid');
    const outcomes = await Promise.all([1, 2, 3].map(() => world.auth.passwords.reset(token, newPassword)));
    expect(outcomes.map(({ type }) => type).sort()).toEqual(['link-invalid', 'link-invalid', 'reset']);
    await withinASecond(async () => (await world.auth.authenticate(before.accessToken)) === null);
    expect((await world.auth.refresh(before.refreshToken)).type).toBe('refused');
    expect([await attempt(email, password), await attempt(email, newPassword)]).toEqual(['refused', 'signed-in']);
    expect((await world.trail(tenantId)).map(({ action }) => action)).toEqual(expect.arrayContaining(['password.request_reset', 'password.reset']));
  });

  it('stands in the database as a digest only', async () => {
    const { email, personId } = await world.tenant();
    const token = await mailedToken(email);
    expect(JSON.stringify(await world.test.asOwner('SELECT * FROM password_resets WHERE person_id = $1', [personId]))).not.toContain(token);
  });

  it('dies with its hour, with a later link, and with a change of the password', async () => {
    const { email } = await world.tenant();
    const [first, second] = [await mailedToken(email), await mailedToken(email)];
    expect((await world.auth.passwords.reset(first, newPassword)).type).toBe('link-invalid');
    const before = world.time.now;
    world.time.forward(3_601);
    expect((await world.auth.passwords.reset(second, newPassword)).type).toBe('link-invalid');
    world.time.now = before;
    await world.auth.passwords.change((await world.signedIn(email)).actor, { currentPassword: password, newPassword });
    expect((await world.auth.passwords.reset(second, 'yet another password')).type).toBe('link-invalid');
    for (const forged of ['', second.slice(1), `${second}x`]) expect((await world.auth.passwords.reset(forged, newPassword)).type).toBe('link-invalid');
  });

  it('lets somebody in who had locked the door with wrong guesses', async () => {
    const { email } = await world.tenant();
    const token = await mailedToken(email);
    for (let i = 0; i < 6; i++) await attempt(email, 'wrong');
    expect(await attempt(email, password)).toBe('too-many-attempts');
    await world.auth.passwords.reset(token, newPassword);
    expect(await attempt(email, newPassword)).toBe('signed-in');
  });

  it('leaves the second factor on', async () => {
    const { email } = await world.tenant();
    const { actor } = await world.signedIn(email);
    await world.auth.secondFactor.begin(actor, { password });
    await world.test.asOwner('UPDATE people SET totp_confirmed_at = now() WHERE id = $1', [actor.personId]);
    await world.auth.passwords.reset(await mailedToken(email), newPassword);
    expect(await attempt(email, newPassword)).toBe('second-factor-required');
  });

  it('is not sent to the unknown, to those without a password, or to those who could not come in; nor all too often', async () => {
    const withoutPassword = await world.tenant();
    await world.test.asOwner('UPDATE people SET password_hash = NULL WHERE id = $1', [withoutPassword.personId]);
    const suspended = await world.tenant();
    await world.test.asOwner(`UPDATE tenants SET status = 'SUSPENDED' WHERE id = $1`, [suspended.tenantId]);
    const { email } = await world.tenant();
    for (const asked of ['nobody@example.com', withoutPassword.email, suspended.email, email, email, email, email, email]) {
      expect(await world.auth.passwords.requestReset(asked, { address: '198.51.100.1' })).toBeUndefined();
    }
    expect(mailbox.map(({ to }) => to)).toEqual([email, email, email]);
  });

  it('is not waited for, and its failure is not told', async () => {
    const { email } = await world.tenant();
    const errors: string[] = [];
    const elsewhere = world.elsewhere({
      mail: { send: () => Promise.reject(new Error('no route to the mail server')) },
      logger: { ...silentLogger, error: (_fields, message) => void errors.push(message) },
    });
    await elsewhere.passwords.requestReset(email);
    expect(errors).toEqual(['a mail could not be sent']);
    const never = world.elsewhere({ mail: { send: () => new Promise(() => undefined) } });
    await never.passwords.requestReset(email);
  });

  it('is made in sight of every tenant that the account leads into, and of the platform where it is an operator’s', async () => {
    const [one, other] = [await world.tenant(), await world.tenant()];
    await world.test.asOwner(`INSERT INTO memberships (tenant_id, person_id, role) VALUES ($1, $2, 'ADMIN'), ($3, $2, 'OPERATOR')`, [other.tenantId, one.personId, platformTenantId]);
    await world.test.asOwner(`UPDATE tenants SET status = 'SUSPENDED' WHERE id = $1`, [other.tenantId]);
    const operator: Actor = { type: 'person', tenantId: platformTenantId, personId: newId('person'), sessionId: newId('session'), role: 'OPERATOR' };
    const created = await world.auth.passwords.createReset(operator, one.email);
    expect(created.type === 'created' && (await world.auth.passwords.reset(created.token, newPassword)).type).toBe('reset');
    await world.auth.secondFactor.reset(operator, one.email);
    for (const tenantId of [one.tenantId, other.tenantId, platformTenantId]) {
      expect((await world.trail(tenantId)).map(({ action }) => action)).toEqual(expect.arrayContaining(['password.create_reset', 'password.reset', 'second_factor.reset']));
    }
  });

  it('is made by an operator where no mail is sent, in sight of the person’s tenant', async () => {
    const { email, tenantId } = await world.tenant();
    const { actor } = await world.signedIn(email);
    const operator: Actor = { ...actor, role: 'OPERATOR' };
    await expect(world.auth.passwords.createReset(actor, email)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await world.auth.passwords.createReset(operator, 'nobody@example.com')).toEqual({ type: 'person-not-found' });
    const created = await world.auth.passwords.createReset(operator, email);
    expect(created.type === 'created' && (await world.auth.passwords.reset(created.token, newPassword)).type).toBe('reset');
    expect((await world.trail(tenantId)).map(({ action }) => action)).toContain('password.create_reset');
    const mute = world.elsewhere({ mail: undefined });
    expect([world.auth.passwords.canSendLinks, mute.passwords.canSendLinks]).toEqual([true, false]);
    await mute.passwords.requestReset(email);
  });
});
