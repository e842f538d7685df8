import { Agent, request } from 'node:http';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type Product, startProduct } from '@millrace/testkit';
import pg from 'pg';
import { print } from './log-lines.ts';
import { type ProcessList, readProcessList, type RunningProcess } from './process-list.ts';
import { ProductClient } from './product-client.ts';

/**
 * `npm run chaos -- rolling`: starts the product, asks it so many times a second, half over connections that are kept and
 * half over fresh ones, and has all its processes replaced, so many times. By the client's own log no request may fail, and
 * the ledger must hold exactly what was answered.
 *
 * With `--kills` an inference process is killed (-9) every few seconds instead. A connection may break then; sent again
 * under its Idempotency-Key, each request is answered in the end, and billed once.
 */

const { values } = parseArgs({
  args: process.argv.slice(2).filter((word) => word !== 'rolling'),
  options: {
    restarts: { type: 'string', default: '20' },
    requests: { type: 'string', default: '50000' },
    rate: { type: 'string', default: '200' },
    processes: { type: 'string', default: '2' },
    kills: { type: 'string', default: '0' },
    'kill-every-ms': { type: 'string', default: '4000' },
  },
});
const [restarts, requests, rate, kills] = [values.restarts, values.requests, values.rate, values.kills].map(Number) as [number, number, number, number];
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const patienceMs = 30_000;

interface Answer {
  status: number;
  id: string;
  body: string;
}

/** By the client's own log. */
const log = {
  sent: 0,
  answered: new Map<string, string>(),
  /** answers other than 200, and broken connections, which no retry mended */
  failed: {} as Record<string, number>,
  /** with kills: attempts that were made again */
  again: {} as Record<string, number>,
  wrong: 0,
  twice: 0,
  slowestMs: 0,
  api: { sent: 0, failed: {} as Record<string, number> },
};
const note = (into: Record<string, number>, what: string): void => void (into[what] = (into[what] ?? 0) + 1);

const product = await startProduct({ environment: { MILLRACE_INFERENCE_PROCESSES: values.processes } });
let faults: string[] = [];
try {
  const client = new ProductClient(product);
  const datasetVersionId = await client.insist(() => client.uploadIris());
  await client.insist(() => client.submit(datasetVersionId, 'steady', 20));
  const version = await client.insist(() => client.anyVersion('steady'));
  await client.insist(() => client.publish(version, 'steady'));
  const key = await client.insist(() => client.createKey());
  const first = await ask(key, false, undefined);
  if (first.status !== 200) throw new Error(`the first prediction is answered with ${first.status}: ${first.body}`);
  log.answered.set(first.id, first.body);
  const expected = first.body;

  const begun = performance.now();
  let isOver = false;
  const disturbing = (kills ? killAgain() : restartAgain()).finally(() => (isOver = true));
  await load(key, expected, () => isOver);
  await disturbing;
  const seconds = (performance.now() - begun) / 1000;
  print(
    `\n${log.sent} requests in ${seconds.toFixed(0)} s (${(log.sent / seconds).toFixed(0)} a second), ${log.answered.size - 1} answered, failed ${JSON.stringify(log.failed)}, ` +
      `wrong ${log.wrong}, made again ${JSON.stringify(log.again)}, slowest ${log.slowestMs.toFixed(0)} ms; of the API ${log.api.sent}, failed ${JSON.stringify(log.api.failed)}`,
  );
  faults = await judge(product);
} finally {
  await product.stop();
}
for (const fault of faults) print(`FAULT  ${fault}`);
print(faults.length ? `${faults.length} fault(s)` : 'no request failed, and what was answered is what is billed');
process.exit(faults.length ? 1 : 0);

/** Open loop: a request leaves when its time has come, whether or not those before it are answered. */
async function load(key: string, expected: string, isOver: () => boolean): Promise<void> {
  const open = new Set<Promise<void>>();
  const kept = new Agent({ keepAlive: true, maxSockets: 32 });
  const begun = performance.now();
  while (!isOver() || (!kills && log.sent < requests)) {
    const due = ((performance.now() - begun) / 1000) * rate;
    for (; log.sent < due; log.sent++) {
      const one = (kills ? insist(key, log.sent % 2 ? kept : false, expected) : once(key, log.sent % 2 ? kept : false, expected)).finally(() => open.delete(one));
      open.add(one);
      // Of every twenty, one goes to the API as well.
      if (log.sent % 20 === 0) {
        const other = askApi(log.sent % 40 ? kept : false).finally(() => open.delete(other));
        open.add(other);
      }
    }
    await pause(2);
  }
  await Promise.all(open);
  kept.destroy();
}

async function once(key: string, agent: Agent | false, expected: string): Promise<void> {
  const at = performance.now();
  try {
    count(await ask(key, agent, undefined), expected);
  } catch (error) {
    note(log.failed, reasonOf(error));
  }
  log.slowestMs = Math.max(log.slowestMs, performance.now() - at);
}

/** Under the same Idempotency-Key until it is answered. */
async function insist(key: string, agent: Agent | false, expected: string): Promise<void> {
  const idempotencyKey = randomUUID();
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      const answer = await ask(key, agent, idempotencyKey);
      if (answer.status === 200) return count(answer, expected);
      note(log.again, String(answer.status));
      if (![409, 503].includes(answer.status)) return note(log.failed, `${answer.status} ${answer.body}`);
    } catch (error) {
      note(log.again, `${reasonOf(error)} on a ${agent ? 'kept' : 'fresh'} connection`);
    }
    await pause(1_000);
  }
  note(log.failed, 'never answered');
}

