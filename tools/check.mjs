import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { ensureInstalled, ensureNode, nx, nxEnvironment, root, run } from './bootstrap.mjs';

/** `npm run check`: everything that CI looks at before the tests. Each step says what it is; the first failure ends it. */
const node = process.execPath;
const step = (title) => console.log(`\n── ${title}`);

ensureNode();
ensureInstalled();

step('generated code and schema.graphql');
run(node, [path.join(root, 'tools/codegen.mjs'), '--check']);

step('lock file, bundles, documents, project references');
run(node, [path.join(root, 'tools/checks/lock-file.mjs')]);
run(node, [path.join(root, 'tools/checks/bundled-packages.mjs')]);
run(node, [path.join(root, 'tools/checks/documents.mjs')]);
run(node, [path.join(root, 'tools/checks/references.mjs')]);

step('types');
run(node, [path.join(root, 'node_modules/typescript-native/bin/tsc'), '-b']);

step('lint');
const lint = spawnSync(node, [path.join(root, 'node_modules/nx/dist/bin/nx.js'), 'run-many', '-t', 'lint', '--output-style=static', '--parallel=2'], {
  cwd: root,
  env: nxEnvironment(),
  encoding: 'utf8',
  maxBuffer: 1 << 28,
});
// Without a project graph the boundary rule skips itself and succeeds: that is a failure here.
const skipped = /rule will be skipped/.test(`${lint.stdout}${lint.stderr}`);
if (lint.status !== 0 || skipped) {
  console.error(lint.stdout, lint.stderr);
  if (skipped) console.error('The module boundary rule did not run.');
  process.exit(1);
}
console.log(lint.stdout.trim().split('\n').slice(-3).join('\n'));

step('build');
nx('run-many', '-t', 'build', '--output-style=static', '--parallel=2');

step('Prisma schema and migrations');
run(node, ['--import', 'tsx', path.join(root, 'tools/checks/migrations.ts')]);

console.log('\nAll checks passed.');
