import { type ChildProcess, fork } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { type Logger, newId } from '@millrace/kernel';
import type { BackendName } from '@millrace/learning';
import { type ModelPackage, verifyPackage } from '@millrace/packaging';
import { placeInLine, type Registry } from '@millrace/registry';
import type { ArtefactStore } from '@millrace/storage';
import type { ClaimedRun, EpochValues, Failure, RunQueue } from '@millrace/training';
import type { TrainingSpec } from '@millrace/configuration';
import { trainerEnvironment } from './environment.ts';
import { baseGone, gpuUnavailable, isOutOfMemory, storageFull, trainerCrashed, type TrainerExit, workerError } from './run-failures.ts';
import { layOutInputs } from './run-inputs.ts';
import { limitsOf, outOfMemory, watchLimits } from './run-limits.ts';
import { createRunReports } from './run-reports.ts';
import type { TrainerJob, TrainerMessage, WorkerMessage } from './trainer-protocol.ts';

export interface RunAttemptOptions {
  queue: RunQueue;
  registry: Registry;
  storage: ArtefactStore;
  logger: Logger;
  workDirectory: string;
  backend: BackendName;
  /** the most that a training process of this worker gets */
  memoryMb: number;
  checkpointEverySeconds: number;
  /** the training process's program, and how to run it */
  trainer: { entry: string; execArgv: string[] };
}

export interface RunAttempt {
  /** settles when the run is out of this worker's hands */
  readonly done: Promise<void>;
  /** looks at once whether a cancel was requested, rather than at the next beat */
  beat(): void;
  /** stops, and gives the run back for another worker to resume */
  giveBack(): Promise<void>;
}

const beatEveryMs = 1_000;
/** how long a training process may take to obey a cancel before it is killed */
const patienceMs = 1_000;
/** how long it may take to come to its next checkpoint for a pause; then the last one has to do */
const pausePatienceMs = 10_000;

