import type { BoostingLoss } from '../trees/boosting-loss.ts';
import type { TimeDistribution } from './time-distribution.ts';

export interface SurvivalTargets {
  /** Log times, standardised: of training rows first, then of those held back. */
  values: Float64Array;
  /** By row: 1 where the end was seen. */
  observed: Uint8Array;
  training: number;
  distribution: TimeDistribution;
  /** Of the distribution, in the unit of `values`; kept throughout. */
  scale: number;
  /** The location to start from. */
  start: number;
}

/**
 * The loss of an accelerated failure time for boosting (Barnwal, Cho & Hocking 2022): the score is the location of the log
 * time. Where an end that was seen came sooner than the score says, the second derivative of a Weibull loss vanishes and a
 * Newton step would leap; there the slope between the row and its minimum takes its place.
 */
export function survivalLoss({ values, observed, training, distribution, scale, start }: SurvivalTargets): BoostingLoss {
  const at = (score: number, row: number) => (values[row]! - score) / scale;
  return {
    outputs: 1,
    start: [start],
    residualsOf: null,
    unitHessians: false,
    differentiate([score], [gradient], [hessian]) {
      for (let row = 0; row < training; row++) {
        const z = at(score![row]!, row);
        const { slope, curvature } = distribution.loss(z, observed[row] === 1);
        gradient![row] = -slope / scale;
        hessian![row] = Math.max(curvature, observed[row] === 1 && z < 0 ? slope / z : 0) / scale ** 2;
      }
    },
    mean(scores, begin, end) {
      let sum = 0;
      for (let row = begin; row < end; row++) {
        sum += distribution.loss(at(scores[0]![row]!, row), observed[row] === 1).value + (observed[row] === 1 ? Math.log(scale) : 0);
      }
      return sum / (end - begin);
    },
  };
}
