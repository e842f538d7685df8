/**
 * Codes of errors that a caller may see. Everything else is masked.
 * UNAUTHENTICATED: nobody is signed in. FORBIDDEN: signed in, but the role or scope lacks the permission.
 * ADDRESS_NOT_ALLOWED: a good API key, used from an address that is not in its list.
 * NOT_FOUND: absent, or another tenant's (the two are never told apart). INVALID: the request itself is wrong.
 * CONFLICT: right request, wrong moment. UNAVAILABLE: try again later. TOO_MANY_REQUESTS: slow down.
 */
export type DomainErrorCode =
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'ADDRESS_NOT_ALLOWED'
  | 'NOT_FOUND'
  | 'INVALID'
  | 'CONFLICT'
  | 'UNAVAILABLE'
  | 'TOO_MANY_REQUESTS';

export interface DomainErrorDetails {
  /** the argument or field at fault */
  field?: string;
  /** what the caller can do about it */
  remedy?: string;
  /** when it is worth trying again, where that is known */
  retryAfterSeconds?: number;
  /** the private cause: logged, never shown */
  cause?: unknown;
}

/** An error whose message is meant for the caller. Its cause is for the log only. */
export class DomainError extends Error {
  readonly code: DomainErrorCode;
  readonly field: string | undefined;
  readonly remedy: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: DomainErrorCode, message: string, details: DomainErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'DomainError';
    this.code = code;
    this.field = details.field;
    this.remedy = details.remedy;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

/** One thing wrong with an input: where, what, and what to do about it. */
export interface Problem {
  /** stable, snake_case */
  code: string;
  /** path of the field, such as `trainer.epochs` */
  field: string;
  message: string;
  remedy: string;
}
