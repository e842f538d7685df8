import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

type Claims = { [Name in keyof JWTPayload]: JWTPayload[Name] | undefined };
type Answer = http.RequestListener | { status?: number; body: unknown };

/** An OpenID provider that says whatever a test wants it to. Unless told, it is a proper one whose every code is good. */
export interface EvilProvider {
  issuer: string;
  /** replaces single properties of the description; undefined takes one away */
  description: Record<string, unknown>;
  keys: JWK[];
  signingKey: CryptoKey;
  /** PEM, as an attacker reads it from the published keys */
  publicKeyPem: string;
  /** of the next ID token, made for this nonce */
  claims(nonce: string): JWTPayload;
  idToken(nonce: string): Promise<string>;
  /** overrides of whole answers, by path */
  answers: Partial<Record<'/.well-known/openid-configuration' | '/keys' | '/token' | '/userinfo', Answer>>;
  /** in front of all paths */
  path: string;
  requests: string[];
  /** the form that the token endpoint was sent last */
  lastForm: URLSearchParams;
  nonce: string;
  sign(claims: Claims, header?: { alg?: string; kid?: string }, key?: CryptoKey | Uint8Array): Promise<string>;
  close(): Promise<void>;
}

/** Made once: a new one takes longer than all the rest of a test. */
const keyPair = generateKeyPair('RS256', { extractable: true });

export async function startEvilProvider(keys = keyPair): Promise<EvilProvider> {
  const { privateKey, publicKey } = await keys;
  const server = http.createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const evil: EvilProvider = {
    issuer,
    description: {},
    keys: [{ ...(await exportJWK(publicKey)), kid: 'one', use: 'sig' }],
    signingKey: privateKey,
    publicKeyPem: await exportSPKI(publicKey),
    claims: (nonce) => {
      const now = Math.floor(Date.now() / 1000);
      return { iss: evil.issuer, sub: 'sam', aud: 'millrace', iat: now, exp: now + 300, nonce, email: 'sam@acme.example', email_verified: true, name: 'Sam' };
    },
    idToken: (nonce) => evil.sign(evil.claims(nonce)),
    answers: {},
    path: '',
    requests: [],
    lastForm: new URLSearchParams(),
    nonce: '',
    sign: (claims, header = {}, key = evil.signingKey) => new SignJWT(claims as JWTPayload).setProtectedHeader({ alg: 'RS256', kid: 'one', ...header }).sign(key),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  const usual: Record<string, () => unknown> = {
    '/.well-known/openid-configuration': () => ({
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      userinfo_endpoint: `${issuer}/userinfo`,
      jwks_uri: `${issuer}/keys`,
      id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      authorization_response_iss_parameter_supported: true,
      ...evil.description,
    }),
    '/keys': () => ({ keys: evil.keys }),
    '/token': async () => ({ access_token: 'an access token', token_type: 'Bearer', expires_in: 300, id_token: await evil.idToken(evil.nonce) }),
    '/userinfo': () => ({ sub: 'sam' }),
  };

  async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const path = request.url!.slice(evil.path.length);
    evil.requests.push(path);
    let form = '';
    for await (const chunk of request) form += String(chunk);
    if (path === '/token') evil.lastForm = new URLSearchParams(form);
    const override = evil.answers[path as keyof EvilProvider['answers']];
    if (typeof override === 'function') return void override(request, response);
    const body = override ? override.body : await usual[path]?.();
    response.writeHead(override?.status ?? (body === undefined ? 404 : 200), { 'content-type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  }
  return evil;
}
