import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createAuth, createTenantKeyring, type MasterKeys, parseKey } from '@millrace/auth';
import { createDatabase, isPortFree, migrate, provisionRoles, startEmbeddedPostgres } from '@millrace/database';
import { isProcessAlive, parseEnvironment } from '@millrace/kernel';
import { createFileStore, createSealedStore } from '@millrace/storage';
import { z } from 'zod';
import { runDemo } from './demo.ts';
import { createFleet, type Program } from './fleet.ts';
import { checkedMasterKeys, makeSecrets, plainArtefactsMark, runningSupervisor } from './home.ts';
import { consoleLogger, prefixLines, print } from './log-lines.ts';
import { removeProcessList, writeProcessList } from './process-list.ts';
import { resealTenants } from './reseal.ts';
import { SharedPort } from './shared-port.ts';

/**
 * `npm start`: an embedded Postgres (or DATABASE_URL), the API, the inference server and one worker, all of them
 * children of this process, which restarts what crashes, replaces what runs, and stops everything in the right order.
 */

const processesSetting = z.union([z.literal('cores').transform(() => os.availableParallelism()), z.coerce.number().int().min(1).max(64)]).default(1);

const settingsSchema = z.object({
  MILLRACE_ROOT: z.string(),
  /** data, secrets and logs of this installation */
  MILLRACE_HOME: z.string().optional(),
  /** connects as the owner of the database; without it an embedded server is started */
  DATABASE_URL: z.url().optional(),
  MILLRACE_HOST: z.string().default('127.0.0.1'),
  MILLRACE_API_PORT: z.coerce.number().int().min(1).max(65535).default(4000),
  MILLRACE_INFERENCE_PORT: z.coerce.number().int().min(1).max(65535).default(8000),
  MILLRACE_API_PROCESSES: processesSetting,
  MILLRACE_INFERENCE_PROCESSES: processesSetting,
  MILLRACE_METRICS_PORT: z.coerce.number().int().min(1).max(65535).default(9464),
  MILLRACE_WORKER_METRICS_PORT: z.coerce.number().int().min(1).max(65535).default(9465),
  MILLRACE_INIT_TENANT: z.string().optional(),
  MILLRACE_INIT_EMAIL: z.string().optional(),
  MILLRACE_INIT_PASSWORD: z.string().optional(),
  MILLRACE_INIT_API_KEY: z
    .string()
    .refine((text) => parseKey(text) !== null, 'is no API key, or one with a typo: make one with npm run new-key')
    .optional(),
});

const parsed = parseEnvironment(settingsSchema, process.env);
if (parsed.type === 'invalid') {
  print(`Millrace cannot start:\n${parsed.problems.map((problem) => `  ${problem}`).join('\n')}`);
  process.exit(1);
}
const settings = parsed.value;
const root = settings.MILLRACE_ROOT;
const home = path.resolve(settings.MILLRACE_HOME ?? path.join(root, '.millrace'));
const isDevelopment = process.argv.includes('--dev');
const wantsDemo = process.argv.includes('--demo');

const retiredCredentials = ['MILLRACE_RETIRED_TOKEN_SECRETS', 'MILLRACE_RETIRED_KEY_PEPPERS'];
const programs: Program[] = [];
const ports: SharedPort[] = [];
const fleet = createFleet({ root, environment: passedOn(), onChange: keepList });
const restarts = { begun: 0, finished: 0, problem: null as string | null };
let restart: (() => Promise<void>) | null = null;
let restarting = Promise.resolve();
const cleanUps: (() => Promise<void>)[] = [];
let stopping: Promise<void> | null = null;
let ownsLock = false;

// Whoever read it may be gone: no reason to leave the children and the database behind.
process.stdout.on('error', () => undefined);
process.on('SIGINT', () => void stop('Stopping …', 0));
process.on('SIGTERM', () => void stop('Stopping …', 0));
// Not SIGHUP, which a terminal sends when it is closed.
process.on('SIGUSR2', restartAll);

main().catch((error: unknown) => {
  print(error instanceof Error ? `Millrace cannot start: ${error.message}` : String(error));
  void stop('', 1);
});

