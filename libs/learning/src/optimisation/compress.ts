import { compressionSteps, type OptimisationStep, type OptimisedBase, type TrainingSpec } from '@millrace/configuration';
import type { Metrics } from '../metrics.ts';
import type { EnsembleMember, FittedPipeline } from '../pipeline.ts';
import type { Problem } from '../table.ts';
import { applySteps } from './apply-steps.ts';
import { compareWith } from './comparison.ts';
import { lossComplaint } from './loss-complaint.ts';
import { optimise } from './optimise.ts';
import { optimiseDetector, type OptimiseDetectorOptions } from './optimise-detector.ts';
import { optimiseRecommender, type OptimiseRecommenderOptions } from './optimise-recommender.ts';
import { optimiseSurvival, type OptimiseSurvivalOptions } from './optimise-survival.ts';
import type { OptimisedCandidate, OptimiseOptions, OptimiseOutcome } from './outcome.ts';
import type { StepOutcome } from './work.ts';

/** Of what a run has chosen, which stays as it is; `spec` is what it was trained by, with `compress`. */
type Compressing<Options> = Omit<Options, 'optimisation' | 'onEvent'> & {
  /** The points that it may lose. */
  maxLoss: number;
};

export type CompressOptions = Compressing<OptimiseOptions>;

export type CompressOutcome<Model = FittedPipeline, Scores = Metrics> =
  /** `complaint`: why it is not shown to lose no more than is allowed; null where it is */
  | { type: 'compressed'; base: OptimisedCandidate<Model, Scores>; compressed: OptimisedCandidate<Model, Scores>; complaint: string | null }
  /** The chosen model is none that can be compressed that way. */
  | { type: 'unfit'; problem: Problem }
  | { type: 'cancelled' };

/**
 * Prunes and quantises what a training has chosen, as its configuration says, and measures both on the same test rows. Whether it
 * may take the place of the uncompressed one is decided as in `optimise`: by rows held back if nothing learned from them, else by the
 * test rows, of which it is the only candidate. Of a model with heads these are rounded, and the shared model with them.
 */
export async function compress(options: CompressOptions): Promise<CompressOutcome> {
  const { base, spec } = options;
  const { estimator, heads } = base;
  if (estimator.family === 'ensemble' && !heads) return compressMembers(options, estimator.members, spec.compress ?? {});
  return byItsSteps(options, { family: estimator.family, kind: 'plain', hasHeads: heads !== undefined }, (optimisation) => optimise({ ...options, optimisation }));
}

/** The same of a detector of anomalies; see `optimiseDetector`. */
export const compressDetector = (options: Compressing<OptimiseDetectorOptions>) =>
  byItsSteps(options, { family: options.base.scorer.family, kind: 'anomaly', hasHeads: false }, (optimisation) => optimiseDetector({ ...options, optimisation }));

/** The same of a recommender; see `optimiseRecommender`. */
export const compressRecommender = (options: Compressing<OptimiseRecommenderOptions>) =>
  byItsSteps(options, { family: options.base.family, kind: 'recommendation', hasHeads: false }, (optimisation) => optimiseRecommender({ ...options, optimisation }));

/** The same of a survival model; see `optimiseSurvival`. */
export const compressSurvival = (options: Compressing<OptimiseSurvivalOptions>) =>
  byItsSteps(options, { family: options.base.family, kind: 'survival', hasHeads: false }, (optimisation) => optimiseSurvival({ ...options, optimisation }));

/** An optimisation by the steps that suit the base, with what it lost judged. */
async function byItsSteps<Model, Scores>(
  { spec, maxLoss }: { spec: TrainingSpec; maxLoss: number }, base: OptimisedBase, optimiseBy: (optimisation: { steps: OptimisationStep[] }) => Promise<OptimiseOutcome<Model, Scores>>,
): Promise<CompressOutcome<Model, Scores>> {
  const suiting = compressionSteps(base, spec.compress ?? {});
  if (suiting.type === 'unfit') return suiting;
  const outcome = await optimiseBy(suiting);
  if (outcome.type === 'invalid') return { type: 'unfit', problem: outcome.problems[0]! };
  if (outcome.type === 'cancelled') return outcome;
  const compressed = outcome.candidates[0]!;
  return { type: 'compressed', base: outcome.base, compressed, complaint: lossComplaint(compressed, maxLoss) };
}

/** Members that cannot be compressed that way stay as they are. */
async function compressMembers(options: CompressOptions, members: readonly EnsembleMember[], wanted: NonNullable<TrainingSpec['compress']>): Promise<CompressOutcome> {
  const { base, maxLoss } = options;
  const plans = members.map(({ estimator: { family } }) => compressionSteps({ family, kind: 'plain', hasHeads: false }, wanted));
  const all = plans.flatMap((plan) => (plan.type === 'suits' ? plan.steps : []));
  if (all.length === 0) {
    const problem = { field: 'compress', message: 'None of the members of the ensemble can be compressed that way.', remedy: 'Limit the models to networks, trees or nearest neighbours.' };
    return { type: 'unfit', problem };
  }
  const outcome = await compareWith({ ...options, chooses: false });
  if (outcome.type === 'invalid') return { type: 'unfit', problem: outcome.problems[0]! };
  if (outcome.type === 'cancelled') return outcome;
  const { comparison } = outcome;
  const begun = performance.now();
  const made: EnsembleMember[] = [];
  for (const [index, member] of members.entries()) {
    const plan = plans[index]!;
    const own: StepOutcome = plan.type === 'suits' ? await applySteps(member, plan.steps, comparison.work) : { type: 'made', pipeline: member };
    if (own.type === 'failed') return { type: 'unfit', problem: own.problem };
    if (own.type === 'cancelled') return own;
    made.push({ ...member, ...own.pipeline } as EnsembleMember);
  }
  const steps = [...new Map(all.map((step) => [JSON.stringify(step), step])).values()];
  const pipeline: FittedPipeline = { ...base, estimator: { family: 'ensemble', members: made } };
  const compressed = await comparison.measure({ type: 'made', pipeline }, steps, (performance.now() - begun) / 1000);
  return compressed ? { type: 'compressed', base: comparison.base, compressed, complaint: lossComplaint(compressed, maxLoss) } : { type: 'cancelled' };
}
