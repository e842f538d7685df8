import type { Calibration, FittedTarget } from './fitted-columns.ts';
import type { OnnxGraph } from './onnx-graph.ts';

/** ONNX TensorProto.DataType, for `Cast` */
const FLOAT = 1;
const DOUBLE = 11;

/** How near to 0 and 1 a probability may come before its logarithm is taken. */
const EDGE = 1e-6;

/**
 * Turns an estimator's probabilities, float [N, C], into what the model answers: corrected by the target's calibration, and
 * the label by its threshold. All in double, so that both engines cut at the same place.
 */
export function writeAnswer(graph: OnnxGraph, probabilities: string, { classes, calibration, decision }: Extract<FittedTarget, { classes: string[] }>): void {
  const raw = graph.add('Cast', [probabilities], { to: DOUBLE });
  const corrected = calibration ? calibrate(graph, raw, calibration, classes.length) : raw;
  const best = decision
    ? byThreshold(graph, corrected, decision)
    : graph.add('ArgMax', [corrected], { axis: 1, keepdims: 0, select_last_index: 0 });
  graph.output(graph.add('Gather', [graph.texts(classes, [classes.length]), best]), { name: 'label', type: 'string', shape: ['N'] });
  graph.output(graph.add('Cast', [corrected], { to: FLOAT }), { name: 'probabilities', type: 'float', shape: ['N', classes.length] });
}

function byThreshold(graph: OnnxGraph, probabilities: string, { positive, threshold }: { positive: number; threshold: number }): string {
  const own = graph.add('Gather', [probabilities, graph.integers([positive], [])], { axis: 1 });
  const isPositive = graph.add('GreaterOrEqual', [own, graph.doubles([threshold], [])]);
  return graph.add('Where', [isPositive, graph.integers([positive], []), graph.integers([1 - positive], [])]);
}

/** double [N, C] to double [N, C] */
function calibrate(graph: OnnxGraph, probabilities: string, calibration: Calibration, classes: number): string {
  const one = graph.doubles([1], [1, 1]);
  const mapped = classes === 2 ? [1] : Array.from({ length: classes }, (_, index) => index);
  const columns = mapped.map((index, map) => mapColumn(graph, graph.add('Gather', [probabilities, graph.integers([index], [1])], { axis: 1 }), calibration, map));
  if (classes === 2) return graph.add('Concat', [graph.add('Sub', [one, columns[0]!]), columns[0]!], { axis: 1 });
  const all = graph.add('Concat', columns, { axis: 1 });
  return graph.add('Div', [all, graph.add('ReduceSum', [all, graph.integers([1], [1])], { keepdims: 1 })]);
}

/** One class's probabilities, double [N, 1]. */
function mapColumn(graph: OnnxGraph, p: string, calibration: Calibration, map: number): string {
  const constant = (value: number) => graph.doubles([value], [1, 1]);
  if (calibration.type === 'platt') {
    const held = graph.add('Min', [graph.add('Max', [p, constant(EDGE)]), constant(1 - EDGE)]);
    const logit = graph.add('Log', [graph.add('Div', [held, graph.add('Sub', [constant(1), held])])]);
    const raised = graph.add('Add', [graph.add('Mul', [logit, constant(calibration.slopes[map]!)]), constant(calibration.shifts[map]!)]);
    return graph.add('Div', [constant(1), graph.add('Add', [constant(1), graph.add('Exp', [graph.add('Neg', [raised])])])]);
  }
  const { x, y, slopes: known } = calibration.maps[map]!;
  const lines = x.length - 1;
  if (lines === 0) return graph.add('Add', [graph.add('Mul', [p, constant(0)]), constant(y[0]!)]);
  // How far a row has come along each line, times its slope: [N, lines] · [lines, 1].
  const row = (values: Float64Array) => graph.doubles(values, [1, lines]);
  const come = graph.add('Sub', [graph.add('Min', [graph.add('Max', [p, row(x.slice(0, -1))]), row(x.slice(1))]), row(x.slice(0, -1))]);
  const slopes = known ?? Float64Array.from({ length: lines }, (_, line) => (y[line + 1]! - y[line]!) / (x[line + 1]! - x[line]!));
  return graph.add('Add', [graph.add('MatMul', [come, graph.doubles(slopes, [lines, 1])]), constant(y[0]!)]);
}
