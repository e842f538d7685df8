import type { WeightStorage } from '../pipeline.ts';
import type { Network } from './work.ts';

const mostRounds = 50;

/** Weight sharing (Han et al. 2016, section 3): the weights of each layer become the nearest of a few values, found by k-means. */
export function shareWeights(pipeline: Network, clusters: number): Network {
  const { estimator } = pipeline;
  const shared = <Layer extends { kernel: Float32Array }>(layer: Layer): Layer & { storage: WeightStorage } => {
    const values = clustersOf(layer.kernel, clusters);
    return { ...layer, kernel: nearestOf(layer.kernel, values), storage: { type: 'shared', values } };
  };
  if (estimator.family === 'dense') return { ...pipeline, estimator: { ...estimator, layers: estimator.layers.map(shared) } };
  return { ...pipeline, estimator: { ...estimator, layers: estimator.layers.map(shared), head: shared(estimator.head) } };
}

/**
 * k-means of numbers (Lloyd 1982), from values that stand at equal distances, which keeps the few large weights apart. Where
 * some of the weights are exactly 0 – they were pruned – one of the values is. In ascending order; fewer where there are fewer weights.
 */
export function clustersOf(weights: Float32Array, clusters: number): Float32Array {
  const sorted = weights.filter((weight) => weight !== 0).sort();
  const hasZero = sorted.length < weights.length;
  const wanted = Math.min(clusters - Number(hasZero), sorted.length);
  const sums = new Float64Array(sorted.length + 1);
  sorted.forEach((weight, at) => (sums[at + 1] = sums[at]! + weight));
  const [low, high] = [sorted[0] ?? 0, sorted.at(-1) ?? 0];
  let centres = Float64Array.from({ length: wanted }, (_, index) => low + ((index + 0.5) / wanted) * (high - low));
  for (let round = 0; round < mostRounds; round++) {
    let from = 0;
    const next = centres.map((centre, index) => {
      const limit = index === centres.length - 1 ? Infinity : (centre + centres[index + 1]!) / 2;
      const to = firstAbove(sorted, limit, from);
      const mean = to > from ? (sums[to]! - sums[from]!) / (to - from) : centre;
      from = to;
      return mean;
    });
    const isSettled = next.every((centre, index) => centre === centres[index]);
    centres = next;
    if (isSettled) break;
  }
  const values = [...centres, ...(hasZero ? [0] : [])].map(Math.fround);
  return Float32Array.from(new Set(values)).sort();
}

/** Each weight as the nearest of ascending values, ties to the lower one. */
function nearestOf(weights: Float32Array, values: Float32Array): Float32Array {
  const limits = Float64Array.from(values.subarray(1), (value, index) => (values[index]! + value) / 2);
  return weights.map((weight) => (weight === 0 && values.includes(0) ? 0 : values[firstAbove(limits, weight, 0, true)]!));
}

/** The place of the first that is above the limit, or at it. */
function firstAbove(ascending: Float32Array | Float64Array, limit: number, from: number, orAt = false): number {
  let [low, high] = [from, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const value = ascending[middle]!;
    if (orAt ? value < limit : value <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
