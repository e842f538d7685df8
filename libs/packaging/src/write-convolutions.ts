import type { ConvolutionalEstimator, FittedImage } from './fitted-pipeline.ts';
import type { OnnxGraph } from './onnx-graph.ts';

/** ONNX TensorProto.DataType, for `Cast` */
const FLOAT = 1;

/** Adds the input that a picture comes in by: uint8 [N, height, width, channels]. */
export function declarePicture(graph: OnnxGraph, { width, height, channels }: FittedImage): string {
  graph.input({ name: 'image', type: 'uint8', shape: ['N', height, width, channels] });
  return 'image';
}

/** From pixels to probabilities, float [N, classes]. */
export function writeConvolutions(graph: OnnxGraph, image: FittedImage, { mean, scale, layers, head }: ConvolutionalEstimator): string {
  const pixels = graph.add('Cast', [declarePicture(graph, image)], { to: FLOAT });
  const centred = graph.add('Sub', [pixels, graph.floats(mean, [mean.length])]);
  const scaled = graph.add('Div', [centred, graph.floats(scale, [scale.length])]);
  let values = graph.add('Transpose', [scaled], { perm: [0, 3, 1, 2] });
  for (const { inputs, filters, kernel, bias, pooled } of layers) {
    const weights = graph.floats(channelsFirst(kernel, inputs, filters), [filters, inputs, 3, 3]);
    const sums = graph.add('Conv', [values, weights, graph.floats(bias, [filters])], { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [1, 1] });
    values = graph.add('Relu', [pooled ? graph.add('MaxPool', [sums], { kernel_shape: [2, 2], strides: [2, 2] }) : sums]);
  }
  const found = graph.add('ReduceMean', [values], { axes: [2, 3], keepdims: 0 });
  const classes = head.bias.length;
  const logits = graph.add('Gemm', [found, graph.floats(head.kernel, [head.kernel.length / classes, classes]), graph.floats(head.bias, [classes])]);
  return graph.add('Softmax', [logits], { axis: -1 });
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
