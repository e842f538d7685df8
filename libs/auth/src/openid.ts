import type { Clock, Logger } from '@millrace/kernel';
import * as client from 'openid-client';
import { type Claims, isSubject, lacksSomething, type OpenIdIdentity, readIdentity } from './openid-claims.ts';
import { causesOf, createProviders, faultOf, NoAnswer, type Provider, ProviderFault, type ProviderProblem } from './openid-provider.ts';

export interface OpenIdConnection {
  /** the provider's name for itself, an address */
  issuer: string;
  clientId: string;
  /** null: a public client, which PKCE alone protects */
  clientSecret: string | null;
  /** the claim that lists a person's groups: a name, or a path such as `realm_access.roles`; null: groups are not read */
  groupsClaim: string | null;
}

/** What must come back to the browser that began, and to no other: kept on this side, for one connection, and used once. */
export interface OpenIdTransaction {
  state: string;
  nonce: string;
  codeVerifier: string;
}

export type BeginOutcome = { type: 'begun'; url: string; transaction: OpenIdTransaction } | ProviderProblem;
export type CompleteOutcome = ({ type: 'identified' } & OpenIdIdentity) | OpenIdRefusal;

export interface OpenIdRefusal {
  type: 'refused';
  code: OpenIdRefusalCode;
  message: string;
  remedy: string;
}

const again = 'Begin the sign-in anew.';
const tellAdministrator = 'Tell whoever manages single sign-on here.';

/** Words for the person at the browser. What the provider wrote is not among them: anybody can write it into an address. */
const refusals = {
  state_mismatch: ['This sign-in was not begun in this browser, or lies too far back.', again],
  issuer_mismatch: ['The answer comes from another OpenID provider than the one that was asked.', again],
  denied: ['The sign-in was cancelled or denied at the OpenID provider.', 'Try again, or ask who manages the provider whether you may use this application.'],
  provider_error: ['The OpenID provider refused the sign-in.', `Try again later. ${tellAdministrator}`],
  code_refused: ['The OpenID provider no longer accepts this sign-in: it was completed before, or took too long.', again],
  client_refused: ['The OpenID provider does not accept this installation’s client ID and secret.', `${tellAdministrator} The client secret may have expired.`],
  token_expired: ['The OpenID provider’s answer has expired.', `${again} If it happens again, the clocks of the two servers differ.`],
  nonce_mismatch: ['The OpenID provider’s answer belongs to another sign-in.', again],
  audience_mismatch: ['The OpenID provider’s answer was made for another application.', tellAdministrator],
  token_invalid: ['The OpenID provider’s answer is not signed as it must be, or is incomplete.', `${again} ${tellAdministrator}`],
  userinfo_refused: ['The OpenID provider did not tell who signed in.', tellAdministrator],
  groups_unfit: ['The OpenID provider did not list all of your groups as names.', `${tellAdministrator} The provider should send the groups that this application uses only.`],
  unreachable: ['The OpenID provider could not be reached.', 'Try again later.'],
  misconfigured: ['The OpenID provider is not set up as it must be.', tellAdministrator],
} as const;

export type OpenIdRefusalCode = keyof typeof refusals;

class Refusal extends Error {
  readonly code: OpenIdRefusalCode;

  constructor(code: OpenIdRefusalCode, cause?: unknown) {
    super(code, { cause });
    this.code = code;
  }
}

export interface OpenIdOptions {
  /** calls addresses that a tenant's owner gave: must be one that lets nobody reach the inside */
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  clock: Clock;
  logger: Logger;
}

/** How far the clocks of the two sides may differ. */
const toleranceSeconds = 60;

/**
 * Sign-in by OpenID Connect: authorization code flow with PKCE, state, nonce and the issuer parameter of RFC 9207.
 * It knows no tenant and keeps nothing but providers' descriptions. Nothing that a provider or browser sends makes it throw.
 */
