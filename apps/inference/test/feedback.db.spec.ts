import { createTenantBox, createTenantKeyring, masterKeysOf } from '@millrace/auth';
import { newId, silentLogger } from '@millrace/kernel';
import { buildSurvivalPackage, type FittedPipeline } from '@millrace/packaging';
import { createEndpointWebhooks, createPredictionRecorder, createRollouts, createWebhookDeliveries, createWebhookSecrets, type LiveMetric, readFeedbackSenders, type Rollouts, sweepRecordings } from '@millrace/registry';
import { testSecrets } from '@millrace/testkit';
import { call, createInferenceWorld, eventually, type Fitted, type InferenceWorld, type TenantOfWorld } from './inference-world.ts';
import { constant, irisNeighbours, partsRecommender, setosa, virginica, yesFrom } from './sample-pipelines.ts';

let world: InferenceWorld;
let rollouts: Rollouts;
let url: string;
beforeAll(async () => {
  world = await createInferenceWorld();
  rollouts = createRollouts({ database: world.database, logger: silentLogger });
  url = (await world.start()).url;
});
afterAll(() => world.close());

/** A tenant whose endpoint `press` records predictions and serves version 1. */
async function recording(first: Fitted, second?: Fitted) {
  const tenant = await world.createTenant();
  const { endpoint } = await tenant.publish('press', first);
  if (second) await tenant.addVersion('press', second);
  const { id: keyId, text: key } = await tenant.createKey();
  const { id: laboratoryId, text: laboratory } = await tenant.createKey({ scopes: ['FEEDBACK'] });
  expect(await world.registry.updateServing(tenant.owner, { endpointName: 'press', recordDays: 30 })).toMatchObject({ type: 'updated' });
  const ask = async (features: unknown, headers: Record<string, string> = {}) => {
    const answer = await call(`${url}/predict`, { key, headers, body: { features } });
    expect(answer.status).toBe(200);
    return { id: answer.headers.get('x-millrace-prediction-id')!, version: answer.headers.get('x-millrace-model-version'), variant: answer.headers.get('x-millrace-variant'), json: answer.json };
  };
  const tell = (predictionId: string, label: unknown, more: object = {}, as = key) => call(`${url}/v1/feedback`, { key: as, body: { prediction_id: predictionId, label, ...more } });
  /** by a key whose truths rules count, and which may do nothing else */
  const certify = (predictionId: string, label: unknown) => tell(predictionId, label, {}, laboratory);
  return { tenant, endpointId: endpoint.id, key, keyId, laboratoryId, laboratory, ask, tell, certify };
}

/** Asks until the server has noticed that predictions are recorded. */
const recorded = ({ ask, tell }: Awaited<ReturnType<typeof recording>>, features: unknown, label: unknown) =>
  eventually(async () => tell((await ask(features)).id, label), ({ status }) => status === 200, 10_000);

const box = () => createTenantBox(createTenantKeyring({ database: world.database, masterKeys: masterKeysOf(testSecrets.masterKey), logger: silentLogger }));
const inTenant = <T>(tenant: TenantOfWorld, sql: string): Promise<T[]> => world.database.forTenant(tenant.tenantId).transaction((tx) => tx.$queryRawUnsafe<T[]>(sql));
const scoresOf = async (tenant: TenantOfWorld, endpointId: string) => {
  const scores = await world.database.forTenant(tenant.tenantId).transaction((tx) => rollouts.liveScores(tx, tenant.tenantId, endpointId, 3600));
  return scores.map(({ labelledRows, trustedRows, undecidedRows, metrics, curve }) => ({ labelledRows, trustedRows, undecidedRows, curve, ...(Object.fromEntries(metrics.map((each) => [each.metric, each])) as Partial<Record<LiveMetric, (typeof metrics)[number]>>) }));
};

