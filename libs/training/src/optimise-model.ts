import { type Actor, requirePermission } from '@millrace/auth';
import { checkOptimisation, defaultMaxLoss, methodsFor, type Optimisation, type OptimisationMethod, type OptimisationStep, type OptimisedBase, parseOptimisation, quantisationsFor, type TrainingSpec } from '@millrace/configuration';
import type { Database, Prisma, TenantTx } from '@millrace/database';
import type { Problem } from '@millrace/kernel';
import type { Quota } from '@millrace/quota';
import { enqueueRun, type EnqueueOutcome, priorityProblems, type RunTerms } from './enqueue-run.ts';

export interface OptimiseModelInput extends RunTerms {
  /** the base: a version that a run here has made */
  modelVersionId: string;
  /** what to do, unchecked; or a target instead */
  steps?: unknown;
  target?: 'SIZE' | 'LATENCY' | undefined;
  /** points that the result may be worse; see `Optimisation` */
  maxLoss?: number | undefined;
}

export type OptimiseModelOutcome =
  | EnqueueOutcome
  | { type: 'version-not-found' }
  /** the version is there, and nothing can be made of it: why, and what helps */
  | { type: 'not-optimisable'; code: 'version_not_ready' | 'version_imported' | 'dataset_deleted'; message: string; remedy: string };

/** The version that a run starts from, as the claim hands it out; null where it has been deleted meanwhile. */
export type OptimisationBase = NonNullable<Awaited<ReturnType<typeof findOptimisationBase>>>;

/** Accepts a run that makes a smaller or faster version of a model from one of its versions, by its data and its split. */
export function createOptimiseModel({ database, quota }: { database: Database; quota: Quota }) {
  return async function optimiseModel(actor: Actor, input: OptimiseModelInput): Promise<OptimiseModelOutcome> {
    requirePermission(actor, 'run:submit');
    const { tenantId } = actor;
    const parsed = parseOptimisation({
      base: input.modelVersionId,
      ...(input.steps === undefined ? {} : { steps: input.steps }),
      ...(input.target === undefined ? {} : { target: input.target, maxLoss: input.maxLoss ?? defaultMaxLoss }),
      ...(input.maxLoss === undefined ? {} : { maxLoss: input.maxLoss }),
    });
    const problems = [...(parsed.type === 'invalid' ? parsed.problems.map(asProblem) : []), ...priorityProblems(input)];
    return database.forTenant(tenantId).transaction(async (tx): Promise<OptimiseModelOutcome> => {
      const base = await tx.modelVersion.findUnique({
        where: { tenantId_id: { tenantId, id: input.modelVersionId } },
        include: { model: true, run: true, datasetVersion: { select: { datasetId: true } } },
      });
      if (!base) return { type: 'version-not-found' };
      if (parsed.type === 'invalid' || problems.length) return { type: 'invalid', problems };
      const { model, run, datasetVersion } = base;
      if (base.status !== 'READY') return refuse('version_not_ready', `Version ${base.number} is ${base.status}.`, 'Choose a version whose status is READY.');
      if (!run || !datasetVersion || base.source !== 'RUN') {
        return refuse('version_imported', `Version ${base.number} was imported: the rows that it was trained on are not here.`, 'Optimise it where it was made, or train a model here.');
      }
      // Until the run stands, the data set can't be deleted.
      const kept = await tx.$queryRaw<unknown[]>`SELECT 1 FROM datasets WHERE tenant_id = ${tenantId} AND id = ${datasetVersion.datasetId} AND deleted_at IS NULL FOR SHARE`;
      if (kept.length === 0) return refuse('dataset_deleted', `The data set that version ${base.number} was trained on is deleted.`, 'Train the model again on a data set that is there, and optimise that version.');
      const misfits = checkOptimisation(parsed.optimisation, knownOf({ ...base, run }));
      if (misfits.length) return { type: 'invalid', problems: misfits.map(asProblem) };
      const { optimisation } = parsed;
      const work = {
        datasetVersionId: run.datasetVersionId,
        modelName: model.name,
        // Its rows are divided and scored as those of the base were.
        spec: run.spec as Prisma.InputJsonValue,
        acknowledgedLeaks: run.acknowledgedLeaks,
        optimisation: optimisation as Prisma.InputJsonObject,
      };
      const { base: _, ...asked } = optimisation;
      const details = { modelName: model.name, version: base.number, ...asked };
      return enqueueRun(tx, quota, actor, work, input, { action: optimisation.target ? 'model.optimise' : 'model.compress', details: { ...details, base: base.id } });
    });
  };
}

interface KnownVersion {
  family: string;
  source: string;
  model: { task: string };
  run: { spec: unknown } | null;
  /** of a version that was made from another */
  optimisation: unknown;
  /** under `compression`, what its training has made of it */
  metrics: unknown;
}

const stepsIn = (made: unknown): OptimisationStep[] => (made as { steps?: OptimisationStep[] } | null)?.steps ?? [];

function compressionIn(metrics: unknown): unknown {
  const { compression } = (metrics ?? {}) as { compression?: { kept: boolean } };
  return compression?.kept ? compression : null;
}

/** by the task of a model: what kind it is, where it answers neither numbers nor classes of rows */
const kinds: Record<string, OptimisedBase['kind']> = { FORECASTING: 'forecast', SURVIVAL: 'survival', ANOMALY_DETECTION: 'anomaly', RECOMMENDATION: 'recommendation' };

const knownOf = ({ family, source, model, run, optimisation, metrics }: KnownVersion): OptimisedBase => ({
  family: source === 'RUN' && run ? family : null,
  kind: kinds[model.task] ?? 'plain',
  hasHeads: (run?.spec as Partial<TrainingSpec> | undefined)?.personalisation !== undefined,
  isKept: [...stepsIn(optimisation), ...stepsIn(compressionIn(metrics))].some(({ method }) => method === 'quantise'),
});

/** What can be done to a version; nothing where it cannot be optimised at all. */
export function suitingMethods(version: KnownVersion): readonly OptimisationMethod[] {
  const base = knownOf(version);
  return checkOptimisation({}, base).length === 0 ? methodsFor(base) : [];
}

/** What `quantise` can keep a version in, the smallest first; nothing where it does not suit. */
export function suitingPrecisions(version: KnownVersion): ('int8' | 'float16')[] {
  if (!suitingMethods(version).includes('quantise')) return [];
  return [...new Set(quantisationsFor(knownOf(version)).map(({ to }) => to))].reverse();
}

/** What a run is to do to a version. */
export type RunOptimisation = Optimisation;

/** What a run optimises; undefined when it trains anew. */
export const optimisationOfRun = ({ optimisation }: { optimisation: unknown }): Optimisation | undefined => (optimisation as Optimisation | null) ?? undefined;

/** The version that an optimisation starts from; null when it is gone. */
export function findOptimisationBase(tx: TenantTx, tenantId: string, { base }: Optimisation) {
  return tx.modelVersion.findUnique({
    where: { tenantId_id: { tenantId, id: base } },
    select: { id: true, number: true, packagePrefix: true, packageSha256: true, optimisation: true },
  });
}

const refuse = (code: Extract<OptimiseModelOutcome, { type: 'not-optimisable' }>['code'], message: string, remedy: string) => ({ type: 'not-optimisable', code, message, remedy }) as const;

function asProblem({ field, ...problem }: { field: string; message: string; remedy: string }): Problem {
  return { code: 'invalid_optimisation', ...problem, field: field === 'base' ? 'modelVersionId' : field };
}
