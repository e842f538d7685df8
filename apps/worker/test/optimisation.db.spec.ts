import type { ModelVersion } from '@millrace/database';
import { loadModel } from '@millrace/packaging';
import { optimisationOf } from '@millrace/registry';
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

  it('is not made of what is gone by then', async () => {
    const outcome = await world.training.optimiseModel(tenant.owner.actor, { modelVersionId: smaller.id, steps: [{ method: 'distil', units: [4] }], device: 'GPU' });
    if (outcome.type !== 'submitted') throw new Error(outcome.type);
    expect((await world.registry.deleteVersion(tenant.owner.actor, smaller.id)).type).toBe('deleted');
    await world.db.asOwner(`UPDATE runs SET device = 'AUTO' WHERE id = $1`, [outcome.run.id]); // now a worker takes it
    expect(await until(outcome.run.id, isOver)).toMatchObject({ status: 'FAILED', failureCode: 'BASE_DELETED', failureField: 'modelVersionId', attempt: 1 });
  });
});
