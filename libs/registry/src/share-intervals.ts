/** 97.5 % of a normal distribution lie below. */
export const z = 1.959963984540054;

/** How often something came up among so many. */
export interface Share {
  hits: number;
  total: number;
}

/** Wilson's score interval of a share (E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927). */
export function wilson({ hits, total }: Share): readonly [number, number] | readonly [null, null] {
  if (total === 0) return [null, null];
  const share = hits / total;
  const middle = (share + z ** 2 / (2 * total)) / (1 + z ** 2 / total);
  const reach = (z / (1 + z ** 2 / total)) * Math.sqrt((share * (1 - share)) / total + z ** 2 / (4 * total ** 2));
  return [Math.max(0, middle - reach), Math.min(1, middle + reach)];
}

/**
 * A weighted sum of independent shares and its interval: the distances from each share to the end of its own interval are squared, added and
 * rooted (R. G. Newcombe, Interval estimation for the difference between independent proportions, 1998, method 10; for any sum
 * G. Y. Zou and A. Donner, Construction of confidence limits about effect measures, 2008). Of a handful it is wide even where each share is 0 or 1.
 * @param terms each with a total above 0
 */
export function combineShares(terms: readonly (Share & { weight: number })[]): { value: number; lower: number; upper: number } {
  let [value, below, above] = [0, 0, 0];
  for (const { weight, hits, total } of terms) {
    const share = hits / total;
    const [lower, upper] = wilson({ hits, total });
    const [down, up] = [(share - lower!) * weight, (upper! - share) * weight];
    value += share * weight;
    below += (weight > 0 ? down : up) ** 2;
    above += (weight > 0 ? up : down) ** 2;
  }
  return { value, lower: value - Math.sqrt(below), upper: value + Math.sqrt(above) };
}
