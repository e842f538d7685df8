import type { BrokenLink, ChainState } from '@millrace/auth';
import { builder, pageComplexity, pageLimit } from '../../schema-builder.ts';
import { actorLabel } from './actor-label.ts';

builder.prismaNode('AuditEvent', {
  id: { field: 'id', description: 'aud_…' },
  nullable: true,
  findUnique: (id, context) => ({ tenantId_id: { tenantId: context.tenantId, id } }),
  description: 'A line of the audit trail, which is only ever added to.',
  fields: (t) => ({
    at: t.expose('at', { type: 'DateTime', description: 'When it happened.' }),
    actor: t.exposeString('actor', { description: 'Who did it: person:per_…, key:key_…, operator:per_… or system.' }),
    actorLabel: t.string({
      select: { actor: true },
      description: 'Who did it, in words: the name of a member or the alias of a key; otherwise as actor has it.',
      resolve: ({ actor }, _args, context) => actorLabel(actor, context),
    }),
    action: t.exposeString('action', { description: 'What was done, such as run.submit; of reads that were refused, such as query.runs.' }),
    subject: t.exposeString('subject', { nullable: true, description: 'The id or name of what it was done to.' }),
    result: t.exposeString('result', { description: 'ok, or the code of the refusal.' }),
    requestId: t.exposeString('requestId', { nullable: true, description: 'The request that asked for it.' }),
    address: t.exposeString('address', { nullable: true, description: 'Where the request came from.' }),
    userAgent: t.exposeString('userAgent', { nullable: true, description: 'What program sent it, by its own account.' }),
    details: t.expose('details', { type: 'JSON', nullable: true, description: 'What else is worth knowing.' }),
    number: t.int({
      select: { link: { select: { number: true } } },
      nullable: true,
      description: 'Its place in the hash chain: 1, 2, 3 … without gaps. Null for what came in past the chain.',
      resolve: ({ link }) => link?.number ?? null,
    }),
    hash: t.string({
      select: { link: { select: { hash: true } } },
      nullable: true,
      description: 'SHA-256 of the hash before and of the text of this event.',
      resolve: ({ link }) => link?.hash ?? null,
    }),
  }),
});

const brokenLinkType = builder.objectRef<BrokenLink>('BrokenAuditLink').implement({
  description: 'Where the hash chain is not what it was when its lines were written.',
  fields: (t) => ({
    number: t.exposeInt('number', { nullable: true, description: 'Of the link at fault; null for an event that has none.' }),
    eventId: t.exposeID('eventId', { nullable: true, description: 'aud_… of its event; null when that is gone.' }),
    at: t.expose('at', { type: 'DateTime', nullable: true, description: 'When the event says that it happened.' }),
    reason: t.exposeString('reason', { description: 'missing, changed or unlinked (an event that came in past the chain).' }),
  }),
});

const auditChainType = builder.objectRef<ChainState>('AuditChain').implement({
  description: 'The hash chain of the audit trail, recomputed for this answer from its first link to its last.',
  fields: (t) => ({
    length: t.exposeInt('length', { description: 'Links, which are events.' }),
    head: t.string({
      nullable: true,
      description: 'number:hash of the last link. Keep it elsewhere: nobody can cut off or rewrite what comes before it unnoticed.',
      resolve: ({ head }) => (head ? `${head.number}:${head.hash}` : null),
    }),
    verified: t.boolean({ description: 'Whether every event is the one that was written.', resolve: ({ firstBroken }) => firstBroken === null }),
    firstBroken: t.expose('firstBroken', { type: brokenLinkType, nullable: true, description: 'The first fault; null when there is none.' }),
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
      description: 'The audit trail of the tenant, newest first. What is given of the filters must all hold.',
      args: {
        actor: t.arg.string({ description: 'Who did it, as actor has it.' }),
        action: t.arg.string({ description: 'What was done, or how it begins: run. finds run.submit and run.cancel.' }),
        subject: t.arg.string({ description: 'The id or name of what it was done to.' }),
        result: t.arg.string({ description: 'ok, or the code of the refusal, such as forbidden.' }),
        from: t.arg({ type: 'DateTime', description: 'From then on, inclusive.' }),
        to: t.arg({ type: 'DateTime', description: 'Until then, exclusive.' }),
      },
      resolve: (query, _root, { actor, action, subject, result, from, to }, { db, tenantId }) =>
        db.auditEvent.findMany({
          ...query,
          where: {
            tenantId,
            ...(actor == null ? {} : { actor }),
            ...(action == null ? {} : { action: { startsWith: literally(action) } }),
            ...(subject == null ? {} : { subject }),
            ...(result == null ? {} : { result }),
            ...(from == null && to == null ? {} : { at: { ...(from ? { gte: from } : {}), ...(to ? { lt: to } : {}) } }),
          },
          orderBy: { id: 'desc' },
        }),
    },
    { name: 'AuditEventConnection' },
    { name: 'AuditEventEdge' },
  ),
  auditChain: t.field({
    type: auditChainType,
    complexity: 5_000,
    authScopes: { permission: 'audit:read' },
    description: 'Verifies the audit trail of the tenant: every event, from the first to the last.',
    resolve: (_root, _args, { services, signedIn }) => services.auth.trail.verify(signedIn),
  }),
}));

/** Prisma makes a LIKE pattern of a prefix without escaping what means something there. */
const literally = (prefix: string): string => prefix.replace(/[\\%_]/g, '\\$&');
