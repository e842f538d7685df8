import type { Problem } from '@millrace/kernel';
import type { QuotaExceeded } from '@millrace/quota';
import { builder } from './schema-builder.ts';

/**
 * Errors that a caller can cause and mend: they stand in the schema, as members of the payload unions. Errors that are
 * thrown are mapped in `errors.ts`.
 */
export interface TypedError<Name extends string> {
  __typename: Name;
  code: string;
  message: string;
  remedy: string;
}

type ProblemShape = Problem & { row?: number };
type InvalidInput = TypedError<'InvalidInputError'> & { problems: readonly ProblemShape[] };
type RejectedFile = TypedError<'RejectedFileError'> & { problems: readonly ProblemShape[] };
type NotFound = TypedError<'NotFoundError'> & { field: string | null };
type Conflict = TypedError<'ConflictError'> & { field: string | null };
type QuotaExceededShape = TypedError<'QuotaExceededError'> & Pick<QuotaExceeded, 'limit' | 'used' | 'requested'> & { resource: QuotaExceeded['resource'] | 'COMPUTE_SECONDS' };
type SignInRefused = TypedError<'SignInRefusedError'>;
type SetupLinkInvalid = TypedError<'SetupLinkInvalidError'>;
type InvitationInvalid = TypedError<'InvitationInvalidError'>;
type SingleSignOnOnly = TypedError<'SingleSignOnOnlyError'>;
type ResetLinkInvalid = TypedError<'ResetLinkInvalidError'>;
type TooManyAttempts = TypedError<'TooManyAttemptsError'> & { retryAfterSeconds: number };

export const errorInterface = builder.interfaceRef<TypedError<string>>('Error').implement({
  description: 'An outcome that is not what was asked for. All members of payload unions but the success implement it.',
  fields: (t) => ({
    code: t.exposeString('code', { description: 'Stable and made for programs, in snake_case.' }),
    message: t.exposeString('message', { description: 'What is wrong, for people.' }),
    remedy: t.exposeString('remedy', { description: 'What to do about it.' }),
  }),
});

export const problemType = builder.objectRef<ProblemShape>('Problem').implement({
  description: 'One thing that is wrong with an input.',
  fields: (t) => ({
    code: t.exposeString('code', { description: 'Stable and made for programs, in snake_case.' }),
    field: t.exposeString('field', { description: 'Path of the field or name of the column at fault.' }),
    message: t.exposeString('message', { description: 'What is wrong, for people.' }),
    remedy: t.exposeString('remedy', { description: 'What to do about it.' }),
    row: t.int({
      nullable: true,
      description: 'Line of the file or number of the row, where one is at fault; the first is 1 in files, 0 in requests.',
      resolve: (problem) => problem.row ?? null,
    }),
  }),
});

export const invalidInputError = builder.objectRef<InvalidInput>('InvalidInputError').implement({
  interfaces: [errorInterface],
  description: 'The input does not fit. Nothing was changed.',
  fields: (t) => ({ problems: t.expose('problems', { type: [problemType], description: 'Everything that is wrong with it.' }) }),
});

export const rejectedFileError = builder.objectRef<RejectedFile>('RejectedFileError').implement({
  interfaces: [errorInterface],
  description: 'The file cannot be used as a data set. Nothing was made of it.',
  fields: (t) => ({ problems: t.expose('problems', { type: [problemType], description: 'What is wrong with the file, and where.' }) }),
});

export const notFoundError = builder.objectRef<NotFound>('NotFoundError').implement({
  interfaces: [errorInterface],
  description: 'What the input names does not exist in your tenant.',
  fields: (t) => ({ field: t.exposeString('field', { nullable: true, description: 'The input field that names it.' }) }),
});

export const conflictError = builder.objectRef<Conflict>('ConflictError').implement({
  interfaces: [errorInterface],
  description: 'The input is right, but not now: a name is taken, something is finished or not finished yet.',
  fields: (t) => ({ field: t.exposeString('field', { nullable: true, description: 'The input field concerned.' }) }),
});

export const quotaExceededError = builder.objectRef<QuotaExceededShape>('QuotaExceededError').implement({
  interfaces: [errorInterface],
  description: 'Your tenant’s quota has no room for this. Nothing was changed.',
  fields: (t) => ({
    resource: t.exposeString('resource', { description: 'What is used up: ACTIVE_RUNS, STORAGE_BYTES, or COMPUTE_SECONDS of this month.' }),
    limit: t.expose('limit', { type: 'BigInt', description: 'How much your tenant may have.' }),
    used: t.expose('used', { type: 'BigInt', description: 'How much of it is in use.' }),
    requested: t.expose('requested', { type: 'BigInt', description: 'How much more this would have needed.' }),
  }),
});

export const signInRefusedError = builder.objectRef<SignInRefused>('SignInRefusedError').implement({
  interfaces: [errorInterface],
  description: 'The e-mail address, the password, the code or the refresh token is wrong. Never says which.',
});

export const tooManyAttemptsError = builder.objectRef<TooManyAttempts>('TooManyAttemptsError').implement({
  interfaces: [errorInterface],
  description: 'Wrong guesses have locked this for a while. Whether this one was right was not looked at. The answer comes with status 429 and Retry-After.',
  fields: (t) => ({ retryAfterSeconds: t.exposeInt('retryAfterSeconds', { description: 'When to try again.' }) }),
});

