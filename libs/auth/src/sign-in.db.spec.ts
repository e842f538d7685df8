import { newId } from '@millrace/kernel';
import { hash } from '@node-rs/argon2';
import { type AuthWorld, createAuthWorld, password } from '../test/auth-world.ts';
import { defaultSignInLimits } from './index.ts';

const { account, address } = defaultSignInLimits;

let world: AuthWorld;
beforeAll(async () => {
  // A tenth of what is let through by default, for quick tests.
  world = await createAuthWorld({ signInLimits: { account: { ...account, failures: 10 }, address: { ...address, failures: 5 } } });
});
afterAll(() => world.close());

/** An address that nobody has come from. */
let addresses = 0;
const newAddress = (): string => `198.18.${Math.floor(++addresses / 256)}.${addresses % 256}`;
const newEmail = (): string => `${newId('person')}@example.com`;

const attempt = async (email: string, given: string, address: string, code?: string): Promise<string> =>
  (await world.auth.signIn(email, given, { address }, code)).type;
/** The outcomes of several attempts one after the other. */
async function attempts(count: number, email: string, given: string, address: () => string): Promise<string[]> {
  const outcomes: string[] = [];
  for (let i = 0; i < count; i++) outcomes.push(await attempt(email, given, address()));
  return outcomes;
}
const times = (count: number, outcome: string): string[] => Array<string>(count).fill(outcome);

/** Lets the database's time pass for everything that is counted. */
const letTimePass = (seconds: number) =>
  world.test.asOwner(`UPDATE sign_in_throttles SET window_ends = window_ends - interval '${seconds} s', locked_until = locked_until - interval '${seconds} s'`);

describe('a sign-in', () => {
  it('is refused alike, whatever keeps somebody out', async () => {
    const { auth, test } = world;
    const suspended = await world.tenant();
    await test.asOwner(`UPDATE tenants SET status = 'SUSPENDED' WHERE id = $1`, [suspended.tenantId]);
    const removed = await world.tenant();
    await test.asOwner(`DELETE FROM memberships WHERE person_id = $1`, [removed.personId]);
    const withoutPassword = await world.tenant();
    await test.asOwner(`UPDATE people SET password_hash = NULL WHERE id = $1`, [withoutPassword.personId]);
    const { email } = await world.tenant();
    for (const [who, given] of [[suspended.email, password], [removed.email, password], [withoutPassword.email, ''], [email, ''], ['', ''], ['x'.repeat(9_999), '\u0000']] as const) {
      expect(await auth.signIn(who, given, { address: newAddress() })).toEqual({ type: 'refused' });
    }
  });

  it('leads home: not into the operators’ tenant, where there is another', async () => {
    const { auth } = world;
    const email = newEmail();
    const created = await auth.createTenant({ tenantName: 'Acme', name: 'Olga', email, password, operator: true });
    const { actor } = await world.signedIn(email);
    expect(actor).toMatchObject({ role: 'OWNER', tenantId: created.type === 'created' && created.tenantId });
    await world.test.asOwner(`DELETE FROM memberships WHERE person_id = $1 AND role = 'OWNER'`, [actor.personId]);
    expect((await world.signedIn(email)).actor.role).toBe('OPERATOR');
  });

  it('hashes the password anew when it was hashed with other settings', async () => {
    const { personId, email } = await world.tenant();
    const old = await hash(password, { memoryCost: 8 * 1024, timeCost: 1, parallelism: 1 });
    await world.test.asOwner('UPDATE people SET password_hash = $2 WHERE id = $1', [personId, old]);
    const stored = async () => (await world.test.asOwner<{ password_hash: string }>('SELECT password_hash FROM people WHERE id = $1', [personId]))[0]!.password_hash;
    expect(await attempt(email, 'wrong', newAddress())).toBe('refused');
    expect(await stored()).toBe(old);
    expect(await attempt(email, password, newAddress())).toBe('signed-in');
    const renewed = await stored();
    expect(renewed).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await attempt(email, password, newAddress())).toBe('signed-in');
    expect(await stored()).toBe(renewed);
  });

  it('leaves a line in the trail for each refusal, and says when it was the last before a lock', async () => {
    const { tenantId, email } = await world.tenant();
    const address = newAddress();
    await attempts(6, email, 'wrong', () => address);
    const lines = (await world.trail(tenantId)).filter(({ action }) => action === 'session.open');
    expect(lines.map(({ result, details }) => [result, details])).toEqual([
      ...Array(4).fill(['sign_in_refused', { factor: 'password' }]),
      ['sign_in_refused', { factor: 'password', locked: true }],
    ]);
  });

  it('waits for a place in turn, whoever floods the door', async () => {
    const { email } = await world.tenant();
    const flooding = newAddress();
    const flood = Array.from({ length: 100 }, () => world.auth.signIn(newEmail(), 'x', { address: flooding }).catch((error: { code: string }) => ({ type: error.code })));
    const bystander = world.auth.signIn(email, password, { address: newAddress() });
    expect((await bystander).type).toBe('signed-in');
    const outcomes = (await Promise.all(flood)).map(({ type }) => type);
    expect(outcomes.filter((type) => type === 'TOO_MANY_REQUESTS')).toHaveLength(93); // but two inside and five waiting
  });
});

