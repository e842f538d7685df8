import { checkRows, loadModel } from '@millrace/packaging';
import { optimisationOf } from '@millrace/registry';
import type { TenantInWorld, World } from '@millrace/testkit';
import { createWorkerWorld, isOver, type WorkerWorld } from './worker-world.ts';

/** 40 machines of two kinds, each of which needed 6 of the 10 parts of its kind, in an order of its own. */
const orders = Array.from({ length: 40 }, (_, machine) =>
  Array.from({ length: 6 }, (_one, turn) => ({ machine, part: 10 * (machine % 2) + ((machine * 7 + turn * [1, 3, 7][machine % 3]!) % 10), day: turn + 1 })),
).flat();
const csv = ['machine,part,day', ...orders.map(({ machine, part, day }) => `m${machine},p${part},2026-03-0${day}`)].join('\n');
const spec = {
  inputFeatures: [],
  outputFeatures: [{ name: 'part', type: 'category' }],
  recommendation: { userColumn: 'machine', itemColumn: 'part', timeColumn: 'day', topN: 4, models: [{ family: 'matrix_factorisation', factors: 4 }] },
};

let world: World;
let tenant: TenantInWorld;
let startTestWorker: WorkerWorld['startTestWorker'];
let until: WorkerWorld['until'];
beforeAll(async () => {
  ({ world, tenant, startTestWorker, until } = await createWorkerWorld());
});
afterAll(() => world.close());

describe('a recommendation', () => {
  it('goes from a data set to a version that recommends parts of the right kind, and beats popularity', async () => {
    const worker = await startTestWorker('recommender');
    const submitted = await tenant.run(await tenant.dataset(csv), spec, 'parts');
    const run = await until(submitted.id, isOver);
    expect(run).toMatchObject({ status: 'SUCCEEDED', attempt: 1 });
    expect(run.trials.map(({ family }) => family).sort()).toEqual(['matrix_factorisation', 'popularity']);
    const best = run.trials.find((trial) => trial.best)!;
    expect(best.family).toBe('matrix_factorisation');
    expect(best.scoreTest!).toBeGreaterThan(1.5 * run.trials.find(({ family }) => family === 'popularity')!.scoreTest!);
    expect(best.metrics).toMatchObject({ selectionMetric: 'ndcg', warnings: [], rows: { users: 40, items: 20, train: 160, validation: 40, test: 40 } });
    expect((best.metrics as { sample: { recommended: object[] }[] }).sample[0]!.recommended).toHaveLength(4);
    expect(run.metrics.filter(({ trial }) => trial === 0).map(({ epoch }) => epoch)).toEqual(Array.from({ length: 15 }, (_, at) => at + 1));

    const version = run.modelVersion!;
    expect(version).toMatchObject({ status: 'READY', agreement: { type: 'agrees', rows: 41 } });
    const { task } = await world.db.database.forTenant(tenant.tenantId).transaction((tx) => tx.model.findFirstOrThrow({ where: { name: 'parts' } }));
    expect(task).toBe('RECOMMENDATION');
    const files = await world.registry.readPackage(version);
    expect(JSON.parse(Buffer.from(files.get('bill-of-materials.json')!).toString())).toMatchObject({ tools: { backend: 'wasm' } });
    const model = await loadModel(files, { digest: version.packageSha256 });
    const checked = checkRows(model.signature, [{ machine: 'm3' }, { machine: 'unheard of' }]);
    const [known, stranger] = (checked.type === 'valid' ? await model.predict(checked.rows) : []) as { items: string[] }[];
    const had = orders.filter(({ machine }) => machine === 3).map(({ part }) => `p${part}`);
    expect(known!.items).toHaveLength(4);
    for (const part of known!.items) {
      expect(had).not.toContain(part);
      expect(Number(part.slice(1))).toBeGreaterThanOrEqual(10);
    }
    expect(stranger!.items).toHaveLength(4);
    await model.close();

    // Its vectors in eight bits: read from its package, judged by what was held out when it was trained.
    const wanted = await world.training.optimiseModel(tenant.owner.actor, { modelVersionId: version.id, steps: [{ method: 'quantise', to: 'int8' }] });
    if (wanted.type !== 'submitted') throw new Error(JSON.stringify(wanted));
    const smaller = await until(wanted.run.id, isOver);
    expect(smaller).toMatchObject({ status: 'SUCCEEDED', modelVersion: { status: 'READY', number: 2, family: 'matrix_factorisation', agreement: { type: 'agrees', rows: 41 } } });
    const [base, made] = [...smaller.trials].sort((a, b) => a.number - b.number);
    expect([base!.scoreTest, base!.scoreVal, made!.best]).toEqual([best.scoreTest, best.scoreVal, true]);
    expect(optimisationOf(smaller.modelVersion!)).toMatchObject({ parent: { id: version.id }, metric: 'ndcg', loss: { rows: 40 }, parentScore: best.scoreTest });
    const again = await world.training.optimiseModel(tenant.owner.actor, { modelVersionId: smaller.modelVersion!.id, target: 'SIZE' });
    expect(again).toMatchObject({ type: 'invalid', problems: [{ field: 'modelVersionId', message: expect.stringContaining('fewer bits already') }] });
    await worker.close();
  });

  it('is compressed within its training where that is asked for, judged by what it was judged by there', async () => {
    const worker = await startTestWorker('compressor');
    const { id } = await tenant.run(await tenant.dataset(csv), { ...spec, compress: { quantize: 'int8_static', maxLoss: 20 } }, 'small-parts');
    const run = await until(id, isOver);
    expect(run).toMatchObject({ status: 'SUCCEEDED', modelVersion: { status: 'READY', number: 1, family: 'matrix_factorisation', agreement: { type: 'agrees', rows: 41 } } });
    const [chosen, , made] = [...run.trials].sort((a, b) => a.number - b.number); // between them popularity
    expect([chosen!.best, made!.best, made!.family]).toEqual([false, true, 'matrix_factorisation']);
    expect((made!.metrics as { sample: { recommended: object[] }[] }).sample[0]!.recommended).toHaveLength(4);
    expect(run.modelVersion!.metrics).toMatchObject({
      ndcg: made!.scoreTest, compression: { kept: true, of: 0, steps: [{ method: 'quantise', to: 'int8' }], score: made!.scoreTest, uncompressedScore: chosen!.scoreTest, loss: { rows: 40 } },
    });
    expect(run.events.find(({ type }) => type === 'compressed')!.data).toMatchObject({ message: expect.stringContaining('quantise') });
    const again = await world.training.optimiseModel(tenant.owner.actor, { modelVersionId: run.modelVersion!.id, target: 'SIZE' });
    expect(again).toMatchObject({ type: 'invalid', problems: [{ message: expect.stringContaining('fewer bits already') }] });
    await worker.close();
  });

  it('is refused before it is queued where the columns do not fit, with field and remedy', async () => {
    const outcome = await world.training.submit(tenant.owner.actor, {
      datasetVersionId: (await tenant.dataset(csv)).id,
      modelName: 'refused',
      spec: { ...spec, outputFeatures: [{ name: 'machine', type: 'category' }], recommendation: { userColumn: 'day', itemColumn: 'part', feedback: 'explicit' } },
    });
    expect(outcome).toMatchObject({
      type: 'invalid',
      problems: [{ field: 'spec.outputFeatures[0]' }, { field: 'spec.recommendation.userColumn' }, { field: 'spec.recommendation.ratingColumn' }],
    });
  });
});
