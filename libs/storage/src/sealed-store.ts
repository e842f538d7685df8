import { Readable } from 'node:stream';
import { byPieces, DomainError } from '@millrace/kernel';
import { assertKey, assertPrefix, tenantOfKey } from './artefact-key.ts';
import { type ArtefactInfo, type ArtefactStore, defaultReadLimit, type PutOptions, type PutOutcome } from './artefact-store.ts';
import { type Received, type Refusal, takeIn } from './intake.ts';
import { createScratch } from './scratch.ts';
import {
  chunkBytes, createOpener, createSealer, DamagedArtefactError, gathered, type Header, headerBytes, inPieces, newHeader, type Opener, plainSizeOf,
  readHeader, sealedChunkBytes, sealedSizeOf,
} from './sealed-format.ts';
import type { TenantKeyring } from './tenant-keyring.ts';

export interface SealedStoreOptions {
  /** where the sealed bytes lie */
  inner: ArtefactStore;
  keyring: TenantKeyring;
  /** for `withLocalFile`: plain artefacts while they are in use. Of this machine alone, never shared, best in memory. */
  scratchDirectory: string;
}

export interface ResealOptions {
  /**
   * Artefacts from before encryption are sealed rather than counted only. Whoever can write to the inner store could
   * have put them there: say so only for an installation that has some.
   */
  sealPlain?: boolean;
  onProgress?: (progress: { doneBytes: number; totalBytes: number }) => void;
}

export interface ResealReport {
  /** sealed with the current key already */
  current: number;
  /** were sealed with an earlier key */
  resealed: number;
  /** were plain */
  sealed: number;
  /** are plain, and were left so */
  plain: number;
  /** their key is destroyed */
  destroyed: number;
  /** keys of artefacts that do not open */
  damaged: string[];
}

export interface SealedStore extends ArtefactStore {
  /**
   * Seals what lies below `prefix` with the current keys of its tenants, one artefact in one step after another. Readers
   * and writers need not stop. Cut off, it goes on where it stopped when it is called again.
   */
  reseal(prefix: string, options?: ResealOptions): Promise<ResealReport>;
}

/**
 * An artefact store whose bytes are encrypted with a key per tenant before another store gets them. Sizes, limits and
 * digests are those of the plain bytes.
 *
 * An artefact whose key is destroyed throws `NOT_FOUND`: it is gone for good, like one that was removed, and callers deal
 * with it as such; the message tells the two apart. One that isn't sealed throws `UNAVAILABLE` and is never taken as it
 * is, since anyone who can write to the inner store could have put it there. One that doesn't open throws an error that
 * is no `DomainError`.
 */
