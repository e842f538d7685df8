import { maxSearchTrials, type ModelFamily, type SelectionMetric, type TrainingSpec } from '@millrace/configuration';
import { scoreRows } from '../families/families.ts';
import { applyAnswer, fitAnswer, withAnswer } from '../fit-answer.ts';
import { createPacer } from '../pacer.ts';
import type { FittedPipeline } from '../pipeline.ts';
import { type PreparedData, scoreBaseline, scoresToMetrics } from '../prepared-data.ts';
import { scoreSlices } from '../slices.ts';
import type { Problem } from '../table.ts';
import type { Trial } from '../train.ts';
import { type Candidate, firstCandidates, nextCandidate } from './candidate.ts';
import {
  bagOf, completeCandidate, ensembleOf, type Evaluation, finalPipeline, type FoldWork, isBagged, meanScore, meritOf, ofFirstFold, scoresOf, shareOfFirstTry, signOf, tryCandidate,
} from './evaluation.ts';
import { planFolds } from './folds.ts';
import type { TableFacts } from './search-space.ts';
import { selectEnsemble } from './select-ensemble.ts';

/** What serving a model would cost; found by whoever can package it. */
export interface Appraisal {
  predTimeMsP50: number | null;
  sizeBytes: number;
  sizeGzBytes: number;
}

/** A trial of a search as its leaderboard shows it. The fields of `Candidate` are enough to do it again. */
export interface SearchRecord extends Omit<Candidate, 'family'> {
  family: ModelFamily;
  status: Evaluation['status'];
  firstScore: number | null;
  foldScores: (number | null)[];
  score: number | null;
  fitSeconds: number;
  predictMsPerRow: number;
  /** Seconds into the search. */
  at: number;
  /** The best score of the search by then. */
  bestScore: number | null;
  problem: Problem | null;
  appraisal: Appraisal | null;
}

export type SearchEvent =
  | { type: 'search-progress'; trial: number; family: ModelFamily | 'ensemble'; secondsUsed: number; best: number | null }
  | { type: 'search-trial'; record: SearchRecord };

export interface SearchProgress {
  seconds: number;
  evaluations: Evaluation[];
  appraisals: (Appraisal | null)[];
}

export interface SearchOptions {
  data: PreparedData;
  spec: TrainingSpec;
  metric: SelectionMetric;
  seed: number;
  clock(): number;
  signal: AbortSignal | undefined;
  progress: SearchProgress;
  emit(event: SearchEvent): Promise<void>;
  save(progress: SearchProgress): Promise<void>;
  appraise: ((pipeline: FittedPipeline) => Promise<Appraisal>) | undefined;
}

export type SearchOutcome =
  | { type: 'found'; trials: Trial[]; best: number; records: SearchRecord[] }
  | { type: 'cancelled' }
  | { type: 'invalid'; problems: Problem[] };

/** Candidates whose predictions are kept for the ensemble. */
const contenders = 15;
/** Of so many that were tried on one fold, the best third goes on. */
const bracketSize = 6;
const promotedOfBracket = 2;
/** Candidates that are taken after one fold, when there was no time for the others. */
const mostLate = 3;
const fewestRowsOfProof = 50;
/** Estimates are taken a little long; a twentieth of the time is left for putting the result together. */
const safety = 1.2;
const reservedShare = 0.05;
const shareOfUnknown = 0.3;

/**
 * Finds good settings within a time limit, a number of trials, or both.
 *
 * The candidates of the configuration and the families' portfolios come first, then draws in brackets: each candidate is
 * tried on one fold (of a large table, on a quarter of it), and the best third of a bracket goes through the other folds.
 * This is successive halving with folds and rows as the resource (Jamieson & Talwalkar 2016; Li et al. 2018, Hyperband).
 * A step that by its estimate does not fit into the time that is left is not begun; one that runs into the limit is
 * stopped and counts as out of time. Where that leaves out what did best on the first fold, its model of that fold is taken
 * all the same, and everything compared on the rows held out there. In the end the best are weighted into an ensemble by their out-of-fold predictions.
 *
 * Which step comes next depends on the steps done and the clock alone, and a candidate on its number and the results
 * before it: a search limited by trials alone repeats itself bit for bit, and every trial can be done again by
 * `reproduceTrial` from its record.
 */
