import { type Actor, can, permissions } from '@millrace/auth';
import { databaseEnums } from '@millrace/database';
import { builder, pageComplexity, pageLimit } from '../../schema-builder.ts';

export const roleEnum = builder.enumType(databaseEnums.Role, {
  name: 'Role',
  description: 'What a person may do in a tenant: VIEWER reads, ENGINEER trains and publishes, ADMIN also manages keys and reads the audit trail, OWNER may do everything.',
});

export const apiKeyScopeEnum = builder.enumType(databaseEnums.ApiKeyScope, {
  name: 'ApiKeyScope',
  description: 'What a key may do: PREDICT calls endpoints, READ reads everything, TRAIN also uploads and trains, ADMIN does what an administrator does.',
});

builder.prismaNode('Tenant', {
  id: { field: 'id', description: 'ten_…' },
  nullable: true,
  description: 'A company’s team: the unit of isolation, quota and billing.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'As the team calls itself.' }),
    slug: t.exposeString('slug', { description: 'The name as it stands in addresses.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was set up.' }),
  }),
});

builder.prismaNode('Person', {
  id: { field: 'id', description: 'per_…' },
  nullable: true,
  description: 'A human being who is a member of the tenant.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Full name.' }),
    email: t.exposeString('email', { description: 'E-mail address, in lower case.' }),
  }),
});

builder.prismaNode('ApiKey', {
  id: { field: 'id', description: 'key_…' },
  nullable: true,
  findUnique: (id, context) => ({ tenantId_id: { tenantId: context.tenantId, id } }),
  description: 'A partner’s or machine’s credential. Its text was shown once, when it was made.',
  fields: (t) => ({
    alias: t.exposeString('alias', { description: 'What it is for.' }),
    scopes: t.expose('scopes', { type: [apiKeyScopeEnum], description: 'What it may do.' }),
    models: t.exposeStringList('models', { description: 'Names of the endpoints that it may call; empty means all.' }),
    lastFour: t.exposeString('lastFour', { description: 'Its last four characters, to tell keys apart.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true, description: 'When it stops working; null for never.' }),
    revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true, description: 'When it was revoked, if it was.' }),
    lastUsedAt: t.expose('lastUsedAt', { type: 'DateTime', nullable: true, description: 'When it was last used, to the minute.' }),
  }),
});

builder.prismaNode('AuditEvent', {
  id: { field: 'id', description: 'aud_…' },
  nullable: true,
  description: 'A line of the audit trail, which is only ever added to.',
  fields: (t) => ({
    at: t.expose('at', { type: 'DateTime', description: 'When it happened.' }),
    actor: t.exposeString('actor', { description: 'Who did it: person:per_…, key:key_… or system.' }),
    action: t.exposeString('action', { description: 'What was done, such as run.submit.' }),
    subject: t.exposeString('subject', { nullable: true, description: 'The id or name of what it was done to.' }),
    result: t.exposeString('result', { description: 'ok, or the code of the refusal.' }),
    requestId: t.exposeString('requestId', { nullable: true, description: 'The request that asked for it.' }),
    details: t.expose('details', { type: 'JSON', nullable: true, description: 'What else is worth knowing.' }),
  }),
});

export const viewerType = builder.objectRef<Actor>('Viewer').implement({
  description: 'Whoever makes this request: a person or an API key, in one tenant.',
  fields: (t) => ({
    tenant: t.prismaField({
      type: 'Tenant',
      description: 'The tenant that everything in reach belongs to.',
      resolve: (query, actor, _args, context) => context.db.tenant.findUniqueOrThrow({ ...query, where: { id: actor.tenantId } }),
    }),
    person: t.prismaField({
      type: 'Person',
      nullable: true,
      description: 'The person; null for an API key.',
      resolve: (query, actor, _args, context) =>
        actor.type === 'person' ? context.db.person.findUniqueOrThrow({ ...query, where: { id: actor.personId } }) : null,
    }),
    apiKey: t.prismaField({
      type: 'ApiKey',
      nullable: true,
      description: 'The API key; null for a person.',
      resolve: (query, actor, _args, context) =>
        actor.type === 'key'
          ? context.db.apiKey.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId: actor.tenantId, id: actor.keyId } } })
          : null,
    }),
    role: t.field({
      type: roleEnum,
      nullable: true,
      description: 'The person’s role; null for an API key.',
      resolve: (actor) => (actor.type === 'person' ? actor.role : null),
    }),
    inferenceUrl: t.string({
      description: 'Where predictions are served to programs. A loopback address means: on the host of the console.',
      resolve: (_actor, _args, { services }) => services.publicInferenceUrl,
    }),
    permissions: t.stringList({
      description: 'Everything that the caller may do, such as run:submit.',
      resolve: (actor) => permissions.filter((permission) => can(actor, permission)),
    }),
  }),
});

const setupStateType = builder.objectRef<{ isSetUp: boolean }>('SetupState').implement({
  description: 'Whether this installation has been set up.',
  fields: (t) => ({ isSetUp: t.exposeBoolean('isSetUp', { description: 'Whether there is a tenant yet.' }) }),
});

builder.queryFields((t) => ({
  setupState: t.field({
    type: setupStateType,
    description: 'Public: whether to show the set-up page or the sign-in page.',
    resolve: async (_root, _args, { services }) => ({ isSetUp: await services.auth.isSetUp() }),
  }),
  viewer: t.field({
    type: viewerType,
    authScopes: { signedIn: true },
    description: 'Whoever makes this request.',
    resolve: (_root, _args, context) => context.signedIn,
  }),
  apiKeys: t.prismaConnection(
    {
      type: 'ApiKey',
      cursor: 'id',
      maxSize: pageLimit,
      complexity: pageComplexity,
      authScopes: { permission: 'key:read' },
      description: 'The API keys of the tenant, newest first, revoked ones included.',
      resolve: (query, _root, _args, { db, tenantId }) =>
        db.apiKey.findMany({ ...query, where: { tenantId }, orderBy: { id: 'desc' } }),
    },
    { name: 'ApiKeyConnection' },
    { name: 'ApiKeyEdge' },
  ),
  auditEvents: t.prismaConnection(
    {
      type: 'AuditEvent',
      cursor: 'id',
      maxSize: pageLimit,
      complexity: pageComplexity,
      authScopes: { permission: 'audit:read' },
      description: 'The audit trail of the tenant, newest first.',
      resolve: (query, _root, _args, { db, tenantId }) =>
        db.auditEvent.findMany({ ...query, where: { tenantId }, orderBy: { id: 'desc' } }),
    },
    { name: 'AuditEventConnection' },
    { name: 'AuditEventEdge' },
  ),
}));
