/** What the errors of back-tests say about those to come. */
export interface IntervalWidths {
  /** By step: half the width of the interval around the forecast. */
  halves: Float64Array;
}

/**
 * Split-conformal intervals (Vovk, Gammerman & Shafer 2005; Lei et al. 2018) from forecasts that were made without their
 * truth: `errors` are those of each origin by step, shorter where the truth ended. Each error is measured by the usual size
 * of its step (root mean square, never falling with the step), so that all steps are calibrated together; the width is the
 * ⌈(n + 1) · coverage⌉-th smallest. With too few errors for that it is the largest one.
 */
export function conformalWidths(errors: readonly Float64Array[], horizon: number, coverage: number): IntervalWidths {
  const sizes = risingSizes(errors, horizon);
  const scores = errors.flatMap((own) => Array.from(own, (error, step) => (sizes[step]! > 0 ? Math.abs(error) / sizes[step]! : 0))).sort((a, b) => a - b);
  const rank = Math.min(scores.length, Math.ceil((scores.length + 1) * coverage));
  const width = scores[rank - 1] ?? 0;
  return { halves: sizes.map((size) => size * width) };
}

/** The interval around forecasts; it does not reach below `floor`. */
export function intervalAround(point: Float64Array, { halves }: IntervalWidths, floor: number): { lower: Float64Array; upper: Float64Array } {
  return {
    lower: point.map((value, step) => Math.max(floor, value - halves[step]!)),
    upper: point.map((value, step) => value + halves[step]!),
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
