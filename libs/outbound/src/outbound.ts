import { isIP } from 'node:net';
import { createSecureContext, rootCertificates } from 'node:tls';
import { DomainError, type Logger } from '@millrace/kernel';
import { AnswerEncoded, AnswerTooLarge, exchange, type Message, type Target } from './exchange.ts';
import { addressesByDns } from './host-addresses.ts';
import { isPublic, parseNetworks } from './networks.ts';

export interface OutboundOptions {
  /** networks beyond the public internet that the operator allows, as CIDR: plain http and any port are allowed there too */
  allowedNetworks: readonly string[];
  /** ports of hosts in the public internet; 80, 443 and 8443 unless told */
  allowedPorts?: readonly number[];
  /** PEM: authorities trusted beside the well-known ones, for hosts with certificates of a company's own */
  certificateAuthorities?: readonly string[];
  /** over all, from the name's resolution to the last byte; 15 seconds unless told */
  timeoutMs?: number;
  /** of one answer; 1 MiB unless told */
  maxBodyBytes?: number;
  logger: Logger;
  /** all addresses of a host name; by DNS unless told */
  resolve?: (host: string) => Promise<readonly string[]>;
}

export interface Outbound {
  /**
   * Like the platform's `fetch`, with three differences: the answer is here as a whole, a redirect is returned instead of
   * followed, and it rejects with what the person who gave the address may read.
   * @throws DomainError INVALID, field `url` or `headers`
   */
  fetch(this: void, url: string | URL, init?: RequestInit): Promise<Response>;
}

const maxHeaderBytes = 16 * 1024;
/** They belong to the connection or choose another host behind the checked address; senders do not set them. */
const reservedHeaders = [
  'connection', 'content-length', 'expect', 'host', 'keep-alive', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade',
];

/**
 * Requests to addresses that strangers choose. What protects is the address that a connection goes to, never the name:
 * all addresses of a host are checked, and the connection is made to those alone (DNS rebinding finds no second look-up).
 */
export function createOutbound(options: OutboundOptions): Outbound {
  const allowed = parseNetworks(options.allowedNetworks);
  const ports = options.allowedPorts ?? [80, 443, 8443];
  const timeoutMs = options.timeoutMs ?? 15_000;
  const maxBodyBytes = options.maxBodyBytes ?? 1024 * 1024;
  const secureContext = createSecureContext({
    minVersion: 'TLSv1.2',
    ...(options.certificateAuthorities && { ca: [...rootCertificates, ...options.certificateAuthorities] }),
  });
  const resolve = options.resolve ?? ((host) => addressesByDns(host));

  async function checkTarget(url: URL): Promise<Target> {
    if (url.protocol !== 'https:' && url.protocol !== 'http:') throw schemeRefused();
    if (url.username || url.password) {
      throw refused('The address holds a user name or a password.', 'Leave them out of the address.');
    }
    // The parser has made one form of all spellings by now: decimal, octal, hexadecimal, circled digits, ideographic dots.
    const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
    const addresses = isIP(host) ? [host] : await resolve(host);
    if (!addresses.length || !addresses.every((address) => isPublic(address) || allowed.contain(address))) {
      // One answer to both, since a stranger must not learn which names exist on the inside.
      throw refused(
        'The host has no address, or one outside of the public internet.',
        'Check the name. For a host inside, ask the operator of this installation to allow its network.',
      );
    }
    if (!addresses.every((address) => allowed.contain(address))) {
      if (url.protocol !== 'https:') throw schemeRefused();
      if (!ports.includes(Number(url.port || 443))) {
        throw refused(`Port ${url.port} is not called.`, `Use one of the ports ${ports.join(', ')}, or ask the operator of this installation to allow the host’s network.`);
      }
    }
    return { url, host, addresses };
  }

  /** What went wrong in the words of this side: nothing of what the other side said is in them. */
  function explain(error: unknown, timedOut: boolean): DomainError {
    if (error instanceof DomainError) return error;
    if (timedOut) return refused(`There was no whole answer within ${timeoutMs / 1000} seconds.`, 'Check that the host answers, and try again.', error);
    if (error instanceof AnswerTooLarge) return refused(`The answer is larger than ${maxBodyBytes} bytes.`, 'Check the address.', error);
    if (error instanceof AnswerEncoded) return refused('The answer is compressed, which was not asked for.', 'Let the host obey “Accept-Encoding: identity”.', error);
    if (isCertificateFault(error)) {
      return refused('The host’s certificate is not valid for its name, has expired, or comes from an authority that is not trusted here.', 'Mend the certificate, or correct the host’s name.', error);
    }
    return refused('The host could not be reached, or did not answer in proper HTTP.', 'Check the address, and that the host is up.', error);
  }

  return {
    async fetch(input, init = {}) {
      const deadline = new AbortController();
      const timer = setTimeout(() => deadline.abort(), timeoutMs);
      const signal = init.signal ? AbortSignal.any([deadline.signal, init.signal]) : deadline.signal;
      const url = typeof input === 'string' ? parseUrl(input) : new URL(input);
      try {
        if (!url) throw refused('This is no address that can be called.', 'Write it as https://host.example/path.');
        const message = await readMessage(url, init);
        const target = await unlessAborted(signal, checkTarget(url));
        return await exchange(target, message, { signal, maxBodyBytes, maxHeaderBytes, secureContext });
      } catch (error) {
        if (init.signal?.aborted) throw init.signal.reason;
        const explained = explain(error, deadline.signal.aborted);
        // The host only: a path or query may be a secret.
        options.logger.warn({ host: url?.host, refusal: explained.message, cause: explained.cause === undefined ? undefined : String(explained.cause) }, 'an outgoing request failed');
        throw explained;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** Lets `Request` read what `fetch` takes, and adds what the connection needs. */
async function readMessage(url: URL, init: RequestInit): Promise<Message> {
  let request: Request;
  try {
    // The address is not for `Request` to judge: it has refusals of its own, in other words.
    request = new Request('https://placeholder.invalid', { ...init, signal: null });
  } catch (cause) {
    throw new DomainError('INVALID', 'The request cannot be sent as it is.', { field: 'headers', remedy: 'Check its method and headers.', cause });
  }
  const reserved = reservedHeaders.find((name) => request.headers.has(name));
  if (reserved) {
    throw new DomainError('INVALID', `The header “${reserved}” is set by the connection.`, { field: 'headers', remedy: 'Leave it out.' });
  }
  const body = Buffer.from(await request.arrayBuffer());
  const headers: Message['headers'] = { accept: '*/*', 'user-agent': 'Millrace', ...Object.fromEntries(request.headers) };
  headers['accept-encoding'] = 'identity';
  if (body.length || request.method === 'POST' || request.method === 'PUT') headers['content-length'] = body.length;
  return { method: request.method, headers, body };
}

function parseUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

/** The look-up of a name cannot be called off: it is no longer waited for. */
async function unlessAborted<Value>(signal: AbortSignal, work: Promise<Value>): Promise<Value> {
  let stop!: () => void;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

const refused = (message: string, remedy: string, cause?: unknown): DomainError => new DomainError('INVALID', message, { field: 'url', remedy, cause });

const schemeRefused = (): DomainError =>
  refused('Only https addresses are called.', 'Use https. Plain http is for networks that the operator of this installation allows.');

/** Node names the faults of a certificate by the codes of OpenSSL. */
const isCertificateFault = (error: unknown): boolean => /CERT|ERR_TLS|UNABLE_TO_|HOSTNAME_MISMATCH/.test(String((error as { code?: unknown } | null)?.code));
