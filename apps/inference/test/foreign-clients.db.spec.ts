import { deflateSync, gzipSync } from 'node:zlib';
import type { FittedPipeline } from '@millrace/packaging';
import { call, createInferenceWorld, type InferenceWorld, type Json, type TenantOfWorld } from './inference-world.ts';
import { openConnection, type RawAnswer } from './keep-alive.ts';
import { irisFeatures, irisNeighbours, mixedRegression, setosa, virginica } from './sample-pipelines.ts';

/**
 * Requests as clients written by others send them: line by line of the head, in their order and case, and byte by byte of
 * the body. All that is added is the line with the key, which each of them lets its user add.
 */

let world: InferenceWorld;
let tenant: TenantOfWorld;
let url: string;
let host: string;
let key: string;

/** The toy model of TensorFlow Serving's documentation: x / 2 + 3. */
const halfPlusThree: FittedPipeline = {
  features: [{ name: 'x', type: 'number', min: 0, max: 10, mean: 0, scale: 1, fill: 0, missingAllowed: false }],
  target: { name: 'y', type: 'number', mean: 0, scale: 1 },
  estimator: { family: 'dense', layers: [{ activation: 'linear', inputs: 1, units: 1, kernel: Float32Array.of(0.5), bias: Float32Array.of(3) }] },
};

beforeAll(async () => {
  world = await createInferenceWorld();
  tenant = await world.createTenant();
  await tenant.publish('iris', irisNeighbours());
  await tenant.publish('wear', mixedRegression());
  await tenant.publish('half_plus_three', halfPlusThree);
  key = (await tenant.createKey()).text;
  ({ url } = await world.start());
  host = new URL(url).host;
});
afterAll(() => world.close());

const jsonOf = ({ body }: RawAnswer): Json => JSON.parse(body.toString());

