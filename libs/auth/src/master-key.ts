import { createHash } from 'node:crypto';
import type { SecretKind } from '@millrace/kernel';

/** Wraps the keys of all tenants of an installation. */
export interface MasterKey {
  /** told from the key, so that a wrapped key says which one opens it; the key cannot be told from it */
  id: string;
  key: Uint8Array;
}

export interface MasterKeys {
  current: MasterKey;
  /** open what they have wrapped, and wrap no more */
  retired: readonly MasterKey[];
}

const command = 'openssl rand -base64 32';
const remedy = `make one with: ${command}`;

/**
 * What keeps the text from being a master key, without the text; null when nothing does.
 * @param text 32 bytes as base64 or base64url
 */
export function masterKeyProblem(text: string): string | null {
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return `must be 32 random bytes as base64url (43 characters): ${remedy}`;
  const key = bytesOf(text);
  const steps = new Set(key.slice(1).map((byte, index) => (byte - key[index]! + 256) % 256));
  // Of 32 random bytes about 30 differ; fewer than 16 don't happen, nor do 32 printable characters.
  const isRandom = new Set(key).size >= 16 && steps.size >= 8 && key.some((byte) => byte < 0x20 || byte > 0x7e);
  return isRandom ? null : `is no random key but a pattern or a text: ${remedy}`;
}

/** For the settings of an app. */
export const masterKeyKind: SecretKind = { problemOf: masterKeyProblem, command };

/** @throws Error for a text that `masterKeyProblem` has something against */
export function masterKeysOf(current: string, retired: readonly string[] = []): MasterKeys {
  return { current: masterKeyOf(current), retired: retired.map(masterKeyOf) };
}

function masterKeyOf(text: string): MasterKey {
  const problem = masterKeyProblem(text);
  if (problem) throw new Error(`A master key ${problem}`);
  const key = bytesOf(text);
  return { id: createHash('sha256').update('millrace master key').update(key).digest('hex').slice(0, 12), key };
}

const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'));
