import { spawn } from 'node:child_process';
import path from 'node:path';
import { ensureBuilt, ensureInstalled, ensureNode, root } from './bootstrap.mjs';

ensureNode();
ensureInstalled();
ensureBuilt();

const supervisor = spawn(
  process.execPath,
  ['--enable-source-maps', path.join(root, 'tools/bundle/supervisor.js'), ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit', env: { ...process.env, MILLRACE_ROOT: root } },
);
// The terminal sends Ctrl-C to both; this process only waits for the supervisor to finish.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => supervisor.kill('SIGTERM'));
supervisor.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