describe('feedback on classes', () => {
  it('scores each version by the rows whose truth is known; told again, it replaces what was told', async () => {
    const duller = irisNeighbours();
    const world1 = await recording(irisNeighbours(), { ...duller, estimator: { ...duller.estimator, targets: Int32Array.of(0, 1, 1) } as FittedPipeline['estimator'] });
    const { tenant, endpointId, keyId, ask, tell } = world1;
    await inTenant(tenant, `UPDATE model_versions SET metrics = '{"accuracy": 0.97}' WHERE number = 1 RETURNING id`);
    expect((await recorded(world1, setosa, 'setosa')).json).toMatchObject({ model: 'press', version: '1', labelled_rows: 1, replaced: false });
    const several = await ask([setosa, virginica, virginica]);
    expect((await tell(several.id, ['setosa', 'versicolor', null], { source: 'laboratory' })).json).toEqual({ prediction_id: several.id, model: 'press', version: '1', labelled_rows: 2, replaced: false, trusted: false });
    const second = await ask(virginica, { 'x-millrace-model-version': '2' });
    expect(second.json).toEqual({ prediction: ['versicolor'] });
    expect((await tell(second.id, ['virginica'])).status).toBe(200);

    const [first, dull] = await scoresOf(tenant, endpointId);
    // Of version 1: setosa twice and rightly, versicolor taken for virginica once.
    expect(first!.labelledRows).toBe(3);
    expect(first!.accuracy).toMatchObject({ value: 2 / 3, lower: expect.closeTo(0.20766, 5), upper: expect.closeTo(0.93851, 5), atTraining: 0.97 });
    expect(first!.balancedAccuracy!.value).toBeCloseTo(0.5, 12);
    expect([first!.precision!.value, first!.recall!.value, first!.f1!.value]).toEqual([expect.closeTo(1 / 3, 12), expect.closeTo(1 / 3, 12), expect.closeTo(1 / 3, 12)]);
    expect(first!.curve).toEqual([expect.objectContaining({ value: 2 / 3, labelledRows: 3 })]);
    expect(dull).toMatchObject({ labelledRows: 1, accuracy: { value: 0, lower: expect.closeTo(0, 12), atTraining: null } });

    expect((await tell(several.id, ['setosa', 'virginica', null])).json).toMatchObject({ labelled_rows: 2, replaced: true });
    expect((await tell(several.id, ['setosa', 'virginica', null])).json).toMatchObject({ replaced: true });
    expect((await scoresOf(tenant, endpointId))[0]).toMatchObject({ labelledRows: 3, accuracy: { value: 1 }, f1: { value: 1 } });
    const kept = await inTenant<{ source: string | null; givenBy: string; truth: string; outputs: string }>(tenant,
      `SELECT f.source, f.given_by AS "givenBy", encode(f.truth_box, 'escape') AS truth, encode(r.outputs_box, 'escape') AS outputs FROM feedback f
       JOIN recorded_predictions p USING (tenant_id, prediction_id) JOIN recordings r ON r.id = p.recording_id WHERE prediction_id = '${several.id}'`);
    expect(kept).toEqual([{ source: null, givenBy: `key:${keyId}`, truth: expect.not.stringContaining('0,2'), outputs: expect.not.stringContaining('[0') }]);
  });

  it('takes the id of a prediction that was made later, and what another server answered before it ended', async () => {
    const there = await recording(irisNeighbours());
    await recorded(there, setosa, 'setosa');
    const later = await call(`${url}/v1/predictions`, { key: there.key, headers: { prefer: 'wait=10' }, body: { input: { features: setosa } } });
    expect([later.status, (await there.tell(later.json.id, 'versicolor')).status]).toEqual([201, 200]);
    const other = await world.start();
    const answer = await call(`${other.url}/predict`, { key: there.key, body: { features: setosa } });
    await other.close();
    expect((await there.tell(answer.headers.get('x-millrace-prediction-id')!, 'setosa')).status).toBe(200);
    expect((await scoresOf(there.tenant, there.endpointId))[0]).toMatchObject({ labelledRows: 3, accuracy: { value: 2 / 3 } });
  });
});

