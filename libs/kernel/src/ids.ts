import { randomFillSync } from 'node:crypto';

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'; // Crockford base 32, lower case: sorts like the bytes

/** What a prefixed id names, by its prefix. */
export const idPrefixes = {
  tenant: 'ten',
  person: 'per',
  session: 'ses',
  setupLink: 'stl',
  apiKey: 'key',
  auditEvent: 'aud',
  upload: 'upl',
  dataset: 'dst',
  datasetVersion: 'dsv',
  run: 'run',
  model: 'mdl',
  modelVersion: 'ver',
  endpoint: 'end',
  reservation: 'rsv',
  request: 'req',
  prediction: 'prd',
} as const;

export type IdKind = keyof typeof idPrefixes;

let lastMillisecond = 0;
let sequence = 0;

/**
 * A new id: prefix, underscore, 26 characters holding a UUID of version 7 (RFC 9562). Ids made by one process sort
 * in the order of their making; ids of several processes sort by millisecond.
 */
export function newId(kind: IdKind): string {
  const bytes = new Uint8Array(16);
  randomFillSync(bytes);
  const now = Date.now();
  if (now > lastMillisecond) {
    lastMillisecond = now;
    sequence = ((bytes[6]! & 0x07) << 8) | bytes[7]!; // random start below half of 12 bits leaves room to count up
  } else if (++sequence > 0xfff) {
    lastMillisecond++;
    sequence = 0;
  }
  let time = lastMillisecond;
  for (let i = 5; i >= 0; i--) {
    bytes[i] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes[6] = 0x70 | (sequence >> 8);
  bytes[7] = sequence & 0xff;
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return `${idPrefixes[kind]}_${base32(bytes)}`;
}

/** Whether `value` has the shape of an id of this kind. Says nothing of its existence. */
export function isId(kind: IdKind, value: unknown): value is string {
  return typeof value === 'string' && value.startsWith(`${idPrefixes[kind]}_`) && /^[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}$/.test(value);
}

function base32(bytes: Uint8Array): string {
  let number = 0n;
  for (const byte of bytes) number = (number << 8n) | BigInt(byte);
  let text = '';
  for (let i = 0; i < 26; i++) {
    text = alphabet[Number(number & 31n)]! + text;
    number >>= 5n;
  }
  return text;
}
