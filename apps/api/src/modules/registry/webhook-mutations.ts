import { isId } from '@millrace/kernel';
import { invalidInput, invalidInputError, notFound, notFoundError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';
import { webhookSecretType } from './webhook-types.ts';

const rotateSuccess = builder.objectRef<{ __typename: 'RotateWebhookSecretSuccess'; secret: string; webhookSecretId: string }>('RotateWebhookSecretSuccess').implement({
  description: 'Webhooks are signed with the new secret from now on.',
  fields: (t) => ({
    secret: t.exposeString('secret', { description: 'whsec_…: in this answer and nowhere else. Keep it safe.' }),
    webhookSecret: t.field({
      type: webhookSecretType,
      description: 'What is known of it from now on.',
      resolve: ({ webhookSecretId: id }, _args, { db, tenantId }) => db.webhookSecret.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id } } }),
    }),
  }),
});

const rotatePayload = payloadUnion('rotateWebhookSecret', [rotateSuccess, invalidInputError]);

const rotateInput = builder.inputType('RotateWebhookSecretInput', {
  description: 'How long the secret before goes on signing as well.',
  fields: (t) => ({
    overlapSeconds: t.int({ description: '0 to 604800; a day if left out.' }),
  }),
});

const resendSuccess = builder.objectRef<{ __typename: 'ResendWebhookDeliverySuccess'; deliveryId: string }>('ResendWebhookDeliverySuccess').implement({
  description: 'It is sent within a second, or when its receiver is paused no more.',
  fields: (t) => ({
    delivery: t.prismaField({
      type: 'WebhookDelivery',
      description: 'The delivery.',
      resolve: (query, { deliveryId: id }, _args, { db, tenantId }) => db.webhookDelivery.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
  }),
});

const resendPayload = payloadUnion('resendWebhookDelivery', [resendSuccess, notFoundError]);

const resendInput = builder.inputType('ResendWebhookDeliveryInput', {
  description: 'An event to be sent again.',
  fields: (t) => ({ id: t.id({ required: true, description: 'whd_…' }) }),
});

const resumeSuccess = builder.objectRef<{ __typename: 'ResumeWebhookReceiverSuccess'; receiver: string; waiting: number }>('ResumeWebhookReceiverSuccess').implement({
  description: 'What waits is tried within a second, two at a time.',
  fields: (t) => ({
    receiver: t.exposeString('receiver', { description: 'Scheme, host and port.' }),
    waiting: t.exposeInt('waiting', { description: 'Deliveries that were due later and are due now.' }),
  }),
});

const resumePayload = payloadUnion('resumeWebhookReceiver', [resumeSuccess, notFoundError]);

const resumeInput = builder.inputType('ResumeWebhookReceiverInput', {
  description: 'A receiver that is back.',
  fields: (t) => ({ receiver: t.string({ required: true, description: 'Scheme, host and port, as failingWebhookReceivers has it.' }) }),
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
  resendWebhookDelivery: t.field({
    type: resendPayload,
    action: 'webhook.resend',
    authScopes: { permission: 'key:write' },
    description: 'Sends an event again, whatever became of it, under the same webhook-id. One that was given up gets one try.',
    args: { input: t.arg({ type: resendInput, required: true, description: 'The delivery.' }) },
    resolve: async (_root, { input: { id } }, { services, signedIn }) => {
      const isFound = isId('webhookDelivery', id) && (await services.webhookRepeats.resend(signedIn, id));
      return isFound ? { __typename: 'ResendWebhookDeliverySuccess' as const, deliveryId: id } : notFound('delivery', 'id');
    },
  }),
  resumeWebhookReceiver: t.field({
    type: resumePayload,
    action: 'webhook.resume',
    authScopes: { permission: 'key:write' },
    description: 'Tries all that waits for a failing receiver now, though it is paused. If it fails again, it is paused again.',
    args: { input: t.arg({ type: resumeInput, required: true, description: 'The receiver.' }) },
    resolve: async (_root, { input: { receiver } }, { services, signedIn }) => {
      const waiting = await services.webhookRepeats.resume(signedIn, receiver);
      return waiting === null
        ? notFound('failing receiver', 'receiver', 'There is no such receiver, or it answers well.')
        : { __typename: 'ResumeWebhookReceiverSuccess' as const, receiver, waiting };
    },
  }),
}));
