import { DomainError, type Problem } from '@millrace/kernel';
import { nameProblem } from '@millrace/registry';

export interface PredictionRequest {
  endpoint: string;
  rows: readonly unknown[];
  /** of the caller: the data plane checks, meters and bills it as its own */
  credential: string;
  requestId: string;
  /** of the caller, if known */
  address?: string | undefined;
}

export type PredictionOutcome =
  | { type: 'predicted'; predictions: unknown[]; modelVersion: number }
  | { type: 'invalid'; problems: (Problem & { row?: number })[] }
  | { type: 'not-found'; message: string };

export interface PredictionRelay {
  /** @throws DomainError UNAUTHENTICATED, FORBIDDEN, ADDRESS_NOT_ALLOWED, TOO_MANY_REQUESTS or UNAVAILABLE, as the data plane says */
  predict(request: PredictionRequest): Promise<PredictionOutcome>;
}

/** What the data plane answers when it refuses. */
interface Refusal {
  code?: unknown;
  message?: unknown;
  field?: unknown;
  row?: unknown;
  remedy_hint?: unknown;
  problems?: unknown;
}

const timeoutMs = 30_000;

/**
 * Passes predictions on to the inference server: for the console, which talks to one server only.
 * @param vouchForAddress tells that server where the caller is, since to it all of these come from here
 */
export function createPredictionRelay(inferenceUrl: string, vouchForAddress: (credential: string, address: string) => string): PredictionRelay {
  return {
    async predict({ endpoint, rows, credential, requestId, address }) {
      if (nameProblem(endpoint, 'endpoint', 'endpoint')) return { type: 'not-found', message: 'There is no such endpoint: none can be called so.' };
      let response: Response;
      let body: unknown;
      try {
        response = await fetch(new URL(`/v1/models/${endpoint}:predict`, inferenceUrl), {
          method: 'POST',
          headers: {
            authorization: `Bearer ${credential}`,
            'content-type': 'application/json',
            'x-request-id': requestId,
            ...(address !== undefined && { 'x-millrace-caller': vouchForAddress(credential, address) }),
          },
          body: JSON.stringify({ instances: rows }),
          signal: AbortSignal.timeout(timeoutMs),
          redirect: 'error',
        });
        body = await response.json();
      } catch (error) {
        throw new DomainError('UNAVAILABLE', 'The inference server does not answer.', {
          remedy: 'Try again in a moment; see whether it runs.',
          cause: error,
        });
      }
      if (!response.ok) return refusalOf(response.status, body);
      const { predictions } = body as { predictions?: unknown };
      const modelVersion = Number(response.headers.get('x-millrace-model-version'));
      if (!Array.isArray(predictions) || !Number.isInteger(modelVersion)) {
        throw new Error('the inference server gave an answer of another shape');
      }
      return { type: 'predicted', predictions, modelVersion };
    },
  };
}

function refusalOf(status: number, body: unknown): PredictionOutcome {
  const refusal = ((body as { error?: unknown } | null)?.error ?? {}) as Refusal;
  const message = textOr(refusal.message, 'The inference server refused this.');
  const remedy = textOr(refusal.remedy_hint, 'Look at the signature of the model version.');
  switch (status) {
    case 400:
    case 413:
    case 422:
      return { type: 'invalid', problems: problemsOf(refusal, message, remedy) };
    case 404:
      return { type: 'not-found', message };
    case 401:
      throw new DomainError('UNAUTHENTICATED', message, { remedy });
    case 403:
      throw new DomainError(refusal.code === 'address_not_allowed' ? 'ADDRESS_NOT_ALLOWED' : 'FORBIDDEN', message, { remedy });
    case 429:
      throw new DomainError('TOO_MANY_REQUESTS', message, { remedy });
    case 503:
      throw new DomainError('UNAVAILABLE', message, { remedy });
    default:
      throw new Error(`the inference server answered ${status}: ${message}`);
  }
}

function problemsOf(refusal: Refusal, message: string, remedy: string): (Problem & { row?: number })[] {
  const listed = Array.isArray(refusal.problems) && refusal.problems.length ? (refusal.problems as Refusal[]) : [refusal];
  return listed.map((problem) => ({
    code: textOr(problem.code, textOr(refusal.code, 'invalid_rows')),
    field: textOr(problem.field, 'rows'),
    message: textOr(problem.message, message),
    remedy: textOr((problem as { remedy?: unknown }).remedy ?? problem.remedy_hint, remedy),
    ...(typeof problem.row === 'number' ? { row: problem.row } : {}),
  }));
}

const textOr = (value: unknown, otherwise: string): string => (typeof value === 'string' && value !== '' ? value : otherwise);
