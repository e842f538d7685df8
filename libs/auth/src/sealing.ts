import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const version = 'v1';
const cipher = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;

/**
 * Encrypts a short secret for the database. What is sealed for one context (whose secret it is) opens in no other, so
 * that a sealed text copied into another row is worthless there.
 * @param key of 32 bytes, see `Grounds.derivedKey`
 */
export function seal(key: Buffer, text: string, context: string): string {
  const nonce = randomBytes(nonceBytes);
  const sealing = createCipheriv(cipher, key, nonce, { authTagLength: tagBytes }).setAAD(Buffer.from(context));
  const body = Buffer.concat([sealing.update(text, 'utf8'), sealing.final()]);
  return `${version}.${Buffer.concat([nonce, sealing.getAuthTag(), body]).toString('base64url')}`;
}

/**
 * @param keys the present one and those of before, see `Grounds.derivedKeys`
 * @throws Error when it was sealed with another key or for another context, or was changed since
 */
export function open(keys: readonly [Buffer, ...Buffer[]], sealed: string, context: string): string {
  const [key, ...older] = keys;
  const [next, ...further] = older;
  if (!next) return openWith(key, sealed, context);
  try {
    return openWith(key, sealed, context);
  } catch {
    return open([next, ...further], sealed, context);
  }
}

function openWith(key: Buffer, sealed: string, context: string): string {
  const [prefix, text = ''] = sealed.split('.');
  if (prefix !== version) throw new Error('a sealed text of an unknown version');
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length < nonceBytes + tagBytes) throw new Error('a sealed text that was cut off');
  const opening = createDecipheriv(cipher, key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
    .setAAD(Buffer.from(context))
    .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
  return Buffer.concat([opening.update(bytes.subarray(nonceBytes + tagBytes)), opening.final()]).toString('utf8');
}
