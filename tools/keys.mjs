import path from 'node:path';
import { ensureBuilt, ensureInstalled, ensureNode, root, run } from './bootstrap.mjs';

/** `npm run keys -- rotate <tenant> | rewrap | reseal [--plain] [tenant]` */
ensureNode();
ensureInstalled();
ensureBuilt();
run(process.execPath, ['--import', 'tsx', path.join(root, 'tools/src/keys.ts'), ...process.argv.slice(2)]);
