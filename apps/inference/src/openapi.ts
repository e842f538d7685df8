import { asyncOperations } from './async/async-operations.ts';
import { explainOperations } from './explain-operations.ts';
import { feedbackOperations } from './feedback/feedback-operations.ts';
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
  /** whether the body may be that of the binary tensor extension, and the answer too */
  isBinaryToo?: boolean;
  answer: { type: 'application/json' | 'text/plain' | 'text/html'; example?: unknown };
}

const json = (example: unknown): Operation['answer'] => ({ type: 'application/json', example });
const iris = { 'sepal length': 5.1, 'sepal width': 3.5, 'petal length': 1.4, 'petal width': 0.2 };
const infer = {
  id: 'my-request',
  inputs: Object.entries(iris).map(([name, value]) => ({ name, shape: [1], datatype: 'FP64', data: [value] })),
};
const inferAnswer = {
  model_name: 'iris',
  model_version: '3',
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
  versions: ['1', '2', '3'],
  platform: 'onnxruntime_onnx',
  inputs: [{ name: 'sepal length', datatype: 'FP64', shape: [-1] }],
  outputs: [{ name: 'prediction', datatype: 'BYTES', shape: [-1] }],
};

/** Every route that there is, by name. */
export const operations = {
  predict: {
    method: 'POST', path: '/predict', id: 'predict', tag: 'Simple', summary: 'Predict one row or several',
    description:
      '`features` is one row by position, a list of rows, or one row by name. `model` names the endpoint; it may be left out ' +
      'where the key can call only one. An anomaly detection answers true or false; its scores are on the other routes.',
    request: { features: Object.values(iris) },
    answer: json({ prediction: ['setosa'] }),
  },
  key: {
    method: 'GET', path: '/v1/key', id: 'describeKey', tag: 'Simple', summary: 'What this key may do',
    description:
      'Does not count against the limits of the key. `usage` is in cost units of predictions: in all, and since the last midnight, ' +
      'Monday and first of the month (UTC). `limit` is a budget of such units; null means that there is none.',
    answer: json({
      id: 'key_…', type: 'key', alias: 'press 4', scopes: ['PREDICT'], models: ['iris'], addresses: ['10.0.0.0/8'], expires_at: null,
      rpm_limit: 600, max_parallel_requests: null, can_predict: true,
      limit: null, limit_remaining: null, limit_reset: null, usage: 5120, usage_daily: 12, usage_weekly: 340, usage_monthly: 1800,
    }),
  },
  live: { method: 'GET', path: '/v2/health/live', id: 'serverLive', tag: 'Open Inference Protocol v2', summary: 'Is the process alive', isPublic: true, answer: json({ live: true }) },
  ready: { method: 'GET', path: '/v2/health/ready', id: 'serverReady', tag: 'Open Inference Protocol v2', summary: 'Does it take requests; 503 while it shuts down', isPublic: true, answer: json({ ready: true }) },
  server: { method: 'GET', path: '/v2', id: 'serverMetadata', tag: 'Open Inference Protocol v2', summary: 'Name, version and extensions of the server', isPublic: true, answer: json({ name: 'millrace', version: '0.1.0', extensions: ['binary_tensor_data', 'explain'] }) },
  metadata: { method: 'GET', path: '/v2/models/{model}', id: 'modelMetadata', tag: 'Open Inference Protocol v2', summary: 'Inputs and outputs of a model', answer: json(metadata) },
  versionMetadata: { method: 'GET', path: '/v2/models/{model}/versions/{version}', id: 'modelVersionMetadata', tag: 'Open Inference Protocol v2', summary: 'Inputs and outputs of one version', answer: json(metadata) },
  modelReady: { method: 'GET', path: '/v2/models/{model}/ready', id: 'modelReady', tag: 'Open Inference Protocol v2', summary: 'Loads the model if need be; 503 when it cannot be loaded', answer: json({ name: 'iris', ready: true }) },
  versionReady: { method: 'GET', path: '/v2/models/{model}/versions/{version}/ready', id: 'modelVersionReady', tag: 'Open Inference Protocol v2', summary: 'The same for one version', answer: json({ name: 'iris', ready: true }) },
  infer: { method: 'POST', path: '/v2/models/{model}/infer', id: 'infer', tag: 'Open Inference Protocol v2', summary: 'Predict', description: `${inferNotes} ${binaryNotes}`, request: infer, isBinaryToo: true, answer: json(inferAnswer) },
  versionInfer: { method: 'POST', path: '/v2/models/{model}/versions/{version}/infer', id: 'inferVersion', tag: 'Open Inference Protocol v2', summary: 'Predict with one version', description: `${inferNotes} ${binaryNotes}`, request: infer, isBinaryToo: true, answer: json(inferAnswer) },
  ...explainOperations,
  ...tfOperations,
  invocations: {
    method: 'POST', path: '/models/{model}/invocations', id: 'invocations', tag: 'MLflow', summary: 'Predict rows of a data frame',
    description: 'Exactly one of `dataframe_split`, `dataframe_records`, `instances` and `inputs`.',
    request: { dataframe_split: { columns: Object.keys(iris), data: [Object.values(iris)] } },
    answer: json({ predictions: ['setosa'] }),
  },
  ...asyncOperations,
  ...feedbackOperations,
  onlyInvocations: {
    method: 'POST', path: '/invocations', id: 'onlyInvocations', tag: 'MLflow', summary: 'The same by the only endpoint that the key can call',
    request: { dataframe_split: { columns: Object.keys(iris), data: [Object.values(iris)] } },
    answer: json({ predictions: ['setosa'] }),
  },
  health: { method: 'GET', path: '/health', id: 'health', tag: 'MLflow', summary: 'The same as /ping', isPublic: true, answer: { type: 'text/plain' } },
  version: { method: 'GET', path: '/version', id: 'version', tag: 'MLflow', summary: 'The version of this server', isPublic: true, answer: { type: 'text/plain', example: '0.1.0' } },
  alive: { method: 'GET', path: '/', id: 'alive', tag: 'Operation', summary: 'Is the process alive, as clients of KServe v1 ask', isPublic: true, answer: json({ status: 'alive' }) },
  ping: { method: 'GET', path: '/ping', id: 'ping', tag: 'MLflow', summary: 'Does the server take requests', isPublic: true, answer: { type: 'text/plain' } },
  metrics: { method: 'GET', path: '/metrics', id: 'metrics', tag: 'Operation', summary: 'Metrics for Prometheus', isPublic: true, answer: { type: 'text/plain' } },
  openapi: { method: 'GET', path: '/openapi.json', id: 'openapi', tag: 'Operation', summary: 'This document', isPublic: true, answer: { type: 'application/json' } },
  docs: { method: 'GET', path: '/docs', id: 'docs', tag: 'Operation', summary: 'This document as a page', isPublic: true, answer: { type: 'text/html' } },
} as const satisfies Record<string, Operation>;

