import type { FittedFeature } from './fitted-columns.ts';
import type { LinearEstimator } from './fitted-estimator.ts';
import { float16Bits } from './float16.ts';
import type { OnnxGraph } from './onnx-graph.ts';
import { weightScales } from './weight-storage.ts';
import { declareInputs, encodeColumns, encodeRows } from './write-model.ts';

/** ONNX TensorProto.DataType, for `Cast` */
const DOUBLE = 11;

/** `x · kernel + bias`: double [N, outputs]. Of a sparse model only those cells of a row are made that have a weight. */
export function writeLinearSums(graph: OnnxGraph, features: FittedFeature[], { width, kernel, bias, sparse, storage }: LinearEstimator): string {
  const outputs = bias.length;
  const cells = Array.from({ length: width }, (_, cell) => cell).filter((cell) => !sparse || kernel.subarray(cell * outputs, (cell + 1) * outputs).some((weight) => weight !== 0));
  const rows = sparse ? encodeCells(graph, features, cells) : encodeRows(graph, features, 'double');
  const kept = Float64Array.from(cells.flatMap((cell) => [...kernel.subarray(cell * outputs, (cell + 1) * outputs)]));
  return graph.add('Gemm', [rows, writeWeights(graph, kept, [cells.length, outputs], storage), graph.doubles(bias, [outputs])]);
}

/** What has to be unpacked the runtime unpacks once, when it loads. */
function writeWeights(graph: OnnxGraph, kernel: Float64Array, shape: [cells: number, outputs: number], storage: LinearEstimator['storage']): string {
  if (!storage) return graph.doubles(kernel, shape);
  const scales = weightScales(kernel, shape[1]);
  const halves = graph.packed(Uint16Array.from(kernel, (weight, at) => float16Bits(weight / scales[at % scales.length]!)), shape);
  return graph.add('Mul', [graph.add('Cast', [halves], { to: DOUBLE }), graph.doubles(scales, [1, shape[1]])]);
}

/** As `encodeRows` in double, of some cells: columns and values of categories that nobody asks for are not looked at. */
function encodeCells(graph: OnnxGraph, features: FittedFeature[], cells: number[]): string {
  const wanted = new Set(cells);
  let next = 0;
  const read = features.map((feature): FittedFeature | null => {
    if (feature.type === 'number') return wanted.has(next++) ? feature : null;
    const categories = feature.categories.filter(() => wanted.has(next++));
    return categories.length > 0 ? { ...feature, categories } : null;
  });
  declareInputs(graph, features);
  const pick = (input: string, isOwn: (feature: FittedFeature) => boolean): string => {
    const places = features.flatMap((feature, at) => (isOwn(feature) ? [read[at] !== null] : [])).flatMap((isRead, at) => (isRead ? [at] : []));
    const isAll = places.length === features.filter(isOwn).length;
    return isAll || places.length === 0 ? input : graph.add('Gather', [input, graph.integers(places, [places.length])], { axis: 1 });
  };
  const numbers = pick('numbers', ({ type }) => type === 'number');
  const categories = pick('categories', ({ type }) => type !== 'number');
  return encodeColumns(graph, read.filter((feature) => feature !== null), 'double', { numbers, categories });
}
