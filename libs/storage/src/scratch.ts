import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import path from 'node:path';
import { DomainError, isProcessAlive } from '@millrace/kernel';
import { isOutOfSpace } from './error-code.ts';

/** Which process a file belongs to: its number may be given again, even at once in a container, but not with the same birth. */
const birth = Math.round(performance.timeOrigin);
const scratchName = /^[0-9a-f-]{36}-(\d+)-(\d+)\.plain$/;

/** Plain files for as long as somebody uses them, readable by this user only. Clears away what killed processes left there. */
export function createScratch(directory: string) {
  const folder = path.resolve(directory);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  keepForUs(folder);
  sweep(folder);

  return {
    async withFile<T>(content: AsyncIterable<Uint8Array>, use: (file: string) => Promise<T>): Promise<T> {
      const file = path.join(folder, `${randomUUID()}-${process.pid}-${birth}.plain`);
      try {
        await write(file, content);
        return await use(file);
      } finally {
        await rm(file, { force: true });
      }
    },
  };
}

async function write(file: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    for await (const bytes of content) await handle.writeFile(bytes);
  } catch (error) {
    if (!isOutOfSpace(error)) throw error;
    throw new DomainError('UNAVAILABLE', 'The scratch folder has no space left.', {
      remedy: `Free space in ${path.dirname(file)} or give it more, then try again.`,
      cause: error,
    });
  } finally {
    await handle.close();
  }
}

/** Temporary folders are open to all: somebody else may have made ours before us, and could then exchange its files. */
function keepForUs(folder: string): void {
  const us = process.getuid?.();
  if (us !== undefined && statSync(folder).uid !== us) {
    throw new Error(`The scratch folder ${folder} belongs to another user. Remove it, or choose another place for it.`);
  }
  chmodSync(folder, 0o700);
}

function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const [, owner, ownersBirth] = scratchName.exec(name) ?? [];
    if (owner === undefined) continue;
    const isOurs = Number(owner) === process.pid;
    const isInUse = isOurs ? Number(ownersBirth) === birth : isProcessAlive(Number(owner));
    if (!isInUse) rmSync(path.join(folder, name), { force: true });
  }
}
