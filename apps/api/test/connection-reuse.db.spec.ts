import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { seededRandom, startDisturbing } from '@millrace/testkit';
import { createApiWorld, type Member, type World } from './api-world.ts';

/** Every text of a tenant holds its canary. */
interface Party {
  owner: Member;
  canary: string;
  datasetId: string;
}

const count = 400;
const atOnce = 16;
let world: World;
let parties: Party[];

beforeAll(async () => {
  world = await createApiWorld({ poolSize: 2, costPerMinute: Number.MAX_SAFE_INTEGER });
  parties = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const canary = `zq${randomBytes(6).toString('hex')}`;
      const owner = await world.tenant(canary);
      const { datasetId } = await world.iris(owner.token, `data ${canary}`);
      return { owner, canary, datasetId };
    }),
  );
});
afterAll(async () => {
  // Connections on which somebody hung up before a word was said would keep the server waiting.
  agent.destroy();
  await world.close();
});

const agent = new Agent({ keepAlive: true, maxSockets: atOnce });

/** Headers and body as one text. @throws when the signal comes first */
function post(body: object, token: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const asked = request(`${world.api.url}/graphql`, { method: 'POST', agent, headers, signal }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve(JSON.stringify(response.rawHeaders) + Buffer.concat(parts).toString()));
      response.on('error', reject);
    });
    asked.on('error', reject);
    asked.end(JSON.stringify(body));
  });
}

/** By what they are called; each with what an answer without errors holds. */
const questions: Record<string, (self: Party, other: Party) => { query: string; variables?: object; mustHold?: string }> = {
  list: ({ canary }) => ({ query: '{ datasets { edges { node { id name latestVersion { number upload { filename } } } } } viewer { tenant { name } person { email } } }', mustHold: canary }),
  'look up': ({ canary, datasetId }) => ({ query: 'query ($id: ID!) { dataset(id: $id) { name versions(first: 3) { edges { node { id } } } } }', variables: { id: datasetId }, mustHold: canary }),
  'look up another’s': (_self, { datasetId }) => ({ query: 'query ($id: ID!) { dataset(id: $id) { name } node(id: $id) { id ... on Dataset { name } } }', variables: { id: datasetId }, mustHold: '{"data":{"dataset":null,"node":null}' }),
  'fail in a verb': (_self, { datasetId }) => ({ query: `mutation ($id: ID!) { addDatasetVersion(input: { datasetId: $id, uploadId: "upl_${'0'.repeat(26)}" }) { __typename ... on Error { message } } }`, variables: { id: datasetId }, mustHold: 'NotFoundError' }),
  'read the trail': ({ canary }) => ({ query: '{ auditEvents(first: 20) { edges { node { actor actorLabel details } } } viewer { tenant { slug } } }', mustHold: canary }),
};

it('requests of several tenants on pools of two connections get their own tenant’s things, whatever became of the one before', async () => {
  const random = seededRandom(7);
  const names = Object.keys(questions);
  const outcomes: Record<string, number> = {};
  const leaks: string[] = [];
  const note = (outcome: string): void => void (outcomes[outcome] = (outcomes[outcome] ?? 0) + 1);
  let begun = 0;

  async function ask(): Promise<void> {
    const self = parties[Math.floor(random() * parties.length)]!;
    const other = parties[(parties.indexOf(self) + 1 + Math.floor(random() * (parties.length - 1))) % parties.length]!;
    const { query, variables, mustHold } = questions[names[Math.floor(random() * names.length)]!]!(self, other);
    const aborted = new AbortController();
    // Some hang up: before the server has begun, in its midst, or too late.
    if (random() < 0.15) setTimeout(() => aborted.abort(), random() * 30);
    try {
      const text = await post({ query, variables }, self.owner.token, aborted.signal);
      for (const { canary } of parties) if (canary !== self.canary && text.includes(canary)) leaks.push(`${self.canary} got ${canary}: ${text.slice(-300)}`);
      const failed = text.includes('"errors"');
      if (!failed && mustHold && !text.includes(mustHold)) leaks.push(`${self.canary} did not get what is its own: ${text.slice(-300)}`);
      note(failed ? 'failed' : 'answered');
    } catch (error) {
      if (!aborted.signal.aborted) throw error;
      note('hung up');
    }
  }

  const disturber = await startDisturbing(world.database.urls.app, random);
  const worker = async (): Promise<void> => {
    while (begun++ < count || disturber.counts.cancelled + disturber.counts.terminated === 0) await ask();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const disturbances = await disturber.stop();
  process.stdout.write(`connection reuse over HTTP: ${count} requests of 4 tenants on two pools of 2 connections, ${JSON.stringify(outcomes)}, ${JSON.stringify(disturbances)}, leaks ${leaks.length}\n`);
  expect(leaks).toEqual([]);
  expect(outcomes['answered']).toBeGreaterThan(count / 2);
  expect(outcomes['hung up']).toBeGreaterThan(0);
  expect(disturbances.cancelled + disturbances.terminated).toBeGreaterThan(0);
  // And the pool is whole again: as many at once as it has connections.
  const after = await Promise.all(parties.map(({ owner }) => world.graphql('{ datasets { edges { node { name } } } }', {}, owner.token)));
  expect(after.map(({ data }, index) => JSON.stringify(data).includes(parties[index]!.canary))).toEqual([true, true, true, true]);
});
