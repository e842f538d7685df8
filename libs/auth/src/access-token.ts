import type { KeyObject } from 'node:crypto';
import { type Clock, isId } from '@millrace/kernel';
import jwt from 'jsonwebtoken';

export interface AccessTokenSettings {
  /** signs new tokens */
  key: SigningKey;
  /** whose tokens are believed, by their names: the one that signs, and those that did until lately */
  keyById: ReadonlyMap<string, SigningKey>;
  clock: Clock;
}

/** Of at least 32 bytes. An object, since a secret as text would be tried as every other kind of key at each use. */
export interface SigningKey {
  /** names it in the token's header */
  id: string;
  secret: KeyObject;
}

export interface AccessTokenClaims {
  personId: string;
  tenantId: string;
  sessionId: string;
}

export const accessTokenLifeSeconds = 600;
/** So far the clock of the process that signed may be ahead of ours. */
const clockSkewSeconds = 30;
const issuer = 'millrace';
const audience = 'millrace';
const algorithm = 'HS256';
const type = 'at+jwt';

const seconds = (clock: Clock): number => Math.floor(clock.now().getTime() / 1000);

export function signAccessToken(claims: AccessTokenClaims, settings: AccessTokenSettings): string {
  return sign(claims, seconds(settings.clock), settings.key);
}

function sign({ personId, tenantId, sessionId }: AccessTokenClaims, issuedAt: number, { id, secret }: SigningKey): string {
  return jwt.sign(
    { sub: personId, ten: tenantId, sid: sessionId, iss: issuer, aud: audience, iat: issuedAt, exp: issuedAt + accessTokenLifeSeconds },
    secret,
    { algorithm, keyid: id, header: { alg: algorithm, typ: type } },
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
    const key = typeof keyId === 'string' ? settings.keyById.get(keyId) : undefined;
    if (key === undefined) return null;
    const { header, payload } = jwt.verify(token, key.secret, {
      algorithms: [algorithm],
      issuer,
      audience,
      clockTimestamp: seconds(settings.clock),
      complete: true,
    });
    if (header.typ !== type || typeof payload === 'string') return null;
    const { sub, ten, sid, iat } = payload as Record<string, unknown>;
    if (!isId('person', sub) || !isId('tenant', ten) || !isId('session', sid)) return null;
    if (typeof iat !== 'number' || !Number.isInteger(iat) || iat > seconds(settings.clock) + clockSkewSeconds) return null;
    const claims = { personId: sub, tenantId: ten, sessionId: sid };
    // Byte for byte as it is made here: a claim, a header or a spelling that we do not use belongs to another kind of
    // token, or to somebody who holds the secret and should not.
    return token === sign(claims, iat, key) ? claims : null;
  } catch {
    return null;
  }
}
