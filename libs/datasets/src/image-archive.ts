import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import yauzl from 'yauzl';
import type { FileProblem } from './table-file.ts';

/** A file of an archive that is to be a picture. */
export interface ArchivedImage {
  /** within the archive, with `/` between folders; as the sender wrote it */
  path: string;
  /** the folder that it lies in */
  label: string;
  /** null: larger than allowed, encrypted or damaged; never read then */
  bytes: Uint8Array | null;
  /** why there are no bytes */
  fault: string;
}

export interface ArchiveLimits {
  maxEntries: number;
  /** of one picture, unpacked */
  maxImageBytes: number;
  /** of all of them together, unpacked */
  maxTotalBytes: number;
}

/** Files beside the pictures, which are left out. */
export interface LeftOut {
  /** pictures that lie in no folder, and so have no class */
  withoutFolder: string[];
  /** files that are no pictures by their names */
  others: string[];
}

export type ArchiveOutcome = { type: 'read'; leftOut: LeftOut } | { type: 'rejected'; problems: FileProblem[] };

/** Office files are zip archives too; their first entry gives them away. */
const officeEntry = /^(\[Content_Types\]\.xml|mimetype|_rels\/|docProps\/|xl\/|word\/|ppt\/)/;
/** What file managers leave behind. */
const litter = /(^|\/)(__MACOSX\/|\.|Thumbs\.db$|desktop\.ini$)/i;
const picture = /\.(png|jpe?g)$/i;

/** Whether a file is a zip archive that may hold pictures: one that is no Office file. */
export async function isImageArchive(source: string): Promise<boolean> {
  const file = await open(source, 'r');
  try {
    const head = new Uint8Array(512);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    const text = Buffer.from(head.subarray(0, bytesRead)).toString('latin1');
    if (text.startsWith('PK\x05\x06')) return true;
    if (!text.startsWith('PK\x03\x04') || bytesRead < 30) return false;
    return !officeEntry.test(text.slice(30, 30 + head[26]! + 256 * head[27]!));
  } finally {
    await file.close();
  }
}

/**
 * Reads the pictures of a zip archive one after another, in its order, never holding more than one. Entries are read through
 * the archive's directory: names that leave it (`..`, absolute ones) refuse the archive, and none becomes a path of ours.
 * A problem that `take` finds refuses it too.
 */
export async function readImageArchive(source: string, limits: ArchiveLimits, take: (image: ArchivedImage) => Promise<FileProblem | null>, signal?: AbortSignal): Promise<ArchiveOutcome> {
  const leftOut: LeftOut = { withoutFolder: [], others: [] };
  const reject = (problem: Omit<FileProblem, 'field'>): ArchiveOutcome => ({ type: 'rejected', problems: [{ ...problem, field: 'file' }] });
  let zip: yauzl.ZipFile;
  try {
    zip = await yauzl.openPromise(source, { autoClose: false, strictFileNames: true });
  } catch {
    return reject({ code: 'damaged_file', message: 'The zip archive can’t be read: it is cut off, damaged, or in several parts.', remedy: 'Make it anew and upload it again.' });
  }
  try {
    if (zip.entryCount > limits.maxEntries) {
      return reject({ code: 'too_many_files', message: `The archive has ${zip.entryCount} entries; ${limits.maxEntries} are allowed.`, remedy: 'Upload fewer pictures, such as a sample, or append the others later.' });
    }
    let total = 0;
    for await (const entry of zip.eachEntry()) {
      signal?.throwIfAborted();
      const { fileName: name } = entry;
      if (name.endsWith('/') || litter.test(name)) continue;
      if (!picture.test(name)) {
        leftOut.others.push(name);
        continue;
      }
      const folders = name.split('/').slice(0, -1);
      const label = folders.at(-1)?.normalize('NFC').trim();
      if (!label) {
        leftOut.withoutFolder.push(name);
        continue;
      }
      const fault = faultOf(entry, limits);
      const bytes = fault === null ? await unpack(zip, entry) : null;
      total += bytes?.length ?? 0;
      if (total > limits.maxTotalBytes) {
        return reject({ code: 'archive_too_large', message: `The pictures take more than ${limits.maxTotalBytes} bytes when they are unpacked.`, remedy: 'Upload fewer or smaller pictures.' });
      }
      const problem = await take({ path: name, label, bytes, fault: fault ?? 'It can’t be unpacked: its bytes are not those that were packed.' });
      if (problem) return { type: 'rejected', problems: [problem] };
    }
    return { type: 'read', leftOut };
  } catch (error) {
    signal?.throwIfAborted();
    if (!isOfArchive(error)) throw error;
    const unsafe = /absolute path|invalid relative path|invalid characters in fileName/i.test(error.message);
    return unsafe
      ? reject({ code: 'unsafe_path', message: 'The archive has an entry whose name leads out of it, or holds a backslash.', remedy: 'Pack the folders anew, with plain names.' })
      : reject({ code: 'damaged_file', message: 'The directory of the zip archive is damaged.', remedy: 'Make it anew and upload it again.' });
  } finally {
    zip.close();
  }
}

function faultOf(entry: yauzl.Entry, { maxImageBytes }: ArchiveLimits): string | null {
  if (entry.uncompressedSize > maxImageBytes) return `It has ${entry.uncompressedSize} bytes; ${maxImageBytes} are allowed.`;
  return entry.canDecodeFileData() ? null : 'It is encrypted, or packed in a way that isn’t known.';
}

/** The bytes of an entry; null if they are not what the archive says. The library ends a stream that grows beyond its size. */
async function unpack(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Uint8Array | null> {
  const parts: Uint8Array[] = [];
  let stream: Readable;
  try {
    stream = await zip.openReadStreamPromise(entry);
    for await (const part of stream) parts.push(part as Uint8Array);
  } catch {
    return null;
  }
  const bytes = Buffer.concat(parts);
  return crc32(bytes) === entry.crc32 ? bytes : null;
}

/** The library tells of broken archives by plain errors; those of the file system have a code. */
function isOfArchive(error: unknown): error is Error {
  return error instanceof Error && !('code' in error);
}
