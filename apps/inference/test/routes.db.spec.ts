import { operations } from '../src/openapi.ts';
import { call, createInferenceWorld, eventually, type InferenceWorld, type TenantOfWorld } from './inference-world.ts';
import { irisFeatures, irisNeighbours, irisNetwork, irisOfDemo, mixedRegression, setosa, virginica } from './sample-pipelines.ts';
import { schemaProblems } from './schema-problems.ts';

interface Described {
  description: string;
  content: Record<string, { schema: Record<string, unknown>; example?: object }>;
}
interface DescribedOperation {
  operationId: string;
  parameters: { name: string; in: string }[];
  requestBody?: Described;
  responses: Record<string, Described>;
}

let world: InferenceWorld;
let tenant: TenantOfWorld;
let url: string;
let key: string;

beforeAll(async () => {
  world = await createInferenceWorld();
  tenant = await world.createTenant();
  await tenant.publish('iris', irisNeighbours());
  await tenant.publish('wear', mixedRegression());
  key = (await tenant.createKey()).text;
  // Makes none of the predictions that it accepts: each is still to come when it is answered.
  ({ url } = await world.start({ async: { slots: 0 } }));
});
afterAll(() => world.close());

const named = (row: number[]) => Object.fromEntries(irisFeatures.map((name, index) => [name, row[index]]));
const matrix = { name: 'x', shape: [2, 4], datatype: 'FP64', data: [setosa, virginica] };

