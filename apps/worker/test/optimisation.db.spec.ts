import type { ModelVersion } from '@millrace/database';
import { loadModel } from '@millrace/packaging';
import { findingsOf, optimisationOf } from '@millrace/registry';
import { irisSpec, type TenantInWorld, type World } from '@millrace/testkit';
import type { OptimiseModelInput } from '@millrace/training';
import { createWorkerWorld, isOver, type RunNow, type WorkerWorld } from './worker-world.ts';

let world: World;
let tenant: TenantInWorld;
let startTestWorker: WorkerWorld['startTestWorker'];
let until: WorkerWorld['until'];
/** a dense network, trained here, and what the first test makes of it */
let trained: RunNow;
let smaller: ModelVersion;

beforeAll(async () => {
  ({ world, tenant, startTestWorker, until } = await createWorkerWorld());
  await startTestWorker('optimiser');
  const spec = { ...irisSpec, models: [{ family: 'dense', hiddenLayers: [64] }], trainer: { epochs: 20, batchSize: 32, learningRate: 0.02 } };
  trained = await until((await tenant.run(await tenant.iris(), spec, 'flowers')).id, isOver);
});
afterAll(() => world.close());

async function optimised(from: string, wanted: Omit<OptimiseModelInput, 'modelVersionId'>): Promise<RunNow> {
  const outcome = await world.training.optimiseModel(tenant.owner.actor, { modelVersionId: from, ...wanted });
  if (outcome.type !== 'submitted') throw new Error(JSON.stringify(outcome));
  return until(outcome.run.id, isOver);
}