export async function searchModels(options: SearchOptions): Promise<SearchOutcome> {
  const { data, spec, metric, seed, signal, emit, progress } = options;
  const { evaluations, appraisals } = progress;
  const { timeLimitSeconds: limit = Infinity, maxTrials = maxSearchTrials, inferLimitMs = Infinity } = spec.selection;
  const begun = options.clock() - progress.seconds * 1000;
  const elapsed = () => (options.clock() - begun) / 1000;
  const plan = planFolds(data, seed);
  const facts: TableFacts = {
    task: data.target.task, rows: data.split.train.length, features: spec.inputFeatures.length,
    classes: data.target.task === 'classification' ? data.target.classes.length : 0,
  };
  const first = firstCandidates(spec, facts, seed);
  let stopAt = Infinity;
  const work: FoldWork = { data, spec, plan, metric, clock: options.clock, pacer: createPacer(signal, () => elapsed() >= stopAt) };

  const merit = (evaluation: Evaluation) => meritOf(evaluation, metric);
  const complete = () => evaluations.filter(({ status, candidate }) => status === 'complete' && isFastEnough(candidate.number)).sort((a, b) => merit(b)! - merit(a)! || a.candidate.number - b.candidate.number);
  const isFastEnough = (number: number) => (appraisals[number]?.predTimeMsP50 ?? 0) <= inferLimitMs;
  const bestScore = () => (complete()[0] ? meanScore(complete()[0]!) : null);
  /** Refits of the likely members, their answers to the test rows, and what else there is to do after the last step. */
  const reserve = () => limit === Infinity ? 0 : limit * reservedShare + complete().slice(0, 5).reduce((sum, one) => sum + secondsToFinish(one, work), 0);
  const fits = (seconds: number) => elapsed() + seconds * safety < limit - reserve();
  const record = (number: number): SearchRecord => recordOf(evaluations[number]!, appraisals[number] ?? null);

  const put = async (evaluation: Evaluation) => {
    const { number } = evaluation.candidate;
    evaluations[number] = { ...evaluation, at: elapsed() };
    if (evaluation.status === 'complete' && options.appraise) {
      // Until it is refitted, a fold's model stands for it.
      const { pipelines } = evaluation.kept!;
      appraisals[number] = await options.appraise(isBagged(evaluation.candidate) ? bagOf(work, pipelines) : pipelines.at(-1)!);
    }
    evaluations[number].bestScore = bestScore();
    for (const { candidate } of complete().slice(contenders)) evaluations[candidate.number]!.kept = null;
    if (evaluation.status !== 'tried') await emit({ type: 'search-trial', record: record(number) });
    progress.seconds = elapsed();
    // The models kept may be large: saving them takes a twentieth of the time at most.
    if (progress.seconds - savedAt < 20 * (saveSeconds - 0.1)) return;
    await options.save(progress);
    savedAt = elapsed();
    saveSeconds = savedAt - progress.seconds;
  };
  let savedAt = progress.seconds;
  let saveSeconds = 0;

  for (;;) {
    if (signal?.aborted) return { type: 'cancelled' };
    const fitsWhole = (evaluation: Evaluation) => fits(secondsToComplete(evaluations, evaluation, work));
    const step = nextStep(evaluations, first.length, metric, fitsWhole);
    stopAt = limit - reserve();
    if (step.type === 'complete') {
      const { candidate } = evaluations[step.number]!;
      await emit({ type: 'search-progress', trial: candidate.number, family: candidate.family, secondsUsed: elapsed(), best: bestScore() });
      const done = await completeCandidate(work, evaluations[step.number]!, (so) => so.foldScores.length === plan.folds.length || fits(so.foldSeconds * (plan.folds.length - so.foldScores.length)));
      if (signal?.aborted) return { type: 'cancelled' };
      await put(done ?? { ...evaluations[step.number]!, status: 'out-of-time', first: null, kept: null });
      continue;
    }
    for (const number of step.eliminated) await put({ ...evaluations[number]!, status: 'eliminated', first: null, kept: null });
    if (evaluations.length >= maxTrials) break;
    const candidate = first[evaluations.length] ?? nextCandidate(spec, facts, seed, evaluations.map((evaluation) => ({ candidate: evaluation.candidate, merit: merit(evaluation) })));
    if (!candidate || !fits(secondsToTry(evaluations, candidate, work))) break;
    await emit({ type: 'search-progress', trial: candidate.number, family: candidate.family, secondsUsed: elapsed(), best: bestScore() });
    // Nobody knows how long the first of a family takes: it may use up a part of the time, not all of it.
    if (secondsToTry(evaluations, candidate, work) === 0) stopAt = Math.min(stopAt, elapsed() + (stopAt - elapsed()) * shareOfUnknown);
    const tried = await tryCandidate(work, candidate);
    if (signal?.aborted) return { type: 'cancelled' };
    await put(tried ?? untried(candidate));
  }

  // What answers every row alike adds nothing to a blend, and is no find unless it is the only one.
  const others = complete().filter(({ candidate }) => candidate.family !== 'baseline');
  const promise = (one: Evaluation) => promiseOf(one, metric);
  const bestComplete = Math.max(-Infinity, ...others.map(promise));
  // Those that time was lacking for, though on the first fold they beat all others, are taken as they are. Few rows prove little.
  const isProof = others.length === 0 || plan.folds[0]!.heldOut.length >= fewestRowsOfProof;
  const late = evaluations
    .filter((one) => isProof && one.status === 'tried' && one.candidate.family !== 'baseline' && promise(one) > bestComplete)
    .sort((a, b) => promise(b) - promise(a))
    .slice(0, mostLate);
  for (const one of [...evaluations]) {
    if (one.status === 'tried') await put(late.includes(one) ? one : { ...one, status: 'eliminated', first: null, kept: null });
  }

  stopAt = Infinity;
  const found = [...late, ...(others.length + late.length > 0 ? others : complete())].slice(0, contenders);
  if (found.length === 0) return { type: 'invalid', problems: [problemOfNone(evaluations, spec)] };
  const rows = late.length > 0 ? plan.folds[0]!.heldOut : plan.scored;
  const outOfFold = found.map(({ first: own, kept }) => (own ? own.numbers : late.length > 0 ? ofFirstFold(plan, kept!.outOfFold) : kept!.outOfFold));
  const trials: Trial[] = [];
  const finish = async (raw: FittedPipeline, entry: Omit<Trial, 'pipeline' | 'metrics'>, numbers: Float64Array): Promise<Trial | null> => {
    const heldOut = scoresOf(data, numbers, rows.length);
    const rule = fitAnswer(data, spec, rows, heldOut);
    const pipeline = withAnswer(raw, rule);
    const { test } = data.split;
    const scores = await scoreRows(pipeline, data.table, test, work.pacer);
    if (!scores) return null;
    const validation = scoresToMetrics(data, rows, applyAnswer(heldOut, rule), rule.interval?.halfWidth);
    return { ...entry, pipeline, metrics: { validation, test: scoresToMetrics(data, test, scores, rule.interval?.halfWidth), baseline: scoreBaseline(data), slices: scoreSlices(data, spec, test, scores, metric) } };
  };

  const choice = selectEnsemble(data, rows, metric, outOfFold, () => elapsed() < limit * (1 - reservedShare / 2));
  const parts: { weight: number; pipeline: FittedPipeline; number: number }[] = [];
  for (const [at, evaluation] of found.entries()) {
    const { candidate } = evaluation;
    const weight = choice.weights.find((entry) => entry.at === at)?.weight;
    // The best and the members are worth a refit in any case; the others if there is time.
    const isChosen = at === 0 || weight !== undefined;
    if (!isChosen && elapsed() + secondsToFinish(evaluation, work) * safety > limit) continue;
    await emit({ type: 'search-progress', trial: candidate.number, family: candidate.family, secondsUsed: elapsed(), best: bestScore() });
    const fitBegun = options.clock();
    const pipeline = evaluation.first && (isBagged(candidate) || elapsed() + evaluation.foldSeconds > limit) ? evaluation.first.pipeline : await finalPipeline(work, evaluation);
    if (signal?.aborted) return { type: 'cancelled' };
    if (!pipeline) continue;
    evaluation.fitSeconds += (options.clock() - fitBegun) / 1000;
    if (options.appraise && !isBagged(candidate)) appraisals[candidate.number] = await options.appraise(pipeline);
    const entry = { model: candidate.number, family: candidate.family, parameters: parametersOf(candidate), fitTimeSeconds: evaluation.fitSeconds, epochs: 0, bestEpoch: 0, history: [] };
    const trial = await finish(pipeline, { ...entry, search: record(candidate.number), appraisal: appraisals[candidate.number] ?? null }, outOfFold[at]!);
    if (!trial) return { type: 'cancelled' };
    trials.push(trial);
    if (weight !== undefined) parts.push({ weight, pipeline, number: candidate.number });
  }
  if (trials.length === 0) return { type: 'invalid', problems: [problemOfNone(evaluations, spec)] };

  // One alone: the blend found nothing to add to it. Without it, what else is best.
  let best = Math.max(0, trials.findIndex(({ model }) => model === parts[0]?.number));
  if (parts.length > 1 && parts.length === choice.weights.length) {
    const pipeline = ensembleOf(work, parts);
    const appraisal = options.appraise ? await options.appraise(pipeline) : null;
    const blend = new Float64Array(outOfFold[0]!.length);
    for (const { at, weight } of choice.weights) outOfFold[at]!.forEach((value, cell) => (blend[cell]! += weight * value));
    const trial = await finish(
      pipeline,
      {
        model: evaluations.length, family: 'ensemble',
        parameters: { members: parts.map(({ number, weight }) => ({ trial: number, weight: Number(weight.toFixed(4)) })) },
        fitTimeSeconds: parts.reduce((sum, { number }) => sum + evaluations[number]!.fitSeconds, 0), epochs: 0, bestEpoch: 0, history: [], appraisal,
      },
      blend,
    );
    if (!trial) return { type: 'cancelled' };
    trials.push(trial);
    if ((appraisal?.predTimeMsP50 ?? 0) <= inferLimitMs) best = trials.length - 1;
  }
  return { type: 'found', trials, best, records: evaluations.map((_, number) => record(number)) };
}

