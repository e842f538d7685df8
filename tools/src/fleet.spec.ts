import fs from 'node:fs/promises';
import { Agent, request } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { build, stop } from 'esbuild';
import { createFleet, type Fleet, type Program } from './fleet.ts';
import type { RunningProcess } from './process-list.ts';
import { SharedPort } from './shared-port.ts';

let root: string;
let fleet: Fleet;
let port: SharedPort;
let program: Program;
let changed: () => void;
let bundle: Uint8Array;
beforeAll(async () => {
  const { outputFiles } = await build({
    entryPoints: [path.join(import.meta.dirname, '../test/sample-program.ts')], write: false, bundle: true, platform: 'node', format: 'esm', logLevel: 'error',
  });
  bundle = outputFiles[0]!.contents;
  await stop();
});
beforeEach(async () => {
  root = await fs.mkdtemp(path.join(os.tmpdir(), 'millrace-fleet-'));
  await fs.mkdir(path.join(root, 'sample/bundle'), { recursive: true });
  await fs.writeFile(path.join(root, 'sample/bundle/main.js'), bundle);
  await fs.writeFile(path.join(root, 'package.json'), '{"type":"module"}');
  port = await SharedPort.listen('sample', { host: '127.0.0.1', port: 0 });
  program = { name: 'sample', project: 'sample', environment: {}, processes: 2, ports: [port] };
  fleet = createFleet({ root, environment: { PATH: process.env['PATH'] }, onChange: () => changed?.() });
});
afterEach(async () => {
  await fleet.stop();
  port.close();
  await fs.rm(root, { recursive: true });
});

interface Said {
  pid: number;
  inherited: number[] | null;
  reports: number[];
  isLast: boolean;
}

function ask(agent: Agent | false, path = '/'): Promise<Said> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port: port.port, path, agent: agent || new Agent() }, (response) => {
      let text = '';
      response.on('data', (part) => (text += part)).on('error', reject);
      response.on('end', () => resolve({ ...(JSON.parse(text) as Said), isLast: response.headers.connection === 'close' }));
    });
    outgoing.on('error', reject).end();
  });
}

const pidsOf = (list: RunningProcess[]): number[] => list.map(({ pid }) => pid).sort();

async function until(holds: (list: RunningProcess[]) => boolean): Promise<RunningProcess[]> {
  while (!holds(fleet.list())) await new Promise<void>((resolve) => (changed = resolve));
  return fleet.list();
}

it('replaces every process, twice, without a request that fails', async () => {
  await fleet.start(program);
  const generations = [pidsOf(fleet.list())];
  const agents = [new Agent({ keepAlive: true, maxSockets: 1 }), new Agent({ keepAlive: true, maxSockets: 1 }), false, false] as const;
  let isOver = false;
  const said: Said[] = [];
  const load = Promise.all(
    agents.map(async (agent) => {
      while (!isOver) said.push(await ask(agent));
    }),
  );
  for (const round of [1, 2]) {
    await fleet.replace(program);
    generations[round] = pidsOf(fleet.list());
  }
  isOver = true;
  await load;
  expect(new Set(generations.flat()).size).toBe(6); // none is of two generations
  said.push(await ask(false));
  for (const pids of generations) expect(said.some(({ pid }) => pids.includes(pid))).toBe(true);
  expect(said.length).toBeGreaterThan(100);
  expect(said.some(({ isLast }) => isLast)).toBe(true);
  for (const { pid, inherited } of said) {
    const before = generations[generations.findIndex((pids) => pids.includes(pid)) - 1];
    expect(inherited).toEqual(before ? [expect.any(Number)] : null);
    if (before) expect(before).toContain(inherited![0]);
  }
  for (const agent of agents) if (agent) agent.destroy();
});

it('any process can be asked for what all of them have to say', async () => {
  await fleet.start(program);
  expect((await ask(false, '/all')).reports.sort()).toEqual(pidsOf(fleet.list()));
});

it('what a process that stands still has not accepted, others take', async () => {
  await fleet.start(program);
  const [stopped, other] = fleet.list().map(({ pid }) => pid) as [number, number];
  process.kill(stopped, 'SIGSTOP');
  for (let i = 0; i < 10; i++) expect((await ask(false)).pid).toBe(other);
  process.kill(stopped, 'SIGCONT');
});

it('starts a killed process again; the other serves meanwhile', async () => {
  await fleet.start(program);
  const [killed, other] = fleet.list().map(({ pid }) => pid) as [number, number];
  process.kill(killed, 'SIGKILL');
  await until((list) => list.length === 1);
  expect((await ask(false)).pid).toBe(other);
  const list = await until((now) => now.filter(({ state }) => state === 'serving').length === 2);
  expect(pidsOf(list)).not.toContain(killed);
});

it('a connection waits while there is no process', async () => {
  await fleet.start({ ...program, processes: 1 });
  const [{ pid }] = fleet.list() as [RunningProcess];
  process.kill(pid, 'SIGKILL');
  await until((list) => list.length === 0);
  const asked = ask(false);
  const [next] = await until((list) => list.length === 1);
  expect((await asked).pid).toBe(next!.pid);
});

it('keeps the process that serves when the new build does not start', async () => {
  const one = { ...program, processes: 1 };
  await fleet.start(one);
  const [{ pid }] = fleet.list() as [RunningProcess];
  await fs.writeFile(path.join(root, 'sample/bundle/main.js'), 'process.exit(3);');
  await expect(fleet.replace(one)).rejects.toThrow('sample ended (exit code 3)');
  expect((await ask(false)).pid).toBe(pid);
  expect(pidsOf(fleet.list())).toEqual([pid]);
});

it('a process that is told to end by somebody else is succeeded', async () => {
  await fleet.start(program);
  const [told] = fleet.list() as [RunningProcess];
  process.kill(told.pid, 'SIGTERM');
  await until((list) => list.every(({ pid }) => pid !== told.pid) && list.length === 2 && list.every(({ state }) => state === 'serving'));
  expect((await ask(false)).pid).not.toBe(told.pid);
});

it('a process that is still starting ends with its supervisor', async () => {
  const started = fleet.start(program).catch(() => undefined);
  const children = await until((list) => list.length === 2);
  const pids = pidsOf(children);
  await fleet.stop();
  await started;
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});
