/** Within `halfWidth` of the prediction lies the truth, in the share `coverage` of cases, whatever the distribution. */
export interface ConformalInterval {
  coverage: number;
  /** In the unit of the target. */
  halfWidth: number;
}

/**
 * Split conformal prediction (Papadopoulos et al. 2002; Lei et al. 2018): the ⌈(n + 1) · coverage⌉-th smallest error of n
 * held-out rows. Exact if these rows were not used to learn and new ones are like them. With too few rows for the coverage
 * asked for, the largest error is taken, and the coverage that it stands for, n / (n + 1), is stated.
 */
export function conformalInterval(actual: ArrayLike<number>, predicted: ArrayLike<number>, coverage: number): ConformalInterval {
  const errors = Float64Array.from({ length: actual.length }, (_, row) => Math.abs(actual[row]! - predicted[row]!)).sort();
  if (errors.length === 0) throw new Error('There are no rows to take errors from');
  const rank = Math.ceil((errors.length + 1) * coverage - 1e-9);
  if (rank <= errors.length) return { coverage, halfWidth: errors[rank - 1]! };
  return { coverage: errors.length / (errors.length + 1), halfWidth: errors.at(-1)! };
}
