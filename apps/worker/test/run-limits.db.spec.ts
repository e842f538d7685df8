import fs from 'node:fs/promises';
import path from 'node:path';
import { irisSpec, type TenantInWorld, type World } from '@millrace/testkit';
import { createWorkerWorld, isOver, trainer, type WorkerWorld } from './worker-world.ts';

const longEpochs = 200;
const longSpec = { ...irisSpec, models: [{ family: 'dense', hiddenLayers: [8] }], trainer: { epochs: longEpochs, earlyStop: null, batchSize: 16 } };

let world: World;
let tenant: TenantInWorld;
let start: WorkerWorld['startTestWorker'];
let endWorkers: WorkerWorld['endWorkers'];
let until: WorkerWorld['until'];
let version: Awaited<ReturnType<TenantInWorld['iris']>>;
beforeAll(async () => {
  ({ world, tenant, startTestWorker: start, endWorkers, until } = await createWorkerWorld());
  version = await tenant.iris();
});
afterAll(() => world.close());
afterEach(() => endWorkers());

async function submit(change: Partial<Parameters<World['training']['submit']>[1]> = {}, spec: object = irisSpec) {
  const outcome = await world.training.submit(tenant.owner.actor, { datasetVersionId: version.id, modelName: 'iris', spec, ...change });
  if (outcome.type !== 'submitted') throw new Error(outcome.type);
  return outcome.run;
}

/** A training process that runs this before, or instead of, the real one; it sees the job as `job`. */
async function trainerThat(name: string, script: string): Promise<{ entry: string; execArgv: string[] }> {
  const entry = path.join(world.directory, `${name}.mjs`);
  await fs.writeFile(entry, script);
  return { entry, execArgv: trainer.execArgv };
}

describe('a run that takes more than it may', () => {
  const greedySeed = 99;
  /** Takes memory for the runs with the greedy seed, filled so that it is really there; is the real training process for others. */
  const hog = (allocate: string) => `
    const held = [];
    process.once('message', async (message) => {
      if (message.job.spec.split.seed === ${greedySeed}) return setInterval(() => { ${allocate} }, 5);
      await import(${JSON.stringify(trainer.entry)});
      process.emit('message', message);
    });
    process.on('disconnect', () => process.exit(1));`;

  it.each([
    ['outside its heap', 'held.push(Buffer.alloc(16 * 2 ** 20, held.length + 1));', true],
    ['in WebAssembly', 'const memory = new WebAssembly.Memory({ initial: 256 }); new Uint8Array(memory.buffer).fill(7); held.push(memory);', false],
    ['in its heap', 'held.push(Array.from({ length: 2 ** 19 }, (_, i) => ({ i })));', false],
  ])('of memory, %s, fails with the limit to raise, once, and its worker goes on', async (_where, allocate, seesAnother) => {
    await start('hogged', { trainer: await trainerThat('hog', hog(allocate)) });
    const run = await submit({ limits: { memoryMb: 512 } }, { ...irisSpec, split: { ...irisSpec.split, seed: greedySeed } });
    const ended = await until(run.id, isOver);
    expect(ended).toMatchObject({
      status: 'FAILED', attempt: 1, failureCode: 'OUT_OF_MEMORY', failureField: 'limits.memoryMb',
      failureMessage: expect.stringContaining('512 MB'), failureRemedy: expect.stringMatching(/fewer rows/),
    });
    expect(ended.events.map(({ type }) => type)).toEqual(['submitted', 'claimed', 'failed']);
    if (seesAnother) expect((await until((await submit()).id, isOver)).status).toBe('SUCCEEDED');
  });

  it('of time fails with the limit to raise, while another run of the same worker succeeds', async () => {
    const endless = await submit({ limits: { minutes: 1 } }, { ...longSpec, trainer: { ...longSpec.trainer, epochs: 100_000 } });
    // All but the last of its minute is over, as after many attempts.
    await world.db.asOwner('UPDATE runs SET compute_seconds = 58 WHERE id = $1', [endless.id]);
    const other = await submit();
    await start('timed', { concurrency: 2 });
    expect((await until(other.id, isOver)).status).toBe('SUCCEEDED');
    const ended = await until(endless.id, isOver);
    expect(ended).toMatchObject({
      status: 'FAILED', attempt: 1, failureCode: 'TIME_LIMIT_EXCEEDED', failureField: 'limits.minutes', failureRemedy: expect.stringMatching(/more minutes/),
    });
    expect(ended.computeSeconds).toBeGreaterThan(60);
  });
});

