import { type Operation, operations } from './openapi.ts';
import { type SchemaName, schemas } from './openapi-schemas.ts';

export interface ApiDocument {
  openapi: string;
  info: { title: string; version: string; description: string };
  paths: Record<string, Record<string, unknown>>;
  [more: string]: unknown;
}

/** Codes that an error answer can carry, by status: stable, to be relied on. */
export const errorCodes: Record<number, { codes: string[]; meaning: string }> = {
  400: {
    codes: ['malformed_json', 'nested_too_deeply', 'forbidden_key', 'invalid_request', 'invalid_rows', 'invalid_label', 'not_explainable', 'model_required', 'body_cut_off', 'malformed_compression', 'malformed_url', 'malformed_http', 'bad_request', 'idempotency_key_unfit'],
    meaning: 'The request is wrong; the answer names the field, the row and the remedy.',
  },
  401: { codes: ['unauthenticated'], meaning: 'There is no credential, or it is not valid.' },
  402: { codes: ['budget_exceeded'], meaning: 'The budget of the key is used up.' },
  403: { codes: ['forbidden', 'address_not_allowed'], meaning: 'The credential lacks the scope PREDICT (for feedback, FEEDBACK will do), or may not be used from this address.' },
  404: { codes: ['model_not_found', 'prediction_not_found', 'route_not_found'], meaning: 'There is no such model or prediction for this key.' },
  405: { codes: ['method_not_allowed'], meaning: 'The route takes another method.' },
  408: { codes: ['request_timeout'], meaning: 'The request did not arrive in time.' },
  409: { codes: ['request_under_way', 'no_webhook_secret', 'truth_known'], meaning: 'A request with this Idempotency-Key is under way: try again after the seconds in Retry-After. Or the tenant has no secret to sign webhooks with. Or the truth was told by somebody whose word counts for more.' },
  413: { codes: ['body_too_large'], meaning: 'The body is too large.' },
  414: { codes: ['name_too_long'], meaning: 'No model or version has a name of this length.' },
  415: { codes: ['unsupported_media_type'], meaning: 'The body is declared as something else than JSON, or compressed otherwise than by gzip or deflate.' },
  422: { codes: ['idempotency_key_reused'], meaning: 'Another request had this Idempotency-Key.' },
  429: { codes: ['rate_limited', 'too_many_parallel_requests', 'quota_exceeded', 'queue_full', 'too_many_requests'], meaning: 'A limit has fired: `limit_source` says whose. Try again after the seconds in Retry-After.' },
  431: { codes: ['headers_too_large'], meaning: 'The headers are too large.' },
  500: { codes: ['internal'], meaning: 'A fault of ours.' },
  503: { codes: ['model_unavailable', 'unavailable', 'overloaded', 'deadline_exceeded'], meaning: 'Try again after the seconds in Retry-After.' },
};

const rowCodes =
  'missing_feature, unknown_feature, not_a_number, not_finite, too_large, null_value, not_text, not_a_date, wrong_length, wrong_datatype, ' +
  'duplicate_feature, not_an_object, not_a_list, too_many_rows, no_rows';

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

/** What answers say beside their body. */
export const answerHeaders = {
  'x-request-id': 'the id of the request: yours if you sent a sane one',
  'x-millrace-prediction-id': 'the id under which the prediction stands in the usage ledger, and by which feedback names it',
  'x-millrace-model-version': 'the version that predicted',
  'x-millrace-variant': 'stable, or canary where the version has only a share of the traffic or was asked for by its number',
  'x-millrace-cost-units': 'what is billed: rows; of an explanation, evaluations of the model by hundreds',
  'x-millrace-budget-remaining': 'cost units that are left of the budget of the key, if it has one',
  'x-millrace-quota-notice': 'limits whose soft limit is reached: "key-rows-month";used=80012;soft=80000;limit=100000',
  'idempotent-replayed': 'true where the answer was given before, under the same Idempotency-Key',
  'x-millrace-overhead-ms': 'time spent on everything but the model itself',
  'x-millrace-warnings': 'what the model took but had not seen in training, as code;feature (percent-encoded), with commas between several: outside_training_range;petal%20width',
  'inference-header-content-length': 'the length of the JSON text, where binary tensors follow it',
  'preference-applied': 'what was done of Prefer: respond-async, or wait=10',
  'x-ratelimit-limit-requests': 'of the limits of requests the one with the fewest left: the most',
  'x-ratelimit-remaining-requests': 'how many are left of it at this moment',
  'x-ratelimit-reset-requests': 'until all of it is there again, such as 21s',
  'ratelimit-policy': 'the same as the IETF has it: "key";q=600;w=60, "key-parallel" for requests at a time, "tenant-rows-month" and others like it for limits of usage',
  ratelimit: 'what is left: "key";r=512;t=9',
  'retry-after': 'seconds after which it may be tried again',
  'x-millrace-error-code': 'the code of the refusal, also where the body is one sentence',
} as const;
type HeaderName = keyof typeof answerHeaders;

