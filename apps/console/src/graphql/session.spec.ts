/** @jest-environment jsdom */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { buildSchema, graphql } from 'graphql';
import { createSession, type SignedIn } from './session.ts';
import { createTabLock } from './tab-lock.ts';

const schema = buildSchema(readFileSync(path.join(import.meta.dirname, '../../../api/schema.graphql'), 'utf8'));
const viewer: SignedIn['viewer'] = {
  __typename: 'Viewer',
  role: 'OWNER',
  permissions: [],
  inferenceUrl: 'http://localhost:8000',
  grantId: null,
  hasSecondFactor: false,
  tenant: { __typename: 'Tenant', id: 'ten_1', name: 'Acme', slug: 'acme' },
  person: null,
};

/** Answers by the committed contract. The cookies of the browser are its own affair: no script sees them. */
function createServer() {
  const cookies = { access: null as string | null, refresh: null as string | null };
  let count = 0;
  let signOuts = 0;
  let isAway = false;
  const used = new Set<string>();
  const signIn = () => {
    cookies.access = `access-${count}`;
    cookies.refresh = `refresh-${count}`;
  };
  const rootValue = {
    viewer: () => {
      if (cookies.access === null) throw new Error('You are not signed in.');
      return viewer;
    },
    refreshSession: () => {
      if (cookies.refresh === null || used.has(cookies.refresh)) {
        cookies.access = cookies.refresh = null;
        return { __typename: 'SignInRefusedError', message: 'No.', code: 'refused', remedy: 'Sign in.' };
      }
      used.add(cookies.refresh);
      count++;
      signIn();
      return { __typename: 'SignInSuccess', accessToken: null, expiresInSeconds: 600, refreshToken: null, viewer };
    },
    signOut: () => {
      if (cookies.access === null) throw new Error('You are not signed in.');
      signOuts++;
      cookies.access = cookies.refresh = null;
      return { __typename: 'SignOutSuccess' };
    },
  };
  const fetch = (async (_url: unknown, init: RequestInit) => {
    if (isAway) throw new TypeError('Failed to fetch');
    if (new Headers(init.headers).get('x-millrace-session') !== 'cookie') throw new Error('The header is missing.');
    const { query, variables } = JSON.parse(String(init.body)) as { query: string; variables?: Record<string, unknown> };
    const answer = await graphql({ schema, source: query, rootValue, variableValues: variables ?? {} });
    return { json: async () => JSON.parse(JSON.stringify(answer)) as unknown };
  }) as unknown as typeof globalThis.fetch;
  return {
    fetch,
    signIn,
    cookies,
    refreshes: () => count,
    signOuts: () => signOuts,
    setAway(value: boolean) {
      isAway = value;
    },
    /** What a cookie does by itself. */
    accessRunsOut() {
      cookies.access = null;
    },
  };
}

type Server = ReturnType<typeof createServer>;

beforeEach(() => window.localStorage.clear());

/** A tab of the browser; all have the same storage, and hear of each other by events. */
function openTab(server: Server, now: () => number = () => 0) {
  const events = new EventTarget();
  const session = createSession({ storage: window.localStorage, fetch: server.fetch, lock: createTabLock(window.localStorage, undefined), events, now });
  return { session, hear: () => events.dispatchEvent(new StorageEvent('storage', { key: 'millrace.session' })) };
}

function signedInTab(now: () => number = () => 0) {
  const server = createServer();
  server.signIn();
  const { session, hear } = openTab(server, now);
  session.begin({ expiresInSeconds: 600, viewer });
  return { session, hear, server };
}

const everythingStored = () => Object.values({ ...window.localStorage, ...window.sessionStorage }).join(' ');

