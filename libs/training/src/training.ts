import { type Actor, recordAudit, requirePermission } from '@millrace/auth';
import { checkSpecAgainstColumns, checkTimeColumn, type ColumnSummary, locateProblems, parseTrainingSpec, type SpecProblem, type Task, taskOf } from '@millrace/configuration';
import { type Database, type DatasetVersion, notify, Prisma, type Run, type TenantTx } from '@millrace/database';
import type { DatasetProfile, Datasets, Leak } from '@millrace/datasets';
import type { Problem } from '@millrace/kernel';
import type { Quota, TrainingLimits } from '@millrace/quota';
import { nameProblem } from '@millrace/registry';
import { pinBases } from './base-version.ts';
import { enqueueRun, type EnqueueOutcome, priorityProblems, type RunTerms } from './enqueue-run.ts';
import { createOptimiseModel } from './optimise-model.ts';
import { createQueuePlaces } from './queue-place.ts';
import { endRun } from './run-cost.ts';
import { appendEvent, isFinal, transition } from './run-state.ts';

export interface TrainingOptions {
  database: Database;
  quota: Quota;
  datasets: Pick<Datasets, 'reportOnTarget'>;
  /** where checkpoints lie */
  storage: { removeAll(prefix: string): Promise<unknown> };
}

export interface SubmitRunInput extends RunTerms {
  datasetVersionId: string;
  /** the registered model that gets a version when the run succeeds; made if it is new */
  modelName: string;
  /** the training configuration, unchecked: an object, or YAML */
  spec: unknown;
  /** columns that give the target away and are to be used all the same; see `leaking` */
  acknowledgedLeaks?: readonly string[];
}

export type SubmitOutcome =
  | EnqueueOutcome
  | { type: 'dataset-version-not-found' }
  /** input features give the target away, and the caller hasn't said that this is meant */
  | { type: 'leaking'; leaks: Leak[]; columns: string[] }
  | { type: 'model-conflict'; modelName: string; message: string };

export type CancelOutcome = { type: 'cancelled' | 'cancel-requested' | 'already-final'; run: Run } | { type: 'not-found' };

export type PauseOutcome = { type: 'paused' | 'pause-requested' | 'already-paused' | 'already-final'; run: Run } | { type: 'not-found' };

export type ResumeOutcome = { type: 'resumed' | 'not-paused'; run: Run } | { type: 'not-found' };

export type Training = ReturnType<typeof createTraining>;

