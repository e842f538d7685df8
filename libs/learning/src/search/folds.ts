import type { PreparedData } from '../prepared-data.ts';
import { createRandom } from '../random.ts';

/** One division of the training rows. Row numbers, ascending. */
export interface Fold {
  train: Int32Array;
  heldOut: Int32Array;
}

/** How every candidate of a search is scored. */
export interface FoldPlan {
  folds: Fold[];
  /** The rows that are held out in some fold, ascending: those that have out-of-fold predictions. */
  scored: Int32Array;
  /** Held-out predictions of each scored row: more than one where the division is repeated. */
  repeats: number;
}

const streamOfFolds = 101;
/** Fewer rows than this are divided twice: one division of so few is a matter of luck. */
const repeatedBelow = 300;
const fiveFoldsUpTo = 4_000;
const threeFoldsUpTo = 20_000;
const largestHoldOut = 20_000;

/**
 * Divides the training rows for cross-validation (Kohavi 1995): five folds, repeated for very few rows; three for some
 * thousands; one hold-out of a fifth, at most 20,000 rows, beyond. Each fold has its share of every class.
 */
export function planFolds(data: PreparedData, seed: number): FoldPlan {
  const rows = data.split.train;
  const strata = data.target.task === 'classification' ? Int32Array.from(rows, (row) => data.truth[row]!) : null;
  if (rows.length > threeFoldsUpTo) {
    const count = Math.ceil(1 / Math.min(0.2, largestHoldOut / rows.length));
    const [holdOut] = divide(rows, strata, count, seed, 0);
    return { folds: [holdOut!], scored: holdOut!.heldOut, repeats: 1 };
  }
  const count = rows.length > fiveFoldsUpTo ? 3 : 5;
  const repeats = rows.length < repeatedBelow ? 2 : 1;
  const folds = Array.from({ length: repeats }, (_, repeat) => divide(rows, strata, count, seed, repeat)).flat();
  return { folds, scored: rows, repeats };
}

/** Deals the rows of each stratum in turn, starting where the stratum before it ended, so that all folds fill alike. */
function divide(rows: Int32Array, strata: Int32Array | null, count: number, seed: number, repeat: number): Fold[] {
  const order = createRandom(seed, streamOfFolds, repeat).permutation(rows.length);
  if (strata) order.sort((a, b) => strata[a]! - strata[b]!);
  const foldOf = new Int32Array(rows.length);
  order.forEach((at, position) => (foldOf[at] = position % count));
  return Array.from({ length: count }, (_, fold) => ({
    train: rows.filter((_row, at) => foldOf[at] !== fold),
    heldOut: rows.filter((_row, at) => foldOf[at] === fold),
  }));
}
