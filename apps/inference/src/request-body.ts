import { gunzip, inflate } from 'node:zlib';
import { asSplitBody } from './binary-body.ts';
import { type JsonBody, parseJsonBody, parseLargeJsonBody } from './json-body.ts';
import { RequestError, unsupportedMediaType } from './request-error.ts';

/**
 * What clients declare JSON as: `curl -d` says it is a form, clients of the binary tensor extension say bytes, and some say
 * nothing. The credential stands in a header that no foreign page can make a browser send, so the type guards against nothing.
 */
const taken = new Set(['', 'application/json', 'application/octet-stream', 'application/x-www-form-urlencoded']);

/** A JSON text of fewer bytes is read in one go: it takes some milliseconds at worst. */
const largeBytes = 128 * 1024;

export interface BodyHeaders {
  'content-type'?: string | undefined;
  'content-encoding'?: string | undefined;
  'inference-header-content-length'?: string | string[] | undefined;
}

/**
 * Reads the body of a request: JSON, or JSON and the binary tensors behind it; as it is, or compressed by gzip or deflate.
 * @param maxBytes of what comes out of a compressed body; its own length was bounded before
 * @param inTurn has a large one read when it is its turn
 * @throws RequestError 400, 413, 415; of a compressed or large body by the promise
 */
export function readBody(headers: BodyHeaders, bytes: Buffer, maxBytes: number, inTurn: (read: () => Promise<JsonBody>) => Promise<JsonBody>): JsonBody | Promise<JsonBody> {
  const type = headers['content-type']?.split(';', 1)[0]!.trim().toLowerCase() ?? '';
  if (!taken.has(type)) throw unsupportedMediaType(`The body is declared as ${JSON.stringify(type.slice(0, 60))}, not as JSON.`);
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? '';
  const length = headers['inference-header-content-length'];
  const parse = (json: Buffer): JsonBody | Promise<JsonBody> => (json.length < largeBytes ? parseJsonBody(json) : inTurn(() => parseLargeJsonBody(json)));
  const read = (plain: Buffer): JsonBody | Promise<JsonBody> => (length === undefined ? parse(plain) : asSplitBody(plain, String(length), parse));
  if (coding === '' || coding === 'identity') return read(bytes);
  if (coding === 'gzip' || coding === 'x-gzip') return decompress(gunzip, 'gzip', bytes, maxBytes).then(read);
  if (coding === 'deflate') return decompress(inflate, 'deflate', bytes, maxBytes).then(read);
  throw unsupportedMediaType(`The body is compressed by ${JSON.stringify(coding.slice(0, 40))}.`);
}

/** Off the main thread, and never to more than may be sent plain: a bomb ends there. */
function decompress(by: typeof gunzip, name: string, bytes: Buffer, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    by(bytes, { maxOutputLength: maxBytes }, (error, plain) => {
      if (!error) return resolve(plain);
      reject(
        (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
          ? new RequestError(413, 'body_too_large', `The body is larger than the ${maxBytes} bytes that this server takes once it is decompressed.`, { limitSource: 'server', remedy: 'Send fewer rows at once.' })
          : new RequestError(400, 'malformed_compression', `The body is not what Content-Encoding says: ${name}.`, {
              field: 'content-encoding',
              remedy: name === 'deflate' ? 'Send it as deflate in the zlib format (RFC 1950), or leave it as it is.' : 'Compress it as a whole, or leave it as it is.',
            }),
      );
    });
  });
}
