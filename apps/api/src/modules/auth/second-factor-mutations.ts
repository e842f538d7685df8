import { requirePerson } from '@millrace/auth';
import {
  conflict,
  conflictError,
  invalidInput,
  invalidInputError,
   notFound,
  notFoundError,
  signInRefused,
  signInRefusedError,
  tooManyAttempts,
  tooManyAttemptsError,
} from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';

const beginSecondFactorPayload = payloadUnion('beginSecondFactor', [
  builder.objectRef<{ __typename: 'BeginSecondFactorSuccess'; secret: string; uri: string }>('BeginSecondFactorSuccess').implement({
    description: 'A new secret for an authenticator app: in this answer and nowhere else. In force once confirmSecondFactor has taken a code of it.',
    fields: (t) => ({
      secret: t.exposeString('secret', { description: 'To be typed into the app, in base 32.' }),
      uri: t.exposeString('uri', { description: 'otpauth://…, to be shown as a QR code.' }),
    }),
  }),
  signInRefusedError,
  tooManyAttemptsError,
  conflictError,
]);

const beginSecondFactorInput = builder.inputType('BeginSecondFactorInput', {
  description: 'The first factor.',
  fields: (t) => ({ password: t.string({ required: true, description: 'Your password.' }) }),
});

const confirmSecondFactorPayload = payloadUnion('confirmSecondFactor', [
  builder.objectRef<{ __typename: 'ConfirmSecondFactorSuccess'; recoveryCodes: string[] }>('ConfirmSecondFactorSuccess').implement({
    description: 'From now on a sign-in asks for a code. All other sessions have ended.',
    fields: (t) => ({
      recoveryCodes: t.exposeStringList('recoveryCodes', { description: 'Each is good once in place of a code of the app: in this answer and nowhere else.' }),
    }),
  }),
  invalidInputError,
  conflictError,
]);

const confirmSecondFactorInput = builder.inputType('ConfirmSecondFactorInput', {
  description: 'The proof that the app has the secret.',
  fields: (t) => ({ code: t.string({ required: true, description: 'The six digits that it shows.' }) }),
});

const removeSecondFactorPayload = payloadUnion('removeSecondFactor', [
  builder.objectRef<{ __typename: 'RemoveSecondFactorSuccess'; message: string }>('RemoveSecondFactorSuccess').implement({
    description: 'A sign-in asks for the password only. All other sessions have ended.',
    fields: (t) => ({ message: t.exposeString('message', { description: 'What has changed, for people.' }) }),
  }),
  signInRefusedError,
  tooManyAttemptsError,
  conflictError,
]);

const removeSecondFactorInput = builder.inputType('RemoveSecondFactorInput', {
  description: 'Both factors.',
  fields: (t) => ({
    password: t.string({ required: true, description: 'Your password.' }),
    code: t.string({ required: true, description: 'Six digits from the app, or a recovery code.' }),
  }),
});

const resetSecondFactorPayload = payloadUnion('resetSecondFactor', [
  builder.objectRef<{ __typename: 'ResetSecondFactorSuccess'; message: string }>('ResetSecondFactorSuccess').implement({
    description: 'The person signs in with the password only. All their sessions have ended.',
    fields: (t) => ({ message: t.exposeString('message', { description: 'What has changed, for people.' }) }),
  }),
  notFoundError,
]);

const resetSecondFactorInput = builder.inputType('ResetSecondFactorInput', {
  description: 'Who has lost app and recovery codes.',
  fields: (t) => ({ email: t.string({ required: true, description: 'The e-mail address of the account.' }) }),
});

builder.mutationFields((t) => ({
  beginSecondFactor: t.field({
    type: beginSecondFactorPayload,
    action: 'second_factor.begin',
    authScopes: { signedIn: true },
    description: 'Makes a secret for an authenticator app. Asks for the password; only in a session that was opened with the password.',
    args: { input: t.arg({ type: beginSecondFactorInput, required: true, description: 'The password.' }) },
    resolve: async (_root, { input }, context) => {
      const outcome = await context.services.auth.secondFactor.begin(requirePerson(context.signedIn), input);
      switch (outcome.type) {
        case 'begun':
          return { __typename: 'BeginSecondFactorSuccess' as const, secret: outcome.secret, uri: outcome.uri };
        case 'refused':
          return signInRefused('The password is wrong.', 'Check it.');
        case 'on-already':
          return conflict('second_factor_on', null, 'You have a second factor already.', 'Remove it first, with your password and a code.');
        case 'too-many-attempts':
          context.refuseFor(outcome.retryAfterSeconds);
          return tooManyAttempts(outcome.retryAfterSeconds);
      }
    },
  }),
  confirmSecondFactor: t.field({
    type: confirmSecondFactorPayload,
    action: 'second_factor.confirm',
    authScopes: { signedIn: true },
    description: 'Puts the second factor in force with a first code, shows the recovery codes once, and ends all other sessions.',
    args: { input: t.arg({ type: confirmSecondFactorInput, required: true, description: 'The code.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      const outcome = await services.auth.secondFactor.confirm(requirePerson(signedIn), input.code);
      switch (outcome.type) {
        case 'confirmed':
          return { __typename: 'ConfirmSecondFactorSuccess' as const, recoveryCodes: outcome.recoveryCodes };
        case 'code-wrong':
          return invalidInput([
            { code: 'code_wrong', field: 'code', message: 'This is not the code of the moment.', remedy: 'Send the one that the app shows now, and check the clock of its device.' },
          ]);
        case 'not-begun':
          return conflict('second_factor_not_begun', null, 'There is no new secret to confirm.', 'Begin with beginSecondFactor.');
      }
    },
  }),
  removeSecondFactor: t.field({
    type: removeSecondFactorPayload,
    action: 'second_factor.remove',
    authScopes: { signedIn: true },
    description: 'Takes the second factor off and ends all other sessions.',
    args: { input: t.arg({ type: removeSecondFactorInput, required: true, description: 'Password and code.' }) },
    resolve: async (_root, { input }, context) => {
      const outcome = await context.services.auth.secondFactor.remove(requirePerson(context.signedIn), input);
      switch (outcome.type) {
        case 'removed':
          return { __typename: 'RemoveSecondFactorSuccess' as const, message: 'Signing in asks for the password only.' };
        case 'refused':
          return signInRefused('The password or the code is wrong.', 'Check both; each code is taken once.');
        case 'off-already':
          return conflict('second_factor_off', null, 'You have no second factor.', 'Nothing is to be done.');
        case 'too-many-attempts':
          context.refuseFor(outcome.retryAfterSeconds);
          return tooManyAttempts(outcome.retryAfterSeconds);
      }
    },
  }),
  resetSecondFactor: t.field({
    type: resetSecondFactorPayload,
    action: 'second_factor.reset',
    authScopes: { permission: 'platform:write' },
    description: 'Takes off the second factor of somebody who has lost it, and ends all their sessions. Stands in the trail of their tenant.',
    args: { input: t.arg({ type: resetSecondFactorInput, required: true, description: 'The account.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      const outcome = await services.auth.secondFactor.reset(signedIn, input.email);
      if (outcome.type === 'person-not-found') return notFound('person', 'email');
      return { __typename: 'ResetSecondFactorSuccess' as const, message: 'They sign in with the password only.' };
    },
  }),
}));
