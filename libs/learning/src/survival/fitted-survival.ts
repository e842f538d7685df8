import { horizonInput, type SurvivalDistribution } from '@millrace/configuration';
import type { FittedFeature, FittedPipeline } from '../pipeline.ts';
import { predict, type Row } from '../predict.ts';
import { quantileOf, type SurvivalCurve, survivalAt } from './kaplan-meier.ts';
import { timeDistributions } from './time-distribution.ts';

export type SurvivalFamily = 'accelerated_failure' | 'boosted_trees' | 'kaplan_meier';

/** A trained survival model as plain data. */
export interface FittedSurvival {
  family: SurvivalFamily;
  target: string;
  /** What a row is asked with; the last is the number `horizon`, which may be left out and is read by no estimator. */
  features: FittedFeature[];
  answer:
    /** `log t = location + scale · z`, z being of the distribution; the pipeline gives the location. */
    | { type: 'location'; pipeline: FittedPipeline; distribution: SurvivalDistribution; scale: number }
    /** The same for every row. */
    | { type: 'curve'; curve: SurvivalCurve };
  /** The time to which survival is given where a row asks for no other. */
  horizon: number;
  /** The share of ends that are to lie between `lower` and `upper`. */
  intervalCoverage: number;
  /** Of the times: what differences are judged by. */
  spread: number;
}

export interface SurvivalPrediction {
  /** The median time. */
  value: number;
  interval: { lower: number; upper: number };
  /** The probability to live beyond the horizon asked for. */
  survival: number;
}

/** The levels of lower end, median and upper end. */
export const quantileLevels = (coverage: number): [number, number, number] => [(1 - coverage) / 2, 0.5, (1 + coverage) / 2];

/** Answers rows with TensorFlow.js; the reference that a package is compared with. */
export async function predictSurvival(fitted: FittedSurvival, rows: Row[]): Promise<SurvivalPrediction[]> {
  const { answer, horizon } = fitted;
  const horizons = rows.map((row) => (row[horizonInput] as number | null | undefined) ?? horizon);
  const levels = quantileLevels(fitted.intervalCoverage);
  if (answer.type === 'curve') {
    const [lower, value, upper] = levels.map((level) => quantileOf(answer.curve, level)) as [number, number, number];
    return horizons.map((time) => ({ value, interval: { lower, upper }, survival: survivalAt(answer.curve, time) }));
  }
  const distribution = timeDistributions[answer.distribution];
  const locations = await predict(answer.pipeline, rows);
  return locations.map((location, row) => {
    const at = (location as { value: number }).value;
    const [lower, value, upper] = levels.map((level) => Math.exp(at + answer.scale * distribution.quantile(level))) as [number, number, number];
    const survival = horizons[row]! > 0 ? distribution.survival((Math.log(horizons[row]!) - at) / answer.scale) : 1;
    return { value, interval: { lower, upper }, survival };
  });
}

/** The input by which a horizon is asked for, beside those of the model; no estimator reads it. */
export function horizonFeature(times: Float64Array, horizon: number): FittedFeature {
  const max = times.reduce((most, time) => Math.max(most, time), 0);
  return { name: horizonInput, type: 'number', min: 0, max, mean: 0, scale: 1, fill: horizon, missingAllowed: true };
}

/** The same pipeline, asked with a horizon as well. */
export function withHorizon(pipeline: FittedPipeline, feature: FittedFeature): FittedPipeline {
  const { estimator } = pipeline;
  const features = [...pipeline.features, feature];
  if (estimator.family === 'linear') return { ...pipeline, features, estimator: { ...estimator, width: estimator.width + 1, kernel: Float64Array.of(...estimator.kernel, 0) } };
  if (estimator.family === 'boosted_trees') return { ...pipeline, features, estimator: { ...estimator, codes: [...estimator.codes, null] } };
  throw new Error(`A ${estimator.family} gives no location`);
}