describe('predictions', () => {
  it('/predict answers exactly {"prediction": […]}, for one row, several rows, by position and by name', async () => {
    const answerTo = async (body: object) => (await call(`${url}/predict`, { key, body: { model: 'iris', ...body } })).text;
    expect(await answerTo({ features: setosa })).toBe('{"prediction":["setosa"]}');
    expect(await answerTo({ features: named(virginica) })).toBe('{"prediction":["virginica"]}');
    expect(await answerTo({ features: [setosa, virginica] })).toBe('{"prediction":["setosa","virginica"]}');
    expect(await answerTo({ features: [named(setosa), named(virginica)] })).toBe('{"prediction":["setosa","virginica"]}');
    expect(await answerTo({ model: 'wear', features: { pressure: 2.5, material: 'steel' } })).toBe('{"prediction":[12.5]}');
  });

  it('/predict finds the model by itself where the key can call only one, and lists the choices otherwise', async () => {
    const narrow = await tenant.createKey({ models: ['iris'] });
    expect((await call(`${url}/predict`, { key: narrow.text, body: { features: setosa } })).json).toEqual({ prediction: ['setosa'] });
    const choice = await call(`${url}/predict`, { key, body: { features: setosa } });
    expect(choice.status).toBe(400);
    expect(choice.json.error).toMatchObject({ code: 'model_required', field: 'model', remedy_hint: 'Name one as "model": "iris", "wear".' });
    const other = await world.createTenant();
    const empty = await call(`${url}/predict`, { key: (await other.createKey()).text, body: { features: setosa } });
    expect([empty.status, empty.json.error.code]).toEqual([404, 'model_not_found']);
  });

  it('a forecast: its metadata date the answers, and what was not forecast is refused by name', async () => {
    const other = await world.createTenant();
    await other.publish('visits', {
      family: 'drift', target: 'visits', series: null, horizon: 2, covariates: [], floor: Float64Array.of(0), below: Float64Array.of(1, 1.5), above: Float64Array.of(1, 1.5),
      parts: [{ base: Float64Array.of(3, 4), unit: Float64Array.of(1, 1), logarithmic: Int32Array.of(0), head: null }],
      lastObservation: '2026-03-31T00:00:00.000Z', frequency: 'P1D', intervalCoverage: 0.9, scale: 1,
    });
    const { text } = await other.createKey();
    expect((await call(`${url}/v2/models/visits`, { key: text })).json).toEqual({
      name: 'visits',
      versions: ['1'],
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'step', datatype: 'FP64', shape: [-1] }],
      outputs: ['prediction', 'lower', 'upper'].map((name) => ({ name, datatype: 'FP64', shape: [-1] })),
      parameters: { forecast: { lastObservation: '2026-03-31T00:00:00.000Z', frequency: 'P1D', horizon: 2, intervalCoverage: 0.9 } },
    });
    const answer = await call(`${url}/v1/models/visits:predict`, { key: text, body: { instances: [{ step: 2 }] } });
    expect(answer.json).toEqual({ predictions: [{ prediction: 4, lower: 2.5, upper: 5.5 }] });
    expect((await call(`${url}/predict`, { key: text, body: { features: [1] } })).json).toEqual({ prediction: [3] });
    const beyond = await call(`${url}/predict`, { key: text, body: { features: [3] } });
    expect([beyond.status, beyond.json.error.problems?.[0] ?? beyond.json.error]).toMatchObject([400, { code: 'value_not_offered', field: 'step' }]);
  });

  it('an anomaly detection: its metadata tell the threshold, and every route says which rows are above it', async () => {
    const other = await world.createTenant();
    await other.publish('press', {
      features: ['speed', 'torque'].map((name) => ({ name, type: 'number', min: 0, max: 9, mean: 5, scale: 2, fill: 5, missingAllowed: false })),
      scorer: { family: 'robust_z_score', combine: 'largest', columns: [{ type: 'number', centre: 5, scale: 1 }, { type: 'number', centre: 5, scale: 2 }] },
      threshold: 1.5, falseAlarmRate: 0.01,
    });
    const { text } = await other.createKey();
    expect((await call(`${url}/v2/models/press`, { key: text })).json).toMatchObject({
      outputs: [{ name: 'score', datatype: 'FP64', shape: [-1] }, { name: 'isAnomaly', datatype: 'BOOL', shape: [-1] }, { name: 'contributions', datatype: 'FP64', shape: [-1, 2] }],
      parameters: { anomaly: { threshold: 1.5, falseAlarmRate: 0.01, hasContributions: true } },
    });
    const rows = [{ speed: 5, torque: 9 }, { speed: 4, torque: 5 }];
    const said = [{ score: 2, isAnomaly: true, contributions: { speed: 0, torque: 2 } }, { score: 1, isAnomaly: false, contributions: { speed: 1, torque: 0 } }];
    const answerTo = async (path: string, body: object) => (await call(`${url}${path}`, { key: text, body })).json;
    expect(await answerTo('/predict', { features: rows })).toEqual({ prediction: [true, false] });
    expect(await answerTo('/v1/models/press:predict', { instances: rows })).toEqual({ predictions: said });
    expect(await answerTo('/models/press/invocations', { dataframe_records: rows })).toEqual({ predictions: said });
    const { outputs } = await answerTo('/v2/models/press/infer', { inputs: [{ name: 'x', shape: [2, 2], datatype: 'FP64', data: [[5, 9], [4, 5]] }] });
    expect(outputs).toEqual([
      { name: 'score', datatype: 'FP64', shape: [2], data: [2, 1] },
      { name: 'isAnomaly', datatype: 'BOOL', shape: [2], data: [true, false] },
      { name: 'contributions', datatype: 'FP64', shape: [2, 2], data: [0, 2, 1, 0] },
    ]);
  });

  it('a recommendation: a list for each row, over every route, and a stranger is told from a known user', async () => {
    const other = await world.createTenant();
    await other.publish('parts', {
      family: 'popularity', user: 'machine', item: 'part', users: ['m1'], items: ['belt', 'pump', 'valve'], topN: 2, excludesSeen: true,
      seen: { starts: Int32Array.of(0, 1), items: Int32Array.of(0) }, popularity: Float32Array.of(1, 0.5, 0.25), rule: { type: 'popularity' },
    });
    const { text } = await other.createKey();
    expect((await call(`${url}/v2/models/parts`, { key: text })).json).toMatchObject({
      inputs: [{ name: 'machine', datatype: 'BYTES', shape: [-1] }, { name: 'exclude', datatype: 'BYTES', shape: [-1, -1] }],
      outputs: [{ name: 'items', datatype: 'BYTES', shape: [-1, 2] }, { name: 'scores', datatype: 'FP32', shape: [-1, 2] }],
    });
    const lists = [{ items: ['pump', 'valve'], scores: [0.5, 0.25] }, { items: ['belt', 'valve'], scores: [1, 0.25] }];
    const instances = [{ machine: 'm1' }, { machine: 'm9', exclude: ['pump'] }];
    const answer = await call(`${url}/v1/models/parts:predict`, { key: text, body: { instances } });
    expect(answer.json).toEqual({ predictions: lists });
    expect(answer.headers.get('x-millrace-warnings')).toBe('unseen_category;machine');
    expect((await call(`${url}/models/parts/invocations`, { key: text, body: { dataframe_records: instances } })).json).toEqual({ predictions: lists });
    expect((await call(`${url}/predict`, { key: text, body: { features: ['m1', ['pump']] } })).json).toEqual({ prediction: [['valve']] });
    const tensors = [{ name: 'machine', shape: [2], datatype: 'BYTES', data: ['m1', 'm9'] }, { name: 'exclude', shape: [2, 2], datatype: 'BYTES', data: ['pump', 'valve', 'pump', ''] }];
    expect((await call(`${url}/v2/models/parts/infer`, { key: text, body: { inputs: tensors } })).json.outputs).toEqual([
      { name: 'items', datatype: 'BYTES', shape: [2, 2], data: ['', '', 'belt', 'valve'] },
      { name: 'scores', datatype: 'FP32', shape: [2, 2], data: [-3.4028234663852886e38, -3.4028234663852886e38, 1, 0.25] },
    ]);
    const refused = await call(`${url}/predict`, { key: text, body: { features: { machine: 'm1', exclude: 'pump' } } });
    expect([refused.status, refused.json.error.problems?.[0] ?? refused.json.error]).toMatchObject([400, { code: 'not_a_list', field: 'exclude' }]);
  });

  it('a number with an interval: its metadata state the coverage, and the answers have both ends', async () => {
    const other = await world.createTenant();
    const { features, target, estimator } = mixedRegression();
    await other.publish('worn', { features, target: { ...target, interval: { coverage: 0.9, halfWidth: 2 } } as typeof target, estimator });
    const { text } = await other.createKey();
    expect((await call(`${url}/v2/models/worn`, { key: text })).json).toMatchObject({
      outputs: ['prediction', 'lower', 'upper'].map((name) => ({ name, datatype: 'FP64', shape: [-1] })),
      parameters: { interval: { coverage: 0.9, halfWidth: 2 } },
    });
    const rows = [{ pressure: 2.5, material: 'steel' }];
    expect((await call(`${url}/v1/models/worn:predict`, { key: text, body: { instances: rows } })).json).toEqual({ predictions: [{ prediction: 12.5, lower: 10.5, upper: 14.5 }] });
    expect((await call(`${url}/predict`, { key: text, body: { model: 'worn', features: rows } })).json).toEqual({ prediction: [12.5] });
  });

  it('Open Inference Protocol: outputs as declared in the metadata, and the id that was sent', async () => {
    const answer = await call(`${url}/v2/models/iris/infer`, { key, body: { id: 'mine', parameters: {}, inputs: [matrix] } });
    expect(answer.json).toEqual({
      model_name: 'iris',
      model_version: '1',
      id: 'mine',
      outputs: [
        { name: 'prediction', datatype: 'BYTES', shape: [2], data: ['setosa', 'virginica'] },
        { name: 'probabilities', datatype: 'FP32', shape: [2, 3], data: [1, 0, 0, 0, 0, 1] },
      ],
    });
    const metadata = (await call(`${url}/v2/models/iris`, { key })).json;
    expect(metadata).toEqual({
      name: 'iris',
      versions: ['1'],
      platform: 'onnxruntime_onnx',
      inputs: irisFeatures.map((name) => ({ name, datatype: 'FP64', shape: [-1] })),
      outputs: [
        { name: 'prediction', datatype: 'BYTES', shape: [-1] },
        { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] },
      ],
    });
    const chosen = await call(`${url}/v2/models/iris/versions/1/infer`, { key, body: { inputs: [matrix], outputs: [{ name: 'probabilities' }] } });
    expect(chosen.json.outputs.map((output: { name: string }) => output.name)).toEqual(['probabilities']);
    expect(chosen.json.id).toBe(chosen.headers.get('x-millrace-prediction-id'));
    const regression = await call(`${url}/v2/models/wear/infer`, {
      key,
      body: { inputs: [{ name: 'material', shape: [1], datatype: 'BYTES', data: ['brass'] }, { name: 'pressure', shape: [1, 1], datatype: 'INT32', data: [3] }] },
    });
    expect(regression.json.outputs).toEqual([{ name: 'prediction', datatype: 'FP64', shape: [1], data: [23] }]);
  });

  it('TensorFlow Serving: rows by rows, columns by columns', async () => {
    const rows = await call(`${url}/v1/models/iris:predict`, { key, body: { instances: [named(setosa)] } });
    expect(rows.json).toEqual({ predictions: [{ prediction: 'setosa', probabilities: [1, 0, 0] }] });
    const columns = await call(`${url}/v1/models/iris/versions/1:predict`, { key, body: { inputs: [setosa, virginica] } });
    expect(columns.json).toEqual({ outputs: { prediction: ['setosa', 'virginica'], probabilities: [[1, 0, 0], [0, 0, 1]] } });
    const values = await call(`${url}/v1/models/wear:predict`, { key, body: { instances: [[1, 'steel'], [null, 'brass']] } });
    expect(values.json).toEqual({ predictions: [11, 25] });
  });

  it('MLflow: every form of a data frame', async () => {
    const forms = [
      { dataframe_split: { columns: irisFeatures, data: [setosa, virginica] } },
      { dataframe_records: [named(setosa), named(virginica)] },
      { instances: [setosa, virginica] },
      { inputs: Object.fromEntries(irisFeatures.map((name, index) => [name, [setosa[index], virginica[index]]])) },
    ];
    for (const body of forms) {
      expect((await call(`${url}/models/iris/invocations`, { key, body })).json).toEqual({ predictions: ['setosa', 'virginica'] });
    }
  });

  it('every answer says what was done, by which version, and what it costs', async () => {
    const { headers } = await call(`${url}/predict`, { key, body: { model: 'iris', features: [setosa, virginica] }, headers: { 'x-request-id': 'order-66' } });
    expect(headers.get('x-request-id')).toBe('order-66');
    expect(headers.get('x-millrace-prediction-id')).toMatch(/^prd_[0-9a-z]{26}$/);
    expect(headers.get('x-millrace-model-version')).toBe('1');
    expect(headers.get('x-millrace-variant')).toBe('stable');
    expect(headers.get('x-millrace-cost-units')).toBe('2');
    expect(Number(headers.get('x-millrace-overhead-ms'))).toBeGreaterThan(0);
    expect(headers.get('x-millrace-warnings')).toBeNull();
  });

  it('a request id that could forge a log line is replaced', async () => {
    for (const odd of ['a b', 'x'.repeat(200), '<script>', '-']) {
      const { headers } = await call(`${url}/v2/health/live`, { headers: { 'x-request-id': odd } });
      expect(headers.get('x-request-id')).toMatch(/^req_[0-9a-z]{26}-[0-9a-z]+$/);
    }
  });

  it('what training has not seen is predicted and flagged by name', async () => {
    const far = await call(`${url}/predict`, { key, body: { model: 'iris', features: [50, 3.5, 1.4, 0.2] } });
    expect(far.headers.get('x-millrace-warnings')).toBe('outside_training_range;sepal%20length');
    const unseen = await call(`${url}/predict`, { key, body: { model: 'wear', features: [1, 'wood'] } });
    expect([unseen.status, unseen.headers.get('x-millrace-warnings')]).toEqual([200, 'unseen_category;material']);
  });

  it('people predict with their access token, in the bearer header', async () => {
    const headers = { authorization: `Bearer ${tenant.accessToken}` };
    expect((await call(`${url}/predict`, { headers, body: { model: 'iris', features: setosa } })).json).toEqual({ prediction: ['setosa'] });
    expect((await call(`${url}/predict`, { headers: { authorization: `bearer ${key}` }, body: { model: 'iris', features: setosa } })).status).toBe(200);
  });
});

