import path from 'node:path';
import { ensureBuilt, ensureInstalled, ensureNode, root, run } from './bootstrap.mjs';

/** `npm run new-key`: the text of an API key for MILLRACE_INIT_API_KEY */
ensureNode();
ensureInstalled();
ensureBuilt();
run(process.execPath, ['--import', 'tsx', path.join(root, 'tools/src/new-key.ts')]);
