import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { answerOf, createApiWorld, type GraphqlAnswer, irisSpec, type Member, password, type World } from './api-world.ts';

const viewer = '{ viewer { role person { email } } }';
const signInMutation = `mutation ($email: String!, $password: String!) { signIn(input: { email: $email, password: $password }) {
  __typename ... on SignInSuccess { accessToken refreshToken expiresInSeconds viewer { person { email } } } } }`;
const refreshMutation = 'mutation { refreshSession(input: {}) { __typename ... on SignInSuccess { accessToken refreshToken } ... on Error { code } } }';
const watch = 'subscription ($id: ID!) { runProgress(id: $id) { run { id } } }';

/** What a browser's page of this server sends along. */
const fromConsole = (url: string): Record<string, string> => ({ 'x-millrace-session': 'cookie', origin: url, 'sec-fetch-site': 'same-origin' });

/** Keeps cookies as a browser does: by name, until they are set to nothing. */
class Jar {
  readonly cookies = new Map<string, string>();

  keep(headers: Headers): string[] {
    const lines = headers.getSetCookie();
    for (const line of lines) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line)!;
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return lines;
  }

  get header(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }
}

/** Pages of it may call the API, with tokens of their own. */
const listed = 'https://portal.example';

let world: World;
let url: string;
beforeAll(async () => {
  world = await createApiWorld({ corsOrigins: [listed] });
  ({ url } = world.api);
});
afterAll(() => world.close());

async function ask(jar: Jar, query: string, variables: object = {}, headers: Record<string, string> = fromConsole(url)): Promise<GraphqlAnswer> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie: jar.header, ...headers },
    body: JSON.stringify({ query, variables }),
  });
  jar.keep(response.headers);
  return answerOf(response);
}

/** Somebody signed in with a browser. */
async function browser(name: string): Promise<{ jar: Jar; owner: Member }> {
  const owner = await world.tenant(name);
  const jar = new Jar();
  const { data } = await ask(jar, signInMutation, { email: owner.email, password });
  expect(data!['signIn'].__typename).toBe('SignInSuccess');
  return { jar, owner };
}

