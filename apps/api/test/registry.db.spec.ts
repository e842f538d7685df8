import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newId } from '@millrace/kernel';
import { addModelVersion, createApiWorld, type Member, type World } from './api-world.ts';
import { sentExplanation } from './sent-explanation.ts';

/** What the inference server was asked and what it shall answer. */
interface Relay {
  requests: { url: string; headers: IncomingHttpHeaders; body: unknown }[];
  answer: { status: number; headers?: Record<string, string>; body: unknown };
}

let inference: Server;
const relay: Relay = { requests: [], answer: { status: 500, body: {} } };
let world: World;
let ana: Member;
let dataset: { versionId: string };

beforeAll(async () => {
  inference = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      relay.requests.push({ url: request.url!, headers: request.headers, body: JSON.parse(text) });
      response.writeHead(relay.answer.status, { 'content-type': 'application/json', ...relay.answer.headers });
      response.end(JSON.stringify(relay.answer.body));
    });
  });
  await new Promise<void>((resolve) => inference.listen(0, '127.0.0.1', resolve));
  world = await createApiWorld({ inferenceUrl: `http://127.0.0.1:${(inference.address() as AddressInfo).port}` });
  ana = await world.tenant('registry');
  dataset = await world.iris(ana.token);
});
afterAll(async () => {
  await world.close();
  await new Promise((resolve) => inference.close(resolve));
});

async function model(name: string, versions: ('READY' | 'FAILED')[]): Promise<{ modelId: string; versionIds: string[] }> {
  const modelId = newId('model');
  const versionIds = versions.map(() => newId('modelVersion'));
  for (const [i, status] of versions.entries()) {
    await addModelVersion(world.database.database, ana.actor.tenantId, {
      modelId, versionId: versionIds[i]!, modelName: name, number: i + 1, status, datasetVersionId: dataset.versionId, runId: newId('run'),
    });
  }
  return { modelId, versionIds };
}

const refusal = '... on Error { code } ... on ConflictError { field } ... on NotFoundError { field } ... on InvalidInputError { problems { field } }';
const ask = async (query: string, variables: object) => Object.values((await world.graphql(query, variables, ana.token)).data!)[0];
const publish = (versionId: string, endpointName: string) =>
  ask(
    `mutation ($versionId: ID!, $endpointName: String!) { publishModelVersion(input: { versionId: $versionId, endpointName: $endpointName }) {
      __typename ${refusal} ... on PublishModelVersionSuccess { version { number aliases } endpoint { name aliasName servedVersion { number } model { name } } } } }`,
    { versionId, endpointName },
  );

describe('publishing', () => {
  it('makes the endpoint, moves champion, and keeps what was before as previous', async () => {
    const { modelId, versionIds } = await model('pump', ['READY', 'READY', 'FAILED']);
    expect(await publish(versionIds[0]!, 'pump')).toMatchObject({
      version: { number: 1, aliases: ['champion'] },
      endpoint: { name: 'pump', aliasName: 'champion', servedVersion: { number: 1 }, model: { name: 'pump' } },
    });
    expect(await publish(versionIds[1]!, 'pump')).toMatchObject({ version: { number: 2, aliases: ['champion'] }, endpoint: { servedVersion: { number: 2 } } });

    const { data } = await world.graphql(
      'query ($id: ID!) { model(id: $id) { name latestVersion { number status } aliases { name version { number } } endpoints { name } versions(first: 2) { edges { node { number model { name } run { status } } } pageInfo { hasNextPage } } } }',
      { id: modelId },
      ana.token,
    );
    expect(data!['model']).toEqual({
      name: 'pump',
      latestVersion: { number: 3, status: 'FAILED' },
      aliases: [{ name: 'champion', version: { number: 2 } }, { name: 'previous', version: { number: 1 } }],
      endpoints: [{ name: 'pump' }],
      versions: {
        edges: [3, 2].map((number) => ({ node: { number, model: { name: 'pump' }, run: { status: 'SUCCEEDED' } } })),
        pageInfo: { hasNextPage: true },
      },
    });
  });

  it('refuses what cannot be served, and leaves everything as it was', async () => {
    const { versionIds } = await model('valve', ['FAILED', 'READY']);
    const other = await model('motor', ['READY']);
    await publish(other.versionIds[0]!, 'motor');
    expect(await publish(versionIds[0]!, 'valve')).toEqual({ __typename: 'ConflictError', code: 'version_not_ready', field: 'versionId' });
    expect(await publish(versionIds[1]!, 'motor')).toEqual({ __typename: 'ConflictError', code: 'endpoint_of_other_model', field: 'endpointName' });
    expect(await publish(versionIds[1]!, 'no spaces, please')).toMatchObject({ __typename: 'InvalidInputError', problems: [{ field: 'endpointName' }] });
    expect(await publish(newId('modelVersion'), 'valve')).toMatchObject({ __typename: 'NotFoundError', field: 'versionId' });
    expect(await ask('query { model(name: "valve") { aliases { name } endpoints { name } } }', {})).toEqual({ aliases: [], endpoints: [] });
  });
});

