import type { Auth, SsoRefusalCode } from '@millrace/auth';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { originOf } from '../../request-context.ts';
import { cookieOf, setCookie, setSessionCookies } from '../../session-cookies.ts';

export interface SsoRoutesOptions {
  sso: Auth['sso'];
  /** where people reach the console */
  publicUrl(): string;
  redirectUri(): string;
}

export const ssoCallbackPath = '/auth/sso/callback';
const cookieName = 'millrace_sso';

/**
 * A browser's way through single sign-on: `GET /auth/sso?email=…` (or `?tenant=slug`) to the tenant's provider, and back to
 * the callback with a session for the console. What goes wrong is told by the sign-in page: `/sign-in?sso=<code>`.
 */
export function serveSso(app: FastifyInstance, { sso, publicUrl, redirectUri }: SsoRoutesOptions): void {
  const refuse = (reply: FastifyReply, code: SsoRefusalCode | 'confirm'): FastifyReply => reply.redirect(`/sign-in?sso=${code}`, 302);

  // No HEAD, by which programs look at links: it would use them up.
  app.get<{ Querystring: Record<string, unknown> }>('/auth/sso', { exposeHeadRoute: false }, async (request, reply) => {
    void reply.header('cache-control', 'no-store');
    // Another site must not sign people in, as somebody of its own provider perhaps: they are asked first.
    if (!isOwnNavigation(request)) return refuse(reply, 'confirm');
    const { email, tenant } = request.query;
    const entrance = typeof email === 'string' ? { email } : typeof tenant === 'string' ? { tenantSlug: tenant } : null;
    const outcome = entrance ? await sso.begin(entrance, redirectUri()) : ({ type: 'refused', code: 'not_set_up' } as const);
    if (outcome.type === 'refused') return refuse(reply, outcome.code);
    // Lax: it has to come along when the provider sends the browser back.
    setCookie(reply, publicUrl(), cookieName, outcome.transaction, { sameSite: 'Lax', seconds: outcome.expiresInSeconds });
    return reply.redirect(outcome.url, 302);
  });

  app.get(ssoCallbackPath, { exposeHeadRoute: false }, async (request, reply) => {
    void reply.header('cache-control', 'no-store');
    const transaction = cookieOf(request, publicUrl(), cookieName) ?? '';
    setCookie(reply, publicUrl(), cookieName, '', { sameSite: 'Lax', seconds: 0 });
    const outcome = await sso.complete(transaction, request.url, redirectUri(), originOf(request));
    if (outcome.type === 'refused') return refuse(reply, outcome.code);
    setSessionCookies(reply, publicUrl(), outcome);
    return reply.redirect('/', 302);
  });
}

/** Whether a person went here from a page of ours, or by typing the address. Browsers say which; programs need not. */
function isOwnNavigation({ headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site'];
  return site === undefined || site === 'same-origin' || site === 'none';
}
