import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { credentialOf, type SignedIn } from '@millrace/auth';
import { DomainError } from '@millrace/kernel';

/** How a caller shows who it is, and gets new tokens: programs by headers, the console by cookies that no script can read. */
export type Channel = 'cookie' | 'bearer';

/** What a caller has shown, whatever it is worth. */
export interface Presented {
  channel: Channel;
  /** an API key or access token; null if none was sent */
  credential: string | null;
  /** by cookie only */
  refreshToken: string | null;
}

/** As Node and Fastify have it. */
interface Asking {
  method?: string | undefined;
  headers: IncomingHttpHeaders;
}

/** `x-millrace-session: cookie`: a header that a foreign page cannot send without being asked about first. */
const channelHeader = 'x-millrace-session';

export type Credentials = ReturnType<typeof createCredentials>;

/**
 * Finds the credential of a request. Cookies come along with whatever a browser sends, so they count only where this
 * server's own pages have sent it: see docs/sign-in.md.
 * @param publicUrl where people reach the console; with https, cookies are bound to it
 */
export function createCredentials(publicUrl: string | undefined) {
  const { protocol, origin: publicOrigin } = new URL(publicUrl ?? 'http://localhost');
  const isSecure = protocol === 'https:';
  // The prefix makes browsers refuse the cookie from neighbouring hosts and unencrypted pages.
  const names = { access: `${isSecure ? '__Host-' : ''}millrace_access`, refresh: `${isSecure ? '__Host-' : ''}millrace_refresh`, sso: `${isSecure ? '__Host-' : ''}millrace_sso` };

  /** Whether a page of this server sent it: by the address that people use, or by the one that the request itself names. */
  function isOwnOrigin(origin: string, { host }: IncomingHttpHeaders): boolean {
    return (publicUrl !== undefined && origin === publicOrigin) || origin === `${protocol}//${host}`;
  }

  /**
   * Browsers tell the origin with all but plain reading within one origin; reading from another with a header of ours they
   * would tell it as well. `Sec-Fetch-Site` they send where it is encrypted, or their own machine.
   */
  function isFromOwnPage(method: string | undefined, headers: IncomingHttpHeaders): boolean {
    const site = headers['sec-fetch-site'];
    if (site !== undefined && site !== 'same-origin') return false;
    return headers.origin === undefined ? method === 'GET' || method === 'HEAD' : isOwnOrigin(headers.origin, headers);
  }

  function byCookie(headers: IncomingHttpHeaders): Presented {
    return { channel: 'cookie', credential: cookieOf(headers, names.access), refreshToken: cookieOf(headers, names.refresh) };
  }

  const setCookie = (name: string, value: string, seconds: number, sameSite: 'Strict' | 'Lax' = 'Strict'): string =>
    `${name}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=${sameSite}${isSecure ? '; Secure' : ''}`;

  function ofRequest({ method, headers }: Asking): Presented {
    if (headers[channelHeader] !== 'cookie') return byHeader(headers);
    if (!isFromOwnPage(method, headers)) {
      throw new DomainError('FORBIDDEN', 'Cookies are taken from this server’s own pages only.', {
        remedy: 'Send a token as Authorization: Bearer …; if this is the console, set MILLRACE_PUBLIC_URL to its address.',
      });
    }
    if (byHeader(headers).credential !== null) {
      throw new DomainError('INVALID', 'The request brings a credential beside its cookies.', { remedy: `Send it without ${channelHeader}: cookie.` });
    }
    return byCookie(headers);
  }

  return {
    /** @throws DomainError FORBIDDEN for cookies from elsewhere, INVALID for two kinds of credentials at once */
    ofRequest,

    /** For a GET that a link of the console leads to, where no header can be set. */
    ofDownload(request: Asking): Presented {
      const presented = ofRequest(request);
      if (presented.channel === 'cookie' || presented.credential !== null) return presented;
      return request.headers['sec-fetch-site'] === 'same-origin' && isFromOwnPage(request.method, request.headers) ? byCookie(request.headers) : presented;
    },

    /** A browser sets no headers on a WebSocket, but always tells the origin. @param params of the connection's first message */
    ofUpgrade({ headers }: IncomingMessage, params: Record<string, unknown> | undefined): Presented {
      const presented = byHeader(lowerCased(params ?? {}), headers);
      if (presented.credential !== null) return presented;
      return headers.origin !== undefined && isOwnOrigin(headers.origin, headers) ? byCookie(headers) : presented;
    },

    /** What the browser is to keep of a sign-in or refreshing. */
    cookiesOf({ accessToken, accessTokenExpiresInSeconds, refreshToken, sessionExpiresAt }: SignedIn): string[] {
      const sessionSeconds = Math.max(0, Math.floor((sessionExpiresAt.getTime() - Date.now()) / 1000));
      return [
        setCookie(names.access, accessToken, Math.min(accessTokenExpiresInSeconds, sessionSeconds)),
        setCookie(names.refresh, refreshToken, sessionSeconds),
      ];
    },

    /** What the browser keeps while it is away at an OpenID provider, which sends it back from another site: hence Lax. */
    ssoCookie: (transaction: string, seconds: number): string => setCookie(names.sso, transaction, seconds, 'Lax'),
    ssoTransactionOf: (headers: IncomingHttpHeaders): string | null => cookieOf(headers, names.sso),

    /** Makes the browser forget. */
    noCookies: (): string[] => [setCookie(names.access, '', 0), setCookie(names.refresh, '', 0)],
  };
}

function byHeader(...sources: Record<string, unknown>[]): Presented {
  return { channel: 'bearer', credential: credentialOf(...sources), refreshToken: null };
}

/** Null also where there are two of the name: one of them was put there by a neighbour, and nobody knows which. */
function cookieOf(headers: IncomingHttpHeaders, name: string): string | null {
  const values = (headers.cookie ?? '').split(';').flatMap((pair) => {
    const [key = '', ...value] = pair.split('=');
    return key.trim() === name ? [value.join('=').trim()] : [];
  });
  return values.length === 1 && values[0] !== '' ? values[0]! : null;
}

/** A name that comes twice, in other letters, has no value that could be believed. */
function lowerCased(params: Record<string, unknown>): Record<string, unknown> {
  const result = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of Object.entries(params)) result[name.toLowerCase()] = name.toLowerCase() in result ? [] : value;
  return result;
}