describe('feedback on probabilities', () => {
  it('scores them: the area under the curve from bins, to within what lies in one bin, and the log loss from each row', async () => {
    const there = await recording(yesFrom());
    const { tenant, endpointId, ask, certify } = there;
    await recorded(there, [5], 'yes');
    const [xs, truths] = [[1, 2, 3, 4, 6, 7, 8, 9, 9.5], ['no', 'no', 'yes', 'no', 'no', 'yes', 'yes', 'no', 'yes']];
    const { id } = await ask(xs.map((x) => [x]));
    await certify(id, truths.map((truth) => (truth === 'yes' ? 'no' : 'yes'))); // by mistake, and replaced
    expect((await certify(id, truths)).json).toMatchObject({ replaced: true, labelled_rows: 9 });
    const [score] = await scoresOf(tenant, endpointId);
    const rows = [...xs, 5].map((x, row) => ({ p: 1 / (1 + Math.exp(-(x - 5) / 2.5)), yes: (truths[row] ?? 'yes') === 'yes' }));
    const [yes, no] = [rows.filter((row) => row.yes), rows.filter((row) => !row.yes)];
    const area = yes.flatMap((a) => no.map((b) => (a.p > b.p ? 1 : a.p === b.p ? 0.5 : 0) as number)).reduce((sum, each) => sum + each, 0) / yes.length / no.length;
    expect(score!.rocAuc!.value).toBeCloseTo(area, 12); // no two rows lie in one bin here
    const loss = rows.reduce((sum, row) => sum - Math.log(row.yes ? row.p : 1 - row.p), 0) / rows.length;
    expect(score!.logLoss!.value).toBeCloseTo(loss, 5);
    expect(score!.logLoss!.lower! < loss && loss < score!.logLoss!.upper!).toBe(true);
    expect(score!.labelledRows).toBe(10);
  });

  it('of several classes scores each against the rest; what was told before there was that is not taken away when it is replaced', async () => {
    const there = await recording(irisNeighbours(), irisNeighbours());
    const { tenant, endpointId, ask, certify } = there;
    await recorded(there, setosa, 'setosa');
    const { id } = await ask([setosa, virginica, virginica]);
    await certify(id, ['versicolor', 'virginica', 'setosa']);
    const [score] = await scoresOf(tenant, endpointId);
    // setosa was true with 1 and 0, others with 1 and 0; versicolor with 0, as the others; virginica with 1, the others with 0, 0 and 1.
    expect(score!.rocAuc!.value).toBeCloseTo((1 / 2 + 1 / 2 + 5 / 6) / 3, 12);
    expect(score!.logLoss!.value).not.toBeNull();
    await inTenant(tenant, `UPDATE feedback SET with_curves = false WHERE prediction_id = '${id}' RETURNING 1`);
    await inTenant(tenant, 'DELETE FROM probability_counts RETURNING 1');
    expect((await certify(id, ['setosa', 'virginica', 'virginica'])).json).toMatchObject({ replaced: true });
    expect((await scoresOf(tenant, endpointId))[0]).toMatchObject({ labelledRows: 4, rocAuc: { value: 1 } });
  });

  it('a rule on them waits until they are defined', async () => {
    const three = await recording(irisNeighbours(), irisNeighbours());
    const start = (metric: string) => rollouts.start(three.tenant.owner, { endpointName: 'press', versionNumber: 2, rollbackOn: [{ metric: metric as 'rocAuc', threshold: 0.7 }] });
    expect(await start('ndcg')).toMatchObject({ type: 'invalid', problems: [{ field: 'rollbackOn[0].metric', remedy: expect.stringContaining('rocAuc, logLoss') }] });
    expect((await start('rocAuc')).type).toBe('started');
  });
});

it('feedback on anomalies scores what was reported, and the scores', async () => {
  const there = await recording({
    features: [{ name: 'torque', type: 'number', min: 0, max: 10, mean: 5, scale: 2, fill: 5, missingAllowed: false }],
    scorer: { family: 'robust_z_score', combine: 'largest', columns: [{ type: 'number', centre: 5, scale: 2 }] }, threshold: 1, falseAlarmRate: 0.01,
  });
  const { tenant, endpointId, ask, tell, certify } = there;
  await recorded(there, [5], false); // scores 0
  const { id, json } = await ask([[5.5], [8], [9], [6.8]]); // score ¼, 1½, 2 and 0.9
  expect(json.prediction).toEqual([false, true, true, false]);
  expect((await tell(id, [0, 1, 1, 0])).json.error).toMatchObject({ code: 'invalid_label' });
  await certify(id, [true, true, true, true]);
  await certify(id, [false, false, true, true]);
  const [score] = await scoresOf(tenant, endpointId);
  expect(score).toMatchObject({ labelledRows: 5, accuracy: { value: 3 / 5 }, precision: { value: 1 / 2 }, recall: { value: 1 / 2 }, rocAuc: { value: expect.closeTo(5 / 6, 12) } });
  expect(score!.logLoss).toBeUndefined();
});

