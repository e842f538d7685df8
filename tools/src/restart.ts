import path from 'node:path';
import { runningSupervisor } from './home.ts';
import { print } from './log-lines.ts';
import { readProcessList } from './process-list.ts';

/** `npm run restart`: has the running supervisor replace every process by one of the build that is there now. */

const root = process.env['MILLRACE_ROOT'] ?? process.cwd();
const home = path.resolve(process.env['MILLRACE_HOME'] ?? path.join(root, '.millrace'));
const patienceMs = 15 * 60_000;
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));

function fail(sentence: string): never {
  print(sentence);
  process.exit(1);
}

const supervisor = await runningSupervisor(home);
if (supervisor === null) fail(`Millrace does not run on ${home}. Start it with npm start, or set MILLRACE_HOME to the folder that it runs on.`);
const before = readProcessList(home);
if (!before) fail('Millrace is still starting, or was started by a version that cannot replace its processes. Wait a moment, or stop it and start it again.');
if (process.platform === 'win32') fail('Windows has no signals: stop Millrace and start it again.');

const deadline = performance.now() + patienceMs;
process.kill(supervisor, 'SIGUSR2');
let list = before;
let ours: number | null = null;
while (ours === null || list.restarts.finished < ours) {
  if (performance.now() > deadline) fail('It is not over after a quarter of an hour: see what the supervisor prints.');
  await pause();
  const now = readProcessList(home);
  if (!now) fail('Millrace has ended meanwhile: see what it printed.');
  list = now;
  if (ours === null && list.restarts.begun > before.restarts.begun) ours = before.restarts.begun + 1;
}
for (const { program, pid, version, build, state } of list.processes) print(`  ${program.padEnd(10)} process ${String(pid).padEnd(8)} ${version ?? ''} build ${build}, ${state}`);
if (list.restarts.problem !== null) fail(`The restart failed: ${list.restarts.problem}. The processes of before serve on.`);
print('Every process has been replaced.');
