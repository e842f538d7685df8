import { once } from 'node:events';
import { connect } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { call, createInferenceWorld, type InferenceWorld, type Json, type TenantOfWorld } from './inference-world.ts';
import { irisFeatures, irisNeighbours, setosa } from './sample-pipelines.ts';

let world: InferenceWorld;
let tenant: TenantOfWorld;
let url: string;
let key: string;

beforeAll(async () => {
  world = await createInferenceWorld();
  tenant = await world.createTenant();
  await tenant.publish('iris', irisNeighbours());
  key = (await tenant.createKey()).text;
  ({ url } = await world.start({ maxBodyBytes: 64 * 1024 }));
});
afterAll(() => world.close());

const predict = (sent: Parameters<typeof call>[1]) => call(`${url}/predict`, { key, ...sent });
const codeOf = ({ status, json, headers }: { status: number; json: Json; headers: Headers }) => {
  expect(headers.get('x-millrace-error-code')).toBe(json.error.code);
  return `${status} ${json.error.code}`;
};

/** Sends bytes as they are and returns what comes back until the server closes. */
async function exchange(text: string): Promise<string> {
  const { port } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.end(text);
  let answer = '';
  socket.on('data', (bytes) => (answer += bytes.toString()));
  await once(socket, 'close');
  return answer;
}

