import { DomainError, type Problem } from '@millrace/kernel';
import { hash, verify } from '@node-rs/argon2';

/** OWASP's setting for argon2id: 19 MiB, two passes, one lane; about 20 ms of one core. */
const settings = { memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };
const maxAtOnce = 2;
const maxWaiting = 20;

const tooCommon = new Set([
  'password', 'password1', '12345678', '123456789', '1234567890', 'qwertyui', 'qwerty123', 'iloveyou', 'sunshine', 'princess',
  'football', 'baseball', 'welcome1', 'trustno1', 'superman', 'letmein1', 'passw0rd', 'changeme', 'abcd1234', '11111111',
  '00000000', 'millrace',
]);

/** What is wrong with a new password, if anything: length and the commonest ones, no rules of composition. */
export function passwordProblem(password: string): Problem | null {
  const problem = (message: string, remedy: string): Problem => ({ code: 'password_unfit', field: 'password', message, remedy });
  if ([...password].length < 8) return problem('The password is too short.', 'Use at least 8 characters.');
  if (password.length > 256) return problem('The password is too long.', 'Use at most 256 characters.');
  if (tooCommon.has(password.toLowerCase())) return problem('This password is among the commonest.', 'Choose another one.');
  return null;
}

let running = 0;
const waiting: (() => void)[] = [];

/** Hashing is dear on purpose: few at once, a short queue, and then a refusal instead of a machine that stands still. */
async function limited<T>(work: () => Promise<T>): Promise<T> {
  if (running >= maxAtOnce) {
    if (waiting.length >= maxWaiting) {
      throw new DomainError('TOO_MANY_REQUESTS', 'Too many people sign in at this moment.', { remedy: 'Try again in a few seconds.' });
    }
    await new Promise<void>((resolve) => waiting.push(resolve));
  } else {
    running++;
  }
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}

export const hashPassword = (password: string): Promise<string> => limited(() => hash(password, settings));

let decoy: Promise<string> | undefined;

/** Verifies against a decoy when there is no such person, so that the answer takes as long. */
export async function verifyPassword(storedHash: string | null, password: string): Promise<boolean> {
  decoy ??= hash('a password that nobody has', settings);
  const target = storedHash ?? (await decoy);
  const matches = await limited(() => verify(target, password).catch(() => false));
  return matches && storedHash !== null;
}
