import { DomainError, type DomainErrorCode, type Problem } from '@millrace/kernel';
import type { LimitSource, LimitStanding } from '@millrace/quota';

/** One thing wrong with a request; `row` counts from 0 and is null where the request as a whole is at fault. */
export type RequestProblem = Problem & { row?: number | null };

export interface RequestErrorDetails {
  field?: string;
  row?: number | null;
  remedy: string;
  problems?: RequestProblem[];
  /** whose limit fired */
  limitSource?: 'server' | LimitSource;
  /** what it says, for programs */
  limit?: { measure: string; period: string; most: number; remaining: number; resets_at: string | null };
  /** of the limits that the request fell under, for the headers */
  standings?: readonly LimitStanding[];
  retryAfterSeconds?: number;
  /** logged, never shown */
  cause?: unknown;
  /** an authorisation was refused, which the answer does not say: for the audit trail only */
  isRefusal?: true;
}

/** A refusal as the caller sees it: HTTP status, stable code, and what to do about it. */
export class RequestError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: RequestErrorDetails;

  constructor(status: number, code: string, message: string, details: RequestErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'RequestError';
    this.status = status;
    this.code = code;
    this.details = details;
  }

  /** As most routes write it. The Open Inference Protocol wants one sentence instead: see `oneSentence`. */
  toBody(): object {
    const { field, row, remedy, limitSource, limit, problems } = this.details;
    return {
      error: {
        code: this.code,
        message: this.message,
        ...(field !== undefined && { field }),
        ...(row != null && { row }),
        remedy_hint: remedy,
        ...(limitSource && { limit_source: limitSource }),
        ...(limit && { limit }),
        ...(problems && { problems: problems.map(({ remedy: remedy_hint, ...problem }) => ({ ...problem, remedy_hint })) }),
      },
    };
  }

  oneSentence(): object {
    return { error: `${this.message} ${this.details.remedy}` };
  }
}

/** What is sent for a refusal: the Open Inference Protocol's routes have a form of their own. */
export function refusalBody(url: string, refusal: RequestError): string {
  return JSON.stringify(/^\/v2(\/|$)/.test(url) ? refusal.oneSentence() : refusal.toBody());
}

/** The request is not of the shape that the route takes. */
export function invalidRequest(field: string, message: string, remedy: string): RequestError {
  return new RequestError(400, 'invalid_request', message, { field, remedy });
}

/** The rows do not fit the model. The first problem speaks for all. */
export function invalidRows(problems: RequestProblem[]): RequestError {
  const first = problems[0]!;
  return new RequestError(400, 'invalid_rows', first.message, { field: first.field, row: first.row ?? null, remedy: first.remedy, problems });
}

/** Which one of a model's versions is meant: by its number, or by an alias, which TensorFlow Serving calls a label. */
export type MeantVersion = { version: string | number } | { label: string };

/** One answer for a missing endpoint, another tenant's, and one that the key may not call. */
export function modelNotFound(name: string, meant?: MeantVersion): RequestError {
  const model = `model "${shorten(name)}"`;
  const check = 'the name of the endpoint, and that the key may call it (GET /v1/key).';
  if (meant === undefined) return new RequestError(404, 'model_not_found', `There is no ${model} here.`, { field: 'model', remedy: `Check ${check}` });
  const [field, which, known] = 'label' in meant ? ['label', `label "${shorten(meant.label)}"`, 'it is an alias of the model'] : ['version', `version ${shorten(String(meant.version))}`, 'GET /v2/models/<name> lists those that there are'];
  return new RequestError(404, 'model_not_found', `There is no ${which} of a ${model} here.`, { field, remedy: `Check the ${field} (${known}), ${check}` });
}

/** What the caller may not call is answered like what is not there. */
export function refusedAsMissing(name: string, meant?: MeantVersion): RequestError {
  const { status, code, message, details } = modelNotFound(name, meant);
  return new RequestError(status, code, message, { ...details, isRefusal: true });
}

/** A version that may have been named. */
export const versionMeant = (version: number | undefined): MeantVersion | undefined => (version === undefined ? undefined : { version });

const domainErrors: Record<DomainErrorCode, { status: number; code: string }> = {
  UNAUTHENTICATED: { status: 401, code: 'unauthenticated' },
  FORBIDDEN: { status: 403, code: 'forbidden' },
  ADDRESS_NOT_ALLOWED: { status: 403, code: 'address_not_allowed' },
  NOT_FOUND: { status: 404, code: 'not_found' },
  INVALID: { status: 400, code: 'invalid_rows' },
  CONFLICT: { status: 409, code: 'conflict' },
  UNAVAILABLE: { status: 503, code: 'unavailable' },
  TOO_MANY_REQUESTS: { status: 429, code: 'too_many_requests' },
};

export function unsupportedMediaType(message: string): RequestError {
  return new RequestError(415, 'unsupported_media_type', message, { remedy: 'Send JSON with the header Content-Type: application/json, as it is or compressed by gzip or deflate.' });
}

/** The one place where whatever was thrown becomes what the caller sees. Bugs are masked. */
export function toRequestError(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  if (error instanceof DomainError) {
    const { status, code } = domainErrors[error.code];
    return new RequestError(status, code, error.message, {
      ...(error.field !== undefined && { field: error.field }),
      remedy: error.remedy ?? 'Try again; if it stays, ask your administrator.',
      ...(status === 503 && { retryAfterSeconds: 1 }),
      cause: error,
    });
  }
  return new RequestError(500, 'internal', 'Something went wrong on our side.', {
    remedy: 'Try again; if it stays, give your administrator the x-request-id of this answer.',
    cause: error,
  });
}

/** What callers sent is echoed in part only. */
export function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
