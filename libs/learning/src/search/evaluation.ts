import { type SelectionMetric, selectionMetrics, type TrainingSpec } from '@millrace/configuration';
import { numbersOf } from '../blend.ts';
import { familyOf, scoreRows } from '../families/families.ts';
import { classScores } from '../families/family.ts';
import type { Pacer } from '../pacer.ts';
import { type EnsembleMember, fitFeatures, type FittedPipeline } from '../pipeline.ts';
import type { Scores } from '../predict.ts';
import { fitTarget, type PreparedData, scoresToMetric } from '../prepared-data.ts';
import { createRandom } from '../random.ts';
import type { Problem } from '../table.ts';
import { type Candidate, specFor } from './candidate.ts';
import type { FoldPlan } from './folds.ts';

/** How far a candidate has come, and what it showed. Plain data (see state-codec.ts). */
export interface Evaluation {
  candidate: Candidate;
  /** `tried`: on the first fold only, so far. `eliminated`: others did better there. */
  status: 'tried' | 'complete' | 'eliminated' | 'failed' | 'out-of-time';
  /** On the held-out rows of the first fold, which may have been learned for on fewer rows; null where undefined. */
  firstScore: number | null;
  /** The selection metric on each fold done, in order; null where undefined. */
  foldScores: (number | null)[];
  /** Of all fits so far. */
  fitSeconds: number;
  /** Estimated from what was done: a fit on a whole fold and its prediction. */
  foldSeconds: number;
  predictMsPerRow: number;
  /** Seconds into the search when this was last worked on. */
  at: number;
  /** The best score over all folds by then. */
  bestScore: number | null;
  problem: Problem | null;
  /** Of the first fold, as long as the others are not done: its model, and the answers to its held-out rows. */
  first: { numbers: Float64Array; pipeline: FittedPipeline } | null;
  /** What an ensemble needs; null once a candidate is out of reach of the best. */
  kept: { outOfFold: Float64Array; pipelines: FittedPipeline[] } | null;
}

export interface FoldWork {
  data: PreparedData;
  spec: TrainingSpec;
  plan: FoldPlan;
  metric: SelectionMetric;
  /** Ends the fits at the time limit or on a cancel. */
  pacer: Pacer;
  /** In milliseconds. */
  clock(): number;
}

type FoldOutcome =
  | { type: 'scored'; pipeline: FittedPipeline; scores: Scores; fitSeconds: number; predictSeconds: number }
  | { type: 'failed'; problem: Problem }
  | { type: 'stopped' };

const streamOfSubset = 104;
/** Tables with more rows are tried on a part of them first. */
const wholeFirstFoldUpTo = 4_000;
const firstShare = 0.25;
/** Four times the rows take about three times as long: much of a fit does not depend on them. */
const growth = 0.8;

/** The share of a fold's training rows that a candidate is first tried on. */
export const shareOfFirstTry = (plan: FoldPlan): number => (plan.folds[0]!.train.length > wholeFirstFoldUpTo ? firstShare : 1);

/**
 * The first rung: one fold, in a large table on a quarter of its rows. The result is reused where it is a whole fold.
 * Null when the pacer said stop.
 */
export async function tryCandidate(work: FoldWork, candidate: Candidate): Promise<Evaluation | null> {
  const share = shareOfFirstTry(work.plan);
  const outcome = await runFold(work, candidate, 0, share);
  if (outcome.type === 'stopped') return null;
  const fresh = { candidate, foldScores: [], fitSeconds: 0, foldSeconds: 0, predictMsPerRow: 0, firstScore: null, at: 0, bestScore: null, problem: null, first: null, kept: null };
  if (outcome.type === 'failed') return { ...fresh, status: 'failed', problem: outcome.problem };
  const { heldOut } = work.plan.folds[0]!;
  const firstScore = scoresToMetric(work.data, heldOut, outcome.scores, work.metric);
  const evaluation: Evaluation = {
    ...fresh,
    status: 'tried',
    firstScore,
    first: { numbers: numbersOf(outcome.scores), pipeline: outcome.pipeline },
    fitSeconds: outcome.fitSeconds,
    foldSeconds: outcome.fitSeconds / share ** growth + outcome.predictSeconds,
    predictMsPerRow: (outcome.predictSeconds * 1000) / heldOut.length,
  };
  if (share === 1) takeFold(work, evaluation, 0, outcome, firstScore);
  return evaluation;
}

