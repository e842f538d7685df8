import path from 'node:path';
import { ensureBuilt, ensureInstalled, ensureNode, root, run } from './bootstrap.mjs';

/**
 * `npm run chaos -- --kills 20 --seed 1`, `npm run chaos -- tenants --count 100000`, `npm run chaos -- quota --configurations 100`,
 * `npm run chaos -- webhooks --kills 200`, or `npm run chaos -- rolling --restarts 20`
 */
ensureNode();
ensureInstalled();
const program = { tenants: 'src/interleave.ts', quota: 'bench/main.ts', webhooks: 'bench/main.ts', rolling: 'src/rolling.ts' }[process.argv[2]] ?? 'src/chaos.ts';
if (program !== 'src/interleave.ts') ensureBuilt();
run(process.execPath, ['--import', 'tsx', path.join(root, 'tools', program), ...process.argv.slice(2)]);
