import { type Clock, DomainError } from '@millrace/kernel';
import * as client from 'openid-client';
import { ExpiringCache } from './expiring-cache.ts';

/** What can be wrong with a connection before anybody signs in by it. */
export interface ProviderProblem {
  type: 'unreachable' | 'misconfigured';
  message: string;
  remedy: string;
}

/** What is kept of a provider's own description: no more, since a stranger writes it. */
export interface Provider {
  issuer: string;
  authorization_endpoint: string;
  token_endpoint: string;
  jwks_uri: string;
  userinfo_endpoint?: string;
  id_token_signing_alg_values_supported: string[];
  userinfo_signing_alg_values_supported: string[];
  token_endpoint_auth_methods_supported: string[];
  authorization_response_iss_parameter_supported: boolean;
  /** whether it has a scope of this name, which some want to be asked for before they tell groups */
  hasGroupsScope: boolean;
}

export class ProviderFault extends Error {
  readonly problem: ProviderProblem;

  constructor(problem: ProviderProblem, cause?: unknown) {
    super(problem.message, { cause });
    this.problem = problem;
  }
}

/** A request that got no answer: told apart from an answer that is wrong, however deep the client library wraps it. */
export class NoAnswer extends Error {
  constructor(cause: unknown) {
    super('no answer', { cause });
  }
}

/** Signatures with a public key only. `none` proves nothing, and the HMAC family would take the provider's public key for a secret. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
const rememberedMs = 5 * 60_000;
const mostRemembered = 500;
/** Everybody may begin a sign-in: a provider that failed is not asked again for each of them. */
const failedMs = 15_000;

const misconfigured = (message: string, remedy: string): ProviderProblem => ({ type: 'misconfigured', message, remedy });

/** Finds providers by their issuer, and remembers each for five minutes, one that failed for a quarter of one. */
export function createProviders(fetch: client.CustomFetch, clock: Clock) {
  const remembered = new ExpiringCache<Provider>(rememberedMs, mostRemembered, clock);
  const failed = new ExpiringCache<ProviderFault>(failedMs, mostRemembered, clock);

  /** @throws ProviderFault */
  async function ask(issuer: string): Promise<Provider> {
    try {
      const provider = await remembered.get(issuer, () => discover(issuer));
      failed.delete(issuer);
      return provider;
    } catch (error) {
      void failed.get(issuer, async () => faultOf(error));
      throw error;
    }
  }

  async function discover(issuer: string): Promise<Provider> {
    const url = issuerUrl(issuer);
    // By its full address the client library leaves the comparison of issuers to us. It would take some large providers' word
    // for an issuer of another name, which then is that of any of their customers.
    const description = new URL(`${url.href.replace(/\/$/, '')}/.well-known/openid-configuration`);
    try {
      const configuration = await client.discovery(description, 'unused', undefined, client.None(), {
        [client.customFetch]: fetch,
        execute: url.protocol === 'http:' ? [client.allowInsecureRequests] : [],
      });
      return readProvider(configuration.serverMetadata(), url);
    } catch (error) {
      throw faultOf(error);
    }
  }

  return {
    /** @throws ProviderFault */
    async find(issuer: string): Promise<Provider> {
      const fault = failed.known(issuer);
      if (fault) throw fault.value;
      return ask(issuer);
    },

    /** For whoever sets it up, and mends it meanwhile. @throws ProviderFault */
    async findAnew(issuer: string): Promise<Provider> {
      failed.delete(issuer);
      return ask(issuer);
    },
  };
}

/** What a failed request or an unfit description is called. */
export function faultOf(error: unknown): ProviderFault {
  if (error instanceof ProviderFault) return error;
  const unanswered = causesOf(error).find((cause) => cause instanceof NoAnswer);
  if (unanswered) {
    const reason = unanswered.cause;
    const explained = reason instanceof DomainError;
    return new ProviderFault(
      {
        type: 'unreachable',
        message: explained ? reason.message : 'The OpenID provider could not be reached.',
        remedy: (explained && reason.remedy) || 'Check the issuer’s address, and that the provider is up.',
      },
      error,
    );
  }
  const status = causesOf(error).find((cause) => cause instanceof Response)?.status;
  if (status !== undefined && (status >= 500 || status === 429)) {
    return new ProviderFault({ type: 'unreachable', message: 'The OpenID provider is out of order.', remedy: 'Try again later.' }, error);
  }
  return new ProviderFault(misconfigured('There is no OpenID provider at this issuer.', 'Copy the issuer from the provider: its address followed by /.well-known/openid-configuration is a document.'), error);
}

