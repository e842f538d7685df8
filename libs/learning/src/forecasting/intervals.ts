/** What a forecast from an origin was off by, step by step. */
export interface ErrorsFrom {
  origin: number;
  errors: Float64Array;
}

/** Values of a horizon whose errors count as independent of each other. */
const independentPerHorizon = 2;

/**
 * By step, half the width of a split-conformal interval (Vovk, Gammerman & Shafer 2005; Lei et al. 2018) from forecasts that
 * were made without their truth. Each error is measured by the usual size of its step (root mean square, never falling with
 * the step), so that all steps are calibrated together. The width is the quantile (n + 1) · coverage / n of all errors, and
 * the largest where n is too small for that. Windows that overlap share their truth, and the errors of one window go
 * together, so n counts two values for each horizon that the windows span (docs/forecasting.md says what that gives).
 */
export function conformalWidths(windows: readonly ErrorsFrom[], horizon: number, coverage: number): Float64Array {
  const errors = windows.map((window) => window.errors);
  const sizes = risingSizes(errors, horizon);
  const scores = errors.flatMap((own) => Array.from(own, (error, step) => (sizes[step]! > 0 ? Math.abs(error) / sizes[step]! : 0))).sort((a, b) => a - b);
  const independent = (windows.at(-1)!.origin + horizon - windows[0]!.origin) * Math.min(1, independentPerHorizon / horizon);
  const share = Math.min(1, ((independent + 1) * coverage) / independent);
  const width = scores[Math.ceil(scores.length * share - 1e-9) - 1] ?? 0;
  return sizes.map((size) => size * width);
}

/** The interval around forecasts, so far to both sides; it does not reach below `floor`. */
export function intervalAround(point: Float64Array, widths: Float64Array, floor: number): { lower: Float64Array; upper: Float64Array } {
  return {
    lower: point.map((value, step) => Math.max(floor, value - widths[step]!)),
    upper: point.map((value, step) => value + widths[step]!),
  };
}

/** Root mean square error by step, made to rise by pooling neighbours that fall (Ayer et al. 1955). */
function risingSizes(errors: readonly Float64Array[], horizon: number): Float64Array {
  const blocks: { squares: number; count: number; steps: number }[] = [];
  for (let step = 0; step < horizon; step++) {
    let block = { squares: 0, count: 0, steps: 1 };
    for (const own of errors) {
      if (step >= own.length) continue;
      block.squares += own[step]! ** 2;
      block.count += 1;
    }
    const mean = (of: typeof block) => (of.count > 0 ? of.squares / of.count : Infinity);
    for (let last = blocks.at(-1); last && (block.count === 0 || mean(last) > mean(block)); last = blocks.at(-1)) {
      blocks.pop();
      block = { squares: last.squares + block.squares, count: last.count + block.count, steps: last.steps + block.steps };
    }
    blocks.push(block);
  }
  return Float64Array.from(blocks.flatMap(({ squares, count, steps }) => new Array<number>(steps).fill(Math.sqrt(squares / Math.max(1, count)))));
}
