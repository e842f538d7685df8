type Schema = Record<string, unknown>;

const text = { type: 'string' };
const count = { type: 'integer', minimum: 0 };
const nullable = (type: string, more: Schema = {}): Schema => ({ type: [type, 'null'], ...more });
const list = (items: Schema, more: Schema = {}): Schema => ({ type: 'array', items, ...more });
const object = (properties: Schema, required: readonly string[] = [], more: Schema = {}): Schema => ({ type: 'object', ...(required.length > 0 && { required }), properties, ...more });
/** Whatever else it has is refused by name. */
const closed = (properties: Schema, required: readonly string[] = []): Schema => object(properties, required, { additionalProperties: false });
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

const modelName = { ...text, description: 'Name of the endpoint.' };
const version = { ...text, description: 'Number of the version that answered.' };
const requestId = { ...text, description: 'Sent back as it came; the id of the prediction where none was sent.' };
const time = { ...text, format: 'date-time' };
const parameters = { type: 'object', description: 'Parameters of the protocol’s extensions.' };
const warnings = list(object({ row: count, field: text, code: text, message: text }, ['row', 'field', 'code', 'message']));

const tensor = {
  name: { ...text, description: 'The feature or output.' },
  shape: list(count),
  datatype: { ...text, enum: ['BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64', 'FP16', 'FP32', 'FP64', 'BYTES'] },
  data: { type: 'array', description: 'Elements, flat or nested, row by row. Left out where they are sent as bytes.' },
  parameters: object({ binary_data_size: { ...count, description: 'So many bytes behind the JSON text are its elements.' } }),
};
const tensorMetadata = object({ name: text, datatype: text, shape: list({ type: 'integer', description: '-1: any number' }) }, ['name', 'datatype', 'shape']);
const explained = {
  output: object({ name: text, class: text }, ['name']),
  answer: { type: 'number' },
  base_value: { type: 'number' },
  attributions: list(object({ name: text, value: { type: 'number' }, data: { description: 'What was sent: a number, text or null; of a picture the region.' }, standard_error: { type: 'number' } }, ['name', 'value'])),
  additivity_error: { type: 'number' },
  method: object({ name: text, evaluations: count, background_rows: count, exact: { type: 'boolean' }, converged: { type: 'boolean' } }, ['name']),
  faithfulness: nullable('number', { minimum: -1, maximum: 1 }),
  faithfulness_reason: text,
  heat_map: { type: 'object' },
  warnings: { type: 'array' },
};
const explanationFields = ['output', 'answer', 'base_value', 'attributions', 'additivity_error', 'method', 'faithfulness'];
const explainParameters = object({
  class: { ...text, description: 'The class whose probability is explained; the predicted one unless told.' },
  output: text,
  max_evaluations: { type: 'integer', minimum: 1 },
});
const examples = object(
  { signature_name: text, context: { type: 'object', description: 'What all examples have in common.' }, examples: list({ type: 'object', description: 'A row by feature name.' }, { minItems: 1 }) },
  ['examples'],
);
const shapes = object({ dtype: text, tensor_shape: object({ dim: list(object({ size: text, name: text })), unknown_rank: { type: 'boolean' } }), name: text }, ['dtype', 'tensor_shape', 'name']);

