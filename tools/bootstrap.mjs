/**
 * What every command does first, with nothing but Node itself: look at the Node version, install what is missing, build
 * what is stale. Nx decides what is stale.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..');
const stamp = path.join(root, 'node_modules/.millrace-installed');

export function ensureNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(`Millrace needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

/** `npm ci`, unless the installed packages are those of the lock file. */
export function ensureInstalled() {
  const lock = createHash('sha256').update(readFileSync(path.join(root, 'package-lock.json'))).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === `${lock} ${process.platform} ${process.arch}`) return;
  console.log('Installing packages (npm ci); this takes a minute or two the first time …');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    // ONNX Runtime's CPU libraries are in its package; its install script would fetch others from elsewhere.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    shell: process.platform === 'win32',
  });
  writeFileSync(stamp, `${lock} ${process.platform} ${process.arch}`);
}

/** Runs Nx targets, quietly unless they fail. */
export function nx(...args) {
  return run(process.execPath, [path.join(root, 'node_modules/nx/dist/bin/nx.js'), ...args], { env: nxEnvironment() });
}

export function nxEnvironment() {
  return { ...process.env, NX_TUI: 'false', NX_DAEMON: 'false', NX_NO_CLOUD: 'true', NX_ISOLATE_PLUGINS: 'false', FORCE_COLOR: '0' };
}

/** Generates and builds what is stale. */
export function ensureBuilt({ quiet = true } = {}) {
  const result = spawnSync(
    process.execPath,
    [path.join(root, 'node_modules/nx/dist/bin/nx.js'), 'run-many', '-t', 'build', '--output-style=static', '--parallel=2'],
    { cwd: root, env: nxEnvironment(), encoding: 'utf8', stdio: quiet ? 'pipe' : 'inherit', maxBuffer: 1 << 28 },
  );
  if (result.status === 0) return;
  console.error(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  console.error('The build failed.');
  process.exit(result.status ?? 1);
}

/** Runs a program to its end, and ends this one if it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (result.error) throw result.error;
  if (result.status !== 0) process.exit(result.status ?? 1);
}
