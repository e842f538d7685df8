import { DomainError } from '@millrace/kernel';
import type { ApiKeyScope, Role } from './permissions.ts';
import { type Permission, permissionsOfRole, permissionsOfScope } from './permissions.ts';

/** Who acts, resolved once at the edge and passed whole to every domain verb. Its tenant is the only one in reach. */
export type Actor = PersonActor | KeyActor;

/** Where a request comes from: stands in the audit trail. */
export interface Origin {
  requestId?: string;
  /** of the client, as far as the proxies in front are trusted */
  address?: string;
  userAgent?: string;
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
  scopes: readonly ApiKeyScope[];
  /** names of the endpoints that the key may call; empty means all */
  models: readonly string[];
}

/** How the actor is named in `createdBy`, the audit trail and the ledger. */
export function actorName(actor: Actor): string {
  if (actor.type === 'key') return `key:${actor.keyId}`;
  return actor.role === 'OPERATOR' || actor.grantId ? `operator:${actor.personId}` : `person:${actor.personId}`;
}

export function can(actor: Actor, permission: Permission): boolean {
  return actor.type === 'person'
    ? permissionsOfRole[actor.role].includes(permission)
    : actor.scopes.some((scope) => permissionsOfScope[scope].includes(permission));
}

/** The first statement of every domain verb. @throws DomainError FORBIDDEN */
export function requirePermission(actor: Actor, permission: Permission): void {
  if (can(actor, permission)) return;
  const holder = actor.type === 'person' ? `The role ${actor.role}` : `A key with the scopes ${actor.scopes.join(', ') || '(none)'}`;
  throw new DomainError('FORBIDDEN', `${holder} may not do this: it lacks the permission ${permission}.`, {
    remedy: actor.type === 'person' ? 'Ask an administrator of your tenant.' : 'Use a key that has the scope.',
  });
}

/** For what belongs to a human being: an account, a session. @throws DomainError INVALID for an API key */
export function requirePerson(actor: Actor): PersonActor {
  if (actor.type === 'person') return actor;
  throw new DomainError('INVALID', 'An API key has no account and no session.', { remedy: 'Sign in as a person.' });
}
