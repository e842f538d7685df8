import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { Secret } from '@millrace/kernel';
import { type BundledProgram, bundleProgram, testSecrets } from '@millrace/testkit';
import { WebSocket } from 'ws';
import { createApiLogger } from '../src/logger.ts';
import { createApiWorld, type Member, secrets, type World } from './api-world.ts';
import { exchangeBytes } from './raw-http.ts';

let world: World;
let ana: Member;
let program: BundledProgram;
beforeAll(async () => {
  program = await bundleProgram('apps/api', 'src/main.ts');
  world = await createApiWorld();
  ana = await world.tenant('logs');
});
afterAll(async () => {
  await world.close();
  await program.remove();
});

const jwtOf = (name: string): string => `eyJhbGciOiJIUzI1NiJ9.${Buffer.from(`{"sub":"${name}"}`).toString('base64url')}.c2lnbmF0dXJlLW9mLWEtY2FuYXJ5`;
const lines = (): string => JSON.stringify(world.log);

describe('a run of the API at the level trace', () => {
  it('writes no credential that a request brings, wherever it brings it', async () => {
    const key = await world.apiKey(ana, ['READ', 'ADMIN']);
    const wrongKey = `mr_live_${'0123456789'}_${'wrongcanary'.repeat(4)}abcde`;
    const refreshToken = ana.refreshToken;
    const passwords = ['canary in the variables', 'canary-in-the-literal', 'canary-in-broken-json', 'canary-in-the-address', 'canary in the set-up'];
    const link = 'canaryOfTheLinkCanaryOfTheLinkCanaryOfTheL1';
    const planted = [key, wrongKey, ana.token, refreshToken.split('.')[1]!, refreshToken.split('.')[2]!, jwtOf('canary'), ...passwords, link];

    for (const credential of [key, wrongKey, ana.token, jwtOf('canary'), refreshToken]) {
      await world.graphql('{ viewer { role } }', {}, credential);
      await world.graphql('{ viewer { role } }', {}, undefined, { 'x-api-key': credential });
      await world.graphql('{ viewer { role } }', {}, undefined, { cookie: `session=${credential}`, 'x-millrace-session': 'cookie' });
      await world.graphql('{ viewer { role } }', {}, undefined, { 'x-request-id': credential.slice(0, 100), authorization: credential });
      await fetch(`${world.api.url}/nowhere?token=${encodeURIComponent(credential)}`);
      await fetch(`${world.api.url}/uploads/${encodeURIComponent(credential)}`, { method: 'PUT', headers: { authorization: `Bearer ${credential}` }, body: credential });
      await world.graphql(`mutation { refreshSession(input: { refreshToken: "${credential}" }) { __typename } }`, {}, credential);
      await world.graphql(`{ endpoint(name: "${credential}") { id } }`, {}, credential);
      await exchangeBytes(world.api.url, `GET /graphql?token=${credential} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n`);
      await exchangeBytes(world.api.url, `GARBAGE ${credential}\r\n\r\n`);
      const socket = new WebSocket(`${world.api.url.replace('http', 'ws')}/graphql?token=${credential}`, 'graphql-transport-ws');
      await once(socket, 'open');
      socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${credential}x`, password: passwords[0] } }));
      await once(socket, 'close');
    }
    await world.graphql('mutation ($i: SignInInput!) { signIn(input: $i) { __typename } }', { i: { email: 'a@b.test', password: passwords[0] } });
    await world.graphql(`mutation { signIn(input: { email: "a@b.test", password: "${passwords[1]}" }) { __typename } }`);
    await world.graphql(`mutation { setUp(input: { token: "${link}", tenantName: "T", name: "N", email: "n@t.test", password: "${passwords[4]}" }) { __typename } }`);
    await fetch(`${world.api.url}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: `{"query":"x","password":"${passwords[2]}"` });
    await fetch(`${world.api.url}/reset?password=${passwords[3]}&token=${link}&code=${link}`);

    expect(world.log.length).toBeGreaterThan(30);
    for (const secret of [...planted, ...Object.values(secrets)]) expect(lines()).not.toContain(secret);
  });

  it('writes none that stands in an error of ours, its cause or its database', async () => {
    const broken = await createApiWorld();
    try {
      const bea = await broken.tenant('broken');
      const key = await broken.apiKey(bea, ['READ']);
      await broken.database.asOwner('ALTER TABLE quota_counters RENAME COLUMN used TO gone');
      await broken.database.asOwner('ALTER TABLE people RENAME COLUMN email TO gone');
      await broken.graphql('{ quota { used } }', {}, key);
      await broken.graphql('mutation ($p: String!) { signIn(input: { email: "a@b.test", password: $p }) { __typename } }', { p: 'canary of the broken' });
      const said = JSON.stringify(broken.log);
      expect(said).toContain('a field failed');
      for (const secret of [key, bea.token, 'canary of the broken', ...Object.values(secrets)]) expect(said).not.toContain(secret);
    } finally {
      await broken.close();
    }
  });

  it('writes no password of a database that refuses it, at start or later', async () => {
    const { database, storageDirectory } = world;
    const withPassword = (url: string, password: string): string => {
      const changed = new URL(url);
      changed.password = password;
      return changed.toString();
    };
    const canary = 'canary/of:the@database';
    const unreachable = new URL(withPassword(database.urls.system, canary));
    unreachable.port = '1';
    for (const [app, system] of [
      [withPassword(database.urls.app, canary), database.urls.system],
      [database.urls.app, withPassword(database.urls.system, canary)],
      [database.urls.app, unreachable.toString()],
    ] as const) {
      const child = spawn(process.execPath, [program.file], {
        cwd: path.resolve(import.meta.dirname, '..'),
        env: {
          PATH: process.env['PATH'],
          MILLRACE_API_PORT: '0',
          MILLRACE_METRICS_PORT: '0',
          MILLRACE_LOG_LEVEL: 'trace',
          MILLRACE_APP_DATABASE_URL: app,
          MILLRACE_SYSTEM_DATABASE_URL: system,
          MILLRACE_STORAGE_DIRECTORY: storageDirectory,
          MILLRACE_TOKEN_SECRET: secrets.tokenSecret,
          MILLRACE_KEY_PEPPER: secrets.keyPepper,
          MILLRACE_MASTER_KEY: testSecrets.masterKey,
          MILLRACE_WORK_DIRECTORY: storageDirectory,
          MILLRACE_SETUP_LINK: 'false',
        },
      });
      let output = '';
      child.stderr.on('data', (chunk) => (output += chunk));
      const url = await new Promise<string | null>((resolve) => {
        child.stdout.on('data', (chunk) => {
          output += chunk;
          const ready = /"url":"([^"]+)"/.exec(output)?.[1];
          if (ready) resolve(ready);
        });
        child.once('exit', () => resolve(null));
      });
      if (url !== null) {
        await fetch(`${url}/readyz`);
        await fetch(`${url}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${ana.token}` }, body: '{"query":"{ runs { edges { cursor } } }"}' });
        const ended = once(child, 'exit');
        child.kill('SIGTERM');
        await ended;
      }
      expect(output).toMatch(/could not start|a field failed/);
      for (const spelling of [canary, encodeURIComponent(canary), 'of:the', 'of%3Athe', ...Object.values(testSecrets), ...Object.values(secrets)]) expect(output).not.toContain(spelling);
    }
  });

  it('hides what somebody logs in earnest', () => {
    const written: string[] = [];
    const logger = createApiLogger({ level: 'trace', secrets: [new Secret('the-pepper-of-the-canary')], destination: { write: (line) => void written.push(line) } });
    const key = `mr_test_abcdefghij_${'canary'.repeat(8)}`;
    const headers = { authorization: `Bearer ${key}`, 'x-api-key': key, cookie: `s=${key}`, 'set-cookie': ['s=canary-cookie; HttpOnly'] };
    const cause = new Error('connect postgres://owner:canary-password@db/x');
    logger.trace({ headers, request: { headers, rawHeaders: Object.entries(headers).flat(2) } }, `got ${key}`);
    logger.debug({ url: `/setup#token=canary-of-the-link` }, 'opened /reset?token=canary-of-the-link&x=1');
    logger.info({ body: JSON.stringify({ input: { password: 'canary-password', nested: { clientSecret: 'canary-secret' } } }) }, 'a body');
    logger.warn({ err: new Error(`no: ${jwtOf('canary')}`, { cause }) }, 'failed');
    logger.error({ err: Object.assign(new Error('x'), { config: { connectionString: 'postgres://owner:canary-password@db/x', password: 'canary-password' } }) }, 'failed');
    logger.child({ session: { refreshToken: 'canary-secret' } }).fatal({ value: 'the-pepper-of-the-canary' }, 'the-pepper-of-the-canary');
    expect(written).toHaveLength(6);
    expect(written.join('')).not.toMatch(/canary-(password|secret|of-the-link|cookie)|(canary){8}|pepper-of|eyJ/);
    for (const line of written) expect(() => JSON.parse(line) as unknown).not.toThrow();
  });
});
