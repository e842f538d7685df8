import { type Actor, requirePerson, type SignedIn } from '@millrace/auth';
import {
  invalidInput,
  invalidInputError,
   setupLinkInvalid,
  setupLinkInvalidError,
  signInRefused,
  signInRefusedError,
  tooManyAttempts,
  tooManyAttemptsError,
} from '../../error-types.ts';
import type { RequestContext } from '../../request-context.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';
import { viewerType } from './viewer-types.ts';

interface SignInSuccess {
  __typename: 'SignInSuccess';
  accessToken: string | null;
  expiresInSeconds: number;
  refreshToken: string | null;
  actor: Actor;
}

/** For every mutation that opens a session. */
export const signInSuccess = builder.objectRef<SignInSuccess>('SignInSuccess').implement({
  description: 'Signed in.',
  fields: (t) => ({
    accessToken: t.exposeString('accessToken', { nullable: true, description: 'Send it as Authorization: Bearer …. Null where it is kept in a cookie.' }),
    expiresInSeconds: t.exposeInt('expiresInSeconds', { description: 'So long the access token is good.' }),
    refreshToken: t.exposeString('refreshToken', {
      nullable: true,
      description: 'For refreshSession: good once. Using it twice ends the session, as one of the two users has stolen it. Null where it is kept in a cookie.',
    }),
    viewer: t.field({ type: viewerType, description: 'Whoever signed in.', resolve: ({ actor }) => actor }),
  }),
});

const setUpPayload = payloadUnion('setUp', [signInSuccess, invalidInputError, setupLinkInvalidError]);

const secondFactorRequired = builder.objectRef<{ __typename: 'SecondFactorRequired'; message: string }>('SecondFactorRequired').implement({
  description: 'The password is right, and a code of the second factor is needed beside it. Nothing was opened.',
  fields: (t) => ({ message: t.exposeString('message', { description: 'What to do, for people.' }) }),
});

const signInPayload = payloadUnion('signIn', [signInSuccess, secondFactorRequired, signInRefusedError, tooManyAttemptsError]);

const refreshSessionPayload = payloadUnion('refreshSession', [signInSuccess, signInRefusedError]);

const signOutSuccess = builder.objectRef<{ __typename: 'SignOutSuccess'; signedOut: boolean }>('SignOutSuccess').implement({
  description: 'The session has ended; its tokens are worthless within a second.',
  fields: (t) => ({ signedOut: t.exposeBoolean('signedOut', { description: 'Always true.' }) }),
});

const signOutPayload = payloadUnion('signOut', [signOutSuccess]);

const setUpInput = builder.inputType('SetUpInput', {
  description: 'The first tenant and its owner.',
  fields: (t) => ({
    token: t.string({ required: true, description: 'From the set-up link.' }),
    tenantName: t.string({ required: true, description: 'As your team calls itself: 1 to 80 characters.' }),
    name: t.string({ required: true, description: 'Your own full name: 1 to 80 characters.' }),
    email: t.string({ required: true, description: 'Your e-mail address: you sign in with it.' }),
    password: t.string({ required: true, description: '8 characters at least.' }),
  }),
});

const signInInput = builder.inputType('SignInInput', {
  description: 'Who you are.',
  fields: (t) => ({
    email: t.string({ required: true, description: 'Your e-mail address.' }),
    password: t.string({ required: true, description: 'Your password.' }),
    code: t.string({ description: 'Of your second factor, if you have one: six digits from the app, or a recovery code.' }),
  }),
});

const refreshSessionInput = builder.inputType('RefreshSessionInput', {
  description: 'The session to carry on.',
  fields: (t) => ({
    refreshToken: t.string({ description: 'From signIn, setUp or the last refreshSession. Left out where it is kept in a cookie.' }),
  }),
});

/**
 * The payload of a sign-in reads as the one who has just signed in, not as the one who asked (nobody). Where cookies keep
 * the tokens, no script gets to see them.
 */
export function succeed(context: RequestContext, outcome: SignedIn): SignInSuccess {
  const { accessToken, accessTokenExpiresInSeconds, refreshToken, actor } = outcome;
  context.signInAs(outcome);
  const tokens = context.channel === 'cookie' ? { accessToken: null, refreshToken: null } : { accessToken, refreshToken };
  return { __typename: 'SignInSuccess', ...tokens, expiresInSeconds: accessTokenExpiresInSeconds, actor };
}

builder.mutationFields((t) => ({
  setUp: t.field({
    type: setUpPayload,
    action: 'tenant.set_up',
    authScopes: { public: true },
    description: 'Public: creates the first tenant and its owner with the token of the set-up link, and signs the owner in.',
    args: { input: t.arg({ type: setUpInput, required: true, description: 'Tenant and owner.' }) },
    resolve: async (_root, { input: { token, ...tenant } }, context) => {
      const outcome = await context.services.auth.setUp(token, tenant, context.origin);
      switch (outcome.type) {
        case 'signed-in':
          return succeed(context, outcome);
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'link-invalid':
          return setupLinkInvalid();
      }
    },
  }),
  signIn: t.field({
    type: signInPayload,
    action: 'session.open',
    authScopes: { public: true },
    description: 'Public: opens a session.',
    args: { input: t.arg({ type: signInInput, required: true, description: 'E-mail address and password.' }) },
    resolve: async (_root, { input }, context) => {
      const outcome = await context.services.auth.signIn(input.email, input.password, context.origin, input.code ?? undefined);
      switch (outcome.type) {
        case 'signed-in':
          return succeed(context, outcome);
        case 'second-factor-required':
          return { __typename: 'SecondFactorRequired' as const, message: 'Send the code of your authenticator app, or a recovery code, along.' };
        case 'too-many-attempts':
          context.refuseFor(outcome.retryAfterSeconds);
          return tooManyAttempts(outcome.retryAfterSeconds);
        case 'sso-only':
          return signInRefused('Your tenant lets you in by single sign-on only.', 'Sign in with your company’s account.');
        case 'refused':
          return signInRefused('The e-mail address, the password or the code is wrong.', 'Check them, and the keyboard’s capitals.');
      }
    },
  }),
  refreshSession: t.field({
    type: refreshSessionPayload,
    action: 'session.refresh',
    authScopes: { public: true },
    description: 'Public: exchanges a refresh token for new tokens.',
    args: { input: t.arg({ type: refreshSessionInput, required: true, description: 'The refresh token.' }) },
    resolve: async (_root, { input }, context) => {
      const refreshToken = context.channel === 'cookie' ? context.refreshToken : input.refreshToken;
      const outcome = await context.services.auth.refresh(refreshToken ?? '', context.origin);
      if (outcome.type === 'signed-in') return succeed(context, outcome);
      context.signOut();
      return signInRefused('This session has ended.', 'Sign in again.');
    },
  }),
  signOut: t.field({
    type: signOutPayload,
    action: 'session.close',
    authScopes: { signedIn: true },
    description: 'Ends the session of the access token that is sent with it.',
    resolve: async (_root, _args, context) => {
      await context.services.auth.signOut(requirePerson(context.signedIn));
      context.signOut();
      return { __typename: 'SignOutSuccess' as const, signedOut: true };
    },
  }),
}));
