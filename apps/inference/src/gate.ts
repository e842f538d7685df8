import { type Actor, type Auth, credentialOf, type KeyActor } from '@millrace/auth';
import type { Admission, RequestLimiter } from '@millrace/quota';
import { CallOrigin, type Vouching } from './call-origin.ts';
import type { Exchange } from './exchange.ts';
import { tellKeyLimits } from './rate-headers.ts';
import { RequestError } from './request-error.ts';
import { type Access, requireAccess } from './route.ts';

export interface GateOptions {
  auth: Pick<Auth, 'authenticate'> & Vouching;
  limiter: RequestLimiter;
}

/** @throws RequestError 401, 403, 429, or by its promise */
export type Gate = (exchange: Exchange) => void | Promise<void>;

/**
 * What stands before a route: who calls, from where, whether the key's own limits have room, whether the route is theirs.
 * All of it before the body is read: strangers do not get to send eight megabytes.
 * @param isCounted whether a call counts against the key's limits
 */
export function createGate(access: Access, isCounted: boolean, { auth, limiter }: GateOptions): Gate {
  function enter(actor: Actor | null, exchange: Exchange): void | Promise<void> {
    if (!actor) throw unauthenticated('This API key or access token is not valid.');
    exchange.actor = actor;
    if (actor.type !== 'key' || (actor.rpmLimit === undefined && actor.maxParallelRequests === undefined)) return requireAccess(actor, access);
    if (!isCounted) return limiter.look(actor, actor).then((standing) => (tellKeyLimits(standing, exchange), requireAccess(actor, access)));
    const admission = limiter.admit(actor, actor);
    return admission instanceof Promise ? admission.then((admitted) => admit(admitted, actor, exchange)) : admit(admission, actor, exchange);
  }

  function admit(admission: Admission, actor: KeyActor, exchange: Exchange): void {
    tellKeyLimits(admission.standing, exchange);
    if (admission.type === 'refused') throw overLimit(actor, admission.by, admission.retryAfterSeconds);
    // A caller who hangs up does not stop the model: the request counts as under way until both have ended.
    exchange.whenOver(() => admission.release());
    requireAccess(actor, access);
  }

  return (exchange) => {
    const credential = credentialOf(exchange.headers);
    if (credential === null) throw unauthenticated('There is no API key.');
    const found = auth.authenticate(credential, new CallOrigin(exchange, credential, auth));
    return found instanceof Promise ? found.then((actor) => enter(actor, exchange)) : enter(found, exchange);
  };
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
