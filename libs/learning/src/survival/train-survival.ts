import { selectionMetricOf, selectionMetrics, type SurvivalMetric, type TrainingSpec } from '@millrace/configuration';
import type { EpochResult } from '../dense-network.ts';
import { scoreRows } from '../families/families.ts';
import { learnableTable } from '../learnable-table.ts';
import { createPacer, type Pacer } from '../pacer.ts';
import { fitFeatures } from '../pipeline.ts';
import type { Split } from '../split.ts';
import type { Problem, Table } from '../table.ts';
import { fitSurvival, type SurvivalFit } from './fit-survival.ts';
import { type FittedSurvival, horizonFeature, quantileLevels, type SurvivalFamily, withHorizon } from './fitted-survival.ts';
import { kaplanMeier, quantileOf, type SurvivalCurve, survivalAt } from './kaplan-meier.ts';
import { type SurvivalChart, survivalChart } from './survival-chart.ts';
import { prepareSurvival, type SurvivalData } from './survival-data.ts';
import { tuningRows } from './tuning-rows.ts';
import { censoringCurve, scoreSurvival, type SurvivalAnswers, type SurvivalMetrics } from './survival-metrics.ts';
import { timeDistributions } from './time-distribution.ts';

export interface TrainSurvivalOptions {
  table: Table;
  /** must have `survival` */
  spec: TrainingSpec;
  signal?: AbortSignal | undefined;
  onTrial?: ((trial: { trial: number; trials: number; family: SurvivalFamily }) => void | Promise<void>) | undefined;
  /** Told of the iterations of trees once they are over: of the distribution that was chosen. */
  onEpoch?: ((epoch: { trial: number; epochs: number } & EpochResult) => void | Promise<void>) | undefined;
}

/** One candidate: what it answers, and how good it was. */
export interface SurvivalTrial {
  family: SurvivalFamily;
  parameters: Record<string, unknown>;
  fitted: FittedSurvival;
  metrics: { validation: SurvivalMetrics; test: SurvivalMetrics; /** of the Kaplan-Meier curve, on the same test rows */ baseline: SurvivalMetrics };
  /** of the test rows */
  chart: SurvivalChart;
  fitTimeSeconds: number;
}

export type TrainSurvivalOutcome =
  | {
      type: 'trained';
      trials: SurvivalTrial[];
      /** Index in `trials` of the best by the selection metric on the validation rows. */
      best: number;
      selectionMetric: SurvivalMetric;
      split: Split;
      dropped: number;
      failures: { family: SurvivalFamily; problem: Problem }[];
      warnings: string[];
    }
  | { type: 'cancelled' }
  | { type: 'invalid'; problems: Problem[] };

/**
 * Learns the time to an end from rows of which some were still running. Each candidate, and the Kaplan-Meier curve, learns
 * from the training rows, is compared on the validation rows, learns again from both and is scored on the test rows. The
 * same table, configuration and seed give the same models bit for bit.
 */