/** One attempt at one run: a training process, its heartbeat and its reports, until the run has an end or is lost. */
export function startRunAttempt(claimed: ClaimedRun, options: RunAttemptOptions): RunAttempt {
  const { lease, run } = claimed;
  const { queue, storage, logger } = options;
  const limits = limitsOf(run, options.memoryMb);
  const folder = path.join(options.workDirectory, `${run.id}-${process.pid}`);
  const checkpointKey = `tenants/${lease.tenantId}/checkpoints/${run.id}/${lease.token}`;
  const modelVersionId = newId('modelVersion');

  let child: ChildProcess | null = null;
  let stopping: 'cancel' | 'worker-shut-down' | 'tenant-closed' | 'lost' | null = null;
  let pausing = false;
  /** why this worker itself killed the training process */
  let verdict: Failure | null = null;
  let beating = false;
  let lastBeat = performance.now();
  let result: Extract<TrainerMessage, { type: 'trained' | 'cancelled' | 'paused' | 'failed' }> | null = null;
  let resultArrived = performance.now();
  let startedAt = performance.now();

  /** Of the run in all. Only the holder of the lease counts, so a total, which may be written twice, is exact. */
  const computeSeconds = (): number => run.computeSeconds + (performance.now() - startedAt) / 1000;

  function stop(reason: NonNullable<typeof stopping>): void {
    if (stopping) return;
    stopping = reason;
    if (!child) return;
    if (reason !== 'cancel') return void child.kill('SIGKILL');
    if (child.connected) child.send({ type: 'cancel' } satisfies WorkerMessage, () => undefined);
    setTimeout(() => child?.kill('SIGKILL'), patienceMs).unref();
  }

  /** The beat goes on meanwhile: until the checkpoint is there the run is held, and a cancel still counts. */
  function pause(): void {
    if (pausing) return;
    pausing = true;
    if (child?.connected) child.send({ type: 'pause' } satisfies WorkerMessage, () => undefined);
    setTimeout(() => child?.kill('SIGKILL'), pausePatienceMs).unref();
  }

  function condemn(failure: Failure): void {
    verdict ??= failure;
    child?.kill('SIGKILL');
  }

  async function beat(): Promise<void> {
    if (beating || stopping) return;
    beating = true;
    try {
      const answer = await queue.heartbeat(lease);
      lastBeat = performance.now();
      if (answer === 'pause') pause();
      else if (answer !== 'continue') stop(answer);
    } catch (error) {
      logger.warn({ runId: run.id, error: String(error) }, 'a heartbeat failed');
      // Beyond this another worker may hold the run: two must not train it.
      if (performance.now() - lastBeat > queue.leaseSeconds * 1000) stop('lost');
    } finally {
      beating = false;
    }
  }

  const reports = createRunReports({
    send: (progress) => queue.report(lease, { ...progress, computeSeconds: computeSeconds() }),
    lost: () => stop('lost'),
    failed: (error) => logger.warn({ runId: run.id, error: String(error) }, 'a progress report failed'),
  });
  const state = { trial: 0, trials: 1, family: '' };
  let handling: Promise<void> = Promise.resolve();

  async function handle(message: TrainerMessage): Promise<void> {
    switch (message.type) {
      case 'started':
        logger.info({ runId: run.id, backend: message.backend, detail: message.backendDetail }, 'training started');
        if (run.device === 'GPU' && message.backend !== 'cuda') condemn(gpuUnavailable);
        return reports.add({ backend: message.backend });
      case 'resumed':
        return queue.noteEvent(lease, 'resumed', { trial: message.trial, epoch: message.epoch });
      case 'trial-started':
        Object.assign(state, { trial: message.trial, trials: message.trials, family: message.family });
        return reports.add({ progress: { ...state, epoch: 0, epochs: 0 } });
      case 'epoch': {
        const { trial, epoch, epochs, values } = message;
        const entry: EpochValues = { trial, epoch, values };
        return reports.add({ progress: { ...state, trial, epoch, epochs }, epochs: [entry] });
      }
      case 'search-progress': {
        const { trial, trials, family, secondsUsed, timeLimitSeconds, best } = message;
        Object.assign(state, { trial, trials, family });
        return reports.add({ progress: { ...state, epoch: 0, epochs: 0, secondsUsed, timeLimitSeconds, best } });
      }
      case 'search-trial':
        return reports.add({ trials: [message.record] });
      case 'checkpoint': {
        const bytes = await fs.readFile(path.join(folder, message.file));
        const stored = await storage.put(checkpointKey, bytes);
        return stored.type === 'stored' ? reports.add({ checkpointKey }) : undefined;
      }
      default:
        result = message;
        resultArrived = performance.now();
    }
  }

  async function train(): Promise<void> {
    await fs.mkdir(folder, { recursive: true, mode: 0o700 }); // what lies here is not encrypted
    const heart = setInterval(() => void beat(), beatEveryMs);
    try {
      const { checkpointPath, bases, optimisation } = await layOutInputs(claimed, folder, options);
      if (optimisation === 'gone') return void (await queue.fail(lease, baseGone, computeSeconds()));
      await storage.withLocalFile(claimed.datasetVersion.objectKey, async (datasetPath) => {
        startedAt = performance.now();
        const job: TrainerJob = {
          runId: run.id,
          datasetVersionId: run.datasetVersionId,
          datasetSha256: claimed.datasetVersion.sha256,
          modelVersionId,
          datasetPath,
          spec: run.spec as unknown as TrainingSpec,
          checkpointPath,
          bases,
          ...(claimed.gate === undefined ? {} : { gate: claimed.gate }),
          ...(optimisation ? { optimisation } : {}),
          workDirectory: folder,
          backend: run.device === 'CPU' && options.backend === 'cuda' ? 'wasm' : options.backend,
          checkpointEverySeconds: options.checkpointEverySeconds,
        };
        const exit = await runChild(job);
        await handling;
        await reports.flush();
        // Whoever has lost the run leaves its checkpoints to the one that holds it now.
        if (await settle(exit)) await storage.removeAll(`tenants/${lease.tenantId}/checkpoints/${run.id}`);
      });
    } finally {
      clearInterval(heart);
      reports.close();
      await fs.rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    }
  }

  function runChild(job: TrainerJob): Promise<TrainerExit> {
    return new Promise((resolve) => {
      const { entry, execArgv } = options.trainer;
      child = fork(entry, [], {
        execArgv: [...execArgv, `--max-old-space-size=${limits.memoryMb}`],
        env: trainerEnvironment(folder),
        serialization: 'advanced',
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      });
      let complaint = '';
      child.stderr!.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-2000)));
      child.on('message', (message: TrainerMessage) => {
        handling = handling.then(() => handle(message)).catch((error: unknown) => {
          logger.error({ runId: run.id, error: String(error) }, 'a message of the training process could not be handled');
        });
      });
      child.on('error', () => undefined); // what failed shows in the exit
      const endWatch = child.pid === undefined ? () => undefined : watchLimits(child.pid, limits, computeSeconds, condemn);
      child.once('close', (code, signal) => {
        endWatch();
        child = null;
        if (complaint) logger.warn({ runId: run.id, code, signal }, complaint.trim());
        resolve({ code, signal });
      });
      child.send({ type: 'job', job } satisfies WorkerMessage, () => undefined);
      if (pausing) child.send({ type: 'pause' } satisfies WorkerMessage, () => undefined);
      if (stopping) child.kill('SIGKILL');
    });
  }

  /** Says whether the run has reached its end, and with it the use of its checkpoints. */
  async function settle(exit: TrainerExit): Promise<boolean> {
    if (stopping === 'lost') return false;
    const seconds = computeSeconds();
    // A cancel counts even if the training was done before it arrived.
    if (stopping === 'cancel' || result?.type === 'cancelled') return queue.cancelled(lease, seconds);
    if (result?.type === 'trained') return complete(result, seconds);
    if (stopping === 'worker-shut-down' || stopping === 'tenant-closed') {
      await queue.giveBack(lease, seconds, stopping);
      return false;
    }
    const hasOwnEnd = verdict !== null || result?.type === 'failed' || isOutOfMemory(exit);
    if (pausing && !hasOwnEnd) {
      await queue.paused(lease, seconds);
      return false;
    }
    return (await queue.fail(lease, failureOf(exit), seconds)) === 'failed';
  }

  function failureOf(exit: TrainerExit): Failure {
    if (verdict) return verdict;
    // The process knows that it has not enough; how much it may have, this one does.
    if (isOutOfMemory(exit) || (result?.type === 'failed' && result.failure.code === 'OUT_OF_MEMORY')) return outOfMemory(limits);
    if (result?.type === 'failed') return result.failure;
    return trainerCrashed(exit);
  }

  async function complete(trained: Extract<TrainerMessage, { type: 'trained' }>, seconds: number): Promise<boolean> {
    const files = new Map<string, Uint8Array>();
    const source = path.join(folder, trained.packageFolder);
    for (const name of await fs.readdir(source)) files.set(name, await fs.readFile(path.join(source, name)));
    const verified = await verifyPackage(files, { digest: trained.packageSha256 });
    if (verified.type === 'damaged') throw new Error(`the package of the training process is damaged: ${verified.problems[0]?.message}`);
    const modelPackage: ModelPackage = {
      files,
      manifest: verified.manifest,
      signature: verified.signature,
      digest: verified.digest,
      sizeBytes: trained.packageSizeBytes,
      gzipBytes: trained.packageSizeGzBytes,
    };
    const holding = await queue.holdStorage(lease, modelVersionId, modelPackage.sizeBytes);
    if (holding.type === 'lost') return false;
    if (holding.type === 'quota-exceeded') {
      // What was tried stays to be looked at; none of it became a version.
      await queue.report(lease, { trials: trained.trials.map((trial) => ({ ...trial, best: false })) });
      return (await queue.fail(lease, storageFull(holding, modelPackage.sizeBytes), seconds)) === 'failed';
    }
    for (const abandoned of holding.abandoned) await options.registry.removePackage(lease.tenantId, abandoned);
    await options.registry.storePackage(lease.tenantId, modelVersionId, modelPackage);
    for (const { type, data } of trained.notes ?? []) await queue.noteEvent(lease, type, data);
    const base = claimed.optimisation?.base;
    const outcome = await queue.complete(lease, {
      trials: trained.trials,
      computeSeconds: seconds,
      version: { versionId: modelVersionId, metrics: trained.metrics as never, agreement: trained.agreement, modelPackage, ...(trained.optimisation && base ? { optimisation: placeInLine(trained.optimisation, base) } : {}) },
    });
    if (outcome !== 'recorded') await storage.removeAll(`tenants/${lease.tenantId}/packages/${modelVersionId}`);
    else await options.registry.retainBeside(lease.tenantId, modelVersionId);
    logger.info({ runId: run.id, modelVersionId, outcome, seconds: (resultArrived - startedAt) / 1000 }, 'training finished');
    return outcome !== 'lost';
  }

  const done = train().catch(async (error: unknown) => {
    logger.error({ runId: run.id, error: error instanceof Error ? error.stack : String(error) }, 'an attempt failed in the worker itself');
    // If this fails too, the lease expires and the run is taken back.
    await queue.fail(lease, workerError, computeSeconds()).catch((second: unknown) => logger.error({ runId: run.id, error: String(second) }, 'the failure was not noted'));
  });

  return {
    done,
    beat: () => void beat(),
    async giveBack() {
      stop('worker-shut-down');
      await done;
    },
  };
}
