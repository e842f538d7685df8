import { checkRows, loadModel, readBackground } from '@millrace/packaging';
import { optimisationOf } from '@millrace/registry';
import type { TenantInWorld, World } from '@millrace/testkit';
import { createWorkerWorld, isOver, type WorkerWorld } from './worker-world.ts';

/** Torque follows speed, but in every 20th row, which the label calls a failure. */
const rows = 600;
const isBad = (row: number) => row % 20 === 7;
const torqueOf = (row: number) => (isBad(row) ? ((row * 37) % 101) + 40 : 140 - ((row * 37) % 101)) + ((row * 13) % 7);
const dayOf = (row: number) => new Date(Date.UTC(2026, 0, 1 + (row % 28))).toISOString().slice(0, 10);
const csv = ['day,speed,torque,mode,failed', ...Array.from({ length: rows }, (_, row) => `${dayOf(row)},${(row * 37) % 101},${torqueOf(row)},${row % 3 ? 'a' : 'b'},${isBad(row) ? 'yes' : 'no'}`)].join('\n');
const spec = {
  inputFeatures: [{ name: 'day', type: 'date' }, { name: 'speed', type: 'number' }, { name: 'torque', type: 'number' }, { name: 'mode', type: 'category' }],
  outputFeatures: [{ name: 'failed', type: 'binary', positiveClass: 'yes' }],
  trainer: { epochs: 15, learningRate: 0.02 },
  anomaly: { falseAlarmRate: 0.05, learnFrom: 'normal', models: [{ family: 'robust_z_score' }, { family: 'isolation_forest', numTrees: 20 }, { family: 'autoencoder', hiddenLayers: [8], codeSize: 2 }] },
};

let world: World;
let tenant: TenantInWorld;
let startTestWorker: WorkerWorld['startTestWorker'];
let until: WorkerWorld['until'];
beforeAll(async () => {
  ({ world, tenant, startTestWorker, until } = await createWorkerWorld());
});
afterAll(() => world.close());

