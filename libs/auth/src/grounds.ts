import { createSecretKey, hash, hkdfSync } from 'node:crypto';
import type { Database } from '@millrace/database';
import { type Clock, type Logger, type Problem, systemClock } from '@millrace/kernel';
import type { Outbound } from '@millrace/outbound';
import type { AccessTokenSettings, SigningKey } from './access-token.ts';
import { defaultSignInLimits, type SignInLimits } from './sign-in-throttle.ts';

export interface AuthOptions {
  database: Database;
  /** signs access tokens and refresh tokens; at least 32 characters */
  tokenSecret: string;
  /** signed them until lately: what they signed is still good as long as it would have been */
  retiredTokenSecrets?: readonly string[];
  /** keys the HMAC of API keys and recovery codes, and seals second factors; at least 32 characters */
  keyPepper: string;
  /** peppers of before: what was made under them is good; API keys come under the present one when they are next used */
  retiredKeyPeppers?: readonly string[];
  logger: Logger;
  clock?: Clock;
  /** calls tenants' OpenID providers; in the public internet only unless told */
  outbound?: Outbound;
  /** the texts that stand in the DNS under a name; asked of the name servers unless told */
  textRecords?: (name: string) => Promise<string[]>;
  /** no refused sign-in is answered sooner, in milliseconds; 200 unless told */
  refusalMs?: number;
  /** lines of the trail that one actor gets for like refusals in a minute, before they are counted instead; 30 unless told */
  refusalsPerMinute?: number;
  /** is told of every refusal, also of those that are only counted: for metrics */
  onRefusal?: (action: string, result: string) => void;
  /** how long a deleted tenant can be restored before it is purged; 30 days unless told */
  purgeDays?: number;
  /** how many guesses are let through; see docs/sign-in.md */
  signInLimits?: Partial<SignInLimits>;
  /** without it nobody can ask for a new password by e-mail */
  mail?: Mail | undefined;
}

/** The way to somebody's mailbox. */
export interface Mail {
  send(message: MailMessage): Promise<void>;
}

/** What is to be told; how it is said, and where its links lead, is the app's affair. */
export interface MailMessage {
  type: 'password-reset';
  to: string;
  name: string;
  /** of the link: good once */
  token: string;
  expiresAt: Date;
}

/** What all parts of this lib stand on. */
export interface Grounds {
  database: Database;
  logger: Logger;
  clock: Clock;
  keyPepper: string;
  retiredKeyPeppers: readonly string[];
  tokenSettings: AccessTokenSettings;
  /** the one that signs, and the retired ones */
  tokenSecrets: readonly string[];
  refusalMs: number;
  refusalsPerMinute: number;
  onRefusal: (action: string, result: string) => void;
  purgeDays: number;
  signInLimits: SignInLimits;
  mail: Mail | null;
  inSeconds(seconds: number): Date;
  /** a key of 32 bytes for one purpose */
  derivedKey(purpose: string): Buffer;
  /** the same under every pepper, the present one first: to open what was made under one of before */
  derivedKeys(purpose: string): [Buffer, ...Buffer[]];
}

/** Well above what checking a password and writing a line of the trail take. */
const refusalMs = 200;
const purgeDays = 30;

export function createGrounds(options: AuthOptions): Grounds {
  const { database, logger, tokenSecret, keyPepper, retiredKeyPeppers = [] } = options;
  const clock = options.clock ?? systemClock;
  const tokenSecrets = [tokenSecret, ...(options.retiredTokenSecrets ?? [])];
  for (const secret of [...tokenSecrets, keyPepper, ...retiredKeyPeppers]) {
    if (secret.length < 32) throw new Error('secrets need at least 32 characters');
  }
  return {
    database,
    logger,
    clock,
    keyPepper,
    retiredKeyPeppers,
    tokenSettings: {
      key: signingKeyOf(tokenSecret),
      keyById: new Map(tokenSecrets.map(signingKeyOf).map((key) => [key.id, key])),
      clock,
    },
    tokenSecrets,
    refusalMs: options.refusalMs ?? refusalMs,
    refusalsPerMinute: options.refusalsPerMinute ?? 30,
    onRefusal: options.onRefusal ?? (() => undefined),
    purgeDays: options.purgeDays ?? purgeDays,
    signInLimits: { ...defaultSignInLimits, ...options.signInLimits },
    mail: options.mail ?? null,
    inSeconds: (seconds) => new Date(clock.now().getTime() + seconds * 1000),
    derivedKey: (purpose) => derive(keyPepper, purpose),
    derivedKeys: (purpose) => [derive(keyPepper, purpose), ...retiredKeyPeppers.map((pepper) => derive(pepper, purpose))],
  };
}

const derive = (pepper: string, purpose: string): Buffer => Buffer.from(hkdfSync('sha256', pepper, '', `millrace ${purpose}`, 32));

/** The operators' own tenant. It holds nobody's data; to every wall it is a tenant like any other. */
export const platformTenantId = `ten_${'0'.repeat(26)}`;

export const sha256 = (text: string): string => hash('sha256', text);
const signingKeyOf = (secret: string): SigningKey => ({ id: sha256(secret).slice(0, 8), secret: createSecretKey(secret, 'utf8') });
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
