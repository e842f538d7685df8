import { notify, type Person, type SsoConnection, type SystemTx, violatesUnique } from '@millrace/database';
import { newId } from '@millrace/kernel';
import type { Origin } from './actor.ts';
import { recordAudit, type SystemActor } from './audit.ts';
import { domainOf } from './email-domain.ts';
import { type Grounds, isEmail, isPlainText, normalEmail } from './grounds.ts';
import { endInvitationsAbove, lockMembers } from './members.ts';
import type { createOpenId, OpenIdConnection, OpenIdRefusalCode, OpenIdTransaction } from './openid.ts';
import type { OpenIdIdentity } from './openid-claims.ts';
import type { Role } from './permissions.ts';
import { open, seal } from './sealing.ts';
import type { Sessions, SignedIn } from './sessions.ts';
import type { SignInThrottle, ThrottleRule } from './sign-in-throttle.ts';
import { highestRole, secretContext, secretPurpose, ssoRoles } from './sso-connections.ts';

export type SsoRefusalCode =
  | OpenIdRefusalCode
  /** no tenant lets this e-mail domain in by single sign-on */
  | 'not_set_up'
  /** too many are on their way through the same provider */
  | 'busy'
  /** too many sign-ins were begun from the same network */
  | 'too_many_attempts'
  /** the provider gives no e-mail address, or does not vouch for it */
  | 'email_unverified'
  /** the address lies in none of the tenant's verified domains */
  | 'domain_unverified'
  /** another account of the provider comes in with this address already */
  | 'email_taken'
  /** in none of the groups that have a role */
  | 'no_role'
  /** an owner, and the connection may not speak for owners */
  | 'owner_by_password';

export interface SsoRefused {
  type: 'refused';
  code: SsoRefusalCode;
}

export type SsoBeginOutcome =
  | {
      type: 'begun';
      /** where the browser is to go */
      url: string;
      /** sealed: for the same browser to bring back, and worthless to read */
      transaction: string;
      expiresInSeconds: number;
    }
  | SsoRefused;

export type SsoCompleteOutcome = SignedIn | SsoRefused;

/** By the e-mail address that somebody typed, or by the name of the tenant as it stands in addresses. */
export type SsoEntrance = { email: string } | { tenantSlug: string };

/** Sign-ins begun from one network, where a whole company may sit. */
const beginRule: ThrottleRule = { failures: 120, withinSeconds: 600, lockSeconds: 60, longestLockSeconds: 600 };
/** So long a person may take at the provider. */
const transactionSeconds = 600;
/** Short, since the provider is asked for somebody's groups at each sign-in only. */
const sessionSeconds = 12 * 3600;
/** Exchanges with one tenant's provider at a time: a slow one holds up nobody else. */
const mostAtOnce = 10;
const sealedContext = 'sso transaction';

interface PendingTransaction extends OpenIdTransaction {
  tenantId: string;
  connectionId: string;
  issuer: string;
  clientId: string;
  expiresAt: number;
}

