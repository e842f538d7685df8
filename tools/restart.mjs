import path from 'node:path';
import { ensureBuilt, ensureInstalled, ensureNode, root, run } from './bootstrap.mjs';

ensureNode();
ensureInstalled();
ensureBuilt();
run(process.execPath, [path.join(root, 'tools/bundle/restart.js')], { env: { ...process.env, MILLRACE_ROOT: root } });
