import { type Attribute, float32, type Graph, int64, type Node, tensor } from './foreign-model.ts';
import { createRandom } from './random-pipeline.ts';

/** What a network makes of the numbers of a picture, whatever its graph looks like. */
export interface PictureWeights {
  /** [filters, channels, 3, 3] */
  kernel: number[];
  /** of each filter: scale, shift, mean and variance of the batch normalisation */
  normalisation: { scale: number[]; shift: number[]; mean: number[]; variance: number[] };
  /** [classes, filters] */
  dense: number[];
  bias: number[];
}

export const filters = 4;
export const classes = ['nut', 'bolt', 'washer'];

export function pictureWeights(channels: number): PictureWeights {
  const random = createRandom(11);
  const numbers = (length: number, size: number, from = 0) => Array.from({ length }, () => Math.fround(from + (random.unit() * 2 - 1) * size));
  return {
    kernel: numbers(filters * channels * 9, 0.4),
    normalisation: { scale: numbers(filters, 0.3, 1), shift: numbers(filters, 0.3), mean: numbers(filters, 0.2), variance: numbers(filters, 0.3, 1) },
    dense: numbers(classes.length * filters, 2), bias: numbers(classes.length, 0.2),
  };
}

const ints = (...values: number[]): Attribute => ({ ints: values });
const epsilon = 1e-5;

/** Convolution of stride 2, batch normalisation, relu, mean over the places and a dense layer: from [n, channels, height, width] to `y` before the softmax. */
function layers(input: string, { kernel, normalisation, dense, bias }: PictureWeights): { nodes: Node[]; initializers: Uint8Array[] } {
  const nodes: Node[] = [
    { op: 'Conv', in: [input, 'conv1.weight'], out: ['/conv1/Conv_output_0'], attributes: { dilations: ints(1, 1), group: { i: 1 }, kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1), strides: ints(2, 2) } },
    { op: 'BatchNormalization', in: ['/conv1/Conv_output_0', 'bn1.weight', 'bn1.bias', 'bn1.running_mean', 'bn1.running_var'], out: ['/bn1/out'], attributes: { epsilon: { f: epsilon }, momentum: { f: 0.9 } } },
    { op: 'Relu', in: ['/bn1/out'], out: ['/relu/out'] },
    { op: 'GlobalAveragePool', in: ['/relu/out'], out: ['/avgpool/out'] },
    { op: 'Flatten', in: ['/avgpool/out'], out: ['/Flatten_output_0'], attributes: { axis: { i: 1 } } },
    { op: 'Gemm', in: ['/Flatten_output_0', 'fc.weight', 'fc.bias'], out: ['y'], attributes: { alpha: { f: 1 }, beta: { f: 1 }, transB: { i: 1 } } },
  ];
  const list = (name: string, values: number[]) => tensor(name, 1, [values.length], float32(...values));
  const { scale, shift, mean, variance } = normalisation;
  return {
    nodes,
    initializers: [
      tensor('conv1.weight', 1, [filters, kernel.length / filters / 9, 3, 3], float32(...kernel)), list('bn1.weight', scale), list('bn1.bias', shift), list('bn1.running_mean', mean), list('bn1.running_var', variance),
      tensor('fc.weight', 1, [classes.length, filters], float32(...dense)), list('fc.bias', bias),
    ],
  };
}

/** As PyTorch exports it: channels first, the answer before its softmax. */
export function torchGraph(weights: PictureWeights, shape: (number | string)[], change: Partial<Graph> = {}): Graph {
  return { inputs: [{ name: 'input', shape }], outputs: [{ name: 'y', shape: ['batch_size', classes.length] }], ...layers('input', weights), ...change };
}

/** As tf2onnx exports a Keras model: channels last, turned around by the graph itself, the softmax inside; where it takes bytes, it rescales them to 0 to 1. */
export function kerasGraph(weights: PictureWeights, shape: (number | string)[], type = 1): Graph {
  const { nodes, initializers } = layers('turned', weights);
  const turn: Node = { op: 'Transpose', in: ['cast'], out: ['turned'], attributes: { perm: ints(0, 3, 1, 2) } };
  const cast: Node[] = [{ op: 'Cast', in: ['input_1'], out: ['floats'], attributes: { to: { i: 1 } } }, { op: 'Mul', in: ['floats', 'rescaling'], out: ['cast'] }];
  return {
    inputs: [{ name: 'input_1', type, shape }], outputs: [{ name: 'dense', shape: ['unk__6', classes.length] }],
    nodes: [...cast, turn, ...nodes, { op: 'Softmax', in: ['y'], out: ['dense'], attributes: { axis: { i: 1 } } }],
    initializers: [...initializers, tensor('rescaling', 1, [], float32(type === 2 ? 1 / 255 : 1))],
  };
}

/** A number for each picture, from the first of the three. */
export function numberGraph(weights: PictureWeights, shape: (number | string)[]): Graph {
  const graph = torchGraph(weights, shape);
  return {
    ...graph, outputs: [{ name: 'value', shape: ['batch_size', 1] }],
    nodes: [...graph.nodes, { op: 'Slice', in: ['y', 'zero', 'one', 'one'], out: ['value'] }], initializers: [...graph.initializers!, tensor('zero', 7, [1], int64(0)), tensor('one', 7, [1], int64(1))],
  };
}

/** The same by loops over numbers in float64: `picture(channel, y, x)` to the answer before its softmax. */
export function answerPlainly({ kernel, normalisation, dense, bias }: PictureWeights, { width, height, channels }: { width: number; height: number; channels: number }, picture: (channel: number, y: number, x: number) => number): number[] {
  const [w, h] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const { scale, shift, mean, variance } = normalisation;
  const means = Array.from({ length: filters }, (_, filter) => {
    let total = 0;
    for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
      let sum = 0;
      for (let channel = 0; channel < channels; channel++) for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) {
        const [line, column] = [2 * y + i - 1, 2 * x + j - 1];
        if (line >= 0 && line < height && column >= 0 && column < width) sum += picture(channel, line, column) * kernel[((filter * channels + channel) * 3 + i) * 3 + j]!;
      }
      total += Math.max(0, ((sum - mean[filter]!) / Math.sqrt(variance[filter]! + epsilon)) * scale[filter]! + shift[filter]!);
    }
    return total / (w * h);
  });
  return bias.map((own, index) => means.reduce((sum, value, filter) => sum + value * dense[index * filters + filter]!, own));
}

export function softmaxOf(logits: number[]): number[] {
  const powers = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}
