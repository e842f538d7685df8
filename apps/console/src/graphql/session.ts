import { print } from 'graphql';
import { RefreshSessionDocument, SignOutDocument, type RefreshSessionMutation, type ViewerFieldsFragment } from '../gql/graphql.ts';

export type Viewer = ViewerFieldsFragment;

/** `checking` lasts from the page load until a kept refresh token has been traded in. */
export type SessionState = { type: 'checking' } | { type: 'signed-out' } | { type: 'signed-in'; viewer: Viewer };

export interface SignedIn {
  accessToken: string;
  expiresInSeconds: number;
  refreshToken: string;
  viewer: Viewer;
}

export interface Session {
  getState(): SessionState;
  subscribe(listener: () => void): () => void;
  /** Trades in the refresh token of this tab, if there is one. Safe to call again: it is done once. */
  restore(): Promise<void>;
  begin(signedIn: SignedIn): void;
  /** A token that is good for half a minute at least, or null when signed out. Throws where the server is away. */
  accessToken(): Promise<string | null>;
  /** The server refused the token: the next call of `accessToken` gets a new one. */
  distrust(token: string): void;
  /** Tells the server, and forgets everything whatever it answers. */
  end(): Promise<void>;
}

const storageKey = 'millrace.refresh-token';
const marginMs = 30_000;

/**
 * Who is signed in, in this tab. The access token lives in memory only; the refresh token in the session storage, so
 * that a reload keeps the person signed in and closing the tab signs out. Each refresh token can be used once: one
 * refresh is under way at any time, and all callers wait for it.
 */
export function createSession(options: { storage: Storage; fetch: typeof fetch; now?: () => number }): Session {
  const { storage } = options;
  const now = options.now ?? Date.now;
  const listeners = new Set<() => void>();
  let state: SessionState = { type: 'checking' };
  let access: { token: string; goodUntil: number } | null = null;
  let refreshing: Promise<void> | null = null;
  let restored: Promise<void> | null = null;

  function enter(next: SessionState) {
    state = next;
    for (const listener of listeners) listener();
  }

  function begin({ accessToken, expiresInSeconds, refreshToken, viewer }: SignedIn) {
    access = { token: accessToken, goodUntil: now() + expiresInSeconds * 1000 };
    storage.setItem(storageKey, refreshToken);
    enter({ type: 'signed-in', viewer });
  }

  function forget() {
    access = null;
    storage.removeItem(storageKey);
    enter({ type: 'signed-out' });
  }

  async function post(body: unknown, token?: string): Promise<unknown> {
    const response = await options.fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
      body: JSON.stringify(body),
    });
    return response.json();
  }

  async function refresh() {
    const refreshToken = storage.getItem(storageKey);
    if (!refreshToken) return forget();
    const answer = (await post({
      query: print(RefreshSessionDocument),
      variables: { input: { refreshToken } },
    })) as { data?: RefreshSessionMutation | null };
    if (storage.getItem(storageKey) !== refreshToken) return; // signed out, or in anew, while the answer was on its way
    const payload = answer.data?.refreshSession;
    if (!payload) throw new Error('The session could not be renewed.');
    if (payload.__typename === 'SignInSuccess') begin(payload);
    else forget();
  }

  async function accessToken() {
    if (access && access.goodUntil - now() > marginMs) return access.token;
    if (!storage.getItem(storageKey)) return null;
    refreshing ??= refresh().finally(() => {
      refreshing = null;
    });
    await refreshing;
    return access?.token ?? null;
  }

  return {
    getState: () => state,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    restore() {
      restored ??= accessToken().then(
        (token) => {
          if (token === null) forget();
        },
        (error: unknown) => {
          restored = null;
          throw error;
        },
      );
      return restored;
    },
    begin,
    accessToken,
    distrust(token) {
      if (access?.token === token) access = null;
    },
    async end() {
      const token = access?.token;
      forget();
      if (token) await post({ query: print(SignOutDocument) }, token).catch(() => undefined);
    },
  };
}
