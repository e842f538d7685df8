import { readdirSync, readFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { seededRandom, startProduct } from '@millrace/testkit';
import pg from 'pg';
import { print } from './log-lines.ts';
import { ProductClient } from './product-client.ts';

/**
 * `npm run chaos -- --kills 20`: starts the product, does the main job over and over as clients would, and kills (-9) the API,
 * the inference server, the worker, its training process and Postgres, so many times each, at random moments. Then it compares what the clients
 * were promised, by their own log, with what is there:
 *
 * - every accepted run has reached exactly one end, and every one that succeeded has one version;
 * - every version, published, predicts;
 * - every answered prediction is in the ledger once, and the ledger has no more than were answered or cut off;
 * - no quota is left held.
 */

const { values } = parseArgs({ options: { kills: { type: 'string', default: '20' }, seed: { type: 'string', default: '1' } } });
const killsEach = Number(values.kills);
const targets = ['api', 'inference', 'worker', 'trainer', 'postgres'] as const;
type Target = (typeof targets)[number];

// seeded, so that an order of kills can be repeated
const random = seededRandom(Number(values.seed));

const answered = new Set<string>();
let cutOff = 0;
const refusals: Record<string, number> = {};
let finished = false;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const product = await startProduct();
let failed: string[] = [];
try {
  const client = new ProductClient(product);
  const datasetVersionId = await client.insist(() => client.uploadIris());
  await client.insist(() => client.submit(datasetVersionId, 'steady', 20));
  const steady = await client.insist(() => client.anyVersion('steady'));
  await client.insist(() => client.publish(steady, 'steady'));
  const key = await client.insist(() => client.createKey());

  const load = [submitForEver(client, datasetVersionId), predictForEver(key), predictForEver(key)];
  await killAll(client);
  finished = true;
  await Promise.all(load);
  print('\nthe killing is over; waiting for the runs that were accepted …');
  failed = await judge(client, key);
} finally {
  await product.stop();
}
for (const fault of failed) print(`FAULT  ${fault}`);
print(failed.length ? `${failed.length} fault(s)` : 'every promise was kept');
process.exit(failed.length ? 1 : 0);

async function killAll(client: ProductClient): Promise<void> {
  const order = targets.flatMap((target) => Array<Target>(killsEach).fill(target));
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  const counts: Record<string, number> = {};
  for (const [index, target] of order.entries()) {
    await pause(200 + random() * 2_000);
    const pid = await eventually(() => processOf(target), 60_000, `no ${target} to kill`);
    process.kill(pid, 'SIGKILL');
    counts[target] = (counts[target] ?? 0) + 1;
    process.stdout.write(`\r  ${index + 1} of ${order.length} kills (last: ${target})   ${client.accepted.size} runs accepted, ${answered.size} predictions answered     `);
    if (target !== 'trainer') await eventually(() => (processOf(target) ?? pid) !== pid || null, 60_000, `${target} did not come back`);
  }
  print(`\nkilled: ${JSON.stringify(counts)}`);
}

/** The process id of a part of this product, or null while it is away. */
function processOf(target: Target): number | null {
  if (target === 'postgres') {
    try {
      const pid = Number(readFileSync(path.join(product.home, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0]);
      process.kill(pid, 0);
      return pid;
    } catch {
      return null;
    }
  }
  const children = processes().filter(({ parent }) => parent === product.supervisor.pid);
  if (target !== 'trainer') return children.find(({ command }) => command.includes(`apps/${target}/`))?.pid ?? null;
  const worker = children.find(({ command }) => command.includes('apps/worker/'))?.pid;
  return processes().find(({ parent, command }) => parent === worker && command.includes('trainer'))?.pid ?? null;
}

function processes(): { pid: number; parent: number; command: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      return [{ pid: Number(name), parent, command: readFileSync(`/proc/${name}/cmdline`, 'utf8') }];
    } catch {
      return [];
    }
  });
}

async function submitForEver(client: ProductClient, datasetVersionId: string): Promise<void> {
  while (!finished) {
    await client.submit(datasetVersionId, 'busy', 100 + Math.floor(random() * 300)).catch(() => undefined);
    await pause(400 + random() * 800);
  }
}

async function predictForEver(key: string): Promise<void> {
  while (!finished) {
    try {
      const response = await predict(key, 'steady');
      await response.json();
      if (response.status === 200) answered.add(response.headers.get('x-millrace-prediction-id')!);
      else note(`${response.status} ${response.headers.get('x-millrace-error-code')}`);
    } catch (error) {
      const { code } = ((error as Error).cause ?? {}) as { code?: string };
      note(code ?? String(error));
      if (code !== 'ECONNREFUSED') cutOff++; // its fate is unknown to the client
    }
    await pause(20);
  }
}

