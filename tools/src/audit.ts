import fs from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type BrokenLink, type ChainHead, verifyChain } from '@millrace/auth';
import { createDatabase, type Database, startEmbeddedPostgres } from '@millrace/database';
import { silentLogger } from '@millrace/kernel';
import { print } from './log-lines.ts';

/**
 * `npm run audit -- verify [tenant] [--expect <number>:<hash>]`: recomputes the hash chain of one tenant's audit trail, by
 * slug or id, or of all of them. Ends with 1 when a chain is broken, with 2 when it could not look.
 */

const usage = 'Usage: npm run audit -- verify [tenant slug or id] [--expect <number>:<hash>]';

interface Tenant {
  id: string;
  slug: string;
}

const progress = {
  show(slug: string, done: number, total: number): void {
    if (!process.stderr.isTTY || total < 10_000) return;
    const filled = Math.round((done / total) * 30);
    process.stderr.write(`\r\u001b[2K${slug}  [${'#'.repeat(filled)}${'.'.repeat(30 - filled)}]  ${done.toLocaleString('en')} of ${total.toLocaleString('en')}`);
  },
  clear: (): void => void (process.stderr.isTTY && process.stderr.write('\r\u001b[2K')),
};

process.exit(await main().catch((error: unknown) => {
  print(error instanceof Error ? error.message : String(error));
  return 2;
}));

async function main(): Promise<number> {
  const { tenant: wanted, expect } = readArguments();
  const { database, close } = await connect();
  try {
    const tenants = await listTenants(database, wanted);
    if (!tenants.length) throw new Error(wanted ? `There is no tenant ${wanted}.` : 'There is no tenant yet.');
    let broken = 0;
    for (const tenant of tenants) if (!(await verify(database, tenant, expect))) broken++;
    print(broken ? `\n${broken} of ${tenants.length} chain(s) are BROKEN.` : `\n${tenants.length} chain(s) are whole. Keep each head where the owner of the database cannot reach it.`);
    return broken ? 1 : 0;
  } finally {
    await close();
  }
}

function readArguments(): { tenant: string | undefined; expect: ChainHead | undefined } {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { expect: { type: 'string' } } });
  const [command, tenant, ...more] = positionals;
  if (command !== 'verify' || more.length) throw new Error(usage);
  if (values.expect === undefined) return { tenant, expect: undefined };
  const match = /^(\d{1,10}):([0-9a-f]{64})$/.exec(values.expect);
  if (!match) throw new Error(`--expect takes a head as this command prints it: a number, a colon and 64 digits.\n${usage}`);
  if (!tenant) throw new Error(`--expect is about one tenant: name it.\n${usage}`);
  return { tenant, expect: { number: Number(match[1]), hash: match[2]! } };
}

async function verify(database: Database, { id, slug }: Tenant, expect: ChainHead | undefined): Promise<boolean> {
  const { length, head, firstBroken } = await verifyChain(database.forTenant(id), {
    ...(expect ? { expect } : {}),
    onProgress: (done, total) => progress.show(slug, done, total),
  });
  progress.clear();
  const name = `${slug} (${id})`;
  if (firstBroken) {
    print(`BROKEN  ${name}: ${describe(firstBroken, expect)}`);
    return false;
  }
  print(`ok      ${name}: ${length.toLocaleString('en')} event(s), head ${head ? `${head.number}:${head.hash}` : 'none'}`);
  return true;
}

function describe({ number, eventId, at, reason }: BrokenLink, expect: ChainHead | undefined): string {
  const event = eventId ? `event ${eventId}${at ? ` of ${at.toISOString()}` : ''}` : 'its event';
  switch (reason) {
    case 'missing':
      return `link ${number} is missing, and ${event} with it`;
    case 'changed':
      return `link ${number}, ${event}: the event or its hash was changed, or what came before it was taken out`;
    case 'unlinked':
      return `${event} came in past the chain`;
    case 'cut-off':
      return `the trail ends before link ${number}; the head that you kept is number ${expect!.number}`;
    case 'rewritten':
      return `link ${number}, ${event}, has another hash than the head that you kept: the trail was rewritten at or before it`;
  }
}

async function listTenants(database: Database, wanted: string | undefined): Promise<Tenant[]> {
  return database.system().transaction((tx) =>
    tx.tenant.findMany({
      where: wanted === undefined ? {} : { OR: [{ id: wanted }, { slug: wanted }] },
      select: { id: true, slug: true },
      orderBy: { id: 'asc' },
    }),
  );
}

/** As the application and the system role, like the API: the owner of the tables is held back by the walls as well. */
async function connect(): Promise<{ database: Database; close(): Promise<void> }> {
  const { MILLRACE_APP_DATABASE_URL: app, MILLRACE_SYSTEM_DATABASE_URL: system, DATABASE_URL: given } = process.env;
  if (app && system) {
    const database = createDatabase({ tenantUrl: app, systemUrl: system, logger: silentLogger });
    return { database, close: () => database.close() };
  }
  const home = process.env['MILLRACE_HOME']!;
  const secrets = await fs.readFile(path.join(home, 'secrets.json'), 'utf8').then(
    (text) => JSON.parse(text) as { roles: { app: string; system: string } },
    () => null,
  );
  if (!secrets) {
    throw new Error(`There is no installation in ${home}. Set MILLRACE_HOME, or MILLRACE_APP_DATABASE_URL and MILLRACE_SYSTEM_DATABASE_URL.`);
  }
  const postgres = given ? null : await startEmbeddedPostgres({ directory: path.join(home, 'postgres'), database: 'millrace', logger: silentLogger });
  const urlOf = (role: 'app' | 'system'): string => {
    const url = new URL(given ?? postgres!.ownerUrl);
    url.username = `millrace_${role}`;
    url.password = secrets.roles[role];
    return url.toString();
  };
  const database = createDatabase({ tenantUrl: urlOf('app'), systemUrl: urlOf('system'), logger: silentLogger });
  return {
    database,
    async close() {
      await database.close();
      if (postgres && !postgres.wasRunning) await postgres.stop();
    },
  };
}
