import type { Operation } from './openapi.ts';
import type { SchemaName } from './openapi-schemas.ts';

const iris = { 'sepal length (cm)': 5.1, 'sepal width (cm)': 3.5, 'petal length (cm)': 1.4, 'petal width (cm)': 0.2 };
const json = (schema: SchemaName, example: unknown): Operation['answer'] => ({ type: 'application/json', schema, example });
const pinned = ['x-millrace-model-version'] as const;
const tensors = { id: 'my-request', inputs: Object.entries(iris).map(([name, value]) => ({ name, shape: [1], datatype: 'FP64', data: [value] })) };
const explanation = {
  output: { name: 'probabilities', class: 'setosa' },
  answer: 0.98,
  base_value: 0.34,
  attributions: Object.entries(iris).map(([name, data], place) => ({ name, value: [0.03, 0.01, 0.42, 0.18][place], data, standard_error: 0 })),
  additivity_error: 0,
  method: { name: 'exact_enumeration', evaluations: 481, background_rows: 32, exact: true, converged: true },
  faithfulness: 0.97,
};
const notes =
  'What each input has added to the answer, against the mean answer to background rows (`base_value`): Shapley values, so that `base_value` and all `value` add up to `answer`, but for `additivity_error`. ' +
  'A feature is one input however the model encodes it; of a picture the inputs are regions, shown as `heat_map` too. `faithfulness` (-1 to 1) is the correlation of what sets of inputs are credited with and what the answer loses without them; null with `faithfulness_reason`. ' +
  '`parameters` chooses the `class` whose probability is explained (the predicted one unless told), another `output`, or `max_evaluations` of the model. Each hundred evaluations begun, or a walk through trees that takes as long, cost one unit and count as a row. Forecasts and recommendations are not explained (`not_explainable`).';
const [oip, tf] = ['Open Inference Protocol v2', 'TensorFlow Serving'];
const ofTensors = json('ExplainAnswer', { model_name: 'iris', model_version: '1', id: 'my-request', ...explanation });
const ofRows = json('ExplainRowsAnswer', { explanations: [explanation] });

/** The routes that explain answers. */
export const explainOperations = {
  explain: { method: 'POST', path: '/v2/models/{model}/explain', id: 'explain', tag: oip, summary: 'Explain the prediction of one row (an extension)', description: notes, request: tensors, takes: 'ExplainRequest', headers: pinned, answer: ofTensors },
  versionExplain: { method: 'POST', path: '/v2/models/{model}/versions/{version}/explain', id: 'explainVersion', tag: oip, summary: 'Explain with one version', description: notes, request: tensors, takes: 'ExplainRequest', answer: ofTensors },
  tfExplain: { method: 'POST', path: '/v1/models/{model}:explain', id: 'tfExplain', tag: tf, summary: 'Explain the predictions of up to 16 rows', description: notes, request: { instances: [iris] }, takes: 'ExplainRowsRequest', headers: pinned, answer: ofRows },
  tfVersionExplain: { method: 'POST', path: '/v1/models/{model}/versions/{version}:explain', id: 'tfExplainVersion', tag: tf, summary: 'Explain with one version', description: notes, request: { instances: [iris] }, takes: 'ExplainRowsRequest', answer: ofRows },
} as const satisfies Record<string, Operation>;
