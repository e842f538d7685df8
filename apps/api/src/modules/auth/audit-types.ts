import { builder, pageComplexity, pageLimit } from '../../schema-builder.ts';

builder.prismaNode('AuditEvent', {
  id: { field: 'id', description: 'aud_…' },
  nullable: true,
  findUnique: (id, context) => ({ tenantId_id: { tenantId: context.tenantId, id } }),
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

builder.queryFields((t) => ({
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
