import { once } from 'node:events';
import { Agent, request } from 'node:http';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createWorld, seededRandom, type TenantInWorld, type World } from '@millrace/testkit';
import { neighboursOf, publishFor, readIris } from './sample-models.ts';
import { createServers, say, type Server, type Servers } from './servers.ts';

/** What happens to the servers meanwhile. */
type Disturbance = 'none' | 'restart' | 'kill';

interface Configuration {
  number: number;
  scope: 'KEY' | 'TENANT' | 'MODEL';
  measure: 'ROWS' | 'REQUESTS';
  period: 'DAY' | 'MONTH';
  limit: number;
  rows: number;
  disturbance: Disturbance;
}

/** By the clients' own log. */
interface Tally {
  answered: Set<string>;
  cutOff: number;
  statuses: Record<string, number>;
}

const processes = 3;
const connections = 64;

/**
 * Exact quotas, as clients see them: three inference servers in processes of their own, 64 connections, five times as many
 * attempts as a limit admits, for many random configurations; in some of them servers are restarted or killed (-9). Then:
 * admitted is the limit exactly, and never more after a kill; what is in the ledger is what was answered. At the end a
 * rate, in open loop. All counts are the clients'.
 */
export async function benchQuota(parameters: string[]): Promise<void> {
  const { values } = parseArgs({
    args: parameters,
    options: {
      configurations: { type: 'string', default: '100' },
      seed: { type: 'string', default: '1' },
      'rate-seconds': { type: 'string', default: '30' },
      /** none, restart or kill in all of them; drawn for each if left out */
      disturbance: { type: 'string' },
    },
  });
  const random = seededRandom(Number(values.seed));
  say('starting the database and three inference servers');
  const world = await createWorld();
  const servers = await createServers(world);
  const faults: string[] = [];
  try {
    const fleet = await createFleet(world, servers);
    const totals = { none: 0, restart: 0, kill: 0, admitted: 0, attempts: 0, cutOff: 0, mostShort: 0 };
    for (let number = 1; number <= Number(values.configurations); number++) {
      const drawn = draw(number, random);
      const configuration = values.disturbance === undefined ? drawn : { ...drawn, disturbance: values.disturbance as Disturbance };
      say(`configuration ${number} of ${values.configurations}: ${JSON.stringify(configuration)}`);
      const found = await attempt(world, fleet, configuration, random);
      faults.push(...found.faults.map((fault) => `${fault}   ${JSON.stringify(configuration)}`));
      totals[configuration.disturbance]++;
      totals.admitted += found.admitted;
      totals.attempts += found.attempts;
      totals.cutOff += found.cutOff;
      totals.mostShort = Math.max(totals.mostShort, found.shortBy);
    }
    console.log(
      `\n${values.configurations} configurations (${totals.none} undisturbed, ${totals.restart} with restarts, ${totals.kill} with kills): ` +
        `${totals.attempts} attempts, ${totals.admitted} units admitted, ${totals.cutOff} requests cut off; after kills short of the limit by at most ${totals.mostShort}`,
    );
    if (Number(values['rate-seconds']) > 0) faults.push(...(await attemptRate(world, fleet, Number(values['rate-seconds']))));
    await fleet.stop();
  } finally {
    servers.kill();
    await world.close();
  }
  for (const fault of faults) console.log(`FAULT  ${fault}`);
  console.log(faults.length ? `${faults.length} fault(s)` : 'admitted was never above a limit, without kills exactly it, and what was answered is what is billed');
  if (faults.length) process.exitCode = 1;
}

