import type { ForecastModelSettings } from '@millrace/configuration';
import type { Pacer } from '../pacer.ts';
import type { FittedFeature } from '../pipeline.ts';
import type { Table } from '../table.ts';
import { binColumn, learnBinning } from '../trees/binned-columns.ts';
import { boost } from '../trees/boost.ts';
import { squaredLoss } from '../trees/boosting-loss.ts';
import type { Tree } from '../trees/tree.ts';
import type { GlobalModel, Panel } from './global-model.ts';
import { createLagFrame, type LagFrame, type Reference } from './lag-frame.ts';
import type { LearnUntil } from './learn-together.ts';

type LagTreesSettings = Extract<ForecastModelSettings, { family: 'lag_trees' }>;

/** Rows to learn from at most; of more, origins are left out evenly. */
const mostRows = 30_000;
/** Fewer teach nothing. */
const fewestRows = 10;
/** Iterations without a lower loss on the newest part before trees are no longer added. */
const patience = 25;
const fixed = {
  maxDepth: Infinity, minSumHessianInLeaf: 1e-3, lambdaL1: 0, lambdaL2: 1, minGainToSplit: 0, featureFraction: 0.6, baggingFraction: 0.8, baggingFreq: 1,
};

/** Origins and what came after them: [rows, width] with the covariates of the step behind a frame's own numbers. */
interface Examples {
  rows: number;
  cells: Float64Array;
  targets: Float64Array;
}

/** What the newest values, held back, said is best. */
interface LagTreesChoice {
  reference: Reference;
  iterations: number;
}

/** Learns for one back-test after another: what was chosen for the test goes for the model of all values as well. */
export function lagTreesLearner(panel: Panel, settings: LagTreesSettings, pacer: Pacer): LearnUntil {
  let choice: LagTreesChoice | null = null;
  return async (until) => {
    const learned = await learnLagTrees(panel, settings, until, until === Infinity ? choice : null, pacer);
    if (learned === null || learned === 'unfit') return learned;
    ({ choice } = learned);
    return learned.model;
  };
}

/**
 * Boosted trees over lags, rolling figures and the calendar: one model for all series and steps, which predicts each step
 * from what is known at the origin (the direct strategy, with the step as a feature; Ben Taieb et al. 2012). Learns from
 * values before `until`, a step of the calendar. Without a choice, the newest part of them is held back first, to find the
 * reference and the number of trees; then it learns from all. 'unfit' where the series are too short, null when the pacer
 * said stop.
 */
async function learnLagTrees(
  panel: Panel, settings: LagTreesSettings, until: number, chosen: LagTreesChoice | null, pacer: Pacer,
): Promise<{ model: GlobalModel; choice: LagTreesChoice } | 'unfit' | null> {
  const frame = createLagFrame(panel);
  const lengths = panel.set.series.map(({ values, start }) => Math.min(values.length, until - start));
  const choice = chosen ?? (await choose(panel, frame, settings, lengths, pacer));
  if (choice === null || choice === 'unfit') return choice;
  const { reference, iterations } = choice;
  const all = examplesOf(panel, frame, reference, lengths.map((length) => ({ first: frame.shortest, end: length })));
  if (all.rows < fewestRows) return 'unfit';
  const grown = await grow(all, null, settings, iterations, pacer);
  if (!grown) return null;
  const width = frame.names.length;
  const model: GlobalModel = {
    parameters: { reference, trees: grown.trees.length, features: width + panel.covariates.width },
    width,
    cellsAt: (series, origin) => frame.cellsAt(series, origin, reference),
    headOver: (rows) => ({ type: 'trees', width, rows, trees: grown.trees }),
  };
  return { model, choice };
}