describe('aliases and endpoints', () => {
  it('are set, moved, followed and deleted', async () => {
    const { modelId } = await model('belt', ['READY', 'READY']);
    const setAlias = (alias: string, versionNumber: number) =>
      ask(
        `mutation ($m: ID!, $a: String!, $n: Int!) { setModelAlias(input: { modelId: $m, alias: $a, versionNumber: $n }) {
          __typename ${refusal} ... on SetModelAliasSuccess { alias { name version { number } } model { aliases { name } } } } }`,
        { m: modelId, a: alias, n: versionNumber },
      );
    const deleteAlias = (alias: string) =>
      ask(`mutation ($m: ID!, $a: String!) { deleteModelAlias(input: { modelId: $m, alias: $a }) { __typename ... on Error { code } ... on NotFoundError { field } } }`, { m: modelId, a: alias });
    const createEndpoint = (name: string, alias: string) =>
      ask(
        `mutation ($m: ID!, $n: String!, $a: String!) { createEndpoint(input: { modelId: $m, name: $n, alias: $a }) {
          __typename ${refusal} ... on CreateEndpointSuccess { endpoint { name servedVersion { number } } } } }`,
        { m: modelId, n: name, a: alias },
      );
    const deleteEndpoint = (name: string) => ask(`mutation ($n: String!) { deleteEndpoint(input: { name: $n }) { __typename ... on Error { code } ... on DeleteEndpointSuccess { name } } }`, { n: name });

    expect(await setAlias('night-shift', 1)).toMatchObject({ alias: { name: 'night-shift', version: { number: 1 } }, model: { aliases: [{ name: 'night-shift' }] } });
    expect(await setAlias('night-shift', 9)).toMatchObject({ __typename: 'NotFoundError', field: 'versionNumber' });
    expect(await setAlias('Night Shift!', 1)).toMatchObject({ __typename: 'InvalidInputError', problems: [{ field: 'alias' }] });

    expect(await createEndpoint('belt', 'night-shift')).toMatchObject({ endpoint: { name: 'belt', servedVersion: { number: 1 } } });
    expect(await createEndpoint('belt', 'night-shift')).toMatchObject({ __typename: 'ConflictError', code: 'name_taken' });
    expect(await createEndpoint('belt-2', 'day-shift')).toMatchObject({ __typename: 'NotFoundError', field: 'alias' });
    expect(await setAlias('night-shift', 2)).toMatchObject({ alias: { version: { number: 2 } } });
    expect(await ask('{ endpoint(name: "belt") { servedVersion { number } } }', {})).toEqual({ servedVersion: { number: 2 } });

    expect(await deleteAlias('night-shift')).toMatchObject({ __typename: 'ConflictError', code: 'alias_in_use' });
    expect(await deleteEndpoint('belt')).toEqual({ __typename: 'DeleteEndpointSuccess', name: 'belt' });
    expect(await deleteEndpoint('belt')).toMatchObject({ __typename: 'NotFoundError' });
    expect(await deleteAlias('night-shift')).toMatchObject({ __typename: 'DeleteModelAliasSuccess' });
    expect(await deleteAlias('night-shift')).toMatchObject({ __typename: 'NotFoundError', field: 'alias' });
  });
});

