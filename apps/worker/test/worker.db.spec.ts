import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { type PersonActor, platformTenantId } from '@millrace/auth';
import { checkRows, loadModel, readBackground } from '@millrace/packaging';
import { irisSpec, repositoryRoot, type TenantInWorld, testSecrets, type World } from '@millrace/testkit';
import { createWorkerWorld, isOver, trainer, type WorkerWorld } from './worker-world.ts';

const featureNames = irisSpec.inputFeatures.map(({ name }) => name);
const longEpochs = 500;
/** Long enough to be interrupted, short enough to wait for. */
const longSpec = { ...irisSpec, models: [{ family: 'dense', hiddenLayers: [8] }], trainer: { epochs: longEpochs, earlyStop: null, batchSize: 16 } };

let world: World;
let tenant: TenantInWorld;
let startTestWorker: WorkerWorld['startTestWorker'];
let runNow: WorkerWorld['runNow'];
let until: WorkerWorld['until'];
let endWorkers: WorkerWorld['endWorkers'];
beforeAll(async () => {
  ({ world, tenant, startTestWorker, endWorkers, runNow, until } = await createWorkerWorld());
});
afterEach(() => endWorkers());
afterAll(() => world.close());

async function operatorOf({ auth }: World): Promise<PersonActor> {
  const operator = { tenantId: platformTenantId, name: 'Otto', email: 'otto@platform.test', password: 'a password for tests', role: 'OPERATOR' as const };
  await auth.members.add(operator);
  const outcome = await auth.signIn(operator.email, operator.password);
  if (outcome.type !== 'signed-in') throw new Error(outcome.type);
  return outcome.actor;
}