/** Accepts runs, pauses, resumes and cancels them, and says where they stand. What works on them is the run queue. */
export function createTraining({ database, quota, datasets, storage }: TrainingOptions) {
  const queuePlace = createQueuePlaces(database);

  /** Does something about a run whose row nobody else changes meanwhile. */
  function actOn<Outcome>(actor: Actor, runId: string, work: (tx: TenantTx, run: Run) => Promise<Outcome>): Promise<Outcome | { type: 'not-found' }> {
    requirePermission(actor, 'run:cancel');
    const { tenantId } = actor;
    return database.forTenant(tenantId).transaction(async (tx) => {
      await tx.$queryRaw`SELECT id FROM runs WHERE tenant_id = ${tenantId} AND id = ${runId} FOR UPDATE`;
      const run = await tx.run.findUnique({ where: { tenantId_id: { tenantId, id: runId } } });
      return run ? work(tx, run) : { type: 'not-found' };
    });
  }

  return {
    /** Accepts a run that makes a smaller or faster version from one that is there. */
    optimiseModel: createOptimiseModel({ database, quota }),

    /**
     * Accepts a run: everything that can be known to be wrong is refused now, with field and remedy. The quota is reserved
     * in the transaction that creates the run.
     */
    async submit(actor: Actor, input: SubmitRunInput): Promise<SubmitOutcome> {
      requirePermission(actor, 'run:submit');
      const problems: Problem[] = [];
      const unfitName = nameProblem(input.modelName, 'modelName', 'model');
      if (unfitName) problems.push(unfitName);
      problems.push(...priorityProblems(input));
      const parsed = parseTrainingSpec(input.spec);
      if (parsed.type === 'invalid') problems.push(...parsed.problems.map(asProblem));
      if (parsed.type === 'invalid' || problems.length) return { type: 'invalid', problems };

      const { tenantId } = actor;
      const tenant = database.forTenant(tenantId);
      const found = await tenant.transaction((tx) => tx.datasetVersion.findFirst({ where: { tenantId, id: input.datasetVersionId, dataset: { deletedAt: null } } }));
      if (!found) return { type: 'dataset-version-not-found' };
      const columns = specColumns(found);
      const misfits = [...checkSpecAgainstColumns(parsed.spec, columns), ...checkTimeColumn(parsed.spec, columns)];
      if (misfits.length) return { type: 'invalid', problems: locateProblems(input.spec, misfits).map(asProblem) };
      const inputs = parsed.spec.inputFeatures.map(({ name }) => name);
      const acknowledged = [...new Set(input.acknowledgedLeaks ?? [])].filter((name) => inputs.includes(name));
      // Reads the table, so outside the transaction: a version never changes.
      const target = parsed.spec.outputFeatures[0];
      const { leaks } = inputs.length && target ? await datasets.reportOnTarget(tenant, found.id, target) : { leaks: [] };
      const open = leaks.filter(({ columns }) => columns.every((name) => inputs.includes(name)) && !columns.every((name) => acknowledged.includes(name)));
      if (open.length) return { type: 'leaking', leaks: open, columns: [...new Set(open.flatMap(({ columns }) => columns))] };
      return tenant.transaction(async (tx): Promise<SubmitOutcome> => {
        // Until the run stands, the data set can't be deleted.
        const kept = await tx.$queryRaw<unknown[]>`SELECT 1 FROM datasets WHERE tenant_id = ${tenantId} AND id = ${found.datasetId} AND deleted_at IS NULL FOR SHARE`;
        if (kept.length === 0) return { type: 'dataset-version-not-found' };
        const unfitBases = await pinBases(tx, tenantId, parsed.spec);
        if (unfitBases.length) return { type: 'invalid', problems: unfitBases };
        const model = await tx.model.findUnique({ where: { tenantId_name: { tenantId, name: input.modelName } } });
        const task = taskOf(parsed.spec).toUpperCase() as Uppercase<Task>;
        if (model && model.task !== task) {
          const message = `The model ${input.modelName} is for ${taskName(model.task)}, this run for ${taskName(task)}.`;
          return { type: 'model-conflict', modelName: input.modelName, message };
        }
        const work = { datasetVersionId: found.id, modelName: input.modelName, spec: parsed.spec, acknowledgedLeaks: acknowledged };
        const details = { modelName: input.modelName, ...(acknowledged.length > 0 ? { acknowledgedLeaks: acknowledged } : {}) };
        return enqueueRun(tx, quota, actor, work, input, { action: 'run.submit', details });
      });
    },

    /** A queued or paused run ends at once; a running one is stopped by its worker within two seconds. */
    async cancel(actor: Actor, runId: string): Promise<CancelOutcome> {
      const outcome = await actOn(actor, runId, async (tx, run): Promise<CancelOutcome> => {
        if (isFinal(run.status)) return { type: 'already-final', run };
        await recordAudit(tx, actor, { action: 'run.cancel', subject: runId });
        if (run.status !== 'RUNNING') {
          await transition(tx, { tenantId: actor.tenantId, runId, verb: run.status === 'QUEUED' ? 'cancelQueued' : 'cancelPaused' });
          await endRun(tx, quota, run);
          return { type: 'cancelled', run: await reread(tx, run) };
        }
        if (!run.cancelRequestedAt) await request(tx, run, 'cancel');
        return { type: 'cancel-requested', run: await reread(tx, run) };
      });
      // No worker holds it, so none clears up after it.
      if (outcome.type === 'cancelled') await storage.removeAll(`tenants/${actor.tenantId}/checkpoints/${runId}`);
      return outcome;
    },

    /**
     * A queued run leaves the queue; a running one saves a checkpoint and frees its place within seconds. Until it is
     * resumed it keeps what it has computed, and counts as a run without an end.
     */
    pause(actor: Actor, runId: string): Promise<PauseOutcome> {
      return actOn(actor, runId, async (tx, run): Promise<PauseOutcome> => {
        if (isFinal(run.status)) return { type: 'already-final', run };
        if (run.status === 'PAUSED') return { type: 'already-paused', run };
        await recordAudit(tx, actor, { action: 'run.pause', subject: runId });
        if (run.status === 'QUEUED') {
          await transition(tx, { tenantId: actor.tenantId, runId, verb: 'pauseQueued' });
          return { type: 'paused', run: await reread(tx, run) };
        }
        if (!run.pauseRequestedAt) await request(tx, run, 'pause');
        return { type: 'pause-requested', run: await reread(tx, run) };
      });
    },

    /** Puts a paused run back into the queue, at the place of its priority and age. */
    resume(actor: Actor, runId: string): Promise<ResumeOutcome> {
      return actOn(actor, runId, async (tx, run): Promise<ResumeOutcome> => {
        if (run.status !== 'PAUSED') return { type: 'not-paused', run };
        await recordAudit(tx, actor, { action: 'run.resume', subject: runId });
        await transition(tx, { tenantId: actor.tenantId, runId, verb: 'resume' });
        await notify(tx, 'millrace_queue');
        return { type: 'resumed', run: await reread(tx, run) };
      });
    },

    /** What the tenant's runs may have. */
    async limits(actor: Actor): Promise<TrainingLimits> {
      requirePermission(actor, 'run:read');
      return database.forTenant(actor.tenantId).transaction((tx) => quota.trainingLimits(tx, actor.tenantId));
    },

    /** Where a queued run stands; null when it isn't queued. */
    queuePlace,

    /** How many of the tenant's own queued runs go before this one; null when it isn't queued. */
    async queuePosition(tx: TenantTx, run: Pick<Run, 'tenantId' | 'id' | 'status' | 'priority' | 'createdAt'>): Promise<number | null> {
      if (run.status !== 'QUEUED') return null;
      const { tenantId, priority, createdAt } = run;
      return tx.run.count({
        where: {
          tenantId,
          status: 'QUEUED',
          OR: [{ priority: { gt: priority } }, { priority, createdAt: { lt: createdAt } }, { priority, createdAt, id: { lt: run.id } }],
        },
      });
    },
  };
}

