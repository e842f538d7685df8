import { createHash } from 'node:crypto';
import { type RecommendationMetric, type RecommendationModelSettings, selectionMetricOf, selectionMetrics, type TrainingSpec } from '@millrace/configuration';
import { createPacer } from '../pacer.ts';
import { decodeState, encodeState } from '../state-codec.ts';
import type { Problem } from '../table.ts';
import type { CheckpointStore } from '../train.ts';
import type { FittedRecommender, ScoreRule } from './fitted-recommender.ts';
import { holdOut, type HoldOut } from './hold-out.ts';
import { collectInteractions, type Interactions, type InteractionSet, type RecommendationTable } from './interactions.ts';
import { judge, type Judgement, type RecommendationSample } from './judge.ts';
import { meanRatings, popularityOf } from './popularity.ts';
import type { RecommendationMetrics } from './ranking-metrics.ts';
import { fitRecommender, type RecommenderFamilyName, type RecommenderState, roundsOf } from './recommender.ts';

export interface TrainRecommenderOptions {
  table: RecommendationTable;
  /** must have `recommendation` */
  spec: TrainingSpec;
  checkpoint?: CheckpointStore | undefined;
  signal?: AbortSignal | undefined;
  /** Told of progress; awaited, so that a slow listener slows the training instead of piling up. */
  onEvent?: ((event: RecommenderEvent) => void | Promise<void>) | undefined;
}

/** Trials count from 0, epochs from 1: a family's iterations. */
export type RecommenderEvent =
  | { type: 'resumed'; trial: number; epoch: number }
  | { type: 'checkpoint-ignored'; reason: string }
  | { type: 'trial-started'; trial: number; trials: number; family: RecommenderFamilyName }
  | { type: 'epoch'; trial: number; epoch: number; epochs: number; loss: number };

/** One candidate: what it recommends, and how good it was on what was held out. */
export interface RecommenderTrial {
  /** its place among the candidates */
  model: number;
  family: RecommenderFamilyName;
  parameters: Record<string, unknown>;
  /** learned from all pairs */
  recommender: FittedRecommender;
  metrics: {
    validation: RecommendationMetrics | null;
    test: RecommendationMetrics;
    /** of popularity, on the same users */
    baseline: RecommendationMetrics;
  };
  sample: RecommendationSample[];
  fitTimeSeconds: number;
}

export type TrainRecommenderOutcome =
  | {
      type: 'trained';
      trials: RecommenderTrial[];
      /** Index in `trials` of the best by the selection metric, on the validation part (the test part where there is none). */
      best: number;
      selectionMetric: RecommendationMetric;
      rows: { users: number; items: number; train: number; validation: number; test: number; testSha256: string };
      warnings: string[];
      failures: { family: RecommenderFamilyName; problem: Problem }[];
    }
  | { type: 'cancelled' }
  | { type: 'invalid'; problems: Problem[] };

/** What a checkpoint holds. */
interface Progress {
  /** of candidates 0, 1, …: those that are done with */
  results: Result[];
  /** the one in training, after its last saved round; judged once the first of its two fits is done */
  current: { judged: { judgement: Judgement; seconds: number } | null; state: RecommenderState | null; seconds: number } | null;
}

type Result = { type: 'finished'; judgement: Judgement; rule: ScoreRule; seconds: number } | { type: 'failed'; problem: Problem };

/**
 * Tries every candidate, popularity among them. Each is learned from the training part of what users had and judged by what was
 * held out, then learned again from everything: that is what is published. The same table and configuration give the same
 * recommender, bit for bit on one backend, also when the run was stopped after any round and resumed from its checkpoint.
 */
