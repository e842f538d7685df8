import { DomainError, type Problem } from '@millrace/kernel';
import { nameProblem } from '@millrace/registry';

interface RelayedRequest {
  endpoint: string;
  /** of the caller: the data plane checks, meters and bills it as its own */
  credential: string;
  requestId: string;
  /** asked again under the same key, it is done and billed once */
  onceKey?: string | undefined;
  /** of the caller, if known */
  address?: string | undefined;
}

export interface PredictionRequest extends RelayedRequest {
  rows: readonly unknown[];
}

export interface ExplanationRequest extends RelayedRequest {
  row: unknown;
  parameters: object;
}

type RefusedOutcome = { type: 'invalid'; problems: (Problem & { row?: number })[] } | { type: 'not-found'; message: string };

export type PredictionOutcome = ({ type: 'predicted' } & RelayedPrediction) | RefusedOutcome;

/** The answer of the data plane, with what it says in headers. */
export interface RelayedPrediction {
  predictions: unknown[];
  modelVersion: number;
  predictionId: string;
  costUnits: number;
  warnings: RelayedWarning[];
}

/** Of a feature whose value the model took but had not seen in training. */
export interface RelayedWarning {
  code: string;
  field: string;
}

export type ExplanationOutcome = { type: 'explained'; explanation: RelayedExplanation; modelVersion: number; costUnits: number } | RefusedOutcome;

/** An explanation of the data plane in the words of this one. */
export interface RelayedExplanation {
  output: string;
  class: string | null;
  answer: number;
  baseValue: number;
  attributions: { name: string; value: number; data: unknown; standardError: number }[];
  additivityError: number;
  faithfulness: number | null;
  faithfulnessReason: string | null;
  method: { name: string; evaluations: number; backgroundRows: number; isExact: boolean; hasConverged: boolean };
  heatMap: number[][] | null;
  warnings: string[];
}

export interface PredictionRelay {
  /** @throws DomainError UNAUTHENTICATED, FORBIDDEN, ADDRESS_NOT_ALLOWED, TOO_MANY_REQUESTS or UNAVAILABLE, as the data plane says; after UNAVAILABLE it may have been done */
  predict(request: PredictionRequest): Promise<PredictionOutcome>;
  /** @throws DomainError as `predict` */
  explain(request: ExplanationRequest): Promise<ExplanationOutcome>;
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
  async function ask(verb: 'predict' | 'explain', { endpoint, credential, requestId, onceKey, address }: RelayedRequest, content: object): Promise<RefusedOutcome | { type: 'answered'; body: unknown; headers: Headers; modelVersion: number }> {
    if (nameProblem(endpoint, 'endpoint', 'endpoint')) return { type: 'not-found', message: 'There is no such endpoint: none can be called so.' };
    let response: Response;
    let body: unknown;
    try {
      response = await fetch(new URL(`/v1/models/${endpoint}:${verb}`, inferenceUrl), {
        method: 'POST',
        headers: {
          authorization: `Bearer ${credential}`,
          'content-type': 'application/json',
          'x-request-id': requestId,
          ...(onceKey !== undefined && { 'idempotency-key': onceKey }),
          ...(address !== undefined && { 'x-millrace-caller': vouchForAddress(credential, address) }),
        },
        body: JSON.stringify(content),
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
    const modelVersion = Number(response.headers.get('x-millrace-model-version'));
    if (!Number.isInteger(modelVersion)) throw new Error('the inference server gave an answer of another shape');
    return { type: 'answered', body, headers: response.headers, modelVersion };
  }

  return {
    async predict({ rows, ...request }) {
      const asked = await ask('predict', request, { instances: rows });
      if (asked.type !== 'answered') return asked;
      const { predictions } = asked.body as { predictions?: unknown };
      if (!Array.isArray(predictions)) throw new Error('the inference server gave an answer of another shape');
      const { headers, modelVersion } = asked;
      const predictionId = headers.get('x-millrace-prediction-id');
      if (predictionId === null) throw new Error('the inference server gave an answer of another shape');
      return { type: 'predicted', predictions, modelVersion, predictionId, costUnits: Number(headers.get('x-millrace-cost-units')), warnings: warningsIn(headers.get('x-millrace-warnings')) };
    },

    async explain({ row, parameters, ...request }) {
      const asked = await ask('explain', request, { instances: [row], parameters });
      if (asked.type !== 'answered') return asked;
      const { explanations } = asked.body as { explanations?: SentExplanation[] };
      if (!Array.isArray(explanations) || !explanations[0]) throw new Error('the inference server gave an answer of another shape');
      return { type: 'explained', explanation: explanationIn(explanations[0]), modelVersion: asked.modelVersion, costUnits: Number(asked.headers.get('x-millrace-cost-units')) };
    },
  };
}

/** From `code;feature`, percent-encoded, with commas between several. */
function warningsIn(header: string | null): RelayedWarning[] {
  return (header ?? '').split(', ').flatMap((warning) => {
    const [code, field] = warning.split(';');
    return code && field ? [{ code, field: decodeURIComponent(field) }] : [];
  });
}

/** As the data plane writes it. */
interface SentExplanation {
  output: { name: string; class?: string };
  answer: number;
  base_value: number;
  attributions: { name: string; value: number; data: unknown; standard_error: number }[];
  additivity_error: number;
  faithfulness: number | null;
  faithfulness_reason?: string;
  method: { name: string; evaluations: number; background_rows: number; exact: boolean; converged: boolean };
  heat_map?: number[][];
  warnings?: string[];
}

function explanationIn({ output, answer, base_value, attributions, additivity_error, faithfulness, faithfulness_reason, method, heat_map, warnings }: SentExplanation): RelayedExplanation {
  return {
    output: output.name,
    class: output.class ?? null,
    answer,
    baseValue: base_value,
    attributions: attributions.map(({ name, value, data, standard_error }) => ({ name, value, data, standardError: standard_error })),
    additivityError: additivity_error,
    faithfulness,
    faithfulnessReason: faithfulness_reason ?? null,
    method: { name: method.name, evaluations: method.evaluations, backgroundRows: method.background_rows, isExact: method.exact, hasConverged: method.converged },
    heatMap: heat_map ?? null,
    warnings: warnings ?? [],
  };
}

function refusalOf(status: number, body: unknown): RefusedOutcome {
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
    case 409: // what was asked under the same key before is under way there still
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