it('feedback on remaining life scores the chance at the horizon that was asked for, and ends that were seen; what is undecided is counted', async () => {
  const load = { name: 'load', type: 'number' as const, min: 0, max: 10, mean: 5, scale: 2, fill: 4, missingAllowed: true };
  const features = [load, { ...load, name: 'horizon', max: 500, fill: 40 }];
  const answer = { type: 'curve' as const, curve: { times: Float64Array.of(10, 50, 200), survival: Float64Array.of(0.9, 0.4, 0.1), end: 300 } };
  const there = await recording(buildSurvivalPackage({ family: 'kaplan_meier', target: 'hours', features, horizon: 40, intervalCoverage: 0.8, spread: 50, answer }, { metrics: { maeObserved: 12 }, lineage: {} }));
  const { tenant, endpointId, ask, tell, certify } = there;
  await recorded(there, [1, null], 30); // ended before 40, of which 0.9 was said; the median is 50
  const { id } = await ask([[1, 100], [1, 100], [1, null], [1, null]]); // chances 0.4, 0.4, 0.9, 0.9
  expect((await tell(id, [0, { time: 5 }, { time: 5, event: 1 }, 1e13])).json.error.problems).toMatchObject([0, 1, 2, 3].map((row) => ({ code: 'not_a_time', field: `label[${row}]`, remedy_hint: expect.stringContaining('"event": false') })));
  await certify(id, [5, 5, 5, 5]);
  await certify(id, [{ time: 120, event: true }, { time: 99, event: false }, { time: 40, event: false }, null]);
  const [score] = await scoresOf(tenant, endpointId);
  expect(score).toMatchObject({ labelledRows: 4, undecidedRows: 1, trustedRows: 3, maeObserved: { value: (20 + 70) / 2 } });
  expect(score!.brier!.value).toBeCloseTo((0.9 ** 2 + 0.6 ** 2 + 0.1 ** 2) / 3, 12);
});

describe('feedback on recommendations', () => {
  it('scores the lists by what was taken, as at training', async () => {
    const there = await recording(partsRecommender());
    const { tenant, endpointId, ask, tell, certify } = there;
    await recorded(there, { machine: 'press' }, 'nothing of it');
    const answer = await ask([{ machine: 'press' }, { machine: 'mill' }]);
    const [press, mill] = answer.json.prediction as [string[], string[]];
    expect((await tell(answer.id, ['valve'])).json.error).toMatchObject({ code: 'invalid_label', remedy_hint: expect.stringContaining('a list of 2') });
    expect((await tell(answer.id, [[], 7])).json.error.problems).toMatchObject([{ code: 'null_value', field: 'label[0]' }, { code: 'not_text', field: 'label[1]' }]);
    expect((await certify(answer.id, [press[1], [mill[0], mill[1], 'something else']])).json).toMatchObject({ labelled_rows: 2, trusted: true });
    const [score] = await scoresOf(tenant, endpointId);
    // One that took nothing of its list, one the second of two, one both of two and more.
    expect(score).toMatchObject({ labelledRows: 3, hitRate: { value: 2 / 3 } });
    expect(score!.ndcg!.value).toBeCloseTo((0 + 1 / Math.log2(3) + 1) / 3, 12);
    expect([score!.hitRate!.lower, score!.hitRate!.upper]).toEqual([expect.closeTo(0.20766, 5), expect.closeTo(0.93851, 5)]);
  });
});

describe('feedback on numbers', () => {
  it('scores errors exactly, whatever was told by mistake before', async () => {
    const there = await recording(constant(1));
    const { tenant, endpointId, ask, tell } = there;
    await recorded(there, [1], 2);
    const { id } = await ask([1]);
    for (const label of [-1e50, 4]) expect((await tell(id, label)).status).toBe(200);
    const [score] = await scoresOf(tenant, endpointId);
    // Errors 1 and 3; truths 2 and 4.
    expect(score).toMatchObject({ labelledRows: 2, mae: { value: 2 }, rmse: { value: Math.sqrt(5) }, r2: { value: -4, lower: null } });
    expect([score!.mae!.lower, score!.mae!.upper]).toEqual([expect.closeTo(2 - 1.959964, 5), expect.closeTo(2 + 1.959964, 5)]);
    expect([score!.rmse!.lower, score!.rmse!.upper]).toEqual([0, expect.closeTo(Math.sqrt(5 + 1.959964 * 4), 5)]);
  });

  let numbers: ReturnType<typeof recording> | undefined;
  it.each([
    ['text', '1', 'label', 'invalid_label'],
    ['a truth too many', [1, 2], 'label', 'invalid_label'],
    ['nothing but what is not known', null, 'label', 'invalid_label'],
    ['a number beyond all', 1e70, 'label', 'invalid_label'],
    ['an object', { truth: 1 }, 'label', 'invalid_label'],
  ])('%s is refused by field, with a remedy', async (_what, label, field, code) => {
    const { ask, tell } = await (numbers ??= recording(constant(1)).then(async (there) => (await recorded(there, [1], 1), there)));
    const answer = await tell((await ask([1])).id, label);
    expect([answer.status, answer.json.error]).toEqual([400, expect.objectContaining({ code, field, remedy_hint: expect.any(String) })]);
  });
});