export async function trainRecommender(options: TrainRecommenderOptions): Promise<TrainRecommenderOutcome> {
  const { table, spec, signal } = options;
  const settings = spec.recommendation!;
  const set = collectInteractions(table, settings);
  if (set.type === 'invalid') return set;
  const parts = holdOut(set.pairs, { ...spec.split, isTimed: set.isTimed });
  if (parts.test.itemOf.length === 0) {
    return { type: 'invalid', problems: [{ field: 'recommendation.userColumn', message: 'No user had two items: there is nothing to test recommendations on.', remedy: 'Add rows, or choose another column of users.' }] };
  }
  // One that was not asked for is tried last, and is never the best: nobody publishes it unawares.
  const isAsked = settings.models.some(({ family }) => family === 'popularity');
  const candidates: RecommendationModelSettings[] = [...settings.models, ...(isAsked ? [] : [{ family: 'popularity' as const }])];

  const fingerprint = fingerprintOf(set, spec);
  const progress = await restore(options, fingerprint);
  const save = async (epoch: number | null) => {
    if (options.checkpoint?.isDue(epoch)) await options.checkpoint.save(encodeState({ fingerprint, ...progress }));
  };
  for (let model = progress.results.length; model < candidates.length; model++) {
    await options.onEvent?.({ type: 'trial-started', trial: model, trials: candidates.length, family: candidates[model]!.family });
    const result = await tryCandidate({ options, set, parts, candidate: candidates[model]!, model, progress, save });
    if (!result || signal?.aborted) return { type: 'cancelled' };
    progress.results.push(result);
    progress.current = null;
    await save(null);
  }
  return outcomeOf(spec, set, parts, candidates, progress.results, isAsked);
}

interface Attempt {
  options: TrainRecommenderOptions;
  set: InteractionSet;
  parts: HoldOut;
  candidate: RecommendationModelSettings;
  model: number;
  progress: Progress;
  save(epoch: number | null): Promise<void>;
}

/** Null when it was stopped. */
async function tryCandidate({ options, set, parts, candidate, model, progress, save }: Attempt): Promise<Result | null> {
  const { spec, signal } = options;
  const settings = spec.recommendation!;
  const current = (progress.current ??= { judged: null, state: null, seconds: 0 });
  const pacer = createPacer(signal);
  const learn = async (data: Interactions) => {
    const isFirst = current.judged === null;
    const before = current.seconds;
    const begun = performance.now();
    const passed = () => before + (performance.now() - begun) / 1000;
    const outcome = await fitRecommender({
      data, set, settings: candidate, seed: spec.split.seed, pacer,
      resume: current.state,
      async onRound(state, loss) {
        if (isFirst) await options.onEvent?.({ type: 'epoch', trial: model, epoch: state.round, epochs: roundsOf(candidate), loss });
        Object.assign(current, { state, seconds: passed() });
        await save(state.round);
      },
    }, settings.feedback);
    Object.assign(current, { state: null, seconds: passed() });
    return outcome;
  };

  if (!current.judged) {
    const first = await learn(parts.train);
    if (!first) return null;
    if (first.type === 'unfit') return { type: 'failed', problem: first.problem };
    const judgement = await judge(fittedRecommender(spec, set, parts.train, candidate.family, first.rule), {
      set, parts, isExplicit: settings.feedback === 'explicit', seed: spec.split.seed, pacer,
    });
    if (!judgement) return null;
    current.judged = { judgement, seconds: current.seconds };
  }
  const final = await learn(set.pairs);
  if (!final) return null;
  return final.type === 'unfit' ? { type: 'failed', problem: final.problem } : { type: 'finished', judgement: current.judged.judgement, rule: final.rule, seconds: current.seconds };
}

/** Of what was learned from these pairs. */
export function fittedRecommender(spec: TrainingSpec, set: InteractionSet, pairs: Interactions, family: RecommenderFamilyName, rule: ScoreRule): FittedRecommender {
  const { userColumn, itemColumn, topN, excludeSeen, feedback } = spec.recommendation!;
  const items = pairs.itemOf.slice();
  for (let user = 0; user < pairs.users; user++) items.subarray(pairs.starts[user], pairs.starts[user + 1]).sort();
  return {
    family, user: userColumn, item: itemColumn, users: set.userNames, items: set.itemNames, topN, excludesSeen: excludeSeen,
    seen: { starts: pairs.starts, items },
    popularity: feedback === 'explicit' ? meanRatings(pairs) : popularityOf(pairs),
    rule,
  };
}

