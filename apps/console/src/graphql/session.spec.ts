/** @jest-environment jsdom */
import { createSession, type SignedIn } from './session.ts';

const viewer = { __typename: 'Viewer', role: 'OWNER', permissions: [], tenant: {}, person: null } as unknown as SignedIn['viewer'];

/** A server that trades each refresh token for the next one, once. */
function createServer(firstToken: string) {
  let valid = firstToken;
  let count = 0;
  const fetch = (async (_url: unknown, init: RequestInit) => {
    const { variables } = JSON.parse(String(init.body)) as { variables?: { input: { refreshToken: string } } };
    if (!variables) return new Response('{"data":{"signOut":{}}}');
    await Promise.resolve();
    if (variables.input.refreshToken !== valid) {
      return new Response(JSON.stringify({ data: { refreshSession: { __typename: 'SignInRefusedError', message: '', code: '', remedy: '' } } }));
    }
    count++;
    valid = `refresh-${count}`;
    const refreshSession = { __typename: 'SignInSuccess', accessToken: `access-${count}`, expiresInSeconds: 600, refreshToken: valid, viewer };
    return new Response(JSON.stringify({ data: { refreshSession } }));
  }) as typeof globalThis.fetch;
  return { fetch, count: () => count };
}

class Response {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  json = async () => JSON.parse(this.#text) as unknown;
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

  it('leaves nothing behind after signing out', async () => {
    const { session } = signedInSession({ now: () => 0 });
    await session.end();
    expect(session.getState().type).toBe('signed-out');
    expect(await session.accessToken()).toBeNull();
    expect(window.sessionStorage).toHaveLength(0);
  });
});
