import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createTenantBox } from '@millrace/auth';
import { createWebhookSecrets, type WebhookEvent } from '@millrace/registry';
import { createWorld, type Inspection, openInspection, seededRandom, type TenantInWorld, type World } from '@millrace/testkit';
import { neighboursOf, publishFor, readIris } from './sample-models.ts';
import { createServers, say, type Server } from './servers.ts';
import { startReceiver, type WebhookReceiver } from './webhook-receiver.ts';

/** One who asks, and what it was promised: by its own log. */
interface Partner {
  name: string;
  tenant: TenantInWorld;
  key: string;
  receiver: WebhookReceiver;
  accepted: Map<string, { events: WebhookEvent[]; rows: number }>;
  cancelled: number;
}

const filters: WebhookEvent[][] = [['completed'], ['start', 'completed'], ['start', 'output', 'completed']];
const inferenceProcesses = 3;
const apiProcesses = 2;
const clientsEach = 5;
const mostRows = 4_000;
const patienceMs = 600_000;

/**
 * `npm run chaos -- webhooks --kills 200`: three inference servers and two of the API in processes of their own. Partners of three
 * tenants ask for predictions that are made later, some of them cancelled; the servers are killed (-9) at random moments, and the
 * receivers fail, cut off and let wait. Then, by the logs of partners and receivers:
 *
 * - every accepted prediction has come to one end, and the ledger holds exactly those that succeeded, each once;
 * - every event that was asked for was received at least once, and at each time under the same `webhook-id`, word for word;
 * - every signature is right under the secret that the receiver had from the beginning, though it was rotated meanwhile;
 * - nothing came to another tenant's receiver, and nothing sooner than the schedule has it.
 */
export async function benchWebhooks(parameters: string[]): Promise<void> {
  const { values } = parseArgs({
    args: parameters,
    options: { kills: { type: 'string', default: '200' }, 'api-kills': { type: 'string' }, seed: { type: 'string', default: '1' } },
  });
  const kills = Number(values.kills);
  const apiKills = Number(values['api-kills'] ?? Math.ceil(kills / 5));
  const random = seededRandom(Number(values.seed));
  const world = await createWorld();
  // Not the world's own hand as owner: that waits until nobody is at work, which is never.
  const eyes = await openInspection(world.db.urls.owner);
  const servers = await createServers(world);
  const partners: Partner[] = [];
  let faults: string[] = [];
  try {
    const secrets = createWebhookSecrets({ database: world.db.database, box: createTenantBox(world.keyring) });
    for (const name of ['one', 'two', 'three']) partners.push(await createPartner(world, name, secrets, random));
    const startInference = (index: number): Promise<Server> =>
      servers.inference({ MILLRACE_JOURNAL_DIRECTORY: path.join(world.directory, `journal-of-${index}`), MILLRACE_ASYNC_LEASE_MS: '2000' });
    const startApi = (): Promise<Server> => servers.api({ MILLRACE_OUTBOUND_NETWORKS: '127.0.0.2/32' });
    const inference = await startAll(inferenceProcesses, startInference);
    const api = await startAll(apiProcesses, startApi);

    let isOver = false;
    // Never of one that is away: another program may have its port by now.
    const urls = (): string[] => inference.flatMap(({ url, child }) => (child.killed ? [] : [url]));
    const clients = partners.flatMap((partner) => Array.from({ length: clientsEach }, () => askOnAndOn(partner, urls, random, () => isOver)));
    const order = shuffled([...Array<'inference'>(kills).fill('inference'), ...Array<'api'>(apiKills).fill('api')], random);
    for (const [number, target] of order.entries()) {
      await pause(random() * 1_000);
      if (target === 'inference') await somethingInHand(eyes);
      if (target === 'inference') await killAndReplace(inference, Math.floor(random() * inferenceProcesses), startInference);
      else await killAndReplace(api, Math.floor(random() * apiProcesses), startApi);
      if (number === Math.floor(order.length / 2)) for (const { tenant } of partners) await secrets.rotate(tenant.owner.actor, 86_400);
      say(`${number + 1} of ${order.length} kills (last: ${target}); ${sum(partners, ({ accepted }) => accepted.size)} accepted, ${sum(partners, ({ receiver }) => receiver.tries())} deliveries`);
    }
    isOver = true;
    await Promise.all(clients);
    say('the killing is over; waiting for the ends and the deliveries that are still to come');
    for (const { receiver } of partners) receiver.behave();
    const isSettled = await settle(eyes);
    faults = await judge(eyes, partners);
    if (!isSettled) faults.unshift('not everything has ended after ten minutes');
    console.log(`\nkilled: ${kills} inference processes, ${apiKills} of the API`);
  } finally {
    servers.kill();
    for (const { receiver } of partners) receiver.close();
    await eyes.close();
    await world.close();
  }
  for (const fault of faults.slice(0, 20)) console.log(`FAULT  ${fault}`);
  console.log(faults.length ? `${faults.length} fault(s)` : 'each accepted prediction ended once, what succeeded is what is billed, and each event was received under one id');
  if (faults.length) process.exitCode = 1;
}

