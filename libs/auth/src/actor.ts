import { DomainError } from '@millrace/kernel';
import type { ApiKeyScope, Role } from './permissions.ts';
import { type Permission, permissionsBeyondGrants, permissionsOfRole, permissionsOfScope } from './permissions.ts';

/** Who acts, resolved once at the edge and passed whole to every domain verb. Its tenant is the only one in reach. */
export type Actor = PersonActor | KeyActor;

/** Where a request comes from: stands in the audit trail. */
export interface Origin {
  requestId?: string | undefined;
  /** of the client, as far as the proxies in front are trusted */
  address?: string | undefined;
  userAgent?: string | undefined;
}

export interface PersonActor extends Origin {
  type: 'person';
  tenantId: string;
  personId: string;
  sessionId: string;
  role: Role;
  /** present for an operator who looks into the tenant by an access grant */
  grantId?: string;
}

export interface KeyActor extends Origin {
  type: 'key';
  tenantId: string;
  keyId: string;
  /** id of the person who made it, themselves or by a key of theirs: what limits them limits the key */
  makerId?: string;
  scopes: readonly ApiKeyScope[];
  /** names of the endpoints that the key may call; empty means all */
  models: readonly string[];
  /** requests a minute that the data plane takes from it; absent for no limit of its own */
  rpmLimit?: number;
  maxParallelRequests?: number;
  budget?: KeyBudget;
}

/** Cost units that a key may use up. */
export interface KeyBudget {
  max: number;
  /** null for no notice before the end */
  soft: number | null;
  /** null where it never begins anew */
  duration: string | null;
  /** from here on its times are counted: when the key was made */
  since: Date;
}

/** How the actor is named in `createdBy`, the audit trail and the ledger. */
export function actorName(actor: Actor): string {
  if (actor.type === 'key') return `key:${actor.keyId}`;
  return actor.role === 'OPERATOR' || actor.grantId ? `operator:${actor.personId}` : `person:${actor.personId}`;
}

export function can(actor: Actor, permission: Permission): boolean {
  if (actor.type === 'key') return actor.scopes.some((scope) => permissionsOfScope[scope].includes(permission));
  if (actor.grantId && permissionsBeyondGrants.includes(permission)) return false;
  return permissionsOfRole[actor.role].includes(permission);
}

/** The first statement of every domain verb. @throws DomainError FORBIDDEN */
export function requirePermission(actor: Actor, permission: Permission): void {
  if (!can(actor, permission)) throw permissionRefusal(actor, permission);
}

/** What somebody is told who lacks a permission: which, and where it is to be had. */
export function permissionRefusal(actor: Actor, permission: Permission): DomainError {
  const holder =
    actor.type === 'person' ? `The role ${actor.role}${actor.grantId ? ' of an access grant' : ''}` : `A key with the scopes ${actor.scopes.join(', ') || '(none)'}`;
  return new DomainError('FORBIDDEN', `${holder} may not do this: it lacks the permission ${permission}.`, { remedy: wayTo(permission, actor) });
}

function wayTo(permission: Permission, actor: Actor): string {
  if (permission.startsWith('platform:')) return 'This is for operators. Whoever is one and works in a tenant leads their session to the platform first, by switchTenant.';
  return actor.type === 'person' ? 'Ask an administrator of your tenant.' : 'Use a key that has the scope.';
}

/** An endpoint outside a key's list does not exist for that key. */
export function mayCall(actor: Actor, endpoint: string): boolean {
  return actor.type === 'person' || actor.models.length === 0 || actor.models.includes(endpoint);
}

/** For what belongs to a human being: an account, a session. @throws DomainError INVALID for an API key */
export function requirePerson(actor: Actor): PersonActor {
  if (actor.type === 'person') return actor;
  throw new DomainError('INVALID', 'An API key has no account and no session.', { remedy: 'Sign in as a person.' });
}
