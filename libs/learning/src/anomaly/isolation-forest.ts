import type { Pacer } from '../pacer.ts';
import { categoryCodes, type FittedFeature } from '../pipeline.ts';
import { createRandom, type Random } from '../random.ts';
import { findColumn, type Table } from '../table.ts';
import { otherCode } from '../trees/binned-columns.ts';
import { NodeList } from '../trees/node-list.ts';
import { setWords, sumTrees, type Tree } from '../trees/tree.ts';
import type { AnomalyScores, FittedScorer } from './detector.ts';

type ForestScorer = Extract<FittedScorer, { family: 'isolation_forest' }>;

/** Codes that trees tell apart; rarer categories share the one after the last. */
const mostCodes = 255;

/** Euler's constant, by which a harmonic number is estimated: H(n) ≈ ln n + γ. */
const eulerGamma = 0.5772156649015329;

/** The mean length of an unsuccessful search in a binary search tree of n values: c(n) of Liu, Ting & Zhou 2008. */
export function averagePathLength(n: number): number {
  if (n <= 1) return 0;
  if (n === 2) return 1;
  return 2 * (Math.log(n - 1) + eulerGamma) - (2 * (n - 1)) / n;
}

export interface IsolationForestJob {
  table: Table;
  features: FittedFeature[];
  /** to learn from */
  rows: Int32Array;
  settings: { numTrees: number; sampleSize: number };
  seed: number;
  /** names the streams of random numbers */
  model: number;
  pacer: Pacer;
}

/**
 * An isolation forest (Liu, Ting & Zhou, "Isolation Forest", ICDM 2008): each tree divides a few rows, drawn without
 * replacement, at a random place of a random column, down to a depth of ⌈log₂ rows⌉. Columns whose values all agree in a node
 * are not drawn there.
 *
 * Of a category, each value in the node goes left or right by chance. Rows without a value go to one side by a draw that favours
 * the larger one, and so do values that the node has not seen.
 * Null when the pacer said stop.
 */
export async function fitIsolationForest({ table, features, rows, settings, seed, model, pacer }: IsolationForestJob): Promise<ForestScorer | null> {
  const codes = features.map((feature) => (feature.type === 'number' ? null : codesByFrequency(feature, table, rows)));
  const sampleSize = Math.min(settings.sampleSize, rows.length);
  const trees: Tree[] = [];
  while (trees.length < settings.numTrees) {
    if (!(await pacer.mayContinue())) return null;
    const random = createRandom(seed, model, trees.length);
    const sample = drawSample(rows, sampleSize, random);
    trees.push(growTree(encodeForTrees(features, codes, table, sample), codes, sampleSize, random));
  }
  return { family: 'isolation_forest', sampleSize, trees, codes };
}

/** The score 2^(-E(h) / c(rows of a tree)): near 1 for what is isolated at once, about ½ for what is like all others. */
export async function scoreByForest({ trees, codes, sampleSize }: ForestScorer, features: FittedFeature[], table: Table, rows: Int32Array, pacer: Pacer): Promise<AnomalyScores | null> {
  const isCategory = Uint8Array.from(features, ({ type }) => Number(type !== 'number'));
  const scores = new Float64Array(rows.length);
  const divisor = trees.length * averagePathLength(sampleSize);
  for (let start = 0; start < rows.length; start += rowsPerChunk) {
    if (!(await pacer.mayContinue())) return null;
    const chunk = rows.subarray(start, start + rowsPerChunk);
    // Rounded as the package has to: see TreeEnsemble in pipeline.ts.
    const lengths = sumTrees(trees, 1, isCategory, encodeForTrees(features, codes, table, chunk), chunk.length).map(Math.fround);
    scores.set(lengths.map((length) => 2 ** (-length / divisor)), start);
  }
  return { scores, contributions: null };
}

const rowsPerChunk = 4096;

/** A code for each of the most frequent categories; ties in the order of the categories. */
function codesByFrequency(feature: Extract<FittedFeature, { categories: string[] }>, table: Table, rows: Int32Array): Int32Array {
  const counts = new Float64Array(feature.categories.length + 1);
  for (const code of categoryCodes(feature, table, rows)) counts[code]! += 1;
  const codes = new Int32Array(feature.categories.length);
  const ranked = Array.from(codes, (_, place) => place).sort((a, b) => counts[b]! - counts[a]! || a - b);
  ranked.forEach((place, rank) => (codes[place] = Math.min(rank, mostCodes)));
  return codes;
}

