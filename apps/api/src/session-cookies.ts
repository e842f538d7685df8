import type { SignedIn } from '@millrace/auth';
import type { FastifyReply, FastifyRequest } from 'fastify';

export interface CookieOptions {
  /** sent along when another site leads a browser here, or never */
  sameSite: 'Lax' | 'Strict';
  seconds: number;
}

/** `__Host-`: set by this very host over https, and by no other; without https browsers keep no such cookie. */
const nameOf = (name: string, publicUrl: string): string => (publicUrl.startsWith('https:') ? `__Host-${name}` : name);

export function setCookie(reply: FastifyReply, publicUrl: string, name: string, value: string, { sameSite, seconds }: CookieOptions): void {
  const secure = publicUrl.startsWith('https:') ? '; Secure' : '';
  void reply.header('set-cookie', `${nameOf(name, publicUrl)}=${value}; Path=/; HttpOnly${secure}; SameSite=${sameSite}; Max-Age=${seconds}`);
}

export function cookieOf(request: FastifyRequest, publicUrl: string, name: string): string | null {
  const wanted = nameOf(name, publicUrl);
  for (const part of (request.headers.cookie ?? '').split(';')) {
    const [found = '', ...value] = part.split('=');
    if (found.trim() === wanted) return value.join('=').trim();
  }
  return null;
}

/** Hands a session to a browser, out of reach of its scripts and of other sites. */
export function setSessionCookies(reply: FastifyReply, publicUrl: string, { accessToken, accessTokenExpiresInSeconds, refreshToken, sessionExpiresAt }: SignedIn): void {
  const refreshSeconds = Math.max(0, Math.floor((sessionExpiresAt.getTime() - Date.now()) / 1000));
  setCookie(reply, publicUrl, 'millrace_access', accessToken, { sameSite: 'Strict', seconds: accessTokenExpiresInSeconds });
  setCookie(reply, publicUrl, 'millrace_refresh', refreshToken, { sameSite: 'Strict', seconds: refreshSeconds });
}