describe('a refused request', () => {
  afterEach(async () => {
    expect((await predict({ body: { features: setosa } })).json).toEqual({ prediction: ['setosa'] }); // the next good one works
  });

  it.each<[string, Json, string, string, number | undefined]>([
    ['a missing feature', { 'sepal length': 1, 'sepal width': 1, 'petal length': 1 }, 'missing_feature', 'petal width', 0],
    ['an extra feature', { ...Object.fromEntries(irisFeatures.map((name) => [name, 1])), colour: 'red' }, 'unknown_feature', 'colour', 0],
    ['null', [5.1, null, 1.4, 0.2], 'null_value', 'sepal width', 0],
    ['text', [5.1, 3.5, 'long', 0.2], 'not_a_number', 'petal length', 0],
    ['a number in quotes', [5.1, 3.5, 1.4, '0.2'], 'not_a_number', 'petal width', 0],
    ['a boolean', [true, 3.5, 1.4, 0.2], 'not_a_number', 'sepal length', 0],
    ['a short row', [5.1, 3.5], 'wrong_length', 'rows[0]', 0],
    ['a bad third row', [setosa, setosa, [5.1, 3.5, 1.4, null]], 'null_value', 'petal width', 2],
    ['no rows', [], 'no_rows', 'rows', undefined],
  ])('%s: names row, field and remedy', async (_name, features, code, field, row) => {
    const answer = await predict({ body: { features } });
    expect(codeOf(answer)).toBe('400 invalid_rows');
    expect(answer.json.error).toMatchObject({ field, ...(row !== undefined && { row }), message: expect.any(String), remedy_hint: expect.stringMatching(/^(Send|Leave)/) });
    expect(answer.json.error.problems[0]).toMatchObject({ code, field });
  });

  it.each(['NaN', 'Infinity', '-Infinity', '1e999'])('%s as Python writes it: names row and field', async (word) => {
    const answer = await predict({ body: `{"features":[5.1,3.5,${word},0.2]}` });
    expect(codeOf(answer)).toBe('400 invalid_rows');
    expect(answer.json.error).toMatchObject({ field: 'petal length', row: 0 });
    expect(answer.json.error.problems[0].code).toBe('not_finite');
    // Where no row holds it, it is still no JSON.
    const beside = await call(`${url}/v2/models/iris/infer`, {
      key,
      body: `{"parameters":{"a":NaN},"inputs":[{"name":"x","shape":[1,4],"datatype":"FP64","data":[5,3,1,0]}]}`,
    });
    expect([beside.status, beside.headers.get('x-millrace-error-code')]).toEqual([400, 'malformed_json']);
  });

  it('all problems come at once, on Open Inference routes as one sentence', async () => {
    const many = await predict({ body: { features: [[null, 'x', 1, 1], [1, 1, 1]] } });
    expect(many.json.error.problems.map(({ row, field }: { row: number; field: string }) => `${row} ${field}`)).toEqual([
      '0 sepal length', '0 sepal width', '1 rows[1]',
    ]);
    const sentence = await call(`${url}/v2/models/iris/infer`, { key, body: { inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP64', data: [1, null, 1, 1] }] } });
    expect([sentence.status, sentence.headers.get('x-millrace-error-code')]).toEqual([400, 'invalid_rows']);
    expect(sentence.json).toEqual({ error: expect.stringContaining('"sepal width"') });
  });

  it.each([
    ['half a body', '{"features":[5.1,'],
    ['nothing', ''],
    ['a form', 'features=1'],
    ['a lone surrogate in quotes it never closes', '{"features":"\\ud800'],
    ['two documents', '{}{}'],
    ['invalid UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ])('no JSON (%s) is 400 malformed_json', async (_name, body) => {
    expect(codeOf(await predict({ body }))).toBe('400 malformed_json');
  });

  it('says how large a body may be, what it was declared as, and what features are', async () => {
    const messageOf = async (sent: Parameters<typeof call>[1]) => (await predict(sent)).json.error.message as string;
    expect(await messageOf({ body: `{"features":[${'1,'.repeat(40_000)}1]}` })).toBe('The body is larger than the 65536 bytes that this server takes.');
    expect(await messageOf({ body: '{"features":[1]}', headers: { 'content-type': 'text/csv' } })).toBe('The body is declared as "text/csv", not as JSON.');
    expect(await messageOf({ body: { features: null } })).toBe('"features" is neither a list nor a JSON object.');
  });

  it.each(['[]', '7', 'null', '"text"', 'true'])('JSON that is no object (%s) is 400 invalid_request', async (body) => {
    expect(codeOf(await predict({ body }))).toBe('400 invalid_request');
  });

  it.each(['/predict', '/v1/models/iris:predict', '/models/iris/invocations', '/v2/models/iris/infer'])('no body at all on %s is 400 malformed_json', async (path) => {
    const answer = await exchange(`POST ${path} HTTP/1.1\r\nhost: x\r\nx-api-key: ${key}\r\nconnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 400 .*x-millrace-error-code: malformed_json/s);
  });

  it.each([
    ['/v1/models/iris:predict', { inputs: Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`f${i}`, []])) }],
    ['/models/iris/invocations', { dataframe_split: { columns: Array.from({ length: 2_000 }, (_, i) => `f${i}`), data: [] } }],
    ['/models/iris/invocations', { dataframe_records: [Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`f${i}`, 1]))] }],
  ])('an answer to thousands of mistakes (%s) names the first of them', async (path, body) => {
    const answer = await call(`${url}${path}`, { key, body });
    expect(codeOf(answer)).toBe('400 invalid_rows');
    expect(answer.json.error.problems.length).toBeGreaterThan(1);
    expect(answer.json.error.problems.length).toBeLessThan(60);
  });

  it('an output whose name is no text is refused', async () => {
    for (const name of [{ toString: 1 }, ['prediction'], null, 7]) {
      const answer = await call(`${url}/v2/models/iris/infer`, { key, body: { inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP64', data: setosa }], outputs: [{ name }] } });
      expect([answer.status, answer.headers.get('x-millrace-error-code')]).toEqual([400, 'invalid_request']);
    }
  });

  it('a prototype key and endless nesting are refused', async () => {
    expect(codeOf(await predict({ body: '{"features":{"__proto__":{"polluted":true}}}' }))).toBe('400 forbidden_key');
    expect(codeOf(await predict({ body: '{"features":' + '['.repeat(10_000) + ']'.repeat(10_000) + '}' }))).toBe('400 nested_too_deeply');
    expect(({} as Json).polluted).toBeUndefined();
  });

  it('another content type, or another compression than gzip and deflate, is 415', async () => {
    for (const type of ['text/plain', 'text/csv', 'multipart/form-data; boundary=x', 'application/xml', 'nonsense']) {
      expect(codeOf(await predict({ body: '{}', headers: { 'content-type': type } }))).toBe('415 unsupported_media_type');
    }
    const zipped = brotliCompressSync(JSON.stringify({ features: setosa }));
    for (const coding of ['br', 'zstd', 'gzip, gzip']) expect(codeOf(await predict({ body: zipped, headers: { 'content-encoding': coding } }))).toBe('415 unsupported_media_type');
  });

  it('a compressed body that is none is 400; one that unpacks to more than may be sent is 413', async () => {
    const zipped = gzipSync(JSON.stringify({ features: setosa }));
    for (const body of [zipped.subarray(0, zipped.length - 9), Buffer.from('{}'), Buffer.alloc(0)]) {
      expect(codeOf(await predict({ body, headers: { 'content-encoding': 'gzip' } }))).toBe('400 malformed_compression');
    }
    expect(codeOf(await predict({ body: zipped, headers: { 'content-encoding': 'deflate' } }))).toBe('400 malformed_compression');
    const bomb = gzipSync(Buffer.alloc(50_000_000, 0x20));
    expect(bomb.length).toBeLessThan(60_000);
    expect(codeOf(await predict({ body: bomb, headers: { 'content-encoding': 'gzip' } }))).toBe('413 body_too_large');
  });

  it('a body over the limit is 413, also when its length is not told beforehand', async () => {
    const large = JSON.stringify({ features: Array.from({ length: 5_000 }, () => setosa) });
    expect(codeOf(await predict({ body: large }))).toBe('413 body_too_large');
    const chunks = `${(70_000).toString(16)}\r\n${'1'.repeat(70_000)}\r\n0\r\n\r\n`;
    const answer = await exchange(`POST /predict HTTP/1.1\r\nhost: x\r\nx-api-key: ${key}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${chunks}`);
    expect(answer).toMatch(/^HTTP\/1.1 413 .*"body_too_large"/s);
  });

  it('a body may come in pieces, and none of them is waited for longer than it takes to be too much', async () => {
    const body = JSON.stringify({ features: setosa });
    const head = (...lines: string[]) => ['POST /predict HTTP/1.1', 'host: x', `x-api-key: ${key}`, 'content-type: application/json', ...lines, '', ''].join('\r\n');
    /** Sends the next piece once the server has read the last one, which it shows by answering another request meanwhile. */
    async function inPieces(pieces: readonly string[]): Promise<string> {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      let answer = '';
      socket.on('data', (bytes) => (answer += bytes.toString()));
      for (const piece of pieces) {
        socket.write(piece);
        await predict({ body: { features: setosa } });
      }
      while (!answer.includes('}')) await once(socket, 'data');
      socket.destroy();
      return answer;
    }
    expect(await inPieces([head(`content-length: ${body.length}`), body.slice(0, 9), body.slice(9)])).toMatch(/^HTTP\/1.1 200 .*\{"prediction":\["setosa"\]\}$/s);
    const chunks = [body.slice(0, 9), body.slice(9), ''].map((text) => `${text.length.toString(16)}\r\n${text}\r\n`);
    expect(await inPieces([head('transfer-encoding: chunked'), ...chunks])).toMatch(/^HTTP\/1.1 200 .*\{"prediction":\["setosa"\]\}$/s);
    const endless = `${(40_000).toString(16)}\r\n${'1'.repeat(40_000)}\r\n`;
    expect(await inPieces([head('transfer-encoding: chunked'), endless, endless])).toMatch(/^HTTP\/1.1 413 .*connection: close.*"body_too_large"/is);
  });

  it('what comes behind it on its connection is answered, though nobody read its body', async () => {
    const ping = 'GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n';
    const head = (start: string, ...lines: string[]) => [`${start} HTTP/1.1`, 'host: x', 'content-length: 5', ...lines, '', ''].join('\r\n');
    for (const [sent, code] of [
      [head('POST /predict', 'content-type: application/json'), 'unauthenticated'],
      [head('POST /nowhere'), 'route_not_found'],
      [head('PUT /predict', 'expect: 100-continue'), 'method_not_allowed'],
    ] as const) {
      const answers = await exchange(`${sent}hello${ping.repeat(2)}`);
      expect(answers).toMatch(new RegExp(`x-millrace-error-code: ${code}\r\n[^]*\\{"live":true\\}[^]*\\{"live":true\\}$`));
    }
    const tooLong = await exchange(head('POST /predict', `x-api-key: ${key}`).replace('5', '70000') + ping);
    expect(tooLong).toMatch(/^HTTP\/1.1 413 [^]*connection: close[^]*"body_too_large"[^]*$/);
    expect(tooLong).not.toContain('live'); // it is a part of the body
  });

  it('is answered to HEAD as to GET, but for the body', async () => {
    for (const path of ['/v2/health/live', '/v2/models/iris']) {
      const [asked, got] = await Promise.all(['HEAD', 'GET'].map((method) => fetch(url + path, { method })));
      const shown = ({ status, headers }: Response) => [status, ...['content-type', 'content-length', 'x-millrace-error-code', 'cache-control'].map((name) => headers.get(name))];
      expect(shown(asked!)).toEqual(shown(got!));
      expect([await asked!.text(), Buffer.byteLength(await got!.text())]).toEqual(['', Number(got!.headers.get('content-length'))]);
    }
  });

  it('too many rows are refused by number', async () => {
    const wide = await world.start();
    const answer = await call(`${wide.url}/predict`, { key, body: { features: Array.from({ length: 10_001 }, () => setosa) } });
    expect(answer.json.error.problems[0].code).toBe('too_many_rows');
  });

  it('an unknown model, version and route are 404; a wrong method is 405', async () => {
    expect(codeOf(await predict({ body: { model: 'rose', features: setosa } }))).toBe('404 model_not_found');
    for (const name of ['rose', '..%2f..%2fetc', '%00', 'x'.repeat(300), 'iris%2Fready', 'iris ', 'IRIS']) {
      expect(codeOf(await call(`${url}/models/${name}/invocations`, { key, body: { instances: [setosa] } }))).toBe('404 model_not_found');
    }
    for (const name of ['rose', 'a%2Fb', 'iris%3Apredict', 'iris%2Fversions%2F1', 'x%0d%0ay']) {
      expect(codeOf(await call(`${url}/v1/models/${name}:predict`, { key, body: { instances: [setosa] } }))).toBe('404 model_not_found');
    }
    expect(codeOf(await call(`${url}/models/${'x'.repeat(501)}/invocations`, { key, body: {} }))).toBe('414 name_too_long');
    expect(codeOf(await call(`${url}/v1/models/iris:generate`, { key, body: {} }))).toBe('404 route_not_found');
    for (const version of ['2', '0', '-1', 'latest', '1e0', '99999999999999']) {
      const answer = await call(`${url}/v2/models/iris/versions/${version}/infer`, { key, body: { inputs: [] } });
      expect([answer.status, answer.headers.get('x-millrace-error-code')]).toEqual([404, 'model_not_found']);
    }
    expect(codeOf(await call(`${url}/v3`))).toBe('404 route_not_found');
    const wrong = await call(`${url}/predict`, { key });
    expect([codeOf(wrong), wrong.headers.get('allow')]).toEqual(['405 method_not_allowed', 'POST']);
    expect(codeOf(await call(`${url}/v1/models/%E0%A4%A:predict`, { key, body: {} }))).toBe('400 malformed_url');
  });

  it('a request that is cut off, or no HTTP at all, disturbs nobody', async () => {
    const head = `POST /predict HTTP/1.1\r\nhost: x\r\nx-api-key: ${key}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n`;
    await exchange(`${head}{"features":[5.1`);
    expect(await exchange('GARBAGE\r\n\r\n')).toMatch(/^HTTP\/1.1 400 .*"malformed_http"/s);
    expect(await exchange(`GET /ping HTTP/1.1\r\nhost: x\r\nx-long: ${'y'.repeat(100_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
  });
});

it('no refusal is billed', async () => {
  const other = await world.createTenant();
  await other.publish('iris', irisNeighbours());
  const server = await world.start();
  const { text } = await other.createKey();
  const refused = [{ features: [1, 2] }, { features: [null, 1, 1, 1] }, { model: 'rose', features: setosa }, { wrong: 1 }];
  for (const body of refused) expect((await call(`${server.url}/predict`, { key: text, body })).status).toBeGreaterThanOrEqual(400);
  expect((await call(`${server.url}/predict`, { key: text, body: '{' })).status).toBe(400);
  const good = await call(`${server.url}/predict`, { key: text, body: { features: [setosa, setosa] } });
  await server.close();
  expect(await other.ledger()).toMatchObject([{ requestId: good.headers.get('x-millrace-prediction-id'), rows: 2, units: 2, kind: 'PREDICTION' }]);
});
