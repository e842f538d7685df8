import { mayCall } from '@millrace/auth';
import { invalidInput, invalidInputError, notFound, notFoundError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';
import { askOnce } from './ask-once.ts';
import type { RelayedPrediction, RelayedWarning } from './prediction-relay.ts';

interface PredictSuccess extends RelayedPrediction {
  __typename: 'PredictSuccess';
  requestId: string;
}

const predictionWarning = builder.objectRef<RelayedWarning>('PredictionWarning').implement({
  description: 'A value that the model took but had not seen in training: its answer may be worth less.',
  fields: (t) => ({
    code: t.exposeString('code', { description: 'outside_training_range or unseen_category.' }),
    field: t.exposeString('field', { description: 'The feature.' }),
  }),
});

const predictSuccess = builder.objectRef<PredictSuccess>('PredictSuccess').implement({
  description: 'Predicted, metered and billed.',
  fields: (t) => ({
    predictions: t.expose('predictions', { type: ['JSON'], description: 'One for each row, in their order.' }),
    modelVersion: t.exposeInt('modelVersion', { description: 'Number of the version that answered.' }),
    predictionId: t.exposeString('predictionId', { description: 'Names it in the ledger, and in feedback on it.' }),
    costUnits: t.exposeInt('costUnits', { description: 'What it costs: one unit for each row.' }),
    warnings: t.expose('warnings', { type: [predictionWarning], description: 'At most eight: what the model took but had not seen in training.' }),
    requestId: t.exposeString('requestId', { description: 'Names this request in logs.' }),
  }),
});

const predictPayload = payloadUnion('predict', [predictSuccess, invalidInputError, notFoundError]);

const predictInput = builder.inputType('PredictInput', {
  description: 'Rows to be predicted.',
  fields: (t) => ({
    endpoint: t.string({ required: true, description: 'Name of the endpoint.' }),
    rows: t.field({ type: ['JSON'], required: true, description: 'Rows as {feature: value}, or values in the order of the signature.' }),
  }),
});

builder.mutationField('predict', (t) =>
  t.field({
    type: predictPayload,
    action: 'endpoint.predict',
    authScopes: { permission: 'endpoint:predict' },
    description: 'Predicts through the inference server with the caller’s own credential. Programs call that server directly.',
    args: { input: t.arg({ type: predictInput, required: true, description: 'Endpoint and rows.' }) },
    resolve: async (_root, { input: { endpoint, rows } }, context, info) => {
      const { services, signedIn, credential, origin } = context;
      // As the data plane would answer; asked there, it would leave a second line in the audit trail.
      if (!mayCall(signedIn, endpoint)) return notFound('endpoint', 'endpoint', `There is no model "${endpoint.slice(0, 80)}" here.`);
      const { requestId, address } = origin;
      const outcome = await askOnce(context, info, (onceKey) => services.predictions.predict({ endpoint, rows, credential: credential ?? '', requestId, onceKey, address }));
      switch (outcome.type) {
        case 'predicted': {
          const { type: _type, ...predicted } = outcome;
          return { __typename: 'PredictSuccess' as const, ...predicted, requestId };
        }
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'not-found':
          return notFound('endpoint', 'endpoint', outcome.message);
      }
    },
  }),
);
