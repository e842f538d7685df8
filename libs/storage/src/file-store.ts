import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, rmdir, stat, unlink, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { DomainError } from '@millrace/kernel';
import { assertKey, assertPrefix } from './artefact-key.ts';
import { type ArtefactInfo, type ArtefactStore, defaultReadLimit, type PutOptions } from './artefact-store.ts';
import { codeOf, isOutOfSpace } from './error-code.ts';
import { type Received, type Refusal, takeIn } from './intake.ts';

export interface FileStoreOptions {
  /** The folder, made if absent. All processes of an installation share it. */
  root: string;
  /** Unfinished files that nobody has written to for so long belong to a process that was killed. One hour if left out. */
  staleAfterMs?: number;
}

/** Outside `tenants/`, therefore no key reaches it, and in the same file system, therefore `rename` is atomic. */
const incomingFolder = '.incoming';
const unfinishedName = /^[0-9a-f-]{36}\.(part|removed)$/;

/** Artefacts as files below one folder: `<root>/<key>`. Clears away what killed processes left there. */
export function createFileStore({ root, staleAfterMs = 60 * 60 * 1000 }: FileStoreOptions): ArtefactStore {
  const base = path.resolve(root);
  const incoming = path.join(base, incomingFolder);
  mkdirSync(incoming, { recursive: true });
  sweep(incoming, staleAfterMs);

  const fileOf = (key: string): string => {
    assertKey(key);
    return path.join(base, ...key.split('/'));
  };
  const unfinished = (kind: 'part' | 'removed'): string => path.join(incoming, `${randomUUID()}.${kind}`);

  async function openFile(key: string): Promise<{ handle: FileHandle; sizeBytes: number }> {
    const handle = await open(fileOf(key), 'r').catch((error: unknown) => {
      throw isAbsence(error) ? notFound(error) : error;
    });
    try {
      const info = await handle.stat();
      if (!info.isFile()) throw notFound();
      return { handle, sizeBytes: info.size };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async function find(key: string): Promise<ArtefactInfo | null> {
    try {
      const info = await stat(fileOf(key));
      return info.isFile() ? { key, sizeBytes: info.size, modifiedAt: info.mtime } : null;
    } catch (error) {
      if (isAbsence(error)) return null;
      throw error;
    }
  }

  /** Folders appear and, when the last artefact leaves them, vanish: another process may take ours away meanwhile (ENOENT or,
   * in the middle of a recursive mkdir, ENOTDIR). A real clash of keys fails every time. */
  async function publish(part: string, target: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        const firstMade = await mkdir(path.dirname(target), { recursive: true });
        await rename(part, target);
        await syncFolders(path.dirname(target), firstMade === undefined ? path.dirname(target) : path.dirname(firstMade));
        return;
      } catch (error) {
        if (!isAbsence(error) || attempt === 20) throw error;
      }
    }
  }

  async function removeEmptyFolders(from: string): Promise<void> {
    for (let folder = from; folder.startsWith(base + path.sep); folder = path.dirname(folder)) {
      try {
        await rmdir(folder);
      } catch {
        return; // not empty, or already gone
      }
    }
  }

  return {
    async put(key, source, options = {}) {
      const target = fileOf(key);
      const part = unfinished('part');
      let published = false;
      try {
        const outcome = await receive(part, source, options);
        if (outcome.type !== 'received') return outcome;
        await publish(part, target);
        published = true;
        return { type: 'stored', key, sizeBytes: outcome.sizeBytes, sha256: outcome.sha256 };
      } catch (error) {
        throw writeFailure(error, key);
      } finally {
        if (!published) await rm(part, { force: true });
      }
    },

    async open(key) {
      const { handle } = await openFile(key);
      return handle.createReadStream();
    },

    async read(key, maxBytes = defaultReadLimit) {
      const { handle, sizeBytes } = await openFile(key);
      try {
        if (sizeBytes > maxBytes) throw new RangeError(`Artefact ${key} has ${sizeBytes} bytes, more than the ${maxBytes} asked for`);
        return await handle.readFile();
      } finally {
        await handle.close();
      }
    },

    stat: find,

    async remove(key) {
      const file = fileOf(key);
      try {
        await unlink(file);
      } catch (error) {
        // Unlinking a folder is EISDIR on Linux and EPERM elsewhere: no artefact has this key.
        if (isAbsence(error) || codeOf(error) === 'EISDIR' || codeOf(error) === 'EPERM') return;
        throw error;
      }
      await removeEmptyFolders(path.dirname(file));
    },

    async removeAll(prefix) {
      assertPrefix(prefix, 2);
      const folder = path.join(base, ...prefix.split('/'));
      const removed = unfinished('removed');
      try {
        if (!(await stat(folder)).isDirectory()) return;
        await rename(folder, removed); // gone at once for every reader; deleting takes its time
      } catch (error) {
        if (isAbsence(error)) return;
        throw error;
      }
      await rm(removed, { recursive: true, force: true });
      await removeEmptyFolders(path.dirname(folder));
    },

    async list(prefix) {
      assertPrefix(prefix);
      const found: ArtefactInfo[] = [];
      const walk = async (below: string): Promise<void> => {
        const entries = await readdir(path.join(base, ...below.split('/')), { withFileTypes: true }).catch((error: unknown) => {
          if (isAbsence(error)) return [];
          throw error;
        });
        for (const entry of entries) {
          const key = `${below}/${entry.name}`;
          if (entry.isDirectory()) await walk(key);
          else if (entry.isFile()) {
            const info = await find(key);
            if (info) found.push(info);
          }
        }
      };
      await walk(prefix);
      return found.sort((a, b) => (a.key < b.key ? -1 : 1));
    },

    async withLocalFile(key, use) {
      const { handle } = await openFile(key);
      try {
        return await use(fileOf(key));
      } finally {
        await handle.close();
      }
    },
  };
}

