import type { BinnedColumn } from './binned-columns.ts';
import { setWords } from './tree.ts';

/** What a division must hold to. Hessians are those of the loss; of squared error they count rows, by weight. */
export interface SplitLimits {
  minDataInLeaf: number;
  minSumHessianInLeaf: number;
  lambdaL1: number;
  lambdaL2: number;
  minGainToSplit: number;
}

/** Sums over the rows of a node. */
export interface NodeSums {
  /** by output */
  gradients: Float64Array;
  hessian: number;
  rows: number;
}

/** How a node is divided in two. */
export interface Split {
  column: number;
  gain: number;
  /** of a number: the last bin that goes left; of a category: -1 */
  bin: number;
  /** of a category: the bins that go left */
  set: Int32Array | null;
  missingLeft: boolean;
}

/** What monotone constraints leave of a leaf's value; null for everything. */
export type Bounds = { lower: number; upper: number } | null;

/** Up to so many categories are divided without regard to how few rows each has. */
const fewCategories = 4;
/** As in LightGBM: pulls a rare category's statistic to the middle, and makes a division of many categories earn more. */
const categorySmoothing = 10;
const categoryPenalty = 10;

/**
 * Finds the division of a node that lowers the loss most, from histograms: per bin, the sums of gradients (one for each
 * output) and of hessians, and the number of rows.
 *
 * A side's worth is Σ T(G)² / (H + λ₂), T shrinking by λ₁ (Chen & Guestrin 2016, "XGBoost"); with gradients -w·y and
 * hessians w that is the fall of Gini impurity or of variance. Missing values are tried on both sides. Categories are put
 * in the order of G / H, in which the best of all two-way divisions is a cut (Fisher 1958); with several outputs, in the
 * order of the output that varies most between them.
 */
export class SplitFinder {
  readonly #limits: SplitLimits;
  readonly #outputs: number;
  readonly #stride: number;
  readonly #order = new Int32Array(256);
  readonly #keys = new Float64Array(256);
  readonly #left: Float64Array;

  constructor(outputs: number, limits: SplitLimits) {
    this.#outputs = outputs;
    this.#stride = outputs + 2;
    this.#limits = limits;
    this.#left = new Float64Array(outputs);
  }

