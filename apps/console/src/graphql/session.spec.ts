/** @jest-environment jsdom */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { buildSchema, graphql } from 'graphql';
import { createSession, type SignedIn } from './session.ts';

const schema = buildSchema(readFileSync(path.join(import.meta.dirname, '../../../api/schema.graphql'), 'utf8'));
const viewer: SignedIn['viewer'] = {
  __typename: 'Viewer',
  role: 'OWNER',
  permissions: [], inferenceUrl: 'http://localhost:8000',
  tenant: { __typename: 'Tenant', id: 'ten_1', name: 'Acme', slug: 'acme' },
  person: null,
};

/** Answers by the committed contract, and trades each refresh token for the next one, once. */
function createServer(firstToken: string) {
  let valid = firstToken;
  let count = 0;
  const rootValue = {
    refreshSession({ input }: { input: { refreshToken: string } }) {
      if (input.refreshToken !== valid) return { __typename: 'SignInRefusedError', message: 'No.', code: 'refused', remedy: 'Sign in.' };
      count++;
      valid = `refresh-${count}`;
      return { __typename: 'SignInSuccess', accessToken: `access-${count}`, expiresInSeconds: 600, refreshToken: valid, viewer };
    },
    signOut: () => ({ __typename: 'SignOutSuccess' }),
  };
  const fetch = (async (_url: unknown, init: RequestInit) => {
    const { query, variables } = JSON.parse(String(init.body)) as { query: string; variables?: Record<string, unknown> };
    const answer = await graphql({ schema, source: query, rootValue, variableValues: variables ?? {} });
    return { json: async () => JSON.parse(JSON.stringify(answer)) as unknown };
  }) as unknown as typeof globalThis.fetch;
  return { fetch, count: () => count };
}

beforeEach(() => window.sessionStorage.clear());

function signedInSession(options: { now: () => number }) {
  const server = createServer('refresh-0');
  const session = createSession({ storage: window.sessionStorage, fetch: server.fetch, now: options.now });
  session.begin({ accessToken: 'access-0', expiresInSeconds: 600, refreshToken: 'refresh-0', viewer });
  return { session, server };
}

describe('a session', () => {
  it('uses a refresh token once, however many requests need a new access token at the same time', async () => {
    let now = 0;
    const { session, server } = signedInSession({ now: () => now });
    expect(await session.accessToken()).toBe('access-0');
    now = 580_000;
    expect(await Promise.all([session.accessToken(), session.accessToken(), session.accessToken()])).toEqual(['access-1', 'access-1', 'access-1']);
    expect(server.count()).toBe(1);
  });

  it('comes back after a reload of the page', async () => {
    const { server } = signedInSession({ now: () => 0 });
    const reloaded = createSession({ storage: window.sessionStorage, fetch: server.fetch });
    await reloaded.restore();
    expect(reloaded.getState().type).toBe('signed-in');
  });

  it('gets a new token when the server refused the one it had, but not for an older one', async () => {
    const { session } = signedInSession({ now: () => 0 });
    session.distrust('access-0');
    expect(await session.accessToken()).toBe('access-1');
    session.distrust('access-0');
    expect(await session.accessToken()).toBe('access-1');
  });

  it('is over when the server refuses the refresh token, and keeps nothing', async () => {
    let now = 0;
    const { session } = signedInSession({ now: () => now });
    window.sessionStorage.setItem('millrace.refresh-token', 'stolen');
    now = 600_000;
    expect(await session.accessToken()).toBeNull();
    expect(session.getState().type).toBe('signed-out');
    expect(window.sessionStorage).toHaveLength(0);
  });

  it('lasts through an outage of the server', async () => {
    const fetch = (() => Promise.reject(new TypeError('Failed to fetch'))) as typeof globalThis.fetch;
    let now = 0;
    const session = createSession({ storage: window.sessionStorage, fetch, now: () => now });
    session.begin({ accessToken: 'access-0', expiresInSeconds: 600, refreshToken: 'refresh-0', viewer });
    now = 600_000;
    await expect(session.accessToken()).rejects.toThrow('Failed to fetch');
    expect(session.getState().type).toBe('signed-in');
    expect(window.sessionStorage.getItem('millrace.refresh-token')).toBe('refresh-0');
  });

  it('stays over when the person signs out while a new token is on its way', async () => {
    let now = 0;
    const { session } = signedInSession({ now: () => now });
    now = 580_000;
    const renewal = session.accessToken();
    await session.end();
    expect(await renewal).toBeNull();
    expect(session.getState().type).toBe('signed-out');
    expect(window.sessionStorage).toHaveLength(0);
  });

  it('leaves nothing behind after signing out', async () => {
    const { session } = signedInSession({ now: () => 0 });
    await session.end();
    expect(session.getState().type).toBe('signed-out');
    expect(await session.accessToken()).toBeNull();
    expect(window.sessionStorage).toHaveLength(0);
  });
});
