import type { Pacer } from '../pacer.ts';
import type { BinnedColumn } from './binned-columns.ts';
import { type Candidate, CandidateHeap } from './candidate-heap.ts';
import { HistogramBuilder } from './histograms.ts';
import { NodeList } from './node-list.ts';
import { type Bounds, type NodeSums, SplitFinder, type SplitLimits } from './split-finder.ts';
import { isInSet, type Tree } from './tree.ts';

export interface GrowthSettings extends SplitLimits {
  numLeaves: number;
  maxDepth: number;
}

export interface TreeGrowerOptions {
  columns: readonly BinnedColumn[];
  /** values in a leaf */
  outputs: number;
  settings: GrowthSettings;
  /** by column: 1 where the prediction may only rise with it, -1 where it may only fall, else 0; for one output only */
  monotone: Int8Array;
  /** Whether a node's histogram is kept, so that the larger child's is a subtraction. Right where every node looks at the same columns. */
  keepsHistograms: boolean;
}

export interface GrownTree {
  tree: Tree;
  /** the rows grown from, those of a leaf together */
  rows: Int32Array;
  /** by leaf: where its rows end in `rows`; they begin where those of the leaf before end */
  ends: Int32Array;
  /** The leaf of any binned row. */
  leafOf(row: number): number;
}

/** Rows counted in one go; more, and the pacer is asked between columns. */
const longLoop = 20_000;

/** Up to so many rows, counting them anew is cheaper than looking at all bins. */
const fewRows = 128;

/**
 * Grows trees leaf by leaf: of all leaves, the one whose division lowers the loss most goes first (Shi 2007, as in
 * LightGBM, Ke et al. 2017). Scratch memory is reused from tree to tree.
 */
export class TreeGrower {
  readonly #columns: readonly BinnedColumn[];
  readonly #outputs: number;
  readonly #settings: GrowthSettings;
  readonly #monotone: Int8Array;
  readonly #finder: SplitFinder;
  readonly #histograms: HistogramBuilder;
  readonly #keepsHistograms: boolean;
  #aside = new Int32Array();

  constructor({ columns, outputs, settings, monotone, keepsHistograms }: TreeGrowerOptions) {
    this.#columns = columns;
    this.#outputs = outputs;
    this.#settings = settings;
    this.#monotone = monotone;
    this.#keepsHistograms = keepsHistograms;
    this.#finder = new SplitFinder(outputs, settings);
    this.#histograms = new HistogramBuilder(columns, outputs);
  }

