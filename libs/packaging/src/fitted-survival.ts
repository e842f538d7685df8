import { type EnsureFit, ensureFitOf } from './ensure-fit.ts';
import type { FittedFeature } from './fitted-columns.ts';
import { assertFitted, type FittedPipeline } from './fitted-pipeline.ts';

const ensure: EnsureFit = ensureFitOf('survival model');

/** A trained survival model as the training engine hands it over: only plain data. */
export interface FittedSurvival {
  family: string;
  target: string;
  /** the last is the number by which a horizon is asked for; it may be missing, and no estimator reads it */
  features: FittedFeature[];
  answer:
    /** `log t = location + scale · z`, z of the distribution; the pipeline, on the same features, gives the location */
    | { type: 'location'; pipeline: FittedPipeline; distribution: 'weibull' | 'log_normal'; scale: number }
    /** the same for every row: it falls to `survival[k]` at `times[k]`, and ends at `end` */
    | { type: 'curve'; curve: { times: Float64Array; survival: Float64Array; end: number } };
  /** the time to which survival is given where a row asks for no other */
  horizon: number;
  /** the share of ends that are to lie between `lower` and `upper` */
  intervalCoverage: number;
  /** of the times: what differences are judged by */
  spread: number;
}

/** Refuses a model whose parts do not fit: a bug of the trainer, so this throws (`INVALID`) and names the part. */
export function assertSurvival({ target, features, answer, horizon, intervalCoverage }: FittedSurvival): void {
  ensure(target.length > 0 && !features.some(({ name }) => name === target), 'target', 'needs a name of its own');
  const asked = features.at(-1);
  ensure(features.length > 1 && asked?.type === 'number' && asked.missingAllowed && asked.fill === horizon, 'features', 'must end in a horizon that may be missing');
  ensure(Number.isFinite(horizon) && horizon > 0, 'horizon', 'must be above 0');
  ensure(intervalCoverage > 0 && intervalCoverage < 1, 'intervalCoverage', 'must lie between 0 and 1');
  if (answer.type === 'location') {
    ensure(Number.isFinite(answer.scale) && answer.scale > 0, 'answer.scale', 'must be above 0');
    ensure(JSON.stringify(answer.pipeline.features) === JSON.stringify(features), 'answer.pipeline', 'reads other features');
    ensure(answer.pipeline.target.type === 'number', 'answer.pipeline', 'gives no location');
    return assertFitted(answer.pipeline);
  }
  const { times, survival, end } = answer.curve;
  ensure(times.length === survival.length && times.every((time, at) => Number.isFinite(time) && time > (times[at - 1] ?? 0)), 'answer.curve', 'needs times that ascend');
  ensure(survival.every((share, at) => share >= 0 && share < (survival[at - 1] ?? 1)), 'answer.curve', 'must fall from 1');
  ensure(Number.isFinite(end) && end >= (times.at(-1) ?? 0) && end > 0, 'answer.curve', 'needs an end after its last step');
}
