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
}

/**
 * Divides rows into training, validation and test rows. The test rows depend on the seed and `trainFraction` only,
 * never on whether validation rows were held back, so that runs of one seed are scored on the same rows.
 */
export function splitRows(request: SplitRequest): Split {
  const positions = Int32Array.from(request.rows, (_, index) => index);
  const [learning, test] = request.testRows
    ? partition(positions, request.rows, new Set(request.testRows))
    : divide(positions, request.strata, request.trainFraction, request.seed, 0);
  const [train, validation] =
    request.validationFraction > 0
      ? divide(learning, request.strata, 1 - request.validationFraction, request.seed, 1)
      : [learning, new Int32Array(0)];
  const toRows = (part: Int32Array) => part.map((position) => request.rows[position]!).sort();
  return { train: toRows(train), validation: toRows(validation), test: toRows(test) };
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
