import { print } from 'graphql';
import { RefreshSessionDocument, SignOutDocument, ViewerDocument, type RefreshSessionMutation, type ViewerFieldsFragment, type ViewerQuery } from '../gql/graphql.ts';
import { newMark } from './mark.ts';
import type { TabLock } from './tab-lock.ts';

export type Viewer = ViewerFieldsFragment;

/** `checking` lasts from the page load until the server has said who this is. */
export type SessionState = { type: 'checking' } | { type: 'signed-out' } | { type: 'signed-in'; viewer: Viewer };

export interface SignedIn {
  expiresInSeconds: number;
  viewer: Viewer;
}

export interface Session {
  getState(): SessionState;
  subscribe(listener: () => void): () => void;
  /** Finds out whether the browser has a session, also one that single sign-on has opened. Safe to call again. */
  restore(): Promise<void>;
  /** The server has opened a session, and set its cookies. */
  begin(signedIn: SignedIn): void;
  /**
   * Sees to it that the access cookie is good for half a minute at least.
   * @returns until when it is, or null when signed out. Throws where the server is away.
   */
  ready(): Promise<number | null>;
  /** The server refused the cookie that was good until then: the next call of `ready` gets a new one. */
  distrust(goodUntil: number): void;
  /** Asks the server anew who this is and what they may do. */
  look(): Promise<void>;
  /** Ends the session on the server, and here whatever the server answers. */
  end(): Promise<void>;
}

export interface SessionOptions {
  /** shared by all tabs; keeps times, and never a token */
  storage: Storage;
  fetch: typeof fetch;
  lock: TabLock;
  /** where the browser tells what other tabs have stored */
  events?: EventTarget;
  now?: () => number;
}

/** What all tabs know of the session. The cookies themselves are seen by no script. */
interface Kept {
  /** another one for each sign-in */
  opened: string;
  goodUntil: number;
}

/** Every request of the console carries it: the server takes cookies from nobody else. */
export const cookieHeader = { 'x-millrace-session': 'cookie' };

const keptKey = 'millrace.session';
const endingKey = 'millrace.signing-out';
const marginMs = 30_000;

/**
 * Who is signed in, in this browser. The tokens lie in cookies that no script can read. A refresh cookie can be used
 * once, and all tabs have the same: so they refresh one after the other, and none that another has refreshed already.
 */
