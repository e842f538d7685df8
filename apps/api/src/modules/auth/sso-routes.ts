import type { Auth, SsoRefusalCode } from '@millrace/auth';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Credentials } from '../../credentials.ts';
import { originOf } from '../../request-context.ts';

export interface SsoRoutesOptions {
  sso: Auth['sso'];
  credentials: Credentials;
  redirectUri(): string;
}

export const ssoCallbackPath = '/auth/sso/callback';

/**
 * A browser's way through single sign-on: `GET /auth/sso?email=…` (or `?tenant=slug`) to the tenant's provider, and back to
 * the callback with a session for the console. What goes wrong is told by the sign-in page: `/sign-in?sso=<code>`.
 */
export function serveSso(app: FastifyInstance, { sso, credentials, redirectUri }: SsoRoutesOptions): void {
  const refuse = (reply: FastifyReply, code: SsoRefusalCode | 'confirm'): FastifyReply => reply.redirect(`/sign-in?sso=${code}`, 302);

  // No HEAD, by which programs look at links: it would use them up.
  app.get<{ Querystring: Record<string, unknown> }>('/auth/sso', { exposeHeadRoute: false }, async (request, reply) => {
    void reply.header('cache-control', 'no-store');
    // Another site must not sign people in, as somebody of its own provider perhaps: they are asked first.
    if (!isOwnNavigation(request)) return refuse(reply, 'confirm');
    const { email, tenant } = request.query;
    const entrance = typeof email === 'string' ? { email } : typeof tenant === 'string' ? { tenantSlug: tenant } : null;
    const outcome = entrance ? await sso.begin(entrance, redirectUri(), originOf(request)) : ({ type: 'refused', code: 'not_set_up' } as const);
    if (outcome.type === 'refused') return refuse(reply, outcome.code);
    // Lax: it has to come along when the provider sends the browser back.
    void reply.header('set-cookie', credentials.ssoCookie(outcome.transaction, outcome.expiresInSeconds));
    return reply.redirect(outcome.url, 302);
  });

  app.get(ssoCallbackPath, { exposeHeadRoute: false }, async (request, reply) => {
    void reply.header('cache-control', 'no-store');
    void reply.header('set-cookie', credentials.ssoCookie('', 0));
    const outcome = await sso.complete(credentials.ssoTransactionOf(request.headers) ?? '', request.url, redirectUri(), originOf(request));
    if (outcome.type === 'refused') return refuse(reply, outcome.code);
    void reply.header('set-cookie', credentials.cookiesOf(outcome));
    return reply.redirect('/', 302);
  });
}

/** Whether a person went here from a page of ours, or by typing the address. Browsers say which; programs need not. */
function isOwnNavigation({ headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site'];
  return site === undefined || site === 'same-origin' || site === 'none';
}
