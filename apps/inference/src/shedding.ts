import { RequestError } from './request-error.ts';

/** There is more to do than can be done. */
export function overloaded(message: string, retryAfterSeconds: number): RequestError {
  return new RequestError(503, 'overloaded', message, {
    limitSource: 'server',
    remedy: 'Try again after the time in Retry-After; send several rows in one request.',
    retryAfterSeconds,
  });
}

/** The time that the endpoint gives a request is over. */
export function deadlineExceeded(retryAfterSeconds: number): RequestError {
  return new RequestError(503, 'deadline_exceeded', 'The request could not be answered before its deadline.', {
    limitSource: 'server',
    remedy: 'Try again after the time in Retry-After; send fewer rows, or have the deadline of the endpoint raised.',
    retryAfterSeconds,
  });
}

/** Nobody receives this; it keeps the prediction out of the ledger. */
export function callerGone(): RequestError {
  return new RequestError(499, 'caller_gone', 'The caller hung up.', { remedy: 'Wait for the answer.' });
}