it('says who told the truth and whether rules count it; a key that may only tell it calls nothing', async () => {
  const there = await recording(irisNeighbours());
  const { tenant, endpointId, keyId, laboratoryId, laboratory, ask, tell, certify } = there;
  await recorded(there, setosa, 'setosa');
  const { id } = await ask([setosa, virginica]);
  expect((await tell(id, ['setosa', 'setosa'])).json).toMatchObject({ trusted: false });
  expect((await certify(id, ['setosa', 'virginica'])).json).toMatchObject({ replaced: true, trusted: true });
  const both = { truths: await scoresOf(tenant, endpointId), trusted: await world.database.forTenant(tenant.tenantId).transaction((tx) => rollouts.liveScores(tx, tenant.tenantId, endpointId, 3600, true)) };
  expect(both.truths).toMatchObject([{ labelledRows: 3, trustedRows: 2, accuracy: { value: 1 } }]);
  expect(both.trusted).toMatchObject([{ labelledRows: 2, trustedRows: 2 }]);
  const senders = (changes: object = {}) => world.database.forTenant(tenant.tenantId).transaction((tx) => readFeedbackSenders(tx, { tenantId: tenant.tenantId, endpointId, since: new Date(0), ...changes }));
  expect(await senders()).toEqual([
    { sender: `key:${laboratoryId}`, isTrusted: true, predictions: 1, lastSource: null, lastAt: expect.any(Date) },
    { sender: `key:${keyId}`, isTrusted: false, predictions: 1, lastSource: null, lastAt: expect.any(Date) },
  ]);
  expect(await senders({ mostTruths: 1 })).toMatchObject([{ sender: `key:${laboratoryId}`, predictions: 1 }]); // the latest
  expect((await call(`${url}/predict`, { key: laboratory, body: { features: setosa } })).status).toBe(403);
});

it('a label of no class, of another kind, NaN, a field too many and a row that is wrong are refused by name', async () => {
  const there = await recording(irisNeighbours());
  await recorded(there, setosa, 'setosa');
  const { id } = await there.ask([setosa, virginica]);
  expect((await there.tell(id, ['setosa', 'rose'])).json.error).toMatchObject({ code: 'invalid_label', field: 'label[1]', row: 1, message: expect.stringContaining('"rose"'), remedy_hint: expect.stringContaining('"versicolor"') });
  expect((await there.tell(id, [0, true])).json.error.problems).toMatchObject([{ code: 'not_text', field: 'label[0]' }, { code: 'not_text', field: 'label[1]' }]);
  expect((await there.tell(id, 'setosa')).json.error).toMatchObject({ code: 'invalid_label', field: 'label', message: expect.stringContaining('2 rows') });
  expect((await there.tell(id, ['setosa', 'setosa'], { comment: 'x' })).json.error).toMatchObject({ code: 'invalid_request', field: 'comment' });
  expect((await there.tell(id, ['setosa', 'setosa'], { source: 'x'.repeat(101) })).json.error).toMatchObject({ code: 'invalid_request', field: 'source' });
  const send = (body: string) => call(`${url}/v1/feedback`, { key: there.key, body });
  expect((await send(`{"prediction_id": "${id}", "label": [NaN, "setosa"]}`)).status).toBe(400);
  expect((await send('{"label": "setosa"}')).json.error).toMatchObject({ code: 'invalid_request', field: 'prediction_id' });
  expect(await inTenant(there.tenant, `SELECT 1 FROM feedback WHERE prediction_id = '${id}'`)).toEqual([]);
});

it('another tenant’s prediction, one outside the key’s list, one that nobody made and one that was not recorded are answered alike', async () => {
  const there = await recording(constant(1));
  await recorded(there, [1], 1);
  const stranger = await world.createTenant();
  await stranger.publish('press', constant(1));
  const strange = (await stranger.createKey()).text;
  const narrow = (await there.tenant.createKey({ models: ['another'] })).text;
  const { id } = await there.ask([1]);
  const unrecorded = (await call(`${url}/predict`, { key: strange, body: { features: [1] } })).headers.get('x-millrace-prediction-id')!;
  const sent = async (predictionId: string, key: string) => {
    const answer = await call(`${url}/v1/feedback`, { key, body: { prediction_id: predictionId, label: 1 }, headers: { 'x-request-id': 'same' } });
    return JSON.stringify([answer.status, [...answer.headers].filter(([name]) => name !== 'date'), answer.text]).replaceAll(predictionId, '<id>');
  };
  const nobodys = `${id.slice(0, -4)}0000`;
  const { now } = Date;
  const moment = now(); // how old an id is shows in the answer: all are asked at once
  Date.now = () => moment;
  try {
    const missing = await sent(nobodys, strange);
    expect(missing).toContain('prediction_not_found');
    expect(await sent(id, strange)).toBe(missing);
    expect(await sent(unrecorded, strange)).toBe(missing);
    expect(await sent(id, narrow)).toBe(await sent(nobodys, narrow));
  } finally {
    Date.now = now;
  }
  expect((await there.tell(id, 1)).status).toBe(200); // there really is one
  expect((await there.tell('prd_\0', 1)).status).toBe(404);
});