/** What requests and answers hold, by the name that the OpenAPI document has it under: JSON Schema 2020-12. */
export const schemas = {
  Value: { description: 'A value of a feature: a number, text, an ISO 8601 date as text, null where the signature lets it be missing, a picture as {"b64": "…"} or as pixels, or a list.' },
  Row: { type: ['array', 'object'], description: 'A row: values in the order of the features, or an object by feature name.', items: ref('Value'), additionalProperties: ref('Value') },

  PredictRequest: closed(
    { features: { type: ['array', 'object'], description: 'One row by position or by name, or a list of rows.' }, model: { ...modelName, description: 'Name of the endpoint; may be left out where the key can call only one.' } },
    ['features'],
  ),
  PredictAnswer: object({ prediction: list({}, { description: 'One for each row, in their order: a class, a number, true or false.' }) }, ['prediction']),

  Key: object(
    {
      id: text,
      type: { enum: ['key', 'person'] },
      alias: text,
      role: text,
      scopes: list(text),
      models: list(text, { description: 'Endpoints that it may call; none listed means all.' }),
      addresses: list(text),
      expires_at: nullable('string', { format: 'date-time' }),
      rpm_limit: nullable('integer'),
      max_parallel_requests: nullable('integer'),
      can_predict: { type: 'boolean' },
      limit: nullable('number', { description: 'The budget, in cost units.' }),
      limit_remaining: nullable('number'),
      limit_reset: nullable('string', { format: 'date-time' }),
      soft_budget: nullable('number'),
      budget_duration: nullable('string'),
      usage: count,
      usage_daily: count,
      usage_weekly: count,
      usage_monthly: count,
    },
    ['id', 'type', 'models', 'can_predict', 'limit', 'limit_remaining', 'limit_reset', 'usage', 'usage_daily', 'usage_weekly', 'usage_monthly'],
  ),

  Live: object({ live: { type: 'boolean' } }, ['live']),
  Ready: object({ ready: { type: 'boolean' } }, ['ready']),
  Alive: object({ status: text }, ['status']),
  Server: object({ name: text, version: text, extensions: list(text) }, ['name', 'version', 'extensions']),
  ModelMetadata: object(
    { name: modelName, versions: list(text), platform: text, inputs: list(tensorMetadata), outputs: list(tensorMetadata), parameters },
    ['name', 'versions', 'platform', 'inputs', 'outputs'],
  ),
  ModelReady: object({ name: modelName, ready: { type: 'boolean' } }, ['name', 'ready']),
  InferRequest: object(
    {
      id: nullable('string'),
      parameters: object({ binary_data_output: { type: 'boolean', description: 'All outputs as bytes.' } }),
      inputs: list(object(tensor, ['name', 'shape', 'datatype']), { minItems: 1 }),
      outputs: list(object({ name: text, parameters: object({ binary_data: { type: 'boolean' } }) }, ['name'])),
    },
    ['inputs'],
  ),
  InferAnswer: object({ model_name: modelName, model_version: version, id: requestId, outputs: list(object(tensor, ['name', 'shape', 'datatype'])) }, ['model_name', 'model_version', 'id', 'outputs']),

  Explanation: object(explained, explanationFields),
  ExplainRequest: object({ id: nullable('string'), parameters: explainParameters, inputs: list(object(tensor, ['name', 'shape', 'datatype']), { minItems: 1 }) }, ['inputs']),
  ExplainAnswer: object({ model_name: modelName, model_version: version, id: requestId, ...explained }, ['model_name', 'model_version', 'id', ...explanationFields]),
  ExplainRowsRequest: object({ parameters: explainParameters, instances: list(ref('Row'), { minItems: 1, maxItems: 16 }) }, ['instances']),
  ExplainRowsAnswer: object({ explanations: list(ref('Explanation')) }, ['explanations']),

  RowsRequest: object(
    {
      signature_name: text,
      instances: list({ description: 'A row; of a model with one input, also its bare value.' }, { minItems: 1 }),
      inputs: { type: ['object', 'array'], description: 'Columns by feature name, or a list of rows.' },
    },
    [],
    { oneOf: [{ required: ['instances'] }, { required: ['inputs'] }] },
  ),
  RowsAnswer: object({ predictions: list({}, { description: 'To `instances`: one for each row.' }), outputs: { description: 'To `inputs`: a list for each output, or one where there is only one.' } }, [], {
    oneOf: [{ required: ['predictions'] }, { required: ['outputs'] }],
  }),
  ExamplesRequest: examples,
  ClassesAnswer: object({ results: list(list({ type: 'array', description: 'A class and its probability.', minItems: 2, maxItems: 2 })) }, ['results']),
  NumbersAnswer: object({ results: list({ type: 'number' }) }, ['results']),
  VersionStatus: object(
    {
      model_version_status: list(object({ version: text, state: { enum: ['AVAILABLE', 'END'] }, status: object({ error_code: text, error_message: text }, ['error_code', 'error_message']) }, ['version', 'state', 'status'])),
      name: modelName,
      ready: { type: 'boolean' },
    },
    ['model_version_status', 'name', 'ready'],
  ),
  SignatureMetadata: object(
    {
      model_spec: object({ name: modelName, signature_name: text, version: text }, ['name', 'version']),
      metadata: object({
        signature_def: object({
          signature_def: {
            type: 'object',
            additionalProperties: object({ inputs: { type: 'object', additionalProperties: shapes }, outputs: { type: 'object', additionalProperties: shapes }, method_name: text }, ['inputs', 'outputs', 'method_name']),
          },
        }, ['signature_def']),
      }, ['signature_def']),
    },
    ['model_spec', 'metadata'],
  ),

  InvocationsRequest: object(
    {
      dataframe_split: object({ index: { type: 'array' }, columns: list(text, { description: 'Left out, the values stand in the order of the features.' }), data: list({ type: 'array' }) }, ['data']),
      dataframe_records: list({ type: 'object', description: 'A row by feature name.' }),
      instances: list({}),
      inputs: { type: ['object', 'array'] },
      params: { type: ['object', 'null'], maxProperties: 0 },
    },
    [],
    { oneOf: ['dataframe_split', 'dataframe_records', 'instances', 'inputs'].map((form) => ({ required: [form] })) },
  ),
  InvocationsAnswer: object({ predictions: list({}) }, ['predictions']),

  PredictionRequest: closed(
    {
      model: { ...modelName, description: 'Name of the endpoint; may be left out where the key can call only one.' },
      version: { type: ['string', 'integer', 'null'] },
      input: { type: ['array', 'object'], description: 'A list of rows, or the body of any other route.' },
      webhook: nullable('string', { format: 'uri' }),
      webhook_events_filter: { type: ['array', 'null'], items: { enum: ['start', 'output', 'completed', 'logs'] } },
    },
    ['input'],
  ),
  Prediction: object(
    {
      id: text,
      model: modelName,
      version: nullable('string'),
      input: { type: ['array', 'object'] },
      output: { description: 'What the route whose body `input` is answers; null until then.' },
      error: nullable('object', { description: 'Why it failed, as another route would have answered.' }),
      status: { enum: ['starting', 'processing', 'succeeded', 'failed', 'canceled'] },
      created_at: time,
      started_at: nullable('string', { format: 'date-time' }),
      completed_at: nullable('string', { format: 'date-time' }),
      urls: object({ get: text, cancel: text }, ['get', 'cancel']),
      metrics: object({ predict_time: { type: 'number', description: 'In seconds.' } }),
      webhook: text,
      warnings: { ...warnings, description: 'What the model took but had not seen in training; left out where there is none.' },
    },
    ['id', 'model', 'version', 'input', 'output', 'error', 'status', 'created_at', 'started_at', 'completed_at', 'urls', 'metrics'],
  ),

  FeedbackRequest: closed({ prediction_id: text, label: { description: 'The truth, or of several rows a list of it, null where it is not known.' }, source: nullable('string', { maxLength: 100 }) }, ['prediction_id', 'label']),
  FeedbackAnswer: object(
    { prediction_id: text, model: modelName, version: text, labelled_rows: count, replaced: { type: 'boolean' }, trusted: { type: 'boolean' } },
    ['prediction_id', 'model', 'version', 'labelled_rows', 'replaced', 'trusted'],
  ),
} as const satisfies Record<string, Schema>;

export type SchemaName = keyof typeof schemas;
