/**
 * By step, half the width of a split-conformal interval (Vovk, Gammerman & Shafer 2005; Lei et al. 2018) from forecasts that
 * were made without their truth: `errors` are those of each origin by step. Each error is measured by the usual size of its
 * step (root mean square, never falling with the step), so that all steps are calibrated together. Windows that overlap
 * share their truth, so only the `distinct` values count as a sample: the width is the quantile ⌈(n + 1) · coverage⌉ / n of
 * n distinct values, and the largest error where they are too few for that.
 */
export function conformalWidths(errors: readonly Float64Array[], horizon: number, coverage: number, distinct: number): Float64Array {
  const sizes = risingSizes(errors, horizon);
  const scores = errors.flatMap((own) => Array.from(own, (error, step) => (sizes[step]! > 0 ? Math.abs(error) / sizes[step]! : 0))).sort((a, b) => a - b);
  const share = Math.min(1, Math.ceil((distinct + 1) * coverage) / distinct);
  const width = scores[Math.ceil(scores.length * share - 1e-9) - 1] ?? 0;
  return sizes.map((size) => size * width);
}

/** The interval around forecasts, half as wide as `halves` times `unit`; it does not reach below `floor`. */
export function intervalAround(point: Float64Array, halves: Float64Array, unit: number, floor: number): { lower: Float64Array; upper: Float64Array } {
  return {
    lower: point.map((value, step) => Math.max(floor, value - unit * halves[step]!)),
    upper: point.map((value, step) => value + unit * halves[step]!),
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
