import { isId } from '@millrace/kernel';
import {
  conflict,
  conflictError,
  invalidInput,
  invalidInputError,
  invitationInvalid,
  invitationInvalidError,
   notFound,
  notFoundError,
  signInRefused,
  signInRefusedError,
  singleSignOnOnly,
  singleSignOnOnlyError,
  tooManyAttempts,
  tooManyAttemptsError,
} from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';
import { signInSuccess, succeed } from './session-mutations.ts';
import { roleEnum } from './viewer-types.ts';

const lastOwner = (field: string | null) =>
  conflict('last_owner', field, 'This is the last owner: without one, nobody could let others in.', 'Make somebody else an owner first.');

// --- invitations ---

const inviteMemberSuccess = builder.objectRef<{ __typename: 'InviteMemberSuccess'; invitationId: string; token: string }>('InviteMemberSuccess').implement({
  description: 'The link is made. An earlier one for the same e-mail address is worthless now.',
  fields: (t) => ({
    token: t.exposeString('token', { description: 'Stands in the link: in this answer and nowhere else.' }),
    invitation: t.prismaField({
      type: 'Invitation',
      description: 'What is known of it from now on.',
      resolve: (query, { invitationId: id }, _args, { db, tenantId }) =>
        db.invitation.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
  }),
});

const inviteMemberPayload = payloadUnion('inviteMember', [inviteMemberSuccess, invalidInputError, conflictError]);

const inviteMemberInput = builder.inputType('InviteMemberInput', {
  description: 'Somebody to be invited.',
  fields: (t) => ({
    email: t.string({ required: true, description: 'Their e-mail address: they sign in with it.' }),
    role: t.field({ type: roleEnum, required: true, description: 'What they will be allowed to do; no more than you may.' }),
  }),
});

const revokeInvitationSuccess = builder.objectRef<{ __typename: 'RevokeInvitationSuccess'; invitationId: string }>('RevokeInvitationSuccess').implement({
  description: 'The link is worthless.',
  fields: (t) => ({
    invitation: t.prismaField({
      type: 'Invitation',
      description: 'The invitation.',
      resolve: (query, { invitationId: id }, _args, { db, tenantId }) =>
        db.invitation.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
  }),
});

const revokeInvitationPayload = payloadUnion('revokeInvitation', [revokeInvitationSuccess, notFoundError, conflictError]);

const revokeInvitationInput = builder.inputType('RevokeInvitationInput', {
  description: 'An invitation to be revoked.',
  fields: (t) => ({ id: t.id({ required: true, description: 'inv_…' }) }),
});

const invitationAccepted = builder.objectRef<{ __typename: 'InvitationAccepted'; message: string }>('InvitationAccepted').implement({
  description: 'A member from now on, but not signed in yet: the account has a second factor.',
  fields: (t) => ({ message: t.exposeString('message', { description: 'What to do now, for people.' }) }),
});

const acceptInvitationPayload = payloadUnion('acceptInvitation', [signInSuccess, invitationAccepted, invalidInputError, invitationInvalidError, signInRefusedError, singleSignOnOnlyError, tooManyAttemptsError]);

const acceptInvitationInput = builder.inputType('AcceptInvitationInput', {
  description: 'Whoever accepts an invitation.',
  fields: (t) => ({
    token: t.string({ required: true, description: 'From the link.' }),
    name: t.string({ required: true, description: 'Your full name: 1 to 80 characters. An account that exists keeps the name it has.' }),
    password: t.string({ required: true, description: 'For a new account its first password; for one that exists already, its present one.' }),
  }),
});

// --- members ---

const changeMemberRoleSuccess = builder.objectRef<{ __typename: 'ChangeMemberRoleSuccess'; personId: string }>('ChangeMemberRoleSuccess').implement({
  description: 'The role holds within a second, everywhere.',
  fields: (t) => ({
    member: t.prismaField({
      type: 'Membership',
      description: 'The member.',
      resolve: (query, { personId }, _args, { db, tenantId }) =>
        db.membership.findUniqueOrThrow({ ...query, where: { tenantId_personId: { tenantId, personId } } }),
    }),
  }),
});

const changeMemberRolePayload = payloadUnion('changeMemberRole', [changeMemberRoleSuccess, invalidInputError, notFoundError, conflictError]);

const changeMemberRoleInput = builder.inputType('ChangeMemberRoleInput', {
  description: 'A member’s new role.',
  fields: (t) => ({
    personId: t.id({ required: true, description: 'per_…' }),
    role: t.field({ type: roleEnum, required: true, description: 'The role; none above your own.' }),
  }),
});

const removeMemberSuccess = builder.objectRef<{ __typename: 'RemoveMemberSuccess'; personId: string }>('RemoveMemberSuccess').implement({
  description: 'The person is no member any more; their sessions end within a second. API keys that they made stay.',
  fields: (t) => ({ personId: t.exposeID('personId', { description: 'per_…' }) }),
});

const removeMemberPayload = payloadUnion('removeMember', [removeMemberSuccess, notFoundError, conflictError]);

const removeMemberInput = builder.inputType('RemoveMemberInput', {
  description: 'A member to be removed.',
  fields: (t) => ({ personId: t.id({ required: true, description: 'per_…' }) }),
});

const leaveTenantSuccess = builder.objectRef<{ __typename: 'LeaveTenantSuccess'; left: boolean }>('LeaveTenantSuccess').implement({
  description: 'You are no member any more, and your sessions there have ended. Your account stays.',
  fields: (t) => ({ left: t.exposeBoolean('left', { description: 'Always true.' }) }),
});

const leaveTenantPayload = payloadUnion('leaveTenant', [leaveTenantSuccess, conflictError]);

const switchTenantPayload = payloadUnion('switchTenant', [signInSuccess, notFoundError, conflictError, singleSignOnOnlyError]);

const switchTenantInput = builder.inputType('SwitchTenantInput', {
  description: 'Another tenant of yours.',
  fields: (t) => ({ tenantId: t.id({ required: true, description: 'ten_…, from memberships.' }) }),
});

builder.mutationFields((t) => ({
  inviteMember: t.field({
    type: inviteMemberPayload,
    action: 'invitation.create',
    authScopes: { permission: 'member:write' },
    description: 'Makes a link by which the holder of an e-mail address becomes a member: good for seven days, once.',
    args: { input: t.arg({ type: inviteMemberInput, required: true, description: 'Whom, and as what.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      const outcome = await services.auth.members.invite(signedIn, input);
      switch (outcome.type) {
        case 'invited':
          return { __typename: 'InviteMemberSuccess' as const, invitationId: outcome.invitation.id, token: outcome.token };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'already-member':
          return conflict('already_member', 'email', 'This person is a member already.', 'Change their role instead.');
      }
    },
  }),
  revokeInvitation: t.field({
    type: revokeInvitationPayload,
    action: 'invitation.revoke',
    authScopes: { permission: 'member:write' },
    description: 'Makes the link of an invitation worthless. Revoking it twice is no error.',
    args: { input: t.arg({ type: revokeInvitationInput, required: true, description: 'The invitation.' }) },
    resolve: async (_root, { input: { id } }, { services, signedIn }) => {
      if (!isId('invitation', id)) return notFound('invitation', 'id');
      const outcome = await services.auth.members.revokeInvitation(signedIn, id);
      switch (outcome.type) {
        case 'revoked':
          return { __typename: 'RevokeInvitationSuccess' as const, invitationId: id };
        case 'not-found':
          return notFound('invitation', 'id');
        case 'already-accepted':
          return conflict('invitation_accepted', 'id', 'The invitation was accepted already.', 'Remove the member instead.');
      }
    },
  }),
  acceptInvitation: t.field({
    type: acceptInvitationPayload,
    action: 'invitation.accept',
    authScopes: { public: true },
    description: 'Public: makes the holder of a link a member, with a new account or with the one that the e-mail address has, and signs them in.',
    args: { input: t.arg({ type: acceptInvitationInput, required: true, description: 'The link and who you are.' }) },
    resolve: async (_root, { input: { token, name, password } }, context) => {
      const outcome = await context.services.auth.members.acceptInvitation(token, { name, password }, context.origin);
      switch (outcome.type) {
        case 'signed-in':
          return succeed(context, outcome);
        case 'accepted':
          return { __typename: 'InvitationAccepted' as const, message: 'You are a member now. Sign in with your password and your second factor.' };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'link-invalid':
          return invitationInvalid();
        case 'refused':
          return signInRefused('There is an account with this e-mail address, and this is not its password.', 'Give the password that you sign in with.');
        case 'sso-only':
          return singleSignOnOnly(outcome.reason);
        case 'too-many-attempts':
          context.refuseFor(outcome.retryAfterSeconds);
          return tooManyAttempts(outcome.retryAfterSeconds);
      }
    },
  }),
  changeMemberRole: t.field({
    type: changeMemberRolePayload,
    action: 'member.role',
    authScopes: { permission: 'member:write' },
    description: 'Gives a member another role. Nobody gives a role above their own, or changes somebody above them.',
    args: { input: t.arg({ type: changeMemberRoleInput, required: true, description: 'Who, and which role.' }) },
    resolve: async (_root, { input: { personId, role } }, { services, signedIn }) => {
      if (!isId('person', personId)) return notFound('member', 'personId');
      const outcome = await services.auth.members.changeRole(signedIn, personId, role);
      switch (outcome.type) {
        case 'changed':
          return { __typename: 'ChangeMemberRoleSuccess' as const, personId };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'not-found':
          return notFound('member', 'personId');
        case 'last-owner':
          return lastOwner('personId');
      }
    },
  }),
  removeMember: t.field({
    type: removeMemberPayload,
    action: 'member.remove',
    authScopes: { permission: 'member:write' },
    description: 'Takes a person out of the tenant. Nobody removes somebody above them.',
    args: { input: t.arg({ type: removeMemberInput, required: true, description: 'Who.' }) },
    resolve: async (_root, { input: { personId } }, { services, signedIn }) => {
      if (!isId('person', personId)) return notFound('member', 'personId');
      const outcome = await services.auth.members.remove(signedIn, personId);
      switch (outcome.type) {
        case 'removed':
          return { __typename: 'RemoveMemberSuccess' as const, personId };
        case 'not-found':
          return notFound('member', 'personId');
        case 'last-owner':
          return lastOwner('personId');
      }
    },
  }),
  leaveTenant: t.field({
    type: leaveTenantPayload,
    action: 'member.leave',
    authScopes: { signedIn: true },
    description: 'Ends your own membership of this tenant. The last owner cannot leave.',
    resolve: async (_root, _args, { services, signedIn }) => {
      const outcome = await services.auth.members.leave(signedIn);
      switch (outcome.type) {
        case 'left':
          return { __typename: 'LeaveTenantSuccess' as const, left: true };
        case 'last-owner':
          return lastOwner(null);
        case 'no-member':
          return conflict('no_member', null, 'You are no member of this tenant.', 'Sign out, or revoke the key or the access grant.');
      }
    },
  }),
  switchTenant: t.field({
    type: switchTenantPayload,
    action: 'session.switch',
    authScopes: { signedIn: true },
    description: 'Opens a session in another tenant of yours and ends this one. For sessions that were opened with a password.',
    args: { input: t.arg({ type: switchTenantInput, required: true, description: 'Where to.' }) },
    resolve: async (_root, { input: { tenantId } }, context) => {
      if (!isId('tenant', tenantId)) return notFound('tenant', 'tenantId');
      const outcome = await context.services.auth.members.switchTo(context.signedIn, tenantId, context.origin);
      switch (outcome.type) {
        case 'signed-in':
          return succeed(context, outcome);
        case 'not-found':
          return notFound('tenant', 'tenantId');
        case 'not-by-password':
          return conflict('session_not_by_password', null, 'This session was not opened with your password: it is good for its own tenant only.', 'Sign in with your password.');
        case 'sso-only':
          return singleSignOnOnly('tenant');
      }
    },
  }),
}));
