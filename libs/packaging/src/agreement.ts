import type { AutoencoderScorer } from './fitted-detector.ts';
import type { FittedTarget } from './fitted-columns.ts';
import type { FittedEstimator } from './fitted-estimator.ts';
import type { ItemsPrediction, Prediction } from './loaded-model.ts';

export type Agreement =
  | { type: 'agrees'; rows: number; maxDifference: number; tolerance: number }
  | {
      type: 'disagrees';
      rows: number;
      maxDifference: number;
      tolerance: number;
      /** rows whose label or numbers differ too much */
      differing: number;
      /** the first of them, with what each engine says */
      first: { row: number; pipeline: Prediction | undefined; package: Prediction | undefined };
      message: string;
    };

/** What the size of a difference is judged by. */
type ComparedTarget = FittedTarget | { type: 'number'; scale: number } | { type: 'items'; scale: number } | { type: 'anomaly'; threshold: number };

/** Largest accepted difference of a probability; for a number or a score, of prediction / max(1, scale of the target). */
const TOLERANCE = 1e-4;
/** Of layers that compute in int8. */
const TOLERANCE_OF_WHOLE = 1e-2;

/**
 * Compares what the training engine and the package say about the same rows. Probabilities may differ by 1e-4, numbers
 * by 1e-4 × max(1, target scale), and so may scores of items; items whose scores are nearer to each other may change places. Labels must be equal, except where the two labels' probabilities are themselves
 * within the tolerance of each other, or of the threshold between them: there the last bit of float32 decides, and neither
 * engine is wrong. An estimator that computes in int8 may differ by 1e-2: where two engines' last bits lie on different sides of
 * a half, a whole number comes out one higher in one of them. Scores of anomalies, and what features add to them, have no upper end: they may differ by 1e-4 of their size.
 */
export function agree(
  fromPipeline: readonly Prediction[],
  fromPackage: readonly Prediction[],
  target: ComparedTarget,
  estimator?: FittedEstimator | AutoencoderScorer,
): Agreement {
  const least = estimator && isWhole(estimator) ? TOLERANCE_OF_WHOLE : TOLERANCE;
  const tolerance = target.type === 'number' || target.type === 'items' ? least * Math.max(1, target.scale) : least;
  const rows = Math.max(fromPipeline.length, fromPackage.length);
  const differing: number[] = [];
  let maxDifference = 0;
  for (let row = 0; row < rows; row++) {
    const difference = compare(fromPipeline[row], fromPackage[row], target, tolerance);
    maxDifference = Math.max(maxDifference, difference.size);
    if (difference.size > tolerance || !difference.sameLabel) differing.push(row);
  }
  const first = differing[0];
  if (rows > 0 && first === undefined) return { type: 'agrees', rows, maxDifference, tolerance };
  return {
    type: 'disagrees',
    rows,
    maxDifference,
    tolerance,
    differing: differing.length,
    first: { row: first ?? 0, pipeline: fromPipeline[first ?? 0], package: fromPackage[first ?? 0] },
    message:
      first === undefined
        ? 'There are no rows to compare.'
        : `The trained model and its package differ in ${differing.length} of ${rows} rows, first in row ${first}; ` +
          `the largest difference is ${maxDifference}, allowed is ${tolerance}.`,
  };
}

function isWhole(estimator: FittedEstimator | AutoencoderScorer): boolean {
  if (estimator.family === 'ensemble') return estimator.members.some((member) => isWhole(member.estimator));
  return (estimator.family === 'dense' || estimator.family === 'autoencoder' || estimator.family === 'convolutional') && estimator.layers.some(({ storage }) => storage?.type === 'int8');
}

interface Difference {
  size: number;
  sameLabel: boolean;
}

const INCOMPARABLE: Difference = { size: Infinity, sameLabel: false };

function compare(
  left: Prediction | undefined,
  right: Prediction | undefined,
  target: ComparedTarget,
  tolerance: number,
): Difference {
  if (left === undefined || right === undefined || left.personalised !== right.personalised) return INCOMPARABLE;
  if (target.type === 'anomaly') return compareAnomalies(left, right, target.threshold, tolerance);
  if (target.type === 'number') {
    if (!('value' in left) || !('value' in right)) return INCOMPARABLE;
    const [mine, yours] = [left.interval, right.interval];
    if ((mine === undefined) !== (yours === undefined)) return INCOMPARABLE;
    const ends = mine && yours ? [distance(mine.lower, yours.lower), distance(mine.upper, yours.upper)] : [];
    if ((left.survival === undefined) !== (right.survival === undefined)) return INCOMPARABLE;
    // A probability is judged by its own tolerance, whatever the scale of the target.
    const chance = left.survival === undefined ? 0 : distance(left.survival, right.survival!) * (tolerance / TOLERANCE);
    return { size: Math.max(distance(left.value, right.value), ...ends, chance), sameLabel: true };
  }
  if (target.type === 'items') return 'items' in left && 'items' in right ? compareItems(left, right, tolerance) : INCOMPARABLE;
  if (!('label' in left) || !('label' in right)) return INCOMPARABLE;
  const [mine, yours] = [left.probabilities, right.probabilities];
  if (mine.length !== target.classes.length || yours.length !== target.classes.length) return INCOMPARABLE;
  const size = Math.max(...mine.map((value, index) => distance(value, yours[index]!)));
  if (left.label === right.label) return { size, sameLabel: true };
  const a = target.classes.indexOf(left.label);
  const b = target.classes.indexOf(right.label);
  const { decision } = target;
  const isTie = (values: number[]) => (decision ? Math.abs(values[decision.positive]! - decision.threshold) : Math.abs(values[a]! - values[b]!)) <= tolerance;
  return { size, sameLabel: a >= 0 && b >= 0 && isTie(mine) && isTie(yours) };
}

/** Every item has the same score in both lists; one that only one of them has, nearly the score of the other's last. */
function compareItems(left: ItemsPrediction, right: ItemsPrediction, tolerance: number): Difference {
  if (left.items.length !== right.items.length) return INCOMPARABLE;
  if (left.items.length === 0) return { size: 0, sameLabel: true };
  const differences = ([mine, yours]: [ItemsPrediction, ItemsPrediction]) => {
    const scores = new Map(yours.items.map((item, at) => [item, yours.scores[at]!]));
    return mine.items.map((item, at) => distance(mine.scores[at]!, scores.get(item) ?? yours.scores.at(-1)!));
  };
  const inPlace = left.scores.map((score, at) => distance(score, right.scores[at]!));
  const size = Math.max(...inPlace, ...differences([left, right]), ...differences([right, left]));
  return { size, sameLabel: size <= tolerance };
}

function compareAnomalies(left: Prediction, right: Prediction, threshold: number, tolerance: number): Difference {
  if (!('value' in left) || !('value' in right) || !left.anomaly || !right.anomaly) return INCOMPARABLE;
  const [mine, yours] = [left.anomaly.contributions ?? [], right.anomaly.contributions ?? []];
  if (mine.length !== yours.length) return INCOMPARABLE;
  const unit = Math.max(1, Math.abs(left.value));
  const size = Math.max(distance(left.value, right.value), ...mine.map((part, at) => distance(part, yours[at]!))) / unit;
  const isTie = Math.abs(left.value - threshold) / unit <= tolerance;
  return { size, sameLabel: left.anomaly.isAnomaly === right.anomaly.isAnomaly || isTie };
}

/** NaN is far from everything, itself included. */
function distance(left: number, right: number): number {
  const difference = Math.abs(left - right);
  return Number.isNaN(difference) ? Infinity : difference;
}
