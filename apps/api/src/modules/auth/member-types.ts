import type { InvitationPreview, OwnMembership } from '@millrace/auth';
import type { Membership } from '@millrace/database';
import { queryFromInfo } from '@pothos/plugin-prisma';
import { idConnection } from '../../id-connection.ts';
import { builder, pageComplexity, pageLimit } from '../../schema-builder.ts';
import { roleEnum } from './viewer-types.ts';

const memberType = builder.prismaObject('Membership', {
  name: 'Member',
  description: 'A person in the tenant.',
  fields: (t) => ({
    person: t.relation('person', { description: 'Who it is.' }),
    role: t.expose('role', { type: roleEnum, description: 'What they may do.' }),
    since: t.expose('createdAt', { type: 'DateTime', description: 'Since when they are a member.' }),
    hasSecondFactor: t.boolean({
      description: 'Whether they sign in with a second factor.',
      select: { person: { select: { totpConfirmedAt: true } } },
      resolve: ({ person }) => person.totpConfirmedAt !== null,
    }),
  }),
});

const invitationState = builder.enumType('InvitationState', {
  description: 'Where an invitation stands.',
  values: {
    OPEN: { description: 'The link can be used.' },
    ACCEPTED: { description: 'It was used, and its holder became a member.' },
    REVOKED: { description: 'It was revoked, or replaced by a newer one.' },
    EXPIRED: { description: 'Nobody used it in time.' },
  },
});

builder.prismaObject('Invitation', {
  description: 'A link by which somebody becomes a member: for one e-mail address, once. Its text was shown when it was made.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'inv_…' }),
    email: t.exposeString('email', { description: 'Whom it is for.' }),
    role: t.expose('role', { type: roleEnum, description: 'What they will be allowed to do.' }),
    createdBy: t.exposeString('createdBy', { description: 'Who made it: person:per_… or operator:per_….' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When the link stops working.' }),
    state: t.field({
      type: invitationState,
      description: 'Where it stands now.',
      resolve: ({ acceptedAt, revokedAt, expiresAt }) => {
        if (acceptedAt) return 'ACCEPTED';
        if (revokedAt) return 'REVOKED';
        return expiresAt > new Date() ? 'OPEN' : 'EXPIRED';
      },
    }),
  }),
});

const invitationPreview = builder.objectRef<InvitationPreview>('InvitationPreview').implement({
  description: 'What the holder of a link is invited to.',
  fields: (t) => ({
    tenantName: t.exposeString('tenantName', { description: 'The team.' }),
    email: t.exposeString('email', { description: 'The e-mail address that it is for.' }),
    role: t.expose('role', { type: roleEnum, description: 'What they will be allowed to do.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When the link stops working.' }),
  }),
});

const viewerMembership = builder.objectRef<OwnMembership>('ViewerMembership').implement({
  description: 'A tenant that the caller may switch to.',
  fields: (t) => ({
    tenantId: t.exposeID('tenantId', { description: 'ten_…' }),
    name: t.exposeString('name', { description: 'As the team calls itself.' }),
    slug: t.exposeString('slug', { description: 'The name as it stands in addresses.' }),
    role: t.expose('role', { type: roleEnum, description: 'The caller’s role there.' }),
  }),
});

builder.queryFields((t) => ({
  members: t.connection(
    {
      type: memberType,
      complexity: pageComplexity,
      authScopes: { permission: 'member:read' },
      description: 'The people of the tenant, the youngest account first.',
      resolve: (_root, args, context, info) =>
        idConnection(args, ({ personId }: Membership) => personId, ({ after, before, limit, oldestFirst }) =>
          context.db.membership.findMany({
            ...(queryFromInfo({ context, info, path: ['edges', 'node'] }) as object),
            where: { tenantId: context.tenantId, personId: { ...(after ? { lt: after } : {}), ...(before ? { gt: before } : {}) } },
            orderBy: { personId: oldestFirst ? 'asc' : 'desc' },
            take: limit,
          }),
        ),
    },
    { name: 'MemberConnection' },
    { name: 'MemberEdge' },
  ),
  invitations: t.prismaConnection(
    {
      type: 'Invitation',
      cursor: 'id',
      maxSize: pageLimit,
      complexity: pageComplexity,
      authScopes: { permission: 'member:read' },
      description: 'The invitations of the tenant, newest first, used and revoked ones included.',
      resolve: (query, _root, _args, { db, tenantId }) => db.invitation.findMany({ ...query, where: { tenantId }, orderBy: { id: 'desc' } }),
    },
    { name: 'InvitationConnection' },
    { name: 'InvitationEdge' },
  ),
  invitation: t.field({
    type: invitationPreview,
    authScopes: { public: true },
    nullable: true,
    description: 'Public: what a link is for; null when it is not good (any more).',
    args: { token: t.arg.string({ required: true, description: 'From the link.' }) },
    resolve: (_root, { token }, { services }) => services.auth.members.previewInvitation(token),
  }),
  memberships: t.field({
    type: [viewerMembership],
    authScopes: { signedIn: true },
    description: 'The tenants that the caller is a member of and may switch to. None for an API key.',
    resolve: (_root, _args, { services, signedIn }) => services.auth.members.listOwn(signedIn),
  }),
}));
