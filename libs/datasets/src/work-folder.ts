import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { isProcessAlive } from '@millrace/kernel';

const prefix = 'millrace-table-';
const folderName = /^millrace-table-(\d+)-/;
const abandonedAfterMs = 60 * 60 * 1000;

/** Gives `use` a temporary folder that is gone afterwards, and clears away those of processes that were killed. */
export async function withWorkFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  await removeAbandoned();
  const folder = await mkdtemp(path.join(os.tmpdir(), `${prefix}${process.pid}-`));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(os.tmpdir())) {
    const pid = Number(folderName.exec(name)?.[1]);
    if (!pid || isProcessAlive(pid)) continue;
    const folder = path.join(os.tmpdir(), name);
    const touched = await stat(folder).then((info) => info.mtimeMs, () => Infinity);
    // The age guards folders of other containers, whose processes can't be seen from here.
    if (Date.now() - touched > abandonedAfterMs) await rm(folder, { recursive: true, force: true });
  }
}
