import { type Actor, type Auth, credentialOf, type KeyActor, type Origin } from '@millrace/auth';
import type { Admission, RequestLimiter } from '@millrace/quota';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { tellKeyLimits } from './rate-headers.ts';
import { RequestError } from './request-error.ts';
import { type Access, requireAccess, type Route } from './routes.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** who calls; null on public routes */
    actor: Actor | null;
    /** told when the route's handler begins and ends; null for callers whose requests nobody counts */
    handling: ((begins: boolean) => void) | null;
  }
}

export interface GateOptions {
  auth: Pick<Auth, 'authenticate' | 'vouchedAddress'>;
  limiter: RequestLimiter;
}

/**
 * What stands before a route: who calls, from where, whether the key's own limits have room, whether the route is theirs.
 * All of it before the body is read: strangers do not get to send eight megabytes.
 * @param isCounted whether a call counts against the key's limits
 */
export function createGate(access: Access, isCounted: boolean, { auth, limiter }: GateOptions) {
  function enter(actor: Actor | null, request: FastifyRequest, reply: FastifyReply): void | Promise<void> {
    if (!actor) throw unauthenticated('This API key or access token is not valid.');
    request.actor = actor;
    if (actor.type !== 'key' || (actor.rpmLimit === undefined && actor.maxParallelRequests === undefined)) return requireAccess(actor, access);
    if (!isCounted) return limiter.look(actor, actor).then((standing) => (tellKeyLimits(standing, reply), requireAccess(actor, access)));
    const admission = limiter.admit(actor, actor);
    return admission instanceof Promise ? admission.then((admitted) => admit(admitted, actor, request, reply)) : admit(admission, actor, request, reply);
  }

  function admit(admission: Admission, actor: KeyActor, request: FastifyRequest, reply: FastifyReply): void {
    tellKeyLimits(admission.standing, reply);
    if (admission.type === 'refused') throw overLimit(actor, admission.by, admission.retryAfterSeconds);
    let isOpen = !reply.raw.closed; // whoever has hung up meanwhile is not told of any more
    let isHandling = false;
    const releaseAtEnd = (): void => {
      if (!isOpen && !isHandling) admission.release();
    };
    reply.raw.once('close', () => {
      isOpen = false;
      releaseAtEnd();
    });
    request.handling = (begins) => {
      isHandling = begins;
      releaseAtEnd();
    };
    if (!isOpen) releaseAtEnd();
    requireAccess(actor, access);
  }

  function originOf(request: FastifyRequest, credential: string): Origin {
    const { id, headers } = request;
    const userAgent = headers['user-agent'];
    return {
      requestId: id,
      // Found when somebody wants to know: for most keys nobody does.
      get address() {
        return auth.vouchedAddress(credential, headers['x-millrace-caller']) ?? request.ip;
      },
      ...(userAgent !== undefined && { userAgent }),
    };
  }

  return (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
    const credential = credentialOf(request.headers);
    if (credential === null) return done(unauthenticated('There is no API key.'));
    auth.authenticate(credential, originOf(request, credential)).then((actor) => {
      try {
        const entering = enter(actor, request, reply);
        if (entering) return void entering.then(() => done(), done);
      } catch (error) {
        return done(error as Error);
      }
      done();
    }, done);
  };
}

/** Runs a route's handler. A caller who hangs up does not stop the model: the request counts as under way until both have ended. */
export function handleWatched(handle: Route['handle']): Route['handle'] {
  return (request, reply) => (request.handling ? watch(request, request.handling, reply) : handle(request, reply));

  async function watch(request: FastifyRequest, handling: (begins: boolean) => void, reply: FastifyReply): Promise<unknown> {
    handling(true);
    try {
      return await handle(request, reply);
    } finally {
      handling(false);
    }
  }
}

function overLimit({ rpmLimit, maxParallelRequests }: KeyActor, by: 'requests' | 'parallel', retryAfterSeconds: number): RequestError {
  return by === 'requests'
    ? new RequestError(429, 'rate_limited', `This key may make ${rpmLimit} requests a minute, and has.`, {
        limitSource: 'key',
        remedy: 'Try again after the seconds in Retry-After; send several rows in one request, or ask for a higher rpmLimit.',
        retryAfterSeconds,
      })
    : new RequestError(429, 'too_many_parallel_requests', `This key may have ${maxParallelRequests} requests under way at a time, and has.`, {
        limitSource: 'key',
        remedy: 'Wait for one of them to end, send several rows in one request, or ask for a higher maxParallelRequests.',
        retryAfterSeconds,
      });
}

function unauthenticated(message: string): RequestError {
  return new RequestError(401, 'unauthenticated', message, { remedy: 'Send a valid one as Authorization: Bearer … or X-API-Key: …, and only one.' });
}
