import type { EpochResult } from '../dense-network.ts';
import type { Pacer } from '../pacer.ts';
import { createRandom, type Random } from '../random.ts';
import type { BinnedColumn } from './binned-columns.ts';
import { type GrowthSettings, TreeGrower } from './grow-tree.ts';
import type { Tree } from './tree.ts';

export interface ForestSettings extends GrowthSettings {
  numTrees: number;
  /** columns that a division chooses among */
  columnsPerSplit: number;
  /** rows drawn for a tree, as a share of all */
  baggingFraction: number;
  /** whether a row may be drawn more than once */
  bootstrap: boolean;
}

export interface Forest {
  columns: readonly BinnedColumn[];
  rows: number;
  /** values of a leaf */
  outputs: number;
  /** [rows, outputs], row by row: what a leaf averages */
  targets: Float64Array;
  /** by row */
  weights: Float64Array | null;
  settings: ForestSettings;
  monotone: Int8Array;
  seed: number;
  model: number;
  resume: ForestState | null;
  pacer: Pacer;
  onTree(state: ForestState, result: EpochResult): Promise<void>;
}

/** Where a forest stands after a whole tree. */
export interface ForestState {
  trees: Tree[];
  /** [rows, outputs]: sums of the trees that had not drawn the row, and how many these are */
  outOfBag: Float64Array;
  outOfBagTrees: Int32Array;
  history: EpochResult[];
}

/** Each leaf is divided by the number of trees, so that the sum of all trees is the answer. */
export type ForestOutcome = { type: 'grown'; trees: Tree[]; history: EpochResult[] } | { type: 'cancelled' };

/**
 * A random forest (Breiman 2001): each tree is grown on rows drawn with replacement, each division chooses among a few
 * columns drawn anew, and the answer is the mean of the leaves. The loss reported is the mean squared error on the rows
 * that trees had not drawn (for classes: of the shares, Brier's score).
 */
export async function growForest(forest: Forest): Promise<ForestOutcome> {
  const { columns, rows, outputs, targets, settings, pacer } = forest;
  const state: ForestState = forest.resume
    ? structuredClone(forest.resume)
    : { trees: [], outOfBag: new Float64Array(rows * outputs), outOfBagTrees: new Int32Array(rows), history: [] };
  const grower = new TreeGrower({ columns, outputs, settings, monotone: forest.monotone, keepsHistograms: settings.columnsPerSplit === columns.length });
  const gradients = new Float64Array(rows * outputs);
  const hessians = new Float64Array(rows);

  while (state.trees.length < settings.numTrees) {
    if (!(await pacer.mayContinue())) return { type: 'cancelled' };
    const random = createRandom(forest.seed, forest.model, state.trees.length);
    const drawn = drawRows(rows, settings, random);
    for (let row = 0; row < rows; row++) {
      const weight = drawn[row]! * (forest.weights ? forest.weights[row]! : 1);
      hessians[row] = weight;
      for (let output = 0; output < outputs; output++) gradients[row * outputs + output] = -weight * targets[row * outputs + output]!;
    }
    const bag = Int32Array.from({ length: rows }, (_, row) => row).filter((row) => drawn[row]! > 0);
    const grown = await grower.grow(bag, gradients, hessians, createColumnDraw(columns.length, settings.columnsPerSplit, random), pacer);
    if (!grown) return { type: 'cancelled' };
    const { values } = grown.tree;
    for (let row = 0; row < rows; row++) {
      if (drawn[row]! > 0) continue;
      const leaf = grown.leafOf(row);
      state.outOfBagTrees[row]! += 1;
      for (let output = 0; output < outputs; output++) state.outOfBag[row * outputs + output]! += values[leaf * outputs + output]!;
    }
    for (let at = 0; at < values.length; at++) values[at]! /= settings.numTrees;
    state.trees.push(grown.tree);
    const result = { epoch: state.trees.length, loss: outOfBagError(forest, state), penalty: 0, valLoss: null };
    state.history.push(result);
    await forest.onTree(state, result);
  }
  return { type: 'grown', trees: state.trees, history: state.history };
}

/** How often each row is drawn. */
function drawRows(rows: number, { baggingFraction, bootstrap }: ForestSettings, random: Random): Int32Array {
  const drawn = new Int32Array(rows);
  const size = Math.max(1, Math.round(rows * baggingFraction));
  if (bootstrap) for (let at = 0; at < size; at++) drawn[random.below(rows)]! += 1;
  else for (const row of random.permutation(rows).subarray(0, size)) drawn[row] = 1;
  return drawn;
}

/** Draws columns without replacement, anew at each call. */
function createColumnDraw(columns: number, size: number, random: Random): () => Int32Array {
  const order = Int32Array.from({ length: columns }, (_, column) => column);
  if (size === columns) return () => order;
  return () => {
    for (let at = 0; at < size; at++) {
      const other = at + random.below(columns - at);
      const kept = order[at]!;
      order[at] = order[other]!;
      order[other] = kept;
    }
    return order.subarray(0, size);
  };
}

/** Rows that every tree has drawn are left out; without any other, the error is 0. */
function outOfBagError({ rows, outputs, targets }: Forest, { outOfBag, outOfBagTrees }: ForestState): number {
  let sum = 0;
  let count = 0;
  for (let row = 0; row < rows; row++) {
    const trees = outOfBagTrees[row]!;
    if (trees === 0) continue;
    count += 1;
    for (let output = 0; output < outputs; output++) {
      sum += (outOfBag[row * outputs + output]! / trees - targets[row * outputs + output]!) ** 2;
    }
  }
  return count > 0 ? sum / count : 0;
}
