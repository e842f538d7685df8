import type { IncomingMessage } from 'node:http';
import { RequestError } from './request-error.ts';

const tooLarge = (maxBytes: number): RequestError =>
  new RequestError(413, 'body_too_large', `The body is larger than the ${maxBytes} bytes that this server takes.`, { limitSource: 'server', remedy: 'Send fewer rows at once.' });

const cutOff = (): RequestError =>
  new RequestError(400, 'body_cut_off', 'The body has not the length that Content-Length says.', { remedy: 'Send the request again, whole.' });

const nothing = Buffer.alloc(0);

/**
 * The bytes of a request's body; null where it has none and says nothing of one. What has arrived whole, as most do with their head, comes without a
 * promise, provided that the caller has waited for the end of the parser's turn: without the events of a stream, which cost as much as the JSON in it.
 * @throws RequestError 413 as soon as it is known to have more than so many bytes: the rest is not read; 400 where it ends early
 */
export function readWhole(request: IncomingMessage, maxBytes: number): Buffer | Promise<Buffer> | null {
  const { 'content-length': length, 'transfer-encoding': coding, 'content-type': type } = request.headers;
  if (type === undefined && coding === undefined && (length === undefined || length === '0')) return null;
  if (Number(length) > maxBytes) return Promise.reject(tooLarge(maxBytes));
  if (request.complete && request.readableLength <= maxBytes) return (request.read() as Buffer | null) ?? nothing;
  if (request.destroyed) return Promise.reject(cutOff()); // its caller hung up before: no event will tell any more
  return new Promise((resolve, reject) => {
    let first: Buffer | null = null;
    let more: Buffer[] | null = null;
    let received = 0;
    request.on('data', (part: Buffer) => {
      received += part.length;
      if (received > maxBytes) {
        request.pause();
        reject(tooLarge(maxBytes));
      } else if (first === null) first = part;
      else (more ??= [first]).push(part);
    });
    request.on('end', () => resolve(more ? Buffer.concat(more) : (first ?? nothing)));
    request.on('error', () => reject(cutOff())); // also of a caller who hangs up
  });
}