/** So that most kills hit a process that makes something; which of them does is left to chance. */
async function somethingInHand(eyes: Inspection): Promise<void> {
  for (let looks = 0; looks < 500; looks++) {
    if ((await eyes.query('SELECT 1 FROM async_predictions WHERE lease_until > now() LIMIT 1')).length) return;
  }
}

const startAll = <T>(count: number, start: (index: number) => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: count }, (_, index) => start(index)));

async function killAndReplace(servers: Server[], index: number, start: (index: number) => Promise<Server>): Promise<void> {
  const { child } = servers[index]!;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  servers[index] = await start(index);
}

async function createPartner(world: World, name: string, secrets: ReturnType<typeof createWebhookSecrets>, random: () => number): Promise<Partner> {
  const tenant = await world.tenant();
  await publishFor(world, tenant, 'iris', neighboursOf(await readIris()));
  const rotated = await secrets.rotate(tenant.owner.actor);
  if (rotated.type !== 'rotated') throw new Error(JSON.stringify(rotated));
  return { name, tenant, key: await tenant.apiKey(), receiver: await startReceiver(rotated.secret, random), accepted: new Map(), cancelled: 0 };
}

/** Asks for one prediction after the other, each until it is accepted: cut off, it is sent again under its Idempotency-Key. */
async function askOnAndOn(partner: Partner, urls: () => string[], random: () => number, isOver: () => boolean): Promise<void> {
  const { key, receiver, accepted } = partner;
  for (let number = 1; !isOver(); number++) {
    const rows = 1 + Math.floor(random() ** 3 * mostRows);
    const events = filters[Math.floor(random() * filters.length)]!;
    const idempotencyKey = `${partner.name}-${Math.floor(random() * 1e9)}-${number}`;
    const body = JSON.stringify({ model: 'iris', input: Array.from({ length: rows }, () => [5.1, 3.5, 1.4, 0.2]), webhook: `${receiver.url}/${partner.name}`, webhook_events_filter: events });
    const prefer = random() < 0.5 ? 'wait=3' : 'respond-async';
    const send = (url: string): Promise<Response> => post(`${url}/v1/predictions`, key, body, { 'idempotency-key': idempotencyKey, prefer });
    const id = await insist(send, urls, random);
    accepted.set(id, { events, rows });
    if (random() < 0.1) {
      partner.cancelled++;
      await insist((url) => post(`${url}/v1/predictions/${id}/cancel`, key), urls, random);
    }
    await pause(random() * 300);
  }
}

function post(url: string, key: string, body?: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST', body: body ?? null, signal: AbortSignal.timeout(15_000), headers: { 'x-api-key': key, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
  });
}

/** @returns the id that the answer has. @throws Error where the answer is a refusal that does not pass by itself */
async function insist(send: (url: string) => Promise<Response>, urls: () => string[], random: () => number): Promise<string> {
  for (;;) {
    const among = urls();
    try {
      const response = await send(among[Math.floor(random() * among.length)]!);
      const answer = (await response.json()) as { id: string };
      if (response.ok) return answer.id;
      if (![409, 429, 503].includes(response.status)) throw new Refused(`${response.status} ${JSON.stringify(answer)}`);
    } catch (error) {
      if (error instanceof Refused) throw error;
      // cut off, or nobody there: it is sent again, perhaps to another
    }
    await pause(100);
  }
}

class Refused extends Error {}

/** Waits for all ends and deliveries, with the clock of the schedule turned forward. */
async function settle(eyes: Inspection): Promise<boolean> {
  for (const end = Date.now() + patienceMs; Date.now() < end; await pause(1_000)) {
    await eyes.query('UPDATE webhook_deliveries SET next_at = now() WHERE ended_at IS NULL AND lease_until IS NULL AND next_at > now()');
    const [open] = await eyes.query<{ count: number }>(
      'SELECT (SELECT count(*) FROM async_predictions WHERE completed_at IS NULL)::int + (SELECT count(*) FROM webhook_deliveries WHERE ended_at IS NULL)::int AS count',
    );
    if (open!.count === 0) return true;
  }
  return false;
}

interface EndedRow {
  id: string;
  status: string;
  begun: boolean;
  errorCode: string | null;
  attempt: number;
}