/**
 * The second rung: the folds that are left. Null when the pacer said stop, or when after some fold `fits` no longer holds of
 * what is to come; what was given stays as it is.
 */
export async function completeCandidate(work: FoldWork, before: Evaluation, fits: (evaluation: Evaluation) => boolean = () => true): Promise<Evaluation | null> {
  const evaluation: Evaluation = {
    ...before,
    problem: null,
    foldScores: [...before.foldScores],
    kept: before.kept && { outOfFold: before.kept.outOfFold.slice(), pipelines: [...before.kept.pipelines] },
  };
  const begun = work.clock();
  const first = evaluation.foldScores.length;
  for (let fold = first; fold < work.plan.folds.length; fold++) {
    const outcome = await runFold(work, evaluation.candidate, fold, 1);
    if (outcome.type === 'stopped') return null;
    if (outcome.type === 'failed') return { ...evaluation, status: 'failed', problem: outcome.problem, first: null, kept: null };
    evaluation.fitSeconds += outcome.fitSeconds;
    const score = scoresToMetric(work.data, work.plan.folds[fold]!.heldOut, outcome.scores, work.metric);
    takeFold(work, evaluation, fold, outcome, score);
    evaluation.foldSeconds = (work.clock() - begun) / 1000 / (fold + 1 - first);
    if (!fits(evaluation)) return null;
  }
  return { ...evaluation, status: 'complete', first: null };
}

function takeFold(work: FoldWork, evaluation: Evaluation, fold: number, outcome: { pipeline: FittedPipeline; scores: Scores }, score: number | null): void {
  const { scored, repeats, folds } = work.plan;
  const numbers = numbersOf(outcome.scores);
  const { heldOut } = folds[fold]!;
  const width = numbers.length / heldOut.length;
  evaluation.kept ??= { outOfFold: new Float64Array(scored.length * width), pipelines: [] };
  // Both lists ascend, so one pass finds the places.
  let place = 0;
  heldOut.forEach((row, at) => {
    while (scored[place] !== row) place += 1;
    for (let cell = 0; cell < width; cell++) evaluation.kept!.outOfFold[place * width + cell]! += numbers[at * width + cell]! / repeats;
  });
  evaluation.kept.pipelines.push(outcome.pipeline);
  evaluation.foldScores.push(score);
}

async function runFold(work: FoldWork, candidate: Candidate, fold: number, share: number): Promise<FoldOutcome> {
  const { train, heldOut } = work.plan.folds[fold]!;
  let rows = train;
  if (share < 1) {
    const order = createRandom(candidate.seed, streamOfSubset).permutation(train.length);
    rows = order.subarray(0, Math.round(train.length * share)).map((at) => train[at]!).sort();
  }
  const family = familyOf(candidate.family);
  const begun = work.clock();
  const fitted = await family.fit({
    data: work.data, spec: specFor(work.spec, candidate), settings: candidate.settings, seed: candidate.seed, model: fold, rows,
    // A family that stops by held-out rows stops by those it is scored on, as is customary for bagged folds.
    validation: isBagged(candidate) ? heldOut : new Int32Array(),
    pacer: work.pacer, epochs: null, resume: null, async onEpoch() {},
  });
  if (fitted.type === 'cancelled') return { type: 'stopped' };
  if (fitted.type === 'failed') return fitted;
  const fittedAt = work.clock();
  const scores = await scoreRows(fitted.fit.pipeline, work.data.table, heldOut, work.pacer);
  if (!scores) return { type: 'stopped' };
  return {
    type: 'scored', pipeline: fitted.fit.pipeline, scores,
    fitSeconds: (fittedAt - begun) / 1000, predictSeconds: (work.clock() - fittedAt) / 1000,
  };
}