export const resetLinkInvalidError = builder.objectRef<ResetLinkInvalid>('ResetLinkInvalidError').implement({
  interfaces: [errorInterface],
  description: 'The link for a new password was used, replaced or is too old.',
});

export const setupLinkInvalidError = builder.objectRef<SetupLinkInvalid>('SetupLinkInvalidError').implement({
  interfaces: [errorInterface],
  description: 'The set-up link was used, replaced or is too old.',
});

export const invitationInvalidError = builder.objectRef<InvitationInvalid>('InvitationInvalidError').implement({
  interfaces: [errorInterface],
  description: 'The invitation was used, revoked, replaced or is too old.',
});

export const singleSignOnOnlyError = builder.objectRef<SingleSignOnOnly>('SingleSignOnOnlyError').implement({
  interfaces: [errorInterface],
  description: 'A password does not do here: the account has none, or the tenant lets this address in by single sign-on only.',
});

export const invalidInput = (problems: readonly ProblemShape[]): InvalidInput => ({
  __typename: 'InvalidInputError',
  code: problems.length === 1 ? problems[0]!.code : 'invalid_input',
  message: problems.length === 1 ? problems[0]!.message : `${problems.length} things are wrong with the input.`,
  remedy: problems.length === 1 ? problems[0]!.remedy : 'Mend each of the problems named and try again.',
  problems,
});

export const rejectedFile = (problems: readonly ProblemShape[]): RejectedFile => ({
  __typename: 'RejectedFileError',
  code: problems[0]?.code ?? 'rejected_file',
  message: problems[0]?.message ?? 'The file cannot be used as a data set.',
  remedy: problems[0]?.remedy ?? 'Mend the file and upload it again.',
  problems,
});

export const notFound = (what: string, field: string, message = `There is no such ${what}.`): NotFound => ({
  __typename: 'NotFoundError',
  code: `${what.toLowerCase().replaceAll(' ', '_')}_not_found`,
  message,
  remedy: 'Check the id or name; list what your tenant has.',
  field,
});

export const conflict = (code: string, field: string | null, message: string, remedy: string): Conflict => ({
  __typename: 'ConflictError',
  code,
  message,
  remedy,
  field,
});

export const quotaExceeded = (refusal: QuotaExceeded): QuotaExceededShape => ({
  __typename: 'QuotaExceededError',
  code: 'quota_exceeded',
  message: refusal.message,
  remedy: refusal.remedy,
  resource: refusal.resource,
  limit: refusal.limit,
  used: refusal.used,
  requested: refusal.requested,
});

export const computeSecondsUsedUp = ({ limit, used }: { limit: number; used: number }): QuotaExceededShape => ({
  __typename: 'QuotaExceededError',
  code: 'quota_exceeded',
  message: `The ${Math.round(limit)} compute seconds of this month are used up.`,
  remedy: 'Wait for the next month, or ask your operator for a higher limit.',
  resource: 'COMPUTE_SECONDS',
  limit: BigInt(Math.round(limit)),
  used: BigInt(Math.round(used)),
  requested: 1n,
});

export const signInRefused = (what: string, remedy: string): SignInRefused => ({
  __typename: 'SignInRefusedError',
  code: 'sign_in_refused',
  message: what,
  remedy,
});

export const setupLinkInvalid = (): SetupLinkInvalid => ({
  __typename: 'SetupLinkInvalidError',
  code: 'setup_link_invalid',
  message: 'This set-up link is not valid (any more).',
  remedy: 'Restart the product: as long as there is no tenant, it prints a new link.',
});

export const invitationInvalid = (): InvitationInvalid => ({
  __typename: 'InvitationInvalidError',
  code: 'invitation_invalid',
  message: 'This invitation is not valid (any more).',
  remedy: 'Ask whoever invited you for a new link.',
});

export const singleSignOnOnly = (who: 'account' | 'tenant'): SingleSignOnOnly =>
  who === 'account'
    ? {
        __typename: 'SingleSignOnOnlyError',
        code: 'account_without_password',
        message: 'There is an account with this e-mail address that comes in by its company’s single sign-on and has no password.',
        remedy: 'Set a password for it with a password reset link, then open the invitation again.',
      }
    : {
        __typename: 'SingleSignOnOnlyError',
        code: 'single_sign_on_required',
        message: 'This tenant lets your e-mail address in by single sign-on only.',
        remedy: 'Sign in with single sign-on.',
      };
export const tooManyAttempts = (retryAfterSeconds: number): TooManyAttempts => ({
  __typename: 'TooManyAttemptsError',
  code: 'too_many_attempts',
  message: 'There were too many attempts.',
  remedy: `Try again in ${retryAfterSeconds < 120 ? `${retryAfterSeconds} seconds` : `${Math.ceil(retryAfterSeconds / 60)} minutes`}.`,
  retryAfterSeconds,
});

export const resetLinkInvalid = (): ResetLinkInvalid => ({
  __typename: 'ResetLinkInvalidError',
  code: 'reset_link_invalid',
  message: 'This link is not valid (any more).',
  remedy: 'Ask for a new one.',
});

/** How a payload union tells its members apart: they carry their names. */
export const nameOf = (value: { __typename: string }): string => value.__typename;