function outcomeOf(spec: TrainingSpec, set: InteractionSet, parts: HoldOut, candidates: RecommendationModelSettings[], results: Result[], isAsked: boolean): TrainRecommenderOutcome {
  const popularity = results[candidates.findIndex(({ family }) => family === 'popularity')]!;
  if (popularity.type === 'failed') throw new Error('Popularity cannot fail');
  const trials = results.flatMap((result, model): RecommenderTrial[] => {
    if (result.type === 'failed') return [];
    const { family, ...parameters } = candidates[model]!;
    const { validation, test, sample } = result.judgement;
    return [{
      model, family, parameters, recommender: fittedRecommender(spec, set, set.pairs, family, result.rule),
      metrics: { validation, test, baseline: popularity.judgement.test }, sample, fitTimeSeconds: result.seconds,
    }];
  });
  const failures = results.flatMap((result, model) => (result.type === 'failed' ? [{ family: candidates[model]!.family, problem: result.problem }] : []));
  const contenders = trials.filter(({ model }) => isAsked || model < candidates.length - 1);
  if (contenders.length === 0) return { type: 'invalid', problems: failures.map(({ problem }) => problem) };
  const selectionMetric = selectionMetricOf(spec) as RecommendationMetric;
  const sign = selectionMetrics[selectionMetric].direction === 'higher' ? 1 : -1;
  const merit = ({ metrics }: RecommenderTrial) => {
    const value = (metrics.validation ?? metrics.test)[selectionMetric];
    return value === null ? -Infinity : sign * value;
  };
  const best = contenders.reduce((chosen, trial) => (merit(trial) > merit(chosen) ? trial : chosen));
  const count = ({ itemOf }: Interactions) => itemOf.length;
  return {
    type: 'trained', trials, best: trials.indexOf(best), selectionMetric, warnings: set.warnings, failures,
    rows: {
      users: set.userNames.length, items: set.itemNames.length, train: count(parts.train), validation: count(parts.validation), test: count(parts.test),
      testSha256: digestOf(parts.test.starts, parts.test.itemOf),
    },
  };
}

function digestOf(...arrays: (Int32Array | Float64Array | Float32Array | string)[]): string {
  const hash = createHash('sha256');
  for (const array of arrays) hash.update(typeof array === 'string' ? array : new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  return hash.digest('hex');
}

/** Tells whether a checkpoint continues this very run: same data, configuration and seed. */
function fingerprintOf({ userNames, itemNames, pairs, userFeatures, itemFeatures }: InteractionSet, spec: TrainingSpec): string {
  const names = JSON.stringify({ spec, userNames, itemNames, codes: [userFeatures.codes, itemFeatures.codes] });
  return digestOf(names, pairs.starts, pairs.itemOf, pairs.strengths, userFeatures.values, itemFeatures.values);
}

async function restore({ checkpoint, onEvent }: TrainRecommenderOptions, fingerprint: string): Promise<Progress> {
  const bytes = await checkpoint?.load();
  if (!bytes) return { results: [], current: null };
  const stored = decodeState(bytes) as (Progress & { fingerprint: string }) | null;
  if (stored?.fingerprint !== fingerprint) {
    await onEvent?.({ type: 'checkpoint-ignored', reason: stored ? 'it belongs to other data or another configuration' : 'it is damaged or of another format' });
    return { results: [], current: null };
  }
  await onEvent?.({ type: 'resumed', trial: stored.results.length, epoch: stored.current?.state?.round ?? 0 });
  return { results: stored.results, current: stored.current };
}
