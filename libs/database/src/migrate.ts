import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from '@millrace/kernel';
import pg from 'pg';

/** The advisory lock that Prisma's own engine takes, so that the two exclude each other. */
const prismaMigrationLock = 72_707_369;

/**
 * Applies the migrations that are not applied yet, in Prisma's format and with Prisma's book-keeping, so that
 * `prisma migrate deploy` and this function are interchangeable. Safe to call from several processes at once.
 * @returns the names of the migrations applied now
 * @throws Error when an earlier migration failed half way: a person has to look (`prisma migrate resolve`)
 */
export async function migrate(ownerUrl: string, directory: string, logger: Logger): Promise<string[]> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [prismaMigrationLock]);
    await client.query(`CREATE TABLE IF NOT EXISTS _prisma_migrations (
      id varchar(36) PRIMARY KEY NOT NULL, checksum varchar(64) NOT NULL, finished_at timestamptz,
      migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,
      started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)`);
    const { rows } = await client.query<{ name: string; checksum: string; finished: Date | null; rolledBack: Date | null }>(
      `SELECT migration_name AS name, checksum, finished_at AS finished, rolled_back_at AS "rolledBack" FROM _prisma_migrations`,
    );
    const failed = rows.find((row) => !row.finished && !row.rolledBack);
    if (failed) throw new Error(`Migration ${failed.name} failed earlier. Mend it, then tell Prisma: prisma migrate resolve.`);
    const applied = new Map(rows.filter((row) => row.finished && !row.rolledBack).map((row) => [row.name, row.checksum]));

    const appliedNow: string[] = [];
    for (const { name, sql, checksum } of await readMigrations(directory)) {
      const known = applied.get(name);
      if (known !== undefined) {
        if (known !== checksum) logger.warn({ migration: name }, 'this migration was edited after it was applied');
        continue;
      }
      const id = randomUUID();
      await client.query('INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ($1, $2, $3)', [id, checksum, name]);
      try {
        await client.query(sql); // one simple query: one implicit transaction, as Prisma does it
      } catch (error) {
        await client.query('UPDATE _prisma_migrations SET logs = $2 WHERE id = $1', [id, String(error)]);
        throw new Error(`Migration ${name} failed: ${(error as Error).message}`, { cause: error });
      }
      await client.query('UPDATE _prisma_migrations SET finished_at = now(), applied_steps_count = 1 WHERE id = $1', [id]);
      appliedNow.push(name);
    }
    return appliedNow;
  } finally {
    await client.end();
  }
}

/** A digest of all migrations: names the template database of the tests. */
export async function migrationsDigest(directory: string): Promise<string> {
  const hash = createHash('sha256');
  for (const { name, checksum } of await readMigrations(directory)) hash.update(`${name}:${checksum}\n`);
  return hash.digest('hex');
}

async function readMigrations(directory: string): Promise<{ name: string; sql: string; checksum: string }[]> {
  const entries = await fs.readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await fs.readFile(path.join(directory, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

export interface RolePasswords {
  app: string;
  system: string;
  worker: string;
}

/**
 * Lets the three roles log in with these passwords and says under which addresses. Migrations made the roles without a
 * password, so that none stands in the repository.
 */
export async function provisionRoles(ownerUrl: string, passwords: RolePasswords): Promise<{ app: string; system: string; worker: string }> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    for (const role of ['app', 'system', 'worker'] as const) {
      await client.query(`ALTER ROLE millrace_${role} LOGIN PASSWORD ${client.escapeLiteral(passwords[role])}`);
    }
  } finally {
    await client.end();
  }
  return roleUrls(ownerUrl, passwords);
}

/** The addresses under which the roles of this database log in. */
export function roleUrls(ownerUrl: string, passwords: RolePasswords): { app: string; system: string; worker: string } {
  const urlOf = (role: keyof RolePasswords): string => {
    const url = new URL(ownerUrl);
    url.username = `millrace_${role}`;
    url.password = passwords[role];
    return url.toString();
  };
  return { app: urlOf('app'), system: urlOf('system'), worker: urlOf('worker') };
}