  /** The value of a leaf with these sums, for one output. */
  leafValue(gradient: number, hessian: number, bounds: Bounds): number {
    // Not -0, which would be another bit pattern for the same answer.
    return bounded(0 - shrunk(gradient, this.#limits.lambdaL1) / (hessian + this.#limits.lambdaL2), bounds);
  }

  /** What the node is worth undivided. */
  worthOf(sums: NodeSums, bounds: Bounds): number {
    let worth = 0;
    for (let output = 0; output < this.#outputs; output++) worth += this.#worth(sums.gradients[output]!, sums.hessian, 0, bounds);
    return worth;
  }

  /**
   * The best division by one column that gains more than `best` does; `best` if there is none. `occupied` holds the
   * column's bins that have rows, in order, `bins` of them; `direction` is that of a monotone constraint.
   */
  improve(
    best: Split | null, column: number, binned: BinnedColumn, direction: number,
    histogram: Float64Array, offset: number, occupied: Int32Array, bins: number, sums: NodeSums, worth: number, bounds: Bounds,
  ): Split | null {
    const { minGainToSplit } = this.#limits;
    // Below this a gain is no more than rounding.
    const floor = best ? best.gain : Math.max(minGainToSplit, 1e-12 * Math.abs(worth));
    const found = binned.type === 'number'
      ? this.#divideNumber(binned, direction, histogram, offset, occupied, bins, sums, worth + floor, bounds)
      : this.#divideCategory(histogram, offset, occupied, bins, sums, worth + floor, bounds);
    return found ? { ...found, column, gain: found.gain - worth } : best;
  }

  #divideNumber(
    { count, boundaries }: BinnedColumn, direction: number, histogram: Float64Array, offset: number, occupied: Int32Array, bins: number,
    sums: NodeSums, floor: number, bounds: Bounds,
  ): Omit<Split, 'column'> | null {
    const { minDataInLeaf, minSumHessianInLeaf } = this.#limits;
    const stride = this.#stride;
    const outputs = this.#outputs;
    const left = this.#left.fill(0);
    const known = occupied[bins - 1] === count ? bins - 1 : bins;
    const missing = offset + count * stride;
    const missingRows = histogram[missing + outputs + 1]!;
    const missingHessian = histogram[missing + outputs]!;
    let hessian = 0;
    let rows = 0;
    let bestGain = floor;
    let bestAt = -1;
    let missingLeft = false;
    for (let at = 0; at < known; at++) {
      const cell = offset + occupied[at]! * stride;
      for (let output = 0; output < outputs; output++) left[output]! += histogram[cell + output]!;
      hessian += histogram[cell + outputs]!;
      rows += histogram[cell + outputs + 1]!;
      if (sums.rows - rows < minDataInLeaf) break;
      if (rows >= minDataInLeaf && hessian >= minSumHessianInLeaf && sums.hessian - hessian >= minSumHessianInLeaf) {
        const gain = this.#gainOf(left, hessian, sums, direction, bounds, 0, -1, histogram);
        if (gain > bestGain) {
          bestGain = gain;
          bestAt = at;
          missingLeft = missingRows === 0 && rows * 2 >= sums.rows;
        }
      }
      if (missingRows === 0 || sums.rows - rows - missingRows < minDataInLeaf) continue;
      const withMissing = hessian + missingHessian;
      if (rows + missingRows >= minDataInLeaf && withMissing >= minSumHessianInLeaf && sums.hessian - withMissing >= minSumHessianInLeaf) {
        const gain = this.#gainOf(left, withMissing, sums, direction, bounds, 0, missing, histogram);
        if (gain > bestGain) {
          bestGain = gain;
          bestAt = at;
          missingLeft = true;
        }
      }
    }
    if (bestAt < 0) return null;
    // Of the empty bins between both sides, half go to each.
    const last = occupied[bestAt]!;
    const bin = bestAt + 1 < known ? middleBin(boundaries, last, occupied[bestAt + 1]! - 1) : count - 1;
    return { gain: bestGain, bin, set: null, missingLeft };
  }

  #divideCategory(
    histogram: Float64Array, offset: number, occupied: Int32Array, bins: number, sums: NodeSums, floor: number, bounds: Bounds,
  ): Omit<Split, 'column'> | null {
    const { minDataInLeaf, minSumHessianInLeaf } = this.#limits;
    const stride = this.#stride;
    const outputs = this.#outputs;
    // Missing and unknown values are one more category.
    if (bins < 2) return null;
    const isMany = bins > fewCategories;
    const order = this.#order;
    order.set(occupied.subarray(0, bins));
    this.#sortBySignal(bins, histogram, offset, sums, isMany ? categorySmoothing : 0);
    const left = this.#left.fill(0);
    let hessian = 0;
    let rows = 0;
    let bestGain = floor;
    let bestAt = -1;
    let isLeftLarger = false;
    for (let at = 0; at + 1 < bins; at++) {
      const cell = offset + order[at]! * stride;
      for (let output = 0; output < outputs; output++) left[output]! += histogram[cell + output]!;
      hessian += histogram[cell + outputs]!;
      rows += histogram[cell + outputs + 1]!;
      if (sums.rows - rows < minDataInLeaf) break;
      if (rows < minDataInLeaf || hessian < minSumHessianInLeaf || sums.hessian - hessian < minSumHessianInLeaf) continue;
      const gain = this.#gainOf(left, hessian, sums, 0, bounds, isMany ? categoryPenalty : 0, -1, histogram);
      if (gain > bestGain) {
        bestGain = gain;
        bestAt = at;
        isLeftLarger = rows * 2 >= sums.rows;
      }
    }
    if (bestAt < 0) return null;
    // Categories without rows in this node go with the larger side.
    const set = new Int32Array(setWords).fill(isLeftLarger ? -1 : 0);
    for (let at = 0; at < bins; at++) {
      const bin = order[at]!;
      const bit = 1 << (bin & 31);
      if (at <= bestAt) set[bin >> 5]! |= bit;
      else set[bin >> 5]! &= ~bit;
    }
    return { gain: bestGain, bin: -1, set, missingLeft: false };
  }

  /** Puts the bins in `#order` in the order of G / (H + smoothing), ties by bin. */
  #sortBySignal(bins: number, histogram: Float64Array, offset: number, sums: NodeSums, smoothing: number): void {
    const stride = this.#stride;
    const outputs = this.#outputs;
    let output = 0;
    let most = -1;
    for (let candidate = 0; outputs > 1 && candidate < outputs; candidate++) {
      let spread = -(sums.gradients[candidate]! ** 2) / sums.hessian;
      for (let at = 0; at < bins; at++) {
        const cell = offset + this.#order[at]! * stride;
        spread += histogram[cell + candidate]! ** 2 / (histogram[cell + outputs]! + smoothing || 1);
      }
      if (spread > most) {
        most = spread;
        output = candidate;
      }
    }
    const middle = sums.gradients[output]! / (sums.hessian || 1);
    const keys = this.#keys;
    for (let at = 0; at < bins; at++) {
      const bin = this.#order[at]!;
      const cell = offset + bin * stride;
      keys[bin] = (histogram[cell + output]! + smoothing * middle) / (histogram[cell + outputs]! + smoothing || 1);
    }
    this.#order.subarray(0, bins).sort((a, b) => keys[a]! - keys[b]! || a - b);
  }

