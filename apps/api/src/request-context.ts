import { type Actor, type Auth, can, type Permission } from '@millrace/auth';
import type { Database, ReadSession, TenantTx } from '@millrace/database';
import { DomainError } from '@millrace/kernel';
import type { Services } from './services.ts';

export interface RequestContextOptions {
  services: Services;
  /** where reads come from: a pool of its own, so that a verb never waits for a connection that its request holds */
  reads: Database;
  requestId: string;
  credential: string | null;
  actor: Actor | null;
}

/** Everything that a resolver may reach. One for each operation; for a subscription, one for each of its events. */
export class RequestContext {
  readonly services: Services;
  readonly requestId: string;
  #credential: string | null;
  #actor: Actor | null;
  readonly #reads: Database;
  #session: ReadSession | null = null;

  constructor(options: RequestContextOptions) {
    this.services = options.services;
    this.requestId = options.requestId;
    this.#credential = options.credential;
    this.#actor = options.actor;
    this.#reads = options.reads;
  }

  get actor(): Actor | null {
    return this.#actor;
  }

  /** As the caller sent it: only to be passed on to the data plane. */
  get credential(): string | null {
    return this.#credential;
  }

  /** @throws DomainError UNAUTHENTICATED */
  get signedIn(): Actor {
    if (this.#actor) return this.#actor;
    throw this.#credential === null
      ? new DomainError('UNAUTHENTICATED', 'You are not signed in.', {
          remedy: 'Sign in, or send an API key as Authorization: Bearer … or X-API-Key.',
        })
      : new DomainError('UNAUTHENTICATED', 'This credential is not valid (any more).', {
          remedy: 'Refresh the session, sign in again, or use another API key.',
        });
  }

  get tenantId(): string {
    return this.signedIn.tenantId;
  }

  /** The caller's tenant, to be read only. One transaction for the whole operation, opened by the first read. */
  get db(): TenantTx {
    this.#session ??= this.#reads.forTenant(this.tenantId).readSession();
    return this.#session.client;
  }

  /** From here on the operation reads as the one who has just signed in. */
  signInAs(actor: Actor, credential: string): void {
    this.#actor = { ...actor, requestId: this.requestId };
    this.#credential = credential;
  }

  can(permission: Permission): boolean {
    return can(this.signedIn, permission);
  }

  /** What is read after this is read anew: before a verb of a mutation, and at the end. */
  async endReads(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await session?.close();
  }

  /** The same caller a moment later, with the credential checked again. */
  async renewed(): Promise<RequestContext> {
    const { services, requestId, credential } = this;
    const actor = await findActor(services.auth, credential, requestId);
    return new RequestContext({ services, reads: this.#reads, requestId, credential, actor });
  }
}

/** The credential of an HTTP request (or of the first message on a WebSocket), whatever it is worth. */
export function credentialOf(headers: Record<string, unknown>): string | null {
  const authorization = headers['authorization'];
  if (typeof authorization === 'string') {
    const match = /^Bearer +(\S+)$/i.exec(authorization.trim());
    return match?.[1] ?? '';
  }
  const key = headers['x-api-key'];
  return typeof key === 'string' && key.trim() !== '' ? key.trim() : null;
}

export async function findActor(auth: Auth, credential: string | null, requestId: string): Promise<Actor | null> {
  if (!credential) return null;
  const actor = await auth.authenticate(credential);
  return actor && { ...actor, requestId };
}
