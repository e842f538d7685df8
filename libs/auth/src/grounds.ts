import { createHash, hkdfSync } from 'node:crypto';
import type { Database } from '@millrace/database';
import { type Clock, type Logger, type Problem, systemClock } from '@millrace/kernel';
import type { AccessTokenSettings } from './access-token.ts';

export interface AuthOptions {
  database: Database;
  /** signs access tokens; at least 32 characters */
  tokenSecret: string;
  /** keys the HMAC of API keys; at least 32 characters. Changing it makes all keys and second factors invalid. */
  keyPepper: string;
  /** peppers of before: API keys made under them are good, and come under the present one when they are next used */
  retiredKeyPeppers?: readonly string[];
  logger: Logger;
  clock?: Clock;
  /** no refused sign-in is answered sooner, in milliseconds; 200 unless told */
  refusalMs?: number;
  /** lines of the trail that one actor gets for like refusals in a minute, before they are counted instead; 30 unless told */
  refusalsPerMinute?: number;
  /** is told of every refusal, also of those that are only counted: for metrics */
  onRefusal?: (action: string, result: string) => void;
}

/** What all parts of this lib stand on. */
export interface Grounds {
  database: Database;
  logger: Logger;
  clock: Clock;
  tokenSecret: string;
  keyPepper: string;
  retiredKeyPeppers: readonly string[];
  tokenSettings: AccessTokenSettings;
  refusalMs: number;
  refusalsPerMinute: number;
  onRefusal: (action: string, result: string) => void;
  inSeconds(seconds: number): Date;
  /** a key of 32 bytes for one purpose */
  derivedKey(purpose: string): Buffer;
}

/** Well above what checking a password and writing a line of the trail take. */
const refusalMs = 200;

export function createGrounds(options: AuthOptions): Grounds {
  const { database, logger, tokenSecret, keyPepper, retiredKeyPeppers = [] } = options;
  const clock = options.clock ?? systemClock;
  for (const secret of [tokenSecret, keyPepper, ...retiredKeyPeppers]) {
    if (secret.length < 32) throw new Error('secrets need at least 32 characters');
  }
  return {
    database,
    logger,
    clock,
    tokenSecret,
    keyPepper,
    retiredKeyPeppers,
    tokenSettings: { secret: tokenSecret, keyId: sha256(tokenSecret).slice(0, 8), clock },
    refusalMs: options.refusalMs ?? refusalMs,
    refusalsPerMinute: options.refusalsPerMinute ?? 30,
    onRefusal: options.onRefusal ?? (() => undefined),
    inSeconds: (seconds) => new Date(clock.now().getTime() + seconds * 1000),
    derivedKey: (purpose) => Buffer.from(hkdfSync('sha256', keyPepper, '', `millrace ${purpose}`, 32)),
  };
}

/** The operators' own tenant. It holds nobody's data; to every wall it is a tenant like any other. */
export const platformTenantId = `ten_${'0'.repeat(26)}`;

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
export const normalEmail = (email: string): string => email.trim().toLowerCase();

/** 1 to 80 characters, none of which is invisible or turns the text around it. */
export function isPlainText(text: string): boolean {
  const kept = text.trim();
  return kept.length >= 1 && kept.length <= 80 && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u.test(kept);
}

export function textProblem(field: string, what: string): Problem {
  return { code: 'text_unfit', field, message: `${what} is empty, too long, or holds invisible characters.`, remedy: 'Use 1 to 80 visible characters.' };
}

export const isEmail = (text: string): boolean => /^[^\s@]{1,64}@[^\s@]{1,190}$/.test(text.trim());

export function emailProblem(): Problem {
  return { code: 'email_unfit', field: 'email', message: 'This is no e-mail address.', remedy: 'Write it as name@example.com.' };
}