function note(reason: string): void {
  refusals[reason] = (refusals[reason] ?? 0) + 1;
}

function predict(key: string, model: string): Promise<Response> {
  return fetch(`${product.inferenceUrl}/predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ model, features: [5.1, 3.5, 1.4, 0.2] }),
    signal: AbortSignal.timeout(10_000),
  });
}

async function judge(client: ProductClient, key: string): Promise<string[]> {
  const faults: string[] = [];
  const cluster = JSON.parse(await fs.readFile(path.join(product.home, 'postgres/cluster.json'), 'utf8')) as { port: number; ownerPassword: string };
  const database = new pg.Client({ host: '127.0.0.1', port: cluster.port, user: 'postgres', password: cluster.ownerPassword, database: 'millrace' });
  await database.connect();
  try {
    await eventually(
      async () => (await database.query(`SELECT 1 FROM runs WHERE finished_at IS NULL`)).rowCount === 0 || null,
      300_000,
      'some runs have no end after five minutes',
    ).catch((error: Error) => faults.push(error.message));

    const { rows: runs } = await database.query<{ id: string; status: string; ends: number; versions: number }>(`
      SELECT r.id, r.status::text, (SELECT count(*)::int FROM run_events e WHERE e.run_id = r.id AND e.type IN ('succeeded', 'failed', 'cancelled')) AS ends,
        (SELECT count(*)::int FROM model_versions v WHERE v.run_id = r.id AND v.status = 'READY') AS versions FROM runs r`);
    const statuses: Record<string, number> = {};
    for (const run of runs) {
      statuses[run.status] = (statuses[run.status] ?? 0) + 1;
      if (run.ends !== 1) faults.push(`run ${run.id} has ${run.ends} ends`);
      if (run.versions !== (run.status === 'SUCCEEDED' ? 1 : 0)) faults.push(`run ${run.id} is ${run.status} and has ${run.versions} versions`);
    }
    for (const id of client.accepted) if (!runs.some((run) => run.id === id)) faults.push(`run ${id} was accepted and is gone`);
    print(`runs: ${client.accepted.size} accepted, ${runs.length} in the database, ends: ${JSON.stringify(statuses)}`);

    const { rows: versions } = await database.query<{ id: string; model: string }>(
      `SELECT v.id, m.name AS model FROM model_versions v JOIN models m ON m.id = v.model_id WHERE v.status = 'READY' ORDER BY v.id`,
    );
    for (const { id, model } of versions) await client.insist(() => client.publish(id, model));
    let predicted = 0;
    for (const model of ['steady', 'busy']) {
      const { rows: numbers } = await database.query<{ number: number }>(
        `SELECT v.number FROM model_versions v JOIN models m ON m.id = v.model_id WHERE m.name = $1 AND v.status = 'READY'`, [model]);
      for (const { number } of numbers) {
        const response = await fetch(`${product.inferenceUrl}/v1/models/${model}/versions/${number}:predict`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
          body: JSON.stringify({ instances: [[5.1, 3.5, 1.4, 0.2]] }),
        });
        const body = await response.text();
        if (response.ok && body.includes('setosa')) predicted++;
        else faults.push(`version ${number} of ${model} answers ${response.status}: ${body}`);
        if (response.ok) answered.add(response.headers.get('x-millrace-prediction-id')!);
      }
    }
    print(`versions: ${versions.length} READY, ${predicted} predict`);

    const ledger = await eventually(async () => {
      const { rows } = await database.query<{ id: string }>(`SELECT request_id AS id FROM usage_records WHERE kind = 'PREDICTION'`);
      const ids = new Set(rows.map(({ id }) => id));
      return [...answered].every((id) => ids.has(id)) ? ids : null;
    }, 10_000, 'answered predictions are missing in the ledger').catch((error: Error) => {
      faults.push(error.message);
      return new Set<string>();
    });
    const unexplained = [...ledger].filter((id) => !answered.has(id)).length;
    if (unexplained > cutOff) faults.push(`the ledger has ${unexplained} predictions that no client saw; only ${cutOff} requests were cut off`);
    print(`predictions: ${answered.size} answered, ${cutOff} cut off, ${ledger.size} in the ledger; others: ${JSON.stringify(refusals)}`);

    const { rows: held } = await database.query<{ used: string }>(`SELECT used FROM quota_counters WHERE resource = 'ACTIVE_RUNS' AND used <> 0`);
    if (held.length) faults.push(`${held[0]!.used} active runs are still counted`);
  } finally {
    await database.end();
  }
  return faults;
}

async function eventually<T>(look: () => T | null | Promise<T | null>, patienceMs: number, complaint: string): Promise<T> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (Date.now() > deadline) throw new Error(complaint);
    await pause(50);
  }
}