const reread = (tx: TenantTx, { tenantId, id }: Run): Promise<Run> => tx.run.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id } } });

/** Asks the worker that holds a run. */
async function request(tx: TenantTx, { tenantId, id }: Run, what: 'cancel' | 'pause'): Promise<void> {
  const column = what === 'cancel' ? Prisma.sql`cancel_requested_at` : Prisma.sql`pause_requested_at`;
  await tx.$executeRaw`UPDATE runs SET ${column} = clock_timestamp() WHERE tenant_id = ${tenantId} AND id = ${id}`;
  await appendEvent(tx, tenantId, id, `${what}-requested`);
  await notify(tx, 'millrace_run', `${tenantId}:${id}`);
}

function specColumns(version: DatasetVersion): ColumnSummary[] {
  return (version.profile as unknown as DatasetProfile).columns.map(({ name, type, missing, distinct, summary }) => ({
    name,
    type,
    rows: version.rowCount,
    missing,
    distinct,
    // Only a complete list of values says which are rare.
    ...(summary.kind === 'values' && summary.top.length === distinct ? { counts: summary.top } : {}),
    ...(summary.kind === 'numbers' ? { min: summary.min } : {}),
  }));
}

const taskName = (task: string): string => task.toLowerCase().replaceAll('_', ' ');

function asProblem(problem: SpecProblem): Problem {
  const atRoot = problem.field === '(configuration)';
  return { code: 'invalid_spec', ...problem, field: atRoot ? 'spec' : `spec.${problem.field}` };
}