export function createOpenId({ fetch, clock, logger }: OpenIdOptions) {
  const guarded: client.CustomFetch = (url, { headers, method, body, signal }) =>
    fetch(url, { headers, method, redirect: 'manual', body: (body as RequestInit['body']) ?? null, signal: signal ?? null }).catch((cause: unknown) => {
      throw new NoAnswer(cause);
    });
  const providers = createProviders(guarded, clock);

  /** A new one each time, so that the provider's keys are those of this moment: a key changed a second ago is no trouble. */
  function configure(provider: Provider, connection: OpenIdConnection, authentication: client.ClientAuth): client.Configuration {
    const { hasGroupsScope: _, ...metadata } = provider;
    const configuration = new client.Configuration(
      metadata,
      connection.clientId,
      { [client.clockSkew]: Math.round((clock.now().getTime() - Date.now()) / 1000), [client.clockTolerance]: toleranceSeconds },
      authentication,
    );
    configuration[client.customFetch] = guarded;
    if (new URL(provider.issuer).protocol === 'http:') client.allowInsecureRequests(configuration);
    // The signature of the ID token, which the code flow by itself leaves to TLS.
    client.enableNonRepudiationChecks(configuration);
    return configuration;
  }

  async function redeem(provider: Provider, connection: OpenIdConnection, callback: URL, transaction: OpenIdTransaction) {
    const [way, ...otherWays] = clientAuthentications(provider, connection);
    const attempt = async (authentication: client.ClientAuth) => {
      const configuration = configure(provider, connection, authentication);
      const tokens = await client.authorizationCodeGrant(configuration, callback, {
        expectedState: transaction.state,
        expectedNonce: transaction.nonce,
        pkceCodeVerifier: transaction.codeVerifier,
      });
      return { configuration, tokens };
    };
    try {
      return await attempt(way);
    } catch (error) {
      // A client is registered for one of the ways that its provider lists, and nothing tells for which.
      const [otherWay] = otherWays;
      if (otherWay && isClientRefused(error)) return attempt(otherWay);
      throw error;
    }
  }

  async function identify(provider: Provider, connection: OpenIdConnection, callback: URL, transaction: OpenIdTransaction): Promise<OpenIdIdentity> {
    const { configuration, tokens } = await redeem(provider, connection, callback, transaction);
    const claims = tokens.claims() as Claims | undefined;
    const subject = claims?.['sub'];
    if (!claims || !isSubject(subject)) throw new Refusal('token_invalid');
    const sources = [claims];
    if (provider.userinfo_endpoint && lacksSomething(claims, connection.groupsClaim)) {
      try {
        sources.push(await client.fetchUserInfo(configuration, tokens.access_token, subject));
      } catch (error) {
        throw new Refusal('userinfo_refused', error);
      }
    }
    const identity = readIdentity(provider.issuer, subject, sources, connection.groupsClaim);
    if (!identity) throw new Refusal('groups_unfit');
    return identity;
  }

  return {
    /** What is wrong with a connection, as far as the provider's description tells; null if nothing is. */
    async check(connection: OpenIdConnection): Promise<ProviderProblem | null> {
      try {
        clientAuthentications(await providers.findAnew(connection.issuer), connection);
        return null;
      } catch (error) {
        return faultOf(error).problem;
      }
    },

    /** Where to send the browser, and what to remember until it comes back. */
    async begin(connection: OpenIdConnection, redirectUri: string, hints: { email?: string } = {}): Promise<BeginOutcome> {
      try {
        const provider = await providers.find(connection.issuer);
        const configuration = configure(provider, connection, clientAuthentications(provider, connection)[0]);
        const transaction = { state: client.randomState(), nonce: client.randomNonce(), codeVerifier: client.randomPKCECodeVerifier() };
        const url = client.buildAuthorizationUrl(configuration, {
          redirect_uri: new URL(redirectUri).href,
          scope: connection.groupsClaim !== null && provider.hasGroupsScope ? 'openid email profile groups' : 'openid email profile',
          state: transaction.state,
          nonce: transaction.nonce,
          code_challenge: await client.calculatePKCECodeChallenge(transaction.codeVerifier),
          code_challenge_method: 'S256',
          ...(hints.email !== undefined && { login_hint: hints.email }),
        });
        return { type: 'begun', url: url.href, transaction };
      } catch (error) {
        const { problem } = faultOf(error);
        logger.warn({ issuer: connection.issuer, problem: problem.message, causes: causesOf(error).map(describe) }, 'a sign-in by OpenID could not begin');
        return problem;
      }
    },

    /**
     * Who came back from the provider. `callbackUrl` is the address that the browser asked for; of it only the query counts.
     * The transaction is the one that `begin` gave for this connection: the caller makes sure that it is used once.
     */
    async complete(connection: OpenIdConnection, callbackUrl: string, transaction: OpenIdTransaction, redirectUri: string): Promise<CompleteOutcome> {
      try {
        const callback = new URL(redirectUri);
        callback.search = queryOf(callbackUrl);
        checkState(callback, transaction);
        const provider = await providers.find(connection.issuer);
        checkIssuer(callback, provider);
        return { type: 'identified', ...(await identify(provider, connection, callback, transaction)) };
      } catch (error) {
        const code = codeOf(error);
        logger.warn({ issuer: connection.issuer, code, causes: causesOf(error).map(describe) }, 'a sign-in by OpenID was refused');
        const [message, remedy] = refusals[code];
        return { type: 'refused', code, message, remedy };
      }
    },
  };
}

