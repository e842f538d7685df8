import { randomUUID } from 'node:crypto';
import { recordAudit } from '@millrace/auth';
import type { Optimisation, TrainingSpec } from '@millrace/configuration';
import { type Database, type DatasetVersion, notify, type Prisma, type Run, type TenantTx } from '@millrace/database';
import type { Logger } from '@millrace/kernel';
import type { Quota } from '@millrace/quota';
import { findGate, type GateForVersions, ModelTaskConflict, type NewVersion, type Registry } from '@millrace/registry';
import { findBases } from './base-version.ts';
import { claimNext } from './claim.ts';
import { endRun, meterRun } from './run-cost.ts';
import { findOptimisationBase, type OptimisationBase, optimisationOfRun } from './optimise-model.ts';
import { holdStorage, type HoldStorageOutcome, settleStorage } from './package-storage.ts';
import { appendEvent, transition } from './run-state.ts';
import { announceWorker, withdrawWorker, type WorkerAnnouncement } from './worker-roll.ts';

export interface RunQueueOptions {
  /** its system handle logs in as millrace_worker */
  database: Database;
  quota: Quota;
  registry: Registry;
  logger: Logger;
  /** how long a worker may be silent before its run is given to another (default 15) */
  leaseSeconds?: number;
}

/** A run in the hands of a worker. Every write names the token; who has lost the lease can write no more. */
export interface Lease {
  tenantId: string;
  runId: string;
  token: string;
}

export interface ClaimedRun {
  lease: Lease;
  run: Run;
  datasetVersion: DatasetVersion;
  /** by the place of each model: the version that it begins with, if any */
  bases: Awaited<ReturnType<typeof findBases>>;
  /** of a run that compresses what it has chosen: what the model holds versions to; null where there is no such model yet */
  gate?: GateForVersions | null;
  /** of a run that makes a version from another: what to do to what; the base is null where it is gone meanwhile */
  optimisation?: { wanted: Optimisation; base: OptimisationBase | null };
}

export interface EpochValues {
  trial: number;
  /** from 1 */
  epoch: number;
  values: Record<string, number | null>;
}

export interface ProgressReport {
  progress?: Prisma.InputJsonObject;
  epochs?: EpochValues[];
  /** trials of a search as they end; one that is sent again replaces what was known of it */
  trials?: TrialRecord[];
  backend?: string;
  /** of a whole checkpoint in the artefact store */
  checkpointKey?: string;
  /** of the run so far, over all its attempts: reporting it again changes nothing */
  computeSeconds?: number;
}

export interface TrialRecord {
  number: number;
  family: string;
  parameters: Prisma.InputJsonObject;
  metrics: Prisma.InputJsonObject;
  scoreVal: number | null;
  scoreTest: number | null;
  fitTimeSeconds: number;
  predTimeMsP50: number | null;
  sizeBytes: number | null;
  sizeGzBytes: number | null;
  best: boolean;
}

export interface CompletionInput {
  trials: TrialRecord[];
  version: Pick<NewVersion, 'versionId' | 'metrics' | 'agreement' | 'modelPackage' | 'optimisation'>;
  /** of the run in all, as everywhere here */
  computeSeconds: number;
}

export interface Failure {
  /** stable, SCREAMING_CASE */
  code: string;
  /** the input of submitRun, or of what else asked for the run, to change, such as `limits.memoryMb` */
  field?: string;
  message: string;
  remedy: string;
  /** USER: the same input would fail again. SYSTEM: another attempt may succeed. */
  fault: 'USER' | 'SYSTEM';
}

export type RunQueue = ReturnType<typeof createRunQueue>;

/**
 * The fair queue of runs, and the only way for a worker to hold one. Tenants take turns by their weights (`takeTurn`);
 * within a tenant priority, then age. All times are the database's.
 */