/** Coming in by the tenant's own provider; who was nobody here before becomes a member on the way. */
export function createSsoSignIn(grounds: Grounds, sessions: Sessions, openId: ReturnType<typeof createOpenId>, throttle: SignInThrottle) {
  const { database, clock, derivedKeys, inSeconds } = grounds;
  const secretKeys = derivedKeys(secretPurpose);
  const transactionKeys = derivedKeys(sealedContext);
  const underway = new Map<string, number>();
  const admissions = new Map<string, Promise<unknown>>();

  async function findConnection(entrance: SsoEntrance): Promise<SsoConnection | null> {
    return database.system().transaction(async (tx) => {
      if ('tenantSlug' in entrance) {
        const tenant = await tx.tenant.findUnique({ where: { slug: entrance.tenantSlug }, select: { status: true, ssoConnection: true } });
        return tenant?.status === 'ACTIVE' ? tenant.ssoConnection : null;
      }
      const claim = await tx.domainClaim.findFirst({
        where: { domain: domainOf(entrance.email), verifiedAt: { not: null }, tenant: { status: 'ACTIVE' } },
        select: { tenant: { select: { ssoConnection: true } } },
      });
      return claim?.tenant.ssoConnection ?? null;
    });
  }

  /** The connection by which a sign-in was begun, if it is still the same. */
  async function currentConnection(tx: SystemTx, pending: PendingTransaction): Promise<SsoConnection | null> {
    const { tenantId, connectionId, issuer, clientId } = pending;
    const connection = await tx.ssoConnection.findUnique({ where: { tenantId }, include: { tenant: { select: { status: true } } } });
    const isSame = connection?.id === connectionId && connection.issuer === issuer && connection.clientId === clientId;
    return isSame && connection.tenant.status === 'ACTIVE' ? connection : null;
  }

  const openIdConnection = ({ tenantId, issuer, clientId, secretSealed, groupsClaim }: SsoConnection): OpenIdConnection => ({
    issuer,
    clientId,
    clientSecret: secretSealed === null ? null : open(secretKeys, secretSealed, secretContext(tenantId)),
    groupsClaim,
  });

  async function withinShare<T>(tenantId: string, work: () => Promise<T>): Promise<T | SsoRefused> {
    const before = underway.get(tenantId) ?? 0;
    if (before >= mostAtOnce) return { type: 'refused', code: 'busy' };
    underway.set(tenantId, before + 1);
    try {
      return await work();
    } finally {
      const left = underway.get(tenantId)! - 1;
      if (left) underway.set(tenantId, left);
      else underway.delete(tenantId);
    }
  }

  /** One at a time of a tenant: those that wait for its lock would hold the few connections that everybody signs in by. */
  async function oneByOne<T>(tenantId: string, work: () => Promise<T>): Promise<T> {
    const before = admissions.get(tenantId) ?? Promise.resolve();
    const mine = before.then(work, work);
    admissions.set(tenantId, mine);
    try {
      return await mine;
    } finally {
      if (admissions.get(tenantId) === mine) admissions.delete(tenantId);
    }
  }

  function openTransaction(sealed: string): PendingTransaction | null {
    try {
      const pending = JSON.parse(open(transactionKeys, sealed, sealedContext)) as PendingTransaction;
      return pending.expiresAt > clock.now().getTime() ? pending : null;
    } catch {
      return null; // not ours, or changed
    }
  }

  /** Lets in whom the provider names, as far as the tenant's rules go. */
  async function admit(pending: PendingTransaction, identity: OpenIdIdentity, origin: Origin): Promise<SsoCompleteOutcome> {
    return database.system().transaction(async (tx): Promise<SsoCompleteOutcome> => {
      const { tenantId } = pending;
      await lockMembers(tx, tenantId);
      const connection = await currentConnection(tx, pending);
      if (!connection) return { type: 'refused', code: 'state_mismatch' };
      const guest = await findGuest(tx, tenantId, identity);
      const decision = guest.type === 'refused' ? guest : await decideRole(tx, connection, guest, identity);
      if (guest.type === 'refused' || decision.type === 'refused') {
        const { code } = decision as SsoRefused;
        const person = guest.type === 'guest' ? guest.person : null;
        // Whom the provider has put out of all groups is out, not only kept from coming in again.
        const endedSessions = person && code === 'no_role' ? await endSsoSessions(tx, tenantId, person.id) : 0;
        await recordAudit(tx, { type: 'system', tenantId, ...origin }, {
          action: 'session.open',
          result: code,
          ...(person && { subject: person.id }),
          details: { method: 'SSO', provider: { issuer: identity.issuer, subject: identity.subject }, email: identity.email, endedSessions },
        });
        return { type: 'refused', code };
      }
      const personId = await makeMember(tx, { type: 'system', tenantId, ...origin }, guest, identity, decision.role, clock.now());
      return sessions.open(tx, { tenantId, personId, role: decision.role, method: 'SSO', expiresAt: inSeconds(sessionSeconds) }, origin);
    });
  }

  async function endSsoSessions(tx: SystemTx, tenantId: string, personId: string): Promise<number> {
    const { count } = await tx.session.updateMany({ where: { tenantId, personId, method: 'SSO', revokedAt: null }, data: { revokedAt: clock.now() } });
    if (count) await notify(tx, 'millrace_access', `${tenantId}:${personId}`);
    return count;
  }

  return {
    /** Where to send a browser. Says of no person whether they exist: what is found is found by the domain. */
    async begin(entrance: SsoEntrance, redirectUri: string, origin: Origin = {}): Promise<SsoBeginOutcome> {
      // Before anything is looked up: it must not be found out by guessing who has single sign-on.
      if (!(await throttle.admits('sso', { address: beginRule }, '', origin.address))) return { type: 'refused', code: 'too_many_attempts' };
      const isFit = 'email' in entrance ? isEmail(entrance.email) : /^[a-z0-9-]{1,60}$/.test(entrance.tenantSlug);
      const connection = isFit ? await findConnection(entrance) : null;
      if (!connection) return { type: 'refused', code: 'not_set_up' };
      const { tenantId, id, issuer, clientId } = connection;
      return withinShare(tenantId, async (): Promise<SsoBeginOutcome> => {
        const outcome = await openId.begin(openIdConnection(connection), redirectUri, 'email' in entrance ? { email: entrance.email } : {});
        if (outcome.type !== 'begun') return { type: 'refused', code: outcome.type };
        const pending: PendingTransaction = {
          ...outcome.transaction, tenantId, connectionId: id, issuer, clientId, expiresAt: inSeconds(transactionSeconds).getTime(),
        };
        return {
          type: 'begun',
          url: outcome.url,
          transaction: seal(transactionKeys[0], JSON.stringify(pending), sealedContext),
          expiresInSeconds: transactionSeconds,
        };
      });
    },

    /** Takes a browser that comes back from the provider. Never throws on what it brings. */
    async complete(transaction: string, callbackUrl: string, redirectUri: string, origin: Origin = {}): Promise<SsoCompleteOutcome> {
      const pending = openTransaction(transaction);
      const connection = pending && (await database.system().transaction((tx) => currentConnection(tx, pending)));
      if (!pending || !connection) return { type: 'refused', code: 'state_mismatch' };
      return withinShare(pending.tenantId, async (): Promise<SsoCompleteOutcome> => {
        const outcome = await openId.complete(openIdConnection(connection), callbackUrl, pending, redirectUri);
        if (outcome.type === 'refused') return { type: 'refused', code: outcome.code };
        return oneByOne(pending.tenantId, () =>
          admit(pending, outcome, origin).catch((error: unknown) => {
            // Somebody of this address came in elsewhere at this moment; by now there is the person.
            if (violatesUnique(error, 'people_email_key')) return admit(pending, outcome, origin);
            throw error;
          }),
        );
      });
    },
  };
}

