import { notify } from '@millrace/database';
import { silentLogger } from '@millrace/kernel';
import type { FittedPipeline } from '@millrace/packaging';
import { createRollouts, createTrafficRecorder, rolloutDefaults, type Rollouts } from '@millrace/registry';
import { call, createInferenceWorld, eventually, type InferenceWorld, type TenantOfWorld } from './inference-world.ts';
import { constant } from './sample-pipelines.ts';

let world: InferenceWorld;
let rollouts: Rollouts;
let url: string;
beforeAll(async () => {
  world = await createInferenceWorld();
  rollouts = createRollouts({ database: world.database, logger: silentLogger });
  url = (await world.start()).url;
});
afterAll(() => world.close());

/** A tenant whose endpoint serves version 1, which answers 1; version 2 is there as well. */
async function twoVersions(second: FittedPipeline = constant(2)) {
  const tenant = await world.createTenant();
  const { endpoint } = await tenant.publish('press', constant(1));
  await tenant.addVersion('press', second);
  const key = (await tenant.createKey()).text;
  const ask = (headers: Record<string, string> = {}, features: unknown[] = [1]) => call(`${url}/predict`, { key, headers, body: { features } });
  const askOften = async (times: number) => {
    const answers = [];
    for (let i = 0; i < times; i++) answers.push(await ask());
    return answers;
  };
  const tally = (answers: Awaited<ReturnType<typeof askOften>>) => {
    const counts: Record<string, number> = {};
    for (const { status, headers, json } of answers) {
      const line = `${status} ${headers.get('x-millrace-variant')} ${headers.get('x-millrace-model-version')} ${json.prediction}`;
      counts[line] = (counts[line] ?? 0) + 1;
    }
    return counts;
  };
  const status = async (path: string) => (await call(`${url}${path}`, { key })).json;
  return { tenant, endpointId: endpoint.id, ask, askOften, tally, status };
}

const trafficOf = (tenant: TenantOfWorld, endpointId: string) =>
  world.database.forTenant(tenant.tenantId).transaction((tx) => rollouts.traffic(tx, tenant.tenantId, endpointId, 3600));
const aliasesOf = (tenant: TenantOfWorld) =>
  world.database.forTenant(tenant.tenantId).transaction(async (tx) =>
    Object.fromEntries((await tx.modelAlias.findMany({ include: { version: true } })).map(({ name, version }) => [name, version.number])));
const rolloutOf = (tenant: TenantOfWorld) =>
  world.database.forTenant(tenant.tenantId).transaction((tx) => tx.rollout.findFirstOrThrow({ orderBy: { id: 'desc' } }));
/** As if the step had begun earlier. */
const bake = (tenant: TenantOfWorld) =>
  world.database.forTenant(tenant.tenantId).transaction((tx) => tx.$executeRaw`UPDATE rollouts SET step_started_at = step_started_at - interval '20 minutes'`);
/** Judged by what the versions answer: how fast each is, a busy machine decides. */
const rollbackOn = [{ metric: 'errorRate', op: '>', threshold: 0.02 }, { metric: 'refusedRate', op: '>', threshold: 0.1 }] as const;
const start = (tenant: TenantOfWorld, changes: object = {}) =>
  rollouts.start(tenant.owner, { endpointName: 'press', versionNumber: 2, steps: [50, 100], bakeSeconds: 600, minRequests: 5, rollbackOn, ...changes });

/** Until this many requests of the version are counted. */
const counted = (tenant: TenantOfWorld, endpointId: string, variant: string, requests: number) =>
  eventually(async () => (await trafficOf(tenant, endpointId)).find((line) => line.variant === variant)?.requests ?? 0, (count) => count >= requests, 10_000);