describe('an anomaly detection', () => {
  it('goes from a data set to a version that reports rows, and beats the baseline', async () => {
    const worker = await startTestWorker('detector');
    const submitted = await tenant.run(await tenant.dataset(csv), spec, 'failures');
    const run = await until(submitted.id, isOver);
    expect(run).toMatchObject({ status: 'SUCCEEDED', attempt: 1 });
    expect(run.trials.map(({ family }) => family).sort()).toEqual(['autoencoder', 'baseline', 'isolation_forest', 'robust_z_score']);
    const best = run.trials.find((trial) => trial.best)!;
    expect(best.scoreTest!).toBeGreaterThan(3 * run.trials.find(({ family }) => family === 'baseline')!.scoreTest!);
    expect(best.metrics).toMatchObject({
      selectionMetric: 'prAuc', warnings: [expect.stringContaining('the same ones do both')], rows: { test: 120, testSha256: expect.any(String) }, test: { type: 'anomaly_detection', rows: 120 },
      anomalies: { anomalousClass: 'yes', histogram: { edges: expect.any(Array) }, rows: expect.any(Array) },
    });

    const version = run.modelVersion!;
    expect(version).toMatchObject({ status: 'READY', agreement: { type: 'agrees', rows: 200 } });
    const { task } = await world.db.database.forTenant(tenant.tenantId).transaction((tx) => tx.model.findFirstOrThrow({ where: { name: 'failures' } }));
    expect(task).toBe('ANOMALY_DETECTION');
    const files = await world.registry.readPackage(version);
    expect(JSON.parse(Buffer.from(files.get('bill-of-materials.json')!).toString())).toMatchObject({ tools: { backend: 'wasm' } });
    const model = await loadModel(files, { digest: version.packageSha256 });
    expect(readBackground(files, model.signature)).toMatchObject({ count: 32 });
    expect(model.signature.anomaly!.falseAlarmRate).toBeLessThanOrEqual(0.05);
    const checked = checkRows(model.signature, [{ day: '2026-01-14', speed: 50, torque: 93, mode: 'a' }, { day: '2026-01-14', speed: 5, torque: 900, mode: 'a' }]);
    const answers = checked.type === 'valid' ? await model.predict(checked.rows) : [];
    expect(answers).toMatchObject([{ anomaly: { isAnomaly: false } }, { anomaly: { isAnomaly: true } }]);
    // A date counts as one input, however many numbers are made of it.
    expect(answers.map((answer) => 'value' in answer && answer.anomaly?.contributions?.length)).toEqual([4, 4]);
    await model.close();

    // In int8, read from its package, judged on the rows of the training, with a threshold of its own.
    const wanted = await world.training.optimiseModel(tenant.owner.actor, { modelVersionId: version.id, steps: [{ method: 'quantise', to: 'int8', calibration: 'dynamic' }] });
    if (wanted.type !== 'submitted') throw new Error(JSON.stringify(wanted));
    const smaller = await until(wanted.run.id, isOver);
    expect(smaller).toMatchObject({ status: 'SUCCEEDED', modelVersion: { status: 'READY', number: 2, family: 'autoencoder', agreement: { type: 'agrees', rows: 200, tolerance: 1e-2 } } });
    expect(smaller.trials.find(({ number }) => number === 0)).toMatchObject({ scoreTest: best.scoreTest, scoreVal: best.scoreVal });
    expect(optimisationOf(smaller.modelVersion!)).toMatchObject({ parent: { id: version.id }, metric: 'prAuc', loss: { rows: 120 }, parentScore: best.scoreTest });
    await worker.close();
  });

  it('pauses within the training of an autoencoder, goes on from there, and compresses what it has learned', async () => {
    const worker = await startTestWorker('interrupted');
    const long = { ...spec, trainer: { epochs: 20, batchSize: 16 }, anomaly: { ...spec.anomaly, models: [spec.anomaly.models[2]!] }, compress: { quantize: 'int8_dynamic', maxLoss: 100 } };
    const { id } = await tenant.run(await tenant.dataset(csv), long, 'paused');
    await until(id, ({ metrics }) => metrics.length > 0);
    expect((await world.training.pause(tenant.owner.actor, id)).type).toBe('pause-requested');
    await until(id, ({ status }) => status === 'PAUSED');
    await world.training.resume(tenant.owner.actor, id);
    const run = await until(id, isOver);
    expect(run).toMatchObject({ status: 'SUCCEEDED', modelVersion: { status: 'READY' } });
    const resumed = run.events.find(({ type }) => type === 'resumed')!;
    expect(resumed.data).toMatchObject({ trial: 0 });
    expect((resumed.data as { epoch: number }).epoch).toBeGreaterThan(0);
    expect(run.metrics.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 20 }, (_, at) => at + 1));

    // In int8, with a threshold of its own, on the same rows; it is the version.
    const [chosen, , made] = [...run.trials].sort((a, b) => a.number - b.number); // between them the baseline
    expect([chosen!.best, made!.best, made!.family]).toEqual([false, true, 'autoencoder']);
    expect(made!.metrics).toMatchObject({ test: { rows: 120 }, anomalies: { falseAlarmRate: expect.any(Number), anomalousClass: 'yes', histogram: { edges: expect.any(Array) } } });
    expect(run.modelVersion!.metrics).toMatchObject({
      prAuc: made!.scoreTest, compression: { kept: true, of: 0, warning: null, steps: [{ method: 'quantise', to: 'int8', calibration: 'dynamic' }], uncompressedScore: chosen!.scoreTest, loss: { rows: 120 } },
    });
    expect(run.modelVersion!.agreement).toMatchObject({ type: 'agrees', tolerance: 1e-2 });
    const files = await world.registry.readPackage(run.modelVersion!);
    expect(Buffer.from(files.get('model.onnx')!).includes('MatMulInteger')).toBe(true);
    await worker.close();
  });

  it('is refused before it is queued where the configuration does not fit, with field and remedy', async () => {
    const version = await tenant.dataset(csv);
    const outcome = await world.training.submit(tenant.owner.actor, {
      datasetVersionId: version.id, modelName: 'refused', spec: { ...spec, outputFeatures: [], anomaly: { learnFrom: 'normal', falseAlarmRate: 0.001 } },
    });
    expect(outcome).toMatchObject({ type: 'invalid', problems: [{ field: 'spec.anomaly.learnFrom' }, { field: 'spec.anomaly.falseAlarmRate' }] });
    const forest = { ...spec, anomaly: { falseAlarmRate: 0.05, models: [{ family: 'isolation_forest' }] }, compress: { quantize: 'float16' } };
    const unfit = await world.training.submit(tenant.owner.actor, { datasetVersionId: version.id, modelName: 'refused', spec: forest });
    expect(unfit).toMatchObject({ type: 'invalid', problems: [{ field: 'spec.compress.quantize', remedy: expect.stringContaining('autoencoder') }] });
  });
});
