import { checkRows, loadModel, readBackground } from '@millrace/packaging';
import type { TenantInWorld, World } from '@millrace/testkit';
import { createWorkerWorld, isOver, type WorkerWorld } from './worker-world.ts';

/** Bearings whose life halves with each ten degrees, looked at after a while: some still run. Pseudo-random by a fixed rule. */
const drawn = (row: number, stream: number) => ((Math.sin(row * 12.9898 + stream * 78.233) * 43758.5453) % 1 + 1) % 1;
const lines = Array.from({ length: 400 }, (_, row) => {
  const temperature = 40 + 40 * drawn(row, 1);
  const life = 200 * 2 ** (-(temperature - 60) / 10) * Math.exp(0.3 * Math.log(-Math.log(1 - drawn(row, 2))));
  const looked = 20 + 500 * drawn(row, 3);
  return `${temperature.toFixed(2)},${row % 3 === 0 ? 'ball' : 'roller'},${Math.max(0.1, Math.min(life, looked)).toFixed(1)},${life <= looked ? 'yes' : 'no'}`;
});
const csv = ['temperature,kind,hours,failed', ...lines].join('\n');
const spec = {
  inputFeatures: [{ name: 'temperature', type: 'number' }, { name: 'kind', type: 'category' }],
  outputFeatures: [{ name: 'hours', type: 'number' }],
  survival: { eventColumn: 'failed', observedValue: 'yes', horizon: 100, models: [{ family: 'accelerated_failure' }, { family: 'boosted_trees', numIterations: 60 }] },
};

let world: World;
let tenant: TenantInWorld;
let startTestWorker: WorkerWorld['startTestWorker'];
let until: WorkerWorld['until'];
beforeAll(async () => {
  ({ world, tenant, startTestWorker, until } = await createWorkerWorld());
});
afterAll(() => world.close());

describe('remaining life', () => {
  it('goes from a data set to a version that answers with median, interval and the chance to live so long', async () => {
    const worker = await startTestWorker('survivor');
    const submitted = await tenant.run(await tenant.dataset(csv), spec, 'life');
    const run = await until(submitted.id, isOver);
    expect(run).toMatchObject({ status: 'SUCCEEDED', attempt: 1 });
    expect(run.trials.map(({ family }) => family).sort()).toEqual(['accelerated_failure', 'boosted_trees', 'kaplan_meier']);
    const best = run.trials.find((trial) => trial.best)!;
    expect(best.scoreTest!).toBeLessThan(run.trials.find(({ family }) => family === 'kaplan_meier')!.scoreTest! / 1.5);
    expect(best.metrics).toMatchObject({ selectionMetric: 'integratedBrier', warnings: [expect.stringContaining('favours the trees')], rows: { dropped: 0 }, test: { type: 'survival' }, baseline: { concordance: 0.5 } });

    const version = run.modelVersion!;
    expect(version).toMatchObject({ status: 'READY', agreement: { type: 'agrees' } });
    const { task } = await world.db.database.forTenant(tenant.tenantId).transaction((tx) => tx.model.findFirstOrThrow({ where: { name: 'life' } }));
    expect(task).toBe('SURVIVAL');
    const model = await loadModel(await world.registry.readPackage(version), { digest: version.packageSha256 });
    expect(model.signature).toMatchObject({ task: 'survival', survival: { horizon: 100, intervalCoverage: 0.8 } });
    const checked = checkRows(model.signature, [45, 60, 75].map((temperature) => ({ temperature, kind: 'ball' })));
    const answers = checked.type === 'valid' ? await model.predict(checked.rows) : [];
    for (const [index, temperature] of [45, 60, 75].entries()) {
      const { value, interval, survival } = answers[index] as { value: number; interval: { lower: number; upper: number }; survival: number };
      const median = 200 * 2 ** (-(temperature - 60) / 10) * Math.exp(0.3 * Math.log(Math.log(2)));
      expect(Math.abs(Math.log(value / median))).toBeLessThan(0.25);
      expect(interval.lower).toBeLessThan(value);
      expect(interval.upper).toBeGreaterThan(value);
      expect(survival > 0.5).toBe(median > 100);
    }
    await model.close();

    // Half of the leaves, or weights in half the bits: whichever suits what was best.
    const step = best.family === 'boosted_trees' ? { method: 'prune_trees', keep: 0.5 } : { method: 'quantise', to: 'float16' };
    const wanted = await world.training.optimiseModel(tenant.owner.actor, { modelVersionId: version.id, steps: [step] });
    if (wanted.type !== 'submitted') throw new Error(JSON.stringify(wanted));
    const smaller = await until(wanted.run.id, isOver);
    expect(smaller).toMatchObject({ status: 'SUCCEEDED', modelVersion: { status: 'READY', number: 2, family: best.family, agreement: { type: 'agrees' } } });
    expect(smaller.trials.find(({ number }) => number === 0)!.scoreTest).toBeCloseTo(best.scoreTest!, 9);

    // As part of the training: fewer leaves are not shown to lose nothing, so that the version keeps all of them and the run says why.
    const lean = { ...spec, survival: { ...spec.survival, models: [spec.survival.models[1]!] }, compress: { targetSparsity: 0.9, maxLoss: 0 } };
    const kept = await until((await tenant.run(await tenant.dataset(csv), lean, 'life')).id, isOver);
    expect(kept).toMatchObject({ status: 'SUCCEEDED', modelVersion: { number: 3, family: 'boosted_trees', metrics: { compression: { kept: false, of: 0, loss: { rows: 80 }, steps: [{ method: 'prune_trees', keep: 0.1 }] } } } });
    const made = kept.trials.find(({ number }) => number === 2)!;
    expect([made.best, made.family, made.sizeBytes! < kept.trials.find((trial) => trial.best)!.sizeBytes! / 3n]).toEqual([false, 'boosted_trees', true]);
    expect(kept.events.find(({ type }) => type === 'not-compressed')!.data).toMatchObject({ message: expect.stringContaining('uncompressed model') });
    await worker.close();
  });

  it('is refused before it is queued where the columns do not fit, with field and remedy', async () => {
    const version = await tenant.dataset(csv);
    const outcome = await world.training.submit(tenant.owner.actor, {
      datasetVersionId: version.id,
      modelName: 'refused',
      spec: { ...spec, models: [{ family: 'linear' }], inputFeatures: [...spec.inputFeatures, { name: 'failed', type: 'binary' }], survival: { eventColumn: 'failed', observedValue: 'maybe' } },
    });
    expect(outcome).toMatchObject({ type: 'invalid', problems: [{ field: 'spec.models[0].family' }, { field: 'spec.inputFeatures[2].name' }, { field: 'spec.survival.observedValue' }] });
  });
});

