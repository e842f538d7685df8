import { checkOptimisation, type OptimisationStep, type RecommendationMetric, type RecommendationModelSettings, selectionMetricOf } from '@millrace/configuration';
import { createPacer, type Pacer } from '../pacer.ts';
import { type FittedRecommender, scoreItems, bestItems } from '../recommending/fitted-recommender.ts';
import { holdOut } from '../recommending/hold-out.ts';
import { collectInteractions, type InteractionSet, type RecommendationTable } from '../recommending/interactions.ts';
import { type JudgedPart, type Judging, judgePart } from '../recommending/judge.ts';
import { type RecommendationMetrics, scoreList } from '../recommending/ranking-metrics.ts';
import { fitRecommender } from '../recommending/recommender.ts';
import { fittedRecommender } from '../recommending/train-recommender.ts';
import type { Problem } from '../table.ts';
import { chooseAmong } from './choose.ts';
import { fewestDrawn, largestShare } from './loss-bound.ts';
import type { LossBound, LossInterval, OptimiseOptions, OptimiseOutcome } from './outcome.ts';
import { drawLoss, type Figure, lossInPoints } from './points.ts';
import { type EmbeddingRule, quantiseEmbeddings } from './quantise-embeddings.ts';

/** The base is what is published: learned from all pairs. */
export interface OptimiseRecommenderOptions extends OptimiseOptions<FittedRecommender, RecommendationTable> {
  /** The candidate of the configuration that the base is. */
  settings: RecommendationModelSettings;
}

type OptimiseRecommenderOutcome = OptimiseOutcome<FittedRecommender, RecommendationMetrics>;

type Steps = OptimisationStep[];

/** What a smaller one is tried as, and both targets are the same to: no step makes an answer faster. */
const tried: Steps[] = [[{ method: 'quantise', to: 'int8' }], [{ method: 'quantise', to: 'float16' }]];

/**
 * Keeps the vectors of a recommender in fewer bits, and measures what that costs. What is published has learned from all pairs, so
 * nothing is left that it could be tested on: the family learns once more from the training part alone, as it did when the base was
 * judged, and that one is judged by what was held out then, before and after the steps. They are done to what is published as well.
 */
export async function optimiseRecommender(options: OptimiseRecommenderOptions): Promise<OptimiseRecommenderOutcome> {
  const { base, spec, settings, optimisation, signal } = options;
  const isKept = 'storage' in base.rule && base.rule.storage !== undefined;
  const problems = checkOptimisation(optimisation, { family: base.family, kind: 'recommendation', hasHeads: false, isKept });
  if (problems.length > 0) return { type: 'invalid', problems };
  const block = spec.recommendation!;
  const set = collectInteractions(options.table, block);
  if (set.type === 'invalid') return set;
  const mismatch = mismatchOf(base, set);
  if (mismatch) return { type: 'invalid', problems: [mismatch] };
  const parts = holdOut(set.pairs, { ...spec.split, isTimed: set.isTimed });
  const pacer = createPacer(signal);
  const begun = performance.now();
  const learned = await fitRecommender({ data: parts.train, set, settings, seed: spec.split.seed, pacer, resume: null, onRound: async () => undefined }, block.feedback);
  if (!learned) return { type: 'cancelled' };
  if (learned.type === 'unfit') return { type: 'invalid', problems: [learned.problem] };
  const judged = fittedRecommender(spec, set, parts.train, settings.family, learned.rule);
  const measuring: Measuring = {
    judging: { set, parts, isExplicit: block.feedback === 'explicit', seed: spec.split.seed, pacer },
    metric: selectionMetricOf(spec) as RecommendationMetric, seed: spec.split.seed, pacer, appraise: options.appraise,
  };
  const measured = await measure(measuring, base, judged, [], (performance.now() - begun) / 1000, null);
  if (!measured) return { type: 'cancelled' };
  return chooseAmong({
    base: { ...measured.candidate, fitTimeSeconds: 0 },
    chosenOn: parts.validation.itemOf.length > 0 ? 'validation' : null,
    async attempt(steps) {
      const from = performance.now();
      const [own, ownJudged] = [base, judged].map((one) => withSteps(one, steps)) as [FittedRecommender, FittedRecommender];
      const made = await measure(measuring, own, ownJudged, steps, (performance.now() - from) / 1000, measured);
      return made ? { type: 'measured', candidate: made.candidate } : { type: 'cancelled' };
    },
  }, { optimisation, first: tried, combined: () => [], onEvent: options.onEvent });
}

const withSteps = (recommender: FittedRecommender, steps: Steps): FittedRecommender =>
  steps.reduce((one, step) => (step.method === 'quantise' ? { ...one, rule: quantiseEmbeddings(one.rule as EmbeddingRule, step.to) } : one), recommender);

function mismatchOf({ users, items, user, item }: FittedRecommender, { userNames, itemNames }: InteractionSet): Problem | null {
  const same = (a: readonly string[], b: readonly string[]) => a.length === b.length && a.every((name, at) => name === b[at]);
  if (same(users, userNames) && same(items, itemNames)) return null;
  return { field: 'base', message: `The data have other values of “${user}” or “${item}” than the base knows.`, remedy: 'Name the data set version that the base was trained on.' };
}

interface Measuring {
  judging: Judging;
  metric: RecommendationMetric;
  seed: number;
  pacer: Pacer;
  appraise: OptimiseRecommenderOptions['appraise'];
}

interface Measured {
  candidate: Extract<OptimiseRecommenderOutcome, { type: 'optimised' }>['base'];
  validation: JudgedPart | null;
  test: JudgedPart;
  /** What is published says to all users: their lists one after another, and their scores. */
  published: Published;
}