/** By the first fold; higher is better. */
const promiseOf = ({ firstScore }: Evaluation, metric: SelectionMetric): number => (firstScore === null ? -Infinity : signOf(metric) * firstScore);

type Step = { type: 'complete'; number: number } | { type: 'new'; eliminated: number[] };

/** What comes next, from what was done. Candidates of the portfolio go through all folds, drawn ones if they earn it. */
function nextStep(evaluations: readonly Evaluation[], portfolio: number, metric: SelectionMetric, fits: (evaluation: Evaluation) => boolean): Step {
  const waiting = evaluations.filter(({ status }) => status === 'tried');
  const listed = waiting.find((evaluation) => evaluation.candidate.number < portfolio && fits(evaluation));
  if (listed) return { type: 'complete', number: listed.candidate.number };
  const drawn = evaluations.slice(portfolio);
  const isFull = drawn.length > 0 && drawn.length % bracketSize === 0;
  if (!isFull) return { type: 'new', eliminated: [] };
  const bracket = drawn.slice(-bracketSize);
  const open = bracket.filter(({ status }) => status === 'tried');
  const promoted = bracket.filter(({ status, foldScores }) => status === 'complete' || (status !== 'tried' && foldScores.length > 1)).length;
  const ranked = open.filter(fits).sort((a, b) => promiseOf(b, metric) - promiseOf(a, metric) || a.candidate.number - b.candidate.number);
  if (promoted < promotedOfBracket && ranked[0]) return { type: 'complete', number: ranked[0].candidate.number };
  return { type: 'new', eliminated: open.map(({ candidate }) => candidate.number) };
}

