import { createHmac, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const pattern = /^mr_live_([0-9A-Za-z]{10})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;

export interface ParsedKey {
  publicId: string;
  secret: string;
}

/**
 * `mr_live_<10 characters: id>_<43 characters: secret, 256 bits><6 characters: CRC-32 of all before>`. The prefix is for
 * secret scanners; the check sum refuses a typo before any look-up. A new secret of an old key keeps its id.
 */
export function generateKey(publicId = randomText(10)): ParsedKey & { key: string } {
  const secret = randomText(43);
  const body = `mr_live_${publicId}_${secret}`;
  return { publicId, secret, key: body + checksum(body) };
}

/** Its parts, or null when the text is no key of ours or has a typo. */
export function parseKey(text: string): ParsedKey | null {
  const match = pattern.exec(text);
  if (!match || checksum(text.slice(0, -6)) !== match[3]) return null;
  return { publicId: match[1]!, secret: match[2]! };
}

/** What is stored of a secret. */
export function hmacOf(secret: string, pepper: string): string {
  return createHmac('sha256', pepper).update(secret).digest('hex');
}

function checksum(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let i = 0; i < 6; i++) {
    text = alphabet[rest % 62]! + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}

function randomText(length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(62)]!).join('');
}
