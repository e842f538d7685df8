import path from 'node:path';
import { ensureBuilt, ensureInstalled, ensureNode, root, run } from './bootstrap.mjs';

/** `npm run bench -- predict [--rounds 5 --seconds 2 --models dense,knn]`; tools/bench/main.ts has the others. */
ensureNode();
ensureInstalled();
ensureBuilt();
run(process.execPath, ['--import', 'tsx', path.join(root, 'tools/bench/main.ts'), ...process.argv.slice(2)]);
