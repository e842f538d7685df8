import { checkRows, loadModel } from '@millrace/packaging';
import type { TenantInWorld, World } from '@millrace/testkit';
import { createWorkerWorld, isOver, type WorkerWorld } from './worker-world.ts';

/** Visits of two sites by day: a level, a weekly pattern, a slow rise; the second is twice the first. */
const days = 120;
const pattern = [0, 5, 8, 6, 20, 45, 30];
const truth = (day: number, site: number) => site * (100 + day / 4 + pattern[day % 7]!);
const dated = (day: number) => new Date(Date.UTC(2026, 0, 1 + day)).toISOString().slice(0, 10);
const csv = ['day,site,visits', ...Array.from({ length: days }, (_, day) => [1, 2].map((site) => `${dated(day)},s${site},${truth(day, site)}`).join('\n'))].join('\n');
const spec = {
  inputFeatures: [],
  outputFeatures: [{ name: 'visits', type: 'number' }],
  forecast: { timeColumn: 'day', seriesColumn: 'site', horizon: 10 },
};

let world: World;
let tenant: TenantInWorld;
let startTestWorker: WorkerWorld['startTestWorker'];
let until: WorkerWorld['until'];
beforeAll(async () => {
  ({ world, tenant, startTestWorker, until } = await createWorkerWorld());
});
afterAll(() => world.close());