export interface ApiDocument {
  openapi: string;
  info: { title: string; version: string; description: string };
  paths: Record<string, Record<string, unknown>>;
  [more: string]: unknown;
}

/** Codes that an error answer can carry, by status: stable, to be relied on. */
const errorCodes: Record<number, { codes: string[]; meaning: string }> = {
  400: {
    codes: ['malformed_json', 'nested_too_deeply', 'forbidden_key', 'invalid_request', 'invalid_rows', 'invalid_label', 'not_explainable', 'model_required', 'body_cut_off', 'malformed_compression', 'malformed_url', 'bad_request', 'idempotency_key_unfit'],
    meaning: 'The request is wrong; the answer names the field, the row and the remedy.',
  },
  401: { codes: ['unauthenticated'], meaning: 'There is no credential, or it is not valid.' },
  402: { codes: ['budget_exceeded'], meaning: 'The budget of the key is used up.' },
  403: { codes: ['forbidden', 'address_not_allowed'], meaning: 'The credential lacks the scope PREDICT (for feedback, FEEDBACK will do), or may not be used from this address.' },
  404: { codes: ['model_not_found', 'prediction_not_found', 'route_not_found'], meaning: 'There is no such model or prediction for this key.' },
  405: { codes: ['method_not_allowed'], meaning: 'The route takes another method.' },
  409: { codes: ['request_under_way', 'no_webhook_secret', 'truth_known'], meaning: 'A request with this Idempotency-Key is under way: try again after the seconds in Retry-After. Or the tenant has no secret to sign webhooks with. Or the truth was told by somebody whose word counts for more.' },
  413: { codes: ['body_too_large'], meaning: 'The body is too large.' },
  415: { codes: ['unsupported_media_type'], meaning: 'The body is declared as something else than JSON, or compressed otherwise than by gzip or deflate.' },
  422: { codes: ['idempotency_key_reused'], meaning: 'Another request had this Idempotency-Key.' },
  429: { codes: ['rate_limited', 'too_many_parallel_requests', 'quota_exceeded', 'queue_full', 'too_many_requests'], meaning: 'A limit has fired: `limit_source` says whose. Try again after the seconds in Retry-After.' },
  500: { codes: ['internal'], meaning: 'A fault of ours.' },
  503: { codes: ['model_unavailable', 'unavailable', 'overloaded', 'deadline_exceeded'], meaning: 'Try again after the seconds in Retry-After.' },
};

const rowCodes =
  'missing_feature, unknown_feature, not_a_number, not_finite, too_large, null_value, not_text, not_a_date, wrong_length, wrong_datatype, ' +
  'duplicate_feature, not_an_object, not_a_list, too_many_rows, no_rows';

/** The OpenAPI 3.1 document, from the routes themselves. */
export function describeApi(version: string): ApiDocument {
  const paths: ApiDocument['paths'] = {};
  for (const operation of Object.values<Operation>(operations)) {
    (paths[operation.path] ??= {})[operation.method.toLowerCase()] = describeOperation(operation);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Millrace inference',
      version,
      description: 'Predictions over HTTP. Send an API key or an access token as `Authorization: Bearer …` or `X-API-Key: …`.',
    },
    security: [{ bearer: [] }, { apiKey: [] }],
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' }, apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' } },
      schemas: { Error: errorSchema, ProtocolError: { type: 'object', required: ['error'], properties: { error: { type: 'string' } } } },
    },
  };
}

