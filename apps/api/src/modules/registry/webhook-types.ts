import { databaseEnums, type WebhookSecret } from '@millrace/database';
import { invalidInput, invalidInputError, nameOf } from '../../error-types.ts';
import { builder } from '../../schema-builder.ts';

const deliveryStatusEnum = builder.enumType(databaseEnums.WebhookDeliveryStatus, {
  name: 'WebhookDeliveryStatus',
  description: 'PENDING is tried, or tried again; DELIVERED was received; FAILED was tried as often as it is tried, or its receiver wants no more.',
});

const webhookSecret = builder.objectRef<Omit<WebhookSecret, 'tenantId' | 'secretSealed'>>('WebhookSecret').implement({
  description: 'What webhooks of predictions made later are signed with. Its text was shown once.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'whs_…' }),
    createdBy: t.exposeString('createdBy', { description: 'Who made it: person or key, with its id.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    endsAt: t.expose('endsAt', { type: 'DateTime', nullable: true, description: 'Until when it signs beside the newest; null for the newest.' }),
  }),
});

builder.prismaObject('WebhookDelivery', {
  description: 'An event of a prediction on its way to its webhook. Of what the receiver answers only the status is known.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'whd_…: the header webhook-id of every try.' }),
    predictionId: t.exposeID('predictionId', { description: 'The prediction.' }),
    event: t.exposeString('event', { description: 'start, output or completed.' }),
    receiver: t.exposeString('receiver', { description: 'Scheme, host and port of the webhook.' }),
    status: t.expose('status', { type: deliveryStatusEnum, description: 'How it stands.' }),
    attempts: t.exposeInt('attempt', { description: 'Tries so far.' }),
    lastStatus: t.exposeInt('lastStatus', { nullable: true, description: 'HTTP status of the last answer; null where there was none.' }),
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
    type: [webhookSecret],
    authScopes: { permission: 'key:read' },
    description: 'The secrets of the tenant’s webhooks, newest first; none before the first rotateWebhookSecret.',
    resolve: (_root, _args, { db, tenantId }) => db.webhookSecret.findMany({ where: { tenantId }, orderBy: { id: 'desc' }, take: 10 }),
  }),
  webhookDeliveries: t.prismaField({
    type: ['WebhookDelivery'],
    authScopes: { permission: 'key:read' },
    description: 'The last hundred events for webhooks, newest first.',
    resolve: (query, _root, _args, { db, tenantId }) => db.webhookDelivery.findMany({ ...query, where: { tenantId }, orderBy: { id: 'desc' }, take: 100 }),
  }),
  failingWebhookReceivers: t.prismaField({
    type: ['WebhookReceiver'],
    authScopes: { permission: 'key:read' },
    description: 'Receivers of webhooks whose last delivery failed.',
    resolve: (query, _root, _args, { db, tenantId }) => db.webhookReceiver.findMany({ ...query, where: { tenantId }, orderBy: { failingSince: 'asc' }, take: 100 }),
  }),
}));

const rotateSuccess = builder.objectRef<{ __typename: 'RotateWebhookSecretSuccess'; secret: string; webhookSecretId: string }>('RotateWebhookSecretSuccess').implement({
  description: 'Webhooks are signed with the new secret from now on.',
  fields: (t) => ({
    secret: t.exposeString('secret', { description: 'whsec_…: in this answer and nowhere else. Keep it safe.' }),
    webhookSecret: t.field({
      type: webhookSecret,
      description: 'What is known of it from now on.',
      resolve: ({ webhookSecretId: id }, _args, { db, tenantId }) => db.webhookSecret.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id } } }),
    }),
  }),
});

const rotatePayload = builder.unionType('RotateWebhookSecretPayload', {
  description: 'Outcomes of rotateWebhookSecret.',
  types: [rotateSuccess, invalidInputError],
  resolveType: nameOf,
});

const rotateInput = builder.inputType('RotateWebhookSecretInput', {
  description: 'How long the secret before goes on signing as well.',
  fields: (t) => ({
    overlapSeconds: t.int({ description: '0 to 604800; a day if left out.' }),
  }),
});

builder.mutationFields((t) => ({
  rotateWebhookSecret: t.field({
    type: rotatePayload,
    action: 'webhook.rotate',
    authScopes: { permission: 'key:write' },
    description: 'Makes the secret that webhooks are signed with, the first one too, and shows it once. The one before signs as well for a while, in which receivers change over.',
    args: { input: t.arg({ type: rotateInput, required: true, description: 'The overlap.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      const outcome = await services.webhookSecrets.rotate(signedIn, input.overlapSeconds ?? undefined);
      if (outcome.type === 'invalid') return invalidInput(outcome.problems);
      return { __typename: 'RotateWebhookSecretSuccess' as const, secret: outcome.secret, webhookSecretId: outcome.webhookSecretId };
    },
  }),
}));