describe('a client of Triton (Python, HTTP)', () => {
  const floats = (...values: number[]): Buffer => {
    const bytes = Buffer.alloc(values.length * 4);
    values.forEach((value, index) => bytes.writeFloatLE(value, index * 4));
    return bytes;
  };
  const head = (line: string, further: string[] = []) => [line, 'User-Agent: python/gevent-http-client-2.3.4', `Host: ${host}`, ...further, `Authorization: Bearer ${key}`];
  /** It declares no content type, and spaces nothing in its JSON. */
  const binary = JSON.stringify({
    inputs: [{ name: 'input__0', shape: [2, 4], datatype: 'FP32', parameters: { binary_data_size: 32 } }],
    parameters: { binary_data_output: true },
  });
  const tail = floats(...setosa, ...virginica);
  const plain = Buffer.concat([Buffer.from(binary), tail]);
  const answered = (answer: RawAnswer) => {
    const length = Number(answer.headers['inference-header-content-length']);
    return { json: JSON.parse(answer.body.subarray(0, length).toString()) as Json, rest: answer.body.subarray(length) };
  };

  it('asks for server and model, predicts in bytes, and gets bytes, all over one connection', async () => {
    const connection = await openConnection(url);
    expect((await connection.send(head('GET /v2/health/live HTTP/1.1'))).status).toBe(200);
    expect((await connection.send(head('GET /v2/health/ready HTTP/1.1'))).status).toBe(200);
    expect((await connection.send(head('GET /v2/models/iris/versions/1/ready HTTP/1.1'))).status).toBe(200);
    expect(jsonOf(await connection.send(head('GET /v2 HTTP/1.1')))).toMatchObject({ name: 'millrace', extensions: expect.arrayContaining(['binary_tensor_data']) as string[] });
    expect(jsonOf(await connection.send(head('GET /v2/models/iris HTTP/1.1')))).toMatchObject({ name: 'iris', platform: 'onnxruntime_onnx' });
    const answer = await connection.send(head('POST /v2/models/iris/infer HTTP/1.1', [`Inference-Header-Content-Length: ${binary.length}`, `Content-Length: ${plain.length}`]), plain);
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/octet-stream']);
    const { json, rest } = answered(answer);
    expect(json.outputs).toEqual([
      { name: 'prediction', datatype: 'BYTES', shape: [2], parameters: { binary_data_size: 23 } },
      { name: 'probabilities', datatype: 'FP32', shape: [2, 3], parameters: { binary_data_size: 24 } },
    ]);
    expect(rest.subarray(0, 23)).toEqual(Buffer.from('\x06\0\0\0setosa\x09\0\0\0virginica', 'latin1'));
    expect(rest.subarray(23)).toEqual(floats(1, 0, 0, 0, 0, 1));
    connection.close();
  });

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ] as const)('compresses its request by %s and offers to take such an answer', async (coding, compress) => {
    const connection = await openConnection(url);
    const body = compress(plain);
    const sent = [`Content-Encoding: ${coding}`, `Accept-Encoding: ${coding}`, `Inference-Header-Content-Length: ${binary.length}`, `Content-Length: ${body.length}`];
    const answer = await connection.send(head('POST /v2/models/iris/infer HTTP/1.1', sent), body);
    expect([answer.status, answer.headers['content-encoding']]).toEqual([200, undefined]);
    expect(answered(answer).rest.subarray(23)).toEqual(floats(1, 0, 0, 0, 0, 1));
    connection.close();
  });

  it('chooses an output in JSON, beside parameters of its own, and reads the error of what is not there', async () => {
    const connection = await openConnection(url);
    const post = async (path: string, body: string) => connection.send(head(`POST ${path} HTTP/1.1`, [`Content-Length: ${body.length}`]), body);
    const request = JSON.stringify({
      id: '7',
      inputs: irisFeatures.map((name, index) => ({ name, shape: [1, 1], datatype: 'FP32', data: [setosa[index]] })),
      outputs: [{ name: 'probabilities', parameters: { binary_data: false } }],
      parameters: { priority: 1, timeout: 500_000 },
    });
    expect(jsonOf(await post('/v2/models/iris/versions/1/infer', request))).toEqual({
      model_name: 'iris', model_version: '1', id: '7', outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [1, 3], data: [1, 0, 0] }],
    });
    for (const [path, body] of [['/v2/models/rose/infer', request], ['/v2/repository/index', '{}'], ['/v2/repository/models/iris/load', '{}']] as const) {
      const answer = await post(path, body);
      expect([path, answer.status, jsonOf(answer).error]).toEqual([path, 404, expect.stringMatching(/^There is no /)]);
    }
    for (const path of ['/v2/models/iris/config', '/v2/models/stats', '/v2/models/iris/stats', '/v2/systemsharedmemory/status', '/v2/trace/setting']) {
      const answer = await connection.send(head(`GET ${path} HTTP/1.1`));
      expect([path, answer.status, jsonOf(answer).error]).toEqual([path, 404, expect.stringMatching(/^There is no /)]);
    }
    connection.close();
  });

  it('gets the same bytes again for the same Idempotency-Key', async () => {
    const connection = await openConnection(url);
    const json = JSON.stringify({ inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP16', parameters: { binary_data_size: 8 } }], parameters: { binary_data_output: true } });
    const body = `${json}01234567`;
    const send = (text: string) =>
      connection.send(head('POST /v2/models/iris/infer HTTP/1.1', ['Idempotency-Key: bytes-1', `Inference-Header-Content-Length: ${json.length}`, `Content-Length: ${text.length}`]), text);
    const first = await send(body);
    const again = await send(body);
    expect([again.status, again.headers['idempotent-replayed'], again.headers['content-type']]).toEqual([200, 'true', 'application/octet-stream']);
    expect(answered(again).json.outputs[1]).toEqual({ name: 'probabilities', datatype: 'FP32', shape: [1, 3], parameters: { binary_data_size: 12 } });
    expect(again.body).toEqual(first.body);
    expect((await send(`${json}01234568`)).status).toBe(422);
    connection.close();
  });
});

