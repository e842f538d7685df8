import type { FittedImage } from './fitted-columns.ts';
import type { ConvolutionalEstimator } from './fitted-estimator.ts';
import type { OnnxGraph } from './onnx-graph.ts';
import { levelsOf, type WeightStorage } from './weight-storage.ts';
import { declarePicture, writeChannelsFirst, writeNumbers } from './write-picture.ts';
import { writeFloats, writeKernel, writeSums, writeWhole } from './write-weights.ts';

type Layer = ConvolutionalEstimator['layers'][number];
type WholeStorage = Extract<WeightStorage, { type: 'int8' }>;

const shape = { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [1, 1] };
const pool = { kernel_shape: [2, 2], strides: [2, 2] };

/** From pixels to probabilities, float [N, classes]. */
export function writeConvolutions(graph: OnnxGraph, image: FittedImage, { mean, scale, layers, head }: ConvolutionalEstimator): string {
  const picture = writeChannelsFirst(graph, writeNumbers(graph, declarePicture(graph, image), { mean, scale }));
  const isWhole = layers[0]!.storage?.type === 'int8';
  const found = graph.add('ReduceMean', [isWhole ? writeWholeLayers(graph, picture, layers) : writeLayers(graph, picture, layers)], { axes: [2, 3], keepdims: 0 });
  const classes = head.bias.length;
  return graph.add('Softmax', [writeSums(graph, found, { ...head, inputs: head.kernel.length / classes, units: classes })], { axis: -1 });
}

function writeLayers(graph: OnnxGraph, picture: string, layers: readonly Layer[]): string {
  return layers.reduce((values, { inputs, filters, kernel, bias, pooled, storage }) => {
    const weights = writeKernel(graph, channelsFirst(kernel, inputs, filters), [filters, inputs, 3, 3], storage as Exclude<WeightStorage, WholeStorage> | undefined);
    const sums = graph.add('Conv', [values, weights, graph.floats(bias, [filters])], shape);
    return graph.add('Relu', [pooled ? graph.add('MaxPool', [sums], pool) : sums]);
  }, picture);
}

/** In whole numbers from the first layer to the last: cutting off below 0, which is their zero point, is the relu. */
function writeWholeLayers(graph: OnnxGraph, picture: string, layers: readonly Layer[]): string {
  const storageOf = (layer: Layer) => layer.storage as WholeStorage;
  let values = writeWhole(graph, picture, storageOf(layers[0]!).input!);
  for (const layer of layers) {
    const { inputs, filters, kernel, bias, pooled } = layer;
    const { scales, input, output } = storageOf(layer);
    const levels = Int8Array.from(channelsFirst(Float32Array.from(levelsOf(kernel, scales)), inputs, filters));
    const sums = graph.add('QLinearConv', [
      values, graph.floats([input!.scale], []), graph.packed(Uint8Array.of(input!.zeroPoint), []),
      graph.packed(levels, [filters, inputs, 3, 3]), graph.floats(scales, [filters]), graph.packed(new Int8Array(filters), [filters]),
      graph.floats([output!.scale], []), graph.packed(Uint8Array.of(output!.zeroPoint), []),
      graph.packed(Int32Array.from(bias, (value, filter) => Math.round(value / (input!.scale * scales[filter]!))), [filters]),
    ], shape);
    values = pooled ? graph.add('MaxPool', [sums], pool) : sums;
  }
  return writeFloats(graph, values, storageOf(layers.at(-1)!).output!);
}

/** [3, 3, inputs, filters] to [filters, inputs, 3, 3]. */
function channelsFirst(kernel: Float32Array, inputs: number, filters: number): Float32Array {
  const turned = new Float32Array(kernel.length);
  for (let place = 0; place < 9; place++) {
    for (let input = 0; input < inputs; input++) {
      for (let filter = 0; filter < filters; filter++) turned[(filter * inputs + input) * 9 + place] = kernel[(place * inputs + input) * filters + filter]!;
    }
  }
  return turned;
}
