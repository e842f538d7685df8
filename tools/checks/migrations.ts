import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { migrate, startEmbeddedPostgres } from '@millrace/database';
import { silentLogger } from '@millrace/kernel';

/**
 * The migrations lead to the Prisma schema, and our runtime migrator and Prisma's own agree on their history, whichever
 * applied them.
 */

const root = path.resolve(import.meta.dirname, '../..');
const migrations = path.join(root, 'prisma/migrations');
const scratch = await fs.mkdtemp(path.join(os.tmpdir(), 'millrace-migrations-'));
await fs.chmod(scratch, 0o755);
const postgres = await startEmbeddedPostgres({ directory: path.join(scratch, 'postgres'), database: 'ours', logger: silentLogger, throwAway: true });
let failed = false;

function prisma(database: string, expected: RegExp, ...args: string[]): void {
  const url = new URL(postgres.ownerUrl);
  url.pathname = `/${database}`;
  const result = spawnSync(process.execPath, [path.join(root, 'node_modules/prisma/build/index.js'), ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, DATABASE_URL: url.toString(), PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1' },
  });
  const output = `${result.stdout}${result.stderr}`;
  const fine = result.status === 0 && expected.test(output);
  console.log(`prisma ${args.slice(0, 2).join(' ')} on a database migrated by ${database === 'ours' ? 'us' : 'Prisma'}: ${fine ? 'as expected' : 'FAULT'}`);
  if (!fine) {
    failed = true;
    console.error(output);
  }
}

try {
  await migrate(postgres.ownerUrl, migrations, silentLogger);
  prisma('ours', /up to date/, 'migrate', 'status');
  prisma('ours', /No pending migrations/, 'migrate', 'deploy');
  prisma('theirs', /successfully applied/, 'migrate', 'deploy');
  const theirs = new URL(postgres.ownerUrl);
  theirs.pathname = '/theirs';
  const left = await migrate(theirs.toString(), migrations, silentLogger);
  if (left.length) {
    failed = true;
    console.error(`after Prisma's deploy our migrator still applied ${left.join(', ')}`);
  }
  prisma('ours', /No difference/, 'migrate', 'diff', '--from-migrations', 'prisma/migrations', '--to-schema', 'prisma/schema', '--exit-code');
} finally {
  await postgres.stop();
  await fs.rm(scratch, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