describe('a session', () => {
  it('uses a refresh cookie once, however many requests need a new access cookie at the same time', async () => {
    let now = 0;
    const { session, server } = signedInTab(() => now);
    expect(await session.ready()).toBe(600_000);
    now = 580_000;
    expect(await Promise.all([session.ready(), session.ready(), session.ready()])).toEqual([1_180_000, 1_180_000, 1_180_000]);
    expect(server.refreshes()).toBe(1);
  });

  it('uses a refresh cookie once, however many tabs need a new access cookie at the same time', async () => {
    let now = 0;
    const { session, server } = signedInTab(() => now);
    const others = [openTab(server, () => now), openTab(server, () => now)];
    await Promise.all(others.map((other) => other.session.restore()));
    now = 580_000;
    const all = [session, ...others.map((other) => other.session)];
    expect(await Promise.all(all.map((one) => one.ready()))).toEqual([1_180_000, 1_180_000, 1_180_000]);
    expect(server.refreshes()).toBe(1);
    expect(all.map((one) => one.getState().type)).toEqual(['signed-in', 'signed-in', 'signed-in']);
  });

  it('comes back after a reload of the page, also when the access cookie has run out', async () => {
    const { server } = signedInTab();
    const reloaded = openTab(server);
    await reloaded.session.restore();
    expect(reloaded.session.getState().type).toBe('signed-in');
    expect(server.refreshes()).toBe(0);
    server.accessRunsOut();
    const later = openTab(server, () => 700_000);
    await later.session.restore();
    expect(later.session.getState().type).toBe('signed-in');
    expect(server.refreshes()).toBe(1);
  });

  it('is found where single sign-on has opened it, of which this page knows nothing', async () => {
    const server = createServer();
    server.signIn();
    const { session } = openTab(server);
    await session.restore();
    expect(session.getState().type).toBe('signed-in');
  });

  it('gets a new cookie when the server refused the one it had, but not for an older one', async () => {
    let now = 0;
    const { session, server } = signedInTab(() => now);
    now = 1_000;
    session.distrust(600_000);
    expect(await session.ready()).toBe(601_000);
    session.distrust(600_000);
    expect(await session.ready()).toBe(601_000);
    expect(server.refreshes()).toBe(1);
  });

  it('is over when the server refuses the refresh cookie, and keeps nothing', async () => {
    let now = 0;
    const { session, server } = signedInTab(() => now);
    server.cookies.refresh = null;
    now = 600_000;
    expect(await session.ready()).toBeNull();
    expect(session.getState().type).toBe('signed-out');
    expect(window.localStorage).toHaveLength(0);
  });

  it('lasts through an outage of the server', async () => {
    let now = 0;
    const { session, server } = signedInTab(() => now);
    server.setAway(true);
    now = 600_000;
    await expect(session.ready()).rejects.toThrow('Failed to fetch');
    expect(session.getState().type).toBe('signed-in');
    server.setAway(false);
    expect(await session.ready()).toBe(1_200_000);
  });

  it('stays over when the person signs out while a new cookie is on its way', async () => {
    let now = 0;
    const { session, server } = signedInTab(() => now);
    now = 580_000;
    const renewal = session.ready();
    await session.end();
    expect(await renewal).toBeNull();
    expect(session.getState().type).toBe('signed-out');
    expect(server.cookies).toEqual({ access: null, refresh: null });
    expect(window.localStorage).toHaveLength(0);
  });

  it('refreshes before it signs out where the access cookie has run out', async () => {
    let now = 0;
    const { session, server } = signedInTab(() => now);
    server.accessRunsOut();
    now = 700_000;
    await session.end();
    expect({ signOuts: server.signOuts(), cookies: server.cookies }).toEqual({ signOuts: 1, cookies: { access: null, refresh: null } });
  });

  it('is ended later where the server was away when the person signed out', async () => {
    const { session, server } = signedInTab();
    server.setAway(true);
    await session.end();
    expect(session.getState().type).toBe('signed-out');
    server.setAway(false);
    const reloaded = openTab(server);
    await reloaded.session.restore();
    expect(reloaded.session.getState().type).toBe('signed-out');
    expect(server.signOuts()).toBe(1);
  });

  it('ends and begins in the other tabs as well', async () => {
    const { session, server } = signedInTab();
    const other = openTab(server);
    await other.session.restore();
    await session.end();
    other.hear();
    expect(other.session.getState().type).toBe('signed-out');

    const seen = new Promise<void>((resolve) => other.session.subscribe(() => resolve()));
    server.signIn();
    session.begin({ expiresInSeconds: 600, viewer });
    other.hear();
    await seen;
    expect(other.session.getState().type).toBe('signed-in');
  });

  it('lays no token where a script could read it, and leaves nothing behind after signing out', async () => {
    let now = 0;
    const { session } = signedInTab(() => now);
    now = 580_000;
    await session.ready();
    expect(everythingStored()).not.toMatch(/access-|refresh-/);
    await session.end();
    expect(await session.ready()).toBeNull();
    expect(window.localStorage).toHaveLength(0);
  });
});
