import { DomainError } from '@millrace/kernel';
import type { ConvolutionalEstimator } from './fitted-pipeline.ts';
import { readOnnxGraph } from './onnx-graph.ts';
import type { PackageFiles } from './model-package.ts';

/** The convolutions of a packaged network for pictures, as `writeConvolutions` wrote them. Throws `DomainError` `INVALID` for another model. */
export function readConvolutions(files: PackageFiles): ConvolutionalEstimator['layers'] {
  const { node, initializer } = readOnnxGraph(files.get('model.onnx') ?? new Uint8Array());
  const constants = new Map(initializer.map((constant) => [constant.name, constant]));
  const layers = node.flatMap(({ opType, input, output }) => {
    if (opType !== 'Conv') return [];
    const [weights, bias] = [constants.get(input[1]!), constants.get(input[2]!)];
    if (!weights || !bias) return [];
    const [filters, inputs] = weights.dims as [number, number];
    const pooled = node.some((next) => next.opType === 'MaxPool' && next.input[0] === output[0]);
    return [{ inputs, filters, pooled, kernel: channelsLast(weights.floats, inputs, filters), bias: bias.floats }];
  });
  if (layers.length > 0) return layers;
  throw new DomainError('INVALID', 'The model has no convolutions.', { field: 'base', remedy: 'Choose a network for pictures.' });
}

/** [filters, inputs, 3, 3] to [3, 3, inputs, filters]. */
function channelsLast(kernel: Float32Array, inputs: number, filters: number): Float32Array {
  const turned = new Float32Array(kernel.length);
  for (let place = 0; place < 9; place++) {
    for (let input = 0; input < inputs; input++) {
      for (let filter = 0; filter < filters; filter++) turned[(place * inputs + input) * filters + filter] = kernel[(filter * inputs + input) * 9 + place]!;
    }
  }
  return turned;
}