/** Higher is better; -Infinity where a fold has no figure; null as long as not all folds are done. */
export function meritOf(evaluation: Evaluation, metric: SelectionMetric): number | null {
  if (evaluation.status !== 'complete') return null;
  const score = meanScore(evaluation);
  return score === null ? -Infinity : signOf(metric) * score;
}

/** The mean over the folds, null where one has no figure. */
export function meanScore({ foldScores }: Pick<Evaluation, 'foldScores'>): number | null {
  if (foldScores.length === 0 || foldScores.includes(null)) return null;
  return foldScores.reduce<number>((sum, score) => sum + score!, 0) / foldScores.length;
}

export const signOf = (metric: SelectionMetric): 1 | -1 => (selectionMetrics[metric].direction === 'higher' ? 1 : -1);

/** Out-of-fold numbers as answers to the scored rows. */
export function scoresOf(data: PreparedData, numbers: Float64Array, rows: number): Scores {
  if (data.target.task === 'regression') return { type: 'values', predicted: numbers };
  return classScores(numbers, rows, data.target.classes.length);
}

/** Out-of-fold numbers of the first fold's held-out rows alone. */
export function ofFirstFold({ scored, folds }: FoldPlan, numbers: Float64Array): Float64Array {
  const width = numbers.length / scored.length;
  const { heldOut } = folds[0]!;
  const places = new Map(Array.from(scored, (row, place) => [row, place]));
  return Float64Array.from({ length: heldOut.length * width }, (_, cell) => numbers[places.get(heldOut[Math.floor(cell / width)]!)! * width + (cell % width)]!);
}

/**
 * The model that a complete evaluation stands for. A family that stops by held-out rows answers with the mean of its
 * fold models (bagging, Breiman 1996), which needs no further fit; any other learns once more from all training rows.
 */
export async function finalPipeline(work: FoldWork, evaluation: Evaluation): Promise<FittedPipeline | null> {
  const { candidate, kept } = evaluation;
  if (isBagged(candidate)) return bagOf(work, kept!.pipelines);
  const fitted = await familyOf(candidate.family).fit({
    data: work.data, spec: specFor(work.spec, candidate), settings: candidate.settings, seed: candidate.seed, model: work.plan.folds.length,
    rows: work.data.split.train, validation: new Int32Array(), pacer: work.pacer, epochs: null, resume: null, async onEpoch() {},
  });
  return fitted.type === 'fitted' ? fitted.fit.pipeline : null;
}

/** Whether a candidate stops by held-out rows, so that its final model is the mean of its fold models. */
export function isBagged({ family, settings }: Candidate): boolean {
  const { learnsFromValidation, search } = familyOf(family);
  if (search?.stopsByHeldOut) return search.stopsByHeldOut(settings);
  return !(typeof learnsFromValidation === 'boolean' ? learnsFromValidation : learnsFromValidation(settings));
}

/** The models of the folds, counting alike, as one; in time the last alone, as the others know the past only. */
export function bagOf(work: Pick<FoldWork, 'data' | 'spec' | 'plan'>, ofFolds: FittedPipeline[]): FittedPipeline {
  const pipelines = work.plan.inTime ? ofFolds.slice(-1) : ofFolds;
  return ensembleOf(work, pipelines.map((pipeline) => ({ weight: 1 / pipelines.length, pipeline })));
}

/** Weighted pipelines as one; ensembles among them are taken apart. A single one stays as it is. */
export function ensembleOf({ data, spec }: Pick<FoldWork, 'data' | 'spec'>, parts: { weight: number; pipeline: FittedPipeline }[]): FittedPipeline {
  if (parts.length === 1) return parts[0]!.pipeline;
  const members = parts.flatMap(({ weight, pipeline: { features, target, estimator } }): EnsembleMember[] =>
    estimator.family === 'ensemble'
      ? estimator.members.map((member) => ({ ...member, weight: member.weight * weight }))
      : [{ weight, features, target, estimator }],
  );
  const { train } = data.split;
  const fitted = fitFeatures(data.table, spec.inputFeatures, train);
  if (fitted.type === 'invalid') throw new Error(fitted.problems[0]!.message);
  return { features: fitted.features, target: fitTarget(data, train), estimator: { family: 'ensemble', members } };
}

