import { minimise } from './minimise.ts';
import { centredMean } from './seasonal-pattern.ts';
import { criterion, extrapolate, type SmoothingForm, type SmoothingParameters, statesAfter } from './smoothing-recursion.ts';

export interface Smoothing {
  form: SmoothingForm;
  parameters: SmoothingParameters;
  /** -2 × log-likelihood, constants aside */
  criterion: number;
  /** Akaike's criterion, corrected for short series; smaller is better */
  aicc: number;
}

/** Wishes for the components; what is left out is chosen by the corrected criterion of Akaike. */
export type SmoothingWishes = { [Part in keyof SmoothingForm]?: SmoothingForm[Part] | undefined };

/** α and the shares by which β and γ fill their range, as a share of what is allowed. */
const starts = [
  { alpha: 0.2, beta: 0.1, gamma: 0.1 },
  { alpha: 0.7, beta: 0.3, gamma: 0.3 },
];
const [lowest, highest] = [1e-4, 1 - 1e-4];
const phiRange = [0.8, 0.98] as const;

/**
 * Fits every admissible form to a series, weights and beginnings by maximum likelihood, and gives the one with the smallest
 * AICc; null where the series is too short for any. `seasonLength` 1 means no season. Errors that grow with the level, and
 * seasons that do, are tried only where all values are above zero; additive errors with a multiplicative season are left out,
 * since their forecasts have no finite variance (Hyndman, Koehler, Ord & Snyder, "Forecasting with Exponential Smoothing",
 * 2008, chapters 2, 5 and 10).
 */
export function fitSmoothing(values: Float64Array, seasonLength: number, wishes: SmoothingWishes = {}): Smoothing | null {
  let best: Smoothing | null = null;
  for (const form of formsFor(values, seasonLength, wishes)) {
    const fitted = fitForm(values, seasonLength, form);
    if (fitted && (!best || fitted.aicc < best.aicc)) best = fitted;
  }
  return best;
}

/** The next `horizon` values after a history that begins where the fitted one began. */
export function forecastSmoothing({ form, parameters }: Pick<Smoothing, 'form' | 'parameters'>, history: Float64Array, horizon: number): Float64Array {
  return extrapolate(statesAfter(history, form, parameters), form, parameters.phi, history.length, horizon);
}

function formsFor(values: Float64Array, m: number, wishes: SmoothingWishes): SmoothingForm[] {
  const isPositive = values.every((value) => value > 0);
  const errors = (['additive', 'multiplicative'] as const).filter((error) => (wishes.error ?? error) === error);
  const trends = (['none', 'additive', 'damped'] as const).filter((trend) => (wishes.trend ?? trend) === trend);
  const seasons = (['none', 'additive', 'multiplicative'] as const).filter((season) => (wishes.season ?? season) === season);
  return errors.flatMap((error) => trends.flatMap((trend) => seasons.map((season) => ({ error, trend, season })))).filter(
    ({ error, season }) =>
      (isPositive || (error === 'additive' && season !== 'multiplicative')) &&
      (season === 'none' || (m > 1 && values.length >= 2 * m)),
  );
}

function fitForm(values: Float64Array, seasonLength: number, form: SmoothingForm): Smoothing | null {
  const count = values.length;
  const m = form.season === 'none' ? 0 : seasonLength;
  const free = 2 + (form.trend === 'none' ? 0 : 2) + (form.trend === 'damped' ? 1 : 0) + m; // of m and γ, one season is fixed by the others
  const estimated = free + 1; // the variance is one more
  if (count - estimated - 1 <= 0) return null;
  const beginning = beginningsOf(values, form, m);
  const coder = createCoder(values, form, m);
  let best: { x: Float64Array; value: number } | null = null;
  for (const start of starts) {
    const found = minimise(coder.criterion, coder.encode({ ...start, ...beginning }));
    if (Number.isFinite(found.value) && (!best || found.value < best.value)) best = found;
  }
  if (!best) return null;
  const aicc = best.value + 2 * estimated + (2 * estimated * (estimated + 1)) / (count - estimated - 1);
  return { form, parameters: coder.decode(best.x), criterion: best.value, aicc };
}

