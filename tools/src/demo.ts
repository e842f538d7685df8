import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import type { Auth } from '@millrace/auth';
import { print } from './log-lines.ts';

export interface DemoOptions {
  auth: Auth;
  apiUrl: string;
  inferenceUrl: string;
  /** iris.csv */
  dataFile: string;
  /** keeps the demo's login and key between starts, readable by its user only */
  memoryFile: string;
}

interface DemoMemory {
  ownerEmail: string;
  ownerPassword: string;
  email: string;
  password: string;
  apiKey: string | null;
}

const endpointName = 'iris';
const features = [5.1, 3.5, 1.4, 0.2];

/** Does the main job as a user's program would, over the network: sign in, upload, train, publish, predict. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const begun = performance.now();
  const memory = await rememberOrCreate(options);
  const token = await signIn(options.apiUrl, memory.email, memory.password);
  if (!token) {
    // The database was emptied since: begin anew.
    await fs.rm(options.memoryFile, { force: true });
    return runDemo(options);
  }
  const call = (query: string, variables: object = {}) => graphql(options.apiUrl, token, query, variables);
  const published = await call('query ($name: String!) { endpoint(name: $name) { servedVersion { number } } }', { name: endpointName });
  if (!(published['endpoint'] as { servedVersion: unknown } | null)?.servedVersion) {
    step('data set', 'uploading iris.csv (150 rows)');
    const datasetVersionId = await uploadIris(options, token, call);
    const versionId = await trainIris(call, datasetVersionId);
    const { publishModelVersion } = await call(
      `mutation ($input: PublishModelVersionInput!) { publishModelVersion(input: $input) { __typename ... on Error { message remedy } } }`,
      { input: { versionId, endpointName } },
    );
    expectSuccess(publishModelVersion, 'PublishModelVersionSuccess');
    step('endpoint', `published as “${endpointName}”`);
  }
  if (!memory.apiKey) {
    const { createApiKey } = await call(
      'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { __typename ... on CreateApiKeySuccess { key } ... on Error { message remedy } } }',
      { input: { alias: 'demo partner', scopes: ['PREDICT'] } },
    );
    memory.apiKey = (expectSuccess(createApiKey, 'CreateApiKeySuccess') as { key: string }).key;
    await remember(options.memoryFile, memory);
  }
  const answer = await fetch(`${options.inferenceUrl}/predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${memory.apiKey}` },
    body: JSON.stringify({ features }),
  });
  const prediction = await answer.text();
  if (!answer.ok) throw new Error(`the demo's prediction was refused (${answer.status}): ${prediction}`);
  step('prediction', `${JSON.stringify({ features })} → ${prediction}`);
  print(instructions(options, memory, (performance.now() - begun) / 1000));
}

async function rememberOrCreate(options: DemoOptions): Promise<DemoMemory> {
  const known = await fs.readFile(options.memoryFile, 'utf8').then((text) => JSON.parse(text) as DemoMemory, () => null);
  if (known) return known;
  const suffix = randomBytes(3).toString('hex');
  const memory: DemoMemory = {
    ownerEmail: `owner-${suffix}@demo.example`,
    ownerPassword: randomBytes(9).toString('base64url'),
    email: `engineer-${suffix}@demo.example`,
    password: randomBytes(9).toString('base64url'),
    apiKey: null,
  };
  const tenant = await options.auth.createTenant({
    tenantName: 'Demo plant', name: 'Olive Owner', email: memory.ownerEmail, password: memory.ownerPassword, operator: true,
  });
  if (tenant.type === 'invalid') throw new Error(tenant.problems.map((problem) => problem.message).join(' '));
  const { tenantId } = tenant;
  const engineer = await options.auth.members.add({ tenantId, name: 'Emil Engineer', email: memory.email, password: memory.password, role: 'ENGINEER' });
  if (engineer.type === 'invalid') throw new Error(engineer.problems.map((problem) => problem.message).join(' '));
  await remember(options.memoryFile, memory);
  step('tenant', '“Demo plant” with an engineer and an owner, who is an operator of the platform too');
  return memory;
}

async function remember(file: string, memory: DemoMemory): Promise<void> {
  await fs.writeFile(file, JSON.stringify(memory, null, 2), { mode: 0o600 });
}

async function signIn(apiUrl: string, email: string, password: string): Promise<string | null> {
  const { signIn: outcome } = await graphql(
    apiUrl,
    null,
    'mutation ($input: SignInInput!) { signIn(input: $input) { __typename ... on SignInSuccess { accessToken } } }',
    { input: { email, password } },
  );
  return (outcome as { accessToken?: string }).accessToken ?? null;
}

async function uploadIris(options: DemoOptions, token: string, call: Call): Promise<string> {
  const { beginUpload } = await call(
    'mutation ($input: BeginUploadInput!) { beginUpload(input: $input) { __typename ... on BeginUploadSuccess { url upload { id } } ... on Error { message remedy } } }',
    { input: { filename: 'iris.csv', mediaType: 'text/csv' } },
  );
  const { url, upload } = expectSuccess(beginUpload, 'BeginUploadSuccess') as { url: string; upload: { id: string } };
  const put = await fetch(new URL(url, options.apiUrl), {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}` },
    body: new Uint8Array(await fs.readFile(options.dataFile)),
  });
  if (!put.ok) throw new Error(`the upload was refused (${put.status}): ${await put.text()}`);
  const { createDataset } = await call(
    'mutation ($input: CreateDatasetInput!) { createDataset(input: $input) { __typename ... on CreateDatasetSuccess { version { id rowCount columnCount } } ... on Error { message remedy } } }',
    { input: { name: 'iris', uploadId: upload.id, description: 'Fisher’s irises: 150 flowers of three species, four measurements in centimetres' } },
  );
  const { version } = expectSuccess(createDataset, 'CreateDatasetSuccess') as { version: { id: string; rowCount: number; columnCount: number } };
  step('data set', `“iris”: ${version.rowCount} rows, ${version.columnCount} columns`);
  return version.id;
}

const irisFeatures = ['sepal length (cm)', 'sepal width (cm)', 'petal length (cm)', 'petal width (cm)'];

async function trainIris(call: Call, datasetVersionId: string): Promise<string> {
  const spec = {
    inputFeatures: irisFeatures.map((name) => ({ name, type: 'number' })),
    outputFeatures: [{ name: 'species', type: 'category' }],
    split: { trainFraction: 0.8, seed: 1 },
    models: [{ family: 'knn', k: 3 }, { family: 'dense', hiddenLayers: [16] }],
    trainer: { epochs: 150 },
    selection: { metric: 'accuracy' },
  };
  const { submitRun } = await call(
    'mutation ($input: SubmitRunInput!) { submitRun(input: $input) { __typename ... on SubmitRunSuccess { run { id } } ... on Error { message remedy } } }',
    { input: { datasetVersionId, modelName: 'iris-species', spec } },
  );
  const { run } = expectSuccess(submitRun, 'SubmitRunSuccess') as { run: { id: string } };
  for (;;) {
    const { run: state } = (await call(
      `query ($id: ID!) { run(id: $id) { status backend progress { trial trials family epoch epochs } failure { message remedy }
        trials { family scoreTest best } modelVersion { id number } } }`,
      { id: run.id },
    )) as unknown as { run: RunState };
    showProgress(state);
    if (state.status === 'SUCCEEDED') {
      const board = state.trials.map(({ family, scoreTest, best }) => `${family} ${scoreTest.toFixed(3)}${best ? ' (best)' : ''}`);
      step('run', `trained on ${state.backend}; accuracy on the test rows: ${board.join(', ')}`);
      return state.modelVersion!.id;
    }
    if (state.status === 'FAILED' || state.status === 'CANCELLED') throw new Error(`the demo's run ended as ${state.status}: ${state.failure?.message ?? ''}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

interface RunState {
  status: string;
  backend: string | null;
  progress: { trial: number; trials: number; family: string; epoch: number; epochs: number } | null;
  failure: { message: string } | null;
  trials: { family: string; scoreTest: number; best: boolean }[];
  modelVersion: { id: string; number: number } | null;
}

function showProgress({ status, progress }: RunState): void {
  if (!process.stdout.isTTY) return;
  const share = progress?.epochs ? progress.epoch / progress.epochs : 0;
  const filled = Math.round(share * 30);
  const text = progress ? `${progress.family} (${progress.trial + 1} of ${progress.trials})` : status.toLowerCase();
  process.stdout.write(`\r  demo: training   [${'█'.repeat(filled)}${'·'.repeat(30 - filled)}] ${text}          \r`);
}

type Call = (query: string, variables?: object) => Promise<Record<string, unknown>>;

async function graphql(apiUrl: string, token: string | null, query: string, variables: object): Promise<Record<string, unknown>> {
  const response = await fetch(`${apiUrl}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify({ query, variables }),
  });
  const body = (await response.json()) as { data?: Record<string, unknown>; errors?: { message: string }[] };
  if (!body.data || body.errors?.length) throw new Error(`the API answered: ${JSON.stringify(body.errors ?? body)}`);
  return body.data;
}

function expectSuccess(payload: unknown, typename: string): object {
  const result = payload as { __typename: string; message?: string; remedy?: string };
  if (result.__typename !== typename) throw new Error(`${result.message} ${result.remedy}`);
  return result;
}

function step(what: string, text: string): void {
  print(`  demo: ${what.padEnd(10)} ${text}`);
}

function instructions({ apiUrl, inferenceUrl }: DemoOptions, memory: DemoMemory, seconds: number): string {
  const key = memory.apiKey!;
  const instance = Object.fromEntries(irisFeatures.map((name, index) => [name, features[index]]));
  const tensors = irisFeatures.map((name, index) => ({ name, shape: [1], datatype: 'FP64', data: [features[index]] }));
  const curl = (path: string, body: unknown): string =>
    [
      `curl -s -X POST ${inferenceUrl}${path} \\`,
      `  -H 'Content-Type: application/json' -H 'Authorization: Bearer ${key}' \\`,
      `  -d '${JSON.stringify(body)}'`,
    ].join('\n');
  return `
  The demo is ready (${seconds.toFixed(1)} s).

    Sign in at ${apiUrl}/
      e-mail    ${memory.email}
      password  ${memory.password}
    or as owner and operator
      e-mail    ${memory.ownerEmail}
      password  ${memory.ownerPassword}

  Call the model (each of these works when pasted):

${[
  curl('/predict', { features }),
  curl(`/v1/models/${endpointName}:predict`, { instances: [instance] }),
  curl(`/v2/models/${endpointName}/infer`, { inputs: tensors }),
].join('\n\n')}
`;
}