describe('explanations', () => {
  const sum = (answer: { attributions: { value: number }[] }) => answer.attributions.reduce((total, { value }) => total + value, 0);

  it('of both protocols are the same, add up to the answer, are billed by evaluations, and say the same when asked again', async () => {
    const other = await world.createTenant();
    const background = Array.from({ length: 8 }, (_, at) => [5 + at / 8, 3, 1 + (at % 4) * 1.5, at / 4]);
    await other.publish('iris', irisNetwork(), background);
    const { text } = await other.createKey();
    const inputs = irisFeatures.map((name, place) => ({ name, shape: [1], datatype: 'FP64', data: [virginica[place]] }));
    const answer = await call(`${url}/v2/models/iris/explain`, { key: text, body: { id: 'mine', inputs } });
    const { attributions, base_value, answer: explained, output } = answer.json;
    const [{ prediction, probabilities }] = (await call(`${url}/v1/models/iris:predict`, { key: text, body: { instances: [virginica] } })).json.predictions;
    expect(answer.json).toMatchObject({ model_name: 'iris', model_version: '1', id: 'mine', output: { name: 'probabilities', class: prediction } });
    expect(explained).toBe(Math.max(...probabilities));
    expect(base_value + sum(answer.json)).toBeCloseTo(explained, 6);
    expect(Math.abs(answer.json.additivity_error)).toBeLessThan(1e-6);
    expect(attributions.map(({ name, data }: { name: string; data: number }) => [name, data])).toEqual(irisFeatures.map((name, place) => [name, virginica[place]]));
    expect(answer.json.method).toEqual({ name: 'exact_enumeration', evaluations: 8 * 15 + 1, background_rows: 8, exact: true, converged: true });
    expect(answer.json.faithfulness).toBeGreaterThan(0.5);
    expect([answer.headers.get('x-millrace-cost-units'), answer.headers.get('x-millrace-model-version')]).toEqual(['2', '1']);

    const { explanations } = (await call(`${url}/v1/models/iris:explain`, { key: text, body: { instances: [virginica, setosa] } })).json;
    expect(explanations[0]).toEqual({ output, answer: explained, base_value, attributions, additivity_error: answer.json.additivity_error, method: answer.json.method, faithfulness: answer.json.faithfulness });
    const of = (className: string) => call(`${url}/v1/models/iris/versions/1:explain`, { key: text, body: { instances: [virginica], parameters: { class: className } } });
    const [other1, unknown] = [await of('setosa'), await of('tulip')];
    expect(other1.json.explanations[0]).toMatchObject({ output: { class: 'setosa' }, answer: probabilities[0] });
    expect([unknown.status, unknown.json.error.field]).toEqual([400, 'parameters.class']);
    const bills = await eventually(async () => (await other.ledger()).map(({ units }) => Number(units)), (units) => units.length === 4);
    expect(bills.sort()).toEqual([1, 2, 2, 4]);
  });

  it('of a category and a gap name the input, not its cells; a package without background rows says so', async () => {
    const { json } = await call(`${url}/v1/models/wear:explain`, { key, body: { instances: [{ pressure: null, material: 'steel' }] } });
    const [{ attributions, answer, base_value, warnings, faithfulness, faithfulness_reason }] = json.explanations;
    expect(attributions.map(({ name, data }: { name: string; data: unknown }) => [name, data])).toEqual([['pressure', null], ['material', 'steel']]);
    expect([answer, attributions[1].value, base_value + sum(json.explanations[0])]).toEqual([15, expect.closeTo(-5, 5), expect.closeTo(15, 5)]);
    expect([warnings.length, faithfulness, faithfulness_reason]).toEqual([1, null, expect.stringContaining('only 2 inputs')]);
  });

  it('of trees go through the trees, read back from the package', async () => {
    const other = await world.createTenant();
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    // Above 5 in a, then above 5 in b: leaves of 0, 1 and 3.
    const tree = {
      feature: Int32Array.of(0, -1, 1, -1, -1), threshold: Float64Array.of(5, 0, 5, 0, 0), missingLeft: new Int32Array(5), left: Int32Array.of(1, 0, 3, 1, 2), right: Int32Array.of(2, 0, 4, 0, 0),
      sets: new Int32Array(), values: Float64Array.of(0, 1, 3),
    };
    await other.publish('leaves', {
      features: names.map((name) => ({ name, type: 'number', min: 0, max: 10, mean: 0, scale: 1, fill: 0, missingAllowed: false })),
      target: { name: 'y', type: 'number', mean: 10, scale: 2 },
      estimator: { family: 'boosted_trees', outputs: 1, trees: [tree], codes: names.map(() => null) },
    }, [[0, 0, 1, 2, 3, 4], [4, 1, 0, 0, 0, 0]]);
    const { json } = await call(`${url}/v1/models/leaves:explain`, { key: (await other.createKey()).text, body: { instances: [[9, 9, 1, 1, 1, 1]] } });
    const [{ method, base_value, attributions }] = json.explanations;
    expect([method.name, base_value, attributions.map(({ value }: { value: number }) => value)]).toEqual(['tree_shap', 10, [4, 2, 0, 0, 0, 0]]);
  });

  it('are refused like predictions, and where there is nothing to explain', async () => {
    const other = await world.createTenant();
    await other.publish('parts', {
      family: 'popularity', user: 'machine', item: 'part', users: ['m1'], items: ['belt', 'pump'], topN: 1, excludesSeen: true,
      seen: { starts: Int32Array.of(0, 1), items: Int32Array.of(0) }, popularity: Float32Array.of(1, 0.5), rule: { type: 'popularity' },
    });
    const list = await call(`${url}/v1/models/parts:explain`, { key: (await other.createKey()).text, body: { instances: [{ machine: 'm1' }] } });
    expect([list.status, list.json.error]).toMatchObject([400, { code: 'not_explainable', message: expect.stringContaining('list') }]);
    const problemOf = async (path: string, body: object) => (await call(`${url}${path}`, { key, body })).headers.get('x-millrace-error-code');
    expect(await problemOf('/v1/models/iris:explain', { instances: [['5.1', 3.5, 1.4, 0.2]] })).toBe('invalid_rows');
    expect(await problemOf('/v1/models/iris:explain', { instances: Array.from({ length: 17 }, () => setosa) })).toBe('invalid_rows');
    expect(await problemOf('/v2/models/iris/explain', { inputs: [matrix] })).toBe('invalid_rows');
    expect(await problemOf('/v1/models/iris:explain', { instances: [setosa], parameters: { max_evaluations: 0 } })).toBe('invalid_request');
    expect(await problemOf('/v1/models/iris:explain', { instances: [setosa], parameters: { max_evaluations: 20 } })).toBe('invalid_request');
    expect(await problemOf('/v1/models/absent:explain', { instances: [setosa] })).toBe('model_not_found');
  });

  it('are put off where a tenant has as many under way as it may; a caller who hangs up is not billed', async () => {
    const other = await world.createTenant();
    await other.publish('iris', irisNetwork());
    const { text } = await other.createKey();
    const body = { instances: Array.from({ length: 16 }, () => virginica) };
    const answers = await Promise.all(Array.from({ length: 12 }, () => call(`${url}/v1/models/iris:explain`, { key: text, body })));
    const refused = answers.filter(({ status }) => status === 503);
    expect(refused.length).toBeGreaterThan(0);
    for (const { json, headers } of refused) expect([json.error.code, headers.get('retry-after')]).toEqual(['overloaded', '1']);
    const served = answers.filter(({ status }) => status === 200).length;
    const aborting = new AbortController();
    const gone = fetch(`${url}/v1/models/iris:explain`, { method: 'POST', headers: { 'x-api-key': text, 'content-type': 'application/json' }, body: JSON.stringify(body), signal: aborting.signal });
    const began = eventually(async () => (await call(`${url}/metrics`)).text, (metrics) => metrics.includes('millrace_explanations_in_flight 1'));
    await began;
    aborting.abort();
    await expect(gone).rejects.toThrow();
    await eventually(async () => (await call(`${url}/metrics`)).text, (metrics) => metrics.includes('millrace_explanations_in_flight 0'));
    const billed = await eventually(() => other.ledger(), (entries) => entries.length >= served);
    expect(billed).toHaveLength(served);
  });
});