describe('a client of KServe (Python, httpx)', () => {
  const head = (line: string, further: string[] = []) => [line, `Host: ${host}`, 'Accept: */*', 'Accept-Encoding: gzip, deflate', 'Connection: keep-alive', 'User-Agent: python-httpx/0.28.1', `x-api-key: ${key}`, ...further];

  it('v2: sends bytes as an octet stream, JSON without a content type, and reads readiness', async () => {
    const connection = await openConnection(url);
    expect(jsonOf(await connection.send(head('GET /v2/health/ready HTTP/1.1')))).toEqual({ ready: true });
    expect(jsonOf(await connection.send(head('GET /v2/health/live HTTP/1.1')))).toEqual({ live: true });
    expect((await connection.send(head('GET /v2/models/iris/ready HTTP/1.1'))).status).toBe(200);
    const json = JSON.stringify({ id: 'b5', inputs: [{ name: 'input-0', shape: [1, 4], datatype: 'FP16', parameters: { binary_data_size: 8 } }] });
    const body = Buffer.concat([Buffer.from(json), Buffer.from('19450043993d6632', 'hex')]); // 5.1, 3.5, 1.4, 0.2
    const answer = await connection.send(
      head('POST /v2/models/iris/infer HTTP/1.1', [`inference-header-content-length: ${json.length}`, 'content-type: application/octet-stream', `Content-Length: ${body.length}`]),
      body,
    );
    expect(jsonOf(answer)).toMatchObject({ id: 'b5', outputs: [{ name: 'prediction', data: ['setosa'] }, { name: 'probabilities' }] });
    const text = JSON.stringify({ id: null, inputs: [{ name: 'input-0', shape: [1, 4], datatype: 'FP32', data: [setosa], parameters: null }], parameters: null, outputs: null });
    expect((await connection.send(head('POST /v2/models/iris/infer HTTP/1.1', [`Content-Length: ${text.length}`]), text)).status).toBe(200);
    connection.close();
  });

  it('v1: asks whether server and model are there, and predicts', async () => {
    const connection = await openConnection(url);
    expect(jsonOf(await connection.send(head('GET / HTTP/1.1')))).toEqual({ status: 'alive' });
    expect(jsonOf(await connection.send(head('GET /v1/models/iris HTTP/1.1')))).toMatchObject({ name: 'iris', ready: true });
    const text = JSON.stringify({ instances: [setosa, virginica] });
    const answer = await connection.send(head('POST /v1/models/iris:predict HTTP/1.1', [`Content-Length: ${text.length}`]), text);
    expect(jsonOf(answer).predictions).toMatchObject([{ prediction: 'setosa' }, { prediction: 'virginica' }]);
    connection.close();
  });
});