describe('a session in cookies', () => {
  it('is given to the browser alone: no script sees a token, and each cookie is bound as tightly as can be', async () => {
    const owner = await world.tenant('attributes');
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...fromConsole(url) },
      body: JSON.stringify({ query: signInMutation, variables: { email: owner.email, password } }),
    });
    const lines = response.headers.getSetCookie();
    const { data } = (await response.json()) as { data: Record<string, unknown> };
    expect(data['signIn']).toEqual({
      __typename: 'SignInSuccess', accessToken: null, refreshToken: null, expiresInSeconds: 600, viewer: { person: { email: owner.email } },
    });
    expect(lines).toEqual([
      expect.stringMatching(/^millrace_access=[\w.-]+; Path=\/; Max-Age=600; HttpOnly; SameSite=Strict$/),
      expect.stringMatching(/^millrace_refresh=[\w.-]+; Path=\/; Max-Age=2591\d{3}; HttpOnly; SameSite=Strict$/),
    ]);
  });

  it('is bound to the host and to encryption where people use https', async () => {
    const secure = await createApiWorld({ publicUrl: 'https://millrace.example' });
    try {
      const owner = await secure.tenant('secure');
      const page = { 'x-millrace-session': 'cookie', origin: 'https://millrace.example' };
      const answer = await secure.graphql(signInMutation, { email: owner.email, password }, undefined, page);
      const lines = answer.headers.getSetCookie();
      expect(lines.map((line) => line.split('=', 1)[0])).toEqual(['__Host-millrace_access', '__Host-millrace_refresh']);
      for (const line of lines) expect(line).toMatch(/; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict; Secure$/);
      const [access = ''] = lines[0]!.split(';');
      const as = (cookie: string, origin = page.origin) => secure.graphql(viewer, {}, undefined, { ...page, origin, cookie });
      expect((await as(access)).status).toBe(200);
      expect((await as(access.replace('__Host-', ''))).status).toBe(401); // as a neighbouring host could set it
      expect((await as(access, secure.api.url)).status).toBe(403); // the same host, but unencrypted
    } finally {
      await secure.close();
    }
  });

  it('is carried on by its cookie, and ends for the browser with the sign-out', async () => {
    const { jar, owner } = await browser('round-trip');
    expect((await ask(jar, viewer)).data!['viewer'].person.email).toBe(owner.email);
    const before = jar.header;
    const { data } = await ask(jar, refreshMutation);
    expect(data!['refreshSession']).toEqual({ __typename: 'SignInSuccess', accessToken: null, refreshToken: null });
    expect(jar.header).not.toBe(before);
    expect((await ask(jar, viewer)).status).toBe(200);
    await ask(jar, 'mutation { signOut { __typename } }');
    expect(jar.cookies.size).toBe(0);
    expect((await ask(jar, refreshMutation)).data!['refreshSession']).toMatchObject({ code: 'sign_in_refused' });
  });

  it('ends when a used refresh cookie comes again, and the browser forgets it', async () => {
    const { jar } = await browser('stolen');
    const thief = new Jar();
    for (const [name, value] of jar.cookies) thief.cookies.set(name, value);
    expect((await ask(thief, refreshMutation)).data!['refreshSession'].__typename).toBe('SignInSuccess');
    expect((await ask(jar, refreshMutation)).data!['refreshSession'].code).toBe('sign_in_refused');
    expect(jar.cookies.size).toBe(0);
    expect((await ask(thief, refreshMutation)).data!['refreshSession'].code).toBe('sign_in_refused');
  });

  it('has one winner among many refreshes at the same time, whose session ends as well: one of them may be a thief', async () => {
    const { jar } = await browser('parallel');
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => {
        const tab = new Jar();
        for (const [name, value] of jar.cookies) tab.cookies.set(name, value);
        return ask(tab, refreshMutation).then((answer) => ({ tab, answer }));
      }),
    );
    const winners = answers.filter(({ answer }) => answer.data!['refreshSession'].__typename === 'SignInSuccess');
    expect(winners).toHaveLength(1);
    expect((await ask(winners[0]!.tab, refreshMutation)).data!['refreshSession'].code).toBe('sign_in_refused');
  });

  it('is not for programs: without the header no cookie is read or set, and a second credential beside it is refused', async () => {
    const { jar, owner } = await browser('programs');
    expect((await ask(jar, viewer, {}, { origin: url })).status).toBe(401);
    expect((await ask(jar, viewer, {}, {})).status).toBe(401);
    const bearer = await ask(new Jar(), signInMutation, { email: owner.email, password }, {});
    expect(bearer.headers.getSetCookie()).toEqual([]);
    expect(bearer.data!['signIn'].accessToken).toEqual(expect.any(String));
    const both = await ask(jar, viewer, {}, { ...fromConsole(url), authorization: `Bearer ${owner.token}` });
    expect([both.status, both.errors[0]!.extensions['code']]).toEqual([400, 'INVALID']);
    expect((await ask(jar, viewer, {}, { ...fromConsole(url), 'x-api-key': 'mr_live_x' })).status).toBe(400);
  });

  it('is not believed when there are two cookies of its name: one of them may be a neighbour’s', async () => {
    const { jar } = await browser('tossed');
    const stranger = (await browser('tosser')).jar;
    const own = jar.cookies.get('millrace_access')!;
    const other = stranger.cookies.get('millrace_access')!;
    const as = (cookie: string) => ask(new Jar(), viewer, {}, { ...fromConsole(url), cookie });
    expect((await as(`millrace_access=${own}`)).status).toBe(200);
    expect((await as(`millrace_access=${own}; millrace_access=${other}`)).status).toBe(401);
    expect((await as(`millrace_access=${other}; millrace_access=${own}`)).status).toBe(401);
    expect((await as(`millrace_access=${own}; x=1; millrace_access=${own}`)).status).toBe(401);
    for (const odd of ['', 'millrace_access', 'millrace_access=', `xmillrace_access=${own}`, `millrace_access =x=${own}`, ';;=;', `MILLRACE_ACCESS=${own}`]) {
      expect([odd, (await as(odd)).status]).toEqual([odd, 401]);
    }
  });
});