/** Writes the source to a new file and to disk. */
async function receive(file: string, source: AsyncIterable<Uint8Array> | Uint8Array, options: PutOptions): Promise<Received | Refusal> {
  const handle = await open(file, 'wx', 0o640);
  const intake = takeIn(source, options);
  try {
    for (;;) {
      const next = await intake.next();
      if (next.type === 'bytes') {
        await writeWhole(handle, next.bytes);
        continue;
      }
      if (next.type === 'received') await handle.sync();
      return next;
    }
  } finally {
    intake.letGo();
    await handle.close();
  }
}

async function writeWhole(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, offset, bytes.length - offset);
    offset += bytesWritten;
  }
}

/** A new name lasts through a power cut only when the folders that lead to it are on disk too. */
async function syncFolders(from: string, upTo: string): Promise<void> {
  for (let folder = from; ; folder = path.dirname(folder)) {
    const handle = await open(folder, 'r').catch((error: unknown) => {
      // Windows can't open folders and needs no such call.
      if (codeOf(error) === 'EISDIR' || codeOf(error) === 'EPERM') return null;
      throw error;
    });
    try {
      await handle?.sync();
    } finally {
      await handle?.close();
    }
    if (folder === upTo || folder === path.dirname(folder)) return;
  }
}

function sweep(incoming: string, staleAfterMs: number): void {
  const now = Date.now();
  for (const name of readdirSync(incoming)) {
    if (!unfinishedName.test(name)) continue;
    const file = path.join(incoming, name);
    const touched = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
    if (touched !== undefined && now - touched >= staleAfterMs) rmSync(file, { recursive: true, force: true });
  }
}

function writeFailure(error: unknown, key: string): unknown {
  if (isOutOfSpace(error)) {
    return new DomainError('UNAVAILABLE', 'The artefact store has no space left.', {
      remedy: 'Free space in the artefact folder or give it more, then try again. Nothing was stored.',
      cause: error,
    });
  }
  switch (codeOf(error)) {
    case 'ENOTDIR':
    case 'EISDIR':
    case 'ENOTEMPTY':
    case 'EEXIST':
      return new TypeError(`Artefact key ${key} clashes with another: one is a folder of the other`, { cause: error });
    default:
      return error;
  }
}

function notFound(cause?: unknown): DomainError {
  return new DomainError('NOT_FOUND', 'There is no such artefact.', cause === undefined ? {} : { cause });
}

function isAbsence(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';
}