export async function trainSurvival({ signal, onTrial, onEpoch, ...asked }: TrainSurvivalOptions): Promise<TrainSurvivalOutcome> {
  const learnable = learnableTable(asked);
  if (learnable.type === 'invalid') return learnable;
  const { table, spec } = learnable;
  const data = prepareSurvival(table, spec);
  if (data.type === 'invalid') return data;
  const { models } = spec.survival!;
  const { split, dropped } = data.data;
  const pacer = createPacer(signal);
  const learned = Int32Array.from([...split.train, ...split.validation]).sort();
  const whole = { learned, censoring: curveOf(data, learned, censoringCurve), ends: curveOf(data, learned, kaplanMeier) };
  const first = { learned: split.train, censoring: curveOf(data, split.train, censoringCurve), ends: curveOf(data, split.train, kaplanMeier) };
  const trials: SurvivalTrial[] = [];
  const failures: { family: SurvivalFamily; problem: Problem }[] = [];
  /** whether the validation rows tune trees as well */
  let isShared = false;
  const baseline = scoreSurvival(curveAnswers(data, split.test, whole.ends, spec.survival!.intervalCoverage), whole.censoring);

  for (const [trial, settings] of models.entries()) {
    if (signal?.aborted) return { type: 'cancelled' };
    await onTrial?.({ trial, trials: models.length + 1, family: settings.family });
    const begun = performance.now();
    const job = { data, spec, settings, model: trial, pacer };
    const epochs = settings.family === 'boosted_trees' ? settings.numIterations : 0;
    const tuning = settings.family === 'boosted_trees' ? tuningRows(data, spec) : null;
    if (settings.family === 'boosted_trees' && !tuning) isShared = true;
    const fit = await fitSurvival({ ...job, rows: tuning?.rows ?? split.train, heldBack: tuning?.heldBack ?? split.validation, found: null });
    if (fit.type === 'cancelled') return fit;
    for (const result of fit.type === 'fitted' ? fit.history : []) await onEpoch?.({ trial, epochs, ...result });
    const final = fit.type === 'fitted' ? await fitSurvival({ ...job, rows: learned, heldBack: new Int32Array(), found: fit.found }) : fit;
    if (final.type === 'cancelled') return final;
    if (fit.type === 'failed' || final.type === 'failed') {
      failures.push({ family: settings.family, problem: fit.type === 'failed' ? fit.problem : (final as { problem: Problem }).problem });
      continue;
    }
    const fitTimeSeconds = (performance.now() - begun) / 1000;
    const [validation, test] = [await locationAnswers(data, split.validation, fit, spec, pacer), await locationAnswers(data, split.test, final, spec, pacer)];
    if (!validation || !test) return { type: 'cancelled' };
    trials.push({
      family: settings.family, parameters: final.parameters, fitTimeSeconds,
      fitted: fittedOf(data, spec, learned, final),
      metrics: { validation: scoreSurvival(validation, first.censoring), test: scoreSurvival(test, whole.censoring), baseline },
      chart: survivalChart(test),
    });
  }

  await onTrial?.({ trial: models.length, trials: models.length + 1, family: 'kaplan_meier' });
  const begun = performance.now();
  const fitted = curveModel(data, spec, learned, whole.ends);
  if (fitted.type === 'invalid') return fitted;
  const answers = curveAnswers(data, split.validation, first.ends, spec.survival!.intervalCoverage);
  trials.push({
    family: 'kaplan_meier', parameters: {}, fitTimeSeconds: (performance.now() - begun) / 1000, fitted: fitted.fitted,
    metrics: { validation: scoreSurvival(answers, first.censoring), test: baseline, baseline },
    chart: survivalChart(curveAnswers(data, split.test, whole.ends, spec.survival!.intervalCoverage)),
  });
  const selectionMetric = selectionMetricOf(spec) as SurvivalMetric;
  return { type: 'trained', trials, best: bestOf(trials, selectionMetric), selectionMetric, split, dropped, failures, warnings: isShared ? [sharedWarning] : [] };
}

const sharedWarning = 'There are too few ends for boosted trees to be tuned on rows of their own: the validation rows, by which the models were compared, did that too, which favours the trees a little. The test rows tell.';

function bestOf(trials: SurvivalTrial[], metric: SurvivalMetric): number {
  const sign = selectionMetrics[metric].direction === 'higher' ? 1 : -1;
  const merit = ({ metrics }: SurvivalTrial) => {
    const value = metrics.validation[metric];
    return value === null ? -Infinity : sign * value;
  };
  return trials.reduce((best, trial, index) => (merit(trial) > merit(trials[best]!) ? index : best), 0);
}

const curveOf = ({ times, observed }: SurvivalData, rows: Int32Array, estimate: (times: Float64Array, observed: Uint8Array) => SurvivalCurve): SurvivalCurve =>
  estimate(Float64Array.from(rows, (row) => times[row]!), Uint8Array.from(rows, (row) => observed[row]!));

