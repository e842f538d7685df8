import { spawn } from 'node:child_process';
import path from 'node:path';
import { ensureInstalled, ensureNode, nxEnvironment, root, run } from './bootstrap.mjs';

/**
 * `npm run check`: everything that CI looks at before the tests. Two steps at a time, since many of them keep one core busy
 * only; each prints what it found once it is over. The first failure ends it.
 */
const node = process.execPath;
const inModules = (file) => path.join(root, 'node_modules', file);

ensureNode();
ensureInstalled();

console.log('\n── generated code and schema.graphql');
run(node, [path.join(root, 'tools/codegen.mjs'), '--check']); // before the others, which read it

const check = (name) => [path.join(root, 'tools/checks', name)];
/** The longest first. */
const steps = [
  // One process for all projects: each of its own would load the linter and its rules anew.
  { title: 'lint', commands: [[inModules('eslint/bin/eslint.js'), '--max-warnings', '0', 'apps', 'libs', 'tools']] },
  { title: 'types', commands: [[inModules('typescript-native/bin/tsc'), '-b']] },
  { title: 'build', commands: [[inModules('nx/dist/bin/nx.js'), 'run-many', '-t', 'build', '--output-style=static', '--parallel=1']] },
  { title: 'Prisma schema and migrations', commands: [['--import', 'tsx', ...check('migrations.ts')]] },
  {
    title: 'lock file, bundles, documents, project references',
    commands: ['lock-file.mjs', 'bundled-packages.mjs', 'documents.mjs', 'references.mjs'].map(check),
  },
];

const running = new Set();

/** @returns its exit code and what it printed */
function start(args) {
  const child = spawn(node, args, { cwd: root, env: nxEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  return new Promise((resolve) => {
    child.once('close', (code) => {
      running.delete(child);
      resolve({ code, output });
    });
  });
}

async function take() {
  for (let step = steps.shift(); step; step = steps.shift()) {
    const outputs = [];
    for (const command of step.commands) {
      const { code, output } = await start(command);
      outputs.push(output.trim());
      // Without a project graph the boundary rule skips itself and succeeds: that is a failure here.
      const skipped = /rule will be skipped/.test(output);
      if (code === 0 && !skipped) continue;
      console.error(`\n── ${step.title}\n${outputs.join('\n')}`);
      if (skipped) console.error('The module boundary rule did not run.');
      for (const other of running) other.kill();
      process.exit(1);
    }
    console.log(`\n── ${step.title}\n${outputs.join('\n')}`.trimEnd());
  }
}

await Promise.all([take(), take()]);
console.log('\nAll checks passed.');
