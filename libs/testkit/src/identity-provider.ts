import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import type { Adapter, AdapterPayload, Provider as OpenIdProvider } from 'oidc-provider';

/** What the provider knows of a person: `sub` and `groups` among the rest. */
export type PersonAtProvider = Record<string, unknown> & { sub: string };

export interface IdentityProviderOptions {
  redirectUri: string;
  /** how the client proves itself; with a secret in the header unless told */
  clientAuthentication?: 'client_secret_basic' | 'client_secret_post' | 'none';
  /** puts all claims into the ID token, instead of leaving most to UserInfo */
  claimsInIdToken?: boolean;
}

/** A real OpenID provider on loopback, at which people need not type anything. */
export interface IdentityProvider {
  issuer: string;
  clientId: string;
  clientSecret: string | null;
  people: PersonAtProvider[];
  /** paths of all requests so far */
  requests: string[];
  /** Walks as a browser from the authorization address to the callback, and returns that. Null: the person cancels. */
  signIn(authorizationUrl: string, sub: string | null): Promise<string>;
  /** From now on it signs with a new key and publishes that one alone. */
  changeKeys(): Promise<void>;
  /** Down, until it is called with false. */
  setDown(down: boolean): void;
  /** Lets requests wait until they are let go; `reached` once so many do. */
  hold(count: number): { reached: Promise<void>; letGo(): void };
  close(): Promise<void>;
}

export async function startIdentityProvider(options: IdentityProviderOptions): Promise<IdentityProvider> {
  const { redirectUri, clientAuthentication = 'client_secret_basic', claimsInIdToken = false } = options;
  // Only where one is wanted: the package takes a moment to load, and complains of Node 20, on which it works.
  const { errors, Provider } = await import('oidc-provider');
  const clientId = 'millrace';
  const clientSecret = clientAuthentication === 'none' ? null : 'a secret of the client: with / + and %';
  const people: PersonAtProvider[] = [];
  const requests: string[] = [];
  const records = new Map<string, AdapterPayload>();
  let down = false;
  let held: { arrive(): void; until: Promise<void> } | null = null;
  let provider!: OpenIdProvider;

  const server = http.createServer(async (request, response) => {
    requests.push(request.url!.split('?')[0]!);
    held?.arrive();
    await held?.until;
    if (down) return void request.socket.destroy();
    if (request.url!.startsWith('/interaction/')) return void finish(request, response);
    return void provider.callback()(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  /** The page at which a person would sign in: who it is, says a header of the walking browser. */
  async function finish(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const person = request.headers['x-person'];
    await provider.interactionFinished(request, response, person ? { login: { accountId: String(person) } } : { error: 'access_denied', error_description: 'cancelled' });
  }

  async function changeKeys(): Promise<void> {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const key = { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: randomUUID() };
    provider = new Provider(issuer, {
      adapter: (model) => createRecords(model, records),
      clients: [
        {
          client_id: clientId,
          ...(clientSecret !== null && { client_secret: clientSecret }),
          redirect_uris: [redirectUri],
          response_types: ['code'],
          grant_types: ['authorization_code'],
          token_endpoint_auth_method: clientAuthentication,
          id_token_signed_response_alg: 'ES256',
        },
      ],
      jwks: { keys: [key] } as never,
      cookies: { keys: ['a key for the cookies of a test'] },
      scopes: ['openid', 'groups'],
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username', 'realm_access'], groups: ['groups'] },
      conformIdTokenClaims: !claimsInIdToken,
      pkce: { required: () => true },
      features: { devInteractions: { enabled: false } },
      interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
      findAccount: (_context, sub) => {
        const person = people.find((one) => one.sub === sub);
        return person && { accountId: sub, claims: () => person as never };
      },
      async loadExistingGrant(context) {
        const grant = new context.oidc.provider.Grant({ accountId: context.oidc.session!.accountId!, clientId: context.oidc.client!.clientId });
        grant.addOIDCScope('openid email profile groups');
        await grant.save();
        return grant;
      },
      renderError(context, out) {
        context.body = JSON.stringify(out);
      },
      ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 600, Interaction: 600, Session: 600, Grant: 600 },
    });
    provider.on('server_error', (_context, error) => {
      if (!(error instanceof errors.OIDCProviderError)) throw error;
    });
  }
  await changeKeys();

  return {
    issuer,
    clientId,
    clientSecret,
    people,
    requests,
    changeKeys,
    setDown: (value) => void (down = value),
    hold(count) {
      let full!: () => void;
      let letGo!: () => void;
      const reached = new Promise<void>((resolve) => (full = resolve));
      const arrive = (): void => void (--count || full());
      held = { arrive, until: new Promise<void>((resolve) => (letGo = resolve)) };
      return {
        reached,
        letGo() {
          held = null;
          letGo();
        },
      };
    },
    async signIn(authorizationUrl, sub) {
      const cookies = new Map<string, string>();
      let url = authorizationUrl;
      for (let step = 0; step < 10; step++) {
        const headers: Record<string, string> = { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
        if (sub !== null) headers['x-person'] = sub;
        const answer = await fetch(url, { redirect: 'manual', headers });
        for (const line of answer.headers.getSetCookie()) {
          const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
          cookies.set(name!, value!);
        }
        const location = answer.headers.get('location');
        if (!location) throw new Error(`the provider answered ${answer.status}: ${await answer.text()}`);
        url = new URL(location, url).href;
        if (url.startsWith(redirectUri)) return url;
      }
      throw new Error(`the provider redirects without an end, last to ${url}`);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What the provider remembers: codes, grants and sessions, kept when its keys change. */
function createRecords(model: string, records: Map<string, AdapterPayload>): Adapter {
  const key = (id: string): string => `${model}:${id}`;
  const findBy = async (property: 'uid' | 'userCode', value: string): Promise<AdapterPayload | undefined> =>
    [...records].find(([name, record]) => name.startsWith(`${model}:`) && record[property] === value)?.[1];
  return {
    upsert: async (id, payload) => void records.set(key(id), payload),
    find: async (id) => records.get(key(id)),
    findByUid: (uid) => findBy('uid', uid),
    findByUserCode: (userCode) => findBy('userCode', userCode),
    consume: async (id) => void (records.get(key(id))!.consumed = Math.floor(Date.now() / 1000)),
    destroy: async (id) => void records.delete(key(id)),
    async revokeByGrantId(grantId) {
      for (const [name, record] of records) if (record.grantId === grantId) records.delete(name);
    },
  };
}