describe('a version made from another', () => {
  it('names its parent wherever it is looked for, was measured beside it, and answers', async () => {
    const base = trained.modelVersion!;
    const run = await optimised(base.id, { steps: [{ method: 'prune_units', keep: 0.25 }, { method: 'quantise', to: 'int8' }] });
    expect(run).toMatchObject({ status: 'SUCCEEDED', modelName: 'flowers', datasetVersionId: trained.datasetVersionId, spec: trained.spec });
    expect(run.computeSeconds).toBeGreaterThan(0);
    const version = (smaller = run.modelVersion!);
    expect(version).toMatchObject({ status: 'READY', number: 2, modelId: base.modelId, datasetVersionId: base.datasetVersionId, family: 'dense' });
    const optimisation = optimisationOf(version)!;
    expect(optimisation).toMatchObject({ parent: { id: base.id, number: 1 }, origin: { id: base.id, number: 1 }, metric: 'f1', steps: [{ method: 'prune_units' }, { method: 'quantise' }] });

    // Measured in this run: the base as number 0, on the rows that it was tested on then.
    const [first, made] = [...run.trials].sort((a, b) => a.number - b.number);
    expect(first).toMatchObject({ number: 0, best: false, parameters: { steps: [] }, scoreTest: trained.trials.find(({ best }) => best)!.scoreTest });
    expect(made).toMatchObject({ number: 1, best: true });
    expect(optimisation.parentScore).toBe(first!.scoreTest);
    const { loss, cost, parentCost } = optimisation;
    expect(loss!.loss).toBeCloseTo(100 * (first!.scoreTest! - made!.scoreTest!), 6);
    expect(loss).toMatchObject({ coverage: 0.95, rows: 30 });
    expect([loss!.lower <= loss!.loss, loss!.upper >= loss!.loss]).toEqual([true, true]);
    expect(optimisation.lossFromOrigin).toBe(loss!.loss);
    expect(cost.sizeBytes).toBeLessThan(parentCost.sizeBytes);
    expect(cost.sizeGzBytes).toBeLessThan(parentCost.sizeGzBytes);
    expect(parentCost.sizeBytes).toBeLessThan(Number(base.sizeBytes)); // neither counts its metrics and lineage

    const files = await world.registry.readPackage(version);
    const json = (name: string) => JSON.parse(Buffer.from(files.get(name)!).toString()) as object;
    expect(json('lineage.json')).toMatchObject({ parentModelVersionId: base.id, runId: run.id, optimisation: { base: base.id } });
    expect(json('bill-of-materials.json')).toMatchObject({ data: { parentModelVersionId: base.id, parentPackageSha256: base.packageSha256 }, configuration: { optimisation: { base: base.id } } });
    expect(files.get('background.json')).toEqual((await world.registry.readPackage(base)).get('background.json'));
    const model = await loadModel(files, { digest: version.packageSha256 });
    expect(model.signature.family).toBe('dense');
    await model.close();
  });

  it('says so where it became larger', async () => {
    const tiny = { ...irisSpec, models: [{ family: 'dense', hiddenLayers: [2] }], trainer: { epochs: 5, batchSize: 32, learningRate: 0.02 } };
    const base = (await until((await tenant.run(await tenant.iris(), tiny, 'tiny')).id, isOver)).modelVersion!;
    const run = await optimised(base.id, { steps: [{ method: 'quantise', to: 'int8' }] });
    expect(run.status).toBe('SUCCEEDED');
    const optimisation = optimisationOf(run.modelVersion!)!;
    expect(optimisation.cost.sizeBytes).toBeGreaterThan(optimisation.parentCost.sizeBytes);
    const finding = { code: 'LARGER_THAN_PARENT', message: expect.stringContaining(`${optimisation.cost.sizeBytes} bytes`), remedy: expect.stringContaining('SIZE') };
    expect(findingsOf(optimisation)).toEqual([finding]);
    expect(run.events.find(({ type }) => type === 'optimisation-finding')!.data).toEqual(finding);
  });

  it('is the smallest within the greatest loss where a target is given; what is lost adds up along the line', async () => {
    const run = await optimised(trained.modelVersion!.id, { target: 'SIZE', maxLoss: 20 });
    expect(run.status).toBe('SUCCEEDED');
    expect(run.trials.length).toBeGreaterThan(3);
    const best = run.trials.find((trial) => trial.best)!;
    const base = run.trials.find(({ number }) => number === 0)!;
    expect(best.sizeBytes!).toBeLessThan(base.sizeBytes!);
    for (const { best: isBest, number, metrics } of run.trials) {
      const { optimisation } = metrics as { optimisation: { reason: string | null } };
      expect([number, optimisation.reason === null]).toEqual([number, isBest || number === 0]);
    }
    const again = await optimised(run.modelVersion!.id, { steps: [{ method: 'distil', units: [4] }] });
    const [before, now] = [optimisationOf(run.modelVersion!)!, optimisationOf(again.modelVersion!)!];
    expect(now).toMatchObject({ parent: { id: run.modelVersion!.id }, origin: { id: trained.modelVersion!.id } });
    expect(now.lossFromOrigin).toBeCloseTo(before.loss!.loss + now.loss!.loss, 9);
  });

  it('is not made where nothing stays within the loss: the run says so, and keeps what it tried to be looked at', async () => {
    const run = await optimised(trained.modelVersion!.id, { steps: [{ method: 'cluster', clusters: 2 }], maxLoss: 0 });
    expect(run).toMatchObject({ status: 'FAILED', failureCode: 'LOSS_TOO_GREAT', failureField: 'maxLoss', attempt: 1, modelVersion: null });
    expect(run.failureRemedy).not.toBe('');
    expect(run.trials.map(({ number, best }) => [number, best]).sort()).toEqual([[0, false], [1, false]]);
  });

  it('is not stored where the tenant has no room for its package, and what was tried stays to be looked at', async () => {
    const used = async () => (await world.quota.listCounters(tenant.owner.actor)).find(({ resource }) => resource === 'STORAGE_BYTES')!.used;
    const setLimit = (bytes: bigint) => world.db.asOwner(`UPDATE quota_counters SET limit_value = $2 WHERE tenant_id = $1 AND resource = 'STORAGE_BYTES'`, [tenant.tenantId, bytes]);
    const before = await used();
    expect(before).toBeGreaterThanOrEqual(BigInt(trained.modelVersion!.sizeBytes) + BigInt(smaller.sizeBytes)); // the packages of runs count
    await setLimit(before + 10n);
    const steps = { steps: [{ method: 'quantise', to: 'float16' }] };
    const run = await optimised(trained.modelVersion!.id, steps);
    expect(run).toMatchObject({ status: 'FAILED', failureCode: 'STORAGE_FULL', failureMessage: expect.stringContaining(`${before} of ${before + 10n} bytes`), failureRemedy: expect.stringContaining('Delete versions'), modelVersion: null });
    expect(run.trials.map(({ number, best }) => [number, best]).sort()).toEqual([[0, false], [1, false]]);
    expect(await used()).toBe(before);
    await setLimit(2n ** 40n);
    const made = (await optimised(trained.modelVersion!.id, steps)).modelVersion!;
    expect(await used()).toBe(before + made.sizeBytes);
    await world.registry.deleteVersion(tenant.owner.actor, made.id);
    expect(await used()).toBe(before);
  });

  it('is not made of what is gone by then', async () => {
    const outcome = await world.training.optimiseModel(tenant.owner.actor, { modelVersionId: smaller.id, steps: [{ method: 'distil', units: [4] }], device: 'GPU' });
    if (outcome.type !== 'submitted') throw new Error(outcome.type);
    expect((await world.registry.deleteVersion(tenant.owner.actor, smaller.id)).type).toBe('deleted');
    await world.db.asOwner(`UPDATE runs SET device = 'AUTO' WHERE id = $1`, [outcome.run.id]); // now a worker takes it
    expect(await until(outcome.run.id, isOver)).toMatchObject({ status: 'FAILED', failureCode: 'BASE_DELETED', failureField: 'modelVersionId', attempt: 1 });
  });
});

