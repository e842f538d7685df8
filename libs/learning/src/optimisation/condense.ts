import { findNeighbours, neighbourShares } from '../nearest-neighbours.ts';
import type { Pacer } from '../pacer.ts';
import type { FittedTarget } from '../pipeline.ts';
import { createRandom, type Random } from '../random.ts';
import type { OptimisationWork, PipelineOf, StepOutcome } from './work.ts';

type Neighbours = PipelineOf<'knn'>['estimator'];

/** Rounds of k-means: fewer where points and prototypes are many, for a few seconds' work. */
const [fewestRounds, mostRounds, mostWork] = [2, 20, 3e9];
/** The number of neighbours is chosen by so many rows that no prototype was made of. */
const [heldShare, mostHeld] = [0.2, 1000];

/**
 * Few prototypes in place of all rows (Chang 1974; Hastie et al. 2009, section 13.2): the rows of each class by themselves, or
 * of a number together with their target, are divided by k-means, and each part becomes its mean. With fewer points fewer neighbours
 * decide: as many as answer rows best that are held back to find that out.
 */
export async function condense(pipeline: PipelineOf<'knn'>, keep: number, { seed, pacer }: OptimisationWork): Promise<StepOutcome> {
  const { estimator, target } = pipeline;
  const order = createRandom(seed, 0xc0de).permutation(estimator.targets.length);
  const held = order.subarray(0, Math.min(mostHeld, Math.floor(heldShare * order.length)));
  const trial = await prototypesOf(estimator, order.slice(held.length).sort(), target, keep, createRandom(seed, 0xc0de, 1), pacer);
  const k = trial && (await bestNeighbours(trial, subset(estimator, held), target, pacer));
  const all = k && (await prototypesOf(estimator, order.slice().sort(), target, keep, createRandom(seed, 0xc0de, 2), pacer));
  return all ? { type: 'made', pipeline: { ...pipeline, estimator: { ...all, k: Math.min(k, all.targets.length) } } } : { type: 'cancelled' };
}

/** Those that stand for the rows at these places; null when the pacer said stop. */
async function prototypesOf(estimator: Neighbours, places: Int32Array, target: FittedTarget, keep: number, random: Random, pacer: Pacer): Promise<Neighbours | null> {
  const { rows, targets, width } = estimator;
  const prototypes: { values: Float64Array; target: number }[] = [];
  const groups = target.type === 'number' ? [Array.from(places)] : target.classes.map((_, index) => Array.from(places).filter((row) => targets[row] === index));
  for (const group of groups) {
    if (group.length === 0) continue;
    const count = Math.max(1, Math.round(keep * group.length));
    const points = target.type === 'number' ? withTarget(rows, width, targets as Float64Array, group) : group.map((row) => rows.slice(row * width, (row + 1) * width));
    const parts = await divide(points, count, random, pacer);
    if (!parts) return null;
    for (const part of parts) {
      const own = part.map((place) => group[place]!);
      prototypes.push({
        values: Float64Array.from({ length: width }, (_, cell) => own.reduce((sum, row) => sum + rows[row * width + cell]!, 0) / own.length),
        target: own.reduce((sum, row) => sum + targets[row]!, 0) / own.length,
      });
    }
  }
  const { storage: _storage, ...rest } = estimator;
  return {
    ...rest,
    rows: Float64Array.from(prototypes.flatMap(({ values }) => [...values])),
    targets: target.type === 'number' ? Float64Array.from(prototypes, (one) => one.target) : Int32Array.from(prototypes, (one) => one.target),
  };
}

function subset(estimator: Neighbours, places: Int32Array): Neighbours {
  const { rows, targets, width } = estimator;
  const own = Array.from(places, (row) => targets[row]!);
  return {
    ...estimator,
    rows: Float64Array.from(Array.from(places, (row) => [...rows.subarray(row * width, (row + 1) * width)]).flat()),
    targets: targets instanceof Int32Array ? Int32Array.from(own) : Float64Array.from(own),
  };
}