/** Level, slope and seasonal indices of the first seasons, by a centred moving average and a line (Hyndman et al. 2008, 2.6.1). */
function beginningsOf(values: Float64Array, form: SmoothingForm, m: number): { level: number; trend: number; season: Float64Array } {
  const season = new Float64Array(m);
  let adjusted = values.subarray(0, Math.min(values.length, 10));
  if (m > 0) {
    const multiplies = form.season === 'multiplicative';
    const seen = values.subarray(0, Math.min(values.length, Math.max(4 * m, 10)));
    const counts = new Float64Array(m);
    for (let time = 0; time < seen.length; time++) {
      const trend = centredMean(seen, time, m);
      if (trend === null) continue;
      season[time % m]! += multiplies ? seen[time]! / trend : seen[time]! - trend;
      counts[time % m]! += 1;
    }
    for (let place = 0; place < m; place++) season[place] = counts[place]! > 0 ? season[place]! / counts[place]! : multiplies ? 1 : 0;
    const mean = season.reduce((sum, value) => sum + value, 0) / m;
    for (let place = 0; place < m; place++) season[place] = multiplies ? Math.max(0.01, season[place]! / mean) : season[place]! - mean;
    adjusted = values.subarray(0, Math.min(values.length, Math.max(10, 2 * m))).map((value, time) => (multiplies ? value / season[time % m]! : value - season[time % m]!));
  }
  const middle = (adjusted.length - 1) / 2;
  const mean = adjusted.reduce((sum, value) => sum + value, 0) / adjusted.length;
  const slope =
    adjusted.reduce((sum, value, time) => sum + (time - middle) * (value - mean), 0) / Math.max(1e-9, adjusted.reduce((sum, _, time) => sum + (time - middle) ** 2, 0));
  if (form.trend === 'none') return { level: mean, trend: 0, season };
  const level = mean - slope * (middle + 1);
  // A line may begin below zero where all values are above it.
  return (form.error === 'multiplicative' || form.season === 'multiplicative') && level + slope <= 0 ? { level: mean, trend: 0, season } : { level, trend: slope, season };
}

/**
 * Between the parameters, which have bounds (0 < β < α, 0 < γ < 1 - α, 0.8 ≤ φ ≤ 0.98), and numbers without any, all of one
 * order of magnitude. The last place of a season is what the others leave: they add up to 0, or to m.
 */
function createCoder(values: Float64Array, form: SmoothingForm, m: number) {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count) || Math.abs(mean) || 1;
  const hasTrend = form.trend !== 'none';
  const seasonUnit = form.season === 'multiplicative' ? 0.3 : spread;
  const rest = form.season === 'multiplicative' ? m : 0;
  const size = 2 + (hasTrend ? 2 : 0) + (form.trend === 'damped' ? 1 : 0) + m;
  const width = highest - lowest;

  function decode(x: Float64Array): SmoothingParameters {
    let at = 0;
    const alpha = lowest + width * sigmoid(x[at++]!);
    const beta = hasTrend ? alpha * (lowest + width * sigmoid(x[at++]!)) : 0;
    const gamma = m > 0 ? (1 - alpha) * (lowest + width * sigmoid(x[at++]!)) : 0;
    const phi = form.trend === 'damped' ? phiRange[0] + (phiRange[1] - phiRange[0]) * sigmoid(x[at++]!) : 1;
    const level = x[at++]! * spread;
    const trend = hasTrend ? x[at++]! * spread * 0.1 : 0;
    const season = new Float64Array(m);
    let left = rest;
    for (let place = 0; place < m - 1; place++) left -= season[place] = x[at++]! * seasonUnit;
    if (m > 0) season[m - 1] = left;
    return { alpha, beta, gamma, phi, level, trend, season };
  }

  function encode(from: { alpha: number; beta: number; gamma: number; level: number; trend: number; season: Float64Array }): Float64Array {
    return Float64Array.from([
      logit(from.alpha),
      ...(hasTrend ? [logit(from.beta)] : []),
      ...(m > 0 ? [logit(from.gamma)] : []),
      ...(form.trend === 'damped' ? [1] : []),
      from.level / spread,
      ...(hasTrend ? [from.trend / (spread * 0.1)] : []),
      ...Array.from(from.season.subarray(0, Math.max(0, m - 1)), (value) => value / seasonUnit),
    ]);
  }

  const g: SmoothingParameters = { alpha: 0, beta: 0, gamma: 0, phi: 0, level: 0, trend: 0, season: new Float64Array(m) };
  function ofCode(x: Float64Array, gradient: Float64Array): number {
    const parameters = decode(x);
    const value = criterion(values, form, parameters, g);
    if (value === Infinity) return value;
    const { alpha } = parameters;
    let at = 1;
    let alphaBar = g.alpha;
    if (hasTrend) {
      alphaBar += g.beta * (parameters.beta / alpha);
      gradient[at] = g.beta * alpha * width * bump(x[at]!);
      at += 1;
    }
    if (m > 0) {
      alphaBar -= g.gamma * (parameters.gamma / (1 - alpha));
      gradient[at] = g.gamma * (1 - alpha) * width * bump(x[at]!);
      at += 1;
    }
    if (form.trend === 'damped') {
      gradient[at] = g.phi * (phiRange[1] - phiRange[0]) * bump(x[at]!);
      at += 1;
    }
    gradient[0] = alphaBar * width * bump(x[0]!);
    gradient[at++] = g.level * spread;
    if (hasTrend) gradient[at++] = g.trend * spread * 0.1;
    for (let place = 0; place < m - 1; place++) gradient[at++] = (g.season[place]! - g.season[m - 1]!) * seasonUnit;
    return value;
  }
  return { size, decode, encode, criterion: ofCode };
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const logit = (share: number) => Math.log(share / (1 - share));
/** the derivative of the sigmoid */
const bump = (x: number) => sigmoid(x) * (1 - sigmoid(x));
