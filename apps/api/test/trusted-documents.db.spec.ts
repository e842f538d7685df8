import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { repositoryRoot } from '@millrace/testkit';
import { type DefinitionNode, type DocumentNode, Kind, parse, print, visit } from 'graphql';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { ApiOptions } from '../src/server.ts';
import { readTrustedDocuments } from '../src/trusted-documents.ts';
import { createApiWorld, type GraphqlAnswer, type Member, type World } from './api-world.ts';

/** What a page of this server sends along, with the cookie of whoever is signed in. */
const consoleSession = ({ api }: World, member?: Member): Record<string, string> => ({
  'x-millrace-session': 'cookie', origin: api.url, ...(member ? { cookie: `millrace_access=${member.token}` } : {}),
});
const asConsole = (world: World, query: string, member?: Member): Promise<GraphqlAnswer> => world.graphql(query, {}, undefined, consoleSession(world, member));
const notListed = 'PERSISTED_QUERY_NOT_IN_LIST';

let directory: string;
let documents: Map<string, DocumentNode>;
const worlds: World[] = [];

/** The list as the console's build writes it, of the console's operations. */
beforeAll(async () => {
  const source = path.join(repositoryRoot, 'apps/console/src');
  const files = (await readdir(source, { recursive: true })).filter((file) => file.endsWith('.graphql'));
  const definitions = (await Promise.all(files.map(async (file) => parse(await readFile(path.join(source, file), 'utf8')).definitions))).flat();
  const { listOperations } = (await import(path.join(repositoryRoot, 'apps/console/operation-list.mjs'))) as { listOperations(all: readonly DefinitionNode[]): object };
  directory = await mkdtemp(path.join(tmpdir(), 'millrace-console-'));
  await mkdir(path.join(directory, 'built'));
  await writeFile(path.join(directory, 'built/index.html'), '<!doctype html>');
  await writeFile(path.join(directory, 'built/operations.json'), JSON.stringify(listOperations(definitions)));
  documents = new Map(
    definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION).map((node) => [node.name!.value, { kind: Kind.DOCUMENT, definitions: [...fragmentsOf(node, definitions), node] }]),
  );
});
afterAll(async () => {
  await Promise.all(worlds.map((world) => world.close()));
  await rm(directory, { recursive: true, force: true });
});

/** In another order than the list's. */
function fragmentsOf(node: DefinitionNode, definitions: readonly DefinitionNode[]): DefinitionNode[] {
  const names = new Set<string>();
  const follow = (from: DefinitionNode): void =>
    void visit(from, {
      FragmentSpread({ name }) {
        if (names.has(name.value)) return;
        names.add(name.value);
        follow(definitions.find((one) => one.kind === Kind.FRAGMENT_DEFINITION && one.name.value === name.value)!);
      },
    });
  follow(node);
  return definitions.filter((one) => one.kind === Kind.FRAGMENT_DEFINITION && names.has(one.name.value)).reverse();
}

/** As Apollo Client sends it: its cache asks for `__typename` in every selection but the operation's own. */
function asSent(name: string): string {
  const typename = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } } as const;
  return print(
    visit(documents.get(name)!, {
      SelectionSet: {
        leave: (node, _key, parent) =>
          (parent as { kind?: string }).kind === Kind.OPERATION_DEFINITION || node.selections.some((one) => one.kind === Kind.FIELD && one.name.value === '__typename')
            ? undefined
            : { ...node, selections: [...node.selections, typename] },
      },
    }),
  );
}

async function worldWith(options: Partial<ApiOptions>): Promise<{ world: World; ana: Member; viewer: string; progress: string }> {
  const world = await createApiWorld({ production: true, consoleDirectory: path.join(directory, 'built'), ...options });
  worlds.push(world);
  return { world, ana: await world.tenant('trusted'), viewer: asSent('Viewer'), progress: asSent(subscriptionName()) };
}

function subscriptionName(): string {
  return [...documents].find(([, { definitions }]) => definitions.some((node) => node.kind === Kind.OPERATION_DEFINITION && node.operation === 'subscription'))![0];
}

const outcome = ({ status, errors }: GraphqlAnswer): unknown => (errors.length ? [status, errors[0]!.extensions['code']] : status);

