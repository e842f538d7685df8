import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';
import { createWorld } from '@millrace/testkit';
import { median } from './median.ts';
import { denseOf, publishFor, readIris } from './sample-models.ts';
import { createServers, say } from './servers.ts';

interface Sent {
  status: number;
  ms: number;
}

interface Post {
  url: string;
  body: string;
  headers?: Record<string, string>;
  /** the address of the machine that it seems to come from */
  from?: string;
}

const floodRate = 200;
const steadyRate = 50;
/** of sign-ins that find room: their way through is to be as warm as everything else */
const warmRate = 20;

/**
 * A flood of sign-ins from many addresses, for many accounts, beside people and partners at work: what they notice of it,
 * as the ratio of their 99th percentile to a quiet time in the same run. Open loop: requests leave on time, whatever comes
 * back. The flood must be refused with 429 where it is too much, and never with a 5xx. Longer rounds would use up the budget of
 * cost that a caller has a minute.
 */
export async function benchSignInFlood(parameters: string[]): Promise<void> {
  const { values } = parseArgs({ args: parameters, options: { rounds: { type: 'string', default: '2' }, seconds: { type: 'string', default: '4' } } });
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
  say('starting the database, an API and an inference process');
  const world = await createWorld();
  const servers = await createServers(world);
  try {
    const [api, inference] = [await servers.api(), await servers.inference()];
    const tenant = await world.tenant();
    const flowers = await readIris();
    await publishFor(world, tenant, 'dense', denseOf(flowers));
    const key = await tenant.apiKey();

    const people: Post = {
      url: `${api.url}/graphql`,
      headers: { authorization: `Bearer ${tenant.owner.accessToken}` },
      body: JSON.stringify({ query: '{ viewer { tenant { name } } models { edges { node { name } } } }' }),
    };
    const partners: Post = { url: `${inference.url}/predict`, headers: { 'x-api-key': key }, body: JSON.stringify({ model: 'dense', features: flowers[0]!.features }) };
    const intruder = (n: number): Post => ({
      url: `${api.url}/graphql`,
      from: `127.1.${(n >> 6) & 63}.${1 + (n & 63)}`,
      body: JSON.stringify({
        query: 'mutation ($input: SignInInput!) { signIn(input: $input) { __typename } }',
        variables: { input: { email: n % 2 ? `nobody${n}@example.com` : tenant.owner.email, password: `guess ${n}` } },
      }),
    });

    const at = (rate: number, make: (n: number) => Post) => openLoop(rate, seconds, make);
    say('warming up: people, partners and sign-ins');
    await Promise.all([at(steadyRate, () => people), at(steadyRate, () => partners), at(warmRate, (n) => intruder(-1 - n))]);
    await Promise.all([at(steadyRate, () => people), at(steadyRate, () => partners), at(floodRate, (n) => intruder(-1_000_000 - n))]);
    const quiet: Record<string, number[]> = { people: [], partners: [] };
    const flooded: Record<string, number[]> = { people: [], partners: [] };
    const answers: Record<string, number> = {};
    for (let round = 0; round < rounds; round++) {
      say(`round ${round + 1} of ${rounds}: quiet`);
      keep(quiet, await Promise.all([at(steadyRate, () => people), at(steadyRate, () => partners)]));
      say(`round ${round + 1} of ${rounds}: ${floodRate} sign-ins a second`);
      const [forPeople, forPartners, flood] = await Promise.all([
        at(steadyRate, () => people),
        at(steadyRate, () => partners),
        at(floodRate, (n) => intruder(round * 1_000_000 + n)),
      ]);
      keep(flooded, [forPeople, forPartners]);
      for (const { status } of flood) answers[status] = (answers[status] ?? 0) + 1;
    }
    say('');
    console.log(`${floodRate} sign-ins a second for ${rounds} times ${seconds} s, answered by status: ${JSON.stringify(answers)}`);
    for (const who of ['people', 'partners'] as const) {
      const [before, during] = [median(quiet[who]!), median(flooded[who]!)];
      console.log(`  ${who.padEnd(9)} p99 quiet ${before.toFixed(1).padStart(7)} ms   in the flood ${during.toFixed(1).padStart(7)} ms   ratio ${(during / before).toFixed(2)}`);
    }
    if (Object.keys(answers).some((status) => Number(status) >= 500)) process.exitCode = 1;
  } finally {
    servers.kill();
    await world.close();
  }
}

function keep(kept: Record<string, number[]>, [people, partners]: Sent[][]): void {
  for (const [who, sent] of Object.entries({ people: people!, partners: partners! })) {
    const failed = sent.filter(({ status }) => status !== 200);
    if (failed.length) throw new Error(`${failed.length} requests of ${who} were answered with ${[...new Set(failed.map(({ status }) => status))].join(', ')}`);
    const sorted = sent.map(({ ms }) => ms).sort((a, b) => a - b);
    kept[who]!.push(sorted[Math.floor(sorted.length * 0.99)]!);
  }
}

async function openLoop(rate: number, seconds: number, make: (n: number) => Post): Promise<Sent[]> {
  // Who comes from another address each time opens a connection each time.
  const agent = new Agent({ keepAlive: make(0).from === undefined, maxSockets: Infinity });
  const begun = performance.now();
  const sent: Promise<Sent>[] = [];
  for (let n = 0; n < rate * seconds; n++) {
    const wait = begun + (n * 1000) / rate - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    sent.push(post(make(n), agent));
  }
  const results = await Promise.all(sent);
  agent.destroy();
  return results;
}

function post({ url, body, headers = {}, from }: Post, agent: Agent): Promise<Sent> {
  const begun = performance.now();
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      { method: 'POST', agent, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers }, ...(from ? { localAddress: from } : {}) },
      (response) => {
        response.resume();
        response.once('end', () => resolve({ status: response.statusCode ?? 0, ms: performance.now() - begun }));
      },
    );
    outgoing.once('error', (error) => reject(new Error(`${url} from ${from ?? 'here'} after ${(performance.now() - begun).toFixed(0)} ms: ${String(error)}`)));
    outgoing.end(body);
  });
}
