import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Secret } from '@millrace/kernel';
import { type BundledProgram, bundleProgram, createTestDatabase, startPatience, type TestDatabase, testSecrets } from '@millrace/testkit';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { createApiWorld, irisFile, irisSpec, password, secrets, type World } from './api-world.ts';
import { subscribeOverHttp } from './event-stream.ts';
import { createSeverableProxy, type SeverableProxy } from './severable-proxy.ts';

describe('when the database is away', () => {
  let database: TestDatabase;
  let proxy: SeverableProxy;
  let world: World;
  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await createSeverableProxy(database.urls.app);
    // The world arranges on its own database; the API under test sees this one, through the proxy.
    world = await createApiWorld({
      appDatabaseUrl: new Secret(proxy.through(database.urls.app)),
      systemDatabaseUrl: new Secret(proxy.through(database.urls.system)),
    });
  });
  afterAll(async () => {
    await world.close();
    await proxy.close();
    await database.close();
  });

  it('everything that needs it says 503 and when to come back; afterwards all is well again', async () => {
    const token = await world.api.issueSetupToken();
    const { data } = await world.graphql(
      'mutation ($t: String!, $p: String!) { setUp(input: { token: $t, tenantName: "T", name: "N", email: "n@t.test", password: $p }) { ... on SignInSuccess { accessToken } } }',
      { t: token, p: password },
    );
    const credential = data!['setUp'].accessToken as string;
    const status = async (address: string) => (await fetch(`${world.api.url}${address}`)).status;
    expect([await status('/healthz'), await status('/readyz')]).toEqual([200, 200]);
    const upload = await world.beginUpload(credential);

    proxy.sever();
    const attempts = [
      ['{ runs { edges { cursor } } }', credential],
      ['{ quota { used } }', credential],
      ['{ setupState { isSetUp } }', undefined],
      ['mutation { beginUpload(input: { filename: "a.csv" }) { __typename } }', credential],
      ['mutation { signIn(input: { email: "n@t.test", password: "x" }) { __typename } }', undefined],
    ] as const;
    for (const [query, as] of attempts) {
      const answer = await world.graphql(query, {}, as);
      expect([query, answer.status, answer.errors[0]?.extensions['code']]).toEqual([query, 503, 'UNAVAILABLE']);
      expect(answer.headers.get('retry-after')).toBe('2');
    }
    const refused = await world.put(credential, upload.url, 'a,b\n1,2\n');
    expect(refused.status).toBe(503);
    expect(((await refused.json()) as { error: object }).error).toMatchObject({ code: 'UNAVAILABLE', remedy: expect.any(String) });
    expect([await status('/healthz'), await status('/readyz')]).toEqual([200, 503]);

    proxy.mend();
    const isOver = startPatience(10_000);
    let answer = await world.graphql('{ runs { edges { cursor } } }', {}, credential);
    while (answer.status === 503 && !isOver()) answer = await world.graphql('{ runs { edges { cursor } } }', {}, credential);
    expect(answer).toMatchObject({ status: 200, data: { runs: { edges: [] } } });
    expect(await status('/readyz')).toBe(200);
    expect((await world.put(credential, upload.url, 'a,b\n1,2\n')).status).toBe(200);
  });
});