/** Whom the provider names, as far as they are known here. */
interface Guest {
  type: 'guest';
  /** in a domain of the tenant */
  email: string;
  person: Person | null;
  role: Role | null;
  /** what ties the provider's account to the person: known, to be made, or to be taken over from the account that had the address before */
  identity: 'known' | 'new' | { formerSubject: string };
}

/**
 * By the provider's own name for somebody, once that is known here. An e-mail address leads to a person only the first
 * time, and only within a domain that is proved to be the tenant's.
 */
async function findGuest(tx: SystemTx, tenantId: string, identity: OpenIdIdentity): Promise<Guest | SsoRefused> {
  const { issuer, subject } = identity;
  const email = identity.emailVerified && identity.email !== null && isEmail(identity.email) ? normalEmail(identity.email) : null;
  if (email === null) return { type: 'refused', code: 'email_unverified' };
  const isOfTenant = await tx.domainClaim.count({ where: { tenantId, domain: domainOf(email), verifiedAt: { not: null } } });
  if (!isOfTenant) return { type: 'refused', code: 'domain_unverified' };

  const withRole = { memberships: { where: { tenantId }, select: { role: true } } } as const;
  const known = await tx.ssoIdentity.findUnique({ where: { tenantId_issuer_subject: { tenantId, issuer, subject } }, include: { person: { include: withRole } } });
  if (known) return { type: 'guest', email, person: known.person, role: known.person.memberships[0]?.role ?? null, identity: 'known' };

  // Locked, so that the purge of another tenant does not remove the account meanwhile.
  await tx.$queryRaw`SELECT id FROM people WHERE email = ${email} FOR SHARE`;
  const person = await tx.person.findUnique({ where: { email }, include: { ...withRole, ssoIdentities: { where: { tenantId, issuer } } } });
  const role = person?.memberships[0]?.role ?? null;
  const former = person?.ssoIdentities[0];
  // An address that was given to somebody else must not bring its former holder's rights along.
  if (former && role !== null) return { type: 'refused', code: 'email_taken' };
  return { type: 'guest', email, person, role, identity: former ? { formerSubject: former.subject } : 'new' };
}

