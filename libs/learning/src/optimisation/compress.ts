import { compressionSteps, type OptimisationStep, type TrainingSpec } from '@millrace/configuration';
import type { Backend } from '../backend.ts';
import type { EnsembleMember, FittedPipeline } from '../pipeline.ts';
import type { Problem, Table } from '../table.ts';
import { applySteps } from './apply-steps.ts';
import { compareWith } from './comparison.ts';
import { lossComplaint } from './loss-complaint.ts';
import type { OptimisedCandidate, OptimiseOptions } from './outcome.ts';
import type { OptimisationWork, StepOutcome } from './work.ts';

export interface CompressOptions {
  /** What a run has chosen; it stays as it is. */
  base: FittedPipeline;
  table: Table;
  /** What it was trained by, with `compress`. */
  spec: TrainingSpec;
  /** The points that it may lose. */
  maxLoss: number;
  backend?: Backend | undefined;
  signal?: AbortSignal | undefined;
  appraise: OptimiseOptions['appraise'];
}

export type CompressOutcome =
  /** `complaint`: why it is not shown to lose no more than is allowed; null where it is */
  | { type: 'compressed'; base: OptimisedCandidate; compressed: OptimisedCandidate; complaint: string | null }
  /** The chosen model is none that can be compressed that way. */
  | { type: 'unfit'; problem: Problem }
  | { type: 'cancelled' };

/**
 * Prunes and quantises what a training has chosen, as its configuration says, and measures both on the same test rows. Whether it
 * may take the place of the uncompressed one is decided as in `optimise`: by rows held back if nothing learned from them, else by the
 * test rows, of which it is the only candidate.
 */
export async function compress(options: CompressOptions): Promise<CompressOutcome> {
  const { base, maxLoss } = options;
  const plan = planOf(base, options.spec);
  if (plan.type === 'unfit') return plan;
  const outcome = await compareWith({ ...options, chooses: false });
  if (outcome.type === 'invalid') return { type: 'unfit', problem: outcome.problems[0]! };
  if (outcome.type === 'cancelled') return outcome;
  const { comparison } = outcome;
  const begun = performance.now();
  const made = await plan.apply(comparison.work);
  if (made.type === 'failed') return { type: 'unfit', problem: made.problem };
  const compressed = made.type === 'made' ? await comparison.measure(made, plan.steps, (performance.now() - begun) / 1000) : null;
  return compressed ? { type: 'compressed', base: comparison.base, compressed, complaint: lossComplaint(compressed, maxLoss) } : { type: 'cancelled' };
}

interface Plan {
  type: 'planned';
  steps: OptimisationStep[];
  apply(work: OptimisationWork): Promise<StepOutcome>;
}

function planOf(base: FittedPipeline, { compress: wanted = {} }: TrainingSpec): Plan | { type: 'unfit'; problem: Problem } {
  const { estimator } = base;
  if (estimator.family === 'ensemble') return planOfMembers(base, estimator.members, wanted);
  const suiting = compressionSteps(estimator.family, wanted);
  if (suiting.type === 'unfit') return suiting;
  return { type: 'planned', steps: suiting.steps, apply: (work) => applySteps(base, suiting.steps, work) };
}

/** Members that cannot be compressed that way stay as they are. */
function planOfMembers(base: FittedPipeline, members: readonly EnsembleMember[], wanted: NonNullable<TrainingSpec['compress']>): Plan | { type: 'unfit'; problem: Problem } {
  const plans = members.map(({ estimator }) => compressionSteps(estimator.family, wanted));
  const all = plans.flatMap((plan) => (plan.type === 'suits' ? plan.steps : []));
  if (all.length === 0) {
    const problem = { field: 'compress', message: 'None of the members of the ensemble can be compressed that way.', remedy: 'Limit the models to networks, trees or nearest neighbours.' };
    return { type: 'unfit', problem };
  }
  const steps = [...new Map(all.map((step) => [JSON.stringify(step), step])).values()];
  return {
    type: 'planned',
    steps,
    async apply(work) {
      const made: EnsembleMember[] = [];
      for (const [index, member] of members.entries()) {
        const plan = plans[index]!;
        const outcome = plan.type === 'suits' ? await applySteps(member, plan.steps, work) : ({ type: 'made', pipeline: member } as const);
        if (outcome.type !== 'made') return outcome;
        made.push({ ...member, ...outcome.pipeline } as EnsembleMember);
      }
      return { type: 'made', pipeline: { ...base, estimator: { family: 'ensemble', members: made } } };
    },
  };
}