function secondsToTry(evaluations: readonly Evaluation[], { family }: Candidate, { plan }: FoldWork): number {
  const known = evaluations.filter(({ candidate, foldSeconds }) => candidate.family === family && foldSeconds > 0).map(({ foldSeconds }) => foldSeconds);
  if (known.length === 0) return 0;
  return known.sort((a, b) => a - b)[known.length >> 1]! * shareOfFirstTry(plan);
}

/** A refit is one more fit on somewhat more rows; a bag is there already, but answers with all its members. */
function secondsToFinish({ candidate, fitSeconds, foldScores, predictMsPerRow }: Evaluation, { plan, data }: FoldWork): number {
  const answering = (predictMsPerRow * data.split.test.length) / 1000;
  return isBagged(candidate) ? answering * plan.folds.length : (fitSeconds / Math.max(1, foldScores.length)) * 1.25 + answering;
}

/** The first fold may have been a lucky one: what the family took before counts as well. */
function secondsToComplete(evaluations: readonly Evaluation[], { candidate, foldScores, foldSeconds }: Evaluation, { plan }: FoldWork): number {
  const before = evaluations.filter((other) => other.candidate.family === candidate.family && other.status === 'complete').map((other) => other.foldSeconds);
  const usual = before.sort((a, b) => a - b)[before.length >> 1] ?? 0;
  return Math.max(foldSeconds, usual) * (plan.folds.length - foldScores.length);
}

