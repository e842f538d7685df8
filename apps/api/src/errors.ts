import { DomainError, type DomainErrorCode, type Logger } from '@millrace/kernel';
import { PothosValidationError } from '@pothos/core';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';

/** The one place where thrown errors become answers. Errors that a caller can mend are returned, not thrown. */

const statusOfCode: Record<DomainErrorCode, number> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  ADDRESS_NOT_ALLOWED: 403,
  NOT_FOUND: 404,
  INVALID: 400,
  CONFLICT: 409,
  UNAVAILABLE: 503,
  TOO_MANY_REQUESTS: 429,
};

const retryAfterSeconds: Record<number, string> = { 429: '1', 503: '2' };

const internal = 'INTERNAL_SERVER_ERROR';
const masked = 'Something went wrong on our side.';

/** An answer to a plain HTTP request that failed. */
export interface HttpRefusal {
  status: number;
  headers: Record<string, string>;
  body: { error: { code: string; message: string; field?: string; remedy: string; requestId: string } };
}

export function httpRefusal(
  status: number,
  error: { code: string; message: string; field?: string; remedy: string },
  requestId: string,
  retryAfter?: number,
): HttpRefusal {
  return { status, headers: retryHeaders(status, retryAfter), body: { error: { ...error, requestId } } };
}

/** For whatever a route or the server itself throws. */
export function httpRefusalOf(error: unknown, requestId: string, logger: Logger): HttpRefusal {
  if (error instanceof DomainError) {
    logCause(error, requestId, logger);
    const { code, message, field, remedy, retryAfterSeconds } = error;
    return httpRefusal(statusOfCode[code], { code, message, ...(field ? { field } : {}), remedy: remedy ?? '' }, requestId, retryAfterSeconds);
  }
  const { statusCode, code, message } = error as { statusCode?: number; code?: string; message?: string };
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    // Fastify's own: body too large, malformed JSON, unsupported media type. Their messages hold nothing private.
    const refusal = { code: code ?? 'BAD_REQUEST', message: message ?? 'The request is malformed.', remedy: 'Look at the request’s headers and body.' };
    return httpRefusal(statusCode, refusal, requestId);
  }
  logger.error({ err: error, requestId }, 'a request failed');
  return httpRefusal(500, { code: internal, message: masked, remedy: 'Try again; tell your operator the request id.' }, requestId);
}

/** What of an error may be shown to a GraphQL client. */
export function publicError(error: GraphQLError): GraphQLFormattedError {
  const { locations, path } = error;
  const place = { ...(locations ? { locations } : {}), ...(path ? { path } : {}) };
  const cause = rootOf(error);
  if (cause instanceof DomainError) {
    const { code, message, field, remedy, retryAfterSeconds } = cause;
    const extensions = {
      code: code === 'INVALID' ? 'BAD_USER_INPUT' : code,
      ...(field ? { field } : {}),
      ...(remedy ? { remedy } : {}),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    };
    return { message, ...place, extensions };
  }
  if (cause instanceof PothosValidationError) return { message: cause.message, ...place, extensions: { code: 'BAD_USER_INPUT' } };
  const code = codeOf(error);
  if (cause instanceof GraphQLError && code !== null) {
    // Unknown names are not answered with known ones.
    return { message: error.message.replace(/ ?Did you mean .*\?$/s, ''), ...place, extensions: { code } };
  }
  return { message: masked, ...place, extensions: { code: internal } };
}

/** Names the request in each error, by which its log lines are found. */
export function withRequestId(errors: readonly GraphQLFormattedError[], requestId: string): GraphQLFormattedError[] {
  return errors.map((error) => ({ ...error, extensions: { ...error.extensions, requestId } }));
}

/** Logs what is masked, and what lies behind an outage. */
export function logGraphqlErrors(errors: readonly GraphQLError[], requestId: string, logger: Logger): void {
  for (const error of errors) {
    const cause = rootOf(error);
    if (cause instanceof DomainError) logCause(cause, requestId, logger);
    else if (publicError(error).extensions?.['code'] === internal) logger.error({ err: cause, path: error.path, requestId }, 'a field failed');
  }
}

/** The HTTP status of an answer without data; an answer that has some is a 200. */
export function statusOfGraphql(errors: readonly GraphQLFormattedError[]): { status: number; headers: Record<string, string> } | null {
  const codes = errors.map((error) => error.extensions?.['code']);
  const code = (['UNAVAILABLE', 'TOO_MANY_REQUESTS', 'UNAUTHENTICATED', 'ADDRESS_NOT_ALLOWED', 'FORBIDDEN'] as const).find((candidate) => codes.includes(candidate));
  if (!code) return null;
  const retryAfter = errors.find(({ extensions }) => extensions?.['code'] === code)!.extensions!['retryAfterSeconds'] as number | undefined;
  return { status: statusOfCode[code], headers: retryHeaders(statusOfCode[code], retryAfter) };
}

/** By which word the audit trail knows how something ended that threw this: the code that its caller is told. */
export function auditResultOf(error: unknown): string {
  if (error instanceof DomainError) return error.code.toLowerCase();
  const code = publicError(error instanceof GraphQLError ? error : new GraphQLError('', { originalError: error as Error })).extensions?.['code'];
  return code === internal ? 'internal_error' : String(code).toLowerCase();
}

/** The status of an answer whose data is the refusal: of a sign-in that was tried too often. */
export function tooManyAttempts(seconds: number): { status: number; headers: Record<string, string> } {
  return { status: statusOfCode.TOO_MANY_REQUESTS, headers: { 'retry-after': String(seconds) } };
}

function retryHeaders(status: number, known?: number): Record<string, string> {
  const seconds = known === undefined ? retryAfterSeconds[status] : String(known);
  return seconds ? { 'retry-after': seconds } : {};
}

function logCause(error: DomainError, requestId: string, logger: Logger): void {
  if (error.cause !== undefined) logger.warn({ err: error.cause, code: error.code, requestId }, error.message);
}

/** What was thrown at the bottom of it. */
export function rootOf(error: GraphQLError): unknown {
  let cause: unknown = error;
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError;
  return cause;
}

/** An error of GraphQL itself comes with a code, or, before anything is executed, without one; all else is a bug. */
function codeOf(error: GraphQLError): string | null {
  const code = error.extensions['code'];
  if (typeof code === 'string') return code === internal ? null : code;
  return error.path ? null : 'GRAPHQL_VALIDATION_FAILED';
}
