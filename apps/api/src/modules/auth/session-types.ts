import { type OpenSession, requirePerson } from '@millrace/auth';
import { databaseEnums } from '@millrace/database';
import { DomainError, isId } from '@millrace/kernel';
import { notFound, notFoundError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';

const signInMethodEnum = builder.enumType(databaseEnums.SignInMethod, {
  name: 'SignInMethod',
  description: 'How a session was opened: PASSWORD, SSO by the tenant’s own provider, GRANT by an operator with an access grant.',
});

const sessionType = builder.objectRef<OpenSession>('Session').implement({
  description: 'A session that is open.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'ses_…' }),
    tenantName: t.exposeString('tenantName', { description: 'The tenant that it leads into.' }),
    method: t.expose('method', { type: signInMethodEnum, description: 'How it was opened.' }),
    address: t.exposeString('address', { nullable: true, description: 'The address that it was opened from; null where it is not known.' }),
    userAgent: t.exposeString('userAgent', { nullable: true, description: 'The program that it was opened with, as it calls itself.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was opened.' }),
    lastUsedAt: t.expose('lastUsedAt', { type: 'DateTime', description: 'When it was last carried on: to ten minutes, the life of an access token.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When it ends, whatever happens.' }),
    isCurrent: t.exposeBoolean('isCurrent', { description: 'Whether it is the one that asks.' }),
  }),
});

builder.queryField('sessions', (t) =>
  t.field({
    type: [sessionType],
    authScopes: { signedIn: true },
    description:
      'Open sessions, the one used last first, 100 at most. One’s own, in all tenants; or those of another member in this tenant, which needs member:read.',
    args: { personId: t.arg.id({ description: 'per_…; left out for oneself.' }) },
    resolve: (_root, { personId }, { services, signedIn }) => services.auth.sessions.list(requirePerson(signedIn), personId ?? undefined),
  }),
);

const revokeSessionPayload = payloadUnion('revokeSession', [
  builder.objectRef<{ __typename: 'RevokeSessionSuccess'; sessionId: string }>('RevokeSessionSuccess').implement({
    description: 'The session has ended; its tokens are worthless within a second.',
    fields: (t) => ({ sessionId: t.exposeID('sessionId', { description: 'ses_…' }) }),
  }),
  notFoundError,
]);

const revokeSessionInput = builder.inputType('RevokeSessionInput', {
  description: 'A session to be ended.',
  fields: (t) => ({ id: t.id({ required: true, description: 'ses_…' }) }),
});

const revokeOtherSessionsPayload = payloadUnion('revokeOtherSessions', [
  builder.objectRef<{ __typename: 'RevokeOtherSessionsSuccess'; endedSessions: number }>('RevokeOtherSessionsSuccess').implement({
    description: 'The sessions have ended; their tokens are worthless within a second.',
    fields: (t) => ({ endedSessions: t.exposeInt('endedSessions', { description: 'How many there were.' }) }),
  }),
]);

builder.mutationFields((t) => ({
  revokeSession: t.field({
    type: revokeSessionPayload,
    action: 'session.revoke',
    authScopes: { signedIn: true },
    description: 'Ends a session: one’s own or, with member:write, that of another member in this tenant who is not above oneself. Ending it twice is no error.',
    args: { input: t.arg({ type: revokeSessionInput, required: true, description: 'The session.' }) },
    resolve: async (_root, { input: { id } }, { services, signedIn }) => {
      const person = requirePerson(signedIn);
      try {
        if (!isId('session', id)) return notFound('session', 'id');
        await services.auth.sessions.revoke(person, id);
        return { __typename: 'RevokeSessionSuccess' as const, sessionId: id };
      } catch (error) {
        if (error instanceof DomainError && error.code === 'NOT_FOUND') return notFound('session', 'id');
        throw error;
      }
    },
  }),
  revokeOtherSessions: t.field({
    type: revokeOtherSessionsPayload,
    action: 'session.revoke_others',
    authScopes: { signedIn: true },
    description: 'Ends all of one’s own sessions but this one.',
    resolve: async (_root, _args, { services, signedIn }) => {
      const endedSessions = await services.auth.sessions.revokeOthers(requirePerson(signedIn));
      return { __typename: 'RevokeOtherSessionsSuccess' as const, endedSessions };
    },
  }),
}));
