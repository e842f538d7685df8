/** How often what was called likely came true. */
export interface CalibrationCurve {
  /** Tenths of the range of probabilities that hold rows, ascending. */
  bins: { from: number; to: number; rows: number; predicted: number; observed: number }[];
  /** Mean distance of the two, weighted by rows: the expected calibration error (Naeini et al. 2015). */
  error: number;
}

const binCount = 10;

/** @param probabilities of each row's event; `happened` says whether it came true */
export function calibrationCurve(probabilities: ArrayLike<number>, happened: (row: number) => boolean): CalibrationCurve {
  const sums = Array.from({ length: binCount }, () => ({ rows: 0, predicted: 0, observed: 0 }));
  for (let row = 0; row < probabilities.length; row++) {
    const bin = sums[Math.min(binCount - 1, Math.max(0, Math.floor(probabilities[row]! * binCount)))]!;
    bin.rows += 1;
    bin.predicted += probabilities[row]!;
    bin.observed += Number(happened(row));
  }
  const bins = sums.flatMap(({ rows, predicted, observed }, at) =>
    rows === 0 ? [] : [{ from: at / binCount, to: (at + 1) / binCount, rows, predicted: predicted / rows, observed: observed / rows }],
  );
  return { bins, error: bins.reduce((sum, { rows, predicted, observed }) => sum + (rows / probabilities.length) * Math.abs(predicted - observed), 0) };
}
