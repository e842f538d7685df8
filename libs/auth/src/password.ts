import { availableParallelism } from 'node:os';
import type { Problem } from '@millrace/kernel';
import { hash, verify } from '@node-rs/argon2';
import { HashingGate } from './hashing-gate.ts';

/** OWASP's setting for argon2id: 19 MiB, two passes, one lane; about 20 ms of one core. */
const settings = { memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };
const settingsInHash = `$argon2id$v=19$m=${settings.memoryCost},t=${settings.timeCost},p=${settings.parallelism}$`;

/** So many hash at once: one core is left to everything else. */
export const hashingPlaces = Math.min(2, Math.max(1, availableParallelism() - 1));

/** One for the process: it guards the processor. */
const gate = new HashingGate({ places: hashingPlaces, waiting: 20, waitingOfOne: 5, rest: 1 });

/** Whose password it is to be: none of this may be it. */
export interface PasswordOwner {
  email: string;
  name?: string;
  tenantNames?: readonly string[];
}

/** What is wrong with a new password, if anything: length, the commonest ones, and what anybody would try first. No rules of composition. */
export async function passwordProblem(password: string, owner: PasswordOwner, field = 'password'): Promise<Problem | null> {
  const problem = (message: string, remedy: string): Problem => ({ code: 'password_unfit', field, message, remedy });
  if ([...password].length < 8) return problem('The password is too short.', 'Use at least 8 characters.');
  if (password.length > 256) return problem('The password is too long.', 'Use at most 256 characters.');
  const plain = plainOf(password);
  if ((await commonPasswords()).has(plain)) return problem('This password is among the commonest.', 'Choose another one.');
  const own = [owner.email, owner.email.split('@', 1)[0]!, owner.name ?? '', ...(owner.tenantNames ?? [])];
  if (own.some((text) => plainOf(text) === plain)) {
    return problem('This password is your own name, address or tenant.', 'Choose one that nobody would guess who knows you.');
  }
  return null;
}

const plainOf = (text: string): string => text.trim().toLowerCase();

let common: Promise<ReadonlySet<string>> | undefined;

/** Read when the first password is chosen: most processes never need the list. */
function commonPasswords(): Promise<ReadonlySet<string>> {
  common ??= import('@zxcvbn-ts/language-common').then(
    ({ dictionary }) => new Set([...dictionary['passwords-common'].map((password) => password.toLowerCase()), 'millrace', 'millrace1']),
  );
  return common;
}

/**
 * Does all the work of one attempt in a place of the gate, hashing and database alike: a flood then holds up neither the
 * processor nor the connections of the others.
 * @throws DomainError TOO_MANY_REQUESTS while too many try
 */
export function inTurn<T>(address: string | undefined, work: () => Promise<T>): Promise<T> {
  return gate.run(address, work);
}

/** Whether work from there would find a place at this moment, or a wait for one. */
export const hasTurnFor = (address: string | undefined): boolean => gate.hasRoomFor(address);

/** Waits for its turn. Not within `inTurn`, which would wait for itself. */
export const hashPassword = (password: string, address?: string): Promise<string> => inTurn(address, () => hash(password, settings));

/** Within `inTurn` only. */
export const hashInTurn = (password: string): Promise<string> => hash(password, settings);

let decoy: Promise<string> | undefined;

/** Verifies against a decoy when there is no password to compare with, so that the answer takes as long. Within `inTurn` only. */
export async function verifyInTurn(storedHash: string | null, password: string): Promise<boolean> {
  decoy ??= hash('a password that nobody has', settings);
  const target = storedHash ?? (await decoy);
  const matches = await verify(target, password).catch(() => false);
  return matches && storedHash !== null;
}

/** Whether a hash was made with other settings than today's. */
export const isOutdated = (storedHash: string): boolean => !storedHash.startsWith(settingsInHash);
