import type { ConvolutionalSettings } from '@millrace/configuration';
import { type Statistics, varianceFloor, type WeightPlan } from './network-plan.ts';
import type { ConvolutionLayer, WeightStorage } from './pipeline.ts';
import { createRandom } from './random.ts';

/** What a convolutional network is made of, before it has weights. */
export interface ConvolutionPlan {
  channels: number;
  layers: ConvolutionLayerPlan[];
  classes: number;
}

export interface ConvolutionLayerPlan {
  inputs: number;
  filters: number;
  /** Whether the largest of each 2 × 2 is taken: the last layer of a block. */
  pooled: boolean;
  /** Whether its sums are brought to mean 0 and deviation 1. */
  normalised: boolean;
}

/** Side of every filter. */
export const side = 3;
const mostFilters = 256;

/** The trained network as plain arrays, normalisation multiplied out. */
export interface ConvolutionNetwork {
  layers: ConvolutionLayer[];
  head: { kernel: Float32Array; bias: Float32Array; storage?: WeightStorage };
}

export function planConvolutions(
  { blocks, layersPerBlock, filters, batchNorm }: Pick<ConvolutionalSettings, 'blocks' | 'layersPerBlock' | 'filters' | 'batchNorm'>, channels: number, classes: number,
): ConvolutionPlan {
  const layers: ConvolutionLayerPlan[] = [];
  for (let block = 0; block < blocks; block++) {
    for (let layer = 0; layer < layersPerBlock; layer++) {
      layers.push({
        inputs: layers.at(-1)?.filters ?? channels,
        filters: Math.min(mostFilters, filters * 2 ** block),
        pooled: layer === layersPerBlock - 1,
        normalised: batchNorm,
      });
    }
  }
  return { channels, layers, classes };
}

/** A plan with the layers of a trained network, whose normalisation has become part of them. */
export function planOnBase(base: readonly ConvolutionLayer[], classes: number): ConvolutionPlan {
  return { channels: base[0]!.inputs, layers: base.map(({ inputs, filters, pooled }) => ({ inputs, filters, pooled, normalised: false })), classes };
}

/** Kernel, bias and, if normalised, gain of each layer; then kernel and bias of the head. */
export function weightsOfConvolutions({ layers, classes }: ConvolutionPlan): WeightPlan[] {
  const own = layers.flatMap(({ inputs, filters, normalised }): WeightPlan[] => [
    { shape: [side, side, inputs, filters], role: 'kernel' },
    { shape: [filters], role: 'bias' },
    ...(normalised ? [{ shape: [filters], role: 'gain' } satisfies WeightPlan] : []),
  ]);
  return [...own, { shape: [layers.at(-1)!.filters, classes], role: 'kernel' }, { shape: [classes], role: 'bias' }];
}

/** Uniform initial kernels (He et al. 2015; the head by Glorot & Bengio 2010), biases zero, gains one. */
export function initialConvolutions({ layers, classes }: ConvolutionPlan, seed: number, trial: number): Float32Array[] {
  const random = createRandom(seed, trial, 0);
  const uniform = (length: number, limit: number) => Float32Array.from({ length }, () => (2 * random.uniform() - 1) * limit);
  const own = layers.flatMap(({ inputs, filters, normalised }) => {
    const kernel = uniform(side * side * inputs * filters, Math.sqrt(6 / (side * side * inputs)));
    return [kernel, new Float32Array(filters), ...(normalised ? [new Float32Array(filters).fill(1)] : [])];
  });
  const last = layers.at(-1)!.filters;
  return [...own, uniform(last * classes, Math.sqrt(6 / (last + classes))), new Float32Array(classes)];
}

/** The same network without normalisation, which becomes part of kernels and biases. What needs no change is not copied. */
export function foldConvolutions({ layers }: ConvolutionPlan, weights: Float32Array[], statistics: Statistics): ConvolutionNetwork {
  let [next, nextStatistic] = [0, 0];
  const folded = layers.map(({ inputs, filters, pooled, normalised }): ConvolutionLayer => {
    const [kernel, bias] = [weights[next++]!, weights[next++]!];
    if (!normalised) return { inputs, filters, pooled, kernel, bias };
    const gain = weights[next++]!;
    const [mean, variance] = [statistics[nextStatistic++]!, statistics[nextStatistic++]!];
    const scale = Float64Array.from(gain, (value, filter) => value / Math.sqrt(variance[filter]! + varianceFloor));
    return {
      inputs, filters, pooled,
      kernel: kernel.map((value, at) => value * scale[at % filters]!),
      bias: bias.map((value, filter) => value - mean[filter]! * scale[filter]!),
    };
  });
  return { layers: folded, head: { kernel: weights[next++]!, bias: weights[next]! } };
}

export function copyConvolutions({ layers, head }: ConvolutionNetwork): ConvolutionNetwork {
  return {
    layers: layers.map((layer) => ({ ...layer, kernel: layer.kernel.slice(), bias: layer.bias.slice() })),
    head: { kernel: head.kernel.slice(), bias: head.bias.slice() },
  };
}