describe('what the server says of itself and its models', () => {
  it('live, ready and ping need no credential', async () => {
    expect((await call(`${url}/v2/health/live`)).json).toEqual({ live: true });
    expect((await call(`${url}/v2/health/ready`)).json).toEqual({ ready: true });
    expect((await call(`${url}/ping`)).status).toBe(200);
    expect((await call(`${url}/v2`)).json).toEqual({ name: 'millrace', version: expect.any(String), extensions: ['binary_tensor_data', 'explain'] });
  });

  it('readiness and status of a model', async () => {
    for (const path of ['', '/versions/1']) {
      expect((await call(`${url}/v2/models/iris${path}/ready`, { key })).json).toEqual({ name: 'iris', ready: true });
      expect((await call(`${url}/v1/models/iris${path}`, { key })).json).toEqual({
        model_version_status: [{ version: '1', state: 'AVAILABLE', status: { error_code: 'OK', error_message: '' } }],
        name: 'iris',
        ready: true,
      });
    }
    expect((await call(`${url}/v2/models/iris/versions/1`, { key })).json.name).toBe('iris');
  });

  it('who am I: rights, limits, and what was used', async () => {
    const expiresAt = new Date(Date.now() + 86_400_000);
    const narrow = await tenant.createKey({ models: ['iris'], scopes: ['PREDICT', 'READ'], addresses: ['127.0.0.0/8'], expiresAt, rpmLimit: 600 });
    const unused = { limit: null, limit_remaining: null, limit_reset: null, usage: 0, usage_daily: 0, usage_weekly: 0, usage_monthly: 0 };
    expect((await call(`${url}/v1/key`, { key: narrow.text })).json).toEqual({
      id: narrow.id, type: 'key', alias: 'a key', scopes: ['PREDICT', 'READ'], models: ['iris'], addresses: ['127.0.0.0/8'], expires_at: expiresAt.toISOString(),
      rpm_limit: 600, max_parallel_requests: null, can_predict: true, ...unused,
    });
    await call(`${url}/predict`, { key: narrow.text, body: { features: [setosa, virginica] } });
    await call(`${url}/predict`, { key: tenant.accessToken, body: { model: 'iris', features: setosa } });
    const used = await eventually(() => call(`${url}/v1/key`, { key: narrow.text }), ({ json }) => json.usage === 2);
    expect(used.json).toMatchObject({ usage_daily: 2, usage_weekly: 2, usage_monthly: 2 });
    const person = await eventually(() => call(`${url}/v1/key`, { key: tenant.accessToken }), ({ json }) => json.usage > 0);
    const { usage } = person.json;
    expect(person.json).toEqual({
      id: `person:${tenant.owner.personId}`, type: 'person', role: 'OWNER', models: [], can_predict: true,
      ...unused, usage, usage_daily: usage, usage_weekly: usage, usage_monthly: usage,
    });
  });

  it('metrics count answers and refusals by route, and name no tenant, model or key', async () => {
    await call(`${url}/predict`, { key, body: { model: 'iris', features: setosa } });
    await call(`${url}/predict`, { key: 'nonsense', body: { features: setosa } });
    const { text } = await call(`${url}/metrics`);
    expect(text).toMatch(/millrace_http_request_seconds_count\{route="\/predict",status="200"\} [1-9]/);
    expect(text).toMatch(/millrace_refusals_total\{code="unauthenticated"\} [1-9]/);
    expect(text).toMatch(/millrace_models_loaded [1-9]/);
    expect(text).not.toContain('iris');
    expect(text).not.toContain(tenant.tenantId);
  });

  it('the OpenAPI document holds exactly the routes that there are, and its examples run', async () => {
    const document = (await call(`${url}/openapi.json`)).json;
    const described = Object.entries<Record<string, object>>(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual(Object.values(operations).map(({ method, path }) => `${method} ${path}`).sort());
    // As the demo has them, so that whoever starts with it can paste what they read.
    const demo = await world.createTenant();
    await demo.publish('iris', irisOfDemo());
    await demo.publish('wear', mixedRegression());
    const [all, narrow] = [(await demo.createKey()).text, (await demo.createKey({ models: ['iris'] })).text];
    const { id: accepted } = (await call(`${url}/v1/predictions`, { key: all, body: operations.createPrediction.request })).json;
    await world.registry.updateServing(demo.owner, { endpointName: 'iris', recordDays: 1 });
    const tell = async () => {
      const { headers } = await call(`${url}/predict`, { key: narrow, body: { features: setosa } });
      const predictionId = headers.get('x-millrace-prediction-id');
      return { predictionId, ...(await call(`${url}/v1/feedback`, { key: all, body: { prediction_id: predictionId, label: 'setosa' } })) };
    };
    const { predictionId } = await eventually(tell, ({ status }) => status === 200, 10_000);
    for (const [path, methods] of Object.entries<Record<string, DescribedOperation>>(document.paths)) {
      for (const [method, { requestBody, responses }] of Object.entries(methods)) {
        const taken = requestBody?.content['application/json'];
        const example = taken?.example;
        const body = example && path === '/predict' ? { ...example, model: 'iris' } : path === '/v1/feedback' ? { ...example, prediction_id: predictionId } : example;
        const model = path.endsWith(':regress') ? 'wear' : 'iris';
        const address = url + path.replace('{model}', model).replace('{version}', '1').replace('{label}', 'champion').replace('{id}', accepted);
        const answer = await call(address, { key: path === '/invocations' ? narrow : all, method: method.toUpperCase(), body });
        expect([path, answer.status]).toEqual([path, path === '/v1/predictions' ? 202 : 200]);
        // What is sent and answered, here and in the document itself, is as its shapes say; a body of none of them is not.
        if (taken) {
          expect([path, schemaProblems(document, taken.schema, body)]).toEqual([path, []]);
          expect([path, schemaProblems(document, taken.schema, { rows: 5 })]).not.toEqual([path, []]);
        }
        const { schema, example: shown } = Object.entries(responses[answer.status]!.content).find(([type]) => type === 'application/json')?.[1] ?? {};
        if (!schema) continue;
        expect([path, schemaProblems(document, schema, answer.json)]).toEqual([path, []]);
        if (shown !== undefined) expect([path, schemaProblems(document, schema, shown)]).toEqual([path, []]);
      }
    }
  });

  it('each shape, header, path and code that the OpenAPI document names is there, and refusals have theirs', async () => {
    const document = (await call(`${url}/openapi.json`)).json;
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => path!);
    const lost = references.filter((path) => path.split('/').reduce((inner, name) => inner?.[name], document) === undefined);
    expect([references.length > 100, lost]).toEqual([true, []]);
    const described = Object.entries<Record<string, DescribedOperation>>(document.paths).flatMap(([path, methods]) => Object.values(methods).map((operation) => ({ path, ...operation })));
    expect(new Set(described.map(({ operationId }) => operationId)).size).toBe(described.length);
    for (const { path, parameters, responses } of described) {
      expect(parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
      for (const { description } of Object.values(responses)) expect(description).toMatch(/\w/);
    }
    expect(Object.keys(document.paths['/v1/predictions'].post.responses)).toEqual(expect.arrayContaining(['201', '202', '429']));
    expect(Object.keys(document.paths['/v1/key'].get.responses)).not.toContain('415');
    const refused = async (path: string, body: object) => (await call(`${url}${path}`, { key, body })).json;
    const errorOf = (path: string) => document.paths[path].post.responses[400].content['application/json'].schema;
    for (const [path, at] of [['/predict', '/predict'], ['/v2/models/{model}/infer', '/v2/models/iris/infer']] as const) {
      expect(schemaProblems(document, errorOf(path), await refused(at, { model: 'iris', features: [1, null, true, 'x'] }))).toEqual([]);
    }
  });

  it('the documentation page shows every route and runs no script', async () => {
    const page = await call(`${url}/docs`);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    for (const { path } of Object.values(operations)) expect(page.text).toContain(path);
    expect(page.text).not.toContain('<script');
    // What is pasted leads somewhere: no braces of a path, and no marks of the text.
    expect(page.text.match(/MILLRACE_URL[^\s]*[{}]/g)).toBeNull();
    expect(page.text.replace(/<pre>[^]*?<\/pre>/g, '')).not.toContain('`');
    for (const said of ['x-millrace-warnings', 'quota_exceeded', 'deadline_exceeded']) expect(page.text).toContain(said);
  });
});
