import { pathToFileURL } from 'node:url';
import path from 'node:path';
import type { PersonActor } from '@millrace/auth';
import { repositoryRoot, type World } from '@millrace/testkit';
import { createServers, say, type Servers } from './servers.ts';

/** Reads the models of one tenant with their newest versions and those versions' aliases. */
export type Read = (tenantId: string) => Promise<{ versions: unknown[] }[]>;

/** as many as one operation may cost */
export const modelsOverHttp = 10;

const query = `{
  models(first: ${modelsOverHttp}) { edges { node {
    id name task
    versions(first: 3) { edges { node { id number status metrics aliases } } }
  } } }
}`;

interface Answer {
  data?: { models: { edges: { node: { versions: { edges: unknown[] } } }[] } };
}

/**
 * The same question to the same server in three processes of its own, which differ in what they are given: the role by
 * which they reach the tenants' rows, and for the last whether the driver sends the statement that binds the tenant.
 * @param pastUrl of a role past row-level security
 * @param tenantIds each is asked as its own owner, by a key
 */
export async function tenancyOverHttp(world: World, pastUrl: string, tenantIds: readonly string[]): Promise<{ modes: Record<string, Read>; servers: Servers }> {
  const servers = await createServers(world);
  const keys = new Map<string, string>();
  const { personId, sessionId } = (await world.tenant()).owner.actor;
  for (const tenantId of tenantIds) {
    const owner: PersonActor = { type: 'person', tenantId, personId, sessionId, role: 'OWNER' };
    const outcome = await world.auth.keys.create(owner, { alias: 'bench', scopes: ['READ'] });
    if (outcome.type !== 'created') throw new Error(`no key: ${outcome.type}`);
    keys.set(tenantId, outcome.key);
  }
  const plenty = { MILLRACE_API_COST_PER_MINUTE: '1000000000' };
  const past = { ...plenty, MILLRACE_APP_DATABASE_URL: pastUrl };
  const unbound = pathToFileURL(path.join(repositoryRoot, 'tools/bench/unbound-tenants.mjs')).href;
  say('starting three API processes');
  const urls = {
    'handle and row-level security': (await servers.api(plenty)).url,
    'handle alone': (await servers.api(past)).url,
    neither: (await servers.api({ ...past, NODE_OPTIONS: `--import=${unbound}` })).url,
  };
  const readFrom = (url: string): Read => async (tenantId) => {
    const headers = { 'content-type': 'application/json', 'x-api-key': keys.get(tenantId)! };
    const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) });
    const answer = (await response.json()) as Answer;
    if (!answer.data) throw new Error(JSON.stringify(answer));
    return answer.data.models.edges.map(({ node }) => ({ versions: node.versions.edges }));
  };
  return { servers, modes: Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, readFrom(url)])) };
}
