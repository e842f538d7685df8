import path from 'node:path';
import type { ModelVersion, Run, RunEvent, RunMetric, Trial } from '@millrace/database';
import { silentLogger } from '@millrace/kernel';
import { createWorld, type TenantInWorld, type World } from '@millrace/testkit';
import { isFinal } from '@millrace/training';
import { startWorker, type Worker, type WorkerOptions } from '../src/worker.ts';

/** The training process, and that which tries imports: bundled before the first spec. */
export const trainer = { entry: path.join(import.meta.dirname, '../bundle/for-specs/trainer.js'), execArgv: ['--enable-source-maps'] };
export const importer = { entry: path.join(import.meta.dirname, '../bundle/for-specs/importer.js'), execArgv: ['--enable-source-maps'] };

/** A run with all that hangs on it. */
export type RunNow = Run & { events: RunEvent[]; metrics: RunMetric[]; trials: Trial[]; modelVersion: ModelVersion | null };

export interface WorkerWorld {
  world: World;
  tenant: TenantInWorld;
  startTestWorker(name: string, change?: Partial<WorkerOptions>): Promise<Worker>;
  /** Ends those that a test has left: one that has failed leaves its own, which would take the runs of the next. */
  endWorkers(): Promise<unknown>;
  runNow(id: string): Promise<RunNow>;
  /** Resolves when the run is as wished; told of news by the database, not by a clock. */
  until(id: string, wished: (run: RunNow) => boolean): Promise<RunNow>;
}

/** An installation with one tenant, on which workers can be started. */
export async function createWorkerWorld(): Promise<WorkerWorld> {
  const world: World = await createWorld();
  const tenant: TenantInWorld = await world.tenant();

  const started: Worker[] = [];

  async function startTestWorker(name: string, change: Partial<WorkerOptions> = {}): Promise<Worker> {
    const worker = await startWorker({
      database: world.db.workerDatabase,
      queue: world.queue,
      registry: world.registry,
      storage: world.storage,
      logger: silentLogger,
      name,
      concurrency: 1,
      workDirectory: path.join(world.directory, 'work'),
      backend: 'wasm',
      memoryMb: 1024,
      checkpointEverySeconds: 0.1,
      trainer,
      ...change,
    });
    started.push(worker);
    return worker;
  }

  async function runNow(id: string): Promise<RunNow> {
    return world.db.database.forTenant(tenant.tenantId).transaction((tx) =>
      tx.run.findUniqueOrThrow({
        where: { id },
        include: { events: { orderBy: { sequence: 'asc' } }, metrics: { orderBy: { epoch: 'asc' } }, trials: true, modelVersion: true },
      }),
    );
  }

  async function until(id: string, wished: (run: RunNow) => boolean): Promise<RunNow> {
    let wake: () => void = () => undefined;
    const end = await world.db.database.listen('millrace_run', () => wake());
    try {
      for (;;) {
        const news = new Promise<void>((resolve) => (wake = resolve));
        const run = await runNow(id);
        if (wished(run)) return run;
        if (isFinal(run.status)) throw new Error(`the run ended as ${run.status}: ${run.failureCode} ${run.failureMessage}`);
        await news;
      }
    } finally {
      end();
    }
  }

  return { world, tenant, startTestWorker, endWorkers: () => Promise.all(started.splice(0).map((worker) => worker.close())), runNow, until };
}

export const isOver = (run: Pick<Run, 'status'>): boolean => isFinal(run.status);