const errorSchema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message', 'remedy_hint'],
      properties: {
        code: { type: 'string', enum: Object.values(errorCodes).flatMap(({ codes }) => codes) },
        message: { type: 'string' },
        field: { type: 'string' },
        row: { type: 'integer', minimum: 0 },
        remedy_hint: { type: 'string' },
        limit_source: { type: 'string', enum: ['server', 'key', 'tenant', 'model', 'plan', 'member'] },
        limit: {
          type: 'object',
          description: 'Of a refusal by a limit of usage or a budget: what it counts, in which period, the most, what is left, and until when.',
          properties: {
            measure: { type: 'string', enum: ['requests', 'rows', 'units'] },
            period: { type: 'string' },
            most: { type: 'integer' },
            remaining: { type: 'integer' },
            resets_at: { type: ['string', 'null'], format: 'date-time' },
          },
        },
        problems: {
          type: 'array',
          description: `Everything that is wrong with the rows, up to 50. Codes: ${rowCodes}.`,
          items: {
            type: 'object',
            required: ['code', 'field', 'message', 'remedy_hint'],
            properties: {
              code: { type: 'string' },
              field: { type: 'string' },
              row: { type: ['integer', 'null'] },
              message: { type: 'string' },
              remedy_hint: { type: 'string' },
            },
          },
        },
      },
    },
  },
};

const predictionHeaders = {
  'x-request-id': 'the id of the request: yours if you sent a sane one',
  'x-millrace-prediction-id': 'the id under which the prediction stands in the usage ledger',
  'x-millrace-model-version': 'the version that predicted',
  'x-millrace-variant': 'stable',
  'x-millrace-cost-units': 'what is billed: rows; of an explanation, evaluations of the model by hundreds',
  'x-millrace-budget-remaining': 'cost units that are left of the budget of the key, if it has one',
  'x-millrace-quota-notice': 'limits whose soft limit is reached: "key-rows-month";used=80012;soft=80000;limit=100000',
  'idempotent-replayed': 'true where the answer was given before, under the same Idempotency-Key',
  'x-millrace-overhead-ms': 'time spent on everything but the model itself',
  'x-millrace-warnings': 'what the model took but had not seen in training, as code;feature',
};

const binaryHeaders = { 'inference-header-content-length': 'the length of the JSON text, where binary tensors follow it' };

/** On every answer to whoever has limits. */
const limitHeaders = {
  'x-ratelimit-limit-requests': 'of the limits of requests the one with the fewest left: the most',
  'x-ratelimit-remaining-requests': 'how many are left of it at this moment',
  'x-ratelimit-reset-requests': 'until all of it is there again, such as 21s',
  'ratelimit-policy': 'the same as the IETF has it: "key";q=600;w=60, "key-parallel" for requests at a time, "tenant-rows-month" and others like it for limits of usage',
  ratelimit: 'what is left: "key";r=512;t=9',
};

const jsonLength = {
  name: 'Inference-Header-Content-Length',
  in: 'header',
  required: false,
  description: 'The length of the JSON text in bytes, where binary tensors follow it.',
  schema: { type: 'integer', minimum: 0 },
};

const bytes = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } };

const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'Sent again with the same request within a day, it gets the same answer, and nothing is predicted or billed anew. A UUID, for instance.',
  schema: { type: 'string', maxLength: 255 },
};

function describeOperation(operation: Operation): object {
  const errors = operation.path.startsWith('/v2') ? 'ProtocolError' : 'Error';
  const refusals = Object.entries(errorCodes).map(([status, { meaning }]) => [
    status,
    { description: meaning, content: { 'application/json': { schema: { $ref: `#/components/schemas/${errors}` } } } },
  ]);
  const inDocument = (headers: Record<string, string>): object =>
    Object.fromEntries(Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]));
  const headers = { ...(operation.method === 'POST' && inDocument(predictionHeaders)), ...(operation.isBinaryToo && inDocument(binaryHeaders)), ...(!operation.isPublic && inDocument(limitHeaders)) };
  const { type, example } = operation.answer;
  return {
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    ...(operation.description && { description: operation.description }),
    ...(operation.isPublic && { security: [] }),
    parameters: [
      ...[...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
      ...(operation.method === 'POST' ? [idempotencyKey] : []),
      ...(operation.isBinaryToo ? [jsonLength] : []),
    ],
    ...(operation.request !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: { type: 'object' }, example: operation.request }, ...(operation.isBinaryToo && bytes) } },
    }),
    responses: {
      200: {
        description: 'OK',
        ...(Object.keys(headers).length > 0 && { headers }),
        content: { [type]: { schema: type === 'application/json' ? { type: 'object' } : { type: 'string' }, ...(example !== undefined && { example }) }, ...(operation.isBinaryToo && bytes) },
      },
      ...(operation.isPublic ? {} : (Object.fromEntries(refusals) as object)),
    },
  };
}
