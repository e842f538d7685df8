import { createHmac, randomBytes } from 'node:crypto';
import path from 'node:path';
import { createDatabase, type Database, migrate, migrationsDigest, provisionRoles, startEmbeddedPostgres } from '@millrace/database';
import { silentLogger } from '@millrace/kernel';
import pg from 'pg';

export const repositoryRoot = path.resolve(import.meta.dirname, '../../..');
const migrationsDirectory = path.join(repositoryRoot, 'prisma/migrations');

export interface TestDatabase {
  /** as the API and the inference server have it */
  database: Database;
  /** as the worker has it */
  workerDatabase: Database;
  urls: { owner: string; app: string; system: string; worker: string };
  /** runs a statement as the owner of the cluster's databases, past row-level security: to arrange and to inspect */
  asOwner<Row extends object = Record<string, unknown>>(sql: string, values?: unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}

/** A database of its own for a spec file: a clone of the migrated template, in about a tenth of a second. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const serverUrl = await testServerUrl();
  const template = `millrace_template_${(await migrationsDigest(migrationsDirectory)).slice(0, 16)}`;
  const name = `millrace_test_${randomBytes(6).toString('hex')}`;
  const passwords = {
    app: derivedPassword(serverUrl, 'app'),
    system: derivedPassword(serverUrl, 'system'),
    worker: derivedPassword(serverUrl, 'worker'),
  };
  await withClient(serverUrl, async (client) => {
    await client.query('SELECT pg_advisory_lock(4711)'); // one process makes the template, the others wait
    const known = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [template]);
    if (!known.rowCount) {
      await client.query(`DROP DATABASE IF EXISTS ${template}_unfinished`); // of a process that was stopped half way
      await client.query(`CREATE DATABASE ${template}_unfinished`);
      await migrate(withDatabase(serverUrl, `${template}_unfinished`), migrationsDirectory, silentLogger);
      await provisionRoles(serverUrl, passwords);
      await client.query(`ALTER DATABASE ${template}_unfinished RENAME TO ${template}`);
    }
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
    await client.query('SELECT pg_advisory_unlock(4711)');
  });

  const owner = withDatabase(serverUrl, name);
  const urlOf = (role: keyof typeof passwords): string => {
    const url = new URL(owner);
    url.username = `millrace_${role}`;
    url.password = passwords[role];
    return url.toString();
  };
  const urls = { owner, app: urlOf('app'), system: urlOf('system'), worker: urlOf('worker') };
  const asOwner = openOwner(owner);
  const database = createDatabase({ tenantUrl: urls.app, systemUrl: urls.system, logger: silentLogger });
  const workerDatabase = createDatabase({ tenantUrl: urls.app, systemUrl: urls.worker, logger: silentLogger });
  return {
    database,
    workerDatabase,
    urls,
    asOwner: asOwner.query,
    async close() {
      await Promise.all([database.close(), workerDatabase.close(), asOwner.close()]);
      await withClient(serverUrl, (client) => dropWhenUnused(client, name));
    },
  };
}

/**
 * The owner is bound by forced row-level security too: asked for the first time, this gives it a policy of its own on every
 * table, for this database only. Each statement waits for whoever is at work, and sees what they have done.
 */
function openOwner(url: string): { query: TestDatabase['asOwner']; close(): Promise<void> } {
  const pool = new pg.Pool({ connectionString: url, allowExitOnIdle: true, idleTimeoutMillis: 0 });
  pool.on('error', () => undefined); // a spec that ends sessions ends this one's too
  let tables: Promise<string[]> | undefined;

  /** In a transaction that holds every one of the tables. */
  async function alone<T>(client: pg.PoolClient, names: readonly string[], work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        // Whoever is at work locks some of them in an order of its own: then this one gives way, and begins anew, sooner
        // than a deadlock is looked for, which could end the other: a throw-away Postgres waits long with that.
        await client.query(`BEGIN; SET LOCAL lock_timeout = '300ms'; LOCK TABLE ${names.join(', ')}`);
        const result = await work();
        await client.query('COMMIT');
        return result;
      } catch (error) {
        await client.query('ROLLBACK');
        if (!lockLost.has((error as { code?: string }).code)) throw error;
      }
    }
  }

  async function openTables(): Promise<string[]> {
    const client = await pool.connect();
    try {
      const { rows } = await client.query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relforcerowsecurity AND relnamespace = 'public'::regnamespace`);
      const names = rows.map(({ name }) => name);
      await alone(client, names, () => client.query(names.map((name) => `CREATE POLICY test_owner ON ${name} TO CURRENT_USER USING (true) WITH CHECK (true)`).join(';')));
      return names;
    } finally {
      client.release();
    }
  }

  return {
    async query<Row extends object>(sql: string, values?: unknown[]) {
      const names = await (tables ??= openTables());
      const client = await pool.connect();
      try {
        return await alone(client, names, async () => (await client.query<Row & pg.QueryResultRow>(sql, values)).rows);
      } finally {
        client.release();
      }
    },
    close: () => pool.end(),
  };
}

/** a lock that was waited for too long, a deadlock */
const lockLost = new Set<string | undefined>(['55P03', '40P01']);

let serverUrl: Promise<string> | undefined;

/** The server that `npm test` started, or, for a spec run by itself, one that stays up between runs. */
function testServerUrl(): Promise<string> {
  const given = process.env['MILLRACE_TEST_POSTGRES_URL'];
  if (given) return Promise.resolve(given);
  serverUrl ??= startEmbeddedPostgres({
    directory: path.join(repositoryRoot, '.millrace/test-postgres'),
    database: 'millrace',
    logger: silentLogger,
    throwAway: true,
  }).then((server) => server.ownerUrl);
  return serverUrl;
}

/** The server notices the end of a connection a moment after its client; the owner may not end other roles' sessions. */
async function dropWhenUnused(client: pg.Client, name: string): Promise<void> {
  const objectInUse = '55006';
  for (let attempt = 0; ; attempt++) {
    try {
      await client.query(`DROP DATABASE IF EXISTS ${name}`);
      return;
    } catch (error) {
      // A spec that ended in an error may leave connections: the throw-away server ends with the run anyway.
      if ((error as { code?: string }).code !== objectInUse || attempt === 50) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function derivedPassword(secret: string, role: string): string {
  return createHmac('sha256', new URL(secret).password).update(role).digest('base64url');
}

function withDatabase(url: string, database: string): string {
  const result = new URL(url);
  result.pathname = `/${database}`;
  return result.toString();
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
