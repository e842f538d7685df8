import path from 'node:path';
import { ensureBuilt, ensureInstalled, ensureNode, root, run } from './bootstrap.mjs';

/** `npm run chaos -- --kills 20 --seed 1`, or `npm run chaos -- tenants --count 100000` */
ensureNode();
ensureInstalled();
const program = process.argv[2] === 'tenants' ? 'interleave' : 'chaos';
if (program === 'chaos') ensureBuilt();
run(process.execPath, ['--import', 'tsx', path.join(root, `tools/src/${program}.ts`), ...process.argv.slice(2)]);
