import path from 'node:path';
import { readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { ensureInstalled, ensureNode, nx, root } from './bootstrap.mjs';

/** All generated code: the Prisma client, schema.graphql, docs/permissions.md, the console's typed operations. `--check` only compares. */
ensureNode();
ensureInstalled();
nx('run', '@millrace/database:codegen', '--output-style=static');

const printed = [
  { file: 'apps/api/schema.graphql', program: 'apps/api/src/print-schema.ts', remedy: 'it is the contract' },
  { file: 'docs/permissions.md', program: 'apps/api/src/print-permissions.ts', remedy: 'it says who may do what' },
];
for (const { file, program, remedy } of printed) {
  const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', path.join(root, program)], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) process.exit(status ?? 1);
  if (!process.argv.includes('--check')) writeFileSync(path.join(root, file), stdout);
  else if (readFileSync(path.join(root, file), 'utf8') !== stdout) {
    console.error(`${file} is not what the code says. Run \`npm run codegen\` and review the change: ${remedy}.`);
    process.exit(1);
  }
}
nx('run', '@millrace/console:codegen', '--output-style=static');
