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
  /** Whether each fold is held out of what comes after what it learns from: the last fold knows the most, and what is current. */
  inTime: boolean;
}

const streamOfFolds = 101;
/** Fewer rows than this are divided twice: one division of so few is a matter of luck. */
const repeatedBelow = 300;
const fiveFoldsUpTo = 4_000;
const threeFoldsUpTo = 20_000;
const largestHoldOut = 20_000;

/**
 * Divides the training rows for cross-validation (Kohavi 1995): five folds, repeated for very few rows; three for some
 * thousands; one hold-out of a fifth, at most 20,000 rows, beyond. Each fold has its share of every class. Where the split
 * of the run keeps groups apart, so do the folds; where it goes by time, each fold is later than what is learned for it.
 */
export function planFolds(data: PreparedData, seed: number): FoldPlan {
  const rows = data.split.train;
  const { apart } = data;
  if (apart?.by === 'moment') return planInTime(rows, apart.keys);
  const strata = data.target.task === 'classification' ? Int32Array.from(rows, (row) => data.truth[row]!) : null;
  if (rows.length > threeFoldsUpTo) {
    const count = Math.ceil(1 / Math.min(0.2, largestHoldOut / rows.length));
    const [holdOut] = apart ? divideGroups(rows, apart.keys, count, seed, 0) : divide(rows, strata, count, seed, 0);
    return { folds: [holdOut!], scored: holdOut!.heldOut, repeats: 1, inTime: false };
  }
  const count = rows.length > fiveFoldsUpTo ? 3 : 5;
  const repeats = rows.length < repeatedBelow ? 2 : 1;
  const folds = Array.from({ length: repeats }, (_, repeat) => (apart ? divideGroups(rows, apart.keys, count, seed, repeat) : divide(rows, strata, count, seed, repeat))).flat();
  return { folds, scored: rows, repeats, inTime: false };
}

/** Parts of the time, of about as many rows each: the first is only learned from, of the last three each is held out once. */
function planInTime(rows: Int32Array, moments: Int32Array): FoldPlan {
  const ordered = rows.slice().sort((a, b) => moments[a]! - moments[b]! || a - b);
  const [earliest, latest] = [moments[ordered[0]!]!, moments[ordered.at(-1)!]!];
  const later = [0.4, 0.6, 0.8].map((share) => moments[ordered[Math.floor(ordered.length * share)]!]!).filter((moment) => moment > earliest);
  const borders = later.length > 0 ? [...new Set(later)] : [latest];
  const folds = borders.map((border, at) => ({
    train: rows.filter((row) => moments[row]! < border),
    heldOut: rows.filter((row) => moments[row]! >= border && moments[row]! < (borders[at + 1] ?? Infinity)),
  }));
  return { folds, scored: rows.filter((row) => moments[row]! >= borders[0]!), repeats: 1, inTime: true };
}

/** Deals whole groups in random order, each to the fold that has the fewest rows; with fewer groups than folds, fewer folds. */
function divideGroups(rows: Int32Array, groups: Int32Array, count: number, seed: number, repeat: number): Fold[] {
  const sizes = new Map<number, number>();
  for (const row of rows) sizes.set(groups[row]!, (sizes.get(groups[row]!) ?? 0) + 1);
  const numbers = [...sizes.keys()].sort((a, b) => a - b);
  const filled = new Array<number>(Math.min(count, numbers.length)).fill(0);
  const foldOf = new Map<number, number>();
  for (const at of createRandom(seed, streamOfFolds, repeat).permutation(numbers.length)) {
    const fold = filled.indexOf(Math.min(...filled));
    filled[fold]! += sizes.get(numbers[at]!)!;
    foldOf.set(numbers[at]!, fold);
  }
  return filled.map((_, fold) => ({
    train: rows.filter((row) => foldOf.get(groups[row]!) !== fold),
    heldOut: rows.filter((row) => foldOf.get(groups[row]!) === fold),
  }));
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
