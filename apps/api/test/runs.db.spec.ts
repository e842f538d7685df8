import { newId, silentLogger } from '@millrace/kernel';
import { createQuota } from '@millrace/quota';
import { createRegistry } from '@millrace/registry';
import { createFileStore } from '@millrace/storage';
import { createRunQueue, type Lease, type RunQueue } from '@millrace/training';
import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { addModelVersion, createApiWorld, irisSpec, type Member, type World } from './api-world.ts';
import { subscribeOverHttp } from './event-stream.ts';

let world: World;
let ana: Member;
let versionId: string;
let queue: RunQueue;

beforeAll(async () => {
  world = await createApiWorld({ metricsPort: 0 });
  ana = await world.tenant('runs');
  ({ versionId } = await world.iris(ana.token));
  const database = world.database.workerDatabase;
  const storage = createFileStore({ root: world.storageDirectory });
  const noKeys = { sign: () => Promise.reject(new Error('nothing is packed here')) };
  queue = createRunQueue({ database, quota: createQuota({ database }), registry: createRegistry({ database, storage, keyring: noKeys }), logger: silentLogger });
});
afterAll(() => world.close());

const submit = `mutation ($input: SubmitRunInput!) {
  submitRun(input: $input) {
    __typename
    ... on SubmitRunSuccess { run { id status spec priority queuePosition datasetVersion { id dataset { name } } events { sequence type } } }
    ... on InvalidInputError { problems { code field message remedy } }
    ... on QuotaExceededError { resource limit used requested remedy }
    ... on Error { code remedy }
  }
}`;
const cancel = `mutation ($id: ID!) {
  cancelRun(input: { id: $id }) { __typename ... on CancelRunSuccess { run { status finishedAt cancelRequestedAt } } ... on Error { code } }
}`;
const progress = `subscription ($id: ID!) {
  runProgress(id: $id) { run { status backend progress { trial epoch epochs } datasetVersion { dataset { name } } } metrics { trial epoch values } }
}`;

async function submitted(member = ana, version = versionId, priority = 0): Promise<string> {
  const { data, text } = await world.graphql(submit, { input: { datasetVersionId: version, modelName: 'iris', spec: irisSpec, priority } }, member.token);
  if (data!['submitRun'].__typename !== 'SubmitRunSuccess') throw new Error(text);
  return data!['submitRun'].run.id;
}

async function claimed(): Promise<Lease> {
  return (await queue.claim('spec'))!.lease;
}

const epochs = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => ({ trial: 0, epoch: from + i, values: { loss: 1 / (from + i), valLoss: null } }));

/** Ends a run as a worker would that found the input wrong. */
const failRun = (lease: Lease) => queue.fail(lease, { code: 'TRAINING_DIVERGED', message: 'The loss is not a number.', remedy: 'Lower the learning rate.', fault: 'USER' });