const known = ({ times, observed }: SurvivalData, rows: Int32Array) => ({
  times: Float64Array.from(rows, (row) => times[row]!), observed: Uint8Array.from(rows, (row) => observed[row]!),
});

/** What a model of a location says of rows whose end is known or not. Null when the pacer said stop. */
export async function locationAnswers(data: SurvivalData, rows: Int32Array, { pipeline, distribution: name, scale }: Pick<SurvivalFit, 'pipeline' | 'distribution' | 'scale'>, spec: TrainingSpec, pacer: Pacer): Promise<SurvivalAnswers | null> {
  const scores = await scoreRows(pipeline, data.data.table, rows, pacer);
  if (!scores) return null;
  const locations = scores.predicted as Float64Array;
  const distribution = timeDistributions[name];
  const own = known(data, rows);
  const [lower, median, upper] = quantileLevels(spec.survival!.intervalCoverage).map((level) => locations.map((at) => Math.exp(at + scale * distribution.quantile(level)))) as [Float64Array, Float64Array, Float64Array];
  const zOf = (row: number, time: number) => (Math.log(time) - locations[row]!) / scale;
  return {
    ...own, lower, median, upper,
    survival: (row, time) => distribution.survival(zOf(row, time)),
    logLikelihood: locations.map((_, row) => {
      const seen = own.observed[row] === 1;
      // From the density of the log time to that of the time.
      return -distribution.loss(zOf(row, own.times[row]!), seen).value - (seen ? Math.log(scale) + Math.log(own.times[row]!) : 0);
    }),
  };
}

function curveAnswers(data: SurvivalData, rows: Int32Array, curve: SurvivalCurve, coverage: number): SurvivalAnswers {
  const [lower, median, upper] = quantileLevels(coverage).map((level) => new Float64Array(rows.length).fill(quantileOf(curve, level))) as [Float64Array, Float64Array, Float64Array];
  return { ...known(data, rows), lower, median, upper, survival: (_row, time) => survivalAt(curve, time), logLikelihood: null };
}

/** What all models of a run have in common. */
function frameOf({ data, times }: SurvivalData, spec: TrainingSpec, rows: Int32Array) {
  const own = Float64Array.from(rows, (row) => times[row]!).sort();
  const horizon = spec.survival!.horizon ?? own[own.length >> 1]!;
  const mean = own.reduce((sum, time) => sum + time, 0) / own.length;
  const spread = Math.sqrt(own.reduce((sum, time) => sum + (time - mean) ** 2, 0) / own.length);
  return { target: data.target.name, horizon, intervalCoverage: spec.survival!.intervalCoverage, spread, feature: horizonFeature(own, horizon) };
}

function fittedOf(data: SurvivalData, spec: TrainingSpec, rows: Int32Array, { pipeline, distribution, scale }: SurvivalFit): FittedSurvival {
  const { feature, ...frame } = frameOf(data, spec, rows);
  const asked = withHorizon(pipeline, feature);
  const family = asked.estimator.family === 'linear' ? 'accelerated_failure' : 'boosted_trees';
  return { ...frame, family, features: asked.features, answer: { type: 'location', pipeline: asked, distribution, scale } };
}

/** It reads no feature; learning them all the same lets it be asked with the rows of any other model of the run. */
function curveModel(data: SurvivalData, spec: TrainingSpec, rows: Int32Array, curve: SurvivalCurve): { type: 'fitted'; fitted: FittedSurvival } | { type: 'invalid'; problems: Problem[] } {
  const { feature, ...frame } = frameOf(data, spec, rows);
  const features = fitFeatures(data.data.table, spec.inputFeatures, rows);
  if (features.type === 'invalid') return features;
  return { type: 'fitted', fitted: { ...frame, family: 'kaplan_meier', features: [...features.features, feature], answer: { type: 'curve', curve } } };
}
