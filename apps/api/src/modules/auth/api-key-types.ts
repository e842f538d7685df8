import { databaseEnums } from '@millrace/database';
import { builder, pageComplexity, pageLimit } from '../../schema-builder.ts';

export const apiKeyScopeEnum = builder.enumType(databaseEnums.ApiKeyScope, {
  name: 'ApiKeyScope',
  description: 'What a key may do: PREDICT calls endpoints, READ reads everything, TRAIN also uploads and trains, ADMIN does what an administrator does.',
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

builder.queryFields((t) => ({
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
}));