describe('a rollout that is judged by a score', () => {
  const start = (tenant: TenantOfWorld, changes: object = {}) =>
    rollouts.start(tenant.owner, { endpointName: 'press', versionNumber: 2, steps: [50, 100], bakeSeconds: 60, minRequests: 1, minLabels: 3, rollbackOn: [{ metric: 'mae', threshold: 0.5 }], ...changes });
  const rolloutOf = (tenant: TenantOfWorld) => world.database.forTenant(tenant.tenantId).transaction((tx) => tx.rollout.findFirstOrThrow({ orderBy: { id: 'desc' } }));

  /** Ten answers under the rollout; the ids of those that the new version gave. */
  async function underWay(there: Awaited<ReturnType<typeof recording>>): Promise<string[]> {
    await eventually(async () => (await there.ask([1])).variant, (variant) => variant === 'canary', 10_000);
    const answers = [];
    for (let i = 0; i < 10; i++) answers.push(await there.ask([1]));
    await eventually(() => inTenant<{ count: number }>(there.tenant, `SELECT coalesce(sum(requests), 0)::int AS count FROM traffic_counts WHERE variant = 'CANARY'`), ([row]) => row!.count >= 4, 10_000);
    await inTenant(there.tenant, `UPDATE rollouts SET step_started_at = step_started_at - interval '10 minutes' RETURNING id`);
    await rollouts.advance();
    return answers.filter(({ variant }) => variant === 'canary').map(({ id }) => id);
  }

  it('waits for enough truths, is not judged by what was asked of the version by its number, and is rolled back once it is worse', async () => {
    const there = await recording(constant(1), constant(2));
    await recorded(there, [1], 1);
    expect((await start(there.tenant)).type).toBe('started');
    const ids = await underWay(there);
    for (let i = 0; i < 3; i++) await there.tell((await there.ask([1], { 'x-millrace-model-version': '2' })).id, 1);
    // Who may ask for answers may not say what they are worth: neither by telling lies about them, nor by replacing what counts.
    for (const id of ids.slice(0, 3)) expect((await there.tell(id, 1)).json).toMatchObject({ version: '2', trusted: false });
    for (const id of ids.slice(0, 2)) expect((await there.certify(id, 1)).json).toMatchObject({ replaced: true, trusted: true });
    expect((await there.tell(ids[0]!, 2)).json.error).toMatchObject({ code: 'truth_known', field: 'prediction_id' });
    await rollouts.advance();
    expect(await rolloutOf(there.tenant)).toMatchObject({ status: 'RUNNING', step: 0 });
    await there.certify(ids[2]!, 1);
    const secrets = createWebhookSecrets({ database: world.database, box: box() });
    const webhooks = createEndpointWebhooks({ database: world.database, box: box() });
    const hook = 'https://partner.example/rollouts?token=abc';
    expect(await webhooks.set(there.tenant.owner, 'press', hook)).toEqual({ type: 'no-secret' });
    await secrets.rotate(there.tenant.owner);
    expect(await webhooks.set(there.tenant.owner, 'press', 'ftp://x')).toMatchObject({ type: 'invalid', problems: [{ field: 'url' }] });
    expect(await webhooks.set(there.tenant.owner, 'press', hook)).toMatchObject({ type: 'set' });
    // As several processes do, all at once: one of them rolls it back.
    await Promise.all(Array.from({ length: 4 }, () => createRollouts({ database: world.database, logger: silentLogger }).advance()));
    const { id: rolloutId, ...ended } = await rolloutOf(there.tenant);
    expect(ended).toMatchObject({ status: 'ROLLED_BACK', reason: 'mae was 1, > 0.5, over 3 rows with a known truth.', endedBy: 'system', endedAt: expect.any(Date) });
    const rule = { metric: 'mae', op: '>', threshold: 0.5 };
    const lines = await inTenant(there.tenant, `SELECT actor, result, details FROM audit_events WHERE subject = '${rolloutId}' AND action LIKE 'rollout.r%'`);
    expect(lines).toEqual([{ actor: 'system', result: 'ok', details: { name: 'press', version: 2, previous: 1, reason: ended.reason, rule, measured: 1, over: 3 } }]);
    await webhooks.set(there.tenant.owner, 'press', null); // what waits goes where it was to go
    const [gone] = await inTenant<{ id: string }>(there.tenant, 'SELECT id FROM model_versions WHERE number = 2');
    expect(await world.registry.deleteVersion(there.tenant.owner, gone!.id)).toMatchObject({ type: 'deleted' }); // and its rollout with it
    expect(await inTenant(there.tenant, 'SELECT 1 FROM rollouts')).toEqual([]);
    const sent: { url: string; body: string; id: unknown }[] = [];
    const deliveries = createWebhookDeliveries({
      database: world.database, box: box(), secrets, logger: silentLogger, schedule: [0],
      fetch: async (to, { headers, body }) => (sent.push({ url: to, body: body as string, id: (headers as Record<string, string>)['webhook-id'] }), new Response(null, { status: sent.length === 1 ? 500 : 204 })),
    });
    await eventually(async () => (await deliveries.advance(), await deliveries.settled(), sent.length), (count) => count === 2);
    expect(sent[1]).toEqual(sent[0]);
    expect([sent[0]!.url, JSON.parse(sent[0]!.body)]).toEqual([hook, {
      type: 'rollout.rolled_back', timestamp: ended.endedAt!.toISOString(),
      data: { rollout: rolloutId, endpoint: 'press', model: 'press', version: 2, previous_version: 1, percent: 50, reason: ended.reason, rule, measured: 1, over: 3, by: 'system' },
    }]);
    expect(await inTenant(there.tenant, `SELECT event, status::text, receiver FROM webhook_deliveries`)).toEqual([{ event: 'rollout.rolled_back', status: 'DELIVERED', receiver: 'https://partner.example' }]);
    await eventually(async () => (await there.ask([1])).version, (version) => version === '1', 10_000);
  });

  it('goes on where the truths bear the version out', async () => {
    const there = await recording(constant(1), constant(2));
    await recorded(there, [1], 1);
    await start(there.tenant);
    const ids = await underWay(there);
    expect(await rolloutOf(there.tenant)).toMatchObject({ status: 'RUNNING', step: 0 });
    for (const id of ids.slice(0, 3)) await there.certify(id, 2);
    await rollouts.advance();
    expect(await rolloutOf(there.tenant)).toMatchObject({ status: 'SUCCEEDED', endedBy: 'system' });
    expect(await inTenant(there.tenant, `SELECT actor, details->>'version' AS version FROM audit_events WHERE action = 'rollout.finish'`)).toEqual([{ actor: 'system', version: '2' }]);
    expect(await inTenant(there.tenant, 'SELECT 1 FROM webhook_deliveries')).toEqual([]); // nobody wants to be told
  });

  it('is refused for a score that the model has not, a comparison that a good version would fail, and an endpoint that records nothing', async () => {
    const { tenant } = await recording(constant(1), constant(2));
    const problem = async (rule: object, changes: object = {}) => start(tenant, { rollbackOn: [{ metric: 'errorRate', threshold: 0.1 }, rule], ...changes });
    expect(await problem({ metric: 'accuracy', threshold: 0.9 })).toMatchObject({ type: 'invalid', problems: [{ field: 'rollbackOn[1].metric', remedy: expect.stringContaining('rmse, mae, r2') }] });
    expect(await problem({ metric: 'mae', op: '<', threshold: 1 })).toMatchObject({ type: 'invalid', problems: [{ field: 'rollbackOn[1].op' }] });
    expect(await problem({ metric: 'r2', op: '>', threshold: 0.5 })).toMatchObject({ type: 'invalid', problems: [{ field: 'rollbackOn[1].op' }] });
    expect(await problem({ metric: 'mae', threshold: -1 })).toMatchObject({ type: 'invalid', problems: [{ field: 'rollbackOn[1].threshold' }] });
    expect(await start(tenant, { minLabels: 0 })).toMatchObject({ type: 'invalid', problems: [{ field: 'minLabels' }] });
    await world.registry.updateServing(tenant.owner, { endpointName: 'press', recordDays: null });
    expect(await problem({ metric: 'mae', threshold: 1 })).toMatchObject({ type: 'invalid', problems: [{ field: 'rollbackOn[1].metric', remedy: expect.stringContaining('recordDays') }] });
  });
});

