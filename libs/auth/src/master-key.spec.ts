import { randomBytes } from 'node:crypto';
import { masterKeyProblem, masterKeysOf } from './index.ts';

it('takes 32 random bytes as base64url or base64, and tells both from the same key', () => {
  for (let i = 0; i < 2_000; i++) {
    const key = randomBytes(32);
    expect(masterKeyProblem(key.toString('base64url'))).toBeNull();
    expect(masterKeyProblem(key.toString('base64'))).toBeNull();
  }
  const key = randomBytes(32);
  const { current, retired } = masterKeysOf(key.toString('base64url'), [key.toString('base64')]);
  expect(Buffer.from(current.key).equals(key)).toBe(true);
  expect(retired[0]).toEqual(current);
  expect(masterKeysOf(randomBytes(32).toString('base64url')).current.id).not.toBe(current.id);
});

it.each([
  ['', /43 characters/],
  [randomBytes(31).toString('base64url'), /43 characters/],
  [randomBytes(33).toString('base64url'), /43 characters/],
  [randomBytes(16).toString('hex'), /43 characters/],
  [`${randomBytes(32).toString('base64url').slice(0, 42)}!`, /43 characters/],
  [Buffer.alloc(32).toString('base64url'), /no random key/],
  [Buffer.alloc(32, 'abcd').toString('base64url'), /no random key/],
  [Buffer.from(Array.from({ length: 32 }, (_, i) => 250 - 3 * i)).toString('base64url'), /no random key/],
  [Buffer.from('this is a sentence, and no key!!').toString('base64url'), /no random key/],
])('refuses %j without repeating it, and says how to make one', (text, problem) => {
  expect(masterKeyProblem(text)).toMatch(problem);
  expect(masterKeyProblem(text)).toMatch(/openssl rand -base64 32/);
  if (text) expect(masterKeyProblem(text)).not.toContain(text);
  expect(() => masterKeysOf(text)).toThrow(problem);
});