describe('a run that compresses what it has chosen', () => {
  const compressing = async (compress: object) => until((await tenant.run(await tenant.iris(), { ...(trained.spec as object), compress }, 'flowers')).id, isOver);
  const reportOf = (metrics: unknown) => (metrics as { compression: object }).compression;

  it('makes the smaller model the version where it is shown to lose no more than is allowed, and shows both', async () => {
    const run = await compressing({ targetSparsity: 0.5, quantize: 'int8_static', maxLoss: 100 });
    expect(run.status).toBe('SUCCEEDED');
    const [chosen, , made] = [...run.trials].sort((a, b) => a.number - b.number); // between them the baseline
    expect([chosen!.best, made!.best, made!.family]).toEqual([false, true, 'dense']);
    expect(Number(made!.sizeGzBytes)).toBeLessThan(Number(chosen!.sizeGzBytes));
    expect(chosen!.scoreTest).toBe(trained.trials.find(({ best }) => best)!.scoreTest);
    const version = run.modelVersion!;
    expect(version).toMatchObject({ status: 'READY', family: 'dense' });
    expect(version.metrics).toMatchObject({ f1: made!.scoreTest });
    const report = reportOf(version.metrics);
    expect(report).toEqual(reportOf(made!.metrics));
    expect(report).toMatchObject({ kept: true, of: 0, warning: null, maxLoss: 100, score: made!.scoreTest, uncompressedScore: chosen!.scoreTest, loss: { rows: 30 }, steps: [{ method: 'prune' }, { method: 'quantise', to: 'int8' }] });
    expect(run.events.find(({ type }) => type === 'compressed')!.data).toMatchObject({ message: expect.stringContaining('prune, quantise') });
    const files = await world.registry.readPackage(version);
    const model = await loadModel(files, { digest: version.packageSha256 });
    expect(Buffer.from(files.get('model.onnx')!).includes('MatMulInteger')).toBe(true);
    await model.close();
  });

  it('keeps the uncompressed one, with a warning, where the gate of the model allows less', async () => {
    const { modelId } = trained.modelVersion!;
    await world.registry.savePolicy(tenant.owner.actor, { modelId, approvalRequired: false, gate: null, optimisedAtMostWorse: 0, keepVersions: null });
    const run = await compressing({ targetSparsity: 0.9, maxLoss: 100 });
    expect(run.status).toBe('SUCCEEDED');
    const [chosen, , made] = [...run.trials].sort((a, b) => a.number - b.number);
    expect([chosen!.best, made!.best]).toEqual([true, false]);
    const warning = { message: expect.stringMatching(/uncompressed.*at most 0 are allowed/), remedy: expect.stringContaining('maxLoss') };
    for (const { metrics } of [chosen!, made!, run.modelVersion!]) expect(reportOf(metrics)).toMatchObject({ kept: false, maxLoss: 0, warning });
    expect(run.events.find(({ type }) => type === 'not-compressed')!.data).toMatchObject(warning);
    expect(run.modelVersion!.packageSha256).not.toBe(trained.modelVersion!.packageSha256); // another version of the same weights
  });

  it('is refused before it waits where no model can be compressed that way', async () => {
    const outcome = await world.training.submit(tenant.owner.actor, { datasetVersionId: trained.datasetVersionId, modelName: 'flowers', spec: { ...irisSpec, models: [{ family: 'linear' }], compress: { quantize: 'int8_static' } } });
    expect(outcome).toMatchObject({ type: 'invalid', problems: [{ field: 'spec.compress.quantize', remedy: expect.stringContaining('Add a network') }] });
  });
});