describe('in production, where the console is built', () => {
  let world: World;
  let ana: Member;
  let viewer: string;
  let progress: string;
  beforeAll(async () => {
    ({ world, ana, viewer, progress } = await worldWith({}));
  });

  it('every operation of the console is known as its client sends it, with or without __typename', async () => {
    expect(outcome(await asConsole(world, '{ viewer { role } }'))).toEqual([400, notListed]); // nobody need be signed in to be told
    for (const name of documents.keys()) {
      for (const query of [asSent(name), print(documents.get(name)!)]) {
        const { errors } = await asConsole(world, query);
        expect({ name, codes: errors.map(({ extensions }) => extensions['code']) }).toEqual({ name, codes: expect.not.arrayContaining([notListed, 'GRAPHQL_VALIDATION_FAILED']) });
      }
    }
  });

  it.each([
    ['another operation', (query: string) => query.replace(/\bid\b/, 'id now: id')],
    ['a field more', (query: string) => query.replace('{', '{ quota { used }')],
    ['another name', (query: string) => query.replace('Viewer', 'Viewers')],
    ['another argument', () => '{ runs(first: 1) { edges { cursor } } }'],
    ['a directive on __typename', (query: string) => query.replace('__typename', '__typename @include(if: true)')],
    ['an alias of __typename', (query: string) => query.replace('__typename', 'role: __typename')],
    ['a second operation', (query: string) => `${query} query Other { viewer { role } }`],
  ])('a session of the console may not send %s', async (_what, change) => {
    const query = change(viewer);
    expect(query).not.toBe(viewer);
    const answer = await asConsole(world, query, ana);
    const [status, code] = outcome(answer) as [number, string];
    expect([status, [notListed, 'GRAPHQL_VALIDATION_FAILED', 'OPERATION_RESOLUTION_FAILURE']]).toEqual([400, expect.arrayContaining([code])]);
    expect(answer.data).toBeNull();
  });

  it('one that is refused says so with a stable code; programs with keys are free', async () => {
    const mine = '{ viewer { role } }';
    expect(outcome(await asConsole(world, mine, ana))).toEqual([400, notListed]);
    expect(outcome(await world.graphql(mine, {}, ana.token))).toBe(200);
    expect(outcome(await asConsole(world, viewer, ana))).toBe(200);
  });

  const bearer = (): Record<string, string> => ({ authorization: `Bearer ${ana.token}` });
  const overSse = async (query: string, headers: Record<string, string>): Promise<unknown> => {
    const response = await fetch(`${world.api.url}/graphql/stream`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
      body: JSON.stringify({ query, variables: { id: 'run_00000000000000000000000000' } }),
    });
    if (response.ok) return void (await response.body!.cancel());
    const { errors } = (await response.json()) as { errors: { extensions: { code: string } }[] };
    return [response.status, errors[0]!.extensions.code];
  };
  const overWebSocket = async (query: string, headers: Record<string, string>): Promise<unknown> => {
    class Socket extends WebSocket {
      constructor(address: string, protocols: string[]) {
        super(address, protocols, { headers });
      }
    }
    const client = createClient({
      url: `${world.api.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: Socket,
      retryAttempts: 0,
    });
    try {
      const { value, done } = await client.iterate({ query, variables: { id: 'run_00000000000000000000000000' } }).next();
      return done ? undefined : value.errors?.[0]!.extensions?.['code'];
    } catch (error) {
      return (error as { extensions: { code: string } }[])[0]!.extensions.code;
    } finally {
      await client.dispose();
    }
  };
  const other = 'subscription ($id: ID!) { runProgress(id: $id) { run { id status } } }';

  it('it is so for server-sent events', async () => {
    expect(await overSse(other, consoleSession(world, ana))).toEqual([400, notListed]);
    for (const [query, headers] of [[progress, consoleSession(world, ana)], [other, bearer()]] as const) {
      expect(await overSse(query, headers)).not.toEqual([400, notListed]);
      expect(await overSse(query, headers)).not.toEqual([401, 'UNAUTHENTICATED']);
    }
  });

  it('it is so for a WebSocket that is known by its cookie, without the header that a browser cannot send with it', async () => {
    const { origin, cookie } = consoleSession(world, ana) as { origin: string; cookie: string };
    expect(await overWebSocket(other, { origin, cookie })).toBe(notListed);
    // Of a run that nobody has.
    expect(await overWebSocket(progress, { origin, cookie })).toBe('NOT_FOUND');
    expect(await overWebSocket(other, bearer())).toBe('NOT_FOUND');
  });

  it('the list itself is not served', async () => {
    expect((await fetch(`${world.api.url}/operations.json`)).status).toBe(404);
    expect((await fetch(`${world.api.url}/`)).status).toBe(200);
  });
});

it('`all` holds for everybody', async () => {
  const { world, ana, viewer } = await worldWith({ trustedDocuments: 'all', production: false });
  expect(outcome(await world.graphql('{ viewer { role } }', {}, ana.token))).toEqual([400, notListed]);
  expect(outcome(await world.graphql('{ __schema { queryType { name } } }'))).toEqual([400, notListed]);
  expect(outcome(await world.graphql(viewer, {}, ana.token))).toBe(200);
});

it('`off`, and a start in development, hold for nobody', async () => {
  for (const options of [{ trustedDocuments: 'off' as const }, { production: false }]) {
    const { world, ana } = await worldWith(options);
    expect(outcome(await asConsole(world, '{ viewer { role } }', ana))).toBe(200);
  }
});

it('without a list, what needs one does not start, and says why', async () => {
  const bare = path.join(directory, 'bare');
  await mkdir(bare, { recursive: true });
  for (const trustedDocuments of ['console', 'all'] as const) {
    await expect(readTrustedDocuments({ mode: trustedDocuments, production: true, consoleDirectory: bare })).rejects.toMatchObject({
      code: 'INVALID',
      field: 'MILLRACE_TRUSTED_DOCUMENTS',
      remedy: expect.stringContaining('Build the console'),
    });
  }
  expect((await readTrustedDocuments({ production: true, consoleDirectory: bare })).mode).toBe('off');
});