function count({ status, id, body }: Answer, expected: string): void {
  if (status !== 200) return note(log.failed, `${status} ${body.slice(0, 100)}`);
  if (body !== expected) log.wrong++;
  if (log.answered.has(id)) log.twice++;
  log.answered.set(id, body);
}

function reasonOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

function ask(key: string, agent: Agent | false, idempotencyKey: string | undefined): Promise<Answer> {
  return send(`${product.inferenceUrl}/predict`, agent, JSON.stringify({ model: 'steady', features: [5.1, 3.5, 1.4, 0.2] }), {
    'x-api-key': key,
    ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
  });
}

async function askApi(agent: Agent | false): Promise<void> {
  log.api.sent++;
  try {
    const { status, body } = await send(`${product.consoleUrl}/graphql`, agent, '{"query":"{ __typename }"}', {});
    if (status !== 200) note(log.api.failed, `${status} ${body.slice(0, 200)}`);
  } catch (error) {
    note(log.api.failed, reasonOf(error));
  }
}

function send(url: string, agent: Agent | false, body: string, headers: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method: 'POST',
      agent: agent || new Agent({ keepAlive: false }),
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers },
      signal: AbortSignal.timeout(patienceMs),
    });
    outgoing.on('error', reject).on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('error', reject).on('data', (part: string) => (text += part)).on('end', () => {
        if (!response.complete) return reject(new Error('incomplete'));
        resolve({ status: response.statusCode!, id: String(response.headers['x-millrace-prediction-id']), body: text });
      });
    });
    outgoing.end(body);
  });
}

function list(): ProcessList {
  return readProcessList(product.home)!;
}

function servers(): RunningProcess[] {
  return list().processes.filter(({ program, state }) => program === 'inference' && state === 'serving');
}

async function restartAgain(): Promise<void> {
  const longest: number[] = [];
  for (let number = 1; number <= restarts; number++) {
    const before = new Set(list().processes.map(({ pid }) => pid));
    const at = performance.now();
    product.supervisor.kill('SIGUSR2');
    while (list().restarts.finished < number) await pause(50);
    longest.push((performance.now() - at) / 1000);
    const { restarts: { problem }, processes } = list();
    if (problem !== null) throw new Error(`restart ${number} failed: ${problem}`);
    if (processes.some(({ pid }) => before.has(pid))) throw new Error(`after restart ${number} a process of before is still there`);
    progress(`restart ${number} of ${restarts} (${processes.length} processes in ${longest.at(-1)!.toFixed(1)} s)`);
  }
  print(`\n${restarts} restarts of all processes, ${Math.min(...longest).toFixed(1)} to ${Math.max(...longest).toFixed(1)} s each`);
}

async function killAgain(): Promise<void> {
  for (let number = 1; number <= kills; number++) {
    await pause(Number(values['kill-every-ms']));
    while (servers().length < Number(values.processes)) await pause(20);
    process.kill(servers()[number % servers().length]!.pid, 'SIGKILL');
    progress(`kill ${number} of ${kills}`);
  }
}

function progress(what: string): void {
  print(`  ${what}   ${log.sent} sent, ${log.answered.size - 1} answered, failed ${JSON.stringify(log.failed)}, again ${JSON.stringify(log.again)}`);
}

async function judge(judged: Product): Promise<string[]> {
  const found: string[] = [];
  const cluster = JSON.parse(readFileSync(path.join(judged.home, 'postgres/cluster.json'), 'utf8')) as { port: number; ownerPassword: string };
  const database = new pg.Client({ host: '127.0.0.1', port: cluster.port, user: 'postgres', password: cluster.ownerPassword, database: 'millrace' });
  await database.connect();
  try {
    let billed = new Set<string>();
    for (const end = performance.now() + 20_000; performance.now() < end; await pause(200)) {
      const { rows } = await database.query<{ id: string }>(`SELECT request_id AS id FROM usage_records WHERE kind = 'PREDICTION'`);
      billed = new Set(rows.map(({ id }) => id));
      if (rows.length !== billed.size) found.push(`${rows.length - billed.size} predictions are billed twice`);
      if ([...log.answered.keys()].every((id) => billed.has(id))) break;
    }
    const unbilled = [...log.answered.keys()].filter((id) => !billed.has(id)).length;
    const unseen = [...billed].filter((id) => !log.answered.has(id)).length;
    print(`ledger: ${billed.size} predictions; ${unbilled} answered and not billed, ${unseen} billed and not answered`);
    if (unbilled) found.push(`${unbilled} answers are not billed`);
    if (unseen) found.push(`${unseen} predictions are billed that nobody saw`);
  } finally {
    await database.end();
  }
  for (const [what, times] of Object.entries({ ...log.failed, ...log.api.failed })) found.push(`${times} requests failed: ${what}`);
  if (log.wrong) found.push(`${log.wrong} answers were wrong`);
  if (log.twice) found.push(`${log.twice} answers had the id of another`);
  return found;
}