async function main(): Promise<void> {
  const begun = performance.now();
  await fs.mkdir(home, { recursive: true, mode: 0o700 });
  await takeLock();
  const secrets = await makeSecrets(home);
  const masterKeys = checkedMasterKeys(secrets);
  await Promise.all(
    (['MILLRACE_API_PORT', 'MILLRACE_INFERENCE_PORT', 'MILLRACE_METRICS_PORT', 'MILLRACE_WORKER_METRICS_PORT'] as const).map(
      (name) => waitForFreePort(name, settings[name]),
    ),
  );

  let ownerUrl = settings.DATABASE_URL;
  if (!ownerUrl) {
    ownerUrl = await startPostgres();
  }
  const migrations = await migrate(ownerUrl, path.join(root, 'prisma/migrations'), consoleLogger('postgres'));
  if (migrations.length) print(`postgres  | migrations applied: ${migrations.join(', ')}`);
  const urls = await provisionRoles(ownerUrl, secrets.roles);

  const storageDirectory = path.join(home, 'storage');
  const workDirectory = process.env['MILLRACE_WORK_DIRECTORY'] || path.join(home, 'work');
  await sealPlainArtefacts({ urls, storageDirectory, workDirectory, masterKeys });

  const shared = {
    NODE_ENV: isDevelopment ? 'development' : 'production',
    MILLRACE_APP_DATABASE_URL: urls.app,
    MILLRACE_STORAGE_DIRECTORY: storageDirectory,
    MILLRACE_WORK_DIRECTORY: workDirectory,
    MILLRACE_MASTER_KEY: secrets.masterKey,
    MILLRACE_RETIRED_MASTER_KEYS: secrets.retiredMasterKeys.join(','),
    MILLRACE_LOG_LEVEL: process.env['MILLRACE_LOG_LEVEL'] ?? 'info',
  };
  /** What tokens and keys are checked with: for the servers that callers reach, and not for the worker. */
  const credentials = {
    MILLRACE_TOKEN_SECRET: secrets.tokenSecret,
    MILLRACE_KEY_PEPPER: secrets.keyPepper,
    ...Object.fromEntries(retiredCredentials.map((name) => [name, process.env[name] ?? ''])),
  };
  const apiUrl = `http://${urlHost()}:${settings.MILLRACE_API_PORT}`;
  const inferenceUrl = `http://${urlHost()}:${settings.MILLRACE_INFERENCE_PORT}`;
  const api = { name: 'api', processes: settings.MILLRACE_API_PROCESSES, ports: [await listen('api', 'MILLRACE_API_PORT'), await listen('metrics', 'MILLRACE_METRICS_PORT')] };
  addProgram(api, {
    ...shared,
    ...credentials,
    MILLRACE_SYSTEM_DATABASE_URL: urls.system,
    // Files are parsed in temporary folders, decrypted: all that is plain shall lie in one place.
    TMPDIR: workDirectory,
    TEMP: workDirectory,
    MILLRACE_API_HOST: settings.MILLRACE_HOST,
    MILLRACE_API_PORT: String(settings.MILLRACE_API_PORT),
    MILLRACE_METRICS_PORT: String(settings.MILLRACE_METRICS_PORT),
    MILLRACE_INFERENCE_URL: inferenceUrl,
    MILLRACE_CONSOLE_DIRECTORY: path.join(root, 'apps/console/dist'),
    MILLRACE_SETUP_LINK: 'false', // printed below, behind everything else
  });
  addProgram({ name: 'inference', processes: settings.MILLRACE_INFERENCE_PROCESSES, ports: [await listen('inference', 'MILLRACE_INFERENCE_PORT')] }, {
    ...shared,
    ...credentials,
    MILLRACE_SYSTEM_DATABASE_URL: urls.system,
    MILLRACE_INFERENCE_HOST: settings.MILLRACE_HOST,
    MILLRACE_INFERENCE_PORT: String(settings.MILLRACE_INFERENCE_PORT),
    MILLRACE_JOURNAL_DIRECTORY: path.join(home, 'journal'),
  });
  addProgram({ name: 'worker', processes: 1, ports: [], readyUrl: `http://127.0.0.1:${settings.MILLRACE_WORKER_METRICS_PORT}/readyz` }, {
    ...shared,
    MILLRACE_WORKER_DATABASE_URL: urls.worker,
    MILLRACE_WORKER_METRICS_PORT: String(settings.MILLRACE_WORKER_METRICS_PORT),
  });
  if (isDevelopment) await watchAll();
  await Promise.all(programs.map((program) => fleet.start(program)));
  if (stopping) return;
  restart = async () => {
    // What is built anew may need them; what still runs does with them as well.
    const added = await migrate(ownerUrl, path.join(root, 'prisma/migrations'), consoleLogger('postgres'));
    if (added.length) print(`postgres  | migrations applied: ${added.join(', ')}`);
    for (const program of programs) await fleet.replace(program);
  };

  const database = createDatabase({ tenantUrl: urls.app, systemUrl: urls.system, logger: consoleLogger('start') });
  const auth = createAuth({ database, tokenSecret: secrets.tokenSecret, keyPepper: secrets.keyPepper, logger: consoleLogger('start') });
  try {
    await createInitialTenant(auth);
    print(banner(apiUrl, inferenceUrl, begun));
    if (wantsDemo) {
      await runDemo({ auth, apiUrl, inferenceUrl, dataFile: path.join(root, 'libs/testkit/data/iris.csv'), memoryFile: path.join(home, 'demo.json') });
    } else {
      const token = await auth.issueSetupToken();
      // In the fragment, which browsers send to no server: it stands in no log.
      if (token) print(`\n  Set up your first tenant here (once, within 24 hours):\n\n    ${apiUrl}/setup#token=${token}\n`);
    }
    process.send?.({ type: 'ready' }); // to a test that started this
  } finally {
    await database.close();
  }
}

