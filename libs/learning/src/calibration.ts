import { classScores } from './families/family.ts';
import type { Scores } from './predict.ts';

/**
 * Corrects probabilities: one map per class (with two classes, of the second alone), and the results divided by their sum
 * (Zadrozny & Elkan 2002).
 */
export type Calibration =
  /** `sigmoid(slope · logit(p) + shift)`; p held within 1e-6 of 0 and 1 */
  | { type: 'platt'; slopes: Float64Array; shifts: Float64Array }
  /** Straight lines between the points (x, y), constant outside; x ascends, y does not descend. */
  | { type: 'isotonic'; maps: { x: Float64Array; y: Float64Array }[] };

const edge = 1e-6;
/** Rows are gathered into so many bins before the steps are fitted: more would follow chance, and slow the served graph. */
const mostPoints = 40;

/** Learns from held-out answers. `probabilities` [rows, classes] row by row, `actual` class indices. */
export function fitCalibration(type: Calibration['type'], actual: ArrayLike<number>, probabilities: Float64Array, classes: number): Calibration {
  const mapped = classes === 2 ? [1] : Array.from({ length: classes }, (_, index) => index);
  const columns = mapped.map((index) => ({
    p: Float64Array.from({ length: actual.length }, (_, row) => probabilities[row * classes + index]!),
    truth: Float64Array.from({ length: actual.length }, (_, row) => Number(actual[row] === index)),
  }));
  if (type === 'isotonic') return { type, maps: columns.map(({ p, truth }) => fitIsotonic(p, truth)) };
  const fits = columns.map(({ p, truth }) => fitPlatt(p.map(logit), truth));
  return { type, slopes: Float64Array.from(fits, ([slope]) => slope), shifts: Float64Array.from(fits, ([, shift]) => shift) };
}

export function calibrate(scores: Scores, calibration: Calibration): Scores {
  if (scores.type === 'values') return scores;
  const rows = scores.predicted.length;
  const classes = scores.probabilities.length / rows;
  const corrected = new Float64Array(scores.probabilities.length);
  for (let row = 0; row < rows; row++) {
    const own = corrected.subarray(row * classes, (row + 1) * classes);
    if (classes === 2) {
      own[1] = mapProbability(calibration, 0, scores.probabilities[row * 2 + 1]!);
      own[0] = 1 - own[1];
      continue;
    }
    let total = 0;
    for (let index = 0; index < classes; index++) total += own[index] = mapProbability(calibration, index, scores.probabilities[row * classes + index]!);
    for (let index = 0; index < classes; index++) own[index]! /= total;
  }
  return classScores(corrected, rows, classes);
}

function mapProbability(calibration: Calibration, index: number, p: number): number {
  if (calibration.type === 'platt') return 1 / (1 + Math.exp(-(calibration.slopes[index]! * logit(p) + calibration.shifts[index]!)));
  const { x, y } = calibration.maps[index]!;
  let value = y[0]!;
  for (let at = 1; at < x.length; at++) {
    value += ((y[at]! - y[at - 1]!) / (x[at]! - x[at - 1]!)) * (Math.min(x[at]!, Math.max(x[at - 1]!, p)) - x[at - 1]!);
  }
  return value;
}

function logit(p: number): number {
  const held = Math.min(1 - edge, Math.max(edge, p));
  return Math.log(held / (1 - held));
}

/**
 * Slope and shift of highest likelihood (Platt 1999, with his softened targets), by Newton's method with step halving as
 * Lin, Lin & Weng (2007) advise.
 */
function fitPlatt(x: Float64Array, truth: Float64Array): [number, number] {
  const positives = truth.reduce((sum, value) => sum + value, 0);
  const negatives = truth.length - positives;
  const [high, low] = [(positives + 1) / (positives + 2), 1 / (negatives + 2)];
  const targets = truth.map((value) => (value === 1 ? high : low));
  let [slope, shift] = [1, 0];
  const lossAt = (a: number, b: number) => {
    let loss = 0;
    for (let row = 0; row < x.length; row++) {
      const z = a * x[row]! + b;
      loss += Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - targets[row]! * z;
    }
    return loss;
  };
  let loss = lossAt(slope, shift);
  for (let step = 0; step < 100; step++) {
    let [ga, gb, haa, hab, hbb] = [0, 0, 1e-12, 0, 1e-12];
    for (let row = 0; row < x.length; row++) {
      const p = 1 / (1 + Math.exp(-(slope * x[row]! + shift)));
      const [error, weight] = [p - targets[row]!, p * (1 - p)];
      ga += error * x[row]!;
      gb += error;
      haa += weight * x[row]! * x[row]!;
      hab += weight * x[row]!;
      hbb += weight;
    }
    if (Math.abs(ga) < 1e-9 && Math.abs(gb) < 1e-9) break;
    const determinant = haa * hbb - hab * hab || 1e-12;
    const [da, db] = [(hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant];
    let size = 1;
    while (size > 1e-10 && !(lossAt(slope - size * da, shift - size * db) < loss)) size /= 2;
    if (size <= 1e-10) break;
    [slope, shift] = [slope - size * da, shift - size * db];
    loss = lossAt(slope, shift);
  }
  return [slope, shift];
}

/**
 * Steps that never descend, by pooling adjacent violators (Ayer et al. 1955). Each pool's height is (hits + 1) / (rows + 2),
 * so that nothing becomes certain, and stands at the mean of its probabilities.
 */
function fitIsotonic(p: Float64Array, truth: Float64Array): { x: Float64Array; y: Float64Array } {
  const order = Array.from(p, (_, row) => row).sort((a, b) => p[a]! - p[b]!);
  const share = Math.ceil(order.length / mostPoints);
  const pools: { sum: number; hits: number; rows: number }[] = [];
  for (let start = 0; start < order.length; ) {
    let end = Math.min(order.length, start + share);
    // Equal probabilities stay together.
    while (end < order.length && p[order[end]!] === p[order[end - 1]!]) end += 1;
    const rows = order.slice(start, end);
    pools.push({ sum: rows.reduce((sum, row) => sum + p[row]!, 0), hits: rows.reduce((sum, row) => sum + truth[row]!, 0), rows: rows.length });
    start = end;
    while (pools.length > 1 && heightOf(pools.at(-2)!) >= heightOf(pools.at(-1)!)) {
      const last = pools.pop()!;
      const before = pools.at(-1)!;
      pools[pools.length - 1] = { sum: before.sum + last.sum, hits: before.hits + last.hits, rows: before.rows + last.rows };
    }
  }
  return { x: Float64Array.from(pools, ({ sum, rows }) => sum / rows), y: Float64Array.from(pools, heightOf) };
}

const heightOf = ({ hits, rows }: { hits: number; rows: number }): number => (hits + 1) / (rows + 2);