it('is open to others while somebody floods the set-up with links that are not good', async () => {
  const { email } = await world.tenant();
  const input = { tenantName: 'Acme', name: 'Mallory', email: newEmail(), password };
  const flood = Array.from({ length: 40 }, () => world.auth.setUp('no link', input).then(({ type }) => type, ({ code }: { code: string }) => code));
  expect((await world.auth.signIn(email, password, { address: newAddress() })).type).toBe('signed-in');
  expect(new Set(await Promise.all(flood))).toEqual(new Set(['link-invalid']));
});

describe.each(['a known', 'an unknown'])('guesses at %s account', (kind) => {
  const newAccount = async () => (kind === 'a known' ? (await world.tenant()).email : newEmail());

  it('from one address are locked after five, for 30 s, then for twice as long each time, up to 15 minutes', async () => {
    const email = await newAccount();
    const address = newAddress();
    expect(await attempts(6, email, 'wrong', () => address)).toEqual([...times(5, 'refused'), 'too-many-attempts']);
    const locked = await world.auth.signIn(email, password, { address });
    expect(locked.type === 'too-many-attempts' && locked.retryAfterSeconds).toBeGreaterThan(25);
    const waits: number[] = [];
    for (let i = 0; i < 7; i++) {
      await letTimePass(900);
      expect(await attempt(email, 'wrong', address)).toBe('refused');
      const refused = await world.auth.signIn(email, 'wrong', { address });
      waits.push(refused.type === 'too-many-attempts' ? Math.ceil(refused.retryAfterSeconds / 30) * 30 : 0);
    }
    expect(waits).toEqual([60, 120, 240, 480, 900, 900, 900]);
  });

  it('are counted before they are looked at, so that guesses at the same time count as well', async () => {
    const email = await newAccount();
    const processes = [world.auth, world.elsewhere()];
    // Two inside and twenty waiting, and all for the same pair.
    const outcomes = await Promise.all(Array.from({ length: 22 }, (_, i) => processes[i % 2]!.signIn(email, 'wrong')));
    expect(outcomes.filter(({ type }) => type === 'refused')).toHaveLength(5);
    expect(outcomes.filter(({ type }) => type === 'too-many-attempts')).toHaveLength(17);
  });

  it('from everywhere are locked after a hundred (here: ten) an hour', async () => {
    const email = await newAccount();
    expect(await attempts(11, email, 'wrong', newAddress)).toEqual([...times(10, 'refused'), 'too-many-attempts']);
    await letTimePass(901);
    expect(await attempts(2, email, 'wrong', newAddress)).toEqual(['refused', 'too-many-attempts']);
    await letTimePass(3_600);
    expect(await attempts(2, email, 'wrong', newAddress)).toEqual(['refused', 'refused']);
  });
});

