import path from 'node:path';
import { ensureInstalled, ensureNode, root, run } from './bootstrap.mjs';

/** `npm run audit -- verify [tenant] [--expect <number>:<hash>]` */
ensureNode();
ensureInstalled();
const home = process.env.MILLRACE_HOME ?? path.join(root, '.millrace');
run(process.execPath, ['--import', 'tsx', path.join(root, 'tools/src/audit.ts'), ...process.argv.slice(2)], { env: { ...process.env, MILLRACE_HOME: home } });
