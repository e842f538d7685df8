import { databaseEnums, type WebhookSecret } from '@millrace/database';
import { isId } from '@millrace/kernel';
import { builder, pageComplexity, pageLimit } from '../../schema-builder.ts';

const deliveryStatusEnum = builder.enumType(databaseEnums.WebhookDeliveryStatus, {
  name: 'WebhookDeliveryStatus',
  description: 'PENDING is tried, or tried again; DELIVERED was received; FAILED was tried as often as it is tried, or its receiver wants no more.',
});

export const webhookSecretType = builder.objectRef<Omit<WebhookSecret, 'tenantId' | 'secretSealed'>>('WebhookSecret').implement({
  description: 'What webhooks of predictions made later are signed with. Its text was shown once.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'whs_…' }),
    createdBy: t.exposeString('createdBy', { description: 'Who made it: person or key, with its id.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    endsAt: t.expose('endsAt', { type: 'DateTime', nullable: true, description: 'Until when it signs beside the newest; null for the newest.' }),
  }),
});

builder.prismaObject('WebhookDelivery', {
  description: 'An event of a prediction or of a rollout on its way to its webhook. Of what the receiver answers only the status is known.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'whd_…: the header webhook-id of every try.' }),
    predictionId: t.exposeID('predictionId', { nullable: true, description: 'The prediction that it tells of.' }),
    rolloutId: t.exposeID('rolloutId', { nullable: true, description: 'Or the rollout; it may have been deleted since, with its versions.' }),
    event: t.exposeString('event', { description: 'start, output or completed; rollout.promoted, rollout.rolled_back or rollout.cancelled.' }),
    receiver: t.exposeString('receiver', { description: 'Scheme, host and port of the webhook.' }),
    status: t.expose('status', { type: deliveryStatusEnum, description: 'How it stands.' }),
    attempts: t.exposeInt('attempt', { description: 'Tries so far.' }),
    lastStatus: t.exposeInt('lastStatus', { nullable: true, description: 'HTTP status of the last answer; null where there was none.' }),
    lastError: t.exposeString('lastError', { nullable: true, description: 'Why the last try got no answer, such as that there was none within 15 seconds; null where it got one.' }),
    nextAt: t.expose('nextAt', { type: 'DateTime', description: 'When it is tried next, while it is PENDING.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it happened.' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'When it was delivered or given up.' }),
  }),
});

builder.prismaObject('WebhookReceiver', {
  description: 'A receiver that has not answered well since.',
  fields: (t) => ({
    receiver: t.exposeString('receiver', { description: 'Scheme, host and port.' }),
    failingSince: t.expose('failingSince', { type: 'DateTime', description: 'Since when.' }),
    pausedUntil: t.expose('pausedUntil', { type: 'DateTime', nullable: true, description: 'It has failed for a day: until then nothing is sent to it. What waits is kept.' }),
  }),
});

builder.queryFields((t) => ({
  webhookSecrets: t.field({
    type: [webhookSecretType],
    authScopes: { permission: 'key:read' },
    description: 'The secrets of the tenant’s webhooks, newest first; none before the first rotateWebhookSecret.',
    resolve: (_root, _args, { db, tenantId }) => db.webhookSecret.findMany({ where: { tenantId }, orderBy: { id: 'desc' }, take: 10 }),
  }),
  webhookDeliveries: t.prismaConnection(
    {
      type: 'WebhookDelivery',
      cursor: 'id',
      maxSize: pageLimit,
      complexity: pageComplexity,
      authScopes: { permission: 'key:read' },
      description: 'Events for webhooks, newest first; those of a prediction are gone when it is. What is given of the filters must all hold.',
      args: {
        status: t.arg({ type: deliveryStatusEnum, description: 'Only those that stand so.' }),
        receiver: t.arg.string({ description: 'Only to this receiver: scheme, host and port.' }),
        predictionId: t.arg.id({ description: 'prd_…: only of this prediction.' }),
      },
      resolve: (query, _root, { status, receiver, predictionId }, { db, tenantId }) =>
        predictionId != null && !isId('prediction', predictionId)
          ? []
          : db.webhookDelivery.findMany({
              ...query,
              where: { tenantId, ...(status == null ? {} : { status }), ...(receiver == null ? {} : { receiver }), ...(predictionId == null ? {} : { predictionId }) },
              orderBy: { id: 'desc' },
            }),
    },
    { name: 'WebhookDeliveryConnection' },
    { name: 'WebhookDeliveryEdge' },
  ),
  failingWebhookReceivers: t.prismaField({
    type: ['WebhookReceiver'],
    authScopes: { permission: 'key:read' },
    description: 'Receivers of webhooks whose last delivery failed.',
    resolve: (query, _root, _args, { db, tenantId }) => db.webhookReceiver.findMany({ ...query, where: { tenantId }, orderBy: { failingSince: 'asc' }, take: 100 }),
  }),
}));
