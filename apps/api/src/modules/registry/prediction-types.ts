import { databaseEnums } from '@millrace/database';
import { isId } from '@millrace/kernel';
import { type OpenedPrediction, whereSeen } from '@millrace/registry';
import { conflict, conflictError, notFound, notFoundError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder, pageComplexity, pageLimit } from '../../schema-builder.ts';
import { actorLabel } from '../auth/actor-label.ts';

const predictionStatusEnum = builder.enumType(databaseEnums.PredictionStatus, {
  name: 'PredictionStatus',
  description: 'STARTING waits, PROCESSING is being made; SUCCEEDED, FAILED and CANCELED are final: a prediction reaches exactly one of them.',
});

builder.prismaObject('AsyncPrediction', {
  description: 'A prediction that was accepted and is made later. What was asked and answered has a query of its own.',
  select: { id: true }, // never the sealed columns: an input may be large
  fields: (t) => ({
    id: t.exposeID('id', { description: 'prd_…' }),
    status: t.expose('status', { type: predictionStatusEnum, description: 'Where it stands.' }),
    endpointName: t.exposeString('endpointName', { description: 'The endpoint that was asked.' }),
    versionNumber: t.int({
      select: { versionNumber: true, answeredBy: true },
      nullable: true,
      description: 'The version that answered, or that was asked for; null for whatever the endpoint serves when it is made.',
      resolve: ({ versionNumber, answeredBy }) => answeredBy ?? versionNumber,
    }),
    actor: t.exposeString('actor', { description: 'Who asked: person:per_… or key:key_….' }),
    actorLabel: t.string({
      select: { actor: true },
      description: 'Who asked, in words: the name of a member or the alias of a key; otherwise as actor has it.',
      resolve: ({ actor }, _args, context) => actorLabel(actor, context),
    }),
    inputBytes: t.exposeInt('inputBytes', { description: 'Size of what was asked.' }),
    attempts: t.exposeInt('attempt', { description: 'How often it was begun; more than once where a process died over it or had no room.' }),
    errorCode: t.exposeString('errorCode', { nullable: true, description: 'Why it failed, if it did, such as quota_exceeded.' }),
    webhookReceiver: t.exposeString('webhookReceiver', { nullable: true, description: 'Scheme, host and port of its webhook, if it has one.' }),
    webhookEvents: t.exposeStringList('webhookEvents', { description: 'Of what its webhook is told: start, output, completed.' }),
    predictMs: t.exposeFloat('predictMs', { nullable: true, description: 'How long it took to make, in milliseconds; null where it has not succeeded.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was accepted.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true, description: 'When it was first begun.' }),
    completedAt: t.expose('completedAt', { type: 'DateTime', nullable: true, description: 'When it came to its end.' }),
  }),
});

const predictionContent = builder.objectRef<OpenedPrediction>('AsyncPredictionContent').implement({
  description: 'What was asked and answered.',
  fields: (t) => ({
    input: t.field({ type: 'JSON', nullable: true, description: 'The input, as it was sent.', resolve: ({ request }) => request.input }),
    output: t.expose('output', { type: 'JSON', nullable: true, description: 'The output; null where it has not succeeded.' }),
    error: t.expose('error', { type: 'JSON', nullable: true, description: '{code, message, …}: why it failed, if it did.' }),
    webhook: t.string({ nullable: true, description: 'The address of its webhook, if it has one.', resolve: ({ request }) => request.webhook?.url ?? null }),
  }),
});

builder.queryFields((t) => ({
  asyncPredictions: t.prismaConnection(
    {
      type: 'AsyncPrediction',
      cursor: 'id',
      maxSize: pageLimit,
      complexity: pageComplexity,
      authScopes: { permission: 'usage:read' },
      description: 'Predictions made later, newest first, for as long as they are kept. A key sees those that it has asked for itself. What is given of the filters must all hold.',
      args: {
        status: t.arg({ type: [predictionStatusEnum], description: 'Only those that stand so.' }),
        endpointName: t.arg.string({ description: 'Only those of this endpoint.' }),
        actor: t.arg.string({ description: 'Only what this one has asked for, as actor has it.' }),
        from: t.arg({ type: 'DateTime', description: 'Accepted from then on, inclusive.' }),
        to: t.arg({ type: 'DateTime', description: 'Accepted until then, exclusive.' }),
      },
      resolve: (query, _root, { status, endpointName, actor, from, to }, { db, tenantId, signedIn }) =>
        db.asyncPrediction.findMany({
          ...query,
          where: {
            tenantId,
            AND: [whereSeen(signedIn), { ...(endpointName == null ? {} : { endpointName }), ...(actor == null ? {} : { actor }) }],
            ...(status ? { status: { in: [...status] } } : {}),
            ...(from == null && to == null ? {} : { createdAt: { ...(from ? { gte: from } : {}), ...(to ? { lt: to } : {}) } }),
          },
          orderBy: { id: 'desc' },
        }),
    },
    { name: 'AsyncPredictionConnection' },
    { name: 'AsyncPredictionEdge' },
  ),
  asyncPrediction: t.prismaField({
    type: 'AsyncPrediction',
    nullable: true,
    authScopes: { permission: 'usage:read' },
    description: 'The prediction made later with this id; null if there is none.',
    args: { id: t.arg.id({ required: true, description: 'prd_…' }) },
    resolve: (query, _root, { id }, { db, tenantId, signedIn }) =>
      isId('prediction', id) ? db.asyncPrediction.findFirst({ ...query, where: { tenantId, id, ...whereSeen(signedIn) } }) : null,
  }),
  asyncPredictionContent: t.field({
    type: predictionContent,
    nullable: true,
    authScopes: { permission: 'endpoint:predict' },
    description: 'What was asked and answered in this prediction made later; null if there is none.',
    args: { id: t.arg.id({ required: true, description: 'prd_…' }) },
    resolve: (_root, { id }, { services, signedIn }) => services.predictionCare.read(signedIn, id),
  }),
}));

const cancelSuccess = builder.objectRef<{ __typename: 'CancelAsyncPredictionSuccess'; predictionId: string }>('CancelAsyncPredictionSuccess').implement({
  description: 'It has come to its end, and is not billed.',
  fields: (t) => ({
    prediction: t.prismaField({
      type: 'AsyncPrediction',
      description: 'The prediction.',
      resolve: (query, { predictionId: id }, _args, { db, tenantId }) => db.asyncPrediction.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
  }),
});

const cancelPayload = payloadUnion('cancelAsyncPrediction', [cancelSuccess, notFoundError, conflictError]);

const cancelInput = builder.inputType('CancelAsyncPredictionInput', {
  description: 'A prediction that is not wanted any more.',
  fields: (t) => ({ id: t.id({ required: true, description: 'prd_…' }) }),
});

builder.mutationFields((t) => ({
  cancelAsyncPrediction: t.field({
    type: cancelPayload,
    action: 'prediction.cancel',
    authScopes: { permission: 'endpoint:predict' },
    description: 'Ends a prediction made later that has not ended by itself.',
    args: { input: t.arg({ type: cancelInput, required: true, description: 'The prediction.' }) },
    resolve: async (_root, { input: { id } }, { services, signedIn }) => {
      if (!isId('prediction', id)) return notFound('prediction', 'id');
      const outcome = await services.predictionCare.cancel(signedIn, id);
      switch (outcome.type) {
        case 'cancelled':
          return { __typename: 'CancelAsyncPredictionSuccess' as const, predictionId: id };
        case 'not-found':
          return notFound('prediction', 'id');
        case 'ended':
          return conflict('prediction_already_final', 'id', `The prediction is ${outcome.status} already.`, 'There is nothing left to cancel.');
      }
    },
  }),
}));
