import fs from 'node:fs/promises';
import path from 'node:path';
import { removeEmbeddedPostgres } from '@millrace/database';
import { silentLogger } from '@millrace/kernel';
import { plainArtefactsMark, runningSupervisor } from './home.ts';

/** `npm run db:reset`: empties the embedded database of a home, and removes the artefacts in it. */

const home = process.argv[2]!;
const supervisor = await runningSupervisor(home);
if (supervisor) {
  console.error(`Millrace is running (process ${supervisor}). Stop it first, then run this again.`);
  process.exit(1);
}
await removeEmbeddedPostgres({ directory: path.join(home, 'postgres'), logger: silentLogger });
for (const part of ['storage', 'journal', 'work', 'demo.json']) await fs.rm(path.join(home, part), { recursive: true, force: true });
await fs.rm(plainArtefactsMark(home), { force: true });
console.log('The embedded database and all artefacts are gone. The next `npm start` begins anew.');