describe('stopping', () => {
  it('waits for nobody who has connected and says nothing', async () => {
    const world = await createApiWorld();
    const socket = connect(Number(new URL(world.api.url).port), '127.0.0.1');
    await once(socket, 'connect');
    await world.graphql('{ setupState { isSetUp } }'); // by now the other connection is known
    const ended = once(socket, 'close');
    await world.close();
    await ended;
  }, 50_000);

  it('finishes what is in flight, breaks subscriptions off so that they are taken up again elsewhere, and takes nothing new', async () => {
    const world = await createApiWorld();
    const ana = await world.tenant('stopping');
    const { versionId } = await world.iris(ana.token);
    const { data } = await world.graphql(
      'mutation ($input: SubmitRunInput!) { submitRun(input: $input) { ... on SubmitRunSuccess { run { id } } } }',
      { input: { datasetVersionId: versionId, modelName: 'iris', spec: irisSpec } },
      ana.token,
    );
    const query = 'subscription ($id: ID!) { runProgress(id: $id) { run { id } } }';
    const variables = { id: data!['submitRun'].run.id };
    const watching = subscribeOverHttp(world.api.url, query, variables, ana.token);
    await watching.next();
    const client = createClient({
      url: `${world.api.url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, connectionParams: { authorization: `Bearer ${ana.token}` }, retryAttempts: 0,
    });
    const overWebSocket = client.iterate({ query, variables });
    await overWebSocket.next();

    const { url } = await world.beginUpload(ana.token);
    const bytes = await irisFile();
    const upload = httpRequest(`${world.api.url}${url}`, {
      method: 'PUT', headers: { authorization: `Bearer ${ana.token}`, 'content-length': bytes.length, connection: 'keep-alive' },
    });
    const answered = new Promise<{ status: number; connection: string | undefined }>((resolve, reject) => {
      upload.on('error', reject);
      upload.on('response', (response) => {
        response.resume();
        resolve({ status: response.statusCode!, connection: response.headers.connection });
      });
    });
    await new Promise<void>((resolve) => upload.write(bytes.subarray(0, 500), () => resolve()));
    // It has arrived when the server answers another request on a younger connection.
    await fetch(`${world.api.url}/healthz`);

    const closing = world.api.close();
    // Neither is told that it is complete: a client would not come again.
    await expect(overWebSocket.next()).rejects.toMatchObject({ code: 1001 });
    await expect(watching.next()).rejects.toThrow();
    upload.end(bytes.subarray(500));
    expect(await answered).toEqual({ status: 200, connection: 'close' });
    await closing;
    await expect(fetch(`${world.api.url}/healthz`)).rejects.toThrow();
    await world.close();
  });
});

describe('the program', () => {
  const children: ChildProcess[] = [];
  let bundled: BundledProgram;
  beforeAll(async () => void (bundled = await bundleProgram('apps/api', 'src/main.ts')));
  afterAll(() => bundled.remove());
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  function start(environment: Record<string, string>): { child: ChildProcess; output: () => string; exit: Promise<number | null> } {
    const child = spawn(process.execPath, [bundled.file], {
      cwd: path.resolve(import.meta.dirname, '..'),
      env: { PATH: process.env['PATH'], ...environment },
    });
    children.push(child);
    let output = '';
    child.stdout!.on('data', (chunk) => (output += chunk));
    child.stderr!.on('data', (chunk) => (output += chunk));
    return { child, output: () => output, exit: new Promise((resolve) => child.once('exit', resolve)) };
  }

  async function line(program: ReturnType<typeof start>, text: string): Promise<string> {
    while (!program.output().includes(text)) {
      if (program.child.exitCode !== null) throw new Error(program.output());
      await new Promise((resolve) => program.child.stdout!.once('data', resolve));
    }
    return program.output();
  }

  it('refuses to start with a bad environment and names everything that is wrong, without values', async () => {
    const program = start({
      MILLRACE_TOKEN_SECRET: 'tooshort', MILLRACE_RETIRED_TOKEN_SECRETS: 'tooshort, tooshort', MILLRACE_RETIRED_KEY_PEPPERS: `${secrets.keyPepper},tooshort`,
      MILLRACE_API_PORT: 'high', MILLRACE_APP_DATABASE_URL: 'mysql://u:canary@h/d', MILLRACE_INIT_API_KEY: 'mr_live_canary', MILLRACE_PURGE_DAYS: '0',
      MILLRACE_SMTP_URL: 'http://u:canary@h', MILLRACE_MAIL_FROM: 'canary',
    });
    expect(await program.exit).toBe(1);
    const names = [
      'TOKEN_SECRET', 'RETIRED_TOKEN_SECRETS', 'KEY_PEPPER', 'RETIRED_KEY_PEPPERS', 'API_PORT', 'APP_DATABASE_URL', 'SYSTEM_DATABASE_URL', 'STORAGE_DIRECTORY',
      'MASTER_KEY', 'INIT_API_KEY', 'PURGE_DAYS', 'SMTP_URL', 'MAIL_FROM',
    ];
    for (const name of names) {
      expect(program.output()).toContain(`MILLRACE_${name}`);
    }
    expect(program.output()).not.toContain('canary');
    expect(program.output()).not.toContain('tooshort');
  });

  it('prints a set-up link, serves metrics, and exits with 0 on SIGTERM', async () => {
    const database = await createTestDatabase();
    const storage = await mkdtemp(path.join(tmpdir(), 'millrace-api-'));
    try {
      const program = start({
        MILLRACE_API_PORT: '0',
        MILLRACE_METRICS_PORT: '0',
        MILLRACE_APP_DATABASE_URL: database.urls.app,
        MILLRACE_SYSTEM_DATABASE_URL: database.urls.system,
        MILLRACE_STORAGE_DIRECTORY: storage,
        MILLRACE_WORK_DIRECTORY: storage,
        MILLRACE_MASTER_KEY: testSecrets.masterKey,
        MILLRACE_TOKEN_SECRET: secrets.tokenSecret,
        MILLRACE_KEY_PEPPER: secrets.keyPepper,
      });
      const output = await line(program, 'setupUrl');
      const url = /"url":"([^"]+)"/.exec(output)![1]!;
      const metricsUrl = /"metricsUrl":"([^"]+)"/.exec(output)![1]!;
      expect(output).toContain(`${url}/setup#token=`);
      const query = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"query":"{setupState{isSetUp}}"}' };
      expect(await (await fetch(`${url}/graphql`, query)).json()).toMatchObject({ data: { setupState: { isSetUp: false } } });
      const metrics = await (await fetch(metricsUrl)).text();
      expect(metrics).toContain('millrace_api_operation_seconds_count{type="query",outcome="ok"} 1');
      expect(metrics).toContain('millrace_api_requests_total{route="/graphql",status="2xx"} 1');
      expect(metrics).toContain('process_resident_memory_bytes');
      expect((await fetch(`${url}/metrics`)).status).toBe(404);
      program.child.kill('SIGTERM');
      expect(await program.exit).toBe(0);
    } finally {
      await database.close();
      await rm(storage, { recursive: true, force: true });
    }
  });
});
