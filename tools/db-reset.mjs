import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { ensureInstalled, ensureNode, root, run } from './bootstrap.mjs';

ensureNode();
ensureInstalled();
const home = process.env.MILLRACE_HOME ?? path.join(root, '.millrace');
if (process.env.DATABASE_URL) {
  console.error('DATABASE_URL is set: this command only empties the embedded database. Reset yours with: npx prisma migrate reset');
  process.exit(1);
}
const supervisor = runningSupervisor();
if (supervisor) {
  console.error(`Millrace is running (process ${supervisor}). Stop it first, then run this again.`);
  process.exit(1);
}
run(process.execPath, ['--import', 'tsx', path.join(root, 'tools/src/remove-embedded-postgres.ts'), home]);
for (const part of ['storage', 'journal', 'work', 'demo.json', 'plain-artefacts']) rmSync(path.join(home, part), { recursive: true, force: true });
console.log('The embedded database and all artefacts are gone. The next `npm start` begins anew.');

/** The process that serves this home, or null. A killed one leaves its file, and its number may be another's by now. */
function runningSupervisor() {
  try {
    const owner = Number(readFileSync(path.join(home, 'supervisor.pid'), 'utf8'));
    process.kill(owner, 0);
    const commandLine = `/proc/${owner}/cmdline`;
    return !existsSync(commandLine) || readFileSync(commandLine, 'utf8').includes('supervisor') ? owner : null;
  } catch {
    return null;
  }
}