export function createRunQueue(options: RunQueueOptions) {
  const { database, quota, registry, logger } = options;
  const leaseSeconds = options.leaseSeconds ?? 15;

  /** Ends a held run in one transaction; false when the lease is lost. */
  function end(lease: Lease, work: (tx: TenantTx) => Promise<boolean>): Promise<boolean> {
    return database.forTenant(lease.tenantId).transaction(async (tx) => {
      const done = await work(tx);
      if (!done) logger.warn({ runId: lease.runId }, 'the lease was lost; this result is dropped');
      return done;
    });
  }

  async function fail(lease: Lease, failure: Failure, computeSeconds?: number): Promise<'retried' | 'failed' | 'lost'> {
    return database.forTenant(lease.tenantId).transaction(async (tx) => {
      const run = await tx.run.findUnique({ where: keyOf(lease) });
      if (!run || run.leaseToken !== lease.token) return 'lost';
      await meterRun(tx, lease, computeSeconds);
      const held = { ...lease, leaseToken: lease.token };
      const data = { code: failure.code, message: failure.message, attempt: run.attempt };
      if (run.cancelRequestedAt) {
        if (!(await transition(tx, { ...held, verb: 'cancelRunning' }))) return 'lost';
        await endRun(tx, quota, run);
        return 'failed';
      }
      if (failure.fault === 'SYSTEM' && run.attempt < run.maxAttempts) {
        if (run.pauseRequestedAt) return (await transition(tx, { ...held, verb: 'pauseRunning', data })) ? 'retried' : 'lost';
        // 2 s, 4 s, … so that a sick machine isn't hammered.
        const retryInSeconds = 2 ** run.attempt;
        const moved = await transition(tx, { ...held, verb: 'requeue', data, retryInSeconds });
        if (moved) await notify(tx, 'millrace_queue');
        return moved ? 'retried' : 'lost';
      }
      const exhausted = failure.fault === 'SYSTEM' ? ` It was tried ${run.attempt} times.` : '';
      const fields = {
        failureCode: failure.code,
        failureField: failure.field ?? null,
        failureMessage: failure.message + exhausted,
        failureRemedy: failure.remedy,
      };
      if (!(await transition(tx, { ...held, verb: 'fail', fields, data }))) return 'lost';
      await endRun(tx, quota, run);
      await recordEnd(tx, lease, failure.code);
      return 'failed';
    });
  }

  async function letGo(lease: Lease, computeSeconds: number, reason: 'paused' | 'worker-shut-down' | 'tenant-closed'): Promise<boolean> {
    return end(lease, async (tx) => {
      await meterRun(tx, lease, computeSeconds);
      const run = await tx.run.findUniqueOrThrow({ where: keyOf(lease) });
      const isPaused = reason === 'paused' || run.pauseRequestedAt !== null;
      const moved = await transition(tx, {
        ...lease,
        leaseToken: lease.token,
        verb: isPaused ? 'pauseRunning' : 'requeue',
        fields: { attempt: { decrement: 1 } },
        ...(isPaused ? {} : { data: { reason } }),
      });
      if (moved) await notify(tx, 'millrace_queue'); // a place is free
      return moved;
    });
  }

  return {
    leaseSeconds,

    /** Hands out the next run, or null. */
    async claim(workerName: string, { gpu = false }: { gpu?: boolean } = {}): Promise<ClaimedRun | null> {
      const token = randomUUID();
      const claimed = await database.system().transaction(async (tx) => {
        const next = await claimNext(tx, { name: workerName, gpu }, token, leaseSeconds);
        if (!next) return null;
        await appendEvent(tx, next.tenantId, next.runId, 'claimed', { worker: workerName });
        await notify(tx, 'millrace_run', `${next.tenantId}:${next.runId}`);
        return next;
      });
      if (!claimed) return null;
      const lease = { ...claimed, token };
      return database.forTenant(claimed.tenantId).transaction(async (tx) => {
        const { datasetVersion, ...run } = await tx.run.findUniqueOrThrow({ where: keyOf(lease), include: { datasetVersion: true } });
        const wanted = optimisationOfRun(run);
        if (wanted) return { lease, run, datasetVersion, bases: [], optimisation: { wanted, base: await findOptimisationBase(tx, claimed.tenantId, wanted) } };
        const spec = run.spec as unknown as TrainingSpec;
        const gate = spec.compress ? { gate: await findGate(tx, claimed.tenantId, run.modelName) } : {};
        return { lease, run, datasetVersion, bases: await findBases(tx, claimed.tenantId, spec), ...gate };
      });
    },

    /**
     * Renews the lease and says what to do: go on, stop because of a cancel, save a checkpoint and pause, give the run back
     * because its tenant is suspended or deleted, or stop because the run is lost.
     */
    async heartbeat(lease: Lease): Promise<'continue' | 'cancel' | 'pause' | 'tenant-closed' | 'lost'> {
      const [held] = await database.system().transaction(
        (tx) => tx.$queryRaw<{ cancel: boolean; pause: boolean; closed: boolean }[]>`
          UPDATE runs r SET lease_until = clock_timestamp() + make_interval(secs => ${leaseSeconds}) FROM tenants t
          WHERE r.id = ${lease.runId} AND r.lease_token = ${lease.token}::uuid AND t.id = r.tenant_id
          RETURNING r.cancel_requested_at IS NOT NULL AS cancel, r.pause_requested_at IS NOT NULL AS pause, t.status <> 'ACTIVE' AS closed`,
      );
      if (!held) return 'lost';
      if (held.cancel) return 'cancel';
      if (held.pause) return 'pause';
      return held.closed ? 'tenant-closed' : 'continue';
    },

    /** Notes progress. Sending an epoch again replaces it: a resumed run repeats what came after its checkpoint. */
    async report(lease: Lease, report: ProgressReport): Promise<'noted' | 'lost'> {
      return database.forTenant(lease.tenantId).transaction(async (tx) => {
        await meterRun(tx, lease, report.computeSeconds, report.backend);
        const { count } = await tx.run.updateMany({
          where: { tenantId: lease.tenantId, id: lease.runId, leaseToken: lease.token },
          data: {
            ...(report.progress ? { progress: report.progress } : {}),
            ...(report.backend ? { backend: report.backend } : {}),
            ...(report.checkpointKey ? { checkpointKey: report.checkpointKey } : {}),
          },
        });
        if (!count) return 'lost';
        if (report.epochs?.length) {
          await tx.$executeRaw`
            INSERT INTO run_metrics (tenant_id, run_id, trial, epoch, values)
            SELECT ${lease.tenantId}, ${lease.runId}, e.trial, e.epoch, e.values
            FROM jsonb_to_recordset(${JSON.stringify(report.epochs)}::jsonb) AS e(trial int, epoch int, values jsonb)
            ON CONFLICT (tenant_id, run_id, trial, epoch) DO UPDATE SET values = excluded.values, at = now()`;
        }
        for (const trial of report.trials ?? []) {
          const row = trialRow(lease, trial);
          await tx.trial.upsert({ where: { tenantId_runId_number: { tenantId: row.tenantId, runId: row.runId, number: row.number } }, create: row, update: row });
        }
        await notify(tx, 'millrace_run', `${lease.tenantId}:${lease.runId}`);
        return 'noted';
      });
    },

    /** Writes an event that changes no status, such as `resumed`. */
    async noteEvent(lease: Lease, type: string, data?: Prisma.InputJsonObject): Promise<void> {
      await database.forTenant(lease.tenantId).transaction(async (tx) => {
        const held = await tx.$queryRaw<unknown[]>`
          SELECT 1 FROM runs WHERE tenant_id = ${lease.tenantId} AND id = ${lease.runId} AND lease_token = ${lease.token}::uuid FOR UPDATE`;
        if (!held.length) return;
        await appendEvent(tx, lease.tenantId, lease.runId, type, data);
        await notify(tx, 'millrace_run', `${lease.tenantId}:${lease.runId}`);
      });
    },

    /** Holds storage of the tenant for the package of the version that is to come of a run; before it is stored. */
    holdStorage: (lease: Lease, versionId: string, bytes: number): Promise<HoldStorageOutcome> => database.forTenant(lease.tenantId).transaction((tx) => holdStorage(tx, quota, lease, versionId, bytes)),

    /**
     * Ends a run well: trials, model version, quota, ledger and status in one transaction. The package must be stored. A
     * version on which the two engines disagree is kept as FAILED, and the run fails with it. `refused`: the run has
     * failed without a version, because meanwhile its model has become one of the other task.
     */
    async complete(lease: Lease, input: CompletionInput): Promise<'recorded' | 'refused' | 'lost'> {
      const agrees = input.version.agreement.type === 'agrees';
      const ended = end(lease, async (tx) => {
        await meterRun(tx, lease, input.computeSeconds);
        const fields = agrees
          ? {}
          : {
              failureCode: 'ENGINES_DISAGREE',
              failureMessage: 'The serving engine and the training engine give different predictions for the same rows.',
              failureRemedy: 'Tell your operator: this is a defect of Millrace, not of your data.',
            };
        if (!(await transition(tx, { ...lease, leaseToken: lease.token, verb: agrees ? 'succeed' : 'fail', fields }))) return false;
        const run = await tx.run.findUniqueOrThrow({ where: keyOf(lease) });
        await tx.trial.deleteMany({ where: { tenantId: lease.tenantId, runId: lease.runId } });
        await tx.trial.createMany({ data: input.trials.map((trial) => trialRow(lease, trial)) });
        const version = await registry.addVersion(tx, {
          ...input.version,
          tenantId: lease.tenantId,
          modelName: run.modelName,
          runId: run.id,
          datasetVersionId: run.datasetVersionId,
        });
        await settleStorage(tx, quota, lease, version);
        await endRun(tx, quota, run);
        await recordEnd(tx, lease, agrees ? null : 'ENGINES_DISAGREE', { modelName: run.modelName, version: version.number });
        return true;
      });
      try {
        return (await ended) ? 'recorded' : 'lost';
      } catch (error) {
        if (!(error instanceof ModelTaskConflict)) throw error;
        const failure: Failure = { code: 'MODEL_CONFLICT', message: error.message, remedy: 'Submit the run again under another model name.', fault: 'USER' };
        return (await fail(lease, failure, input.computeSeconds)) === 'lost' ? 'lost' : 'refused';
      }
    },

    /** Ends an attempt badly: another one follows if that may help, up to the run's `maxAttempts`. */
    fail,

    /** Ends a run whose cancel was requested. */
    cancelled(lease: Lease, computeSeconds: number): Promise<boolean> {
      return end(lease, async (tx) => {
        await meterRun(tx, lease, computeSeconds);
        if (!(await transition(tx, { ...lease, leaseToken: lease.token, verb: 'cancelRunning' }))) return false;
        await endRun(tx, quota, await tx.run.findUniqueOrThrow({ where: keyOf(lease) }));
        return true;
      });
    },

    /** Lets go of a run whose pause was requested, for as long as its tenant likes. The attempt doesn't count. */
    paused: (lease: Lease, computeSeconds: number) => letGo(lease, computeSeconds, 'paused'),

    /** Puts a run back, unharmed: whoever claims it next resumes it, and the attempt doesn't count. */
    giveBack: (lease: Lease, computeSeconds: number, reason: 'worker-shut-down' | 'tenant-closed') => letGo(lease, computeSeconds, reason),

    announce: (worker: WorkerAnnouncement) => database.system().transaction((tx) => announceWorker(tx, worker)),
    withdraw: (workerId: string) => database.system().transaction((tx) => withdrawWorker(tx, workerId)),

    /** Takes back runs whose worker has gone silent. Any worker may do so at any time. @returns how many */
    async reapExpired(): Promise<number> {
      const expired = await database.system().transaction(
        (tx) => tx.$queryRaw<{ tenantId: string; runId: string; token: string }[]>`
          SELECT tenant_id AS "tenantId", id AS "runId", lease_token::text AS token FROM runs
          WHERE status = 'RUNNING' AND lease_until < clock_timestamp() LIMIT 100`,
      );
      for (const lease of expired) {
        const outcome = await fail(lease, {
          code: 'WORKER_LOST',
          message: 'The worker that trained this run has ended unexpectedly.',
          remedy: 'If it happens again: the run may need more memory than the machine has. Use fewer rows or a smaller network.',
          fault: 'SYSTEM',
        });
        logger.warn({ runId: lease.runId, outcome }, 'a worker went silent; its run was taken back');
      }
      return expired.length;
    },
  };
}

const keyOf = ({ tenantId, runId }: Pick<Lease, 'tenantId' | 'runId'>) => ({ tenantId_id: { tenantId, id: runId } });

function trialRow({ tenantId, runId }: Lease, { sizeBytes, sizeGzBytes, ...trial }: TrialRecord) {
  return {
    ...trial,
    tenantId,
    runId,
    sizeBytes: sizeBytes === null ? null : BigInt(sizeBytes),
    sizeGzBytes: sizeGzBytes === null ? null : BigInt(sizeGzBytes),
  };
}

/** A run that nobody cancelled has ended by itself: nobody's doing but the product's. */
async function recordEnd(tx: TenantTx, { tenantId, runId }: Lease, failureCode: string | null, details?: Prisma.InputJsonObject): Promise<void> {
  const [action, result] = failureCode === null ? ['run.succeed', 'ok'] : ['run.fail', failureCode.toLowerCase()];
  await recordAudit(tx, { type: 'system', tenantId }, { action, result, subject: runId, ...(details ? { details } : {}) });
}
