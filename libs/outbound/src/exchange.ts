import http from 'node:http';
import https from 'node:https';
import { BlockList, isIPv6 } from 'node:net';
import type { ConnectionOptions, SecureContext } from 'node:tls';

export interface Target {
  url: URL;
  /** host name or address, as a certificate names it: no brackets, no dot at its end */
  host: string;
  /** where it may connect to: nowhere else, whatever the name resolves to by now */
  addresses: readonly string[];
}

export interface Message {
  method: string;
  headers: http.OutgoingHttpHeaders;
  body: Buffer;
}

export interface ExchangeLimits {
  maxBodyBytes: number;
  maxHeaderBytes: number;
  /** what https trusts, and from which version of TLS on */
  secureContext: SecureContext;
  signal: AbortSignal;
}

export class AnswerTooLarge extends Error {}
export class AnswerEncoded extends Error {}

/** Statuses whose answers have no body; `Response` refuses one. */
const bodiless = new Set([204, 205, 304]);

/**
 * One request and its whole answer over a connection of its own: an idle one would be found again by its host name,
 * whose addresses may have changed. No redirect is followed, nothing is decompressed.
 */
export function exchange(target: Target, message: Message, limits: ExchangeLimits): Promise<Response> {
  const { url, host, addresses } = target;
  const checked = new BlockList();
  for (const address of addresses) checked.addAddress(address, familyName(address));

  return new Promise((resolve, reject) => {
    const options: https.RequestOptions & Pick<ConnectionOptions, 'secureContext'> = {
      agent: false,
      signal: limits.signal,
      method: message.method,
      headers: message.headers,
      protocol: url.protocol,
      host,
      port: url.port || (url.protocol === 'https:' ? 443 : 80),
      path: `${url.pathname}${url.search}`,
      maxHeaderSize: limits.maxHeaderBytes,
      // Not left to the environment, which can turn both off for the whole process.
      insecureHTTPParser: false,
      rejectUnauthorized: true,
      secureContext: limits.secureContext,
      lookup: (_hostname, options, done) => {
        const found = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
        if (options.all) done(null, found);
        else done(null, found[0]!.address, found[0]!.family);
      },
    };
    const request = (url.protocol === 'https:' ? https : http).request(options);
    request.once('error', reject);
    request.once('socket', (socket) => {
      // Before the first byte is sent: should anything but the look-up above ever choose the address, this notices.
      socket.once('connect', () => {
        const { remoteAddress } = socket;
        if (!remoteAddress || !checked.check(remoteAddress, familyName(remoteAddress))) request.destroy(new Error('connected to an unchecked address'));
      });
    });
    request.once('upgrade', (_answer, socket) => {
      socket.destroy();
      reject(new Error('answered by a change of protocol'));
    });
    request.once('response', (answer) => {
      readAnswer(answer, limits.maxBodyBytes).then(resolve, (error: unknown) => {
        request.destroy();
        reject(error);
      });
    });
    request.end(message.body);
  });
}

async function readAnswer(answer: http.IncomingMessage, maxBodyBytes: number): Promise<Response> {
  const encoding = answer.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') throw new AnswerEncoded();
  // One block that doubles, not a list of chunks: an answer sent byte by byte would make a million of them.
  let body = Buffer.allocUnsafe(Math.min(maxBodyBytes, 16 * 1024));
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const longer = length + chunk.length;
    if (longer > maxBodyBytes) throw new AnswerTooLarge();
    if (longer > body.length) body = Buffer.concat([body.subarray(0, length)], Math.min(maxBodyBytes, Math.max(longer, body.length * 2)));
    chunk.copy(body, length);
    length = longer;
  }
  const headers = new Headers();
  for (let index = 0; index < answer.rawHeaders.length; index += 2) {
    headers.append(answer.rawHeaders[index]!, answer.rawHeaders[index + 1]!);
  }
  const status = answer.statusCode!;
  return new Response(bodiless.has(status) ? null : body.subarray(0, length), { status, headers });
}

const familyName = (address: string): 'ipv4' | 'ipv6' => (isIPv6(address) ? 'ipv6' : 'ipv4');
