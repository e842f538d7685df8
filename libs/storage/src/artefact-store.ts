import type { Readable } from 'node:stream';

/**
 * Where the bytes of uploads, data sets, checkpoints and packages live. An artefact is visible only once it is whole
 * and on disk; putting to a key that exists replaces the artefact in one step. Keys: see `artefact-key.ts`.
 *
 * A key that isn't there throws `DomainError` `NOT_FOUND`, a store without space `UNAVAILABLE`.
 */
export interface ArtefactStore {
  /**
   * Streams `source` to `key`. Whatever the outcome but `stored`, the key is as it was before. A source that is a
   * Node stream is left undestroyed when it is refused, so that an HTTP server can still drain it and answer on its
   * socket: the caller destroys it.
   */
  put(key: string, source: AsyncIterable<Uint8Array> | Uint8Array, options?: PutOptions): Promise<PutOutcome>;
  /** The artefact as a stream. Destroy it if it isn't read to its end. */
  open(key: string): Promise<Readable>;
  /** The whole artefact in memory. Throws a `RangeError` when it is larger than `maxBytes` (`defaultReadLimit` if left out). */
  read(key: string, maxBytes?: number): Promise<Uint8Array>;
  /** Null when there is no such artefact. */
  stat(key: string): Promise<ArtefactInfo | null>;
  /** Removes the artefact; does nothing if there is none. */
  remove(key: string): Promise<void>;
  /** Removes every artefact below `prefix` (at least `tenants/<tenant>`); does nothing if there is none. */
  removeAll(prefix: string): Promise<void>;
  /** Every whole artefact below `prefix`, in the order of their keys. */
  list(prefix: string): Promise<ArtefactInfo[]>;
  /** Runs `use` with the path of a local file that holds the artefact: to be read only, and only until `use` settles. */
  withLocalFile<T>(key: string, use: (path: string) => Promise<T>): Promise<T>;
}

export const defaultReadLimit = 64 * 1024 * 1024;

export interface PutOptions {
  /** Refuse sources that are longer. */
  maxBytes?: number;
  /** Refuse sources of any other length, such as a `content-length` that the stream doesn't keep. */
  expectedBytes?: number;
  /** Refuse sources with any other digest: 64 hexadecimal digits. */
  expectedSha256?: string;
  /** Stop waiting for the source. */
  signal?: AbortSignal;
}

export type PutOutcome =
  | { type: 'stored'; key: string; sizeBytes: number; sha256: string }
  | { type: 'too-large'; limitBytes: number }
  | { type: 'digest-mismatch'; expectedSha256: string; actualSha256: string }
  | {
      type: 'incomplete';
      /** `cut`: the source failed; `aborted`: by the signal; the others: its length isn't `expectedBytes` */
      reason: 'cut' | 'aborted' | 'too-short' | 'too-long';
      receivedBytes: number;
      expectedBytes?: number;
      /** what the source threw, for the log */
      cause?: unknown;
    };

export interface ArtefactInfo {
  key: string;
  sizeBytes: number;
  modifiedAt: Date;
}
