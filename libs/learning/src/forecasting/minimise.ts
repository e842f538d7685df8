/** Gives the value at `x` and writes its gradient into `gradient`. Infinity where the function is not defined. */
export type Differentiable = (x: Float64Array, gradient: Float64Array) => number;

/**
 * A local minimum of a smooth function, from `start`: BFGS with a backtracking line search (Nocedal & Wright, Numerical
 * Optimization, 2006, algorithms 3.1 and 6.1). For up to some hundreds of variables.
 */
export function minimise(of: Differentiable, start: Float64Array, iterations = 200, tolerance = 1e-9): { x: Float64Array; value: number } {
  const size = start.length;
  let x = Float64Array.from(start);
  let gradient = new Float64Array(size);
  let value = of(x, gradient);
  let inverse = identity(size);
  let isFresh = true;
  for (let iteration = 0; iteration < iterations && Number.isFinite(value); iteration++) {
    const direction = times(inverse, gradient, -1);
    const slope = dot(direction, gradient);
    if (!(slope < 0)) {
      if (isFresh) break;
      inverse = identity(size);
      isFresh = true;
      continue;
    }
    // The first direction has no scale of its own.
    let step = isFresh ? Math.min(1, 1 / Math.sqrt(-slope)) : 1;
    const nextGradient = new Float64Array(size);
    let next = x;
    let nextValue = Infinity;
    for (; step > 1e-14; step /= 3) {
      next = x.map((at, index) => at + step * direction[index]!);
      nextValue = of(next, nextGradient);
      if (nextValue <= value + 1e-4 * step * slope) break;
    }
    if (!(nextValue < value)) {
      if (isFresh) break;
      inverse = identity(size);
      isFresh = true;
      continue;
    }
    const gain = value - nextValue;
    update(inverse, next.map((at, index) => at - x[index]!), nextGradient.map((at, index) => at - gradient[index]!));
    isFresh = false;
    [x, gradient, value] = [next, nextGradient, nextValue];
    if (gain <= tolerance * (Math.abs(value) + tolerance)) break;
  }
  return { x, value };
}

/** Takes the step `moved`, over which the gradient changed by `changed`, into the inverse Hessian [n, n]. */
function update(inverse: Float64Array, moved: Float64Array, changed: Float64Array): void {
  const size = moved.length;
  const curvature = dot(moved, changed);
  if (!(curvature > 1e-12 * Math.sqrt(dot(moved, moved) * dot(changed, changed)))) return;
  const turned = times(inverse, changed, 1);
  const factor = (1 + dot(changed, turned) / curvature) / curvature;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      inverse[row * size + column]! +=
        factor * moved[row]! * moved[column]! - (turned[row]! * moved[column]! + moved[row]! * turned[column]!) / curvature;
    }
  }
}

function identity(size: number): Float64Array {
  const matrix = new Float64Array(size * size);
  for (let at = 0; at < size; at++) matrix[at * size + at] = 1;
  return matrix;
}

function times(matrix: Float64Array, vector: Float64Array, factor: number): Float64Array {
  const size = vector.length;
  return vector.map((_, row) => {
    let sum = 0;
    for (let column = 0; column < size; column++) sum += matrix[row * size + column]! * vector[column]!;
    return factor * sum;
  });
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += a[at]! * b[at]!;
  return sum;
}