function queryOf(callbackUrl: string): string {
  const base = 'https://placeholder.invalid';
  if (callbackUrl.length > 8000 || !URL.canParse(callbackUrl, base)) throw new Refusal('state_mismatch');
  return new URL(callbackUrl, base).search;
}

function checkState(callback: URL, { state, nonce, codeVerifier }: OpenIdTransaction): void {
  // An empty one would make the client library leave out the check that it is for.
  if (![state, nonce, codeVerifier].every((secret) => typeof secret === 'string' && secret.length >= 43)) throw new Refusal('state_mismatch');
  const [given, ...more] = callback.searchParams.getAll('state');
  if (given !== state || more.length) throw new Refusal('state_mismatch');
}

/** RFC 9207: without it, an attacker's provider could pass on the code that another provider gave for the same person. */
function checkIssuer(callback: URL, provider: Provider): void {
  const [named, ...more] = callback.searchParams.getAll('iss');
  const needed = provider.authorization_response_iss_parameter_supported;
  if (more.length || (named === undefined ? needed : named !== provider.issuer)) throw new Refusal('issuer_mismatch');
}

/** The ways in which the provider may know this client, the likelier first. */
function clientAuthentications(provider: Provider, { clientSecret }: OpenIdConnection): [client.ClientAuth, ...client.ClientAuth[]] {
  if (clientSecret === null) return [client.None()];
  const listed = provider.token_endpoint_auth_methods_supported;
  const [first, ...others] = [
    ...(listed.includes('client_secret_basic') ? [client.ClientSecretBasic(clientSecret)] : []),
    ...(listed.includes('client_secret_post') ? [client.ClientSecretPost(clientSecret)] : []),
  ];
  if (first) return [first, ...others];
  throw new ProviderFault({
    type: 'misconfigured',
    message: 'The provider does not let clients prove themselves by a secret.',
    remedy: 'Register a client that uses client_secret_basic or client_secret_post.',
  });
}

const isClientRefused = (error: unknown): boolean =>
  error instanceof client.WWWAuthenticateChallengeError || (error instanceof client.ResponseBodyError && error.error === 'invalid_client');

/** By the claim that a check of the client library failed on. */
const codesOfClaims: Record<string, OpenIdRefusalCode> = {
  exp: 'token_expired',
  nbf: 'token_expired',
  nonce: 'nonce_mismatch',
  aud: 'audience_mismatch',
  azp: 'audience_mismatch',
  iss: 'issuer_mismatch',
};

function codeOf(error: unknown): OpenIdRefusalCode {
  if (error instanceof Refusal) return error.code;
  if (error instanceof ProviderFault) return error.problem.type;
  if (error instanceof client.AuthorizationResponseError) return error.error === 'access_denied' ? 'denied' : 'provider_error';
  if (isClientRefused(error)) return 'client_refused';
  if (error instanceof client.ResponseBodyError) return error.error === 'invalid_grant' ? 'code_refused' : 'provider_error';
  const causes = causesOf(error);
  if (causes.some((cause) => cause instanceof NoAnswer)) return 'unreachable';
  const claim = causes.map((cause) => (cause as { claim?: unknown }).claim).find((named) => typeof named === 'string');
  return (claim !== undefined && codesOfClaims[claim as string]) || 'token_invalid';
}

/** For the log: what the client library says, and what the provider calls its errors. No token and no code is in either. */
function describe(cause: unknown): string {
  if (cause instanceof client.ResponseBodyError || cause instanceof client.AuthorizationResponseError) return `${cause.message}: ${cause.error.slice(0, 100)}`;
  return cause instanceof Error ? cause.message.slice(0, 200) : Object.prototype.toString.call(cause);
}
