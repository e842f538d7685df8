import type { SurvivalDistribution } from '@millrace/configuration';

/**
 * How the logarithm of a time spreads around its location, in units of its scale: `z = (log t - location) / scale`. A
 * Weibull time has the Gumbel distribution of minima there, a log-normal one the normal distribution.
 */
export interface TimeDistribution {
  /** S(z): the share that lives on. */
  survival(z: number): number;
  /** The z that the share `p` does not reach, 0 < p < 1. */
  quantile(p: number): number;
  /**
   * Minus the logarithm of the density (of an end that was seen) or of the survival (of one still to come), with its first
   * and second derivative by z. All are convex in z.
   */
  loss(z: number, isObserved: boolean): LossTerms;
}

export interface LossTerms {
  value: number;
  slope: number;
  curvature: number;
}

/** Beyond it e^z is no number any more. */
const largestPower = 700;

const weibull: TimeDistribution = {
  survival: (z) => Math.exp(-Math.exp(z)),
  quantile: (p) => Math.log(-Math.log1p(-p)),
  loss(z, isObserved) {
    const power = Math.exp(Math.min(z, largestPower));
    return isObserved ? { value: power - z, slope: power - 1, curvature: power } : { value: power, slope: power, curvature: power };
  },
};

const logRootOfTau = 0.5 * Math.log(2 * Math.PI);

const logNormal: TimeDistribution = {
  survival: (z) => Math.exp(logNormalTail(z)),
  quantile: normalQuantile,
  loss(z, isObserved) {
    if (isObserved) return { value: z ** 2 / 2 + logRootOfTau, slope: z, curvature: 1 };
    const tail = logNormalTail(z);
    const hazard = Math.exp(-(z ** 2) / 2 - logRootOfTau - tail);
    return { value: -tail, slope: hazard, curvature: hazard * (hazard - z) };
  },
};

export const timeDistributions: Record<SurvivalDistribution, TimeDistribution> = { weibull, log_normal: logNormal };

/** Where the continued fraction converges fast; below it the series does. */
const tailFrom = 3;

/** log(1 - Φ(z)) to some 14 digits, also where 1 - Φ(z) is too small for a number. */
export function logNormalTail(z: number): number {
  if (z > tailFrom) return -(z ** 2) / 2 - logRootOfTau + Math.log(millsRatio(z));
  if (z < -tailFrom) return Math.log1p(-Math.exp(-(z ** 2) / 2 - logRootOfTau) * millsRatio(-z));
  return Math.log(0.5 - Math.exp(-(z ** 2) / 2 - logRootOfTau) * centralSeries(z));
}

/** (1 - Φ(z)) / φ(z) for large z: Laplace's continued fraction 1/(z + 1/(z + 2/(z + 3/(z + …)))), from its far end. */
function millsRatio(z: number): number {
  let rest = z;
  for (let term = 120; term >= 1; term--) rest = z + term / rest;
  return 1 / rest;
}

/** (Φ(z) - ½) / φ(z) = z + z³/3 + z⁵/(3·5) + … : all terms of one sign, so nothing cancels. */
function centralSeries(z: number): number {
  let term = z;
  let sum = z;
  for (let odd = 3; Math.abs(term) > Math.abs(sum) * 1e-17; odd += 2) {
    term *= z ** 2 / odd;
    sum += term;
  }
  return sum;
}

/** Halves the interval, then Newton's steps: it is asked for a few quantiles only. */
function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  let [low, high] = [-40, 0];
  for (let step = 0; step < 20; step++) {
    const middle = (low + high) / 2;
    if (Math.exp(logNormalTail(-middle)) < p) low = middle;
    else high = middle;
  }
  let z = (low + high) / 2;
  for (let step = 0; step < 4; step++) z -= (Math.exp(logNormalTail(-z)) - p) / Math.exp(-(z ** 2) / 2 - logRootOfTau);
  return z;
}
