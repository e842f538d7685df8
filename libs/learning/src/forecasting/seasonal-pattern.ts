/** Of what varies around the trend, a clear pattern explains this share at least. */
const clearShare = 0.5;

/**
 * The additive pattern of a season by classical decomposition (a centred moving average, then the mean of each position), or
 * null where none is clear: then the pattern explains less than half of what varies around the trend, chance taken off
 * (the strength of Wang, Smith & Hyndman 2006). By position from the first value; adds up to 0.
 */
export function findPattern(values: Float64Array, m: number): Float64Array | null {
  const around: { place: number; value: number }[] = [];
  for (let time = 0; time < values.length; time++) {
    const trend = centredMean(values, time, m);
    if (trend !== null) around.push({ place: time % m, value: values[time]! - trend });
  }
  const cycles = around.length / m;
  if (m < 2 || cycles < 1.5) return null;
  const sums = new Float64Array(m);
  const counts = new Float64Array(m);
  for (const { place, value } of around) {
    sums[place]! += value;
    counts[place]! += 1;
  }
  const means = sums.map((sum, place) => sum / counts[place]!);
  const centre = means.reduce((sum, mean) => sum + mean, 0) / m;
  const pattern = means.map((mean) => mean - centre);
  const squares = (of: (at: { place: number; value: number }) => number) => around.reduce((sum, at) => sum + of(at) ** 2, 0);
  // A mean of so few values follows chance: what is left is too small by this much.
  const rest = (squares(({ place, value }) => value - pattern[place]!) * cycles) / (cycles - 1);
  return rest < (1 - clearShare) * squares(({ value }) => value) ? pattern : null;
}

/** The mean of the m values around a time, half of each end where m is even; null near the ends. */
export function centredMean(values: Float64Array, time: number, m: number): number | null {
  const half = Math.floor(m / 2);
  if (time < half || time + half >= values.length) return null;
  let sum = 0;
  for (let at = time - half; at <= time + half; at++) sum += values[at]! * (m % 2 === 0 && Math.abs(at - time) === half ? 0.5 : 1);
  return sum / m;
}