describe('a head for each press', () => {
  const presses = Array.from({ length: 900 }, (_, row) => {
    const press = Math.floor(4 * drawn(row, 4));
    const force = 10 * drawn(row, 5);
    return `${force.toFixed(3)},p${press},${(3 * force + [0, 9, -7, 4][press]! * (press === 3 ? force / 5 : 1) + drawn(row, 6)).toFixed(3)}`;
  });
  const rows = ['force,press,drift', ...presses].join('\n');
  const personalised = {
    inputFeatures: [{ name: 'force', type: 'number' }], outputFeatures: [{ name: 'drift', type: 'number' }], models: [{ family: 'linear' }],
    personalisation: { column: 'press' },
  };

  it('stands beside the shared model on the leaderboard, and answers say whether one was used', async () => {
    const worker = await startTestWorker('presses');
    const submitted = await tenant.run(await tenant.dataset(rows), personalised, 'drift');
    const run = await until(submitted.id, isOver);
    expect(run).toMatchObject({ status: 'SUCCEEDED', modelVersion: { agreement: { type: 'agrees' } } });
    const { importance } = run.modelVersion!.metrics as { importance: { measure: string; inputs: { name: string; increase: number }[] } };
    expect(importance).toMatchObject({ measure: 'rmse', inputs: [{ name: 'force' }, { name: 'press' }] });
    for (const { increase } of importance.inputs) expect(increase).toBeGreaterThan(1);
    const best = run.trials.find((trial) => trial.best)!;
    const { personalisation } = best.metrics as { personalisation: { base: { rmse: number }; heads: number; groups: number; byGroup: { group: string }[] } };
    expect(personalisation).toMatchObject({ heads: 4, groups: 4 });
    expect(best.scoreTest!).toBeLessThan(personalisation.base.rmse / 3);
    const model = await loadModel(await world.registry.readPackage(run.modelVersion!), { digest: run.modelVersion!.packageSha256 });
    expect(readBackground(await world.registry.readPackage(run.modelVersion!), model.signature)).toMatchObject({ count: 32 });
    const checked = checkRows(model.signature, [{ force: 5, press: 'p1' }, { force: 5, press: 'p9' }, { force: 5 }]);
    const answers = checked.type === 'valid' ? await model.predict(checked.rows) : [];
    expect(answers.map(({ personalised: used }) => used)).toEqual([true, false, false]);
    expect(answers[0]).toMatchObject({ value: expect.closeTo(24.5, -1) });
    expect(answers[1]).toEqual(answers[2]);
    await model.close();

    // Base and heads in float16.
    const wanted = await world.training.optimiseModel(tenant.owner.actor, { modelVersionId: run.modelVersion!.id, steps: [{ method: 'quantise', to: 'float16' }] });
    if (wanted.type !== 'submitted') throw new Error(JSON.stringify(wanted));
    const halved = await until(wanted.run.id, isOver);
    expect(halved).toMatchObject({ status: 'SUCCEEDED', modelVersion: { status: 'READY', number: 2, family: 'linear', agreement: { type: 'agrees' } } });
    expect(halved.trials.find(({ number }) => number === 0)!.scoreTest).toBeCloseTo(best.scoreTest!, 9);
    await worker.close();
  });
});
