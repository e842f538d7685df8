import { type EndpointServing, servingOf } from '@millrace/registry';
import { invalidInput, invalidInputError, notFound, notFoundError } from '../../error-types.ts';
import { builder } from '../../schema-builder.ts';
import { changedEndpoint } from './changed-endpoint.ts';

const endpointServing = builder.objectRef<EndpointServing>('EndpointServing').implement({
  description: 'How the inference servers answer an endpoint’s requests.',
  fields: (t) => ({
    maxBatchRows: t.exposeInt('maxBatchRows', { description: 'Rows of requests that wait at the same time are run together up to so many; 1 runs each request alone.' }),
    maxQueueDelayMs: t.exposeInt('maxQueueDelayMs', { description: 'How long a request waits for others when nothing is under way, in milliseconds; 0 runs it at once.' }),
    deadlineMs: t.exposeInt('deadlineMs', { description: 'What would take longer than so many milliseconds is refused with 503.' }),
    recordDays: t.exposeInt('recordDays', { nullable: true, description: 'What was answered is kept for so many days, so that feedback on it is scored. Null keeps nothing.' }),
    idleSeconds: t.exposeInt('idleSeconds', { nullable: true, description: 'The model is unloaded after so long without a request; the next one loads it. Null keeps it loaded.' }),
  }),
});

builder.prismaObjectField('Endpoint', 'serving', (t) =>
  t.field({ type: endpointServing, description: 'How its requests are answered: batches, deadline, scale to zero.', resolve: (endpoint) => servingOf(endpoint) }));

const updateEndpointServingPayload = changedEndpoint('UpdateEndpointServing', 'updateEndpointServing', [invalidInputError, notFoundError]);

const updateEndpointServingInput = builder.inputType('UpdateEndpointServingInput', {
  description: 'How an endpoint is to be served. What is left out stays as it is.',
  fields: (t) => ({
    endpointName: t.string({ required: true, description: 'The endpoint.' }),
    maxBatchRows: t.int({ required: false, description: 'Rows that are run together at most: 1 to 4096.' }),
    maxQueueDelayMs: t.int({ required: false, description: 'How long a request waits for others: 0 to 1000 ms, less than the deadline.' }),
    deadlineMs: t.int({ required: false, description: 'How long a request may take: 10 to 60000 ms.' }),
    recordDays: t.int({ required: false, description: 'For how many days answers are kept, so that feedback on them is scored: 1 to 365; null keeps none from now on.' }),
    idleSeconds: t.int({ required: false, description: 'When an unused model is unloaded: 60 to 604800 s; null keeps it loaded.' }),
  }),
});

builder.mutationField('updateEndpointServing', (t) =>
  t.field({
    type: updateEndpointServingPayload,
    action: 'endpoint.serving',
    authScopes: { permission: 'endpoint:write' },
    description: 'Changes how an endpoint’s requests are answered: batches, deadline, scale to zero.',
    args: { input: t.arg({ type: updateEndpointServingInput, required: true, description: 'Endpoint and settings.' }) },
    resolve: async (_root, { input: { endpointName, maxBatchRows, maxQueueDelayMs, deadlineMs, idleSeconds, recordDays } }, { services, signedIn }) => {
      const outcome = await services.registry.updateServing(signedIn, {
        endpointName,
        ...(maxBatchRows == null ? {} : { maxBatchRows }),
        ...(maxQueueDelayMs == null ? {} : { maxQueueDelayMs }),
        ...(deadlineMs == null ? {} : { deadlineMs }),
        ...(idleSeconds === undefined ? {} : { idleSeconds }),
        ...(recordDays === undefined ? {} : { recordDays }),
      });
      switch (outcome.type) {
        case 'updated':
          return { __typename: 'UpdateEndpointServingSuccess' as const, endpointId: outcome.endpoint.id };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'not-found':
          return notFound('endpoint', outcome.field, outcome.message);
      }
    },
  }));
