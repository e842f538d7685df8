import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { isId } from '@millrace/kernel';

/**
 * `<session>.<256 random bits>.<MAC>`. It names its session, so that one replaced long ago is still known as ours when
 * it is used again; the MAC keeps others from ending a session of which they know no more than the id.
 */
export function newRefreshToken(sessionId: string, secret: string): string {
  const body = `${sessionId}.${randomBytes(32).toString('base64url')}`;
  return `${body}.${macOf(body, secret).toString('base64url')}`;
}

/** The session that a token was made for; null for what was not made here. Whether it is still good stands in the database. */
export function sessionOfRefreshToken(token: string, secrets: readonly string[]): string | null {
  const match = /^(([a-z]+_[0-9a-z]+)\.[\w-]{43})\.([\w-]{43})$/.exec(token);
  if (!match || !isId('session', match[2])) return null;
  const mac = Buffer.from(match[3]!, 'base64url');
  return secrets.some((secret) => timingSafeEqual(mac, macOf(match[1]!, secret))) ? match[2]! : null;
}

/** Of another purpose than the signature of access tokens, and so of another text: theirs holds no colon. */
function macOf(body: string, secret: string): Buffer {
  return createHmac('sha256', secret).update(`refresh:${body}`).digest();
}
