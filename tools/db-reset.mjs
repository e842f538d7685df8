import path from 'node:path';
import { ensureInstalled, ensureNode, root, run } from './bootstrap.mjs';

ensureNode();
ensureInstalled();
if (process.env.DATABASE_URL) {
  console.error('DATABASE_URL is set: this command only empties the embedded database. Reset yours with: npx prisma migrate reset');
  process.exit(1);
}
run(process.execPath, ['--import', 'tsx', path.join(root, 'tools/src/db-reset.ts'), process.env.MILLRACE_HOME ?? path.join(root, '.millrace')]);