describe('a worker', () => {
  it('trains a run to a version that predicts, with leaderboard, curve, quota and ledger in order', async () => {
    const worker = await startTestWorker('main');
    const submitted = await tenant.run(await tenant.iris(), {
      ...irisSpec,
      models: [{ family: 'knn', k: 3, scaling: 'none' }, { family: 'dense', hiddenLayers: [8] }, { family: 'linear' }],
      trainer: { epochs: 30 },
    });
    const run = await until(submitted.id, isOver);
    expect(run).toMatchObject({ status: 'SUCCEEDED', attempt: 1, backend: 'wasm', leaseToken: null });
    expect(run.events.map(({ type }) => type)).toEqual(['submitted', 'claimed', 'succeeded']);
    expect(run.metrics).toHaveLength(30);
    expect(run.metrics[0]!.values).toMatchObject({ loss: expect.any(Number), valLoss: expect.any(Number) });
    expect(run.trials.map(({ family }) => family).sort()).toEqual(['baseline', 'dense', 'knn', 'linear']);
    expect(run.trials.filter(({ best }) => best)).toHaveLength(1);
    for (const trial of run.trials) {
      if (trial.family === 'baseline') expect(trial).toMatchObject({ best: false, scoreTest: expect.closeTo(1 / 6, 6) });
      else expect(trial.scoreTest).toBeGreaterThan(0.6);
      expect(Number(trial.sizeBytes)).toBeGreaterThan(1000);
      expect(trial.predTimeMsP50).toBeGreaterThan(0);
    }
    expect(run.modelVersion).toMatchObject({ status: 'READY', number: 1, agreement: { type: 'agrees' } });

    const version = run.modelVersion!;
    const files = await world.registry.readPackage(version);
    const model = await loadModel(files, { digest: version.packageSha256 });
    // What explanations compare with.
    expect(readBackground(files, model.signature)).toMatchObject({ count: 32, categories: [] });
    const checked = checkRows(model.signature, [Object.fromEntries(featureNames.map((name, index) => [name, [5.1, 3.5, 1.4, 0.2][index]]))]);
    expect(checked.type === 'valid' && (await model.predict(checked.rows))[0]).toMatchObject({ label: 'setosa' });
    await model.close();

    const counters = await world.quota.listCounters(tenant.owner.actor);
    expect(counters.find(({ resource }) => resource === 'ACTIVE_RUNS')!.used).toBe(0n);
    const usage = await world.quota.summariseUsage(tenant.owner.actor, new Date(0), new Date('2100-01-01'));
    expect(usage.computeSeconds).toBeCloseTo(run.computeSeconds, 6);
    expect(usage.computeSeconds).toBeGreaterThan(0);
    await worker.close();
  });

  it('divides by time as the run says, so that two runs of one split are scored on the same rows', async () => {
    const worker = await startTestWorker('split');
    // The rows are in no order of time, ten a month.
    const rows = Array.from({ length: 90 }, (_, i) => [(i * 37) % 90, `2026-${String(1 + (i % 9)).padStart(2, '0')}-15`, i % 2 ? 'a' : 'b'] as const);
    const version = await tenant.dataset(['x,day,y', ...rows.map((row) => row.join(','))].join('\n'));
    const spec = (k: number) => ({
      inputFeatures: [{ name: 'x', type: 'number' }, { name: 'day', type: 'date' }], outputFeatures: [{ name: 'y', type: 'category' }], models: [{ family: 'knn', k }],
      split: { type: 'time', column: 'day', trainFraction: 0.8 },
    });
    const ended = [];
    for (const k of [3, 5]) ended.push(await until((await tenant.run(version, spec(k) as never, 'by-time')).id, isOver));
    const divided = ended.map(({ status, failureMessage, trials }) => [status, failureMessage, (trials[0]?.metrics as { rows?: object } | undefined)?.rows]);
    const latest = Int32Array.from(rows.flatMap(([, day], i) => (day >= '2026-08' ? [i] : [])));
    const testSha256 = createHash('sha256').update(Buffer.from(latest.buffer)).digest('hex');
    expect(divided).toEqual(Array(2).fill(['SUCCEEDED', null, { train: 70, validation: 0, test: 20, dropped: 0, testSha256 }]));
    // The dates are learned from as well, as numbers; callers send them as text.
    const { agreement, signature } = ended[0]!.modelVersion as { agreement: object; signature: object } | null ?? {};
    expect(agreement).toMatchObject({ type: 'agrees' });
    expect(signature).toMatchObject({ inputs: [{ name: 'x' }, { name: 'day', type: 'date', required: true, parts: ['month', 'weekday', 'day'], min: '2026-01-15', max: '2026-07-15' }] });
    await worker.close();
  });

  it('searches to a version, with its trials on the leaderboard while it goes on', async () => {
    const worker = await startTestWorker('searching');
    const submitted = await tenant.run(await tenant.iris(), {
      ...irisSpec,
      models: [{ family: 'knn', k: 3, scaling: 'none' }, { family: 'dense', hiddenLayers: [8] }],
      trainer: { epochs: 20 },
      selection: { metric: 'logLoss', maxTrials: 3, timeLimitSeconds: 60 },
    });
    const live = await until(submitted.id, ({ trials }) => trials.length > 0);
    expect(live.trials[0]).toMatchObject({ scoreTest: null, scoreVal: expect.any(Number), metrics: { search: { status: 'complete' } } });
    expect(live.progress).toMatchObject({ secondsUsed: expect.any(Number), timeLimitSeconds: 60, trials: 3 });
    const run = await until(submitted.id, isOver);
    expect(run).toMatchObject({ status: 'SUCCEEDED', modelVersion: { status: 'READY', agreement: { type: 'agrees' } } });
    const searched = run.trials.filter(({ family }) => family !== 'ensemble').sort((a, b) => a.number - b.number);
    expect(searched.map(({ number }) => number)).toEqual([0, 1, 2]);
    for (const trial of searched) {
      expect(trial).toMatchObject({ metrics: { search: { number: trial.number, seed: expect.any(Number), foldScores: expect.any(Array) } }, fitTimeSeconds: expect.any(Number) });
      expect(Number(trial.sizeBytes)).toBeGreaterThan(Number(trial.sizeGzBytes));
      expect(trial.predTimeMsP50).toBeGreaterThan(0);
    }
    expect(run.trials.filter(({ best }) => best)).toHaveLength(1);
    await worker.close();
  });

  it('trains trees to a version that both engines agree on and that predicts, with a curve for each', async () => {
    const worker = await startTestWorker('trees');
    const models = [{ family: 'boosted_trees', numIterations: 20 }, { family: 'random_forest', numTrees: 10 }];
    const run = await until((await tenant.run(await tenant.iris(), { ...irisSpec, models })).id, isOver);
    expect(run.status).toBe('SUCCEEDED');
    expect(run.metrics.map(({ trial }) => trial).sort()).toEqual([...Array<number>(20).fill(0), ...Array<number>(10).fill(1)]);
    expect(run.trials.map(({ family }) => family).sort()).toEqual(['baseline', 'boosted_trees', 'random_forest']);
    for (const trial of run.trials) if (trial.family !== 'baseline') expect(trial.scoreTest).toBeGreaterThan(0.8);
    const version = run.modelVersion!;
    expect(version).toMatchObject({ status: 'READY', agreement: { type: 'agrees' } });
    const model = await loadModel(await world.registry.readPackage(version), { digest: version.packageSha256 });
    const checked = checkRows(model.signature, [Object.fromEntries(featureNames.map((name, index) => [name, [5.1, 3.5, 1.4, 0.2][index]]))]);
    expect(checked.type === 'valid' && (await model.predict(checked.rows))[0]).toMatchObject({ label: 'setosa' });
    await model.close();
    await worker.close();
  });

  it('obeys a cancel within two seconds', async () => {
    const worker = await startTestWorker('cancelled');
    const begun = performance.now();
    const run = await tenant.run(await tenant.iris(), longSpec);
    await until(run.id, ({ metrics }) => metrics.length > 0);
    const asked = performance.now();
    expect((await world.training.cancel(tenant.owner.actor, run.id)).type).toBe('cancel-requested');
    const ended = await until(run.id, isOver);
    expect(ended).toMatchObject({ status: 'CANCELLED', modelVersion: null });
    // A promise of the product, not a measure of speed: a machine so busy that a training process starts slowly may take as long to end one.
    expect(performance.now() - asked).toBeLessThan(Math.max(2_000, asked - begun));
    expect(ended.events.map(({ type }) => type)).toEqual(['submitted', 'claimed', 'cancel-requested', 'cancelled']);
    await worker.close();
    expect(await world.storage.list(`tenants/${tenant.tenantId}/checkpoints/${run.id}`)).toEqual([]);
  });

  it('resumes from the checkpoint after its training process was killed', async () => {
    const worker = await startTestWorker('killed-child');
    const run = await tenant.run(await tenant.iris(), longSpec);
    await until(run.id, ({ checkpointKey }) => checkpointKey !== null);
    for (const pid of await trainersOf(process.pid)) process.kill(pid, 'SIGKILL');
    const ended = await until(run.id, isOver);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', attempt: 2 });
    const types = ended.events.map(({ type }) => type);
    expect(types).toEqual(['submitted', 'claimed', 'requeued', 'claimed', 'resumed', 'succeeded']);
    expect(ended.events[2]!.data).toMatchObject({ code: 'TRAINER_CRASHED' });
    expect((ended.events[4]!.data as { epoch: number }).epoch).toBeGreaterThan(0);
    expect(ended.metrics.map(({ epoch }) => epoch)).toEqual(Array.from({ length: longEpochs }, (_, index) => index + 1));
    await worker.close();
  });

  it('fails a run with a reason that a person can act on, without another attempt', async () => {
    const worker = await startTestWorker('diverging');
    const run = await tenant.run(await tenant.iris(), {
      ...longSpec,
      trainer: { epochs: 50, learningRate: 1000, optimizer: 'sgd', earlyStop: null, regularization: { l2: 100 } },
    });
    const ended = await until(run.id, isOver);
    expect(ended).toMatchObject({ status: 'FAILED', attempt: 1, modelVersion: null });
    expect(ended.failureRemedy).toMatch(/learning rate/);
    await worker.close();
  });

  it('fails a run whose model another run has made for another task meanwhile', async () => {
    const version = await tenant.iris();
    const classes = await tenant.run(version, irisSpec, 'contested');
    const numbers = await tenant.run(version, { ...irisSpec, inputFeatures: irisSpec.inputFeatures.slice(1), outputFeatures: [irisSpec.inputFeatures[0]] }, 'contested');
    const worker = await startTestWorker('contested');
    expect((await until(classes.id, isOver)).status).toBe('SUCCEEDED');
    expect(await until(numbers.id, isOver)).toMatchObject({ status: 'FAILED', failureCode: 'MODEL_CONFLICT', attempt: 1, modelVersion: null });
    await worker.close();
  });

  it('gives a run back when it shuts down, and the next worker finishes it without losing an attempt', async () => {
    const first = await startTestWorker('leaving');
    const run = await tenant.run(await tenant.iris(), longSpec);
    await until(run.id, ({ checkpointKey }) => checkpointKey !== null);
    await first.close();
    const between = await runNow(run.id);
    expect(between).toMatchObject({ status: 'QUEUED', attempt: 0 });
    expect(between.checkpointKey).not.toBeNull();
    const second = await startTestWorker('following');
    const ended = await until(run.id, isOver);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', attempt: 1 });
    expect(ended.events.map(({ type }) => type)).toContain('resumed');
    await second.close();
  });

  it('gives a run back when its tenant is suspended, and resumes it when the tenant is back', async () => {
    const worker = await startTestWorker('patient');
    const run = await tenant.run(await tenant.iris(), longSpec);
    await until(run.id, ({ checkpointKey }) => checkpointKey !== null);
    const operator = await operatorOf(world);
    await world.auth.tenants.suspend(operator, tenant.tenantId, 'unpaid bills');
    const between = await until(run.id, ({ status }) => status === 'QUEUED');
    expect(between).toMatchObject({ attempt: 0, checkpointKey: expect.any(String) });
    expect(between.events.at(-1)).toMatchObject({ type: 'requeued', data: { reason: 'tenant-closed' } });
    await world.auth.tenants.resume(operator, tenant.tenantId);
    const ended = await until(run.id, isOver);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', attempt: 1 });
    expect(ended.events.map(({ type }) => type)).toContain('resumed');
    await worker.close();
  });

  it('is replaced after kill -9 of itself, and its training process ends with it', async () => {
    const victim = spawnWorkerProcess();
    const run = await tenant.run(await tenant.iris(), longSpec);
    await until(run.id, ({ checkpointKey }) => checkpointKey !== null);
    const orphans = await trainersOf(victim.pid!);
    expect(orphans.length).toBe(1);
    victim.kill('SIGKILL');
    await once(victim, 'close');
    const second = await startTestWorker('after-kill');
    const ended = await until(run.id, isOver);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', attempt: 2 });
    expect(ended.events.find(({ type }) => type === 'requeued')!.data).toMatchObject({ code: 'WORKER_LOST' });
    expect(orphans.filter((pid) => isTrainer(pid))).toEqual([]);
    await second.close();
  });

  it('writes nothing more once another holds the lease', async () => {
    const run = await tenant.run(await tenant.iris());
    const stale = (await world.queue.claim('zombie'))!;
    expect(stale.run.id).toBe(run.id);
    await world.db.asOwner(`UPDATE runs SET lease_until = now() - interval '1 second' WHERE id = $1`, [run.id]);
    expect(await world.queue.reapExpired()).toBe(1);
    expect(await world.queue.heartbeat(stale.lease)).toBe('lost');
    expect(await world.queue.report(stale.lease, { epochs: [{ trial: 0, epoch: 1, values: { loss: 1 } }] })).toBe('lost');
    expect(await world.queue.fail(stale.lease, { code: 'X', message: '', remedy: '', fault: 'USER' })).toBe('lost');
    expect(await world.queue.cancelled(stale.lease, 0)).toBe(false);
    expect(await runNow(run.id)).toMatchObject({ status: 'QUEUED', metrics: [] });
    const worker = await startTestWorker('finishing');
    expect((await until(run.id, isOver)).status).toBe('SUCCEEDED');
    await worker.close();
  });

  it('gives up after three attempts that each killed their process', async () => {
    const run = await tenant.run(await tenant.iris());
    const crashing = path.join(world.directory, 'crashing-trainer.mjs');
    await fs.writeFile(crashing, `process.on('message', () => process.kill(process.pid, 'SIGKILL'));`);
    const worker = await startTestWorker('poisoned', { trainer: { entry: crashing, execArgv: [] } });
    const ended = await until(run.id, isOver);
    expect(ended).toMatchObject({ status: 'FAILED', attempt: 3, failureCode: 'TRAINER_CRASHED' });
    await worker.close();
    expect((await world.quota.listCounters(tenant.owner.actor)).find(({ resource }) => resource === 'ACTIVE_RUNS')!.used).toBe(0n);
  });
});

