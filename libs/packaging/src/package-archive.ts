import type { Problem } from '@millrace/kernel';

/**
 * A package as one file: a tar (POSIX ustar) of its files, sorted by name, all owned by nobody and of no time. The same files
 * give the same bytes.
 */

const block = 512;
const endOfArchive = new Uint8Array(2 * block);
/** A package has seven files; a tar with more is none. */
const mostFiles = 16;

export interface ArchiveEntry {
  name: string;
  sizeBytes: number;
  content: AsyncIterable<Uint8Array> | Uint8Array;
}

/** The bytes of the tar, made as they are read. Throws for an entry whose content has another size. */
export async function* writeArchive(entries: readonly ArchiveEntry[]): AsyncGenerator<Uint8Array, void, void> {
  for (const { name, sizeBytes, content } of [...entries].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    yield headerOf(name, sizeBytes);
    let sent = 0;
    for await (const chunk of content instanceof Uint8Array ? [content] : content) {
      sent += chunk.byteLength;
      yield chunk;
    }
    if (sent !== sizeBytes) throw new Error(`${name} has ${sent} bytes and should have ${sizeBytes}`);
    yield new Uint8Array((block - (sizeBytes % block)) % block);
  }
  yield endOfArchive;
}

/** The size of what `writeArchive` makes. */
export function archiveBytes(entries: readonly Pick<ArchiveEntry, 'sizeBytes'>[]): number {
  return entries.reduce((sum, { sizeBytes }) => sum + block + Math.ceil(sizeBytes / block) * block, endOfArchive.byteLength);
}

/** Whether these bytes may be a tar at all: an ONNX file has no such mark. */
export function isArchive(bytes: Uint8Array): boolean {
  return bytes.byteLength >= block && text(bytes, 257, 5) === 'ustar';
}

/**
 * The files in a tar, as views of its bytes. Plain files only, each named once, nothing between or after them: what another
 * program might read differently is refused.
 */
export function readArchive(bytes: Uint8Array): { files: Map<string, Uint8Array> } | { problem: Problem } {
  const files = new Map<string, Uint8Array>();
  let at = 0;
  for (; at + block <= bytes.byteLength; ) {
    const header = bytes.subarray(at, at + block);
    if (header.every((byte) => byte === 0)) break;
    if (files.size === mostFiles) return broken('holds more files than a package has.');
    const name = text(header, 0, 100);
    if (number(header, 148, 8) !== checksumOf(header)) return broken('is damaged: a checksum is wrong.');
    if (text(header, 257, 5) !== 'ustar' || (header[156] !== 0x30 && header[156] !== 0) || text(header, 345, 155) !== '') return broken('holds something other than plain files.');
    const size = number(header, 124, 12);
    at += block;
    if (size === null || at + size > bytes.byteLength) return broken('ends in the middle of a file.');
    if (!/^[a-z][a-z0-9.-]{0,63}$/.test(name)) return broken('holds a file that no package has.');
    if (files.has(name)) return broken(`holds ${name} twice.`);
    files.set(name, bytes.subarray(at, at + size));
    at += Math.ceil(size / block) * block;
  }
  if (files.size === 0) return broken('holds no files.');
  if (bytes.byteLength - at < 2 * block) return broken('is cut off.');
  if (bytes.subarray(at).some((byte) => byte !== 0)) return broken('has something after its end.');
  return { files };
}

function headerOf(name: string, sizeBytes: number): Uint8Array {
  const header = Buffer.alloc(block);
  header.write(name, 0, 100, 'ascii');
  header.write('0000644\0', 100, 'ascii');
  header.write('0000000\0', 108, 'ascii');
  header.write('0000000\0', 116, 'ascii');
  header.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124, 'ascii');
  header.write('00000000000\0', 136, 'ascii');
  header.write('0', 156, 'ascii');
  header.write('ustar\x0000', 257, 'ascii');
  header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, 148, 'ascii');
  return header;
}

/** The sum of the header's bytes, its own field counted as spaces. */
function checksumOf(header: Uint8Array): number {
  return header.reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 0x20 : byte), 0);
}

function text(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString('latin1');
}

/** Octal digits; null for anything else, such as the binary form for sizes beyond 8 GB. */
function number(bytes: Uint8Array, start: number, length: number): number | null {
  const digits = text(bytes, start, length).trim();
  return /^[0-7]{1,11}$/.test(digits) ? parseInt(digits, 8) : null;
}

function broken(complaint: string): { problem: Problem } {
  return { problem: { code: 'invalid_archive', field: 'file', message: `The file ${complaint}`, remedy: 'Send the file that Millrace gave out for the version, unchanged.' } };
}
