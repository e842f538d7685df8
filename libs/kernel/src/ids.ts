import { randomFillSync } from 'node:crypto';

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'; // Crockford base 32, lower case: sorts like the bytes

/** What a prefixed id names, by its prefix. */
export const idPrefixes = {
  tenant: 'ten',
  person: 'per',
  session: 'ses',
  setupLink: 'stl',
  invitation: 'inv',
  passwordReset: 'rst',
  accessGrant: 'grt',
  ssoConnection: 'sso',
  domainClaim: 'dom',
  apiKey: 'key',
  auditEvent: 'aud',
  upload: 'upl',
  dataset: 'dst',
  datasetVersion: 'dsv',
  run: 'run',
  model: 'mdl',
  modelVersion: 'ver',
  modelImport: 'imp',
  versionReview: 'rvw',
  endpoint: 'end',
  rollout: 'rol',
  reservation: 'rsv',
  usageLimit: 'lim',
  request: 'req',
  prediction: 'prd',
  recording: 'rec',
  webhookKey: 'whs',
  webhookDelivery: 'whd',
} as const;

export type IdKind = keyof typeof idPrefixes;

const pool = Buffer.alloc(4096);
let poolUsed = pool.length;
const bytes = Buffer.alloc(16);
let lastMillisecond = 0;
let sequence = 0;

/**
 * A new id: prefix, underscore, 26 characters holding a UUID of version 7 (RFC 9562). Ids made by one process sort
 * in the order of their making; ids of several processes sort by millisecond.
 */
export function newId(kind: IdKind): string {
  const now = Date.now();
  if (now > lastMillisecond) {
    lastMillisecond = now;
    sequence = randomBytes(2).readUInt16BE() & 0x7ff; // a random start below half of 12 bits leaves room to count up
  } else if (++sequence > 0xfff) {
    lastMillisecond++;
    sequence = 0;
  }
  const random = randomBytes(8);
  bytes.writeUIntBE(lastMillisecond, 0, 6);
  bytes[6] = 0x70 | (sequence >> 8);
  bytes[7] = sequence & 0xff;
  bytes.set(random, 8);
  bytes[8] = 0x80 | (random[0]! & 0x3f);
  return `${idPrefixes[kind]}_${base32()}`;
}

/** Whether `value` has the shape of an id of this kind. Says nothing of its existence. */
export function isId(kind: IdKind, value: unknown): value is string {
  return typeof value === 'string' && value.startsWith(`${idPrefixes[kind]}_`) && /^[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}$/.test(value);
}

/** When an id was made, in milliseconds of the epoch, as the id itself says: whoever sent it may have made it up. */
export function momentOfId(id: string): number {
  let value = 0;
  for (const character of id.slice(4, 14)) value = value * 32 + alphabet.indexOf(character); // the two zero bits and the 48 of the time
  return value;
}

/** 128 bits as 26 characters: two zero bits in front make them a multiple of five. */
function base32(): string {
  let text = '';
  let held = 0;
  let heldBits = 2;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    heldBits += 8;
    while (heldBits >= 5) {
      heldBits -= 5;
      text += alphabet[(held >> heldBits) & 31]!;
    }
    held &= (1 << heldBits) - 1;
  }
  return text;
}

/** From a pool, since asking the system for a few bytes at a time is most of the cost of an id. */
function randomBytes(count: number): Buffer {
  if (poolUsed + count > pool.length) {
    randomFillSync(pool);
    poolUsed = 0;
  }
  poolUsed += count;
  return pool.subarray(poolUsed - count, poolUsed);
}