/** Starts the embedded server and starts it again should it die; its clients reconnect by themselves. */
async function startPostgres(): Promise<string> {
  const begin = () => startEmbeddedPostgres({ directory: path.join(home, 'postgres'), database: 'millrace', logger: consoleLogger('postgres') });
  let postgres = await begin();
  let restarting: Promise<void> | null = null;
  print(`postgres  | ready on port ${postgres.port}`);
  const watch = setInterval(() => {
    if (stopping || restarting || isProcessAlive(postgres.processId)) return;
    print('postgres  | ended; starting again');
    restarting = begin()
      .then(
        (started) => {
          postgres = started;
          print(`postgres  | ready on port ${postgres.port}`);
        },
        (error: unknown) => print(`postgres  | ERROR ${String(error)}`),
      )
      .finally(() => (restarting = null));
  }, 500);
  cleanUps.push(async () => {
    clearInterval(watch);
    await restarting;
    await postgres.stop();
  });
  return postgres.ownerUrl;
}

/** An installation from before encryption was introduced, once: what an earlier start stored as it came. */
async function sealPlainArtefacts({ urls, storageDirectory, workDirectory, masterKeys }: {
  urls: { app: string; system: string };
  storageDirectory: string;
  workDirectory: string;
  masterKeys: MasterKeys;
}): Promise<void> {
  const mark = plainArtefactsMark(home);
  if (!(await fs.access(mark).then(() => true, () => false))) return;
  print('start     | encrypting the artefacts that are here already …');
  const logger = consoleLogger('start');
  const database = createDatabase({ tenantUrl: urls.app, systemUrl: urls.system, logger });
  try {
    const keyring = createTenantKeyring({ database, masterKeys, logger });
    const inner = createFileStore({ root: storageDirectory });
    const storage = createSealedStore({ inner, keyring, scratchDirectory: path.join(workDirectory, 'millrace-scratch') });
    const { sealed, damaged } = await resealTenants({ database, storage, sealPlain: true });
    print(`start     | ${sealed} artefacts encrypted${damaged.length ? `; damaged, and left as they are: ${damaged.join(', ')}` : ''}`);
    await fs.rm(mark);
  } finally {
    await database.close();
  }
}

/** Headless start: a tenant and its owner, who is an operator too, from the environment, if there is none yet; and its first key. */
async function createInitialTenant(auth: ReturnType<typeof createAuth>): Promise<void> {
  const { MILLRACE_INIT_TENANT: tenantName, MILLRACE_INIT_EMAIL: email, MILLRACE_INIT_PASSWORD: password, MILLRACE_INIT_API_KEY: apiKey } = settings;
  if (!tenantName && !email && !password) {
    if (apiKey) throw new Error('MILLRACE_INIT_API_KEY is for the tenant of MILLRACE_INIT_TENANT: set that one too.');
    return;
  }
  if (!tenantName || !email || !password) {
    throw new Error('MILLRACE_INIT_TENANT, MILLRACE_INIT_EMAIL and MILLRACE_INIT_PASSWORD go together: set all three or none.');
  }
  if (!(await auth.isSetUp())) {
    const created = await auth.createTenant({ tenantName, name: email.split('@')[0]!, email, password, operator: true });
    if (created.type === 'invalid') {
      throw new Error(created.problems.map((problem) => `MILLRACE_INIT_…: ${problem.message} ${problem.remedy}`).join(' '));
    }
  }
  if (!apiKey) return;
  const registered = await auth.keys.registerInitial(apiKey);
  if (registered.type === 'taken') throw new Error('MILLRACE_INIT_API_KEY begins like another key that exists already. Make a new one with npm run new-key.');
}

function banner(apiUrl: string, inferenceUrl: string, begun: number): string {
  return [
    '',
    `  Millrace is running (ready in ${((performance.now() - begun) / 1000).toFixed(1)} s). Ctrl-C stops it.`,
    '',
    `    Console      ${apiUrl}/`,
    `    GraphQL      ${apiUrl}/graphql`,
    `    Predictions  ${inferenceUrl}/      (docs: ${inferenceUrl}/docs)`,
    `    Data         ${home}`,
  ].join('\n');
}

