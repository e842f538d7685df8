import { type Actor, actorName, recordAudit, requirePermission } from '@millrace/auth';
import { checkSpecAgainstColumns, type ColumnSummary, parseTrainingSpec, type SpecProblem, type Task, taskOf } from '@millrace/configuration';
import { type Database, type DatasetVersion, notify, type Run, type TenantTx } from '@millrace/database';
import type { DatasetProfile } from '@millrace/datasets';
import { newId, type Problem } from '@millrace/kernel';
import type { Quota, QuotaExceeded } from '@millrace/quota';
import { nameProblem } from '@millrace/registry';
import { appendEvent, isFinal, transition } from './run-state.ts';

export interface TrainingOptions {
  database: Database;
  quota: Quota;
}

export interface SubmitRunInput {
  datasetVersionId: string;
  /** the registered model that gets a version when the run succeeds; made if it is new */
  modelName: string;
  /** the training configuration, unchecked: an object, or YAML */
  spec: unknown;
  /** within the tenant; higher goes first */
  priority?: number;
}

export type SubmitOutcome =
  | { type: 'submitted'; run: Run }
  | { type: 'invalid'; problems: Problem[] }
  | { type: 'dataset-version-not-found' }
  | { type: 'model-conflict'; modelName: string; message: string }
  | QuotaExceeded;

export type CancelOutcome = { type: 'cancelled' | 'cancel-requested' | 'already-final'; run: Run } | { type: 'not-found' };

export type Training = ReturnType<typeof createTraining>;

/** Accepts, lists and cancels runs. What works on them is the run queue. */
export function createTraining({ database, quota }: TrainingOptions) {
  return {
    /**
     * Accepts a run: everything that can be known to be wrong is refused now, with field and remedy. The quota is reserved
     * in the transaction that creates the run.
     */
    async submit(actor: Actor, input: SubmitRunInput): Promise<SubmitOutcome> {
      requirePermission(actor, 'run:submit');
      const priority = input.priority ?? 0;
      const problems: Problem[] = [];
      const unfitName = nameProblem(input.modelName, 'modelName', 'model');
      if (unfitName) problems.push(unfitName);
      if (!Number.isInteger(priority) || Math.abs(priority) > 100) {
        problems.push({ code: 'priority_unfit', field: 'priority', message: 'The priority is no whole number from -100 to 100.', remedy: 'Leave it out, or give 0.' });
      }
      const parsed = parseTrainingSpec(input.spec);
      if (parsed.type === 'invalid') problems.push(...parsed.problems.map(asProblem));
      if (parsed.type === 'invalid' || problems.length) return { type: 'invalid', problems };

      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx): Promise<SubmitOutcome> => {
        const version = await tx.datasetVersion.findUnique({ where: { tenantId_id: { tenantId, id: input.datasetVersionId } } });
        if (!version) return { type: 'dataset-version-not-found' };
        const misfits = checkSpecAgainstColumns(parsed.spec, specColumns(version));
        if (misfits.length) return { type: 'invalid', problems: misfits.map(asProblem) };
        const model = await tx.model.findUnique({ where: { tenantId_name: { tenantId, name: input.modelName } } });
        const task = taskOf(parsed.spec).toUpperCase() as Uppercase<Task>;
        if (model && model.task !== task) {
          const message = `The model ${input.modelName} is for ${model.task.toLowerCase()}, this run for ${task.toLowerCase()}.`;
          return { type: 'model-conflict', modelName: input.modelName, message };
        }
        const runId = newId('run');
        const reserved = await quota.reserve(tx, tenantId, { resource: 'ACTIVE_RUNS', amount: 1n, subject: runId });
        if (reserved.type !== 'reserved') return reserved;
        await tx.$executeRaw`INSERT INTO tenant_queues (tenant_id) VALUES (${tenantId}) ON CONFLICT DO NOTHING`;
        const run = await tx.run.create({
          data: {
            id: runId,
            tenantId,
            datasetVersionId: version.id,
            modelName: input.modelName,
            spec: parsed.spec,
            priority,
            createdBy: actorName(actor),
          },
        });
        await appendEvent(tx, tenantId, runId, 'submitted');
        await recordAudit(tx, actor, { action: 'run.submit', subject: runId, details: { modelName: input.modelName } });
        await notify(tx, 'millrace_queue');
        return { type: 'submitted', run };
      });
    },

    /** A queued run ends at once; a running one is stopped by its worker within two seconds. */
    async cancel(actor: Actor, runId: string): Promise<CancelOutcome> {
      requirePermission(actor, 'run:cancel');
      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx): Promise<CancelOutcome> => {
        await tx.$queryRaw`SELECT id FROM runs WHERE tenant_id = ${tenantId} AND id = ${runId} FOR UPDATE`;
        const where = { tenantId_id: { tenantId, id: runId } };
        const run = await tx.run.findUnique({ where });
        if (!run) return { type: 'not-found' };
        if (isFinal(run.status)) return { type: 'already-final', run };
        await recordAudit(tx, actor, { action: 'run.cancel', subject: runId });
        if (run.status === 'QUEUED') {
          await transition(tx, { tenantId, runId, verb: 'cancelQueued' });
          await endRun(tx, quota, run);
          return { type: 'cancelled', run: await tx.run.findUniqueOrThrow({ where }) };
        }
        if (!run.cancelRequestedAt) {
          await tx.$executeRaw`UPDATE runs SET cancel_requested_at = clock_timestamp() WHERE tenant_id = ${tenantId} AND id = ${runId}`;
          await appendEvent(tx, tenantId, runId, 'cancel-requested');
          await notify(tx, 'millrace_run', `${tenantId}:${runId}`);
        }
        return { type: 'cancel-requested', run: await tx.run.findUniqueOrThrow({ where }) };
      });
    },

    /** How many of the tenant's own queued runs go before this one; null when it isn't queued. */
    async queuePosition(tx: TenantTx, run: Pick<Run, 'tenantId' | 'id' | 'status' | 'priority'>): Promise<number | null> {
      if (run.status !== 'QUEUED') return null;
      return tx.run.count({
        where: {
          tenantId: run.tenantId,
          status: 'QUEUED',
          OR: [{ priority: { gt: run.priority } }, { priority: run.priority, id: { lt: run.id } }],
        },
      });
    },
  };
}

/** Gives back what a run held and enters what it cost, in the transaction that ends it. */
export async function endRun(tx: TenantTx, quota: Quota, run: Pick<Run, 'tenantId' | 'id' | 'createdBy'>): Promise<void> {
  await quota.release(tx, run.tenantId, run.id, 'ACTIVE_RUNS');
  const { computeSeconds } = await tx.run.findUniqueOrThrow({
    where: { tenantId_id: { tenantId: run.tenantId, id: run.id } },
    select: { computeSeconds: true },
  });
  if (computeSeconds > 0) {
    await quota.recordTraining(tx, { tenantId: run.tenantId, runId: run.id, actor: run.createdBy, computeSeconds });
  }
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
  }));
}

function asProblem(problem: SpecProblem): Problem {
  const atRoot = problem.field === '(configuration)';
  return { code: 'invalid_spec', ...problem, field: atRoot ? 'spec' : `spec.${problem.field}` };
}
