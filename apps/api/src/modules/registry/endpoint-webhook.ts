import { conflict, conflictError, invalidInput, invalidInputError, notFound, notFoundError } from '../../error-types.ts';
import { builder } from '../../schema-builder.ts';
import { changedEndpoint } from './changed-endpoint.ts';

builder.prismaObjectField('Endpoint', 'webhookReceiver', (t) =>
  t.exposeString('webhookReceiver', { nullable: true, description: 'Scheme, host and port of the address that is told how its rollouts end; null for none. The rest of the address is shown to nobody.' }));

const setEndpointWebhookPayload = changedEndpoint('SetEndpointWebhook', 'setEndpointWebhook', [invalidInputError, notFoundError, conflictError]);

const setEndpointWebhookInput = builder.inputType('SetEndpointWebhookInput', {
  description: 'Who is to be told how an endpoint’s rollouts end.',
  fields: (t) => ({
    endpointName: t.string({ required: true, description: 'The endpoint.' }),
    url: t.string({ required: false, description: 'An https address of at most 2048 characters; null for none.' }),
  }),
});

builder.mutationField('setEndpointWebhook', (t) =>
  t.field({
    type: setEndpointWebhookPayload,
    action: 'endpoint.webhook',
    authScopes: { permission: 'endpoint:write' },
    description: 'Says which address is told when a rollout of the endpoint is promoted, rolled back or cancelled, by whomever: signed as all webhooks are, and sent again until it is received.',
    args: { input: t.arg({ type: setEndpointWebhookInput, required: true, description: 'Endpoint and address.' }) },
    resolve: async (_root, { input: { endpointName, url } }, { services, signedIn }) => {
      const outcome = await services.endpointWebhooks.set(signedIn, endpointName, url ?? null);
      switch (outcome.type) {
        case 'set':
          return { __typename: 'SetEndpointWebhookSuccess' as const, endpointId: outcome.endpointId };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'not-found':
          return notFound('endpoint', outcome.field, outcome.message);
        case 'no-secret':
          return conflict('no_webhook_secret', 'url', 'Your tenant has no secret to sign webhooks with.', 'Have whoever manages keys make one: the mutation rotateWebhookSecret.');
      }
    },
  }));