interface Published {
  lists: Int32Array[];
  scores: Float32Array[];
}

/** Null when the pacer said stop. */
async function measure({ judging, metric, seed, pacer, appraise }: Measuring, published: FittedRecommender, judged: FittedRecommender, steps: Steps, fitTimeSeconds: number, base: Measured | null): Promise<Measured | null> {
  const hasValidation = judging.parts.validation.itemOf.length > 0;
  const [validation, test, said] = [hasValidation ? await judgePart(judged, judging, 'validation') : null, await judgePart(judged, judging, 'test'), await answersOf(published, pacer)];
  if ((hasValidation && !validation) || !test || !said) return null;
  const { topN } = judged;
  const differing = base ? countDiffering(said, base.published, metric) : 0;
  const compare = (before: JudgedPart, now: JudgedPart) => {
    const interval = drawLoss(metric, now.lists.length, seed, figureOf(before, metric, topN), figureOf(now, metric, topN));
    return { interval, bound: boundOf(interval, before, now, { metric, topN, differing, users: said.lists.length }) };
  };
  const stated = base && compare(base.test, test);
  const chosen = base?.validation && validation ? compare(base.validation, validation) : null;
  return {
    validation, test, published: said,
    candidate: {
      steps, model: published, fitTimeSeconds, metrics: { validation: validation?.metrics ?? null, test: test.metrics },
      validationLoss: chosen?.interval?.loss ?? null, validationBound: chosen?.bound ?? null, interval: stated?.interval ?? null, bound: stated?.bound ?? null,
      details: test.sample, appraisal: await appraise(published),
    },
  };
}

/** Users that are asked without what they had afterwards; the first ones, where there are more. */
const mostAsked = 5000;

async function answersOf(recommender: FittedRecommender, pacer: Pacer): Promise<Published | null> {
  const { users, items, seen, excludesSeen, topN } = recommender;
  const said: Published = { lists: [], scores: [] };
  for (let user = 0; user < Math.min(mostAsked, users.length); user++) {
    if (!(await pacer.mayContinue())) return null;
    const scores = new Float32Array(items.length);
    scoreItems(recommender, user, scores);
    const isOut = new Uint8Array(items.length);
    if (excludesSeen) for (const item of seen.items.subarray(seen.starts[user], seen.starts[user + 1])) isOut[item] = 1;
    const list = bestItems(scores, isOut, topN);
    said.lists.push(list);
    said.scores.push(Float32Array.from(list, (item) => scores[item]!));
  }
  return said;
}

/** Ratings that lie nearer to each other than this share of their size are the same answer. */
const sameWithin = 1e-3;

/** Users who are told something else than before: another item or another order, and where ratings are measured, another rating. */
function countDiffering(own: Published, base: Published, metric: RecommendationMetric): number {
  const isRated = metric === 'rmse' || metric === 'mae';
  return own.lists.filter((list, user) => {
    const [before, scores, scoresBefore] = [base.lists[user]!, own.scores[user]!, base.scores[user]!];
    if (list.length !== before.length || list.some((item, at) => item !== before[at])) return true;
    return isRated && scores.some((score, at) => !(Math.abs(score - scoresBefore[at]!) <= sameWithin * Math.max(1, Math.abs(scoresBefore[at]!))));
  }).length;
}

/** The metric over some of the users, by what each of them adds. */
function figureOf({ lists, errors }: JudgedPart, metric: RecommendationMetric, topN: number): Figure {
  const parts = lists.map((list, user): [sum: number, weight: number] => {
    if (metric === 'rmse') return [errors[user]!.squares, errors[user]!.ratings];
    if (metric === 'mae') return [errors[user]!.absolutes, errors[user]!.ratings];
    const own = scoreList(list, topN);
    return own ? [own[metric], 1] : [0, 0];
  });
  return (places) => {
    let [sum, weight] = [0, 0];
    for (const place of places) {
      sum += parts[place]![0];
      weight += parts[place]![1];
    }
    if (weight === 0) return null;
    return metric === 'rmse' ? Math.sqrt(sum / weight) : sum / weight;
  };
}

interface Bounding {
  metric: RecommendationMetric;
  topN: number;
  /** of the published ones: users who are told something else, and all that were asked */
  differing: number;
  users: number;
}

/**
 * The most that may have been lost, as `boundLoss` has it of rows: by the users who were judged, the upper end of the interval, and of a hit
 * rate, which each of them changes by a step, at least what a binomial share allows; or nothing, where every user is told the same
 * by what is published before and after.
 */
function boundOf(interval: LossInterval | null, before: JudgedPart, now: JudgedPart, { metric, topN, differing, users }: Bounding): LossBound {
  const judged = now.lists.length;
  if (!interval) return { atMost: null, by: 'score', rows: judged, differing };
  if (differing === 0) return { atMost: Math.max(0, interval.loss), by: 'answers', rows: users, differing };
  if (judged < fewestDrawn) return { atMost: null, by: 'score', rows: judged, differing };
  if (metric !== 'hitRate') return { atMost: interval.upper, by: 'score', rows: judged, differing };
  const hits = (part: JudgedPart) => part.lists.map((list) => scoreList(list, topN)?.hitRate ?? 0);
  const [old, own] = [hits(before), hits(now)];
  const lost = old.filter((hit, user) => hit > own[user]!).length;
  const more = Math.ceil(judged * largestShare(lost, judged) - 1e-9) - lost;
  const value = figureOf(now, metric, topN)(Int32Array.from(own.keys()))!;
  return { atMost: Math.max(interval.upper, lossInPoints(metric, value, value - more / judged)! + interval.loss), by: 'score', rows: judged, differing };
}