function untried(candidate: Candidate): Evaluation {
  return { candidate, status: 'out-of-time', firstScore: null, foldScores: [], fitSeconds: 0, foldSeconds: 0, predictMsPerRow: 0, at: 0, bestScore: null, problem: null, first: null, kept: null };
}

export function parametersOf({ settings, trainer }: Pick<Candidate, 'settings' | 'trainer'>): Record<string, unknown> {
  const { family: _family, ...own } = settings;
  return { ...own, ...trainer };
}

function recordOf(evaluation: Evaluation, appraisal: Appraisal | null): SearchRecord {
  const { candidate, kept: _kept, first: _first, foldSeconds: _foldSeconds, ...shown } = evaluation;
  return { ...candidate, ...shown, score: evaluation.status === 'complete' ? meanScore(evaluation) : null, appraisal };
}

function problemOfNone(evaluations: readonly Evaluation[], spec: TrainingSpec): Problem {
  const failed = evaluations.find(({ problem }) => problem !== null);
  if (failed && evaluations.every(({ status }) => status === 'failed')) return failed.problem!;
  const { timeLimitSeconds, inferLimitMs } = spec.selection;
  if (inferLimitMs !== undefined && evaluations.some(({ status }) => status === 'complete')) {
    return { field: 'selection.inferLimitMs', message: `No model answers a row within ${inferLimitMs} ms.`, remedy: 'Raise the latency limit.' };
  }
  return {
    field: 'selection.timeLimitSeconds',
    message: timeLimitSeconds === undefined ? 'No model could be trained and validated.' : `No model could be trained and validated within ${timeLimitSeconds} seconds.`,
    remedy: 'Raise the time limit or the number of trials, or use fewer rows.',
  };
}