describe('what a foreign page can send', () => {
  const foreign: [string, (own: string) => Record<string, string>][] = [
    ['another origin', (own) => ({ ...fromConsole(own), origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' })],
    ['another origin, by an old browser', () => ({ 'x-millrace-session': 'cookie', origin: 'https://evil.example' })],
    ['another port of the same host', () => ({ 'x-millrace-session': 'cookie', origin: 'http://127.0.0.1:1', 'sec-fetch-site': 'same-site' })],
    ['the same host, encrypted', (own) => ({ 'x-millrace-session': 'cookie', origin: own.replace('http:', 'https:') })],
    ['the null origin', () => ({ 'x-millrace-session': 'cookie', origin: 'null' })],
    ['no origin', () => ({ 'x-millrace-session': 'cookie' })],
    ['no origin, but a word for it', () => ({ 'x-millrace-session': 'cookie', 'sec-fetch-site': 'same-origin' })],
    ['the right origin, but a word against it', (own) => ({ ...fromConsole(own), 'sec-fetch-site': 'cross-site' })],
    ['the right origin in the wrong place', (own) => ({ 'x-millrace-session': 'cookie', referer: `${own}/`, origin: `${own}.evil.example` })],
  ];

  it.each(foreign)('a POST from %s is refused, and changes nothing', async (_what, headers) => {
    const { jar, owner } = await browser(`foreign-${foreign.findIndex(([what]) => what === _what)}`);
    const answer = await ask(jar, 'mutation { signOut { __typename } }', {}, headers(url));
    expect([answer.status, answer.errors[0]!.extensions['code']]).toEqual([403, 'FORBIDDEN']);
    expect((await ask(jar, viewer)).data!['viewer'].person.email).toBe(owner.email);
    // Nor can it sign the browser in as somebody else.
    const signIn = await ask(new Jar(), signInMutation, { email: owner.email, password }, headers(url));
    expect([signIn.status, signIn.headers.getSetCookie()]).toEqual([403, []]);
  });

  it('a POST without the header is nobody’s, whatever else it says', async () => {
    const { jar } = await browser('no-header');
    for (const headers of [{ origin: url, 'sec-fetch-site': 'same-origin' }, { 'x-millrace-session': 'yes', origin: url }, { 'apollo-require-preflight': '1' }]) {
      expect((await ask(jar, 'mutation { signOut { __typename } }', {}, headers as Record<string, string>)).status).toBe(401);
    }
    const form = await fetch(`${url}/graphql`, {
      method: 'POST', headers: { 'content-type': 'text/plain', cookie: jar.header, origin: url }, body: JSON.stringify({ query: 'mutation { signOut { __typename } }' }),
    });
    expect(form.status).toBe(400);
    expect((await ask(jar, viewer)).status).toBe(200);
  });

  it('a GET on /graphql is nobody’s without the header, and changes nothing with it', async () => {
    const { jar } = await browser('get');
    const get = async (query: string, headers: Record<string, string>) =>
      (await fetch(`${url}/graphql?query=${encodeURIComponent(query)}`, { headers: { cookie: jar.header, 'apollo-require-preflight': '1', ...headers } })).status;
    expect(await get(viewer, {})).toBe(401);
    expect(await get(viewer, { 'sec-fetch-site': 'same-origin' })).toBe(401);
    expect(await get(viewer, { 'sec-fetch-site': 'cross-site', 'x-millrace-session': 'cookie' })).toBe(403);
    expect(await get(viewer, { 'sec-fetch-site': 'none', 'x-millrace-session': 'cookie' })).toBe(403);
    expect(await get(viewer, { origin: 'https://evil.example', 'x-millrace-session': 'cookie' })).toBe(403);
    expect(await get(viewer, { 'sec-fetch-site': 'same-origin', 'x-millrace-session': 'cookie' })).toBe(200);
    expect(await get(viewer, { 'x-millrace-session': 'cookie' })).toBe(200); // unencrypted, browsers say no more than that
    expect(await get('mutation { signOut { __typename } }', { 'sec-fetch-site': 'same-origin', 'x-millrace-session': 'cookie' })).toBe(405);
  });

  it('a file is taken by cookie from this server’s own page only', async () => {
    const { jar, owner } = await browser('uploads');
    const put = async (headers: Record<string, string>) => {
      const upload = await world.beginUpload(owner.token);
      return (await fetch(`${url}${upload.url}`, { method: 'PUT', headers: { cookie: jar.header, ...headers }, body: 'a,b\n1,2\n' })).status;
    };
    expect(await put({})).toBe(401);
    expect(await put({ origin: url })).toBe(401);
    expect(await put({ ...fromConsole(url), origin: 'https://evil.example' })).toBe(403);
    expect(await put({ 'x-millrace-session': 'cookie' })).toBe(403);
    expect(await put(fromConsole(url))).toBe(200);
  });
});

describe('what can be watched by cookie', () => {
  async function submitted(owner: Member): Promise<string> {
    const { versionId } = await world.iris(owner.token);
    const { data } = await world.graphql(
      'mutation ($input: SubmitRunInput!) { submitRun(input: $input) { ... on SubmitRunSuccess { run { id } } } }',
      { input: { datasetVersionId: versionId, modelName: 'iris', spec: irisSpec } },
      owner.token,
    );
    return data!['submitRun'].run.id as string;
  }

  function overWebSocket(headers: Record<string, string>, connectionParams: Record<string, string> = {}) {
    class Socket extends WebSocket {
      constructor(address: string, protocols: string[]) {
        super(address, protocols, { headers });
      }
    }
    return createClient({ url: url.replace(/^http/, 'ws') + '/graphql', webSocketImpl: Socket, retryAttempts: 0, connectionParams, lazy: false, onNonLazyError: () => undefined });
  }

  it('over a WebSocket, by a page of this server only', async () => {
    const { jar, owner } = await browser('socket');
    const id = await submitted(owner);
    const first = async (headers: Record<string, string>, params?: Record<string, string>): Promise<unknown> => {
      const client = overWebSocket(headers, params);
      try {
        const { value } = await client.iterate({ query: watch, variables: { id } }).next();
        return (value as { data: unknown }).data;
      } catch (error) {
        const { code, message } = error as { code?: number; message?: string };
        return message === 'Unexpected server response: 403' ? 'upgrade refused' : code;
      } finally {
        await client.dispose();
      }
    };
    const seen = { runProgress: { run: { id } } };
    expect(await first({ cookie: jar.header, origin: url })).toEqual(seen);
    const token = { authorization: `Bearer ${owner.token}` };
    for (const origin of [listed, url.replace('http:', 'https:')]) {
      expect([origin, await first({ cookie: jar.header, origin })]).toEqual([origin, 4403]);
      // A token that the page itself knows is as good as ever.
      expect(await first({ cookie: jar.header, origin }, token)).toEqual(seen);
    }
    // Pages of all other origins get no further than the upgrade, whatever they bring.
    for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1', `${listed}.evil.example`]) {
      for (const params of [{}, token]) expect([origin, await first({ cookie: jar.header, origin }, params)]).toEqual([origin, 'upgrade refused']);
    }
    expect(await first({ cookie: jar.header })).toBe(4403);
    expect(await first({ origin: url })).toBe(4403);
  });

  it('over a WebSocket that closes when its cookie is no good any more, so that the page connects with its new one', async () => {
    const { jar, owner } = await browser('reconnect');
    const id = await submitted(owner);
    const client = overWebSocket({ cookie: jar.header, origin: url });
    const kept = client.iterate({ query: watch, variables: { id } });
    await kept.next();
    await ask(jar, 'mutation { signOut { __typename } }');
    expect((await kept.next()).value).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    await expect(client.iterate({ query: watch, variables: { id } }).next()).rejects.toMatchObject({ code: 4403 });
    await client.dispose();
  });

  it('over an event stream, with the header', async () => {
    const { jar, owner } = await browser('stream');
    const id = await submitted(owner);
    const status = async (headers: Record<string, string>): Promise<number> => {
      const aborted = new AbortController();
      const response = await fetch(`${url}/graphql/stream`, {
        method: 'POST', headers: { accept: 'text/event-stream', 'content-type': 'application/json', cookie: jar.header, ...headers },
        body: JSON.stringify({ query: watch, variables: { id } }), signal: aborted.signal,
      });
      aborted.abort();
      return response.status;
    };
    expect(await status(fromConsole(url))).toBe(200);
    expect(await status({ origin: url })).toBe(401);
    expect(await status({ ...fromConsole(url), origin: 'https://evil.example' })).toBe(403);
  });
});