describe('submitting', () => {
  it('accepts a run, fills in its defaults and queues it', async () => {
    const { data } = await world.graphql(submit, { input: { datasetVersionId: versionId, modelName: 'iris', spec: irisSpec, priority: 5 } }, ana.token);
    const { run } = data!['submitRun'];
    expect(run).toMatchObject({
      status: 'QUEUED', priority: 5, queuePosition: 0,
      datasetVersion: { id: versionId, dataset: { name: 'iris' } }, events: [{ sequence: 1, type: 'submitted' }],
    });
    expect(run.spec.split).toMatchObject({ trainFraction: 0.8 });
    expect((await world.graphql(cancel, { id: run.id }, ana.token)).data!['cancelRun'].run).toMatchObject({ status: 'CANCELLED', finishedAt: expect.any(String) });
    expect((await world.graphql(cancel, { id: run.id }, ana.token)).data!['cancelRun']).toEqual({ __typename: 'ConflictError', code: 'run_already_final' });
    expect((await world.graphql(cancel, { id: 'run_00000000000000000000000000' }, ana.token)).data!['cancelRun'].__typename).toBe('NotFoundError');
  });

  it('takes the configuration as YAML, tells the line of a problem, and gives it back as a file to keep', async () => {
    const yaml = 'inputFeatures:\n  - { name: petal length (cm), type: number }\noutputFeatures:\n  - { name: species, type: category }\nmodels:\n  - family: knn\n    k: 4\n';
    const send = async (spec: string) => (await world.graphql(submit, { input: { datasetVersionId: versionId, modelName: 'iris', spec } }, ana.token)).data!['submitRun'];
    expect((await send(yaml.replace('k: 4', 'k: 0'))).problems).toMatchObject([{ field: 'spec.models[0].k', message: 'Line 7: The value is too small.' }]);
    // What doesn't fit the data set is told with its line as well.
    expect((await send(yaml.replace('petal length', 'petal weight'))).problems).toMatchObject([{ field: 'spec.inputFeatures[0].name', message: expect.stringMatching(/^Line 2: The data has no column "petal weight/) }]);
    const read = async (spec: unknown) => (await world.graphql('query ($spec: JSON!) { trainingConfiguration(spec: $spec) { yaml problems { code field message } } }', { spec }, ana.token)).data!['trainingConfiguration'];
    expect(await read(yaml.replace('k: 4', 'k: 0'))).toEqual({ yaml: null, problems: [{ code: 'invalid_spec', field: 'models[0].k', message: 'Line 7: The value is too small.' }] });
    const normal = await read(yaml);
    expect(normal).toEqual({ yaml: expect.stringContaining('earlyStop: null'), problems: [] });
    expect(await read(normal.yaml)).toEqual(normal);
    const { run } = await send(yaml);
    expect(run.spec.models).toMatchObject([{ family: 'knn', k: 4 }]);
    const { data } = await world.graphql('query ($id: ID!) { run(id: $id) { specYaml } }', { id: run.id }, ana.token);
    await world.graphql(cancel, { id: run.id }, ana.token);
    const again = await send(data!['run'].specYaml);
    expect(again.run.spec).toEqual(run.spec);
    await world.graphql(cancel, { id: again.run.id }, ana.token);
  });

  it.each([
    ['a target that does not exist', { ...irisSpec, outputFeatures: [{ name: 'colour', type: 'category' }] }, /^spec\.outputFeatures/],
    ['a feature that does not exist', { ...irisSpec, inputFeatures: [{ name: 'height', type: 'number' }] }, /^spec\.inputFeatures/],
    ['an unknown setting', { ...irisSpec, magic: true }, /^spec\.magic/],
    ['a value out of range', { ...irisSpec, models: [{ family: 'knn', k: 0 }] }, /^spec\.models\[0\]/],
    ['no configuration at all', 42, /^spec/],
  ])('refuses %s with field and remedy', async (_what, spec, field) => {
    const { data } = await world.graphql(submit, { input: { datasetVersionId: versionId, modelName: 'iris', spec } }, ana.token);
    expect(data!['submitRun'].__typename).toBe('InvalidInputError');
    expect(data!['submitRun'].problems[0].field).toMatch(field);
    expect(data!['submitRun'].problems[0].remedy).not.toBe('');
  });

  it('refuses a target with one class', async () => {
    const { id, url } = await world.beginUpload(ana.token);
    await world.put(ana.token, url, `x,y\n${Array.from({ length: 40 }, (_, i) => `${i},same`).join('\n')}\n`);
    const made = await world.graphql(
      'mutation ($id: ID!) { createDataset(input: { name: "one class", uploadId: $id }) { ... on CreateDatasetSuccess { version { id } } } }',
      { id },
      ana.token,
    );
    const spec = { inputFeatures: [{ name: 'x', type: 'number' }], outputFeatures: [{ name: 'y', type: 'category' }] };
    const input = { datasetVersionId: made.data!['createDataset'].version.id, modelName: 'm', spec };
    const { data } = await world.graphql(submit, { input }, ana.token);
    expect(data!['submitRun']).toMatchObject({ __typename: 'InvalidInputError', problems: [{ field: expect.stringMatching(/^spec\.outputFeatures/) }] });
  });

  it('admits no more runs than the quota has room for', async () => {
    const poor = await world.tenant('few-runs');
    const { versionId: version } = await world.iris(poor.token);
    await world.database.asOwner("INSERT INTO quota_counters (tenant_id, resource, limit_value) VALUES ($1, 'ACTIVE_RUNS', 1)", [poor.actor.tenantId]);
    const input = { datasetVersionId: version, modelName: 'iris', spec: irisSpec };
    const answers = await Promise.all(Array.from({ length: 4 }, () => world.graphql(submit, { input }, poor.token)));
    const outcomes = answers.map(({ data }) => data!['submitRun']);
    expect(outcomes.filter((outcome) => outcome.__typename === 'SubmitRunSuccess')).toHaveLength(1);
    expect(outcomes.find((outcome) => outcome.__typename === 'QuotaExceededError')).toMatchObject({ resource: 'ACTIVE_RUNS', limit: 1, used: 1, requested: 1 });
    await world.graphql(cancel, { id: outcomes.find((outcome) => outcome.run).run.id }, poor.token);
  });
});

describe('optimising a version', () => {
  const outcome = '__typename ... on Error { code remedy } ... on ConflictError { field } ... on InvalidInputError { problems { field remedy } }';
  const optimise = `mutation ($input: OptimizeModelInput!) { optimizeModel(input: $input) { ${outcome} ... on OptimizeModelSuccess { run { id status modelName spec optimisation { target maxLoss steps base { id } } } } } }`;
  const compress = `mutation ($input: CompressModelInput!) { compressModel(input: $input) { ${outcome} ... on CompressModelSuccess { run { id optimisation { target maxLoss steps } } } } }`;
  const condense = [{ method: 'CONDENSE', keep: 0.5 }];
  let cleo: Member;
  let id: string;
  let datasetVersionId: string;
  beforeAll(async () => {
    cleo = await world.tenant('optimised');
    ({ versionId: datasetVersionId } = await world.iris(cleo.token));
    id = await addVersion('nearest');
  });

  async function addVersion(modelName: string): Promise<string> {
    const [modelId, modelVersionId] = [newId('model'), newId('modelVersion')];
    await addModelVersion(world.database.database, cleo.actor.tenantId, { modelId, versionId: modelVersionId, modelName, datasetVersionId, runId: newId('run') });
    return modelVersionId;
  }
  const change = (set: string, of: string) => world.database.asOwner(`UPDATE model_versions SET ${set} WHERE id = $1`, [of]);
  const ask = async (input: object, token = cleo.token) => (await world.graphql('steps' in input ? compress : optimise, { input }, token)).data!['steps' in input ? 'compressModel' : 'optimizeModel'];

  it('is a run in the queue like any other, on the data and by the configuration of its base', async () => {
    const { run } = await ask({ modelVersionId: id, target: 'LATENCY' });
    expect(run).toMatchObject({ status: 'QUEUED', modelName: 'nearest', spec: {}, optimisation: { target: 'LATENCY', maxLoss: 0.5, steps: null, base: { id } } });
    const chosen = await ask({ modelVersionId: id, steps: [...condense, { method: 'QUANTISE', to: 'FLOAT16', clusters: null }] });
    expect(chosen.run.optimisation).toEqual({ target: null, maxLoss: null, steps: [{ method: 'condense', keep: 0.5 }, { method: 'quantise', to: 'float16' }] });
    for (const each of [run, chosen.run]) await world.graphql(cancel, { id: each.id }, cleo.token);
  });

  it.each([
    ['no steps', { steps: [] }, 'steps'],
    ['a step of another family', { steps: [{ method: 'PRUNE', sparsity: 0.5 }] }, 'steps[0].method'],
    ['a step without its setting', { steps: [{ method: 'CONDENSE' }] }, 'steps[0].keep'],
    ['a setting of another step', { steps: [{ method: 'MERGE_TREES', keep: 0.5 }] }, 'steps[0].keep'],
    ['a loss below nothing', { target: 'SIZE', maxLoss: -1 }, 'maxLoss'],
    ['a loss beyond all', { target: 'SIZE', maxLoss: 101 }, 'maxLoss'],
    ['more memory than the plan allows', { target: 'SIZE', limits: { memoryMb: 1e6 } }, 'limits.memoryMb'],
    ['a priority beyond the range', { target: 'SIZE', priority: 101 }, 'priority'],
  ])('is refused for %s, with field and remedy', async (_what, input, field) => {
    const { __typename, problems } = await ask({ modelVersionId: id, ...input });
    expect([__typename, problems?.[0].field]).toEqual(['InvalidInputError', field]);
    expect(problems[0].remedy).not.toBe('');
  });

  it('is refused where no step suits, where the version is not ready, was imported or has lost its data, and where there is no room', async () => {
    expect(await ask({ modelVersionId: newId('modelVersion'), target: 'SIZE' })).toEqual(await ask({ modelVersionId: id, target: 'SIZE' }, ana.token));
    expect((await ask({ modelVersionId: id, target: 'SIZE' }, ana.token)).code).toBe('version_not_found');
    const other = await addVersion('other');
    await change("family = 'baseline'", other);
    expect((await ask({ modelVersionId: other, target: 'SIZE' })).problems).toMatchObject([{ field: 'modelVersionId' }]);
    await change("family = 'knn', status = 'FAILED'", other);
    expect(await ask({ modelVersionId: other, target: 'SIZE' })).toMatchObject({ code: 'version_not_ready', field: 'modelVersionId' });
    await change("status = 'READY', source = 'ONNX', run_id = NULL, dataset_version_id = NULL", other);
    expect(await ask({ modelVersionId: other, steps: condense })).toMatchObject({ code: 'version_imported', field: 'modelVersionId' });

    await world.database.asOwner("INSERT INTO quota_counters (tenant_id, resource, limit_value) VALUES ($1, 'ACTIVE_RUNS', 0) ON CONFLICT (tenant_id, resource) DO UPDATE SET limit_value = 0", [cleo.actor.tenantId]);
    expect((await ask({ modelVersionId: id, target: 'SIZE' })).__typename).toBe('QuotaExceededError');
    await world.database.asOwner('UPDATE datasets SET deleted_at = now() WHERE tenant_id = $1', [cleo.actor.tenantId]);
    expect(await ask({ modelVersionId: id, target: 'SIZE' })).toMatchObject({ code: 'dataset_deleted', field: 'modelVersionId' });
    const { data } = await world.graphql('{ runs { edges { node { status } } } }', {}, cleo.token);
    expect(data!['runs'].edges.filter(({ node }: { node: { status: string } }) => node.status === 'QUEUED')).toEqual([]);
  });
});

describe('listing', () => {
  it('pages newest first, filters by status and never repeats', async () => {
    const bea = await world.tenant('pages');
    const { versionId: version } = await world.iris(bea.token);
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.unshift(await submitted(bea, version));
    await world.graphql(cancel, { id: ids[2] }, bea.token);
    const query = `query ($after: String, $status: [RunStatus!]) {
      runs(first: 2, after: $after, status: $status) { edges { node { id } } pageInfo { hasNextPage endCursor } }
    }`;
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const { data } = await world.graphql(query, { after }, bea.token);
      const { edges, pageInfo } = data!['runs'] as { edges: { node: { id: string } }[]; pageInfo: { hasNextPage: boolean; endCursor: string } };
      expect(edges.length).toBeLessThanOrEqual(2);
      seen.push(...edges.map(({ node }) => node.id));
      after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
    } while (after);
    expect(seen).toEqual(ids);
    const cancelled = await world.graphql(query, { status: ['CANCELLED'] }, bea.token);
    expect(cancelled.data!['runs'].edges).toEqual([{ node: { id: ids[2] } }]);
    const positions = await world.graphql('query ($id: ID!) { run(id: $id) { queuePosition } }', { id: ids[0] }, bea.token);
    expect(positions.data!['run'].queuePosition).toBe(3);
    for (const id of ids) await world.graphql(cancel, { id }, bea.token);
  });
});

interface Value {
  data?: Record<string, any> | null; // eslint-disable-line @typescript-eslint/no-explicit-any
  errors?: readonly { message: string; extensions?: Record<string, unknown> }[] | undefined;
}

function overWebSocket(credential: string): { client: Client; follow(id: string): AsyncIterator<Value> } {
  const client = createClient({
    url: `${world.api.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${credential}` },
    retryAttempts: 0,
  });
  return { client, follow: (id) => client.iterate({ query: progress, variables: { id } }) as AsyncIterator<Value> };
}

describe.each(['WebSocket', 'event stream'])('watching a run over %s', (transport) => {
  const opened: Client[] = [];
  afterEach(async () => {
    for (const client of opened.splice(0)) await client.dispose();
  });

  function follow(id: string, credential = ana.token): AsyncIterator<Value> {
    if (transport === 'event stream') return subscribeOverHttp(world.api.url, progress, { id }, credential) as AsyncIterator<Value>;
    const { client, follow: over } = overWebSocket(credential);
    opened.push(client);
    return over(id);
  }

  async function next(values: AsyncIterator<Value>) {
    const { value, done } = await values.next();
    if (done) throw new Error('the subscription ended early');
    if (value.errors) throw new Error(JSON.stringify(value.errors));
    return value.data!['runProgress'];
  }

  it('shows it at once, then each epoch once, and completes at its end', async () => {
    const id = await submitted();
    const values = follow(id);
    expect(await next(values)).toEqual({
      run: { status: 'QUEUED', backend: null, progress: null, datasetVersion: { dataset: { name: 'iris' } } },
      metrics: [],
    });
    const lease = await claimed();
    expect((await next(values)).run.status).toBe('RUNNING');

    await queue.report(lease, { epochs: epochs(1, 3), backend: 'cpu', progress: { trial: 0, trials: 1, family: 'dense', epoch: 3, epochs: 5 } });
    const early = await next(values);
    expect(early.run).toMatchObject({ backend: 'cpu', progress: { trial: 0, epoch: 3, epochs: 5 } });
    expect(early.metrics).toEqual(epochs(1, 3));
    await queue.report(lease, { epochs: epochs(4, 5) });
    expect((await next(values)).metrics).toEqual(epochs(4, 5));

    await failRun(lease);
    expect((await next(values)).run.status).toBe('FAILED');
    expect((await values.next()).done).toBe(true);

    const { data } = await world.graphql('query ($id: ID!) { run(id: $id) { failure { code message remedy } metrics { epoch } } }', { id }, ana.token);
    expect(data!['run'].failure).toEqual({ code: 'TRAINING_DIVERGED', message: 'The loss is not a number.', remedy: 'Lower the learning rate.' });
    expect(data!['run'].metrics).toHaveLength(5);

    const late = follow(id);
    expect((await next(late)).metrics).toEqual(epochs(1, 5));
    expect((await late.next()).done).toBe(true);
  });

  it('shows the epochs of a second attempt, which begins again', async () => {
    const id = await submitted();
    const lease = await claimed();
    await queue.report(lease, { epochs: epochs(1, 3) });
    const values = follow(id);
    expect((await next(values)).metrics).toHaveLength(3);
    await queue.report(lease, { epochs: epochs(1, 2) });
    expect((await next(values)).metrics).toEqual(epochs(1, 2));
    await failRun(lease);
    await next(values);
  });

  it('ends when the credential is revoked', async () => {
    const id = await submitted();
    const guest = await world.member(ana.actor.tenantId, 'VIEWER');
    const values = follow(id, guest.token);
    await next(values);
    await world.graphql('mutation { signOut { __typename } }', {}, guest.token);
    const { value } = await values.next();
    expect((value as Value).errors?.[0]!.extensions).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect((await values.next()).done).toBe(true);
    await world.graphql(cancel, { id }, ana.token);
  });

  it('is over for the server as soon as the client goes, news or no news', async () => {
    const id = await submitted();
    const values = follow(id);
    await next(values);
    const open = async (): Promise<number> =>
      Number(/^millrace_api_subscriptions (\d+)$/m.exec(await (await fetch(world.api.metricsUrl!)).text())![1]);
    expect(await open()).toBe(1);
    await values.return!();
    while ((await open()) > 0); // the time-out of the test is the limit
    await world.graphql(cancel, { id }, ana.token);
  });

  it('says that there is no such run', async () => {
    const values = follow('run_00000000000000000000000000');
    expect(((await values.next()).value as Value).errors?.[0]!.extensions).toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('the subscription transports', () => {
  it('close a WebSocket without a good credential', async () => {
    const { client, follow } = overWebSocket('nonsense');
    await expect(follow('run_00000000000000000000000000').next()).rejects.toMatchObject({ code: 4403 });
    await client.dispose();
  });

  it('serve subscriptions only, under the same limits', async () => {
    const { client } = overWebSocket(ana.token);
    const ask = async (query: string): Promise<string> => {
      try {
        const { value } = await client.iterate({ query }).next();
        return JSON.stringify(value);
      } catch (error) {
        return JSON.stringify(error);
      }
    };
    expect(await ask('{ viewer { role } }')).toContain('Only subscriptions are served here');
    expect(await ask('mutation { signOut { __typename } }')).toContain('Only subscriptions are served here');
    expect(await ask(`subscription { runProgress(id: "x") { ${Array.from({ length: 31 }, (_, i) => `a${i}: __typename`).join(' ')} } }`))
      .not.toContain('limit'); // names of types are no aliases of data
    expect(await ask(`subscription { runProgress(id: "x") { ${Array.from({ length: 31 }, (_, i) => `a${i}: run { id }`).join(' ')} } }`)).toContain('limit is 30');
    expect(await ask(`subscription { runProgress(id: "x") { run { id ${'id '.repeat(2100)} } } }`)).toContain('2000');
    expect(await ask('subscription { runProgres(id: "x") { run { id } } }')).not.toContain('Did you mean');
    await client.dispose();

    const refused = await fetch(`${world.api.url}/graphql/stream`, {
      method: 'POST', headers: { 'content-type': 'application/json', accept: 'text/event-stream' }, body: '{}',
    });
    expect(refused.status).toBe(401);
  });
});
