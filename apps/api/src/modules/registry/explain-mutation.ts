import { mayCall } from '@millrace/auth';
import { invalidInput, invalidInputError, notFound, notFoundError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';
import { askOnce } from './ask-once.ts';
import type { RelayedExplanation } from './prediction-relay.ts';

interface ExplainSuccess {
  __typename: 'ExplainSuccess';
  explanation: RelayedExplanation;
  modelVersion: number;
  costUnits: number;
  requestId: string;
}

const attribution = builder.objectRef<RelayedExplanation['attributions'][number]>('Attribution').implement({
  description: 'What one input has added to an answer.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Of the input; of a region of a picture name[row,column].' }),
    value: t.exposeFloat('value', { description: 'In the unit of the answer.' }),
    data: t.expose('data', { type: 'JSON', nullable: true, description: 'The value of the input as the model has seen it; null where it is missing. Of a region its place in pixels.' }),
    standardError: t.exposeFloat('standardError', { description: 'Of the sampling; 0 where the value is exact.' }),
  }),
});

const explanationMethod = builder.objectRef<RelayedExplanation['method']>('ExplanationMethod').implement({
  description: 'How an explanation was found.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'additive, tree_shap, exact_enumeration or permutation_sampling.' }),
    evaluations: t.exposeInt('evaluations', { description: 'Rows that the model answered for it.' }),
    backgroundRows: t.exposeInt('backgroundRows', { description: 'Rows that the row was compared with.' }),
    isExact: t.exposeBoolean('isExact', { description: 'Whether the values are exact for this background.' }),
    hasConverged: t.exposeBoolean('hasConverged', { description: 'Whether no standard error is above a twentieth of the largest attribution.' }),
  }),
});

const explanation = builder.objectRef<RelayedExplanation>('Explanation').implement({
  description: 'Shapley values of one answer: baseValue and all attributions add up to it.',
  fields: (t) => ({
    output: t.exposeString('output', { description: 'Name of the number that is explained.' }),
    class: t.exposeString('class', { nullable: true, description: 'Whose probability it is.' }),
    answer: t.exposeFloat('answer', { description: 'What the model answers to the row.' }),
    baseValue: t.exposeFloat('baseValue', { description: 'The mean answer to the background rows.' }),
    attributions: t.expose('attributions', { type: [attribution], description: 'By input of the signature, or by region line by line.' }),
    additivityError: t.exposeFloat('additivityError', { description: 'What is left between the answer and the sum.' }),
    faithfulness: t.exposeFloat('faithfulness', { nullable: true, description: 'From -1 to 1: how well what sets of inputs are credited with tells what the answer loses without them.' }),
    faithfulnessReason: t.exposeString('faithfulnessReason', { nullable: true, description: 'Why there is no such score.' }),
    method: t.expose('method', { type: explanationMethod, description: 'How it was found.' }),
    heatMap: t.expose('heatMap', { type: 'JSON', nullable: true, description: 'Of a picture: attributions as [rows][columns].' }),
    warnings: t.exposeStringList('warnings', { description: 'What is to be known when reading it.' }),
  }),
});

const explainSuccess = builder.objectRef<ExplainSuccess>('ExplainSuccess').implement({
  description: 'Explained, metered and billed.',
  fields: (t) => ({
    explanation: t.expose('explanation', { type: explanation, description: 'Of the row.' }),
    modelVersion: t.exposeInt('modelVersion', { description: 'Number of the version that was explained.' }),
    costUnits: t.exposeInt('costUnits', { description: 'What it costs: one unit for each hundred evaluations of the model begun.' }),
    requestId: t.exposeString('requestId', { description: 'Names this request in logs.' }),
  }),
});

const explainPayload = payloadUnion('explain', [explainSuccess, invalidInputError, notFoundError]);

const explainInput = builder.inputType('ExplainInput', {
  description: 'A row whose answer is to be explained.',
  fields: (t) => ({
    endpoint: t.string({ required: true, description: 'Name of the endpoint.' }),
    row: t.field({ type: 'JSON', required: true, description: 'The row as {feature: value}, or values in the order of the signature.' }),
    class: t.string({ description: 'Whose probability is explained; the predicted class’s if left out.' }),
    output: t.string({ description: 'Which number of the answer is explained; the prediction if left out.' }),
    maxEvaluations: t.int({ description: 'Rows that the model may answer for it; enough for most models if left out.' }),
  }),
});

builder.mutationField('explain', (t) =>
  t.field({
    type: explainPayload,
    action: 'endpoint.explain',
    authScopes: { permission: 'endpoint:predict' },
    description: 'Explains an answer through the inference server with the caller’s own credential. Programs call that server directly.',
    args: { input: t.arg({ type: explainInput, required: true, description: 'Endpoint and row.' }) },
    resolve: async (_root, { input: { endpoint, row, class: className, output, maxEvaluations } }, context, info) => {
      const { services, signedIn, credential, origin } = context;
      // As the data plane would answer; asked there, it would leave a second line in the audit trail.
      if (!mayCall(signedIn, endpoint)) return notFound('endpoint', 'endpoint', `There is no model "${endpoint.slice(0, 80)}" here.`);
      const { requestId, address } = origin;
      const parameters = { ...(className != null && { class: className }), ...(output != null && { output }), ...(maxEvaluations != null && { max_evaluations: maxEvaluations }) };
      const outcome = await askOnce(context, info, (onceKey) => services.predictions.explain({ endpoint, row, parameters, credential: credential ?? '', requestId, onceKey, address }));
      switch (outcome.type) {
        case 'explained': {
          const { explanation: explained, modelVersion, costUnits } = outcome;
          return { __typename: 'ExplainSuccess' as const, explanation: explained, modelVersion, costUnits, requestId };
        }
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'not-found':
          return notFound('endpoint', 'endpoint', outcome.message);
      }
    },
  }),
);