interface Fleet {
  url(index: number): string;
  /** ends one server and starts it again over the same journal */
  replace(index: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  stop(): Promise<void>;
}

async function createFleet(world: World, servers: Servers): Promise<Fleet> {
  const start = (index: number): Promise<Server> => servers.inference({ MILLRACE_JOURNAL_DIRECTORY: path.join(world.directory, `journal-of-${index}`) });
  const fleet = await Promise.all(Array.from({ length: processes }, (_, index) => start(index)));
  const end = async ({ child }: Server, signal: NodeJS.Signals): Promise<void> => {
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  return {
    url: (index) => fleet[index % processes]!.url,
    async replace(index, signal) {
      await end(fleet[index]!, signal);
      fleet[index] = await start(index);
    },
    stop: async () => void (await Promise.all(fleet.map((server) => end(server, 'SIGTERM')))),
  };
}

function draw(number: number, random: () => number): Configuration {
  const among = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;
  return {
    number,
    scope: among(['KEY', 'KEY', 'KEY', 'TENANT', 'MODEL']),
    measure: among(['ROWS', 'REQUESTS']),
    period: among(['DAY', 'MONTH']),
    limit: Math.floor(10 ** (random() * 3)),
    rows: among([1, 1, 2, 5]),
    disturbance: among(['none', 'none', 'restart', 'kill', 'kill']),
  };
}

async function attempt(world: World, fleet: Fleet, configuration: Configuration, random: () => number) {
  const { scope, measure, period, limit, rows, disturbance } = configuration;
  const tenant = await tenantWithModel(world);
  const key = await keyOf(world, tenant);
  await world.db.asOwner(
    `INSERT INTO usage_limits (id, tenant_id, scope, subject, measure, period, limit_value, updated_by) VALUES ($1, $2, $3::usage_scope, $4, $5::usage_measure, $6::usage_period, $7, 'system')`,
    [`lim_${key.id}`, tenant.tenantId, scope, { KEY: key.id, TENANT: '', MODEL: 'iris' }[scope], measure, period, limit],
  );
  const unit = measure === 'ROWS' ? rows : 1;
  const admissible = Math.floor(limit / unit) * unit;
  const attempts = Math.max(connections, 5 * Math.ceil(limit / unit));
  const tally: Tally = { answered: new Set(), cutOff: 0, statuses: {} };
  const body = JSON.stringify({ model: 'iris', features: Array.from({ length: rows }, () => [5.1, 3.5, 1.4, 0.2]) });
  let begun = 0;
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  let opened = (): void => undefined;
  const barrier = new Promise<void>((resolve) => (opened = resolve));
  const clients = Array.from({ length: connections }, async (_, client) => {
    await barrier;
    for (let server = client; begun < attempts; ) {
      begun++;
      if (await ask(agent, `${fleet.url(server)}/predict`, key.text, body, tally)) continue;
      begun--; // it never reached a server
      server++;
    }
  });
  opened();
  if (disturbance !== 'none') {
    // At a random moment of it, by the attempts that were made.
    const moment = Math.floor(random() * Math.min(attempts, (1.5 * limit) / unit));
    while (begun < moment && begun < attempts) await pause(1);
    await fleet.replace(Math.floor(random() * processes), disturbance === 'kill' ? 'SIGKILL' : 'SIGTERM');
  }
  await Promise.all(clients);
  // Whoever was refused while a server that went down still held some could have come again: not at once, since a refusal
  // is believed for a second.
  for (let more = 0; disturbance === 'restart' && more < 200 && tally.answered.size * unit < admissible; more++) {
    await ask(agent, `${fleet.url(more)}/predict`, key.text, body, tally);
    await pause(25);
  }
  agent.destroy();

  const faults: string[] = [];
  let billed = new Set<string>();
  for (const end = Date.now() + 20_000; Date.now() < end; await pause(100)) {
    const lines = await world.db.asOwner<{ id: string }>('SELECT request_id AS id FROM usage_records WHERE tenant_id = $1', [tenant.tenantId]);
    billed = new Set(lines.map(({ id }) => id));
    if ([...tally.answered].every((id) => billed.has(id))) break;
  }
  const admitted = tally.answered.size * unit;
  const missing = [...tally.answered].filter((id) => !billed.has(id)).length;
  const unseen = billed.size - (tally.answered.size - missing);
  if (billed.size * unit > admissible) faults.push(`${billed.size * unit} admitted, and ${admissible} is the limit`);
  if (missing) faults.push(`${missing} answers are not billed`);
  if (unseen > tally.cutOff) faults.push(`${unseen} are billed that nobody saw, and ${tally.cutOff} were cut off`);
  if (disturbance !== 'kill' && tally.cutOff === 0 && admitted !== admissible) faults.push(`${admitted} admitted instead of ${admissible}; answers ${JSON.stringify(tally.statuses)}`);
  return { faults, admitted, attempts: begun, cutOff: tally.cutOff, shortBy: admissible - billed.size * unit };
}

/** Twice the rate that a key has, evenly over the servers, for so long. */
async function attemptRate(world: World, fleet: Fleet, seconds: number): Promise<string[]> {
  const perMinute = 1_200;
  const tenant = await tenantWithModel(world);
  const key = await keyOf(world, tenant, perMinute);
  const tally: Tally = { answered: new Set(), cutOff: 0, statuses: {} };
  const agent = new Agent({ keepAlive: true, maxSockets: 200 });
  const body = JSON.stringify({ model: 'iris', features: [[5.1, 3.5, 1.4, 0.2]] });
  const asked: Promise<boolean>[] = [];
  say(`a rate of ${perMinute} a minute: all of it at once, then twice as many as come back, for ${seconds} seconds`);
  const begin = performance.now();
  for (let i = 0; i < 2 * perMinute; i++) asked.push(ask(agent, `${fleet.url(i)}/predict`, key.text, body, tally));
  await Promise.all(asked.splice(0));
  const [burst, burstSeconds] = [tally.answered.size, (performance.now() - begin) / 1000];
  for (let sent = 0; performance.now() - begin < seconds * 1000; ) {
    const due = ((performance.now() - begin) / 1000 - burstSeconds) * (perMinute / 60) * 2;
    for (; sent < due; sent++) asked.push(ask(agent, `${fleet.url(sent)}/predict`, key.text, body, tally));
    await pause(10);
  }
  await Promise.all(asked);
  const lasted = (performance.now() - begin) / 1000;
  agent.destroy();
  const policy = perMinute + (perMinute / 60) * lasted;
  const atOnce = perMinute + (perMinute / 60) * burstSeconds;
  console.log(
    `rate ${perMinute} a minute: ${burst} in the burst (at most ${atOnce.toFixed(1)} in its ${burstSeconds.toFixed(1)} s), ${tally.answered.size} in ${lasted.toFixed(1)} s; ` +
      `policy ${policy.toFixed(1)}, ratio ${(tally.answered.size / policy).toFixed(4)}; answers ${JSON.stringify(tally.statuses)}`,
  );
  return [
    ...(burst > atOnce ? [`${burst} at once, and ${atOnce.toFixed(1)} could be there`] : []),
    ...(tally.answered.size > policy * 1.01 ? [`${tally.answered.size} by a rate that gives ${policy.toFixed(1)}`] : []),
  ];
}

async function tenantWithModel(world: World): Promise<TenantInWorld> {
  const tenant = await world.tenant();
  await publishFor(world, tenant, 'iris', neighboursOf(await readIris()));
  return tenant;
}

async function keyOf(world: World, tenant: TenantInWorld, rpmLimit: number | null = null): Promise<{ id: string; text: string }> {
  const made = await world.auth.keys.create(tenant.owner.actor, { alias: 'load', scopes: ['PREDICT'], rpmLimit });
  if (made.type !== 'created') throw new Error(JSON.stringify(made));
  return { id: made.apiKey.id, text: made.key };
}

/** One attempt. @returns false when it never reached a server */
function ask(agent: Agent, url: string, key: string, body: string, tally: Tally): Promise<boolean> {
  return new Promise((resolve) => {
    const note = (what: string): void => {
      tally.statuses[what] = (tally.statuses[what] ?? 0) + 1;
      resolve(what !== 'ECONNREFUSED');
    };
    const outgoing = request(url, { method: 'POST', agent, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'x-api-key': key } });
    let wasCut = false;
    const cut = (error: NodeJS.ErrnoException): void => {
      if (wasCut) return;
      wasCut = true;
      if (error.code !== 'ECONNREFUSED') tally.cutOff++; // its fate is unknown to the client
      setTimeout(note, 5, error.code ?? error.message);
    };
    outgoing.on('error', cut).on('response', (response) => {
      response.on('error', cut).on('data', () => undefined).on('end', () => {
        if (!response.complete) return cut(new Error('incomplete'));
        if (response.statusCode === 200) tally.answered.add(response.headers['x-millrace-prediction-id'] as string);
        note(String(response.statusCode));
      });
    });
    outgoing.end(body);
  });
}
