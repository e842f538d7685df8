import path from 'node:path';
import { readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { ensureInstalled, ensureNode, nx, root } from './bootstrap.mjs';

/** All generated code: the Prisma client, schema.graphql, the console's typed operations. `--check` only compares. */
ensureNode();
ensureInstalled();
nx('run', '@millrace/database:codegen', '--output-style=static');

const file = path.join(root, 'apps/api/schema.graphql');
const printed = spawnSync(process.execPath, ['--import', 'tsx', path.join(root, 'apps/api/src/print-schema.ts')], {
  cwd: root,
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
});
if (printed.status !== 0) process.exit(printed.status ?? 1);
if (process.argv.includes('--check')) {
  if (readFileSync(file, 'utf8') !== printed.stdout) {
    console.error('apps/api/schema.graphql is not what the code says. Run `npm run codegen` and review the change: it is the contract.');
    process.exit(1);
  }
} else {
  writeFileSync(file, printed.stdout);
}
nx('run', '@millrace/console:codegen', '--output-style=static');
