import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/**
 * How a sealed artefact lies in a store (docs/encryption.md):
 *
 *     magic 7 · format version 1 · key version 4 (big endian) · salt 32 · chunk · chunk · … · last chunk
 *
 * A chunk is 64 KiB of the artefact (the last one 0 to 64 KiB) sealed with AES-256-GCM and followed by its tag of 16
 * bytes. The key is the artefact's own, derived with HKDF-SHA-256 from the tenant's key and the salt, so that nonces may
 * be counters: 7 zero bytes, the chunk's number (4, big endian), 1 for the last chunk and 0 for the others. That is the
 * STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
 * Misuse-Resistance", CRYPTO 2015): chunks that were swapped, left out or added do not open. Header and artefact key are
 * associated data of every chunk, so that an artefact moved to another place does not open either.
 */
const magic = Buffer.from('8d4d525345414c', 'hex');
const formatVersion = 1;
const saltBytes = 32;
const tagBytes = 16;
export const headerBytes = magic.length + 1 + 4 + saltBytes;
export const chunkBytes = 64 * 1024;
export const sealedChunkBytes = chunkBytes + tagBytes;
const cipher = 'aes-256-gcm';
const gatheredBytes = 4 * chunkBytes;

/** The bytes are not those that were sealed, or the key is not the one they were sealed with. */
export class DamagedArtefactError extends Error {
  constructor(artefactKey: string, what: string) {
    super(`Artefact ${artefactKey} is damaged: ${what}. Restore it from a backup.`);
    this.name = 'DamagedArtefactError';
  }
}

export type Header = { type: 'sealed'; keyVersion: number; bytes: Uint8Array } | { type: 'plain' } | { type: 'damaged'; what: string };

/** @param first the first `headerBytes` of an artefact, or fewer if it has no more */
export function readHeader(first: Uint8Array): Header {
  const alike = magic.filter((byte, index) => byte === first[index]).length;
  // No text, Parquet or ONNX begins like the magic by chance. A part of it is a magic with flipped bits or a cut: taken for
  // plain, it would be sealed once more, and the damage would pass for the artefact.
  if (alike < 4 && (first.length > 4 || alike < Math.max(1, first.length))) return { type: 'plain' };
  if (alike < magic.length) return { type: 'damaged', what: 'its header is not what was written' };
  if (first.length < headerBytes) return { type: 'damaged', what: 'its header is cut off' };
  const version = first[magic.length]!;
  if (version !== formatVersion) {
    return { type: 'damaged', what: `its format version is ${version}, and this program knows only ${formatVersion}: it was written by a newer program, or its header is not what was written` };
  }
  const bytes = Buffer.from(first.subarray(0, headerBytes));
  return { type: 'sealed', keyVersion: bytes.readUInt32BE(magic.length + 1), bytes };
}

export function newHeader(keyVersion: number): Uint8Array {
  const fields = Buffer.alloc(5, formatVersion);
  fields.writeUInt32BE(keyVersion, 1);
  return Buffer.concat([magic, fields, randomBytes(saltBytes)]);
}

/** The size of an artefact of so many bytes once it is sealed. */
export function sealedSizeOf(plainBytes: number): number {
  return headerBytes + plainBytes + tagBytes * Math.max(1, Math.ceil(plainBytes / chunkBytes));
}

/** The inverse. For something that isn't sealed, or is cut off, the result means nothing, but is a size. */
export function plainSizeOf(sealedBytes: number): number {
  const body = sealedBytes - headerBytes;
  return Math.max(0, body - tagBytes * Math.ceil(body / sealedChunkBytes));
}

/** Opens the chunks of one artefact, one after another. */
export type Opener = (chunk: Uint8Array, isLast: boolean) => Uint8Array;

export interface ArtefactIdentity {
  artefactKey: string;
  tenantKey: Uint8Array;
  header: Uint8Array;
}

/** Gives the parts of a sealed chunk, which are not copied together: `gathered` does that for several at once. */
export function createSealer(identity: ArtefactIdentity): (chunk: Uint8Array, isLast: boolean) => Uint8Array[] {
  const { key, associated } = deriveKey(identity);
  let count = 0;
  return (chunk, isLast) => {
    const sealing = createCipheriv(cipher, key, nonceOf(count++, isLast), { authTagLength: tagBytes }).setAAD(associated);
    return [sealing.update(chunk), sealing.final(), sealing.getAuthTag()];
  };
}

/** Throws a `DamagedArtefactError` for a chunk that is not, byte for byte, what was sealed as this one. */
export function createOpener(identity: ArtefactIdentity): Opener {
  const { key, associated } = deriveKey(identity);
  let count = 0;
  return (chunk, isLast) => {
    const number = count++;
    const end = chunk.length - tagBytes;
    if (end < 0) throw new DamagedArtefactError(identity.artefactKey, `it is cut off in chunk ${number}`);
    const opening = createDecipheriv(cipher, key, nonceOf(number, isLast), { authTagLength: tagBytes }).setAAD(associated);
    opening.setAuthTag(chunk.subarray(end));
    const plain = opening.update(chunk.subarray(0, end));
    try {
      opening.final();
    } catch {
      throw new DamagedArtefactError(identity.artefactKey, `chunk ${number} does not open (changed, moved or cut off bytes, or another key)`);
    }
    return plain;
  };
}

function deriveKey({ artefactKey, tenantKey, header }: ArtefactIdentity): { key: Uint8Array; associated: Uint8Array } {
  const salt = header.subarray(headerBytes - saltBytes);
  const key = new Uint8Array(hkdfSync('sha256', tenantKey, salt, 'millrace artefact', 32));
  return { key, associated: Buffer.concat([header, Buffer.from(artefactKey)]) };
}

function nonceOf(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(number, 7);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

/** Regroups bytes into pieces of `size`; the last one, which may be shorter or empty, says so. A piece is valid until the next is asked for. */
export async function* inPieces(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<{ bytes: Uint8Array; isLast: boolean }> {
  const held = Buffer.allocUnsafe(size);
  let length = 0;
  for await (const bytes of source) {
    for (let offset = 0; offset < bytes.length; ) {
      if (length === size) {
        yield { bytes: held, isLast: false };
        length = 0;
      }
      const taken = Math.min(size - length, bytes.length - offset);
      held.set(bytes.subarray(offset, offset + taken), length);
      length += taken;
      offset += taken;
    }
  }
  yield { bytes: held.subarray(0, length), isLast: true };
}

/** Joins small pieces: each one costs its taker a write and a change of threads. */
export async function* gathered(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of source) {
    parts.push(part);
    length += part.length;
    if (length < gatheredBytes) continue;
    yield Buffer.concat(parts, length);
    parts = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(parts, length);
}
