import type { DenseSettings } from '@millrace/configuration';
import type { Activation, DenseLayer } from './pipeline.ts';
import { createRandom } from './random.ts';

/** What a network is made of, before it has weights. */
export interface NetworkPlan {
  /** The parts of an encoded row, in order. */
  blocks: InputBlock[];
  layers: LayerPlan[];
}

/** Cells that go in as they are, or the 0/1 cells of a category that is learned as `size` numbers for each value. */
export type InputBlock = { type: 'cells'; cells: number } | { type: 'embedding'; cells: number; size: number };

export interface LayerPlan {
  inputs: number;
  units: number;
  activation: Activation;
  /** Whether its sums are brought to mean 0 and deviation 1 before the activation. */
  normalised: boolean;
  /** Whether its input is added to its output. */
  residual: boolean;
}

/** Weight arrays in the order in which they are kept: embeddings, then kernel, bias and, if normalised, gain of each layer. */
export interface WeightPlan {
  shape: number[];
  role: 'embedding' | 'kernel' | 'bias' | 'gain';
}

/** What is added to the variance before its root is taken. */
export const varianceFloor = 1e-3;

/** The shape of a network for `classes` classes (0: `values` linear outputs). */
export function planNetwork(settings: Pick<DenseSettings, 'hiddenLayers' | 'activation' | 'batchNorm' | 'residual'>, blocks: InputBlock[], classes: number, values = 1): NetworkPlan {
  const { hiddenLayers, activation, batchNorm, residual } = settings;
  const sizes = [blocks.reduce((sum, block) => sum + (block.type === 'cells' ? block.cells : block.size), 0), ...hiddenLayers];
  const hidden = hiddenLayers.map((units, index): LayerPlan => ({
    inputs: sizes[index]!, units, activation, normalised: batchNorm, residual: residual && index > 0 && sizes[index] === units,
  }));
  const last = { inputs: sizes[sizes.length - 1]!, units: classes || values, activation: classes > 0 ? ('softmax' as const) : ('linear' as const) };
  return { blocks, layers: [...hidden, { ...last, normalised: false, residual: false }] };
}

/** The plan of a trained network, whose normalisation and embeddings have become part of its kernels. */
export function planOnLayers(layers: readonly DenseLayer[]): NetworkPlan {
  return {
    blocks: [{ type: 'cells', cells: layers[0]!.inputs }],
    layers: layers.map(({ inputs, units, activation, residual = false }) => ({ inputs, units, activation, normalised: false, residual })),
  };
}

/** How many numbers a value of a category becomes: a rule of thumb of Howard & Gugger (2020), at most 50. */
export const embeddingSize = (values: number): number => Math.min(50, Math.round(1.6 * values ** 0.56));

export function weightsOfPlan({ blocks, layers }: NetworkPlan): WeightPlan[] {
  return [
    ...blocks.flatMap((block): WeightPlan[] => (block.type === 'embedding' ? [{ shape: [block.cells, block.size], role: 'embedding' }] : [])),
    ...layers.flatMap(({ inputs, units, normalised }) => {
      const own: WeightPlan[] = [{ shape: [inputs, units], role: 'kernel' }, { shape: [units], role: 'bias' }];
      return normalised ? [...own, { shape: [units], role: 'gain' } satisfies WeightPlan] : own;
    }),
  ];
}

/**
 * Uniform initial kernels, biases zero, gains one: He et al. (2015) before relu and elu, Glorot & Bengio (2010)
 * otherwise. Embeddings are uniform with a length of about 1/√3.
 */
export function initialWeights({ blocks, layers }: NetworkPlan, seed: number, trial: number): Float32Array[] {
  const random = createRandom(seed, trial, 0);
  const uniform = (length: number, limit: number) => Float32Array.from({ length }, () => (2 * random.uniform() - 1) * limit);
  const embeddings = blocks.flatMap((block) => (block.type === 'embedding' ? [uniform(block.cells * block.size, 1 / Math.sqrt(block.size))] : []));
  const others = layers.flatMap(({ inputs, units, activation, normalised }) => {
    const rectified = activation === 'relu' || activation === 'elu';
    const limit = Math.sqrt(rectified ? 6 / inputs : 6 / (inputs + units));
    const kernel = uniform(inputs * units, limit);
    return [kernel, new Float32Array(units), ...(normalised ? [new Float32Array(units).fill(1)] : [])];
  });
  return [...embeddings, ...others];
}

/** Mean and variance of each normalised layer's sums, in the order of the layers, two arrays a layer. */
export type Statistics = Float32Array[];

/**
 * The same network as plain layers over encoded rows. What is linear in it is multiplied out: normalisation becomes part
 * of its kernel and bias, an embedding part of the first kernel. Nothing is copied that needs no change.
 */
export function foldNetwork(plan: NetworkPlan, weights: Float32Array[], statistics: Statistics): DenseLayer[] {
  const embeddings = plan.blocks.filter(({ type }) => type === 'embedding').length;
  let [next, nextStatistic] = [embeddings, 0];
  const layers = plan.layers.map(({ inputs, units, activation, normalised, residual }): DenseLayer => {
    const shape = { activation, inputs, units, ...(residual ? { residual } : {}) };
    const [kernel, bias] = [weights[next++]!, weights[next++]!];
    if (!normalised) return { ...shape, kernel, bias };
    const gain = weights[next++]!;
    const [mean, variance] = [statistics[nextStatistic++]!, statistics[nextStatistic++]!];
    const scale = Float64Array.from(gain, (value, unit) => value / Math.sqrt(variance[unit]! + varianceFloor));
    return {
      ...shape,
      kernel: kernel.map((value, at) => value * scale[at % units]!),
      bias: bias.map((value, unit) => value - mean[unit]! * scale[unit]!),
    };
  });
  if (embeddings > 0) layers[0] = withoutEmbeddings(plan.blocks, layers[0]!, weights);
  return layers;
}

/** Its kernel by encoded cell: a cell of a category stands for the sum that its embedding brings about. */
function withoutEmbeddings(blocks: InputBlock[], layer: DenseLayer, weights: Float32Array[]): DenseLayer {
  const { units } = layer;
  const cells = blocks.reduce((sum, block) => sum + block.cells, 0);
  const kernel = new Float32Array(cells * units);
  const plain = blocks.reduce((sum, block) => sum + (block.type === 'cells' ? block.cells : 0), 0);
  let [to, fromPlain, fromEmbedding, index] = [0, 0, plain, 0];
  for (const block of blocks) {
    if (block.type === 'cells') {
      kernel.set(layer.kernel.subarray(fromPlain * units, (fromPlain + block.cells) * units), to * units);
      fromPlain += block.cells;
    } else {
      const table = weights[index++]!;
      for (let cell = 0; cell < block.cells; cell++) {
        for (let unit = 0; unit < units; unit++) {
          let sum = 0;
          for (let at = 0; at < block.size; at++) sum += table[cell * block.size + at]! * layer.kernel[(fromEmbedding + at) * units + unit]!;
          kernel[(to + cell) * units + unit] = sum;
        }
      }
      fromEmbedding += block.size;
    }
    to += block.cells;
  }
  return { ...layer, inputs: cells, kernel };
}