it('recordings end after their days, and the oldest when a tenant has too many; what was counted of them stays', async () => {
  const there = await recording(constant(1));
  const { tenant, endpointId, ask, tell } = there;
  await recorded(there, [1], 2);
  await inTenant(tenant, `UPDATE recordings SET created_at = created_at - interval '20 days', ends_at = ends_at - interval '20 days' RETURNING id`);
  expect((await tell((await ask([1])).id, 2)).status).toBe(200);
  const many = await inTenant(tenant, 'SELECT id FROM recordings');
  await sweepRecordings({ database: world.database, mostBytes: 1e9, logger: silentLogger });
  expect(await inTenant(tenant, 'SELECT id FROM recordings')).toHaveLength(many.length);
  await world.registry.updateServing(tenant.owner, { endpointName: 'press', recordDays: 10 });
  await sweepRecordings({ database: world.database, mostBytes: 1e9, logger: silentLogger });
  expect(await inTenant(tenant, `SELECT r.id FROM recordings r WHERE created_at < now() - interval '1 day'`)).toEqual([]);
  expect(await inTenant(tenant, 'SELECT 1 FROM feedback')).toHaveLength(1);
  await sweepRecordings({ database: world.database, mostBytes: 1, logger: silentLogger });
  for (const table of ['recordings', 'recorded_predictions', 'feedback']) expect([table, await inTenant(tenant, `SELECT 1 FROM ${table}`)]).toEqual([table, []]);
  expect((await scoresOf(tenant, endpointId))[0]).toMatchObject({ labelledRows: 2, mae: { value: 1 } });
  expect(await world.registry.updateServing(tenant.owner, { endpointName: 'press', recordDays: 0 })).toMatchObject({ type: 'invalid', problems: [{ field: 'recordDays' }] });
});

