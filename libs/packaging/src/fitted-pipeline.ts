import { ensurePipeline as ensure } from './ensure-fit.ts';
import { assertFeature, assertNames, assertTarget, assertTexts, type FittedFeature, type FittedImage, type FittedTarget, isScale, outputsOf } from './fitted-columns.ts';
import { assertEstimator, type EnsembleEstimator, type FittedEstimator } from './fitted-estimator.ts';
import { float16Bits, fromFloat16Bits } from './float16.ts';

/**
 * A trained model as the training engine hands it over: preprocessing learned on the training split, and the estimator
 * on encoded rows. Only plain data, so that it can cross a process boundary and be written down without interpretation.
 *
 * An encoded row is the features in order: a number gives one cell, `((value ?? fill) - mean) / scale` in float64; a
 * category gives one cell per known category, 1 at the row's own and 0 elsewhere, all 0 when it is missing or unseen.
 */
export interface FittedPipeline {
  /** empty where it reads a picture */
  features: FittedFeature[];
  image?: FittedImage;
  target: FittedTarget;
  estimator: FittedEstimator;
  /** corrects the answers to rows of single groups */
  heads?: Heads;
}

/**
 * A correction of the answers to rows of a group: with z the answer, standardised by the target (of classes: the logarithms
 * of their probabilities, held above 1e-6), it is `z · (1 + slope) + Σ weight · input`, the first input being 1; then a softmax for classes.
 */
export interface Heads {
  /** names the group of a row: the last feature, which has no categories there and is read by no estimator */
  column: string;
  groups: string[];
  /** by group: 1 where its head is used; other rows are answered as without */
  kept: Uint8Array;
  /** numeric features that heads read, standardised; a gap counts as the mean */
  inputs: { name: string; mean: number; scale: number }[];
  /** [groups] */
  slopes: Float64Array;
  /** [groups, 1 + inputs, outputs], row-major */
  weights: Float64Array;
  /** how slopes (as what answers are multiplied by, 1 + slope) and weights are kept; left out: as float64 */
  storage?: 'float16';
}

/**
 * Refuses a pipeline whose parts do not fit together or hold numbers that cannot be computed with.
 * Such a pipeline is a bug of the trainer, so this throws (`INVALID`) and names the part.
 */
export function assertFitted({ features, image, target, estimator, heads }: FittedPipeline): void {
  assertNames(image ? [image] : features, target);
  ensure(!image || features.length === 0, 'features', 'are read beside a picture');
  for (const feature of features) assertFeature(feature);
  assertTarget(target);
  if (heads) assertHeads(heads, features, target);
  if (estimator.family === 'ensemble') assertEnsemble(estimator, features, target);
  else assertEstimator(estimator, { features, image, target });
}

function assertHeads({ column, groups, kept, inputs, slopes, weights, storage }: Heads, features: readonly FittedFeature[], target: FittedTarget): void {
  const last = features.at(-1);
  ensure(last?.name === column && last.type === 'category' && last.categories.length === 0 && last.missingAllowed, 'heads.column', 'must be the last feature, without categories');
  ensure(groups.length > 0, 'heads.groups', 'must not be empty');
  assertTexts(groups, 'heads.groups');
  ensure(inputs.every(({ name, mean, scale }) => Number.isFinite(mean) && isScale(scale) && features.some((own) => own.name === name && own.type === 'number')), 'heads.inputs', 'must be numbers among the features');
  ensure(kept.length === groups.length && slopes.length === groups.length, 'heads.kept', 'must have an entry for each group');
  ensure(weights.length === groups.length * (inputs.length + 1) * outputsOf(target), 'heads.weights', 'are of the wrong size');
  ensure(slopes.every(Number.isFinite) && weights.every(Number.isFinite), 'heads.weights', 'hold a number that is not finite');
  const isHalf = (value: number) => fromFloat16Bits(float16Bits(value)) === value;
  ensure(!storage || (slopes.every((slope) => isHalf(1 + slope)) && weights.every(isHalf)), 'heads.weights', 'hold a number that float16 does not');
}

function assertEnsemble({ members }: EnsembleEstimator, features: readonly FittedFeature[], target: FittedTarget): void {
  const columns = (of: readonly FittedFeature[]) => JSON.stringify(of.map(({ name, type }) => [name, type]));
  const classes = (of: FittedTarget) => JSON.stringify(of.type === 'number' ? null : of.classes);
  ensure(members.length > 0, 'estimator.members', 'must not be empty');
  for (const [index, member] of members.entries()) {
    const field = `estimator.members[${index}]`;
    ensure(Number.isFinite(member.weight) && member.weight > 0, field, 'needs a weight above 0');
    ensure(columns(member.features) === columns(features), field, 'reads other columns than the ensemble');
    ensure(classes(member.target) === classes(target), field, 'answers another target than the ensemble');
    assertFitted(member);
  }
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  ensure(Math.abs(total - 1) < 1e-9, 'estimator.members', 'have weights that do not add up to 1');
}
