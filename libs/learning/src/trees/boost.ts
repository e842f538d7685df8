import type { EpochResult } from '../dense-network.ts';
import type { Pacer } from '../pacer.ts';
import { createRandom } from '../random.ts';
import type { BinnedColumn } from './binned-columns.ts';
import { type BoostingLoss, median } from './boosting-loss.ts';
import { type GrownTree, type GrowthSettings, TreeGrower } from './grow-tree.ts';
import type { Tree } from './tree.ts';

export interface BoostingSettings extends GrowthSettings {
  learningRate: number;
  featureFraction: number;
  baggingFraction: number;
  baggingFreq: number;
}

export interface Boosting {
  /** Training rows first, then those held back. */
  columns: readonly BinnedColumn[];
  training: number;
  heldBack: number;
  loss: BoostingLoss;
  settings: BoostingSettings;
  monotone: Int8Array;
  /** at most */
  iterations: number;
  /** Ends after so many iterations without a lower loss on the rows held back; 0 never does. */
  patience: number;
  /** names the streams of random numbers */
  seed: number;
  model: number;
  resume: BoostingState | null;
  pacer: Pacer;
  onIteration(state: BoostingState, result: EpochResult): Promise<void>;
}

/** Where boosting stands after a whole iteration; enough to go on from there bit for bit. */
export interface BoostingState {
  iteration: number;
  trees: Tree[];
  /** one array per output, of training rows and those held back */
  scores: Float64Array[];
  best: { iteration: number; loss: number } | null;
  history: EpochResult[];
}

/** The first trees hold the constant that boosting starts from, so that the sum of all trees is the whole score. */
export type BoostingOutcome =
  | { type: 'boosted'; trees: Tree[]; iterations: number; bestIteration: number; history: EpochResult[] }
  | { type: 'cancelled' };

/**
 * Gradient boosting of trees (Friedman 2001) by Newton steps: in each iteration one tree per output is grown on the
 * gradients of the loss, and its leaves, times the learning rate, are added to the scores. Ends early when no tree finds
 * anything to divide.
 */
export async function boost(boosting: Boosting): Promise<BoostingOutcome> {
  const { columns, training, heldBack, loss, settings, pacer } = boosting;
  const rows = training + heldBack;
  const state: BoostingState = boosting.resume
    ? structuredClone(boosting.resume)
    : { iteration: 0, trees: [], scores: loss.start.map((score) => new Float64Array(rows).fill(score)), best: null, history: [] };
  const grower = new TreeGrower({ columns, outputs: 1, settings, monotone: boosting.monotone, keepsHistograms: true });
  const gradients = loss.start.map(() => new Float64Array(training));
  const hessians = loss.start.map(() => new Float64Array(loss.unitHessians ? 0 : training));
  const isOver = () => boosting.patience > 0 && heldBack > 0 && state.best !== null && state.iteration - state.best.iteration >= boosting.patience;

  while (state.iteration < boosting.iterations && !isOver()) {
    if (!(await pacer.mayContinue())) return { type: 'cancelled' };
    loss.differentiate(state.scores, gradients, hessians);
    const { chosen, others } = bagOf(boosting, state.iteration);
    const grown: GrownTree[] = [];
    for (let output = 0; output < loss.outputs; output++) {
      const allowed = columnsOf(boosting, state.iteration, output);
      const tree = await grower.grow(chosen.slice(), gradients[output]!, loss.unitHessians ? null : hessians[output]!, () => allowed, pacer);
      if (!tree) return { type: 'cancelled' };
      grown.push(tree);
    }
    const isFruitless = grown.every(({ tree }) => tree.feature.length === 1);
    if (isFruitless && state.iteration > 0 && settings.baggingFraction === 1 && settings.featureFraction === 1) break;
    grown.forEach((own, output) => {
      const scores = state.scores[output]!;
      if (loss.residualsOf) takeMedians(own, scores, loss.residualsOf);
      scale(own.tree.values, settings.learningRate);
      addLeaves(own, scores);
      for (const row of others) scores[row]! += own.tree.values[own.leafOf(row)]!;
      for (let row = training; row < rows; row++) scores[row]! += own.tree.values[own.leafOf(row)]!;
      state.trees.push(own.tree);
    });
    state.iteration += 1;
    const valLoss = heldBack > 0 ? loss.mean(state.scores, training, rows) : null;
    if (valLoss !== null && (state.best === null || valLoss < state.best.loss)) state.best = { iteration: state.iteration, loss: valLoss };
    const result = { epoch: state.iteration, loss: loss.mean(state.scores, 0, training), penalty: 0, valLoss };
    state.history.push(result);
    await boosting.onIteration(state, result);
  }

  const bestIteration = boosting.patience > 0 && state.best ? state.best.iteration : state.iteration;
  const trees = state.trees.slice(0, bestIteration * loss.outputs).map((tree, number) =>
    number < loss.outputs ? { ...tree, values: tree.values.map((value) => value + loss.start[number]!) } : tree);
  return { type: 'boosted', trees, iterations: state.iteration, bestIteration, history: state.history };
}

/** The rows that an iteration's trees are grown on, drawn without replacement, and the other training rows. */
function bagOf({ training, settings, seed, model }: Boosting, iteration: number): { chosen: Int32Array; others: Int32Array } {
  const { baggingFraction, baggingFreq } = settings;
  if (baggingFraction === 1) return { chosen: Int32Array.from({ length: training }, (_, row) => row), others: new Int32Array() };
  const random = createRandom(seed, model, iteration - (iteration % baggingFreq), 1);
  const chosen = new Int32Array(Math.max(1, Math.round(training * baggingFraction)));
  const others = new Int32Array(training - chosen.length);
  let [taken, left] = [0, 0];
  // Knuth, "Seminumerical Algorithms", algorithm S: each row with the chance that fills the rest.
  for (let row = 0; row < training; row++) {
    if (random.below(training - row) < chosen.length - taken) chosen[taken++] = row;
    else others[left++] = row;
  }
  return { chosen, others };
}

function columnsOf({ columns, settings, seed, model }: Boosting, iteration: number, output: number): Int32Array {
  const order = Int32Array.from(columns, (_, column) => column);
  const size = Math.max(1, Math.round(columns.length * settings.featureFraction));
  if (size === columns.length) return order;
  return createRandom(seed, model, iteration, 2, output).permutation(columns.length).slice(0, size).sort();
}

/** The median of a leaf's residuals, in place of the Newton step. Scores are the ones that the tree was grown on. */
function takeMedians({ tree, rows, ends }: GrownTree, scores: Float64Array, targets: Float64Array): void {
  let begin = 0;
  ends.forEach((end, leaf) => {
    tree.values[leaf] = median(Float64Array.from(rows.subarray(begin, end), (row) => targets[row]! - scores[row]!));
    begin = end;
  });
}

function scale(values: Float64Array, by: number): void {
  for (let at = 0; at < values.length; at++) values[at]! *= by;
}

function addLeaves({ tree, rows, ends }: GrownTree, scores: Float64Array): void {
  let at = 0;
  ends.forEach((end, leaf) => {
    for (; at < end; at++) scores[rows[at]!]! += tree.values[leaf]!;
  });
}
