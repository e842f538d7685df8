/** Value and gradient of a function at a point; null when the computation was told to stop. */
export type Objective = (at: Float64Array) => Promise<{ value: number; gradient: Float64Array } | null>;

export interface MinimiseOptions {
  start: Float64Array;
  /** Done when no part of the gradient (or, under L1, no step) is larger. */
  tolerance: number;
  maxIterations: number;
}

const memory = 10;
const sufficientDecrease = 1e-4;
const sufficientCurvature = 0.9;

/**
 * The minimum of a smooth convex function by L-BFGS (Nocedal 1980; ten pairs), steps chosen by bisection to the weak
 * Wolfe conditions (Lewis & Overton 2013). Ends as well where float64 sees no lower value any more.
 */
export async function minimise(objective: Objective, { start, tolerance, maxIterations }: MinimiseOptions): Promise<Float64Array | null> {
  let point = start;
  let current = await objective(point);
  if (!current) return null;
  const pairs: { step: Float64Array; change: Float64Array; product: number }[] = [];
  for (let iteration = 0; iteration < maxIterations && largest(current.gradient) > tolerance; iteration++) {
    const direction = directionOf(current.gradient, pairs);
    const slope = dot(direction, current.gradient);
    let [low, high] = [0, Infinity];
    let length = pairs.length === 0 ? 1 / Math.max(1, Math.sqrt(-slope)) : 1;
    let next: { point: Float64Array; value: number; gradient: Float64Array } | null = null;
    // Differences below the rounding of the value itself say nothing: they count as no increase.
    const rounding = 4 * Number.EPSILON * Math.abs(current.value);
    for (let attempt = 0; attempt < 50 && !next; attempt++) {
      const candidate = point.map((value, at) => value + length * direction[at]!);
      const result = await objective(candidate);
      if (!result) return null;
      if (!(result.value <= current.value + sufficientDecrease * length * slope + rounding)) high = length;
      else if (dot(result.gradient, direction) < sufficientCurvature * slope) low = length;
      else next = { point: candidate, ...result };
      length = high === Infinity ? 2 * length : (low + high) / 2;
    }
    if (!next) break;
    const step = next.point.map((value, at) => value - point[at]!);
    const change = next.gradient.map((value, at) => value - current!.gradient[at]!);
    const product = dot(step, change);
    if (product > 0) pairs.push({ step, change, product });
    if (pairs.length > memory) pairs.shift();
    ({ point } = next);
    current = next;
  }
  return point;
}

/** Minus the inverse Hessian, as the pairs know it, times the gradient. */
function directionOf(gradient: Float64Array, pairs: { step: Float64Array; change: Float64Array; product: number }[]): Float64Array {
  const direction = gradient.map((value) => -value);
  const parts: number[] = [];
  for (const { step, change, product } of pairs.toReversed()) {
    const part = dot(step, direction) / product;
    parts.unshift(part);
    change.forEach((value, at) => (direction[at]! -= part * value));
  }
  const latest = pairs.at(-1);
  if (latest) {
    const scale = latest.product / dot(latest.change, latest.change);
    direction.forEach((value, at) => (direction[at] = value * scale));
  }
  pairs.forEach(({ step, change, product }, index) => {
    const part = parts[index]! - dot(change, direction) / product;
    step.forEach((value, at) => (direction[at]! += part * value));
  });
  return direction;
}

/**
 * The minimum of a smooth convex function plus l1 · Σ|w| over the first `penalised` parts, by accelerated proximal
 * gradient descent (FISTA: Beck & Teboulle 2009) that restarts where momentum points uphill (O'Donoghue & Candès 2015).
 * Parts that the penalty outweighs are exactly 0.
 */
export async function minimiseUnderL1(
  objective: Objective,
  { start, tolerance, maxIterations }: MinimiseOptions,
  l1: number,
  penalised: number,
): Promise<Float64Array | null> {
  let point = start;
  let ahead = start;
  let momentum = 1;
  let steepness = 1;
  for (let iteration = 0; iteration < maxIterations; iteration++) {
    const current = await objective(ahead);
    if (!current) return null;
    let next: Float64Array;
    for (;;) {
      next = shrunk(ahead, current.gradient, steepness, l1, penalised);
      const result = await objective(next);
      if (!result) return null;
      const step = next.map((value, at) => value - ahead[at]!);
      // Slopes, because near the minimum the values differ by less than their rounding.
      const bend = result.gradient.reduce((sum, value, at) => sum + (value - current.gradient[at]!) * step[at]!, 0);
      if (bend <= steepness * dot(step, step)) break;
      steepness *= 2;
    }
    const step = next.map((value, at) => value - point[at]!);
    const isUphill = next.reduce((sum, value, at) => sum + (ahead[at]! - value) * step[at]!, 0) > 0;
    // Measured from where the gradient was taken: 0 there means that the point is the minimum.
    const moved = next.reduce((most, value, at) => Math.max(most, Math.abs(value - ahead[at]!)), 0);
    if (moved * steepness <= tolerance) return next;
    const following = isUphill ? 1 : (1 + Math.sqrt(1 + 4 * momentum ** 2)) / 2;
    const carry = isUphill ? 0 : (momentum - 1) / following;
    ahead = next.map((value, at) => value + carry * step[at]!);
    point = next;
    momentum = following;
  }
  return point;
}

/** A step against the gradient, then every penalised part brought nearer to 0 by l1 / steepness. */
function shrunk(from: Float64Array, gradient: Float64Array, steepness: number, l1: number, penalised: number): Float64Array {
  const threshold = l1 / steepness;
  return from.map((value, at) => {
    const moved = value - gradient[at]! / steepness;
    if (at >= penalised) return moved;
    return Math.abs(moved) <= threshold ? 0 : moved - Math.sign(moved) * threshold;
  });
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += a[at]! * b[at]!;
  return sum;
}

const largest = (values: Float64Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