  /**
   * Grows one tree on `rows`, whose order it changes. `gradients` is [all rows, outputs] row by row; `chooseColumns` is
   * asked anew for each node; where histograms are kept it must answer the same all through. Null when the pacer said stop.
   */
  async grow(
    rows: Int32Array, gradients: Float64Array, hessians: Float64Array | null, chooseColumns: () => Int32Array, pacer: Pacer,
  ): Promise<GrownTree | null> {
    if (this.#aside.length < rows.length) this.#aside = new Int32Array(rows.length);
    this.#histograms.use(rows, gradients, hessians);
    const nodes = new NodeList();
    const leaves: Candidate[] = [];
    const open = new CandidateHeap();
    const root: Candidate = {
      node: nodes.add(), begin: 0, end: rows.length, depth: 0, bounds: null,
      sums: this.#histograms.sum(0, rows.length), histogram: null, split: null,
    };
    const place = (candidate: Candidate): void => {
      if (candidate.split) return open.add(candidate);
      this.#dropHistogram(candidate);
      leaves.push(candidate);
    };
    if (this.#keepsHistograms && rows.length > fewRows && !(await this.#countAll(root, chooseColumns(), pacer))) return null;
    if (!(await this.#findSplit(root, chooseColumns, pacer))) return null;
    let count = 1;
    place(root);
    for (let next = open.take(); next; next = open.take()) {
      if (count >= this.#settings.numLeaves) {
        this.#dropHistogram(next);
        leaves.push(next);
        continue;
      }
      const [left, right] = this.#divide(next, rows, nodes);
      count += 1;
      if (count >= this.#settings.numLeaves) {
        this.#dropHistogram(next);
        leaves.push(left, right);
        continue;
      }
      if (!(await this.#countChildren(next, left, right, chooseColumns, pacer))) return null;
      if (!(await this.#findSplit(left, chooseColumns, pacer))) return null;
      if (!(await this.#findSplit(right, chooseColumns, pacer))) return null;
      place(left);
      place(right);
    }
    return this.#finish(nodes, leaves, rows);
  }

  #mayDivide({ depth, sums }: Candidate): boolean {
    const { minDataInLeaf, minSumHessianInLeaf, maxDepth } = this.#settings;
    return depth < maxDepth && sums.rows >= 2 * minDataInLeaf && sums.hessian >= 2 * minSumHessianInLeaf;
  }

  /** Gives the children their histograms: the smaller one's is counted, the larger one's is what remains of the parent's. */
  async #countChildren(
    parent: Candidate, left: Candidate, right: Candidate, chooseColumns: () => Int32Array, pacer: Pacer,
  ): Promise<boolean> {
    if (!this.#keepsHistograms) return true;
    const [smaller, larger] = left.end - left.begin <= right.end - right.begin ? [left, right] : [right, left];
    if (!this.#mayDivide(larger) && !this.#mayDivide(smaller)) {
      this.#dropHistogram(parent);
      return true;
    }
    const columns = chooseColumns();
    if (larger.end - larger.begin <= fewRows) {
      this.#dropHistogram(parent);
      return true;
    }
    if (parent.histogram && smaller.end - smaller.begin <= fewRows) {
      this.#histograms.gather(smaller.begin, smaller.end);
      for (const column of columns) {
        this.#histograms.uncount(column, smaller.begin, smaller.end, parent.histogram, this.#histograms.offsets[column]!);
      }
      larger.histogram = parent.histogram;
      parent.histogram = null;
      return true;
    }
    if (!(await this.#countAll(smaller, columns, pacer))) return false;
    if (parent.histogram && smaller.histogram) {
      this.#histograms.subtract(parent.histogram, smaller.histogram, columns);
      larger.histogram = parent.histogram;
      parent.histogram = null;
      return true;
    }
    this.#dropHistogram(parent);
    return this.#countAll(larger, columns, pacer);
  }

  /** Counts all columns into a histogram of its own, if there is memory for it. False when the pacer said stop. */
  async #countAll(candidate: Candidate, columns: Int32Array, pacer: Pacer): Promise<boolean> {
    const histogram = this.#histograms.borrow();
    if (!histogram) return true;
    candidate.histogram = histogram;
    const { begin, end } = candidate;
    this.#histograms.gather(begin, end);
    for (const column of columns) {
      if ((end - begin) > longLoop && !(await pacer.mayContinue())) return false;
      this.#histograms.count(column, begin, end, histogram, this.#histograms.offsets[column]!);
    }
    return true;
  }

  #dropHistogram(candidate: Candidate): void {
    if (candidate.histogram) this.#histograms.release(candidate.histogram);
    candidate.histogram = null;
  }

  /** Finds the candidate's best split. False when the pacer said stop. */
  async #findSplit(candidate: Candidate, chooseColumns: () => Int32Array, pacer: Pacer): Promise<boolean> {
    if (!(await pacer.mayContinue())) return false;
    if (!this.#mayDivide(candidate)) return true;
    const { begin, end, sums, bounds, histogram } = candidate;
    const histograms = this.#histograms;
    const worth = this.#finder.worthOf(sums, bounds);
    if (!histogram) histograms.gather(begin, end);
    for (const column of chooseColumns()) {
      const counted = histogram ?? histograms.shared;
      const offset = histogram ? histograms.offsets[column]! : 0;
      let bins: number;
      if (histogram || end - begin > fewRows) {
        if (end - begin > longLoop && !(await pacer.mayContinue())) return false;
        if (!histogram) histograms.count(column, begin, end, counted, 0);
        bins = histograms.findOccupied(column, counted, offset);
      } else {
        bins = histograms.countFew(column, begin, end);
      }
      candidate.split = this.#finder.improve(
        candidate.split, column, this.#columns[column]!, this.#monotone[column]!,
        counted, offset, histograms.occupied, bins, sums, worth, bounds,
      );
      if (!histogram) histograms.clearShared(bins);
    }
    return true;
  }

  #divide(parent: Candidate, rows: Int32Array, nodes: NodeList): [Candidate, Candidate] {
    const split = parent.split!;
    const { type, count, bins, boundaries } = this.#columns[split.column]!;
    const { begin, end, depth, bounds } = parent;
    let middle = begin;
    let aside = 0;
    for (let at = begin; at < end; at++) {
      const row = rows[at]!;
      const bin = bins[row]!;
      const goesLeft = split.set ? isInSet(split.set, 0, bin) : bin <= split.bin || (bin === count && split.missingLeft);
      if (goesLeft) rows[middle++] = row;
      else this.#aside[aside++] = row;
    }
    rows.set(this.#aside.subarray(0, aside), middle);
    const [left, right] = [nodes.add(), nodes.add()];
    // Where all known values go left, no boundary holds them.
    const threshold = type === 'number' ? (boundaries[split.bin] ?? Number.MAX_VALUE) : 0;
    nodes.divide(parent.node, split, threshold, left, right);
    const leftSums = this.#histograms.sum(begin, middle);
    const rightSums = this.#histograms.sum(middle, end);
    const child = (node: number, from: number, to: number, own: NodeSums, limits: Bounds): Candidate => ({
      node, begin: from, end: to, depth: depth + 1, bounds: limits, sums: own, histogram: null, split: null,
    });
    const [leftBounds, rightBounds] = this.#boundsOf(this.#monotone[split.column]!, bounds, leftSums, rightSums);
    return [child(left, begin, middle, leftSums, leftBounds), child(right, middle, end, rightSums, rightBounds)];
  }

  /** Below a division by a constrained column neither side may cross the middle of both sides' values. */
  #boundsOf(direction: number, bounds: Bounds, left: NodeSums, right: NodeSums): [Bounds, Bounds] {
    if (direction === 0) return [bounds, bounds];
    const value = ({ gradients, hessian }: NodeSums) => this.#finder.leafValue(gradients[0]!, hessian, bounds);
    const middle = (value(left) + value(right)) / 2;
    const below = { lower: bounds?.lower ?? -Infinity, upper: middle };
    const above = { lower: middle, upper: bounds?.upper ?? Infinity };
    return direction > 0 ? [below, above] : [above, below];
  }

  #finish(nodes: NodeList, leaves: Candidate[], rows: Int32Array): GrownTree {
    const outputs = this.#outputs;
    leaves.sort((a, b) => a.begin - b.begin);
    const values = new Float64Array(leaves.length * outputs);
    const ends = new Int32Array(leaves.length);
    leaves.forEach(({ node, end, sums, bounds }, leaf) => {
      for (let output = 0; output < outputs; output++) {
        values[leaf * outputs + output] = this.#finder.leafValue(sums.gradients[output]!, sums.hessian, bounds);
      }
      nodes.left[node] = leaf;
      ends[leaf] = end;
    });
    const tree = nodes.toTree(values);
    const columns = this.#columns;
    const { feature, missingLeft, left, right, sets, threshold } = tree;
    const lastBins = Int32Array.from(nodes.bins);
    return {
      tree, rows, ends,
      leafOf(row) {
        let node = 0;
        for (;;) {
          const asked = feature[node]!;
          if (asked < 0) return left[node]!;
          const { type, bins, count } = columns[asked]!;
          const bin = bins[row]!;
          const goesLeft = type === 'category'
            ? isInSet(sets, threshold[node]!, bin)
            : bin <= lastBins[node]! || (bin === count && missingLeft[node] === 1);
          node = goesLeft ? left[node]! : right[node]!;
        }
      },
    };
  }
}
