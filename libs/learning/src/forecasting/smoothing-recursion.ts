/** Which components an exponential smoothing has. */
export interface SmoothingForm {
  /** `multiplicative`: errors grow with the level. Changes how errors are weighed, not how the states move. */
  error: 'additive' | 'multiplicative';
  trend: 'none' | 'additive' | 'damped';
  season: 'none' | 'additive' | 'multiplicative';
}

/** The weights of new against old, and where the states begin. */
export interface SmoothingParameters {
  alpha: number;
  beta: number;
  gamma: number;
  phi: number;
  level: number;
  trend: number;
  /** of the season's positions, from that of the first observation; empty without a season */
  season: Float64Array;
}

/**
 * -2 × the log-likelihood of the observations, constants aside; Infinity where a multiplicative form meets a value that is
 * not above zero. With `gradient`, also its derivatives by every parameter, found by walking back over the series.
 *
 * The innovations state space models of Hyndman, Koehler, Snyder & Grose, "A state space framework for automatic
 * forecasting using exponential smoothing methods" (2002). Written by the plain error e = y - ŷ, additive and
 * multiplicative errors move the states alike.
 */
export function criterion(values: Float64Array, form: SmoothingForm, at: SmoothingParameters, gradient?: SmoothingParameters): number {
  const count = values.length;
  const path = createPath(count);
  walk(values, form, at, path);
  const relative = form.error === 'multiplicative';
  const multiplies = form.season === 'multiplicative';
  let squares = 0;
  let logs = 0;
  for (let time = 0; time < count; time++) {
    const mu = path.mu[time]!;
    if ((relative || multiplies) && !(mu > 0 && (!multiplies || path.s[time]! > 0))) return Infinity;
    const residual = relative ? values[time]! / mu - 1 : values[time]! - mu;
    squares += residual * residual;
    if (relative) logs += Math.log(mu);
  }
  if (!Number.isFinite(squares)) return Infinity;
  if (gradient) walkBack(values, form, at, path, squares, gradient);
  return count * Math.log(Math.max(squares, Number.MIN_VALUE)) + 2 * logs;
}

/** The states after the last observation. */
export function statesAfter(values: Float64Array, form: SmoothingForm, at: SmoothingParameters): { level: number; trend: number; season: Float64Array } {
  return walk(values, form, at, createPath(values.length));
}

/** The next `horizon` values after `observed` observations that ended in these states. */
export function extrapolate(
  states: { level: number; trend: number; season: Float64Array }, form: SmoothingForm, phi: number, observed: number, horizon: number,
): Float64Array {
  const m = states.season.length;
  let reach = 0;
  let damping = 1;
  return new Float64Array(horizon).map((_, step) => {
    damping *= form.trend === 'damped' ? phi : 1;
    reach += damping;
    const line = states.level + (form.trend === 'none' ? 0 : reach * states.trend);
    if (form.season === 'none') return line;
    const seasonal = states.season[(observed + step) % m]!;
    return form.season === 'additive' ? line + seasonal : line * seasonal;
  });
}

/** By time: the states before a value, and the forecast of it. */
interface Path {
  l: Float64Array;
  b: Float64Array;
  s: Float64Array;
  mu: Float64Array;
}

const createPath = (count: number): Path => ({ l: new Float64Array(count), b: new Float64Array(count), s: new Float64Array(count), mu: new Float64Array(count) });

/** Moves the states over the values, noting the path; gives where they end. */
function walk(values: Float64Array, form: SmoothingForm, at: SmoothingParameters, path: Path) {
  const { alpha, beta, gamma } = at;
  const season = Float64Array.from(at.season);
  const m = season.length;
  const hasTrend = form.trend !== 'none';
  const phi = form.trend === 'damped' ? at.phi : 1;
  const isSeasonal = form.season !== 'none';
  const multiplies = form.season === 'multiplicative';
  let l = at.level;
  let b = hasTrend ? at.trend : 0;
  for (let time = 0, place = 0; time < values.length; time++) {
    const s = isSeasonal ? season[place]! : 0;
    const q = l + phi * b;
    const mu = multiplies ? q * s : q + s;
    path.l[time] = l;
    path.b[time] = b;
    path.s[time] = s;
    path.mu[time] = mu;
    const e = values[time]! - mu;
    const d = multiplies ? e / s : e;
    l = q + alpha * d;
    if (hasTrend) b = phi * b + beta * d;
    if (!isSeasonal) continue;
    season[place] = s + gamma * (multiplies ? e / q : e);
    place = place + 1 === m ? 0 : place + 1;
  }
  return { level: l, trend: b, season };
}

/** Reverse-mode differentiation of `criterion`; `g` is overwritten. */
function walkBack(
  values: Float64Array, form: SmoothingForm, at: SmoothingParameters,
  path: Path, squares: number, g: SmoothingParameters,
): void {
  const count = values.length;
  const m = at.season.length;
  const multiplies = form.season === 'multiplicative';
  const hasTrend = form.trend !== 'none';
  const phi = form.trend === 'damped' ? at.phi : 1;
  const weight = squares > 0 ? (2 * count) / squares : 0;
  let [alpha, beta, gamma, phiBar, lBar, bBar] = [0, 0, 0, 0, 0, 0];
  const season = g.season.fill(0);
  for (let time = count - 1; time >= 0; time--) {
    const place = m > 0 ? time % m : 0;
    const b = path.b[time]!;
    const s = path.s[time]!;
    const mu = path.mu[time]!;
    const y = values[time]!;
    const q = path.l[time]! + phi * b;
    const e = y - mu;
    const d = multiplies ? e / s : e;
    let muBar: number;
    if (form.error === 'multiplicative') muBar = (weight * (y / mu - 1) * -y) / (mu * mu) + 2 / mu;
    else muBar = -weight * e;
    let eBar = 0;
    let qBar = lBar;
    let sBar = form.season === 'none' ? 0 : season[place]!;
    alpha += lBar * d;
    let dBar = at.alpha * lBar;
    let nextB = 0;
    if (hasTrend) {
      phiBar += bBar * b;
      nextB = phi * bBar;
      beta += bBar * d;
      dBar += at.beta * bBar;
    }
    if (form.season === 'additive') {
      gamma += sBar * e;
      eBar += at.gamma * sBar;
    } else if (multiplies) {
      gamma += (sBar * e) / q;
      eBar += (at.gamma * sBar) / q;
      qBar -= (at.gamma * sBar * e) / (q * q);
    }
    if (multiplies) {
      eBar += dBar / s;
      sBar -= (dBar * e) / (s * s);
    } else eBar += dBar;
    muBar -= eBar;
    if (multiplies) {
      qBar += muBar * s;
      sBar += muBar * q;
    } else {
      qBar += muBar;
      sBar += muBar;
    }
    lBar = qBar;
    if (hasTrend) {
      bBar = nextB + phi * qBar;
      phiBar += qBar * b;
    }
    if (form.season !== 'none') season[place] = sBar;
  }
  Object.assign(g, { alpha, beta, gamma, phi: form.trend === 'damped' ? phiBar : 0, level: lBar, trend: bBar });
}