// --- children ---

function addProgram(facts: Pick<Program, 'name' | 'processes' | 'ports' | 'readyUrl'>, environment: Record<string, string>): void {
  programs.push({ ...facts, project: `apps/${facts.name}`, environment });
}

/**
 * What every child may see of our environment: neither the owner's database nor the first owner's password and key, nor
 * what only some are given.
 */
function passedOn(): NodeJS.ProcessEnv {
  const initial = ['MILLRACE_INIT_TENANT', 'MILLRACE_INIT_EMAIL', 'MILLRACE_INIT_PASSWORD', 'MILLRACE_INIT_API_KEY'];
  const ours = new Set(['DATABASE_URL', ...initial, 'MILLRACE_TOKEN_SECRET', 'MILLRACE_KEY_PEPPER', ...retiredCredentials]);
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.has(name)));
}

async function listen(name: string, variable: 'MILLRACE_API_PORT' | 'MILLRACE_INFERENCE_PORT' | 'MILLRACE_METRICS_PORT'): Promise<SharedPort> {
  const port = await SharedPort.listen(name, { host: settings.MILLRACE_HOST, port: settings[variable] });
  ports.push(port);
  return port;
}

/** In the background, one after another: each is begun by a signal. */
function restartAll(): void {
  if (stopping || !restart) return;
  restarts.begun++;
  keepList();
  restarting = restarting.then(restart).then(
    () => {
      restarts.problem = null;
      print('restart   | every process has been replaced');
    },
    (error: unknown) => {
      restarts.problem = error instanceof Error ? error.message : String(error);
      print(`restart   | ERROR ${restarts.problem}; what runs, runs on`);
    },
  ).then(() => {
    restarts.finished++;
    keepList();
  });
}

function keepList(): void {
  if (ownsLock && !stopping) writeProcessList(home, { restarts, processes: fleet.list() });
}

async function watchAll(): Promise<void> {
  const { watchBundle } = (await import(path.join(root, 'tools/bundle.mjs'))) as {
    watchBundle: (project: string, onBuilt: () => void) => Promise<{ dispose(): Promise<void> }>;
  };
  for (const program of programs) {
    let changes = Promise.resolve();
    const watcher = await watchBundle(program.project, () => (changes = changes.then(() => startOrReplace(program))));
    cleanUps.push(() => watcher.dispose());
  }
  const vite = spawn(process.execPath, [path.join(root, 'apps/console/vite.mjs'), 'dev'], {
    cwd: path.join(root, 'apps/console'),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  prefixLines(vite.stdout, 'console');
  prefixLines(vite.stderr, 'console');
  cleanUps.push(async () => void vite.kill('SIGTERM'));
}

async function startOrReplace(program: Program): Promise<void> {
  const isRunning = fleet.list().some((running) => running.program === program.name);
  await (isRunning ? fleet.replace(program) : fleet.start(program)).catch((error: unknown) => print(`${program.name.padEnd(9)} | ERROR ${String(error)}`));
}

function stop(message: string, exitCode: number): Promise<void> {
  stopping ??= (async () => {
    if (message) print(`\n${message}`);
    await fleet.stop();
    for (const port of ports) port.close();
    for (const cleanUp of cleanUps.reverse()) await cleanUp().catch((error: unknown) => print(String(error)));
    // A start that was refused must not take the lock from the one that runs.
    if (ownsLock) {
      removeProcessList(home);
      await fs.rm(path.join(home, 'supervisor.pid'), { force: true });
    }
    if (message) print('Stopped.');
    process.exit(exitCode);
  })();
  return stopping;
}

// --- this installation ---

/** Two supervisors of one home would fight over its Postgres. */
async function takeLock(): Promise<void> {
  const file = path.join(home, 'supervisor.pid');
  const owner = await runningSupervisor(home);
  if (owner) {
    throw new Error(`it runs already (process ${owner}). Stop that one first, or set MILLRACE_HOME and the ports for a second.`);
  }
  await fs.writeFile(file, String(process.pid));
  ownsLock = true;
}

/** After a kill the old children need a moment to notice that they are alone. */
async function waitForFreePort(variable: string, port: number): Promise<void> {
  const deadline = Date.now() + 12_000;
  while (!(await isPortFree(port, settings.MILLRACE_HOST))) {
    if (Date.now() > deadline) {
      throw new Error(`port ${port} is in use by another program. Stop that one, or choose another port with ${variable}.`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function urlHost(): string {
  return settings.MILLRACE_HOST === '0.0.0.0' || settings.MILLRACE_HOST === '127.0.0.1' ? 'localhost' : settings.MILLRACE_HOST;
}
