import { createRandom } from './random.ts';

/** Row numbers, ascending. `validation` is empty when nothing needs it. */
export interface Split {
  train: Int32Array;
  validation: Int32Array;
  test: Int32Array;
}

export interface SplitRequest {
  /** The rows that may be used (those with a known target). */
  rows: Int32Array;
  /** Class index per entry of `rows` for a stratified split, null for a random one. */
  strata: Int32Array | null;
  trainFraction: number;
  /** Rows to test on, in place of those that the share and the seed would choose. */
  testRows?: Int32Array | null;
  /** Share of the training rows to hold back; 0 holds back none. */
  validationFraction: number;
  seed: number;
  /** What the rows are divided by, if not by chance alone; one entry for each of `rows`. */
  by?: SplitBy | undefined;
}

export type SplitBy =
  /** Number of the group, from 0: a group stays whole. */
  | { type: 'grouped'; groups: Int32Array }
  /** Place in time; equal where the moment is the same. The latest rows are the test, those before them the validation. */
  | { type: 'time'; ranks: Int32Array }
  /** 1 for the rows of the test fold; the others are divided as `strata` say. */
  | { type: 'fold'; isTest: Uint8Array };

/**
 * Divides rows into training, validation and test rows. The test rows depend on the seed, `trainFraction` and `by` only,
 * never on whether validation rows were held back, so that runs of one split are scored on the same rows. A part is
 * empty where groups, moments or folds are too few to fill it.
 */
export function splitRows(request: SplitRequest): Split {
  const positions = Int32Array.from(request.rows, (_, index) => index);
  const [learning, test] = request.testRows
    ? partition(positions, request.rows, new Set(request.testRows))
    : divideBy(request, positions, request.trainFraction, 0);
  const [train, validation] =
    request.validationFraction > 0 ? divideBy(request, learning, 1 - request.validationFraction, 1) : [learning, new Int32Array(0)];
  const toRows = (part: Int32Array) => part.map((position) => request.rows[position]!).sort();
  return { train: toRows(train), validation: toRows(validation), test: toRows(test) };
}

function divideBy({ by, strata, seed }: SplitRequest, positions: Int32Array, fraction: number, stream: number): [Int32Array, Int32Array] {
  if (by?.type === 'grouped') return divideGroups(positions, by.groups, fraction, seed, stream);
  if (by?.type === 'time') return divideTime(positions, by.ranks, fraction);
  if (by?.type === 'fold' && stream === 0) return [positions.filter((at) => !by.isTest[at]), positions.filter((at) => by.isTest[at])];
  return divide(positions, strata, fraction, seed, stream);
}

/** Whole groups in random order, as many as come closest to the share; at least one, and never all. */
function divideGroups(positions: Int32Array, groups: Int32Array, fraction: number, seed: number, stream: number): [Int32Array, Int32Array] {
  const sizes = new Map<number, number>();
  for (const at of positions) sizes.set(groups[at]!, (sizes.get(groups[at]!) ?? 0) + 1);
  const numbers = [...sizes.keys()].sort((a, b) => a - b);
  if (numbers.length < 2) return [positions, new Int32Array(0)];
  const shuffled = [...createRandom(seed, stream).permutation(numbers.length)].map((at) => numbers[at]!);
  const ends = cumulated(shuffled.map((group) => sizes.get(group)!));
  const first = new Set(shuffled.slice(0, closestEnd(ends, positions.length * fraction)));
  return [positions.filter((at) => first.has(groups[at]!)), positions.filter((at) => !first.has(groups[at]!))];
}

/** The earlier rows and the later ones. Rows of one moment stay together, so that no row is tested at a moment learned from. */
function divideTime(positions: Int32Array, ranks: Int32Array, fraction: number): [Int32Array, Int32Array] {
  const sizes = new Map<number, number>();
  for (const at of positions) sizes.set(ranks[at]!, (sizes.get(ranks[at]!) ?? 0) + 1);
  const moments = [...sizes.keys()].sort((a, b) => a - b);
  if (moments.length < 2) return [positions, new Int32Array(0)];
  const ends = cumulated(moments.map((moment) => sizes.get(moment)!));
  const border = moments[closestEnd(ends, positions.length * fraction)]!;
  return [positions.filter((at) => ranks[at]! < border), positions.filter((at) => ranks[at]! >= border)];
}

function cumulated(sizes: number[]): number[] {
  let sum = 0;
  return sizes.map((size) => (sum += size));
}

/** How many parts to take so that their sizes come closest to `wanted`: not none, and not all. */
function closestEnd(ends: number[], wanted: number): number {
  let best = 1;
  for (let count = 2; count < ends.length; count++) {
    if (Math.abs(ends[count - 1]! - wanted) < Math.abs(ends[best - 1]! - wanted)) best = count;
  }
  return best;
}

/** The positions of rows that are not tested on, and of those that are. */
function partition(positions: Int32Array, rows: Int32Array, tested: Set<number>): [Int32Array, Int32Array] {
  return [positions.filter((position) => !tested.has(rows[position]!)), positions.filter((position) => tested.has(rows[position]!))];
}

/** Keeps `fraction` of the positions in the first part (at least one of each stratum) and the rest in the second. */
function divide(
  positions: Int32Array,
  strata: Int32Array | null,
  fraction: number,
  seed: number,
  stream: number,
): [Int32Array, Int32Array] {
  const random = createRandom(seed, stream);
  const shuffled = random.permutation(positions.length).map((at) => positions[at]!);
  const groups = new Map<number, number[]>();
  for (const position of shuffled) {
    const stratum = strata ? strata[position]! : 0;
    const group = groups.get(stratum);
    if (group) group.push(position);
    else groups.set(stratum, [position]);
  }
  const ordered = [...groups.entries()].sort(([a], [b]) => a - b).map(([, group]) => group);
  const quotas = apportion(ordered.map((group) => group.length), fraction);
  const first: number[] = [];
  const second: number[] = [];
  ordered.forEach((group, index) => {
    const quota = quotas[index]!;
    group.forEach((position, at) => (at < quota ? first : second).push(position));
  });
  return [Int32Array.from(first), Int32Array.from(second)];
}

/** Largest-remainder apportionment: the quotas add up to the rounded share of the total, leaving at least one row. */
function apportion(sizes: number[], fraction: number): number[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const wanted = Math.max(1, Math.min(total - 1, Math.round(total * fraction)));
  const quotas = sizes.map((size) => Math.floor(size * fraction + 1e-9));
  const byRemainder = sizes
    .map((size, index) => ({ index, remainder: size * fraction - quotas[index]! }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  let missing = wanted - quotas.reduce((sum, quota) => sum + quota, 0);
  for (const { index } of byRemainder) {
    if (missing <= 0) break;
    if (quotas[index]! >= sizes[index]!) continue;
    quotas[index]! += 1;
    missing -= 1;
  }
  return quotas.map((quota, index) => Math.max(1, Math.min(quota, sizes[index]!)));
}