export function createSealedStore({ inner, keyring, scratchDirectory }: SealedStoreOptions): SealedStore {
  const scratch = createScratch(scratchDirectory);

  async function put(key: string, source: AsyncIterable<Uint8Array> | Uint8Array, options: PutOptions = {}): Promise<PutOutcome> {
    assertKey(key);
    const intake = takeIn(source, options);
    let verdict = undefined as Received | Refusal | undefined;

    async function* plainBytes(): AsyncGenerator<Uint8Array> {
      for (;;) {
        const next = await intake.next();
        if (next.type === 'bytes') {
          yield next.bytes;
          continue;
        }
        verdict = next;
        if (next.type === 'received') return;
        throw new Error(`the source was refused: ${next.type}`); // the inner store then drops what it has
      }
    }
    async function* sealedBytes(version: number, tenantKey: Uint8Array): AsyncGenerator<Uint8Array> {
      const header = newHeader(version);
      const seal = createSealer({ artefactKey: key, tenantKey, header });
      yield header;
      for await (const { bytes, isLast } of inPieces(plainBytes(), chunkBytes)) yield* seal(bytes, isLast);
    }

    try {
      const current = await keyring.current(tenantOfKey(key));
      const outcome = await inner.put(key, gathered(sealedBytes(current.version, current.key)));
      if (verdict && verdict.type !== 'received') return verdict;
      if (outcome.type === 'stored' && verdict) return { type: 'stored', key, sizeBytes: verdict.sizeBytes, sha256: verdict.sha256 };
      throw new Error(`The inner store did not take the sealed bytes: ${outcome.type}`, { cause: outcome });
    } finally {
      intake.letGo();
    }
  }

  /** The artefact's header, and the bytes behind it. Whoever doesn't read them to the end destroys the stream. */
  async function openInner(key: string): Promise<{ header: Header; stream: Readable; first: Uint8Array; rest: AsyncIterable<Uint8Array> }> {
    assertKey(key);
    const stream = await inner.open(key);
    try {
      const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
      let begin: Uint8Array = new Uint8Array();
      while (begin.length < headerBytes) {
        const { done, value } = await chunks.next();
        if (done) break;
        begin = Buffer.concat([begin, value]);
      }
      const rest = (async function* () {
        if (begin.length > headerBytes) yield begin.subarray(headerBytes);
        yield* { [Symbol.asyncIterator]: () => chunks };
      })();
      return { header: readHeader(begin), stream, first: begin.subarray(0, headerBytes), rest };
    } catch (error) {
      stream.destroy();
      throw error;
    }
  }

  async function openerFor(key: string, header: Header): Promise<Opener> {
    if (header.type === 'damaged') throw new DamagedArtefactError(key, header.what);
    if (header.type === 'plain') {
      throw new DomainError('UNAVAILABLE', 'This artefact is not encrypted, and therefore not read.', {
        remedy: 'If it is from before encryption was introduced, seal it: npm run keys -- reseal --plain.',
        cause: `artefact ${key}`,
      });
    }
    const tenantKey = await keyring.find(tenantOfKey(key), header.keyVersion);
    if (tenantKey) return createOpener({ artefactKey: key, tenantKey, header: header.bytes });
    throw new DomainError('NOT_FOUND', 'This artefact is gone for ever: the key that it was encrypted with has been destroyed.', {
      cause: `artefact ${key}, key version ${header.keyVersion}`,
    });
  }

  async function openPlain(key: string): Promise<{ stream: Readable; plain: AsyncIterable<Uint8Array> }> {
    const { header, stream, rest } = await openInner(key);
    try {
      return { stream, plain: unsealed(rest, await openerFor(key, header)) };
    } catch (error) {
      stream.destroy();
      throw error;
    }
  }

  const plainInfo = (info: ArtefactInfo): ArtefactInfo => ({ ...info, sizeBytes: plainSizeOf(info.sizeBytes) });

  async function resealOne(key: string, sealPlain: boolean): Promise<keyof ResealReport | 'gone'> {
    const tenantId = tenantOfKey(key);
    for (;;) {
      const before = await inner.stat(key);
      const opened = before && (await openInner(key).catch(nullIfNotFound));
      if (!opened) return 'gone';
      const { header, stream, first, rest } = opened;
      try {
        if (header.type === 'damaged') return 'damaged';
        let plain: AsyncIterable<Uint8Array>;
        if (header.type === 'plain') {
          if (!sealPlain) return 'plain';
          plain = joined(first, rest);
        } else {
          // Before the current key: asking for that one of a tenant that has none any more would make one.
          const tenantKey = await keyring.find(tenantId, header.keyVersion);
          if (!tenantKey) return 'destroyed';
          if (header.keyVersion === (await keyring.current(tenantId)).version) return 'current';
          plain = unsealed(rest, createOpener({ artefactKey: key, tenantKey, header: header.bytes }));
        }
        const outcome = await put(key, unless(async () => isChanged(before, await inner.stat(key)), plain));
        if (outcome.type === 'stored') return header.type === 'plain' ? 'sealed' : 'resealed';
        const cause = outcome.type === 'incomplete' ? outcome.cause : outcome;
        if (cause instanceof DamagedArtefactError) return 'damaged';
        if (!(cause instanceof ChangedMeanwhile)) throw cause;
      } finally {
        stream.destroy();
      }
    }
  }

  return {
    put,

    async open(key) {
      const { stream, plain } = await openPlain(key);
      return Readable.from(plain, { objectMode: false, highWaterMark: chunkBytes }).once('close', () => stream.destroy());
    },

    async read(key, maxBytes = defaultReadLimit) {
      assertKey(key);
      const sealed = await inner.read(key, sealedSizeOf(maxBytes)).catch((error: unknown) => {
        throw error instanceof RangeError ? new RangeError(`Artefact ${key} has more than the ${maxBytes} bytes asked for`, { cause: error }) : error;
      });
      const open = await openerFor(key, readHeader(sealed));
      const plain = Buffer.alloc(plainSizeOf(sealed.length));
      let [from, to, isLast] = [headerBytes, 0, false];
      await byPieces(sealed.length, (_, until) => {
        // At the end there is a last chunk to be opened, however little of it there is.
        for (; !isLast && (from < until || until === sealed.length); from += sealedChunkBytes) {
          isLast = from + sealedChunkBytes >= sealed.length;
          const chunk = open(sealed.subarray(from, from + sealedChunkBytes), isLast);
          plain.set(chunk, to);
          to += chunk.length;
        }
      });
      return plain;
    },

    /** Of an artefact that isn't sealed the size means nothing. */
    async stat(key) {
      const info = await inner.stat(key);
      return info && plainInfo(info);
    },

    remove: (key) => inner.remove(key),
    removeAll: (prefix) => inner.removeAll(prefix),

    /** Of artefacts that aren't sealed the sizes mean nothing. */
    async list(prefix) {
      return (await inner.list(prefix)).map(plainInfo);
    },

    async withLocalFile(key, use) {
      const { stream, plain } = await openPlain(key);
      try {
        return await scratch.withFile(gathered(plain), use);
      } finally {
        stream.destroy();
      }
    },

    async reseal(prefix, { sealPlain = false, onProgress } = {}) {
      assertPrefix(prefix);
      const report: ResealReport = { current: 0, resealed: 0, sealed: 0, plain: 0, destroyed: 0, damaged: [] };
      const artefacts = await inner.list(prefix);
      const totalBytes = artefacts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      let doneBytes = 0;
      for (const { key, sizeBytes } of artefacts) {
        const outcome = await resealOne(key, sealPlain);
        if (outcome === 'damaged') report.damaged.push(key);
        else if (outcome !== 'gone') report[outcome]++;
        doneBytes += sizeBytes;
        onProgress?.({ doneBytes, totalBytes });
      }
      return report;
    },
  };
}

async function* unsealed(sealed: AsyncIterable<Uint8Array>, open: Opener): AsyncGenerator<Uint8Array> {
  for await (const { bytes, isLast } of inPieces(sealed, sealedChunkBytes)) {
    const plain = open(bytes, isLast);
    if (plain.length > 0) yield plain;
  }
}

async function* joined(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}

class ChangedMeanwhile extends Error {}

/** Fails at the end, before the store publishes, when the artefact is no longer the one that was read. */
async function* unless(isChangedNow: () => Promise<boolean>, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* source;
  if (await isChangedNow()) throw new ChangedMeanwhile();
}

function isChanged(before: ArtefactInfo, now: ArtefactInfo | null): boolean {
  return !now || now.sizeBytes !== before.sizeBytes || now.modifiedAt.getTime() !== before.modifiedAt.getTime();
}

function nullIfNotFound(error: unknown): null {
  if (error instanceof DomainError && error.code === 'NOT_FOUND') return null;
  throw error;
}