describe('divided traffic', () => {
  it('gives each version its share, and says in each answer who gave it; a header asks for one version', async () => {
    const { tenant, ask, askOften, tally, status } = await twoVersions();
    await ask();
    await rollouts.setTraffic(tenant.owner, { endpointName: 'press', traffic: [{ versionNumber: 1, percent: 80 }, { versionNumber: 2, percent: 20 }], mirror: [] });
    await eventually(async () => (await ask()).headers.get('x-millrace-variant'), (variant) => variant === 'canary', 5_000);
    const counts = tally(await askOften(50));
    expect(Object.keys(counts).sort()).toEqual(['200 canary 2 2', '200 stable 1 1']);
    expect(Math.abs(counts['200 canary 2 2']! - 10)).toBeLessThanOrEqual(2);
    expect((await ask({ 'x-millrace-model-version': '2' })).json.prediction).toEqual([2]);
    expect((await ask({ 'x-millrace-model-version': '1' })).headers.get('x-millrace-variant')).toBe('stable');
    const missing = await ask({ 'x-millrace-model-version': '99' });
    expect([missing.status, missing.json.error.field, missing.json.error.remedy_hint]).toEqual([404, 'version', expect.stringContaining('GET /v2/models/<name> lists those that there are')]);
    // Whoever asks which versions answer is told of both.
    expect((await status('/v1/models/press')).model_version_status.map(({ version, state }: Record<string, string>) => `${version} ${state}`)).toEqual(['1 AVAILABLE', '2 AVAILABLE']);
    expect((await status('/v1/models/press/versions/1')).model_version_status).toHaveLength(1);
    await eventually(() => tenant.ledger(), (records) => new Set(records.map(({ modelVersionId }) => modelVersionId)).size === 2);
  });

  it('is refused when the shares do not add up, name what is not there, or what is under way forbids it', async () => {
    const { tenant } = await twoVersions();
    const set = (traffic: [number, number][], mirror: [number, number][] = []) => {
      const shares = (list: [number, number][]) => list.map(([versionNumber, percent]) => ({ versionNumber, percent }));
      return rollouts.setTraffic(tenant.owner, { endpointName: 'press', traffic: shares(traffic), mirror: shares(mirror) });
    };
    expect(await set([[1, 80], [2, 30]])).toMatchObject({ type: 'invalid', problems: [{ field: 'traffic' }] });
    expect(await set([[1, 80.5], [2, 19.5]])).toMatchObject({ type: 'invalid' });
    expect(await set([[1, 50], [1, 50]])).toMatchObject({ type: 'invalid', problems: [{ field: 'traffic[1].versionNumber' }] });
    expect(await set([[1, 50], [7, 50]])).toMatchObject({ type: 'not-found', field: 'traffic[1].versionNumber' });
    expect(await set([[1, 100]], [[1, 10]])).toMatchObject({ type: 'invalid', problems: [{ field: 'mirror[0].versionNumber' }] });
    await start(tenant);
    expect(await set([[1, 50], [2, 50]])).toMatchObject({ type: 'conflict', code: 'rollout_running' });
  });

  it('shows a shadow what is asked without its answers leaving, and counts where it would have said something else', async () => {
    const { tenant, endpointId, ask, askOften, tally } = await twoVersions();
    await ask();
    await rollouts.setTraffic(tenant.owner, { endpointName: 'press', traffic: [{ versionNumber: 1, percent: 100 }], mirror: [{ versionNumber: 2, percent: 100 }] });
    await eventually(async () => {
      await ask();
      return (await trafficOf(tenant, endpointId)).some(({ variant }) => variant === 'SHADOW');
    }, Boolean, 10_000);
    const answers = await askOften(20);
    expect(Object.keys(tally(answers))).toEqual(['200 stable 1 1']);
    await counted(tenant, endpointId, 'SHADOW', 20);
    expect((await trafficOf(tenant, endpointId)).find(({ variant }) => variant === 'SHADOW')).toMatchObject({ differingRate: 1, errorRate: 0 });
    expect(new Set((await tenant.ledger()).map(({ modelVersionId }) => modelVersionId)).size).toBe(1);
  });
});