describe('predicting', () => {
  const predict = `mutation ($endpoint: String!, $rows: [JSON!]!) { predict(input: { endpoint: $endpoint, rows: $rows }) {
    __typename ... on PredictSuccess { predictions modelVersion predictionId costUnits warnings { code field } requestId } ... on InvalidInputError { problems { code field row message remedy } } ... on Error { code } } }`;
  const rows = [{ x: 1 }, { x: 2 }];
  const send = (endpoint = 'press-4') => world.graphql(predict, { endpoint, rows }, ana.token, { 'x-request-id': 'predict-1234' });

  it('passes a row to be explained on, with what of it, and the explanation back', async () => {
    relay.answer = { status: 200, headers: { 'x-millrace-model-version': '7', 'x-millrace-cost-units': '14' }, body: { explanations: [sentExplanation] } };
    const { data } = await world.graphql(
      `mutation { explain(input: { endpoint: "press-4", row: { x: 7 }, class: "worn", maxEvaluations: 1400 }) { ... on ExplainSuccess { modelVersion costUnits explanation {
        output class answer baseValue attributions { name value data standardError } additivityError faithfulness method { name evaluations backgroundRows isExact hasConverged } heatMap warnings } } } }`,
      {}, ana.token,
    );
    expect(data!['explain']).toEqual({
      modelVersion: 7,
      costUnits: 14,
      explanation: {
        output: 'probabilities', class: 'worn', answer: 0.9, baseValue: 0.5, attributions: [{ name: 'x', value: 0.4, data: 7, standardError: 0.01 }], additivityError: 0, faithfulness: 0.8,
        method: { name: 'permutation_sampling', evaluations: 1301, backgroundRows: 32, isExact: false, hasConverged: true }, heatMap: [[0.4]], warnings: ['The package has no background rows.'],
      },
    });
    expect(relay.requests.at(-1)).toMatchObject({ url: '/v1/models/press-4:explain', body: { instances: [{ x: 7 }], parameters: { class: 'worn', max_evaluations: 1400 } } });
  });

  it('passes rows, credential and request id on, and the answer back with what its headers say', async () => {
    const headers = {
      'x-millrace-model-version': '7', 'x-millrace-prediction-id': 'prd_00000000000000000000000001', 'x-millrace-cost-units': '2',
      'x-millrace-warnings': 'outside_training_range;x%2C%20in%20mm, unseen_category;y',
    };
    relay.answer = { status: 200, headers, body: { predictions: [{ label: 'a' }, { label: 'b' }] } };
    expect((await send()).data!['predict']).toEqual({
      __typename: 'PredictSuccess', predictions: [{ label: 'a' }, { label: 'b' }], modelVersion: 7, requestId: 'predict-1234', predictionId: 'prd_00000000000000000000000001', costUnits: 2,
      warnings: [{ code: 'outside_training_range', field: 'x, in mm' }, { code: 'unseen_category', field: 'y' }],
    });
    expect(relay.requests.at(-1)).toMatchObject({
      url: '/v1/models/press-4:predict',
      headers: { authorization: `Bearer ${ana.token}`, 'x-request-id': 'predict-1234' },
      body: { instances: rows },
    });
  });

  it('asks under one key however often an operation with an Idempotency-Key is begun, so that nothing is billed twice', async () => {
    relay.answer = { status: 200, headers: { 'x-millrace-model-version': '7', 'x-millrace-prediction-id': 'prd_00000000000000000000000001' }, body: { predictions: [1] } };
    const twice = 'mutation { a: predict(input: { endpoint: "press-4", rows: [[1]] }) { __typename } b: predict(input: { endpoint: "press-4", rows: [[1]] }) { __typename } }';
    const ask = async (key: string) => {
      const before = relay.requests.length;
      const answer = await world.graphql(twice, {}, ana.token, { 'idempotency-key': key });
      return { answer, keys: relay.requests.slice(before).map(({ headers }) => headers['idempotency-key']) };
    };
    const first = await ask('killed');
    expect(new Set(first.keys).size).toBe(2);
    expect((await ask('killed')).keys).toEqual([]);
    // As if the process had died before it could keep the answer.
    await world.database.asOwner(`UPDATE idempotency_answers SET body = NULL, headers = NULL, locked_until = now() - interval '1 second' WHERE tenant_id = $1 AND key LIKE '% graphql killed'`, [ana.actor.tenantId]);
    expect((await ask('killed')).keys).toEqual(first.keys);

    relay.answer = { status: 503, body: { error: { code: 'x', message: 'Whether it was done is not known.' } } };
    const unknown = await ask('unknown');
    expect(unknown.answer.status).toBe(503);
    expect([(await ask('unknown')).keys, unknown.keys.length > 0]).toEqual([unknown.keys, true]);

    await send();
    expect(relay.requests.at(-1)!.headers['idempotency-key']).toBeUndefined();
  });

  it('names row, field and remedy of what does not fit', async () => {
    const problem = { code: 'feature_missing', field: 'y', row: 1, message: 'y is missing.', remedy: 'Give y.' };
    relay.answer = { status: 400, body: { error: { code: 'invalid_rows', message: 'no', problems: [problem] } } };
    expect((await send()).data!['predict']).toMatchObject({ __typename: 'InvalidInputError', code: 'feature_missing', problems: [problem] });
    relay.answer = { status: 400, body: { error: { code: 'row_unfit', message: 'x is text.', field: 'x', row: 0, remedy_hint: 'Send a number.' } } };
    expect((await send()).data!['predict'].problems).toEqual([{ code: 'row_unfit', field: 'x', row: 0, message: 'x is text.', remedy: 'Send a number.' }]);
  });

  it.each([
    [401, 'UNAUTHENTICATED', 401],
    [403, 'FORBIDDEN', 403],
    [409, 'UNAVAILABLE', 503],
    [429, 'TOO_MANY_REQUESTS', 429],
    [503, 'UNAVAILABLE', 503],
    [500, 'INTERNAL_SERVER_ERROR', 200],
  ])('a %i of the data plane is %s', async (status, code, seen) => {
    relay.answer = { status, body: { error: { code: 'x', message: 'The data plane says so.' } } };
    const answer = await send();
    expect(answer.errors[0]!.extensions['code']).toBe(code);
    expect(answer.status).toBe(seen);
  });

  it('an endpoint that there is not is not found', async () => {
    relay.answer = { status: 404, body: { error: { code: 'model_not_found', message: 'There is no such endpoint.' } } };
    expect((await send()).data!['predict']).toEqual({ __typename: 'NotFoundError', code: 'endpoint_not_found' });
  });

  it.each([
    ['nothing', ''],
    ['the folder above', '..'],
    ['a path', 'iris/versions/1'],
    ['a space', 'a b'],
    ['a colon', 'iris:predict'],
    ['a header', 'x\r\ny: z'],
    ['half a character', '\ud800'],
    ['20,000 letters', 'x'.repeat(20_000)],
  ])(
    'a name that no endpoint has (%s) is not found, and never becomes part of an address',
    async (_what, endpoint) => {
      const before = relay.requests.length;
      expect((await send(endpoint)).data!['predict']).toEqual({ __typename: 'NotFoundError', code: 'endpoint_not_found' });
      expect(relay.requests).toHaveLength(before);
    },
  );
});
