import type { GrantView } from '@millrace/auth';
import { isId } from '@millrace/kernel';
import { conflict, conflictError, invalidInput, invalidInputError, notFound, notFoundError } from '../../error-types.ts';
import { idConnection } from '../../id-connection.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder, pageComplexity } from '../../schema-builder.ts';
import { signInSuccess, succeed } from '../auth/session-mutations.ts';
import { roleEnum } from '../auth/viewer-types.ts';

const accessGrantType = builder.objectRef<GrantView>('AccessGrant').implement({
  description: 'An operator’s right to look into a tenant for a while. All that is done with it stands in the tenant’s audit trail.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'grt_…' }),
    tenantId: t.exposeID('tenantId', { description: 'ten_… of the tenant.' }),
    tenantName: t.exposeString('tenantName', { description: 'The tenant’s name.' }),
    operator: t.string({ description: 'The operator, as the audit trail names them: operator:per_….', resolve: ({ personId }) => `operator:${personId}` }),
    operatorName: t.exposeString('operatorName', { description: 'The operator’s name.' }),
    role: t.expose('role', { type: roleEnum, description: 'What they may do, but for making keys, members or other ways in, which would outlast the grant.' }),
    reason: t.exposeString('reason', { description: 'What they look for.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was taken.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When it ends by itself.' }),
    revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true, description: 'When it was ended before its time, if it was.' }),
  }),
});

const takeAccessGrantSuccess = builder.objectRef<{ __typename: 'TakeAccessGrantSuccess'; grant: GrantView }>('TakeAccessGrantSuccess').implement({
  description: 'The grant is taken, and stands in the tenant’s audit trail.',
  fields: (t) => ({ grant: t.expose('grant', { type: accessGrantType, description: 'The grant.' }) }),
});

const takeAccessGrantPayload = payloadUnion('takeAccessGrant', [takeAccessGrantSuccess, invalidInputError, notFoundError, conflictError]);

const takeAccessGrantInput = builder.inputType('TakeAccessGrantInput', {
  description: 'A grant to be taken.',
  fields: (t) => ({
    tenantId: t.id({ required: true, description: 'ten_…' }),
    role: t.field({ type: roleEnum, required: true, description: 'VIEWER or ADMIN.' }),
    reason: t.string({ required: true, description: 'What you look for: 10 to 500 characters, for the tenant to read.' }),
    hours: t.int({ required: true, description: 'How long it lasts: 1 to 8.' }),
  }),
});

const useAccessGrantPayload = payloadUnion('useAccessGrant', [signInSuccess, notFoundError, conflictError]);

const useAccessGrantInput = builder.inputType('UseAccessGrantInput', {
  description: 'A grant to be used.',
  fields: (t) => ({ id: t.id({ required: true, description: 'grt_…' }) }),
});

const revokeAccessGrantSuccess = builder.objectRef<{ __typename: 'RevokeAccessGrantSuccess'; grant: GrantView }>('RevokeAccessGrantSuccess').implement({
  description: 'The grant has ended, and its sessions end within a second.',
  fields: (t) => ({ grant: t.expose('grant', { type: accessGrantType, description: 'The grant.' }) }),
});

const revokeAccessGrantPayload = payloadUnion('revokeAccessGrant', [revokeAccessGrantSuccess, notFoundError]);

const revokeAccessGrantInput = builder.inputType('RevokeAccessGrantInput', {
  description: 'A grant to be ended.',
  fields: (t) => ({ id: t.id({ required: true, description: 'grt_…' }) }),
});

builder.queryFields((t) => ({
  accessGrants: t.connection(
    {
      type: accessGrantType,
      complexity: pageComplexity,
      authScopes: { permission: 'audit:read' },
      description: 'Which operators may look into your tenant, or have been: newest first.',
      resolve: (_root, args, { services, signedIn }) =>
        idConnection(args, ({ id }: GrantView) => id, (page) => services.auth.grants.listOfTenant(signedIn, page)),
    },
    { name: 'AccessGrantConnection' },
    { name: 'AccessGrantEdge' },
  ),
  operatorGrants: t.field({
    type: [accessGrantType],
    authScopes: { permission: 'platform:grant' },
    description: 'For operators: the grants that you have taken, newest first; the last hundred.',
    resolve: (_root, _args, { services, signedIn }) => services.auth.grants.listOwn(signedIn),
  }),
}));

builder.mutationFields((t) => ({
  takeAccessGrant: t.field({
    type: takeAccessGrantPayload,
    action: 'grant.take',
    authScopes: { permission: 'platform:grant' },
    description: 'For operators: takes the right to look into a tenant, for eight hours at most.',
    args: { input: t.arg({ type: takeAccessGrantInput, required: true, description: 'Where, as what, why, how long.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      if (!isId('tenant', input.tenantId)) return notFound('tenant', 'tenantId');
      const outcome = await services.auth.grants.take(signedIn, input);
      switch (outcome.type) {
        case 'taken':
          return { __typename: 'TakeAccessGrantSuccess' as const, grant: outcome.grant };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'tenant-not-found':
          return notFound('tenant', 'tenantId');
        case 'tenant-closed':
          return conflict('tenant_state', 'tenantId', `The tenant is ${outcome.status}: nobody gets in.`, 'Resume or restore it first.');
      }
    },
  }),
  useAccessGrant: t.field({
    type: useAccessGrantPayload,
    action: 'grant.use',
    authScopes: { permission: 'platform:grant' },
    description: 'For operators: opens a session in the tenant that ends with the grant. Your own session stays.',
    args: { input: t.arg({ type: useAccessGrantInput, required: true, description: 'The grant.' }) },
    resolve: async (_root, { input: { id } }, context) => {
      if (!isId('accessGrant', id)) return notFound('access grant', 'id');
      const outcome = await context.services.auth.grants.use(context.signedIn, id, context.origin);
      switch (outcome.type) {
        case 'signed-in':
          return succeed(context, outcome);
        case 'not-found':
          return notFound('access grant', 'id');
        case 'ended':
          return conflict('grant_ended', 'id', 'The grant has ended.', 'Take a new one.');
        case 'tenant-closed':
          return conflict('tenant_state', 'id', 'The tenant is closed: nobody gets in.', 'Resume or restore it first.');
      }
    },
  }),
  revokeAccessGrant: t.field({
    type: revokeAccessGrantPayload,
    action: 'grant.revoke',
    authScopes: { signedIn: true },
    description: 'Ends an operator’s access: for the tenant (permission grant:write), and for the operator who took it. Twice is no error.',
    args: { input: t.arg({ type: revokeAccessGrantInput, required: true, description: 'The grant.' }) },
    resolve: async (_root, { input: { id } }, { services, signedIn }) => {
      if (!isId('accessGrant', id)) return notFound('access grant', 'id');
      const outcome = await services.auth.grants.revoke(signedIn, id);
      return outcome.type === 'revoked' ? { __typename: 'RevokeAccessGrantSuccess' as const, grant: outcome.grant } : notFound('access grant', 'id');
    },
  }),
}));