const ofPredictions: readonly HeaderName[] = [
  'x-millrace-prediction-id', 'x-millrace-model-version', 'x-millrace-variant', 'x-millrace-cost-units', 'x-millrace-budget-remaining', 'x-millrace-quota-notice',
  'idempotent-replayed', 'x-millrace-overhead-ms', 'x-millrace-warnings',
];
/** On every answer to whoever has limits. */
const ofLimits: readonly HeaderName[] = ['x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests', 'x-ratelimit-reset-requests', 'ratelimit-policy', 'ratelimit'];
const onPostOnly = [402, 408, 409, 413, 415, 422];
const afterAWhile = [402, 409, 429, 503];

const requestHeaders = {
  'Idempotency-Key': { description: 'Sent again with the same request within a day, it gets the same answer, and nothing is predicted or billed anew. A UUID, for instance.', schema: { type: 'string', maxLength: 255 } },
  'Inference-Header-Content-Length': { description: 'The length of the JSON text in bytes, where binary tensors follow it.', schema: { type: 'integer', minimum: 0 } },
  'x-millrace-model-version': { description: 'Asks for one version, whatever the others get.', schema: { type: 'string' } },
  Prefer: { description: 'respond-async, or wait=10 to be kept waiting for up to so many seconds (60 at most).', schema: { type: 'string' } },
};

const bytes = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } };
const schemaOf = (name: SchemaName | undefined): object => (name === undefined ? { type: 'object' } : { $ref: `#/components/schemas/${name}` });
const headersOf = (names: readonly HeaderName[]): object => Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));

/** The OpenAPI 3.1 document, from the routes themselves. */
export function describeApi(version: string): ApiDocument {
  const all = Object.values<Operation>(operations);
  const paths: ApiDocument['paths'] = {};
  for (const operation of all) (paths[operation.path] ??= {})[operation.method.toLowerCase()] = describeOperation(operation);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Millrace inference',
      version,
      description: 'Predictions over HTTP. Send an API key or an access token as `Authorization: Bearer …` or `X-API-Key: …`.',
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { apiKey: [] }],
    tags: [...new Set(all.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' }, apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' } },
      schemas: { ...schemas, Error: errorSchema, ProtocolError: { type: 'object', required: ['error'], properties: { error: { type: 'string', description: 'What is wrong, and what to do about it; the code stands in x-millrace-error-code.' } } } },
      headers: Object.fromEntries(Object.entries(answerHeaders).map(([name, description]) => [name, { description, schema: { type: 'string' } }])),
    },
  };
}

function describeOperation(operation: Operation): object {
  const { id, method, path, tag, summary, description, isPublic, isBinaryToo, request, takes, headers = [], answer } = operation;
  const isPost = method === 'POST';
  const sent: (keyof typeof requestHeaders)[] = [...(isPost ? (['Idempotency-Key'] as const) : []), ...(isBinaryToo ? (['Inference-Header-Content-Length'] as const) : []), ...headers];
  const told: HeaderName[] = [
    'x-request-id', ...(isPost ? ofPredictions : []), ...(isBinaryToo ? (['inference-header-content-length'] as const) : []),
    ...(headers.includes('Prefer') ? (['preference-applied'] as const) : []), ...(isPublic ? [] : ofLimits),
  ];
  const content = { [answer.type]: { schema: answer.type === 'application/json' ? schemaOf(answer.schema) : { type: 'string' }, ...(answer.example !== undefined && { example: answer.example }) }, ...(isBinaryToo && bytes) };
  const answered = Object.entries(answer.statuses ?? { 200: 'OK' }).map(([status, meaning]) => [status, { description: meaning, headers: headersOf(told), content }]);
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description && { description }),
    ...(isPublic && { security: [] }),
    parameters: [
      ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
      ...sent.map((name) => ({ name, in: 'header', required: false, ...requestHeaders[name] })),
    ],
    ...(request !== undefined && { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(takes), example: request }, ...(isBinaryToo && bytes) } } }),
    responses: { ...(isPublic ? {} : refusalsOf(operation)), ...(Object.fromEntries(answered) as object) },
  };
}

/** What it may be refused with, in the form that its routes have. */
function refusalsOf({ method, path }: Operation): object {
  const schema = { $ref: `#/components/schemas/${path.startsWith('/v2') ? 'ProtocolError' : 'Error'}` };
  const possible = Object.entries(errorCodes).filter(([status]) => method === 'POST' || !onPostOnly.includes(Number(status)));
  return Object.fromEntries(
    possible.map(([status, { meaning }]) => [
      status,
      { description: meaning, headers: headersOf(['x-request-id', 'x-millrace-error-code', ...(afterAWhile.includes(Number(status)) ? (['retry-after'] as const) : []), ...ofLimits]), content: { 'application/json': { schema } } },
    ]),
  );
}
