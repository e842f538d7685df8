import { asyncOperations } from './async/async-operations.ts';
import { explainOperations } from './explain-operations.ts';
import { feedbackOperations } from './feedback/feedback-operations.ts';
import type { SchemaName } from './openapi-schemas.ts';
import { tfOperations } from './tf-operations.ts';

/** One route as the document and the router both have it. */
export interface Operation {
  method: 'GET' | 'POST';
  /** with parameters in braces, as OpenAPI writes them */
  path: string;
  id: string;
  tag: string;
  summary: string;
  description?: string;
  isPublic?: boolean;
  /** shown as an example, word for word */
  request?: unknown;
  /** the shape of the body */
  takes?: SchemaName;
  /** what else than the path, the body and what every route takes says something */
  headers?: readonly ('x-millrace-model-version' | 'Prefer')[];
  /** whether the body may be that of the binary tensor extension, and the answer too */
  isBinaryToo?: boolean;
  answer: { type: 'application/json' | 'text/plain' | 'text/html'; example?: unknown; schema?: SchemaName; /** what it can be answered with; 200 alone unless told */ statuses?: Readonly<Record<number, string>> };
}

const json = (schema: SchemaName, example: unknown, statuses?: Readonly<Record<number, string>>): Operation['answer'] => ({ type: 'application/json', schema, example, ...(statuses && { statuses }) });
/** The first row of the demo. */
const iris = { 'sepal length (cm)': 5.1, 'sepal width (cm)': 3.5, 'petal length (cm)': 1.4, 'petal width (cm)': 0.2 };
const pinned = ['x-millrace-model-version'] as const;
const infer = {
  id: 'my-request',
  inputs: Object.entries(iris).map(([name, value]) => ({ name, shape: [1], datatype: 'FP64', data: [value] })),
};
const inferAnswer = {
  model_name: 'iris',
  model_version: '1',
  id: 'my-request',
  outputs: [
    { name: 'prediction', datatype: 'BYTES', shape: [1], data: ['setosa'] },
    { name: 'probabilities', datatype: 'FP32', shape: [1, 3], data: [0.98, 0.02, 0] },
  ],
};
const inferNotes =
  'One tensor for each feature, by name, of shape [rows] or [rows, 1]: any number datatype for numbers, BYTES for text and for dates (ISO 8601). ' +
  'Where all features are numbers, also one tensor of shape [rows, features] under any name. Data are flat or nested, row by row. ' +
  '`outputs` chooses among `prediction` and `probabilities` (of a forecast, a survival model, and a regression whose signature has an interval, `prediction`, `lower` and `upper`; of a survival model `survival` as well; of a model with heads `personalised` as well; of an anomaly detection, `score`, `isAnomaly` and, where the family has them, `contributions`; of a recommendation, `items` and `scores`). Errors are `{"error": "…"}` with the code in `x-millrace-error-code`. The header `x-millrace-model-version` asks for one version.';
const binaryNotes =
  'Binary tensors (`binary_tensor_data`): an input with `parameters.binary_data_size` has its elements behind the JSON text, in the order of the inputs, little-endian; ' +
  'BOOL is a byte, an element of BYTES its length in four bytes and then itself (UTF-8 text, or a PNG or JPEG file). `Inference-Header-Content-Length` is then the length of the JSON text, ' +
  'in bytes and before compression. `binary_data` in the parameters of an output, or `binary_data_output` in those of the request, asks for the answer in the same form, under the same header.';
const metadata = {
  name: 'iris',
  versions: ['1'],
  platform: 'onnxruntime_onnx',
  inputs: [{ name: 'sepal length (cm)', datatype: 'FP64', shape: [-1] }],
  outputs: [{ name: 'prediction', datatype: 'BYTES', shape: [-1] }],
};

