import { open } from 'node:fs/promises';
import type { FileWarning } from './table-file.ts';

/** UTF-8 needs no translation. */
export type TextEncoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252';

const chunkBytes = 256 * 1024;
/** Bytes that Windows-1252 leaves without a meaning. */
const meaningless = new Set([0x81, 0x8d, 0x8f, 0x90, 0x9d]);

export const encodingNames: Record<TextEncoding, string> = { 'utf-8': 'UTF-8', 'utf-16le': 'UTF-16 (little-endian)', 'utf-16be': 'UTF-16 (big-endian)', 'windows-1252': 'Windows-1252' };

/** UTF-16 by its mark, or without one by the zero bytes of a text that is mostly Latin; else UTF-8 is assumed. */
export function encodingOf(head: Uint8Array): TextEncoding {
  if (head[0] === 0xff && head[1] === 0xfe && !(head[2] === 0 && head[3] === 0)) return 'utf-16le';
  if (head[0] === 0xfe && head[1] === 0xff) return 'utf-16be';
  const pairs = Math.floor(Math.min(head.length, 4096) / 2);
  const zeros = [0, 0];
  for (let i = 0; i < 2 * pairs; i++) if (head[i] === 0) zeros[i % 2]!++;
  if (pairs < 4) return 'utf-8';
  const [even, odd] = zeros as [number, number];
  if (odd > pairs * 0.6 && even < odd / 10) return 'utf-16le';
  return even > pairs * 0.6 && odd < even / 10 ? 'utf-16be' : 'utf-8';
}

/**
 * Whether a file that isn't UTF-8 is text in Windows-1252 (of which Latin-1 is a part): then most of its bytes above 127
 * make no sense in UTF-8, and all of them do here. A file of UTF-8 with a few broken bytes isn't.
 */
export async function isWindows1252(source: string): Promise<boolean> {
  let [strange, sound, continuations] = [0, 0, 0];
  for await (const chunk of chunksOf(source)) {
    for (const byte of chunk) {
      if (byte === 0 || meaningless.has(byte)) return false;
      if (byte < 0x80) {
        strange += continuations;
        continuations = 0;
      } else if (byte < 0xc0) {
        if (continuations > 0) {
          continuations--;
          if (continuations === 0) sound++;
        } else strange++;
      } else {
        strange += continuations;
        continuations = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : byte < 0xf8 ? 3 : 0;
        if (continuations === 0) strange++;
      }
    }
  }
  return strange > 0 && sound * 10 <= strange;
}

/** Writes a text anew in UTF-8, in pieces. Null; or, with the target half written, the line whose bytes aren't in that encoding. */
export async function translateToUtf8(source: string, target: string, encoding: TextEncoding, signal?: AbortSignal): Promise<number | null> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  const output = await open(target, 'w', 0o600);
  let line = 1;
  let current: Uint8Array | null = null;
  try {
    for await (const chunk of chunksOf(source)) {
      signal?.throwIfAborted();
      current = chunk;
      const broken = encoding === 'windows-1252' ? chunk.findIndex((byte) => byte === 0 || meaningless.has(byte)) : -1;
      if (broken !== -1) return line + lineEnds(Buffer.from(chunk.subarray(0, broken)).toString('latin1'));
      const text = decoder.decode(chunk, { stream: true });
      line += lineEnds(text);
      await output.appendFile(text);
    }
    current = null;
    await output.appendFile(decoder.decode());
    return null;
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_ENCODING_INVALID_ENCODED_DATA') throw error;
    return current ? line + lineEnds(new TextDecoder(encoding).decode(current).split('\ufffd')[0]!) : line;
  } finally {
    await output.close();
  }
}

/** Line feeds, or carriage returns in a text that has none of them. */
function lineEnds(text: string): number {
  const count = (sign: string): number => text.split(sign).length - 1;
  return count('\n') || count('\r');
}

export function warnOfEncoding(encoding: TextEncoding): FileWarning[] {
  if (encoding !== 'windows-1252') return [];
  return [{
    code: 'encoding_guessed', field: 'file',
    message: 'The file isn’t in UTF-8 and was read as Windows-1252, the Latin-1 of Windows.',
    remedy: 'Look whether words with accents are right in the sample rows. If not, save the file as UTF-8 and upload it again.',
  }];
}

async function* chunksOf(source: string): AsyncGenerator<Uint8Array> {
  const input = await open(source, 'r');
  try {
    const buffer = new Uint8Array(chunkBytes);
    for (let position = 0; ; ) {
      const { bytesRead } = await input.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await input.close();
  }
}