async function choose(panel: Panel, frame: LagFrame, settings: LagTreesSettings, lengths: readonly number[], pacer: Pacer): Promise<LagTreesChoice | 'unfit' | null> {
  const { set, horizon } = panel;
  const references: Reference[] = set.seasonLength > 1 ? ['level', 'season'] : ['level'];
  const back = (length: number) => Math.max(Math.min(2 * horizon, Math.floor(length / 4)), Math.floor(length / 6));
  let best: (LagTreesChoice & { loss: number }) | null = null;
  for (const reference of references) {
    const training = examplesOf(panel, frame, reference, lengths.map((length) => ({ first: frame.shortest, end: length - back(length) })));
    const heldBack = examplesOf(panel, frame, reference, lengths.map((length) => ({ first: length - back(length), end: length })));
    if (training.rows < fewestRows || heldBack.rows === 0) continue;
    const outcome = await grow(training, heldBack, settings, settings.numIterations, pacer);
    if (!outcome) return null;
    if (!best || outcome.loss < best.loss) best = { reference, iterations: outcome.iterations, loss: outcome.loss };
  }
  return best ?? 'unfit';
}

/** Origins from `first` on, with the steps after them that end before `end`; by series. */
function examplesOf({ set, covariates, horizon }: Panel, frame: LagFrame, reference: Reference, ranges: readonly { first: number; end: number }[]): Examples {
  const all = ranges.reduce((sum, { first, end }) => sum + Math.max(0, end - first) * horizon, 0);
  const stride = Math.max(1, Math.ceil(all / mostRows));
  const own = frame.names.length;
  const width = own + covariates.width;
  const cells: Float64Array[] = [];
  const targets: number[] = [];
  set.series.forEach(({ values }, series) => {
    const { first, end } = ranges[series]!;
    // Counted from the end, so that the newest origins are among those that stay.
    for (let origin = end - 1; origin >= first; origin -= stride) {
      const { base, unit, rows } = frame.cellsAt(series, origin, reference);
      for (let step = 0; step < horizon && origin + step < end; step++) {
        const row = new Float64Array(width);
        row.set(rows.subarray(step * own, (step + 1) * own));
        row.set(covariates.cells[series]!.subarray((origin + step) * covariates.width, (origin + step + 1) * covariates.width), own);
        cells.push(row);
        targets.push((values[origin + step]! - base[step]!) / unit[step]!);
      }
    }
  });
  const joined = new Float64Array(cells.length * width);
  cells.forEach((row, at) => joined.set(row, at * width));
  return { rows: cells.length, cells: joined, targets: Float64Array.from(targets) };
}

async function grow(training: Examples, heldBack: Examples | null, settings: LagTreesSettings, iterations: number, pacer: Pacer): Promise<{ trees: Tree[]; iterations: number; loss: number } | null> {
  const width = training.cells.length / training.rows;
  const rows = training.rows + (heldBack?.rows ?? 0);
  const values = new Float64Array(rows);
  values.set(training.targets);
  if (heldBack) values.set(heldBack.targets, training.rows);
  const learned = Int32Array.from({ length: training.rows }, (_, row) => row);
  const everyRow = Int32Array.from({ length: rows }, (_, row) => row);
  const columns = [];
  for (let at = 0; at < width; at++) {
    if (!(await pacer.mayContinue())) return null;
    const name = String(at);
    const column = Float64Array.from({ length: rows }, (_, row) =>
      row < training.rows ? training.cells[row * width + at]! : heldBack!.cells[(row - training.rows) * width + at]!);
    const table: Table = { rows, columns: [{ name, type: 'number', values: column }] };
    const feature: FittedFeature = { name, type: 'number', min: 0, max: 0, mean: 0, scale: 1, fill: 0, missingAllowed: true };
    columns.push(binColumn(table, feature, learnBinning(table, feature, learned, 255, values), everyRow));
  }
  const outcome = await boost({
    columns, training: training.rows, heldBack: heldBack?.rows ?? 0,
    loss: squaredLoss({ values, weights: null, training: training.rows }),
    settings: { ...fixed, ...settings, minDataInLeaf: Math.max(2, Math.min(20, Math.floor(training.rows / 50))) },
    monotone: new Int8Array(width), iterations, patience: heldBack ? patience : 0, seed: 0, model: 0, resume: null, pacer,
    onIteration: async () => undefined,
  });
  if (outcome.type === 'cancelled') return null;
  const loss = outcome.history.find(({ epoch }) => epoch === outcome.bestIteration)?.valLoss ?? Infinity;
  return { trees: outcome.trees, iterations: Math.max(1, outcome.bestIteration), loss };
}
