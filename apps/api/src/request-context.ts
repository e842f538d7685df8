import { type Actor, type Auth, can, type Origin, type Permission, type SignedIn } from '@millrace/auth';
import type { Database, ReadSession, TenantTx } from '@millrace/database';
import { DomainError } from '@millrace/kernel';
import type { FastifyRequest } from 'fastify';
import type { Channel, Presented } from './credentials.ts';
import type { Services } from './services.ts';

export interface RequestContextOptions {
  services: Services;
  /** where reads come from: a pool of its own, so that a verb never waits for a connection that its request holds */
  reads: Database;
  origin: RequestOrigin;
  presented: Presented;
  actor: Actor | null;
}

/** Where a request comes from. */
export type RequestOrigin = Origin & { requestId: string };

interface State {
  readonly reads: Database;
  readonly ending: AbortController;
  /** lines of the audit trail that are being written */
  readonly noting: Promise<void>[];
  session: ReadSession | null;
  credential: string | null;
  actor: Actor | null;
  sessionChange: SignedIn | 'ended' | null;
  retryAfterSeconds: number | null;
  hasChanged: boolean;
  onceId: string | null;
  isInDoubt: boolean;
}

/** Everything that a resolver may reach. One for each operation; for a subscription, one for each of its events. */
export class RequestContext {
  readonly services: Services;
  readonly origin: RequestOrigin;
  private readonly presented: Presented;
  /** Apollo works with a shallow copy of the context: what changes is kept in one place for both. */
  private readonly state: State;

  constructor({ services, origin, reads, presented, actor }: RequestContextOptions) {
    this.services = services;
    this.origin = origin;
    this.presented = presented;
    const { credential } = presented;
    this.state = { reads, credential, actor, session: null, ending: new AbortController(), noting: [], sessionChange: null, retryAfterSeconds: null, hasChanged: false, onceId: null, isInDoubt: false };
  }

  get requestId(): string {
    return this.origin.requestId;
  }

  get actor(): Actor | null {
    return this.state.actor;
  }

  /** How the caller has shown who it is, and wants new tokens. */
  get channel(): Channel {
    return this.presented.channel;
  }

  /** From the caller's cookies; null by any other channel. */
  get refreshToken(): string | null {
    return this.presented.refreshToken;
  }

  /** As the caller sent it: only to be passed on to the data plane. */
  get credential(): string | null {
    return this.state.credential;
  }

  /** @throws DomainError UNAUTHENTICATED */
  get signedIn(): Actor {
    if (this.state.actor) return this.state.actor;
    throw this.state.credential === null
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
    this.state.session ??= this.state.reads.forTenant(this.tenantId).readSession();
    return this.state.session.client;
  }

  /** From here on the operation reads as the one who has just signed in. */
  signInAs(signedIn: SignedIn): void {
    this.state.actor = { ...signedIn.actor, ...this.origin };
    this.state.credential = signedIn.accessToken;
    this.state.sessionChange = signedIn;
  }

  /** The session is over: a browser is to forget it. */
  signOut(): void {
    this.state.sessionChange = 'ended';
  }

  /** What a browser's cookies must follow. */
  get sessionChange(): SignedIn | 'ended' | null {
    return this.state.sessionChange;
  }

  /** The answer is a refusal for now, and says so by its status as well. */
  refuseFor(seconds: number): void {
    this.state.retryAfterSeconds = seconds;
  }

  get retryAfterSeconds(): number | null {
    return this.state.retryAfterSeconds;
  }

  /** A verb of this operation has done something. */
  noteChange(): void {
    this.state.hasChanged = true;
  }

  get hasChanged(): boolean {
    return this.state.hasChanged;
  }

  /** Of an operation with an Idempotency-Key: stays the same however often it is begun, until it is done. For what another server is asked to do once. */
  get onceId(): string | null {
    return this.state.onceId;
  }

  beginOnce(id: string): void {
    this.state.onceId = id;
  }

  /** Another server was asked to do something once, and did not say whether it has: whoever sends the operation again must ask under the same id. */
  noteDoubt(): void {
    this.state.isInDoubt = true;
  }

  get isInDoubt(): boolean {
    return this.state.isInDoubt;
  }

  can(permission: Permission): boolean {
    return can(this.signedIn, permission);
  }

  /** What is read after this is read anew: before a verb of a mutation, and at the end. */
  async endReads(): Promise<void> {
    const { session } = this.state;
    this.state.session = null;
    await session?.close();
  }

  /** Something that must be written down before the answer leaves, be it asked for by a field that is given up meanwhile. */
  async note(noting: Promise<void>): Promise<void> {
    this.state.noting.push(noting);
    await noting;
  }

  async untilNoted(): Promise<void> {
    await Promise.all(this.state.noting);
  }

  /** Aborted when nobody waits for the operation's results any more. */
  get ended(): AbortSignal {
    return this.state.ending.signal;
  }

  end(): void {
    this.state.ending.abort();
  }

  /** The same caller a moment later, with the credential checked again. */
  async renewed(): Promise<RequestContext> {
    const { services, origin, presented } = this;
    const actor = await findActor(services.auth, presented.credential, origin);
    return new RequestContext({ services, reads: this.state.reads, origin, presented, actor });
  }
}

/** @throws DomainError ADDRESS_NOT_ALLOWED for an API key in the wrong place */
export async function findActor(auth: Auth, credential: string | null, origin: RequestOrigin): Promise<Actor | null> {
  if (!credential) return null;
  const actor = await auth.authenticate(credential, origin);
  return actor && { ...actor, ...origin };
}

export function originOf(request: FastifyRequest): RequestOrigin {
  const userAgent = request.headers['user-agent'];
  return { requestId: request.id, address: request.ip, ...(userAgent === undefined ? {} : { userAgent }) };
}