describe('TensorFlow Serving, as its documentation calls it by curl', () => {
  /** `curl -d … -X POST`: JSON that is declared as a form. */
  async function curl(path: string, data?: string): Promise<RawAnswer> {
    const connection = await openConnection(url);
    const form = data === undefined ? [] : [`Content-Length: ${Buffer.byteLength(data)}`, 'Content-Type: application/x-www-form-urlencoded'];
    const answer = await connection.send([`${data === undefined ? 'GET' : 'POST'} ${path} HTTP/1.1`, `Host: ${host}`, 'User-Agent: curl/7.88.1', 'Accept: */*', `x-api-key: ${key}`, ...form], data);
    connection.close();
    return answer;
  }
  const json = async (path: string, data?: string): Promise<Json> => jsonOf(await curl(path, data));

  it('status, rows, and numbers for examples', async () => {
    expect(await json('/v1/models/half_plus_three')).toMatchObject({ model_version_status: [{ version: '1', state: 'AVAILABLE', status: { error_code: 'OK', error_message: '' } }] });
    expect(await json('/v1/models/half_plus_three:predict', '{"instances": [1.0,2.0,5.0]}')).toEqual({ predictions: [3.5, 4, 5.5] });
    expect(await json('/v1/models/half_plus_three:regress', '{"signature_name": "tensorflow/serving/regress", "examples": [{"x": 1.0}, {"x": 2.0}]}')).toEqual({ results: [3.5, 4] });
    const missing = await curl('/v1/models/half:predict', '{"instances": [1.0,5.0]}');
    expect([missing.status, Object.keys(jsonOf(missing))]).toEqual([404, ['error']]);
  });

  it('columns, versions, labels and metadata', async () => {
    expect(await json('/v1/models/half_plus_three/versions/1:predict', '{"signature_name": "serving_default", "inputs": {"x": [[1.0], [5.0]]}}')).toEqual({ outputs: [3.5, 5.5] });
    await world.registry.publish(tenant.owner, { versionId: (await tenant.addVersion('half_plus_three', halfPlusThree)).id, endpointName: 'half_plus_three' });
    expect(await json('/v1/models/half_plus_three/labels/champion:predict', '{"instances": [7]}')).toEqual({ predictions: [6.5] });
    expect((await curl('/v1/models/half_plus_three/labels/champion:regress', '{"examples": [{"x": [7]}]}')).headers['x-millrace-model-version']).toBe('2');
    expect(await json('/v1/models/half_plus_three/labels/champion')).toMatchObject({ model_version_status: [{ version: '2' }] });
    const unknown = await curl('/v1/models/half_plus_three/labels/night:predict', '{"instances": [7]}');
    expect([unknown.status, jsonOf(unknown).error]).toMatchObject([404, { message: 'There is no label "night" of a model "half_plus_three" here.', field: 'label' }]);
    const described = await json('/v1/models/wear/metadata');
    expect(described.model_spec).toEqual({ name: 'wear', signature_name: '', version: '1' });
    const dim = [{ size: '-1', name: '' }];
    expect(described.metadata.signature_def.signature_def.serving_default).toEqual({
      inputs: {
        pressure: { dtype: 'DT_DOUBLE', tensor_shape: { dim, unknown_rank: false }, name: 'pressure' },
        material: { dtype: 'DT_STRING', tensor_shape: { dim, unknown_rank: false }, name: 'material' },
      },
      outputs: { prediction: { dtype: 'DT_DOUBLE', tensor_shape: { dim, unknown_rank: false }, name: 'prediction' } },
      method_name: 'tensorflow/serving/predict',
    });
    expect((await json('/v1/models/half_plus_three/versions/1/metadata')).model_spec.version).toBe('1');
    expect((await json('/v1/models/half_plus_three/labels/champion/metadata')).model_spec.version).toBe('2');
  });

  it('classes for examples, with what they share in the context', async () => {
    const named = (row: number[]) => Object.fromEntries(irisFeatures.map((name, index) => [name, row[index]]));
    const { 'petal width': width, ...rest } = named(setosa);
    expect(await json('/v1/models/iris:classify', JSON.stringify({ context: { 'petal width': width }, examples: [rest] }))).toEqual({ results: [[['setosa', 1], ['versicolor', 0], ['virginica', 0]]] });
    expect(await json('/v1/models/wear:regress', '{"context": {"material": "steel"}, "examples": [{"pressure": 2.5}, {}]}')).toEqual({ results: [12.5, 15] });
  });

  it.each<[string, string, string, number, string]>([
    ['a model that classifies is asked for a number', '/v1/models/iris:regress', '{"examples": []}', 400, 'signature_name'],
    ['a model of numbers is asked for classes', '/v1/models/wear:classify', '{"examples": []}', 400, 'signature_name'],
    ['a signature that is not there', '/v1/models/iris:classify', '{"signature_name": "classify_objects", "examples": [{}]}', 400, 'signature_name'],
    ['no examples', '/v1/models/iris:classify', '{"instances": [{}]}', 400, 'examples'],
    ['an example that is no object', '/v1/models/iris:classify', '{"examples": [7]}', 400, 'examples[0]'],
    ['a feature in the context and an example', '/v1/models/wear:regress', '{"context": {"pressure": 1}, "examples": [{"pressure": 2}]}', 400, 'examples[0]'],
    ['bytes for a number', '/v1/models/half_plus_three:predict', '{"instances": [{"x": {"b64": "aW1hZ2UgYnl0ZXM="}}]}', 400, 'x'],
    ['a label that is not there', '/v1/models/iris/labels/stable:predict', '{"instances": [[1, 2, 3, 4]]}', 404, 'label'],
    ['a label that no alias can have', '/v1/models/iris/labels/A%20b:predict', '{"instances": [[1, 2, 3, 4]]}', 404, 'label'],
  ])('%s: refused by name', async (_what, path, data, status, field) => {
    const answer = await curl(path, data);
    expect([answer.status, jsonOf(answer).error.field]).toEqual([status, field]);
  });
});

describe('MLflow’s scoring server, as its documentation calls it', () => {
  it('has its addresses, and the model is the only one that the key can call', async () => {
    const narrow = (await tenant.createKey({ models: ['iris'] })).text;
    const rows = { columns: irisFeatures, data: [setosa, virginica] };
    for (const type of ['application/json', 'application/json;', 'application/json; charset=utf-8']) {
      const answer = await call(`${url}/invocations`, { key: narrow, headers: { 'content-type': type }, body: { dataframe_split: rows } });
      expect([type, answer.json]).toEqual([type, { predictions: ['setosa', 'virginica'] }]);
    }
    expect((await call(`${url}/invocations`, { key: narrow, body: { inputs: [setosa] } })).json).toEqual({ predictions: ['setosa'] });
    expect((await call(`${url}/invocations`, { key, body: { inputs: [setosa] } })).json.error.code).toBe('model_required');
    for (const path of ['/ping', '/health']) expect([path, (await call(url + path)).text]).toEqual([path, '\n']);
    expect((await call(`${url}/version`)).text).toMatch(/^\d+\.\d+\.\d+$/);
  });
});