describe('nobody locks another out', () => {
  it('from an address that the person has signed in from, by guesses from elsewhere', async () => {
    const { email } = await world.tenant();
    const home = newAddress();
    expect(await attempt(email, password, home)).toBe('signed-in');
    await attempts(10, email, 'wrong', newAddress);
    expect(await attempt(email, password, newAddress())).toBe('too-many-attempts');
    expect(await attempt(email, password, home)).toBe('signed-in');
    await world.test.asOwner(`UPDATE known_addresses SET last_used_at = last_used_at - interval '91 days'`);
    expect(await attempt(email, password, home)).toBe('too-many-attempts');
  });

  it('behind an address that they share, by guesses at others', async () => {
    const { email } = await world.tenant();
    const newcomer = await world.tenant();
    const shared = newAddress();
    expect(await attempt(email, password, shared)).toBe('signed-in');
    const guesses: string[] = [];
    for (let i = 0; i < 6; i++) guesses.push(await attempt(newEmail(), 'wrong', shared));
    expect(guesses).toEqual([...times(5, 'refused'), 'too-many-attempts']);
    expect(await attempt(email, password, shared)).toBe('signed-in');
    expect(await attempt(newcomer.email, password, shared)).toBe('too-many-attempts');
    expect(await attempt(newcomer.email, password, newAddress())).toBe('signed-in');
    await letTimePass(601);
    expect(await attempt(newcomer.email, password, shared)).toBe('signed-in');
  });

  it('by signing in: whoever gets in is no failure, and begins anew', async () => {
    const { email } = await world.tenant();
    const address = newAddress();
    for (let round = 0; round < 3; round++) {
      expect(await attempts(4, email, 'wrong', () => address)).toEqual(times(4, 'refused'));
      expect(await attempt(email, password, address)).toBe('signed-in');
    }
    const entrance = newAddress();
    for (let i = 0; i < 7; i++) expect(await attempt((await world.tenant()).email, password, entrance)).toBe('signed-in');
  });
});

describe('what is counted', () => {
  it('is by default as the guide says', () => {
    expect(defaultSignInLimits).toEqual({
      pair: { failures: 5, withinSeconds: 86_400, lockSeconds: 30, longestLockSeconds: 900 },
      account: { failures: 100, withinSeconds: 3_600, lockSeconds: 900, longestLockSeconds: 900 },
      address: { failures: 50, withinSeconds: 600, lockSeconds: 600, longestLockSeconds: 600 },
      addressKnownDays: 90,
    });
  });

  it('holds neither addresses nor accounts in the clear', async () => {
    const email = newEmail();
    const address = newAddress();
    await attempt(email, 'wrong', address);
    const rows = JSON.stringify(await world.test.asOwner('SELECT * FROM sign_in_throttles UNION ALL SELECT person_id, 0, last_used_at, NULL FROM known_addresses'));
    expect(rows).not.toContain(email);
    expect(rows).not.toContain(address);
  });

  it('is forgotten when it has run out', async () => {
    await world.auth.sweep(); // what the tests before have let run out
    await attempts(6, newEmail(), 'wrong', newAddress);
    await world.signedIn((await world.tenant()).email, newAddress());
    const rows = () => world.test.asOwner('SELECT key FROM sign_in_throttles UNION ALL SELECT address_hmac FROM known_addresses');
    const before = (await rows()).length;
    await world.auth.sweep();
    expect((await rows()).length).toBe(before);
    await letTimePass(2 * 86_400);
    await world.test.asOwner(`UPDATE known_addresses SET last_used_at = last_used_at - interval '91 days'`);
    await world.auth.sweep();
    expect(await rows()).toEqual([]);
  });
});