export function createSession({ storage, fetch, lock, events, now = Date.now }: SessionOptions): Session {
  const listeners = new Set<() => void>();
  let state: SessionState = { type: 'checking' };
  /** of the session that this tab shows */
  let shown: string | null = null;
  let renewing: Promise<void> | null = null;
  let restored: Promise<void> | null = null;

  function enter(next: SessionState) {
    state = next;
    for (const listener of listeners) listener();
  }

  function keep(opened: string, { expiresInSeconds, viewer }: SignedIn) {
    shown = opened;
    storage.setItem(keptKey, JSON.stringify({ opened, goodUntil: now() + expiresInSeconds * 1000 } satisfies Kept));
    enter({ type: 'signed-in', viewer });
  }

  function forget() {
    shown = null;
    storage.removeItem(keptKey);
    enter({ type: 'signed-out' });
  }

  const kept = () => readKept(storage.getItem(keptKey));
  const isGood = (known: Kept | null): known is Kept => known !== null && known.goodUntil - now() > marginMs;
  const exclusively = <Value>(work: () => Promise<Value>) => lock('millrace-refresh', work);

  async function post<Data>(body: { query: string; variables?: unknown }): Promise<Data | null> {
    const response = await fetch('/graphql', {
      method: 'POST',
      credentials: 'same-origin',
      headers: { 'content-type': 'application/json', ...cookieHeader },
      body: JSON.stringify(body),
    });
    return ((await response.json()) as { data?: Data | null }).data ?? null;
  }

  const exchange = async () => (await post<RefreshSessionMutation>({ query: print(RefreshSessionDocument), variables: { input: {} } }))?.refreshSession;

  /** Whether there is somebody. */
  async function askWho(): Promise<boolean> {
    const opened = kept()?.opened ?? null;
    const viewer = (await post<ViewerQuery>({ query: print(ViewerDocument) }))?.viewer;
    if (!viewer || opened === null || kept()?.opened !== opened) return false;
    shown = opened;
    enter({ type: 'signed-in', viewer });
    return true;
  }

  /** @param asked which session it is about: after waiting for other tabs it may be over */
  async function renew(asked: string | null) {
    const before = kept();
    if (before === null && asked !== null) {
      if (state.type !== 'signed-out') forget();
      return;
    }
    // Another tab has been here meanwhile.
    if (isGood(before)) {
      if (shown === before.opened || (await askWho())) return;
    }
    const payload = await exchange();
    if (kept()?.opened !== before?.opened) return; // signed out, or in anew, while the answer was on its way
    if (!payload) throw new Error('The session could not be renewed.');
    if (payload.__typename === 'SignInSuccess') keep(before?.opened ?? newMark(), payload);
    else forget();
  }

  function renewOnce(): Promise<void> {
    const asked = kept()?.opened ?? null;
    renewing ??= exclusively(() => renew(asked)).finally(() => {
      renewing = null;
    });
    return renewing;
  }

  async function ready() {
    const known = kept();
    if (isGood(known)) return known.goodUntil;
    if (known === null) return null;
    await renewOnce();
    return kept()?.goodUntil ?? null;
  }

  function distrust(goodUntil: number) {
    const known = kept();
    if (known?.goodUntil === goodUntil) storage.setItem(keptKey, JSON.stringify({ ...known, goodUntil: 0 } satisfies Kept));
  }

  /** Only with a good access cookie does the server end the session; a refresh that is under way goes first. */
  const finishEnding = (hasGoodCookie: boolean) =>
    exclusively(async () => {
      if (hasGoodCookie || (await exchange())?.__typename === 'SignInSuccess') await post({ query: print(SignOutDocument) });
      storage.removeItem(endingKey);
    });

  async function findOut() {
    // The person has signed out, and the server has not heard of it.
    if (storage.getItem(endingKey) !== null) await finishEnding(false);
    const known = kept();
    if (isGood(known)) {
      if (await askWho()) return;
      distrust(known.goodUntil);
    }
    await renewOnce();
  }

  function restore(): Promise<void> {
    restored ??= findOut().catch((error: unknown) => {
      restored = null;
      throw error;
    });
    return restored;
  }

  events?.addEventListener('storage', (event) => {
    const { key } = event as StorageEvent;
    if (key !== null && key !== keptKey) return;
    const known = kept();
    if (known === null) {
      if (state.type === 'signed-in') {
        shown = null;
        enter({ type: 'signed-out' });
      }
    } else if (known.opened !== shown && state.type !== 'checking') {
      void askWho().catch(() => undefined);
    }
  });

  return {
    getState: () => state,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    restore,
    begin(signedIn) {
      storage.removeItem(endingKey);
      restored = Promise.resolve();
      keep(newMark(), signedIn);
    },
    ready,
    distrust,
    async look() {
      const goodUntil = await ready();
      if (goodUntil === null || (await askWho())) return;
      distrust(goodUntil);
      await ready();
    },
    async end() {
      const hasGoodCookie = isGood(kept());
      storage.setItem(endingKey, 'yes');
      forget();
      await finishEnding(hasGoodCookie).catch(() => undefined);
    },
  };
}

function readKept(text: string | null): Kept | null {
  if (text === null) return null;
  try {
    const { opened, goodUntil } = JSON.parse(text) as Partial<Kept>;
    return typeof opened === 'string' && typeof goodUntil === 'number' ? { opened, goodUntil } : null;
  } catch {
    return null;
  }
}
