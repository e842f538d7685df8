import type { FittedImage } from './fitted-columns.ts';
import type { OnnxGraph } from './onnx-graph.ts';

/** ONNX TensorProto.DataType, for `Cast` */
const FLOAT = 1;

/** What becomes of pixels before a network sees them: (pixel - mean) / scale, by channel in the network's order. */
export interface PictureNumbers {
  mean: ArrayLike<number>;
  scale: ArrayLike<number>;
  /** the network's channels are blue, green, red */
  isReversed?: boolean;
}

/** Adds the input that a picture comes in by: uint8 [N, height, width, channels]. */
export function declarePicture(graph: OnnxGraph, { width, height, channels }: FittedImage): string {
  graph.input({ name: 'image', type: 'uint8', shape: ['N', height, width, channels] });
  return 'image';
}

/** From pixels [N, height, width, channels] to the float numbers of a network, in the same order of dimensions. */
export function writeNumbers(graph: OnnxGraph, pixels: string, { mean, scale, isReversed = false }: PictureNumbers): string {
  const cast = graph.add('Cast', [pixels], { to: FLOAT });
  const ordered = isReversed ? graph.add('Gather', [cast, graph.integers([2, 1, 0], [3])], { axis: 3 }) : cast;
  const centred = graph.add('Sub', [ordered, graph.floats(mean, [mean.length])]);
  return graph.add('Div', [centred, graph.floats(scale, [scale.length])]);
}

/** [N, height, width, channels] to [N, channels, height, width]. */
export const writeChannelsFirst = (graph: OnnxGraph, values: string): string => graph.add('Transpose', [values], { perm: [0, 3, 1, 2] });
