import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { PutOptions, PutOutcome } from './artefact-store.ts';

export type Refusal = Exclude<PutOutcome, { type: 'stored' }>;
/** The whole source has come in, and is what was expected. */
export type Received = { type: 'received'; sizeBytes: number; sha256: string };

/** A source being put, checked against the options of the put: counted and hashed as it passes. */
export interface Intake {
  /** After any other answer than `bytes` it is over. Never rejects. */
  next(): Promise<{ type: 'bytes'; bytes: Uint8Array } | Received | Refusal>;
  /** Lets a generator run its `finally`, and a Node stream be read by others again. Doesn't wait: it may be stuck. */
  letGo(): void;
}

export function takeIn(
  source: AsyncIterable<Uint8Array> | Uint8Array,
  { maxBytes = Infinity, expectedBytes, expectedSha256, signal }: PutOptions,
): Intake {
  const announced = expectedBytes ?? (source instanceof Uint8Array ? source.length : 0);
  const chunks = chunksOf(source, signal);
  const hash = createHash('sha256');
  let sizeBytes = 0;

  const incomplete = (reason: 'cut' | 'aborted' | 'too-short' | 'too-long', cause?: unknown): Refusal => ({
    type: 'incomplete',
    reason,
    receivedBytes: sizeBytes,
    ...(expectedBytes === undefined ? {} : { expectedBytes }),
    ...(cause === undefined ? {} : { cause }),
  });

  function atEnd(): Received | Refusal {
    if (expectedBytes !== undefined && sizeBytes < expectedBytes) return incomplete('too-short');
    const sha256 = hash.digest('hex');
    if (expectedSha256 === undefined || expectedSha256.toLowerCase() === sha256) return { type: 'received', sizeBytes, sha256 };
    return { type: 'digest-mismatch', expectedSha256, actualSha256: sha256 };
  }

  return {
    async next() {
      if (announced > maxBytes) return { type: 'too-large', limitBytes: maxBytes };
      const chunk = await chunks.next();
      if (chunk.type === 'end') return atEnd();
      if (chunk.type === 'aborted') return incomplete('aborted');
      if (chunk.type === 'failed') return incomplete('cut', chunk.cause);
      sizeBytes += chunk.bytes.length;
      if (sizeBytes > maxBytes) return { type: 'too-large', limitBytes: maxBytes };
      if (expectedBytes !== undefined && sizeBytes > expectedBytes) return incomplete('too-long');
      hash.update(chunk.bytes);
      return chunk;
    },
    letGo: chunks.letGo,
  };
}

type Chunk = { type: 'bytes'; bytes: Uint8Array } | { type: 'end' } | { type: 'aborted' } | { type: 'failed'; cause: unknown };

/** Keeps the source's failures apart from the disk's, and stops waiting for a source that has fallen silent. */
function chunksOf(source: AsyncIterable<Uint8Array> | Uint8Array, signal?: AbortSignal): { next(): Promise<Chunk>; letGo(): void } {
  // A stream may fail before it is first read, which nobody would hear of: that would end the process. Reading tells of it.
  if (source instanceof Readable) source.once('error', () => {});
  const iterator =
    source instanceof Uint8Array
      ? oneChunk(source)
      : source instanceof Readable
        ? source.iterator({ destroyOnReturn: false })
        : source[Symbol.asyncIterator]();
  const pull = async (): Promise<Chunk> => {
    try {
      const { done, value } = await iterator.next();
      if (done) return { type: 'end' };
      if (value instanceof Uint8Array) return { type: 'bytes', bytes: value };
      return { type: 'failed', cause: new TypeError('The source gave something other than bytes') };
    } catch (cause) {
      return { type: 'failed', cause };
    }
  };
  return {
    async next() {
      if (signal === undefined) return pull();
      if (signal.aborted) return { type: 'aborted' };
      let onAbort = (): void => {};
      const aborted = new Promise<Chunk>((resolve) => {
        onAbort = () => resolve({ type: 'aborted' });
        signal.addEventListener('abort', onAbort, { once: true });
      });
      try {
        return await Promise.race([pull(), aborted]);
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
    },
    letGo() {
      iterator.return?.().catch(() => {});
    },
  };
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
