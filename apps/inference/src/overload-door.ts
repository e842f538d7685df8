import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BatchJob } from './prediction-turns.ts';
import type { RequestError } from './request-error.ts';

/** What a request was for that found its queue full. */
export type RefusedJob = Pick<BatchJob, 'tenantId' | 'held' | 'serving'>;

export interface OverloadDoorOptions {
  /** whether one more row for it would be refused now */
  isFull(job: RefusedJob): boolean;
  metrics: { refused(code: string): void; answered(route: string, status: number, seconds: number): void };
  /** the id of a request: its own, or a new one */
  idOf(request: IncomingMessage): string;
}

export type OverloadDoor = ReturnType<typeof createOverloadDoor>;

interface Remembered {
  job: RefusedJob;
  code: string;
  status: number;
  route: string;
  headers: readonly (readonly [name: string, value: string])[];
  body: string;
  until: number;
}

/** As long as a credential that has ended meanwhile is told "try again" rather than "no". */
const rememberedMs = 1_000;
const mostRemembered = 1_000;
/** With one of these, the answer depends on more than the queue. */
const telling = ['idempotency-key', 'origin', 'prefer'] as const;

/**
 * Refuses before anything is read, checked or counted what would be refused a little later: a request with the credential and
 * address of one that was refused because its model's queue is full, while that queue still is. A refusal then costs a small part of an
 * answer, and a flood leaves the server to those whom it can serve. Tenants and models that have room are not touched.
 */
export function createOverloadDoor({ isFull, metrics, idOf }: OverloadDoorOptions) {
  const remembered = new Map<string, Remembered>();

  return {
    /** To be told of a refusal, of a request whose address or credential says which model it is for. */
    remember(request: IncomingMessage, route: string, job: RefusedJob, refusal: RequestError, body: string): void {
      if (remembered.size >= mostRemembered) remembered.clear();
      const headers = [
        ['x-content-type-options', 'nosniff'],
        ['cache-control', 'no-store'],
        ['retry-after', String(refusal.details.retryAfterSeconds ?? 1)],
        ['x-millrace-error-code', refusal.code],
        ['content-type', 'application/json; charset=utf-8'],
        ['content-length', String(Buffer.byteLength(body))],
      ] as const;
      remembered.set(addressOf(request), { job, code: refusal.code, status: refusal.status, route, headers, body, until: performance.now() + rememberedMs });
    },

    /** Answers a request that is refused; whether it did. */
    refuses(request: IncomingMessage, response: ServerResponse): boolean {
      if (remembered.size === 0) return false;
      const address = addressOf(request);
      const known = remembered.get(address);
      if (!known || telling.some((name) => request.headers[name] !== undefined)) return false;
      const now = performance.now();
      if (now > known.until) {
        remembered.delete(address);
        return false;
      }
      if (!isFull(known.job)) return false;
      response.writeHead(known.status, ['x-request-id', idOf(request), ...known.headers.flat()]);
      response.end(known.body);
      metrics.refused(known.code);
      metrics.answered(known.route, known.status, (performance.now() - now) / 1000);
      return true;
    },
  };
}

/** By whom and what for. */
function addressOf({ method, url, headers }: IncomingMessage): string {
  return `${method} ${url} ${headers['x-millrace-model-version'] ?? ''} ${headers['x-api-key'] ?? ''} ${headers.authorization ?? ''}`;
}
