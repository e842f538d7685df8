import type { Actor, SignedIn } from '@millrace/auth';
import { DomainError } from '@millrace/kernel';
import {
  invalidInput,
  invalidInputError,
  nameOf,
  setupLinkInvalid,
  setupLinkInvalidError,
  signInRefused,
  signInRefusedError } from '../../error-types.ts';
import type { RequestContext } from '../../request-context.ts';
import { builder } from '../../schema-builder.ts';
import { viewerType } from './viewer-types.ts';

interface SignInSuccess {
  __typename: 'SignInSuccess';
  accessToken: string;
  expiresInSeconds: number;
  refreshToken: string;
  actor: Actor;
}

const signInSuccess = builder.objectRef<SignInSuccess>('SignInSuccess').implement({
  description: 'Signed in.',
  fields: (t) => ({
    accessToken: t.exposeString('accessToken', { description: 'Send it as Authorization: Bearer ….' }),
    expiresInSeconds: t.exposeInt('expiresInSeconds', { description: 'So long the access token is good.' }),
    refreshToken: t.exposeString('refreshToken', {
      description: 'For refreshSession: good once. Using it twice ends the session, as one of the two users has stolen it.',
    }),
    viewer: t.field({ type: viewerType, description: 'Whoever signed in.', resolve: ({ actor }) => actor }),
  }),
});

const setUpPayload = builder.unionType('SetUpPayload', {
  description: 'Outcomes of setUp.',
  types: [signInSuccess, invalidInputError, setupLinkInvalidError],
  resolveType: nameOf,
});

const signInPayload = builder.unionType('SignInPayload', {
  description: 'Outcomes of signIn.',
  types: [signInSuccess, signInRefusedError],
  resolveType: nameOf,
});

const refreshSessionPayload = builder.unionType('RefreshSessionPayload', {
  description: 'Outcomes of refreshSession.',
  types: [signInSuccess, signInRefusedError],
  resolveType: nameOf,
});

const signOutSuccess = builder.objectRef<{ __typename: 'SignOutSuccess'; signedOut: boolean }>('SignOutSuccess').implement({
  description: 'The session has ended; its tokens are worthless within a second.',
  fields: (t) => ({ signedOut: t.exposeBoolean('signedOut', { description: 'Always true.' }) }),
});

const signOutPayload = builder.unionType('SignOutPayload', {
  description: 'Outcomes of signOut.',
  types: [signOutSuccess],
  resolveType: nameOf,
});

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
  }),
});

const refreshSessionInput = builder.inputType('RefreshSessionInput', {
  description: 'The session to carry on.',
  fields: (t) => ({ refreshToken: t.string({ required: true, description: 'From signIn, setUp or the last refreshSession.' }) }),
});

/** The payload of a sign-in reads as the one who has just signed in, not as the one who asked (nobody). */
function succeed(context: RequestContext, outcome: SignedIn): SignInSuccess {
  const { accessToken, accessTokenExpiresInSeconds, refreshToken, actor } = outcome;
  context.signInAs(actor, accessToken);
  return { __typename: 'SignInSuccess', accessToken, expiresInSeconds: accessTokenExpiresInSeconds, refreshToken, actor };
}

builder.mutationFields((t) => ({
  setUp: t.field({
    type: setUpPayload,
    action: 'tenant.create',
    authScopes: { public: true },
    description: 'Public: creates the first tenant and its owner with the token of the set-up link, and signs the owner in.',
    args: { input: t.arg({ type: setUpInput, required: true, description: 'Tenant and owner.' }) },
    resolve: async (_root, { input: { token, ...tenant } }, context) => {
      const outcome = await context.services.auth.setUp(token, tenant);
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
      const outcome = await context.services.auth.signIn(input.email, input.password);
      if (outcome.type === 'signed-in') return succeed(context, outcome);
      return signInRefused('The e-mail address or the password is wrong.', 'Check both, and the keyboard’s capitals.');
    },
  }),
  refreshSession: t.field({
    type: refreshSessionPayload,
    action: 'session.refresh',
    authScopes: { public: true },
    description: 'Public: exchanges a refresh token for new tokens.',
    args: { input: t.arg({ type: refreshSessionInput, required: true, description: 'The refresh token.' }) },
    resolve: async (_root, { input }, context) => {
      const outcome = await context.services.auth.refresh(input.refreshToken);
      if (outcome.type === 'signed-in') return succeed(context, outcome);
      return signInRefused('This session has ended.', 'Sign in again.');
    },
  }),
  signOut: t.field({
    type: signOutPayload,
    action: 'session.close',
    authScopes: { signedIn: true },
    description: 'Ends the session of the access token that is sent with it.',
    resolve: async (_root, _args, context) => {
      const actor = context.signedIn;
      if (actor.type === 'key') {
        throw new DomainError('INVALID', 'An API key has no session.', { remedy: 'Revoke the key instead.' });
      }
      await context.services.auth.signOut(actor);
      return { __typename: 'SignOutSuccess' as const, signedOut: true };
    },
  }),
}));