  /** Worth of both sides, or less than any where their order breaks a monotone constraint; `extra` is a cell to add to the left. */
  #gainOf(
    left: Float64Array, hessian: number, sums: NodeSums, direction: number, bounds: Bounds,
    penalty: number, extra: number, histogram: Float64Array,
  ): number {
    const other = sums.hessian - hessian;
    let worth = 0;
    for (let output = 0; output < this.#outputs; output++) {
      const own = extra < 0 ? left[output]! : left[output]! + histogram[extra + output]!;
      const rest = sums.gradients[output]! - own;
      if (direction !== 0 && direction * (this.leafValue(rest, other, bounds) - this.leafValue(own, hessian, bounds)) < 0) return -Number.MAX_VALUE;
      worth += this.#worth(own, hessian, penalty, bounds) + this.#worth(rest, other, penalty, bounds);
    }
    return worth;
  }

  #worth(gradient: number, hessian: number, penalty: number, bounds: Bounds): number {
    const { lambdaL1, lambdaL2 } = this.#limits;
    const force = shrunk(gradient, lambdaL1);
    const weight = hessian + lambdaL2 + penalty;
    if (!bounds) return weight > 0 ? (force * force) / weight : 0;
    const value = bounded(weight > 0 ? -force / weight : 0, bounds);
    return -(2 * force * value + weight * value * value);
  }
}

function bounded(value: number, bounds: Bounds): number {
  if (!bounds) return value;
  return value < bounds.lower ? bounds.lower : value > bounds.upper ? bounds.upper : value;
}

/** Soft threshold. */
function shrunk(gradient: number, by: number): number {
  if (gradient > by) return gradient - by;
  return gradient < -by ? gradient + by : 0;
}

/** Of the bins from `first` to `last`, the one whose upper boundary is nearest to the middle of theirs. */
function middleBin(boundaries: Float64Array, first: number, last: number): number {
  const middle = boundaries[first]! / 2 + boundaries[last]! / 2;
  let bin = first;
  while (bin < last && boundaries[bin + 1]! <= middle) bin += 1;
  return bin < last && boundaries[bin + 1]! - middle < middle - boundaries[bin]! ? bin + 1 : bin;
}
