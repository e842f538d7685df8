import { type Clock, isId } from '@millrace/kernel';
import jwt from 'jsonwebtoken';

export interface AccessTokenSettings {
  /** signs new tokens; at least 32 bytes */
  secret: string;
  /** names the secret in the token's header */
  keyId: string;
  /** the secrets whose tokens are believed, by their names: the one that signs, and those that did until lately */
  secretByKeyId: ReadonlyMap<string, string>;
  clock: Clock;
}

export interface AccessTokenClaims {
  personId: string;
  tenantId: string;
  sessionId: string;
}

export const accessTokenLifeSeconds = 600;
const issuer = 'millrace';
const audience = 'millrace';
const algorithm = 'HS256';
const type = 'at+jwt';

const seconds = (clock: Clock): number => Math.floor(clock.now().getTime() / 1000);

export function signAccessToken(claims: AccessTokenClaims, settings: AccessTokenSettings): string {
  const now = seconds(settings.clock);
  return jwt.sign(
    { sub: claims.personId, ten: claims.tenantId, sid: claims.sessionId, iss: issuer, aud: audience, iat: now, exp: now + accessTokenLifeSeconds },
    settings.secret,
    { algorithm, keyid: settings.keyId, header: { alg: algorithm, typ: type } },
  );
}

/**
 * The claims of a token that we signed and that is still good; null for everything else. One algorithm, fixed here; the
 * header's `kid` chooses among our own secrets and nothing else.
 */
export function verifyAccessToken(token: string, settings: AccessTokenSettings): AccessTokenClaims | null {
  if (token.length > 2048) return null;
  try {
    const keyId = jwt.decode(token, { complete: true })?.header.kid;
    const secret = typeof keyId === 'string' ? settings.secretByKeyId.get(keyId) : undefined;
    if (secret === undefined) return null;
    const { header, payload } = jwt.verify(token, secret, {
      algorithms: [algorithm],
      issuer,
      audience,
      clockTimestamp: seconds(settings.clock),
      complete: true,
    });
    if (header.typ !== type || typeof payload === 'string') return null;
    const { sub, ten, sid, exp, iat } = payload as Record<string, unknown>;
    if (!isId('person', sub) || !isId('tenant', ten) || !isId('session', sid)) return null;
    // A token without an end, or with a longer life than ours, was not made here.
    if (typeof exp !== 'number' || typeof iat !== 'number' || exp - iat > accessTokenLifeSeconds) return null;
    return { personId: sub, tenantId: ten, sessionId: sid };
  } catch {
    return null;
  }
}
