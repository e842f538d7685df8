import { hashPassword, inTurn, isOutdated, passwordProblem, verifyInTurn } from './password.ts';

describe('a new password', () => {
  const owner = { email: 'ann.smith@acme.example', name: 'Annabel Smith', tenantNames: ['Acme Mills'] };

  it.each([
    ['short', 'too short'],
    ['𝒶𝒷𝒸𝒹𝑒𝒻𝑔', 'too short'], // seven characters, whatever they take to write down
    ['x'.repeat(257), 'too long'],
    ['password1', 'commonest'],
    ['TrustNo1'.toUpperCase(), 'commonest'],
    ['footballs', 'commonest'],
    ['Millrace', 'commonest'],
    ['Ann.Smith@acme.example', 'your own'],
    ['ann.smith', 'your own'],
    [' annabel SMITH ', 'your own'],
    ['acme mills', 'your own'],
  ])('%s is refused', async (password, why) => {
    expect((await passwordProblem(password, owner))?.message).toContain(why);
  });

  it.each(['correct horse battery', 'annabel smith 2', 'x'.repeat(256), 'пароль по-русски', '        8'])('%s is fit', async (password) => {
    expect(await passwordProblem(password, owner)).toBeNull();
  });

  it('is named by the field that it came in', async () => {
    expect(await passwordProblem('short', owner, 'newPassword')).toMatchObject({ field: 'newPassword', code: 'password_unfit' });
  });
});

describe('a stored hash', () => {
  it('is verified, and outdated when it was made with other settings', async () => {
    const stored = await hashPassword('correct horse battery');
    expect(await inTurn(undefined, () => verifyInTurn(stored, 'correct horse battery'))).toBe(true);
    expect(await inTurn(undefined, () => verifyInTurn(stored, 'correct horse batterz'))).toBe(false);
    expect(await inTurn(undefined, () => verifyInTurn(null, 'a password that nobody has'))).toBe(false);
    expect(isOutdated(stored)).toBe(false);
    expect(isOutdated(stored.replace('t=2', 't=1'))).toBe(true);
  });
});
