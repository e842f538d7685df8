import * as tf from '@tensorflow/tfjs';
import type { Pacer } from './pacer.ts';

/** Points row by row: [count, width] in float64. */
export interface Points {
  count: number;
  width: number;
  values: Float64Array;
}

/** The k nearest of each query, nearest first: [queries, k]. */
export interface Neighbours {
  indices: Int32Array;
  squaredDistances: Float64Array;
}

/** Candidates beyond k that the float32 search hands to the exact one. */
const spareCandidates = 16;
/** Scores held in memory at once (float32). */
const scoresPerChunk = 1 << 21;

/**
 * Finds the k nearest points by Euclidean distance, exactly as a float64 brute force would, ties to the lower index.
 *
 * Tensors compute |p|² - 2 q·p for all points in float32 and keep k + 16 candidates; these are measured again in
 * float64. A bound on float32's rounding (Higham 2002, section 3.1) tells whether a point left out could still be
 * nearer than the k-th: only then are all points measured for that query. Null when the pacer said stop.
 */
export async function findNeighbours(points: Points, queries: Points, k: number, pacer: Pacer): Promise<Neighbours | null> {
  const result: Neighbours = {
    indices: new Int32Array(queries.count * k),
    squaredDistances: new Float64Array(queries.count * k),
  };
  const shortlist = k + spareCandidates;
  if (shortlist * 2 > points.count) {
    for (let query = 0; query < queries.count; query++) {
      if (!(await pacer.mayContinue())) return null;
      measureAll(points, queries, query, k, result);
    }
    return result;
  }

  const norms = squaredNorms(points);
  const largestNorm = norms.reduce((largest, norm) => Math.max(largest, norm), 0);
  const search = createShortlistSearch(points, norms, shortlist);
  try {
    const chunk = Math.max(1, Math.floor(scoresPerChunk / points.count));
    for (let start = 0; start < queries.count; start += chunk) {
      if (!(await pacer.mayContinue())) return null;
      const end = Math.min(queries.count, start + chunk);
      const { candidates, scores } = search.run(queries, start, end);
      for (let query = start; query < end; query++) {
        if (!(await pacer.mayContinue())) return null;
        const from = (query - start) * shortlist;
        const own = candidates.subarray(from, from + shortlist);
        measureSome(points, queries, query, k, own, result);
        const farthestScore = scores[from + shortlist - 1]!;
        if (!isSurelyComplete(points.width, largestNorm, queries, query, farthestScore, result.squaredDistances[query * k + k - 1]!)) {
          measureAll(points, queries, query, k, result);
        }
      }
    }
  } finally {
    search.dispose();
  }
  return result;
}

/**
 * Whether every point outside the shortlist is farther than the k-th inside. All such points have a float32 score of at
 * least `farthestScore`; the error of a score is bounded by a multiple of width · 2^-24 · (|p|² + 2|q||p|).
 */
function isSurelyComplete(
  width: number,
  largestSquaredNorm: number,
  queries: Points,
  query: number,
  farthestScore: number,
  squaredDistance: number,
): boolean {
  let norm = 0;
  for (let at = query * width; at < (query + 1) * width; at++) norm += queries.values[at]! ** 2;
  const reach = largestSquaredNorm + 2 * Math.sqrt(largestSquaredNorm * norm);
  const error = 4 * (width + 6) * 2 ** -24 * reach + 1e-14 * norm + 1e-30;
  // Written so that an overflow to Infinity or NaN counts as "not sure".
  return farthestScore - error + norm > squaredDistance;
}

interface ShortlistSearch {
  /** Candidates of queries start … end-1, best first: [end - start, shortlist]. */
  run(queries: Points, start: number, end: number): { candidates: Int32Array; scores: Float32Array };
  dispose(): void;
}

function createShortlistSearch(points: Points, norms: Float64Array, shortlist: number): ShortlistSearch {
  const { count, width } = points;
  // Stored transposed: each chunk is then one product without a transpose.
  const transposed = new Float32Array(width * count);
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < width; column++) transposed[column * count + row] = points.values[row * width + column]!;
  }
  const doubled = tf.tidy(() => tf.mul(tf.tensor2d(transposed, [width, count]), 2));
  const negativeNorms = tf.tensor1d(Float32Array.from(norms, (norm) => -norm));
  return {
    run(queries, start, end) {
      return tf.tidy(() => {
        const part = new Float32Array(queries.values.subarray(start * width, end * width));
        const closeness = tf.add(tf.matMul(tf.tensor2d(part, [end - start, width]), doubled), negativeNorms);
        const { values, indices } = tf.topk(closeness, shortlist);
        return {
          candidates: Int32Array.from(indices.dataSync()),
          scores: Float32Array.from(values.dataSync(), (value) => -value),
        };
      });
    },
    dispose() {
      tf.dispose([doubled, negativeNorms]);
    },
  };
}

function squaredNorms({ count, width, values }: Points): Float64Array {
  const norms = new Float64Array(count);
  for (let row = 0; row < count; row++) {
    for (let at = row * width; at < (row + 1) * width; at++) norms[row]! += values[at]! ** 2;
  }
  return norms;
}

function squaredDistance(points: Points, point: number, queries: Points, query: number): number {
  const { width } = points;
  let sum = 0;
  for (let column = 0; column < width; column++) {
    const difference = queries.values[query * width + column]! - points.values[point * width + column]!;
    sum += difference * difference;
  }
  return sum;
}

function measureAll(points: Points, queries: Points, query: number, k: number, result: Neighbours): void {
  const nearest = openRanking(query, k, result);
  for (let point = 0; point < points.count; point++) nearest.offer(point, squaredDistance(points, point, queries, query));
}

function measureSome(
  points: Points, queries: Points, query: number, k: number, candidates: Int32Array, result: Neighbours,
): void {
  const nearest = openRanking(query, k, result);
  // In index order, because of two equally distant points the one offered first stays in front.
  for (const point of candidates.slice().sort()) nearest.offer(point, squaredDistance(points, point, queries, query));
}

/** Keeps the k nearest points offered, in place in the result. */
function openRanking(query: number, k: number, result: Neighbours): { offer(point: number, distance: number): void } {
  const distances = result.squaredDistances.subarray(query * k, (query + 1) * k).fill(Infinity);
  const indices = result.indices.subarray(query * k, (query + 1) * k);
  let filled = 0;
  return {
    offer(point, distance) {
      if (filled === k && distance >= distances[k - 1]!) return;
      let low = 0;
      let high = filled;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (distances[middle]! <= distance) low = middle + 1;
        else high = middle;
      }
      if (filled < k) filled += 1;
      distances.copyWithin(low + 1, low, filled - 1);
      indices.copyWithin(low + 1, low, filled - 1);
      distances[low] = distance;
      indices[low] = point;
    },
  };
}

/**
 * How much each of a query's neighbours counts, adding up to 1. `distance` means 1/d; if any neighbour lies exactly on
 * the query, only such neighbours count.
 */
export function neighbourShares(squaredDistances: Float64Array, weights: 'uniform' | 'distance'): Float64Array {
  const shares = new Float64Array(squaredDistances.length).fill(1);
  if (weights === 'distance') {
    const exact = squaredDistances.includes(0);
    shares.forEach((_, at) => {
      shares[at] = exact ? Number(squaredDistances[at] === 0) : 1 / Math.sqrt(squaredDistances[at]!);
    });
  }
  const total = shares.reduce((sum, share) => sum + share, 0);
  // Distances that overflowed to Infinity leave nothing to weigh by.
  return shares.map((share) => (total > 0 ? share / total : 1 / shares.length));
}