it('what is kept counts as the tenant’s storage; when that is full nothing more is kept, which its people are told once, until there is room again', async () => {
  const tenant = await world.createTenant();
  const { version, endpoint } = await tenant.publish('press', constant(1));
  await world.registry.updateServing(tenant.owner, { endpointName: 'press', recordDays: 30 });
  const recorder = createPredictionRecorder({ database: world.database, box: box(), logger: silentLogger, pauseMs: 0 });
  const keep = async () => {
    const signature = version.signature as unknown as Parameters<typeof recorder.record>[0]['signature'];
    recorder.record({ tenantId: tenant.tenantId, endpointId: endpoint.id, versionId: version.id, variant: 'STABLE', predictionId: newId('prediction'), signature, predictions: [{ value: 1 }] });
    await recorder.flush();
    const [sum] = await inTenant<{ bytes: string; recordings: number; used: string }>(tenant,
      `SELECT coalesce(sum(bytes), 0)::text AS bytes, count(*)::int AS recordings, (SELECT used::text FROM quota_counters WHERE resource = 'STORAGE_BYTES') AS used FROM recordings`);
    return sum!;
  };
  const lines = () => inTenant(tenant, `SELECT action, result, actor FROM audit_events WHERE action LIKE 'recording.%' ORDER BY id`);
  const limit = (bytes: number) => inTenant(tenant, `UPDATE quota_counters SET limit_value = ${bytes} WHERE resource = 'STORAGE_BYTES' RETURNING 1`);
  const first = await keep();
  expect([first.used, first.recordings]).toEqual([first.bytes, 1]);
  await limit(Number(first.used) + 10);
  expect([await keep(), await keep()]).toEqual([first, first]);
  expect(await lines()).toEqual([{ action: 'recording.stop', result: 'quota_exceeded', actor: 'system' }]);
  await limit(1e9);
  const second = await keep();
  expect([second.used, second.recordings]).toEqual([second.bytes, 2]);
  expect(await lines()).toMatchObject([{ action: 'recording.stop' }, { action: 'recording.resume' }]);
  await sweepRecordings({ database: world.database, mostBytes: 1, logger: silentLogger });
  expect(await inTenant(tenant, `SELECT used::text FROM quota_counters WHERE resource = 'STORAGE_BYTES'`)).toEqual([{ used: '0' }]);
  await keep();
  // With the endpoint go its recordings, and what they took.
  expect((await world.registry.deleteEndpoint(tenant.owner, 'press')).type).toBe('deleted');
  expect(await inTenant(tenant, `SELECT used::text FROM quota_counters WHERE resource = 'STORAGE_BYTES'`)).toEqual([{ used: '0' }]);
});