describe('a rollout', () => {
  it('goes on step by step once it has been asked often enough and long enough, and ends with the alias on the new version', async () => {
    const { tenant, endpointId, ask, askOften } = await twoVersions();
    await ask();
    expect((await start(tenant)).type).toBe('started');
    expect(await start(tenant)).toMatchObject({ type: 'conflict', code: 'rollout_running' });
    await bake(tenant);
    await rollouts.advance();
    expect(await rolloutOf(tenant)).toMatchObject({ status: 'RUNNING', step: 0 }); // not asked yet
    await eventually(async () => (await ask()).headers.get('x-millrace-variant'), (variant) => variant === 'canary', 5_000);
    const answers = await askOften(20);
    await counted(tenant, endpointId, 'CANARY', 10);
    await rollouts.advance();
    expect(await rolloutOf(tenant)).toMatchObject({ status: 'SUCCEEDED', step: 1, endedAt: expect.any(Date) });
    expect(await aliasesOf(tenant)).toEqual({ champion: 2, previous: 1 });
    await eventually(async () => (await ask()).headers.get('x-millrace-variant') === 'stable' && (await ask()).json.prediction[0], (prediction) => prediction === 2, 5_000);
    expect(new Set([...answers, ...(await askOften(10))].map(({ status }) => status))).toEqual(new Set([200]));
  });

  it('does not go on before its time', async () => {
    const { tenant, endpointId, ask, askOften } = await twoVersions();
    await ask();
    await start(tenant);
    await eventually(async () => (await ask()).headers.get('x-millrace-variant'), (variant) => variant === 'canary', 5_000);
    await askOften(20);
    await counted(tenant, endpointId, 'CANARY', 10);
    await rollouts.advance();
    expect(await rolloutOf(tenant)).toMatchObject({ status: 'RUNNING', step: 0 });
    await bake(tenant);
    await rollouts.advance();
    expect(await rolloutOf(tenant)).toMatchObject({ status: 'SUCCEEDED', step: 1 }); // time was all that it lacked
  });

  it('is rolled back by itself when the new version refuses what the old one took', async () => {
      const plain = constant(2);
    const pickier: FittedPipeline = { ...plain, features: [{ ...plain.features[0]!, name: 'also needed' }, ...plain.features], estimator: { family: 'linear', width: 2, kernel: new Float64Array(2), bias: Float64Array.of(2) } };
    const { tenant, endpointId, ask, askOften, tally } = await twoVersions(pickier);
    await ask();
    await start(tenant);
    await eventually(async () => (await ask()).status, (status) => status === 400, 5_000);
    await askOften(20);
    await counted(tenant, endpointId, 'CANARY', 10);
    await rollouts.advance();
    expect(await rolloutOf(tenant)).toMatchObject({ status: 'ROLLED_BACK', reason: expect.stringMatching(/refusedRate was at least 0\.\d+ more than that of the version before/) });
    expect(await aliasesOf(tenant)).toEqual({ champion: 1 });
    await eventually(async () => tally(await askOften(6)), (counts) => counts['200 stable 1 1'] === 6, 10_000);
  });

  it('is neither rolled back nor moved on by rows that fit no version, unless somebody asks for that', async () => {
    const { tenant, endpointId, ask, askOften } = await twoVersions();
    await ask();
    await start(tenant, { rollbackOn: rolloutDefaults.rollbackOn.filter(({ metric }) => metric !== 'latencyP95Ratio') });
    await eventually(async () => (await ask()).headers.get('x-millrace-variant'), (variant) => variant === 'canary', 5_000);
    for (let i = 0; i < 20; i++) expect((await ask({}, ['rubbish'])).status).toBe(400);
    const refused = await eventually(async () => (await trafficOf(tenant, endpointId)).find(({ variant }) => variant === 'CANARY')?.refused ?? 0, (count) => count >= 9, 10_000);
    await bake(tenant);
    await rollouts.advance();
    expect([await rolloutOf(tenant), refused >= 5]).toMatchObject([{ status: 'RUNNING', step: 0 }, true]); // what was refused would have been enough
    await askOften(10);
    await counted(tenant, endpointId, 'CANARY', refused + 5);
    await rollouts.advance();
    expect(await rolloutOf(tenant)).toMatchObject({ status: 'SUCCEEDED' });
  });

  it.each([
    ['goes back when they are more', 5, 2, { status: 'ROLLED_BACK', brokenRule: { metric: 'errorRate', value: expect.closeTo(0.0206, 4) as number, over: 25 }, reason: 'errorRate was at least 0.0206, > 0.02, over 25 requests.' }],
    ['goes on when they are not', 30, 0, { status: 'SUCCEEDED' }],
  ])('waits while its errors may be chance, however long, and %s', async (_so, requests, errors, end) => {
    const { tenant, endpointId } = await twoVersions();
    await start(tenant, { minRequests: 20, rollbackOn: [rollbackOn[0]] });
    await bake(tenant);
    const { versionId } = await rolloutOf(tenant);
    const traffic = createTrafficRecorder({ database: world.database, logger: silentLogger });
    const served = async (times: number, failing: number) => {
      const of = { tenantId: tenant.tenantId, endpointId, versionId, variant: 'CANARY', milliseconds: 1 } as const;
      for (let i = 0; i < times; i++) traffic.record({ ...of, outcome: i < failing ? 'error' : 'answered' });
      await traffic.flush();
      await rollouts.advance();
      return rolloutOf(tenant);
    };
    expect(await served(20, 1)).toMatchObject({ status: 'RUNNING', step: 0 });
    expect(await served(requests, errors)).toMatchObject(end);
  });

  it('to a version that takes other inputs is refused, unless that is allowed or a rule looks at what it refuses', async () => {
    const plain = constant(2);
    const { tenant } = await twoVersions({ ...plain, features: [{ ...plain.features[0]!, name: 'other' }] });
    const refused = { type: 'invalid', problems: [{ field: 'allowOtherInputs', message: expect.stringContaining('Version 2 takes "other" as well and knows no "x"') }] };
    for (const changes of [{ rollbackOn: undefined }, { rollbackOn: [rollbackOn[0]] }, { allowOtherInputs: false, rollbackOn: [] }]) expect(await start(tenant, changes)).toMatchObject(refused);
    expect((await start(tenant, { rollbackOn: undefined, allowOtherInputs: true })).type).toBe('started');
  });

  it('gives a version that cannot be loaded no request, and is rolled back', async () => {
    const { tenant, ask, askOften, tally } = await twoVersions();
    await ask();
    const broken = await world.database.forTenant(tenant.tenantId).transaction((tx) => tx.modelVersion.findFirstOrThrow({ where: { number: 2 } }));
    await world.storage.put(`${broken.packagePrefix}/model.onnx`, Buffer.from('no model any more'));
    await start(tenant);
    await eventually(async () => {
      await ask();
      await world.database.forTenant(tenant.tenantId).transaction((tx) => notify(tx, 'millrace_registry', tenant.tenantId)); // else it is tried again in 20 s
      await rollouts.advance();
      return (await rolloutOf(tenant)).status;
    }, (status) => status === 'ROLLED_BACK', 15_000);
    expect(tally(await askOften(10))).toEqual({ '200 stable 1 1': 10 });
  });

  it('can be promoted and rolled back by hand; without one, the version before comes back', async () => {
    const { tenant } = await twoVersions();
    await start(tenant);
    expect((await rollouts.rollBack(tenant.owner, 'press')).type).toBe('ended');
    expect(await rolloutOf(tenant)).toMatchObject({ status: 'ROLLED_BACK' });
    await start(tenant);
    expect((await rollouts.promote(tenant.owner, 'press')).type).toBe('ended');
    expect(await aliasesOf(tenant)).toEqual({ champion: 2, previous: 1 });
    await rollouts.rollBack(tenant.owner, 'press');
    expect(await aliasesOf(tenant)).toEqual({ champion: 1, previous: 2 });
    expect(await rollouts.promote(tenant.owner, 'press')).toMatchObject({ type: 'conflict', code: 'no_rollout' });
  });

  it('ends when somebody moves the alias meanwhile', async () => {
    const { tenant } = await twoVersions();
    const third = await tenant.addVersion('press', constant(3));
    await start(tenant);
    await world.registry.publish(tenant.owner, { versionId: third.id, endpointName: 'press' });
    await rollouts.advance();
    expect(await rolloutOf(tenant)).toMatchObject({ status: 'CANCELLED' });
    expect(await aliasesOf(tenant)).toEqual({ champion: 3, previous: 1 });
  });

  it.each([[{ steps: [50, 25, 100] }, 'steps'], [{ steps: [5, 50] }, 'steps'], [{ bakeSeconds: 1 }, 'bakeSeconds'], [{ minRequests: -1 }, 'minRequests'], [{ rollbackOn: [{ metric: 'errorRate', op: '>', threshold: NaN }] }, 'rollbackOn[0].threshold']])(
    '%j is refused by the field', async (changes, field) => {
      const tenant = await world.createTenant();
      expect(await start(tenant, changes)).toMatchObject({ type: 'invalid', problems: [{ field }] });
    });

  it('of another tenant’s endpoint is like one of nobody’s', async () => {
    await twoVersions();
    const stranger = await world.createTenant();
    const nobodys = await rollouts.start(stranger.owner, { endpointName: 'nothing', versionNumber: 2 });
    expect(await start(stranger)).toEqual(nobodys);
  });
});