describe('a forecast', () => {
  it('goes from a data set to a version that answers by series and step, and beats the naive ones', async () => {
    const worker = await startTestWorker('forecaster');
    const submitted = await tenant.run(await tenant.dataset(csv), spec, 'visits');
    const run = await until(submitted.id, isOver);
    expect(run).toMatchObject({ status: 'SUCCEEDED', attempt: 1 });
    expect(run.trials.map(({ family }) => family).sort()).toEqual(['combination', 'exponential_smoothing', 'lag_linear', 'naive', 'seasonal_naive']);
    const best = run.trials.find((trial) => trial.best)!;
    const naive = run.trials.find(({ family }) => family === 'seasonal_naive')!;
    expect(best.scoreTest!).toBeLessThan(naive.scoreTest! / 2);
    expect(best.metrics).toMatchObject({ selectionMetric: 'mase', warnings: [], chart: { series: [{ name: 's1' }, { name: 's2' }] } });

    const version = run.modelVersion!;
    expect(version).toMatchObject({ status: 'READY', agreement: { type: 'agrees', rows: 20, maxDifference: 0 } });
    const { task } = await world.db.database.forTenant(tenant.tenantId).transaction((tx) => tx.model.findFirstOrThrow({ where: { name: 'visits' } }));
    expect(task).toBe('FORECASTING');
    const files = await world.registry.readPackage(version);
    expect(JSON.parse(Buffer.from(files.get('bill-of-materials.json')!).toString())).toMatchObject({ tools: { backend: 'wasm' } });
    const model = await loadModel(files, { digest: version.packageSha256 });
    expect(model.signature.forecast).toMatchObject({ lastObservation: `${dated(days - 1)}T00:00:00.000Z`, frequency: 'P1D', horizon: 10 });
    const checked = checkRows(model.signature, [1, 2].map((site) => ({ site: `s${site}`, step: 5 })));
    const answers = checked.type === 'valid' ? await model.predict(checked.rows) : [];
    for (const [index, site] of [1, 2].entries()) {
      const { value, interval } = answers[index] as { value: number; interval: { lower: number; upper: number } };
      expect(Math.abs(value / truth(days + 4, site) - 1)).toBeLessThan(0.03);
      expect(interval.lower).toBeLessThanOrEqual(value);
      expect(interval.upper).toBeGreaterThanOrEqual(value);
    }
    await model.close();
    await worker.close();
  });

  it('answers by what is known in advance, which whoever asks sends with the step', async () => {
    const action = (day: number) => (day * 7) % 11 < 3;
    const planned = ['day,action,visits', ...Array.from({ length: 97 }, (_, day) => `${dated(day)},${action(day) ? 'yes' : 'no'},${day < 90 ? truth(day, 1) + (action(day) ? 60 : 0) : ''}`)].join('\n');
    const worker = await startTestWorker('planner');
    const submitted = await tenant.run(await tenant.dataset(planned), {
      inputFeatures: [{ name: 'action', type: 'binary' }],
      outputFeatures: spec.outputFeatures,
      forecast: { timeColumn: 'day', horizon: 7, models: [{ family: 'lag_linear' }, { family: 'lag_trees', numIterations: 40 }, { family: 'tcn', units: 4, epochs: 2 }, { family: 'combination' }] },
    }, 'planned');
    const run = await until(submitted.id, isOver);
    expect(run).toMatchObject({ status: 'SUCCEEDED' });
    expect(run.trials.map(({ family }) => family)).toContain('tcn');
    // The curve of the network goes on through its fits.
    expect(run.metrics.filter(({ trial }) => trial === 2).map(({ epoch }) => epoch).slice(0, 6)).toEqual([1, 2, 3, 4, 5, 6]);
    const best = run.trials.find((trial) => trial.best)!;
    expect(best.family).toMatch(/lag_|combination/);
    // The rows without visits tell the plan for the week to come, so all of it can be drawn.
    expect((best.metrics as { chart: { series: { point: (number | null)[] }[] } }).chart.series[0]!.point.slice(-7).every((value) => value !== null)).toBe(true);
    expect(run.modelVersion).toMatchObject({ status: 'READY', agreement: { type: 'agrees' } });
    const model = await loadModel(await world.registry.readPackage(run.modelVersion!));
    expect(model.signature.inputs.map(({ name, required }) => [name, required])).toEqual([['step', true], ['action', true]]);
    const ask = async (...rows: object[]) => {
      const checked = checkRows(model.signature, rows);
      return checked.type === 'valid' ? (await model.predict(checked.rows)).map((answer) => (answer as { value: number }).value) : checked.problems.map(({ code, field }) => `${code} ${field}`);
    };
    const [without, within] = (await ask({ step: 4, action: 'no' }, { step: 4, action: 'yes' })) as [number, number];
    expect(Math.abs(within - without - 60)).toBeLessThan(15);
    expect(await ask({ step: 4 })).toEqual(['missing_feature action']);
    await model.close();
    await worker.close();
  });

  it('is refused before it is queued where the columns do not fit, with field and remedy', async () => {
    const version = await tenant.dataset(csv);
    const outcome = await world.training.submit(tenant.owner.actor, {
      datasetVersionId: version.id,
      modelName: 'refused',
      spec: { ...spec, inputFeatures: [{ name: 'site', type: 'category' }], forecast: { timeColumn: 'visits', horizon: 400 } },
    });
    expect(outcome).toMatchObject({
      type: 'invalid',
      problems: [{ field: 'spec.forecast.horizon' }, { field: 'spec.forecast.timeColumn' }, { field: 'spec.forecast' }],
    });
    const compressed = await world.training.submit(tenant.owner.actor, { datasetVersionId: version.id, modelName: 'refused', spec: { ...spec, compress: { quantize: 'float16' } } });
    expect(compressed).toMatchObject({ type: 'invalid', problems: [{ field: 'spec.compress', message: expect.stringContaining('series and step') }] });
  });

  it('fails with the reason where the times do not fit, which only the rows show', async () => {
    const worker = await startTestWorker('doubled');
    const { seriesColumn: _several, ...single } = spec.forecast;
    const run = await tenant.run(await tenant.dataset(csv), { ...spec, forecast: single }, 'doubled');
    const ended = await until(run.id, isOver);
    expect(ended).toMatchObject({ status: 'FAILED', failureCode: 'INVALID_DATA', failureMessage: expect.stringMatching(/two values for 2026-01-01/) });
    expect(ended.failureRemedy).toMatch(/series column/);
    await worker.close();
  });
});