/** [rows, features]: numbers as they are, NaN where missing; categories as codes. */
function encodeForTrees(features: FittedFeature[], codes: (Int32Array | null)[], table: Table, rows: Int32Array): Float64Array {
  const width = features.length;
  const encoded = new Float64Array(rows.length * width);
  features.forEach((feature, place) => {
    if (feature.type === 'number') {
      const values = findColumn(table, feature.name)!.values as Float64Array;
      rows.forEach((row, at) => (encoded[at * width + place] = values[row]!));
      return;
    }
    const own = codes[place]!;
    categoryCodes(feature, table, rows).forEach((code, at) => (encoded[at * width + place] = own[code] ?? otherCode(own)));
  });
  return encoded;
}

function drawSample(rows: Int32Array, size: number, random: Random): Int32Array {
  const pool = Int32Array.from(rows);
  for (let at = 0; at < size; at++) {
    const other = at + random.below(pool.length - at);
    const kept = pool[at]!;
    pool[at] = pool[other]!;
    pool[other] = kept;
  }
  return pool.subarray(0, size);
}

/** @param cells [sample, features] */
function growTree(cells: Float64Array, codes: (Int32Array | null)[], sampleSize: number, random: Random): Tree {
  const width = codes.length;
  const mostDepth = Math.ceil(Math.log2(Math.max(2, sampleSize)));
  const nodes = new NodeList();
  const lengths: number[] = [];

  // Children get their numbers when their parent is divided, so that they come after it.
  const grow = (node: number, members: Int32Array, depth: number): void => {
    const division = depth < mostDepth && members.length > 1 ? drawDivision(cells, width, codes, members, random) : null;
    if (!division) {
      nodes.left[node] = lengths.push(depth + averagePathLength(members.length)) - 1;
      return;
    }
    const [left, right] = [nodes.add(), nodes.add()];
    const { column, threshold, set, missingLeft, goesLeft } = division;
    nodes.divide(node, { column, gain: 0, bin: -1, set, missingLeft }, threshold, left, right);
    grow(left, members.filter(goesLeft), depth + 1);
    grow(right, members.filter((member) => !goesLeft(member)), depth + 1);
  };
  grow(nodes.add(), Int32Array.from({ length: cells.length / width }, (_, at) => at), 0);
  return nodes.toTree(Float64Array.from(lengths));
}

interface Division {
  column: number;
  threshold: number;
  set: Int32Array | null;
  missingLeft: boolean;
  goesLeft(member: number): boolean;
}

/** A random column of those that differ, and a random place in it; null where none differs. */
function drawDivision(cells: Float64Array, width: number, codes: (Int32Array | null)[], members: Int32Array, random: Random): Division | null {
  const open = Int32Array.from({ length: width }, (_, column) => column);
  for (let left = width; left > 0; left--) {
    const at = random.below(left);
    const column = open[at]!;
    open[at] = open[left - 1]!;
    const valueOf = (member: number) => cells[member * width + column]!;
    const division = codes[column] ? divideCategory(column, codes[column], members, valueOf, random) : divideNumber(column, members, valueOf, random);
    if (division) return division;
  }
  return null;
}

function divideNumber(column: number, members: Int32Array, valueOf: (member: number) => number, random: Random): Division | null {
  let [low, high, known] = [Infinity, -Infinity, 0];
  for (const member of members) {
    const value = valueOf(member);
    if (Number.isNaN(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
    known += 1;
  }
  if (!(low < high)) return null;
  // Below the highest, so that the division is one whatever is drawn and however it is rounded.
  const drawn = low + random.uniform() * (high - low);
  const threshold = drawn < high ? drawn : low;
  const atLeft = members.filter((member) => valueOf(member) <= threshold).length;
  const missingLeft = random.below(known) < atLeft;
  return { column, threshold, set: null, missingLeft, goesLeft: (member) => valueOf(member) <= threshold || (missingLeft && Number.isNaN(valueOf(member))) };
}

function divideCategory(column: number, codes: Int32Array, members: Int32Array, valueOf: (member: number) => number, random: Random): Division | null {
  const counts = new Float64Array(otherCode(codes) + 1);
  for (const member of members) counts[valueOf(member)]! += 1;
  const present = Int32Array.from(counts, (_, code) => code).filter((code) => counts[code]! > 0);
  if (present.length < 2) return null;
  const isLeft = new Uint8Array(counts.length);
  // The first goes left and the last goes right of a random order: neither side is empty.
  const order = random.permutation(present.length);
  order.forEach((at, place) => (isLeft[present[at]!] = Number(place === 0 || (place < present.length - 1 && random.below(2) === 0))));
  const atLeft = members.filter((member) => isLeft[valueOf(member)]).length;
  counts.forEach((count, code) => {
    if (count === 0) isLeft[code] = Number(random.below(members.length) < atLeft);
  });
  const set = new Int32Array(setWords);
  isLeft.forEach((own, code) => {
    if (own) set[code >> 5]! |= 1 << (code & 31);
  });
  return { column, threshold: 0, set, missingLeft: false, goesLeft: (member) => isLeft[valueOf(member)] === 1 };
}
