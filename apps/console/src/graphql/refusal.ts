import { CombinedGraphQLErrors, ServerError } from '@apollo/client';
import type { ProblemFieldsFragment } from '../gql/graphql.ts';

export type Problem = Pick<ProblemFieldsFragment, 'field' | 'message' | 'remedy' | 'row'>;

/** Why something asked for was not done, and what to do about it: what every error state of the console shows. */
export interface Refusal {
  message: string;
  remedy: string | null;
  code: string;
  problems: readonly Problem[];
  /** the one field that all of it is about */
  field?: string;
  requestId?: string;
}

/** A typed error of a payload, as the schema gives it. */
export interface TypedError {
  __typename: string;
  message: string;
  code: string;
  remedy: string | null;
  problems?: readonly Problem[];
  /** of a conflict: the one field that it is about */
  field?: string | null;
}

export function refusalOf({ message, remedy, code, problems, field }: TypedError): Refusal {
  return { message, remedy, code, problems: problems ?? [], ...(field ? { field } : {}) };
}

/** What was thrown on the way to the server or in it, put into words for the person at the screen. */
export function refusalOfThrown(error: unknown): Refusal {
  if (CombinedGraphQLErrors.is(error)) {
    const first = error.errors[0];
    const extensions = first?.extensions ?? {};
    const code = typeof extensions['code'] === 'string' ? extensions['code'] : 'INTERNAL_SERVER_ERROR';
    const requestId = typeof extensions['requestId'] === 'string' ? extensions['requestId'] : undefined;
    return {
      message: first?.message ?? 'The server refused the request.',
      remedy: typeof extensions['remedy'] === 'string' ? extensions['remedy'] : (remedies[code] ?? null),
      code,
      problems: [],
      ...(requestId === undefined ? {} : { requestId }),
    };
  }
  const status = ServerError.is(error) ? error.statusCode : null;
  if (status === 429) return plain('TOO_MANY_REQUESTS', 'There were too many attempts.');
  if (status !== null && status < 500) return plain('REFUSED', `The server refused the request (HTTP ${status}).`);
  if (status !== null) return plain('UNAVAILABLE', 'The server cannot answer at the moment.');
  return plain('UNREACHABLE', 'The server cannot be reached.');
}

/** The problem with one field of a form. `input.` and `spec.` in front of a path mean the form itself. */
export function problemOf(refusal: Refusal | null, field: string): Problem | null {
  if (!refusal) return null;
  if (refusal.field !== undefined && formField(refusal.field) === field) return { ...refusal, field, remedy: refusal.remedy ?? '', row: null };
  return refusal.problems.find((problem) => formField(problem.field) === field) ?? null;
}

/** The problems that belong to no field that the form shows: they are listed at its top. */
export function otherProblems(refusal: Refusal | null, isShown: (field: string) => boolean): Problem[] {
  return refusal?.problems.filter((problem) => !isShown(formField(problem.field))) ?? [];
}

function formField(field: string): string {
  return field.replace(/^(input\.)?(spec\.)?/, '');
}

function plain(code: string, message: string): Refusal {
  return { message, remedy: remedies[code] ?? null, code, problems: [] };
}

const remedies: Record<string, string> = {
  UNAUTHENTICATED: 'Sign in again.',
  FORBIDDEN: 'Ask an owner or administrator of your tenant for this right.',
  TOO_MANY_REQUESTS: 'Wait a minute, then try again.',
  UNAVAILABLE: 'Try again in a moment. If it lasts, see whether the database is running.',
  UNREACHABLE: 'See whether the server is running and the network is up, then try again.',
  REFUSED: 'Check what was entered and try again.',
  INTERNAL_SERVER_ERROR: 'Try again. If it happens again, give the request id to your administrator.',
};
