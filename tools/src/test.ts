import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { startEmbeddedPostgres } from '@millrace/database';
import { silentLogger } from '@millrace/kernel';
import { nxEnvironment } from '../bootstrap.mjs';

/**
 * Starts a throw-away Postgres, runs each project's Jest suite through Nx, and prints one total. Exits with 1 when a test
 * failed, a suite broke, or a project left no result.
 */

const root = path.resolve(import.meta.dirname, '../..');
const results = path.join(root, '.millrace/test-results');
const projects = process.argv.slice(2);

const scratch = await fs.mkdtemp(path.join(os.tmpdir(), 'millrace-test-'));
await fs.chmod(scratch, 0o755); // Postgres runs as another user when this one is root
const postgres = await startEmbeddedPostgres({
  directory: path.join(scratch, 'postgres'),
  database: 'millrace',
  logger: silentLogger,
  throwAway: true,
});
await fs.rm(results, { recursive: true, force: true });
await fs.mkdir(path.join(results, '@millrace'), { recursive: true });

let ended = false;
async function end(exitCode: number): Promise<never> {
  if (!ended) {
    ended = true;
    await postgres.stop().catch(() => undefined);
    await fs.rm(scratch, { recursive: true, force: true });
  }
  process.exit(exitCode);
}
process.on('SIGINT', () => void end(130));
process.on('SIGTERM', () => void end(143));

/** Has Nx run these suites. @returns its exit code */
async function runSuites(selection: string[], atOnce: number): Promise<number> {
  const nx = spawn(
    process.execPath,
    [path.join(root, 'node_modules/nx/dist/bin/nx.js'), 'run-many', '-t', 'test', `--parallel=${atOnce}`, '--output-style=static', '--nxBail=false', ...selection],
    { cwd: root, stdio: 'inherit', env: { ...nxEnvironment(), MILLRACE_TEST_POSTGRES_URL: postgres.ownerUrl } },
  );
  return new Promise((resolve) => nx.once('close', (code) => resolve(code ?? 1)));
}

// Three at once, on two cores as well: each suite has its own databases, and most wait for Postgres or a child process. Nx would
// begin the longest last, since nothing depends on it.
const longest = '@millrace/api';
const named = projects.map((name) => `@millrace/${name.replace(/^@millrace\//, '')}`);
const exitCodes = named.length
  ? [await runSuites(['-p', named.join(',')], 3)]
  : await Promise.all([runSuites(['-p', longest], 1), runSuites(['--exclude', longest], 2)]);
const exitCode = Math.max(...exitCodes);

const total = { passed: 0, failed: 0, skipped: 0 };
const expected = projects.length ? projects.length : await countProjectsWithTests();
const files = await fs.readdir(results, { recursive: true });
let read = 0;
for (const name of files.filter((file) => file.endsWith('.json'))) {
  const result = JSON.parse(await fs.readFile(path.join(results, name), 'utf8')) as JestResult;
  read++;
  total.passed += result.numPassedTests;
  // A suite that broke before its first test counts as one failure.
  total.failed += result.numFailedTests + result.numRuntimeErrorTestSuites;
  total.skipped += result.numPendingTests + result.numTodoTests;
}
if (read < expected) {
  console.error(`${expected - read} project(s) left no test result; see above.`);
  total.failed += expected - read;
}
if (exitCode !== 0 && total.failed === 0) total.failed = 1;
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped ? `, ${total.skipped} skipped` : ''}`);
await end(total.failed ? 1 : 0);

interface JestResult {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  numRuntimeErrorTestSuites: number;
}

async function countProjectsWithTests(): Promise<number> {
  const below = await Promise.all(['apps', 'libs'].map(async (folder) => (await fs.readdir(path.join(root, folder))).map((name) => path.join(folder, name))));
  let count = 0;
  for (const project of [...below.flat(), 'tools']) {
    const manifest = await fs.readFile(path.join(root, project, 'package.json'), 'utf8').catch(() => null);
    if (manifest && 'test' in ((JSON.parse(manifest) as { nx?: { targets?: object } }).nx?.targets ?? {})) count++;
  }
  return count;
}
