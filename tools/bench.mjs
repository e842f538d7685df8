import path from 'node:path';
import { ensureBuilt, ensureInstalled, ensureNode, root, run } from './bootstrap.mjs';

/**
 * `npm run bench -- predict [--rounds 5 --seconds 2 --models dense,knn]`
 * `npm run bench -- audit [--rounds 21 --mutations 60 --events 100000]`
 */
ensureNode();
ensureInstalled();
ensureBuilt();
run(process.execPath, ['--import', 'tsx', path.join(root, 'tools/bench/main.ts'), ...process.argv.slice(2)]);
