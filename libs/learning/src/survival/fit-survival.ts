import type { SurvivalDistribution, SurvivalModelSettings, TrainingSpec } from '@millrace/configuration';
import type { EpochResult } from '../dense-network.ts';
import type { Pacer } from '../pacer.ts';
import { encodeRows, encodedWidth, fitFeatures, type FittedPipeline } from '../pipeline.ts';
import { fitTarget } from '../prepared-data.ts';
import type { Problem } from '../table.ts';
import { boost } from '../trees/boost.ts';
import { prepareTreeData, rowsInLeaf } from '../trees/tree-data.ts';
import { type AcceleratedFailure, fitAcceleratedFailure } from './accelerated-failure.ts';
import type { SurvivalData } from './survival-data.ts';
import { survivalLoss } from './survival-loss.ts';
import { timeDistributions } from './time-distribution.ts';

export interface SurvivalFitJob {
  data: SurvivalData;
  spec: TrainingSpec;
  settings: SurvivalModelSettings;
  /** its place among the candidates: names its streams of random numbers */
  model: number;
  rows: Int32Array;
  /** held back; empty for the last fit, which then needs what the first one found */
  heldBack: Int32Array;
  found: Found | null;
  pacer: Pacer;
}

/** What the rows held back told. */
interface Found {
  distribution: SurvivalDistribution;
  iterations: number;
  /** of the log time, with `shift` added to the location */
  scale: number;
  shift: number;
  /** Mean of the rows held back, with this scale and shift. */
  loss: number;
}

/** The location of the log time for each row, and how far times spread around it. */
export interface SurvivalFit {
  type: 'fitted';
  pipeline: FittedPipeline;
  distribution: SurvivalDistribution;
  scale: number;
  found: Found | null;
  parameters: Record<string, unknown>;
  /** of the iterations of trees; empty of a line */
  history: EpochResult[];
}

export type SurvivalFitOutcome = SurvivalFit | { type: 'failed'; problem: Problem } | { type: 'cancelled' };

/** Of several distributions, the likeliest: for a line on the rows learned from, for trees on those held back. */
export async function fitSurvival(job: SurvivalFitJob): Promise<SurvivalFitOutcome> {
  const { settings, found } = job;
  if (settings.family === 'accelerated_failure') return fitLinearSurvival(job, settings);
  const [first, ...others] = candidatesOf(found?.distribution ?? settings.distribution);
  let best = await fitTreeSurvival(job, settings, first!);
  for (const distribution of others) {
    if (best.type !== 'fitted') return best;
    const other = await fitTreeSurvival(job, settings, distribution);
    if (other.type !== 'fitted') return other;
    if (other.found!.loss < best.found!.loss) best = other;
  }
  return best;
}

/** Fewer ends among the rows held back say less about the spread than the rows learned from. */
const fewestEndsOfScale = 20;
const usualL2 = 1;

async function fitLinearSurvival(job: SurvivalFitJob, settings: { distribution?: SurvivalDistribution | undefined; l2: number }): Promise<SurvivalFitOutcome> {
  const { data: { data, observed }, spec, rows, pacer } = job;
  const fitted = fitFeatures(data.table, spec.inputFeatures, rows);
  if (fitted.type === 'invalid') return { type: 'failed', problem: fitted.problems[0]! };
  const { features } = fitted;
  const target = fitTarget(data, rows);
  if (target.type !== 'number') throw new Error('A time is no class');
  const width = encodedWidth(features);
  const problem = {
    rows: rows.length, width, l2: settings.l2,
    inputs: encodeRows(features, data.table, rows),
    logTimes: Float64Array.from(rows, (row) => (data.truth[row]! - target.mean) / target.scale),
    observed: Uint8Array.from(rows, (row) => observed[row]!),
  };
  let best: { distribution: SurvivalDistribution; model: AcceleratedFailure } | null = null;
  for (const distribution of candidatesOf(settings.distribution)) {
    const model = await fitAcceleratedFailure({ ...problem, distribution: timeDistributions[distribution] }, pacer);
    if (!model) return { type: 'cancelled' };
    if (!best || model.logLikelihood > best.model.logLikelihood) best = { distribution, model };
  }
  const { distribution, model } = best!;
  const estimator = {
    family: 'linear' as const, width,
    kernel: model.kernel.map((weight) => weight * target.scale),
    bias: Float64Array.of(model.bias * target.scale + target.mean),
  };
  return {
    type: 'fitted', pipeline: { features, target, estimator }, distribution, scale: model.scale * target.scale, found: null, history: [],
    parameters: { distribution, l2: settings.l2, scale: model.scale * target.scale },
  };
}

