import path from 'node:path';
import { ensureBuilt, ensureInstalled, ensureNode, root, run } from './bootstrap.mjs';

/** `npm run chaos -- --kills 20 --seed 1` */
ensureNode();
ensureInstalled();
ensureBuilt();
run(process.execPath, ['--import', 'tsx', path.join(root, 'tools/src/chaos.ts'), ...process.argv.slice(2)]);