/** The error and its causes, however deep. */
export function causesOf(error: unknown): unknown[] {
  const causes: unknown[] = [];
  for (let cause = error; cause != null && causes.length < 8; cause = (cause as { cause?: unknown }).cause) causes.push(cause);
  return causes;
}

function issuerUrl(issuer: string): URL {
  const url = URL.canParse(issuer) ? new URL(issuer) : null;
  if (!url || !['https:', 'http:'].includes(url.protocol) || url.search || url.hash || issuer.length > 500) {
    throw new ProviderFault(misconfigured('The issuer is no address.', 'Write it as https://login.example.com, as the provider states it.'));
  }
  if (url.pathname.includes('/.well-known/')) {
    throw new ProviderFault(misconfigured('This is the address of the provider’s description, not its issuer.', 'Leave out /.well-known/ and what follows.'));
  }
  return url;
}

function readProvider(found: client.ServerMetadata, url: URL): Provider {
  const named = URL.canParse(found.issuer) ? new URL(found.issuer).href : null;
  if (named !== url.href) {
    const slash = named !== null && named.replace(/\/$/, '') === url.href.replace(/\/$/, '');
    throw new ProviderFault(
      misconfigured(
        'The provider at this address calls itself by another issuer.',
        slash ? `Write the issuer ${named.endsWith('/') ? 'with' : 'without'} a slash at its end.` : 'Write the issuer exactly as the provider does, for one organisation and not for all of them.',
      ),
    );
  }
  const endpoint = (name: 'authorization_endpoint' | 'token_endpoint' | 'jwks_uri' | 'userinfo_endpoint'): string => {
    const value: unknown = found[name];
    const schemes = url.protocol === 'http:' ? ['https:', 'http:'] : ['https:'];
    if (typeof value === 'string' && value.length <= 2000 && URL.canParse(value) && schemes.includes(new URL(value).protocol)) return value;
    throw new ProviderFault(misconfigured(`The provider’s description has no usable ${name}.`, 'Tell who manages the provider, or check the issuer.'));
  };
  const signatures = listOf(found.id_token_signing_alg_values_supported, ['RS256']).filter((name) => algorithms.includes(name));
  if (!signatures.length) {
    throw new ProviderFault(misconfigured('The provider signs with no algorithm that is accepted here.', `Let it sign ID tokens with one of ${algorithms.join(', ')}.`));
  }
  if (!listOf(found.code_challenge_methods_supported, ['S256']).includes('S256')) {
    throw new ProviderFault(misconfigured('The provider does not know PKCE with S256.', 'Switch it on at the provider.'));
  }
  return {
    issuer: found.issuer,
    authorization_endpoint: endpoint('authorization_endpoint'),
    token_endpoint: endpoint('token_endpoint'),
    jwks_uri: endpoint('jwks_uri'),
    ...(found.userinfo_endpoint !== undefined && { userinfo_endpoint: endpoint('userinfo_endpoint') }),
    id_token_signing_alg_values_supported: signatures,
    userinfo_signing_alg_values_supported: listOf(found.userinfo_signing_alg_values_supported, []).filter((name) => algorithms.includes(name)),
    token_endpoint_auth_methods_supported: listOf(found.token_endpoint_auth_methods_supported, ['client_secret_basic']),
    authorization_response_iss_parameter_supported: found.authorization_response_iss_parameter_supported === true,
    hasGroupsScope: listOf(found.scopes_supported, []).includes('groups'),
  };
}

const listOf = (value: unknown, otherwise: string[]): string[] =>
  Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string' && entry.length <= 100).slice(0, 100) : otherwise;
