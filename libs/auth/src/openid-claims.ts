/** Who signed in, in the provider's words. */
export interface OpenIdIdentity {
  issuer: string;
  /** names the person for ever, within the issuer; nothing else does */
  subject: string;
  email: string | null;
  /** true only if the provider says so of this very address */
  emailVerified: boolean;
  name: string | null;
  groups: string[];
}

export type Claims = Readonly<Record<string, unknown>>;

const mostGroups = 1000;

/** ASCII of at most 255 characters by OpenID Connect Core, section 2. */
export const isSubject = (value: unknown): value is string => typeof value === 'string' && /^[\x20-\x7e]{1,255}$/.test(value);

/**
 * The identity that several sets of claims about one subject give together: the ID token first, then UserInfo.
 * Null if the groups are there in part only, or in another form than a list of names: a role must not be read from that.
 */
export function readIdentity(issuer: string, subject: string, sources: readonly Claims[], groupsClaim: string | null): OpenIdIdentity | null {
  const groups = groupsClaim === null ? [] : readGroups(sources, groupsClaim);
  if (!groups) return null;
  const email = first(sources, (claims) => emailOf(claims['email']));
  const saying = sources.filter((claims) => emailOf(claims['email']) === email && claims['email_verified'] !== undefined);
  return {
    issuer,
    subject,
    email,
    // Some providers write the boolean as text. Of two that disagree, the cautious one is believed.
    emailVerified: email !== null && saying.length > 0 && saying.every((claims) => claims['email_verified'] === true || claims['email_verified'] === 'true'),
    name: first(sources, (claims) => nameOf(claims['name'])) ?? first(sources, (claims) => nameOf(claims['preferred_username'])),
    groups,
  };
}

/** Whether UserInfo may know more than these claims tell. */
export function lacksSomething(claims: Claims, groupsClaim: string | null): boolean {
  const groupsLack = groupsClaim !== null && claimAt(claims, groupsClaim) === undefined;
  return groupsLack || claims['email'] === undefined || claims['email_verified'] === undefined || claims['name'] === undefined;
}

function readGroups(sources: readonly Claims[], groupsClaim: string): string[] | null {
  const value = first(sources, (claims) => claimAt(claims, groupsClaim) ?? null);
  // A claim may be named as being elsewhere (OpenID Connect Core, section 5.6.2): Entra does so beyond 200 groups.
  if (value === null) return sources.some((claims) => isRecord(claims['_claim_names']) && Object.hasOwn(claims['_claim_names'], groupsClaim)) ? null : [];
  const groups = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(groups) || groups.length > mostGroups) return null;
  if (!groups.every((group): group is string => typeof group === 'string' && isText(group, 500))) return null;
  return [...new Set(groups)];
}

/** The claim of this very name (one may be `https://example.com/groups`), otherwise the one at this path, such as `realm_access.roles`. */
function claimAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let value: unknown = claims;
  for (const step of name.split('.')) {
    if (!isRecord(value) || !Object.hasOwn(value, step)) return undefined;
    value = value[step];
  }
  return value;
}

function first<Value>(sources: readonly Claims[], read: (claims: Claims) => Value | null): Value | null {
  for (const claims of sources) {
    const value = read(claims);
    if (value !== null) return value;
  }
  return null;
}

const isRecord = (value: unknown): value is Claims => typeof value === 'object' && value !== null && !Array.isArray(value);
/** Characters of control and halves of a pair cannot be stored, or turn a line of the log into two. */
const isText = (value: string, longest: number): boolean => value.length >= 1 && value.length <= longest && !/[\p{Cc}\p{Cs}]/u.test(value);
const emailOf = (value: unknown): string | null => (typeof value === 'string' && isText(value, 254) && /^[^\s@]+@[^\s@]+$/.test(value) ? value : null);
const nameOf = (value: unknown): string | null => (typeof value === 'string' && isText(value.trim(), 80) ? value.trim() : null);