function spawnWorkerProcess(): ChildProcess {
  return spawn(process.execPath, [path.join(path.dirname(trainer.entry), 'main.js')], {
    stdio: 'ignore',
    cwd: repositoryRoot,
    env: {
      PATH: process.env['PATH'],
      MILLRACE_APP_DATABASE_URL: world.db.urls.app,
      MILLRACE_WORKER_DATABASE_URL: world.db.urls.worker,
      MILLRACE_STORAGE_DIRECTORY: path.join(world.directory, 'storage'),
      MILLRACE_WORK_DIRECTORY: path.join(world.directory, 'work'),
      MILLRACE_MASTER_KEY: testSecrets.masterKey,
      MILLRACE_WORKER_METRICS_PORT: '0',
      MILLRACE_WORKER_LEASE_SECONDS: '3',
      MILLRACE_CHECKPOINT_SECONDS: '0.1',
      MILLRACE_BACKEND: 'wasm',
    },
  });
}

/** Process ids of the training processes of this worker only: other specs train at the same time. */
async function trainersOf(worker: number): Promise<number[]> {
  const ids = (await fs.readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  return ids.filter((pid) => isTrainer(pid) && parentOf(pid) === worker);
}

function isTrainer(pid: number): boolean {
  const command = readProcess(pid, 'cmdline');
  return command.includes(trainer.entry) && command.includes('max-old-space-size');
}

function parentOf(pid: number): number {
  const stat = readProcess(pid, 'stat');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

function readProcess(pid: number, file: 'cmdline' | 'stat'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return ''; // it has ended
  }
}
