import type { FittedFeature, FittedTarget } from './fitted-columns.ts';
import type { Heads } from './fitted-pipeline.ts';
import { float16Bits } from './float16.ts';
import type { OnnxGraph } from './onnx-graph.ts';
import { writeAnswer } from './write-answer.ts';

/** ONNX TensorProto.DataType, for `Cast` */
const FLOAT = 1;
const DOUBLE = 11;
const BOOL = 9;
const N = 'N';

/** Probabilities are held above it before their logarithm is taken. */
const SMALLEST_PROBABILITY = 1e-6;

/**
 * Corrects the answers of a shared model, double [N, 1] or float [N, C], by the head of each row's group, and makes them the
 * outputs. A row's parameters are gathered by the number of its group; one number more stands for groups that have no head, whose rows
 * keep the answer as it is, to the last bit.
 */
export function writeHeads(graph: OnnxGraph, shared: string, heads: Heads, features: readonly FittedFeature[], target: FittedTarget): void {
  const outputs = target.type === 'number' ? 1 : target.classes.length;
  const width = heads.inputs.length + 1;
  const groups = heads.groups.length;
  const place = features.filter((feature) => feature.type !== 'number').length - 1;
  const column = graph.add('Gather', ['categories', graph.integers([place], [])], { axis: 1 });
  const id = graph.add('LabelEncoder', [column], { keys_strings: heads.groups, values_int64s: heads.groups.map((_, at) => at), default_int64: groups });
  /** [groups] to [N, size], zeros for other rows */
  const gather = (values: (group: number) => number[], size: number) => {
    const table = [...heads.groups.flatMap((_, group) => values(group)), ...new Array<number>(size).fill(0)];
    if (!heads.storage) return graph.add('Gather', [graph.doubles(table, [groups + 1, size]), id], { axis: 0 });
    return graph.add('Cast', [graph.add('Gather', [graph.packed(Uint16Array.from(table, float16Bits), [groups + 1, size]), id], { axis: 0 })], { to: DOUBLE });
  };

  const flag = gather((group) => [heads.kept[group]!], 1);
  const isKept = graph.add('Cast', [flag], { to: BOOL });
  const answer = target.type === 'number' ? shared : graph.add('Cast', [shared], { to: DOUBLE });
  const constant = (value: number) => graph.doubles([value], [1, 1]);
  const z = target.type === 'number'
    ? graph.add('Div', [graph.add('Sub', [answer, constant(target.mean)]), constant(target.scale)])
    : graph.add('Log', [graph.add('Max', [answer, constant(SMALLEST_PROBABILITY)])]);

  let corrected = graph.add('Mul', [z, gather((group) => [1 + heads.slopes[group]!], 1)]);
  for (let input = 0; input < width; input++) {
    const weights = gather((group) => Array.from(heads.weights.subarray((group * width + input) * outputs, (group * width + input + 1) * outputs)), outputs);
    corrected = graph.add('Add', [corrected, input === 0 ? weights : graph.add('Mul', [readInput(graph, heads.inputs[input - 1]!, features), weights])]);
  }
  if (target.type === 'number') {
    const value = graph.add('Add', [graph.add('Mul', [corrected, constant(target.scale)]), constant(target.mean)]);
    graph.output(graph.add('Where', [isKept, value, answer]), { name: 'prediction', type: 'double', shape: [N, 1] });
  } else {
    const probabilities = graph.add('Where', [isKept, graph.add('Softmax', [corrected], { axis: -1 }), answer]);
    const { calibration: _done, ...decided } = target;
    writeAnswer(graph, graph.add('Cast', [probabilities], { to: FLOAT }), decided);
  }
  graph.output(flag, { name: 'personalised', type: 'double', shape: [N, 1] });
}

/** A number as heads read it, double [N, 1]. */
function readInput(graph: OnnxGraph, { name, mean, scale }: Heads['inputs'][number], features: readonly FittedFeature[]): string {
  const at = features.filter((feature) => feature.type === 'number').findIndex((feature) => feature.name === name);
  const value = graph.add('Gather', ['numbers', graph.integers([at], [1])], { axis: 1 });
  const filled = graph.add('Where', [graph.add('IsNaN', [value]), graph.doubles([mean], [1, 1]), value]);
  return graph.add('Div', [graph.add('Sub', [filled, graph.doubles([mean], [1, 1])]), graph.doubles([scale], [1, 1])]);
}