const candidatesOf = (wish: SurvivalDistribution | undefined): SurvivalDistribution[] => (wish ? [wish] : ['weibull', 'log_normal']);

/**
 * Boosted trees take the scale of the loss from the linear model of the same rows. How far times spread around
 * what the trees say, only rows that they did not learn from can tell: the scale of the answers, and a shift of the
 * location, are the likeliest for the rows held back.
 */
async function fitTreeSurvival(
  job: SurvivalFitJob, settings: Extract<SurvivalModelSettings, { family: 'boosted_trees' }>, distribution: SurvivalDistribution,
): Promise<SurvivalFitOutcome> {
  const { data: { data, observed }, spec, rows, heldBack, model, found, pacer } = job;
  const linear = await fitLinearSurvival(job, { distribution, l2: usualL2 });
  if (linear.type !== 'fitted') return linear;
  const rowSettings = { ...settings, loss: 'squared' as const, classWeight: 'none' as const };
  const prepared = await prepareTreeData(data, spec, rowSettings, rows, heldBack, pacer);
  if (prepared.type !== 'ready') return prepared;
  const { features, target, columns, codes, values, monotone } = prepared.data;
  if (target.type !== 'number') throw new Error('A time is no class');
  const seen = Uint8Array.from([...rows, ...heldBack], (row) => observed[row]!);
  const constant = await fitAcceleratedFailure({
    rows: rows.length, width: 0, inputs: new Float64Array(), logTimes: values.subarray(0, rows.length), observed: seen.subarray(0, rows.length),
    distribution: timeDistributions[distribution], l2: 0,
  }, pacer);
  if (!constant) return { type: 'cancelled' };
  const loss = survivalLoss({
    values, observed: seen, training: rows.length, distribution: timeDistributions[distribution], scale: linear.scale / target.scale, start: constant.bias,
  });
  let scores = new Float64Array();
  const boosted = await boost({
    columns, training: rows.length, heldBack: heldBack.length, loss, monotone, seed: spec.split.seed, model, pacer, resume: null,
    settings: { ...rowSettings, maxDepth: settings.maxDepth ?? Infinity, minDataInLeaf: rowsInLeaf(settings.minDataInLeaf, rows.length) },
    iterations: found?.iterations ?? settings.numIterations,
    patience: heldBack.length > 0 ? settings.earlyStoppingRounds : 0,
    async onIteration(state) {
      if (state.best?.iteration === state.iteration || settings.earlyStoppingRounds === 0) scores = state.scores[0]!.slice();
    },
  });
  if (boosted.type === 'cancelled') return boosted;
  let own = found;
  if (!own) {
    const [left, ends] = [values.slice(rows.length), seen.subarray(rows.length)];
    left.forEach((value, at) => (left[at] = value - scores[rows.length + at]!));
    const spread = await spreadOf(left, ends, distribution, linear.scale / target.scale, pacer);
    if (!spread) return { type: 'cancelled' };
    own = { distribution, iterations: boosted.bestIteration, scale: spread.scale * target.scale, shift: spread.shift * target.scale, loss: spread.loss };
  }
  const { family: _family, ...wishes } = settings;
  return {
    type: 'fitted',
    pipeline: { features, target: { ...target, mean: target.mean + own.shift }, estimator: { family: 'boosted_trees', outputs: 1, trees: boosted.trees, codes } },
    distribution, scale: own.scale, found: own, history: boosted.history,
    parameters: { ...wishes, distribution, scale: own.scale, iterations: own.iterations },
  };
}

/** How the log times of rows held back lie around their locations. Null when the pacer said stop. */
async function spreadOf(
  left: Float64Array, observed: Uint8Array, name: SurvivalDistribution, usual: number, pacer: Pacer,
): Promise<{ scale: number; shift: number; loss: number } | null> {
  const distribution = timeDistributions[name];
  if (observed.reduce((sum, seen) => sum + seen, 0) < fewestEndsOfScale) {
    return { scale: usual, shift: 0, loss: survivalLoss({ values: left, observed, training: 0, distribution, scale: usual, start: 0 }).mean([new Float64Array(left.length)], 0, left.length) };
  }
  const fit = await fitAcceleratedFailure({ rows: left.length, width: 0, inputs: new Float64Array(), logTimes: left, observed, distribution, l2: 0 }, pacer);
  return fit && { scale: fit.scale, shift: fit.bias, loss: -fit.logLikelihood };
}