async function judge(eyes: Inspection, partners: Partner[]): Promise<string[]> {
  const faults: string[] = [];
  const statuses: Record<string, number> = {};
  const totals = { accepted: 0, again: 0, billed: 0, events: 0, tries: 0, repeated: 0, cutOffAnswers: 0 };
  for (const { name, tenant, accepted, receiver } of partners) {
    const fault = (text: string): void => void faults.push(`tenant ${name}: ${text}`);
    const rows = await eyes.query<EndedRow>(
      'SELECT id, status::text, started_at IS NOT NULL AS begun, error_code AS "errorCode", attempt FROM async_predictions WHERE tenant_id = $1', [tenant.tenantId]);
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const id of accepted.keys()) if (!byId.has(id)) fault(`${id} was accepted and is gone`);
    for (const { id, status, errorCode } of rows) {
      if (!accepted.has(id)) fault(`${id} is there, and nobody was told of it`);
      const end = errorCode === null ? status : `${status} ${errorCode}`;
      statuses[end] = (statuses[end] ?? 0) + 1;
      if (!['SUCCEEDED', 'CANCELED', 'FAILED interrupted'].includes(end)) fault(`${id} ended as ${end}`);
    }
    totals.accepted += accepted.size;
    totals.again += rows.filter(({ attempt }) => attempt > 1).length;

    const billed = await eyes.query<{ id: string; units: number }>('SELECT request_id AS id, units::float8 AS units FROM usage_records WHERE tenant_id = $1', [tenant.tenantId]);
    totals.billed += billed.length;
    for (const { id, units } of billed) {
      if (byId.get(id)?.status !== 'SUCCEEDED') fault(`${id} is billed and ended as ${byId.get(id)?.status ?? 'nothing'}`);
      if (units !== accepted.get(id)?.rows) fault(`${id} is billed ${units} units for ${accepted.get(id)?.rows ?? 0} rows`);
    }
    const succeeded = rows.filter(({ status }) => status === 'SUCCEEDED').length;
    if (billed.length !== succeeded) fault(`${succeeded} succeeded and ${billed.length} are billed`);

    faults.push(...receiver.faults.map((text) => `receiver of tenant ${name}: ${text}`));
    const deliveries = await eyes.query<{ id: string; predictionId: string; event: WebhookEvent; status: string }>(
      'SELECT id, prediction_id AS "predictionId", event, status::text FROM webhook_deliveries WHERE tenant_id = $1', [tenant.tenantId]);
    const entered = new Map(deliveries.map((delivery) => [`${delivery.predictionId} ${delivery.event}`, delivery]));
    for (const [id, { events, rows: asked }] of accepted) {
      const row = byId.get(id);
      for (const event of events) {
        const hasHappened = event === 'completed' || (event === 'start' ? row?.begun : row?.status === 'SUCCEEDED');
        const delivery = entered.get(`${id} ${event}`);
        if (Boolean(delivery) !== Boolean(hasHappened)) fault(`${event} of ${id} ${hasHappened ? 'was lost' : 'was entered and has not happened'}`);
        if (!delivery) continue;
        const seen = receiver.received.get(delivery.id);
        if (!seen?.isConfirmed) fault(`${event} of ${id} was never received; its delivery is ${delivery.status}`);
        const told = JSON.parse(seen?.body ?? '{}') as { id?: string; status?: string; output?: { predictions?: unknown[] } };
        const expected = event === 'start' ? 'processing' : row?.status.toLowerCase();
        if (told.id !== id || told.status !== expected) fault(`${event} of ${id}, which is ${expected ?? 'gone'}, says ${told.status ?? 'nothing'} of ${told.id ?? 'none'}`);
        if (told.status === 'succeeded' && told.output?.predictions?.length !== asked) fault(`${event} of ${id} has another output than was asked for`);
      }
    }
    const known = new Set(deliveries.map(({ id }) => id));
    for (const id of receiver.received.keys()) if (!known.has(id)) fault(`its receiver got ${id}, which is no delivery of its`);
    totals.events += deliveries.length;
    totals.tries += receiver.tries();
    totals.repeated += [...receiver.received.values()].filter(({ tries }) => tries.length > 1).length;
  }
  console.log(
    `\npredictions: ${totals.accepted} accepted (${sum(partners, ({ cancelled }) => cancelled)} asked to be cancelled, ${totals.again} begun more than once), ends ${JSON.stringify(statuses)}, ${totals.billed} billed\n` +
      `events: ${totals.events} entered, ${totals.tries} deliveries, ${totals.repeated} events came more than once; receivers answered ${JSON.stringify(merged(partners))}`,
  );
  return faults;
}

function merged(partners: Partner[]): Record<string, number> {
  const all: Record<string, number> = {};
  for (const { receiver } of partners) for (const [answer, count] of Object.entries(receiver.answers)) all[answer] = (all[answer] ?? 0) + count;
  return all;
}

const sum = (partners: Partner[], of: (partner: Partner) => number): number => partners.reduce((total, partner) => total + of(partner), 0);

function shuffled<T>(items: T[], random: () => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}