/** By wrong answers, or squared errors; of equals the larger one. Null when the pacer said stop. */
async function bestNeighbours({ rows, targets, width, weights, k: most }: Neighbours, held: Neighbours, target: FittedTarget, pacer: Pacer): Promise<number | null> {
  const largest = Math.min(most, targets.length);
  const neighbours = await findNeighbours({ count: targets.length, width, values: rows }, { count: held.targets.length, width, values: held.rows }, largest, pacer);
  if (!neighbours) return null;
  let [best, least] = [largest, Infinity];
  for (const k of [...new Set([1, 2, 3, 5, 9, 15, 25, largest])].filter((own) => own <= largest)) {
    let loss = 0;
    held.targets.forEach((truth, query) => {
      const from = query * largest;
      const shares = neighbourShares(neighbours.squaredDistances.subarray(from, from + k), weights);
      const votes = new Float64Array(target.type === 'number' ? 1 : target.classes.length);
      shares.forEach((share, at) => {
        const own = targets[neighbours.indices[from + at]!]!;
        if (target.type === 'number') votes[0]! += share * own;
        else votes[own]! += share;
      });
      loss += target.type === 'number' ? (votes[0]! - truth) ** 2 : Number(votes.indexOf(Math.max(...votes)) !== truth);
    });
    if (loss <= least) [best, least] = [k, loss];
  }
  return best;
}

/** Rows with their target as one more cell, which weighs as much as all the others. */
function withTarget(rows: Float64Array, width: number, targets: Float64Array, group: number[]): Float64Array[] {
  const mean = targets.reduce((sum, value) => sum + value, 0) / targets.length;
  const deviation = Math.sqrt(targets.reduce((sum, value) => sum + (value - mean) ** 2, 0) / targets.length) || 1;
  return group.map((row) => Float64Array.of(...rows.subarray(row * width, (row + 1) * width), ((targets[row]! - mean) / deviation) * Math.sqrt(width)));
}

/** k-means (Lloyd 1982) from starting points drawn far apart (Arthur & Vassilvitskii 2007); parts without points are left out. Null when the pacer said stop. */
async function divide(points: Float64Array[], count: number, random: Random, pacer: Pacer): Promise<number[][] | null> {
  if (count >= points.length) return points.map((_, place) => [place]);
  let centres = [points[random.below(points.length)]!];
  const nearest = points.map((point) => squaredDistance(point, centres[0]!));
  while (centres.length < count) {
    if (!(await pacer.mayContinue())) return null;
    const centre = points[draw(nearest, random)]!;
    centres.push(centre);
    points.forEach((point, place) => (nearest[place] = Math.min(nearest[place]!, squaredDistance(point, centre))));
  }
  let parts: number[][] = [];
  let before: Int32Array | null = null;
  const rounds = Math.min(mostRounds, Math.max(fewestRounds, Math.floor(mostWork / (points.length * count * points[0]!.length))));
  for (let round = 0; round < rounds; round++) {
    const own = new Int32Array(points.length);
    for (const [place, point] of points.entries()) {
      if (!(await pacer.mayContinue())) return null;
      let least = Infinity;
      centres.forEach((centre, index) => {
        const distance = squaredDistance(point, centre);
        if (distance < least) [least, own[place]] = [distance, index];
      });
    }
    parts = centres.map(() => []);
    own.forEach((index, place) => parts[index]!.push(place));
    parts = parts.filter(({ length }) => length > 0);
    if (before && own.every((index, place) => index === before![place])) break;
    before = own;
    centres = parts.map((part) => centres[0]!.map((_, cell) => part.reduce((sum, place) => sum + points[place]![cell]!, 0) / part.length));
  }
  return parts;
}

/** A place by its share of the sum; any where all are 0. */
function draw(weights: number[], random: Random): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total === 0) return random.below(weights.length);
  let left = random.uniform() * total;
  for (const [place, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return place;
  }
  return weights.length - 1;
}

function squaredDistance(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let cell = 0; cell < a.length; cell++) sum += (a[cell]! - b[cell]!) ** 2;
  return sum;
}
