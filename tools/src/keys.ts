import path from 'node:path';
import { parseArgs } from 'node:util';
import { createTenantKeyring, type MasterKeys } from '@millrace/auth';
import { createDatabase, roleUrls, startEmbeddedPostgres } from '@millrace/database';
import { silentLogger } from '@millrace/kernel';
import { createFileStore, createSealedStore } from '@millrace/storage';
import { checkedMasterKeys, listOf, readSecrets, runningSupervisor } from './home.ts';
import { consoleLogger, print } from './log-lines.ts';
import { findTenant, resealTenants } from './reseal.ts';

/**
 * `npm run keys -- rotate <tenant> | rewrap | reseal [--plain] [tenant]`: the keys that artefacts are encrypted with. Works
 * beside the running programs, on the installation in MILLRACE_HOME or, where the programs run apart, on the database,
 * the store and the master key that the environment gives them.
 */
const usage = `Which command? One of:
  npm run keys -- rotate <tenant>            a new key for what the tenant stores from now on
  npm run keys -- reseal [tenant]            encrypts what is stored anew where its key is not the current one
  npm run keys -- reseal --plain [tenant]    encrypts what was stored before encryption was introduced, too
  npm run keys -- rewrap                     wraps all tenants' keys with the current master key
A tenant is given by its id or its short name.`;

interface Installation {
  urls: { app: string; system: string };
  storageDirectory: string;
  masterKeys: MasterKeys;
}

const home = path.resolve(process.env['MILLRACE_HOME'] ?? path.join(import.meta.dirname, '../../.millrace'));
const commands: Record<string, (tenant: string | undefined, options: { plain: boolean }) => Promise<void>> = { rotate, reseal, rewrap };

try {
  const { values, positionals } = parseArgs({ args: process.argv.slice(2), allowPositionals: true, options: { plain: { type: 'boolean', default: false } } });
  const [name = '', tenant, ...rest] = positionals;
  const command = commands[name];
  if (!command || rest.length > 0) throw new Error(usage);
  await command(tenant, values);
} catch (error) {
  clearProgress();
  print(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

async function rotate(tenant: string | undefined): Promise<void> {
  if (tenant === undefined) throw new Error(usage);
  await withVault(async ({ database, keyring }) => {
    const { id, slug } = await findTenant(database, tenant);
    const { version } = await keyring.rotate(id);
    print(`Tenant ${slug} has key ${version} now; what it stores from now on gets it.\nTo encrypt anew what is stored already: npm run keys -- reseal ${slug}`);
  });
}

async function reseal(tenant: string | undefined, { plain }: { plain: boolean }): Promise<void> {
  await withVault(async ({ database, storage }) => {
    const report = await resealTenants({ database, storage, ...(tenant === undefined ? {} : { tenant }), sealPlain: plain, onProgress: showProgress });
    clearProgress();
    print(`${report.resealed} artefacts encrypted anew, ${report.sealed} for the first time, ${report.current} had the current key already.`);
    if (report.destroyed) print(`${report.destroyed} cannot be read any more: their keys have been destroyed.`);
    if (report.plain) print(`${report.plain} are not encrypted, and are not read therefore. If they are from before encryption: npm run keys -- reseal --plain`);
    if (report.damaged.length) print(`${report.damaged.length} are damaged, and were left as they are; restore them from a backup:\n  ${report.damaged.join('\n  ')}`);
    if (report.plain || report.damaged.length) process.exitCode = 1;
  });
}

async function rewrap(): Promise<void> {
  await withVault(async ({ keyring }) => {
    const report = await keyring.rewrap((done, total) => showProgress(done / total));
    clearProgress();
    print(`${report.rewrapped} keys wrapped with the current master key, ${report.current} were already.`);
    if (report.unknown.length) {
      print(`${report.unknown.length} need a master key that is not here; give it in MILLRACE_RETIRED_MASTER_KEYS:\n  ${report.unknown.join('\n  ')}`);
      process.exitCode = 1;
    } else print('Retired master keys are needed no more, but by backups of the database from before.');
  });
}

interface Vault {
  database: ReturnType<typeof createDatabase>;
  keyring: ReturnType<typeof createTenantKeyring>;
  storage: ReturnType<typeof createSealedStore>;
}

async function withVault(work: (vault: Vault) => Promise<void>): Promise<void> {
  const { urls, masterKeys, storageDirectory } = process.env['MILLRACE_SYSTEM_DATABASE_URL'] ? ofEnvironment() : await ofHome();
  const logger = { ...consoleLogger('keys'), info: () => undefined };
  const database = createDatabase({ tenantUrl: urls.app, systemUrl: urls.system, logger });
  try {
    const keyring = createTenantKeyring({ database, masterKeys, logger });
    const scratchDirectory = path.join(process.env['MILLRACE_WORK_DIRECTORY'] ?? path.join(home, 'work'), 'millrace-scratch');
    await work({ database, keyring, storage: createSealedStore({ inner: createFileStore({ root: storageDirectory }), keyring, scratchDirectory }) });
  } finally {
    await database.close();
  }
}

/** Where the programs run apart: with their own settings. */
function ofEnvironment(): Installation {
  const setting = (name: string): string => {
    const value = process.env[name];
    if (!value) throw new Error(`${name} is missing: with MILLRACE_SYSTEM_DATABASE_URL, give the settings of the API.`);
    return value;
  };
  const system = setting('MILLRACE_SYSTEM_DATABASE_URL');
  return {
    urls: { app: setting('MILLRACE_APP_DATABASE_URL'), system },
    storageDirectory: setting('MILLRACE_STORAGE_DIRECTORY'),
    masterKeys: checkedMasterKeys({ masterKey: setting('MILLRACE_MASTER_KEY'), retiredMasterKeys: listOf(process.env['MILLRACE_RETIRED_MASTER_KEYS'] ?? '') }),
  };
}

async function ofHome(): Promise<Installation> {
  const secrets = await readSecrets(home);
  if (!secrets) throw new Error(`There is no installation with encryption in ${home}. Start Millrace there once, or set MILLRACE_HOME.`);
  return {
    urls: roleUrls(process.env['DATABASE_URL'] ?? (await embeddedPostgres()), secrets.roles),
    storageDirectory: path.join(home, 'storage'),
    masterKeys: checkedMasterKeys(secrets),
  };
}

/** Only where it runs: a server started here would outlive this command, or stop under one that starts meanwhile. */
async function embeddedPostgres(): Promise<string> {
  if (!(await runningSupervisor(home))) throw new Error('Millrace is not running here. Start it (npm start), and run this again beside it; or set DATABASE_URL.');
  const { ownerUrl } = await startEmbeddedPostgres({ directory: path.join(home, 'postgres'), database: 'millrace', logger: silentLogger });
  return ownerUrl;
}

// --- progress, where a person looks on ---

function showProgress(measured: number, what = ''): void {
  if (!process.stderr.isTTY) return;
  const share = Math.min(1, measured || 0); // empty artefacts measure 0 of 0, and others arrive meanwhile
  const width = 30;
  const done = Math.round(share * width);
  process.stderr.write(`\r\u001b[2K[${'█'.repeat(done)}${'░'.repeat(width - done)}] ${String(Math.floor(share * 100)).padStart(3)} %  ${what}`);
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K');
}
