import { requirePerson } from '@millrace/auth';
import {
  invalidInput,
  invalidInputError,
   notFound,
  notFoundError,
  resetLinkInvalid,
  resetLinkInvalidError,
  signInRefused,
  signInRefusedError,
  tooManyAttempts,
  tooManyAttemptsError,
} from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';

const changePasswordPayload = payloadUnion('changePassword', [
  builder.objectRef<{ __typename: 'ChangePasswordSuccess'; endedSessions: number }>('ChangePasswordSuccess').implement({
    description: 'The new password is in force. All other sessions have ended.',
    fields: (t) => ({ endedSessions: t.exposeInt('endedSessions', { description: 'How many other sessions there were.' }) }),
  }),
  invalidInputError,
  signInRefusedError,
  tooManyAttemptsError,
]);

const changePasswordInput = builder.inputType('ChangePasswordInput', {
  description: 'The old password and the new one.',
  fields: (t) => ({
    currentPassword: t.string({ required: true, description: 'The one in force.' }),
    newPassword: t.string({ required: true, description: '8 to 256 characters; none of the commonest, nor your own name or address.' }),
  }),
});

const requestPasswordResetPayload = payloadUnion('requestPasswordReset', [
  builder.objectRef<{ __typename: 'RequestPasswordResetSuccess'; message: string }>('RequestPasswordResetSuccess').implement({
    description: 'The same answer for everybody.',
    fields: (t) => ({ message: t.exposeString('message', { description: 'What happens now, for people.' }) }),
  }),
]);

const requestPasswordResetInput = builder.inputType('RequestPasswordResetInput', {
  description: 'Whose password is to be chosen anew.',
  fields: (t) => ({ email: t.string({ required: true, description: 'The e-mail address of the account.' }) }),
});

const createPasswordResetPayload = payloadUnion('createPasswordReset', [
  builder.objectRef<{ __typename: 'CreatePasswordResetSuccess'; token: string; expiresAt: Date }>('CreatePasswordResetSuccess').implement({
    description: 'The link is good once. Links made before are worthless.',
    fields: (t) => ({
      token: t.exposeString('token', { description: 'In this answer and nowhere else: the link is <address of the console>/reset#token=<token>.' }),
      expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When it stops working.' }),
    }),
  }),
  notFoundError,
]);

const createPasswordResetInput = builder.inputType('CreatePasswordResetInput', {
  description: 'Who is to choose a new password.',
  fields: (t) => ({ email: t.string({ required: true, description: 'The e-mail address of the account.' }) }),
});

const resetPasswordPayload = payloadUnion('resetPassword', [
  builder.objectRef<{ __typename: 'ResetPasswordSuccess'; message: string }>('ResetPasswordSuccess').implement({
    description: 'The new password is in force. All sessions have ended; the second factor, if there is one, is still asked for.',
    fields: (t) => ({ message: t.exposeString('message', { description: 'What to do now, for people.' }) }),
  }),
  invalidInputError,
  resetLinkInvalidError,
]);

const resetPasswordInput = builder.inputType('ResetPasswordInput', {
  description: 'The new password.',
  fields: (t) => ({
    token: t.string({ required: true, description: 'From the link.' }),
    newPassword: t.string({ required: true, description: '8 to 256 characters; none of the commonest, nor your own name or address.' }),
  }),
});

builder.mutationFields((t) => ({
  changePassword: t.field({
    type: changePasswordPayload,
    action: 'password.change',
    authScopes: { signedIn: true },
    description: 'Chooses a new password and ends all other sessions. Only in a session that was opened with the password.',
    args: { input: t.arg({ type: changePasswordInput, required: true, description: 'Both passwords.' }) },
    resolve: async (_root, { input }, context) => {
      const outcome = await context.services.auth.passwords.change(requirePerson(context.signedIn), input);
      switch (outcome.type) {
        case 'changed':
          return { __typename: 'ChangePasswordSuccess' as const, endedSessions: outcome.endedSessions };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'refused':
          return signInRefused('The present password is wrong.', 'Check it, and the keyboard’s capitals.');
        case 'too-many-attempts':
          context.refuseFor(outcome.retryAfterSeconds);
          return tooManyAttempts(outcome.retryAfterSeconds);
      }
    },
  }),
  requestPasswordReset: t.field({
    type: requestPasswordResetPayload,
    action: 'password.request_reset',
    authScopes: { public: true },
    description: 'Public: sends a link for a new password, if there is such an account. The answer does not tell.',
    args: { input: t.arg({ type: requestPasswordResetInput, required: true, description: 'The account.' }) },
    resolve: async (_root, { input }, { services, origin }) => {
      await services.auth.passwords.requestReset(input.email, origin);
      const message = services.auth.passwords.canSendLinks
        ? 'If there is such an account, a mail with a link is on its way. The link is good for an hour.'
        : 'This installation sends no mail: ask an operator for a link.';
      return { __typename: 'RequestPasswordResetSuccess' as const, message };
    },
  }),
  createPasswordReset: t.field({
    type: createPasswordResetPayload,
    action: 'password.create_reset',
    authScopes: { permission: 'platform:write' },
    description: 'Makes a link for a new password, to be handed over by other means. Stands in the trail of the person’s tenant.',
    args: { input: t.arg({ type: createPasswordResetInput, required: true, description: 'The account.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      const outcome = await services.auth.passwords.createReset(signedIn, input.email);
      if (outcome.type === 'person-not-found') return notFound('person', 'email');
      return { __typename: 'CreatePasswordResetSuccess' as const, token: outcome.token, expiresAt: outcome.expiresAt };
    },
  }),
  resetPassword: t.field({
    type: resetPasswordPayload,
    action: 'password.reset',
    authScopes: { public: true },
    description: 'Public: chooses a new password with the token of a link, and ends all sessions. Signs nobody in.',
    args: { input: t.arg({ type: resetPasswordInput, required: true, description: 'Token and password.' }) },
    resolve: async (_root, { input }, { services, origin }) => {
      const outcome = await services.auth.passwords.reset(input.token, input.newPassword, origin);
      switch (outcome.type) {
        case 'reset':
          return { __typename: 'ResetPasswordSuccess' as const, message: 'Sign in with your new password.' };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'link-invalid':
          return resetLinkInvalid();
      }
    },
  }),
}));