describe('a paused run', () => {
  it('frees its worker, and ends with the same model as one that was never paused', async () => {
    await start('pausing');
    const paused = await submit({ modelName: 'paused' }, longSpec);
    const straight = await submit({ modelName: 'straight' }, longSpec);
    await until(paused.id, ({ metrics }) => metrics.length > 0);
    expect((await world.training.pause(tenant.owner.actor, paused.id)).type).toBe('pause-requested');
    const between = await until(paused.id, ({ status }) => status === 'PAUSED');
    expect(between).toMatchObject({ attempt: 0, checkpointKey: expect.any(String), leaseToken: null, pauseRequestedAt: null });
    expect(between.metrics.length).toBeLessThan(longEpochs);
    expect((await until(straight.id, isOver)).status).toBe('SUCCEEDED');
    await world.training.resume(tenant.owner.actor, paused.id);
    const ended = await until(paused.id, isOver);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', attempt: 1 });
    expect(ended.events.map(({ type }) => type)).toEqual([
      'submitted', 'claimed', 'pause-requested', 'paused', 'resume-requested', 'claimed', 'resumed', 'succeeded',
    ]);
    const model = async (runId: string) => {
      const { modelVersion } = await until(runId, isOver);
      const files = await world.registry.readPackage(modelVersion!);
      return Buffer.from(files.get('model.onnx')!);
    };
    expect((await model(paused.id)).equals(await model(straight.id))).toBe(true);
  });
});

describe('a run on a GPU', () => {
  /** The real training process, but for the name that it gives to what it computes on. */
  const claimsCuda = () =>
    trainerThat(
      'cuda',
      `const send = process.send.bind(process);
       process.send = (message, ...rest) => send(message.type === 'started' ? { ...message, backend: 'cuda' } : message, ...rest);
       await import(${JSON.stringify(trainer.entry)});`,
    );

  it('waits for a worker that has one, is computed there, and metered so', async () => {
    const cpu = await start('cpu-only');
    const onGpu = await submit({ device: 'GPU', priority: 100 });
    expect(await world.training.queuePlace(onGpu)).toMatchObject({ waitsFor: 'NO_GPU_WORKER' });
    const gpu = await start('with-gpu', { trainer: await claimsCuda(), findGpu: async () => true });
    const ended = await until(onGpu.id, isOver);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', backend: 'cuda' });
    expect(ended.events[1]!.data).toEqual({ worker: 'with-gpu' });
    expect(ended.gpuSeconds).toBeGreaterThan(0);
    expect(ended.gpuSeconds).toBe(ended.computeSeconds);
    await Promise.all([cpu.close(), gpu.close()]);
    expect(await world.db.asOwner('SELECT * FROM workers')).toEqual([]);
  });

  it('is never computed on a CPU by stealth: a worker whose GPU is gone gives it back', async () => {
    await start('lost-gpu', { findGpu: async () => true });
    const run = await submit({ device: 'GPU' });
    const between = await until(run.id, ({ events }) => events.some(({ type }) => type === 'requeued'));
    expect(between.events.find(({ type }) => type === 'requeued')!.data).toMatchObject({ code: 'GPU_UNAVAILABLE' });
    expect(between.metrics).toEqual([]);
    await world.training.cancel(tenant.owner.actor, run.id);
  });
});
