import { domainRecord, ssoRoles } from '@millrace/auth';
import { builder } from '../../schema-builder.ts';
import { roleEnum } from './viewer-types.ts';

const groupRoleType = builder.objectRef<{ group: string; role: typeof roleEnum.$inferType }>('GroupRole').implement({
  description: 'A group at the OpenID provider, and the role that it gives here.',
  fields: (t) => ({
    group: t.exposeString('group', { description: 'As the provider names it.' }),
    role: t.expose('role', { type: roleEnum, description: 'Of somebody’s groups, the highest role counts.' }),
  }),
});

builder.prismaNode('SsoConnection', {
  id: { field: 'id', description: 'sso_…' },
  nullable: true,
  findUnique: (id, context) => ({ tenantId_id: { tenantId: context.tenantId, id } }),
  description: 'The tenant’s connection to its own OpenID provider. The client’s secret is shown to nobody.',
  fields: (t) => ({
    issuer: t.exposeString('issuer', { description: 'The provider’s name for itself: an address.' }),
    clientId: t.exposeString('clientId', { description: 'How the provider knows this installation.' }),
    redirectUri: t.string({
      description: 'To be registered at the provider: where it sends people back to.',
      resolve: (_connection, _args, { services }) => services.ssoRedirectUri(),
    }),
    groupsClaim: t.exposeString('groupsClaim', { description: 'The claim that lists a person’s groups: a name, or a path such as realm_access.roles.' }),
    roleByGroup: t.field({
      type: [groupRoleType],
      description: 'The groups that have a role here.',
      resolve: ({ roleByGroup }) => ssoRoles(roleByGroup).map(([group, role]) => ({ group, role })),
    }),
    defaultRole: t.expose('defaultRole', { type: roleEnum, nullable: true, description: 'Of those in none of these groups; null keeps them out.' }),
    required: t.exposeBoolean('required', { description: 'Whether members in verified domains, but for owners, can no longer come in by password.' }),
    updatedBy: t.exposeString('updatedBy', { description: 'Who saved it last.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was saved last.' }),
  }),
});

builder.prismaNode('DomainClaim', {
  id: { field: 'id', description: 'dom_…' },
  nullable: true,
  findUnique: (id, context) => ({ tenantId_id: { tenantId: context.tenantId, id } }),
  description: 'An e-mail domain that the tenant says is its own. Once that is proved, its people may come in by single sign-on.',
  fields: (t) => ({
    domain: t.exposeString('domain', { description: 'In lower case and ASCII, such as example.com.' }),
    record: t.string({ description: 'The TXT record that must stand in the domain’s DNS.', resolve: (claim) => domainRecord(claim) }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was claimed.' }),
    verifiedAt: t.expose('verifiedAt', { type: 'DateTime', nullable: true, description: 'When it was proved; null if it is not.' }),
  }),
});

builder.queryFields((t) => ({
  ssoConnection: t.prismaField({
    type: 'SsoConnection',
    nullable: true,
    authScopes: { permission: 'sso:write' },
    description: 'The tenant’s single sign-on; null if there is none.',
    resolve: (query, _root, _args, { db, tenantId }) => db.ssoConnection.findUnique({ ...query, where: { tenantId } }),
  }),
  domainClaims: t.prismaField({
    type: ['DomainClaim'],
    authScopes: { permission: 'sso:write' },
    description: 'The e-mail domains that the tenant has claimed, fifty at most, by name.',
    resolve: (query, _root, _args, { db, tenantId }) => db.domainClaim.findMany({ ...query, where: { tenantId }, orderBy: { domain: 'asc' } }),
  }),
}));