/** The role that somebody's groups give them at this moment. */
async function decideRole(
  tx: SystemTx,
  connection: SsoConnection,
  { role: present }: Guest,
  { groups }: OpenIdIdentity,
): Promise<{ type: 'decided'; role: Role } | SsoRefused> {
  // Who set the connection up need not be an owner: then it can make nobody an owner, be none's substitute, and unmake none.
  if (present === 'OWNER' && highestRole(connection) !== 'OWNER') return { type: 'refused', code: 'owner_by_password' };
  const role = roleOf(connection, groups);
  if (!role) return { type: 'refused', code: 'no_role' };
  const { tenantId } = connection;
  const isLastOwner = present === 'OWNER' && (await tx.membership.count({ where: { tenantId, role: 'OWNER' } })) === 1;
  return { type: 'decided', role: isLastOwner ? 'OWNER' : role };
}

/** Writes down what was decided. Of a person who is known nothing changes but the membership of this tenant. */
async function makeMember(tx: SystemTx, system: SystemActor, guest: Guest, { issuer, subject, name }: OpenIdIdentity, role: Role, now: Date): Promise<string> {
  const { tenantId } = system;
  const { email, person, role: present, identity } = guest;
  const personId = person?.id ?? newId('person');
  if (!person) await tx.person.createMany({ data: [{ id: personId, email, name: name !== null && isPlainText(name) ? name.trim() : localPart(email) }] });
  if (identity === 'new') await tx.ssoIdentity.createMany({ data: [{ tenantId, issuer, subject, personId }] });
  else if (identity !== 'known') await tx.ssoIdentity.updateMany({ where: { tenantId, issuer, subject: identity.formerSubject }, data: { subject } });
  if (present === role) return personId;
  if (present === null) await tx.membership.createMany({ data: [{ tenantId, personId, role, bySso: true }] });
  else {
    await tx.membership.update({ where: { tenantId_personId: { tenantId, personId } }, data: { role } });
    await endInvitationsAbove(tx, { tenantId, personId, role }, now);
  }
  await notify(tx, 'millrace_access', `${tenantId}:${personId}`);
  const entry = present === null ? { action: 'member.add', details: { role, by: 'sso' } } : { action: 'member.role', details: { from: present, to: role, by: 'sso' } };
  await recordAudit(tx, system, { ...entry, subject: personId });
  return personId;
}

/** The highest role of somebody's groups. */
function roleOf({ roleByGroup, defaultRole }: SsoConnection, groups: readonly string[]): Role | null {
  const given = ssoRoles(roleByGroup).filter(([group]) => groups.includes(group));
  return given.length ? highestRole({ roleByGroup: Object.fromEntries(given), defaultRole: null }) : defaultRole;
}

const localPart = (email: string): string => email.slice(0, email.lastIndexOf('@'));