/** Every route that there is, by name. */
export const operations = {
  predict: {
    method: 'POST', path: '/predict', id: 'predict', tag: 'Simple', summary: 'Predict one row or several',
    description:
      '`features` is one row by position, a list of rows, or one row by name. `model` names the endpoint; it may be left out ' +
      'where the key can call only one. An anomaly detection answers true or false; its scores are on the other routes.',
    request: { features: Object.values(iris) }, takes: 'PredictRequest', headers: pinned,
    answer: json('PredictAnswer', { prediction: ['setosa'] }),
  },
  key: {
    method: 'GET', path: '/v1/key', id: 'describeKey', tag: 'Simple', summary: 'What this key may do',
    description:
      'Does not count against the limits of the key. `usage` is in cost units of predictions: in all, and since the last midnight, ' +
      'Monday and first of the month (UTC). `limit` is a budget of such units; null means that there is none.',
    answer: json('Key', {
      id: 'key_…', type: 'key', alias: 'press 4', scopes: ['PREDICT'], models: ['iris'], addresses: ['10.0.0.0/8'], expires_at: null,
      rpm_limit: 600, max_parallel_requests: null, can_predict: true,
      limit: null, limit_remaining: null, limit_reset: null, usage: 5120, usage_daily: 12, usage_weekly: 340, usage_monthly: 1800,
    }),
  },
  live: { method: 'GET', path: '/v2/health/live', id: 'serverLive', tag: 'Open Inference Protocol v2', summary: 'Is the process alive', isPublic: true, answer: json('Live', { live: true }) },
  ready: { method: 'GET', path: '/v2/health/ready', id: 'serverReady', tag: 'Open Inference Protocol v2', summary: 'Does it take requests; 503 while it shuts down', isPublic: true, answer: json('Ready', { ready: true }, { 200: 'It takes requests.', 503: 'It shuts down.' }) },
  server: { method: 'GET', path: '/v2', id: 'serverMetadata', tag: 'Open Inference Protocol v2', summary: 'Name, version and extensions of the server', isPublic: true, answer: json('Server', { name: 'millrace', version: '0.1.0', extensions: ['binary_tensor_data', 'explain'] }) },
  metadata: { method: 'GET', path: '/v2/models/{model}', id: 'modelMetadata', tag: 'Open Inference Protocol v2', summary: 'Inputs and outputs of a model', answer: json('ModelMetadata', metadata) },
  versionMetadata: { method: 'GET', path: '/v2/models/{model}/versions/{version}', id: 'modelVersionMetadata', tag: 'Open Inference Protocol v2', summary: 'Inputs and outputs of one version', answer: json('ModelMetadata', metadata) },
  modelReady: { method: 'GET', path: '/v2/models/{model}/ready', id: 'modelReady', tag: 'Open Inference Protocol v2', summary: 'Loads the model if need be; 503 when it cannot be loaded', answer: json('ModelReady', { name: 'iris', ready: true }, { 200: 'It is loaded.', 503: 'It cannot be loaded.' }) },
  versionReady: { method: 'GET', path: '/v2/models/{model}/versions/{version}/ready', id: 'modelVersionReady', tag: 'Open Inference Protocol v2', summary: 'The same for one version', answer: json('ModelReady', { name: 'iris', ready: true }, { 200: 'It is loaded.', 503: 'It cannot be loaded.' }) },
  infer: { method: 'POST', path: '/v2/models/{model}/infer', id: 'infer', tag: 'Open Inference Protocol v2', summary: 'Predict', description: `${inferNotes} ${binaryNotes}`, request: infer, takes: 'InferRequest', headers: pinned, isBinaryToo: true, answer: json('InferAnswer', inferAnswer) },
  versionInfer: { method: 'POST', path: '/v2/models/{model}/versions/{version}/infer', id: 'inferVersion', tag: 'Open Inference Protocol v2', summary: 'Predict with one version', description: `${inferNotes} ${binaryNotes}`, request: infer, takes: 'InferRequest', isBinaryToo: true, answer: json('InferAnswer', inferAnswer) },
  ...explainOperations,
  ...tfOperations,
  invocations: {
    method: 'POST', path: '/models/{model}/invocations', id: 'invocations', tag: 'MLflow', summary: 'Predict rows of a data frame',
    description: 'Exactly one of `dataframe_split`, `dataframe_records`, `instances` and `inputs`.',
    request: { dataframe_split: { columns: Object.keys(iris), data: [Object.values(iris)] } }, takes: 'InvocationsRequest', headers: pinned,
    answer: json('InvocationsAnswer', { predictions: ['setosa'] }),
  },
  ...asyncOperations,
  ...feedbackOperations,
  onlyInvocations: {
    method: 'POST', path: '/invocations', id: 'onlyInvocations', tag: 'MLflow', summary: 'The same by the only endpoint that the key can call',
    request: { dataframe_split: { columns: Object.keys(iris), data: [Object.values(iris)] } }, takes: 'InvocationsRequest', headers: pinned,
    answer: json('InvocationsAnswer', { predictions: ['setosa'] }),
  },
  health: { method: 'GET', path: '/health', id: 'health', tag: 'MLflow', summary: 'The same as /ping', isPublic: true, answer: { type: 'text/plain' } },
  version: { method: 'GET', path: '/version', id: 'version', tag: 'MLflow', summary: 'The version of this server', isPublic: true, answer: { type: 'text/plain', example: '0.1.0' } },
  alive: { method: 'GET', path: '/', id: 'alive', tag: 'Operation', summary: 'Is the process alive, as clients of KServe v1 ask', isPublic: true, answer: json('Alive', { status: 'alive' }) },
  ping: { method: 'GET', path: '/ping', id: 'ping', tag: 'MLflow', summary: 'Does the server take requests', isPublic: true, answer: { type: 'text/plain' } },
  metrics: { method: 'GET', path: '/metrics', id: 'metrics', tag: 'Operation', summary: 'Metrics for Prometheus', isPublic: true, answer: { type: 'text/plain' } },
  openapi: { method: 'GET', path: '/openapi.json', id: 'openapi', tag: 'Operation', summary: 'This document', isPublic: true, answer: { type: 'application/json' } },
  docs: { method: 'GET', path: '/docs', id: 'docs', tag: 'Operation', summary: 'This document as a page', isPublic: true, answer: { type: 'text/html' } },
} as const satisfies Record<string, Operation>;
